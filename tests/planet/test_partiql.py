"""PartiQL over the wire, as boto3 speaks it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.planet.planets import Running

pytestmark = [pytest.mark.planet, pytest.mark.timeout(180)]

EAST = "us-east-1"
NAME = "spoken"
BINARY = b"\x00\xffblob"


@pytest.fixture
def client(planet: Running) -> Any:
    """DynamoDB of us-east-1, with a table of binary and number keys; the table is deleted again."""
    client = planet.client("dynamodb", EAST)
    client.create_table(
        TableName=NAME,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "B"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    yield client
    client.delete_table(TableName=NAME)
    client.get_waiter("table_not_exists").wait(TableName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 10})


def test_boto3_speaks_partiql(client: Any) -> None:
    def execute(text: str, *parameters: Any, **more: Any) -> Any:
        if parameters:
            more["Parameters"] = list(parameters)
        return client.execute_statement(Statement=text, **more)

    key = {"B": BINARY}
    for number in range(5):
        insert = f"INSERT INTO {NAME} VALUE {{'pk': ?, 'sk': {number}, 'set': ?}}"
        assert execute(insert, key, {"BS": [b"1", BINARY]})["Items"] == []
    page = execute(f"SELECT * FROM {NAME} WHERE pk = ? ORDER BY sk DESC", key, Limit=3)
    assert [item["sk"]["N"] for item in page["Items"]] == ["4", "3", "2"]
    assert page["Items"][0]["set"]["BS"] == [BINARY, b"1"]
    assert page["LastEvaluatedKey"] == {"pk": key, "sk": {"N": "2"}}
    rest = execute(f"SELECT * FROM {NAME} WHERE pk = ? ORDER BY sk DESC", key, NextToken=page["NextToken"])
    assert [item["sk"]["N"] for item in rest["Items"]] == ["1", "0"]
    assert "NextToken" not in rest
    update = f"UPDATE {NAME} SET n = ? WHERE pk = ? AND sk = 1 RETURNING MODIFIED NEW *"
    assert execute(update, {"N": "7"}, key)["Items"] == [{"n": {"N": "7"}}]


def test_errors_have_the_shapes_of_the_model(client: Any) -> None:
    key, insert = {"B": BINARY}, {"Statement": f"INSERT INTO {NAME} VALUE {{'pk': ?, 'sk': 1}}"}
    client.execute_statement(**insert, Parameters=[key])
    with pytest.raises(client.exceptions.DuplicateItemException):
        client.execute_statement(**insert, Parameters=[key])
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as failed:
        client.execute_statement(
            Statement=f"DELETE FROM {NAME} WHERE pk = ? AND sk = 1 AND n = 1",
            Parameters=[key],
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert failed.value.response["Item"] == {"pk": key, "sk": {"N": "1"}}
    statements = [{**insert, "Parameters": [key]}, {**insert, "Parameters": [{"B": b"other"}]}]
    with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
        client.execute_transaction(TransactStatements=statements)
    assert [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]] == ["DuplicateItem", "None"]
    answers = client.batch_execute_statement(Statements=statements)["Responses"]
    assert [answer.get("Error", {}).get("Code") for answer in answers] == ["DuplicateItem", None]
    with pytest.raises(ClientError) as refused:
        client.execute_statement(Statement="SELECT * FROM " + NAME + " LIMIT 1")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert refused.value.response["Error"]["Message"] == "Unsupported clause: LIMIT at 1:28:1"
