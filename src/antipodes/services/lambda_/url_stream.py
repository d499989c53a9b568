"""Answers of function URLs whose InvokeMode is RESPONSE_STREAM.

A function that streams may begin with a prelude: Content-Type application/vnd.awslambda.http-integration-response, a
JSON object of statusCode, headers and cookies, eight NUL bytes, the body. Without one the answer is 200 with the
Content-Type that the function set, application/octet-stream if none. A function that answers in one piece is not read
as in BUFFERED mode: its JSON is the body (Developer Guide, "Invoking a response streaming enabled function using Lambda
function URLs").

A function that fails before its first byte is 502; later the answer breaks off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson

from antipodes.services.lambda_ import invoke
from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.runtime_api import Invocation
from antipodes.wire import payload2
from antipodes.wire.http import HttpResponse
from antipodes.wire.operation import Request

# The function failed, or its answer is none: 502 by AWS's guide, the body from memory (it is not JSON).
FAILED = HttpResponse(502, (("Content-Type", "application/json"),), b"Internal Server Error")
INTEGRATION = "application/vnd.awslambda.http-integration-response"
DELIMITER = bytes(8)
PRELUDE_LIMIT_BYTES = 128 * 1024  # a bound of ours


class BrokenOff(Exception):
    """The function failed in the middle of its answer."""


async def answered(catalogue: Catalogue, request: Request) -> HttpResponse:
    """Raises AwsError."""
    _, invocation, stream = await invoke.begin_stream(catalogue, request)
    if stream.content_type is None:  # in one piece
        outcome = await invocation.done
        if outcome.failed:
            return FAILED
        return HttpResponse(200, (("Content-Type", "application/json"),), outcome.payload)
    parts = stream.parts()
    if stream.content_type != INTEGRATION:
        first = await anext(parts, None)
        if first is None and (await invocation.done).failed:
            return FAILED
        return HttpResponse(200, (("Content-Type", stream.content_type),), parts=_body(first or b"", parts, invocation))
    head = b""
    async for part in parts:
        head += part
        if DELIMITER in head or len(head) > PRELUDE_LIMIT_BYTES:
            break
    prelude, delimiter, rest = head.partition(DELIMITER)
    try:
        given = orjson.loads(prelude) if delimiter else None
        if not isinstance(given, dict):
            return FAILED
        answer = {
            "statusCode": 200,
            **{name: given[name] for name in ("statusCode", "headers", "cookies") if name in given},
        }
        response = payload2.response_of(orjson.dumps(answer), "application/octet-stream")
    except (orjson.JSONDecodeError, payload2.Malformed):
        return FAILED
    return HttpResponse(response.status, response.headers, parts=_body(rest, parts, invocation))


async def _body(first: bytes, parts: AsyncIterator[bytes], invocation: Invocation) -> AsyncIterator[bytes]:
    """Raises BrokenOff."""
    if first:
        yield first
    async for part in parts:
        yield part
    if (await invocation.done).failed:
        raise BrokenOff
