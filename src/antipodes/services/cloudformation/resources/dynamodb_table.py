"""AWS::DynamoDB::Table, and what it shares with GlobalTable: creating, waiting, changing and deleting a table here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from antipodes.services.cloudformation.handler import (
    EXISTS_CODES,
    Handler,
    Job,
    Made,
    chosen,
    exists,
    gone,
    tags_of,
)
from antipodes.services.cloudformation.resources.dynamodb_own import set_own
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError, ClientFault, NotSupported

CREATE = (
    "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema", "LocalSecondaryIndexes",
    "ProvisionedThroughput", "StreamSpecification", "TableClass", "DeletionProtectionEnabled", "OnDemandThroughput",
    "WarmThroughput",
)  # fmt: skip
CHANGED_IN_PLACE = (
    "BillingMode", "ProvisionedThroughput", "TableClass", "DeletionProtectionEnabled", "OnDemandThroughput",
    "WarmThroughput",
)  # fmt: skip
OWN = ("PointInTimeRecoverySpecification", "ResourcePolicy", "Tags")


async def describe(job: Job, name: str) -> Mapping[str, Any] | None:
    found = await exists(job.call("dynamodb", "DescribeTable", {"TableName": name}))
    return None if found is None else found["Table"]


async def create_table(job: Job, name: str, params: Mapping[str, Any]) -> None:
    """CreateTable, claimed and waited for. A table of that name that is not ours is AWS's error."""
    if "KeySchema" not in params or "AttributeDefinitions" not in params:
        raise ClientFault("InvalidRequest", "KeySchema and AttributeDefinitions are required.")
    try:
        await job.call("dynamodb", "CreateTable", shaped("dynamodb", "CreateTable", {"TableName": name, **params}))
    except AwsError as error:
        if not (job.may_exist and error.code in EXISTS_CODES):
            raise
    await job.claim(name)
    await wait_active(job, name)


async def wait_active(job: Job, name: str) -> None:
    async def active() -> bool:
        table = await describe(job, name)
        if table is None:
            return False
        busy = [
            one for one in table.get("GlobalSecondaryIndexes") or () if one.get("IndexStatus", "ACTIVE") != "ACTIVE"
        ]
        return table["TableStatus"] == "ACTIVE" and not busy

    await job.until(f"Table {name}", active, every_s=0.2)


async def update_table(job: Job, name: str, params: Mapping[str, Any]) -> None:
    if params:
        await job.call("dynamodb", "UpdateTable", shaped("dynamodb", "UpdateTable", {"TableName": name, **params}))
        await wait_active(job, name)


