"""A statement made ready: parsed, bound to its parameters and checked as far as it can be without its table. Pure.

DynamoDB judges in this order: the values of the parameters, the text, the number of parameters, what is named in FROM,
the operands; only then does it look for the table.
"""

from __future__ import annotations

from dataclasses import dataclass

from antipodes.services.dynamodb.expressions.ast import Condition, Path, Update
from antipodes.services.dynamodb.partiql.conditions import Binder, path_of
from antipodes.services.dynamodb.partiql.literals import field_name, value_of
from antipodes.services.dynamodb.partiql.syntax import (
    Call,
    Delete,
    Exists,
    Expr,
    Insert,
    Name,
    Parameter,
    Returning,
    Select,
    Source,
    Statement,
    Struct,
)
from antipodes.services.dynamodb.partiql.words import PARAMETERS_MISMATCH
from antipodes.services.dynamodb.values import Item, Value
from antipodes.wire.errors import ValidationException


@dataclass(frozen=True, slots=True)
class Column:
    """A part of the items to answer, under the name that it gets in the answer."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Reading:
    """SELECT. columns: None for the star; order: key attribute and whether descending."""

    table: str
    index: str | None
    columns: tuple[Column, ...] | None
    where: Condition | None
    order: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Inserting:
    table: str
    item: Item


@dataclass(frozen=True, slots=True)
class Changing:
    """UPDATE, or DELETE when `update` is None."""

    table: str
    update: Update | None
    where: Condition | None
    returning: Returning | None


@dataclass(frozen=True, slots=True)
class Checking:
    """EXISTS(SELECT ...)."""

    reading: Reading


Prepared = Reading | Inserting | Changing | Checking


def prepared(statement: Statement, count: int, parameters: list[Value]) -> Prepared:
    """`count` is the number of parameters in the text. Raises ValidationException."""
    if count != len(parameters):
        raise ValidationException(PARAMETERS_MISMATCH)
    binder = Binder(parameters)
    if isinstance(statement, Select):
        return _reading(statement, binder)
    if isinstance(statement, Exists):
        return Checking(_reading(statement.select, binder))
    if isinstance(statement, Insert):
        return _inserting(statement, parameters)
    table, index = _source(statement.source)
    if index is not None:
        raise ValidationException("This operation is not supported on an index")
    if isinstance(statement, Delete):
        returning = statement.returning
        if returning is not None and (returning.extent, returning.state) != ("ALL", "OLD"):
            raise ValidationException(
                f"Invalid returning clause: {returning}. Only RETURNING ALL OLD * is allowed in DELETE statements."
            )
        return Changing(table, None, _where(statement.where, binder), returning)
    update = binder.update(statement.changes)
    return Changing(table, update, _where(statement.where, binder), statement.returning)


def is_read(statement: Prepared) -> bool:
    return isinstance(statement, Reading)


def _source(source: Source) -> tuple[str, str | None]:
    if any(not part for part in source.parts):
        raise ValidationException("Path component cannot be an empty string")
    if len(source.parts) > 2:
        raise ValidationException("A path may contain at most 2 components in the FROM clause")
    return source.parts[0], source.parts[1] if len(source.parts) == 2 else None


def _where(where: Expr | None, binder: Binder) -> Condition | None:
    return binder.where(where) if where is not None else None


def _reading(statement: Select, binder: Binder) -> Reading:
    if statement.unsupported:
        raise ValidationException(f"Unsupported clause: {statement.unsupported[0]}")
    if statement.source is None:
        raise ValidationException("The FROM clause must name a table")  # a guess
    table, index = _source(statement.source)
    columns = _columns(statement.columns) if statement.columns is not None else None
    where = _where(statement.where, binder)
    order: list[tuple[str, bool]] = []
    for term in statement.order:
        if not isinstance(term.by, Name):
            raise ValidationException(f"ORDER BY must name attributes at {term.by.at}")  # a guess
        order.append((str(path_of(term.by)), term.descending))
    if order and where is None:
        raise ValidationException("Must have WHERE clause in the statement when using ORDER BY clause.")
    return Reading(table, index, columns, where, tuple(order))


def _columns(wanted: tuple[Expr, ...]) -> tuple[Column, ...]:
    found: dict[str, Column] = {}
    for one in wanted:
        if not isinstance(one, Name):
            raise ValidationException(f"Unexpected path component at {one.at}")
        path = path_of(one)
        # A column is called by the last name of its path, with the indexes after it: m.k[0] is "k[0]".
        last = max(number for number, part in enumerate(path.parts) if isinstance(part, str))
        name = "".join(f"[{part}]" if isinstance(part, int) else part for part in path.parts[last:])
        if name in found and found[name].path != path:
            raise ValidationException(f"Two columns of the select list have the name {name} at {one.at}")  # a guess
        found[name] = Column(name, path)
    return tuple(found.values())


def _inserting(statement: Insert, parameters: list[Value]) -> Inserting:
    if len(statement.source.parts) != 1:
        raise ValidationException("FROM clause may only contain a single table name")
    table, _ = _source(statement.source)
    if statement.returning is not None:
        raise ValidationException("The RETURNING clause is not allowed in INSERT statements.")  # a guess
    value = statement.value
    if not isinstance(value, Struct):
        place = f" at {value.at}" if not isinstance(value, Call) else ""
        raise ValidationException(f"The value of an INSERT must be a tuple{place}")  # a guess
    item: Item = {}
    for name, inner in value.fields:
        key = field_name(name, item)
        item[key] = parameters[inner.number] if isinstance(inner, Parameter) else value_of(inner)
    return Inserting(table, item)
