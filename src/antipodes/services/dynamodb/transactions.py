"""TransactWriteItems and TransactGetItems: all of it or nothing, in this Region.

All members are planned against the state as it is, then written in one commit; between there is no await, so nothing
can conflict. To other Regions a transaction travels item by item, as on AWS.

A ClientRequestToken makes a write idempotent for ten minutes: what was asked under the token is remembered in the same
commit, and expired tokens are removed as new ones come.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from antipodes.services.dynamodb import consumption, rows
from antipodes.services.dynamodb.consumption import Spent
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.expressions.ast import Condition, Update
from antipodes.services.dynamodb.expressions.projection import pick
from antipodes.services.dynamodb.items import (
    Guard,
    key_of,
    plan_delete,
    plan_put,
    plan_update,
    read_condition,
    read_tree,
    read_update,
)
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.mrsc.rules import NO_TRANSACTIONS
from antipodes.services.dynamodb.parameters import (
    ON_FAILURE,
    Constraints,
    Params,
    check_capacity,
    check_metrics,
    read_units,
    table_name,
    terms_of,
)
from antipodes.services.dynamodb.schema import EmptyKey, key_from_item
from antipodes.services.dynamodb.throughput import CODE, MAXIMUM_CODE
from antipodes.services.dynamodb.values import MAX_ITEM_BYTES, Item, measure_item
from antipodes.wire.errors import AwsError, ClientFault, ValidationException
from antipodes.wire.operation import Payload, Request

MAX_MEMBERS = 100
MAX_BYTES = 4 << 20
TOKEN = b"dynamodb/token/"
TOKEN_S = 600.0
REASONS: Mapping[str, str] = {  # why a member cancels its transaction; else ValidationError
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    CODE: "ProvisionedThroughputExceeded",
    MAXIMUM_CODE: "ThrottlingError",
}
_KINDS = ("ConditionCheck", "Put", "Delete", "Update")


class Member:
    """One action of a transaction, read and checked but not yet planned."""

    def __init__(self, database: Database, action: Any) -> None:
        ((self.kind, self.params),) = action.items()
        assert self.kind in _KINDS, "the wire lets nothing else in"
        expressions = ("UpdateExpression", "ConditionExpression") if self.kind == "Update" else ("ConditionExpression",)
        terms = terms_of(self.params, expressions, (), idle=True)
        self.size = measure_item(self.item)
        if self.kind == "Put" and self.size > MAX_ITEM_BYTES:
            raise ValidationException("Item size has exceeded the maximum allowed size")
        self.guard = Guard.of(self.params)
        self.update: Update | None = None
        self.condition: Condition | None
        if self.kind == "Update":
            self.update, self.condition = read_update(database, self.params, terms)
        else:
            self.condition, _ = read_condition(database, self.params, terms)

    @property
    def item(self) -> Item:
        """The item of a Put, else the key."""
        found: Item = self.params["Item" if self.kind == "Put" else "Key"]
        return found

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
    _check_actions(actions)
    digest = blake2b(orjson.dumps(actions, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
    members = [Member(database, action) for action in actions]
    tables = [database.table(table_name(member.params)) for member in members]
    refuse_strong(tables)
    if sum(member.size for member in members) > MAX_BYTES:
        raise ValidationException("Member must have a total size of 4 MB or less")  # wording from memory
    writes, reasons = _planned(database, members, tables)
    token = params.get("ClientRequestToken")
    if token is not None and repeated(database, token, digest):
        await database.settle()
        return answer(params, _read_again(members, tables), tables, "Read", {})
    cancel_if(reasons)
    also = remembered(database, token, digest) if token is not None else []
    database.write(*(write for write in writes if write is not None), also=also, times=2)
    await database.settle()
    spent: dict[str, Spent] = {}
    if consumption.asked(params):
        for write, table in zip(writes, tables, strict=True):
            one = consumption.of_write(table, write)
            one.table *= 2  # a transaction prepares and commits; its index entries count once (seen on AWS)
            spent.setdefault(table.name, Spent()).add(one)
    return answer(params, spent, tables, "Write", _collections(database, params, members, tables))


async def transact_get_items(database: Database, request: Request) -> Payload:
    """Up to 100 items, as they are at one moment."""
    params = request.params
    actions: Any = params.get("TransactItems")
    _check(params, actions)
    constraints = Constraints()
    for number, action in enumerate(actions, 1):
        get, place = action.get("Get"), f"transactItems.{number}.member.get"
        constraints.required(get, place)
        if get is not None:
            table_name(get, constraints, f"{place}.tableName")
            constraints.required(get.get("Key"), f"{place}.key")
    constraints.settle()
    wanted = []
    for action in actions:
        get = action["Get"]
        terms = terms_of(get, ("ProjectionExpression",), (), idle=True)
        measure_item(get["Key"])
        wanted.append((get["Key"], read_tree(database, get, terms)))
    tables = [database.table(table_name(action["Get"])) for action in actions]
    refuse_strong(tables)
    reasons: list[dict[str, Any]] = []
    places: list[tuple[str, bytes]] = []
    for (key, _), table in zip(wanted, tables, strict=True):
        try:
            places.append((table.name, key_of(table, key)))
            table.usage.admit_read()
            reasons.append({"Code": "None"})
        except EmptyKey:
            raise
        except ClientFault as fault:
            reasons.append({"Code": REASONS.get(fault.code, "ValidationError"), "Message": fault.message})
    refuse_doubles(places)
    cancel_if(reasons)
    bodies: list[bytes] = []
    spent: dict[str, Spent] = {}
    for (_, tree), table, (_, raw) in zip(wanted, tables, places, strict=True):
        row = database.live(table, raw)
        units = 2 * read_units(rows.size_of(row) if row is not None else 0, True)
        table.usage.read(units)
        spent.setdefault(table.name, Spent()).table += units
        if row is None:
            bodies.append(b"{}")
        else:
            body = rows.body_of(row)
            found = body if tree is None else orjson.dumps(pick(orjson.loads(body), tree))
            bodies.append(b'{"Item":%b}' % found)
    if not database.store.settled:
        await database.settle()
    told = answer(params, spent, tables, "Read", {}).body[1:-1]
    return Payload(b'{"Responses":[%b]%b}' % (b",".join(bodies), b"," + told if told else b""))


def _check(params: Params, actions: Any) -> None:
    constraints = Constraints()
    check_capacity(constraints, params)
    check_metrics(constraints, params)
    constraints.required(actions, "transactItems")
    if actions is not None and not actions:
        constraints.note("[]", "transactItems", "Member must have length greater than or equal to 1")
    if actions is not None and len(actions) > MAX_MEMBERS:
        constraints.note("[...]", "transactItems", f"Member must have length less than or equal to {MAX_MEMBERS}")
    token = params.get("ClientRequestToken")
    if token is not None and not 1 <= len(token) <= 36:
        least_most = "greater than or equal to 1" if not token else "less than or equal to 36"
        constraints.note(token, "clientRequestToken", f"Member must have length {least_most}")
    constraints.settle()


def _check_actions(actions: Any) -> None:
    """The simple constraints of all members of a TransactWriteItems."""
    constraints = Constraints()
    for number, action in enumerate(actions, 1):
        for kind, params in action.items():
            place = f"transactItems.{number}.member.{kind[0].lower()}{kind[1:]}"
            needed = "Item" if kind == "Put" else "Key"
            constraints.required(params.get(needed), f"{place}.{needed.lower()}")
            table_name(params, constraints, f"{place}.tableName")
            for name in {"ConditionCheck": ("ConditionExpression",), "Update": ("UpdateExpression",)}.get(kind, ()):
                constraints.required(params.get(name), f"{place}.{name[0].lower()}{name[1:]}")
            constraints.one_of(
                params.get("ReturnValuesOnConditionCheckFailure"),
                f"{place}.returnValuesOnConditionCheckFailure",
                ON_FAILURE,
            )
    constraints.settle()
    if any(len(action) != 1 for action in actions):
        raise ValidationException("TransactItems can only contain one of Check, Put, Update or Delete")  # seen on AWS


def _planned(
    database: Database, members: list[Member], tables: list[Table]
) -> tuple[list[ItemWrite | None], list[dict[str, Any]]]:
    """What each member writes, and why the transaction is cancelled if it is."""
    writes: list[ItemWrite | None] = []
    reasons: list[dict[str, Any]] = []
    places: list[tuple[str, bytes]] = []
    for member, table in zip(members, tables, strict=True):
        try:
            places.append(member.place(table))
            writes.append(member.plan(database, table))
            reasons.append({"Code": "None"})
        except EmptyKey:
            raise
        except AwsError as fault:
            writes.append(None)
            shown = {"Item": fault.extra["Item"]} if "Item" in fault.extra else {}
            reasons.append({"Code": REASONS.get(fault.code, "ValidationError"), "Message": fault.message, **shown})
    refuse_doubles(places)
    return writes, reasons


def refuse_strong(tables: list[Table]) -> None:
    """Tables of multi-Region strong consistency have no transactions (facts 1.8; the error's class is from memory)."""
    if any(table.strong for table in tables):
        raise ValidationException(NO_TRANSACTIONS)


def refuse_doubles(places: list[tuple[str, bytes]]) -> None:
    if len(set(places)) != len(places):
        raise ValidationException("Transaction request cannot include multiple operations on one item")


def cancel_if(reasons: list[dict[str, Any]]) -> None:
    """Raises TransactionCanceledException unless every reason is None."""
    if any(reason["Code"] != "None" for reason in reasons):
        codes = ", ".join(reason["Code"] for reason in reasons)
        raise ClientFault(
            "TransactionCanceledException",
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
            CancellationReasons=reasons,
        )


def _read_again(members: list[Member], tables: list[Table]) -> dict[str, Spent]:
    """A repeated transaction costs the reading of its items (API reference of TransactWriteItems)."""
    spent: dict[str, Spent] = {}
    for member, table in zip(members, tables, strict=True):
        spent.setdefault(table.name, Spent()).table += 2 * read_units(member.size, True)
    return spent


def _collections(database: Database, params: Params, members: list[Member], tables: list[Table]) -> dict[str, Any]:
    """ItemCollectionMetrics by table."""
    if params.get("ReturnItemCollectionMetrics") != "SIZE":
        return {}
    items: dict[str, list[Item]] = {}
    for member, table in zip(members, tables, strict=True):
        if member.kind != "ConditionCheck":
            items.setdefault(table.name, []).append(member.item)
    found = {
        name: consumption.collections_of(database, params, database.tables[name], some) for name, some in items.items()
    }
    return {name: told for name, told in found.items() if told}


def answer(
    params: Params, spent: dict[str, Spent], tables: list[Table], side: str, collections: dict[str, Any]
) -> Payload:
    by_name = {table.name: table for table in tables}
    shown = [one.shown(params, by_name[name], side) for name, one in spent.items()]
    consumed = [one for one in shown if one is not None]
    return Payload(b"{%b}" % consumption.tail(consumed, collections)[1:])


def repeated(database: Database, token: str, digest: bytes) -> bool:
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


def remembered(database: Database, token: str, digest: bytes) -> list[tuple[bytes, bytes | None]]:
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
