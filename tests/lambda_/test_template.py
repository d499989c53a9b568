"""Environments forked from a Region's template process are like ones that were started by themselves."""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import metadata
from pathlib import Path

import pytest

from antipodes.world import real_template
from tests.lambda_.conftest import Room, play_real

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the template process needs pidfd and SCM_RIGHTS")

SHOW = """
import os, sys, random, threading
FIRST = random.random()
def handler(event, context):
    return {"pid": os.getpid(), "parent": os.getppid(), "argv": sys.argv, "folder": os.getcwd(), "path": sys.path[0],
            "home": os.environ["HOME"], "names": sorted(os.environ), "first": FIRST, "boto3": "boto3" in sys.modules,
            "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd")), "threads": threading.active_count(),
            "children": os.listdir(f"/proc/{os.getppid()}/task") and
                        open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read()}
"""
OWN = "VALUE = 'brought along'\n"
IMPORTS_OWN = """
import boto3, sys
def handler(event, context):
    return {"boto3": getattr(boto3, "VALUE", "the platform's"), "preloaded": "botocore.session" in sys.modules}
"""


async def shown(room: Room, name: str) -> dict[str, object]:
    body = json.loads((await room.ask("Invoke", FunctionName=name, Payload=b"{}"))["Payload"])
    assert isinstance(body, dict) and "errorType" not in body, body
    return body


def test_environments_are_apart_and_see_nothing_of_the_template() -> None:
    async def story(room: Room) -> None:
        await room.create("show", SHOW, Environment={"Variables": {"OWN": "1"}}, Timeout=20)
        await room.create("other", SHOW, Timeout=20)
        one, other = await shown(room, "show"), await shown(room, "other")
        assert one["parent"] == other["parent"] != os.getpid()
        assert one["pid"] != other["pid"] and one["first"] != other["first"] and one["home"] != other["home"]
        assert one["path"] == one["folder"] != other["folder"]
        assert "OWN" in str(one["names"]) and "OWN" not in str(other["names"])
        assert "PYTEST_CURRENT_TEST" not in str(one["names"])
        assert one["boto3"] is True and one["children"] == ""
        fds = one["fds"]
        assert isinstance(fds, list) and len(fds) <= 8  # stdio, the runtime's connection, the listing itself

    play_real(story)


def test_a_function_that_brings_its_own_boto3_gets_it() -> None:
    async def story(room: Room) -> None:
        await room.create("own", IMPORTS_OWN, Timeout=20, modules={"boto3": OWN})
        assert (await shown(room, "own"))["boto3"] == "brought along"
        await room.create("platform", IMPORTS_OWN, Timeout=20)
        assert await shown(room, "platform") == {"boto3": "the platform's", "preloaded": True}

    play_real(story)


def test_a_function_that_sets_what_the_interpreter_reads_at_its_start_has_a_process_of_its_own() -> None:
    async def story(room: Room) -> None:
        await room.create("hashed", SHOW, Environment={"Variables": {"PYTHONHASHSEED": "7"}}, Timeout=20)
        assert (await shown(room, "hashed"))["parent"] == os.getpid()

    play_real(story)


def test_a_template_that_is_killed_takes_its_environments_along_and_the_next_call_has_new_ones() -> None:
    async def story(room: Room) -> None:
        await room.create("show", SHOW, Timeout=20)
        first = await shown(room, "show")
        os.kill(int(str(first["parent"])), signal.SIGKILL)
        for _ in range(100):
            if not Path(f"/proc/{first['pid']}").exists():  # noqa: ASYNC240
                break
            await room.world.sleep(0.05)
        second = await shown(room, "show")
        assert second["parent"] != first["parent"] and second["pid"] != first["pid"]

    play_real(story)


def test_a_package_of_the_version_that_is_here_anyway_is_no_reason_for_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "jmespath").mkdir()
    assert not real_template.serves(tmp_path, {})
    record = tmp_path / f"jmespath-{metadata.version('jmespath')}.dist-info"
    record.mkdir()
    assert real_template.serves(tmp_path, {})
    record.rename(tmp_path / "jmespath-0.0.1.dist-info")
    assert not real_template.serves(tmp_path, {})
