"""Routing policies: one file each, behind one signature, `Chooser`. The table `CHOOSERS` names them all."""

from __future__ import annotations

from antipodes.services.route53.policies import failover, geolocation, latency, multivalue, simple, weighted
from antipodes.services.route53.policies.choice import Candidate, Choice, Chooser, Client, eligible

CHOOSERS: dict[str, Chooser] = {
    "simple": simple.choose,
    "weighted": weighted.choose,
    "latency": latency.choose,
    "failover": failover.choose,
    "geolocation": geolocation.choose,
    "multivalue": multivalue.choose,
}

__all__ = ["CHOOSERS", "Candidate", "Choice", "Chooser", "Client", "eligible"]
