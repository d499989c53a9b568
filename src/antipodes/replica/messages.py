"""What leader and follower say to each other. Pure values.

    follower                              leader
    Follow (the hello)        ────▶
                              ◀────   Welcome      where the stream begins, which topics it carries
                              ◀────   Batch ...    changes, how far the log has been read, where it ends
    Ack (durable here)        ────▶
    Holding (topics changed)  ────▶
                              ◀────   Carrying     which topics the stream carries from here on

A second connection ("snapshot") backfills, one topic after the other:

    Copy (a topic, from a key on)  ────▶
                                   ◀────   Part ...     records in key order; a bounded number of parts ahead
    Taken (a part is durable here) ────▶
"""

from __future__ import annotations

import msgspec

from antipodes.store.records import Change

REPLICATE = "replicate"
SNAPSHOT = "snapshot"
HEARTBEAT_S = 1.0  # a leader is never silent for longer


class Follow(msgspec.Struct, frozen=True, array_like=True):
    """The hello: who follows, what it knows of the leader ("" and 0: nothing), which shared topics it holds. since: of
    those whose copy was begun, up to which position the copy has all that there was."""

    site: str
    incarnation: str
    position: int
    topics: tuple[str, ...]
    since: dict[str, int] = {}


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag="welcome"):
    """The stream begins after `position`. resumed False: the follower's position is of no use (another incarnation of
    the leader, or its log no longer reaches back so far): what lies before must be backfilled."""

    incarnation: str
    position: int
    resumed: bool
    end: int
    carrying: tuple[str, ...]


class Carrying(msgspec.Struct, frozen=True, array_like=True, tag="carrying"):
    """From here on the stream carries these topics. A topic that is new among them was missing before: backfill it. Of
    its changes the stream has those after `end`, where the log ends."""

    topics: tuple[str, ...]
    end: int


class Batch(msgspec.Struct, frozen=True, array_like=True, tag="batch"):
    """Changes in log order; the log has been read up to `upto` (what was left out does not concern this follower) and
    ends at `end`. Empty: progress, or just a sign of life. clock: later changes of the leader's own have a Version
    with a greater time."""

    changes: list[Change]
    upto: int
    end: int
    clock: int = 0


class Ack(msgspec.Struct, frozen=True, array_like=True, tag="ack"):
    """Everything up to `position` is durable at the follower. heard: once in a while, what it has of each of its
    leaders: all changes of their own up to that `Batch.clock`."""

    position: int
    at: float = 0.0  # the follower's time, epoch seconds
    heard: dict[str, int] | None = None


class Holding(msgspec.Struct, frozen=True, array_like=True, tag="holding"):
    """The shared topics that the follower now holds."""

    topics: tuple[str, ...]


class Copy(msgspec.Struct, frozen=True, array_like=True, tag="copy"):
    """Asks for the records of a topic with key > after (b"": all)."""

    topic: str
    after: bytes


class Taken(msgspec.Struct, frozen=True, array_like=True, tag="taken"):
    """A part is merged and durable: one more may be sent."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Records in key order, all durable. last: there are no more. refused: the topic is not shared with the asker."""

    incarnation: str
    changes: list[Change]
    last: bool
    refused: bool = False


follow_decoder = msgspec.msgpack.Decoder(Follow)
site_decoder = msgspec.msgpack.Decoder(str)
to_copier = msgspec.msgpack.Decoder(Copy | Taken)
part_decoder = msgspec.msgpack.Decoder(Part)
to_leader = msgspec.msgpack.Decoder(Ack | Holding)
to_follower = msgspec.msgpack.Decoder(Welcome | Carrying | Batch)


def bare(change: Change) -> Change:
    """The change as it travels: without the value it replaced here, which may differ from what it replaces there, and
    without who did it here (a replicated expiry carries no identity: facts 1.4)."""
    if change.before is None and not change.by:
        return change
    return Change(change.topic, change.key, change.version, change.value, note=change.note)


def size_bytes(change: Change) -> int:
    """About what a change takes on the wire."""
    return 64 + len(change.topic) + len(change.key) + len(change.value or b"") + len(change.note)
