"""Compiles the modules in C beside their sources, where there is a C compiler; without one antipodes runs on their
twins in Python. They become part of a wheel; an editable installation finds them in the source tree."""

from __future__ import annotations

import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = ("-O2", "-std=c11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-fPIC")
LINKING = ("-bundle", "-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-shared",)


def compile_module(source: Path) -> Path | None:
    """The module's path, or None if it cannot be compiled here."""
    target = source.with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))
    target.unlink(missing_ok=True)  # never a module of an older source
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    command = [*compiler, *FLAGS, *LINKING, f"-I{sysconfig.get_path('include')}", str(source), "-o", str(target)]
    try:
        subprocess.run(command, check=True, timeout=60)  # noqa: S603  (the compiler that this Python was made with)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{source.name} is not compiled: {error}", file=sys.stderr)
        target.unlink(missing_ok=True)
        return None
    return target


class CompiledModules(BuildHookInterface[Any]):
    """Called by hatchling before it packs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See above."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        built = [compile_module(source) for source in sorted((root / "src").rglob("_*.c"))]
        modules = [module for module in built if module is not None]
        if modules:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["artifacts"] += [module.relative_to(root).as_posix() for module in modules]
