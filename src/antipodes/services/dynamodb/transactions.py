"""TransactWriteItems and TransactGetItems: all of it or nothing, in this Region.

All members are planned against the state as it is, then written in one commit; between there is no await, so nothing
can conflict. To other Regions a transaction travels item by item, as on AWS.

A ClientRequestToken makes a write idempotent for ten minutes: what was asked under the token is remembered in the same
commit, and expired tokens are removed as new ones come.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.expressions.ast import Condition, Update
from antipodes.services.dynamodb.expressions.projection import pick
from antipodes.services.dynamodb.items import (
    Guard,
    key_of,
    live,
    plan_delete,
    plan_put,
    plan_update,
    read_condition,
    read_tree,
    read_update,
)
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.parameters import (
    CAPACITY,
    ON_FAILURE,
    Constraints,
    Params,
    capacity,
    read_units,
    table_name,
    terms_of,
    write_units,
)
from antipodes.services.dynamodb.schema import key_from_item
from antipodes.services.dynamodb.values import MAX_ITEM_BYTES, measure_item
from antipodes.wire.errors import AwsError, ClientFault, ValidationException
from antipodes.wire.operation import Payload, Request

MAX_MEMBERS = 100
MAX_BYTES = 4 << 20
TOKEN = b"dynamodb/token/"
TOKEN_S = 600.0
_KINDS = ("ConditionCheck", "Put", "Delete", "Update")


class Member:
    """One action of a transaction, read and checked but not yet planned."""

    def __init__(self, database: Database, number: int, action: Any) -> None:
        if len(action) != 1:
            raise ValidationException(
                "TransactItems can only contain one of Check, Put, Update or Delete"  # seen on AWS
            )
        ((self.kind, self.params),) = action.items()
        assert self.kind in _KINDS, "the wire lets nothing else in"
        constraints = Constraints()
        place = f"transactItems.{number}.member.{self.kind[0].lower()}{self.kind[1:]}"
        needed = "Item" if self.kind == "Put" else "Key"
        table_name(self.params, constraints)
        constraints.required(self.params.get(needed), f"{place}.{needed.lower()}")
        for name in {"ConditionCheck": ("ConditionExpression",), "Update": ("UpdateExpression",)}.get(self.kind, ()):
            constraints.required(self.params.get(name), f"{place}.{name[0].lower()}{name[1:]}")
        constraints.one_of(
            self.params.get("ReturnValuesOnConditionCheckFailure"),
            f"{place}.returnValuesOnConditionCheckFailure",
            ON_FAILURE,
        )
        constraints.settle()
        self.size = measure_item(self.params[needed])
        if self.kind == "Put" and self.size > MAX_ITEM_BYTES:
            raise ValidationException("Item size has exceeded the maximum allowed size")
        self.guard = Guard.of(self.params)
        self.update: Update | None = None
        self.condition: Condition | None
        if self.kind == "Update":
            terms = terms_of(self.params, ("UpdateExpression", "ConditionExpression"), ())
            self.update, self.condition = read_update(database, self.params, terms)
        else:
            self.condition, _ = read_condition(database, self.params)

    def place(self, table: Table) -> tuple[str, bytes]:
        """Table and key: no two members may have the same."""
        if self.kind == "Put":
            shared = table.shared
            return table.name, key_from_item(shared.hash, shared.range, self.params["Item"])
        return table.name, key_of(table, self.params["Key"])

    def plan(self, database: Database, table: Table) -> ItemWrite | None:
        """What it writes. Raises the fault that cancels the transaction."""
        if self.kind == "Put":
            return plan_put(database, table, self.params["Item"], self.size, self.condition, self.guard)[0]
        key = self.params["Key"]
        if self.kind == "Update":
            return plan_update(database, table, key, self.update, self.condition, self.guard).write
        if self.kind == "Delete":
            return plan_delete(database, table, key, self.condition, self.guard)[0]
        self.guard.check(self.condition, database.live(table, key_of(table, key)))
        return None


async def transact_write_items(database: Database, request: Request) -> Payload:
    """Up to 100 actions on different items."""
    params = request.params
    actions: Any = params.get("TransactItems")
    _check(params, actions)
    digest = blake2b(orjson.dumps(actions, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
    members = [Member(database, number, action) for number, action in enumerate(actions, 1)]
    tables = [database.table(table_name(member.params)) for member in members]
    places = [member.place(table) for member, table in zip(members, tables, strict=True)]
    if len(set(places)) != len(places):
        raise ValidationException("Transaction request cannot include multiple operations on one item")
    if sum(member.size for member in members) > MAX_BYTES:
        raise ValidationException("Member must have a total size of 4 MB or less")  # wording from memory
    token = params.get("ClientRequestToken")
    if token is not None and _repeated(database, token, digest):
        await database.settle()
        return Payload(b"{}")
    writes, reasons = _planned(database, members, tables)
    if any(reason["Code"] != "None" for reason in reasons):
        codes = ", ".join(reason["Code"] for reason in reasons)
        raise ClientFault(
            "TransactionCanceledException",
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
            CancellationReasons=reasons,
        )
    also = _remembered(database, token, digest) if token is not None else []
    old_sizes = [_old_size(write) for write in writes]
    database.write(*(write for write in writes if write is not None), also=also)
    await database.settle()
    spent: dict[str, float] = {}
    for write, old_size, table in zip(writes, old_sizes, tables, strict=True):
        units = 2 * write_units(old_size, write.size if write is not None else 0)
        spent[table.name] = spent.get(table.name, 0.0) + units
    return Payload(b"{%b}" % _consumed(params, spent).removeprefix(b","))


async def transact_get_items(database: Database, request: Request) -> Payload:
    """Up to 100 items, as they are at one moment."""
    params = request.params
    actions: Any = params.get("TransactItems")
    _check(params, actions)
    wanted = []
    for number, action in enumerate(actions, 1):
        get = action.get("Get")
        constraints = Constraints()
        constraints.required(get, f"transactItems.{number}.member.get")
        constraints.settle()
        table_name(get, constraints)
        constraints.required(get.get("Key"), f"transactItems.{number}.member.get.key")
        constraints.settle()
        measure_item(get["Key"])
        wanted.append((get, read_tree(database, get)))
    bodies: list[bytes] = []
    spent: dict[str, float] = {}
    for get, tree in wanted:
        table = database.table(table_name(get))
        row = database.live(table, key_of(table, get["Key"]))
        size = rows.size_of(row) if row is not None else 0
        spent[table.name] = spent.get(table.name, 0.0) + 2 * read_units(size, True)
        if row is None:
            bodies.append(b"{}")
        else:
            body = rows.body_of(row)
            found = body if tree is None else orjson.dumps(pick(orjson.loads(body), tree))
            bodies.append(b'{"Item":%b}' % found)
    if not database.store.settled:
        await database.settle()
    return Payload(b'{"Responses":[%b]%b}' % (b",".join(bodies), _consumed(params, spent)))


def _check(params: Params, actions: Any) -> None:
    constraints = Constraints()
    constraints.required(actions, "transactItems")
    constraints.one_of(params.get("ReturnConsumedCapacity"), "returnConsumedCapacity", CAPACITY)
    if actions is not None and not actions:
        constraints.note("[]", "transactItems", "Member must have length greater than or equal to 1")
    if actions is not None and len(actions) > MAX_MEMBERS:
        constraints.note("[...]", "transactItems", f"Member must have length less than or equal to {MAX_MEMBERS}")
    token = params.get("ClientRequestToken")
    if token is not None and not 1 <= len(token) <= 36:
        least_most = "greater than or equal to 1" if not token else "less than or equal to 36"
        constraints.note(token, "clientRequestToken", f"Member must have length {least_most}")
    constraints.settle()


def _planned(
    database: Database, members: list[Member], tables: list[Table]
) -> tuple[list[ItemWrite | None], list[dict[str, Any]]]:
    """What each member writes, and why the transaction is cancelled if it is."""
    writes: list[ItemWrite | None] = []
    reasons: list[dict[str, Any]] = []
    for member, table in zip(members, tables, strict=True):
        try:
            writes.append(member.plan(database, table))
            reasons.append({"Code": "None"})
        except AwsError as fault:
            writes.append(None)
            code = {"ConditionalCheckFailedException": "ConditionalCheckFailed"}.get(fault.code, "ValidationError")
            reasons.append({"Code": code, "Message": fault.message, **fault.extra})
    return writes, reasons


def _old_size(write: ItemWrite | None) -> int:
    old = live(write.row) if write is not None else None
    return rows.size_of(old) if old is not None else 0


def _consumed(params: Params, spent: dict[str, float]) -> bytes:
    found = [capacity(params, name, spent[name]) for name in spent]
    return b',"ConsumedCapacity":%b' % orjson.dumps(found) if found and found[0] is not None else b""


def _repeated(database: Database, token: str, digest: bytes) -> bool:
    """Whether this very transaction was carried out. Raises if the token stood for another one."""
    found = database.store.get(TOKEN + token.encode())
    if found is None or _expiry(found) < database.world.now():
        return False
    if found[8:] != digest:
        raise ClientFault(
            "IdempotentParameterMismatchException",
            "Request uses the same client token as a previous, but non-identical request. "
            "Do not reuse a client token with different requests, unless the requests are identical",
        )
    return True


def _remembered(database: Database, token: str, digest: bytes) -> list[tuple[bytes, bytes | None]]:
    """The rows that remember this token and forget expired ones."""
    now = database.world.now()
    if database.token_expiry <= now:
        kept = list(database.store.range(TOKEN, after_prefix(TOKEN)))
        gone: list[tuple[bytes, bytes | None]] = [(key, None) for key, value in kept if _expiry(value) < now]
        database.token_expiry = now + TOKEN_S / 10
    else:
        gone = []
    return [*gone, (TOKEN + token.encode(), int((now + TOKEN_S) * 1000).to_bytes(8, "big") + digest)]


def _expiry(value: bytes) -> float:
    return int.from_bytes(value[:8], "big") / 1000
