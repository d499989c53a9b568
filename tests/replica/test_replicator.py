"""Replication between whole sites, in both worlds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from antipodes.replica.backbone import Backbone, Channel
from antipodes.replica.follower import Follower, Following
from antipodes.replica.leader import Leader
from antipodes.replica.messages import REPLICATE, Ack
from antipodes.store.engine import StoreError
from antipodes.store.records import Change
from antipodes.world.geography import round_trip_ms
from antipodes.world.rules import Full, Paused
from antipodes.world.world import World
from tests.replica.planet import SITES, ToyPlanet, story
from tests.replica.toy import ToySite
from tests.worlds import Worlds

T = "toy/t"


async def settle(world: World, sites: list[ToySite]) -> None:
    for _ in range(600):
        cells = [site.toy.cells(T) for site in sites]
        if all(one == cells[0] for one in cells) and not any(site.replicator.missing(T) for site in sites):
            return
        await world.sleep(0.05)
    raise AssertionError([site.replicator.status() for site in sites])


async def start(worlds: Worlds, port: int) -> list[ToySite]:
    sites = [ToySite(worlds.world(site), SITES, port=port) for site in SITES]
    for site in sites:
        site.share(T, SITES)
        await site.start()
    return sites


def test_three_sites_agree_over_a_partition_and_a_restart(both_worlds: Worlds) -> None:
    async def tell() -> None:
        port = both_worlds.free_port()
        us, eu, ap = sites = await start(both_worlds, port)
        for n in range(40):
            await sites[n % 3].toy.put(T, b"%d" % (n % 7), b"%d" % n)
        await settle(us.world, sites)
        both_worlds.links.partition(SITES[0], SITES[1])
        await us.toy.put(T, b"0", b"us says")
        await eu.toy.put(T, b"0", b"eu says")
        await ap.stop()
        for n in range(300):
            await us.toy.put(T, b"%d" % n, bytes(n))
        both_worlds.links.heal()
        ap = ToySite(both_worlds.world(SITES[2]), SITES, port=port)
        await ap.start()
        sites = [us, eu, ap]
        await settle(us.world, sites)
        assert len(us.toy.cells(T)) == 300
        for site in sites:
            await site.stop()

    both_worlds.run(tell)


def test_a_pause_holds_back_one_site_and_no_other_and_shows_how_much_waits(both_worlds: Worlds) -> None:
    async def tell() -> None:
        us, eu, ap = sites = await start(both_worlds, both_worlds.free_port())
        await us.toy.put(T, b"k", b"before")
        await settle(us.world, sites)
        both_worlds.links.add(Paused(SITES[2]))
        for n in range(10):
            await us.toy.put(T, b"k", b"us %d" % n)
            await ap.toy.put(T, b"own", b"ap %d" % n)
        while dict(eu.toy.cells(T)) != dict(us.toy.cells(T)) or behind(ap, SITES[0]) < 10:
            await us.world.sleep(0.05)
        assert dict(ap.toy.cells(T))[b"k"].value == b"before"
        assert b"own" not in dict(us.toy.cells(T))
        both_worlds.links.heal()
        await settle(us.world, sites)
        for site in sites:
            await site.stop()

    both_worlds.run(tell)


def test_a_pause_towards_one_site_leaves_the_way_back_open_and_holds_a_backfill(both_worlds: Worlds) -> None:
    async def tell() -> None:
        us, eu, _ = sites = await start(both_worlds, both_worlds.free_port())
        both_worlds.links.add(Paused(SITES[0], toward=SITES[1]))
        await us.toy.put("toy/young", b"k", b"us")
        await eu.toy.put(T, b"k", b"eu")
        for site in (us, eu):
            site.share("toy/young", SITES[:2])
        while dict(us.toy.cells(T)) == {}:
            await us.world.sleep(0.05)
        await us.world.sleep(0.3)
        assert "toy/young" in next(one for one in eu.replicator.status() if one.peer == SITES[0]).missing
        both_worlds.links.heal()
        while dict(eu.toy.cells("toy/young")) == {}:
            await us.world.sleep(0.05)
        await settle(us.world, sites)
        for site in sites:
            await site.stop()

    both_worlds.run(tell)


def test_a_stream_that_is_behind_brings_a_new_holder_nothing_of_before_its_copy(both_worlds: Worlds) -> None:
    async def tell() -> None:
        us, eu, ap = sites = await start(both_worlds, both_worlds.free_port())
        await settle(us.world, sites)
        both_worlds.links.add(Paused(SITES[0], toward=SITES[1]))
        await us.toy.put(T, b"k", b"old")
        eu.toy.drop(T)
        eu.replicator.refresh()
        for site in (us, ap):
            site.share(T, (SITES[0], SITES[2]))
        while dict(ap.toy.cells(T)) == {}:
            await us.world.sleep(0.05)
        for site in (us, ap):  # deleted, and its tombstone collected
            site.store.write([(key, None) for key, _ in list(site.store.range(b"toy/cell/", b"toy/cell0"))])
            await site.store.durable()
        await us.toy.put(T, b"new", b"v")
        for site in sites:
            site.share(T, SITES)
        await us.world.sleep(0.5)  # the stream carries it again, and stands before all of that
        both_worlds.links.heal()
        while eu.replicator.status()[0].position < us.store.end:
            await us.world.sleep(0.05)
        await settle(us.world, sites)
        assert list(dict(eu.toy.cells(T))) == [b"new"]
        for site in sites:
            await site.stop()

    both_worlds.run(tell)


def test_a_site_whose_disk_is_full_refuses_and_catches_up_when_there_is_room(both_worlds: Worlds) -> None:
    async def tell() -> None:
        us, eu, _ = sites = await start(both_worlds, both_worlds.free_port())
        await eu.toy.put(T, b"kept", b"v")
        await settle(us.world, sites)
        both_worlds.links.add(Full(SITES[1]))
        with pytest.raises(StoreError, match="No space left"):
            await eu.toy.put(T, b"refused", b"v")
        for n in range(200):
            await us.toy.put(T, b"%d" % n, b"v")
        while not any("No space left" in status.problem for status in eu.replicator.status()):
            await us.world.sleep(0.05)
        assert sorted(dict(eu.toy.cells(T))) == [b"kept"]
        both_worlds.links.heal()
        await settle(us.world, sites)
        assert len(eu.toy.cells(T)) == 201
        for site in sites:
            await site.stop()

    both_worlds.run(tell)


def behind(site: ToySite, peer: str) -> int:
    return next(status.behind for status in site.replicator.status() if status.peer == peer)


def test_status_tells_of_lag_and_connection(both_worlds: Worlds) -> None:
    async def tell() -> None:
        sites = await start(both_worlds, both_worlds.free_port())
        us, eu = sites[:2]
        await us.toy.put(T, b"k", b"first")
        await settle(us.world, sites)
        for n in range(20):
            await us.toy.put(T, b"k", b"%d" % n)
        await settle(us.world, sites)

        def at_eu() -> Following:
            return next(status for status in eu.replicator.status() if status.peer == SITES[0])

        status = at_eu()
        one_way_ms = round_trip_ms(SITES[0], SITES[1]) / 2 * both_worlds.scale
        assert status.connected
        assert status.behind == 0
        assert status.position <= us.store.end
        assert status.applied >= 20
        assert status.lag_ms is not None
        assert status.lag_ms >= one_way_ms
        assert status.lag_p50_ms is not None
        assert status.lag_p99_ms is not None
        assert status.lag_p50_ms <= status.lag_p99_ms
        both_worlds.links.partition(SITES[0], SITES[1])
        while at_eu().connected:
            await us.world.sleep(0.1)
        assert at_eu().behind == -1
        for site in sites:
            await site.stop()

    both_worlds.run(tell)


def test_a_change_arrives_one_link_delay_after_its_commit() -> None:
    """In virtual time, where distance is exact: beyond the link (and its jitter) only the two syncs take time."""

    async def tell(planet: ToyPlanet, chance: object) -> None:
        await planet.share(T, *SITES)
        world = planet.simulation.world(SITES[0])
        await world.sleep(3)
        for _ in range(50):
            planet.put(SITES[0], T, b"k", b"v")
            await world.sleep(0.01)
        await world.sleep(1)
        for site in SITES[1:]:
            status = next(s for s in planet.up[site].replicator.status() if s.peer == SITES[0])
            one_way_ms = round_trip_ms(SITES[0], site) / 2
            assert status.lag_p50_ms is not None
            assert one_way_ms <= status.lag_p50_ms <= one_way_ms * 1.05 + 4

    story(3, tell)


def test_acknowledged_positions_survive_a_restart_and_let_the_log_be_trimmed() -> None:
    async def tell(planet: ToyPlanet, chance: object) -> None:
        await planet.share(T, *SITES)
        world = planet.simulation.world(SITES[0])
        us = planet.up[SITES[0]]
        for n in range(300):
            await planet.at(SITES[0], planet._put(SITES[0], T, b"%d" % n, b"v"))
        await world.sleep(10)
        assert us.replicator.safe_position() == us.store.end
        assert us.store.begin == us.store.end, "everybody has it"
        end = us.store.end
        planet.crash(SITES[1])
        planet.crash(SITES[0])
        await planet.boot(SITES[0])
        us = planet.up[SITES[0]]
        assert us.replicator.safe_position() >= end - 1
        for n in range(20):
            await planet.at(SITES[0], planet._put(SITES[0], T, b"%d" % n, b"w"))
        await world.sleep(10)
        assert us.store.begin <= end, "one of the peers lacks the rest"

    story(4, tell, keep_entries=100)


def test_a_peer_that_copies_has_not_all_whatever_of_the_log_it_acknowledges() -> None:
    async def tell(planet: ToyPlanet, chance: object) -> None:
        await planet.share(T, *SITES)
        us, eu = planet.up[SITES[0]], planet.up[SITES[1]]
        world = planet.simulation.world(SITES[0])
        await world.sleep(3)
        assert us.replicator.complete(SITES[1])
        planet.simulation.links.partition(SITES[0], SITES[1])
        for n in range(200):
            planet.put(SITES[0], T, b"%d" % n, b"v")
        await world.sleep(20)
        assert us.store.end - us.store.begin < 100, "what they lack is no longer in the log"
        planet.simulation.links.heal()
        planet.simulation.links.add(Paused(SITES[0]))
        await world.sleep(10)
        assert us.replicator.safe_position() == us.store.end and SITES[0] in eu.replicator.missing(T)
        assert not us.replicator.complete(SITES[1])
        planet.simulation.links.heal()
        await planet.settle()
        await world.sleep(5)
        assert us.replicator.complete(SITES[1])

    story(5, tell, keep_entries=50)


def test_a_merge_that_raises_stops_nothing_but_shows(both_worlds: Worlds) -> None:
    async def tell() -> None:
        sites = await start(both_worlds, both_worlds.free_port())
        us, eu = sites[:2]
        await us.toy.put(T, b"k", b"v")
        await settle(us.world, sites)
        merge = eu.toy.merge

        def broken(topic: str, changes: Sequence[Change]) -> None:
            raise IndexError("a defect")

        eu.toy.merge = broken  # type: ignore[method-assign]
        await us.toy.put(T, b"k", b"w")
        while not any("IndexError" in status.problem for status in eu.replicator.status()):
            await us.world.sleep(0.05)
        eu.toy.merge = merge  # type: ignore[method-assign]
        await settle(us.world, sites)
        await asyncio.gather(*(site.stop() for site in sites))

    both_worlds.run(tell)


@pytest.fixture
def dials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The purposes of all dials."""
    found: list[str] = []
    dial = Backbone.dial

    async def dialled(self: Backbone, address: str, port: int, purpose: str, *rest: Any, **named: Any) -> Channel:
        found.append(purpose)
        return await dial(self, address, port, purpose, *rest, **named)

    monkeypatch.setattr(Backbone, "dial", dialled)
    return found


