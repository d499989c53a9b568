"""The parts of a parsed statement. Pure values.

Places are kept for messages and do not count in comparisons. `str(node)` prints a tree so that it parses to the same
tree again: names in double quotes, every operation in parentheses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from antipodes.services.dynamodb.partiql.lexer import Place

_NOWHERE = Place(1, 1, 0)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A literal; kind: string, number, true, false, null, missing. `text` of a number as written, its sign applied."""

    kind: str
    text: str = ""
    at: Place = field(default=_NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        if self.kind == "string":
            return "'" + self.text.replace("'", "''") + "'"
        return self.text if self.kind == "number" else self.kind.upper()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A question mark, numbered from 0."""

    number: int
    at: Place = field(default=_NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return "?"


@dataclass(frozen=True, slots=True)
class Name:
    """An attribute or a document path: names, and what stands in brackets."""

    steps: tuple[str | Expr, ...]
    at: Place = field(default=_NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        text = ""
        for step in self.steps:
            text += f".{quoted(step)}" if isinstance(step, str) else f"[{step}]"
        return text.removeprefix(".")


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list [a, b], or a bag <<a, b>> (DynamoDB's set)."""

    bag: bool
    items: tuple[Expr, ...]
    at: Place = field(default=_NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.items))
        return f"<<{inner}>>" if self.bag else f"[{inner}]"


@dataclass(frozen=True, slots=True)
class Struct:
    """A map {'a': 1}."""

    fields: tuple[tuple[Expr, Expr], ...]
    at: Place = field(default=_NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return "{" + ", ".join(f"{name}: {value}" for name, value in self.fields) + "}"


@dataclass(frozen=True, slots=True)
class Call:
    """A function in lower case with its arguments; EXISTS has a Select."""

    function: str
    arguments: tuple[Expr | Select, ...]
    at: Place = field(default=_NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator in lower case with one (NOT, + and -), two or three (BETWEEN) operands."""

    operator: str
    operands: tuple[Expr, ...]
    at: Place = field(default=_NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        first, word = self.operands[0], self.operator.upper()
        if len(self.operands) == 1:
            return f"({word} {first})"
        if len(self.operands) == 3:
            return f"({first} {word} {self.operands[1]} AND {self.operands[2]})"
        return f"({first} {word} {self.operands[1]})"


@dataclass(frozen=True, slots=True)
class TypeTest:
    """operand IS [NOT] type."""

    operand: Expr
    type: str
    negated: bool
    at: Place = field(default=_NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"({self.operand} IS {'NOT ' if self.negated else ''}{self.type.upper()})"


Expr = Scalar | Parameter | Name | Sequence | Struct | Call | Operation | TypeTest


@dataclass(frozen=True, slots=True)
class Source:
    """The table and, after a dot, an index."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(map(quoted, self.parts))


@dataclass(frozen=True, slots=True)
class Order:
    """One term of ORDER BY."""

    by: Expr
    descending: bool = False

    def __str__(self) -> str:
        return f"{self.by} {'DESC' if self.descending else 'ASC'}"


@dataclass(frozen=True, slots=True)
class Select:
    """`columns` is None for the star. `unsupported`: clauses that PartiQL has and DynamoDB has not, with places."""

    columns: tuple[Expr, ...] | None
    source: Source | None  # None: FROM names something that is no table
    where: Expr | None = None
    order: tuple[Order, ...] = ()
    unsupported: tuple[str, ...] = ()

    def __str__(self) -> str:
        columns = "*" if self.columns is None else ", ".join(map(str, self.columns))
        order = f" ORDER BY {', '.join(map(str, self.order))}" if self.order else ""
        return f"SELECT {columns} FROM {self.source}{_where(self.where)}{order}"  # noqa: S608  # prints what was parsed


@dataclass(frozen=True, slots=True)
class Insert:
    source: Source
    value: Expr
    returning: Returning | None = None

    def __str__(self) -> str:
        return f"INSERT INTO {self.source} VALUE {self.value}{_returning(self.returning)}"


@dataclass(frozen=True, slots=True)
class SetTo:
    """SET path = value."""

    path: Name
    value: Expr

    def __str__(self) -> str:
        return f"SET {self.path} = {self.value}"


@dataclass(frozen=True, slots=True)
class Remove:
    """REMOVE path."""

    path: Name

    def __str__(self) -> str:
        return f"REMOVE {self.path}"


@dataclass(frozen=True, slots=True)
class Returning:
    """RETURNING (ALL|MODIFIED) (OLD|NEW) *."""

    extent: str
    state: str

    def __str__(self) -> str:
        return f"RETURNING {self.extent} {self.state} *"


@dataclass(frozen=True, slots=True)
class Update:
    source: Source
    changes: tuple[SetTo | Remove, ...]
    where: Expr | None = None
    returning: Returning | None = None

    def __str__(self) -> str:
        changes = " ".join(map(str, self.changes))
        return f"UPDATE {self.source} {changes}{_where(self.where)}{_returning(self.returning)}"


@dataclass(frozen=True, slots=True)
class Delete:
    source: Source
    where: Expr | None = None
    returning: Returning | None = None

    def __str__(self) -> str:
        return f"DELETE FROM {self.source}{_where(self.where)}{_returning(self.returning)}"  # noqa: S608  # the same


@dataclass(frozen=True, slots=True)
class Exists:
    """EXISTS(SELECT ...): the condition check of a transaction."""

    select: Select

    def __str__(self) -> str:
        return f"EXISTS({self.select})"


Statement = Select | Insert | Update | Delete | Exists


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _where(where: Expr | None) -> str:
    return f" WHERE {where}" if where is not None else ""


def _returning(returning: Returning | None) -> str:
    return f" {returning}" if returning is not None else ""
