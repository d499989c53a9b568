"""A typed operation: what the wire makes of a request, what a service answers.

`params` is shaped by the service model (botocore): members by their AWS names, blobs as bytes, timestamps as float
epoch seconds, streaming bodies as bytes. DynamoDB alone keeps attribute values in their JSON form (blobs as base64
text), because items are stored and spliced as JSON.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from antipodes.wire.errors import AwsError


class Request(msgspec.Struct, frozen=True, gc=False):
    """One operation asked of one service in one Region."""

    service: str  # botocore's service name: "dynamodb", "route53", "lambda"
    operation: str  # "PutItem"
    params: Mapping[str, Any]
    region: str
    account: str = "000000000000"
    access_key: str = ""  # who signed; "" for internal calls
    request_id: str = ""
    host: str = ""  # the endpoint that was called, for URLs in answers
    trace: str = ""  # X-Amzn-Trace-Id, as it came


class Payload(msgspec.Struct, frozen=True, gc=False):
    """An answer whose body is already serialised (the hot path)."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Result = Mapping[str, Any] | Payload
Operation = Callable[[Request], Awaitable[Result]]

# The short way of an operation (services/contract): it takes a body, and tells once the answer's body or the error.
Told = Callable[[bytes | None, AwsError | None], None]
UsualOperation = Callable[[bytes, Told], bool]