def test_sites_that_have_nothing_to_say_stay_connected_and_say_little(
    monkeypatch: pytest.MonkeyPatch, dials: list[str]
) -> None:
    acks: list[Ack] = []
    send = Channel.send

    def sent(self: Channel, message: object) -> None:
        if isinstance(message, Ack):
            acks.append(message)
        send(self, message)

    monkeypatch.setattr(Channel, "send", sent)

    async def tell(planet: ToyPlanet, chance: random.Random) -> None:
        world = planet.simulation.world(SITES[0])
        await world.sleep(5)
        del dials[:], acks[:]
        await world.sleep(60)
        assert dials == []
        assert 6 * 60 / 4 <= len(acks) <= 6 * 60 / 3, "of six streams, one in three seconds each"
        assert all(ack.heard is not None for ack in acks)
        assert all(one.connected and not one.behind for life in planet.up.values() for one in life.replicator.status())

    story(1, tell)


@pytest.mark.parametrize("mute", [(Leader, "_show_life"), (Follower, "_acknowledge")], ids=["leader", "follower"])
def test_who_says_nothing_over_an_open_connection_is_left(
    monkeypatch: pytest.MonkeyPatch, dials: list[str], mute: tuple[type, str]
) -> None:
    async def tell(planet: ToyPlanet, chance: random.Random) -> None:
        world = planet.simulation.world(SITES[0])
        await world.sleep(5)
        dials.clear()
        monkeypatch.setattr(*mute, lambda *message: None)
        await world.sleep(2.4)
        assert dials == []
        await world.sleep(8.6)
        assert dials.count(REPLICATE) >= 6, "all six streams"

    story(1, tell)
