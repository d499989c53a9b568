"""The leader's decisions: what to send, where to begin, when to forget."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from antipodes.replica import leader
from antipodes.replica.backbone import Backbone
from antipodes.replica.leader import beginning, cut, lags_of, times_of
from antipodes.replica.messages import SNAPSHOT, Batch, Copy, Follow, Taken, part_decoder, size_bytes
from antipodes.replica.replicator import settled_time, trim_position
from antipodes.store.records import Change, Logged, Version
from antipodes.store.store import Store
from antipodes.wire.framing import encode_frame
from antipodes.world.simulated import Simulation
from tests.replica.planet import SITES, ToyPlanet, story
from tests.replica.toy import Toy


def entry(position: int, topic: str = "toy/t", region: str = "a", size: int = 10) -> Logged:
    return Logged(position, Change(topic, b"%d" % position, Version(position, region), bytes(size), b"before"))


def test_only_own_changes_of_shared_topics_travel_without_what_they_replaced() -> None:
    entries = [entry(1), entry(2, topic="toy/private"), entry(3, region="b"), entry(4), entry(5, region="b")]
    changes, upto, _ = cut(entries, "a", frozenset({"toy/t"}))
    assert [c.key for c in changes] == [b"1", b"4"]
    assert all(c.before is None for c in changes)
    assert upto == 5, "what does not concern the follower is passed over"


def test_what_a_copy_has_is_left_out_of_the_stream() -> None:
    entries = [entry(1), entry(2, topic="toy/u"), entry(3), entry(4)]
    changes, upto, _ = cut(entries, "a", frozenset({"toy/t", "toy/u"}), since={"toy/t": 3})
    assert [c.key for c in changes] == [b"2", b"4"]
    assert upto == 4


def test_a_batch_is_cut_by_count_and_by_bytes() -> None:
    many = [entry(n) for n in range(1, 400)]
    changes, upto, _ = cut(many, "a", frozenset({"toy/t"}))
    assert len(changes) == upto == leader.BATCH_CHANGES
    large = [entry(n, size=100_000) for n in range(1, 10)]
    changes, upto, size = cut(large, "a", frozenset({"toy/t"}))
    assert len(changes) == upto == 3
    assert size >= leader.BATCH_BYTES


def test_of_a_backlogs_changes_of_one_key_only_the_last_travels() -> None:
    def change(position: int, key: bytes) -> Logged:
        return Logged(position, Change("toy/t", key, Version(position, "a"), b"%d" % position))

    entries = [change(1, b"x"), change(2, b"y"), change(3, b"x"), change(4, b"z"), change(5, b"x")]
    changes, upto, size = cut(entries, "a", frozenset({"toy/t"}), combine=True)
    assert [(c.key, c.value) for c in changes] == [(b"y", b"2"), (b"z", b"4"), (b"x", b"5")]
    assert (upto, size) == (5, sum(map(size_bytes, changes)))
    assert len(cut(entries, "a", frozenset({"toy/t"}))[0]) == 5


def test_the_settled_time_is_what_the_slowest_has_of_anybody() -> None:
    heard = {"a": {"b": 5, "c": 7}, "b": {"a": 9, "c": 3}, "c": {"a": 8, "b": 6}}
    assert settled_time(("a", "b", "c"), heard) == 3
    assert settled_time(("a", "c"), heard) == 7
    assert settled_time(("a", "b", "c", "d"), heard) == 0, "of d nothing is known"
    assert settled_time(("a", "b"), {"a": {"b": 5}, "b": {"a": 0}}) == 0, "b still copies from a"


def test_lags_are_measured_from_commit_to_arrival() -> None:
    second = 1_000_000 << 12
    changes = [Change("toy/t", b"x", Version(at * second, "a"), b"") for at in (10, 12, 11)]
    lags = lags_of(times_of(changes)["toy/t"], 15.0)
    assert lags == (3, 12.0, 3.0, 5.0)
    assert lags_of(times_of(changes)["toy/t"], 5.0) == (3, 0.0, 0.0, 0.0), "none is below zero"


def test_a_stream_resumes_only_where_the_log_still_knows_the_place() -> None:
    def begin(incarnation: str, position: int) -> tuple[int, bool]:
        return beginning(Follow("b", incarnation, position, ()), "life", begin=10, end=20)

    assert begin("life", 15) == (15, True)
    assert begin("life", 10) == (10, True)
    assert begin("life", 20) == (20, True)
    assert begin("life", 9) == (20, False), "trimmed"
    assert begin("life", 21) == (20, False), "a position this log never gave"
    assert begin("another life", 15) == (20, False)
    assert begin("", 0) == (20, False)


def test_the_log_is_kept_for_who_lacks_it_up_to_a_bound() -> None:
    def trim(safe: int, end: int = 5000) -> int:
        return trim_position(100, end, safe, keep_at_least=500, keep_entries=2000)

    assert trim(safe=4000) == 4000
    assert trim(safe=5000) == 4500, "this site's own readers want the newest"
    assert trim(safe=3000) == 3000
    assert trim(safe=0) == 3000, "beyond the bound the absent are backfilled"
    assert trim(safe=0, end=1000) == 100, "never back"


def test_a_copy_waits_until_what_it_holds_is_durable() -> None:
    """Otherwise a crash here would leave the follower with a write that its origin has forgotten."""
    simulation = Simulation(5)
    world, far = simulation.world("us-east-1"), simulation.world("eu-west-1")

    async def main() -> None:
        store = Store.open(world, "toy", sync_delay_s=60.0)
        toy = Toy(store)
        toy.share("toy/t", ("us-east-1", "eu-west-1"))
        backbone = Backbone(world, 7, "secret")
        backbone.on(SNAPSHOT, leader.Leader(world, store, {"toy": toy}).serve_snapshot)
        await backbone.start()
        await store.durable()
        put = world.spawn(put_one(toy), "put")
        channel = await Backbone(far, 7, "secret").dial(world.address, 7, SNAPSHOT, "eu-west-1")
        channel.send(Copy("toy/t", b""))
        part = await channel.receive(part_decoder)
        assert [change.key for change in part.changes] == [b"k"]
        assert store.end == 1
        assert simulation.elapsed_s > 1, "the sync took its time"
        channel.send(Taken())
        channel.send(Copy("toy/private", b""))
        assert (await channel.receive(part_decoder)).refused
        await put

    async def put_one(toy: Toy) -> None:
        await toy.put("toy/t", b"k", b"v")

    simulation.run(main())


def test_followers_that_keep_up_are_sent_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Batch] = []

    def counted(message: object) -> bytes:
        assert isinstance(message, Batch)
        encoded.append(message)
        return encode_frame(message)

    monkeypatch.setattr(leader, "encode_frame", counted)

    async def tell(planet: ToyPlanet, chance: object) -> None:
        await planet.share("toy/t", *SITES)
        world = planet.simulation.world(SITES[0])
        await world.sleep(3)
        for number in range(20):
            await planet.at(SITES[0], planet._put(SITES[0], "toy/t", b"%d" % number, b"v"))
        await world.sleep(1)
        assert all(len(planet.up[site].toy.cells("toy/t")) == 20 for site in SITES)
        assert sum(len(batch.changes) for batch in encoded) == 20, "once for both"

    story(8, tell)


def test_what_follows_a_change_closely_travels_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader, "GATHER_S", 0.1)

    async def tell(planet: ToyPlanet, chance: object) -> None:
        await planet.share("toy/t", *SITES)
        world, far = planet.simulation.world(SITES[0]), planet.up[SITES[1]]
        await world.sleep(3)
        taken: list[float] = []
        merge = far.toy.merge

        def counted(topic: str, changes: Sequence[Change]) -> None:
            taken.extend(planet.simulation.elapsed_s for _ in changes)
            merge(topic, changes)

        far.toy.merge = counted  # type: ignore[method-assign]
        for number in range(20):
            planet.put(SITES[0], "toy/t", b"%d" % number, b"v")
            await world.sleep(0.004)
        await world.sleep(1)
        assert len(taken) == 20
        assert len(dict.fromkeys(taken)) == 2, "the first at once, and all others 0.1 s later"

    story(9, tell)


def test_what_is_not_old_enough_is_kept_whatever_else_holds() -> None:
    def trimmed(aged: int) -> int:
        return trim_position(100, 5000, 4800, keep_at_least=500, keep_entries=2000, aged=aged)

    assert trimmed(0) == 100
    assert trimmed(300) == 300
    assert trimmed(5000) == 4500
