"""Filter criteria match what the Lambda Developer Guide says they match."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.services.lambda_.filters import compiled
from antipodes.wire.errors import ClientFault

RECORD = {
    "eventName": "MODIFY",
    "dynamodb": {
        "Keys": {"id": {"S": "order-17"}},
        "NewImage": {"id": {"S": "order-17"}, "age": {"N": "42"}, "tags": {"SS": ["a", "b"]}, "done": {"BOOL": True}},
    },
}


def image(test: Any) -> dict[str, Any]:
    return {"dynamodb": {"NewImage": test}}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"eventName": ["INSERT", "MODIFY"]}, True),
        ({"eventName": ["INSERT"]}, False),
        ({"eventName": ["MODIFY"], **image({"age": {"N": ["41"]}})}, False),
        (image({"id": {"S": [{"prefix": "order-"}]}}), True),
        (image({"id": {"S": [{"suffix": "-18"}]}}), False),
        (image({"id": {"S": [{"equals-ignore-case": "ORDER-17"}]}}), True),
        (image({"id": {"S": [{"wildcard": "or*-1*"}]}}), True),
        (image({"age": {"N": [{"numeric": [">", 40, "<=", 42]}]}}), True),
        (image({"age": {"N": [{"numeric": ["<", 42]}]}}), False),
        (image({"gone": [{"exists": False}]}), True),
        (image({"age": [{"exists": True}]}), True),
        (image({"tags": {"SS": ["b", "c"]}}), True),
        (image({"done": {"BOOL": [True]}}), True),
        (image({"id": {"S": [{"anything-but": ["order-17", "x"]}]}}), False),
        (image({"id": {"S": [{"anything-but": [{"prefix": "x"}]}]}}), True),
        ({"$or": [{"eventName": ["REMOVE"]}, image({"age": {"N": ["42"]}})]}, True),
        ({"$or": [{"eventName": ["REMOVE"]}, {"eventName": ["INSERT"]}]}, False),
        ({"eventName": [None]}, False),
    ],
)
def test_patterns(pattern: dict[str, Any], matches: bool) -> None:
    assert compiled([json.dumps(pattern)])(RECORD) is matches


def test_any_of_several_patterns_matches_and_without_one_all_do() -> None:
    assert compiled([])(RECORD)
    assert compiled(['{"eventName": ["INSERT"]}', '{"eventName": ["MODIFY"]}'])(RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"a": "b"}',
        '{"a": []}',
        '{"a": [{"near": 1}]}',
        '{"a": [{"numeric": ["~", 1]}]}',
        '{"$or": [1]}',
    ],
)
def test_a_pattern_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ClientFault, match="Invalid filter pattern definition"):
        compiled([text])
