"""The follower's session: what a failed commit does to what was merged in it."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from antipodes.replica.backbone import Backbone, Channel
from antipodes.replica.follower import Cursor, Follower, Session
from antipodes.replica.messages import Ack, Batch
from antipodes.store.engine import StoreError
from antipodes.store.records import Change, Version
from antipodes.store.store import Store
from antipodes.world.rules import Full
from tests.replica.toy import Toy
from tests.worlds import Worlds

SITE, PEER, T = "us-east-1", "eu-west-1", "toy/t"


class Heard(Channel):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[object] = []
        self.closed = False

    def send(self, message: object) -> None:
        self.said.append(message)

    def close(self) -> None:
        self.closed = True


def batch(upto: int) -> Batch:
    return Batch([Change(T, b"%d" % upto, Version(upto, PEER), b"v")], upto, upto, upto)


def follower_of(worlds: Worlds) -> tuple[Follower, Session, Heard, Store]:
    world = worlds.world(SITE)
    store = Store.open(world, "toy")
    toy = Toy(store)
    toy.share(T, (SITE, PEER))
    backbone = cast("Backbone", None)
    follower = Follower(world, store, {"toy": toy}, backbone, PEER, "", 0, lambda peer: None, dict)
    follower.refresh()
    channel = follower._channel = Heard()
    return follower, Session(channel), channel, store


async def syncs(store: Store) -> None:
    while not store.settled:  # noqa: ASYNC110  (to wait for it would hurry it)
        await asyncio.sleep(0.001)


def test_batches_of_one_commit_are_acknowledged_together(both_worlds: Worlds) -> None:
    async def tell() -> None:
        follower, session, channel, store = follower_of(both_worlds)
        await store.durable()
        for upto in (1, 2, 3):
            await follower._take(session, batch(upto))
        assert channel.said == []
        await syncs(store)
        assert [ack.position for ack in channel.said if isinstance(ack, Ack)] == [3]
        store.close()

    both_worlds.run(tell)


def test_nothing_is_taken_on_top_of_what_did_not_happen(both_worlds: Worlds) -> None:
    """Else the cursor would pass over what was lost."""

    async def tell() -> None:
        follower, session, channel, store = follower_of(both_worlds)
        await store.durable()
        both_worlds.links.set_rules([Full(SITE)])
        await follower._take(session, batch(1))
        await syncs(store)
        assert channel.closed
        both_worlds.links.heal()
        with pytest.raises(StoreError):
            await follower._take(session, batch(2))
        follower._load()
        assert follower._cursor == Cursor()
        assert (channel.said, store.get(b"toy/cell/toy/t\x001")) == ([], None)
        store.close()

    both_worlds.run(tell)
