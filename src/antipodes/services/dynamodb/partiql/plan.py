"""Where a SELECT reads: from its condition to ranges of keys. Pure.

A condition that pins the partition key (equality or IN, in every branch of an OR) is decomposed into one read for each
pinned key: an OR or IN over key attributes becomes several reads, everything else becomes the filter of its read. At
most 50 reads; two of one partition may not overlap. Any other condition is the filter of a scan.

An index with a multi-attribute key is read once where its partition key is pinned (`_composite_plan`).

Keys are compared as bytes, as they lie in the store.
"""

from __future__ import annotations

from dataclasses import dataclass

from antipodes.services.dynamodb import keys
from antipodes.services.dynamodb.expressions.ast import (
    And,
    Between,
    Call,
    Compare,
    Condition,
    In,
    Literal,
    Not,
    Or,
    Path,
    condition_paths,
)
from antipodes.services.dynamodb.key_conditions import KeyTest, range_of
from antipodes.services.dynamodb.schema import KeyPart
from antipodes.services.dynamodb.values import Value
from antipodes.wire.errors import ValidationException

MAX_READS = 50
OVERLAPPING = "Overlapping conditions with range keys are not supported in where clause"
_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class KeyMismatch(ValidationException):
    """A key attribute is compared with a value of another kind than its own."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Key attribute's data type should match its data type in table's schema: Key {name}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The key attributes of what is read: of a table, or of one of its indexes."""

    hashes: tuple[KeyPart, ...]
    ranges: tuple[KeyPart, ...]
    is_index: bool = False

    @property
    def hash(self) -> KeyPart:
        return self.hashes[0]

    @property
    def range(self) -> KeyPart | None:
        return self.ranges[0] if self.ranges else None

    @property
    def parts(self) -> tuple[KeyPart, ...]:
        return self.hashes + self.ranges


@dataclass(frozen=True, slots=True)
class Branch:
    """One read: start <= key < end, and what its items must meet. exact: at most one item can be there."""

    partition: bytes
    start: bytes
    end: bytes
    exact: bool
    filter: Condition | None

    @property
    def value(self) -> bytes:
        """The partition key, order-preserving."""
        return self.partition[keys.HASH_BYTES :]


@dataclass(frozen=True, slots=True)
class Plan:
    """The reads in their order; keyed is False for a scan (one branch: everything).

    idle: those that no key can meet, "pk = 'a' AND pk = 'b'". They are not read, but have a say in what is refused.
    """

    branches: tuple[Branch, ...]
    keyed: bool
    reverse: bool = False
    idle: tuple[Branch, ...] = ()


def plan_of(where: Condition | None, of: Keys, order: tuple[tuple[str, bool], ...] = ()) -> Plan:
    """How to read. Raises ValidationException."""
    names = [part.name for part in of.parts]
    for name, _ in order:
        if name not in names:
            raise ValidationException(f"Attribute {name} in ORDER BY clause must be part of the primary key")
    if len(of.hashes) > 1 or len(of.ranges) > 1:
        return _composite_plan(where, of, order)
    if where is None or not _pins(where, of):
        return _whole(where, order)
    if _count(where, of) > MAX_READS:
        raise ValidationException("Too many decomposed read operations for a given query.")
    parts = _expanded(where, of)
    found = [_branch(part, of) for part in parts]
    branches = [branch for branch in found if branch.start < branch.end]
    idle = tuple(branch for branch in found if branch.start >= branch.end)
    by = dict(order)
    if order and of.hash.name not in by and len({branch.partition for branch in branches}) > 1:
        raise ValidationException(
            "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."
        )
    if _overlap(branches):
        if not any(_negates_range(part, of) for part in parts):
            raise ValidationException(OVERLAPPING)
        branches = _merged(branches, where)
    # Seen on AWS: an ORDER BY without the sort key turns it around.
    reverse = bool(order) and (of.range is None or by.get(of.range.name, True))
    branches.sort(key=lambda branch: branch.start, reverse=reverse)
    branches.sort(key=lambda branch: branch.value, reverse=by.get(of.hash.name, False))
    return Plan(tuple(branches), True, reverse, idle)


