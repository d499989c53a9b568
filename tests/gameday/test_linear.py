"""The checker accepts what some order explains, and nothing else: examples, and histories that are drawn both ways."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.gameday.linear import Call, Done, Item, Kind, Result, State, after, check, check_item

READ = Call("read")


def put(value: str, began: float, ended: float | None) -> Done:
    return Done("x", Call("put", value), began, ended, True)


def read(found: State, began: float, ended: float) -> Done:
    return Done("x", READ, began, ended, found)


def add(began: float, ended: float | None, result: Result = None) -> Done:
    return Done("x", Call("add", number=1), began, ended, result)


GOOD: dict[str, list[Done]] = {
    "nothing": [],
    "one after the other": [put("a", 0, 1), read(Item("a"), 2, 3), put("b", 4, 5), read(Item("b"), 6, 7)],
    "a read during a write sees the old": [put("a", 0, 1), put("b", 2, 5), read(Item("a"), 3, 4)],
    "a read during a write sees the new": [put("a", 0, 1), put("b", 2, 5), read(Item("b"), 3, 4)],
    "writes at once, in either order": [put("a", 0, 5), put("b", 0, 5), read(Item("a"), 6, 7)],
    "no answer, and it happened": [put("a", 0, None), read(Item("a"), 9, 10)],
    "no answer, and it did not happen": [put("a", 0, None), read(None, 9, 10)],
    "no answer, and it happened late": [put("a", 0, None), read(None, 5, 6), read(Item("a"), 9, 10)],
    "a condition that held": [
        put("a", 0, 1),
        Done("x", Call("swap", "b", "a"), 2, 3, True),
        Done("x", Call("swap", "c", "a"), 4, 5, False),
        read(Item("b"), 6, 7),
    ],
    "one of two creations at once": [
        Done("x", Call("create", "a"), 0, 5, False),
        Done("x", Call("create", "b"), 0, 5, True),
        read(Item("b"), 6, 7),
    ],
    "counting at once": [add(0, 5, 2), add(0, 5, 1), read(Item("", 2), 6, 7)],
    "deleted and made again": [
        put("a", 0, 1),
        Done("x", Call("delete"), 2, 3, True),
        Done("x", Call("create", "b"), 4, 5, True),
    ],
}
BAD: dict[str, list[Done]] = {
    "a lost write": [put("a", 0, 1), read(None, 2, 3)],
    "a stale read": [put("a", 0, 1), put("b", 2, 3), read(Item("a"), 4, 5)],
    "a read from nowhere": [put("a", 0, 1), read(Item("b"), 2, 3)],
    "reads go back in time": [put("a", 0, 1), put("b", 2, 9), read(Item("b"), 3, 4), read(Item("a"), 5, 6)],
    "reads in two Regions disagree on an order": [
        put("a", 0, 9),
        put("b", 0, 9),
        read(Item("a"), 1, 2),
        read(Item("b"), 3, 4),
        read(Item("a"), 5, 6),
    ],
    "two creations succeed": [
        Done("x", Call("create", "a"), 0, 5, True),
        Done("x", Call("create", "b"), 0, 5, True),
    ],
    "a condition that did not hold": [put("a", 0, 1), Done("x", Call("swap", "c", "b"), 2, 3, True)],
    "a condition that held, and was refused": [put("a", 0, 1), Done("x", Call("swap", "c", "a"), 2, 3, False)],
    "an addition is lost": [add(0, 5, 1), add(0, 5, 1)],
    "an addition counts twice": [add(0, 1, 1), read(Item("", 2), 2, 3)],
    "no answer, and it happened twice": [
        put("a", 0, None),
        read(Item("a"), 1, 2),
        put("b", 3, 4),
        read(Item("a"), 5, 6),
    ],
    "no answer, and it happened before it was asked": [read(Item("a"), 0, 1), put("a", 2, None)],
    "what was deleted comes back": [put("a", 0, 1), Done("x", Call("delete"), 2, 3, True), read(Item("a"), 4, 5)],
}


@pytest.mark.parametrize("name", GOOD)
def test_what_an_order_explains_is_accepted(name: str) -> None:
    assert check(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_what_no_order_explains_is_rejected(name: str) -> None:
    (wrong,) = check(BAD[name])
    assert wrong.item == "x"
    assert "no order explains" in str(wrong)


def test_items_are_checked_apart() -> None:
    other = [Done("y", one.call, one.began, one.ended, one.result) for one in GOOD["one after the other"]]
    assert [wrong.item for wrong in check([*BAD["a lost write"], *other])] == ["x"]


kinds: st.SearchStrategy[Kind] = st.sampled_from(["read", "put", "create", "swap", "add", "delete"])
calls = st.builds(Call, kinds, st.sampled_from("ab"), st.sampled_from("ab"), st.integers(1, 2))
gaps = st.floats(0.0, 1.0, allow_nan=False)


@st.composite
def made_in_order(draw: st.DrawFn) -> list[Done]:
    """Operations that took effect one after the other, each within the time that its caller saw; some unanswered."""
    state: State = None
    found = []
    for moment, call in enumerate(draw(st.lists(calls, max_size=12))):
        state, result = after(state, call)
        began, ended = moment - 3 * draw(gaps), moment + 3 * draw(gaps)
        found.append(Done("x", call, began, None if draw(st.integers(0, 5)) == 0 else ended, result))
    return draw(st.permutations(found))


@given(made_in_order())
def test_every_history_that_was_made_in_an_order_is_accepted(history: list[Done]) -> None:
    assert check(history) == []


results: st.SearchStrategy[Result] = st.one_of(
    st.booleans(), st.integers(1, 4), st.none(), st.builds(Item, st.sampled_from(["", "a", "b"]), st.integers(0, 3))
)


@st.composite
def drawn(draw: st.DrawFn) -> list[Done]:
    found = []
    for call in draw(st.lists(calls, min_size=1, max_size=5)):
        began = draw(st.integers(0, 6))
        ended = None if draw(st.integers(0, 7)) == 0 else began + draw(st.integers(0, 4))
        found.append(Done("x", call, began, ended, draw(results)))
    return found


def explained(history: Sequence[Done]) -> bool:
    """The definition, tried out: some order of all answered and some unanswered ones fits times and results."""
    unanswered = [one for one in history if one.ended is None]
    answered = [one for one in history if one.ended is not None]
    for count in range(len(unanswered) + 1):
        for some in itertools.combinations(unanswered, count):
            if any(fits(order) for order in itertools.permutations([*answered, *some])):
                return True
    return False


def fits(order: Sequence[Done]) -> bool:
    state: State = None
    for place, one in enumerate(order):
        if any(later.ended is not None and later.ended < one.began for later in order[place + 1 :]):
            return False
        state, result = after(state, one.call)
        if one.ended is not None and result != one.result:
            return False
    return True


@given(drawn())
def test_it_agrees_with_the_definition(history: list[Done]) -> None:
    assert (check_item(history) is None) is explained(history)


def test_a_long_history_with_many_clients_is_checked_quickly() -> None:
    """600 operations, six at a time, and 20 without an answer."""
    state: State = None
    history = []
    for moment in range(600):
        call = Call(("put", "add", "read", "swap")[moment % 4], f"v{moment % 7}", f"v{(moment - 4) % 7}", 1)
        unanswered = moment % 30 == 0
        if not unanswered or moment % 60 == 0:
            state, result = after(state, call)
        history.append(Done("x", call, moment - 3.0, None if unanswered else moment + 3.0, result))
    assert check(history) == []
    broken = [*history[:-1], Done("x", READ, 700, 701, Item("never", 0))]
    assert check(broken)
