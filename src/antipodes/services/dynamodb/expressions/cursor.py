"""A cursor over the tokens of one expression: what every parser rule is made of. Pure.

It knows tokens, lists and parentheses, and no grammar. Faults that are no syntax errors are noted, the first of each
kind, and raised at the end: AWS reports a syntax error before them, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from antipodes.services.dynamodb.expressions.ast import ExpressionFault
from antipodes.services.dynamodb.expressions.lexer import Token, syntax_fault, tokens

MAX_TEXT_BYTES = 4096
MAX_NESTING = 100  # a guess: AWS bounds operators (300), not depth
PARENTHESES = 0  # the kind of the one fault that is noted here

T = TypeVar("T")


class Cursor:
    """A place in one text. `at` is the next token; `faults` has the first fault of each kind."""

    def __init__(self, text: str) -> None:
        if not text or text.isspace():
            raise ExpressionFault("The expression can not be empty;")
        size = len(text.encode())
        if size > MAX_TEXT_BYTES:
            raise ExpressionFault(f"Expression size has exceeded the maximum allowed size; expression size: {size}")
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0
        self.faults: dict[int, str] = {}
        self.group = (-1, -1)  # the token numbers of the parentheses closed last

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def fault(self) -> ExpressionFault:
        return syntax_fault(self.text, self.tokens, self.at)

    def note(self, kind: int, message: str) -> None:
        self.faults.setdefault(kind, message)

    def finish(self, order: tuple[int, ...]) -> None:
        """Demands the end of the text, then raises the first fault there is."""
        if self.token.kind != "end":
            raise self.fault()
        for kind in order:
            if kind in self.faults:
                raise ExpressionFault(self.faults[kind])

    def accept(self, sign: str) -> bool:
        if self.token.kind == "sign" and self.token.text == sign:
            self.at += 1
            return True
        return False

    def accept_word(self, keyword: str) -> bool:
        if self.token.keyword == keyword:
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            raise self.fault()

    def listed(self, one: Callable[[], T]) -> list[T]:
        found = [one()]
        while self.accept(","):
            found.append(one())
        return found

    def descend(self) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ExpressionFault("The expression is nested too deeply;")

    def grouped(self, inside: Callable[[], T]) -> T:
        """( inside ), noting a pair that directly encloses another."""
        opened = self.at
        self.at += 1
        self.descend()
        node = inside()
        closed = self.at
        self.expect(")")
        self.depth -= 1
        if self.group == (opened + 1, closed - 1):
            self.note(PARENTHESES, "The expression has redundant parentheses;")
        self.group = (opened, closed)
        return node
