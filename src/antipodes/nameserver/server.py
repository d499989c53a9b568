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

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from antipodes.nameserver.explanation import (
    CheckView,
    Explanation,
    answer_view,
    checks_in,
    notes_of,
    step_view,
    timing_of,
)
from antipodes.nameserver.places import DEFAULT_SITE, Places, client_of_site
from antipodes.nameserver.querylog import QueryLog, Write
from antipodes.nameserver.responder import Responder
from antipodes.nameserver.signer import Signer
from antipodes.nameserver.trees import Trees
from antipodes.nameserver.watch import CheckStatus, OnEvent, Watch
from antipodes.replica import calls
from antipodes.replica.backbone import Backbone
from antipodes.replica.replicator import Replicator
from antipodes.services.contract import Settings
from antipodes.services.recovery.ledger import CONTROLS, STATES
from antipodes.services.recovery.ledger import Ledger as Controls
from antipodes.services.route53.keys import Signing
from antipodes.services.route53.ledger import CHECKS, CIDRS, DNSSEC, QUERY_LOGS, ZONES, Ledger, home_of
from antipodes.services.route53.networks import network_of
from antipodes.services.route53.planet import Planet
from antipodes.services.route53.query_logs import QueryLogConfig
from antipodes.services.route53.records import Check, Collection, RecordSet, Zone, unpack
from antipodes.services.route53.selection import Step
from antipodes.services.route53.signing import WINDOW_S
from antipodes.services.route53.zone import DataPlane
from antipodes.store.records import Version
from antipodes.store.store import Store
from antipodes.wire import dns, rdata
from antipodes.wire.errors import AwsError, ClientFault, NotSupported
from antipodes.world import geography
from antipodes.world.world import NetworkError, World

