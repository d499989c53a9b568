"""SELECT carried out: the reads of its plan, page by page.

A page ends after Limit items were looked at, or with 1 MB, wherever in the plan that is. NextToken says where: the
number of the read and the key behind which it goes on, under a seal of the statement and its parameters. The key in it
is only ever used inside the ranges of the statement that brings it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from antipodes.services.dynamodb import queries, rows
from antipodes.services.dynamodb.consumption import Spent, projected_names
from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.expressions.ast import (
    And,
    Arithmetic,
    Between,
    Call,
    Compare,
    Condition,
    In,
    Not,
    Operand,
    Or,
    Path,
    condition_paths,
)
from antipodes.services.dynamodb.expressions.evaluate import at_path
from antipodes.services.dynamodb.expressions.projection import Tree, tree_of
from antipodes.services.dynamodb.orders import place_of
from antipodes.services.dynamodb.parameters import read_units
from antipodes.services.dynamodb.partiql.plan import Branch, Keys, Plan, plan_of
from antipodes.services.dynamodb.partiql.prepared import Column, Reading
from antipodes.services.dynamodb.schema import Index, index_entry, key_from_item
from antipodes.services.dynamodb.values import INVALID, Item
from antipodes.wire.errors import ValidationException

_SEAL_BYTES = 12
_NOWHERE = Path((0,))  # no item has an attribute of this name


@dataclass(slots=True)
class Selected:
    """What one page of a SELECT found. Owned by the operation that answers it."""

    bodies: list[bytes] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    token: str | None = None
    last: Item | None = None  # the key of the item that the page ended with


@dataclass(frozen=True, slots=True)
class View:
    """What a SELECT reads of its items: of which index, and which of its attributes."""

    table: Table
    index: Index | None
    tree: Tree | None  # None: all there is
    held: Tree | None  # what the index holds; None: everything
    fetch: bool  # more is wanted than the index holds


def index_of(table: Table, reading: Reading, consistent: bool) -> Index | None:
    """The index named in FROM. Raises ValidationException."""
    if reading.index is None:
        return None
    for index in table.indexes:
        if index.name == reading.index:
            if index.is_global and consistent:
                raise ValidationException("Strongly consistent read is not supported on Global Secondary Indexes")
            if not place_of(table.description, index.name).filled:
                raise ValidationException(f"Cannot read from backfilling global secondary index: {index.name}")
            return index
    raise ValidationException("The table does not have the specified index")


def keys_of(table: Table, index: Index | None = None) -> Keys:
    if index is not None:
        return Keys(index.hashes, index.ranges, is_index=True)
    return Keys(table.shared.hashes, table.shared.ranges)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a page is asked for. seal: what its NextToken is bound to."""

    consistent: bool
    limit: int | None
    token: str | None
    seal: bytes


def select(database: Database, table: Table, reading: Reading, wish: Wish) -> Selected:
    """One page. Raises ValidationException."""
    index = index_of(table, reading, wish.consistent)
    plan = plan_of(reading.where, keys_of(table, index), reading.order)
    view = _view(table, index, reading, plan)
    number, after = _resumed(wish.token, wish.seal) if wish.token is not None else (0, b"")
    if number >= max(len(plan.branches), 1):
        raise ValidationException("Invalid NextToken")
    found = Selected()
    size = 0
    left = wish.limit
    while number < len(plan.branches):
        branch = plan.branches[number]
        page = queries.read_page(database, _page(view, plan, branch, after, left))
        found.bodies += page.bodies
        found.spent.add(_spent(view, page, wish.consistent))
        size += page.size_bytes
        left = None if left is None else left - page.scanned
        stopped = page.last is not None and not branch.exact
        if page.last is not None:
            found.last = page.last
        if not stopped:
            number += 1
        full = left == 0 or size >= queries.PAGE_BYTES
        if stopped or full:
            if number < len(plan.branches) and found.last is not None:
                after = _raw_key(view, found.last) if stopped else b""
                found.token = _token(number, after, wish.seal)
            break
        after = b""
    if found.token is None:
        found.last = None
    elif found.last is not None:
        names = projected_key_names(view)
        found.last = {name: found.last[name] for name in names}
    if reading.columns is not None and view.tree is None:
        found.bodies = [columns_of(body, reading.columns) for body in found.bodies]
    return found


def projected_key_names(view: View) -> list[str]:
    parts = view.table.shared.parts + (view.index.parts if view.index is not None else ())
    return sorted({part.name for part in parts})


def columns_of(body: bytes, columns: tuple[Column, ...]) -> bytes:
    """An item's JSON, cut to the columns."""
    item = orjson.loads(body)
    found = {column.name: at_path(item, column.path.parts) for column in columns}
    return orjson.dumps({name: value for name, value in found.items() if value is not None})


def plain_tree(columns: tuple[Column, ...] | None) -> Tree | None:
    """The columns as a projection, when each is a whole attribute under its own name."""
    if columns is None or any(len(column.path.parts) > 1 for column in columns):
        return None
    return tree_of([column.path for column in columns])


