"""antipodes.toml: which stacks an app has, in which Regions, with which parameters. Read and checked; nothing is
deployed.

`load` reads everything that a deployment needs from the disk (manifest, templates, code folders, packed into zip
archives), so that `deploy` touches no file and runs in both worlds. `parse` is pure. Errors name file, stack and
key.

References in parameters: `${stack.Output}` (in the same Region if the stack is deployed there, else in its only
one), `${stack@us-west-2.Output}`, `${region}`, `${account}`, `${name}`. They decide the order; a circle is an
error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antipodes.globe.artifacts import Artifact, BadTemplate, read_template

MANIFEST = "antipodes.toml"
REFERENCE = re.compile(r"\$\{([^}]*)\}")
OUTPUT = re.compile(r"(?P<stack>[A-Za-z][A-Za-z0-9-]*)(?:@(?P<region>[a-z0-9-]+))?\.(?P<output>[A-Za-z0-9]+)")
STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d")
PLAIN = ("region", "account", "name")
STACK_KEYS = ("name", "template", "regions", "parameters", "capabilities", "tags")


class ManifestError(ValueError):
    """The manifest cannot be used; the text names file, stack and key."""


@dataclass(frozen=True, slots=True)
class StackPlan:
    """One stack of the app."""

    name: str
    template_file: str  # relative to the manifest
    regions: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    template: str = ""  # text, filled by `load`; code stands as `Artifact.placeholder`
    artifacts: tuple[Artifact, ...] = ()

    def needs(self) -> tuple[str, ...]:
        """Names of the stacks whose outputs it uses, in order of mention."""
        found = [match["stack"] for text in self.parameters.values() for match in outputs_in(text)]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole app; `stacks` in the order of deployment."""

    name: str
    regions: tuple[str, ...]
    stacks: tuple[StackPlan, ...]


def outputs_in(text: str) -> list[re.Match[str]]:
    """The references to outputs in a parameter."""
    found = [OUTPUT.fullmatch(name.strip()) for name in REFERENCE.findall(text)]
    return [match for match in found if match is not None]


