"""NameServer: Route 53's data plane. Follows the zones, probes the endpoints, answers DNS.

Rules. It runs in the globe's process, not in a Region, and holds its own copy of zones and health checks: with the
control plane's Region down, answers and health checks go on. It originates nothing; what it knows beyond its copy
(health) is measured anew when it starts, and a check is healthy until there is data. Answering is synchronous: look-ups
in what was prepared. A change or a flip of health makes it forget what that change touched.

What it decides: which place a question comes from (client subnet, else source address, else DEFAULT_SITE) and how far
an answer holds (the subnet's scope). Which record answers is `services.route53.zone`'s business, and the verdict of a
health check `services.route53.health`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from antipodes.replica import calls
from antipodes.replica.backbone import Backbone
from antipodes.replica.replicator import Replicator
from antipodes.services.contract import Settings
from antipodes.services.route53.health import CheckState, Observation
from antipodes.services.route53.ledger import CHECKS, ZONES, Ledger, home_of
from antipodes.services.route53.planet import Planet
from antipodes.services.route53.policies import Client
from antipodes.services.route53.prober import Fleet
from antipodes.services.route53.records import Check, RecordSet, Zone, unpack
from antipodes.services.route53.zone import DataPlane, Resolution, Step
from antipodes.store.records import Version
from antipodes.store.store import Store
from antipodes.wire import dns, rdata
from antipodes.wire.errors import AwsError, ClientFault, NotSupported
from antipodes.world import geography
from antipodes.world.world import World

DEFAULT_SITE = "us-east-1"  # Ashburn: where somebody is taken to be who cannot be placed (loopback, outside the planet)
SCOPE_BITS = {1: 24, 2: 48}  # how far a located answer holds, by address family; what Route 53 returns is unverified
MAX_CLIENTS = 65_536  # remembered places of clients
FOLLOWED = (ZONES, CHECKS)

OnEvent = Callable[[str, str, str], None]  # kind ("health"), subject (the check's id), detail


class CheckStatus(msgspec.Struct, frozen=True):
    """One health check, for the globe's status."""

    id: str
    target: str  # "https://host:443/path"
    healthy: bool
    since: float  # epoch seconds of the last flip
    checkers_healthy: int
    checkers: int  # those that are heard of
    reason: str = ""  # the last failure's text


