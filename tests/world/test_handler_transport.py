"""Our lower half of AWS's Python runtime client does what AWS's does: the same requests, answers and errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import antipodes.world.handler_transport

OURS = Path(antipodes.world.handler_transport.__file__)
# Asks everything in turn, with one of the two modules, and prints what came of it.
CLIENT = """
import importlib, json, sys
sys.path.insert(0, sys.argv[2])
module = importlib.import_module(sys.argv[1])
client = getattr(module, "RuntimeClient", lambda: module)()
client.initialize_client("agent/1")
steps = [
    ("whole", client.next, ()), ("sparse", client.next, ()), ("no-id", client.next, ()), ("refused", client.next, ()),
    ("accepted", client.post_invocation_result, ("1", b'{"a": 1}', "application/json", None)),
    ("accepted", client.post_invocation_result, ("1", b"", "application/unknown", "again")),
    ("accepted", client.post_invocation_result, ("1", b"x" * 3_000_000, "application/json", None)),
    ("too-large", client.post_invocation_result, ("1", b"{}", "application/json", None)),
    ("accepted", client.post_error, ("1", '{"errorMessage": "\\u00fc"}', '{"fault": 1}', None)),
    ("accepted", client.post_error, ("1", "{}", "", "again")),
    ("refused", client.post_error, ("1", "{}", "", None)),
    ("large", client.next, ()),
    ("ends", client.next, ()), ("whole", client.next, ()),
    ("ends", client.next, ()), ("broken", client.post_error, ("1", "{}", "", None)),
    ("whole", client.next, ()),
]
for name, function, arguments in steps:
    try:
        got = function(*arguments)
    except RuntimeError as error:
        got = repr(error)
    print(json.dumps([name, got], default=lambda body: [len(body), body[:50].decode()]), flush=True)
"""
JSON = {"Content-Type": "application/json"}
IDS = {"Lambda-Runtime-Aws-Request-Id": "id-1", "Lambda-Runtime-Deadline-Ms": "1795849866361"}
WHOLE = {
    **IDS,
    **JSON,
    "Lambda-Runtime-Invoked-Function-Arn": "arn:x",
    "Lambda-Runtime-Trace-Id": "Root=1-x",
    "Lambda-Runtime-Client-Context": "{}",
    "Lambda-Runtime-Cognito-Identity": '{"id": 1}',
    "Lambda-Runtime-Aws-Tenant-Id": "tenant",
    "Lambda-Runtime-Invocation-Id": "again",
}
ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "whole": (200, WHOLE, b'{"a": 1}'),
    # Theirs crashes where there is no Content-Type.
    "sparse": (200, {**IDS, **JSON}, b"{}"),
    "no-id": (200, JSON, b"{}"),
    "refused": (403, JSON, b'{"errorType": "X"}'),
    "accepted": (202, JSON, b'{"status":"OK"}'),
    "too-large": (413, JSON, b'{"errorType": "Y"}'),
    "large": (200, WHOLE, b"x" * 5_000_000),
    "ends": (200, WHOLE, b"{}"),  # and then the connection ends, unsaid
}


def played(module: str, folder: Path) -> tuple[list[str], list[str]]:
    """(What the server was asked, what the client said came of it)."""
    requests: list[str] = []
    names = iter(re.findall(r'\("([a-z-]+)", client', CLIENT))

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            requests.append(
                f"{self.requestline}\n{str(self.headers).replace(address, 'host')}{len(body)} {body[:50]!r}"
            )
            name = next(names)
            if name == "broken":
                self.close_connection = True
                return
            status, headers, content = ANSWERS[name]
            self.send_response_only(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = name == "ends"

        do_GET = do_POST = answer  # noqa: N815 - the library's names

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, module, str(folder)],
            env={**os.environ, "AWS_LAMBDA_RUNTIME_API": address},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    # AWS's module prints its errors too, some to stdout, with the time of day.
    said = [re.sub(r"\[\d+\]", "[now]", line) for line in (done.stdout + done.stderr).splitlines()]
    return requests, [*filter(lambda line: line.startswith("["), said)]


@pytest.mark.skipif(sys.platform != "linux", reason="AWS's client is for Linux alone")
def test_it_asks_and_answers_as_the_client_of_aws_does() -> None:
    theirs = played("runtime_client", OURS.parent)
    ours = played("handler_transport", OURS.parent)
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    assert json.loads(next(line for line in ours[1] if line.startswith('["large"')))[1][0][0] == 5_000_000
