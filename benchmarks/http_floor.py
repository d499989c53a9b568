"""What a request costs before any service has done anything: microseconds, in one process, without sockets.

    python -m benchmarks.http_floor

Rows: the listener alone; signature check; parsing a GetItem; serialising its answer. Each is the best of five rounds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

from antipodes.edge.client import encode_request
from antipodes.edge.http import HttpConnection
from antipodes.edge.listener import Listener
from antipodes.wire import sigv4
from antipodes.wire.client import Credentials, build_request
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.operation import Payload
from antipodes.wire.protocols import parse_request, serialize_response
from antipodes.world.world import World

ROUNDS, REQUESTS = 5, 10_000
NOW = 1_800_000_000.0
ITEM = b'{"Item":{"id":{"S":"1"},"text":{"S":"' + b"x" * 900 + b'"}}}'


class Sink(asyncio.Transport):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Away with it."""

    def is_closing(self) -> bool:
        return False


class LittleWorld:
    """What the listener asks of a World when no handler waits."""

    address = "127.0.0.1"

    def now(self) -> float:
        return NOW

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)


async def handler(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, (("Content-Type", "application/x-amz-json-1.0"),), ITEM)


def best_us(step: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(REQUESTS):
            step()
        rounds.append((time.perf_counter() - began) / REQUESTS * 1e6)
    return min(rounds)


def measure() -> dict[str, float]:
    """Microseconds a request, by step. Must run in a callback of a loop, outside of tasks (as data_received does)."""
    params = {"TableName": "items", "Key": {"id": {"S": "1"}}}
    request = build_request(
        "dynamodb",
        "GetItem",
        params,
        region="us-east-1",
        host="127.44.1.1:4566",
        credentials=Credentials("test", "test"),
        now=NOW,
    )
    data = encode_request(request, "127.44.1.1", 4566)
    world = cast("World", LittleWorld())
    connection = HttpConnection(Listener(world, handler))
    connection.connection_made(Sink())
    return {
        "listener": best_us(lambda: connection.data_received(data)),
        "signature": best_us(lambda: sigv4.verify(request, lambda key: "test", NOW)),
        "scope": best_us(lambda: sigv4.scope_of(request)),
        "parse": best_us(lambda: parse_request("dynamodb", request)),
        "serialise": best_us(lambda: serialize_response("dynamodb", "GetItem", Payload(ITEM), "A" * 52)),
    }


def main() -> None:
    loop = asyncio.new_event_loop()
    found: dict[str, float] = {}

    def run() -> None:
        found.update(measure())
        loop.stop()

    loop.call_soon(run)
    loop.run_forever()
    loop.close()
    for name, cost_us in found.items():
        print(f"{name:10} {cost_us:6.1f} us")


if __name__ == "__main__":
    main()
