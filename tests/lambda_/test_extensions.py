"""Extensions: programs of layers that run beside the function; the log of an environment."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

import pytest

from antipodes.wire.errors import ClientFault
from tests.lambda_.conftest import Play, Room, play_real, play_simulated
from tests.lambda_.test_runtimes import archive as files
from tests.lambda_.test_runtimes import call, make

# As AWS's own examples are laid out: a launcher in extensions/ and its program beside it in /opt.
LAUNCHER = '#!/bin/sh\nexec python3 "${PLACE:-/opt}/watcher/program.py" "$(basename "$0")"\n'
PROGRAM = """
import json, os, signal, sys, urllib.request
name, base = sys.argv[1], "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
assert "_HANDLER" not in os.environ and os.environ["AWS_LAMBDA_FUNCTION_NAME"]
def ask(what, data=None, **headers):
    headers = {"Lambda-Extension-" + key: value for key, value in headers.items()}
    return urllib.request.urlopen(urllib.request.Request(base + what, data, headers))
registered = ask("register", b'{"events": ["INVOKE", "SHUTDOWN"]}', Name=name)
identifier = registered.headers["Lambda-Extension-Identifier"]
print(name, json.load(registered), flush=True)
while True:
    event = json.load(ask("event/next", Identifier=identifier))
    print(name, event["eventType"], event.get("requestId") or event["shutdownReason"], flush=True)
    if event["eventType"] == "SHUTDOWN":
        sys.exit(0)
    if os.environ.get("CRASH"):
        os._exit(7)
"""
IN_BASH = """#!/bin/bash
set -euo pipefail
name="$(basename "$0")"
base="http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension"
headers="$(mktemp)"
curl -sS -o /dev/null -D "$headers" "$base/register" -H "Lambda-Extension-Name: $name" -d '{"events": ["INVOKE"]}'
id="$(grep -i lambda-extension-identifier "$headers" | tr -d '[:space:]' | cut -d: -f2)"
while true; do
  curl -sS "$base/event/next" -H "Lambda-Extension-Identifier: $id" > /dev/null
  sleep 0.2
  echo "$name saw it"
done
"""
INTERNAL = """
import json, os, urllib.error, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
def ask(events, name="inside"):
    request = urllib.request.Request(base + "register", json.dumps(events).encode(), {"Lambda-Extension-Name": name})
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return json.load(error)["errorType"]
first = [ask({"events": ["SHUTDOWN"]}), ask({"events": ["WAKE"]}), ask([]), ask({}, "")]
def handler(event, context):
    return [*first, ask({"events": []})]
"""
HANDLER = "def handler(event, context):\n    print('at work')\n    return context.aws_request_id\n"


async def made(room: Room, layer: dict[str, str], source: str = HANDLER, **params: Any) -> None:
    answer = await room.ask("PublishLayerVersion", LayerName="beside", Content={"ZipFile": files(layer)})
    await room.create("f", source, Layers=[answer["LayerVersionArn"]], **params)


async def said(room: Room, words: str) -> list[str]:
    """The function's log, when the words are in it."""
    for _ in range(200):
        lines = await room.log("f")
        if any(words in line for line in lines):
            return lines
    raise AssertionError(f"{words!r} was never said: {lines}")


def test_external_extensions_are_told_of_each_invocation_and_of_the_end() -> None:
    async def story(room: Room) -> None:
        layer = {"extensions/watcher": LAUNCHER, "watcher/program.py": PROGRAM, "extensions/in_bash": IN_BASH}
        await made(room, layer, Timeout=20)
        answer = await room.ask("Invoke", FunctionName="f", LogType="Tail")
        first = json.loads(answer["Payload"])
        _, second = await call(room, "f")
        await room.ask("DeleteFunction", FunctionName="f")
        lines = await said(room, "watcher SHUTDOWN SPINDOWN")
        about = {"functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler"}
        assert f"watcher {about}" in lines
        assert "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE,SHUTDOWN]" in lines
        assert "EXTENSION\tName: in_bash\tState: Ready\tEvents: [INVOKE]" in lines
        for request in (first, second):
            begin, end = f"START RequestId: {request} Version: $LATEST", f"END RequestId: {request}"
            between = lines[lines.index(begin) : lines.index(end)]
            # The invocation is over when the slowest of them has asked for its next event.
            assert f"watcher INVOKE {request}" in between and "in_bash saw it" in between and "at work" in between

    if shutil.which("curl") is None:
        pytest.skip("the extension of this test is made of curl")
    play_real(story)


