"""A table with many items: same speed, and how much memory. Made on demand, through the front door.

    python -m benchmarks.large [items, default 1,000,000]

Measures GetItem and PutItem of 10,000 keys in a table of 10,000 items and in a large one, then of keys drawn from all
of the large one, which no cache holds; and pages of a Query at the start of a large partition and deep inside. CPU a
request and requests a second of each, and the Region's memory.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import dynamodb, load
from benchmarks.planet import resident_mb

FEW = 10_000
DEEP = 100_000  # items of one partition
PAGE = 10
SAMPLE = 20_000


def fill(server: dynamodb.Target, first: int, count: int) -> float:
    """Puts items number first to first + count, 25 a batch; items a second."""
    begin = time.perf_counter()
    step = 20_000  # signatures are good for fifteen minutes; so are the requests of one step
    for start in range(first, first + count, step):
        numbers = range(start, min(start + step, first + count))
        batches = [
            {
                "RequestItems": {
                    dynamodb.TABLE: [{"PutRequest": {"Item": dynamodb.item(n)}} for n in numbers[at : at + 25]]
                }
            }
            for at in range(0, len(numbers), 25)
        ]
        run(server, "BatchWriteItem", batches, once=True)
    return count / (time.perf_counter() - begin)


def fill_partition(server: dynamodb.Target, count: int) -> None:
    """One partition of so many items of 250 bytes."""
    batches = [
        {
            "RequestItems": {
                dynamodb.ORDERED: [{"PutRequest": {"Item": dynamodb.ordered(99_999, at + i)}} for i in range(25)]
            }
        }
        for at in range(0, count, 25)
    ]
    run(server, "BatchWriteItem", batches, once=True)


def run(
    server: dynamodb.Target, operation: str, bodies: Sequence[object], *, once: bool = False, expect: bytes = b""
) -> load.Figures:
    requests = dynamodb.signed(server, operation, bodies)
    figures = load.run(
        server.host,
        server.port,
        requests,
        connections=32,
        seconds=600 if once else 3,
        at_most=len(requests) if once else 1 << 60,
        expect=expect,
        pid=server.pid,
    )
    if figures.bad:
        raise SystemExit(f"{figures.bad} bad answers to {operation}")
    return figures


def pages(depth: int) -> Iterator[object]:
    """Queries of one page of ten, from places in the partition at that depth and beyond."""
    for n in range(1000):
        behind = {"p": {"S": "part-99999"}, "s": {"N": str(depth + n * 37)}}
        yield {**dynamodb.query_of(99_999), "Limit": PAGE, "ExclusiveStartKey": behind}  # type: ignore[dict-item]


def point(server: dynamodb.Target, keys: int, items: int) -> None:
    """GetItem and PutItem of random keys among the first so many of a table."""
    chance = random.Random(keys)
    numbers = [chance.randrange(keys) for _ in range(SAMPLE)]
    what = f"{keys:,} keys of {items:,}"
    gets: list[object] = [{"TableName": dynamodb.TABLE, "Key": dynamodb.key_of(n)} for n in numbers]
    puts: list[object] = [{"TableName": dynamodb.TABLE, "Item": dynamodb.item(n)} for n in numbers]
    run(server, "GetItem", gets[:keys], once=True)  # what can be cached, is
    show(f"GetItem, {what}", run(server, "GetItem", gets, expect=b"Springfield"), server)
    show(f"PutItem, {what}", run(server, "PutItem", puts), server)


def show(what: str, figures: load.Figures, server: dynamodb.Target) -> None:
    print(
        f"{what:38} {figures.per_second:8,.0f}/s  p50 {figures.p50_ms:5.2f} ms  p99 {figures.p99_ms:6.2f} ms  "
        f"CPU {figures.cpu_us:5.0f} us   memory {resident_mb(server.pid):4.0f} MB",
        flush=True,
    )


def measure(items: int = 1_000_000) -> None:
    with tempfile.TemporaryDirectory() as folder, dynamodb.targets(Path(folder), ["antipodes"]) as [server]:
        print(f"idle                                   memory {resident_mb(server.pid):4.0f} MB", flush=True)
        dynamodb.prepare(server)
        point(server, FEW, FEW)
        print(f"filled with {fill(server, FEW, items - FEW):,.0f} items/s", flush=True)
        point(server, FEW, items)
        point(server, items, items)
        fill_partition(server, DEEP)
        count = b'"Count":10'
        for depth in (0, DEEP * 6 // 10):
            show(
                f"Query, pages from {depth:,} of {DEEP:,}",
                run(server, "Query", list(pages(depth)), expect=count),
                server,
            )


if __name__ == "__main__":
    measure(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 1_000_000)
