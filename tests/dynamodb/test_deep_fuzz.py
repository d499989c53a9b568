"""Requests that are mostly well formed, by grammar, so that they get far: through the whole path into the store.

`test_fuzz.py` draws from AWS's models and is refused early nearly always; here most requests are carried out. Each is
answered or refused, never with a 5xx; what is refused leaves every row as it was; in the end indexes and counts agree
with the items, and the stream replays to exactly the table.
"""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import orjson
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.dynamodb.streaming import all_records
from tests.dynamodb.test_fuzz import Site, held, run, told


def deep(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"N": "1"}
    for _ in range(depth):
        value = {"L": [value]}
    return value


keys = st.builds(
    lambda pk, sk: {"pk": {"S": pk}, "sk": {"N": sk}}, st.sampled_from("pq"), st.sampled_from(["1", "-2.5"])
)
numbers = st.sampled_from(
    ["1", "2", "3.5"] * 6
    + ["0", "-0", "1e0", "7", "-1.50", "9.9e125", "1e-130", "9" * 38, "1e126", "1e-131", "1" * 39, "NaN"]
)
strings = st.sampled_from(["x", "y", "n"] * 4 + ["", "x", "y", "é\x00", "z" * 1025, "w" * 2049, "HUGE"])
scalars = st.one_of(
    st.builds(lambda text: {"S": text}, strings),
    st.builds(lambda text: {"N": text}, numbers),
    st.sampled_from([{"B": ""}, {"B": "AP8="}, {"BOOL": True}, {"NULL": True}]),
    st.sampled_from(
        [
            {"SS": ["b", "a"]},
            {"SS": []},
            {"SS": ["a", "a"]},
            {"NS": ["1", "2.0"]},
            {"NS": ["1", "1.0"]},
            {"BS": ["AQ==", ""]},
        ]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(lambda found: {"L": found}, st.lists(inner, max_size=3)),
        st.builds(lambda found: {"M": found}, st.dictionaries(st.sampled_from(["a", "m"]), inner, max_size=2)),
        st.builds(deep, st.sampled_from([30, 31, 32, 33])),
    ),
    max_leaves=4,
)


indexed = st.one_of(st.sampled_from([{"S": "x"}, {"S": "y"}]), scalars)
attributes = st.fixed_dictionaries(
    {}, optional={"a": indexed, "b": st.one_of(st.just({"N": "2"}), scalars), "m": values, "l": values, "ttl": scalars}
)
items = st.builds(lambda key, more: {**more, **key}, keys, attributes)
paths = st.sampled_from(["a", "b", "m", "l", "#n", "m.a", "l[0]", "l[1].a", "m.#n[2]", "l[9]", "sk", "pk", "nothing"])
operands = st.one_of(paths, st.sampled_from([":v", ":w"]), st.builds(lambda path: f"size({path})", paths))
simple = st.one_of(
    st.builds(
        lambda one, sign, two: f"{one} {sign} {two}", operands, st.sampled_from(["=", "<>", "<", ">="]), operands
    ),
    st.builds(lambda one, two, three: f"{one} BETWEEN {two} AND {three}", operands, operands, operands),
    st.builds(
        lambda one, found: f"{one} IN ({', '.join(found)})", operands, st.lists(operands, min_size=1, max_size=3)
    ),
    st.builds(
        lambda name, path: f"{name}({path})", st.sampled_from(["attribute_exists", "attribute_not_exists"]), paths
    ),
    st.builds(
        lambda name, path, value: f"{name}({path}, {value})",
        st.sampled_from(["contains", "begins_with", "attribute_type"]),
        paths,
        operands,
    ),
)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds(lambda one, word, two: f"{one} {word} {two}", inner, st.sampled_from(["AND", "OR"]), inner),
        st.builds(lambda one: f"NOT ({one})", inner),
    ),
    max_leaves=3,
)
worth = st.recursive(
    st.one_of(paths, st.sampled_from([":v", ":w"])),
    lambda inner: st.one_of(
        st.builds(lambda path, one: f"if_not_exists({path}, {one})", paths, inner),
        st.builds(lambda one, two: f"list_append({one}, {two})", inner, inner),
        st.builds(lambda one, sign, two: f"{one} {sign} {two}", inner, st.sampled_from("+-"), inner),
    ),
    max_leaves=3,
)
sections = st.fixed_dictionaries(
    {},
    optional={
        "SET": st.lists(st.builds(lambda path, one: f"{path} = {one}", paths, worth), min_size=1, max_size=3),
        "REMOVE": st.lists(paths, min_size=1, max_size=2),
        "ADD": st.lists(
            st.builds(lambda path, one: f"{path} {one}", paths, st.sampled_from([":v", ":w"])), min_size=1, max_size=2
        ),
        "DELETE": st.lists(st.builds(lambda path: f"{path} :v", paths), min_size=1, max_size=1),
    },
)
updates = sections.map(lambda found: " ".join(f"{name} {', '.join(parts)}" for name, parts in found.items()))
key_conditions = st.sampled_from(
    [
        "pk = :k",
        "pk = :k AND sk = :n",
        "pk = :k AND sk > :n",
        "sk BETWEEN :n AND :n AND pk = :k",
        "a = :x AND b = :n",
        "pk = :k AND begins_with(a, :x)",
    ]
)
bound = {":k": {"S": "p"}, ":n": {"N": "1"}, ":x": {"S": "x"}}


