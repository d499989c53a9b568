"""Copying a table as it was at a moment: into a backup, or into a new table.

    dynamodb/copying/<id>    a Job, JSON, written with every step of it

The source may go on changing. From the moment on its changes are recorded (history.py), and the copy has two phases:
    copy   all rows as they are when they are reached, in key order: some before, some after the moment
    undo   the changes since the moment, newest first: each puts back into the copy what it replaced
After the second, an item that changed since the moment is as it was at it; the others were copied as they are. Changes
made during the second phase do not matter: the items they change were copied before, and so were not touched by them.
A backup's rows do not change: its copy has nothing to undo.

Each slice is written with the job's place in one transaction, so a Region that stops in between goes on there. Rows
that a job reads are not swept away when their table is dropped (`Database.pins`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from antipodes.services.dynamodb import history, rows
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.schema import Description
from antipodes.wire.errors import ServerFault

JOB = b"dynamodb/copying/"
SLICE_ROWS = 200
SLICE_BYTES = 1 << 20
RETRY_S = 1.0

Row = tuple[bytes, bytes | None]
Phase = Literal["copy", "undo"]
Found = dict[bytes, bytes | None]  # an item's key -> its row as it was; None: there was none

_encode = msgspec.json.Encoder().encode


class Job(msgspec.Struct, frozen=True):
    """A copy under way. Spaces are those of Descriptions and backups."""

    id: str
    source: str
    table: str  # the table whose changes are recorded for this; "": the source does not change
    moment: int  # the state to copy: after all changes up to this time (of a Version)
    target: str
    name: str  # the table that is made; "": a backup
    backup: str  # id of the backup that is made or read; "": none
    phase: Phase = "copy"
    cursor: bytes = b""  # copy: the last key copied; undo: the time of the last change undone
    items: int = 0
    size_bytes: int = 0


_decode = msgspec.json.Decoder(Job).decode
Finish = Callable[[Database, Job], list[Row]]


def begin(database: Database, job: Job, finish: Finish) -> Row:
    """The row of a new job, which the caller writes in this turn of the loop; the copying begins after it.

    finish: what is written, in the transaction that ends the job.
    """
    database.pins[job.source] = database.pins.get(job.source, 0) + 1
    database.spawn(_carry_out(database, job, finish), f"copies {job.source}")
    return _row(job)


def watched(description: Description, job: str) -> Description:
    """The source's description while its changes are recorded for the job."""
    return msgspec.structs.replace(description, copying=(*description.copying, job))


def resume(database: Database, finish: Finish) -> None:
    """Goes on with the jobs that were under way; forgets histories that nobody needs."""
    known: list[str] = []
    for _, raw in list(database.store.range(JOB, after_prefix(JOB))):
        job = _decode(raw)
        known.append(job.id)
        begin(database, job, finish)
    for name in sorted(database.tables):
        description = database.tables[name].description
        left = tuple(one for one in description.copying if one in known)
        if left != description.copying:
            database.keep(msgspec.structs.replace(description, copying=left))


def in_use(database: Database, backup: str) -> bool:
    """Whether a job makes or reads the backup."""
    jobs = [_decode(raw) for _, raw in database.store.range(JOB, after_prefix(JOB))]
    return any(job.backup == backup for job in jobs)


async def forget_histories(database: Database) -> None:
    """Deletes histories, or their oldest part, that no recovery and no job needs any more. Raises ServerFault."""
    for space in history.spaces(database.store):
        while gone := _unneeded(database, space):
            database.store.write([(row, None) for row in gone])
            await database.settle()
            await database.world.sleep(0)


def _unneeded(database: Database, space: str) -> list[bytes]:
    """Some rows of a history that nobody needs as things stand now."""
    if space in database.pins:
        return []
    until = None
    for name in sorted(database.tables):
        description = database.tables[name].description
        if description.space == space and description.recovery is not None:
            oldest = history.time_of(database.world.now() - description.recovery.days * 86400.0)
            until = max(oldest, description.recovery.begun)
    return history.rows_until(database.store, space, until, SLICE_ROWS)


