"""Invoke: one request, one environment, one answer; or with InvocationType Event a place in the queue (queue.py).

Two members exist only between services of a Region and never on the wire: `SourceArn` and `SourceService` say on
behalf of what a service invokes; the function's policy must allow it.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import orjson

from antipodes.services.lambda_ import recursion
from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.mappings import SourceMapping
from antipodes.services.lambda_.outcome import ASYNCHRONOUS_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES, Outcome
from antipodes.services.lambda_.permissions import allows
from antipodes.services.lambda_.queue import Event
from antipodes.services.lambda_.records import LATEST, Configuration, EventInvokeConfig, Function, Reference, conflict
from antipodes.services.lambda_.runtime_api import Invocation
from antipodes.services.lambda_.streaming import ResponseStream
from antipodes.store.engine import StoreError
from antipodes.wire import eventstream
from antipodes.wire.errors import AccessDenied, ClientFault, ServerFault
from antipodes.wire.operation import Request, Result
from antipodes.wire.validation import validate

KINDS = ("RequestResponse", "Event", "DryRun")
LOG_TYPES = (None, "None", "Tail")
CONTEXT_LIMIT_BYTES = 3583  # in Base64


async def invoke(catalogue: Catalogue, request: Request) -> Result:
    """Answers {"StatusCode", "Payload": bytes, "ExecutedVersion"} and "FunctionError", "LogResult" where they apply."""
    params = request.params
    kind = params.get("InvocationType") or "RequestResponse"
    function, configuration, invocation = _asked(catalogue, request, kind)
    if kind == "DryRun":
        return {"StatusCode": 204}
    _refuse_pending(configuration)
    await catalogue.settled()
    if kind == "Event":
        await _queue(catalogue, function, invocation)
        return {"StatusCode": 202, "Payload": b""}
    _refuse_loop(catalogue, function, invocation)
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


async def begin_stream(catalogue: Catalogue, request: Request) -> tuple[Configuration, Invocation, ResponseStream]:
    """Begins an invocation whose response is taken as it is made; returns when the runtime begins to answer, or has.

    Raises as Invoke does."""
    function, configuration, invocation = _asked(catalogue, request, "RequestResponse")
    _refuse_pending(configuration)
    await catalogue.settled()
    _refuse_loop(catalogue, function, invocation)
    stream = invocation.stream = ResponseStream(catalogue.surroundings.world)
    invocation.done.add_done_callback(lambda _: stream.over())
    catalogue.pool.begin(function.name, configuration, invocation)
    await stream.opened
    return configuration, invocation, stream


async def invoke_with_response_stream(catalogue: Catalogue, request: Request) -> Result:
    """Answers {"StatusCode", "ExecutedVersion", "EventStream": the encoded events}."""
    if request.params.get("InvocationType") == "DryRun":
        _asked(catalogue, request, "DryRun")
        return {"StatusCode": 204, "EventStream": _none()}
    configuration, invocation, stream = await begin_stream(catalogue, request)
    return {
        "StatusCode": 200,
        "ExecutedVersion": configuration.version,
        "ResponseStreamContentType": eventstream.CONTENT_TYPE,
        "EventStream": _events(invocation, stream),
    }


async def _events(invocation: Invocation, stream: ResponseStream) -> AsyncIterator[bytes]:
    """PayloadChunk for each piece, InvokeComplete at the end."""
    async for part in stream.parts():
        yield eventstream.event("PayloadChunk", "application/octet-stream", part)
    outcome = await invocation.done
    complete: dict[str, str] = {}
    if outcome.failed:
        complete = {"ErrorCode": outcome.error_type, "ErrorDetails": outcome.payload.decode("utf-8", "replace")}
    elif outcome.payload:  # the runtime answered in one piece
        yield eventstream.event("PayloadChunk", "application/octet-stream", outcome.payload)
    if invocation.tail:
        complete["LogResult"] = base64.b64encode(outcome.tail).decode()
    yield eventstream.event("InvokeComplete", "application/json", orjson.dumps(complete))


async def _none() -> AsyncIterator[bytes]:
    empty: tuple[bytes, ...] = ()
    for part in empty:
        yield part


def _asked(catalogue: Catalogue, request: Request, kind: str) -> tuple[Function, Configuration, Invocation]:
    """What is to be invoked, with what; checked in the order of AWS."""
    params = request.params
    if kind not in KINDS or params.get("LogType") not in LOG_TYPES:
        validate("lambda", "Invoke", params)  # has the words
    reference = catalogue.reference(params["FunctionName"], params.get("Qualifier"))
    function = catalogue.function(reference)
    configuration = catalogue.routed(function, reference.qualifier)
    _authorise(catalogue, function, reference.qualifier, params)
    payload = _payload(params, ASYNCHRONOUS_LIMIT_BYTES if kind == "Event" else PAYLOAD_LIMIT_BYTES)
    context = _client_context(params.get("ClientContext"))
    request_id = request.request_id or catalogue.revision()
    invocation = _invocation(catalogue, function, reference.qualifier, payload, request_id, context, request.trace)
    invocation.trace_id = params.get("TraceId") or invocation.trace_id
    invocation.tail = params.get("LogType") == "Tail"
    return function, configuration, invocation


def _refuse_pending(configuration: Configuration) -> None:
    if configuration.state == "Pending":
        raise conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )


def _refuse_loop(catalogue: Catalogue, function: Function, invocation: Invocation) -> None:
    if invocation.looped and function.recursion == recursion.TERMINATE:
        catalogue.meter.event(function.name, invocation.qualifier, "RecursiveInvocationsDropped")
        raise recursion.refusal()


async def _queue(catalogue: Catalogue, function: Function, invocation: Invocation) -> None:
    try:
        await catalogue.queue.add(
            function.name,
            invocation.qualifier,
            invocation.payload,
            request_id=invocation.request_id,
            client_context=invocation.client_context,
            trace=invocation.trace_id,
            looped=invocation.looped and function.recursion == recursion.TERMINATE,
        )
    except StoreError as error:
        raise ServerFault("ServiceException", str(error), happened=False) from error


async def attempt(catalogue: Catalogue, event: Event) -> tuple[Outcome, str]:
    """One attempt at an asynchronous event. Raises TooManyRequestsException, ResourceNotFoundException."""
    function = catalogue.function(Reference(event.function, event.qualifier))
    configuration = catalogue.routed(function, event.qualifier)
    invocation = _invocation(
        catalogue, function, event.qualifier, event.payload, event.request_id, event.client_context
    )
    invocation.trace_id = event.trace or invocation.trace_id
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


def counted(catalogue: Catalogue, mapping: SourceMapping, metric: str, count: int) -> None:
    """What a poller tells CloudWatch: DestinationDeliveryFailures, and of a mapping that asks for it, its events."""
    if metric == "DestinationDeliveryFailures":
        catalogue.meter.event(mapping.function, mapping.qualifier, metric)
    elif mapping.metrics and count:
        catalogue.meter.mapping(mapping.id, metric, count)


def settings_of(catalogue: Catalogue, event: Event) -> EventInvokeConfig | None:
    """How the event is to be retried; None: its function is no more."""
    function = catalogue.functions.get(event.function)
    if function is None:
        return None
    return function.event_invoke.get(event.qualifier or LATEST) or EventInvokeConfig()


def _invocation(
    catalogue: Catalogue,
    function: Function,
    qualifier: str | None,
    payload: bytes,
    request_id: str,
    context: str,
    trace_header: str = "",
) -> Invocation:
    arn = catalogue.arn(function.name)
    trace = recursion.trace_of(catalogue.surroundings.world, trace_header, arn)
    return Invocation(
        request_id=request_id,
        payload=payload,
        arn=f"{arn}:{qualifier}" if qualifier else arn,
        trace_id=trace.header,
        looped=trace.looped,
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
    if len(encoded) > CONTEXT_LIMIT_BYTES:  # the words are from memory
        message = f"Client context must be no more than {CONTEXT_LIMIT_BYTES} bytes."
        raise ClientFault("InvalidRequestContentException", message, Type="User")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        orjson.loads(text)
    except ValueError as error:
        raise ClientFault(
            "InvalidRequestContentException", "Client context must be a valid JSON-encoded string.", Type="User"
        ) from error
    return text
