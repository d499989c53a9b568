"""Trees: traffic policy instances unfolded into the groups that answers are made from."""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.records import RecordSet
from antipodes.services.route53.zone import DataPlane


class Trees:
    """Sets groups of a data plane; a record set that carries a tree becomes the tree's groups."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._unfolded: dict[tuple[str, str, str], tuple[str, ...]] = {}  # zone, name, type: the inner names

    def set_group(self, zone_id: str, name: str, record_type: str, records: Sequence[RecordSet]) -> None:
        """As DataPlane.set_group."""
        key = (zone_id, name, record_type)
        groups: dict[str, list[RecordSet]] = {}
        own: list[RecordSet] = []
        for record in records:
            if not record.tree:
                own.append(record)
            for inner in record.tree:
                (own if inner.name == record.name else groups.setdefault(inner.name, [])).append(inner)
        for gone in self._unfolded.pop(key, ()):
            if gone not in groups:
                self._plane.set_group(zone_id, gone, record_type, ())
        for inner_name, held in groups.items():  # before what aliases them
            self._plane.set_group(zone_id, inner_name, record_type, held)
        if groups:
            self._unfolded[key] = tuple(groups)
        self._plane.set_group(zone_id, name, record_type, own)
