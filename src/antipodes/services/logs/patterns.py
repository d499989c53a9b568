"""Filter patterns: which events FilterLogEvents gives. Pure: text in, a test of one message out.

    ""                                    every event
    ERROR "not found" -noise              all the terms, none of those with a minus
    ?ERROR ?WARN                          any of the terms; beside terms without ? those with it are ignored
    %regular expression%                  found anywhere in the message
    { $.level = "E*" && $.n >= 3 }        JSON messages whose members compare so
    [ip, user, ..., status = 4*, bytes]   messages in columns: words, or "..." and [...] as one

Source: CloudWatch Logs User Guide, "Filter pattern syntax for metric filters, subscription filters, filter log
events, and Live Tail". Terms are matched as parts of the text, upper and lower case apart (that a term must be a word
of its own is said nowhere; a guess).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from antipodes.wire.errors import ClientFault

Test = Callable[[str], bool]
Look = Callable[[Mapping[str, Any]], bool]  # of a JSON message, or of columns by their names

_TERM = re.compile(
    r'\s*(?P<sign>[?-]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<regex>(?:[^%\\]|\\.)*)%|(?P<word>[^\s"]+))'
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<op>&&|\|\||!=|>=|<=|=|>|<|\(|\)|,)
    |"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<regex>(?:[^%\\]|\\.)*)%
    |(?P<word>[^\s"%&|!=<>(),]+))""",
    re.VERBOSE,
)
_COLUMNS = re.compile(r'"(?P<quoted>[^"]*)"|\[(?P<bracketed>[^\]]*)\]|(?P<word>\S+)')
_SELECTOR_STEP = re.compile(
    r"\.(?P<name>[A-Za-z0-9_@-]+|\*)|\[(?:'(?P<quoted>[^']*)'|\"(?P<doubly>[^\"]*)\"|(?P<index>\d+|\*))\]"
)
_ABSENT: Any = object()


def invalid(why: str) -> ClientFault:
    return ClientFault("InvalidParameterException", f"Invalid filter pattern: {why}")


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Test:
    """The test of a message. Raises InvalidParameterException."""
    text = pattern.strip()
    if not text:
        return lambda message: True
    if text.startswith("{"):
        if not text.endswith("}"):
            raise invalid("a { without its }")
        look = _Parser(text[1:-1], _json_operand).whole()
        return lambda message: _looked_at(look, message)
    if text.startswith("["):
        if not text.endswith("]"):
            raise invalid("a [ without its ]")
        return _columns(text[1:-1])
    return _terms(text)


def _terms(text: str) -> Test:
    wanted: dict[str, list[Test]] = {"": [], "?": [], "-": []}
    at = 0
    while at < len(text.rstrip()):
        found = _TERM.match(text, at)
        if found is None:
            raise invalid(f"it cannot be read from character {at + 1}")
        wanted[found["sign"]].append(_term(found))
        at = found.end()
    every, some, none = wanted[""], wanted["?"], wanted["-"]
    if every or none:
        some = []

    def test(message: str) -> bool:
        return (
            all(one(message) for one in every)
            and not any(one(message) for one in none)
            and (not some or any(one(message) for one in some))
        )

    return test


def _term(found: re.Match[str]) -> Test:
    if found["regex"] is not None:
        search = _regex(found["regex"]).search
        return lambda message: search(message) is not None
    term = found["word"] if found["quoted"] is None else _unescaped(found["quoted"])
    return lambda message: term in message


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, RecursionError) as error:
        raise invalid(f"the regular expression {text}: {error}") from None


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _looked_at(look: Look, message: str) -> bool:
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and look(value)


def _columns(text: str) -> Test:
    """[a, b = 1, ..., z]: a name alone takes a column, "..." any number of them."""
    names: list[str] = []
    looks: list[Look] = []
    for part in _split(text):
        name = re.match(r"\s*(\.\.\.|[A-Za-z0-9_@-]+)?", part)
        names.append((name[1] if name else None) or f"column {len(names) + 1}")
        if re.search(r"[=<>]", part):
            looks.append(_Parser(part, _column_operand).whole())
    if names.count("...") > 1:
        raise invalid("more than one ...")

    def test(message: str) -> bool:
        values = [found[found.lastgroup or "word"] for found in _COLUMNS.finditer(message)]
        placed = _placed(names, values)
        return placed is not None and all(look(placed) for look in looks)

    return test


def _split(text: str) -> list[str]:
    """At commas outside of quotes."""
    return re.findall(r'(?:[^,"]|"[^"]*")+|(?<=,)(?=,)|^(?=,)', text) or [text]


def _placed(names: list[str], values: list[str]) -> Mapping[str, str] | None:
    """Column names to values; None: the message has another number of columns."""
    if "..." not in names:
        return dict(zip(names, values, strict=True)) if len(names) == len(values) else None
    at = names.index("...")
    behind = len(names) - at - 1
    if len(values) < at + behind:
        return None
    return dict(zip(names[:at], values, strict=False)) | dict(
        zip(names[at + 1 :], values[len(values) - behind :], strict=True)
    )


