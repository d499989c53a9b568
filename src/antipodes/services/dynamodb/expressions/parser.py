"""The recursive-descent parser of condition, update and projection expressions. Pure.

    condition  = and-part { OR and-part }            update     = { SET assign {, assign} | REMOVE path {, path}
    and-part   = not-part { AND not-part }                        | ADD path :v {, ...} | DELETE path :v {, ...} }
    not-part   = NOT not-part | comparison           assign     = path "=" sum
    comparison = primary [ sign operand              sum        = operand [ ("+" | "-") operand ]
                 | BETWEEN operand AND operand       projection = path {, path}
                 | IN "(" operand {, operand} ")" ]  path       = name { "." name | "[" number "]" }
    primary    = "(" condition-or-operand ")" | operand
    operand    = "(" operand ")" | path | :value | function "(" operand {, operand} ")"

What can be judged without names and values is judged here, in AWS's order: syntax first; then redundant parentheses,
unknown functions, functions out of place, reserved words. The rest is names.py's.
Nesting is limited: text from outside must not exhaust the stack.
"""

from __future__ import annotations

from antipodes.services.dynamodb.expressions.ast import (
    SECTIONS,
    And,
    Arithmetic,
    Assign,
    Between,
    Call,
    Compare,
    Condition,
    In,
    Not,
    Operand,
    Or,
    Path,
    Placeholder,
    Projection,
    SetChange,
    Update,
)
from antipodes.services.dynamodb.expressions.cursor import PARENTHESES, Cursor
from antipodes.services.dynamodb.expressions.reserved import RESERVED_WORDS

COMPARATORS = frozenset(("=", "<>", "<", "<=", ">", ">="))
CONDITION_KEYWORDS = frozenset(("AND", "OR", "NOT", "BETWEEN", "IN"))
UPDATE_KEYWORDS = frozenset(("SET", "REMOVE", "ADD", "DELETE"))
CONDITION_FUNCTIONS = frozenset(
    ("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size")
)
UPDATE_FUNCTIONS = frozenset(("if_not_exists", "list_append"))
# Faults that need no names or values, in the order in which AWS reports them.
FUNCTION, MISUSE, SECTION, RESERVED = range(1, 5)
CONDITION_ORDER = (PARENTHESES, FUNCTION, MISUSE, RESERVED)
UPDATE_ORDER = (RESERVED, FUNCTION, MISUSE, SECTION, PARENTHESES)


def parse_condition(text: str) -> Condition:
    """A condition, filter or key condition. Raises ExpressionFault."""
    parser = _Parser(text, CONDITION_KEYWORDS)
    node = parser.condition()
    parser.finish(CONDITION_ORDER)
    return node


def parse_update(text: str) -> Update:
    """An update expression. Raises ExpressionFault."""
    parser = _Parser(text, UPDATE_KEYWORDS)
    node = parser.update()
    parser.finish(UPDATE_ORDER)
    return node


def parse_projection(text: str) -> Projection:
    """A projection expression. Raises ExpressionFault."""
    parser = _Parser(text, frozenset())
    node = Projection(tuple(parser.listed(parser.path)))
    parser.finish(UPDATE_ORDER)
    return node


