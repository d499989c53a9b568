"""Execution logs: what happened to a request, line by line, in the log group that API Gateway makes for a stage. Pure.

Fewer lines than AWS writes, in its words (from memory): how a request began, what it asked for, how it ended; with data
tracing also the bodies, cut as AWS cuts them.
"""

from __future__ import annotations

from antipodes.services.apigateway.v1.call import Call
from antipodes.wire.http import HttpResponse

CUT = 1024  # characters: "logs are truncated to 1024 bytes" (Developer Guide)


def execution_group(api_id: str, stage: str) -> str:
    """The log group of a stage."""
    return f"API-Gateway-Execution-Logs_{api_id}/{stage}"


def execution_lines(call: Call, answer: HttpResponse, *, data: bool) -> list[str]:
    lines = [
        f"Extended Request Id: {call.extended_id}",
        f"Starting execution for request: {call.request_id}",
        f"HTTP Method: {call.request.method}, Resource Path: {call.stage_path}",
    ]
    if data:
        lines.append(f"Method request path: {call.parameters or {}}")
        lines.append(f"Method request query string: {call.request.query}")
        lines.append(f"Method request body before transformations: {_cut(call.request.body)}")
    if call.error is not None and call.error.get("message"):
        lines.append(f"Execution failed: {call.error['responseType']}: {call.error['message']}")
    if data:
        lines.append(f"Method response body after transformations: {_cut(answer.body)}")
    lines.append(f"Method completed with status: {answer.status}")
    return [f"({call.request_id}) {line}" for line in lines]


def _cut(body: bytes) -> str:
    text = body[: 4 * CUT].decode("utf-8", "replace")
    return text if len(text) <= CUT else text[:CUT] + " [TRUNCATED]"
