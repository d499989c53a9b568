"""The parts of a parsed expression, and what may be wrong with one. Pure values.

A tree comes in two states. Parsed: names as written ("#n"), values as `Placeholder`. Bound (see names.py): names
resolved, placeholders replaced by `Literal`. `str(node)` prints a tree so that it parses to the same tree again.
"""

from __future__ import annotations

from typing import Any

import msgspec


class ExpressionFault(Exception):
    """What AWS says of an expression that it refuses, without the "Invalid ...Expression: " before it."""


class Path(msgspec.Struct, frozen=True):
    """A document path: attribute names and list indexes. Before binding a name may be a reference, "#n"."""

    parts: tuple[str | int, ...]

    def __str__(self) -> str:
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.parts)
        return text.removeprefix(".")

    def shown(self) -> str:
        """As AWS shows a path in its messages: [a, [1], b]."""
        return "[" + ", ".join(f"[{part}]" if isinstance(part, int) else part for part in self.parts) + "]"


class Placeholder(msgspec.Struct, frozen=True):
    """A value by reference, ":v"."""

    name: str

    def __str__(self) -> str:
        return self.name


class Literal(msgspec.Struct, frozen=True):
    """A bound value."""

    value: dict[str, Any]


class Call(msgspec.Struct, frozen=True):
    """A function with its operands."""

    function: str
    arguments: tuple[Operand, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


class Arithmetic(msgspec.Struct, frozen=True):
    """left + right or left - right, in an update."""

    operator: str
    left: Operand
    right: Operand

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


class Compare(msgspec.Struct, frozen=True):
    """One of = <> < <= > >=."""

    operator: str
    left: Operand
    right: Operand

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


class Between(msgspec.Struct, frozen=True):
    """operand BETWEEN low AND high, both ends included."""

    operand: Operand
    low: Operand
    high: Operand

    def __str__(self) -> str:
        return f"{self.operand} BETWEEN {self.low} AND {self.high}"


class In(msgspec.Struct, frozen=True):
    """operand IN (candidates)."""

    operand: Operand
    candidates: tuple[Operand, ...]

    def __str__(self) -> str:
        return f"{self.operand} IN ({', '.join(map(str, self.candidates))})"


class And(msgspec.Struct, frozen=True):
    left: Condition
    right: Condition

    def __str__(self) -> str:
        # The parser leans left, so a right-hand AND was written in parentheses.
        right = f"({self.right})" if isinstance(self.right, Or | And) else str(self.right)
        return f"{_grouped(self.left, Or)} AND {right}"


class Or(msgspec.Struct, frozen=True):
    left: Condition
    right: Condition

    def __str__(self) -> str:
        return f"{self.left} OR {_grouped(self.right, Or)}"


class Not(msgspec.Struct, frozen=True):
    condition: Condition

    def __str__(self) -> str:
        inner = f"({self.condition})" if isinstance(self.condition, And | Or) else str(self.condition)
        return f"NOT {inner}"


def _grouped(node: Condition, kind: type[Or] | type[And]) -> str:
    return f"({node})" if isinstance(node, kind) else str(node)


Operand = Path | Placeholder | Literal | Call | Arithmetic
Condition = Compare | Between | In | And | Or | Not | Call


class Assign(msgspec.Struct, frozen=True):
    """SET path = value."""

    path: Path
    value: Operand

    def __str__(self) -> str:
        return f"{self.path} = {self.value}"


class SetChange(msgspec.Struct, frozen=True):
    """ADD path value, or DELETE path value."""

    path: Path
    value: Operand

    def __str__(self) -> str:
        return f"{self.path} {self.value}"


SECTIONS = ("SET", "REMOVE", "ADD", "DELETE")


class Update(msgspec.Struct, frozen=True):
    """An update expression: its actions by section, each in the order written, and the order of the sections.

    legacy: it came as AttributeUpdates.
    """

    assigns: tuple[Assign, ...] = ()
    removes: tuple[Path, ...] = ()
    adds: tuple[SetChange, ...] = ()
    deletes: tuple[SetChange, ...] = ()
    legacy: bool = False
    order: tuple[str, ...] = SECTIONS

    def __str__(self) -> str:
        sections = {"SET": self.assigns, "REMOVE": self.removes, "ADD": self.adds, "DELETE": self.deletes}
        return " ".join(f"{name} {', '.join(map(str, sections[name]))}" for name in self.order if sections[name])

    def paths(self) -> list[Path]:
        """Every path it writes, section by section."""
        written = [one.path for one in self.assigns] + [one.path for one in self.adds + self.deletes]
        return written + list(self.removes)


class Projection(msgspec.Struct, frozen=True):
    """The paths to answer."""

    paths: tuple[Path, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.paths))


def operand_paths(update: Update) -> list[Path]:
    """The paths that an update reads."""
    return [path for one in update.assigns for path in condition_paths(one.value)]


def condition_paths(node: Condition | Operand) -> list[Path]:
    """The paths that a bound condition looks at, in the order met."""
    if isinstance(node, Path):
        return [node]
    children: tuple[Condition | Operand, ...] = ()
    if isinstance(node, And | Or | Compare | Arithmetic):
        children = (node.left, node.right)
    elif isinstance(node, Not):
        children = (node.condition,)
    elif isinstance(node, Between):
        children = (node.operand, node.low, node.high)
    elif isinstance(node, In):
        children = (node.operand, *node.candidates)
    elif isinstance(node, Call):
        children = node.arguments
    return [path for child in children for path in condition_paths(child)]
