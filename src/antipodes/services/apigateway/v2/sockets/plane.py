"""The data plane of WebSocket APIs.

    upgrade      $connect: throttled, authorized, its function asked; 101 only if it says 2xx; without the route all may
    message      the route that its body names, or $default; a function; its answer back if the route has responses
    end          $disconnect, once, whatever ended the connection; what it answers counts for nothing
    @connections management.py

A refusal of the upgrade is an HTTP answer; a message that cannot be answered gets a message, {"message",
"connectionId", "requestId"}. Statuses and words are from AWS's guide where it has them, else from memory.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import orjson

from antipodes.services.apigateway import iam
from antipodes.services.apigateway.throttle import Bucket
from antipodes.services.apigateway.v1.proxy import Reply
from antipodes.services.apigateway.v2.authorizing import verdict_of
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue, Prepared
from antipodes.services.apigateway.v2.gatekeeper import Gatekeeper, Stopped
from antipodes.services.apigateway.v2.places import Led, Places
from antipodes.services.apigateway.v2.routing import Target
from antipodes.services.apigateway.v2.sockets import events
from antipodes.services.apigateway.v2.sockets.backends import FAILED, LATE, Failed, SocketBackends
from antipodes.services.apigateway.v2.sockets.connections import Socket, Sockets
from antipodes.services.apigateway.v2.sockets.events import Facts
from antipodes.services.apigateway.v2.sockets.management import MARK, MESSAGE_BYTES, Management
from antipodes.services.apigateway.v2.sockets.observing import WORDS, Happening, Observer
from antipodes.services.apigateway.v2.sockets.settings import CONNECT, DEFAULT, DISCONNECT, selection_of
from antipodes.wire.errors import AccessDenied
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.payload2 import Malformed

log = logging.getLogger("antipodes.apigateway")

FRAME_BYTES = 32 * 1024
CONNECTS = 500  # new connections a second in one Region (the quotas); as many at once: a guess
IDLE_S = 600.0  # both from the quotas of WebSocket APIs; options "apigateway.socket_idle_s" and "..._life_s"
LIFE_S = 7200.0


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
        self._backends = SocketBackends(around)
        self._connecting = Bucket(CONNECTS, CONNECTS, around.world.monotonic())
        self._sockets = Sockets(around.world)
        self._sockets.tell(self._message, self._end)
        self._observer = Observer(catalogue)
        self.management = Management(self._sockets, around.region, self._observer.sent)
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
        event = self._observer.begin(prepared, "CONNECT", CONNECT, self._sockets.new_id())
        event.status, facts, reply = await self._connect(request, prepared, facts, event, verify)
        self._observer.note(prepared, facts, event)
        if not 200 <= event.status < 300:
            if reply is None:
                return _refused(event.status)
            return HttpResponse(event.status, reply.headers, reply.body)
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
        self, request: HttpRequest, prepared: Prepared, facts: Facts, event: Happening, verify: iam.Verify
    ) -> tuple[int, Facts, Reply | None]:
        """The status of the upgrade (2xx: it is done), the facts with what was told of the caller, the answer."""
        target, request_id = prepared.table.by_key.get(CONNECT), event.request_id
        if not self._connecting.take(event.begun):
            return 429, facts, None
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
        told = events.connect_event(request, facts, context, trace_id)
        try:
            reply = await self._backends.ask(prepared, target, told, facts, request, event.steps)
        except Failed as failed:
            event.failed, event.reason = True, failed.reason
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
            verdict = verdict_of(authorizer, payload, arn, request.client)
        except Malformed as reason:
            log.warning("%s: authorizer %s: %s", self._region, authorizer.name, reason)
            raise Stopped(500, str(reason)) from reason
        if not verdict.allowed:
            raise Stopped(403)
        return _with(facts, authorizer=verdict.context)

    # -- messages and the end ----------------------------------------------------------------------------------

    async def _message(self, socket: Socket, message: str) -> None:
        facts, request_id = socket.facts, self._sockets.new_id()
        prepared = self._catalogue.prepared(facts.api_id, facts.stage)
        api = self._catalogue.apis.get(facts.api_id)
        if prepared is None or api is None:
            socket.send(events.failure("Forbidden", facts, request_id))
            return
        key = events.route_of(message, selection_of(api.selection))
        if key in {CONNECT, DISCONNECT}:
            key = DEFAULT
        target = prepared.table.by_key.get(key) or prepared.table.by_key.get(DEFAULT)
        event = self._observer.begin(prepared, "MESSAGE", target.key if target is not None else "", request_id)
        body = message.encode("utf-8", "surrogatepass")
        refusal = self._refusal(prepared, target, body, event)
        if target is None or refusal:
            socket.send(events.failure(refusal, facts, request_id))
        else:
            await self._answered(socket, prepared, target, message, body, event)
        self._observer.note(prepared, facts, event)

    def _refusal(self, prepared: Prepared, target: Target | None, body: bytes, event: Happening) -> str:
        """Why a message goes no further, as the client is told; "": it does."""
        if target is None:
            event.status = 403
            return "Forbidden"
        bucket = prepared.buckets.get(target.key)
        let_in = self._catalogue.shared.limit.take(event.begun)
        if not let_in or (bucket is not None and not bucket.take(event.begun)):
            event.status = 429
            return "Too Many Requests"
        fault = target.checks.fault(body) if target.checks is not None else ""
        if fault:
            event.status, event.reason = 400, f"an invalid request body: {fault}"
            return "Invalid request body"  # REST APIs' words; those of WebSocket APIs are a guess
        return ""

    async def _answered(
        self, socket: Socket, prepared: Prepared, target: Target, message: str, body: bytes, event: Happening
    ) -> None:
        facts = socket.facts
        context = events.context_of(
            facts, target.key, "MESSAGE", event.request_id, self._world.now(), messageId=self._sockets.new_id()
        )
        told = events.message_event(facts, context, message)
        request = HttpRequest("POST", "/", (("Host", facts.domain),), body, client=facts.source_ip, secure=True)
        try:
            reply = await self._backends.ask(prepared, target, told, facts, request, event.steps)
        except Failed as failed:
            event.status, event.failed, event.reason = 500, True, failed.reason
            socket.send(events.failure(str(failed), facts, event.request_id))
            return
        if target.behind is not None:  # what a function by proxy says is no error of the integration
            event.status = reply.status
        if target.answers and reply.body and socket.send(reply.body):
            self._observer.sent(facts, target.key)

    async def _end(self, socket: Socket, code: int, reason: str) -> None:
        facts, request_id = socket.facts, self._sockets.new_id()
        prepared = self._catalogue.prepared(facts.api_id, facts.stage)
        target = prepared.table.by_key.get(DISCONNECT) if prepared is not None else None
        if prepared is None or target is None:
            return
        told: dict[str, Any] = {"disconnectStatusCode": code, "disconnectReason": reason}
        context = events.context_of(facts, DISCONNECT, "DISCONNECT", request_id, self._world.now(), **told)
        event = self._observer.begin(prepared, "DISCONNECT", DISCONNECT, request_id)
        request = HttpRequest("POST", "/", (("Host", facts.domain),), b"", client=facts.source_ip, secure=True)
        ended = events.disconnect_event(facts, context)
        try:
            await self._backends.ask(prepared, target, ended, facts, request, event.steps)
        except Failed as failed:
            event.status, event.failed, event.reason = 500, True, failed.reason
        self._observer.note(prepared, facts, event)


def _with(facts: Facts, **changes: Any) -> Facts:
    return dataclasses.replace(facts, **changes)


def _refused(status: int) -> HttpResponse:
    message = WORDS.get(status) or {400: "Bad Request", 502: FAILED, 504: LATE}.get(status, "")
    return HttpResponse(status, (("Content-Type", "application/json"),), orjson.dumps({"message": message}))