def _whole(where: Condition | None, order: tuple[tuple[str, bool], ...]) -> Plan:
    if order:
        raise ValidationException(
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."
        )
    return Plan((Branch(b"", b"", b"", False, where),), keyed=False)


def _composite_plan(where: Condition | None, of: Keys, order: tuple[tuple[str, bool], ...]) -> Plan:
    """One read of the partition, if each attribute of its key has an equality; the sort key narrows it from the left as
    far as it can. All other conditions are its filter, an OR or IN over key attributes too (a guess)."""
    tests: dict[str, tuple[Condition, KeyTest]] = {}
    for node in conjuncts_of(where):
        test = _test(node, of)
        if test is not None:
            _check_kind(test.values, next(part for part in of.parts if part.name == test.name))
            tests.setdefault(test.name, (node, test))
    if not all(part.name in tests for part in of.hashes):
        return _whole(where, order)
    used = [tests[part.name] for part in of.hashes]
    for part in of.ranges:
        if part.name not in tests:
            break
        used.append(tests[part.name])
        if used[-1][1].operator != "=":
            break
    found = range_of([test for _, test in used], of.hashes, of.ranges, index=True)
    nodes = [node for node, _ in used]
    rest = [node for node in conjuncts_of(where) if not any(node is one for one in nodes)]
    reverse = bool(order) and (of.range is None or dict(order).get(of.range.name, True))
    return Plan((Branch(found.partition, found.start, found.end, False, all_of(rest)),), True, reverse)


def _pins(node: Condition, of: Keys) -> bool:
    if isinstance(node, And):
        return _pins(node.left, of) or _pins(node.right, of)
    if isinstance(node, Or):
        return _pins(node.left, of) and _pins(node.right, of)
    if isinstance(node, In):
        return _is(node.operand, of.hash) and all(isinstance(one, Literal) for one in node.candidates)
    test = _test(node, of)
    return test is not None and test.name == of.hash.name and test.operator == "="


def _is(operand: object, part: KeyPart | None) -> bool:
    return part is not None and isinstance(operand, Path) and operand.parts == (part.name,)


def _test(node: Condition, of: Keys) -> KeyTest | None:
    """The condition on one key attribute, if it is one that a range of keys can say."""
    name, operator = "", ""
    operands: tuple[object, ...] = ()
    if isinstance(node, Compare) and node.operator != "<>":
        operator = node.operator
        operands = (node.left, node.right)
        if isinstance(node.right, Path):
            operator, operands = _MIRRORED[operator], (node.right, node.left)
    elif isinstance(node, Between):
        operator, operands = "BETWEEN", (node.operand, node.low, node.high)
    elif isinstance(node, Call) and node.function == "begins_with":
        operator, operands = "begins_with", node.arguments
    if not operands or not all(isinstance(one, Literal) for one in operands[1:]):
        return None
    for part in of.parts:
        if _is(operands[0], part) and (part not in of.hashes or operator == "="):
            name = part.name
    values = tuple(one.value for one in operands[1:] if isinstance(one, Literal))
    return KeyTest(name, operator, values) if name else None


def _divides(node: Condition, of: Keys) -> bool:
    """Whether it becomes several reads: an OR or IN over key attributes."""
    if isinstance(node, Or):
        names = {part.name for part in (of.hash, of.range) if part is not None}
        return any(path.parts[0] in names for path in condition_paths(node))
    if isinstance(node, In):
        on_key = _is(node.operand, of.hash) or _is(node.operand, of.range)
        return on_key and all(isinstance(one, Literal) for one in node.candidates)
    return False


