"""PartiQL's text: what is printed parses to the same tree, what is malformed is refused in DynamoDB's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.dynamodb.partiql.lexer import tokens
from antipodes.services.dynamodb.partiql.parser import parse
from antipodes.services.dynamodb.partiql.syntax import (
    Call,
    Delete,
    Exists,
    Expr,
    Insert,
    Name,
    Operation,
    Order,
    Remove,
    Returning,
    Scalar,
    Select,
    Sequence,
    SetTo,
    Source,
    Statement,
    Struct,
    TypeTest,
    Update,
)
from antipodes.services.dynamodb.partiql.words import NOT_WELL_FORMED
from antipodes.wire.errors import AwsError, ValidationException

words = st.one_of(st.sampled_from(["pk", "sk", "year", "size", 'a"b', "#n", "a.b", "ключ"]), st.text(max_size=3))
indexes = st.builds(lambda number: Scalar("number", str(number)), st.integers(0, 99))
paths = st.builds(lambda head, rest: Name((head, *rest)), words, st.lists(st.one_of(words, indexes), max_size=3))
numbers = st.from_regex(r"\A-?[0-9]{1,4}(\.[0-9]{1,3})?(e[+-]?[0-9]{1,2})?\Z")
scalars = st.one_of(
    st.builds(lambda text: Scalar("string", text), st.text(max_size=5)),
    st.builds(lambda text: Scalar("number", text), numbers),
    st.builds(Scalar, st.sampled_from(["true", "false", "null", "missing"])),
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(lambda bag, items: Sequence(bag, tuple(items)), st.booleans(), st.lists(inner, max_size=3)),
        st.builds(lambda pairs: Struct(tuple(pairs)), st.lists(st.tuples(scalars, inner), max_size=2)),
    ),
    max_leaves=5,
)
operands: st.SearchStrategy[Any] = st.one_of(
    paths, values, st.builds(lambda path, value: Call("begins_with", (path, value)), paths, values)
)
kinds = st.sampled_from(["missing", "null", "string", "double precision", "list"])
expressions: st.SearchStrategy[Any] = st.recursive(
    operands,
    lambda inner: st.one_of(
        st.builds(
            lambda sign, left, right: Operation(sign, (left, right)),
            st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "||", "and", "or", "like"]),
            inner,
            inner,
        ),
        st.builds(
            lambda word, one, low, high: Operation(word, (one, low, high)),
            st.sampled_from(["between", "not between"]),
            inner,
            operands,
            operands,
        ),
        st.builds(lambda one: Operation("not", (one,)), inner),
        st.builds(TypeTest, operands, kinds, st.booleans()),
        # What stands in parentheses after IN is a list: only what needs none may stand there alone.
        st.builds(lambda one, other: Operation("in", (one, other)), inner, operands),
        st.builds(lambda one, some: Operation("not in", (one, Sequence(False, some))), inner, st.tuples(inner, inner)),
    ),
    max_leaves=6,
)
sources = st.builds(lambda parts: Source(tuple(parts)), st.lists(words, min_size=1, max_size=3))
wheres = st.none() | expressions
returnings = st.none() | st.builds(Returning, st.sampled_from(["ALL", "MODIFIED"]), st.sampled_from(["OLD", "NEW"]))
selects = st.builds(
    lambda columns, source, where, order: Select(columns and tuple(columns), source, where, tuple(order)),
    st.none() | st.lists(paths, min_size=1, max_size=3),
    sources,
    wheres,
    st.lists(st.builds(Order, paths, st.booleans()), max_size=2),
)
changes = st.one_of(st.builds(SetTo, paths, expressions), st.builds(Remove, paths))
statements: st.SearchStrategy[Statement] = st.one_of(
    selects,
    st.builds(Insert, sources, values, returnings),
    st.builds(
        lambda source, some, where, returning: Update(source, tuple(some), where, returning),
        sources,
        st.lists(changes, min_size=1, max_size=3),
        wheres,
        returnings,
    ),
    st.builds(Delete, sources, wheres, returnings),
    st.builds(Exists, selects),
)


@given(statements)
def test_a_printed_statement_parses_to_the_same_tree(statement: Statement) -> None:
    assert parse(str(statement)) == (statement, 0)


PIECES = """
SELECT * FROM t WHERE a = 'x' AND OR NOT IN BETWEEN IS MISSING NULL INSERT INTO VALUE UPDATE SET REMOVE DELETE RETURNING
ALL OLD ORDER BY LIMIT EXISTS ( ) [ ] { } << >> , . : ; ? "q" 1 -1 1e5 -- /* */ # ` @ ' " size(
"""
pieces = st.sampled_from(PIECES.split())


@given(st.one_of(st.text(max_size=60), st.lists(pieces, max_size=25).map(" ".join)))
def test_any_text_is_a_statement_or_is_refused_with_a_message(text: str) -> None:
    try:
        parse(text)
    except ValidationException as fault:
        assert fault.message


@pytest.mark.parametrize("opener", ["(", "[", "{'a':", "<<", "NOT ", "-", "size("])
def test_nesting_does_not_exhaust_the_stack(opener: str) -> None:
    with pytest.raises(AwsError):
        parse("SELECT * FROM t WHERE a = " + opener * (8000 // len(opener)))


def where(text: str) -> Expr:
    statement, _ = parse(f"SELECT * FROM t WHERE {text}")
    assert isinstance(statement, Select)
    assert statement.where is not None
    return statement.where


@pytest.mark.parametrize(
    ("loose", "grouped"),
    [
        ("a = 1 OR b = 2 AND c = 3", "(a = 1) OR ((b = 2) AND (c = 3))"),
        ("NOT a = 1 AND b = 2", "(NOT (a = 1)) AND (b = 2)"),
        ("a = b < c", "a = (b < c)"),
        ("a + 1 - 2 = 3", "((a + 1) - 2) = 3"),
        ("a BETWEEN 1 AND 2 AND b = 3", "(a BETWEEN 1 AND 2) AND (b = 3)"),
        ("a IN (1, 2) OR a NOT IN [3]", "(a IN [1, 2]) OR (a NOT IN [3])"),
        ("a != 1", "a <> 1"),
        ("NOT a IS NOT NULL", "NOT (a IS NOT NULL)"),
        ("a = - - 1", "a = 1"),
        ("a = -/* c */-.5e1", "a = .5e1"),
        ("a = +5", "a = 5"),
    ],
)
def test_operators_bind_by_their_strength(loose: str, grouped: str) -> None:
    assert where(loose) == where(grouped)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select * from t where a is missing", 'SELECT * FROM "t" WHERE "a" IS MISSING;'),
        ("SELECT/**/a FROM t -- the table\nWHERE a/* b */= 'c' --", "SELECT a FROM t WHERE a = 'c'"),
        ("FROM t WHERE a = 1 SET b = 2 REMOVE c", "UPDATE t SET b = 2 REMOVE c WHERE a = 1"),
        ("UPDATE t SET a = 1, b = 2", "UPDATE t SET a = 1 SET b = 2"),
        ("SELECT ALL a FROM t", "SELECT a FROM t"),
    ],
)
def test_ways_of_saying_the_same(one: str, other: str) -> None:
    assert parse(one) == parse(other)


def test_quotes_are_doubled_inside_quotes_and_comments_are_text_there() -> None:
    assert where('"say ""x""" = \'it\'\'s -- /* */\'') == Operation(
        "=", (Name(('say "x"',)), Scalar("string", "it's -- /* */"))
    )


