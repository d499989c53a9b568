"""The core of a journal: how three members agree on one order of entries. Pure.

Messages go in, `now` and a source of draws are arguments, effects come out (`take`); there is no clock, no disk, no
network and no waiting. It is the Raft algorithm (Ongaro, Ousterhout, "In Search of an Understandable Consensus
Algorithm", 2014; Ongaro's thesis for pre-vote, reads and hand-over), for three members of which two are a quorum.

What it decides: who leads, which entries hold, who must copy the state, whose voice counts. What it refuses to know:
what an entry means; how far entries are applied it is told.

Why it is safe, in five sentences. (1) An entry holds when two members have it on disk, and a member gives its voice
only to a candidate whose entries are not behind its own; so every leader has all that holds. (2) A leader counts only
entries of its own term; older ones hold with them. (3) A member writes down its term and its voice before it speaks.
(4) A member that lost its disk knows neither: it is silent (`voter` False) until a leader, whose lead the *third*
member confirmed after the loss, has given it all entries: then nothing that it may have promised is missing, for a
promise to a higher term would be known to the third, and all that held under lower terms is with that leader. (5) What
a leader tells of the state is true only while it leads: reads are answered when a quorum was heard from after the
question.

Quick, and still calm: a member that no longer hears its leader first asks whether others would agree (pre-vote), so one
that returns from isolation disturbs nobody; a leader that hears no quorum steps down; and when one member cannot hear
the leader but hears the third, the third is made leader (`Unheard`, `TakeOver`): a Region works while it reaches one
other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from antipodes.replica.journal.lead import QUORUM, Lead
from antipodes.replica.journal.memory import Effects, Memory
from antipodes.replica.journal.messages import (
    Append,
    Appended,
    Entry,
    Hard,
    Install,
    Message,
    Readmit,
    TakeOver,
    Unheard,
    Vote,
    Voted,
)

PATIENCE_S = (0.7, 1.2)  # without a leader's sign of life until a member asks to lead; drawn in between

Role = Literal["follower", "asking", "candidate", "leader"]


@dataclass(frozen=True, slots=True)
class Copying:
    """The state as of `index` is to be copied from `source`."""

    source: str
    index: int
    term: int


class Core:
    """One member. seat: the name of its memory; hard, entries, applied: what it had written down."""

    def __init__(
        self,
        site: str,
        members: Sequence[str],
        seat: str,
        hard: Hard,
        entries: Sequence[Entry],
        applied: int,
        now: float,
        draw: Callable[[], float],
    ) -> None:
        assert site in members, "a member of the journal"
        assert len(members) == 3, "a journal has three members"
        self.site = site
        self.others = tuple(one for one in members if one != site)
        self.memory = Memory(hard, entries, applied)
        self.role: Role = "follower"
        self.leader = ""  # of this term, as far as known
        self.lead: Lead | None = None
        self.copying: Copying | None = None
        self._seat = seat
        self._draw = draw
        self._votes: list[str] = []
        self._heard_at = now - 1e9  # the leader
        self._deadline = now + self._patience_s()
        self._had = 0  # the leader says: all members have the entries up to this one
        self._out = Effects()

    @property
    def term(self) -> int:
        return self.memory.hard.term

    @property
    def leads(self) -> bool:
        """Leads, and its state has all that held before: may judge and answer."""
        return self.lead is not None and self.memory.applied >= self.lead.first

    @property
    def wakes_at(self) -> float:
        """When `tick` is due."""
        return self.lead.beat_at if self.lead is not None else self._deadline

    # What is told to it

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self.lead is not None:
            if not self.lead.tick(now):
                self._follow("", now)
        elif now >= self._deadline:
            self._deadline = now + self._patience_s()
            if self.memory.hard.voter and self.memory.hard.whole:
                self._campaign(now, pre=True)

    def persisted(self, upto: int) -> None:
        """What `take` gave is on disk: entries up to `upto`."""
        self.memory.durable = min(upto, self.memory.last)
        if self.lead is not None:
            self.lead.advance()

    def connected(self, site: str, now: float) -> None:
        """A connection to another member is open again."""
        if self.lead is not None and site in self.others:
            self.lead.connected(site, now)

    def compact(self, keep: int, most: int, now: float) -> None:
        """Forgets old entries, but for the newest `keep`; those that a member lacks stay, up to `most` altogether."""
        memory = self.memory
        had = self.lead.had(now) if self.lead is not None else self._had
        upto = min(memory.applied, memory.durable, max(min(memory.last - keep, had), memory.last - most))
        if upto > memory.hard.base:
            memory.drop(upto)

    def copied(self, copying: Copying) -> None:
        """The state as of an entry (or later) is copied."""
        if self.copying == copying:
            self.copying = None
            self.memory.begin_at(copying.index, copying.term)

    def copy_failed(self) -> None:
        """The source is gone, or leads no longer: a leader will say so anew."""
        self.copying = None

    def receive(self, sender: str, message: Message, now: float) -> None:
        """A message of another member."""
        if sender not in self.others:
            return
        if isinstance(message, Vote):
            self._judge(sender, message, now)
            return
        if message.term > self.term and not (isinstance(message, Voted) and message.granted):
            self._adopt(message.term, now)
        if isinstance(message, Append):
            self._follow_append(sender, message, now)
        elif isinstance(message, Voted):
            self._count(sender, message, now)
        elif message.term == self.term:
            self._receive_now(sender, message, now)

    def _receive_now(self, sender: str, message: Appended | Install | Readmit | Unheard | TakeOver, now: float) -> None:
        """What counts in this term only."""
        hard = self.memory.hard
        if isinstance(message, Appended):
            if self.lead is not None:
                self.lead.hear(sender, message, now)
        elif isinstance(message, Unheard):
            if self.lead is not None:
                self.lead.hand_over(sender, message.site, now)
        elif isinstance(message, Install):
            self._heard(sender, now)
            if self.copying is None or self.copying.source != sender:
                self.copying = Copying(sender, message.index, message.index_term)
                self.memory.change(whole=False)
        elif isinstance(message, Readmit):
            if message.seat == self._seat and not hard.voter:
                self.memory.change(voter=True, voted=sender)
        elif hard.voter and hard.whole and self.lead is None:
            self._campaign(now, pre=False, handed=True)

    def take(self, now: float) -> Effects:
        """What is to be done because of all that was told since the last time."""
        if self.lead is not None:
            self.lead.send(now)
        out, self._out = self._out, Effects()
        if self.lead is not None:
            self.lead.out = self._out.at_once
        self.memory.take(out)
        return out

    def take_messages(self, now: float) -> list[tuple[str, Message]]:
        """What a leader has to say since `persisted`: how far all holds now."""
        if self.lead is not None:
            self.lead.send(now)
        messages, self._out.at_once = self._out.at_once, []
        if self.lead is not None:
            self.lead.out = self._out.at_once
        return messages

    # Who leads

    def _patience_s(self) -> float:
        least, most = PATIENCE_S
        return least + self._draw() * (most - least)

    def _adopt(self, term: int, now: float) -> None:
        """A later term than ours is known."""
        self.memory.change(term=term, voted="")
        self._follow("", now)

    def _follow(self, leader: str, now: float) -> None:
        if self.lead is not None:
            self._heard_at = now - 1e9
        self.role, self.lead = "follower", None
        self.leader = leader
        self._deadline = now + self._patience_s()

    def _heard(self, leader: str, now: float) -> None:
        """A sign of life of this term's leader."""
        if self.role != "follower" or self.leader != leader:
            self._follow(leader, now)
        self._heard_at = now
        self._deadline = now + self._patience_s()

    def _campaign(self, now: float, *, pre: bool, handed: bool = False) -> None:
        self.leader = ""
        self._votes = [self.site]
        self._deadline = now + self._patience_s()
        memory = self.memory
        if not pre:
            memory.change(term=self.term + 1, voted=self.site)
        self.role = "asking" if pre else "candidate"
        vote = Vote(self.term + pre, memory.last, memory.term_at(memory.last), pre, handed)
        for site in self.others:
            (self._out.at_once if pre else self._out.after).append((site, vote))

    def _judge(self, sender: str, vote: Vote, now: float) -> None:
        """Whether to give a candidate our voice. While a leader is heard, nobody else gets it, unless that leader
        wants it so."""
        memory = self.memory
        hears = self.lead is not None or (bool(self.leader) and now - self._heard_at < PATIENCE_S[0])
        behind = (vote.last_term, vote.last) < (memory.term_at(memory.last), memory.last)
        if vote.pre:
            granted = vote.term > self.term and memory.hard.voter and not (hears or behind)
            self._out.at_once.append((sender, Voted(vote.term if granted else self.term, granted, True)))
            if hears and self.lead is None and self.leader != sender:
                self._out.at_once.append((self.leader, Unheard(self.term, sender)))
            return
        if hears and not vote.handed:
            return
        if vote.term > self.term:
            self._adopt(vote.term, now)
        hard = memory.hard
        granted = hard.voter and vote.term == hard.term and not behind and hard.voted in ("", sender)
        if granted:
            self._deadline = now + self._patience_s()
            if not hard.voted:
                memory.change(voted=sender)
        self._out.after.append((sender, Voted(self.term, granted)))

    def _count(self, sender: str, voted: Voted, now: float) -> None:
        asked = self.role == ("asking" if voted.pre else "candidate")
        if not asked or not voted.granted or voted.term != self.term + voted.pre or sender in self._votes:
            return
        self._votes.append(sender)
        if len(self._votes) < QUORUM:
            return
        if voted.pre:
            self._campaign(now, pre=False)
        else:
            self.role, self.leader = "leader", self.site
            self.lead = Lead(self.site, self.others, self.memory, self._out.at_once, now)

    # Following

    def _follow_append(self, sender: str, append: Append, now: float) -> None:
        if append.term < self.term:
            self._answer(sender, append, ok=False, upto=0)
            return
        self._heard(sender, now)
        memory = self.memory
        base = memory.hard.base
        after, after_term, entries = append.after, append.after_term, append.entries
        if after < base:  # what we keep no longer holds
            entries = [one for one in entries if one.index > base]
            after_term = memory.hard.base_term
            after = base
        if not memory.hard.whole:
            self._answer(sender, append, ok=False, upto=0)
        elif after > memory.last or memory.term_at(after) != after_term:
            self._answer(sender, append, ok=False, upto=min(memory.last, memory.commit))
        else:
            self._take_entries(entries)
            upto = after + len(entries)
            memory.commit = max(memory.commit, min(append.commit, upto))
            self._had = append.had
            self._answer(sender, append, ok=True, upto=upto)

    def _take_entries(self, entries: list[Entry]) -> None:
        memory = self.memory
        for entry in entries:
            if entry.index <= memory.last:
                if memory.term_at(entry.index) == entry.term:
                    continue
                memory.cut(entry.index)
            memory.add(entry)

    def _answer(self, sender: str, append: Append, *, ok: bool, upto: int) -> None:
        hard = self.memory.hard
        answer = Appended(self.term, ok, upto, append.round, hard.voter, hard.whole, self._seat)
        self._out.after.append((sender, answer))
