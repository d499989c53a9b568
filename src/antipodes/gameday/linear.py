"""Is a history of one item linearizable? Pure.

Each operation takes effect at one moment between its call and its answer, and what it answered is what it must have
answered at that moment: that is the promise of a strongly consistent item (Herlihy, Wing, "Linearizability", 1990). The
check looks for such moments: which of the operations that nothing unlinearized precedes could be next, and does what it
answered fit? (Wing, Gong, "Testing and Verifying Concurrent Objects", 1993.) Sets of operations and states that were
tried are not tried again (Lowe, "Testing for Linearizability", 2017). Histories of different items are checked apart:
an item knows nothing of others (Horn, Kroening, "Faster Linearizability Checking via P-Compositionality", 2015).

An operation without an answer may have taken effect at any later moment, or never. One that is known not to have
happened is left out of the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

TRIES = 300_000  # a history that an order explains needs about as many as it has operations
Kind = Literal["read", "put", "create", "swap", "add", "delete"]


@dataclass(frozen=True, slots=True)
class Item:
    """The state of an item: a register and a counter."""

    value: str = ""
    number: int = 0


State = Item | None  # None: there is no item
Result = Item | bool | int | None  # of a read: the state; of a condition: whether it held; of an addition: the sum


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of an item.

    put: becomes `value`, counter 0. create: the same, if there is none. swap: `value` in place of `expected`. add:
    `number` to the counter, creating the item if need be. delete, read.
    """

    kind: Kind
    value: str = ""
    expected: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """One operation as its caller saw it. Times in seconds, on one clock. ended None: no answer; `result` is void."""

    item: str
    call: Call
    began: float
    ended: float | None
    result: Result = None
    where: str = ""  # which Region was asked


@dataclass(frozen=True, slots=True)
class Wrong:
    """A history that no order explains. order: the longest that does for a part of it; stuck: what could come next, and
    does not fit. undecided: no order was found in TRIES tries, which is no proof that there is none."""

    item: str
    order: tuple[Done, ...]
    state: State
    stuck: tuple[Done, ...]
    undecided: bool = False

    def __str__(self) -> str:
        found = "no order was found" if self.undecided else "no order explains the history"
        lines = [f"{self.item}: {found}; the longest that explains a part of it:"]
        lines += [f"  {_shown(one)}" for one in self.order[-12:]]
        lines += [f"then the item is {self.state}, and none of these can be next:"]
        lines += [f"  {_shown(one)}" for one in self.stuck]
        return "\n".join(lines)


def _shown(one: Done) -> str:
    until = "?" if one.ended is None else f"{one.ended:.4f}"
    return f"{one.began:.4f}-{until} {one.where} {one.call} -> {one.result if one.ended is not None else '?'}"


def after(state: State, call: Call) -> tuple[State, Result]:
    """What a call makes of the item, and answers."""
    if call.kind == "read":
        return state, state
    if call.kind == "put":
        return Item(call.value), True
    if call.kind == "delete":
        return None, True
    if call.kind == "create":
        return (Item(call.value), True) if state is None else (state, False)
    if call.kind == "swap":
        held = state is not None and state.value == call.expected
        return (Item(call.value, state.number), True) if held and state is not None else (state, False)
    found = Item("", call.number) if state is None else Item(state.value, state.number + call.number)
    return found, found.number


def check(history: Iterable[Done]) -> list[Wrong]:
    """Of every item of the history: what is wrong with it. []: all are linearizable."""
    by_item: dict[str, list[Done]] = {}
    for one in history:
        by_item.setdefault(one.item, []).append(one)
    found = [check_item(by_item[item]) for item in sorted(by_item)]
    return [one for one in found if one is not None]


def check_item(history: Sequence[Done], state: State = None) -> Wrong | None:
    """Of one item, which is `state` at first."""
    ops = sorted(history, key=lambda one: (one.began, one.ended is None, one.ended or 0.0))
    answered = sum(1 << place for place, one in enumerate(ops) if one.ended is not None)
    tried: dict[tuple[int, State], list[int]] = {}  # (answered ones, state) -> which unanswered ones it took
    # One level: (operations that have their moment, the state after them, what to try next)
    levels: list[tuple[int, State, list[int]]] = [(0, state, _candidates(ops, 0))]
    order: list[int] = []
    best: tuple[list[int], State, int] = ([], state, 0)
    tries = 0
    while levels and tries < TRIES:
        tries += 1
        placed, now, candidates = levels[-1]
        if placed & answered == answered:
            return None
        if not candidates:
            levels.pop()
            if order:
                order.pop()
            continue
        place = candidates.pop(0)
        then, result = after(now, ops[place].call)
        if ops[place].ended is not None and result != ops[place].result:
            continue
        if ops[place].ended is None and then == now:
            continue  # what changes nothing and answers nothing need not have happened
        key = placed | 1 << place, then
        took = key[0] & ~answered
        before = tried.setdefault((key[0] & answered, then), [])
        if any(took & less == less for less in before):
            continue  # the same was reached with less: whatever goes on from here, goes on from there
        before.append(took)
        order.append(place)
        levels.append((*key, _candidates(ops, key[0])))
        if (key[0] & answered).bit_count() > (best[2] & answered).bit_count():
            best = (list(order), then, key[0])
    stuck = [ops[place] for place in _candidates(ops, best[2]) if ops[place].ended is not None]
    return Wrong(ops[0].item, tuple(ops[place] for place in best[0]), best[1], tuple(stuck), tries >= TRIES)


def _candidates(ops: Sequence[Done], placed: int) -> list[int]:
    """The operations that may be next: begun before any of those left had ended. Answered ones come first."""
    ends = float("inf")
    found: list[int] = []
    for place, one in enumerate(ops):
        if one.began > ends:
            break
        if not placed >> place & 1:
            found.append(place)
            if one.ended is not None:
                ends = min(ends, one.ended)
    found = [place for place in found if ops[place].began <= ends]
    return sorted(found, key=lambda place: (ops[place].ended is None, ops[place].ended or 0.0))
