"""Writes and strong reads of tables of strong consistency (MRSC), in the Region that is asked.

A write goes to the leader of the table's journal and comes back with its answer, when two Regions have it on disk. A
strong read waits until this Region has all that was acknowledged before it, then reads here; other reads do not wait.
Without any other member both fail, with InternalServerError: what AWS answers then is known of its fault injection only
("injected HTTP 500", facts 1.10).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from antipodes.services.contract import Isolated, Journals
from antipodes.services.dynamodb import batch, items
from antipodes.services.dynamodb.database import Database, Table, not_found
from antipodes.services.dynamodb.mrsc.judging import Question, Told, encoded, told_decoder
from antipodes.services.dynamodb.mrsc.state import HAS_ENDED
from antipodes.services.dynamodb.partiql.operations import PartiQL
from antipodes.wire.errors import ClientFault, ServerFault
from antipodes.wire.operation import Payload, Request

LOOK_S = 0.05
LOOKS = 100
CONFLICT = "ReplicatedWriteConflictException"


class Serving:
    """Fulfils database.Strong. journals: set before the first request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.journals: Journals | None = None

    async def write(self, table: Table, operation: str, params: Mapping[str, Any]) -> Payload:
        """One write, by the leader. Raises what it raises there."""
        if "TableName" in params:
            params = {**params, "TableName": table.name}  # not an ARN: it would be of this Region
        question = Question(operation, orjson.dumps(params))
        try:
            return (await self.ask(table, question)).result()
        except ClientFault as fault:
            if fault.code != HAS_ENDED:
                raise
        await self.ended(table)
        return await self._plain(operation, params)

    async def ended(self, table: Table) -> None:
        """Waits until a table whose journal has ended is a plain one here. Raises ResourceNotFoundException."""
        for _ in range(LOOKS):
            if not table.strong:
                return
            await self._database.world.sleep(LOOK_S)
        raise not_found()

    async def ask(self, table: Table, question: Question) -> Told:
        """What the leader tells. Raises InternalServerError: no two members agree."""
        assert self.journals is not None
        charter = table.shared.charter
        assert charter is not None
        try:
            return told_decoder.decode(await self.journals.ask(charter.journal, encoded(question)))
        except Isolated as error:
            raise ServerFault(
                "InternalServerError", f"Internal server error: {error}", happened=error.happened
            ) from None

    async def fresh(self, table: Table) -> None:
        """Returns when the table here has all that was acknowledged before. Raises InternalServerError."""
        assert self.journals is not None
        charter = table.shared.charter
        if charter is None or not table.strong:
            return
        try:
            await self.journals.fresh(charter.journal)
        except Isolated as error:
            if table.strong:
                raise ServerFault("InternalServerError", f"Internal server error: {error}", happened=False) from None
        if not self._database.store.settled:
            await self._database.settle()

    async def batch_write(self, params: Mapping[str, Any]) -> Payload:
        """BatchWriteItem with tables of strong consistency among its own: each member is a write of its own. Those that
        conflict are answered as UnprocessedItems, unless nothing else was written."""
        more = {name: value for name, value in params.items() if name != "RequestItems"}
        members = [(name, one) for name, requests in params["RequestItems"].items() for one in requests]

        async def one_write(name: str, one: Any) -> dict[str, Any] | ClientFault:
            table = self._database.table(name)
            request = {**more, "RequestItems": {table.name: [one]}}
            try:
                done = await (
                    self.write(table, "BatchWriteItem", request)
                    if table.strong
                    else self._plain("BatchWriteItem", request)
                )
            except ClientFault as fault:
                if fault.code not in (CONFLICT, "ProvisionedThroughputExceededException"):
                    raise
                return fault
            found: dict[str, Any] = orjson.loads(done.body)
            return found

        answers = await asyncio.gather(*(one_write(*member) for member in members))
        left: dict[str, list[Any]] = {}
        for (name, one), answer in zip(members, answers, strict=True):
            if isinstance(answer, ClientFault):
                left.setdefault(name, []).append(one)
        refused = [answer for answer in answers if isinstance(answer, ClientFault)]
        if refused and len(refused) == len(members):
            raise refused[0]
        done = [answer for answer in answers if not isinstance(answer, ClientFault)]
        told = _summed(done)
        return Payload(orjson.dumps({"UnprocessedItems": left, **told}))

    async def _plain(self, operation: str, params: Mapping[str, Any]) -> Payload:
        database = self._database
        request = Request("dynamodb", operation, params, database.region, database.account)
        if operation == "ExecuteStatement":
            return await PartiQL(database).execute_statement(request)
        functions = {
            "PutItem": items.put_item,
            "UpdateItem": items.update_item,
            "DeleteItem": items.delete_item,
            "BatchWriteItem": batch.batch_write_item,
        }
        return await functions[operation](database, request)


def _summed(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """ConsumedCapacity and ItemCollectionMetrics of several answers as of one."""
    consumed: dict[str, dict[str, Any]] = {}
    collections: dict[str, list[Any]] = {}
    for answer in answers:
        for one in answer.get("ConsumedCapacity") or ():
            known = consumed.setdefault(one["TableName"], {})
            consumed[one["TableName"]] = _added(known, one)
        for name, found in (answer.get("ItemCollectionMetrics") or {}).items():
            kept = collections.setdefault(name, [])
            kept += [one for one in found if one not in kept]
    told: dict[str, Any] = {}
    if consumed:
        told["ConsumedCapacity"] = list(consumed.values())
    if collections:
        told["ItemCollectionMetrics"] = collections
    return told


def _added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two ConsumedCapacity, or parts of them, added."""
    found = dict(one)
    for name, value in other.items():
        if isinstance(value, dict):
            found[name] = _added(found.get(name, {}), value)
        elif isinstance(value, int | float):
            found[name] = found.get(name, 0) + value
        else:
            found[name] = value
    return found
