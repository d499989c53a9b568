"""Anything at all as a statement: answered or refused as AWS refuses, never a fault; a refused one changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antipodes.wire.errors import AwsError, ServerFault
from tests.dynamodb.conftest import Planet, ask
from tests.dynamodb.partiql.statements import execute, filled

names = st.sampled_from(
    ["pk", "sk", "n", "tags", "nope", '"n"', "tags[0]", "m.k", "size(n)", "?", "set_add(n, n)", "inner"]
)
literals = st.sampled_from(
    [
        "'o'",
        "'1'",
        "1",
        "-1.5e3",
        "1e126",
        "true",
        "NULL",
        "MISSING",
        "[1, 'a']",
        "{'a': 1}",
        "<<1, 2>>",
        "<<>>",
        "?",
        "''",
    ]
)
operands = st.one_of(names, literals)
tests = st.sampled_from(["begins_with", "contains", "attribute_type", "f"])
conditions = st.recursive(
    st.one_of(
        st.builds("{} {} {}".format, operands, st.sampled_from(["=", "<>", "<", ">=", "+", "LIKE", "IN"]), operands),
        st.builds("{} BETWEEN {} AND {}".format, operands, operands, operands),
        st.builds("{} IN [{}, {}]".format, operands, operands, operands),
        st.builds("{} IS {}".format, operands, st.sampled_from(["MISSING", "NOT NULL", "STRING", "SEXP", "FOO"])),
        st.builds(
            "{}({}, {})".format, st.sampled_from(["begins_with", "contains", "attribute_type", "f"]), operands, operands
        ),
        st.builds("pk = 'o' AND sk = {}".format, literals),
    ),
    lambda inner: st.one_of(
        st.builds("{} AND {}".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT {}".format, inner),
    ),
    max_leaves=4,
)
sources = st.sampled_from(["Things", '"Things"', '"Things"."no"', "Nothing", '""', "Things AS t"])
values = st.one_of(
    operands,
    st.builds("{} + {}".format, operands, operands),
    st.builds("list_append({}, {})".format, operands, operands),
)
changes = st.one_of(st.builds("SET {} = {}".format, names, values), st.builds("REMOVE {}".format, names))
returning = st.sampled_from(["", " RETURNING ALL OLD *", " RETURNING MODIFIED NEW *", " RETURNING ALL NEW n"])
statements = st.one_of(
    st.builds(
        "SELECT {} FROM {} WHERE {}{}".format,
        st.sampled_from(["*", "n", "tags[0], m.k", "count(*)", "n AS x"]),
        sources,
        conditions,
        st.sampled_from(["", " ORDER BY sk DESC", " ORDER BY n", " LIMIT 1"]),
    ),
    st.builds(
        "INSERT INTO {} VALUE {{'pk': {}, 'sk': {}, 'x': {}}}{}".format,
        sources,
        literals,
        literals,
        operands,
        returning,
    ),
    st.builds("UPDATE {} {} {} WHERE {}{}".format, sources, changes, changes, conditions, returning),
    st.builds("DELETE FROM {} WHERE {}{}".format, sources, conditions, returning),
    st.builds("EXISTS(SELECT * FROM {} WHERE {})".format, sources, conditions),
)
parameters = st.lists(
    st.sampled_from(
        [{"S": "o"}, {"N": "1"}, {"BOOL": True}, {"NULL": False}, {"SS": []}, {"L": [{"N": "x"}]}, {}, {"M": {}}]
    ),
    max_size=3,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(statements, parameters), min_size=1, max_size=8))
def test_any_statement_is_answered_or_refused(tried: list[tuple[str, list[dict[str, Any]]]]) -> None:
    async def story() -> None:
        planet = Planet()
        service = await filled(planet)
        try:
            for text, given_parameters in tried:
                member: dict[str, Any] = {"Statement": text}
                if given_parameters:
                    member["Parameters"] = given_parameters
                for operation, asked in (
                    ("ExecuteStatement", member),
                    ("BatchExecuteStatement", {"Statements": [member]}),
                    ("ExecuteTransaction", {"TransactStatements": [member]}),
                ):
                    before = await execute(service, "SELECT * FROM Things")
                    try:
                        await ask(service, operation, asked)
                    except AwsError as fault:
                        assert not isinstance(fault, ServerFault)
                        assert await execute(service, "SELECT * FROM Things") == before
        finally:
            await planet.stop_all()

    asyncio.run(story())
