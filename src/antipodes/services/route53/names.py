"""The names of one zone: which exist, which a wildcard stands for, where a delegation begins (RFC 1034, RFC 4592).

Rules. Pure. A name exists if it has records or if a name below it has some (an empty non-terminal); a wildcard stands
only for names that do not exist, below its own parent. Below a delegation (NS records under the apex) nothing is
answered but a referral and its glue.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from antipodes.services.route53.records import Zone
from antipodes.services.route53.selection import Group
from antipodes.wire.dns import AAAA, NS, SOA, A, Record, parents

DS = 43
WILDCARD = b"\x01*"


@dataclass(slots=True)
class ZoneNames:
    """Groups by owner (wire name, lower case) and type."""

    zone: Zone
    apex: bytes
    groups: dict[bytes, dict[int, Group]] = field(default_factory=dict)
    below: dict[bytes, int] = field(default_factory=dict)  # names with records under this one, if any
    cuts: dict[bytes, bool] = field(default_factory=dict)  # names with NS records, but for the apex

    def put(self, name: bytes, number: int, group: Group | None) -> list[bytes]:
        """Sets or removes a group; the names that came to exist by it, or ceased to."""
        there = self.groups.get(name)
        flipped: list[bytes] = []
        if group is not None:
            if there is None:
                there = self.groups[name] = {}
                flipped = self._count(name, 1)
            there[number] = group
        elif there is not None and there.pop(number, None) is not None and not there:
            del self.groups[name]
            flipped = self._count(name, -1)
        return flipped

    def _count(self, name: bytes, change: int) -> list[bytes]:
        flipped = [] if name in self.below else [name]
        for parent in parents(name)[1:]:
            if len(parent) < len(self.apex):
                break
            before = self.below.get(parent, 0)
            if before + change:
                self.below[parent] = before + change
            else:
                del self.below[parent]
            if parent not in self.groups and not (before and before + change):
                flipped.append(parent)
        return flipped

    def exists(self, name: bytes) -> bool:
        return name in self.groups or name in self.below

    def at(self, name: bytes) -> dict[int, Group] | None:
        """The groups of a name, or of the wildcard that stands for it; {} if only names below it exist; None: no such
        name."""
        groups = self.groups.get(name)
        if groups is not None:
            return groups
        if name in self.below:
            return {}
        for parent in parents(name)[1:]:
            if self.exists(parent):  # the closest encloser (RFC 4592 3.3.1): only its wildcard counts
                wildcard = WILDCARD + parent
                return self.groups.get(wildcard) or ({} if wildcard in self.below else None)
            if len(parent) <= len(self.apex):
                return None
        return None

    def owner_for(self, name: bytes) -> bytes | None:
        """Whose records answer for a name: its own, or those of the wildcard that stands for it; None: nobody's."""
        if name in self.groups:
            return name
        if name in self.below:
            return None
        for parent in parents(name)[1:]:
            if self.exists(parent):
                return WILDCARD + parent if WILDCARD + parent in self.groups else None
            if len(parent) <= len(self.apex):
                return None
        return None

    def cut_above(self, name: bytes, qtype: int) -> bytes | None:
        """The delegation that a question falls under: the topmost one at or above the name."""
        if not self.cuts:
            return None
        found = None
        for parent in parents(name):
            if len(parent) <= len(self.apex):
                break
            if parent in self.cuts:
                found = parent
        # DS belongs to the parent's side of a cut (RFC 4035 3.1.4.1).
        return None if found == name and qtype == DS else found

    def soa(self) -> tuple[Record, ...]:
        """For negative answers: TTL is the smaller of the SOA's own and its MINIMUM (RFC 2308 3)."""
        group = self.groups.get(self.apex, {}).get(SOA)
        if group is None or not group.bare[0]:
            return ()
        number, ttl_s, data = group.bare[0][0]
        return (Record(self.apex, number, min(ttl_s, int.from_bytes(data[-4:], "big")), data),)

    def referral(self, cut: bytes) -> tuple[Record, ...]:
        """The NS records of a delegation."""
        return tuple(Record(cut, *one) for one in self.groups[cut][NS].bare[0])

    def glue(self, servers: tuple[Record, ...]) -> tuple[Record, ...]:
        """Addresses of name servers that this zone knows: below the cut a referral is of no use without them, beside it
        it may be (RFC 9471)."""
        found: list[Record] = []
        for server in servers:
            there = self.groups.get(server.rdata, {})
            for number in (A, AAAA):
                if number in there:
                    found += [Record(server.rdata, *one) for one in there[number].bare[0]]
        return tuple(found)
