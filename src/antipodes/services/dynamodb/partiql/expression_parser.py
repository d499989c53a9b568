"""The parser of PartiQL's expressions: operators by strength, paths, literals, calls. Pure.

    expr     = unary { infix unary }     strongest first: * / %  + - ||  < <= > >= BETWEEN LIKE  = <> IS IN  NOT AND OR
    unary    = NOT expr | {"+" | "-"} path
    path     = term { "." name | "[" expr "]" }
    term     = name | function "(" {expr, } ")" | literal | "?" | "(" expr {, expr} ")" | list | bag | struct

What may stand as a statement is parser.py's; where a statement stands inside an expression, it is left to it.
Nesting is limited: text from outside must not exhaust the stack.
"""

from __future__ import annotations

from antipodes.services.dynamodb.partiql.lexer import Token
from antipodes.services.dynamodb.partiql.syntax import (
    Call,
    Expr,
    Name,
    Operation,
    Parameter,
    Scalar,
    Select,
    Sequence,
    Struct,
    TypeTest,
    Update,
)
from antipodes.services.dynamodb.partiql.words import FUNCTION_KEYWORDS, TYPE_PAIRS, TYPES, malformed

MAX_NESTING = 100  # of parentheses, collections and NOTs; a guess: DynamoDB's own values end at 32
_STRENGTH = {
    "or": 10,
    "and": 20,
    **dict.fromkeys(("=", "<>", "is", "in", "not in"), 40),
    **dict.fromkeys(("<", "<=", ">", ">=", "between", "not between", "like", "not like"), 50),
    **dict.fromkeys(("+", "-", "||"), 60),
    **dict.fromkeys(("*", "/", "%"), 70),
}
_NOT = 30
_OPERATOR_WORDS = frozenset(("is", "in", "between", "like", "and", "or", "union", "except", "intersect"))
_CONSTANTS = frozenset(("true", "false", "null", "missing"))
_CLOSERS = {")": "RIGHT_PAREN", "]": "RIGHT_BRACKET", "}": "RIGHT_CURLY", ">>": "RIGHT_DOUBLE_ANGLE_BRACKET"}


