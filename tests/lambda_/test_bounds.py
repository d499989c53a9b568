"""What functions may not do on this machine: hold more memory than theirs, leave processes behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from antipodes.world import real_processes
from tests.lambda_.conftest import Room, play_real

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes and their memory are read from /proc")

GREEDY = """
import time
def handler(event, context):
    held = []
    while event.get("greedy"):
        held.append(bytearray(8 << 20))
        time.sleep(0.01)
    return "modest"
"""
FORKS = """
import os, subprocess, sys, time
def handler(event, context):
    if os.fork() == 0:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        os.write(1, f"left {child.pid}\\n".encode())
        os._exit(0)  # an orphan now
    os.wait()
    time.sleep(0.3)
    if event.get("die"):
        os._exit(7)
    return "forked"
"""

TREE = """
import os, subprocess
def handler(event, context):
    grown = 'sleep 600 & echo left $!; (sleep 600 & echo left $!; wait) & wait'
    tree = subprocess.Popen(["sh", "-c", grown], stdout=subprocess.PIPE, start_new_session=True)
    for _ in range(2):
        os.write(1, tree.stdout.readline())
    os.write(1, f"left {tree.pid}\\n".encode())
    os._exit(7)
"""
SHARES = """
import os, sys
held = bytes(1) * (100 << 20)
held = bytearray(held)
for _ in range(4):
    if os.fork() == 0:
        own = bytearray(b"x" * (10 << 20))
        os.write(1, b".")
        sys.stdin.read()
        os._exit(0)
sys.stdin.read()
"""


async def call(room: Room, name: str, event: Any = None) -> Any:
    return json.loads(
        (await room.ask("Invoke", FunctionName=name, Payload=json.dumps(event or {}).encode()))["Payload"]
    )


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def gone(room: Room, pid: int) -> bool:
    for _ in range(60):
        if not runs(pid):
            return True
        await room.world.sleep(0.05)
    return False


def test_a_function_that_takes_more_memory_than_it_has_is_killed_and_the_next_call_is_fine() -> None:
    async def story(room: Room) -> None:
        await room.create("greedy", GREEDY, MemorySize=128, Timeout=30)
        body = await call(room, "greedy", {"greedy": True})
        assert body["errorType"] == "Runtime.ExitError"
        assert body["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
        assert await call(room, "greedy") == "modest"
        (report, *_) = [line for line in await room.log("greedy") if line.startswith("REPORT")]
        assert "Memory Size: 128 MB\tMax Memory Used: 128 MB" in report

    play_real(story)


def test_what_forked_processes_share_is_counted_once() -> None:
    with subprocess.Popen([sys.executable, "-c", SHARES], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.read(4) == b"...."
        held_mb = real_processes.memory_mb(parent.pid)
        parent.stdin.close()
    assert held_mb is not None
    assert 140 < held_mb < 300  # 100 once, and 10 of each of the four; 500 were they counted apart


def test_orphans_end_with_their_environment_however_it_ends() -> None:
    async def story(room: Room) -> None:
        await room.create("forks", FORKS, Timeout=30, MemorySize=512)
        assert await call(room, "forks") == "forked"
        assert (await call(room, "forks", {"die": True}))["errorType"] == "Runtime.ExitError"
        left = [int(line.split()[1]) for line in await room.log("forks") if line.startswith("left")]
        assert len(left) == 2
        for pid in left:
            assert await gone(room, pid)
        assert await call(room, "forks") == "forked"
        (pid,) = [int(line.split()[1]) for line in await room.log("forks") if line.startswith("left")][2:]
        assert runs(pid)
        await room.ask("DeleteFunction", FunctionName="forks")
        assert await gone(room, pid)

    play_real(story)


@pytest.mark.parametrize("variables", [{}, {"PYTHONX": "1"}], ids=["forked from a template", "started alone"])
def test_a_tree_of_orphans_ends_to_its_leaves(variables: dict[str, str]) -> None:
    async def story(room: Room) -> None:
        await room.create("tree", TREE, Timeout=30, MemorySize=512, Environment={"Variables": variables})
        assert (await call(room, "tree"))["errorType"] == "Runtime.ExitError"
        left = [int(line.split()[1]) for line in await room.log("tree") if line.startswith("left")]
        assert len(left) == 3
        for pid in left:
            assert await gone(room, pid)

    play_real(story)