class NameServer:
    """Use: construct, serve `answer` (edge.dns.serve_dns), `start`, `stop`."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        *,
        token: str,
        probe_world: World | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        """world: the globe's site. probe_world: the same network, without checks of certificates; None: `world`."""
        self._world = world
        self._settings = settings
        self._on_event = on_event
        home = home_of(settings.regions)
        self._store = Store.open(world, "globe")
        self._ledger = Ledger(self._store, world.site, home, self._changed)
        self._plane = DataPlane(Planet(settings), self._is_healthy, world.chance)
        self._checks: dict[str, CheckState] = {}
        self._clients: dict[bytes | str, Client] = {}
        self._fleet = Fleet(world, probe_world or world, settings, self._resolve_for_checker, self._observed)
        self._running = False
        port = geography.backbone_port(settings.port)
        self._backbone = Backbone(world, port, token)
        self._replicator = Replicator(
            world,
            self._store,
            {"route53": self._ledger},
            (home,),
            backbone=self._backbone,
            address_of=geography.address_of,
            port=port,
        )
        self._backbone.on(calls.PURPOSE, calls.CallServer(world, self._called).serve)
        for key, _ in list(self._ledger.scan(ZONES)):
            if b"/" not in key:
                self._load_zone(key)
        for key, _ in list(self._ledger.scan(CHECKS)):
            self._load_check(key.decode())

    async def start(self) -> None:
        """Follows the control plane and begins to probe. Raises PortInUse: the backbone's port."""
        self._running = True
        for check_id in sorted(self._checks):
            self._fleet.follow(self._checks[check_id].check)
        await self._backbone.start()
        self._replicator.start()

    async def stop(self) -> None:
        """Probers, replication, store."""
        self._running = False
        await self._fleet.stop()
        await self._replicator.stop()
        self._backbone.close()
        self._store.close()

    # ---------------------------------------------------------------- questions

    def answer(self, message: bytes, client_ip: str, over_tcp: bool = False) -> bytes | None:
        """The answer to a DNS message, or None if none is due."""
        try:
            query = dns.parse_query(message)
        except dns.Refused as refused:
            return refused.answer
        except dns.Ignored:
            return None
        if query.qclass != dns.CLASS_IN:
            return dns.build_answer(query, dns.REFUSED, (), authoritative=False)
        subnet = query.subnet
        client = self._client_of_subnet(subnet) if subnet and subnet.prefix_bits else self._client(client_ip)
        found = self._plane.resolve(query.name, query.type, client)
        scope_bits = SCOPE_BITS[subnet.family] if subnet and subnet.prefix_bits and found.located else 0
        return dns.build_answer(
            query,
            found.rcode,
            found.answers,
            found.authority,
            authoritative=found.authoritative,
            scope_bits=scope_bits,
            limit_bytes=dns.MAX_TCP_BYTES if over_tcp else None,
        )

    def address_for(self, host: str, site: str = DEFAULT_SITE) -> str | None:
        """The IPv4 address that somebody at `site` gets for a host name; None: no such name here."""
        return self._address(host, site)[0]

    def explain(self, name: str, record_type: str, client_ip: str) -> tuple[Resolution, tuple[Step, ...]]:
        """The answer and the decisions that led to it. Raises wire.dns.BadName, KeyError (no such type)."""
        trail: list[Step] = []
        wire, number = dns.encode_name(name), rdata.type_number(record_type)
        found = self._plane.resolve(wire, number, self._client(client_ip), trail)
        return found, tuple(trail)

    def status(self) -> tuple[CheckStatus, ...]:
        """The health checks, by id."""
        return tuple(self._status(self._checks[check_id]) for check_id in sorted(self._checks))

    def _status(self, state: CheckState) -> CheckStatus:
        counted = state.counted(self._world.now())
        return CheckStatus(
            state.check.id,
            state.check.target,
            state.healthy,
            state.since_s,
            sum(one.healthy for one in counted),
            len(counted),
            state.reason,
        )

    # ---------------------------------------------------------------- places

    def _client_of_subnet(self, subnet: dns.Subnet) -> Client:
        return self._clients.get(subnet.address) or self._client(subnet.ip, subnet.address)

    def _client(self, ip: str, key: bytes | str = "") -> Client:
        key = key or ip
        known = self._clients.get(key)
        if known is None:
            place = geography.place_of_client_ip(ip) or geography.region_site(DEFAULT_SITE)
            known = Client(place.site, place.country, place.continent)
            if len(self._clients) >= MAX_CLIENTS:
                self._clients.clear()
            self._clients[key] = known
        return known

    def _address(self, host: str, site: str) -> tuple[str | None, str]:
        try:
            name = dns.encode_name(host)
        except dns.BadName:
            return None, "FORMERR"
        place = geography.place_of(site) or geography.region_site(DEFAULT_SITE)
        found = self._plane.resolve(name, dns.A, Client(place.site, place.country, place.continent))
        for record in found.answers:
            kind, data = (record.type, record.rdata) if isinstance(record, dns.Record) else dns.ready_parts(record)
            if kind == dns.A:
                return rdata.decode(dns.A, data), ""
        return None, dns.RCODES.get(found.rcode, str(found.rcode))

    def _resolve_for_checker(self, host: str, region: str) -> tuple[str | None, str]:
        return self._address(host, region)

    # ---------------------------------------------------------------- following the control plane

    def _changed(self, topic: str, key: bytes, value: bytes | None) -> None:
        """A row of the ledger changed: rebuilds what it touches."""
        if topic == CHECKS:
            self._load_check(key.decode())
        elif topic == ZONES and b"/" in key:
            self._load_group(key.rpartition(b"\0")[0])
        elif topic == ZONES:
            self._load_zone(key)
        if topic in FOLLOWED:
            self._world.trace("route53.changed", topic=topic, key=key.decode(), gone=value is None)

    def _load_zone(self, key: bytes) -> None:
        data = self._ledger.get(ZONES, key)
        if data is None:
            self._plane.remove_zone(key.decode())
            return
        self._plane.put_zone(unpack(data, Zone))
        # Its records may have come before it.
        prefixes = (found.rpartition(b"\0")[0] for found, _ in self._ledger.scan(ZONES, key + b"/", key + b"0"))
        for prefix in dict.fromkeys(prefixes):
            self._load_group(prefix)

    def _load_group(self, prefix: bytes) -> None:
        """`prefix`: zone id, slash, reversed name, NUL, type."""
        head, _, kind = prefix.rpartition(b"\0")
        zone_id, _, labels = head.decode().partition("/")
        name = ".".join(reversed(labels.removesuffix(".").split("."))) + "."
        rows = list(self._ledger.scan(ZONES, prefix + b"\0", prefix + b"\1"))
        self._plane.set_group(zone_id, name, kind.decode(), [unpack(value, RecordSet) for _, value in rows])

    def _load_check(self, check_id: str) -> None:
        data = self._ledger.get(CHECKS, check_id.encode())
        before = self._checks.get(check_id)
        if data is None:
            self._checks.pop(check_id, None)
            self._fleet.drop(check_id)
        else:
            check, now_s = unpack(data, Check), self._world.now()
            state = CheckState.new(check, now_s)
            if before is not None:
                # What the checkers found stays; Inverted and Disabled act at once.
                state.checkers = {region: before.checkers.get(region, new) for region, new in state.checkers.items()}
                state.endpoint_healthy, state.healthy = before.endpoint_healthy, before.healthy
                state.since_s = before.since_s
            self._checks[check_id] = state
            self._decide(state)
            if self._running:
                self._fleet.follow(check)
        self._plane.health_changed()
        self._decide_calculated()

    # ---------------------------------------------------------------- health

    def _is_healthy(self, check_id: str) -> bool:
        """A check that is not there counts as healthy: there is no data against it."""
        state = self._checks.get(check_id)
        return state is None or state.healthy

    def _observed(self, check_id: str, region: str, seen: Observation) -> None:
        state = self._checks.get(check_id)
        checker = state.checkers.get(region) if state else None
        if state is None or checker is None:
            return
        checker.observe(seen, state.check.threshold)
        if self._decide(state):
            self._decide_calculated()

    def _decide(self, state: CheckState) -> bool:
        if not state.decide(self._world.now(), self._is_healthy):
            return False
        self._plane.health_changed()
        status = self._status(state)
        word = "healthy" if state.healthy else "unhealthy"
        detail = f"{status.target} is {word}: {status.checkers_healthy} of {status.checkers} checkers say healthy"
        self._world.trace("route53.health", check=state.check.id, healthy=state.healthy)
        if self._on_event is not None:
            self._on_event("health", state.check.id, detail)
        return True

    def _decide_calculated(self) -> None:
        """Children of a calculated check are never calculated, so once is enough."""
        for check_id in sorted(self._checks):
            if self._checks[check_id].check.type == "CALCULATED":
                self._decide(self._checks[check_id])

    # ---------------------------------------------------------------- calls from the control plane

    async def _called(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Same frames as between Regions (region.calls): {"result"} or {"error"}."""
        try:
            return {"result": await self._operate(str(message["operation"]), message["params"])}
        except AwsError as error:
            told = {"code": error.code, "message": error.message, "status": error.status, "extra": error.extra}
            return {"error": told | {"client": isinstance(error, ClientFault)}}

    async def _operate(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if operation == "DataPlaneHolds":
            version = Version(*params["Version"])
            held = all(self._ledger.holds(params["Topic"], key, version) for key in params["Keys"])
            if held and not self._store.settled:
                await self._store.durable()
            return {"Held": held}
        if operation == "DataPlaneHealth":
            return self._observations(params["HealthCheckId"], failures=False)
        if operation == "DataPlaneLastFailure":
            return self._observations(params["HealthCheckId"], failures=True)
        if operation == "DataPlaneAnswer":
            return self._test_answer(params)
        raise NotSupported(f"{operation} at the name server")

    def _observations(self, check_id: str, *, failures: bool) -> dict[str, Any]:
        state = self._checks.get(check_id)
        found = []
        for region, checker in (state.checkers if state else {}).items():
            seen = checker.last_failure if failures else checker.last
            if seen is not None:
                report = {"Status": seen.status, "CheckedTime": seen.at_s}
                address = geography.address_of(region)
                found.append({"Region": region, "IPAddress": address, "StatusReport": report})
        return {"HealthCheckObservations": found}

    def _test_answer(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """TestDNSAnswer: what that zone answers."""
        try:
            name, kind = dns.encode_name(params["RecordName"]), rdata.type_number(params["RecordType"])
        except (dns.BadName, KeyError) as error:
            raise ClientFault("InvalidInput", f"Not a record that can be asked for: {error}") from None
        found = self._plane.resolve(name, kind, self._client(params["ClientIP"]), zone_id=params["ZoneId"])
        data = []
        for record in found.answers:
            number, value = (record.type, record.rdata) if isinstance(record, dns.Record) else dns.ready_parts(record)
            data.append(rdata.decode(number, value))
        return {
            "Nameserver": params["Nameserver"],
            "RecordName": params["RecordName"],
            "RecordType": params["RecordType"],
            "RecordData": data,
            "ResponseCode": dns.RCODES.get(found.rcode, str(found.rcode)),
            "Protocol": "UDP",
        }