def load(folder: Path) -> Manifest:
    """The app in a folder (or the manifest file itself). Raises ManifestError."""
    file = folder if folder.is_file() else folder / MANIFEST
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ManifestError(f"{file}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file}: cannot be read: {error}") from None
    manifest = parse(text, str(file))
    stacks = []
    for stack in manifest.stacks:
        path = file.parent / stack.template_file
        try:
            template, artifacts = read_template(path)
        except FileNotFoundError:
            raise ManifestError(f"{file}: stack {stack.name}: template: there is no file {path}") from None
        except BadTemplate as error:
            raise ManifestError(f"{path}: {error}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"{path}: cannot be read: {error}") from None
        stacks.append(
            StackPlan(
                stack.name, stack.template_file, stack.regions, stack.parameters, stack.capabilities, stack.tags,
                template, artifacts,
            )
        )  # fmt: skip
    return Manifest(manifest.name, manifest.regions, tuple(stacks))


def parse(text: str, file: str = MANIFEST) -> Manifest:
    """The manifest without its templates, stacks in the order of deployment. Raises ManifestError."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{file}: {error}") from None
    for key in raw:
        if key not in ("name", "regions", "stack"):
            raise ManifestError(f"{file}: unknown key {key} (known: name, regions, stack)")
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise ManifestError(f"{file}: name: a text is needed")
    regions = _regions(raw.get("regions"), f"{file}: regions")
    entries = raw.get("stack")
    if not isinstance(entries, list) or not entries:
        raise ManifestError(f"{file}: at least one [[stack]] is needed")
    stacks: dict[str, StackPlan] = {}
    for number, entry in enumerate(entries, 1):
        stack = _stack(
            entry, regions, f"{file}: stack {entry.get('name', number) if isinstance(entry, dict) else number}"
        )
        if stack.name in stacks:
            raise ManifestError(f"{file}: stack {stack.name} is there twice")
        stacks[stack.name] = stack
    for stack in stacks.values():
        _check_references(stack, stacks, f"{file}: stack {stack.name}")
    return Manifest(name, regions, _ordered(stacks, file))


def _regions(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ManifestError(f"{where}: a list of Regions is needed")
    for one in value:
        if not isinstance(one, str) or not REGION.fullmatch(one):
            raise ManifestError(f"{where}: {one!r} is no Region")
    if len(dict.fromkeys(value)) != len(value):
        raise ManifestError(f"{where}: a Region is there twice")
    return tuple(value)


def _stack(entry: Any, regions: tuple[str, ...], where: str) -> StackPlan:
    if not isinstance(entry, dict):
        raise ManifestError(f"{where}: a table is needed")
    for key in entry:
        if key not in STACK_KEYS:
            raise ManifestError(f"{where}: unknown key {key} (known: {', '.join(STACK_KEYS)})")
    name, template = entry.get("name"), entry.get("template")
    if not isinstance(name, str) or not STACK_NAME.fullmatch(name):
        raise ManifestError(f"{where}: name: letters, digits and hyphens are needed, a letter first")
    if not isinstance(template, str) or not template:
        raise ManifestError(f"{where}: template: the name of a file is needed")
    given = entry.get("regions", "all")
    chosen = regions if given == "all" else _regions(given, f"{where}: regions")
    for one in chosen:
        if one not in regions:
            raise ManifestError(f"{where}: regions: {one} is not among the app's regions")
    capabilities = entry.get("capabilities", [])
    if not isinstance(capabilities, list) or not all(isinstance(one, str) for one in capabilities):
        raise ManifestError(f"{where}: capabilities: a list of texts is needed")
    return StackPlan(
        name=name,
        template_file=template,
        regions=chosen,
        parameters=_texts(entry.get("parameters", {}), f"{where}: parameters"),
        capabilities=tuple(capabilities),
        tags=_texts(entry.get("tags", {}), f"{where}: tags"),
    )


def _texts(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ManifestError(f"{where}: a table is needed")
    found = {}
    for key, one in value.items():
        if isinstance(one, bool):
            found[key] = "true" if one else "false"
        elif isinstance(one, str | int | float):
            found[key] = str(one)
        elif isinstance(one, list) and all(isinstance(item, str) for item in one):
            found[key] = ",".join(one)
        else:
            raise ManifestError(f"{where}: {key}: a text, a number or a list of texts is needed")
    return found


def _check_references(stack: StackPlan, stacks: Mapping[str, StackPlan], where: str) -> None:
    for key, text in stack.parameters.items():
        for name in REFERENCE.findall(text):
            if name.strip() in PLAIN:
                continue
            match = OUTPUT.fullmatch(name.strip())
            at = f"{where}: parameters: {key}: ${{{name}}}"
            if match is None:
                raise ManifestError(
                    f"{at}: not understood; write ${{stack.Output}}, ${{stack@region.Output}} or ${{region}}"
                )
            other = stacks.get(match["stack"])
            if other is None:
                raise ManifestError(f"{at}: there is no stack {match['stack']}")
            if match["region"] and match["region"] not in other.regions:
                raise ManifestError(f"{at}: {other.name} is not deployed to {match['region']}")
            if not match["region"] and len(other.regions) > 1:
                missing = [one for one in stack.regions if one not in other.regions]
                if missing:
                    raise ManifestError(
                        f"{at}: {other.name} is not deployed to {missing[0]}; say which: {other.name}@region"
                    )


def _ordered(stacks: Mapping[str, StackPlan], file: str) -> tuple[StackPlan, ...]:
    """Each stack after those it needs; as written where there is a choice."""
    done: dict[str, StackPlan] = {}
    while len(done) < len(stacks):
        ready = [one for name, one in stacks.items() if name not in done and all(need in done for need in one.needs())]
        if not ready:
            circle = ", ".join(name for name in stacks if name not in done)
            raise ManifestError(f"{file}: stacks need each other in a circle: {circle}")
        done[ready[0].name] = ready[0]
    return tuple(done.values())
