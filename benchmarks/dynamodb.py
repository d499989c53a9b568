"""One Region's DynamoDB beside dynalite and MiniStack, in one run: requests a second, CPU a request, ratios.

    python -m benchmarks.dynamodb                              all operations and servers
    python -m benchmarks.dynamodb --servers antipodes,memory --operations PutItem --seconds 2 --rounds 1

Ours: signatures checked, every write on disk (fsync by group commit) before its answer. dynalite and MiniStack in
memory keep nothing; dynalite on disk does not fsync. Items are 1 KiB; gets ask for 10,000 keys, queries for ten items
of 250 bytes, updates add to 1,000 counters, batches put 25 items of 1 KiB. Rounds are interleaved, because a machine's
speed drifts; the client takes a core of its own where there are two. A peer that answers wrongly is not compared. CPU a
request is the server process's, and does not move as much when other programs take their share of the machine: compare
it where the machine is not quiet.
The floor (floor.py) is what a server in Python cannot leave out, writes and syncs included: "by CPU 0.40" beside it
says that of our cost a request 40 % are the floor, and the rest our own code.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import boto3
import orjson
from botocore.config import Config

from benchmarks import load, peers, planets

KEYS = 10_000
PARTITIONS, PARTITION_ITEMS = 1_000, 10
COUNTERS = 1_000
BATCHES, BATCH_ITEMS = 400, 25
CONNECTIONS = (8, 32)
FLOOR = "floor (ready answers)"
TABLE, ORDERED = "bench", "ordered"
SERVERS = ("antipodes", "memory", "disk", "ministack", "floor")


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load."""

    name: str
    host: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Work:
    """One operation's load: its wire name, bodies to send over and over, and what an answer must hold."""

    operation: str
    bodies: Callable[[], list[object]]
    expect: bytes = b""


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


def ordered(partition: int, place: int) -> dict[str, object]:
    """About 250 bytes."""
    return {"p": {"S": f"part-{partition:05d}"}, "s": {"N": str(place)}, "v": {"S": f"Springfield{'y' * 170}"}}


def batch(number: int) -> object:
    """25 puts among 10,000 keys."""
    first = number * BATCH_ITEMS
    return {"RequestItems": {TABLE: [{"PutRequest": {"Item": item((first + i) % KEYS)}} for i in range(BATCH_ITEMS)]}}


def fill_ordered(number: int) -> object:
    """Up to 25 puts of the table with partitions."""
    first = number * BATCH_ITEMS
    places = range(first, min(first + BATCH_ITEMS, PARTITIONS * PARTITION_ITEMS))
    puts = [{"PutRequest": {"Item": ordered(*divmod(place, PARTITION_ITEMS))}} for place in places]
    return {"RequestItems": {ORDERED: puts}}


def key_of(number: int) -> dict[str, object]:
    return {"id": {"S": f"item-{number:08d}"}}


def query_of(partition: int) -> object:
    return {
        "TableName": ORDERED,
        "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": {":p": {"S": f"part-{partition:05d}"}},
    }


def update_of(counter: int) -> object:
    return {
        "TableName": TABLE,
        "Key": {"id": {"S": f"counter-{counter:05d}"}},
        "UpdateExpression": "ADD n :o",
        "ExpressionAttributeValues": {":o": {"N": "1"}},
    }


WORK: Mapping[str, Work] = MappingProxyType(
    {
        "PutItem": Work("PutItem", lambda: [{"TableName": TABLE, "Item": item(n)} for n in range(KEYS)]),
        "GetItem": Work(
            "GetItem", lambda: [{"TableName": TABLE, "Key": key_of(n)} for n in range(KEYS)], b"Springfield"
        ),
        "Query": Work("Query", lambda: [query_of(n) for n in range(PARTITIONS)], b'"Count":10'),
        "UpdateItem": Work("UpdateItem", lambda: [update_of(n) for n in range(COUNTERS)]),
        "BatchWriteItem": Work("BatchWriteItem", lambda: [batch(n) for n in range(BATCHES)]),
    }
)


def signed(server: Target, operation: str, bodies: Sequence[object]) -> list[bytes]:
    """Requests ready to send. A signature is good for fifteen minutes."""
    return [load.dynamodb_request(operation, orjson.dumps(body), server.host, server.port) for body in bodies]