def _view(table: Table, index: Index | None, reading: Reading, plan: Plan) -> View:
    tree = plain_tree(reading.columns)
    if index is None or index.projection == "ALL":
        return View(table, index, tree, None, False)
    held: Tree = {name: {} for name in projected_names(table, index)}
    _check_filters(index, plan, held)
    fetch = False
    for column in reading.columns or ():
        root = column.path.parts[0]
        if root in held:
            continue
        if index.is_global:
            raise ValidationException(INVALID + f"Global secondary index {index.name} does not project [{root}]")
        fetch = True
    return View(table, index, held if reading.columns is None else tree, held, fetch)


def _check_filters(index: Index, plan: Plan, held: Tree) -> None:
    """A keyed read of an index may not look at what it does not hold, if every read of the plan would."""
    if not plan.keyed:
        return
    missing: list[str] = []
    for branch in sorted(plan.branches + plan.idle, key=lambda branch: branch.value):
        paths = condition_paths(branch.filter) if branch.filter is not None else []
        missing = list(dict.fromkeys(str(path.parts[0]) for path in paths if path.parts[0] not in held))
        if not missing:
            return
    if missing:
        raise ValidationException(
            INVALID + f"Secondary index {index.name} does not project one or more filter attributes: "
            f"[{', '.join(as_hashed(missing))}]"
        )


def as_hashed(names: list[str]) -> list[str]:
    """The order in which AWS, whose sets are Java's, lists a few names: by the bucket of their hash."""
    buckets = 16
    while len(names) > buckets * 3 // 4:
        buckets *= 2
    return sorted(names, key=lambda name: _java_hash(name) & (buckets - 1))


def _java_hash(text: str) -> int:
    found = 0
    raw = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(raw), 2):
        found = (31 * found + int.from_bytes(raw[at : at + 2], "big")) & 0xFFFFFFFF
    return found ^ (found >> 16)


def _page(view: View, plan: Plan, branch: Branch, after: bytes, limit: int | None) -> queries.Reading:
    start, end = branch.start, branch.end
    if after and plan.reverse:
        end = min(end, after)
    elif after:
        start = max(start, after + b"\x00")
    condition = branch.filter
    if condition is not None and view.held is not None:
        condition = _seen(condition, view.held)
    return queries.Reading(
        table=view.table,
        index=view.index,
        start=start,
        end=end,
        reverse=plan.reverse,
        limit=limit,
        condition=condition,
        tree=view.tree,
        count_only=False,
        held=view.held,
        fetch=view.fetch,
    )


def _spent(view: View, page: queries.Page, consistent: bool) -> Spent:
    units = read_units(page.size_bytes, consistent)
    if view.index is None:
        return Spent(units)
    return Spent(page.fetched * (1.0 if consistent else 0.5), {view.index.name: units})


def _seen(node: Condition, held: Tree) -> Condition:
    """The condition on what an index holds: what it does not hold is not there."""
    if isinstance(node, And):
        return And(_seen(node.left, held), _seen(node.right, held))
    if isinstance(node, Or):
        return Or(_seen(node.left, held), _seen(node.right, held))
    if isinstance(node, Not):
        return Not(_seen(node.condition, held))
    if isinstance(node, Compare):
        return Compare(node.operator, _held(node.left, held), _held(node.right, held))
    if isinstance(node, Between):
        return Between(_held(node.operand, held), _held(node.low, held), _held(node.high, held))
    if isinstance(node, In):
        return In(_held(node.operand, held), tuple(_held(one, held) for one in node.candidates))
    return Call(node.function, tuple(_held(one, held) for one in node.arguments))


def _held(node: Operand, held: Tree) -> Operand:
    if isinstance(node, Path):
        return node if node.parts[0] in held else _NOWHERE
    assert not isinstance(node, Arithmetic), "no arithmetic in a condition"
    if isinstance(node, Call):
        return Call(node.function, tuple(_held(one, held) for one in node.arguments))
    return node


def _raw_key(view: View, item: Item) -> bytes:
    shared = view.table.shared
    key = key_from_item(shared.hash, shared.range, item)
    if view.index is None:
        return key
    entry = index_entry(view.index, item, key)
    assert entry is not None, "it was found in the index"
    return entry


def seal_of(statement: str, parameters: Any) -> bytes:
    """What a NextToken is bound to."""
    content = orjson.dumps([statement, parameters], option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=_SEAL_BYTES).digest()


def _token(number: int, after: bytes, seal: bytes) -> str:
    content = number.to_bytes(2, "big") + after
    check = blake2b(content, digest_size=4).digest()
    return base64.b64encode(seal + check + content).decode()


def _resumed(token: str, seal: bytes) -> tuple[int, bytes]:
    """(number of the read, key behind which it goes on). Raises ValidationException."""
    try:
        raw = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        raise ValidationException("Invalid NextToken") from None
    check, content = raw[_SEAL_BYTES : _SEAL_BYTES + 4], raw[_SEAL_BYTES + 4 :]
    if len(content) < 2 or blake2b(content, digest_size=4).digest() != check:
        raise ValidationException("Invalid NextToken")
    if raw[:_SEAL_BYTES] != seal:
        raise ValidationException("NextToken does not match request")
    return int.from_bytes(content[:2], "big"), content[2:]


def found_row(database: Database, table: Table, branch: Branch) -> bytes | None:
    """The item of an exact read."""
    assert branch.exact
    row = database.store.get(table.rows_prefix + branch.start)
    return None if row is None or rows.is_tombstone(row) else row
