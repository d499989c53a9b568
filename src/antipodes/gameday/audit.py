"""RPO as an audit of every acknowledged write.

Decides: for every acknowledged write, where it ended. Refuses to know: networks, clocks of Regions, how scans are made.

Definitions (pure: writes and snapshots in, `Audit` out). A write w puts one whole item and carries an id of its own;
the workload never deletes and never writes one id twice. For w and another write f of the same item:

- f **may have overwritten** w iff f was not acknowledged (then it may have taken effect at any time after it began),
  or f's acknowledgement came after w began. If f was acknowledged before w began, f is older in real time, and an
  item that holds f after w was acknowledged has lost w. Last-writer-wins orders by the Regions' clocks; so that a
  difference of clocks is not called a loss, `clock_skew_s` widens the comparison (0 by default: then a loss caused
  by a slow clock is reported as the loss that it is).
- A replica **has** w if its item carries w's id, is **past** w if its item carries the id of a write that may have
  overwritten w, and **lacks** w otherwise (no item, an older write, or an id nobody ever wrote).

At the end, w is
- **everywhere**: every replica has it;
- **overwritten**: every replica has it or is past it, and at least one is past it;
- **partial**: some replica lacks it and some other does not;
- **lost**: every replica lacks it.

During the outage, for a write acknowledged by a Region behind a cut (a dead Region towards all others; both sides of
a partition towards each other), judged on the first scan of each cut-off Region that began after the acknowledgement:
- **stranded**: every Region that the cut keeps from hearing lacks it;
- **partly sent**: some of them lack it.
A stranded write is **back** at the end of the first scan, after mending, in which each of those Regions has it or is
past it. Its exposure runs from its acknowledgement until then.

Replicas are **equal** iff they hold the same items with the same content, item by item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from antipodes.gameday.history import Copy, Snapshot, Write

MAX_DIFFERENCES = 20  # listed by name; the count is always whole

Fate = Literal["everywhere", "overwritten", "partial", "lost"]


class Difference(msgspec.Struct, frozen=True):
    """An item on which replicas differ: which write each holds (None: no such item)."""

    item: str
    writes: Mapping[str, str | None]  # by Region


class Stranded(msgspec.Struct, frozen=True):
    """A write that the disaster cut off; times are seconds."""

    item: str
    write: str
    region: str
    exposed_s: float | None  # from its acknowledgement until it was back; None: it never came back
    fate: Fate


class Audit(msgspec.Struct, frozen=True):
    """Where every acknowledged write ended."""

    acknowledged: int
    unacknowledged: int  # attempts without an answer, or with an error: they promise nothing
    everywhere: int
    overwritten: int
    partial: int
    lost: int
    stranded: int
    partly_sent: int
    stranded_back: int
    longest_stranded_s: float | None  # of those that came back
    replicas_equal: bool
    differing_items: int
    items: int  # distinct items over all replicas
    lost_writes: tuple[str, ...] = ()
    lost_unexpectedly: tuple[str, ...] = ()  # lost, and not only because a destroyed disk alone held them
    stranded_writes: tuple[Stranded, ...] = ()
    differences: tuple[Difference, ...] = ()  # the first few


class Cut(msgspec.Struct, frozen=True):
    """When and where replication could not pass."""

    since: float
    mended: float
    directions: tuple[tuple[str, str], ...]  # (from, to)
    destroyed: str | None = None  # the Region whose disk was destroyed


def audit(
    writes: Sequence[Write],
    final: Sequence[Snapshot],
    during: Sequence[Snapshot] = (),
    after: Sequence[Snapshot] = (),
    cut: Cut | None = None,
    *,
    clock_skew_s: float = 0.0,
) -> Audit:
    """Audits all attempts (`writes`, acknowledged or not) against the final contents of all replicas, and against
    scans taken of Regions during the outage and after mending. Raises ValueError: two writes with one id."""
    judge = _Judge(writes, clock_skew_s)
    acknowledged = [write for write in writes if write.ended is not None]
    fates = {write.id: judge.fate(write, final) for write in acknowledged}
    cut_off = _stranded(judge, acknowledged, fates, during, [*after, *final], cut)
    stranded = tuple(one for one, partly in cut_off if not partly)
    differences, items = _differences(final)
    lost = tuple(write.id for write in acknowledged if fates[write.id] == "lost")
    excused = {one.write for one in stranded if cut is not None and one.region == cut.destroyed}
    exposures = [one.exposed_s for one in stranded if one.exposed_s is not None]
    return Audit(
        acknowledged=len(acknowledged),
        unacknowledged=len(writes) - len(acknowledged),
        everywhere=_count(fates, "everywhere"),
        overwritten=_count(fates, "overwritten"),
        partial=_count(fates, "partial"),
        lost=len(lost),
        stranded=len(stranded),
        partly_sent=len(cut_off) - len(stranded),
        stranded_back=len(exposures),
        longest_stranded_s=round(max(exposures), 3) if exposures else None,
        replicas_equal=not differences and len(final) > 0,
        differing_items=len(differences),
        items=items,
        lost_writes=lost,
        lost_unexpectedly=tuple(id_ for id_ in lost if id_ not in excused),
        stranded_writes=stranded,
        differences=tuple(differences[:MAX_DIFFERENCES]),
    )


class _Judge:
    """The order of writes, as far as an outsider can know it."""

    def __init__(self, writes: Iterable[Write], clock_skew_s: float) -> None:
        self._skew_s = clock_skew_s
        self._by_id: dict[str, Write] = {}
        for write in writes:
            if write.id in self._by_id:
                raise ValueError(f"two writes carry the id {write.id!r}: nobody can tell them apart")
            self._by_id[write.id] = write

    def may_have_overwritten(self, later: Write, earlier: Write) -> bool:
        return later.item == earlier.item and (
            later.ended is None or later.ended + self._skew_s >= earlier.started  # equal: nobody can order them
        )

    def has(self, snapshot: Snapshot, write: Write) -> bool:
        copy = snapshot.items.get(write.item)
        return copy is not None and copy.write == write.id

    def past(self, snapshot: Snapshot, write: Write) -> bool:
        copy = snapshot.items.get(write.item)
        if copy is None or copy.write == write.id:
            return False
        found = self._by_id.get(copy.write)
        return found is not None and self.may_have_overwritten(found, write)

    def lacks(self, snapshot: Snapshot, write: Write) -> bool:
        return not self.has(snapshot, write) and not self.past(snapshot, write)

    def fate(self, write: Write, final: Sequence[Snapshot]) -> Fate:
        lacking = sum(self.lacks(snapshot, write) for snapshot in final)
        if lacking == len(final):
            return "lost"
        if lacking:
            return "partial"
        return "everywhere" if all(self.has(snapshot, write) for snapshot in final) else "overwritten"


def _stranded(
    judge: _Judge,
    acknowledged: Sequence[Write],
    fates: Mapping[str, Fate],
    during: Sequence[Snapshot],
    after: Sequence[Snapshot],
    cut: Cut | None,
) -> list[tuple[Stranded, bool]]:
    """(write, whether it had been sent to some) of the writes that the cut kept from at least one Region."""
    if cut is None:
        return []
    found = []
    for write in acknowledged:
        assert write.ended is not None
        if write.ended >= cut.mended:
            continue
        seen = [scan for target in _targets(cut, write) if (scan := _first_scan(during, target, write.ended))]
        lacking = [scan.region for scan in seen if judge.lacks(scan, write)]
        if lacking:
            back = _back_at(judge, write, lacking, after)
            one = Stranded(
                item=write.item,
                write=write.id,
                region=write.region or "",
                exposed_s=None if back is None else round(back - write.ended, 3),
                fate=fates[write.id],
            )
            found.append((one, len(lacking) < len(seen)))
    return found


def _targets(cut: Cut, write: Write) -> list[str]:
    return [target for source, target in cut.directions if source == write.region]


def _first_scan(scans: Sequence[Snapshot], region: str, after: float) -> Snapshot | None:
    return next((scan for scan in scans if scan.region == region and scan.at >= after), None)


def _back_at(judge: _Judge, write: Write, regions: Sequence[str], scans: Sequence[Snapshot]) -> float | None:
    """When the last of these Regions was first seen to have the write (or to be past it)."""
    latest = 0.0
    for region in regions:
        first = next((scan.until for scan in scans if scan.region == region and not judge.lacks(scan, write)), None)
        if first is None:
            return None
        latest = max(latest, first)
    return latest


def _differences(final: Sequence[Snapshot]) -> tuple[list[Difference], int]:
    names = sorted({item for snapshot in final for item in snapshot.items})
    differences = []
    for item in names:
        copies: dict[str, Copy | None] = {snapshot.region: snapshot.items.get(item) for snapshot in final}
        contents = [copy.content if copy else None for copy in copies.values()]
        if any(content != contents[0] for content in contents):
            writes = {region: copy.write if copy else None for region, copy in copies.items()}
            differences.append(Difference(item=item, writes=writes))
    return differences, len(names)


def _count(fates: Mapping[str, Fate], wanted: Fate) -> int:
    return sum(fate == wanted for fate in fates.values())
