"""At the leader: an operation is judged as every table's is, but what it writes is caught instead of written.

The same functions serve plain tables and these (items.py, batch.py, partiql). They get a `Bench`: the database with
this one table, whose writes go nowhere and which has nothing to wait for, so an operation runs through in one turn of
the loop. What it would write becomes the journal's entry, what it answers is kept with it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

import msgspec
import orjson

from antipodes.services.dynamodb import batch, items, rows
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.partiql.operations import PartiQL
from antipodes.store.records import Version
from antipodes.wire.errors import AwsError, ClientFault, ServerFault
from antipodes.wire.operation import Payload, Request

_encode = msgspec.msgpack.Encoder().encode


class Written(msgspec.Struct, frozen=True, array_like=True):
    """One row as an entry has it; row None: the item is deleted."""

    key: bytes
    row: bytes | None


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What the members apply: writes, all of one version; or, with a keeper, the end of the global table, of which this
    Region's copy remains."""

    version: Version
    writes: list[Written] = []
    keeper: str = ""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """A request on its way to the leader: an operation and its parameters as JSON; or, with a keeper, the end."""

    operation: str
    params: bytes = b"{}"
    keeper: str = ""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What comes back: the body of an answer, or an error."""

    body: bytes = b""
    code: str = ""
    message: str = ""
    status: int = 0
    extra: bytes = b""

    def result(self) -> Payload:
        """The answer. Raises the error as AWS's."""
        if not self.code:
            return Payload(self.body)
        extra = orjson.loads(self.extra) if self.extra else {}
        kind: type[AwsError] = ServerFault if self.status >= 500 else ClientFault
        raise kind(self.code, self.message, status=self.status, **extra)


entry_decoder = msgspec.msgpack.Decoder(Entry)
question_decoder = msgspec.msgpack.Decoder(Question)
told_decoder = msgspec.msgpack.Decoder(Told)


def fault_told(fault: AwsError) -> Told:
    return Told(b"", fault.code, fault.message, fault.status, orjson.dumps(fault.extra) if fault.extra else b"")


class Bench(Database):
    """The database as an operation sees it that is judged: one table, and writes that are caught."""

    def __init__(self, database: Database, table: Table) -> None:
        self.__dict__.update(database.__dict__)
        one = copy.copy(table)
        one.strong = False
        if one.description.status != "ACTIVE":
            one.description = msgspec.structs.replace(one.description, status="ACTIVE")
        self.tables = {one.name: one}
        self.caught: list[ItemWrite] = []

    def write(
        self, *writes: ItemWrite, also: Iterable[tuple[bytes, bytes | None]] = (), free: bool = False, times: int = 1
    ) -> None:
        assert not tuple(also), "no other rows go with the writes of these tables"
        self.caught += writes

    async def settle(self) -> None:
        """There is nothing to wait for."""


def judged(database: Database, table: Table, question: Question) -> tuple[list[ItemWrite], Told]:
    """What an operation writes, given the state as it is, and answers."""
    bench = Bench(database, table)
    operations: Mapping[str, Callable[[Request], Coroutine[Any, Any, Payload]]] = {
        "PutItem": lambda request: items.put_item(bench, request),
        "UpdateItem": lambda request: items.update_item(bench, request),
        "DeleteItem": lambda request: items.delete_item(bench, request),
        "BatchWriteItem": lambda request: batch.batch_write_item(bench, request),
        "ExecuteStatement": lambda request: PartiQL(bench).execute_statement(request),
    }
    params = orjson.loads(question.params)
    request = Request("dynamodb", question.operation, params, database.region, database.account)
    try:
        return bench.caught, Told(_run(operations[question.operation](request)).body)
    except AwsError as fault:
        return [], fault_told(fault)


def _run(operation: Coroutine[Any, Any, Payload]) -> Payload:
    """An operation that waits for nothing, in this turn of the loop."""
    try:
        operation.send(None)
    except StopIteration as done:
        answer: Payload = done.value
        return answer
    operation.close()
    raise AssertionError("an operation that is judged must not wait")


def written(one: ItemWrite, version: Version) -> Written:
    """A caught write as a row, equal at all members."""
    row = rows.item_row(version, one.size, one.body) if one.item is not None else None
    return Written(one.key, row)


def encoded(message: Entry | Question | Told) -> bytes:
    return _encode(message)
