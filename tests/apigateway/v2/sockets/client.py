"""A WebSocket client over a World's streams, for both worlds, and an API for it."""

from __future__ import annotations

from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from antipodes.edge.http import serve_http
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.geography import address_of
from antipodes.world.world import Server, Stream, World
from tests.apigateway.conftest import REGION, Room, host_of


class Client:
    """One connection; `answer` is what the handshake got."""

    def __init__(self, stream: Stream, protocol: ClientProtocol) -> None:
        self._stream = stream
        self.protocol = protocol
        self.answer: Response | None = None
        self._messages: list[bytes] = []
        self._parts: list[bytes] = []
        self._over = False

    @classmethod
    async def dial(cls, world: World, port: int, host: str, path: str = "/dev", **headers: str) -> Client:
        stream = await world.connect(address_of(REGION), port)
        client = cls(stream, ClientProtocol(parse_uri(f"ws://{host}{path}")))
        request = client.protocol.connect()
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        client.protocol.send_request(request)
        client._flush()
        while client.answer is None:
            await client._read()
        return client

    async def send(self, text: str | bytes, *, fin: bool = True) -> None:
        if isinstance(text, bytes):
            self.protocol.send_binary(text)
        else:
            self.protocol.send_text(text.encode(), fin=fin)
        self._flush()

    async def receive(self) -> bytes:
        while not self._messages:
            await self._read()
        return self._messages.pop(0)

    async def ended(self) -> int | None:
        """Reads to the end; the close code."""
        while self.protocol.close_rcvd is None and not self._over:
            await self._read()
        return self.protocol.close_rcvd.code if self.protocol.close_rcvd else None

    def close(self, code: int = 1000) -> None:
        self.protocol.send_close(code)
        self._flush()

    def cut(self) -> None:
        self._stream.close()

    async def _read(self) -> None:
        data = await self._stream.read()
        if data:
            self.protocol.receive_data(data)
        else:
            self._over = True
            self.protocol.receive_eof()
        for event in self.protocol.events_received():
            if isinstance(event, Response):
                self.answer = event
            elif isinstance(event, Frame) and event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                self._parts.append(bytes(event.data))
                if event.fin:
                    self._messages.append(b"".join(self._parts))
                    self._parts = []
        if self.answer is None and not data:
            raise AssertionError("closed before an answer")
        self._flush()

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self._stream.write(data)


async def listening(room: Room) -> Server:
    """The Region's door, as far as APIs go."""

    async def respond(request: HttpRequest) -> HttpResponse:
        return await room.gateway.respond(request, room.verify)

    return await serve_http(room.world, 0, respond, address=address_of(REGION))


async def made(room: Room, routes: dict[str, str], *, answers: tuple[str, ...] = (), **connect: Any) -> str:
    """A WebSocket API on the stage `dev`; routes: key -> function's ARN. Its host."""
    selection = {"RouteSelectionExpression": "$request.body.action"}
    api = str((await room.ask2("CreateApi", Name="w", ProtocolType="WEBSOCKET", **selection))["ApiId"])
    await room.ask2("CreateStage", ApiId=api, StageName="dev", AutoDeploy=True)
    for key, function in routes.items():
        integration = await room.ask2(
            "CreateIntegration", ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function
        )
        given: dict[str, Any] = {"RouteResponseSelectionExpression": "$default"} if key in answers else {}
        given |= connect if key == "$connect" else {}
        target = f"integrations/{integration['IntegrationId']}"
        route = await room.ask2("CreateRoute", ApiId=api, RouteKey=key, Target=target, **given)
        if key in answers:
            await room.ask2("CreateRouteResponse", ApiId=api, RouteId=route["RouteId"], RouteResponseKey="$default")
    return host_of(api)
