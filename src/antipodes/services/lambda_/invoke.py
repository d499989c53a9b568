"""Invoke: one request, one environment, one answer.

Two members exist only between services of a Region and never on the wire: `SourceArn` and `SourceService` say on
behalf of what a service invokes; the function's policy must allow it.
"""

from __future__ import annotations

import base64
from typing import Any

import orjson

from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.outcome import PAYLOAD_LIMIT_BYTES
from antipodes.services.lambda_.permissions import allows
from antipodes.services.lambda_.records import Function, conflict
from antipodes.services.lambda_.runtime_api import Invocation
from antipodes.wire.errors import AccessDenied, ClientFault, NotSupported
from antipodes.wire.operation import Request, Result


async def invoke(catalogue: Catalogue, request: Request) -> Result:
    """Answers {"StatusCode", "Payload": bytes, "ExecutedVersion"} and "FunctionError", "LogResult" where they apply."""
    params = request.params
    reference = catalogue.reference(params["FunctionName"], params.get("Qualifier"))
    function = catalogue.function(reference)
    configuration = catalogue.configuration(function, reference.qualifier)
    _authorise(catalogue, function, reference.qualifier, params)
    payload = _payload(params)
    kind = params.get("InvocationType") or "RequestResponse"
    if kind == "DryRun":
        return {"StatusCode": 204}
    if kind == "Event":
        raise NotSupported("asynchronous invocations (InvocationType Event)")
    if configuration.state == "Pending":
        raise conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )
    await catalogue.settled()
    chance = catalogue.surroundings.world.chance
    invocation = Invocation(
        request_id=request.request_id or catalogue.revision(),
        payload=payload,
        arn=catalogue.arn(function.name, reference.qualifier),
        trace_id=params.get("TraceId")
        or f"Root=1-{int(catalogue.surroundings.world.now()):08x}-{chance.getrandbits(96):024x};"
        f"Parent={chance.getrandbits(64):016x};Sampled=0",
        client_context=_client_context(params.get("ClientContext")),
        tail=params.get("LogType") == "Tail",
    )
    outcome = await catalogue.pool.invoke(function.name, configuration, invocation)
    answer: dict[str, Any] = {
        "StatusCode": 200,
        "Payload": outcome.payload,
        "ExecutedVersion": configuration.version,
    }
    if outcome.failed:
        answer["FunctionError"] = "Unhandled"
    if invocation.tail:
        answer["LogResult"] = base64.b64encode(outcome.tail).decode()
    return answer


def _authorise(catalogue: Catalogue, function: Function, qualifier: str | None, params: Any) -> None:
    source_arn = params.get("SourceArn")
    if source_arn is None:
        return
    principal = params["SourceService"]
    account = catalogue.surroundings.settings.account
    if not allows(function.policy, qualifier=qualifier, principal=principal, source_arn=source_arn, account=account):
        raise AccessDenied(
            "AccessDeniedException",
            f"{principal} is not authorized to perform: lambda:InvokeFunction on resource: "
            f"{catalogue.arn(function.name, qualifier)} because no resource-based policy allows the "
            "lambda:InvokeFunction action",
        )


def _payload(params: Any) -> bytes:
    payload = bytes(params.get("Payload") or b"") or b"{}"
    if len(payload) > PAYLOAD_LIMIT_BYTES:
        raise ClientFault(
            "RequestTooLargeException",
            f"Request must be smaller than {PAYLOAD_LIMIT_BYTES} bytes for the InvokeFunction operation",
            status=413,
            Type="User",
        )
    if params.get("SourceArn") is None:  # what another service sends is JSON of its own making
        try:
            orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise ClientFault(
                "InvalidRequestContentException",
                f"Could not parse request body into json: Could not parse payload into json: {error}",
                Type="User",
            ) from error
    return payload


def _client_context(encoded: str | None) -> str:
    if not encoded:
        return ""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        orjson.loads(text)
    except ValueError as error:
        raise ClientFault(
            "InvalidRequestContentException", "Client context must be a valid JSON-encoded string."
        ) from error
    return text
