"""Execution logs: what happened to a request, line by line: in the log group that API Gateway makes for a stage, and in
the answers of TestInvokeMethod. Pure.

The lines and their words are those of AWS's logs, but fewer. Bodies and headers are told with data tracing alone, cut
as AWS cuts them. What happens between the gateway and what stands behind it is told by those who ask (backends.py):
`Call.tell`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from antipodes.services.apigateway.v1.call import Call
from antipodes.wire.http import HttpResponse

CUT = 1024  # characters: "logs are truncated to 1024 bytes" (Developer Guide)

SECRET = frozenset({"authorization", "x-api-key"})


def execution_group(api_id: str, stage: str) -> str:
    """The log group of a stage."""
    return f"API-Gateway-Execution-Logs_{api_id}/{stage}"


def execution_lines(call: Call, answer: HttpResponse, *, data: bool) -> list[str]:
    """As they stand in the log group."""
    lines = [f"Extended Request Id: {call.extended_id}", *_lines(call, answer, data=data)]
    return [f"({call.request_id}) {line}" for line in lines]


def test_log(call: Call, answer: HttpResponse) -> str:
    """As TestInvokeMethod tells them."""
    return timed(call, _lines(call, answer, data=True))


def timed(call: Call, lines: Iterable[str]) -> str:
    at = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(call.now))
    return "\n".join([f"Execution log for request {call.request_id}", *(f"{at} : {line}" for line in lines), ""])


def pairs(values: Iterable[tuple[str, str]]) -> str:
    """Headers and the like: {a=1, b=2}. "API Gateway redacts authorization headers, API key values, and similar
    sensitive request parameters" (Developer Guide, "Set up CloudWatch logging for REST APIs")."""
    shown = (f"{name}={'***' if name.lower() in SECRET else value}" for name, value in values)
    return f"{{{', '.join(shown)}}}"


def cut(body: bytes) -> str:
    text = body[: 4 * CUT].decode("utf-8", "replace")
    return text if len(text) <= CUT else text[:CUT] + " [TRUNCATED]"


def _lines(call: Call, answer: HttpResponse, *, data: bool) -> list[str]:
    lines = [
        f"Starting execution for request: {call.request_id}",
        f"HTTP Method: {call.request.method}, Resource Path: {call.stage_path}",
    ]
    if data:
        headers = (one for one in call.request.headers if not call.is_test or one[0] != "Host")
        lines += (
            f"Method request path: {pairs((call.parameters or {}).items())}",
            f"Method request query string: {pairs((name, ','.join(all)) for name, all in call.query().items())}",
            f"Method request headers: {pairs(headers)}",
            f"Method request body before transformations: {cut(call.request.body)}",
            *(call.steps or ()),
        )
    if call.error is not None:
        lines.append(f"Execution failed due to {call.reason or call.error.get('message')}")
    else:
        if data:
            lines.append(f"Method response body after transformations: {cut(answer.body)}")
            lines.append(f"Method response headers: {pairs(answer.headers)}")
        lines.append("Successfully completed execution")
    return [*lines, f"Method completed with status: {answer.status}"]
