"""Statement text to tokens. Pure.

A token keeps its place, because DynamoDB's messages show it: line:column:length, in characters from 1.
Comments (-- to the end of the line, /* to */) are spaces. What begins no token ends the reading at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from antipodes.services.dynamodb.partiql.words import KEYWORDS, malformed

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n\r]*|/\*(?:[^*]|\*(?!/))*\*/)"""
    r"""|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"""
    r"""|(?P<word>[A-Za-z_$][A-Za-z0-9_$]*)"""
    r"""|(?P<quoted>"(?:[^"]|"")*")"""
    r"""|(?P<string>'(?:[^']|'')*')"""
    r"""|(?P<sign><<|>>|<=|>=|<>|!=|\|\||[-=<>+*/%()\[\]{},.:;?@])""",
    re.VERBOSE | re.ASCII,
)
_INT32 = 1 << 31


@dataclass(frozen=True, slots=True)
class Place:
    """Where a token stands."""

    line: int
    column: int
    length: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}:{self.length}"


@dataclass(frozen=True, slots=True)
class Token:
    """kind: word, quoted (an identifier in double quotes), string, number, sign, end. `text` is without quotes."""

    kind: str
    text: str
    place: Place

    @property
    def keyword(self) -> str:
        """The keyword in lower case; "" if it is none."""
        word = self.text.lower() if self.kind == "word" else ""
        return word if word in KEYWORDS else ""

    @property
    def is_name(self) -> bool:
        return self.kind == "quoted" or (self.kind == "word" and not self.keyword)


def tokens(text: str) -> list[Token]:
    """All tokens, an end token last. Raises ValidationException."""
    found: list[Token] = []
    at, line, line_start = 0, 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or (match.group() == "/" and text.startswith("/*", at)):
            raise malformed()
        kind, raw = match.lastgroup or "", match.group()
        if kind != "space":
            if kind == "number":
                _check_number(raw)
            content = raw
            if kind in {"quoted", "string"}:
                quote = raw[0]
                content = raw[1:-1].replace(quote * 2, quote)
            found.append(Token(kind, content, Place(line, at - line_start + 1, len(raw))))
        breaks = raw.count("\n")
        if breaks:
            line += breaks
            line_start = at + raw.rindex("\n") + 1
        at = match.end()
    found.append(Token("end", "", Place(line, at - line_start + 1, 0)))
    return found


def _check_number(raw: str) -> None:
    """An exponent, or the scale that it leaves, beyond 32 bits cannot be read at all."""
    mantissa, _, exponent = raw.lower().partition("e")
    if not exponent:
        return
    power = int(exponent[:12])
    scale = len(mantissa.partition(".")[2]) - power
    if not (-_INT32 <= power < _INT32 and -_INT32 <= scale < _INT32):
        raise malformed()
