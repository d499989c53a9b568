"""The parameters from before expressions: conditions, updates and key conditions, and their refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.dynamodb.conftest import Planet, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
INVALID = "One or more parameter values were invalid: "

ITEM = {"pk": {"S": "a"}, "n": {"N": "5"}, "s": {"S": "hello"}, "l": {"L": [{"S": "x"}]}, "ss": {"SS": ["p", "q"]}}


def asks(operator: str, *values: dict[str, Any]) -> dict[str, Any]:
    return {"ComparisonOperator": operator, **({"AttributeValueList": list(values)} if values else {})}


@pytest.mark.parametrize(
    ("name", "condition", "holds"),
    [
        ("n", {"Value": {"N": "5.0"}}, True),
        ("n", {"Value": {"N": "6"}}, False),
        ("n", {"Exists": True, "Value": {"N": "5"}}, True),
        ("none", {"Exists": False}, True),
        ("n", {"Exists": False}, False),
        ("n", asks("EQ", {"N": "5"}), True),
        ("n", {"ComparisonOperator": "GE", "Value": {"N": "5"}}, True),
        ("n", asks("NE", {"N": "5"}), False),
        ("none", asks("NE", {"N": "5"}), True),
        ("n", asks("LT", {"N": "6"}), True),
        ("n", asks("LE", {"N": "4"}), False),
        ("n", asks("GT", {"S": "4"}), False),
        ("n", asks("BETWEEN", {"N": "5"}, {"N": "7"}), True),
        ("n", asks("IN", {"N": "4"}, {"N": "5"}), True),
        ("s", asks("BEGINS_WITH", {"S": "he"}), True),
        ("s", asks("CONTAINS", {"S": "ell"}), True),
        ("l", asks("CONTAINS", {"S": "x"}), True),
        ("ss", asks("CONTAINS", {"S": "p"}), True),
        ("ss", asks("NOT_CONTAINS", {"S": "p"}), False),
        ("s", asks("NOT_NULL"), True),
        ("none", asks("NULL"), True),
    ],
)
def test_expected_is_a_condition(run: Run, name: str, condition: dict[str, Any], holds: bool) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", {"TableName": "Things", "Item": ITEM})
        params = {"TableName": "Things", "Key": {"pk": {"S": "a"}}, "Expected": {name: condition}}
        if holds:
            await ask(service, "DeleteItem", params)
        else:
            assert await refused(service, "DeleteItem", params) == (
                "ConditionalCheckFailedException",
                "The conditional request failed",
            )
        assert service.table_sizes() == {"Things": 0 if holds else 1}

    run(story)


def test_conditional_operator_joins_expectations_and_filters(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", {"TableName": "Things", "Item": ITEM})
        two = {"n": asks("EQ", {"N": "6"}), "s": asks("EQ", {"S": "hello"})}
        put = {"TableName": "Things", "Item": ITEM, "Expected": two}
        assert (await refused(service, "PutItem", put))[0] == "ConditionalCheckFailedException"
        await ask(service, "PutItem", {**put, "ConditionalOperator": "OR"})
        scan = {"TableName": "Things", "ScanFilter": two}
        assert (await ask(service, "Scan", scan))["Count"] == 0
        assert (await ask(service, "Scan", {**scan, "ConditionalOperator": "OR"}))["Count"] == 1

    run(story)


def test_attribute_updates_put_add_and_delete(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", {"TableName": "Things", "Item": ITEM})
        changes = {
            "n": {"Action": "ADD", "Value": {"N": "2"}},
            "new": {"Action": "ADD", "Value": {"N": "1"}},
            "l": {"Action": "ADD", "Value": {"L": [{"S": "y"}]}},
            "ss": {"Action": "DELETE", "Value": {"SS": ["p"]}},
            "s": {"Action": "DELETE"},
            "z": {"Value": {"BOOL": True}},
        }
        params = {"TableName": "Things", "Key": {"pk": {"S": "a"}}, "AttributeUpdates": changes}
        told = await ask(service, "UpdateItem", {**params, "ReturnValues": "UPDATED_NEW"})
        assert told["Attributes"] == {
            "n": {"N": "7"},
            "new": {"N": "1"},
            "l": {"L": [{"S": "x"}, {"S": "y"}]},
            "ss": {"SS": ["q"]},
            "z": {"BOOL": True},
        }

    run(story)


def test_a_delete_only_update_of_a_missing_item_creates_nothing(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        key = {"TableName": "Things", "Key": {"pk": {"S": "a"}}}
        await ask(service, "UpdateItem", {**key, "AttributeUpdates": {"v": {"Action": "DELETE"}}})
        assert service.table_sizes() == {"Things": 0}
        await ask(service, "UpdateItem", {**key, "AttributeUpdates": {}})
        assert service.table_sizes() == {"Things": 1}

    run(story)


def test_key_conditions_query_with_filter_and_attributes_to_get(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service, range="N")
        for number in range(6):
            item = {"pk": {"S": "a"}, "sk": {"N": str(number)}, "even": {"BOOL": number % 2 == 0}}
            await ask(service, "PutItem", {"TableName": "Things", "Item": item})
        keys = {"pk": asks("EQ", {"S": "a"}), "sk": asks("GT", {"N": "1"})}
        found = await ask(
            service,
            "Query",
            {
                "TableName": "Things",
                "KeyConditions": keys,
                "QueryFilter": {"even": asks("EQ", {"BOOL": True})},
                "AttributesToGet": ["sk"],
            },
        )
        assert found == {"Count": 2, "ScannedCount": 4, "Items": [{"sk": {"N": "2"}}, {"sk": {"N": "4"}}]}
        # Seen on AWS: they go together with the newer expressions.
        mixed = {
            "TableName": "Things",
            "KeyConditions": keys,
            "FilterExpression": "even = :no",
            "ExpressionAttributeValues": {":no": {"BOOL": False}},
        }
        assert (await ask(service, "Query", mixed))["Count"] == 2

    run(story)


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        ("PutItem", {"Expected": {"a": {}}}, INVALID + "Value must be provided when Exists is null for Attribute: a"),
        (
            "PutItem",
            {"Expected": {"a": {"Exists": False, "Value": {"S": "x"}}}},
            INVALID + "Value cannot be used when Exists is false for Attribute: a",
        ),
        (
            "PutItem",
            {"Expected": {"a": {"ComparisonOperator": "LT"}}},
            INVALID + "Value or AttributeValueList must be used with ComparisonOperator: LT for Attribute: a",
        ),
        (
            "PutItem",
            {"Expected": {"a": {"Exists": True, "ComparisonOperator": "LT"}}},
            INVALID + "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (
            "PutItem",
            {"Expected": {"a": {"Value": {"S": "x"}, "AttributeValueList": []}}},
            INVALID + "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        (
            "PutItem",
            {"Expected": {"a": {"AttributeValueList": [{"S": "x"}]}}},
            INVALID + "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        (
            "PutItem",
            {"Expected": {"a": {"ComparisonOperator": "EQ", "AttributeValueList": []}}},
            INVALID + "Invalid number of argument(s) for the EQ ComparisonOperator",
        ),
        (
            "PutItem",
            {"Expected": {"a": asks("LT", {"BOOL": True})}},
            INVALID + "ComparisonOperator LT is not valid for BOOL AttributeValue type",
        ),
        (
            "PutItem",
            {"Expected": {"a": asks("IN", {"S": "x"}, {"N": "1"})}},
            INVALID + "AttributeValues inside AttributeValueList must be of same type",
        ),
        (
            "PutItem",
            {"Expected": {"a": asks("BETWEEN", {"N": "2"}, {"N": "1"})}},
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
        ),
        (
            "PutItem",
            {"Expected": {"a": {"ComparisonOperator": "SOME"}}},
            "1 validation error detected: Value 'SOME' at 'expected.a.member.comparisonOperator' failed to satisfy "
            "constraint: Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, "
            "NE, LE, BEGINS_WITH, GE, CONTAINS]",
        ),
        (
            "UpdateItem",
            {"AttributeUpdates": {"a": {"Action": "ADD"}}},
            INVALID + "Only DELETE action is allowed when no attribute value is specified",
        ),
        (
            "UpdateItem",
            {"AttributeUpdates": {"a": {"Action": "DELETE", "Value": {"S": "x"}}}},
            INVALID + "DELETE action with value is not supported for the type S",
        ),
        (
            "UpdateItem",
            {"AttributeUpdates": {"a": {"Action": "ADD", "Value": {"S": "x"}}}},
            INVALID + "ADD action is not supported for the type S",
        ),
        (
            "UpdateItem",
            {"AttributeUpdates": {"pk": {"Value": {"S": "x"}}}},
            INVALID + "Cannot update attribute pk. This attribute is part of the key",
        ),
        ("UpdateItem", {"AttributeUpdates": {"s": {"Action": "ADD", "Value": {"N": "1"}}}}, None),
        (
            "Query",
            {"KeyConditions": {"pk": asks("IN", {"S": "a"})}},
            "Attempted conditional constraint is not an indexable operation",
        ),
        ("Query", {"KeyConditions": {}}, "Conditions can be of length 1 or 2 only"),
        (
            "Query",
            {"KeyConditions": {"pk": asks("EQ", {"S": "a"})}, "QueryFilter": {"pk": asks("NOT_NULL")}},
            "QueryFilter can only contain non-primary key attributes: Primary key attribute: pk",
        ),
        (
            "Scan",
            {"AttributesToGet": ["a", "b", "a"]},
            INVALID + "Duplicate value in attribute name: a",
        ),
        (
            "Scan",
            {"ConditionalOperator": "OR"},
            INVALID + "ConditionalOperator cannot be used without Filter or Expected",
        ),
    ],
)
def test_bad_legacy_parameters_are_refused_in_awss_words(
    run: Run, operation: str, params: dict[str, Any], message: str | None
) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", {"TableName": "Things", "Item": ITEM})
        more = {"PutItem": {"Item": {"pk": {"S": "b"}}}, "UpdateItem": {"Key": {"pk": {"S": "a"}}}}.get(operation, {})
        refusal = await refused(service, operation, {"TableName": "Things", **more, **params})
        assert refusal == ("ValidationException", message or "Type mismatch for attribute to update")
        assert await ask(service, "Scan", {"TableName": "Things"}) == {"Count": 1, "ScannedCount": 1, "Items": [ITEM]}

    run(story)