def prepare(server: Target) -> None:
    """Two tables, filled."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=f"http://{server.host}:{server.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )
    for name, parts in ((TABLE, {"id": "S"}), (ORDERED, {"p": "S", "s": "N"})):
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": ("HASH", "RANGE")[i]} for i, key in enumerate(parts)],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in parts.items()],
            BillingMode="PAY_PER_REQUEST",
        )
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    fills = [batch(n) for n in range(KEYS // BATCH_ITEMS)]
    fills += [fill_ordered(n) for n in range(PARTITIONS * PARTITION_ITEMS // BATCH_ITEMS)]
    requests = signed(server, "BatchWriteItem", fills)
    done = load.run(server.host, server.port, requests, connections=8, seconds=600, at_most=len(requests))
    if done.bad:
        raise SystemExit(f"{server.name}: {done.bad} bad answers while filling")


@contextlib.contextmanager
def targets(folder: Path, wanted: Sequence[str] = SERVERS) -> Iterator[list[Target]]:
    """The servers wanted, as far as they can be installed."""
    own = Path(tempfile.gettempdir()) / "antipodes-bench-peers"
    with contextlib.ExitStack() as stack:
        found = []
        if "antipodes" in wanted:
            planet = stack.enter_context(planets.planet(folder / "planet", regions=("us-east-1",)))
            found.append(
                Target("antipodes (durable)", planet.address("us-east-1"), planet.port, planet.pid("us-east-1"))
            )
        dynalite = peers.install_dynalite(own) if {"memory", "disk"} & {*wanted} else None
        if dynalite is not None and "memory" in wanted:
            peer = stack.enter_context(peers.dynalite(dynalite, None))
            found.append(Target("dynalite, memory", "127.0.0.1", peer.port, peer.pid))
        if dynalite is not None and "disk" in wanted:
            peer = stack.enter_context(peers.dynalite(dynalite, folder / "dynalite"))
            found.append(Target("dynalite, disk (no fsync)", "127.0.0.1", peer.port, peer.pid))
        ministack = peers.install_ministack(own / "ministack") if "ministack" in wanted else None
        if ministack is not None:
            peer = stack.enter_context(peers.ministack(ministack))
            found.append(Target("MiniStack (memory)", "127.0.0.1", peer.port, peer.pid))
        if "floor" in wanted:
            peer = stack.enter_context(peers.floor(folder / "floor"))
            found.append(Target(FLOOR, "127.0.0.1", peer.port, peer.pid))
        yield found


Collected = dict[str, dict[str, list[load.Figures]]]


def measure(
    seconds: float = 2.0,
    rounds: int = 3,
    servers: Sequence[str] = SERVERS,
    operations: Sequence[str] = tuple(WORK),
    connections: Sequence[int] = CONNECTIONS,
) -> dict[str, dict[str, float]]:
    """Median requests a second: {"PutItem/32": {server: figure}}; prints them as a table."""
    collected: Collected = {}
    with tempfile.TemporaryDirectory() as folder, targets(Path(folder), servers) as found:
        for server in found:
            if server.name != FLOOR:
                prepare(server)
        for _ in range(rounds):
            for operation in operations:
                bodies = WORK[operation].bodies()
                requests = {server.name: signed(server, operation, bodies) for server in found}
                for count in connections:
                    for server in found:
                        figures = load.run(
                            server.host,
                            server.port,
                            requests[server.name],
                            connections=count,
                            seconds=seconds,
                            expect=WORK[operation].expect,
                            pid=server.pid,
                        )
                        if figures.bad and server.name == found[0].name:
                            raise SystemExit(f"{server.name}: {figures.bad} bad answers to {operation}")
                        collected.setdefault(f"{operation}/{count}", {}).setdefault(server.name, []).append(figures)
    return report(collected)


def report(collected: Collected) -> dict[str, dict[str, float]]:
    """Prints the table; returns the medians."""
    medians = {}
    for name, row in collected.items():
        medians[name] = {who: statistics.median(f.per_second for f in figures) for who, figures in row.items()}
        ours = next(iter(medians[name].values()))
        our_cpu_us = statistics.median(f.cpu_us for f in next(iter(row.values())))
        for who, figures in row.items():
            if bad := sum(f.bad for f in figures):
                del medians[name][who]
                print(f"{name:17} {who:26} {bad:,} bad answers: not compared")
                continue
            p50 = statistics.median(f.p50_ms for f in figures)
            p99 = statistics.median(f.p99_ms for f in figures)
            cpu_us = statistics.median(f.cpu_us for f in figures)
            rate = medians[name][who]
            ratio = "" if rate == ours else f"   ratio {ours / rate:5.2f}   by CPU {cpu_us / our_cpu_us:5.2f}"
            print(
                f"{name:17} {who:26} {rate:8,.0f}/s  p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  CPU {cpu_us:6.0f} us{ratio}"
            )
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--operations", default=",".join(WORK))
    parser.add_argument("--connections", default=",".join(str(count) for count in CONNECTIONS))
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    measure(
        given.seconds,
        given.rounds,
        given.servers.split(","),
        given.operations.split(","),
        [int(count) for count in given.connections.split(",")],
    )


if __name__ == "__main__":
    main()
