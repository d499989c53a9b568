"""Routing policies: one file each, behind one signature, `Policy`. The table `POLICIES` names them all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from antipodes.services.route53.policies import (
    failover,
    geolocation,
    geoproximity,
    ipbased,
    latency,
    multivalue,
    simple,
    weighted,
)
from antipodes.services.route53.policies.choice import Candidate, Choice, Client, Policy, eligible

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        "simple": simple,
        "weighted": weighted,
        "latency": latency,
        "failover": failover,
        "geolocation": geolocation,
        "geoproximity": geoproximity,
        "multivalue": multivalue,
        "ip-based": ipbased,
    }
)

__all__ = ["POLICIES", "Candidate", "Choice", "Client", "Policy", "eligible"]
