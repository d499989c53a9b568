"""Queries, scans and updates against a model that knows nothing of our code: Python's own values, sorting and sets.

The model says what the Developer Guide says: a partition is in the order of its sort key (numbers by value, strings by
UTF-8, binary by unsigned bytes), pages follow each other without gap or repetition, a filter takes nothing from
ScannedCount, all operands of an update are read before anything is written. `pytest --hypothesis-profile=search`
draws new stories.
"""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import Awaitable, Callable, Iterator
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.dynamodb.service import DynamoDB
from antipodes.wire.errors import AwsError
from tests.dynamodb.conftest import Planet, ask, make_table

WIDE = Context(prec=300)
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, two: one == two,
    "<": lambda one, two: one < two,
    "<=": lambda one, two: one <= two,
    ">": lambda one, two: one > two,
    ">=": lambda one, two: one >= two,
}

numbers = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent, WIDE),
    st.one_of(st.integers(-12, 12), st.integers(-(10**38) + 1, 10**38 - 1)),
    st.one_of(st.integers(-2, 2), st.integers(-90, 80)),
)
texts = st.one_of(
    st.sampled_from(["a", "b", "aa", "a\x00", "é", "\U0001f30d", "\uffff"]), st.text("ab\x00é\uffff", max_size=4)
)
binaries = st.one_of(st.sampled_from([b"\x00", b"\xff", b"\xff\xff", b"\x7f"]), st.binary(max_size=4))


def run(story: Callable[[DynamoDB], Awaitable[None]], **table: Any) -> None:
    async def whole() -> None:
        planet = Planet()
        try:
            service = await planet.start("us-east-1")
            await make_table(service, **table)
            await story(service)
        finally:
            await planet.stop_all()

    asyncio.run(whole())


def value_of(plain: Any) -> dict[str, Any]:
    """A plain value as the wire has it. Numbers are written with an exponent: the service makes them canonical."""
    if isinstance(plain, bool):
        return {"BOOL": plain}
    if isinstance(plain, Decimal):
        return {"N": str(plain)}
    if isinstance(plain, str):
        return {"S": plain}
    if isinstance(plain, bytes):
        return {"B": base64.b64encode(plain).decode()}
    if isinstance(plain, list):
        return {"L": [value_of(one) for one in plain]}
    if isinstance(plain, dict):
        return {"M": {name: value_of(one) for name, one in plain.items()}}
    assert isinstance(plain, frozenset)
    kind = "NS" if all(isinstance(one, Decimal) for one in plain) else "SS"
    return {kind: [str(one) for one in sorted(plain)]}


def plain_of(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "N":
        return Decimal(content)
    if kind == "B":
        return base64.b64decode(content)
    if kind == "L":
        return [plain_of(one) for one in content]
    if kind == "M":
        return {name: plain_of(one) for name, one in content.items()}
    if kind in {"SS", "NS"}:
        return frozenset(Decimal(one) if kind == "NS" else one for one in content)
    return content


def items_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: plain_of(value) for name, value in item.items()} for item in answer["Items"]]


def rank(plain: Any) -> Any:
    return plain.encode("utf-8") if isinstance(plain, str) else plain


# Queries


@st.composite
def collections(draw: st.DrawFn) -> tuple[str, list[tuple[str, Any, Any]]]:
    """(kind of the sort key, items as (pk, sk, other)); other is the sort key of an index."""
    kind = draw(st.sampled_from("SNB"))
    part = {"S": texts.filter(bool), "N": numbers, "B": binaries.filter(bool)}[kind]
    others = st.one_of(st.none(), numbers)
    found = draw(st.lists(st.tuples(st.sampled_from("xy"), part, others), max_size=14))
    return kind, found