async def _carry_out(database: Database, job: Job, finish: Finish) -> None:
    """The whole job, however often the disk refuses."""
    await database.world.sleep(max(database.state_s, history.seconds_of(job.moment) - database.world.now()))
    while (raw := database.store.get(JOB + job.id.encode())) is not None:
        try:
            if not _step(database, _decode(raw)):
                _end(database, _decode(raw), finish)
            await database.settle()
            await database.world.sleep(0)
        except ServerFault:
            await database.world.sleep(RETRY_S)
    database.pins[job.source] -= 1
    if not database.pins[job.source]:
        del database.pins[job.source]
    await forget_histories(database)
    await database.sweep()


def _step(database: Database, job: Job) -> bool:
    """One slice; False: all is copied."""
    if job.phase == "copy":
        found, last = _to_copy(database, job)
        if found:
            _write(database, msgspec.structs.replace(job, cursor=last), found)
        elif job.table:
            database.store.write([_row(msgspec.structs.replace(job, phase="undo", cursor=b""))])
        else:
            return False
        return True
    found, last = _to_undo(database, job)
    if found:
        _write(database, msgspec.structs.replace(job, cursor=last), found)
    return bool(found)


def _to_copy(database: Database, job: Job) -> tuple[Found, bytes]:
    prefix = _prefix(job.source)
    start = prefix + job.cursor + b"\x00" if job.cursor else prefix
    found: Found = {}
    last, size = b"", 0
    for key, row in database.store.range(start, after_prefix(prefix)):
        last = key[len(prefix) :]
        found[last] = None if rows.is_tombstone(row) else row
        size += len(row)
        if len(found) == SLICE_ROWS or size > SLICE_BYTES:
            break
    return found, last


def _to_undo(database: Database, job: Job) -> tuple[Found, bytes]:
    until = int.from_bytes(job.cursor, "big") if job.cursor else None
    found: Found = {}
    last, size = 0, 0
    changes = history.newest_first(database.store, job.source, job.moment, until)
    for count, (time, key, before) in enumerate(changes, 1):
        found[key] = before  # of one key's changes the oldest counts, which comes last
        last = time
        size += len(before or b"")
        if count == SLICE_ROWS or size > SLICE_BYTES:
            break
    return found, last.to_bytes(8, "big")


def _write(database: Database, job: Job, found: Found) -> None:
    """Puts what was found into the target, and where the job is."""
    if job.name:
        table = database.tables[job.name]  # a table that is being created cannot be deleted
        assert table.description.space == job.target
        writes = [one for key in found if (one := _item_write(database, table, key, found[key])) is not None]
        database.write(*writes, also=[_row(job)], free=True)
        return
    prefix = _prefix(job.target)
    items, size_bytes = job.items, job.size_bytes
    changed: list[Row] = []
    for key, row in found.items():
        before = database.store.get(prefix + key)
        if before is None and row is None:
            continue
        items += (row is not None) - (before is not None)
        size_bytes += (rows.size_of(row) if row is not None else 0) - (rows.size_of(before) if before else 0)
        changed.append((prefix + key, row))
    database.store.write([*changed, _row(msgspec.structs.replace(job, items=items, size_bytes=size_bytes))])


def _item_write(database: Database, table: Table, key: bytes, row: bytes | None) -> ItemWrite | None:
    old = database.row(table, key)
    if row is None:
        return None if old is None else ItemWrite(table, key, old, None)
    body = rows.body_of(row)
    item = rows.item_of(row) if table.orders else {}
    return ItemWrite(table, key, old, item, rows.size_of(row), body)


def _end(database: Database, job: Job, finish: Finish) -> None:
    also = finish(database, job)
    table = database.tables.get(job.table) if job.table else None
    if table is not None and table.description.space == job.source:
        left = tuple(one for one in table.description.copying if one != job.id)
        database.keep(msgspec.structs.replace(table.description, copying=left))
    database.store.write([*also, (JOB + job.id.encode(), None)])


def _row(job: Job) -> Row:
    return JOB + job.id.encode(), _encode(job)


def _prefix(space: str) -> bytes:
    return b"dynamodb/item/" + space.encode() + b"/"
