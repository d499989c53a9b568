"""Limits: how much of each kind there may be, and how much there is: GetAccountLimit, GetHostedZoneLimit, counts.

Rules. The figures are DNSLimitations.html's defaults. They are AWS's protection of itself, and what a plan must fit
into: exceeding one is refused here as there, so that it is noticed before the first deployment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.route53.delegation_sets import MAX_SETS
from antipodes.services.route53.desk import Desk, fault
from antipodes.services.route53.ledger import CHECKS, DESK
from antipodes.wire.operation import Request

MAX_ZONES, MAX_RECORDS_OF_ZONE, MAX_CHECKS = 500, 10_000, 200
MAX_POLICIES, MAX_INSTANCES = 50, 5


class Limits:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get_account_limit(self, request: Request) -> Mapping[str, Any]:
        kind, ledger = request.params["Type"], self._desk.ledger
        await self._desk.settle()
        limit, count = {
            "MAX_HOSTED_ZONES_BY_OWNER": (MAX_ZONES, len(self._desk.overview.zones)),
            "MAX_HEALTH_CHECKS_BY_OWNER": (MAX_CHECKS, ledger.count(CHECKS, b"")),
            "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER": (MAX_SETS, ledger.count(DESK, b"delegationset/")),
            "MAX_TRAFFIC_POLICIES_BY_OWNER": (MAX_POLICIES, ledger.count(DESK, b"policy/")),
            "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER": (MAX_INSTANCES, ledger.count(DESK, b"instance/")),
        }[kind]
        return {"Limit": {"Type": kind, "Value": limit}, "Count": count}

    async def get_hosted_zone_limit(self, request: Request) -> Mapping[str, Any]:
        zone, kind = self._desk.zone(request.params["HostedZoneId"]), request.params["Type"]
        if kind == "MAX_VPCS_ASSOCIATED_BY_ZONE":
            raise fault("HostedZoneNotPrivate", f"The hosted zone {zone.id} is not private.")
        await self._desk.settle()
        count = self._desk.overview.record_count(zone.id)
        return {"Limit": {"Type": kind, "Value": MAX_RECORDS_OF_ZONE}, "Count": count}

    async def get_hosted_zone_count(self, request: Request) -> Mapping[str, Any]:
        await self._desk.settle()
        return {"HostedZoneCount": len(self._desk.overview.zones)}

    async def get_health_check_count(self, request: Request) -> Mapping[str, Any]:
        await self._desk.settle()
        return {"HealthCheckCount": self._desk.ledger.count(CHECKS, b"")}
