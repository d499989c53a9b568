"""The expression language: what is printed parses to the same tree, what AWS refuses is refused in its words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.dynamodb.expressions.ast import (
    And,
    Assign,
    Between,
    Call,
    Compare,
    Condition,
    ExpressionFault,
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
from antipodes.services.dynamodb.expressions.evaluate import holds
from antipodes.services.dynamodb.expressions.names import Expressions, Terms
from antipodes.services.dynamodb.expressions.parser import parse_condition, parse_projection, parse_update
from antipodes.services.dynamodb.expressions.projection import pick, tree_of
from antipodes.services.dynamodb.expressions.reserved import RESERVED_WORDS
from antipodes.services.dynamodb.expressions.update import apply
from antipodes.services.dynamodb.values import Item
from antipodes.wire.errors import ValidationException

names = st.sampled_from(["a", "b1", "#n", "#0", "Item_x"])
paths = st.builds(
    lambda head, rest: Path((head, *rest)), names, st.lists(st.one_of(names, st.integers(0, 99)), max_size=3)
)
placeholders = st.builds(Placeholder, st.sampled_from([":v", ":w", ":0"]))
sized: st.SearchStrategy[Operand] = st.builds(lambda path: Call("size", (path,)), paths)
operands: st.SearchStrategy[Operand] = st.one_of(paths, placeholders, sized)
simple: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Compare, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), operands, operands),
    st.builds(Between, operands, operands, operands),
    st.builds(lambda one, rest: In(one, tuple(rest)), operands, st.lists(operands, min_size=1, max_size=3)),
    st.builds(lambda path: Call("attribute_exists", (path,)), paths),
    st.builds(lambda path, value: Call("begins_with", (path, value)), paths, placeholders),
)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(st.builds(And, inner, inner), st.builds(Or, inner, inner), st.builds(Not, inner)),
    max_leaves=6,
)


@given(conditions)
def test_a_printed_condition_parses_to_the_same_tree(node: Condition) -> None:
    assert parse_condition(str(node)) == node


assigns = st.builds(Assign, paths, operands.filter(lambda one: not isinstance(one, Call)))
set_changes = st.builds(SetChange, paths, placeholders)
updates = st.builds(
    lambda a, b, c, d: Update(tuple(a), tuple(b), tuple(c), tuple(d)),
    st.lists(assigns, min_size=1, max_size=3),
    st.lists(paths, max_size=2),
    st.lists(set_changes, max_size=2),
    st.lists(set_changes, max_size=2),
)


@given(updates)
def test_a_printed_update_parses_to_the_same_tree(node: Update) -> None:
    assert parse_update(str(node)) == node


@given(st.lists(paths, min_size=1, max_size=4))
def test_a_printed_projection_parses_to_the_same_tree(found: list[Path]) -> None:
    node = Projection(tuple(found))
    assert parse_projection(str(node)) == node


@given(st.text(alphabet="ab#:v()[].,=<>+- 01ANDORNOTINsize\u00e9", max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (parse_condition, parse_update, parse_projection):
        try:
            parse(text)
        except ExpressionFault as fault:
            assert str(fault)


def test_deep_nesting_is_refused_not_suffered() -> None:
    for text in ("(" * 2000 + "a = :v" + ")" * 2000, "NOT " * 1000 + "a = :v", "size(" * 700 + "a" + ")" * 700):
        with pytest.raises(ExpressionFault):
            parse_condition(text)


ITEM: Item = {
    "a": {"N": "1"},
    "s": {"S": "hello"},
    "l": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]},
    "m": {"M": {"x": {"S": "y"}, "deep": {"M": {"n": {"N": "7"}}}}},
    "members": {"SS": ["a", "b"]},
    "bin": {"B": "AQID"},
}
VALUES: dict[str, Any] = {
    ":one": {"N": "1"},
    ":two": {"N": "2"},
    ":ten": {"N": "10"},
    ":he": {"S": "he"},
    ":a": {"S": "a"},
    ":y": {"S": "y"},
    ":S": {"S": "S"},
    ":bin": {"B": "AQI="},
    ":list": {"L": [{"S": "z"}]},
    ":set": {"SS": ["b", "c"]},
    ":map": {"M": {}},
    ":bool": {"BOOL": True},
    ":bad": {"S": "XYZ"},
}
NAMES = {"#a": "a", "#size": "size"}


def bound_condition(text: str) -> Condition:
    return Expressions().condition(text, Terms(NAMES, VALUES))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a = :one", True),
        ("#a <> :one", False),
        ("absent <> :one", True),
        ("absent = :one", False),
        ("NOT absent = :one", True),
        ("a < :two AND s = :he OR a = :one", True),
        ("a = :two OR a = :one AND s = :he", False),
        ("NOT (a = :two OR s = :he)", True),
        ("a < :he", False),
        ("a BETWEEN :one AND :two", True),
        ("a BETWEEN :two AND :ten", False),
        ("a IN (:two, :one)", True),
        ("a IN (:two)", False),
        ("m.x = :y", True),
        ("m.deep.n > l[2]", True),
        ("l[9] = :one", False),
        ("attribute_exists(m.deep)", True),
        ("attribute_not_exists(m.nope)", True),
        ("attribute_type(s, :S)", True),
        ("begins_with(s, :he)", True),
        ("begins_with(bin, :bin)", True),
        ("contains(members, :a)", True),
        ("contains(s, :he)", True),
        ("contains(l, :two)", True),
        ("contains(a, :one)", False),
        ("size(s) > :two", True),
        ("size(l) = size(bin)", True),
        ("size(absent) < :ten", False),
    ],
)
def test_conditions_hold_as_on_aws(text: str, wanted: bool) -> None:
    assert holds(bound_condition(text), ITEM) is wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The expression can not be empty;"),
        ("a = ", 'Syntax error; token: "<EOF>", near: "="'),
        ("  ", "The expression can not be empty;"),
        ("_a = :one", 'Syntax error; token: "_", near: "_a"'),
        ("a-b = :one", 'Syntax error; token: "-", near: "a-b"'),
        ("a AND b", 'Syntax error; token: "AND", near: "a AND b"'),
        ("!!! a", 'Syntax error; token: "!", near: "!!"'),
        ("((a = :one))", "The expression has redundant parentheses;"),
        ("((a)) = :one", "The expression has redundant parentheses;"),
        ("foo(a) = :one", "Invalid function name; function: foo"),
        ("if_not_exists(a, :one)", "The function is not allowed in a condition expression; function: if_not_exists"),
        ("size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        (
            "contains(a, begins_with(s, :he))",
            "The function is not allowed to be used this way in an expression; function: begins_with",
        ),
        ("name = :one", "Attribute name is a reserved keyword; reserved keyword: name"),
        (
            "#no = :one",
            "An expression attribute name used in the document path is not defined; attribute name: #no",
        ),
        ("a = :no", "An expression attribute value used in expression is not defined; attribute value: :no"),
        (
            "attribute_exists(a, s)",
            "Incorrect number of operands for operator or function; "
            "operator or function: attribute_exists, number of operands: 2",
        ),
        (
            "attribute_exists(:one)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "begins_with(a, :one)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "attribute_type(a, :bad)",
            "Invalid attribute type name found; type: XYZ, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "a = a",
            "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: =, first operand: [a]",
        ),
        ("a < :bool", "Incorrect operand type for operator or function; operator: <, operand type: BOOL"),
        (
            "a BETWEEN :two AND :one",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            "a BETWEEN :one AND :he",
            "The BETWEEN operator requires same data type for lower and upper bounds; "
            "lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:he}",
        ),
    ],
)
def test_bad_conditions_are_refused_in_awss_words(text: str, message: str) -> None:
    with pytest.raises(ValidationException) as caught:
        bound_condition(text)
    assert caught.value.message == f"Invalid ConditionExpression: {message}"


def updated(text: str, item: Item | None = None) -> Item:
    found = Expressions().update(text, Terms(NAMES, VALUES))
    changed: Item = {"l": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]}, "a": {"N": "1"}, "m": {"M": {"x": {"S": "y"}}}}
    changed = changed if item is None else item
    apply(found, changed)
    return changed


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("SET a = a + :two", "a", {"N": "3"}),
        ("SET a = :ten - a", "a", {"N": "9"}),
        ("SET b = if_not_exists(b, :one)", "b", {"N": "1"}),
        ("SET a = if_not_exists(a, :ten)", "a", {"N": "1"}),
        ("SET a = if_not_exists(b, :ten) + :one", "a", {"N": "11"}),
        ("SET l = list_append(l, :list)", "l", {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}, {"S": "z"}]}),
        ("SET l[1] = :he", "l", {"L": [{"N": "0"}, {"S": "he"}, {"N": "2"}]}),
        ("SET l[7] = :he, l[5] = :a", "l", {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}, {"S": "a"}, {"S": "he"}]}),
        ("REMOVE l[0], l[1]", "l", {"L": [{"N": "2"}]}),
        ("SET m.z = :one", "m", {"M": {"x": {"S": "y"}, "z": {"N": "1"}}}),
        ("REMOVE m.x", "m", {"M": {}}),
        ("REMOVE m.nothing", "m", {"M": {"x": {"S": "y"}}}),
        ("REMOVE a", "a", None),
        ("ADD a :two", "a", {"N": "3"}),
        ("ADD n :two", "n", {"N": "2"}),
        ("ADD tags :set", "tags", {"SS": ["b", "c"]}),
        ("DELETE tags :set", "tags", None),
        ("SET #size = :one", "size", {"N": "1"}),
        ("SET b = a, a = :ten", "b", {"N": "1"}),
    ],
)
def test_updates(text: str, name: str, wanted: Any) -> None:
    assert updated(text).get(name) == wanted


def test_sets_grow_and_shrink() -> None:
    assert updated("ADD t :set", {"t": {"SS": ["a", "b"]}}) == {"t": {"SS": ["a", "b", "c"]}}
    assert updated("DELETE t :set", {"t": {"SS": ["a", "b"]}}) == {"t": {"SS": ["a"]}}
    assert updated("DELETE t :set", {"t": {"SS": ["b"]}}) == {}


def test_a_copied_map_does_not_follow_its_origin() -> None:
    assert updated("SET c = m, m.x = :one")["c"] == {"M": {"x": {"S": "y"}}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Invalid UpdateExpression: The expression can not be empty;"),
        ("INVALID SYNTAX HERE", 'Invalid UpdateExpression: Syntax error; token: "INVALID", near: "INVALID SYNTAX"'),
        (
            "SET a = :one SET b = :one",
            'Invalid UpdateExpression: The "SET" section can only be used once in an update expression;',
        ),
        (
            "SET a = :one, a.b = :two",
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these "
            "paths; path one: [a], path two: [a, b]",
        ),
        (
            "SET a.b = :one, a[1] = :two",
            "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of "
            "these paths; path one: [a, b], path two: [a, [1]]",
        ),
        (
            "ADD a :he",
            "Invalid UpdateExpression: Incorrect operand type for operator or function; "
            "operator: ADD, operand type: STRING",
        ),
        (
            "SET a = b + :he",
            "Invalid UpdateExpression: Incorrect operand type for operator or function; "
            "operator or function: +, operand type: S",
        ),
        (
            "SET a = size(b)",
            "Invalid UpdateExpression: The function is not allowed in an update expression; function: size",
        ),
        (
            "REMOVE a.b SET a[1] = :one",
            "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of "
            "these paths; path one: [a, b], path two: [a, [1]]",
        ),
        (  # the operands of ADD are judged before those of functions
            "SET a = if_not_exists(b) ADD c :he",
            "Invalid UpdateExpression: Incorrect operand type for operator or function; "
            "operator: ADD, operand type: STRING",
        ),
        ("SET a.b = :one", "The document path provided in the update expression is invalid for update"),
        ("SET nope.b = :one", "The document path provided in the update expression is invalid for update"),
        ("SET a = nope", "The provided expression refers to an attribute that does not exist in the item"),
        ("SET a = nope + :one", "The provided expression refers to an attribute that does not exist in the item"),
        ("SET a = l + :one", "An operand in the update expression has an incorrect data type"),
        ("ADD l :one", "An operand in the update expression has an incorrect data type"),
    ],
)
def test_bad_updates_are_refused_in_awss_words(text: str, message: str) -> None:
    with pytest.raises(ValidationException) as caught:
        updated(text)
    assert caught.value.message == message


def test_projection_keeps_shape_and_closes_gaps() -> None:
    tree = tree_of(parse_projection("l[2], l[0], m.deep.n, absent, m.x.y").paths)
    assert pick(ITEM, tree) == {"l": {"L": [{"N": "0"}, {"N": "2"}]}, "m": {"M": {"deep": {"M": {"n": {"N": "7"}}}}}}


def test_unused_names_and_values_are_refused() -> None:
    terms = Terms({"#a": "a", "#b": "b"}, None)
    Expressions().projection("#a", terms)
    with pytest.raises(ValidationException) as caught:
        terms.check_all_used()
    assert caught.value.message == "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"


def test_the_cache_is_bounded() -> None:
    expressions = Expressions(limit=3)
    for number in range(10):
        expressions.projection(f"a{number}", Terms(None, None))
    assert len(expressions._projections) == 3


def test_all_reserved_words_are_there() -> None:
    assert len(RESERVED_WORDS) == 573
    assert {"SIZE", "NAME", "STATUS", "ABORT", "ZONE"} <= RESERVED_WORDS