@st.composite
def with_terms(
    draw: st.DrawFn, /, base: st.SearchStrategy[dict[str, Any]], **texts: st.SearchStrategy[str]
) -> dict[str, Any]:
    """A request with expressions, and with the names and values that they use, mostly."""
    request: dict[str, Any] = {"TableName": "Things", **draw(base)}
    for parameter, strategy in texts.items():
        if parameter in {"UpdateExpression", "KeyConditionExpression"} or draw(st.booleans()):
            request[parameter] = draw(strategy)
    whole = " ".join(str(request.get(parameter, "")) for parameter in texts)
    given = {":v": values, ":w": scalars, **{name: st.just(value) for name, value in bound.items()}}
    found = {name: copy.deepcopy(draw(strategy)) for name, strategy in given.items() if name in whole}
    if found:
        request["ExpressionAttributeValues"] = found
    if "#n" in whole:
        request["ExpressionAttributeNames"] = {"#n": draw(st.sampled_from(["a", "m", "score"]))}
    return request


returned = st.sampled_from(
    [{}, {"ReturnValues": "ALL_OLD"}, {"ReturnValues": "ALL_NEW"}, {"ReturnValues": "UPDATED_NEW"}]
)
metered = st.sampled_from([{}, {"ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE"}])
counted = st.sampled_from([{}, {"ReturnConsumedCapacity": "INDEXES"}])


def merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {name: one for part in found for name, one in part.items()})


