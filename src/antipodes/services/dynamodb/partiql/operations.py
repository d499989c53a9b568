"""ExecuteStatement, BatchExecuteStatement, ExecuteTransaction.

Each decides and writes without an await between, as the operations on items do, and then waits for the disk. A batch is
many single statements in one request: a faulty one answers its own error. A transaction is all or nothing, by the
machinery of TransactWriteItems and TransactGetItems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from antipodes.services.dynamodb import consumption, rows, transactions
from antipodes.services.dynamodb.batch import DUPLICATES
from antipodes.services.dynamodb.consumption import Spent
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.items import SHOWING, SILENT, Guard
from antipodes.services.dynamodb.parameters import ON_FAILURE, Constraints, Params, check_capacity, read_units
from antipodes.services.dynamodb.partiql.literals import checked_parameters
from antipodes.services.dynamodb.partiql.parser import parse
from antipodes.services.dynamodb.partiql.plan import Branch, KeyMismatch, plan_of
from antipodes.services.dynamodb.partiql.prepared import Changing, Checking, Inserting, Prepared, Reading, prepared
from antipodes.services.dynamodb.partiql.reads import Wish, columns_of, found_row, keys_of, seal_of, select
from antipodes.services.dynamodb.partiql.syntax import Statement
from antipodes.services.dynamodb.partiql.writes import (
    KeyIncomplete,
    Target,
    Writing,
    check_target,
    place_of,
    planned,
    target_of,
)
from antipodes.services.dynamodb.schema import KEY_MISMATCH
from antipodes.services.dynamodb.values import Value
from antipodes.wire.errors import AwsError, ClientFault, ValidationException
from antipodes.wire.operation import Operation, Payload, Request

MAX_STATEMENT = 8192
MAX_BATCH = 25
MAX_KEPT = 500  # parsed statements: those with parameters, which come again, and of no great length
MAX_KEPT_LENGTH = 1000
_MIXED = "ExecuteTransaction API does not support both read and write operations in the same request."
_MIXED_BATCH = "Read and write requests together in the same batch is not supported."
_BY_KEY = "Select statements within {} must specify the primary key in the where clause."
_NO_INDEX = "Reads on indices are not supported within transactions."
_CODES = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "DuplicateItemException": "DuplicateItem",
    "ResourceNotFoundException": "ResourceNotFound",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "ThrottlingException": "ThrottlingError",
    "RequestLimitExceeded": "RequestLimitExceeded",
    "TransactionConflictException": "TransactionConflict",
}


@dataclass(slots=True)
class Outcome:
    """What one statement of a batch came to. `ran`: it reached its table, whose name the answer then tells."""

    table: Table | None = None
    ran: bool = False
    body: bytes | None = None
    spent: Spent | None = None
    fault: AwsError | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One write of a transaction, ready to be planned; target is None for an INSERT."""

    statement: Writing
    table: Table
    guard: Guard
    target: Target | None
    fault: ValidationException | None = None  # the WHERE clause does not name one item


