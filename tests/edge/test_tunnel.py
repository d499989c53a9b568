"""Upgrades carried from one listener to another."""

from __future__ import annotations

from antipodes.edge import tunnel
from antipodes.edge.http import serve_http
from antipodes.edge.websocket import Limits, WebSocketConnection, accepted
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.geography import address_of
from antipodes.world.simulated import Simulation
from tests.apigateway.v2.sockets.client import Client

REGION, FAR, NEAR = "us-west-2", 18_077, 18_088


class Echo:
    """Answers messages with themselves."""

    def opened(self, connection: WebSocketConnection) -> None:
        self.connection = connection

    def received(self, message: str) -> None:
        self.connection.send(message.encode())

    def closed(self, code: int, reason: str) -> None:
        self.code = code


def test_frames_pass_both_ways_and_refusals_are_answers() -> None:
    simulation = Simulation(7)

    async def story() -> None:
        world, address = simulation.world(REGION), address_of(REGION)
        echo = Echo()

        async def far(request: HttpRequest) -> HttpResponse:
            headers = accepted(request)
            if headers is None or request.path == "/no":
                return HttpResponse(403, (), b"no")
            limits = Limits(1 << 17, 1 << 15, 600.0, 7200.0)
            return HttpResponse(101, headers, takeover=lambda: WebSocketConnection(echo, limits))

        async def near(request: HttpRequest) -> HttpResponse:
            assert tunnel.wants_upgrade(request)
            return await tunnel.carry(world, address, FAR, request, timeout_s=5.0)

        servers = [
            await serve_http(world, FAR, far, address=address),
            await serve_http(world, NEAR, near, address=address),
        ]
        client = await Client.dial(world, NEAR, "x.example")
        for text in ("one", "x" * 30_000, "two"):
            await client.send(text)
            assert (await client.receive()).decode() == text
        client.close(1000)
        assert await client.ended() == 1000
        await world.sleep(1.0)
        assert echo.code == 1000
        refused = await Client.dial(world, NEAR, "x.example", "/no")
        assert refused.answer is not None
        assert (refused.answer.status_code, refused.answer.body) == (403, b"no")
        for server in servers:
            server.close()

    async def main() -> None:
        await simulation.boot(REGION, story)

    simulation.run(main())
