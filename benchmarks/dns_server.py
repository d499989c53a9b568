"""Our name server alone, on zones of the benchmark's making: `python -m benchmarks.dns_server PORT KIND COUNT`.

KIND "policies": COUNT names in one zone, one half weighted, the other by latency, each record with a health check.
KIND "records": COUNT plain records in 500 zones. Prints one line of JSON when it serves, and one for each line read:
"flip" turns the health of one check over and asks for every name that the check touches.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from antipodes.edge.dns import serve_dns
from antipodes.nameserver.server import NameServer
from antipodes.services.contract import Settings
from antipodes.services.route53.ledger import CHECKS, ZONES, Entry, Ledger
from antipodes.services.route53.records import Check, RecordSet, Zone, pack, record_key, zone_key
from antipodes.store.store import Store
from antipodes.wire import dns, dns_client
from antipodes.world.disk import MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from antipodes.world.world import GLOBE

SOA = "ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
ZONES_OF_RECORDS = 500
CHECK_COUNT = 100
EAST, WEST = "192.0.2.1", "192.0.2.2"


def entries(kind: str, count: int) -> Iterator[Entry]:
    """The ledger's rows."""
    zones = 1 if kind == "policies" else ZONES_OF_RECORDS
    for number in range(zones):
        zone = Zone(f"Z{number:04}", zone_name(kind, number), f"r{number}", ("ns-1.awsdns-00.com",), 1.0)
        yield ZONES, zone_key(zone.id), pack(zone)
        yield from _rows(zone.id, RecordSet(zone.name, "SOA", 900, (SOA,)))
        yield from _rows(zone.id, RecordSet(zone.name, "NS", 172800, ("ns-1.awsdns-00.com.",)))
    if kind == "policies":
        for number in range(CHECK_COUNT):
            check = Check(f"c{number}", f"c{number}", 1, "TCP", ip=EAST, port=80, disabled=True)
            yield CHECKS, check.id.encode(), pack(check)
    for number in range(count):
        name, check_id = record_name(kind, number), f"c{number % CHECK_COUNT}"
        if kind == "records":
            yield from _rows(f"Z{number % zones:04}", RecordSet(name, "A", 60, (EAST,)))
        elif number % 2:
            yield from _rows("Z0000", RecordSet(name, "A", 60, (EAST,), None, "e", weight=10, check_id=check_id))
            yield from _rows("Z0000", RecordSet(name, "A", 60, (WEST,), None, "w", weight=20))
        else:
            east = RecordSet(name, "A", 60, (EAST,), None, "e", region="us-east-1", check_id=check_id)
            yield from _rows("Z0000", east)
            yield from _rows("Z0000", RecordSet(name, "A", 60, (WEST,), None, "w", region="ap-northeast-1"))


def zone_name(kind: str, number: int) -> str:
    return "example.com." if kind == "policies" else f"zone{number}.example."


def record_name(kind: str, number: int) -> str:
    return f"n{number}.{zone_name(kind, number % ZONES_OF_RECORDS)}"


def _rows(zone_id: str, record: RecordSet) -> Iterator[Entry]:
    yield ZONES, record_key(zone_id, record), pack(record)


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def serve(port: int, kind: str, count: int) -> None:
    world = RealWorld(GLOBE, links=Links(), disk=MemoryDisk())
    store = Store.open(world, "globe")
    Ledger(store, GLOBE, "us-east-1").put(entries(kind, count), lambda _: [])
    store.close()
    before_mb, begin = resident_mb(), time.perf_counter()
    server = NameServer(world, Settings(regions=("us-east-1", "ap-northeast-1")), token="t")
    loaded_s = time.perf_counter() - begin
    await serve_dns(world, port, server.answer, raw_socket=True)
    _say(load_s=loaded_s, memory_mb=resident_mb(), data_mb=resident_mb() - before_mb)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        touched = [number for number in range(count) if number % CHECK_COUNT == 0]
        questions = [dns_client.build_query(record_name(kind, number), "A", 1) for number in touched]
        _ask_all(server, questions)
        begin = time.perf_counter()
        check = Check("c0", "c0", 1, "TCP", ip=EAST, port=80, disabled=True, inverted=True)
        server._watch.load(check.id, check)
        dropped_s = time.perf_counter() - begin
        _ask_all(server, questions)
        rebuilt_s = time.perf_counter() - begin
        _say(touched=len(touched), dropped_ms=dropped_s * 1e3, rebuilt_ms=rebuilt_s * 1e3, memory_mb=resident_mb())


def _ask_all(server: NameServer, questions: list[bytes]) -> None:
    for question in questions:
        answer = server.answer(question, "127.0.0.1")
        assert answer is not None and answer[3] & 0xF == dns.NOERROR


def _say(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    run_real(lambda: serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
