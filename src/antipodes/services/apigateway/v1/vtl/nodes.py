"""A parsed template: nodes that render themselves, and expressions that have a value. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from antipodes.services.apigateway.v1.vtl.values import (
    LIMIT,
    Host,
    TemplateError,
    as_text,
    assign,
    bounded,
    invoke,
    item,
    member,
    number,
    truth,
)

TURNS = 100_000  # of all loops of one rendering together
LOOP_TURNS = 1_000  # of one #foreach: "the maximum number of iterations in a #foreach loop" (AWS's quotas page)
DEPTH = 20  # of macros that call macros


class Stopped(Exception):
    """#stop, #return: the rendering ends."""


class Broken(Exception):
    """#break: the innermost loop ends."""


@dataclass(slots=True)
class Scope:
    """One rendering: its variables and what is printed so far."""

    variables: dict[str, Any]
    out: list[str] = field(default_factory=list)
    size: int = 0
    turns: int = 0
    depth: int = 0
    macros: dict[str, Macro] = field(default_factory=dict)

    def write(self, text: str) -> None:
        self.size += len(text)
        if self.size > LIMIT:
            raise TemplateError("what the template prints is too large")
        self.out.append(text)

    def captured(self, block: Block) -> str:
        """What a block prints."""
        out, self.out = self.out, []
        try:
            block.render(self)
            return "".join(self.out)
        finally:
            self.out = out


class Node(Protocol):
    def render(self, scope: Scope) -> None: ...


class Expression(Protocol):
    def value(self, scope: Scope) -> Any: ...


@dataclass(frozen=True, slots=True)
class Text:
    text: str

    def render(self, scope: Scope) -> None:
        scope.write(self.text)


@dataclass(frozen=True, slots=True)
class Block:
    nodes: tuple[Node, ...]

    def render(self, scope: Scope) -> None:
        for node in self.nodes:
            node.render(scope)


@dataclass(frozen=True, slots=True)
class Literal:
    constant: Any

    def value(self, scope: Scope) -> Any:
        return self.constant


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A string in double quotes."""

    block: Block

    def value(self, scope: Scope) -> Any:
        return scope.captured(self.block)


@dataclass(frozen=True, slots=True)
class ListOf:
    parts: tuple[Expression, ...]

    def value(self, scope: Scope) -> Any:
        return [part.value(scope) for part in self.parts]


@dataclass(frozen=True, slots=True)
class RangeOf:
    """[first..last], both included; it may count down."""

    first: Expression
    last: Expression

    def value(self, scope: Scope) -> Any:
        first, last = int(number(self.first.value(scope))), int(number(self.last.value(scope)))
        if abs(last - first) > TURNS:
            raise TemplateError("a range is too long")
        step = 1 if last >= first else -1
        return list(range(first, last + step, step))


@dataclass(frozen=True, slots=True)
class MapOf:
    parts: tuple[tuple[Expression, Expression], ...]

    def value(self, scope: Scope) -> Any:
        return {as_text(key.value(scope)): value.value(scope) for key, value in self.parts}


@dataclass(frozen=True, slots=True)
class Member:
    name: str

    def of(self, value: Any, scope: Scope) -> Any:
        return member(value, self.name)


@dataclass(frozen=True, slots=True)
class Item:
    key: Expression

    def of(self, value: Any, scope: Scope) -> Any:
        return item(value, self.key.value(scope))


@dataclass(frozen=True, slots=True)
class Invocation:
    name: str
    arguments: tuple[Expression, ...]

    def of(self, value: Any, scope: Scope) -> Any:
        return invoke(value, self.name, [one.value(scope) for one in self.arguments])


@dataclass(frozen=True, slots=True)
class Reference:
    """`$name.member[item].method()`. `source`: as it was written."""

    name: str
    steps: tuple[Member | Item | Invocation, ...]
    quiet: bool
    source: str

    def value(self, scope: Scope) -> Any:
        value = scope.variables.get(self.name)
        for step in self.steps:
            value = step.of(value, scope)
        return value

    def render(self, scope: Scope) -> None:
        value = self.value(scope)
        if isinstance(value, Host):
            raise TemplateError(f"{self.source} cannot be printed")
        if value is None and not self.quiet and self.name not in scope.variables:
            scope.write(self.source)  # Velocity prints a variable that nobody set as it stands
        else:
            scope.write(as_text(value))

    def set(self, new: Any, scope: Scope) -> None:
        if not self.steps:
            scope.variables[self.name] = new
            return
        value = scope.variables.get(self.name)
        for step in self.steps[:-1]:
            value = step.of(value, scope)
        last = self.steps[-1]
        if isinstance(last, Invocation):
            raise TemplateError(f"{self.source} cannot be set")
        assign(value, last.name if isinstance(last, Member) else last.key.value(scope), new)


@dataclass(frozen=True, slots=True)
class Not:
    of: Expression

    def value(self, scope: Scope) -> Any:
        return not truth(self.of.value(scope))


@dataclass(frozen=True, slots=True)
class Both:
    left: Expression
    right: Expression

    def value(self, scope: Scope) -> Any:
        return truth(self.left.value(scope)) and truth(self.right.value(scope))


@dataclass(frozen=True, slots=True)
class Either:
    left: Expression
    right: Expression

    def value(self, scope: Scope) -> Any:
        return truth(self.left.value(scope)) or truth(self.right.value(scope))


@dataclass(frozen=True, slots=True)
class Operation:
    """One of OPERATIONS."""

    sign: str
    left: Expression
    right: Expression

    def value(self, scope: Scope) -> Any:
        return bounded(OPERATIONS[self.sign](self.left.value(scope), self.right.value(scope)))


def _plus(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        return as_text(left) + as_text(right)
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    return number(left) + number(right)


def _times(left: Any, right: Any) -> Any:
    product = number(left) * number(right)
    if abs(product) > 1e300:
        raise TemplateError("a number grew too large")
    return product


def _over(left: Any, right: Any) -> Any:
    """Whole numbers divide as Java's do; by nought is null, as in Velocity."""
    over, under = number(left), number(right)
    if under == 0:
        return None
    if isinstance(over, int) and isinstance(under, int):
        whole = abs(over) // abs(under)
        return whole if (over < 0) == (under < 0) else -whole
    return over / under


