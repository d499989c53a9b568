"""PutItem and GetItem of one Region against dynalite, in one run: requests a second, and ratios.

Ours: signatures checked, every put on disk (fsync by group commit) before its answer. dynalite in memory keeps
nothing; dynalite on disk does not fsync. Items are 1 KiB; gets ask for 10,000 keys. Rounds are interleaved, because a
machine's speed drifts.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import orjson
from botocore.config import Config

from benchmarks import load, peers, planets

KEYS = 10_000
TABLE = "bench"


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load."""

    name: str
    host: str
    port: int


def item(number: int) -> dict[str, object]:
    """About 970 bytes of DynamoDB JSON in 11 attributes, a list and a map among them."""
    return {
        "id": {"S": f"item-{number:08d}"},
        "n": {"N": str(number)},
        "name": {"S": f"Customer number {number}"},
        "email": {"S": f"customer{number}@mail.example"},
        "active": {"BOOL": True},
        "score": {"N": "12345.678"},
        "tags": {"SS": ["alpha", "beta", "gamma"]},
        "address": {"M": {"street": {"S": "12 Some Street"}, "city": {"S": "Springfield"}, "zip": {"S": "12345"}}},
        "history": {"L": [{"N": "1"}, {"N": "2"}, {"S": "three"}]},
        "blob": {"B": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="},
        "text": {"S": "x" * 480},
    }


def prepare(target: Target) -> None:
    client = boto3.client(
        "dynamodb",
        endpoint_url=f"http://{target.host}:{target.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})


def puts(target: Target) -> list[bytes]:
    return [
        load.dynamodb_request("PutItem", orjson.dumps({"TableName": TABLE, "Item": item(n)}), target.host, target.port)
        for n in range(KEYS)
    ]


def gets(target: Target) -> list[bytes]:
    return [
        load.dynamodb_request(
            "GetItem",
            orjson.dumps({"TableName": TABLE, "Key": {"id": {"S": f"item-{n:08d}"}}}),
            target.host,
            target.port,
        )
        for n in range(KEYS)
    ]


@contextlib.contextmanager
def targets(folder: Path) -> Iterator[list[Target]]:
    """Our Region, and dynalite in memory and on disk where there is npm."""
    with contextlib.ExitStack() as stack:
        planet = stack.enter_context(planets.planet(folder / "planet", regions=("us-east-1",)))
        found = [Target("antipodes (durable)", planet.address("us-east-1"), planet.port)]
        command = peers.install_dynalite(Path(tempfile.gettempdir()) / "antipodes-bench-peers")
        if command is None:
            print("npm is not there: no peer to compare with.")
        else:
            memory = stack.enter_context(peers.dynalite(command, None))
            found.append(Target("dynalite, memory", "127.0.0.1", memory))
            disk = stack.enter_context(peers.dynalite(command, folder / "dynalite"))
            found.append(Target("dynalite, disk (no fsync)", "127.0.0.1", disk))
        yield found


def measure(seconds: float = 3.0, rounds: int = 3) -> dict[str, dict[str, float]]:
    """Median requests a second: {"PutItem/32": {target: figure}}; prints each round's medians as a table."""
    collected: dict[str, dict[str, list[load.Figures]]] = {}
    with tempfile.TemporaryDirectory() as folder, targets(Path(folder)) as servers:
        work = {}
        for server in servers:
            prepare(server)
            work[server.name] = {"PutItem": puts(server), "GetItem": gets(server)}
        for server in servers:  # every key is there before the first get
            fill = load.run(
                server.host, server.port, work[server.name]["PutItem"], connections=8, seconds=600, at_most=KEYS
            )
            asyncio.run(fill)
        for _ in range(rounds):
            for operation in ("PutItem", "GetItem"):
                for connections in (8, 32):
                    for server in servers:
                        figures = asyncio.run(
                            load.run(
                                server.host,
                                server.port,
                                work[server.name][operation],
                                connections=connections,
                                seconds=seconds,
                                expect=b"Springfield" if operation == "GetItem" else b"",
                            )
                        )
                        if figures.bad:
                            raise SystemExit(f"{server.name}: {figures.bad} bad answers to {operation}")
                        row = collected.setdefault(f"{operation}/{connections}", {})
                        row.setdefault(server.name, []).append(figures)
    return report(collected)


def report(collected: dict[str, dict[str, list[load.Figures]]]) -> dict[str, dict[str, float]]:
    """Prints the table; returns the medians."""
    medians = {}
    for name, row in collected.items():
        medians[name] = {who: statistics.median(f.per_second for f in figures) for who, figures in row.items()}
        ours = next(iter(medians[name].values()))
        for who, figures in row.items():
            p50 = statistics.median(f.p50_ms for f in figures)
            p99 = statistics.median(f.p99_ms for f in figures)
            rate = medians[name][who]
            ratio = "" if rate == ours else f"   antipodes is {ours / rate:.1f} times"
            print(f"{name:12} {who:28} {rate:9,.0f}/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms{ratio}")
    return medians


if __name__ == "__main__":
    measure()
