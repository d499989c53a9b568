"""A WHERE clause, an assignment: from PartiQL to the trees of expressions/, bound and checked. Pure.

PartiQL compares conditions with values ("begins_with(a, 'x') = true"); the trees do not, so those are said with AND, OR
and NOT. Kinds of operands are checked by the same rules as ConditionExpression's, in PartiQL's words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from antipodes.services.dynamodb.expressions.ast import (
    And,
    Arithmetic,
    Assign,
    Between,
    Compare,
    Condition,
    ExpressionFault,
    In,
    Literal,
    Not,
    Operand,
    Or,
    Path,
    SetChange,
    Update,
)
from antipodes.services.dynamodb.expressions.ast import Call as Function
from antipodes.services.dynamodb.expressions.names import Terms
from antipodes.services.dynamodb.partiql.literals import is_literal, value_of
from antipodes.services.dynamodb.partiql.syntax import (
    Call,
    Expr,
    Name,
    Operation,
    Parameter,
    Remove,
    Scalar,
    Select,
    Sequence,
    SetTo,
    TypeTest,
)
from antipodes.services.dynamodb.values import SETS, Value, kind_of
from antipodes.wire.errors import ValidationException

T = TypeVar("T", Condition, Update)
MAX_CANDIDATES = 100
MAX_OPERATORS = 300  # a guess: DynamoDB's bound on the operators of an expression
MAX_COMPARED = 4  # conditions compared inside each other; each is said twice in the tree, so their number is bounded
_TESTS = frozenset(("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"))
_LOGICAL = frozenset(("and", "or", "not", "in", "not in", "between", "not between", "=", "<>", "<", "<=", ">", ">="))
_ORDERED = frozenset(("<", "<=", ">", ">="))
_TRUE = Literal({"BOOL": True})
_FALSE = Literal({"BOOL": False})
# The type names of IS, as attribute types.
_KINDS = {
    "null": ("NULL",),
    "bool": ("BOOL",),
    "boolean": ("BOOL",),
    "blob": ("B",),
    "string": ("S",),
    "numeric": ("N",),
    "struct": ("M",),
    "tuple": ("M",),
    "list": ("L",),
}
MAX_INDEX = (1 << 31) - 1


class _Checks(Terms):
    """The checks of operands, without names to resolve: a name of PartiQL may well begin with #."""

    def path(self, path: Path) -> Path:
        return path