class _Parser(Cursor):
    """One pass over one text."""

    def __init__(self, text: str, keywords: frozenset[str]) -> None:
        super().__init__(text)
        self.keywords = keywords
        self.updating = keywords is UPDATE_KEYWORDS

    # Conditions

    def condition(self) -> Condition:
        return self.demand_condition(self.alternatives())

    def demand_condition(self, node: Condition | Operand) -> Condition:
        """A path or a value alone is no condition: something must follow it."""
        if isinstance(node, Call):
            if node.function == "size":
                self.note(MISUSE, _misused("size"))
            return node
        if isinstance(node, Compare | Between | In | And | Or | Not):
            return node
        raise self.fault()

    def alternatives(self) -> Condition | Operand:
        node = self.conjunction()
        while self.token.keyword == "OR":
            left = self.demand_condition(node)
            self.at += 1
            node = Or(left, self.demand_condition(self.conjunction()))
        return node

    def conjunction(self) -> Condition | Operand:
        node = self.negation()
        while self.token.keyword == "AND":
            left = self.demand_condition(node)
            self.at += 1
            node = And(left, self.demand_condition(self.negation()))
        return node

    def negation(self) -> Condition | Operand:
        if not self.accept_word("NOT"):
            return self.comparison()
        self.descend()
        node = Not(self.demand_condition(self.negation()))
        self.depth -= 1
        return node

    def comparison(self) -> Condition | Operand:
        left = self.primary()
        token = self.token
        if token.kind == "sign" and token.text in COMPARATORS:
            operand = self.demand_operand(left)
            self.at += 1
            return Compare(token.text, operand, self.compared())
        if token.keyword == "BETWEEN":
            operand = self.demand_operand(left)
            self.at += 1
            low = self.compared()
            if not self.accept_word("AND"):
                raise self.fault()
            return Between(operand, low, self.compared())
        if token.keyword == "IN":
            operand = self.demand_operand(left)
            self.at += 1
            self.expect("(")
            candidates = self.listed(self.compared)
            self.expect(")")
            return In(operand, tuple(candidates))
        return left

    def compared(self) -> Operand:
        return self.demand_operand(self.operand())

    def demand_operand(self, node: Condition | Operand) -> Operand:
        if isinstance(node, Call):
            if node.function in CONDITION_FUNCTIONS and node.function != "size":
                self.note(MISUSE, _misused(node.function))
            return node
        if isinstance(node, Path | Placeholder):
            return node
        raise self.fault()

    def primary(self) -> Condition | Operand:
        if self.token.kind == "sign" and self.token.text == "(":
            return self.grouped(self.alternatives)
        return self.operand()

    # Operands

    def operand(self) -> Operand:
        token = self.token
        if token.kind == "value":
            self.at += 1
            return Placeholder(token.text)
        if token.kind == "sign" and token.text == "(":
            return self.grouped(self.operand)
        if token.kind == "word" and self.tokens[self.at + 1].text == "(" and token.keyword not in self.keywords:
            return self.call()
        return self.path()

    def call(self) -> Call:
        name = self.token.text
        known, foreign = CONDITION_FUNCTIONS, UPDATE_FUNCTIONS
        if self.updating:
            known, foreign = foreign, known
        if name in foreign:
            kind = "an update" if self.updating else "a condition"
            self.note(MISUSE, f"The function is not allowed in {kind} expression; function: {name}")
        elif name not in known:
            self.note(FUNCTION, f"Invalid function name; function: {name}")
        self.at += 2
        self.descend()
        arguments = tuple(self.listed(self.operand))
        self.depth -= 1
        self.expect(")")
        for argument in arguments:
            if isinstance(argument, Call) and not self.updating and argument.function != "size":
                self.note(MISUSE, _misused(argument.function))
        return Call(name, arguments)

    def path(self) -> Path:
        parts: list[str | int] = [self.attribute()]
        while True:
            if self.accept("."):
                parts.append(self.attribute())
            elif self.accept("["):
                if self.token.kind != "number":
                    raise self.fault()
                # Longer than any list: kept short, so that a number of 4,000 digits costs nothing.
                parts.append(int(self.token.text[:9]))
                self.at += 1
                self.expect("]")
            else:
                return Path(tuple(parts))

    def attribute(self) -> str:
        token = self.token
        if token.kind == "word" and token.keyword not in self.keywords:
            if token.keyword in RESERVED_WORDS:
                self.note(RESERVED, f"Attribute name is a reserved keyword; reserved keyword: {token.text}")
        elif token.kind != "name":
            raise self.fault()
        self.at += 1
        return token.text

    # Updates

    def update(self) -> Update:
        assigns: list[Assign] = []
        removes: list[Path] = []
        adds: list[SetChange] = []
        deletes: list[SetChange] = []
        seen: list[str] = []
        while self.token.kind != "end" or not seen:
            keyword = self.token.keyword
            if keyword not in UPDATE_KEYWORDS:
                raise self.fault()
            if keyword in seen:
                self.note(SECTION, f'The "{keyword}" section can only be used once in an update expression;')
            seen.append(keyword)
            self.at += 1
            if keyword == "SET":
                assigns += self.listed(self.assign)
            elif keyword == "REMOVE":
                removes += self.listed(self.path)
            else:
                (adds if keyword == "ADD" else deletes).extend(self.listed(self.set_change))
        # One order for all texts that do not care: equal updates are equal trees.
        usual = [section for section in SECTIONS if section in seen]
        order = SECTIONS if seen == usual else tuple(dict.fromkeys([*seen, *SECTIONS]))
        return Update(tuple(assigns), tuple(removes), tuple(adds), tuple(deletes), order=order)

    def assign(self) -> Assign:
        path = self.path()
        self.expect("=")
        if self.token.text == "(":
            node = self.grouped(self.sum)
            # The parentheses were an operand's, not the whole side's: (a) + b
            return Assign(path, self.more_sum(node) if not isinstance(node, Arithmetic) else node)
        return Assign(path, self.sum())

    def sum(self) -> Operand:
        return self.more_sum(self.operand())

    def more_sum(self, left: Operand) -> Operand:
        token = self.token
        if token.kind == "sign" and token.text in {"+", "-"}:
            self.at += 1
            return Arithmetic(token.text, left, self.operand())
        return left

    def set_change(self) -> SetChange:
        path = self.path()
        if self.token.kind != "value":
            raise self.fault()
        value = Placeholder(self.token.text)
        self.at += 1
        return SetChange(path, value)


def _misused(function: str) -> str:
    return f"The function is not allowed to be used this way in an expression; function: {function}"
