"""What replication costs and how far behind it is: `python -m benchmarks.replication [part ...]`.

    lag        beyond the link's own delay, at 2,000 writes a second over three Regions together. A link's delay varies,
               and a stream keeps its order, so that one late parcel holds up those behind it: the link's own median
               and 99th percentile are those of its parcels alone, played at the rate of the load's batches
    rate       the highest rate of one Region: does the lag grow?
    backlog    100,000 items wait; how fast they drain into a Region that serves requests, and in how much memory
    idle       processor time of a planet that nobody uses, over a minute
    replicas   processor time of a write with one to four replicas, and in tables of 1,000 and 200,000 items

The machine is shared and drifts: processor time and ratios are what holds. `noise` says how much of the two cores
others used meanwhile.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import orjson

from antipodes.globe.admin import PREFIX, TOKEN_HEADER
from antipodes.world.network import Links, Pass
from benchmarks import load, planets
from benchmarks.planet import credentials, resident_mb

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
TABLE = "Replicated"
WRITES_PER_S, LAG_SECONDS = 2_000, 10
PARCELS_PER_S = WRITES_PER_S / len(REGIONS) / 2  # two writes leave together, about
BACKLOG, BATCH = 100_000, 25
PAYLOAD_BYTES = 200


def make_table(planet: planets.Running, regions: tuple[str, ...], name: str = TABLE) -> None:
    """A global table over the Regions, ACTIVE everywhere."""
    home = client(planet, regions[0])
    home.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for region in (*regions[1:], regions[0]):
        while home.describe_table(TableName=name)["Table"]["TableStatus"] != "ACTIVE":
            time.sleep(0.1)
        if region != regions[0]:
            home.update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": region}}])
    for region in regions:
        while name not in client(planet, region).list_tables()["TableNames"]:
            time.sleep(0.1)
        while client(planet, region).describe_table(TableName=name)["Table"]["TableStatus"] != "ACTIVE":
            time.sleep(0.1)


def client(planet: planets.Running, region: str) -> Any:
    return boto3.client("dynamodb", region_name=region, **credentials(planet))


def puts(
    planet: planets.Running, region: str, keys: range, table: str = TABLE, size: int = PAYLOAD_BYTES
) -> list[bytes]:
    """Signed PutItem requests."""
    address = planet.address(region)
    return [
        load.dynamodb_request(
            "PutItem",
            orjson.dumps({"TableName": TABLE, "Item": {"id": {"S": f"{region}-{key}"}, "payload": {"S": "x" * size}}}),
            address,
            planet.port,
            region,
        )
        for key in keys
    ]


def status(planet: planets.Running) -> dict[str, dict[str, Any]]:
    """By Region, by peer: what the Region says of following it."""
    asked = http.client.HTTPConnection("127.0.0.1", planet.port, timeout=30)
    asked.request("GET", PREFIX + "status", headers={TOKEN_HEADER: planet.planet.token})
    regions = orjson.loads(asked.getresponse().read())["regions"]
    asked.close()
    return {one["name"]: {peer["peer"]: peer for peer in one["peers"]} for one in regions}


def caught_up(planet: planets.Running) -> bool:
    return all(peer["behind"] == 0 for peers in status(planet).values() for peer in peers.values())


@contextlib.contextmanager
def noise(what: str, pids: list[int]) -> Iterator[None]:
    """Says how much processor time the block's processes and others used."""
    meters = [load.CpuMeter(pid) for pid in pids]
    began, idle_s = time.perf_counter(), _idle_s()
    mine_s = time.process_time()
    yield
    took_s = time.perf_counter() - began
    ours_s = sum(meter.used_s() for meter in meters) + time.process_time() - mine_s
    others = (os.cpu_count() or 1) - (_idle_s() - idle_s) / took_s - ours_s / took_s
    print(f"{'':12} {what}: {max(0.0, others):.1f} of {os.cpu_count()} cores were used by other programs", flush=True)


def _idle_s() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / load.TICKS_PER_S


