"""JSONPath, as mapping templates and parameter mappings use it. Pure.

    $  $.a  $['a']  $.a[0]  $.a[-1]  $.a[0:2]  $.a[0,1]  $.*  $.a[*]  $..a  $.a[?(@.b == 'c')]  $.a.length()

A path that can mean only one place is definite, and finds a value or nothing; any other finds a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MISSING = object()
FOUND_LIMIT = 100_000

NAME = re.compile(r"[^.\[\]()\s?@*:,]+")
QUOTED = re.compile(
    r"\[\s*('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(\s*,\s*('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))*\s*\]"
)
PIECE = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
INDEXES = re.compile(r"\[\s*(-?\d{1,9}(?:\s*,\s*-?\d{1,9})*)\s*\]")
SLICE = re.compile(r"\[\s*(-?\d{1,9})?\s*:\s*(-?\d{1,9})?\s*\]")
FILTER = re.compile(
    r"\[\?\(\s*@((?:\.[A-Za-z_][\w-]*)+)\s*"
    r"(?:(==|!=|<=|>=|<|>)\s*('(?:[^']*)'|\"(?:[^\"]*)\"|-?\d+(?:\.\d+)?|true|false|null))?\s*\)\]"
)


class BadPath(ValueError):
    """It cannot be read."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step down. kind: "names", "indexes", "slice", "all", "deep", "filter", "length"."""

    kind: str
    names: tuple[str, ...] = ()
    indexes: tuple[int, ...] = ()
    start: int | None = None
    stop: int | None = None
    sign: str = ""
    operand: Any = None


def found(document: Any, path: str) -> Any:
    """The value, a list where the path is not definite, or MISSING. Raises BadPath."""
    steps, definite = compiled(path)
    places = [document]
    for step in steps:
        places = [one for place in places for one in _below(place, step)]
        if len(places) > FOUND_LIMIT:
            raise BadPath(f"{path} finds too much")
    if definite:
        return places[0] if places else MISSING
    return places


@lru_cache(maxsize=512)
def compiled(path: str) -> tuple[tuple[Step, ...], bool]:
    """The steps, and whether they lead to one place at most."""
    text = path.strip()
    if not text.startswith("$"):
        text = f"$.{text}"
    steps: list[Step] = []
    at = 1
    while at < len(text):
        step, at = _step(text, at)
        steps.append(step)
    definite = all(
        (step.kind == "names" and len(step.names) == 1)
        or (step.kind == "indexes" and len(step.indexes) == 1)
        or step.kind == "length"
        for step in steps
    )
    return tuple(steps), definite


def _step(text: str, at: int) -> tuple[Step, int]:
    if text.startswith("..", at):
        return Step("deep"), at + 2 if text.startswith("[", at + 2) else at + 1
    if text.startswith((".*", "[*]"), at):
        return Step("all"), at + (2 if text[at] == "." else 3)
    if text.startswith((".length()", ".size()"), at):
        return Step("length"), text.index(")", at) + 1
    if text[at] == ".":
        name = NAME.match(text, at + 1)
        if name is not None:
            return Step("names", names=(name[0],)), name.end()
    quoted = QUOTED.match(text, at)
    if quoted is not None:
        names = tuple(re.sub(r"\\(.)", r"\1", piece[1:-1]) for piece in PIECE.findall(quoted[0]))
        return Step("names", names=names), quoted.end()
    indexes = INDEXES.match(text, at)
    if indexes is not None:
        return Step("indexes", indexes=tuple(int(one) for one in indexes[1].split(","))), indexes.end()
    sliced = SLICE.match(text, at)
    if sliced is not None:
        start, stop = (None if one is None else int(one) for one in (sliced[1], sliced[2]))
        return Step("slice", start=start, stop=stop), sliced.end()
    filtered = FILTER.match(text, at)
    if filtered is not None:
        names = tuple(filtered[1][1:].split("."))
        return Step("filter", names=names, sign=filtered[2] or "", operand=_constant(filtered[3])), filtered.end()
    raise BadPath(f"Invalid JSONPath expression {text!r} at {at}")


def _constant(text: str | None) -> Any:
    words = {None: None, "true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    assert text is not None
    if text[0] in "'\"":
        return text[1:-1]
    return float(text) if "." in text else int(text)


def _below(place: Any, step: Step) -> Iterator[Any]:
    if step.kind == "names":
        if isinstance(place, dict):
            yield from (place[name] for name in step.names if name in place)
    elif step.kind == "indexes":
        if isinstance(place, list):
            yield from (place[at] for at in step.indexes if -len(place) <= at < len(place))
    elif step.kind == "slice":
        if isinstance(place, list):
            yield from place[step.start : step.stop]
    elif step.kind == "all":
        yield from _children(place)
    elif step.kind == "deep":
        yield from _descendants(place)
    elif step.kind == "length":
        if isinstance(place, list | dict | str):
            yield len(place)
    else:
        for child in _children(place):
            if _passes(child, step):
                yield child


def _children(place: Any) -> Iterator[Any]:
    if isinstance(place, dict):
        yield from place.values()
    elif isinstance(place, list):
        yield from place


def _descendants(place: Any) -> Iterator[Any]:
    waiting = [place]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(list(_children(one))))


def _passes(child: Any, step: Step) -> bool:
    value = child
    for name in step.names:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    if not step.sign:
        return True
    if step.sign in {"==", "!="}:
        return bool((value == step.operand) == (step.sign == "=="))
    try:
        return bool(
            {
                "<": lambda: value < step.operand,
                "<=": lambda: value <= step.operand,
                ">": lambda: value > step.operand,
                ">=": lambda: value >= step.operand,
            }[step.sign]()
        )
    except TypeError:
        return False
