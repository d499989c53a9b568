"""The floor under a server in Python: what is left when it does nothing but what none can leave out.

    python -m benchmarks.floor PORT FOLDER

It reads a whole request and hands back ready bytes of the right size; of a write it appends the body to a file, and
one fdatasync serves all writes that came in one turn of the loop. No signature is checked, nothing is parsed or kept.
`benchmarks/dynamodb.py` runs it as one more server: what lies between its CPU a request and a Region's is our own code.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import cast

import orjson

from antipodes.world.real import run_real

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%b"


def answers(item: object, ordered: object) -> dict[bytes, tuple[bytes, bool]]:
    """By operation: the answer, and whether it is to a write."""
    page = {"Count": 10, "ScannedCount": 10, "Items": [ordered] * 10}
    bodies: dict[str, tuple[object, bool]] = {
        "PutItem": ({}, True),
        "GetItem": ({"Item": item}, False),
        "Query": (page, False),
        "UpdateItem": ({}, True),
        "BatchWriteItem": ({"UnprocessedItems": {}}, True),
    }
    found = {}
    for name, (answer, writes) in bodies.items():
        body = orjson.dumps(answer)
        found[name.encode()] = HEAD % (len(body), body), writes
    return found


class Log:
    """Appends; one flush a turn of the loop."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []
        self._pieces: list[bytes] = []

    def append(self, piece: bytes, transport: asyncio.Transport, answer: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pieces.append(piece)
        self._waiting.append((transport, answer))

    def _flush(self) -> None:
        os.write(self._file, b"".join(self._pieces))
        getattr(os, "fdatasync", os.fsync)(self._file)
        self._pieces.clear()
        for transport, answer in self._waiting:
            transport.write(answer)
        self._waiting.clear()


class Connection(asyncio.Protocol):
    def __init__(self, ready: dict[bytes, tuple[bytes, bool]], log: Log) -> None:
        self._ready = ready
        self._log = log
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        end = data.find(b"\r\n\r\n")
        at = data.find(b"Content-Length: ", 0, end) + 16
        if end < 0 or len(data) < end + 4 + int(data[at : data.index(b"\r", at)]):
            self._buffer = data
            return
        self._buffer = b""
        at = data.find(b"DynamoDB_20120810.") + 18
        answer, writes = self._ready[data[at : data.index(b"\r", at)]]
        if writes:
            self._log.append(data[end + 4 :], self._transport, answer)
        else:
            self._transport.write(answer)


async def serve(port: int, file: int) -> None:
    from benchmarks.dynamodb import item, ordered

    log = Log(file)
    ready = answers(item(1), ordered(1, 1))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(ready, log), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    written = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    run_real(lambda: serve(int(sys.argv[1]), written))
