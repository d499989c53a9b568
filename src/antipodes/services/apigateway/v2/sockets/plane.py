"""The data plane of WebSocket APIs.

    upgrade      $connect: throttled, authorized, its function asked; 101 only if it says 2xx; without the route all may
    message      the route that its body names, or $default; a function; its answer back if the route has responses
    end          $disconnect, once, whatever ended the connection; what it answers counts for nothing
    @connections management.py

A refusal of the upgrade is an HTTP answer; a message that cannot be answered gets a message, {"message",
"connectionId", "requestId"}. Statuses and words are from AWS's guide where it has them, else from memory.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import orjson

from antipodes.services.apigateway import iam
from antipodes.services.apigateway.v1.backends import LAMBDA_PRINCIPAL
from antipodes.services.apigateway.v1.proxy import Reply
from antipodes.services.apigateway.v2.authorizing import verdict_of
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue, Prepared
from antipodes.services.apigateway.v2.gatekeeper import Gatekeeper, Stopped
from antipodes.services.apigateway.v2.places import Led, Places
from antipodes.services.apigateway.v2.routing import Target
from antipodes.services.apigateway.v2.sockets import events
from antipodes.services.apigateway.v2.sockets.connections import Socket, Sockets
from antipodes.services.apigateway.v2.sockets.events import Facts
from antipodes.services.apigateway.v2.sockets.management import MARK, MESSAGE_BYTES, Management
from antipodes.services.apigateway.v2.sockets.settings import CONNECT, DEFAULT, DISCONNECT, selection_of
from antipodes.wire.errors import AccessDenied, AwsError
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.payload2 import Malformed

log = logging.getLogger("antipodes.apigateway")

FRAME_BYTES = 32 * 1024
IDLE_S = 600.0  # both from the quotas of WebSocket APIs; options "apigateway.socket_idle_s" and "..._life_s"
LIFE_S = 7200.0
WORDS = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests", 500: "Internal server error"}
FAILED = "Internal server error"
LATE = "Endpoint request timed out"


class Failed(Exception):
    """The integration has no answer. The message is for the client."""


class WebSocketPlane:
    """`respond` answers what `places.led` says is for a WebSocket API."""

    def __init__(self, catalogue: HttpCatalogue, places: Places, gatekeeper: Gatekeeper) -> None:
        around = catalogue.surroundings
        self._catalogue = catalogue
        self._places = places
        self._gatekeeper = gatekeeper
        self._world = around.world
        self._region = around.region
        self._account = around.settings.account
        self._call = around.call
        self._sockets = Sockets(around.world)
        self._sockets.tell(self._message, self._end)
        self.management = Management(self._sockets, around.region)
        self._idle_s = float(around.settings.options.get("apigateway.socket_idle_s", IDLE_S))
        self._life_s = float(around.settings.options.get("apigateway.socket_life_s", LIFE_S))

    async def respond(self, request: HttpRequest, led: Led, verify: iam.Verify) -> HttpResponse:
        """verify: of a signature, where one is wanted."""
        found = self._places.stage(led)
        if found is None:
            return _refused(403)
        prepared, path = found
        stage = prepared.stage
        if path.startswith(MARK):
            return await self.management.respond(request, path, (stage.api_id, stage.name), verify)
        from antipodes.edge import websocket  # noqa: PLC0415 - the library comes with the first that asks for it

        headers = websocket.accepted(request)
        if headers is None:
            return _refused(403 if request.header("upgrade") is None else 400)
        facts = self._facts(request, prepared)
        request_id = self._sockets.new_id()
        begun = self._world.monotonic()
        status, facts, reply = await self._connect(request, prepared, facts, request_id, verify)
        self._account_for(prepared, CONNECT, "ConnectCount", status, begun, facts, request_id, "CONNECT")
        if not 200 <= status < 300:
            return _refused(status) if reply is None else HttpResponse(status, reply.headers, reply.body)
        chosen = () if reply is None else tuple(
            (name, value) for name, value in reply.headers if name.lower() == "sec-websocket-protocol"
        )  # fmt: skip
        limits = websocket.Limits(MESSAGE_BYTES, FRAME_BYTES, self._idle_s, self._life_s)
        socket = Socket(self._sockets, facts)
        return HttpResponse(101, (*headers, *chosen), takeover=lambda: websocket.WebSocketConnection(socket, limits))

    # -- the beginning -----------------------------------------------------------------------------------------

    def _facts(self, request: HttpRequest, prepared: Prepared) -> Facts:
        return Facts(
            connection_id=self._sockets.new_id(),
            api_id=prepared.stage.api_id,
            stage=prepared.stage.name,
            domain=request.host,
            source_ip=request.client,
            user_agent=request.header("user-agent") or "",
            connected_at=self._world.now(),
            variables=prepared.stage.variables,
        )

    async def _connect(
        self, request: HttpRequest, prepared: Prepared, facts: Facts, request_id: str, verify: iam.Verify
    ) -> tuple[int, Facts, Reply | None]:
        """The status of the upgrade (2xx: it is done), the facts with what was told of the caller, the answer."""
        target = prepared.table.by_key.get(CONNECT)
        if target is None:
            return 200, facts, None
        bucket = prepared.buckets.get(CONNECT)
        if bucket is not None and not bucket.take(self._world.monotonic()):
            return 429, facts, None
        now, chance = self._world.now(), self._world.chance
        trace_id = request.header("x-amzn-trace-id") or f"Root=1-{int(now):08x}-{chance.getrandbits(96):024x}"
        try:
            facts = await self._authorized(request, prepared, target, facts, request_id, trace_id, verify)
        except Stopped as stopped:
            return stopped.status, facts, None
        context = events.context_of(facts, CONNECT, "CONNECT", request_id, now)
        event = events.connect_event(request, facts, context, trace_id)
        try:
            reply = await self._ask(prepared, target, event)
        except Failed as failed:
            return 504 if str(failed) == LATE else 502, facts, None
        return reply.status, facts, reply

    async def _authorized(
        self, request: HttpRequest, prepared: Prepared, target: Target, facts: Facts, request_id: str, trace_id: str,
        verify: iam.Verify,
    ) -> Facts:  # fmt: skip
        """Raises Stopped."""
        if target.iam:
            try:
                caller = iam.caller_of(request, verify, self._region)
            except AccessDenied as error:
                raise Stopped(403, error.message) from error
            return _with(facts, identity=iam.told_by_rest(caller, self._account))
        if not target.authorizer_id:
            return facts
        authorizer = prepared.deployment.authorizers[target.authorizer_id]
        base = f"arn:aws:execute-api:{self._region}:{self._account}:{facts.api_id}"
        arn = f"{base}/{facts.stage}/{CONNECT}"
        context = events.context_of(facts, CONNECT, "CONNECT", request_id, self._world.now())
        if not events.has_identity(authorizer, request, facts, context):
            raise Stopped(401)
        event = {"type": "REQUEST", "methodArn": arn, **events.connect_event(request, facts, context, trace_id)}
        payload = await self._gatekeeper.ask(
            authorizer, facts.variables, orjson.dumps(event), f"{base}/authorizers/{authorizer.id}"
        )
        try:
            verdict = verdict_of(authorizer, payload, arn)
        except Malformed as reason:
            log.warning("%s: authorizer %s: %s", self._region, authorizer.name, reason)
            raise Stopped(500, str(reason)) from reason
        if not verdict.allowed:
            raise Stopped(403)
        return _with(facts, authorizer=verdict.context)

    # -- messages and the end ----------------------------------------------------------------------------------

    async def _message(self, socket: Socket, message: str) -> None:
        facts, request_id, begun = socket.facts, self._sockets.new_id(), self._world.monotonic()
        prepared = self._catalogue.prepared(facts.api_id, facts.stage)
        api = self._catalogue.apis.get(facts.api_id)
        if prepared is None or api is None:
            socket.send(events.failure("Forbidden", facts, request_id))
            return
        key = events.route_of(message, selection_of(api.selection))
        if key in {CONNECT, DISCONNECT}:
            key = DEFAULT
        target = prepared.table.by_key.get(key) or prepared.table.by_key.get(DEFAULT)
        status = 200
        if target is None:
            status = 403
            socket.send(events.failure("Forbidden", facts, request_id))
        elif (bucket := prepared.buckets.get(target.key)) is not None and not bucket.take(begun):
            status = 429
            socket.send(events.failure("Too Many Requests", facts, request_id))
        else:
            context = events.context_of(
                facts, target.key, "MESSAGE", request_id, self._world.now(), messageId=self._sockets.new_id()
            )
            try:
                reply = await self._ask(prepared, target, events.message_event(facts, context, message))
            except Failed as failed:
                status = 500
                socket.send(events.failure(str(failed), facts, request_id))
            else:
                if target.answers and reply.body:
                    socket.send(reply.body)
        named = target.key if target is not None else ""
        self._account_for(prepared, named, "MessageCount", status, begun, facts, request_id, "MESSAGE")

    async def _end(self, socket: Socket, code: int, reason: str) -> None:
        facts, request_id, begun = socket.facts, self._sockets.new_id(), self._world.monotonic()
        prepared = self._catalogue.prepared(facts.api_id, facts.stage)
        target = prepared.table.by_key.get(DISCONNECT) if prepared is not None else None
        if prepared is None or target is None:
            return
        told: dict[str, Any] = {"disconnectStatusCode": code, "disconnectReason": reason}
        context = events.context_of(facts, DISCONNECT, "DISCONNECT", request_id, self._world.now(), **told)
        status = 200
        try:
            await self._ask(prepared, target, events.disconnect_event(facts, context))
        except Failed:
            status = 500
        self._account_for(prepared, DISCONNECT, "", status, begun, facts, request_id, "DISCONNECT")

    async def _ask(self, prepared: Prepared, target: Target, event: Mapping[str, Any]) -> Reply:
        """What the route's function answers. Raises Failed."""
        stage = prepared.stage
        source = f"arn:aws:execute-api:{self._region}:{self._account}:{stage.api_id}/{stage.name}/{target.key}"
        begun = self._world.monotonic()
        try:
            # On timeout only our waiting ends; the function runs on to its own timeout, as on AWS.
            async with asyncio.timeout(target.integration.timeout_ms / 1000):
                result = await self._call(
                    "lambda",
                    "Invoke",
                    {
                        "FunctionName": target.function,
                        "Payload": orjson.dumps(event),
                        "SourceArn": source,
                        "SourceService": LAMBDA_PRINCIPAL,
                    },
                )
            if result.get("FunctionError"):
                raise Failed(FAILED)
            return events.answer_of(result["Payload"])
        except TimeoutError:
            raise Failed(LATE) from None
        except (AwsError, Malformed) as error:
            log.warning("%s: %s %s: %s", self._region, stage.api_id, target.key, error)
            raise Failed(FAILED) from error
        finally:
            for tally in _tallies(prepared, target.key):
                tally.event("IntegrationLatency", round((self._world.monotonic() - begun) * 1000.0, 1), "Milliseconds")

    def _account_for(
        self, prepared: Prepared, key: str, metric: str, status: int, begun: float, facts: Facts, request_id: str,
        kind: str,
    ) -> None:  # fmt: skip
        for tally in _tallies(prepared, key):
            if metric:
                tally.event(metric)
            tally.event("ClientError", 1.0 if 400 <= status < 500 else 0.0)
            tally.event("IntegrationError", 1.0 if status >= 500 else 0.0)
            tally.event("ExecutionError", 0.0)
        if prepared.log_format is not None:
            now = self._world.now()
            context = events.context_of(facts, key, kind, request_id, now)
            values: dict[str, Any] = {
                **{name: value for name, value in context.items() if not isinstance(value, Mapping)},
                **{f"identity.{name}": value for name, value in context["identity"].items()},
                **{f"authorizer.{name}": value for name, value in (facts.authorizer or {}).items()},
                "accountId": self._account,
                "status": status,
                "responseLatency": round((self._world.monotonic() - begun) * 1000),
                "error.message": WORDS.get(status, ""),
            }
            line = prepared.log_format.line(values.get)
            self._catalogue.shared.access_logs.write(prepared.log_group, prepared.log_stream, line)


def _tallies(prepared: Prepared, key: str) -> list[Any]:
    detailed = prepared.route_tallies.get(key)
    return [prepared.tally] if detailed is None else [prepared.tally, detailed]


def _with(facts: Facts, **changes: Any) -> Facts:
    return dataclasses.replace(facts, **changes)


def _refused(status: int) -> HttpResponse:
    message = WORDS.get(status) or {400: "Bad Request", 502: FAILED, 504: LATE}.get(status, "")
    return HttpResponse(status, (("Content-Type", "application/json"),), orjson.dumps({"message": message}))