async def pages(service: DynamoDB, operation: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    while True:
        found.append(await ask(service, operation, asked))
        if "LastEvaluatedKey" not in found[-1]:
            return found
        assert found[-1]["ScannedCount"], "a page that read nothing goes on for ever"
        asked = {**asked, "ExclusiveStartKey": found[-1]["LastEvaluatedKey"]}


INDEXES: dict[str, Any] = {
    "attributes": [{"AttributeName": "score", "AttributeType": "N"}],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "local",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "score", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "global",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "score", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}


@given(collections(), st.data())
def test_queries_give_what_a_sorted_list_gives(
    found: tuple[str, list[tuple[str, Any, Any]]], data: st.DataObject
) -> None:
    kind, drawn = found
    items = {
        (pk, rank(sk)): {"pk": pk, "sk": sk} | ({} if other is None else {"score": other}) for pk, sk, other in drawn
    }

    async def story(service: DynamoDB) -> None:
        for pk, sk, other in drawn:
            item = {"pk": pk, "sk": sk} | ({} if other is None else {"score": other})
            put = {name: value_of(one) for name, one in item.items()}
            await ask(service, "PutItem", {"TableName": "Things", "Item": put})
        for _ in range(4):
            await compare_query(service, list(items.values()), data)
        await compare_scan(service, list(items.values()), data)

    run(story, range=kind, **copy.deepcopy(INDEXES))


async def compare_query(service: DynamoDB, items: list[dict[str, Any]], data: st.DataObject) -> None:
    index = data.draw(st.sampled_from([None, "local", "global"]))
    name = "sk" if index is None else "score"
    wanted = [one for one in items if one["pk"] == "x" and name in one]
    asked: dict[str, Any] = {
        "TableName": "Things",
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "x"}},
        "ScanIndexForward": data.draw(st.booleans()),
        "ReturnConsumedCapacity": "INDEXES",
    }
    if index is not None:
        asked["IndexName"] = index
    bounds: list[Any] = sorted((one[name] for one in wanted), key=rank)
    if data.draw(st.booleans()) and bounds:
        wanted = narrowed(asked, wanted, name, bounds, data)
    scanned = len(wanted)
    backward = not asked["ScanIndexForward"]
    wanted = sorted(wanted, key=lambda one: rank(one[name]), reverse=backward)
    if index != "global" and data.draw(st.booleans()):
        asked["FilterExpression"] = "attribute_exists(#f)"
        asked["ExpressionAttributeNames"] = {"#f": "nothing"}
        wanted = []
    if data.draw(st.booleans()):
        asked["Limit"] = data.draw(st.integers(1, 4))
    told = await pages(service, "Query", asked)
    answered = [item for page in told for item in items_of(page)]
    assert sum(page["ScannedCount"] for page in told) == scanned
    assert sum(page["Count"] for page in told) == len(answered) == len(wanted)
    assert [rank(one[name]) for one in answered] == [rank(one[name]) for one in wanted]
    if index is None:
        assert answered == wanted
    else:  # what has one place in the order has none among its equals
        assert by_key(answered) == by_key(wanted)
    for page in told:
        assert page["ScannedCount"] <= asked.get("Limit", 100)
        assert page["ConsumedCapacity"]["CapacityUnits"] == 0.5


def narrowed(
    asked: dict[str, Any], wanted: list[dict[str, Any]], name: str, bounds: list[Any], data: st.DataObject
) -> list[dict[str, Any]]:
    low = data.draw(st.sampled_from(bounds))
    asked["ExpressionAttributeValues"][":a"] = value_of(low)
    operator = data.draw(st.sampled_from([*COMPARED, "BETWEEN", "begins_with"]))
    if operator == "BETWEEN":
        high = data.draw(st.sampled_from([one for one in bounds if rank(one) >= rank(low)]))
        asked["ExpressionAttributeValues"][":b"] = value_of(high)
        asked["KeyConditionExpression"] += f" AND {name} BETWEEN :a AND :b"
        return [one for one in wanted if rank(low) <= rank(one[name]) <= rank(high)]
    if operator == "begins_with" and not isinstance(low, Decimal):
        asked["KeyConditionExpression"] += f" AND begins_with({name}, :a)"
        return [one for one in wanted if one[name].startswith(low)]
    operator = "=" if operator == "begins_with" else operator
    asked["KeyConditionExpression"] += f" AND {name} {operator} :a"
    return [one for one in wanted if COMPARED[operator](rank(one[name]), rank(low))]


async def compare_scan(service: DynamoDB, items: list[dict[str, Any]], data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 5))
    limit = data.draw(st.one_of(st.just({}), st.builds(lambda found: {"Limit": found}, st.integers(1, 4))))
    index = data.draw(st.sampled_from([{}, {"IndexName": "local"}, {"IndexName": "global"}]))
    answered: list[dict[str, Any]] = []
    for segment in range(total):
        asked = {"TableName": "Things", "Segment": segment, "TotalSegments": total, **limit, **index}
        for page in await pages(service, "Scan", asked):
            assert page["Count"] == page["ScannedCount"] == len(page["Items"])
            answered += items_of(page)
    assert by_key(answered) == by_key([one for one in items if not index or "score" in one])


