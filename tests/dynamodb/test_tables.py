"""Tables: their states, their descriptions, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from antipodes.services.dynamodb.database import TABLE
from tests.dynamodb.conftest import Planet, active, ask, make_table, refused, until

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
INVALID = "One or more parameter values were invalid: "
NAME = {"TableName": "Things"}


def create(**more: Any) -> dict[str, Any]:
    return {
        "TableName": "Things",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        **more,
    }


def test_a_table_is_creating_then_active_then_deleting_then_gone(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        made = (await ask(service, "CreateTable", create()))["TableDescription"]
        assert made["TableStatus"] == "CREATING"
        assert "BillingModeSummary" not in made
        assert made["ProvisionedThroughput"] == {
            "NumberOfDecreasesToday": 0,
            "ReadCapacityUnits": 5,
            "WriteCapacityUnits": 6,
        }
        put = {"TableName": "Things", "Item": {"pk": {"S": "a"}}}
        assert (await refused(service, "PutItem", put))[0] == "ResourceNotFoundException"
        assert (await refused(service, "CreateTable", create())) == (
            "ResourceInUseException",
            "Table already exists: Things",
        )
        assert (await refused(service, "DeleteTable", NAME))[0] == "ResourceInUseException"
        await active(service)
        await ask(service, "PutItem", put)
        gone = (await ask(service, "DeleteTable", NAME))["TableDescription"]
        assert gone["TableStatus"] == "DELETING"
        assert gone["ItemCount"] == 1
        assert (await refused(service, "GetItem", {**NAME, "Key": {"pk": {"S": "a"}}}))[0] == (
            "ResourceNotFoundException"
        )
        await until(lambda: not service.table_sizes())
        assert await refused(service, "DescribeTable", NAME) == (
            "ResourceNotFoundException",
            "Requested resource not found: Table: Things not found",
        )

    run(story)


def test_a_new_table_of_the_same_name_is_empty_and_old_rows_go(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        for number in range(1200):
            await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": str(number)}}})
        await ask(service, "DeleteTable", NAME)
        await until(lambda: not service.table_sizes())
        await make_table(service)
        assert (await ask(service, "Scan", NAME))["Count"] == 0
        store = service.database.store
        await until(lambda: not list(store.range(b"dynamodb/item/", b"dynamodb/item0")))
        await until(lambda: not list(store.range(b"dynamodb/gone/", b"dynamodb/gone0")))

    run(story)


@pytest.mark.parametrize("state", ["CREATING", "DELETING"])
def test_what_was_under_way_is_resumed_after_a_restart(run: Run, state: str) -> None:
    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "1000"}
        service = await planet.start("us-east-1")
        planet.worlds["us-east-1"].sleep = lambda delay_s: _never()  # type: ignore[method-assign]
        await ask(service, "CreateTable", create())
        if state == "DELETING":
            service.database.keep(_with_status(service.database.tables["Things"].description, "ACTIVE"))
            await ask(service, "DeleteTable", NAME)
        assert (await ask(service, "DescribeTable", NAME))["Table"]["TableStatus"] == state
        await planet.stop("us-east-1")
        service = await planet.start("us-east-1")
        if state == "CREATING":
            await active(service)
        else:
            await until(lambda: not service.table_sizes())

    run(story)


async def _never() -> None:
    await asyncio.Event().wait()


def _with_status(description: Any, status: str) -> Any:
    return msgspec.structs.replace(description, status=status)


def test_tables_are_listed_in_pages(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        for name in ("ccc", "aaa", "bbb"):
            await make_table(service, name)
        assert await ask(service, "ListTables", {}) == {"TableNames": ["aaa", "bbb", "ccc"]}
        first = await ask(service, "ListTables", {"Limit": 2})
        assert first == {"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}
        assert await ask(service, "ListTables", {"ExclusiveStartTableName": "bbb"}) == {"TableNames": ["ccc"]}

    run(story)


def test_update_table_changes_what_it_is_told(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await ask(service, "CreateTable", create())
        await active(service)
        changed = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 8}
        told = await ask(service, "UpdateTable", {**NAME, "ProvisionedThroughput": changed})
        assert told["TableDescription"]["TableStatus"] == "UPDATING"
        assert (await refused(service, "UpdateTable", {**NAME, "BillingMode": "PAY_PER_REQUEST"}))[0] == (
            "ResourceInUseException"
        )
        await active(service)
        code, message = await refused(service, "UpdateTable", {**NAME, "ProvisionedThroughput": changed})
        assert code == "ValidationException"
        assert message.startswith("The provisioned throughput for the table will not change.")
        await ask(service, "UpdateTable", {**NAME, "BillingMode": "PAY_PER_REQUEST"})
        await active(service)
        await ask(service, "UpdateTable", {**NAME, "BillingMode": "PAY_PER_REQUEST"})  # nothing changes: no fault
        code, message = await refused(service, "UpdateTable", NAME)
        assert message.startswith("At least one of ProvisionedThroughput, BillingMode,")
        stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
        await ask(service, "UpdateTable", {**NAME, "StreamSpecification": stream, "DeletionProtectionEnabled": True})
        await active(service)
        found = (await ask(service, "DescribeTable", NAME))["Table"]
        assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert found["StreamSpecification"] == stream
        assert found["LatestStreamArn"].endswith("/stream/" + found["LatestStreamLabel"])
        assert (await refused(service, "DeleteTable", NAME))[0] == "ValidationException"
        await ask(service, "UpdateTable", {**NAME, "DeletionProtectionEnabled": False})
        await ask(service, "DeleteTable", NAME)

    run(story)


def test_tags_are_kept(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await ask(service, "CreateTable", create(Tags=[{"Key": "a", "Value": "1"}]))
        await active(service)
        arn = {"ResourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/Things"}
        await ask(service, "TagResource", {**arn, "Tags": [{"Key": "b", "Value": "2"}]})
        await ask(service, "UntagResource", {**arn, "TagKeys": ["a"]})
        assert await ask(service, "ListTagsOfResource", arn) == {"Tags": [{"Key": "b", "Value": "2"}]}

    run(story)


ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/"


@pytest.mark.parametrize(
    ("operation", "params", "code", "message"),
    [
        ("TagResource", {}, "ValidationException", "Invalid TableArn"),
        (
            "TagResource",
            {"ResourceArn": "no", "Tags": []},
            "ValidationException",
            "Invalid TableArn: Invalid ResourceArn provided as input no",
        ),
        (
            "TagResource",
            {"ResourceArn": ARN + "Things"},
            "ValidationException",
            "1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null",
        ),
        (
            "TagResource",
            {"ResourceArn": ARN + "Things", "Tags": []},
            "ValidationException",
            "Atleast one Tag needs to be provided as Input.",
        ),
        (
            "UntagResource",
            {"ResourceArn": ARN + "Things", "TagKeys": []},
            "ValidationException",
            "Atleast one Tag Key needs to be provided as Input.",
        ),
        (
            "TagResource",
            {"ResourceArn": ARN + "Things", "Tags": [{"Key": "aws:a", "Value": "1"}]},
            "ValidationException",
            INVALID + "Tag keys cannot start with the reserved prefix aws:",
        ),
        (
            "TagResource",
            {"ResourceArn": ARN + "Nothing", "Tags": [{"Key": "a", "Value": "1"}]},
            "ResourceNotFoundException",
            f"Requested resource not found: ResourcArn: {ARN}Nothing not found",
        ),
        (
            "ListTagsOfResource",
            {"ResourceArn": ARN + "Nothing"},
            "AccessDeniedException",
            "User: arn:aws:iam::000000000000:root is not authorized to perform: dynamodb:ListTagsOfResource "
            f"on resource: {ARN}Nothing",
        ),
    ],
)
def test_bad_tags_are_refused(run: Run, operation: str, params: dict[str, Any], code: str, message: str) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        assert await refused(service, operation, params) == (code, message)
        assert await ask(service, "ListTagsOfResource", {"ResourceArn": ARN + "Things"}) == {"Tags": []}

    run(story)


def test_encryption_throughput_limits_and_class_are_told(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(
            service,
            SSESpecification={"Enabled": True},
            OnDemandThroughput={"MaxReadRequestUnits": 10},
            WarmThroughput={"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 4000},
        )
        found = (await ask(service, "DescribeTable", NAME))["Table"]
        encryption = found["SSEDescription"]
        assert (encryption["Status"], encryption["SSEType"]) == ("ENABLED", "KMS")
        assert encryption["KMSMasterKeyArn"].startswith("arn:aws:kms:us-east-1:000000000000:key/")
        assert found["OnDemandThroughput"] == {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": -1}
        assert found["WarmThroughput"] == {
            "ReadUnitsPerSecond": 13000,
            "WriteUnitsPerSecond": 4000,
            "Status": "ACTIVE",
        }
        off = await ask(service, "UpdateTable", {**NAME, "SSESpecification": {"Enabled": False}})
        assert off["TableDescription"]["SSEDescription"] == {**encryption, "Status": "UPDATING"}
        await active(service)
        assert "SSEDescription" not in (await ask(service, "DescribeTable", NAME))["Table"]
        less = {**NAME, "WarmThroughput": {"ReadUnitsPerSecond": 1, "WriteUnitsPerSecond": 1}}
        assert (await refused(service, "UpdateTable", less))[0] == "ValidationException"

    run(story)


def test_a_resource_policy_is_kept_by_revision(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        arn = {"ResourceArn": ARN + "Things"}
        policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}'
        assert await refused(service, "GetResourcePolicy", arn) == (
            "PolicyNotFoundException",
            f"Resource-based policy not found for the provided ResourceArn: {ARN}Things",
        )
        put = {**arn, "Policy": policy}
        revision = (await ask(service, "PutResourcePolicy", {**put, "ExpectedRevisionId": "NO_POLICY"}))["RevisionId"]
        assert await ask(service, "GetResourcePolicy", arn) == {"Policy": policy, "RevisionId": revision}
        assert (await refused(service, "PutResourcePolicy", {**put, "ExpectedRevisionId": "1"}))[0] == (
            "PolicyNotFoundException"
        )
        assert (await refused(service, "PutResourcePolicy", {**arn, "Policy": "{"}))[0] == "ValidationException"
        assert await ask(service, "DeleteResourcePolicy", arn) == {"RevisionId": revision}
        assert await ask(service, "DeleteResourcePolicy", arn) == {}

    run(story)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TableName": None}, "The parameter 'TableName' is required but was not present in the request"),
        (
            {"TableName": "ab"},
            "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: "
            "Member must have length greater than or equal to 3",
        ),
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 1_000_000_000_001, "WriteCapacityUnits": 1}},
            "Given value 1000000000001 for ReadCapacityUnits is out of bounds",
        ),
        (
            {"ProvisionedThroughput": None},
            INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            {"BillingMode": "PAY_PER_REQUEST"},
            INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        (
            {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "pk", "KeyType": "RANGE"}]},
            "Invalid KeySchema: Some index key attribute have no definition",
        ),
        (
            {"KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}]},
            INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [other], "
            "AttributeDefinitions: [pk]",
        ),
        (
            {"KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]},
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            {"KeySchema": [{"AttributeName": "pk", "KeyType": "INVALID"}]},
            "1 validation error detected: Value 'INVALID' at 'keySchema.1.member.keyType' failed to satisfy "
            "constraint: Member must satisfy enum value set: [HASH, RANGE]",
        ),
        (
            {"LocalSecondaryIndexes": [{"IndexName": "abc", "KeySchema": [], "Projection": {}}]},
            "1 validation error detected: Value '[]' at 'localSecondaryIndexes.1.member.keySchema' failed to satisfy "
            "constraint: Member must have length greater than or equal to 1",
        ),
    ],
)
def test_a_bad_schema_is_refused_in_awss_words_and_leaves_nothing(
    run: Run, change: dict[str, Any], message: str
) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        params = {name: value for name, value in create(**change).items() if value is not None}
        assert await refused(service, "CreateTable", params) == ("ValidationException", message)
        assert not list(service.database.store.range(TABLE, TABLE + b"\xff"))

    run(story)


def test_ten_broken_constraints_are_told_at_most_and_in_order(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        code, message = await refused(
            service,
            "CreateTable",
            {
                "TableName": "a;",
                "AttributeDefinitions": [{}],
                "BillingMode": "FREE",
                "LocalSecondaryIndexes": [{}, {}, {}],
            },
        )
        assert code == "ValidationException"
        assert message.startswith(
            "10 validation errors detected: Value null at 'attributeDefinitions.1.member.attributeName' failed to "
            "satisfy constraint: Member must not be null; Value null at 'attributeDefinitions.1.member.attributeType'"
        )
        places = [part.split("'")[-2] for part in message.split(" failed to satisfy")[:-1]]
        assert places[2:6] == ["tableName", "tableName", "billingMode", "keySchema"]

    run(story)


def test_an_attribute_is_defined_once(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        twice = [{"AttributeName": "pk", "AttributeType": kind} for kind in ("S", "N")]
        assert await refused(service, "CreateTable", create(AttributeDefinitions=twice)) == (
            "ValidationException",
            "Attribute Name is duplicated: pk",
        )

    run(story)


def test_what_was_never_made_is_answered_as_nothing(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        destinations = await ask(service, "DescribeKinesisStreamingDestination", NAME)
        assert destinations == {"TableName": "Things", "KinesisDataStreamDestinations": []}
        insights = await ask(service, "DescribeContributorInsights", NAME)
        assert insights == {"TableName": "Things", "ContributorInsightsStatus": "DISABLED"}
        for operation, member in (
            ("ListContributorInsights", "ContributorInsightsSummaries"),
            ("ListExports", "ExportSummaries"),
            ("ListImports", "ImportSummaryList"),
        ):
            assert await ask(service, operation, {}) == {member: []}
        for operation, params, code in (
            ("DescribeExport", {"ExportArn": "arn"}, "ExportNotFoundException"),
            ("DescribeImport", {"ImportArn": "arn"}, "ImportNotFoundException"),
            ("DescribeKinesisStreamingDestination", {"TableName": "Nothing"}, "ResourceNotFoundException"),
            ("DescribeContributorInsights", {"TableName": "Nothing"}, "ResourceNotFoundException"),
        ):
            assert (await refused(service, operation, params))[0] == code

    run(story)


def test_parameters_that_antipodes_does_not_have_are_refused_by_name(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        create = {
            "TableName": "Others",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        code, message = await refused(service, "CreateTable", {**create, "VectorIndexes": [{}]})
        assert (code, "VectorIndexes" in message) == ("UnsupportedOperation", True)
        code, message = await refused(service, "UpdateTable", {**NAME, "VectorIndexUpdates": [{}]})
        assert (code, "VectorIndexUpdates" in message) == ("UnsupportedOperation", True)

    run(story)


def test_tags_are_words_of_allowed_characters(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        arn = "arn:aws:dynamodb:us-east-1:000000000000:table/Things"
        for key, value in (("a!", "v"), ("a", "v;"), ("a\x00", "v"), ("a", "<v>")):
            request = {"ResourceArn": arn, "Tags": [{"Key": key, "Value": value}]}
            assert (await refused(service, "TagResource", request))[0] == "ValidationException"
        good = [{"Key": "Größe é_1 +-=.:/", "Value": "a b@c"}, {"Key": "empty", "Value": ""}]
        await ask(service, "TagResource", {"ResourceArn": arn, "Tags": good})
        assert (await ask(service, "ListTagsOfResource", {"ResourceArn": arn}))["Tags"] == good

    run(story)
