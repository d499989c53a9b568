"""What Regions and the name server report, in the globe's words. Pure."""

from __future__ import annotations

import msgspec

from antipodes.globe.globe import HealthStatus, RegionStatus
from antipodes.nameserver import NameServer
from antipodes.region.admin import RegionReport
from antipodes.world.network import Links
from antipodes.world.rules import Down, Fault


def health_of(nameserver: NameServer | None) -> tuple[HealthStatus, ...]:
    """The name server's health checks; () before it runs."""
    if nameserver is None:
        return ()
    return tuple(
        HealthStatus(
            id=check.id,
            target=check.target,
            healthy=check.healthy,
            since=check.since,
            checkers_healthy=check.checkers_healthy,
            checkers=check.checkers,
            reason=check.reason,
            verdict=check.verdict,
        )
        for check in nameserver.status()
    )


def region_status(status: RegionStatus, report: RegionReport) -> RegionStatus:
    """The status with what the Region itself reports."""
    return msgspec.structs.replace(
        status, peers=report.peers, functions=report.functions, tables=report.tables, compiled=report.compiled
    )


def faults_of(links: Links) -> tuple[Fault, ...]:
    """What `heal` would end."""
    return tuple(rule for rule in links.rules() if not isinstance(rule, Down))
