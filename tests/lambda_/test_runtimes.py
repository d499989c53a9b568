"""Functions in Node.js, and with a bootstrap of their own."""

from __future__ import annotations

import io
import json
import shutil
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from antipodes.world.handler_loop import Lender
from tests.lambda_.conftest import ROLE, Room, play_real

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed here")

COMMON = """
let calls = 0;
exports.echo = async (event, context) => {
  console.log("got", event.text);
  return { event, calls: ++calls, id: context.awsRequestId, name: context.functionName, region: process.env.AWS_REGION,
           left: context.getRemainingTimeInMillis() > 1000 };
};
exports.back = (event, context, callback) => { setTimeout(() => callback(null, { late: true }), 20); };
exports.eager = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => {}, 60000);
  callback(null, "now");
};
exports.refuses = (event, context, callback) => { callback(new TypeError("not today")); };
exports.nothing = () => {};
exports.throws = async () => { throw new RangeError("too far"); };
exports.rejects = async () => {
  Promise.reject(new Error("unheard"));
  await new Promise((done) => setTimeout(done, 1000));
};
exports.nested = { deep: async () => "deep" };
exports.circle = async () => { const a = {}; a.a = a; return a; };
exports.number = 5;
"""
MODULE = """
import os from 'node:os';
export const handler = async (event) => ({ esm: typeof os.EOL, sum: event.a + event.b });
"""
BOOTSTRAP = """#!/bin/sh
while true; do
  headers=$(mktemp)
  event=$(curl -sS -D "$headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -i lambda-runtime-aws-request-id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS -o /dev/null -d "{\\"shell\\": \\"$_HANDLER\\", \\"event\\": $event}" \\
    "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
done
"""


def archive(files: dict[str, str], mode: int = 0o755) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            opened.writestr(entry, text)
    return buffer.getvalue()


async def make(room: Room, name: str, files: dict[str, str], *, mode: int = 0o755, **given: Any) -> None:
    params: dict[str, Any] = {"Runtime": "nodejs20.x", "Handler": "index.echo", "Role": ROLE, "Timeout": 10, **given}
    await room.ask("CreateFunction", FunctionName=name, Code={"ZipFile": archive(files, mode)}, **params)
    await room.active(name)


async def call(room: Room, name: str, event: Any = None) -> tuple[str | None, Any]:
    answer = await room.ask("Invoke", FunctionName=name, Payload=json.dumps(event or {}).encode())
    return answer.get("FunctionError"), json.loads(answer["Payload"])


@needs_node
def test_a_node_handler_gets_its_event_and_context_and_is_kept_warm() -> None:
    async def story(room: Room) -> None:
        await make(room, "f", {"index.js": COMMON})
        error, first = await call(room, "f", {"text": "zwölf"})
        assert error is None
        assert first["event"] == {"text": "zwölf"} and first["calls"] == 1 and first["left"]
        assert (first["name"], first["region"]) == ("f", "us-west-2")
        _, second = await call(room, "f", {"text": "x"})
        assert second["calls"] == 2 and second["id"] != first["id"]
        lines = await room.log("f")
        (said,) = [line for line in lines if "zwölf" in line]
        time, request, level, text = said.split("\t")
        assert time.endswith("Z") and request == first["id"] and (level, text) == ("INFO", "got zwölf")

    play_real(story)


@needs_node
@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("index.back", (None, {"late": True})),
        ("index.eager", (None, "now")),
        ("index.nothing", (None, None)),
        ("index.nested.deep", (None, "deep")),
        ("index.refuses", ("TypeError", "not today")),
        ("index.throws", ("RangeError", "too far")),
        ("index.rejects", ("Runtime.UnhandledPromiseRejection", "Error: unheard")),
        ("index.circle", ("Runtime.MarshalError", "Unable to stringify response body")),
        ("index.missing", ("Runtime.HandlerNotFound", "index.missing is undefined or not exported")),
        ("index.number", ("Runtime.HandlerNotFound", "index.number is not a function")),
        ("gone.handler", ("Runtime.ImportModuleError", "Cannot find module")),
        ("esm.handler", (None, {"esm": "string", "sum": 5})),
    ],
)
def test_node_handlers_of_every_kind(handler: str, expected: tuple[str | None, Any]) -> None:
    async def story(room: Room) -> None:
        await make(room, "f", {"index.js": COMMON, "esm.mjs": MODULE}, Handler=handler)
        for _ in range(2):
            failed, body = await call(room, "f", {"a": 2, "b": 3})
            if expected[0] is None:
                assert (failed, body) == expected
            else:
                assert (failed, body["errorType"]) == ("Unhandled", expected[0])
                assert expected[1] in body["errorMessage"]

    play_real(story)


