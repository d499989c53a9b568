"""Invocations, in both worlds."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request
from tests.lambda_.conftest import REGION, ROLE, Play, Room, play_simulated

ECHO = """
import os
def handler(event, context):
    print("got", event)
    return {"event": event, "region": os.environ["AWS_REGION"], "name": context.function_name,
            "arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis() > 0}
"""


async def invoked(room: Room, name: str, event: Any = None, **params: Any) -> tuple[dict[str, Any], Any]:
    payload = json.dumps({} if event is None else event).encode()
    answer = await room.ask("Invoke", FunctionName=name, Payload=payload, **params)
    return answer, json.loads(answer["Payload"])


def test_function_gets_the_event_and_its_answer_comes_back(play: Play) -> None:
    async def story(room: Room) -> None:
        await room.create("echo", ECHO)
        answer, body = await invoked(room, "echo", {"a": [1, "ü"]})
        assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
        assert "FunctionError" not in answer
        assert body == {
            "event": {"a": [1, "ü"]},
            "region": "us-west-2",
            "name": "echo",
            "arn": "arn:aws:lambda:us-west-2:000000000000:function:echo",
            "left": True,
        }
        await room.world.sleep(0.1)
        lines = await room.log("echo")
        start = next(i for i, line in enumerate(lines) if line.startswith("START RequestId: "))
        assert lines[start + 1].startswith("got {'a'")
        assert lines[start + 2].startswith("END RequestId: ")
        assert "Duration: " in lines[start + 3]
        assert "Init Duration: " in lines[start + 3]

    play(story)


def test_environment_is_reused_and_state_outside_the_handler_stays(play: Play) -> None:
    async def story(room: Room) -> None:
        await room.create("count", "n = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return n\n")
        assert [(await invoked(room, "count"))[1] for _ in range(3)] == [1, 2, 3]
        stats = room.service.stats()[0]
        assert (stats.environments, stats.busy, stats.invocations, stats.cold_starts) == (1, 0, 3, 1)

    play(story)


def test_each_concurrent_invocation_has_an_environment(play: Play) -> None:
    source = "import time\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    time.sleep(0.5)\n    return n\n"

    async def story(room: Room) -> None:
        await room.create("slow", source)
        answers = await asyncio.gather(*(invoked(room, "slow") for _ in range(3)))
        assert [body for _, body in answers] == [1, 1, 1]
        assert room.service.stats()[0].environments == 3

    play(story)


def test_handler_that_raises_answers_an_error_and_keeps_its_environment(play: Play) -> None:
    async def story(room: Room) -> None:
        await room.create("bad", "def handler(e, c):\n    raise KeyError('x')\n")
        for _ in range(2):
            answer, body = await invoked(room, "bad", LogType="Tail")
            assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
            assert (body["errorType"], body["errorMessage"]) == ("KeyError", "'x'")
            assert "app.py" in body["stackTrace"][0]
            tail = base64.b64decode(answer["LogResult"]).decode()
            assert "[ERROR] KeyError: 'x'" in tail
            assert "Status: error\tError Type: KeyError" in tail
        assert room.service.stats()[0].cold_starts == 1
        assert room.service.stats()[0].errors == 2

    play(story)


def test_handler_that_never_returns_times_out_and_its_environment_is_gone(play: Play) -> None:
    source = (
        "import time\ndef handler(e, c):\n    while True:\n        try: time.sleep(1)\n        except Exception: pass\n"
    )

    async def story(room: Room) -> None:
        await room.create("stuck", source, Timeout=1)
        answer, body = await invoked(room, "stuck")
        assert answer["FunctionError"] == "Unhandled"
        assert body["errorType"] == "Sandbox.Timedout"
        assert body["errorMessage"].endswith(" Error: Task timed out after 1.00 seconds")
        await room.world.sleep(0.2)
        assert room.service.stats()[0].environments == 0
        assert "Status: timeout" in (await room.log("stuck"))[-1]

    play(story)


@pytest.mark.parametrize("end", ["import os; os._exit(3)", "import sys; sys.exit(3)"])
def test_crash_is_told_and_the_next_invocation_gets_a_new_environment(play: Play, end: str) -> None:
    source = f"def handler(e, c):\n    if e: {end}\n    return 'ok'\n"

    async def story(room: Room) -> None:
        await room.create("crash", source)
        _, body = await invoked(room, "crash", {"die": 1})
        assert body["errorType"] == "Runtime.ExitError"
        assert body["errorMessage"].endswith(" Error: Runtime exited with error: exit status 3")
        assert (await invoked(room, "crash"))[1] == "ok"
        assert room.service.stats()[0].cold_starts == 2

    play(story)


@pytest.mark.parametrize(
    ("handler", "source", "kind"),
    [
        ("app.handler", "import nowhere_to_be_found", "Runtime.ImportModuleError"),
        ("app.handler", "def f(:", "Runtime.UserCodeSyntaxError"),
        ("app.missing", "x = 1", "Runtime.HandlerNotFound"),
        ("app.handler", "1 / 0", "ZeroDivisionError"),
    ],
)
def test_code_that_cannot_be_loaded_is_told(play: Play, handler: str, source: str, kind: str) -> None:
    async def story(room: Room) -> None:
        await room.create("broken", source, Handler=handler)
        answer, body = await invoked(room, "broken")
        assert answer["FunctionError"] == "Unhandled"
        assert body["errorType"] == kind

    play(story)


def test_runtime_that_is_not_here_is_named(play: Play) -> None:
    async def story(room: Room) -> None:
        with pytest.raises(NotSupported, match="java21"):
            await room.create("java", "", Runtime="java21")

    play(story)


def test_archive_that_leads_out_of_its_folder_is_refused(play: Play) -> None:
    async def story(room: Room) -> None:
        params = {"Runtime": "python3.12", "Handler": "app.handler", "Role": "arn:aws:iam::000000000000:role/r"}
        import tests.lambda_.conftest as parts

        evil = parts.archive(**{"..__..__evil": "x = 1"})
        await room.ask("CreateFunction", FunctionName="evil", Code={"ZipFile": evil}, **params)
        await room.active("evil")
        _, body = await invoked(room, "evil")
        assert "leads out of the archive" in body["errorMessage"]

    play(story)


def test_modules_of_a_package_are_found_and_not_shared(play: Play) -> None:
    async def story(room: Room) -> None:
        import tests.lambda_.conftest as parts

        modules = {
            "app": "from lib.deep import tally\nimport lib.deep\ndef handler(e, c):\n    tally.append(1)\n"
            "    import lib.late\n    return [len(lib.deep.tally), lib.late.X]\n",
            "lib____init__": "",
            "lib__deep": "tally = []\n",
            "lib__late": "X = 'late'\n",
        }
        for name in ("one", "two"):
            await room.ask(
                "CreateFunction",
                FunctionName=name,
                Code={"ZipFile": parts.archive(**modules)},
                Runtime="python3.12",
                Handler="app.handler",
                Role=parts.ROLE,
            )
            await room.active(name)
        assert (await invoked(room, "one"))[1] == [1, "late"]
        assert (await invoked(room, "one"))[1] == [2, "late"]
        assert (await invoked(room, "two"))[1] == [1, "late"]

    play(story)


def test_answer_over_six_megabytes_is_refused(play: Play) -> None:
    async def story(room: Room) -> None:
        await room.create("large", "def handler(e, c):\n    return 'x' * 7_000_000\n", Timeout=30)
        answer, body = await invoked(room, "large")
        assert answer["FunctionError"] == "Unhandled"
        assert body["errorType"] == "Function.ResponseSizeTooLarge"

    play(story)


def test_reserved_concurrency_bounds_a_function(play: Play) -> None:
    source = "import time\ndef handler(e, c):\n    time.sleep(0.5)\n"

    async def story(room: Room) -> None:
        await room.create("one", source)
        await room.ask("PutFunctionConcurrency", FunctionName="one", ReservedConcurrentExecutions=1)
        first = room.world.spawn(_ignore(invoked(room, "one")), "first")
        await room.world.sleep(0)
        await room.world.sleep(0.01)
        with pytest.raises(ClientFault) as refused:
            await invoked(room, "one")
        assert (refused.value.status, refused.value.code) == (429, "TooManyRequestsException")
        assert refused.value.extra["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        await first

    play(story)


def test_of_five_hundred_requests_at_once_fifty_run_and_the_others_are_throttled() -> None:
    async def story(room: Room) -> None:
        await room.create("f", "import time\ndef handler(e, c):\n    time.sleep(1)\n    return 1\n", Timeout=20)
        await room.ask("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=50)
        ended = await asyncio.gather(*(invoked(room, "f") for _ in range(500)), return_exceptions=True)
        assert [one[1] for one in ended if not isinstance(one, BaseException)] == [1] * 50
        refused = [one for one in ended if isinstance(one, ClientFault)]
        assert len(refused) == 450
        reasons = {(one.status, one.extra["Reason"]) for one in refused}
        assert reasons == {(429, "ReservedFunctionConcurrentInvocationLimitExceeded")}
        stats = room.service.stats()[0]
        assert (stats.environments, stats.busy) == (50, 0)
        assert sorted(stats.zones.values()) == [16, 17, 17]
        await room.ask("DeleteFunction", FunctionName="f")
        assert room.service.stats() == []

    play_simulated(story)


def test_idle_environments_are_reaped(play: Play) -> None:
    async def story(room: Room) -> None:
        await room.create("echo", ECHO)
        await invoked(room, "echo")
        assert room.service.stats()[0].environments == 1
        await room.world.sleep(0.8)
        assert room.service.stats()[0].environments == 0
        await invoked(room, "echo")

    play(story, options={"lambda.idle_s": "0.4"})


def test_caller_that_goes_away_does_not_hold_the_environment(play: Play) -> None:
    source = "import time\ndef handler(e, c):\n    time.sleep(0.3)\n    return 1\n"

    async def story(room: Room) -> None:
        await room.create("slow", source)
        await invoked(room, "slow")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await invoked(room, "slow")
        assert room.service.stats()[0].busy == 1
        await room.world.sleep(0.5)
        stats = room.service.stats()[0]
        assert (stats.busy, stats.environments, stats.cold_starts) == (0, 1, 1)

    play(story)


def test_new_code_is_run_after_an_update(play: Play) -> None:
    async def story(room: Room) -> None:
        import tests.lambda_.conftest as parts

        await room.create("v", "def handler(e, c):\n    return 1\n")
        assert (await invoked(room, "v"))[1] == 1
        await room.ask("UpdateFunctionCode", FunctionName="v", ZipFile=parts.archive(app="def handler(e, c): return 2"))
        await room.active("v")
        assert (await invoked(room, "v"))[1] == 2
        assert room.service.stats()[0].environments == 1

    play(story)


async def _ignore(work: Any) -> None:
    await work


def test_folder_is_used_in_place_and_read_anew_by_each_environment(play: Play, tmp_path: Path) -> None:
    async def story(room: Room) -> None:
        (tmp_path / "app.py").write_text("import part\ndef handler(e, c):\n    return part.N\n")
        (tmp_path / "part.py").write_text("N = 1\n")
        code = {"S3Bucket": "antipodes-folder", "S3Key": str(tmp_path)}
        await room.ask(
            "CreateFunction", FunctionName="f", Code=code, Runtime="python3.12", Handler="app.handler", Role=ROLE
        )
        await room.active("f")
        assert (await invoked(room, "f"))[1] == 1
        (tmp_path / "part.py").write_text("N = 22\n")
        await room.ask("UpdateFunctionCode", FunctionName="f", **code)
        await room.active("f")
        assert (await invoked(room, "f"))[1] == 22
        await room.world.sleep(0.1)
        (tmp_path / "part.py").write_text("N = 333\n")  # edit, call again
        assert (await invoked(room, "f"))[1] == 333
        assert room.service.stats()[0].environments == 1

    play(story)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["app.py", "part.py"]


def test_a_circle_of_invocations_is_ended_unless_it_is_allowed() -> None:
    async def story(room: Room) -> None:
        await room.create("f", "import os\ndef handler(e, c):\n    return os.environ['_X_AMZN_TRACE_ID']\n")
        trace = "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1"

        async def again(trace: str) -> str:
            """What the function would send on with its own invocation."""
            asked = Request("lambda", "Invoke", {"FunctionName": "f"}, REGION, trace=trace)
            answer = await room.service.operations["Invoke"](asked)
            assert isinstance(answer, Mapping)
            return str(json.loads(answer["Payload"]))

        for _ in range(16):
            trace = await again(trace)
        assert trace.startswith("Root=1-67891233-abcdef012345678912345678;Parent=") and ";Sampled=1;" in trace
        with pytest.raises(ClientFault, match="recursive loop") as caught:
            await again(trace)
        assert caught.value.code == "RecursiveInvocationException"
        await room.ask("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow")
        await again(trace)

    play_simulated(story)


def test_what_an_invocation_cannot_ask_is_refused() -> None:
    async def story(room: Room) -> None:
        await room.create("f", "def handler(e, c):\n    return e\n")
        context = base64.b64encode(json.dumps({"a": "x" * 3000}).encode()).decode()
        for params, code in (
            ({"InvocationType": "Later"}, "ValidationException"),
            ({"LogType": "Head"}, "ValidationException"),
            ({"ClientContext": context}, "InvalidRequestContentException"),
            ({"FunctionName": f"arn:aws:lambda:{REGION}:111111111111:function:f"}, "AccessDeniedException"),
            ({"FunctionName": "arn:aws:lambda:eu-west-1:000000000000:function:f"}, "ResourceNotFoundException"),
        ):
            with pytest.raises(ClientFault) as caught:
                await room.ask("Invoke", **{"FunctionName": "f", **params})
            assert caught.value.code == code

    play_simulated(story)