class PartiQL:
    """The PartiQL operations of one Region, and the statements it has parsed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._parsed: dict[str, tuple[Statement, int]] = {}

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "ExecuteStatement": self.execute_statement,
            "BatchExecuteStatement": self.batch_execute_statement,
            "ExecuteTransaction": self.execute_transaction,
        }

    async def execute_statement(self, request: Request) -> Payload:
        """One statement; a page of a SELECT."""
        params = request.params
        constraints = Constraints()
        _check_statement(constraints, params, "")
        check_capacity(constraints, params)
        constraints.at_least(params.get("Limit"), "limit", 1)
        if params.get("NextToken") == "":
            constraints.note("", "nextToken", "Member must have length greater than or equal to 1")
        constraints.settle()
        found = self._prepared(params, checked_parameters(params.get("Parameters")))
        if isinstance(found, Checking):
            raise ValidationException("EXISTS can only be used in ExecuteTransaction write requests.")
        if isinstance(found, Reading):
            return await self._select(params, found)
        table = self.database.table(found.table)
        if table.strong:
            return await self.database.strong.write(table, "ExecuteStatement", params)
        target = target_of(table, found.where) if isinstance(found, Changing) else None
        plan = planned(self.database, table, found, target, Guard.of(params))
        if plan.write is not None:
            self.database.write(plan.write)
        if plan.write is not None or not self.database.store.settled:
            await self.database.settle()
        spent = consumption.of_write(table, plan.write).shown(params, table) if consumption.asked(params) else None
        return Payload(b'{"Items":[%b]%b}' % (plan.returned or b"", consumption.tail(spent, None)))

    async def _select(self, params: Params, reading: Reading) -> Payload:
        table = self.database.table(reading.table)
        seal = seal_of(params["Statement"], params.get("Parameters"))
        wish = Wish(params.get("ConsistentRead") is True, params.get("Limit"), params.get("NextToken"), seal)
        if table.strong and wish.consistent:
            await self.database.strong.fresh(table)
        page = select(self.database, table, reading, wish)
        consumption.count_read(table, page.spent)
        table.usage.gave("ExecuteStatement", len(page.bodies))
        if not self.database.store.settled:
            await self.database.settle()
        tail = consumption.tail(page.spent.shown(params, table), None)
        if page.token is not None:
            tail += b',"NextToken":%b,"LastEvaluatedKey":%b' % (orjson.dumps(page.token), orjson.dumps(page.last))
        return Payload(b'{"Items":[%b]%b}' % (b",".join(page.bodies), tail))

    async def batch_execute_statement(self, request: Request) -> Payload:
        """Up to 25 statements: all reads by key, or all writes."""
        params = request.params
        members: Any = params.get("Statements")
        _check_members(params, members, "statements", MAX_BATCH)
        outcomes = [Outcome() for _ in members]
        ready: list[Prepared | None] = []
        for member, outcome in zip(members, outcomes, strict=True):
            try:
                ready.append(self._prepared(member, checked_parameters(member.get("Parameters"))))
            except ValidationException as fault:
                ready.append(None)
                outcome.fault = fault
        _refuse_mixed(ready, _MIXED_BATCH)
        self._refuse_doubles(ready)
        for member, one, outcome in zip(members, ready, outcomes, strict=True):
            if one is not None:
                try:
                    if not await self._run_strong(params, member, one, outcome):
                        self._run(member, one, outcome)
                except ClientFault as fault:
                    outcome.fault = fault
        if not self.database.store.settled:
            await self.database.settle()
        consumed = [
            one.spent.shown(params, one.table) for one in outcomes if one.spent is not None and one.table is not None
        ]
        told = consumption.tail([one for one in consumed if one is not None], None)
        return Payload(b'{"Responses":[%b]%b}' % (b",".join(map(_response, outcomes)), told))

    def _refuse_doubles(self, statements: list[Prepared | None]) -> None:
        """Seen on AWS: a batch that names an item twice is refused as a whole, reads included."""
        places: list[tuple[str, bytes]] = []
        for one in statements:
            if one is None or isinstance(one, Checking):
                continue
            try:
                table = self.database.table(one.table)
                if isinstance(one, Reading):
                    place = _exact(table, one, "BatchExecuteStatement").start
                else:
                    place = place_of(table, one, target_of(table, one.where) if isinstance(one, Changing) else None)
            except ClientFault:
                continue  # the batch tells of it in its place
            places.append((table.name, place))
        if len(set(places)) != len(places):
            raise ValidationException(DUPLICATES)

    async def _run_strong(self, params: Params, member: Params, statement: Prepared, outcome: Outcome) -> bool:
        """A write of a batch to a table of strong consistency: a request of its own. False: it is none, and what it
        reads there is up to date."""
        if isinstance(statement, Checking):
            return False
        table = self.database.table(statement.table)
        if not table.strong:
            return False
        if isinstance(statement, Reading):
            if member.get("ConsistentRead") is True:
                await self.database.strong.fresh(table)
            return False
        outcome.table, outcome.ran = table, True
        if not self.database.store.settled:
            await self.database.settle()
        capacity = {"ReturnConsumedCapacity": "INDEXES"} if consumption.asked(params) else {}
        own = {name: member[name] for name in ("Statement", "Parameters") if name in member}
        answer = await self.database.strong.write(table, "ExecuteStatement", {**own, **capacity})
        found = orjson.loads(answer.body)
        outcome.body = orjson.dumps(found["Items"][0]) if found["Items"] else None
        if capacity:
            told = found["ConsumedCapacity"]
            indexes = told.get("GlobalSecondaryIndexes") or {}
            outcome.spent = Spent(
                told["Table"]["CapacityUnits"], {name: one["CapacityUnits"] for name, one in indexes.items()}
            )
        return True

    def _run(self, member: Params, statement: Prepared, outcome: Outcome) -> None:
        """Carries out one statement of a batch. Raises its fault."""
        database = self.database
        if isinstance(statement, Checking):
            raise ValidationException("EXISTS can only be used in ExecuteTransaction write requests.")
        name = statement.table
        table = database.table(name)
        if isinstance(statement, Reading):
            branch = _exact(table, statement, "BatchExecuteStatement")
            outcome.table, outcome.ran = table, True
            table.usage.admit_read()
            row = found_row(database, table, branch)
            outcome.body = _shown(row, statement)
            outcome.spent = consumption.of_read(
                rows.size_of(row) if row is not None else 0, member.get("ConsistentRead") is True
            )
            consumption.count_read(table, outcome.spent)
            return
        target = target_of(table, statement.where) if isinstance(statement, Changing) else None
        outcome.table, outcome.ran = table, True
        plan = planned(database, table, statement, target, SILENT)
        if plan.write is not None:
            database.write(plan.write)
        outcome.body = plan.returned
        outcome.spent = consumption.of_write(table, plan.write)

    async def execute_transaction(self, request: Request) -> Payload:
        """Up to 100 statements on different items: all reads by key, or all writes and checks."""
        params = request.params
        members: Any = params.get("TransactStatements")
        _check_members(params, members, "transactStatements", transactions.MAX_MEMBERS)
        digest = blake2b(orjson.dumps(members, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
        values = [checked_parameters(member.get("Parameters")) for member in members]
        statements: list[Prepared] = []
        for number, (member, given) in enumerate(zip(members, values, strict=True)):
            try:
                statements.append(self._prepared(member, given))
            except ValidationException as fault:
                raise _in_place(number, fault.message) from None
        _refuse_mixed(statements, _MIXED)
        tables = [self._table(one) for one in statements]
        transactions.refuse_strong([table for table in tables if table is not None])
        if isinstance(statements[0], Reading):
            return await self._read_together(params, statements, tables)
        return await self._write_together(params, members, statements, tables, digest)

    def _table(self, statement: Prepared) -> Table | None:
        """Its table; None: there is none, which cancels the transaction once the other statements are judged."""
        name = statement.reading.table if isinstance(statement, Checking) else statement.table
        try:
            return self.database.table(name)
        except ClientFault:
            return None

    async def _read_together(self, params: Params, statements: list[Prepared], tables: list[Table | None]) -> Payload:
        reasons: list[dict[str, Any]] = []
        branches: list[tuple[Table, Reading, Branch]] = []
        for number, (one, table) in enumerate(zip(statements, tables, strict=True)):
            assert isinstance(one, Reading)
            if table is None:
                reasons.append(_no_table())
                continue
            if one.index is not None:
                raise _in_place(number, _NO_INDEX)
            try:
                branches.append((table, one, _exact(table, one, "ExecuteTransaction")))
                table.usage.admit_read()
                reasons.append({"Code": "None"})
            except KeyMismatch:
                reasons.append({"Code": "ValidationError", "Message": KEY_MISMATCH})
            except ValidationException as fault:
                raise _in_place(number, fault.message) from None
            except ClientFault as fault:
                reasons.append({"Code": _CODES[fault.code], "Message": fault.message})
        transactions.cancel_if(reasons)
        transactions.refuse_doubles([(table.name, branch.start) for table, _, branch in branches])
        bodies: list[bytes] = []
        spent: dict[str, Spent] = {}
        for table, one, branch in branches:
            row = found_row(self.database, table, branch)
            body = _shown(row, one)
            bodies.append(b"{}" if body is None else b'{"Item":%b}' % body)
            units = 2 * read_units(rows.size_of(row) if row is not None else 0, True)
            table.usage.read(units)
            spent.setdefault(table.name, Spent()).table += units
        if not self.database.store.settled:
            await self.database.settle()
        return _together(bodies, params, spent, [table for table, _, _ in branches], "Read")

    async def _write_together(
        self,
        params: Params,
        members: Any,
        statements: list[Prepared],
        tables: list[Table | None],
        digest: bytes,
    ) -> Payload:
        database = self.database
        steps = [
            _step(number, one, table, member) if table is not None else None
            for number, (one, table, member) in enumerate(zip(statements, tables, members, strict=True))
        ]
        writes: list[ItemWrite | None] = []
        reasons: list[dict[str, Any]] = []
        places: list[tuple[str, bytes]] = []
        for step in steps:
            writes.append(None)
            if step is None:
                reasons.append(_no_table())
                continue
            try:
                if step.fault is not None:
                    raise step.fault
                places.append((step.table.name, place_of(step.table, step.statement, step.target)))
                writes[-1] = planned(database, step.table, step.statement, step.target, step.guard).write
                reasons.append({"Code": "None"})
            except ClientFault as fault:
                code = _CODES.get(fault.code, "ValidationError")
                shown = {"Item": fault.extra["Item"]} if "Item" in fault.extra else {}
                reasons.append({"Code": code, "Message": fault.message, **shown})
        transactions.refuse_doubles(places)
        token = params.get("ClientRequestToken")
        known = [step.table for step in steps if step is not None]
        if token is not None and transactions.repeated(database, token, digest):
            await database.settle()
            return _together([], params, _read_again(known, places, database), known, "Read")
        transactions.cancel_if(reasons)
        also = transactions.remembered(database, token, digest) if token is not None else []
        spent: dict[str, Spent] = {}
        if consumption.asked(params):
            for write, table in zip(writes, known, strict=True):
                one = consumption.of_write(table, write)
                one.table *= 2  # a transaction prepares and commits; its index entries count once (seen on AWS)
                spent.setdefault(table.name, Spent()).add(one)
        database.write(*(write for write in writes if write is not None), also=also, times=2)
        await database.settle()
        return _together([], params, spent, known, "Write")

    def _prepared(self, params: Params, parameters: list[Value]) -> Prepared:
        text = params["Statement"]
        parsed = self._parsed.get(text)
        if parsed is None:
            parsed = parse(text)
            if parameters and len(text) <= MAX_KEPT_LENGTH:
                if len(self._parsed) >= MAX_KEPT:
                    del self._parsed[next(iter(self._parsed))]
                self._parsed[text] = parsed
        return prepared(*parsed, parameters)


def _check_statement(constraints: Constraints, params: Params, place: str) -> None:
    text = params.get("Statement")
    constraints.required(text, f"{place}statement")
    if text is not None and not 1 <= len(text) <= MAX_STATEMENT:
        bound = f"less than or equal to {MAX_STATEMENT}" if text else "greater than or equal to 1"
        constraints.note(text, f"{place}statement", f"Member must have length {bound}")
    if params.get("Parameters") == []:
        constraints.note("[]", f"{place}parameters", "Member must have length greater than or equal to 1")
    constraints.one_of(
        params.get("ReturnValuesOnConditionCheckFailure"), f"{place}returnValuesOnConditionCheckFailure", ON_FAILURE
    )


def _check_members(params: Params, members: Any, name: str, most: int) -> None:
    constraints = Constraints()
    check_capacity(constraints, params)
    constraints.required(members, name)
    if members is not None and not 1 <= len(members) <= most:
        bound = f"less than or equal to {most}" if members else "greater than or equal to 1"
        constraints.note("[...]" if members else "[]", name, f"Member must have length {bound}")
    token = params.get("ClientRequestToken")
    if token is not None and not 1 <= len(token) <= 36:
        bound = "greater than or equal to 1" if not token else "less than or equal to 36"
        constraints.note(token, "clientRequestToken", f"Member must have length {bound}")
    for number, member in enumerate(members or (), 1):
        _check_statement(constraints, member, f"{name}.{number}.member.")
    constraints.settle()


def _refuse_mixed(statements: list[Prepared | None] | list[Prepared], message: str) -> None:
    kinds = {isinstance(one, Reading) for one in statements if one is not None}
    if len(kinds) > 1:
        raise ValidationException(message)


def _exact(table: Table, statement: Reading, operation: str) -> Branch:
    """The read of one item by its key, and nothing else in the WHERE clause. Raises ValidationException."""
    refused = ValidationException(_BY_KEY.format(operation))
    if statement.index is not None:
        raise refused
    plan = plan_of(statement.where, keys_of(table), statement.order)
    if plan.idle or len(plan.branches) != 1 or not plan.branches[0].exact or plan.branches[0].filter is not None:
        raise refused
    return plan.branches[0]


def _shown(row: bytes | None, statement: Reading) -> bytes | None:
    if row is None:
        return None
    body = rows.body_of(row)
    return body if statement.columns is None else columns_of(body, statement.columns)


def _response(outcome: Outcome) -> bytes:
    """One member of Responses."""
    found: list[bytes] = []
    if outcome.fault is not None:
        code = _CODES.get(outcome.fault.code, "ValidationError")
        found.append(b'"Error":%b' % orjson.dumps({"Code": code, "Message": outcome.fault.message}))
    if outcome.ran and outcome.table is not None:
        found.append(b'"TableName":%b' % orjson.dumps(outcome.table.name))
    if outcome.body is not None:
        found.append(b'"Item":%b' % outcome.body)
    return b"{%b}" % b",".join(found)


def _step(number: int, statement: Prepared, table: Table, member: Params) -> Step:
    """Judges one write of a transaction. Raises what refuses the whole request."""
    assert isinstance(statement, Inserting | Changing | Checking)
    guard = SHOWING if member.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else SILENT
    if isinstance(statement, Inserting):
        return Step(statement, table, guard, None)
    if isinstance(statement, Checking):
        if statement.reading.index is not None:
            raise _in_place(number, _NO_INDEX)  # known of SELECT, a guess here
        try:
            return Step(statement, table, guard, check_target(table, statement))
        except ValidationException as fault:
            raise _in_place(number, fault.message) from None
    if statement.returning is not None:
        raise _in_place(number, "RETURNING clause is not supported in ExecuteTransaction.")
    try:
        return Step(statement, table, guard, target_of(table, statement.where))
    except KeyIncomplete:
        # Seen on AWS: here it is the key that is found wanting, not the clause.
        return Step(statement, table, guard, None, ValidationException(KEY_MISMATCH))


def _in_place(number: int, message: str) -> ValidationException:
    return ValidationException(f"Validation failed in TransactStatements[{number}]: {message}")


def _no_table() -> dict[str, Any]:
    return {"Code": "ResourceNotFound", "Message": "Requested resource not found"}


def _read_again(tables: list[Table], places: list[tuple[str, bytes]], database: Database) -> dict[str, Spent]:
    """A repeated transaction costs the reading of its items."""
    spent: dict[str, Spent] = {}
    for table, (_, key) in zip(tables, places, strict=False):
        row = database.live(table, key)
        size = rows.size_of(row) if row is not None else 0
        spent.setdefault(table.name, Spent()).table += 2 * read_units(size, True)
    return spent


def _together(bodies: list[bytes], params: Params, spent: dict[str, Spent], tables: list[Table], side: str) -> Payload:
    told = transactions.answer(params, spent, tables, side, {}).body[1:-1]
    return Payload(b'{"Responses":[%b]%b}' % (b",".join(bodies), b"," + told if told else b""))
