"""Overview: what the control plane wants to know of all zones at once, kept up with the ledger.

Rules. It holds nothing that the ledger does not: zones by id, how many record sets each has, who refers to a CIDR
location. It is read from the ledger once and told of each row that changes.
"""

from __future__ import annotations

from collections.abc import Mapping

from antipodes.services.route53.ledger import CIDRS, ZONES, Ledger
from antipodes.services.route53.records import Cidr, Collection, RecordSet, Zone, unpack


class Overview:
    """Use: `changed` as the ledger's watcher, `read` once."""

    def __init__(self) -> None:
        self._zones: dict[str, Zone] = {}
        self._counts: dict[str, int] = {}  # record sets by zone id
        self._cidr_uses: dict[Cidr, int] = {}
        self._collections: dict[str, Collection] = {}

    def read(self, ledger: Ledger) -> None:
        for topic in (ZONES, CIDRS):
            for key, value in ledger.scan(topic):
                self.changed(topic, key, value, None)

    def changed(self, topic: str, key: bytes, value: bytes | None, before: bytes | None) -> None:
        """A row has changed; None: it is or was not there."""
        if topic == CIDRS:
            if value is None:
                self._collections.pop(key.decode(), None)
            else:
                self._collections[key.decode()] = unpack(value, Collection)
        elif topic == ZONES and b"/" in key:
            zone_id = key.partition(b"/")[0].decode()
            self._counts[zone_id] = self._counts.get(zone_id, 0) + (value is not None) - (before is not None)
            self._count_cidr(before, -1)
            self._count_cidr(value, 1)
        elif topic == ZONES:
            if value is None:
                self._zones.pop(key.decode(), None)
            else:
                self._zones[key.decode()] = unpack(value, Zone)

    def _count_cidr(self, packed: bytes | None, change: int) -> None:
        if packed is None or b"cidr" not in packed:  # spares unpacking all that cannot have one
            return
        cidr = unpack(packed, RecordSet).cidr
        if cidr is not None:
            self._cidr_uses[cidr] = self._cidr_uses.get(cidr, 0) + change

    @property
    def zones(self) -> Mapping[str, Zone]:
        """All zones by id, in no order."""
        return self._zones

    @property
    def collections(self) -> Mapping[str, Collection]:
        """All CIDR collections by id, in no order."""
        return self._collections

    def record_count(self, zone_id: str) -> int:
        return self._counts.get(zone_id, 0)

    def is_used(self, cidr: Cidr) -> bool:
        """Whether a record set routes by this location."""
        return self._cidr_uses.get(cidr, 0) > 0