put = with_terms(merged(items.map(lambda item: {"Item": item}), metered), ConditionExpression=conditions)
of_key = keys.map(lambda key: {"Key": key})
update = with_terms(merged(of_key, returned, metered), UpdateExpression=updates, ConditionExpression=conditions)
delete = with_terms(merged(of_key, metered), ConditionExpression=conditions)
projections = st.lists(paths, min_size=1, max_size=3).map(", ".join)
paged: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"Limit": 1}, {"IndexName": "local"}, {"IndexName": "both", "Limit": 2}, {"Select": "COUNT"}]
)
expected = st.dictionaries(
    st.sampled_from("abml"),
    st.one_of(
        st.builds(lambda value: {"Value": value}, values),
        st.builds(
            lambda operator, found: {"ComparisonOperator": operator, "AttributeValueList": found},
            st.sampled_from(["EQ", "NE", "NOT_CONTAINS", "CONTAINS", "BETWEEN", "IN", "NULL", "BEGINS_WITH"]),
            st.lists(scalars, max_size=2),
        ),
    ),
    max_size=2,
)
attribute_updates = st.dictionaries(
    st.sampled_from(["a", "b", "m", "l", "pk"]),
    st.builds(
        lambda action, value: {"Action": action, "Value": value}, st.sampled_from(["PUT", "ADD", "DELETE"]), values
    ),
    max_size=2,
)
statements = st.sampled_from(
    [
        "INSERT INTO Things VALUE {'pk': 'p', 'sk': 1, 'a': 'x', 'l': [1, {'m': <<1, 2>>}]}",
        "UPDATE Things SET a = 'y' SET b = b + 1 REMOVE m.a WHERE pk = 'p' AND sk = 1",
        "UPDATE Things SET l = list_append(l, [1]) WHERE pk = 'p' AND sk = -2.5 RETURNING ALL NEW *",
        "DELETE FROM Things WHERE pk = 'q' AND sk = 1 RETURNING ALL OLD *",
        "SELECT a, m.a FROM Things WHERE pk IN ['p', 'q'] AND (b > 1 OR contains(a, 'x')) ORDER BY pk DESC",
        "SELECT * FROM Things.both WHERE a = 'x' AND b = 2",
    ]
)
members = st.one_of(
    put.map(lambda one: {"Put": one}),
    update.map(lambda one: {"Update": one}),
    delete.map(lambda one: {"Delete": one}),
    delete.map(lambda one: {"ConditionCheck": {"ConditionExpression": "attribute_exists(pk)", **one}}),
)
written = st.one_of(
    items.map(lambda item: {"PutRequest": {"Item": item}}), keys.map(lambda key: {"DeleteRequest": {"Key": key}})
)
index_changes: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {
            "AttributeDefinitions": [{"AttributeName": "m", "AttributeType": "S"}],
            "GlobalSecondaryIndexUpdates": [
                {
                    "Create": {
                        "IndexName": "late",
                        "KeySchema": [{"AttributeName": "m", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["l"]},
                    }
                }
            ],
        },
        {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "late"}}]},
        {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "both"}}]},
    ]
)
requests = st.one_of(
    st.tuples(st.just("PutItem"), put),
    st.tuples(st.just("PutItem"), put),
    st.tuples(st.just("UpdateItem"), update),
    st.tuples(st.just("UpdateItem"), update),
    st.tuples(st.just("DeleteItem"), delete),
    st.tuples(st.just("GetItem"), with_terms(merged(of_key, counted), ProjectionExpression=projections)),
    st.tuples(
        st.just("Query"),
        with_terms(merged(paged, counted), KeyConditionExpression=key_conditions, FilterExpression=conditions),
    ),
    st.tuples(
        st.just("Scan"),
        with_terms(merged(paged, counted), FilterExpression=conditions, ProjectionExpression=projections),
    ),
    st.tuples(
        st.sampled_from(["PutItem", "DeleteItem", "UpdateItem"]),
        st.builds(
            lambda item, key, wanted, changes: {
                "TableName": "Things",
                "Item": item,
                "Key": key,
                "Expected": wanted,
                "AttributeUpdates": changes,
            },
            items,
            keys,
            expected,
            attribute_updates,
        ),
    ),
    st.tuples(
        st.just("BatchWriteItem"),
        st.lists(written, min_size=1, max_size=4).map(lambda found: {"RequestItems": {"Things": found}}),
    ),
    st.tuples(
        st.just("TransactWriteItems"),
        st.builds(
            lambda found, token: {"TransactItems": found, **token},
            st.lists(members, min_size=1, max_size=3),
            st.sampled_from([{}, {"ClientRequestToken": "t"}]),
        ),
    ),
    st.tuples(st.just("ExecuteStatement"), statements.map(lambda text: {"Statement": text})),
    st.tuples(
        st.sampled_from(["ExecuteTransaction", "BatchExecuteStatement"]),
        st.lists(statements.map(lambda text: {"Statement": text}), min_size=1, max_size=3).map(
            lambda found: {"TransactStatements": found, "Statements": found}
        ),
    ),
    st.tuples(
        st.just("UpdateTable"),
        index_changes.map(lambda found: {"TableName": "Things", **found}),
    ),
    st.tuples(
        st.just("UpdateTimeToLive"),
        st.booleans().map(
            lambda on: {"TableName": "Things", "TimeToLiveSpecification": {"Enabled": on, "AttributeName": "ttl"}}
        ),
    ),
)
ALONE = {"PutItem": "Item Expected", "DeleteItem": "Key Expected", "UpdateItem": "Key Expected AttributeUpdates"}


def trimmed(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Without the members that another operation has: some requests are drawn for several."""
    others = {"Item", "Key", "Expected", "AttributeUpdates"} - set(ALONE.get(operation, "").split())
    if operation == "ExecuteTransaction":
        others.add("Statements")
    if operation == "BatchExecuteStatement":
        others.add("TransactStatements")
    if operation in {"PutItem", "DeleteItem"} and request.get("ReturnValues") not in {None, "ALL_OLD"}:
        others.add("ReturnValues")
    legacy = "Expected" in request
    return {name: one for name, one in request.items() if name not in others or not (legacy or "atements" in name)}


async def replay(site: Site) -> None:
    """The stream tells of each state of each item once, and ends with the table."""
    known: dict[bytes, Any] = {}
    for record in await all_records(site.dynamodb):
        change = record["dynamodb"]
        key = orjson.dumps(change["Keys"])
        assert known.get(key) == change.get("OldImage"), "the stream skips a state of an item"
        known[key] = change.get("NewImage")
    found = told(await site.ask("dynamodb", "Scan", orjson.dumps({"TableName": "Things"})))
    names = ("pk", "sk")
    there = {orjson.dumps({name: item[name] for name in names}): item for item in found["Items"]}
    assert there == {key: item for key, item in known.items() if item is not None}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(requests, min_size=1, max_size=8))
def test_what_is_well_formed_is_carried_out_whole_or_not_at_all(found: list[tuple[str, dict[str, Any]]]) -> None:
    async def story(site: Site) -> None:
        for operation, request in found:
            before = held(site)
            asked = trimmed(operation, request)
            response = await site.ask("dynamodb", operation, orjson.dumps(asked).replace(b"HUGE", b"v" * 200_000))
            assert response.status < 500, (operation, asked, response.body)
            event(f"{operation} {response.status}")
            if response.status != 200:
                assert held(site) == before, (operation, asked, "was refused and changed something")
            await asyncio.sleep(0)
        await replay(site)

    run(story)