async def update_indexes(
    job: Job,
    name: str,
    *,
    old: Sequence[Mapping[str, Any]] | None = None,
    new: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Global secondary indexes come and go one an UpdateTable. old, new: in place of what the properties say."""

    def by_name(indexes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {one["IndexName"]: one for one in indexes}

    member = "GlobalSecondaryIndexes"
    was, will = (
        by_name(job.before.get(member) or () if old is None else old),
        by_name(job.properties.get(member) or () if new is None else new),
    )
    for index in was:
        if index not in will:
            await update_table(job, name, {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": index}}]})
    for index, wanted in will.items():
        if index not in was:
            params = {
                "AttributeDefinitions": job.properties["AttributeDefinitions"],
                "GlobalSecondaryIndexUpdates": [{"Create": wanted}],
            }
            await update_table(job, name, params)
        elif wanted != was[index]:
            if {**wanted, "ProvisionedThroughput": None} != {**was[index], "ProvisionedThroughput": None}:
                raise ClientFault(
                    "InvalidRequest", f"Cannot update GSI {index}'s properties other than Provisioned Throughput."
                )
            change = {"IndexName": index, "ProvisionedThroughput": wanted["ProvisionedThroughput"]}
            await update_table(job, name, {"GlobalSecondaryIndexUpdates": [{"Update": change}]})


async def update_stream(job: Job, name: str) -> None:
    if job.changed("StreamSpecification"):
        if job.before.get("StreamSpecification"):
            await update_table(job, name, {"StreamSpecification": {"StreamEnabled": False}})
        if job.properties.get("StreamSpecification"):
            await update_table(job, name, {"StreamSpecification": stream_of(job.properties)})


def stream_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    given = properties["StreamSpecification"]
    if "ResourcePolicy" in given:
        raise NotSupported("StreamSpecification.ResourcePolicy")
    return {"StreamEnabled": True, **given}


async def put_time_to_live(job: Job, name: str) -> None:
    given = job.properties.get("TimeToLiveSpecification")
    before = job.before.get("TimeToLiveSpecification")
    if not given and before and str(before.get("Enabled")).lower() == "true":
        given = {**before, "Enabled": False}  # the property was taken away
    if given and job.changed("TimeToLiveSpecification"):
        params = shaped(
            "dynamodb", "UpdateTimeToLive",
            {"TableName": name, "TimeToLiveSpecification": chosen(given, "AttributeName", "Enabled")},
        )  # fmt: skip
        await job.call("dynamodb", "UpdateTimeToLive", params)


async def made(job: Job, name: str) -> Made:
    table = await describe(job, name)
    if table is None:
        raise ClientFault("NotFound", f"Table {name} disappeared.")
    attributes = {"Arn": table["TableArn"], "TableId": table.get("TableId", "")}
    if table.get("LatestStreamArn"):
        attributes["StreamArn"] = table["LatestStreamArn"]
    return Made(name, attributes)


async def delete_table(job: Job, name: str) -> None:
    async def absent() -> bool:
        return await describe(job, name) is None

    await gone(job.call("dynamodb", "DeleteTable", {"TableName": name}))
    await job.until(f"Deletion of table {name}", absent, every_s=0.2)


def encryption(properties: Mapping[str, Any]) -> dict[str, Any]:
    """SSESpecification as the API wants it; without the property it is off."""
    given = properties.get("SSESpecification") or {}
    if str(given.get("SSEEnabled")).lower() != "true":
        return {"Enabled": False}
    return {"Enabled": True, **chosen(given, "SSEType", "KMSMasterKeyId")}


def check_insights(properties: Mapping[str, Any]) -> None:
    given = properties.get("ContributorInsightsSpecification")
    if given and str(given.get("Enabled")).lower() != "false":
        raise NotSupported("property ContributorInsightsSpecification of resource type AWS::DynamoDB::Table")


async def create(job: Job) -> Made:
    name = job.name("TableName", limit=255)
    params = chosen(job.properties, *CREATE)
    if "StreamSpecification" in params:
        params["StreamSpecification"] = stream_of(job.properties)
    tags = tags_of(job.properties, job.tags)
    if tags:
        params["Tags"] = tags
    if "SSESpecification" in job.properties:
        params["SSESpecification"] = encryption(job.properties)
    check_insights(job.properties)
    await create_table(job, name, params)
    await set_own(job, name, job.region, job.properties, {"Tags": job.properties.get("Tags")})
    await put_time_to_live(job, name)
    return await made(job, name)


async def update(job: Job) -> Made:
    name = job.physical_id
    check_insights(job.properties)
    if job.changed(*CHANGED_IN_PLACE):
        names = [one for one in CHANGED_IN_PLACE if job.changed(one)]
        if "ProvisionedThroughput" in names and "BillingMode" not in names:
            names.append("BillingMode")
        await update_table(job, name, chosen(job.properties, *names))
    if job.changed("SSESpecification"):
        await update_table(job, name, {"SSESpecification": encryption(job.properties)})
    await update_stream(job, name)
    await update_indexes(job, name)
    await set_own(job, name, job.region, job.properties, job.before)
    await put_time_to_live(job, name)
    return await made(job, name)


async def delete(job: Job) -> None:
    await delete_table(job, job.physical_id)


HANDLERS = (
    Handler(
        "AWS::DynamoDB::Table",
        frozenset(
            {
                *CREATE,
                *OWN,
                "ContributorInsightsSpecification",
                "SSESpecification",
                "TableName",
                "TimeToLiveSpecification",
            }
        ),
        create,
        delete,
        update,
        replaced_by=frozenset({"TableName", "KeySchema", "LocalSecondaryIndexes"}),
        name_property="TableName",
        required=("KeySchema",),
    ),
)
