"""Ledger: the carried rows of routing controls, at every Region and at the globe, whose name server follows them.

Topics: "recovery/clusters", "recovery/panels", "recovery/controls" (their names and settings, which the control plane's
Region alone writes) and "recovery/states" (On or Off, which any Region writes). A key is an ARN. How rows are kept and
merged: store/ledger.py.
"""

from __future__ import annotations

from antipodes.services.recovery.records import Control, unpack
from antipodes.store import ledger
from antipodes.store.ledger import Watcher
from antipodes.store.store import Store
from antipodes.world.world import GLOBE

CLUSTERS, PANELS, CONTROLS = "recovery/clusters", "recovery/panels", "recovery/controls"
STATES = "recovery/states"
TOPICS = (CLUSTERS, CONTROLS, PANELS, STATES)
ON, OFF = "On", "Off"


class Ledger(ledger.Ledger):
    """Fulfils services.contract.Carried."""

    prefix = "recovery/"

    def __init__(self, store: Store, site: str, regions: tuple[str, ...], watcher: Watcher | None = None) -> None:
        super().__init__(store, site, TOPICS, (*regions, GLOBE), watcher)

    def control(self, arn: str) -> Control | None:
        """A routing control; None: it is not known here."""
        data = self.get(CONTROLS, arn.encode())
        return None if data is None else unpack(data, Control)

    def state(self, arn: str) -> str | None:
        """On or Off; None: there is no such routing control here. A state may come before its control, and, flipped
        elsewhere, outlive it."""
        if self.get(CONTROLS, arn.encode()) is None:
            return None
        return (self.get(STATES, arn.encode()) or OFF.encode()).decode()