FOLLOWED = (ZONES, CHECKS, CIDRS, DNSSEC, QUERY_LOGS)
LOG_TIMEOUT_S = 5.0
RENEW_S = WINDOW_S / 4  # a signature lives for a week beyond its window


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
        write_log: Write | None = None,
    ) -> None:
        """world: the globe's site. probe_world: the same network, without checks of certificates; None: `world`.
        write_log: the files of query logs; None: there are none, and CloudWatch Logs alone has them."""
        self._world = world
        self._settings = settings
        self._home = home = home_of(settings.regions)
        self._store = Store.open(world, "globe")
        self._ledger = Ledger(self._store, world.site, home, self._changed)
        self._controls = Controls(self._store, world.site, settings.regions, self._control_changed)
        self._places = Places()
        port = geography.backbone_port(settings.port)
        self._backbone = Backbone(world, port, token)
        self._client = calls.CallClient(world, self._backbone, geography.address_of, port)
        self._watch = Watch(
            world,
            probe_world or world,
            settings,
            client=self._client,
            home=home,
            resolve=self._resolve_for_checker,
            control=self._control,
            flipped=self._health_flipped,
            on_event=on_event,
        )
        self._plane = DataPlane(Planet(settings), self._watch.is_healthy, world.chance)
        self._renewing: asyncio.Task[None] | None = None
        self._signer = Signer(self._plane, world.now)
        self._query_log = QueryLog(world, self._places, self._record_log, write_log)
        self._trees = Trees(self._plane)
        self._responder = Responder(
            self._plane,
            self._signer,
            client_of=self._places.of_ip,
            client_of_subnet=self._places.of_subnet,
            random=world.chance.random,
            now=world.now,
            secret=world.chance.getrandbits(128).to_bytes(16, "big"),
            logs=self._query_log.logs,
            log=self._query_log.note,
        )
        self._replicator = Replicator(
            world,
            self._store,
            {"recovery": self._controls, "route53": self._ledger},
            settings.regions,  # the home Region has the zones, any of them may flip a routing control
            backbone=self._backbone,
            address_of=geography.address_of,
            port=port,
        )
        self._backbone.on(calls.PURPOSE, calls.CallServer(world, self._called).serve)
        zone_keys = [key for key, _ in self._ledger.scan(ZONES) if b"/" not in key]
        for key in zone_keys:
            self._load_zone(key)
        for key, _ in list(self._ledger.scan(CHECKS)):
            self._load_check(key.decode())
        for topic in (CIDRS, DNSSEC, QUERY_LOGS):
            for key, value in list(self._ledger.scan(topic)):
                self._load_other(topic, key.decode(), value)

    async def start(self) -> None:
        """Follows the control plane and begins to probe. Raises PortInUse: the backbone's port."""
        self._watch.start()
        self._renewing = self._world.spawn(self._renew_signatures(), "route53.signatures")
        await self._backbone.start()
        self._replicator.start()

    async def stop(self) -> None:
        """Probers, replication, store."""
        if self._renewing is not None:
            self._renewing.cancel()
        self._query_log.stop()
        await self._watch.stop()
        await self._replicator.stop()
        self._client.close()
        self._backbone.close()
        self._store.close()

    async def _record_log(self, group: str, stream: str, events: list[tuple[int, str]]) -> bool:
        """Fulfils querylog.RecordEvents."""
        params = {"streams": [{"logGroupName": group, "logStreamName": stream, "logEvents": events}]}
        message = {"service": "logs", "operation": "Record", "params": params}
        try:
            return "error" not in await self._client.call(self._home, message, LOG_TIMEOUT_S)
        except (NetworkError, calls.CallFailed):
            return False

    async def _renew_signatures(self) -> None:
        while True:
            await self._world.sleep(RENEW_S)
            self._signer.renew()

    # ---------------------------------------------------------------- questions

    def answer(self, message: bytes, client_ip: str, over_tcp: bool = False) -> bytes | None:
        """The answer to a DNS message, or None if none is due."""
        return self._responder.answer(message, client_ip, over_tcp)

    def address_for(self, host: str, site: str = DEFAULT_SITE) -> str | None:
        """The IPv4 address that somebody at `site` gets for a host name; None: no such name here."""
        return self._address(host, site)[0]

    def explain(self, name: str, record_type: str, site: str) -> Explanation:
        """What somebody at a site is answered, and why. Raises wire.dns.BadName (a ValueError), geography.UnknownPlace
        (another), ValueError: no such type."""
        try:
            number = rdata.type_number(record_type)
        except KeyError:
            raise ValueError(f"There is no record type {record_type}.") from None
        client, wire = client_of_site(site), dns.encode_name(name)
        trail: list[Step] = []
        found = self._plane.resolve(wire, number, client, trail)
        steps = tuple(step_view(step) for step in trail)
        checks = self._checks_behind(checks_in(steps))
        answers = tuple(answer_view(record) for record in found.answers)
        return Explanation(
            name=dns.decode_name(wire),
            type=record_type.upper(),
            site=client.site,
            country=client.country,
            continent=client.continent,
            subdivision=client.subdivision,
            zone=found.zone.zone.id if found.zone else "",
            rcode=dns.RCODES.get(found.rcode, str(found.rcode)),
            answers=answers,
            steps=steps,
            checks=tuple(checks.values()),
            notes=notes_of(steps, checks),
            timing=timing_of(steps, checks, answers),
        )

    def _checks_behind(self, check_ids: Sequence[str]) -> dict[str, CheckView]:
        """These checks and the children of calculated ones."""
        found: dict[str, CheckView] = {}
        for check_id in check_ids:
            view = self._watch.explained(check_id)
            if view is not None and check_id not in found:
                found[check_id] = view
                found |= self._checks_behind(view.children)
        return found

    def status(self) -> tuple[CheckStatus, ...]:
        """The health checks, by id."""
        return self._watch.status()

    # ---------------------------------------------------------------- places

    def _address(self, host: str, site: str) -> tuple[str | None, str]:
        try:
            name = dns.encode_name(host)
        except dns.BadName:
            return None, "FORMERR"
        found = self._plane.resolve(name, dns.A, client_of_site(site))
        for record in found.answers:
            if record.type == dns.A:
                return rdata.decode(dns.A, record.rdata), ""
        return None, dns.RCODES.get(found.rcode, str(found.rcode))

    def _resolve_for_checker(self, host: str, region: str) -> tuple[str | None, str]:
        return self._address(host, region)

    # ---------------------------------------------------------------- following the control plane

    def _changed(self, topic: str, key: bytes, value: bytes | None, before: bytes | None) -> None:
        """A row of the ledger changed: rebuilds what it touches."""
        if topic == CHECKS:
            self._load_check(key.decode())
        elif topic == ZONES and b"/" in key:
            self._load_group(key.rpartition(b"\0")[0])
        elif topic == ZONES:
            self._load_zone(key)
        elif topic in FOLLOWED:
            self._load_other(topic, key.decode(), value)
        if topic in FOLLOWED:
            self._world.trace("route53.changed", topic=topic, key=key.decode(), gone=value is None)

    def _load_zone(self, key: bytes) -> None:
        data = self._ledger.get(ZONES, key)
        if data is None:
            self._plane.remove_zone(key.decode())
            return
        self._plane.put_zone(unpack(data, Zone))
        # Its records may have come before it.
        rows = self._ledger.scan(ZONES, key + b"/", key + b"0")
        for _, found in groupby(rows, key=lambda row: row[0].rpartition(b"\0")[0]):
            records = [unpack(value, RecordSet) for _, value in found]
            self._trees.set_group(key.decode(), records[0].name, records[0].type, records)

    def _load_group(self, prefix: bytes) -> None:
        """`prefix`: zone id, slash, reversed name, NUL, type."""
        head, _, kind = prefix.rpartition(b"\0")
        zone_id, _, labels = head.decode().partition("/")
        name = ".".join(reversed(labels.removesuffix(".").split("."))) + "."
        rows = list(self._ledger.scan(ZONES, prefix + b"\0", prefix + b"\1"))
        self._trees.set_group(zone_id, name, kind.decode(), [unpack(value, RecordSet) for _, value in rows])

    def _load_check(self, check_id: str) -> None:
        data = self._ledger.get(CHECKS, check_id.encode())
        self._watch.load(check_id, None if data is None else unpack(data, Check))

    def _load_other(self, topic: str, key: str, value: bytes | None) -> None:
        if topic == CIDRS:
            self._plane.set_collection(key, None if value is None else unpack(value, Collection))
        elif topic == DNSSEC:
            self._signer.put(key, None if value is None else unpack(value, Signing))
        else:
            self._query_log.put(key, None if value is None else unpack(value, QueryLogConfig))
            self._plane.zone_changed(key)

    def _control(self, arn: str) -> tuple[str, str | None]:
        """A routing control's name and state; None: there is none."""
        found = self._controls.control(arn)
        return (found.name if found else "", self._controls.state(arn))

    def _control_changed(self, topic: str, key: bytes, value: bytes | None, before: bytes | None) -> None:
        if topic in (CONTROLS, STATES):
            self._watch.control_changed(key.decode())
            self._world.trace("recovery.changed", topic=topic, control=key.decode(), gone=value is None)

    def _health_flipped(self, check_id: str) -> None:
        self._plane.health_changed(check_id)

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
            held = all(self._holds(params["Topic"], key, version) for key in params["Keys"])
            if held and not self._store.settled:
                await self._store.durable()
            return {"Held": held}
        if operation == "DataPlaneHealth":
            return self._watch.observations(params["HealthCheckId"], failures=False)
        if operation == "DataPlaneLastFailure":
            return self._watch.observations(params["HealthCheckId"], failures=True)
        if operation == "DataPlaneAnswer":
            return self._test_answer(params)
        raise NotSupported(f"{operation} at the name server")

    def _holds(self, topic: str, key: bytes, version: Version) -> bool:
        """Whether a row is here and answers: a record set may come before its zone, while a new copy is made."""
        if not self._ledger.holds(topic, key, version):
            return False
        in_zone = topic == ZONES and b"/" in key and self._ledger.get(topic, key) is not None
        return not in_zone or self._ledger.get(ZONES, key.partition(b"/")[0]) is not None

    def _test_answer(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """TestDNSAnswer: what that zone answers."""
        try:
            name, kind = dns.encode_name(params["RecordName"]), rdata.type_number(params["RecordType"])
        except (dns.BadName, KeyError) as error:
            raise ClientFault("InvalidInput", f"Not a record that can be asked for: {error}") from None
        client = self._places.of_ip(params["ClientIP"])
        if params.get("ClientBits") is not None:
            client = client._replace(network=network_of(params["ClientIP"], params["ClientBits"]))
        found = self._plane.resolve(name, kind, client, zone_id=params["ZoneId"])
        data = [rdata.decode(record.type, record.rdata) for record in found.answers]
        return {
            "Nameserver": params["Nameserver"],
            "RecordName": params["RecordName"],
            "RecordType": params["RecordType"],
            "RecordData": data,
            "ResponseCode": dns.RCODES.get(found.rcode, str(found.rcode)),
            "Protocol": "UDP",
        }