@needs_node
def test_node_modules_import_awss_sdk_from_where_node_path_leads_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("@aws-sdk/client-x", "other"):
        folder = tmp_path / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"name": name, "type": "module", "exports": "./index.js"}))
        (folder / "index.js").write_text(f"export const name = '{name}';")
    monkeypatch.setenv("NODE_PATH", str(tmp_path / "node_modules"))
    code = "import {{ name }} from '{0}';\nexport const handler = async () => name;"

    async def story(room: Room) -> None:
        await make(room, "f", {"index.mjs": code.format("@aws-sdk/client-x")}, Handler="index.handler")
        assert await call(room, "f") == (None, "@aws-sdk/client-x")
        await make(room, "g", {"index.mjs": code.format("other")}, Handler="index.handler")
        failed, body = await call(room, "g")
        assert (failed, body["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")

    play_real(story)


def test_another_interpreter_is_lent_boto3_and_nothing_else(tmp_path: Path) -> None:
    for name in ("boto3", "orjson"):
        (tmp_path / f"{name}.py").write_text("")
    lender = Lender(str(tmp_path))
    found = lender.find_spec("boto3")
    assert found is not None
    assert found.origin == str(tmp_path / "boto3.py")
    assert lender.find_spec("orjson") is None


@pytest.mark.skipif(shutil.which("curl") is None, reason="the bootstrap of this test is made of curl")
def test_a_bootstrap_of_its_own() -> None:
    async def story(room: Room) -> None:
        await make(room, "f", {"bootstrap": BOOTSTRAP}, Runtime="provided.al2023", Handler="any.thing")
        assert await call(room, "f", {"a": 1}) == (None, {"shell": "any.thing", "event": {"a": 1}})
        assert await call(room, "f", {"a": 2}) == (None, {"shell": "any.thing", "event": {"a": 2}})

    play_real(story)


@pytest.mark.parametrize(
    ("runtime", "files", "words"),
    [
        ("provided.al2", {"other": "x"}, "no file `bootstrap`"),
        ("provided.al2", {"bootstrap": "#!/bin/sh"}, "not executable"),
    ],
)
def test_what_cannot_be_run_is_said(runtime: str, files: dict[str, str], words: str) -> None:
    async def story(room: Room) -> None:
        await make(room, "f", files, mode=0o644, Runtime=runtime)
        failed, body = await call(room, "f")
        assert failed == "Unhandled" and words in body["errorMessage"]

    play_real(story)


SENDS = """
import boto3
def handler(event, context):
    api = boto3.client("apigatewaymanagementapi", endpoint_url=f"https://{event['name']}/dev")
    return api.post_to_connection(ConnectionId="c=", Data=b"hello")["ResponseMetadata"]["HTTPStatusCode"]
"""
ASKS = """
import { request } from 'node:https';
export const handler = async ({ name }) => new Promise((resolve, reject) => {
  const headers = { host: name, 'content-length': 5 };
  const options = { host: name, port: 443, method: 'POST', path: '/dev/@connections/c%3D', headers };
  const asked = request(options, (answer) => {
    answer.resume();
    answer.on('end', () => resolve(answer.statusCode));
  });
  asked.on('error', reject);
  asked.end('hello');
});
"""


class _Ears(BaseHTTPRequestHandler):
    heard: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((self.headers["Host"], self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("how", ["forked", "alone", pytest.param("node", marks=needs_node)])
def test_what_is_sent_to_an_apis_own_name_comes_to_the_planet(how: str) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Ears)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"{how}.execute-api.us-west-2.amazonaws.com"
    # PYTHON... are read by an interpreter when it starts: no fork of a template has them
    variables = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"} | (
        {"PYTHONX": "1"} if how == "alone" else {}
    )

    async def story(room: Room) -> None:
        environment = {"Variables": variables}
        if how == "node":
            await make(room, "f", {"index.mjs": ASKS}, Handler="index.handler", Environment=environment)
        else:
            await room.create("f", SENDS, Environment=environment)
        assert await call(room, "f", {"name": name}) == (None, 200)

    try:
        play_real(story)
    finally:
        server.shutdown()
        server.server_close()
    assert [one for one in _Ears.heard if one[0] == name] == [(name, "/dev/@connections/c%3D", b"hello")]
