"""What one member of a journal has written down, or is about to. Pure.

Entries are numbered from 1 without gaps; those up to `hard.base` are kept no longer. What changed since the last `take`
is what must be written next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from antipodes.replica.journal.messages import Entry, Hard, Message


@dataclass(slots=True)
class Effects:
    """What is to be done, in this order: send `at_once`; write `hard`, delete entries up to `drop_upto` and from
    `cut_from` on, put `entries`; when all that is on disk tell the core (`persisted`) and send `after`."""

    at_once: list[tuple[str, Message]] = field(default_factory=list)
    hard: Hard | None = None
    drop_upto: int | None = None
    cut_from: int | None = None
    entries: list[Entry] = field(default_factory=list)
    after: list[tuple[str, Message]] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.hard is not None or self.entries or self.drop_upto is not None or self.cut_from is not None)


class Memory:
    """Entries, the hard state, and how far they hold. Owned by one Core."""

    def __init__(self, hard: Hard, entries: Sequence[Entry], applied: int) -> None:
        self.hard = hard
        self.applied = applied  # the owner's state has all entries up to here
        self.commit = max(applied, hard.base)  # entries up to here hold
        self.durable = hard.base + len(entries)
        self._log = list(entries)
        self.kept_bytes = sum(map(_size_bytes, entries))
        self._fresh: list[Entry] = []
        self._cut_from: int | None = None
        self._drop_upto: int | None = None
        self._changed = False

    @property
    def last(self) -> int:
        """The index of the last entry."""
        return self.hard.base + len(self._log)

    def term_at(self, index: int) -> int:
        """The term of an entry; -1: there is none, or it is kept no longer."""
        base = self.hard.base
        if index == base:
            return self.hard.base_term
        return self._log[index - base - 1].term if base < index <= self.last else -1

    def entry(self, index: int) -> Entry:
        """An entry that is kept."""
        return self._log[index - self.hard.base - 1]

    def kept(self) -> list[Entry]:
        """All entries that are kept."""
        return self._log

    def from_(self, index: int, limit_bytes: int) -> list[Entry]:
        """Entries from one that is kept on, about so many bytes; at least one, if there is one."""
        found: list[Entry] = []
        size_bytes = 0
        for place in range(index - self.hard.base - 1, len(self._log)):
            entry = self._log[place]
            found.append(entry)
            size_bytes += _size_bytes(entry)
            if size_bytes > limit_bytes:
                break
        return found

    def add(self, entry: Entry) -> None:
        assert entry.index == self.last + 1, "a gap between entries"
        self._log.append(entry)
        self.kept_bytes += _size_bytes(entry)
        self._fresh.append(entry)

    def cut(self, index: int) -> None:
        """Entries from `index` on never held: another leader's stand there."""
        assert index > self.commit, "an entry that held is contradicted"
        self._forget(index - self.hard.base - 1, len(self._log))
        self._fresh = [one for one in self._fresh if one.index < index]
        self._cut_from = index if self._cut_from is None else min(self._cut_from, index)
        self.durable = min(self.durable, self.last)

    def drop(self, upto: int) -> None:
        """Keeps the entries up to `upto` no longer."""
        term = self.term_at(upto)
        assert term >= 0
        assert upto <= min(self.applied, self.durable)
        self._forget(0, upto - self.hard.base)
        self.change(base=upto, base_term=term)
        self._drop_upto = upto

    def begin_at(self, index: int, term: int) -> None:
        """The state as of an entry was copied: what comes after it follows. Keeps what is known to follow it."""
        known = self.term_at(index) == term
        if not known:
            self._cut_from = self.hard.base + 1
        self._forget(0, index - self.hard.base if known else len(self._log))
        self._fresh = [one for one in self._fresh if known and one.index > index]
        self._drop_upto = index
        self.change(base=index, base_term=term, whole=True)
        self.applied = index
        self.commit = max(self.commit, index) if known else index
        self.durable = max(min(self.durable, self.last), index)

    def _forget(self, start: int, end: int) -> None:
        self.kept_bytes -= sum(map(_size_bytes, self._log[start:end]))
        del self._log[start:end]

    def change(
        self,
        *,
        term: int | None = None,
        voted: str | None = None,
        voter: bool | None = None,
        whole: bool | None = None,
        base: int | None = None,
        base_term: int | None = None,
    ) -> None:
        """Changes the hard state."""
        old = self.hard
        self.hard = Hard(
            old.term if term is None else term,
            old.voted if voted is None else voted,
            old.voter if voter is None else voter,
            old.whole if whole is None else whole,
            old.base if base is None else base,
            old.base_term if base_term is None else base_term,
        )
        self._changed = True

    def take(self, out: Effects) -> None:
        """Moves what must be written to `out`."""
        out.hard = self.hard if self._changed else None
        out.cut_from, out.drop_upto, out.entries = self._cut_from, self._drop_upto, self._fresh
        self._changed, self._cut_from, self._drop_upto, self._fresh = False, None, None, []


def _size_bytes(entry: Entry) -> int:
    """About what an entry takes."""
    return 100 + len(entry.data) + len(entry.answer)