def _rest(left: Any, right: Any) -> Any:
    over, under = number(left), number(right)
    if under == 0:
        return None
    rest = abs(over) % abs(under)
    return -rest if over < 0 else rest


def _equal(left: Any, right: Any) -> bool:
    if (
        left is None or right is None
    ):  # null is empty text, too, and what a path does not find is both (recorded on AWS)
        return left in (None, "") and right in (None, "")
    if isinstance(left, bool) != isinstance(right, bool):
        return as_text(left) == as_text(right) if isinstance(left, str) or isinstance(right, str) else False
    if isinstance(left, str) != isinstance(right, str):
        return as_text(left) == as_text(right)  # things of two kinds are equal if they print alike
    return bool(left == right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compared(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return compare(left, right)
        if left is None or right is None:
            return False
        return compare(number(left), number(right))

    return compared


OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "+": _plus,
        "-": lambda left, right: number(left) - number(right),
        "*": _times,
        "/": _over,
        "%": _rest,
        "==": _equal,
        "!=": lambda left, right: not _equal(left, right),
        "<": _ordered(operator.lt),
        "<=": _ordered(operator.le),
        ">": _ordered(operator.gt),
        ">=": _ordered(operator.ge),
    }
)


@dataclass(frozen=True, slots=True)
class Set:
    target: Reference
    new: Expression

    def render(self, scope: Scope) -> None:
        self.target.set(self.new.value(scope), scope)


@dataclass(frozen=True, slots=True)
class If:
    """The first branch whose condition holds; a condition of None is #else."""

    branches: tuple[tuple[Expression | None, Block], ...]

    def render(self, scope: Scope) -> None:
        for condition, block in self.branches:
            if condition is None or truth(condition.value(scope)):
                block.render(scope)
                return


@dataclass(frozen=True, slots=True)
class Foreach:
    name: str
    over: Expression
    block: Block

    def render(self, scope: Scope) -> None:
        over = self.over.value(scope)
        items = list(over.values()) if isinstance(over, dict) else list(over) if isinstance(over, list) else []
        variables = scope.variables
        before = {name: variables[name] for name in (self.name, "foreach", "velocityCount") if name in variables}
        for at, one in enumerate(items[:LOOP_TURNS]):
            scope.turns += 1
            if scope.turns > TURNS:
                raise TemplateError("the template's loops do not end")
            last = at == min(len(items), LOOP_TURNS) - 1
            variables[self.name] = one
            variables["velocityCount"] = at + 1
            variables["foreach"] = {
                "index": at, "count": at + 1, "hasNext": not last, "first": at == 0, "last": last,
                "parent": before.get("foreach"),
            }  # fmt: skip
            try:
                self.block.render(scope)
            except Broken:
                break
        for name in (self.name, "foreach", "velocityCount"):
            variables.pop(name, None)
        variables.update(before)


@dataclass(frozen=True, slots=True)
class Macro:
    """Its definition; rendering it makes it known."""

    name: str
    parameters: tuple[str, ...]
    block: Block

    def render(self, scope: Scope) -> None:
        scope.macros[self.name] = self


@dataclass(frozen=True, slots=True)
class MacroCall:
    name: str
    arguments: tuple[Expression, ...]
    source: str

    def render(self, scope: Scope) -> None:
        macro = scope.macros.get(self.name)
        if macro is None:
            scope.write(self.source)
            return
        scope.turns += 1
        if scope.depth >= DEPTH or scope.turns > TURNS:
            raise TemplateError("macros call each other without end")
        values = [one.value(scope) for one in self.arguments]
        before = dict(scope.variables)
        scope.depth += 1
        for at, parameter in enumerate(macro.parameters):
            scope.variables[parameter] = values[at] if at < len(values) else None
        macro.block.render(scope)
        scope.depth -= 1
        for parameter in macro.parameters:
            scope.variables.pop(parameter, None)
            if parameter in before:
                scope.variables[parameter] = before[parameter]


@dataclass(frozen=True, slots=True)
class Leave:
    """#stop, #return, #break."""

    loop: bool

    def render(self, scope: Scope) -> None:
        raise Broken if self.loop else Stopped


@dataclass(frozen=True, slots=True)
class Template:
    """Ready to render."""

    block: Block

    def render(self, variables: Mapping[str, Any]) -> str:
        """What the template prints. `variables` stay as they are, what they hold may be changed. Raises
        TemplateError."""
        scope = Scope(dict(variables))
        try:
            self.block.render(scope)
        except (Stopped, Broken):
            pass
        except RecursionError as error:
            raise TemplateError("the template is nested too deeply") from error
        except OverflowError as error:
            raise TemplateError("a number grew too large") from error
        return "".join(scope.out)
