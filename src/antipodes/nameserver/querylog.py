"""Query log: the questions that zones with a logging configuration got, in CloudWatch Logs' Route 53 format.

    1.0 2017-12-13T08:15:50.235Z Z123412341234 example.com AAAA NOERROR TCP IAD12 192.168.3.1 192.168.222.0/24

Version, time, zone, name, type, answer, protocol, edge location, resolver, client subnet ("-": none). One stream for
each zone and edge location. An edge location is named after the airport nearest to the Region nearest to the asker,
with the Region's number in our table; which numbers Route 53's own have is arbitrary.

Rules. Lines wait up to FLUSH_S and go out together: to files, by `write(path, text)`, where there are files; and to
CloudWatch Logs of the home Region, by `record(group, stream, events)`. While that Region cannot be reached they wait,
and are offered again every RETRY_S; of more than KEPT the oldest are lost (to CloudWatch Logs, not to the files).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from antipodes.nameserver.places import Places
from antipodes.services.route53.query_logs import QueryLogConfig
from antipodes.wire import dns
from antipodes.wire.dns import Query
from antipodes.world import geography
from antipodes.world.world import World

FLUSH_S, RETRY_S = 1.0, 5.0
KEPT = 10_000
AIRPORTS = {
    "us-east-1": "IAD",
    "us-east-2": "CMH",
    "us-west-1": "SFO",
    "us-west-2": "PDX",
    "ca-central-1": "YUL",
    "ca-west-1": "YYC",
    "mx-central-1": "QRO",
    "sa-east-1": "GRU",
    "eu-west-1": "DUB",
    "eu-west-2": "LHR",
    "eu-west-3": "CDG",
    "eu-central-1": "FRA",
    "eu-central-2": "ZRH",
    "eu-north-1": "ARN",
    "eu-south-1": "MXP",
    "eu-south-2": "ZAZ",
    "me-south-1": "BAH",
    "me-central-1": "DXB",
    "il-central-1": "TLV",
    "af-south-1": "CPT",
    "ap-south-1": "BOM",
    "ap-south-2": "HYD",
    "ap-southeast-1": "SIN",
    "ap-southeast-2": "SYD",
    "ap-southeast-3": "CGK",
    "ap-southeast-4": "MEL",
    "ap-southeast-5": "KUL",
    "ap-southeast-7": "BKK",
    "ap-east-1": "HKG",
    "ap-northeast-1": "NRT",
    "ap-northeast-2": "ICN",
    "ap-northeast-3": "KIX",
}

Write = Callable[[str, str], None]  # path, lines
RecordEvents = Callable[
    [str, str, list[tuple[int, str]]], Awaitable[bool]
]  # group, stream, (ms, text); False: not taken


class Line(NamedTuple):
    """One question."""

    group: str
    stream: str  # "Z1D633PJN98FT9/DFW3"
    time_ms: int
    text: str


class QueryLog:
    """Owner of the lines that are not written yet."""

    def __init__(self, world: World, places: Places, record: RecordEvents, write: Write | None) -> None:
        self._world = world
        self._places = places
        self._record = record
        self._write = write
        self._configs: dict[str, QueryLogConfig] = {}
        self._waiting: deque[Line] = deque(maxlen=KEPT)
        self._unwritten: list[Line] = []
        self._flushing: asyncio.Task[None] | None = None

    def put(self, zone_id: str, config: QueryLogConfig | None) -> None:
        if config is None:
            self._configs.pop(zone_id, None)
        else:
            self._configs[zone_id] = config

    def logs(self, zone_id: str) -> bool:
        return zone_id in self._configs

    def note(self, zone_id: str, query: Query, rcode: int, over_tcp: bool, client_ip: str) -> None:
        """Fulfils responder.Log."""
        subnet = query.subnet if query.subnet is not None and query.subnet.prefix_bits else None
        edge = edge_of((self._places.of_subnet(subnet) if subnet else self._places.of_ip(client_ip)).site)
        now_s = self._world.now()
        text = " ".join(
            (
                "1.0",
                datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
                zone_id,
                dns.decode_name(query.name).removesuffix(".") or ".",
                dns.TYPE_NAMES.get(query.type, f"TYPE{query.type}"),
                dns.RCODES.get(rcode, str(rcode)),
                "TCP" if over_tcp else "UDP",
                edge,
                client_ip,
                f"{subnet.ip}/{subnet.prefix_bits}" if subnet else "-",
            )
        )
        line = Line(self._configs[zone_id].group, f"{zone_id}/{edge}", int(now_s * 1000), text)
        self._waiting.append(line)
        self._unwritten.append(line)
        if self._flushing is None or self._flushing.done():
            self._flushing = self._world.spawn(self._flush_later(), "route53.querylog")

    def stop(self) -> None:
        """What waits goes to the files."""
        if self._flushing is not None:
            self._flushing.cancel()
        self._write_files()

    async def _flush_later(self) -> None:
        await self._world.sleep(FLUSH_S)
        self._write_files()
        while self._waiting:
            if not await self._hand_over():
                await self._world.sleep(RETRY_S)
                self._write_files()

    def _write_files(self) -> None:
        lines, self._unwritten = self._unwritten, []
        for (group, stream), found in _by_stream(lines):
            if self._write is not None:
                self._write(f"{stream_folder(group)}/{stream}.log", "".join(line.text + "\n" for line in found))

    async def _hand_over(self) -> bool:
        """False: the Region cannot be reached; the lines go on waiting."""
        lines = list(self._waiting)
        self._waiting.clear()
        streams = _by_stream(lines)
        for at, ((group, stream), found) in enumerate(streams):
            if not await self._record(group, stream, [(line.time_ms, line.text) for line in found]):
                left = [line for _, rest in streams[at:] for line in rest]
                room = KEPT - len(self._waiting)
                self._waiting.extendleft(reversed(left[-room:] if room else []))
                return False
        return True


def _by_stream(lines: Sequence[Line]) -> list[tuple[tuple[str, str], list[Line]]]:
    found: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        found.setdefault((line.group, line.stream), []).append(line)
    return list(found.items())


@cache
def edge_of(site: str) -> str:
    """The edge location that serves a site."""
    nearest = min(AIRPORTS, key=lambda region: (geography.round_trip_ms(site, region), region))
    return f"{AIRPORTS[nearest]}{geography.region_site(nearest).number}"


def stream_folder(group: str) -> str:
    """A log group's name as a path that leads nowhere but down."""
    parts = [part.replace(".", "%2E") if not part.strip(".") else part for part in group.split("/") if part]
    return "/".join(parts) or "%2F"