class Binder:
    """Binds the expressions of one statement to its parameters."""

    def __init__(self, parameters: list[Value]) -> None:
        self.parameters = parameters
        self.operators = 0
        self.compared = 0

    # Conditions

    def where(self, node: Expr) -> Condition:
        """The condition of a WHERE clause, checked. Raises ValidationException."""
        return _checked(_Checks.condition, self.condition(node))

    def condition(self, node: Expr) -> Condition:
        self._count()
        if isinstance(node, Operation):
            return self._operation(node)
        if isinstance(node, TypeTest):
            found = self._type_test(node)
            return Not(found) if node.negated else found
        if isinstance(node, Call):
            return self._test(node)
        # A value alone; the wording is a guess.
        raise ValidationException(f"Unsupported condition in the where clause at {node.at}")

    def _operation(self, node: Operation) -> Condition:
        operator, operands = node.operator, node.operands
        if operator == "and":
            return And(self.condition(operands[0]), self.condition(operands[1]))
        if operator == "or":
            return Or(self.condition(operands[0]), self.condition(operands[1]))
        if operator == "not":
            return Not(self.condition(operands[0]))
        if operator in {"in", "not in"}:
            found = self._in(node)
            return found if operator == "in" else Not(found)
        if operator in {"between", "not between"}:
            between = Between(*(self.operand(one) for one in operands))
            return between if operator == "between" else Not(between)
        if operator not in _LOGICAL or len(operands) != 2:
            raise _misplaced(node)
        left, right = operands
        if not (_is_condition(left) or _is_condition(right)):
            return Compare(operator, self.operand(left), self.operand(right))
        if operator in _ORDERED:
            raise ValidationException(
                f"Incorrect operand type for operator or function; operator or function: {operator}, operand type: BOOL"
            )
        equal = self._equal(left, right)
        return equal if operator == "=" else Not(equal)

    def _equal(self, left: Expr, right: Expr) -> Condition:
        self.compared += 1
        if self.compared > MAX_COMPARED:
            raise _too_many()
        found = self._equality(*((left, right) if _is_condition(left) else (right, left)))
        self.compared -= 1
        return found

    def _equality(self, left: Expr, right: Expr) -> Condition:
        """`left` is a condition."""
        one = self.condition(left)
        if _is_condition(right):
            other = self.condition(right)
            return Or(And(one, other), And(Not(one), Not(other)))
        operand = self.operand(right)
        if operand == _TRUE:
            return one
        if operand == _FALSE:
            return Not(one)
        return Or(And(one, Compare("=", operand, _TRUE)), And(Not(one), Compare("=", operand, _FALSE)))

    def _in(self, node: Operation) -> Condition:
        left, right = node.operands
        if not isinstance(right, Sequence):
            # What else DynamoDB accepts here is not known.
            raise ValidationException(f"The IN operator requires a list of operands at {right.at}")
        if len(right.items) > MAX_CANDIDATES:
            raise ValidationException(
                f"The IN operator is provided with too many operands; number of operands: {len(right.items)}"
            )
        if not right.items:
            raise ValidationException(f"The IN operator requires a list of operands at {right.at}")
        if not _is_condition(left):
            return In(self.operand(left), tuple(self.operand(one) for one in right.items))
        found: Condition | None = None
        for one in right.items:
            equal = self._equal(left, one)
            found = equal if found is None else Or(found, equal)
        assert found is not None
        return found

    def _type_test(self, node: TypeTest) -> Condition:
        operand = self.operand(node.operand)
        if node.type == "missing":
            return Function("attribute_not_exists", (operand,))
        kinds = _KINDS.get(node.type)
        if kinds is None:
            raise ValidationException(f"Unsupported data type for IS: {node.type.upper()}")  # a guess
        return Function("attribute_type", (operand, Literal({"S": kinds[0]})))

    def _test(self, node: Call) -> Condition:
        if node.function not in _TESTS:
            raise _unrecognized(node)
        return Function(node.function, self._arguments(node))

    def _arguments(self, node: Call) -> tuple[Operand, ...]:
        return tuple(self.operand(one) for one in node.arguments if not isinstance(one, Select))

    # Operands

    def operand(self, node: Expr) -> Operand:
        if isinstance(node, Name):
            return path_of(node)
        if isinstance(node, Parameter):
            return Literal(self.parameters[node.number])
        if is_literal(node):
            return Literal(value_of(node))
        if isinstance(node, Call):
            self._count()
            if node.function != "size":
                raise _unrecognized(node)
            return Function("size", self._arguments(node))
        raise _misplaced(node)

    def _count(self) -> None:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise _too_many()

    # Updates

    def update(self, changes: tuple[SetTo | Remove, ...]) -> Update:
        """The changes of an UPDATE, checked. Raises ValidationException."""
        assigns: list[Assign] = []
        removes: list[Path] = []
        adds: list[SetChange] = []
        deletes: list[SetChange] = []
        for change in changes:
            self._count()
            path = path_of(change.path)
            if isinstance(change, Remove):
                removes.append(path)
            elif isinstance(change.value, Call) and change.value.function in {"set_add", "set_delete"}:
                found = SetChange(path, self._members(path, change.value))
                (adds if change.value.function == "set_add" else deletes).append(found)
            else:
                assigns.append(Assign(path, self.assigned(change.value)))
        update = Update(tuple(assigns), tuple(removes), tuple(adds), tuple(deletes))
        return _checked(_Checks.update, update)

    def assigned(self, node: Expr) -> Operand:
        """The value of a SET."""
        self._count()
        if isinstance(node, Operation) and node.operator in {"+", "-"} and len(node.operands) == 2:
            return Arithmetic(node.operator, self.assigned(node.operands[0]), self.assigned(node.operands[1]))
        if isinstance(node, Operation | TypeTest):
            word = node.operator.upper() if isinstance(node, Operation) else "IS"
            raise ValidationException(f"Unsupported operator in the update: {word} at {node.at}")  # a guess
        if isinstance(node, Call):
            if node.function != "list_append":
                raise _unrecognized(node)
            return Function("list_append", tuple(self.assigned(one) for one in _plain(node)))
        return self.operand(node)

    def _members(self, path: Path, node: Call) -> Literal:
        """The set that set_add or set_delete takes; its first argument must be what is assigned to."""
        name = node.function.upper()
        if len(node.arguments) != 2:
            raise ValidationException(f"{name} must have exactly two arguments at {node.at}")
        first, second = _plain(node)
        if not isinstance(first, Name) or path_of(first) != path:
            raise ValidationException(f"The first argument to {name} must equal the assignment value at {node.at}")
        if not isinstance(second, Name | Call | Operation | TypeTest):
            members = self.operand(second)
            if isinstance(members, Literal) and kind_of(members.value) in SETS:
                return members
        raise ValidationException(f"The second argument to {name} must be a value with type SET at {first.at}")


