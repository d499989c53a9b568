"""Where a SELECT reads: every item that meets the condition, once, and nothing else; what DynamoDB refuses to plan."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antipodes.services.dynamodb.expressions.ast import Condition
from antipodes.services.dynamodb.expressions.evaluate import holds
from antipodes.services.dynamodb.partiql.conditions import Binder
from antipodes.services.dynamodb.partiql.parser import parse
from antipodes.services.dynamodb.partiql.plan import OVERLAPPING, Keys, Plan, plan_of
from antipodes.services.dynamodb.partiql.reads import as_hashed
from antipodes.services.dynamodb.partiql.syntax import Select
from antipodes.services.dynamodb.schema import KeyPart, key_from_item
from antipodes.wire.errors import ValidationException

KEYS = Keys((KeyPart("pk", "S"),), (KeyPart("sk", "N"),))
ITEMS: list[dict[str, Any]] = [
    {"pk": {"S": pk}, "sk": {"N": str(sk)}, "flag": {"N": str(sk % 2)}}
    for pk, sk in product(["a", "b", "c"], range(-1, 4))
]

literals = st.integers(-1, 3).map(str)
tests = st.one_of(
    st.builds(lambda value: f"pk = '{value}'", st.sampled_from("abc")),
    st.builds(
        lambda some: f"pk IN [{', '.join(repr(one) for one in some)}]", st.lists(st.sampled_from("abc"), min_size=1)
    ),
    st.builds(lambda sign, value: f"sk {sign} {value}", st.sampled_from(["=", "<", "<=", ">", ">=", "<>"]), literals),
    st.builds(lambda value, sign: f"{value} {sign} sk", literals, st.sampled_from(["=", "<", "<=", ">", ">="])),
    st.builds(lambda low, more: f"sk BETWEEN {low} AND {low + more}", st.integers(-1, 2), st.integers(0, 2)),
    st.builds(lambda one, two: f"sk IN ({one}, {two})", literals, literals),
    st.builds(lambda value: f"flag = {value}", st.integers(0, 1)),
)
wheres = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("(NOT {})".format, inner),
    ),
    max_leaves=7,
)
pinned = st.builds(
    "{} AND ({})".format, st.sampled_from(["pk = 'a'", "pk IN ['a', 'c']", "(pk='a' OR pk='b')"]), wheres
)


def condition(text: str) -> Condition:
    statement, _ = parse(f"SELECT * FROM t WHERE {text}")
    assert isinstance(statement, Select)
    assert statement.where is not None
    return Binder([]).where(statement.where)


def times_read(plan: Plan, item: dict[str, Any]) -> int:
    key = key_from_item(KEYS.hash, KEYS.range, item)
    return sum(
        branch.start <= key
        and (not branch.end or key < branch.end)
        and (branch.filter is None or holds(branch.filter, item))
        for branch in plan.branches
    )


@settings(max_examples=300)
@given(st.one_of(wheres, pinned))
def test_a_plan_reads_each_item_that_meets_the_condition_once(text: str) -> None:
    where = condition(text)
    try:
        plan = plan_of(where, KEYS)
    except ValidationException as fault:
        assert fault.message in {OVERLAPPING, "Too many decomposed read operations for a given query."}
        return
    assert [times_read(plan, item) for item in ITEMS] == [int(holds(where, item)) for item in ITEMS]


@settings(max_examples=100)
@given(pinned, st.booleans(), st.booleans())
def test_an_ordered_plan_is_in_the_order_of_keys(text: str, hash_down: bool, range_down: bool) -> None:
    try:
        plan = plan_of(condition(text), KEYS, (("pk", hash_down), ("sk", range_down)))
    except ValidationException:
        return
    values = [branch.value for branch in plan.branches]
    assert values == sorted(values, reverse=hash_down)
    assert plan.reverse is range_down
    starts = [(branch.value, branch.start) for branch in plan.branches]
    for (value, start), (next_value, next_start) in pairwise(starts):
        assert value != next_value or (start > next_start) is range_down


@pytest.mark.parametrize(
    ("text", "keyed", "reads"),
    [
        ("pk = 'a'", True, 1),
        ("pk = 'a' AND flag = 1", True, 1),
        ("pk = 'a' OR pk = 'b'", True, 2),
        ("pk IN ['a', 'b', 'c']", True, 3),
        ("pk = 'a' AND sk IN [1, 2]", True, 2),
        ("pk = 'a' AND (sk < 1 OR sk > 1 OR sk = 1)", True, 3),
        ("pk = 'a' AND pk = 'b'", True, 0),
        ("pk = 'a' AND NOT sk = 1 OR pk = 'a' AND sk = 2", True, 1),
        ("pk > 'a'", False, 1),
        ("flag = 1", False, 1),
        ("pk = 'a' OR flag = 1", False, 1),
        ("NOT pk = 'a'", False, 1),
        ("pk = 'a' OR sk = 1", False, 1),
    ],
)
def test_only_a_pinned_partition_is_no_scan(text: str, keyed: bool, reads: int) -> None:
    plan = plan_of(condition(text), KEYS)
    assert (plan.keyed, len(plan.branches)) == (keyed, reads)


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("pk = 'a' AND sk = 1", True),
        ("pk = 'a'", False),
        ("pk = 'a' AND sk > 1 AND sk = 2", True),
        ("pk = 'a' AND sk > 1", False),
    ],
)
def test_a_full_key_reads_one_item(text: str, exact: bool) -> None:
    assert [branch.exact for branch in plan_of(condition(text), KEYS).branches] == [exact]


@pytest.mark.parametrize(
    "text",
    [
        "pk IN ['a', 'a']",
        "pk = 'a' OR pk = 'a'",
        "pk = 'a' AND (sk > 0 OR sk < 5)",
        "pk = 'a' AND (sk = 1 OR flag = 2)",
        "(pk = 'a' AND flag = 1) OR (pk = 'a' AND flag = 2)",
        "pk = 'a' AND flag <> 1 OR pk = 'a' AND sk = 2",
    ],
)
def test_reads_of_one_partition_may_not_overlap(text: str) -> None:
    with pytest.raises(ValidationException) as caught:
        plan_of(condition(text), KEYS)
    assert caught.value.message == OVERLAPPING


def test_more_than_fifty_reads_are_refused_before_they_are_made() -> None:
    fifty = ", ".join(f"'v{number}'" for number in range(50))
    assert len(plan_of(condition(f"pk IN [{fifty}]"), KEYS).branches) == 50
    assert not plan_of(condition(f"pk IN [{fifty}, 'x'] OR flag = 1"), KEYS).keyed
    many = " AND ".join(f"pk IN [{fifty}]" for _ in range(20))
    for text in (f"pk IN [{fifty}, 'x']", f"pk IN [{fifty}] AND sk IN [1, 2]", many):
        with pytest.raises(ValidationException) as caught:
            plan_of(condition(text), KEYS)
        assert caught.value.message == "Too many decomposed read operations for a given query."


@pytest.mark.parametrize(("text", "name"), [("pk = 1 OR pk = 'a'", "pk"), ("pk = 'a' AND sk IN [1, '2']", "sk")])
def test_values_of_keys_have_the_kind_of_their_attribute(text: str, name: str) -> None:
    with pytest.raises(ValidationException) as caught:
        plan_of(condition(text), KEYS)
    wanted = f"Key attribute's data type should match its data type in table's schema: Key {name}"
    assert caught.value.message == wanted


def test_a_few_names_are_listed_in_the_order_of_java_sets() -> None:
    assert as_hashed(["b", "a"]) == ["a", "b"]
    assert as_hashed(["zz", "aa", "mm"]) == ["zz", "aa", "mm"]
