"""The heap: where slots lie, which are kept, what is read from them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from antipodes.store import heap
from antipodes.store.engine import StoreError
from antipodes.store.heap import HeapFile, Page, Space, joined, keeps, needed, run_of, size_for, slot_of


def nothing(key: bytes) -> bytes | None:
    return None


LENGTHS = [*range(1, 3000, 7), 100_000, 400_000, 30_000_000]


@pytest.fixture
def space() -> Iterator[Space]:
    connection = sqlite3.connect(":memory:")
    for statement in Space.SCHEMA:
        connection.execute(statement)
    yield Space(connection.cursor(), 0)
    connection.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[HeapFile]:
    file = HeapFile(tmp_path / "x.heap", is_new=True)
    yield file
    file.close()


def test_a_slot_is_at_most_an_eighth_larger_than_what_lies_in_it() -> None:
    for length in LENGTHS:
        assert needed(length) <= size_for(length) <= needed(length) * 9 / 8 + 1


def test_a_value_keeps_its_slot_until_it_outgrows_it_or_leaves_more_than_half_of_it_empty() -> None:
    for length in LENGTHS:
        assert keeps(slot_of(77, size_for(length)), length)
    slot = slot_of(77, 20)
    kept = [granules for granules in range(1, 100) if keeps(slot, granules * heap.GRANULE_BYTES - 8)]
    assert kept == list(range(10, 21))


def free_runs(space: Space) -> list[heap.Run]:
    return list(space._run("SELECT place, size FROM free ORDER BY place"))


@pytest.mark.parametrize("seed", range(20))
def test_slots_never_overlap_and_what_is_free_is_one_with_its_neighbours(seed: int, space: Space) -> None:
    chance = random.Random(seed)
    owned: list[int] = []
    most = 0
    for _ in range(60):
        chance.shuffle(owned)
        cut = chance.randint(0, min(len(owned), 12))
        freed, owned = owned[:cut], owned[cut:]
        space.give_back(freed)
        sizes = [size_for(chance.randint(1, chance.choice((300, 3000)))) for _ in range(chance.randint(0, 12))]
        taken = space.take(sizes)
        assert all(0 <= run_of(slot)[1] - size < heap.SMALLEST for slot, size in zip(taken, sizes, strict=True))
        owned += taken
        most = max(most, sum(run_of(slot)[1] for slot in owned))
        free = free_runs(space)
        assert joined(free) == free, "neighbours are one"
        parts = sorted([*map(run_of, owned), *free])
        assert all(one[0] + one[1] == other[0] for one, other in pairwise(parts))
        assert not parts or (parts[0][0], sum(parts[-1])) == (0, space.end), "all of the file is one or the other"
        assert space.end <= 2 * most
    space.give_back(owned)
    assert (space.end, free_runs(space)) == (0, [])


def test_what_is_placed_together_lies_together_in_the_smallest_room_that_holds_all(space: Space) -> None:
    slots = space.take([10, 20, 5, 40, 5, 25, 5])
    space.give_back([slots[1], slots[3], slots[5]])
    assert space.take([8, 9, 8]) == [slot_of(80, 8), slot_of(88, 9), slot_of(97, 8)]
    assert space.take([41]) == [slot_of(110, 41)], "no room: at the end"
    assert space.take([30, 18]) == [slot_of(35, 30), slot_of(10, 20)], "not together: each where it fits"
    assert free_runs(space) == [(65, 10)]


def test_values_are_read_back_and_neighbours_in_one_go(file: HeapFile, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: Page = [(b"%03d" % n, b"%d" % n * 300) for n in range(20)]
    place, page = 5, list[tuple[bytes, bytes | int]]()
    for n, (key, value) in enumerate(rows):
        assert isinstance(value, bytes)
        slot = slot_of(place, size_for(len(key) + len(value)))
        place += run_of(slot)[1] + (n == 9)  # a gap in the middle
        file.write([(slot, key, value)])
        page.append((key, value if n == 15 else slot))  # one lies in the table
        if n != 15:
            assert file.read(slot, key) == value
    reads = []
    read = file._bytes

    def counted(place: int, size: int) -> bytes:
        reads.append((place, size))
        return read(place, size)

    monkeypatch.setattr(file, "_bytes", counted)
    assert list(file.whole(page, nothing)) == rows
    assert len(reads) == 3
    assert list(file.whole(page[::-1], nothing)) == rows[::-1]
    assert reads[3:] == reads[2::-1]
    monkeypatch.setattr(heap, "READ_GRANULES", 1)
    assert list(file.whole(page, nothing)) == rows


def test_rows_that_moved_since_their_page_was_made_are_asked_for_again(file: HeapFile) -> None:
    page: Page = [(b"%d" % n, slot_of(n * 4, 4)) for n in range(4)]
    file.write([(slot_of(0, 4), b"0", b"there"), (slot_of(4, 4), b"9", b"another"), (slot_of(12, 4), b"3", b"too")])
    now = {b"1": b"elsewhere"}
    assert list(file.whole(page, now.get)) == [(b"0", b"there"), (b"1", b"elsewhere"), (b"3", b"too")]


def test_a_slot_of_another_key_or_behind_the_end_is_noticed(file: HeapFile) -> None:
    slot = slot_of(0, 4)
    file.write([(slot, b"key", b"value")])
    assert file.found(slot, b"kez") is None
    assert file.found(slot, b"ke") is None
    for wanted in ((slot, b"kez"), (slot_of(99, 4), b"key")):
        with pytest.raises(StoreError, match=r"x\.heap does not belong to the table"):
            file.read(*wanted)


def test_room_at_the_end_goes_back_to_the_disk(file: HeapFile, tmp_path: Path) -> None:
    file.write([(slot_of(0, 4), b"a", b"1"), (slot_of(4, 400), b"b", bytes(20_000))])
    assert (tmp_path / "x.heap").stat().st_size == 404 * heap.GRANULE_BYTES
    file.shorten(4)
    assert (tmp_path / "x.heap").stat().st_size == 4 * heap.GRANULE_BYTES
    assert file.read(slot_of(0, 4), b"a") == b"1"
