"""Each law is shown a small history that keeps it and one that breaks it: a law that cannot fail proves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from antipodes.gameday.proof import laws
from antipodes.gameday.proof.evidence import Entry, Evidence, State, state_of
from antipodes.gameday.proof.laws import Attempt
from antipodes.services.dynamodb import rows
from antipodes.store.records import Version

EAST, WEST = "us-east-1", "us-west-2"
KEY = b"k"


def item(write: str) -> dict[str, Any]:
    return {"pk": {"S": "k"}, "w": {"S": write}}


def row(time: int, region: str, write: str) -> bytes:
    return rows.item_row(Version(time, region), 3, orjson.dumps(item(write)))


def gone(time: int, region: str) -> bytes:
    return rows.tombstone_row(Version(time, region))


def entry(position: int, raw: bytes, before: str = "") -> Entry:
    state = state_of(raw)
    value = raw if state.item is not None else None
    return Entry(position, KEY, state.version, value, state.item, item(before) if before else None, "")


def replica(region: str, raw: bytes | None, *log: Entry) -> Evidence:
    return Evidence(region, {} if raw is None else {KEY: state_of(raw)}, log)


FIRST, SECOND = row(10, EAST, "e1"), row(11, WEST, "w1")
GOOD = {
    EAST: replica(EAST, SECOND, entry(1, FIRST), entry(2, SECOND, "e1")),
    WEST: replica(WEST, SECOND, entry(1, SECOND)),
}


def wrote(region: str, write: str, started: float, **more: Any) -> Attempt:
    return replace(Attempt(region, "write", "k", write, started, started + 1, "done"), **more)


def read(region: str, saw: str, started: float) -> Attempt:
    return Attempt(region, "read", "k", "", started, started + 1, "done", saw)


def test_the_auditor_reads_rows_as_dynamodb_writes_them() -> None:
    assert state_of(FIRST) == State((10, EAST), FIRST, item("e1"))
    assert state_of(gone(12, WEST)) == State((12, WEST), gone(12, WEST), None)


def test_a_good_history_breaks_no_law() -> None:
    attempts = [wrote(EAST, "e1", 0), read(WEST, "w1", 3), wrote(WEST, "w1", 2), read(EAST, "e1", 1)]
    assert not [*laws.equal(GOOD), *laws.winners(GOOD), *laws.kept(GOOD, attempts), *laws.replayed(GOOD)]
    assert not [*laws.forward(GOOD, attempts), *laws.seen(GOOD, attempts), *laws.refused(GOOD, attempts)]


def test_equal_compares_bytes_and_takes_a_forgotten_tombstone_for_a_tombstone() -> None:
    assert list(laws.equal({**GOOD, WEST: replica(WEST, FIRST)}))
    assert list(laws.equal({**GOOD, WEST: replica(WEST, None)}))
    assert list(laws.equal({**GOOD, WEST: replica(WEST, row(11, WEST, "w2"))})), "same version, other bytes"
    assert not list(laws.equal({EAST: replica(EAST, gone(12, EAST)), WEST: replica(WEST, None)}))


def test_winners_demands_the_greatest_version_wherever_it_was_written() -> None:
    stale = {**GOOD, EAST: replica(EAST, FIRST, entry(1, FIRST)), WEST: replica(WEST, FIRST, entry(1, SECOND))}
    assert len(list(laws.winners(stale))) == 2
    tie = row(10, WEST, "w1")  # the same time: the greater Region wins
    tied = {EAST: replica(EAST, FIRST, entry(1, FIRST)), WEST: replica(WEST, FIRST, entry(1, tie))}
    assert list(laws.winners(tied))
    assert list(laws.winners({**GOOD, EAST: replica(EAST, row(12, EAST, "x"), *GOOD[EAST].log)})), "nobody wrote it"
    assert list(laws.winners({**GOOD, EAST: replica(EAST, None, *GOOD[EAST].log)})), "it is not there"
    mixed = row(11, WEST, "w1").replace(b'"w1"', b'"e1"')
    assert list(laws.winners({**GOOD, EAST: replica(EAST, mixed, *GOOD[EAST].log)})), "the right version, other bytes"


def test_kept_demands_what_was_acknowledged_or_a_later_one() -> None:
    assert list(laws.kept(GOOD, [wrote(EAST, "e2", 5)])), "in no log"
    lost = {**GOOD, WEST: replica(WEST, FIRST, *GOOD[WEST].log)}
    assert list(laws.kept(lost, [wrote(WEST, "w1", 5)]))
    assert not list(laws.kept(lost, [wrote(WEST, "w1", 5, outcome="unknown"), wrote(EAST, "e1", 5)]))
    deleted = replica(EAST, gone(12, EAST), *GOOD[EAST].log, entry(3, gone(12, EAST), "w1"))
    attempt = wrote(EAST, "w1", 6, kind="delete")
    assert not list(laws.kept({EAST: deleted, WEST: replica(WEST, gone(12, EAST))}, [attempt]))
    assert list(laws.kept({EAST: deleted, WEST: replica(WEST, SECOND)}, [attempt])), "it came back"


def test_refused_demands_that_it_did_not_happen() -> None:
    assert list(laws.refused(GOOD, [wrote(EAST, "e1", 0, outcome="refused")]))


def test_forward_demands_that_nothing_goes_back_in_one_region() -> None:
    assert list(laws.forward(GOOD, [read(EAST, "w1", 0), read(EAST, "e1", 2)]))
    assert list(laws.forward(GOOD, [wrote(EAST, "e1", 5), read(EAST, "w1", 0)])), "a write below what was read"
    assert not list(laws.forward(GOOD, [read(EAST, "w1", 0), read(EAST, "e1", 0.5)])), "at the same time: no order"
    assert not list(laws.forward(GOOD, [read(WEST, "w1", 0), read(EAST, "e1", 2)])), "another Region may be behind"


def test_seen_demands_that_who_has_read_a_write_is_later() -> None:
    assert list(laws.seen(GOOD, [wrote(EAST, "e1", 0, saw="w1")]))
    assert not list(laws.seen(GOOD, [wrote(WEST, "w1", 0, saw="e1")]))


def test_replayed_demands_a_log_without_gaps() -> None:
    def broken(*log: Entry) -> bool:
        return bool(list(laws.replayed({EAST: replica(EAST, SECOND, *log)})))

    assert not broken(entry(1, FIRST), entry(2, SECOND, "e1"))
    assert broken(entry(1, SECOND), entry(2, FIRST, "w1")), "an older version taken after a newer one"
    assert broken(entry(1, FIRST), entry(2, SECOND)), "the image before is missing"
    assert broken(entry(1, FIRST), entry(2, SECOND, "e9")), "the image before is another one"
    assert broken(entry(1, FIRST), entry(2, FIRST, "e1"), entry(3, SECOND, "e1")), "a write taken twice"
    forgotten = replica(EAST, None, entry(1, FIRST), entry(2, gone(12, WEST), "e1"), entry(3, gone(12, WEST)))
    assert not list(laws.replayed({EAST: forgotten}))
    assert broken(entry(1, FIRST)), "the table has more than the log"


def test_indexed_demands_the_tables_items_and_no_others() -> None:
    assert not list(laws.indexed(GOOD, {EAST: [item("w1")]}))
    assert list(laws.indexed(GOOD, {EAST: []}))
    assert list(laws.indexed(GOOD, {EAST: [item("e1")]})), "an entry of what was overwritten"
    assert list(laws.indexed(GOOD, {EAST: [item("w1"), item("w1")]}))


def test_streamed_demands_records_that_replay_to_the_table() -> None:
    def record(name: str, old: str = "", new: str = "") -> dict[str, Any]:
        images = {"OldImage": item(old)} if old else {}
        images |= {"NewImage": item(new)} if new else {}
        return {"eventName": name, "dynamodb": {"Keys": {"pk": {"S": "k"}}, **images}}

    def broken(*records: dict[str, Any]) -> bool:
        return bool(list(laws.streamed(GOOD, {EAST: records})))

    assert not broken(record("INSERT", new="e1"), record("MODIFY", "e1", "w1"))
    assert not broken(record("INSERT", new="e1"), record("REMOVE", "e1"), record("INSERT", new="w1"))
    assert broken(record("INSERT", new="e1")), "the table is another"
    assert broken(record("INSERT", new="e1"), record("INSERT", new="w1")), "it was there"
    assert broken(record("MODIFY", "e1", "w1")), "it was not there"
    assert broken()