def lag(planet: planets.Running) -> None:
    """A paced load in each Region; each Region's own figures of the last thousand changes, less the link's delay."""
    requests = {region: puts(planet, region, range(2_000)) for region in REGIONS}
    pids = [planet.pid(region) for region in REGIONS]
    with noise("lag", pids):
        meters = [load.CpuMeter(pid) for pid in pids]
        mine_s = time.process_time()
        ends = [(planet.address(region), planet.port, requests[region]) for region in REGIONS]
        done, took_s = load.paced(ends, WRITES_PER_S, LAG_SECONDS)
        mine_s = time.process_time() - mine_s
        cpu_us = sum(meter.used_s() for meter in meters) / done * 1e6
    for region, peers in status(planet).items():
        for peer, seen in peers.items():
            p50_ms, p99_ms = link_alone(peer, region)
            print(
                f"lag          {peer} to {region}: link p50 {p50_ms:5.1f}, p99 {p99_ms:5.1f} ms; beyond it "
                f"p50 {seen['lag_p50_ms'] - p50_ms:5.1f} ms, p99 {seen['lag_p99_ms'] - p99_ms:5.1f} ms"
            )
    print(
        f"lag          {done / took_s:,.0f} writes/s (wanted: {WRITES_PER_S:,}) over three Regions, each to two "
        f"others: {cpu_us:.0f} us CPU a write in all, and {mine_s / done * 1e6:.0f} in the client"
    )


