"""Three cores on a table: a network that delays, drops and parts, disks that forget what was not synced or everything.

No loop, no tasks: one step is one event, and a seed draws all of them. Runs a thousand times faster than Regions do,
for what only the core can get wrong. `Rules` plants bugs.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from antipodes.replica.journal.core import Core
from antipodes.replica.journal.messages import Entry, Hard, Message

SITES = ("a", "b", "c")


@dataclass
class Rules:
    """What a planted bug changes."""

    ack_before_sync: bool = False
    forgets_votes: bool = False
    lost_disk_votes: bool = False
    stale_reads: bool = False


@dataclass
class Disk:
    hard: Hard = field(default_factory=Hard)
    entries: dict[int, Entry] = field(default_factory=dict)
    applied: int = 0
    state: dict[bytes, int] = field(default_factory=dict)
    seat: str = ""

    def copy(self) -> Disk:
        return Disk(self.hard, dict(self.entries), self.applied, dict(self.state), self.seat)


@dataclass
class Read:
    """A strong read that waits: `floor` is the newest entry that somebody was told of before it began."""

    floor: int
    round: int
    index: int


class Table:
    """The three members and what happens to them."""

    def __init__(self, seed: int, rules: Rules | None = None, keep: int = 20) -> None:
        self.chance = random.Random(seed)
        self.rules = rules or Rules()
        self.keep = keep
        self.now = 0.0
        self.queue: list[tuple[float, int, str, Callable[[], None]]] = []
        self.number = 0
        self.disks = {site: Disk(seat=f"{site}0") for site in SITES}
        self.lives = dict.fromkeys(SITES, 0)
        self.cores: dict[str, Core] = {}
        self.cut: set[frozenset[str]] = set()
        self.epoch: dict[frozenset[str], int] = {frozenset((x, y)): 0 for x in SITES for y in SITES if x != y}
        self.busy: dict[str, bool] = {}
        self.inbox: dict[str, list[tuple[str, Message]]] = {}
        self.asked: dict[str, str] = {}
        self.aimed: list[Callable[[], None]] = []
        self.fifo: dict[tuple[str, str, int], float] = {}
        self.holds: dict[int, Entry] = {}  # every entry that any member believed to hold
        self.acknowledged = 0  # the newest entry that a client was told of
        self.reads: dict[str, list[Read]] = {}
        self.reads_done = 0
        self.wrong: list[str] = []
        for site in SITES:
            self.boot(site)

    # Events

    def later(self, delay_s: float, site: str, what: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.queue, (self.now + delay_s, self.number, site, what))

    def run(self, until_s: float) -> None:
        while self.queue and self.queue[0][0] <= until_s and not self.wrong:
            self.now, _, _, what = heapq.heappop(self.queue)
            what()
        self.now = max(self.now, until_s)

    # Lives

    def boot(self, site: str) -> None:
        disk = self.disks[site]
        entries = [disk.entries[index] for index in sorted(disk.entries)]
        core = Core(site, SITES, disk.seat, disk.hard, entries, disk.applied, self.now, self.chance.random)
        self.cores[site] = core
        self.busy[site] = False
        self.inbox[site] = []
        self.asked[site] = ""
        self.reads[site] = []
        self.lives[site] += 1
        for other in SITES:
            if other != site and other in self.cores:
                self.epoch[frozenset((site, other))] += 1
                self.cores[other].connected(site, self.now)
        self.turn(site)
        self.wake(site)

    def revive(self, site: str) -> None:
        if site not in self.cores:
            self.boot(site)

    def crash(self, site: str, *, destroy: bool = False) -> None:
        if site not in self.cores:
            return
        del self.cores[site]
        self.lives[site] += 1
        if destroy:
            hard = Hard(voter=self.rules.lost_disk_votes)
            self.disks[site] = Disk(hard=hard, seat=f"{site}{self.lives[site]}")

    def aim(self, strike: Callable[[], None]) -> None:
        """Strikes when a client is told next: the worst moment, if too much was promised."""
        self.aimed.append(strike)

    def part(self, one: str, other: str) -> None:
        self.cut.add(frozenset((one, other)))
        self.epoch[frozenset((one, other))] += 1

    def heal(self) -> None:
        self.cut.clear()
        for site, core in self.cores.items():
            for other in SITES:
                if other != site:
                    core.connected(other, self.now)
            self.turn(site)

    # One member's turns

    def wake(self, site: str) -> None:
        life = self.lives[site]

        def ring() -> None:
            if self.lives[site] != life:
                return
            if not self.busy[site]:
                self.cores[site].tick(self.now)
                self.turn(site)
            self.wake(site)

        self.later(max(0.01, self.cores[site].wakes_at - self.now), site, ring)

    def turn(self, site: str) -> None:
        """As the shell does it: send, write, wait for the disk, send, apply; one after the other."""
        if self.busy.get(site, True):
            return
        core, disk = self.cores[site], self.disks[site]
        for sender, message in self.inbox[site]:
            core.receive(sender, message, self.now)
        self.inbox[site] = []
        self.ask(site)
        if core.copying is not None:
            self.copy(site)
        core.compact(self.keep, 2 * self.keep, self.now)
        out = core.take(self.now)
        for other, message in out.at_once:
            self.send(site, other, message)
        written = core.memory.last
        if self.rules.ack_before_sync:
            core.persisted(written)
            for other, message in out.after:
                self.send(site, other, message)
        if not out.writes:
            self.settle(site, out.after, written)
            return
        life = self.lives[site]
        self.busy[site] = True

        def synced() -> None:
            if self.lives[site] != life:
                return
            if out.hard is not None and not self.rules.forgets_votes:
                disk.hard = out.hard
            elif out.hard is not None:
                disk.hard = Hard(0, "", out.hard.voter, out.hard.whole, out.hard.base, out.hard.base_term)
            for index in sorted(disk.entries):
                dropped = out.drop_upto is not None and index <= out.drop_upto
                if dropped or (out.cut_from is not None and index >= out.cut_from):
                    del disk.entries[index]
            for entry in out.entries:
                disk.entries[entry.index] = entry
            disk.applied = max(disk.applied, core.memory.hard.base)
            self.busy[site] = False
            core.persisted(written)
            self.settle(site, out.after, written)

        self.later(self.chance.uniform(0.0005, 0.04), site, synced)

    def settle(self, site: str, after: list[tuple[str, Message]], written: int) -> None:
        core, disk = self.cores[site], self.disks[site]
        core.persisted(written)
        if not self.rules.ack_before_sync:
            for other, message in after:
                self.send(site, other, message)
        memory = core.memory
        while memory.applied < memory.commit:
            memory.applied += 1
            entry = memory.entry(memory.applied)
            known = self.holds.setdefault(entry.index, entry)
            if known != entry:
                self.wrong.append(f"{site} has {entry} where {known} held")
            if entry.data:
                disk.state[entry.data] = entry.index
            disk.applied = memory.applied
            if core.lead is not None and entry.term == core.term:
                self.acknowledged = max(self.acknowledged, entry.index)  # the client is answered
                if self.aimed:
                    self.later(0.0, "", self.aimed.pop())
        if core.leads and core.lead is not None:
            for read in [one for one in self.reads[site] if self.rules.stale_reads or core.lead.confirmed >= one.round]:
                self.reads[site].remove(read)
                self.reads_done += 1
                if read.index < read.floor:
                    self.wrong.append(f"{site} read as of {read.index}, {read.floor} was acknowledged")
        else:
            self.reads[site].clear()
        if self.inbox[site] or self.asked[site]:
            self.turn(site)
        elif core.lead is not None:
            more = core.take(self.now)
            assert not more.writes
            for other, message in more.at_once:
                self.send(site, other, message)

    def copy(self, site: str) -> None:
        core, disk = self.cores[site], self.disks[site]
        copying = core.copying
        assert copying is not None
        source = self.cores.get(copying.source)
        if source is None or frozenset((site, copying.source)) in self.cut or source.lead is None:
            core.copy_failed()
            return
        disk.state = dict(self.disks[copying.source].state)
        core.copied(copying)

    def send(self, site: str, other: str, message: Message) -> None:
        pair = frozenset((site, other))
        if pair in self.cut or other not in self.cores:
            return
        epoch, life = self.epoch[pair], self.lives[other]

        def arrive() -> None:
            if self.epoch[pair] == epoch and self.lives[other] == life and pair not in self.cut:
                self.inbox[other].append((site, message))
                self.turn(other)

        # Order on a connection is kept: later messages never overtake.
        due = max(self.now + self.chance.uniform(0.005, 0.06), self.fifo.get((site, other, epoch), 0.0) + 1e-9)
        self.fifo[site, other, epoch] = due
        self.later(due - self.now, other, arrive)

    # Clients

    def write(self) -> None:
        """Every member that believes to lead is asked to write."""
        for site in self.cores:
            self.asked[site] += "w"
            self.turn(site)

    def read(self) -> None:
        """...or to read as of now."""
        for site in self.cores:
            self.asked[site] += "r"
            self.turn(site)

    def ask(self, site: str) -> None:
        core, asked = self.cores[site], self.asked[site]
        self.asked[site] = ""
        for one in asked:
            if not core.leads or core.lead is None:
                return
            if one == "r":
                self.reads[site].append(Read(self.acknowledged, core.lead.confirm(), core.memory.commit))
            elif not core.lead.handing(self.now):
                core.lead.propose("op", b"%d" % self.chance.randrange(8), b"")

    def leaders(self) -> list[str]:
        return [site for site, core in self.cores.items() if core.leads]


def storm(table: Table, lasts_s: float = 20.0, *, faults: int = 8, kinds: tuple[float, float] = (0.0, 1.0)) -> None:
    """Writes, reads and drawn faults; then all is healed, and in the end all members agree. kinds: see `_fault`."""
    chance = table.chance
    at = 0.0
    while at < lasts_s:
        at += chance.expovariate(40.0)
        table.later(at, "", table.write if chance.random() < 0.6 else table.read)
    for _ in range(faults):
        _fault(table, chance.uniform(1.0, lasts_s), chance.uniform(*kinds))
    table.run(lasts_s + 6.0)
    table.aimed.clear()
    table.heal()
    for site in SITES:
        table.revive(site)


def _fault(table: Table, when: float, kind: float) -> None:
    """By kind: a member is cut off (under 0.25), a link parts (0.4), all die at once when a client was just told
    (0.6), one does (0.75), and with its disk (0.85); or with its disk at any moment."""
    chance = table.chance
    site = chance.choice(SITES)
    other, third = chance.sample([one for one in SITES if one != site], 2)
    lasts = chance.uniform(0.05, 4.0)
    if kind < 0.4:
        table.later(when, "", lambda: table.part(site, other))
        if kind < 0.25:
            table.later(when, "", lambda: table.part(site, third))
        table.later(when + lasts, "", table.heal)
        return

    def strike() -> None:
        table.crash(site, destroy=kind > 0.75)
        table.later(lasts, "", lambda: table.revive(site))
        if 0.4 < kind < 0.6:  # all at once, and back soon: what was not on disk is gone everywhere
            for one in (other, third):
                table.crash(one)
                table.later(chance.uniform(0.01, 0.3), "", lambda one=one: table.revive(one))  # type: ignore[misc]

    if kind < 0.85:
        table.later(when, "", lambda: table.aim(strike))
    else:
        table.later(when, "", strike)


def settled(table: Table, within_s: float = 15.0) -> list[str]:
    """What is wrong at the end: one leader, entries go through, all states are equal, nothing is missing."""
    if table.wrong:
        return table.wrong
    if all(not core.memory.hard.voter for core in table.cores.values()):
        return []
    lost = sum(not core.memory.hard.voter for core in table.cores.values())
    table.run(table.now + within_s)
    if table.wrong:
        return table.wrong
    if lost > 1:
        return []  # two memories are lost at once: nobody may decide any more
    leaders = table.leaders()
    if len(leaders) != 1:
        return [f"leaders: {leaders}, " + ", ".join(f"{s} {c.role} {c.term}" for s, c in table.cores.items())]
    before = table.acknowledged
    table.write()
    table.run(table.now + 2.0)
    if table.wrong or table.acknowledged <= before:
        return table.wrong or ["nothing goes through"]
    lasts = [core.memory.commit for core in table.cores.values()]
    states = [table.disks[site].state for site in SITES]
    if len(set(lasts)) > 1 or any(state != states[0] for state in states):
        return [f"members differ: {lasts}"]
    if any(not core.memory.hard.voter for core in table.cores.values()):
        return ["a member was not readmitted"]
    return [] if lasts[0] >= table.acknowledged else ["an acknowledged entry is missing"]
