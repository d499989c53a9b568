"""Invoke: one request, one environment, one answer; or with InvocationType Event a place in the queue (queue.py).

Two members exist only between services of a Region and never on the wire: `SourceArn` and `SourceService` say on
behalf of what a service invokes; the function's policy must allow it.
"""

from __future__ import annotations

import base64
from typing import Any

import orjson

from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.mappings import SourceMapping
from antipodes.services.lambda_.outcome import ASYNCHRONOUS_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES, Outcome
from antipodes.services.lambda_.permissions import allows
from antipodes.services.lambda_.queue import Event
from antipodes.services.lambda_.records import LATEST, EventInvokeConfig, Function, Reference, conflict
from antipodes.services.lambda_.runtime_api import Invocation
from antipodes.store.engine import StoreError
from antipodes.wire.errors import AccessDenied, ClientFault, ServerFault
from antipodes.wire.operation import Request, Result


async def invoke(catalogue: Catalogue, request: Request) -> Result:
    """Answers {"StatusCode", "Payload": bytes, "ExecutedVersion"} and "FunctionError", "LogResult" where they apply."""
    params = request.params
    reference = catalogue.reference(params["FunctionName"], params.get("Qualifier"))
    function = catalogue.function(reference)
    configuration = catalogue.routed(function, reference.qualifier)
    _authorise(catalogue, function, reference.qualifier, params)
    kind = params.get("InvocationType") or "RequestResponse"
    payload = _payload(params, ASYNCHRONOUS_LIMIT_BYTES if kind == "Event" else PAYLOAD_LIMIT_BYTES)
    if kind == "DryRun":
        return {"StatusCode": 204}
    if configuration.state == "Pending":
        raise conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )
    await catalogue.settled()
    request_id = request.request_id or catalogue.revision()
    context = _client_context(params.get("ClientContext"))
    if kind == "Event":
        try:
            await catalogue.queue.add(
                function.name, reference.qualifier, payload, request_id=request_id, client_context=context
            )
        except StoreError as error:
            raise ServerFault("ServiceException", str(error), happened=False) from error
        return {"StatusCode": 202, "Payload": b""}
    invocation = _invocation(catalogue, function, reference.qualifier, payload, request_id, context)
    invocation.trace_id = params.get("TraceId") or invocation.trace_id
    invocation.tail = params.get("LogType") == "Tail"
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


async def attempt(catalogue: Catalogue, event: Event) -> tuple[Outcome, str]:
    """One attempt at an asynchronous event. Raises TooManyRequestsException, ResourceNotFoundException."""
    function = catalogue.function(Reference(event.function, event.qualifier))
    configuration = catalogue.routed(function, event.qualifier)
    invocation = _invocation(
        catalogue, function, event.qualifier, event.payload, event.request_id, event.client_context
    )
    return await catalogue.pool.invoke(function.name, configuration, invocation), configuration.version


async def feed(catalogue: Catalogue, mapping: SourceMapping, payload: bytes, newest: float | None) -> Outcome:
    """One invocation with records of a stream. newest: when the last of them was made, epoch seconds.

    Raises TooManyRequestsException, ResourceNotFoundException.
    """
    function = catalogue.function(Reference(mapping.function, mapping.qualifier))
    configuration = catalogue.routed(function, mapping.qualifier)
    invocation = _invocation(catalogue, function, mapping.qualifier, payload, catalogue.revision(), "")
    if newest is not None:
        catalogue.meter.iterator_age(function.name, catalogue.surroundings.world.now() - newest)
    return await catalogue.pool.invoke(function.name, configuration, invocation)


def settings_of(catalogue: Catalogue, event: Event) -> EventInvokeConfig | None:
    """How the event is to be retried; None: its function is no more."""
    function = catalogue.functions.get(event.function)
    if function is None:
        return None
    return function.event_invoke.get(event.qualifier or LATEST) or EventInvokeConfig()


def _invocation(
    catalogue: Catalogue, function: Function, qualifier: str | None, payload: bytes, request_id: str, context: str
) -> Invocation:
    world = catalogue.surroundings.world
    return Invocation(
        request_id=request_id,
        payload=payload,
        arn=catalogue.arn(function.name, qualifier),
        trace_id=f"Root=1-{int(world.now()):08x}-{world.chance.getrandbits(96):024x};"
        f"Parent={world.chance.getrandbits(64):016x};Sampled=0",
        client_context=context,
        qualifier=qualifier,
    )


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


def _payload(params: Any, limit_bytes: int) -> bytes:
    payload = bytes(params.get("Payload") or b"") or b"{}"
    if len(payload) > limit_bytes:
        raise ClientFault(
            "RequestTooLargeException",
            f"Request must be smaller than {limit_bytes} bytes for the InvokeFunction operation",
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