def link_alone(source: str, target: str, parcels: int = 50_000) -> tuple[float, float]:
    """(median, 99th percentile) of a stream's way over the link and nothing else, in ms, drawn."""
    links, draw, arrived, delays = Links(), random.Random(1).random, 0.0, list[float]()
    for number in range(parcels):
        sent = number / PARCELS_PER_S
        verdict = links.judge(source, target, draw)
        assert isinstance(verdict, Pass)
        arrived = max(arrived, sent + verdict.delay_s)  # never before what came earlier
        delays.append((arrived - sent) * 1e3)
    delays.sort()
    return delays[parcels // 2], delays[parcels * 99 // 100]


def rate(planet: planets.Running, seconds: float = 12.0) -> None:
    """As fast as one Region writes, for a while: how far behind the others are in its first and its second half."""
    requests = puts(planet, REGIONS[0], range(20_000), size=1_000)
    pids = [planet.pid(region) for region in REGIONS]
    figures: list[load.Figures] = []
    with noise("rate", pids):
        behind: list[int] = []
        work = threading.Thread(
            target=lambda: figures.append(
                load.run(
                    planet.address(REGIONS[0]), planet.port, requests, connections=16, seconds=seconds, pid=pids[0]
                )
            )
        )
        meters = [load.CpuMeter(pid) for pid in pids]
        work.start()
        while work.is_alive():
            behind.append(max(status(planet)[region][REGIONS[0]]["behind"] for region in REGIONS[1:]))
            time.sleep(0.5)
        work.join()
        began = time.perf_counter()
        while not caught_up(planet):
            time.sleep(0.1)
        after_s = time.perf_counter() - began
        used_s = [meter.used_s() for meter in meters]
    (found,) = figures
    half = len(behind) // 2
    print(
        f"rate         {found.per_second:,.0f} writes/s of 1 KiB; behind by {max(behind[:half])} changes at most "
        f"in the first half, {max(behind[half:])} in the second; level {after_s:.1f} s after the end"
    )
    shares = ", ".join(f"{used / found.answers * 1e6:.0f}" for used in used_s)
    print(f"rate         CPU a write, us: {shares} (the writer and its two followers)")


def backlog(planet: planets.Running) -> None:
    """Replication is paused while the items are written; then it is not."""
    source, target = REGIONS[0], REGIONS[2]
    planet.antipodes("pause", target)
    address = planet.address(source)
    bodies = [
        orjson.dumps(
            {
                "RequestItems": {
                    TABLE: [
                        {"PutRequest": {"Item": {"id": {"S": f"backlog-{key}"}, "payload": {"S": "x" * PAYLOAD_BYTES}}}}
                        for key in range(first, first + BATCH)
                    ]
                }
            }
        )
        for first in range(0, BACKLOG, BATCH)
    ]
    requests = [load.dynamodb_request("BatchWriteItem", body, address, planet.port, source) for body in bodies]
    filled = load.run(address, planet.port, requests, connections=8, seconds=600, at_most=len(requests))
    print(f"backlog      {BACKLOG:,} items of {PAYLOAD_BYTES} bytes written at {filled.per_second * BATCH:,.0f}/s")
    pids = [planet.pid(region) for region in (source, target)]
    reads = puts(planet, target, range(2_000))
    memory_mb = [resident_mb(pid) for pid in pids]
    with noise("backlog", pids):
        meters = [load.CpuMeter(pid) for pid in pids]
        figures: list[load.Figures] = []
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                figures.append(load.run(planet.address(target), planet.port, reads, connections=1, seconds=0.5))

        work = threading.Thread(target=serve)
        planet.antipodes("heal")
        healed = time.perf_counter()
        work.start()
        most_mb = memory_mb
        while status(planet)[target][source]["behind"] != 0:
            most_mb = [max(most, resident_mb(pid)) for most, pid in zip(most_mb, pids, strict=True)]
        took_s = time.perf_counter() - healed
        used_s = [meter.used_s() for meter in meters]
        stop.set()
        work.join()
    print(
        f"backlog      drained in {took_s:.1f} s: {BACKLOG / took_s:,.0f} items/s, with "
        f"{sum(one.answers for one in figures) / took_s:,.0f} writes/s served there meanwhile "
        f"(p99 {max(one.p99_ms for one in figures):.1f} ms)"
    )
    print(
        f"backlog      CPU an item: sending {used_s[0] / BACKLOG * 1e6:.0f} us, taking (and serving) "
        f"{used_s[1] / BACKLOG * 1e6:.0f} us; memory at most {most_mb[0] - memory_mb[0]:+.0f} and "
        f"{most_mb[1] - memory_mb[1]:+.0f} MB"
    )


def idle(planet: planets.Running, seconds: float = 60.0) -> None:
    pids = [planet.pid(region) for region in REGIONS]
    time.sleep(2.0)
    meters = [load.CpuMeter(pid) for pid in pids]
    time.sleep(seconds)
    shares = [meter.used_s() / seconds * 100 for meter in meters]
    print(f"idle         {', '.join(f'{share:.2f}' for share in shares)} % of a core, Region by Region")


def replicas(seconds: float = 3.0) -> None:
    """What a write costs all Regions together, for planets of one to four Regions."""
    regions = (*REGIONS, "ap-northeast-1")
    for count in range(1, 5):
        with tempfile.TemporaryDirectory() as folder, planets.planet(Path(folder) / "p", regions[:count]) as planet:
            make_table(planet, regions[:count])
            costs = [_cost(planet, regions[:count], seconds, 0)]
            if count == 3:
                costs += _large(planet, regions[:count], seconds)
            for what, cost in zip(("in a table of 2,000", "in a table of 200,000"), costs, strict=False):
                print(f"replicas     {count}: {cost:.0f} us CPU a write over all Regions, {what}", flush=True)


def _cost(planet: planets.Running, regions: tuple[str, ...], seconds: float, first: int) -> float:
    requests = puts(planet, regions[0], range(first, first + 2_000))
    meters = [load.CpuMeter(planet.pid(region)) for region in regions]
    figures = load.run(planet.address(regions[0]), planet.port, requests, connections=8, seconds=seconds)
    while not caught_up(planet):
        time.sleep(0.2)
    return sum(meter.used_s() for meter in meters) / figures.answers * 1e6


def _large(planet: planets.Running, regions: tuple[str, ...], seconds: float) -> list[float]:
    requests = puts(planet, regions[0], range(10_000, 210_000))
    load.run(planet.address(regions[0]), planet.port, requests, connections=16, seconds=600, at_most=len(requests))
    while not caught_up(planet):
        time.sleep(0.2)
    return [_cost(planet, regions, seconds, 100_000)]


PARTS = ("lag", "rate", "backlog", "idle")


def measure(parts: list[str]) -> None:
    wanted = parts or [*PARTS, "replicas"]
    if set(wanted) & set(PARTS):
        with tempfile.TemporaryDirectory() as folder, planets.planet(Path(folder) / "planet", REGIONS) as planet:
            make_table(planet, REGIONS)
            for part in PARTS:
                if part in wanted:
                    {"lag": lag, "rate": rate, "backlog": backlog, "idle": idle}[part](planet)
    if "replicas" in wanted:
        replicas()


if __name__ == "__main__":
    measure(sys.argv[1:])