def _json_operand(word: str) -> Callable[[Mapping[str, Any]], list[Any]]:
    """What a selector such as $.a.b[0] finds: a list, since * may find many."""
    if not word.startswith("$"):
        raise invalid(f"{word} does not begin with $")
    steps: list[str | int | None] = []
    at = 1
    while at < len(word):
        found = _SELECTOR_STEP.match(word, at)
        if found is None:
            raise invalid(f"the selector {word}")
        name = next(found[one] for one in ("name", "quoted", "doubly", "index") if found[one] is not None)
        steps.append(None if name == "*" and found["quoted"] is None else int(name) if found["index"] else name)
        at = found.end()

    def select(message: Mapping[str, Any]) -> list[Any]:
        values: list[Any] = [message]
        for step in steps:
            values = [inner for value in values for inner in _inside(value, step)]
        return values

    return select


def _inside(value: Any, step: str | int | None) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values()) if step is None else [value[step]] if step in value else []
    if isinstance(value, list):
        return list(value) if step is None else [value[step]] if isinstance(step, int) and step < len(value) else []
    return []


def _column_operand(word: str) -> Callable[[Mapping[str, Any]], list[Any]]:
    return lambda columns: [columns[word]] if word in columns else []


class _Parser:
    """Conditions joined by && and ||, in brackets or not: or of ands of comparisons."""

    def __init__(self, text: str, operand: Callable[[str], Callable[[Mapping[str, Any]], list[Any]]]) -> None:
        self._operand = operand
        self._tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise invalid(f"it cannot be read at {text[at : at + 20]}")
            kind = found.lastgroup or "word"
            self._tokens.append((kind, found[kind]))
            at = found.end()
        self._at = 0

    def whole(self) -> Look:
        look = self._either(0)
        if self._at != len(self._tokens):
            raise invalid(f"{self._tokens[self._at][1]} was not expected")
        return look

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise invalid("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, op: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("op", op):
            self._at += 1
            return True
        return False

    def _either(self, depth: int) -> Look:
        if depth > 50:
            raise invalid("too many brackets")
        some = [self._both(depth)]
        while self._takes("||"):
            some.append(self._both(depth))
        return some[0] if len(some) == 1 else lambda message: any(one(message) for one in some)

    def _both(self, depth: int) -> Look:
        every = [self._one(depth)]
        while self._takes("&&"):
            every.append(self._one(depth))
        return every[0] if len(every) == 1 else lambda message: all(one(message) for one in every)

    def _one(self, depth: int) -> Look:
        if self._takes("("):
            look = self._either(depth + 1)
            if not self._takes(")"):
                raise invalid("a ( without its )")
            return look
        kind, word = self._next()
        if kind != "word":
            raise invalid(f"{word} was not expected")
        select = self._operand(word)
        kind, op = self._next()
        if kind == "word":
            return self._asked(select, op.upper())
        if kind != "op" or op not in _COMPARED:
            raise invalid(f"{op} is no comparison")
        kind, value = self._next()
        if kind == "op":
            raise invalid(f"{value} is no value")
        return _comparison(select, op, kind, value)

    def _asked(self, select: Callable[[Mapping[str, Any]], list[Any]], op: str) -> Look:
        word = self._next()[1].upper()
        if op == "NOT" and word == "EXISTS":
            return lambda message: not select(message)
        if op == "IS" and word in _CONSTANTS:
            constant = _CONSTANTS[word]
            return lambda message: any(value is constant for value in select(message))
        raise invalid(f"{op} {word}")


_CONSTANTS: Mapping[str, Any] = {"NULL": None, "TRUE": True, "FALSE": False}
_COMPARED = frozenset({"=", "!=", ">", "<", ">=", "<="})


def _comparison(select: Callable[[Mapping[str, Any]], list[Any]], op: str, kind: str, value: str) -> Look:
    if op not in {"=", "!="}:
        bound = _number(value)
        if bound is None:
            raise invalid(f"{value} is no number")
        return lambda message: any(_ordered(op, found, bound) for found in select(message))
    equals = _equality(kind, value)
    if op == "=":
        return lambda message: any(equals(found) for found in select(message))
    return lambda message: bool(found := select(message)) and not any(equals(one) for one in found)


def _equality(kind: str, value: str) -> Callable[[Any], bool]:
    if kind == "regex":
        search = _regex(value).search
        return lambda found: isinstance(found, str) and search(found) is not None
    text = _unescaped(value) if kind == "quoted" else value
    number = _number(text) if kind == "word" else None
    whole = re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL).fullmatch

    def equals(found: Any) -> bool:
        if isinstance(found, bool) or found is None:
            return False
        if isinstance(found, str):
            return whole(found) is not None or (number is not None and _number(found) == number)
        if isinstance(found, int | float):
            return number == found if number is not None else whole(f"{found}") is not None
        return False

    return equals


def _ordered(op: str, found: Any, bound: float) -> bool:
    value = found if isinstance(found, int | float) and not isinstance(found, bool) else _number(found)
    if value is None:
        return False
    if op == ">":
        return value > bound
    if op == "<":
        return value < bound
    return value >= bound if op == ">=" else value <= bound


def _number(text: Any) -> float | None:
    try:
        return float(text) if isinstance(text, str) else None
    except ValueError:
        return None
