"""One journal at one site: its member and those who have business with it."""

from __future__ import annotations

from antipodes.replica.journal.copier import Copier
from antipodes.replica.journal.desk import Desk
from antipodes.replica.journal.member import Member
from antipodes.replica.journal.messages import Answer, Ask, Copy, CopyPart, Read, ReadAt, Said
from antipodes.replica.journal.reads import Reads


class Journal:
    """A member with its reads, its desk and its copier: who gets what is said."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.reads = Reads(member)
        self.desk = Desk(member, self.reads)
        self.copier = Copier(member)

    @property
    def others(self) -> tuple[str, ...]:
        """The other members' sites."""
        return self.member.core.others

    def receive(self, sender: str, said: Said) -> None:
        """What another member's journal says."""
        member = self.member
        if sender not in self.others:
            return
        member.heard()
        if isinstance(said, Ask):
            self.desk.serve(sender, said)
        elif isinstance(said, Answer):
            self.desk.answered(said)
        elif isinstance(said, Read):
            member.work(lambda: self.reads.serve(sender, said))
        elif isinstance(said, ReadAt):
            self.reads.answered(said)
        elif isinstance(said, Copy):
            member.work(lambda: self.copier.serve(sender, said))
        elif isinstance(said, CopyPart):
            self.copier.answered(said)
        else:
            member.receive(sender, said)

    def connected(self, site: str) -> None:
        """A connection to another member is open."""
        member = self.member
        member.work(lambda: member.core.connected(site, member.world.monotonic()))

    def lost(self, site: str) -> None:
        """The connection to or from another member broke."""
        if self.member.core.leader == site:
            self.desk.cut()
            self.reads.cut()
