"""Worker processes end with their Region."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lambda_.conftest import Room, play_real

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for a signal at the parent's death")
def test_worker_dies_when_its_region_is_killed(tmp_path: Path) -> None:
    program = Path(__file__).with_name("dying_region.py")
    region = subprocess.Popen(
        [sys.executable, str(program)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    assert region.stdout is not None
    try:
        worker = int(region.stdout.readline())
        os.kill(worker, 0)
        region.send_signal(signal.SIGKILL)
        region.wait(10)
        for _ in range(100):
            if not _runs(worker):
                break
            time.sleep(0.05)
        assert not _runs(worker)
    finally:
        region.kill()
        region.wait(10)
        region.stdout.close()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


ROOT_OF_CODE = """
import os, time
def handler(event, context):
    time.sleep(event["s"])
    return {"pid": os.getpid(), "root": os.environ["LAMBDA_TASK_ROOT"]}
"""


def mode_of(path: str) -> int:
    return Path(path).stat().st_mode & 0o777


def test_environments_of_a_function_share_its_code_which_goes_with_the_last_of_them() -> None:
    async def story(room: Room) -> None:
        async def call(name: str, s: float) -> dict[str, Any]:
            answer = await room.ask("Invoke", FunctionName=name, Payload=json.dumps({"s": s}).encode())
            return dict(json.loads(answer["Payload"]))

        await room.create("one", ROOT_OF_CODE)
        await room.create("other", ROOT_OF_CODE)
        first, second = await asyncio.gather(call("one", 1), call("one", 1))
        other = await call("other", 0)
        assert first["pid"] != second["pid"] and first["root"] == second["root"] != other["root"]
        assert mode_of(f"{first['root']}/app.py") == 0o444
        await room.ask("DeleteFunction", FunctionName="one")
        while os.access(first["root"], os.F_OK):  # the test's own time limit bounds it
            await room.world.sleep(0.05)
        assert os.access(f"{other['root']}/app.py", os.R_OK)

    play_real(story)