class ExpressionParser:
    """One pass over one text."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.at = 0
        self.parameters = 0
        self.depth = 0
        self.aliased = False

    # Tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def sign(self, offset: int = 0) -> str:
        token = self.tokens[min(self.at + offset, len(self.tokens) - 1)]
        return token.text if token.kind == "sign" else ""

    def word(self, offset: int = 0) -> str:
        return self.tokens[min(self.at + offset, len(self.tokens) - 1)].keyword

    def accept(self, sign: str) -> bool:
        if self.sign() != sign:
            return False
        self.at += 1
        return True

    def accept_word(self, *words: str) -> bool:
        if any(self.word(offset) != word for offset, word in enumerate(words)):
            return False
        self.at += len(words)
        return True

    def close(self, sign: str) -> None:
        if not self.accept(sign):
            raise malformed(f"Expected {_CLOSERS[sign]}")

    # What a subclass knows

    def select(self) -> Select:
        """SELECT ..., whose first word was read."""
        raise NotImplementedError

    def from_first(self) -> Update:
        """FROM ... SET, whose first word was read."""
        raise NotImplementedError

    # Expressions

    def expression(self, strength: int = -1) -> Expr:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise malformed()
        left = self.unary()
        while True:
            operator, length = self.infix()
            if not operator or _STRENGTH[operator] <= strength:
                break
            left = self.combined(left, operator, length)
        self.depth -= 1
        return left

    def infix(self) -> tuple[str, int]:
        """The infix operator here and its number of tokens; "" if there is none."""
        sign, word = self.sign(), self.word()
        if sign in _STRENGTH:
            return sign, 1
        if sign == "!=":
            return "<>", 1
        if word == "not" and f"not {self.word(1)}" in _STRENGTH:
            return f"not {self.word(1)}", 2
        return (word, 1) if word in _STRENGTH else ("", 0)

    def combined(self, left: Expr, operator: str, length: int) -> Expr:
        at = self.token.place
        self.at += length
        if operator == "is":
            return self.type_test(left)
        if operator in {"in", "not in"} and self.accept("("):
            place = self.tokens[self.at - 1].place
            items = self.listed()
            self.close(")")
            return Operation(operator, (left, Sequence(False, items, place)), at)
        if self.token.kind == "end":
            raise malformed("Missing right-hand side expression of infix operator")
        right = self.expression(_STRENGTH[operator])
        if operator not in {"between", "not between"}:
            return Operation(operator, (left, right), at)
        if not self.accept_word("and"):
            raise malformed("Expected AND")
        if self.token.kind == "end":
            raise malformed("Expected expression after AND")
        return Operation(operator, (left, right, self.expression(_STRENGTH[operator])), at)

    def type_test(self, operand: Expr) -> Expr:
        negated = self.accept_word("not")
        first, second = self.token.text.lower(), self.tokens[min(self.at + 1, len(self.tokens) - 1)].text.lower()
        if self.token.kind == "word" and (first, second) in TYPE_PAIRS:
            self.at += 2
            return TypeTest(operand, f"{first} {second}", negated, operand.at)
        if self.token.kind != "word" or first not in TYPES:
            raise malformed("Expected type name")
        self.at += 1
        return TypeTest(operand, first, negated, operand.at)

    def unary(self) -> Expr:
        place = self.token.place
        if self.accept_word("not"):
            return Operation("not", (self.expression(_NOT),), place)
        signs = []
        while self.sign() in {"+", "-"}:
            signs.append((self.sign(), self.token.place))
            self.at += 1
        found = self.path()
        for sign, at in reversed(signs):
            if isinstance(found, Scalar) and found.kind == "number":
                text = found.text
                negated = text.removeprefix("-") if text.startswith("-") else f"-{text}"
                found = Scalar("number", negated if sign == "-" else text, found.at)
            else:
                found = Operation(sign, (found,), at)
        return found

    def path(self) -> Expr:
        found = self.term()
        if not isinstance(found, Name):
            if self.sign() in {".", "["}:
                raise malformed(
                    "Invalid path dot component" if self.sign() == "." else "Unexpected token after expression"
                )
            return found
        steps = list(found.steps)
        while True:
            if self.accept("."):
                if not self.token.is_name:
                    raise malformed("Invalid path dot component")
                steps.append(self.token.text)
                self.at += 1
            elif self.accept("["):
                steps.append(self.expression())
                self.close("]")
            else:
                return Name(tuple(steps), found.at)

    def term(self) -> Expr:
        token = self.token
        if token.is_name or token.keyword in FUNCTION_KEYWORDS:
            if self.sign(1) == "(":
                return self.call()
            if not token.is_name:
                raise malformed("Unexpected keyword")
            self.at += 1
            return Name((token.text,), token.place)
        if token.keyword in _CONSTANTS:
            self.at += 1
            return Scalar(token.keyword, "", token.place)
        if token.keyword == "from":
            # DynamoDB's parser takes FROM for the start of a statement even here: SLECT * FROM t
            self.at += 1
            self.from_first()
            raise malformed("Unexpected keyword")
        if token.keyword:
            raise malformed("Unexpected operator" if token.keyword in _OPERATOR_WORDS else "Unexpected keyword")
        if token.kind in {"string", "number"}:
            self.at += 1
            return Scalar(token.kind, token.text, token.place)
        if self.accept("?"):
            self.parameters += 1
            return Parameter(self.parameters - 1, token.place)
        if self.accept("("):
            items = self.listed()
            self.close(")")
            return items[0] if len(items) == 1 else Sequence(False, items, token.place)
        if self.accept("["):
            return Sequence(False, self.members("]"), token.place)
        if self.accept("<<"):
            return Sequence(True, self.members(">>"), token.place)
        if self.accept("{"):
            return self.struct(token)
        raise malformed("Unexpected operator" if token.text in _STRENGTH and token.text != "*" else "Unexpected term")

    def call(self) -> Call:
        token = self.token
        self.at += 2
        name = token.text.lower()
        if name == "exists" and self.accept_word("select"):
            arguments: tuple[Expr | Select, ...] = (self.select(),)
            self.close(")")
            return Call(name, arguments, token.place)
        if self.accept("*"):
            self.close(")")
            return Call(name, (), token.place)
        return Call(name, self.members(")"), token.place)

    def listed(self) -> tuple[Expr, ...]:
        found = [self.expression()]
        while self.accept(","):
            found.append(self.expression())
        return tuple(found)

    def members(self, closer: str) -> tuple[Expr, ...]:
        if self.accept(closer):
            return ()
        found = self.listed()
        self.close(closer)
        return found

    def struct(self, token: Token) -> Struct:
        fields: list[tuple[Expr, Expr]] = []
        if not self.accept("}"):
            while True:
                name = self.expression()
                if not self.accept(":"):
                    raise malformed("Expected COLON")
                fields.append((name, self.expression()))
                if not self.accept(","):
                    break
            self.close("}")
        return Struct(tuple(fields), token.place)
