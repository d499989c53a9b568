"""Query log: the questions that zones with a logging configuration got, in CloudWatch Logs' Route 53 format.

    1.0 2017-12-13T08:15:50.235Z Z123412341234 example.com AAAA NOERROR TCP IAD12 192.168.3.1 192.168.222.0/24

Version, time, zone, name, type, answer, protocol, edge location, resolver, client subnet ("-": none). One stream for
each zone and edge location. An edge location is named after the airport nearest to the Region nearest to the asker,
with the Region's number in our table; which numbers Route 53's own have is arbitrary.

Rules. Lines wait up to FLUSH_S and go out together, to `write(stream path, text)`; without a `write` (simulated time)
the last KEPT lines stay here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from antipodes.nameserver.places import Places
from antipodes.services.route53.query_logs import QueryLogConfig
from antipodes.wire import dns
from antipodes.wire.dns import Query
from antipodes.world import geography
from antipodes.world.world import World

FLUSH_S = 1.0
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

Write = Callable[[str, str], None]  # stream path, lines


class QueryLog:
    """Owner of the lines that are not written yet."""

    def __init__(self, world: World, places: Places, write: Write | None) -> None:
        self._world = world
        self._places = places
        self._write = write
        self._configs: dict[str, QueryLogConfig] = {}
        self._waiting: dict[str, list[str]] = {}
        self.recent: deque[tuple[str, str]] = deque(maxlen=KEPT)  # stream, line: where nothing writes them

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
        line = " ".join(
            (
                "1.0",
                datetime.fromtimestamp(self._world.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
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
        stream = f"{stream_folder(self._configs[zone_id].group)}/{zone_id}/{edge}.log"
        if self._write is None:
            self.recent.append((stream, line))
            return
        if not self._waiting:
            self._world.spawn(self._flush_later(), "route53.querylog")
        self._waiting.setdefault(stream, []).append(line)

    async def _flush_later(self) -> None:
        await self._world.sleep(FLUSH_S)
        self.flush()

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for stream, lines in waiting.items():
            if self._write is not None:
                self._write(stream, "\n".join(lines) + "\n")


@cache
def edge_of(site: str) -> str:
    """The edge location that serves a site."""
    nearest = min(AIRPORTS, key=lambda region: (geography.round_trip_ms(site, region), region))
    return f"{AIRPORTS[nearest]}{geography.region_site(nearest).number}"


def stream_folder(group: str) -> str:
    """A log group's name as a path that leads nowhere but down."""
    parts = [part.replace(".", "%2E") if not part.strip(".") else part for part in group.split("/") if part]
    return "/".join(parts) or "%2F"
