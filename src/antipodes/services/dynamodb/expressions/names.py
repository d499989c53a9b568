"""Binding: a parsed expression meets the request's names and values. Pure.

`Terms` holds ExpressionAttributeNames and ExpressionAttributeValues of one request and remembers which were used.
What can be judged only now is judged here, in AWS's order: undefined names and values, numbers of operands, operands
that must differ, paths that overlap, kinds of operands.

`Expressions` keeps parsed trees by their text, bounded; one belongs to a service instance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from antipodes.services.dynamodb.expressions.ast import (
    SECTIONS,
    And,
    Arithmetic,
    Assign,
    Between,
    Call,
    Compare,
    Condition,
    ExpressionFault,
    In,
    Literal,
    Not,
    Operand,
    Or,
    Path,
    Placeholder,
    Projection,
    SetChange,
    Update,
)
from antipodes.services.dynamodb.expressions.parser import parse_condition, parse_projection, parse_update
from antipodes.services.dynamodb.values import KINDS, BadName, Value, check_name, kind_of, measure, order
from antipodes.wire.errors import ValidationException

_NAME_KEY = re.compile(r"#[0-9a-zA-Z_]+", re.ASCII).fullmatch
_VALUE_KEY = re.compile(r":[0-9a-zA-Z_]+", re.ASCII).fullmatch
MAX_KEY = 255  # bytes of a placeholder, its sign included (Developer Guide, "Expression parameters")
_COUNTS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
    "if_not_exists": 2,
    "list_append": 2,
}
_WORDS = {"S": "STRING", "N": "NUMBER", "B": "BINARY", "NULL": "NULL", "BOOL": "BOOLEAN", "L": "LIST", "M": "MAP"}
_OPERAND = "Incorrect operand type for operator or function; "
# Faults that need names and values, in the order in which AWS reports them. In conditions the first of NAME and VALUE
# counts, and each simple condition is judged whole before the next; in updates COUNT and KIND of functions are one.
NAME, VALUE, OVERLAP, CONFLICT, OPERAND, COUNT, DISTINCT, KIND = range(8)

T = TypeVar("T", Condition, Update, Projection)


class Terms:
    """The names and values of one request, and the faults of the expression being bound."""

    def __init__(self, names: Mapping[str, str] | None, values: Mapping[str, Value] | None) -> None:
        self.names = names or {}
        self.values = values or {}
        self._empty_names = names is not None and not names
        self._empty_values = values is not None and not values
        self.used: set[str] = set()  # never iterated: membership only
        self.faults: dict[int, str] = {}
        self._updating = False
        self._closed = False  # a simple condition was at fault: what follows is not told of

    def check(self) -> None:
        """Refuses empty maps, malformed keys, bad values. Makes the values canonical."""
        if self._empty_names:
            raise ValidationException("ExpressionAttributeNames must not be empty")
        for key, name in self.names.items():
            if len(key) > MAX_KEY:
                raise _long_key("Names", key)
            if not _NAME_KEY(key):
                raise ValidationException(f'ExpressionAttributeNames contains invalid key: Syntax error; key: "{key}"')
            if not name:
                raise ValidationException(
                    f"ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}"
                )
            check_name(name)
        if self._empty_values:
            raise ValidationException("ExpressionAttributeValues must not be empty")
        for key in self.values:
            if len(key) > MAX_KEY:
                raise _long_key("Values", key)
            if not _VALUE_KEY(key):
                raise ValidationException(f'ExpressionAttributeValues contains invalid key: Syntax error; key: "{key}"')
        for key, value in self.values.items():
            try:
                measure(value)
            except BadName:
                raise
            except ValidationException as fault:
                raise ValidationException(
                    f"ExpressionAttributeValues contains invalid value: {fault.message} for key {key}"
                ) from None

    def check_all_used(self) -> None:
        """Refuses names and values that no expression used."""
        for given, kind in ((self.names, "Names"), (self.values, "Values")):
            unused = [key for key in given if key not in self.used]
            if unused:
                raise ValidationException(
                    f"Value provided in ExpressionAttribute{kind} unused in expressions: keys: {{{', '.join(unused)}}}"
                )

    def note(self, rank: int, message: str) -> None:
        if self._closed:
            return
        if self._updating:
            rank = COUNT if rank in {DISTINCT, KIND} else rank
        elif rank == VALUE:
            rank = NAME
        self.faults.setdefault(rank, message)

    def settle(self) -> None:
        """Raises the first fault noted."""
        if self.faults:
            raise ExpressionFault(self.faults[min(self.faults)])

    def path(self, path: Path) -> Path:
        if not any(isinstance(part, str) and part[0] == "#" for part in path.parts):
            return path
        return Path(tuple(self._name(part) if isinstance(part, str) else part for part in path.parts))

    def _name(self, part: str) -> str:
        if part[0] != "#":
            return part
        name = self.names.get(part)
        if name is None:
            self.note(
                NAME,
                f"An expression attribute name used in the document path is not defined; attribute name: {part}",
            )
            return part
        self.used.add(part)
        return name

    def operand(self, node: Operand) -> Operand:
        if isinstance(node, Path):
            return self.path(node)
        if isinstance(node, Placeholder):
            value = self.values.get(node.name)
            if value is None:
                self.note(
                    VALUE,
                    f"An expression attribute value used in expression is not defined; attribute value: {node.name}",
                )
                return node
            self.used.add(node.name)
            return Literal(value)
        if isinstance(node, Arithmetic):
            left, right = self.operand(node.left), self.operand(node.right)
            self._check_kinds(node.operator, (left, right), ("N",))
            return Arithmetic(node.operator, left, right)
        if isinstance(node, Call):
            return self.call(node)
        return node

    def call(self, node: Call) -> Call:
        arguments = tuple(self.operand(argument) for argument in node.arguments)
        bound = Call(node.function, arguments)
        if len(arguments) != _COUNTS[node.function]:
            self.note(
                COUNT,
                "Incorrect number of operands for operator or function; "
                f"operator or function: {node.function}, number of operands: {len(arguments)}",
            )
            return bound
        if node.function in _CHECKS:
            _CHECKS[node.function](self, node.function, arguments)
        if len(arguments) == 2 and node.function in {"begins_with", "contains", "attribute_type"}:
            self.check_distinct(node.function, *arguments)
        return bound

    def check_distinct(self, operator: str, left: Operand, right: Operand) -> None:
        if isinstance(left, Path) and left == right:
            self.note(
                DISTINCT,
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {operator}, first operand: {left.shown()}",
            )

    def check_ordered(self, operator: str, *operands: Operand) -> None:
        for operand in operands:
            if isinstance(operand, Literal) and kind_of(operand.value) not in {"S", "N", "B"}:
                self.note(KIND, f"{_OPERAND}operator: {operator}, operand type: {kind_of(operand.value)}")

    def _check_kinds(self, function: str, operands: tuple[Operand, ...], wanted: tuple[str, ...]) -> None:
        for operand in operands:
            kind = _known_kind(operand)
            if kind and kind not in wanted:
                self.note(KIND, f"{_OPERAND}operator or function: {function}, operand type: {kind}")

    def _check_path(self, function: str, operands: tuple[Operand, ...]) -> None:
        if not isinstance(operands[0], Path):
            self.note(KIND, f"Operator or function requires a document path; operator or function: {function}")

    def _check_strings(self, function: str, operands: tuple[Operand, ...]) -> None:
        self._check_kinds(function, operands, ("S", "B"))

    def _check_lists(self, function: str, operands: tuple[Operand, ...]) -> None:
        self._check_kinds(function, operands, ("L",))

    def _check_sized(self, function: str, operands: tuple[Operand, ...]) -> None:
        self._check_kinds(function, operands, ("S", "B", "SS", "NS", "BS", "L", "M"))

    def _check_type_name(self, function: str, operands: tuple[Operand, ...]) -> None:
        named = operands[1]
        if not isinstance(named, Literal) or "S" not in named.value:
            kind = _known_kind(named) or "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"
            self.note(KIND, f"{_OPERAND}operator or function: {function}, operand type: {kind}")
        elif named.value["S"] not in KINDS:
            self.note(
                KIND,
                f"Invalid attribute type name found; type: {named.value['S']}, "
                "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
            )

    def condition(self, node: Condition) -> Condition:
        if isinstance(node, And):
            return And(self.condition(node.left), self.condition(node.right))
        if isinstance(node, Or):
            return Or(self.condition(node.left), self.condition(node.right))
        if isinstance(node, Not):
            return Not(self.condition(node.condition))
        bound = self._simple(node)
        self._closed = bool(self.faults)
        return bound

    def _simple(self, node: Compare | Between | In | Call) -> Condition:
        if isinstance(node, Compare):
            left, right = self.operand(node.left), self.operand(node.right)
            self.check_distinct(node.operator, left, right)
            if node.operator not in {"=", "<>"}:
                self.check_ordered(node.operator, left, right)
            return Compare(node.operator, left, right)
        if isinstance(node, Between):
            return self._between(Between(self.operand(node.operand), self.operand(node.low), self.operand(node.high)))
        if isinstance(node, In):
            operand = self.operand(node.operand)
            candidates = tuple(self.operand(one) for one in node.candidates)
            if len(candidates) > 100:
                self.note(
                    COUNT,
                    "Maximum number of operands for the IN comparator has been exceeded; "
                    f"number of operands: {len(candidates)}",  # wording from memory
                )
            return In(operand, candidates)
        return self.call(node)

    def _between(self, node: Between) -> Between:
        low, high = node.low, node.high
        self.check_ordered("BETWEEN", node.operand, low, high)
        if isinstance(low, Literal) and isinstance(high, Literal):
            found = order(low.value, high.value)
            bounds = (
                f"lower bound operand: AttributeValue: {_shown(low.value)}, "
                f"upper bound operand: AttributeValue: {_shown(high.value)}"
            )
            if kind_of(low.value) != kind_of(high.value):
                self.note(KIND, f"The BETWEEN operator requires same data type for lower and upper bounds; {bounds}")
            elif found is not None and found > 0:
                self.note(
                    KIND,
                    "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; " + bounds,
                )
        return node

    def update(self, node: Update) -> Update:
        self._updating = True
        found: dict[str, tuple[Any, ...]] = {}
        paths: list[Path] = []
        for section in node.order:
            if section == "SET":
                found[section] = tuple(Assign(self.path(one.path), self.operand(one.value)) for one in node.assigns)
            elif section == "REMOVE":
                found[section] = tuple(self.path(one) for one in node.removes)
            else:
                changes = node.adds if section == "ADD" else node.deletes
                found[section] = tuple(self._set_change(section, one) for one in changes)
            paths += [one if isinstance(one, Path) else one.path for one in found[section]]
        self._check_apart(paths)
        self._closed = bool(self.faults)
        self._updating = False
        sets, removes, adds, deletes = (found.get(section, ()) for section in SECTIONS)
        return Update(sets, removes, adds, deletes, order=node.order)

    def _set_change(self, operator: str, node: SetChange) -> SetChange:
        bound = SetChange(self.path(node.path), self.operand(node.value))
        if isinstance(bound.value, Literal):
            kind = kind_of(bound.value.value)
            if kind in _WORDS and not (operator == "ADD" and kind == "N"):
                self.note(OPERAND, f"{_OPERAND}operator: {operator}, operand type: {_WORDS[kind]}")
        return bound

    def projection(self, node: Projection) -> Projection:
        bound = Projection(tuple(self.path(one) for one in node.paths))
        self._check_apart(list(bound.paths))
        return bound

    def _check_apart(self, paths: list[Path]) -> None:
        """No path may lie inside another, nor treat as a list what another treats as a map."""
        for number, path in enumerate(paths):
            for earlier in paths[:number]:
                found = _relation(earlier, path)
                if found is not None:
                    rank, verb = found
                    self.note(
                        rank,
                        f"Two document paths {verb} with each other; must remove or rewrite one of these paths; "
                        f"path one: {earlier.shown()}, path two: {path.shown()}",
                    )


def _long_key(kind: str, key: str) -> ValidationException:
    return ValidationException(
        f"ExpressionAttribute{kind} contains invalid key: The expression attribute map contains a key that "
        f"is too long; size of key: {len(key)}"
    )  # wording from memory


def _known_kind(operand: Operand) -> str:
    """The kind that an operand has on every item; "": it depends."""
    if isinstance(operand, Literal):
        return kind_of(operand.value)
    return "N" if isinstance(operand, Call) and operand.function == "size" else ""


def _relation(one: Path, two: Path) -> tuple[int, str] | None:
    for a, b in zip(one.parts, two.parts, strict=False):
        if type(a) is not type(b):
            return CONFLICT, "conflict"
        if a != b:
            return None
    return OVERLAP, "overlap"


def _shown(value: Value) -> str:
    ((kind, content),) = value.items()
    return f"{{{kind}:{content}}}"


_CHECKS: Mapping[str, Callable[[Terms, str, tuple[Operand, ...]], None]] = {
    "attribute_exists": Terms._check_path,
    "attribute_not_exists": Terms._check_path,
    "attribute_type": Terms._check_type_name,
    "begins_with": Terms._check_strings,
    "size": Terms._check_sized,
    "if_not_exists": Terms._check_path,
    "list_append": Terms._check_lists,
}


class Expressions:
    """Parsed expressions by their text. When full, the oldest makes room."""

    def __init__(self, limit: int = 2000) -> None:
        self._limit = limit
        self._conditions: dict[str, Condition] = {}
        self._updates: dict[str, Update] = {}
        self._projections: dict[str, Projection] = {}

    def condition(self, text: str, terms: Terms, kind: str = "ConditionExpression") -> Condition:
        """Parsed and bound. Raises ValidationException "Invalid <kind>: ..."."""
        return self._bound(kind, text, terms, self._conditions, parse_condition, Terms.condition)

    def update(self, text: str, terms: Terms) -> Update:
        return self._bound("UpdateExpression", text, terms, self._updates, parse_update, Terms.update)

    def projection(self, text: str, terms: Terms) -> Projection:
        return self._bound("ProjectionExpression", text, terms, self._projections, parse_projection, Terms.projection)

    def _bound(
        self,
        kind: str,
        text: Any,
        terms: Terms,
        kept: dict[str, T],
        parse: Callable[[str], T],
        bind: Callable[[Terms, T], T],
    ) -> T:
        try:
            node = kept.get(text)
            if node is None:
                node = parse(text)
                if len(kept) >= self._limit:
                    del kept[next(iter(kept))]
                kept[text] = node
            bound = bind(terms, node)
            terms.settle()
        except ExpressionFault as fault:
            raise ValidationException(f"Invalid {kind}: {fault}") from None
        return bound
