"""Ledger: Route 53's carried rows. The control plane writes it, the name server follows it.

Rules. The home Region alone originates; the globe (the name server's site) holds the other copy, from which a home
Region that lost its disk gets everything back. How rows are kept and merged: store/ledger.py.

Topics: "route53/zones" (zones and their record sets), "route53/checks" (health checks), "route53/cidrs" (CIDR
collections), "route53/dnssec" (keys and signing of zones), "route53/querylogs" (whose questions are logged),
"route53/desk" (what only the control plane reads: tags, caller references that were used).
"""

from __future__ import annotations

from antipodes.store import ledger
from antipodes.store.ledger import Entry, Watcher
from antipodes.store.store import Store
from antipodes.world.world import GLOBE

__all__ = ["CHECKS", "CIDRS", "DESK", "DNSSEC", "QUERY_LOGS", "ZONES", "Entry", "Ledger", "home_of"]

ZONES, CHECKS, CIDRS, DESK = "route53/zones", "route53/checks", "route53/cidrs", "route53/desk"
DNSSEC, QUERY_LOGS = "route53/dnssec", "route53/querylogs"
TOPICS = (CHECKS, CIDRS, DESK, DNSSEC, QUERY_LOGS, ZONES)


def home_of(regions: tuple[str, ...]) -> str:
    """The Region of the control plane: us-east-1, as on AWS; on a planet without it, the first one."""
    return "us-east-1" if "us-east-1" in regions else regions[0]


class Ledger(ledger.Ledger):
    """Fulfils services.contract.Carried. `watcher` hears of every row that changes."""

    prefix = "route53/"

    def __init__(self, store: Store, site: str, home: str, watcher: Watcher | None = None) -> None:
        super().__init__(store, site, TOPICS, (home, GLOBE), watcher)
