"""One member's time as the leader of a journal. Pure; a part of the core, which see.

What it decides: what to send to whom, which entries hold, who must copy the state, when a member that lost its memory
has a voice again, when the lead is handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from antipodes.replica.journal.memory import Memory
from antipodes.replica.journal.messages import Append, Appended, Entry, Install, Message, Readmit, TakeOver

QUORUM = 2
BEAT_S = 0.2
QUORUM_PATIENCE_S = 1.0  # without a quorum until a leader steps down
INSTALL_AGAIN_S = 2.0
HAND_OVER_S = 0.5
BATCH_BYTES = 256 << 10
FLYING = 32  # messages with entries that one member has not answered yet
COPY_HOLDS_S = 60.0  # entries are kept so long for a member that copies the state


def next_beat(now: float) -> float:
    """When a leader shows its next sign of life: within BEAT_S. The leaders of many journals of one site do so at the
    same moments, so that a site that idles wakes once for all of them."""
    return (int(now / BEAT_S + 0.001) + 1) * BEAT_S  # however `now`, which mostly is a beat itself, was rounded


@dataclass(slots=True)
class Peer:
    """What a leader knows of another member."""

    next: int  # the entry to send next
    match: int = 0  # it durably has what this leader has, up to here
    round: int = 0  # the latest round that it answered
    told: int = 0  # ...that entries hold up to here
    flying: int = 0
    heard_at: float = -1e9
    installed_at: float = -1e9  # when it was last told to copy
    copying: int = -1  # ...as of which entry
    voter: bool = False
    seat: str = ""
    admitting: tuple[int, int] | None = None  # (round, entry): with both a memory that was lost is whole again


class Lead:
    """The lead of one member in one term. `out` gets the messages."""

    def __init__(
        self, site: str, others: Sequence[str], memory: Memory, out: list[tuple[str, Message]], now: float
    ) -> None:
        self.peers = {one: Peer(next=memory.last + 1) for one in others}
        self.round = 0
        self.beat_at = now
        self.out = out
        self._memory = memory
        self._term = memory.hard.term
        self._quorum_at = now
        self._round_wanted = False
        self._handing: tuple[str, float] = ("", 0.0)  # to whom, and until when no entries are added for it
        memory.add(Entry(memory.last + 1, self._term, "", b""))
        self.first = memory.last  # when it holds, all that held before does, and is known to
        self._begin_round(now)

    @property
    def confirmed(self) -> int:
        """The latest round that a quorum answered: its members knew no later leader when they did."""
        return max((peer.round for peer in self.peers.values() if peer.voter), default=0)

    def handing(self, now: float) -> bool:
        """The lead is being handed over: no entries are added."""
        return now < self._handing[1]

    def tick(self, now: float) -> bool:
        """Time has passed. False: no quorum was heard for too long, the lead is over."""
        if now - self._quorum_at > QUORUM_PATIENCE_S:
            return False
        if now >= self.beat_at:
            self._begin_round(now)
        for peer in self.peers.values():
            if now - peer.heard_at > QUORUM_PATIENCE_S:
                self._probe(peer)
        return True

    def propose(self, op: str, data: bytes, answer: bytes) -> int:
        self._memory.add(Entry(self._memory.last + 1, self._term, op, data, answer))
        return self._memory.last

    def confirm(self) -> int:
        """Begins a round; once `confirmed` reaches its number, this was still the leader after the call."""
        self._round_wanted = True
        return self.round + 1

    def connected(self, site: str, now: float) -> None:
        """What was under way on the old connection is lost."""
        self._probe(self.peers[site])
        self.beat_at = now

    def send(self, now: float) -> None:
        """Sends what is to be sent."""
        if self._round_wanted:
            self._begin_round(now)
        for site, peer in self.peers.items():
            while peer.next <= self._memory.last and (entries := self._batch(peer)):
                self._send(site, peer, entries)
            if peer.told < self._memory.commit:
                self._send(site, peer, [])

    def had(self, now: float) -> int:
        """All members have the entries up to this one, or have the state that they make."""
        return min(
            max(one.match, one.copying if now - one.installed_at < COPY_HOLDS_S else 0) for one in self.peers.values()
        )

    def hear(self, sender: str, appended: Appended, now: float) -> None:
        """A member's answer, of this term."""
        peer = self.peers[sender]
        peer.heard_at = now
        peer.flying = max(0, peer.flying - 1)
        if peer.seat != appended.seat:  # another memory: what the last one had is gone
            peer.seat, peer.match, peer.admitting, peer.copying = appended.seat, 0, None, -1
        peer.voter = appended.voter
        if appended.ok:
            peer.match = max(peer.match, appended.upto)
            peer.next = max(peer.next, peer.match + 1)
        elif appended.whole:
            peer.next = max(min(appended.upto, self._memory.last), peer.match) + 1
            peer.flying = 0
        if appended.voter:
            peer.round = max(peer.round, appended.round)
            self._quorum_at = now
        if not appended.whole or peer.next <= self._memory.hard.base:
            self._install(sender, peer, now)
        elif peer.match >= peer.copying:
            peer.copying = -1
        self.advance()
        for site, one in self.peers.items():
            if one.seat and not one.voter:
                self._admit(site, one)
        if self._handing == (sender, self._handing[1]) and self.handing(now):
            self._hand(sender)

    def advance(self) -> None:
        """Entries hold that a quorum has on disk, from the first of the leader's own term on."""
        memory = self._memory
        matches = sorted([memory.durable, *(one.match for one in self.peers.values() if one.voter)], reverse=True)
        if len(matches) >= QUORUM:
            index = min(matches[QUORUM - 1], memory.last)
            if index > memory.commit and memory.term_at(index) == self._term:
                memory.commit = index

    def hand_over(self, sender: str, unheard: str, now: float) -> None:
        """The sender hears both us and a member that hears us no longer: it leads better than we."""
        if unheard not in self.peers or now - self.peers[unheard].heard_at < QUORUM_PATIENCE_S / 2:
            return
        if not self.handing(now):
            self._handing = (sender, now + HAND_OVER_S)
        self._hand(sender)

    def _hand(self, site: str) -> None:
        peer = self.peers[site]
        if peer.voter and peer.match == self._memory.last:
            self.out.append((site, TakeOver(self._term)))

    def _begin_round(self, now: float) -> None:
        self._round_wanted = False
        self.round += 1
        self.beat_at = next_beat(now)
        for site, peer in self.peers.items():
            self._send(site, peer, self._batch(peer))

    def _batch(self, peer: Peer) -> list[Entry]:
        if peer.next <= self._memory.hard.base or peer.flying >= FLYING:
            return []
        return self._memory.from_(peer.next, BATCH_BYTES)

    def _send(self, site: str, peer: Peer, entries: list[Entry]) -> None:
        # A member that lacks what is gone here gets a sign of life only; `_install` says the rest.
        after = max(peer.next - 1, self._memory.hard.base)
        memory = self._memory
        had = min(one.match for one in self.peers.values())
        self.out.append(
            (site, Append(self._term, after, memory.term_at(after), entries, memory.commit, self.round, had))
        )
        peer.told = memory.commit
        if entries:
            peer.flying += 1
            peer.next = entries[-1].index + 1

    def _probe(self, peer: Peer) -> None:
        """Begins anew behind what the member is known to have; if nothing is, its answer will say."""
        peer.flying = 0
        if peer.match:
            peer.next = peer.match + 1

    def _install(self, site: str, peer: Peer, now: float) -> None:
        memory = self._memory
        if now - peer.installed_at > INSTALL_AGAIN_S:
            peer.installed_at = now
            peer.copying = memory.applied
            self.out.append((site, Install(self._term, memory.applied, memory.term_at(memory.applied))))

    def _admit(self, site: str, peer: Peer) -> None:
        """A memory that was lost is whole again when it has all entries up to one that was the last when the third
        member confirmed, after the loss, that this is the leader."""
        if peer.admitting is None:
            peer.admitting = (self.confirm(), self._memory.last)
        of_round, index = peer.admitting
        if self.confirmed >= of_round and peer.match >= index:
            self.out.append((site, Readmit(self._term, peer.seat)))