def test_crash_of_an_extension_fails_the_invocation_and_resets_the_environment() -> None:
    async def story(room: Room) -> None:
        layer = {"extensions/watcher": LAUNCHER, "watcher/program.py": PROGRAM}
        source = "import time\ndef handler(event, context):\n    time.sleep(event.get('for', 0))\n    return 1\n"
        await made(room, layer, source, Timeout=20, Environment={"Variables": {"CRASH": "1"}})
        failed, body = await call(room, "f", {"for": 10})
        assert (failed, body["errorType"]) == ("Unhandled", "Extension.Crash")
        assert body["errorMessage"].endswith("Error: exit status 7")
        assert (await call(room, "f", {"for": 10}))[0] == "Unhandled"  # in another environment
        lines = await said(room, "Error Type: Extension.Crash")
        assert len([line for line in lines if line.startswith("EXTENSION\t")]) == 2
        assert (await room.ask("GetFunction", FunctionName="f"))["Configuration"]["State"] == "Active"

    play_real(story)


def test_an_extension_that_cannot_be_started_is_named() -> None:
    async def story(room: Room) -> None:
        await made(room, {"extensions/broken": "#!/nowhere/to/be/found\n"})
        failed, body = await call(room, "f")
        assert (failed, body["errorType"]) == ("Unhandled", "Extension.LaunchError")
        lines = await room.log("f")
        assert "EXTENSION\tName: broken\tState: LaunchError\tEvents: []\tError Type: UnknownError" in lines

    play_real(story)


def test_internal_extensions_register_before_the_first_event_and_get_no_shutdown() -> None:
    async def story(room: Room) -> None:
        await room.create("f", INTERNAL)
        _, answers = await call(room, "f")
        kinds = ["InvalidEventType", "InvalidEventType", None, "InvalidExtensionName", "RegistrationClosed"]
        assert answers == [f"Extension.{kind}" if kind else "InvalidRequestFormat" for kind in kinds]

    play_real(story)


WRAPPER = """#!/bin/bash
args=("$@")
export WRAPPED=yes
exec "${args[@]:0:$#-1}" OPTION "${args[@]: -1}"
"""


@pytest.mark.parametrize(("runtime", "option"), [("python3.12", "-B"), ("nodejs20.x", "--no-warnings")])
def test_a_wrapper_script_of_a_layer_starts_the_runtime(runtime: str, option: str) -> None:
    async def story(room: Room) -> None:
        python = "import os, sys\ndef handler(e, c):\n    return [os.environ['WRAPPED'], sys.dont_write_bytecode]\n"
        node = "exports.handler = async () => [process.env.WRAPPED, process.execArgv.includes('--no-warnings')];\n"
        layer = {"wrapper": WRAPPER.replace("OPTION", option)}
        answer = await room.ask("PublishLayerVersion", LayerName="beside", Content={"ZipFile": files(layer)})
        code = {"app.py": python, "app.js": node}
        wrapper = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}}
        given: dict[str, Any] = {
            "Handler": "app.handler",
            "Layers": [answer["LayerVersionArn"]],
            "Environment": wrapper,
        }
        await make(room, "f", code, Runtime=runtime, **given)
        assert await call(room, "f") == (None, ["yes", True])

    if runtime.startswith("nodejs") and shutil.which("node") is None:
        pytest.skip("Node.js is not installed here")
    play_real(story)


def test_extensions_are_refused_by_name_in_simulated_time() -> None:
    async def story(room: Room) -> None:
        await made(room, {"extensions/watcher": LAUNCHER})
        _, body = await call(room, "f")
        assert "cannot run extensions (extensions/watcher) in simulated time" in body["errorMessage"]

    play_simulated(story)


def test_json_log_format_writes_the_platforms_events_as_objects_and_levels_hold_them_back(play: Play) -> None:
    async def story(room: Room) -> None:
        settings = {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "LogGroup": "/my/own"}
        source = "import logging\ndef handler(e, c):\n    logging.error('no')\n    logging.info('quiet')\n"
        ours = f"python3.{sys.version_info.minor}"  # another would be told of in a line
        await room.create("f", source, LoggingConfig=settings, Runtime=ours)
        shown = (await room.ask("GetFunctionConfiguration", FunctionName="f"))["LoggingConfig"]
        assert shown == settings | {"SystemLogLevel": "INFO"}
        await call(room, "f")
        await room.log("f")
        events = [json.loads(text) for group, _, text in room.said if group == "/my/own"]
        start, logged, report = events
        assert (start["type"], start["record"]["version"]) == ("platform.start", "$LATEST")
        assert (logged["level"], logged["message"]) == ("ERROR", "no")
        assert (report["type"], report["record"]["status"]) == ("platform.report", "success")
        metrics = report["record"]["metrics"]
        assert metrics["billedDurationMs"] >= metrics["initDurationMs"] > 0 and metrics["memorySizeMB"] == 128
        await room.ask("UpdateFunctionConfiguration", FunctionName="f", LoggingConfig={"SystemLogLevel": "WARN"})
        await room.active("f")
        room.said.clear()
        await call(room, "f")
        assert await room.log("f") == [] and len(room.said) == 1  # the function's own error
        with pytest.raises(ClientFault, match="Log level is not supported"):
            given = {"LogFormat": "Text", "SystemLogLevel": "DEBUG"}
            await room.ask("UpdateFunctionConfiguration", FunctionName="f", LoggingConfig=given)

    play(story)
