"""The redo log: what is on the disk at any moment opens as what was acknowledged, whole groups at a time."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from antipodes.store.engine import StoreError
from antipodes.store.redo import HEAD_BYTES, Batch, RedoLog
from antipodes.store.sqlite import SqliteEngine
from tests.store.conftest import pour_often

Rows = dict[bytes, bytes]


def contents(engine: SqliteEngine) -> tuple[Rows, list[int], str | None]:
    records = [place for place, _ in engine.records(0, 1 << 40, 1 << 40)]
    return dict(engine.range(b"", b"\xff", False)), records, engine.meta("fact")


def opened_copy(folder: Path, to: Path) -> tuple[Rows, list[int], str | None]:
    """What the files hold at this moment, as a process that starts after a crash finds them."""
    shutil.copytree(folder, to)
    (to / "x.sqlite-shm").unlink(missing_ok=True)
    engine = SqliteEngine(to / "x.sqlite")
    found = contents(engine)
    engine.close()
    shutil.rmtree(to)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_files_open_as_what_was_synced_at_every_moment(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pour_often(monkeypatch)
    chance = random.Random(seed)
    folder = tmp_path / "store"
    engine = SqliteEngine(folder / "x.sqlite")
    synced: tuple[Rows, list[int], str | None] = ({}, [], None)
    now: tuple[Rows, list[int], str | None] = ({}, [], None)
    position = 0
    for step in range(120):
        rows, records, fact = dict(now[0]), list(now[1]), now[2]
        for _ in range(chance.randint(0, 3)):
            key = b"%02d" % chance.randrange(40)
            value = None if chance.random() < 0.2 else b"%d" % step * chance.randint(1, 30)
            position += 1
            engine.put([(key, value)], [(position, b"log")], {"fact": str(step)} if step % 7 == 0 else {})
            records.append(position)
            fact = str(step) if step % 7 == 0 else fact
            rows.pop(key, None)
            if value is not None:
                rows[key] = value
        now = (rows, records, fact)
        match chance.randrange(6):
            case 0:
                low = b"%02d" % chance.randrange(40)
                expected = [(key, rows[key]) for key in sorted(rows) if low <= key < b"30"]
                assert list(engine.range(low, b"30", False)) == expected
            case 1:
                engine.abandon()
                now = synced
                position = max([0, *now[1]])
            case 2 if position > 10:
                engine.drop_records(position - 10)
                now = (rows, [place for place in records if place > position - 10], fact)
            case _:
                engine.sync()
                synced = now
        assert all(engine.get(key) == now[0].get(key) for key in (b"%02d" % n for n in range(40)))
        if chance.random() < 0.3:
            assert opened_copy(folder, tmp_path / "copy") == synced
    assert contents(engine) == now
    engine.close()


def test_reading_ends_at_a_torn_record_and_writing_goes_on_there(tmp_path: Path) -> None:
    redo = RedoLog(tmp_path / "x.sqlite", is_new=True)
    redo.begin(7)
    batches = [Batch([(b"%d" % n, b"v" * n)], [], {}, 0) for n in range(3)]
    ends = []
    for batch in batches:
        redo.append(batch)
        ends.append(redo.size_bytes)
    redo.close()
    path = tmp_path / "x.redo1"
    whole = path.read_bytes()
    for broken in range(ends[1], ends[2]):
        for data in (whole[:broken], whole[:broken] + bytes([whole[broken] ^ 1]) + whole[broken + 1 :]):
            path.write_bytes(data)
            again = RedoLog(tmp_path / "x.sqlite", is_new=False)
            assert list(again.read(7)) == batches[:2]
            assert again.size_bytes == ends[1]
            again.append(batches[2])
            assert list(again.read(7)) == batches
            again.close()


def test_an_older_generation_behind_the_end_is_not_read(tmp_path: Path) -> None:
    redo = RedoLog(tmp_path / "x.sqlite", is_new=True)
    old, new = Batch([(b"old", b"1")], [], {}, 0), Batch([(b"new", b"1")], [], {}, 0)
    redo.begin(2)
    redo.append(old)
    redo.append(old)
    redo.begin(4)
    redo.append(new)
    assert list(redo.read(4)) == [new]
    assert list(redo.read(2)) == []
    redo.close()


def test_a_record_that_could_not_be_flushed_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redo = RedoLog(tmp_path / "x.sqlite", is_new=True)
    redo.begin(1)

    def fails(file: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("antipodes.store.redo.flush_data", fails)
        with pytest.raises(StoreError, match="Input/output"):
            redo.append(Batch([(b"lost", b"1")], [], {}, 0))
    assert (tmp_path / "x.redo1").stat().st_size > HEAD_BYTES, "it had been written"
    assert list(redo.read(1)) == []
    redo.close()
