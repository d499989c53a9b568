"""What a store promises, on both engines."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antipodes.store import engine, heap, redo, sqlite, table
from antipodes.store import store as store_module
from antipodes.store.engine import StoreError
from antipodes.store.records import Change, Version
from antipodes.store.store import Store
from antipodes.world.disk import FileDisk, MemoryDisk
from tests.store.conftest import Site, pour_often


def change(store: Store, key: bytes, value: bytes | None = b"v") -> Change:
    return Change("toy/t", key, store.stamp(), value)


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]  # stories are coroutine functions


def test_a_write_is_seen_at_once_and_survives_reopening(site: Site) -> None:
    async def story() -> None:
        store = site.open()
        store.write([(b"a", b"1"), (b"b", b"2")])
        assert (store.get(b"a"), store.settled) == (b"1", False)
        await store.durable()
        assert store.settled
        store.write([(b"a", None), (b"b", b"3")])
        assert store.get(b"a") is None
        store.close()
        again = site.open()
        assert list(again.range(b"", b"\xff")) == [(b"b", b"3")]
        assert again.incarnation == store.incarnation
        again.close()

    run(story)


def test_the_log_shows_only_what_is_durable_in_order_without_gaps(site: Site) -> None:
    async def story() -> None:
        store = site.open()
        assert store.write([(b"k", b"v")], [change(store, b"1"), change(store, b"2")]) == 2
        assert (store.end, store.changes(0, 10)) == (0, [])
        await store.durable()
        assert store.write([], [change(store, b"3", None)]) == 3
        await store.durable()
        assert store.end == 3
        assert [(e.position, e.change.key) for e in store.changes(0, 10)] == [(1, b"1"), (2, b"2"), (3, b"3")]
        assert [e.position for e in store.changes(1, 1)] == [2]
        before = store.changes(0, 10)
        store.close()
        again = site.open()
        assert again.changes(0, 10) == before
        assert again.changes(1, 1) == before[1:2]
        again.close()

    run(story)


def test_all_writes_of_one_turn_share_one_sync(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        store = site.open()
        syncs = 0
        sync = store._engine.sync

        def counted() -> None:
            nonlocal syncs
            syncs += 1
            sync()

        monkeypatch.setattr(store._engine, "sync", counted)

        async def writer(number: int) -> None:
            store.write([(b"%d" % number, b"x")])
            await store.durable()

        await asyncio.gather(*(writer(n) for n in range(32)))
        assert syncs == 1
        store.close()

    run(story)


def test_a_patient_write_goes_with_the_next_sync_or_alone_and_who_waits_hurries_it(site: Site) -> None:
    async def story() -> None:
        store = site.open()
        told: list[object] = []

        def patiently(key: bytes) -> None:
            store.write([(key, b"v")], patient=True)
            store.when_durable(told.append, patient=True)

        patiently(b"a")
        await turns(3)
        assert (store.settled, told) == (False, [])
        store.write([(b"b", b"v")])
        await turns(3)
        assert (store.settled, told) == (True, [None]), "company came"
        patiently(b"c")
        while not store.settled:  # noqa: ASYNC110  (who waits otherwise hurries it)
            await asyncio.sleep(0.001)
        assert told == [None, None], "none came"
        patiently(b"d")
        await store.durable()
        assert told == [None, None, None]
        patiently(b"e")
        store.when_durable(told.append)
        await turns(3)
        assert told[3:] == [None, None]
        store.close()
        again = site.open()
        assert [key for key, _ in again.range(b"a", b"f")] == [b"a", b"b", b"c", b"d", b"e"]
        again.close()

    async def turns(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    run(story)


def test_grown_wakes_when_the_log_passes_the_position(site: Site) -> None:
    async def story() -> None:
        store = site.open()
        woken: list[int] = []

        async def wait(after: int) -> None:
            await store.grown(after)
            woken.append(after)

        waits = [asyncio.create_task(wait(n)) for n in (0, 1, 5)]
        await asyncio.sleep(0)
        store.write([], [change(store, b"1"), change(store, b"2")])
        await store.durable()
        await asyncio.sleep(0)
        assert woken == [0, 1]
        waits[2].cancel()
        store.write([], [change(store, b"3")])
        await store.durable()
        await store.grown(2)
        store.close()

    run(story)


def test_trim_forgets_old_entries_for_good_and_positions_go_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "TRIM_ENTRIES_PER_SYNC", 3)

    async def story() -> None:
        store = site.open()
        store.write([], [change(store, b"%d" % n) for n in range(10)])
        store.trim(10)  # nothing is durable yet
        assert store.begin == 0
        await store.durable()
        store.trim(8)
        assert (store.begin, [e.position for e in store.changes(0, 99)]) == (8, [9, 10])
        while not store.settled:
            await store.durable()
        assert store._engine.records(0, 99, 99)[0][0] == 9, "gone physically, slice by slice"
        store.trim(10)
        store.close()
        again = site.open()
        assert (again.begin, again.end, again.changes(0, 99)) == (10, 10, [])
        assert again.write([], [change(again, b"x")]) == 11
        again.close()

    run(story)


def test_versions_rise_over_a_clock_that_steps_back_a_restart_and_versions_seen(site: Site) -> None:
    async def story() -> None:
        store = site.open()
        first = store.stamp()
        site.now_s -= 5000
        second = store.stamp()
        store.seen(Version(second.time + 10**12, "eu-west-1"))
        third = store.stamp()
        assert first < second < third
        assert third.time > second.time + 10**12
        store.write([(b"k", b"v")])
        store.close()
        again = site.open()
        assert again.stamp() > third
        again.close()

    run(story)


def test_a_failed_sync_takes_the_whole_group_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        store = site.open()
        store.write([(b"kept", b"1")], [change(store, b"kept")])
        await store.durable()

        def full() -> None:
            raise StoreError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr(store._engine, "sync", full)

            async def writer(key: bytes) -> None:
                store.write([(key, b"x"), (b"kept", None)], [change(store, key)])
                await store.durable()

            results = await asyncio.gather(writer(b"a"), writer(b"b"), return_exceptions=True)
        assert [type(r) for r in results] == [StoreError, StoreError]
        assert (store.get(b"a"), store.get(b"kept"), store.end, store.settled) == (None, b"1", 1, True)
        assert store.write([(b"c", b"3")], [change(store, b"c")]) == 2
        await store.durable()
        assert [e.change.key for e in store.changes(0, 9)] == [b"kept", b"c"]
        last = store.stamp()
        store.close()
        again = site.open()
        assert list(again.range(b"", b"z")) == [(b"c", b"3"), (b"kept", b"1")]
        assert again.stamp() > last
        again.close()

    run(story)


def test_a_newer_format_is_refused_and_named(site: Site) -> None:
    store = site.open()
    store._engine.put((), (), {"format": "99"})
    store._engine.sync()
    store.close()
    with pytest.raises(StoreError, match="has format 99"):
        site.open()


def test_a_full_disk_fails_the_group_and_the_store_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(FileDisk(tmp_path))

    def half_way(file: int, data: bytes, at: int) -> None:
        os.pwrite(file, data[: len(data) // 2], at)
        raise OSError(errno.ENOSPC, "No space left on device")

    async def story() -> None:
        store = site.open()
        store.write([(b"kept", b"1")])
        await store.durable()
        with monkeypatch.context() as full:
            full.setattr(redo, "write_all", half_way)
            for n in range(20):
                store.write([(b"%d" % n, bytes(5000))], [change(store, b"%d" % n)])
            assert len(list(store.range(b"", b"z"))) == 21
            with pytest.raises(StoreError, match="No space"):
                await store.durable()
        assert (list(store.range(b"", b"z")), store.end) == ([(b"kept", b"1")], 0)
        store.write([(b"small", b"1")], [change(store, b"small")])
        await store.durable()
        assert [e.change.key for e in store.changes(0, 9)] == [b"small"]
        store.close()
        assert [key for key, _ in site.open().range(b"", b"z")] == [b"kept", b"small"]

    run(story)


@pytest.mark.parametrize("room_comes", [True, False])
def test_what_a_full_table_cannot_take_is_kept_in_the_redo_log(
    room_comes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "REDO_BYTES", 20_000)
    monkeypatch.setattr(sqlite, "MAX_REDO_BYTES", 400_000)
    site = Site(FileDisk(tmp_path))

    async def story() -> None:
        store = site.open()
        connection = store._engine._table._connection  # type: ignore[attr-defined]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 4}").fetchall()
        acknowledged = []
        with pytest.raises(StoreError, match="full"):
            for n in range(1000):
                key = b"%04d" % n
                store.write([(key, bytes(2000))], [change(store, key)])
                await store.durable()
                acknowledged.append(key)
        assert 100 < len(acknowledged) < 1000
        assert all(store.get(key) == bytes(2000) for key in acknowledged)
        assert [e.change.key for e in store.changes(0, 1000)] == acknowledged
        if not room_comes:
            store.close()
            store = site.open()  # where there is room again
        connection = store._engine._table._connection  # type: ignore[attr-defined]
        connection.execute("PRAGMA max_page_count=100000").fetchall()
        store.write([(b"9999", b"")], [change(store, b"9999")])
        await store.durable()
        acknowledged.append(b"9999")
        store.close()
        again = site.open()
        assert [key for key, _ in again.range(b"", b"z")] == acknowledged
        assert [e.change.key for e in again.changes(0, 1000)] == acknowledged
        again.close()

    run(story)


def test_few_long_rows_after_many_short_ones_find_room_in_the_redo_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "REDO_BYTES", 20_000)
    monkeypatch.setattr(sqlite, "MAX_REDO_BYTES", 40_000)
    site = Site(FileDisk(tmp_path))

    async def story() -> None:
        store = site.open()
        store.write([(b"s%04d" % n, b"") for n in range(3000)])
        await store.durable()
        store.write([(b"begins the next file", b"")])
        await store.durable()
        for n in range(12):  # as the parts of an upload
            store.write([(b"p%04d" % n, bytes(15_000))])
            await store.durable()
            assert store._engine._redo.size_bytes <= 40_000 + 16_000  # type: ignore[attr-defined]
        store.close()
        again = site.open()
        assert len(list(again.range(b"", b"z"))) == 3000 + 1 + 12
        again.close()

    run(story)


@pytest.mark.parametrize("breaks", ["writing", "flushing"])
def test_what_the_heap_could_not_take_is_kept_in_the_redo_log_and_tried_again(
    breaks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "REDO_BYTES", 20_000)
    site = Site(FileDisk(tmp_path))
    failures = 0

    def full(*_: object) -> None:
        nonlocal failures
        failures += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    async def story() -> None:
        store = site.open()
        rows: dict[bytes, bytes] = {}

        async def write(life: int) -> None:
            for n in range(60):
                key = b"%04d" % n
                rows[key] = b"%d" % life * chance.randint(600, 1500)
                store.write([(key, rows[key])])
                await store.durable()

        chance = random.Random(1)
        await write(1)
        with monkeypatch.context() as patch:
            if breaks == "writing":
                patch.setattr(heap, "write_all", full)
            else:
                patch.setattr(table, "flush_data", full)
            await write(2)
            await write(3)
        assert failures
        assert dict(store.range(b"", b"z")) == rows
        await write(4)
        assert dict(store.range(b"", b"z")) == rows
        store.close()
        again = site.open()
        assert dict(again.range(b"", b"z")) == rows
        again.close()

    run(story)


def downgrade(path: Path, found: int) -> None:
    """Makes a store whose rows all lie in its map one of an earlier format."""
    with contextlib.closing(sqlite3.connect(path)) as old:
        assert old.execute("SELECT count(*) FROM map WHERE typeof(value) != 'blob'").fetchone() == (0,)
        old.execute("UPDATE meta SET value = ? WHERE name = 'format'", (str(found),))
        old.execute("DROP TABLE free")
        old.execute("DELETE FROM meta WHERE name = 'heap'")
        if found < 2:
            old.execute("DELETE FROM meta WHERE name = 'redo'")
            for redo_file in path.parent.glob("*.redo*"):
                redo_file.unlink()
        old.commit()
    path.with_suffix(".heap").unlink()


@pytest.mark.parametrize("found", [1, 2])
def test_a_store_of_an_earlier_format_is_read_and_its_rows_move_when_they_are_written(
    found: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, rows = Site(FileDisk(tmp_path)), {b"%d" % n: b"%d" % n * 900 for n in range(9)}
    with monkeypatch.context() as patch:
        patch.setattr(table, "LONG_BYTES", 1 << 30)
        store = site.open()
        store.write(rows.items())
        store.close()
    downgrade(tmp_path / "region.sqlite", found)
    for _ in range(2):
        store = site.open()
        assert dict(store.range(b"", b"z")) == rows
        rows |= {b"3": b"new" * 500, b"5": b"short"}
        store.write(list(rows.items())[2:6])
        assert dict(store.range(b"", b"z")) == rows
        store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "region.sqlite")) as now:
        kinds = dict(now.execute("SELECT key, typeof(value) FROM map"))
        assert [key for key in sorted(rows) if kinds[key] == "integer"] == [b"2", b"3", b"4"]
        assert now.execute("SELECT value FROM meta WHERE name = 'format'").fetchone() == (str(engine.FORMAT),)


def test_a_heap_of_another_store_is_noticed(tmp_path: Path) -> None:
    site = Site(FileDisk(tmp_path))
    store = site.open()
    store.write([(b"a", bytes(5000))])
    store.close()
    (tmp_path / "region.heap").write_bytes(bytes(10_000))
    store = site.open()
    with pytest.raises(StoreError, match=r"region\.heap does not belong"):
        store.get(b"a")
    store.close()


def test_two_processes_cannot_open_one_sqlite_store(tmp_path: Path) -> None:
    store = Site(FileDisk(tmp_path)).open()
    with pytest.raises(StoreError, match="in use"):
        Site(FileDisk(tmp_path)).open()
    store.close()


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "region.sqlite").write_bytes(b"something else" * 1000)
    with pytest.raises(StoreError, match="cannot open"):
        Site(FileDisk(tmp_path)).open()


def test_ranges_page_through_many_rows_both_ways(site: Site) -> None:
    async def story() -> None:
        store = site.open()
        rows = [(b"%06d" % n, bytes(n % 7000)) for n in range(1500)]
        store.write(rows)
        for _ in range(2):
            assert list(store.range(b"", b"9")) == rows
            assert list(store.range(b"000100", b"001400", reverse=True)) == rows[100:1400][::-1]
            await store.durable()
        store.close()

    run(story)


KEYS = st.binary(max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=9)), max_size=4)),
        st.tuples(st.just("sync"), st.none()),
        st.tuples(st.just("reopen"), st.none()),
        st.tuples(st.just("range"), st.tuples(KEYS, KEYS, st.booleans())),
    ),
    max_size=25,
)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "sqlite that pours"])
@settings(max_examples=60)
@given(steps=STEPS)
def test_a_store_is_an_ordered_map_with_a_log(kind: str, steps: list[tuple[str, object]]) -> None:
    async def story(folder: Path) -> None:
        site = Site(MemoryDisk() if kind == "memory" else FileDisk(folder))
        store = site.open()
        model: dict[bytes, bytes | None] = {}
        logged: list[bytes] = []
        for kind_of_step, argument in steps:
            match kind_of_step, argument:
                case "write", list(rows):
                    entries = [change(store, key, value) for key, value in rows]
                    store.write(rows, entries)
                    model.update(rows)
                    logged += [key for key, _ in rows]
                    assert all(store.get(key) == model[key] for key, _ in rows)
                case "range", (bytes(start), bytes(end), bool(reverse)):
                    expected = sorted((k, v) for k, v in model.items() if v is not None and start <= k < end)
                    assert list(store.range(start, end, reverse=reverse)) == expected[:: -1 if reverse else 1]
                case "sync", _:
                    await store.durable()
                    assert [e.change.key for e in store.changes(0, 999)] == logged
                case _:
                    store.close()
                    store = site.open()
                    assert [e.change.key for e in store.changes(0, 999)] == logged
        store.close()

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if kind == "sqlite that pours":
            pour_often(patch)
        asyncio.run(story(Path(folder)))
