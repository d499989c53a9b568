"""A data plane from API shapes, asked as a city asks: what the policy tables are written with."""

from __future__ import annotations

import random
from typing import Any

from antipodes.gameday.users import subnet_of
from antipodes.nameserver.places import client_of_site
from antipodes.services.contract import Settings
from antipodes.services.route53.planet import Planet
from antipodes.services.route53.records import Collection, RecordSet, Zone, record_key, record_of
from antipodes.services.route53.selection import Step
from antipodes.services.route53.zone import DataPlane, Resolution
from antipodes.wire import dns, dns_client, rdata
from antipodes.world import geography
from tests.route53.responders import responder

SETTINGS = Settings(regions=("us-east-1", "us-west-2", "eu-west-1"))
ZONE = Zone("ZTEST", "example.com.", "r", ("ns-1.awsdns-00.com",), 1.0)
SOA = "ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
COLLECTION = Collection(
    "00000000-0000-4000-a000-00000000c1d4",
    "cities",
    "r",
    locations={"wide": ("198.18.0.0/16", "2001:db8::/32"), "narrow": (f"{geography.city('Tokyo').prefix}.0/24",)},
)


class Plane:
    """One zone, example.com, and the checks that are `sick`."""

    def __init__(self, *shapes: dict[str, Any], seed: int = 1) -> None:
        self.sick: list[str] = []
        self.plane = DataPlane(Planet(SETTINGS), lambda check: check not in self.sick, random.Random(seed))
        self.plane.put_zone(ZONE)
        self.plane.set_collection(COLLECTION.id, COLLECTION)
        self._responder = responder(self.plane, seed)
        apex = [
            {"Name": "example.com", "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": SOA}]},
            {"Name": "example.com", "Type": "NS", "TTL": 172800, "ResourceRecords": [{"Value": "ns-1.awsdns-00.com."}]},
        ]
        groups: dict[tuple[str, str], list[RecordSet]] = {}
        for shape in (*apex, *shapes):
            record = record_of(shape)
            groups.setdefault((record.name, record.type), []).append(record)
        for (name, kind), records in groups.items():
            self.plane.set_group(ZONE.id, name, kind, sorted(records, key=lambda one: record_key(ZONE.id, one)))

    def get_sick(self, *checks: str) -> None:
        flipped = [*self.sick, *checks]
        self.sick = list(checks)
        for check in flipped:
            self.plane.health_changed(check)

    def resolve(
        self, name: str, kind: str = "A", city: str = "New York", trail: list[Step] | None = None
    ) -> Resolution:
        return self.plane.resolve(dns.encode_name(name), rdata.type_number(kind), client_of_site(city), trail)

    def ask(self, name: str, kind: str = "A", city: str = "New York") -> dns_client.Answer:
        """In packets, as a resolver of that city asks: through the responder and what it has prepared."""
        message = dns_client.build_query(name, kind, 1, subnet_of(city))
        answered = self._responder.answer(message, "127.0.0.1")
        assert answered is not None
        return dns_client.parse_answer(answered)

    def values(self, name: str, kind: str = "A", city: str = "New York") -> list[str]:
        return [one.value for one in self.ask(name, kind, city).answers]


def plain(name: str, *values: str, kind: str = "A", ttl: int = 60, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in values], **more}


def alias(
    name: str, target: str, *, evaluate: bool = True, zone: str = "ZTEST", kind: str = "A", **more: Any
) -> dict[str, Any]:
    pointed = {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": evaluate}
    return {"Name": name, "Type": kind, "AliasTarget": pointed, **more}
