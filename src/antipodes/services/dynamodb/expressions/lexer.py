"""Expression text to tokens. Pure.

A token keeps its place, because AWS shows a syntax error with its neighbours:
    Syntax error; token: "SYNTAX", near: "INVALID SYNTAX HERE"
A character that begins nothing becomes a token of its own: the parser refuses it where it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from antipodes.services.dynamodb.expressions.ast import ExpressionFault

_TOKEN = re.compile(
    r"""\s*(?:(?P<word>[A-Za-z][A-Za-z0-9_]*)|(?P<name>\#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)"""
    r"""|(?P<number>[0-9]+)|(?P<sign><=|>=|<>|[=<>+\-(),.\[\]])|(?P<other>\S))""",
    re.VERBOSE | re.ASCII,
)
END = "<EOF>"


@dataclass(frozen=True, slots=True)
class Token:
    """kind: word, name (#n), value (:v), number, sign, other, end. start and end are offsets in the text."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """The word in capitals; "" if it is no word."""
        return self.text.upper() if self.kind == "word" else ""


def tokens(text: str) -> list[Token]:
    """All tokens, an end token last."""
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        found.append(Token(kind, match[kind], match.start(kind), match.end(kind)))
    found.append(Token("end", END, len(text), len(text)))
    return found


def syntax_fault(text: str, all_tokens: list[Token], at: int) -> ExpressionFault:
    """The fault at token number `at`: it is shown with the token before and the one after."""
    first = all_tokens[max(at - 1, 0)]
    last = all_tokens[min(at + 1, len(all_tokens) - 1)]
    near = text[first.start : last.end].strip()
    return ExpressionFault(f'Syntax error; token: "{all_tokens[at].text}", near: "{near}"')