def test_parameters_are_counted_in_the_order_of_the_text() -> None:
    statement, count = parse("UPDATE t SET a = ? REMOVE b WHERE c = ? AND d IN [?, ?] AND e = 'x?'")
    assert count == 4
    assert str(statement).count("?") == 5


def test_tokens_know_their_line_column_and_length() -> None:
    found = [(token.text, str(token.place)) for token in tokens('SELECT *\n  FROM "a""b" -- x\nWHERE \'\n\' = 12')]
    assert found == [
        ("SELECT", "1:1:6"),
        ("*", "1:8:1"),
        ("FROM", "2:3:4"),
        ('a"b', "2:8:6"),
        ("WHERE", "3:1:5"),
        ("\n", "3:7:3"),
        ("=", "4:3:1"),
        ("12", "4:5:2"),
        ("", "4:7:0"),
    ]


LEFTOVER = "Unexpected token after expression"
# Recorded on AWS, but where a comment says that it follows from PartiQL's own parser.
MALFORMED = {
    "SELECTT * FROMM t": LEFTOVER,
    "SELECT * FROM t WHERE pk = 1 foo": LEFTOVER,
    "SELECT * FROM t WHERE pk = 1 e5": LEFTOVER,
    "INSERT INTO t VALUE {'pk': 1} foo": LEFTOVER,
    "INSERT INTO t x VALUE {'pk': 'x'}": LEFTOVER,
    "UPDATE t SET a = 9 WHERE pk = 1 foo": LEFTOVER,
    "DELETE FROM t WHERE pk = 1 ORDER BY pk": LEFTOVER,
    "SELECT * FROM t ORDER BY pk WHERE pk = 1": LEFTOVER,
    "SELECT * FROM t WHERE pk = 1)": LEFTOVER,
    "FROM t SET c = 1 WHERE pk = 'a'": LEFTOVER,
    "FROM t SET c = 1 WHERE pk = 'a' SET d = 2": LEFTOVER,
    "SELECT * FROM t WHERE pk = 1e2147483648": "",
    "SELECT * FROM t WHERE pk = 1e99999999999": "",
    "SELECT * FROM t WHERE pk = 1.5e-2147483647": "",
    "SELECT * FROM t WHERE pk = 1 # note": "",
    "SELECT * FROM t WHERE pk = 1 /* note": "",
    'SELECT * FROM "t': "",
    "SELECT * FROM t WHERE": "Unexpected term",
    "SELECT * FROM t WHERE;": "Unexpected term",
    "SELECT * FROM t WHERE   ": "Unexpected term",
    "UPDATE t SET a = 1 WHERE": "Unexpected term",
    "DELETE FROM t WHERE": "Unexpected term",
    "SELECT * FROM t WHERE NOT": "Unexpected term",
    "SELECT * FROM t WHERE (": "Unexpected term",
    "SELECT * FROM": "Unexpected term",
    "SELECT * FROM t WHERE pk = 'p1' AND": "Missing right-hand side expression of infix operator",
    "SELECT * FROM t WHERE pk = 'p1' OR": "Missing right-hand side expression of infix operator",
    "SELECT * FROM t WHERE ORDER BY pk": "Unexpected keyword",
    "INSERT INTO urls (key, url) VALUES (?, ?)": "Unexpected keyword",
    "SELECT * FROM t WHERE pk = 'a' AND x IS FOO": "Expected type name",
    "SELECT * FROM t WHERE IS NULL": "Unexpected operator",
    "SELECT * FROM t WHERE pk = LIKE": "Unexpected operator",
    "DELETE FROM": "Expected identifier for simple path",
    "DELETE FROM;": "Expected identifier for simple path",
    "DELETE FROM WHERE pk = 'a'": "Expected identifier for simple path",
    "SELECT * FROM t WHERE a.inner = 1": "Invalid path dot component",
    "UPDATE t SET m.inner = 1 WHERE pk = 'a'": "Invalid path dot component",
    "SLECT * FROM t WHERE pk = 'a'": "Expected data manipulation",
    "UPDATE Payment-t SET active=? WHERE id=?": "Expected data manipulation",
    "SELECT a WHERE b = 1": "Expected FROM after SELECT list",  # PartiQL's parser
    "DELETE t WHERE a = 1": "Expected FROM after DELETE",  # PartiQL's parser
    "SELECT * FROM t WHERE (a = 1": "Expected RIGHT_PAREN",  # PartiQL's parser
    "UPDATE t SET a WHERE b = 1": "Expected '='",  # PartiQL's parser
    "SELECT * FROM t; SELECT * FROM t": "Unexpected token after semicolon. (Only one query is allowed.)",  # the same
}


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_statements_are_refused_in_these_words(text: str) -> None:
    with pytest.raises(ValidationException) as caught:
        parse(text)
    assert caught.value.message == NOT_WELL_FORMED + MALFORMED[text]


REFUSED = {
    "SELECT * FROM t x WHERE pk = 'a'": "Aliasing is not supported",
    "SELECT * FROM t AS x WHERE pk = 'a'": "Aliasing is not supported",
    "UPDATE t x SET a = 3 WHERE pk = 'a'": "Aliasing is not supported",
    "DELETE FROM t x WHERE pk = 'a'": "Aliasing is not supported",
    "x IS INT4": "Unsupported operation: IsType",
    "x IS DOUBLE PRECISION": "Unsupported operation: IsType",
    "x IS CHARACTER VARYING": "Unsupported operation: IsType",
}


@pytest.mark.parametrize("text", REFUSED)
def test_well_formed_statements_that_dynamodb_does_not_do(text: str) -> None:
    with pytest.raises(ValidationException) as caught:
        parse(text)
    assert caught.value.message == REFUSED[text]
