"""/tmp is an environment's own."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest

from antipodes.world import real_mounts
from tests.lambda_.conftest import Room, play_real
from tests.lambda_.test_runtimes import call, make

pytestmark = pytest.mark.skipif(not real_mounts.can_take(), reason="this kernel gives no mounts to ordinary processes")

HANDLER = """
import os, subprocess, tempfile
def handler(event, context):
    before = os.path.exists(event)
    with open(event, "a") as file:
        file.write("x")
    seen = subprocess.run(["cat", event], capture_output=True, text=True).stdout
    return [before, seen, tempfile.gettempdir(), os.environ.get("TMPDIR")]
"""
NODE = """
const fs = require("node:fs");
exports.handler = async (event) => {
  const before = fs.existsSync(event);
  fs.appendFileSync(event, "x");
  return [before, fs.readFileSync(event, "utf8"), require("node:os").tmpdir(), process.env.TMPDIR ?? null];
};
"""


def test_what_lies_in_tmp_stays_for_the_next_invocation_and_nobody_else_sees_it() -> None:
    name = f"/tmp/{uuid.uuid4()}"
    functions = {"a": ("python3.11", {"app.py": HANDLER}), "b": ("python3.11", {"app.py": HANDLER})}
    if shutil.which("node"):
        functions["c"] = ("nodejs20.x", {"app.js": NODE})

    async def story(room: Room) -> None:
        for function, (runtime, code) in functions.items():
            await make(room, function, code, Runtime=runtime, Handler="app.handler")
            assert await call(room, function, name) == (None, [False, "x", "/tmp", None])
        assert await call(room, "a", name) == (None, [True, "xx", "/tmp", None])

    play_real(story)
    assert not Path(name).exists()


def test_what_is_needed_of_the_machines_tmp_keeps_its_place(tmp_path: Path) -> None:
    own, one, inside, elsewhere = (tmp_path / name for name in ("own", "one", "one/inside", "file"))
    inside.mkdir(parents=True)
    own.mkdir()
    elsewhere.write_text("no folder")
    needed = [str(inside), str(one), str(elsewhere), "/usr", "", str(tmp_path / "missing")]
    kept = real_mounts.kept_in(str(own), needed)
    below = str(one.resolve())
    assert kept == ([below] if below.startswith("/tmp/") else [])
    assert all((own / path.removeprefix("/tmp/")).is_dir() for path in kept)
