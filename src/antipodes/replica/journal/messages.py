"""What the members of a journal say to each other, and what each keeps. Pure values.

    candidate ──Vote──▶ members      may I lead?  (pre: would you say yes? nothing is promised yet)
              ◀─Voted──
    leader ───Append──▶ member       entries after a place, how far all is committed, the number of the round
              ◀Appended─             durable here up to ...; or: not from there
           ──Install──▶              you are too far behind: copy my state, then go on from there
           ──Readmit──▶              you know again all that you may have promised: your voice counts
    member ──Unheard──▶ leader       another member cannot hear you, and I hear both
    leader ──TakeOver─▶ member       lead in my place

Requests on their way to the leader, reads and copies of the state (`Ask` to `CopyPart`) are not the core's: desk.py,
reads.py, copier.py.
"""

from __future__ import annotations

import msgspec

PURPOSE = "journal"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One entry. op: which request it carries out ("": a term's first entry, which does nothing). answer: what the one
    who asked is told, so that a request that is asked twice is carried out once."""

    index: int
    term: int
    op: str
    data: bytes
    answer: bytes = b""


class Hard(msgspec.Struct, frozen=True, array_like=True):
    """What a member must not forget, besides its entries.

    voter False: it lost its memory, and may neither vote nor be counted. whole False: its state is half a copy.
    base, base_term: the last entry that it keeps no longer.
    """

    term: int = 0
    voted: str = ""
    voter: bool = True
    whole: bool = True
    base: int = 0
    base_term: int = 0


class Vote(msgspec.Struct, frozen=True, array_like=True, tag="vote"):
    """Asks to lead in `term`; last, last_term: its last entry. handed: the leader itself wants it so."""

    term: int
    last: int
    last_term: int
    pre: bool = False
    handed: bool = False


class Voted(msgspec.Struct, frozen=True, array_like=True, tag="voted"):
    """The answer; term: the one asked for when granted, else the member's own."""

    term: int
    granted: bool
    pre: bool = False


class Append(msgspec.Struct, frozen=True, array_like=True, tag="append"):
    """Entries that follow the one at `after`; without entries a sign of life. Everything up to `commit` holds, and all
    members have what comes up to `had`."""

    term: int
    after: int
    after_term: int
    entries: list[Entry]
    commit: int
    round: int
    had: int = 0


class Appended(msgspec.Struct, frozen=True, array_like=True, tag="appended"):
    """ok: the member durably has the leader's entries up to `upto`. Not ok: try again behind `upto`."""

    term: int
    ok: bool
    upto: int
    round: int
    voter: bool
    whole: bool
    seat: str


class Install(msgspec.Struct, frozen=True, array_like=True, tag="install"):
    """The entries that the member lacks are kept no longer: the state as of `index` is to be copied."""

    term: int
    index: int
    index_term: int


class Readmit(msgspec.Struct, frozen=True, array_like=True, tag="readmit"):
    """To the memory named `seat`: it has all that an earlier memory of this member can have promised."""

    term: int
    seat: str


class Unheard(msgspec.Struct, frozen=True, array_like=True, tag="unheard"):
    """`site` cannot hear the leader; the sender hears both."""

    term: int
    site: str


class TakeOver(msgspec.Struct, frozen=True, array_like=True, tag="takeover"):
    """Lead in my place: at once, without asking whether others would agree."""

    term: int


Message = Vote | Voted | Append | Appended | Install | Readmit | Unheard | TakeOver


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """A request for the leader of `term`. since: how far all was committed when it was first asked; again: it may have
    been carried out already."""

    op: str
    term: int
    since: int
    again: bool
    body: bytes


class Answer(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    """outcome: "done" (body is the answer), "refused" (not the leader; nothing was done), "lost" (leads no longer; it
    may have been done), "unknown" (too long ago to tell)."""

    op: str
    outcome: str
    body: bytes = b""


class Read(msgspec.Struct, frozen=True, array_like=True, tag="read"):
    """How far must a member's state be, so that it has all that was acknowledged before now?"""

    number: int
    term: int
    voter: bool


class ReadAt(msgspec.Struct, frozen=True, array_like=True, tag="readat"):
    """So far; -1: not the leader of that term, or not yet able to tell."""

    number: int
    index: int


class Copy(msgspec.Struct, frozen=True, array_like=True, tag="copy"):
    """Asks the leader for a part of its state: what comes after a key."""

    number: int
    after: bytes


class CopyPart(msgspec.Struct, frozen=True, array_like=True, tag="part"):
    """Rows of the state in key order; last: there are no more."""

    number: int
    rows: list[tuple[bytes, bytes]]
    last: bool


Said = (
    Vote
    | Voted
    | Append
    | Appended
    | Install
    | Readmit
    | Unheard
    | TakeOver
    | Ask
    | Answer
    | Read
    | ReadAt
    | Copy
    | CopyPart
)


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """What travels: for which journal, and what is said."""

    journal: str
    said: Said


parcel_decoder = msgspec.msgpack.Decoder(Parcel)
entry_decoder = msgspec.msgpack.Decoder(Entry)
hard_decoder = msgspec.msgpack.Decoder(Hard)