def path_of(node: Name) -> Path:
    """The document path. Raises ValidationException on an index that is none."""
    parts: list[str | int] = []
    for step in node.steps:
        if isinstance(step, str):
            if not step:
                raise ValidationException("Path component cannot be an empty string")
            parts.append(step)
            continue
        if not isinstance(step, Scalar) or step.kind not in {"number", "string"}:
            raise ValidationException(f"Unexpected path component at {step.at}")
        if step.kind == "string":
            parts.append(step.text)  # m['key'] is PartiQL for m."key"
            continue
        digits = step.text.removeprefix("-")
        index = int(digits[:12]) if digits.isdigit() else -1
        if index < 0 or index > MAX_INDEX or (index and step.text.startswith("-")):
            raise ValidationException(
                f"List index is not within the allowable range; index: [{step.text}] at {step.at}"
            )
        parts.append(index)
    return Path(tuple(parts))


def _plain(node: Call) -> list[Expr]:
    return [one for one in node.arguments if not isinstance(one, Select)]


def _is_condition(node: Expr) -> bool:
    if isinstance(node, Operation):
        return node.operator in _LOGICAL
    return isinstance(node, TypeTest) or (isinstance(node, Call) and node.function in _TESTS)


def _misplaced(node: Expr) -> ValidationException:
    """An operator where a condition has an operand. Seen on AWS for + and -; of the others the word is a guess."""
    operator = node.operator if isinstance(node, Operation) else "is"
    if isinstance(node, Operation) and len(node.operands) == 1 and operator in {"+", "-"}:
        return ValidationException(
            "Incorrect number of operands for operator or function; "
            f"operator or function: {operator}, number of operands: 1"
        )
    return ValidationException(f"Unsupported operator in Condition Expression. Operator: {operator}")


def _unrecognized(node: Call) -> ValidationException:
    if any(isinstance(one, Select) for one in node.arguments):
        return ValidationException(f"Unexpected path component at {node.at}")  # seen on AWS, for EXISTS(SELECT ...)
    return ValidationException(f"Unrecognized function: {node.function} at {node.at}")


def _too_many() -> ValidationException:
    return ValidationException("The statement contains too many operators")  # a guess


def _checked(bind: Callable[[_Checks, T], T], node: T) -> T:
    """The tree with the kinds of its operands checked, what is wrong said in PartiQL's words."""
    checks = _Checks(None, None)
    try:
        bound = bind(checks, node)
        checks.settle()
    except ExpressionFault as fault:
        message = str(fault).replace("; operator: ", "; operator or function: ")
        # The same set of types, as PartiQL lists it.
        message = message.replace("{B,NULL,SS,BOOL,L,BS,N,NS,S,M}", "{N,BS,L,B,NULL,M,S,SS,NS,BOOL}")
        raise ValidationException(message) from None
    return bound
