"""botocore's HTTP in simulated time: its request as bytes over the World, its errors for what a network does.

Only addresses of the planet are reached, over plain HTTP, as `AWS_ENDPOINT_URL` in the handler's environment says;
anything else is the error that botocore gives for an endpoint that cannot be connected to.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import botocore.awsrequest
import botocore.exceptions

from antipodes.world.sim_http import Answer, Asker
from antipodes.world.world import ConnectionLost, Refused, SiteDown, Unreachable

PLANET_ADDRESS = re.compile(r"127(\.\d{1,3}){3}")
DEFAULT_TIMEOUT_S = 60.0
API_NAME = re.compile(r"[a-z0-9]+\.execute-api\.[a-z0-9-]+\.amazonaws\.com")
# The body is sent whole, with its length; these would contradict that.
NOT_SENT = frozenset({"content-length", "transfer-encoding", "expect"})


async def send(asker: Asker, session: Any, request: Any, endpoint: str = "") -> Any:
    """What URLLib3Session.send does: an AWSPreparedRequest to an AWSResponse. Raises botocore's HTTP errors.

    endpoint: AWS_ENDPOINT_URL, where requests to an API's own name go (as handler_template.lead_home does it)."""
    parts = urlsplit(request.url)
    named = parts.netloc
    if endpoint and parts.scheme == "https" and API_NAME.fullmatch(named):
        parts = urlsplit(endpoint)._replace(path=parts.path, query=parts.query)
    if parts.scheme != "http" or parts.hostname is None or not PLANET_ADDRESS.fullmatch(parts.hostname):
        raise botocore.exceptions.EndpointConnectionError(
            endpoint_url=request.url, error="in simulated time only AWS_ENDPOINT_URL leads anywhere"
        )
    headers = [("Host", named)]
    headers += [(_text(k), _text(v)) for k, v in request.headers.items() if _text(k).lower() not in NOT_SENT]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connect_s, read_s = _timeouts(session)
    try:
        async with asyncio.timeout(connect_s + read_s):
            answer = await asker.ask(
                parts.hostname,
                parts.port or 80,
                request.method,
                target,
                headers,
                _body(request.body),
                connect_timeout_s=connect_s,
            )
    except TimeoutError as error:
        raise botocore.exceptions.ReadTimeoutError(endpoint_url=request.url, error=error) from error
    except Unreachable as error:
        raise botocore.exceptions.ConnectTimeoutError(endpoint_url=request.url, error=error) from error
    except (Refused, SiteDown) as error:
        raise botocore.exceptions.EndpointConnectionError(endpoint_url=request.url, error=error) from error
    except ConnectionLost as error:
        raise botocore.exceptions.ConnectionClosedError(
            endpoint_url=request.url, request=request, error=error
        ) from error
    return _response(request, answer)


class _Raw(io.BytesIO):
    """The body, as botocore reads it from urllib3."""

    def stream(self, amount: int = 2**16, decode_content: bool | None = None) -> Iterator[bytes]:
        while chunk := self.read(amount):
            yield chunk


def _response(request: Any, answer: Answer) -> Any:
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    response = botocore.awsrequest.AWSResponse(request.url, answer.status, headers, _Raw(answer.body))
    if not request.stream_output:
        _ = response.content  # read at once, as botocore's own session does
    return response


def _timeouts(session: Any) -> tuple[float, float]:
    """(connect, read) seconds of the client's configuration."""
    given = getattr(session, "_timeout", None)
    if isinstance(given, int | float):
        return float(given), float(given)
    connect, read = getattr(given, "connect_timeout", None), getattr(given, "read_timeout", None)
    return (
        float(connect) if isinstance(connect, int | float) else DEFAULT_TIMEOUT_S,
        float(read) if isinstance(read, int | float) else DEFAULT_TIMEOUT_S,
    )


def _body(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    if hasattr(body, "read"):
        return _body(body.read())
    return b"".join(body)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
