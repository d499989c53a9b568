"""A planet of paper for stories about stories: one simulated process, no AWS inside.

Three Regions each with a dict for a table, a web server for the app, replication by delay, a health checker, a name
server that sends each city to the nearest healthy Region. `Flaws` plants the mistakes that a verdict must find.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from antipodes.edge.http import serve_http
from antipodes.globe.globe import GlobeStatus, HealthStatus, RegionStatus
from antipodes.nameserver.explanation import Explanation
from antipodes.region.admin import PeerReport
from antipodes.wire.dns import CNAME, NOERROR, A, Record, build_answer, encode_name, parse_query
from antipodes.wire.errors import ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world import geography
from antipodes.world.rules import Fault, Partition
from antipodes.world.simulated import Simulation
from antipodes.world.world import GLOBE, HERE, Refused, World

T = TypeVar("T")
REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
INTERVAL_S = 10.0


@dataclass(frozen=True, slots=True)
class Flaws:
    """What is wrong with a planet."""

    forgets: bool = False  # a killed Region comes back without its last writes
    diverges: bool = False  # one Region drops what comes from the others, sometimes
    stays: bool = False  # DNS does not know health
    never_returns: bool = False  # a health check once unhealthy stays so
    first_wins: bool = False  # an older write overwrites a newer one in replication


@dataclass(slots=True)
class PaperRegion:
    """One Region's data. `log` holds what it wrote itself, `sent` how much of it each peer has."""

    table: dict[str, tuple[float, str, dict[str, Any]]] = field(default_factory=dict)
    log: list[tuple[str, float, dict[str, Any]]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    exists: bool = True


class Anyone:
    """Certificates for every name."""

    def certificate_for(self, name: str | None) -> tuple[bytes, bytes] | None:
        return b"", b""

    def trusted_for(self, name: str | None) -> bytes | None:
        return None


class PaperGlobe:
    """Implements Globe."""

    regions: tuple[str, ...] = REGIONS
    port = 4566
    https_port = 8443
    dns_port = 5300

    def __init__(self, simulation: Simulation, flaws: Flaws) -> None:
        self._simulation = simulation
        self._flaws = flaws
        self._data = {name: PaperRegion() for name in REGIONS}
        self._health = dict.fromkeys(REGIONS, (True, 0.0))
        self._cuts: list[tuple[str, str]] = []
        self.calls = 0

    async def start(self) -> None:
        for name in REGIONS:
            await self._boot(name)
        world = self.world(GLOBE)
        await world.serve_datagrams(self.dns_port, self._answer)
        for name in REGIONS:
            world.spawn(self._check(name), f"checks {name}")

    async def _boot(self, name: str) -> None:
        async def program() -> None:
            world = self.world(name)

            async def respond(request: HttpRequest) -> HttpResponse:
                return await self._respond(name, world, request)

            await serve_http(world, self.port, respond)
            await serve_http(world, self.https_port, respond, tls=Anyone())

        await self._simulation.boot(name, program)

    async def _respond(self, name: str, world: World, request: HttpRequest) -> HttpResponse:
        self.calls += 1
        await world.sleep(0.004)
        table = self._data[name].table
        if request.method == "POST":
            item = orjson.loads(request.body)
            self._put(name, item, world.now())
            return HttpResponse(201, (), orjson.dumps({**item, "region": name}))
        found = table.get(request.path.removeprefix("/items/"))
        if found is None:
            return HttpResponse(404, (), orjson.dumps({"region": name}))
        return HttpResponse(200, (), orjson.dumps({**found[2], "region": name}))

    def _put(self, name: str, item: dict[str, Any], stamp: float) -> None:
        data = self._data[name]
        data.table[item["id"]] = (stamp, name, item)
        data.log.append((item["id"], stamp, item))
        for target in REGIONS:
            if target != name:
                self.world(HERE).spawn(self._ship(name, target), "ship")

    async def _ship(self, source: str, target: str) -> None:
        way_s = geography.round_trip_ms(source, target) / 2000
        await self.world(HERE).sleep(way_s)
        up = self._simulation.is_up(source) and self._simulation.is_up(target)
        if not up or (source, target) in self._cuts or (target, source) in self._cuts:
            return
        data, other = self._data[source], self._data[target]
        for item, stamp, content in data.log[data.sent.get(target, 0) :]:
            if self._flaws.diverges and target == "eu-west-1" and len(data.log) % 7 == 0:
                continue
            mine = other.table.get(item)
            newer = mine is None or (stamp, source) > mine[:2]
            if self._flaws.first_wins and mine is not None:
                newer = (stamp, source) < mine[:2]
            if newer:
                other.table[item] = (stamp, source, content)
        data.sent[target] = len(data.log)

    async def _check(self, name: str) -> None:
        world = self.world(GLOBE)
        while True:
            await world.sleep(INTERVAL_S)
            try:
                (await world.connect(geography.address_of(name), self.port)).close()
                healthy = True
            except Refused:
                healthy = False
            was = self._health[name][0]
            if was != healthy and not (healthy and self._flaws.never_returns):
                self._health[name] = (healthy, world.now())

    def _answer(self, datagram: bytes, client: tuple[str, int]) -> bytes:
        query = parse_query(datagram)
        place = geography.place_of_client_ip(query.subnet.ip) if query.subnet else None
        near = sorted(REGIONS, key=lambda one: geography.round_trip_ms(place.site, one) if place else 0.0)
        healthy = [one for one in near if self._health[one][0] or self._flaws.stays] or near
        target = encode_name(f"x.execute-api.{healthy[0]}.amazonaws.com")
        octets = bytes(int(part) for part in geography.address_of(healthy[0]).split("."))
        records = [Record(query.name, CNAME, 10, target), Record(target, A, 60, octets)]
        return build_answer(query, NOERROR, records, scope_bits=24)

    # -- Globe ---------------------------------------------------------------------------------------------------

    def world(self, site: str) -> World:
        return self._simulation.world(site)

    async def kill(self, region: str, *, destroy: bool = False) -> None:
        self._simulation.crash(region)
        data = self._data[region]
        if self._flaws.forgets:
            for item, stamp, _ in data.log[-4:]:
                if data.table[item][0] == stamp:
                    del data.table[item]
            del data.log[-4:]
        if destroy:
            self._data[region] = PaperRegion(exists=False)

    async def restore(self, region: str) -> None:
        await self._boot(region)
        self._data[region].exists = True
        if not self._data[region].table:
            self.world(HERE).spawn(self._refill(), "refill")
        self._ship_all()

    async def _refill(self) -> None:
        """After a lost disk everybody tells everybody everything: the empty copy is filled, and what the dead Region
        had sent to some but not to all gets around."""
        await self.world(HERE).sleep(0.2)
        for source in REGIONS:
            for target in REGIONS:
                table = self._data[target].table
                for item, found in list(self._data[source].table.items()):
                    if item not in table or found[:2] > table[item][:2]:
                        table[item] = found

    def _ship_all(self) -> None:
        for source in REGIONS:
            for target in REGIONS:
                if source != target:
                    self.world(HERE).spawn(self._ship(source, target), "ship")

    async def impose(self, fault: Fault) -> None:
        assert isinstance(fault, Partition), "of paper is only what the stories need"
        self._cuts.append((fault.one, fault.other))

    async def heal(self, fault: Fault | None = None) -> None:
        assert fault is None
        self._cuts.clear()
        self._ship_all()

    async def explain(self, name: str, record_type: str, site: str) -> Explanation:
        raise NotImplementedError

    async def status(self) -> GlobeStatus:
        now = self.world(GLOBE).now()
        return GlobeStatus(
            now=now,
            regions=tuple(
                RegionStatus(
                    name, geography.address_of(name), "up", now, peers=(PeerReport(REGIONS[0], True, 0, 1, 12.5, 20.5),)
                )
                for name in REGIONS
            ),
            health=tuple(
                HealthStatus(f"hc-{name}", f"https://x.execute-api.{name}.amazonaws.com:443/dev/health", *state, 8, 8)
                for name, state in self._health.items()
            ),
        )

    async def call(self, service: str, operation: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        if not self._simulation.is_up(region):
            raise Refused(region)
        if not self._data[region].exists:
            raise ClientFault("ResourceNotFoundException", "no table")
        items = {
            name: {key: {"S": str(value)} for key, value in item.items()}
            for name, (_, _, item) in self._data[region].table.items()
        }
        if operation == "GetItem":
            found = items.get(params["Key"]["id"]["S"])
            return {"Item": found} if found else {}
        names = sorted(items)
        after = params.get("ExclusiveStartKey", {}).get("id", {}).get("S", "")
        page = [name for name in names if name > after][:25]
        rest = bool(page) and page[-1] != names[-1]
        answer: dict[str, Any] = {"Items": [items[name] for name in page]}
        return {**answer, "LastEvaluatedKey": {"id": {"S": page[-1]}}} if rest else answer


def on_paper(seed: int, main: Callable[[PaperGlobe], Awaitable[T]], flaws: Flaws | None = None) -> tuple[T, str]:
    """Runs `main` on a planet of paper: its result, and the digest of the trace."""
    simulation = Simulation(seed)

    async def run() -> T:
        globe = PaperGlobe(simulation, flaws or Flaws())
        await globe.start()
        return await main(globe)

    result = simulation.run(run())
    return result, simulation.trace_digest