def by_key(items: list[dict[str, Any]]) -> list[Any]:
    return sorted(((one["pk"], rank(one["sk"]), one.get("score")) for one in items), key=lambda one: one[:2])


# Updates

scalars = st.one_of(numbers, st.sampled_from(["", "s"]), st.booleans())
sets = st.one_of(
    st.frozensets(st.sampled_from(["p", "q", "r"]), min_size=1),
    st.frozensets(st.sampled_from([Decimal(1), Decimal("2.5")]), min_size=1),
)
plains = st.recursive(
    st.one_of(scalars, sets),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["u", "w"]), inner, max_size=2)
    ),
    max_leaves=5,
)
paths = st.one_of(
    st.tuples(st.sampled_from("abc")),
    st.tuples(st.sampled_from("abc"), st.one_of(st.integers(0, 3), st.sampled_from("uw"))),
    st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.sampled_from("uw")),
)
Operand = tuple[str, Any, Any]
simple: st.SearchStrategy[Operand] = st.one_of(
    st.tuples(st.just("value"), st.one_of(numbers, st.lists(scalars, max_size=2)), st.none()),
    st.tuples(st.just("path"), paths, st.none()),
    st.tuples(st.just("if_not_exists"), paths, st.tuples(st.just("value"), st.one_of(numbers, st.just([])), st.none())),
)
operands: st.SearchStrategy[Operand] = st.deferred(
    lambda: st.one_of(
        st.tuples(st.just("value"), plains, st.none()),
        st.tuples(st.just("path"), paths, st.none()),
        st.tuples(st.just("if_not_exists"), paths, operands),
        st.tuples(st.sampled_from(["+", "-"]), simple, simple),
        st.tuples(st.just("list_append"), simple, simple),
    )
)
actions = st.one_of(
    st.tuples(st.just("SET"), paths, operands),
    st.tuples(st.just("SET"), paths, operands),
    st.tuples(st.just("REMOVE"), paths, st.none()),
    st.tuples(st.just("ADD"), paths, st.one_of(numbers, sets)),
    st.tuples(st.just("DELETE"), paths, sets),
)


class Refused(Exception):
    """The model says that AWS would refuse the request."""