def _count(node: Condition, of: Keys) -> int:
    if isinstance(node, And):
        return _count(node.left, of) * _count(node.right, of)
    if not _divides(node, of):
        return 1
    if isinstance(node, In):
        return len(node.candidates)
    assert isinstance(node, Or)
    return _count(node.left, of) + _count(node.right, of)


def _expanded(node: Condition, of: Keys) -> list[list[Condition]]:
    """The condition as a choice of conjunctions; not more than MAX_READS, the caller counted."""
    if isinstance(node, And):
        return [left + right for left in _expanded(node.left, of) for right in _expanded(node.right, of)]
    if not _divides(node, of):
        return [[node]]
    if isinstance(node, In):
        return [[Compare("=", node.operand, one)] for one in node.candidates]
    assert isinstance(node, Or)
    return _expanded(node.left, of) + _expanded(node.right, of)


def _branch(conjuncts: list[Condition], of: Keys) -> Branch:
    """The read of one conjunction; its range is empty when no key can meet it."""
    pinned: KeyTest | None = None
    ranges: list[KeyTest] = []
    rest: list[Condition] = []
    impossible = False
    for node in conjuncts:
        test = _test(node, of)
        if test is None:
            rest.append(node)
            continue
        part = of.hash if test.name == of.hash.name else of.range
        assert part is not None
        _check_kind(test.values, part)
        if part is not of.hash:
            ranges.append(test)
        elif pinned is None:
            pinned = test
        elif pinned.values != test.values:
            impossible = True
    assert pinned is not None, "the condition pins its partition"
    whole = range_of([pinned], of.hashes, of.ranges, index=of.is_index)
    start, end = whole.start, whole.end
    for test in ranges:
        found = range_of([pinned, test], of.hashes, of.ranges, index=of.is_index)
        start, end = max(start, found.start), min(end, found.end)
    if impossible:
        end = start
    exact = not of.is_index and (of.range is None or any(test.operator == "=" for test in ranges))
    return Branch(whole.partition, start, end, exact, all_of(rest))


def _check_kind(values: tuple[Value, ...], part: KeyPart) -> None:
    if any(part.kind not in value for value in values):
        raise KeyMismatch(part.name)


def all_of(conditions: list[Condition]) -> Condition | None:
    found: Condition | None = None
    for one in conditions:
        found = one if found is None else And(found, one)
    return found


def conjuncts_of(node: Condition | None) -> list[Condition]:
    """The parts of a condition that AND joins."""
    if isinstance(node, And):
        return conjuncts_of(node.left) + conjuncts_of(node.right)
    return [] if node is None else [node]


def key_equality(node: Condition, of: Keys) -> KeyTest | None:
    """The equality with one key attribute that the condition is; None: it is another."""
    test = _test(node, of)
    return test if test is not None and test.operator == "=" else None


def _overlap(branches: list[Branch]) -> bool:
    reached: dict[bytes, bytes] = {}
    for branch in sorted(branches, key=lambda one: one.start):
        if branch.start < reached.get(branch.partition, b""):
            return True
        reached[branch.partition] = max(branch.end, reached.get(branch.partition, b""))
    return False


def _negates_range(conjuncts: list[Condition], of: Keys) -> bool:
    """Whether the sort key is negated: such reads may overlap, and answer each item once."""
    if of.range is None:
        return False
    name = of.range.name
    negated = [
        node for node in conjuncts if isinstance(node, Not) or (isinstance(node, Compare) and node.operator == "<>")
    ]
    return any(path.parts[0] == name for node in negated for path in condition_paths(node))


def _merged(branches: list[Branch], where: Condition) -> list[Branch]:
    """One read for each partition, filtered by the whole condition."""
    found: dict[bytes, Branch] = {}
    for branch in branches:
        whole = Branch(branch.partition, branch.partition, keys.after_prefix(branch.partition), False, where)
        found.setdefault(branch.partition, whole)
    return list(found.values())
