"""When tombstones are collected: not before all replicas that anyone knows of are known here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from antipodes.services.dynamodb import collecting
from antipodes.services.dynamodb.service import DynamoDB
from tests.dynamodb.conftest import Planet, ask, until
from tests.dynamodb.test_replicas import EAST, EUROPE, KEY, WEST, creating, everywhere, item

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
ROUNDS_S = 10 * collecting.COLLECT_S / 1000  # the world of these tests sleeps a thousandth


async def deleted_everywhere(planet: Planet) -> list[DynamoDB]:
    """An item was deleted, and every replica is believed to have heard of it."""
    services = await everywhere(planet, EAST, WEST)
    await ask(services[0], "PutItem", item("x"))
    await ask(services[0], "DeleteItem", KEY)
    planet.carry()
    return services


def tombstones(planet: Planet, region: str) -> int:
    return sum(one.value is None for one in planet.changes(region))


def test_a_tombstone_stays_while_another_replica_cannot_be_asked(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, _ = await deleted_everywhere(planet)
        planet.cut.add(frozenset((EAST, WEST)))
        east.replication.settled = lambda topic: east.database.store.stamp().time
        await asyncio.sleep(ROUNDS_S)
        assert tombstones(planet, EAST) == 1
        planet.cut.clear()
        await until(lambda: tombstones(planet, EAST) == 0)

    run(story)


def test_a_tombstone_stays_while_another_replica_knows_of_one_more(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await deleted_everywhere(planet)
        west.replicas._news.tell = lambda: None  # type: ignore[method-assign]  # its news are long on the way
        await ask(west, "UpdateTable", creating(EUROPE))
        east.replication.settled = lambda topic: east.database.store.stamp().time
        await asyncio.sleep(ROUNDS_S)
        assert tombstones(planet, EAST) == 1
        assert EUROPE not in east.database.tables["Things"].shared.members

    run(story)