def shown(path: tuple[Any, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".#{part}" for part in path)[1:]


def at(item: Any, path: tuple[Any, ...]) -> Any:
    """None: nothing is there."""
    for part in path:
        if isinstance(item, dict):
            item = item.get(part) if isinstance(part, str) else None
        elif isinstance(item, list) and isinstance(part, int):
            item = item[part] if part < len(item) else None
        else:
            return None
    return item


def total(operator: str, left: Any, right: Any) -> Decimal:
    if type(left) is not Decimal or type(right) is not Decimal:
        raise Refused
    found = WIDE.add(left, right) if operator == "+" else WIDE.subtract(left, right)
    normal = found.normalize(WIDE)
    if normal and (len(normal.as_tuple().digits) > 38 or not -130 <= normal.adjusted() <= 125):
        raise Refused
    return found


def worth(operand: Operand, item: Any) -> Any:
    kind, one, two = operand
    if kind == "value":
        return one
    if kind == "path":
        found = at(item, one)
        if found is None:
            raise Refused
        return found
    if kind == "if_not_exists":
        found = at(item, one)
        return found if found is not None else worth(two, item)
    left, right = worth(one, item), worth(two, item)
    if kind == "list_append":
        if type(left) is not list or type(right) is not list:
            raise Refused
        return left + right
    return total(kind, left, right)


def written(operand: Operand, values: dict[str, Any]) -> str:
    kind, one, two = operand
    if kind == "value":
        values[f":v{len(values)}"] = value_of(one)
        return f":v{len(values) - 1}"
    if kind == "path":
        return shown(one)
    if kind == "if_not_exists":
        return f"if_not_exists({shown(one)}, {written(two, values)})"
    if kind == "list_append":
        return f"list_append({written(one, values)}, {written(two, values)})"
    return f"{written(one, values)} {kind} {written(two, values)}"


def misused(operand: Operand) -> Iterator[bool]:
    """Whether an operand can be refused for its look alone."""
    kind, one, two = operand
    if kind in {"+", "-", "list_append"}:
        good = list if kind == "list_append" else Decimal
        for side in (one, two):
            yield side[0] == "value" and type(side[1]) is not good
    if kind == "if_not_exists":
        yield two[0] in {"+", "-"}  # no sum within a function
        yield from misused(two)


def changed(item: dict[str, Any], found: list[tuple[str, tuple[Any, ...], Any]]) -> dict[str, Any]:
    """The item after the update. Raises Refused."""
    for number, (_, path, _) in enumerate(found):
        for _, other, _ in found[:number]:
            for one, two in zip(path, other, strict=False):
                if type(one) is not type(two):
                    raise Refused
                if one != two:
                    break
            else:
                raise Refused
    puts, gone = [], []
    for action, path, operand in found:
        old = at(item, path)
        if action == "SET":
            if any(misused(operand)):
                raise Refused
            puts.append((path, copy.deepcopy(worth(operand, item))))
        elif action == "REMOVE":
            gone.append(path)
        elif action == "ADD" and old is None:
            puts.append((path, operand))
        elif action == "ADD":
            alike = type(old) is type(operand) and (not isinstance(old, frozenset) or kind_of(old) is kind_of(operand))
            if not alike:
                raise Refused
            puts.append((path, total("+", old, operand) if isinstance(old, Decimal) else old | operand))
        elif old is None:
            gone.append(path)
        else:
            if not isinstance(old, frozenset) or kind_of(old) is not kind_of(operand):
                raise Refused
            (puts if old - operand else gone).append(path if not old - operand else (path, old - operand))
    return carried_out(copy.deepcopy(item), puts, gone)


def kind_of(found: frozenset[Any]) -> type:
    return type(next(iter(found)))


def carried_out(item: dict[str, Any], puts: list[Any], gone: list[Any]) -> dict[str, Any]:
    holders = {path: at(item, path[:-1]) for path in [*(path for path, _ in puts), *gone]}
    for path, holder in holders.items():
        if not isinstance(holder, list if isinstance(path[-1], int) else dict):
            raise Refused
    for path, value in sorted(puts, key=lambda put: put[0][-1] if isinstance(put[0][-1], int) else -1):
        holder, last = holders[path], path[-1]
        if isinstance(last, int) and last >= len(holder):
            holder.append(value)
        else:
            holder[last] = value
    for path in sorted(gone, key=lambda one: one[-1] if isinstance(one[-1], int) else -1, reverse=True):
        holder, last = holders[path], path[-1]
        if isinstance(last, str):
            holder.pop(last, None)
        elif last < len(holder):
            del holder[last]
    return item


@given(st.dictionaries(st.sampled_from("abc"), plains, max_size=3), st.lists(actions, min_size=1, max_size=3))
def test_updates_do_what_the_model_does(item: dict[str, Any], found: list[tuple[str, tuple[Any, ...], Any]]) -> None:
    values: dict[str, Any] = {}
    sections: dict[str, list[str]] = {}
    for action, path, operand in found:
        if action == "SET":
            text = f"{shown(path)} = {written(operand, values)}"
        elif action == "REMOVE":
            text = shown(path)
        else:
            text = f"{shown(path)} {written(('value', operand, None), values)}"
        sections.setdefault(action, []).append(text)
    expression = " ".join(f"{name} {', '.join(parts)}" for name, parts in sections.items())
    names = {f"#{name}": name for name in "abcuw" if f"#{name}" in expression}
    asked = {"TableName": "Things", "Key": {"pk": {"S": "k"}}, "UpdateExpression": expression}
    asked |= {"ExpressionAttributeNames": names} if names else {}
    asked |= {"ExpressionAttributeValues": values} if values else {}
    try:
        wanted: dict[str, Any] | None = changed(item, found)
    except Refused:
        wanted = None

    async def story(service: DynamoDB) -> None:
        put = {name: value_of(one) for name, one in item.items()} | {"pk": {"S": "k"}}
        await ask(service, "PutItem", {"TableName": "Things", "Item": put})
        if wanted is None:
            with pytest.raises(AwsError, match=r"^ValidationException"):
                await ask(service, "UpdateItem", asked)
        else:
            await ask(service, "UpdateItem", asked)
        held = (await ask(service, "GetItem", {"TableName": "Things", "Key": {"pk": {"S": "k"}}}))["Item"]
        assert {name: plain_of(one) for name, one in held.items()} == {
            **(item if wanted is None else wanted),
            "pk": "k",
        }

    run(story)
