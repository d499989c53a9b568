"""AWS::DynamoDB::GlobalTable: CreateTable in the stack's Region, then one replica after the other by UpdateTable.

Replicas must contain the stack's own Region (AWS: "The Replicas section must contain an entry for the current region").
An entry's settings are of three kinds: what UpdateTable overrides for a replica (`overrides`), what is the replica's
own and set by calls to its Region (`set_own`), and what antipodes does not have, which is refused by name.

Auto scaling: there is no Application Auto Scaling here. Settings whose least and greatest capacity are the same have
nothing to scale and are taken; others are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, tags_of
from antipodes.services.cloudformation.resources.dynamodb_own import set_own
from antipodes.services.cloudformation.resources.dynamodb_replicas import (
    add_replicas,
    remove_replicas,
    status_of,
    stream_everywhere,
    update_replica,
)
from antipodes.services.cloudformation.resources.dynamodb_table import (
    create_table,
    delete_table,
    describe,
    made,
    put_time_to_live,
    stream_of,
    update_indexes,
    update_stream,
    update_table,
)
from antipodes.wire.errors import ClientFault, NotSupported

TYPE = "AWS::DynamoDB::GlobalTable"
CREATE = ("AttributeDefinitions", "BillingMode", "KeySchema", "LocalSecondaryIndexes", "WarmThroughput")
REPLICA_PROPERTIES = (
    "Region", "DeletionProtectionEnabled", "TableClass", "Tags", "GlobalSecondaryIndexes",
    "PointInTimeRecoverySpecification", "ReadOnDemandThroughputSettings", "ReadProvisionedThroughputSettings",
    "ResourcePolicy", "SSESpecification", "ContributorInsightsSpecification",
)  # fmt: skip
Properties = Mapping[str, Any]


def replicas_of(job: Job, properties: Properties) -> tuple[Properties, dict[str, Properties]]:
    """The entry of the stack's Region, and those of the other Regions in order."""
    entries = properties.get("Replicas") or []
    regions = [str(one["Region"]) for one in entries]
    if job.region not in regions:
        raise ClientFault("InvalidRequest", "The Replicas section must contain an entry for the current region")
    if len(dict.fromkeys(regions)) != len(regions):
        raise ClientFault("InvalidRequest", "Replicas must not name a Region twice")
    for one in entries:
        for name in one:
            insights = name == "ContributorInsightsSpecification" and str(one[name].get("Enabled")).lower() != "false"
            if name not in REPLICA_PROPERTIES or insights:
                raise NotSupported(f"property Replicas[{one['Region']}].{name} of resource type {TYPE}")
    by_region = {str(one["Region"]): one for one in entries}
    return by_region[job.region], {region: by_region[region] for region in regions if region != job.region}


def capacity(settings: Properties | None, side: str) -> int | None:
    """Units of Read- or WriteProvisionedThroughputSettings; None when they are not given."""
    if not settings:
        return None
    if f"{side}CapacityUnits" in settings:
        return int(settings[f"{side}CapacityUnits"])
    scaling = settings.get(f"{side}CapacityAutoScalingSettings") or {}
    least, most = int(scaling.get("MinCapacity", 0)), int(scaling.get("MaxCapacity", 0))
    if least != most:
        raise NotSupported(f"auto scaling ({side}CapacityAutoScalingSettings whose MinCapacity is not MaxCapacity)")
    return least or None


def table_params(properties: Properties, own: Properties) -> dict[str, Any]:
    """What CreateTable and UpdateTable are told of capacity, class, protection and bounds."""
    params = chosen(own, "DeletionProtectionEnabled", "TableClass") | chosen(properties, "WarmThroughput")
    if properties.get("BillingMode", "PROVISIONED") == "PROVISIONED":
        reads = capacity(own.get("ReadProvisionedThroughputSettings"), "Read")
        reads = reads or capacity(properties.get("ReadProvisionedThroughputSettings"), "Read")
        writes = capacity(properties.get("WriteProvisionedThroughputSettings"), "Write")
        if reads is None or writes is None:
            raise ClientFault(
                "InvalidRequest",
                "You must specify ReadCapacityUnits or ReadCapacityAutoScalingSettings for each global table replica "
                "and each of its GSIs when BillingMode is Provisioned",  # as seen on AWS
            )
        params["ProvisionedThroughput"] = {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}
    reads_most = (own.get("ReadOnDemandThroughputSettings") or {}).get("MaxReadRequestUnits")
    writes_most = (properties.get("WriteOnDemandThroughputSettings") or {}).get("MaxWriteRequestUnits")
    if reads_most is not None or writes_most is not None:
        given = {"MaxReadRequestUnits": reads_most, "MaxWriteRequestUnits": writes_most}
        params["OnDemandThroughput"] = {name: value for name, value in given.items() if value is not None}
    return params


def indexes_of(properties: Properties, own: Properties) -> list[dict[str, Any]]:
    """GlobalSecondaryIndexes as CreateTable wants them, with the capacity that the stack's Region has."""
    reads = {one["IndexName"]: one for one in own.get("GlobalSecondaryIndexes") or ()}
    found = []
    for one in properties.get("GlobalSecondaryIndexes") or ():
        name = one["IndexName"]
        index = {key: value for key, value in one.items() if key != "WriteProvisionedThroughputSettings"}
        if "WriteOnDemandThroughputSettings" in index:
            raise NotSupported("WriteOnDemandThroughputSettings of an index")
        if "ReadOnDemandThroughputSettings" in reads.get(name, {}):
            raise NotSupported("ReadOnDemandThroughputSettings of an index")
        write_units = capacity(one.get("WriteProvisionedThroughputSettings"), "Write")
        read_units = capacity(reads.get(name, {}).get("ReadProvisionedThroughputSettings"), "Read")
        if read_units is not None and write_units is not None:
            index["ProvisionedThroughput"] = {"ReadCapacityUnits": read_units, "WriteCapacityUnits": write_units}
        found.append(index)
    return found


def encryption(properties: Properties, own: Properties) -> dict[str, Any] | None:
    """SSESpecification of the stack's Region; None: not given."""
    given = properties.get("SSESpecification")
    if given is None:
        return None
    if str(given.get("SSEEnabled")).lower() != "true":
        return {"Enabled": False}
    key = (own.get("SSESpecification") or {}).get("KMSMasterKeyId")
    return {"Enabled": True, "SSEType": given.get("SSEType", "KMS")} | ({"KMSMasterKeyId": key} if key else {})


def overrides(properties: Properties, own: Properties, entry: Properties) -> dict[str, Any]:
    """What a Create or Update action says of a replica that differs from the stack's Region."""
    found: dict[str, Any] = {}
    key = (entry.get("SSESpecification") or {}).get("KMSMasterKeyId")
    if key:
        found["KMSMasterKeyId"] = key
    if entry.get("TableClass", "STANDARD") != own.get("TableClass", "STANDARD"):
        found["TableClassOverride"] = entry.get("TableClass", "STANDARD")
    reads = capacity(entry.get("ReadProvisionedThroughputSettings"), "Read")
    if reads is not None and reads != capacity(own.get("ReadProvisionedThroughputSettings"), "Read"):
        found["ProvisionedThroughputOverride"] = {"ReadCapacityUnits": reads}
    most = (entry.get("ReadOnDemandThroughputSettings") or {}).get("MaxReadRequestUnits")
    if most is not None and most != (own.get("ReadOnDemandThroughputSettings") or {}).get("MaxReadRequestUnits"):
        found["OnDemandThroughputOverride"] = {"MaxReadRequestUnits": most}
    indexes = []
    for one in entry.get("GlobalSecondaryIndexes") or ():
        units = capacity(one.get("ReadProvisionedThroughputSettings"), "Read")
        if units is not None:
            override = {"ReadCapacityUnits": units}
            indexes.append({"IndexName": one["IndexName"], "ProvisionedThroughputOverride": override})
    return found | ({"GlobalSecondaryIndexes": indexes} if indexes else {})


def check_stream(properties: Properties, others: Mapping[str, Properties]) -> None:
    if others and "StreamSpecification" not in properties and properties.get("MultiRegionConsistency") != "STRONG":
        raise ClientFault(
            "InvalidRequest", "StreamSpecification must be specified when the table has more than one replica"
        )


def is_strong(properties: Properties) -> bool:
    return bool(properties.get("MultiRegionConsistency") == "STRONG")


def witnesses_of(properties: Properties) -> list[str]:
    return [str(one["Region"]) for one in properties.get("GlobalTableWitnesses") or ()]


def check_members(job: Job, others: Mapping[str, Properties], earlier: Mapping[str, Properties]) -> None:
    """A table of strong consistency is begun and ended with all its members; else neither they nor the mode change."""
    before, now = is_strong(job.before), is_strong(job.properties)
    if before is not now and (others if before else earlier):
        raise ClientFault("InvalidRequest", "The consistency mode of a global table cannot be changed")
    same = sorted(others) == sorted(earlier) and witnesses_of(job.before) == witnesses_of(job.properties)
    if before and now and not same:
        raise ClientFault("InvalidRequest", "The members of a global table of strong consistency cannot be changed")


async def create(job: Job) -> Made:
    name, properties = job.name("TableName", limit=255), job.properties
    own, others = replicas_of(job, properties)
    check_stream(properties, others)
    params = {**chosen(properties, *CREATE), **table_params(properties, own)}
    indexes, sse = indexes_of(properties, own), encryption(properties, own)
    if indexes:
        params["GlobalSecondaryIndexes"] = indexes
    if sse is not None:
        params["SSESpecification"] = sse
    if "StreamSpecification" in properties:
        params["StreamSpecification"] = stream_of(properties)
    tags = tags_of(own, job.tags)
    if tags:
        params["Tags"] = tags
    await create_table(job, name, params)
    witnesses = witnesses_of(properties)
    details = {region: overrides(properties, own, entry) for region, entry in others.items()}
    await add_replicas(job, name, details, str(properties.get("MultiRegionConsistency", "EVENTUAL")), witnesses)
    if is_strong(properties):
        await stream_everywhere(job, name, others)
    await set_own(job, name, job.region, own, {"Tags": own.get("Tags")})
    for region, entry in others.items():
        await set_own(job, name, region, entry, {})
    await put_time_to_live(job, name)
    return await made(job, name)


async def update(job: Job) -> Made:
    name, properties = job.physical_id, job.properties
    own, others = replicas_of(job, properties)
    before, earlier = replicas_of(job, job.before)
    check_stream(properties, others)
    check_members(job, others, earlier)
    wanted, held = table_params(properties, own), table_params(job.before, before)
    params = {key: value for key, value in wanted.items() if value != held.get(key)}
    if job.changed("BillingMode"):
        params["BillingMode"] = properties.get("BillingMode", "PROVISIONED")
    await update_table(job, name, params)
    sse = encryption(properties, own)
    if sse != encryption(job.before, before):
        await update_table(job, name, {"SSESpecification": sse or {"Enabled": False}})
    await update_stream(job, name)
    await update_indexes(job, name, old=indexes_of(job.before, before), new=indexes_of(properties, own))
    gone = [region for region in earlier if region not in others]
    await remove_replicas(job, name, gone, witnesses_of(job.before), together=is_strong(job.before))
    added = {region: overrides(properties, own, others[region]) for region in others if region not in earlier}
    mode = "STRONG" if is_strong(properties) and added else "EVENTUAL"
    await add_replicas(job, name, added, mode, witnesses_of(properties))
    if is_strong(properties):
        await stream_everywhere(job, name, others)
    for region, entry in others.items():
        if region in earlier:
            detail = overrides(properties, own, entry)
            if detail and detail != overrides(job.before, before, earlier[region]):
                await update_replica(job, name, region, detail)
    await set_own(job, name, job.region, own, before)
    for region, entry in others.items():
        await set_own(job, name, region, entry, earlier.get(region, {}))
    await put_time_to_live(job, name)
    return await made(job, name)


async def delete(job: Job) -> None:
    name = job.physical_id
    table = await describe(job, name)
    listed = (table or {}).get("Replicas") or ()
    others = [str(one["RegionName"]) for one in listed if one["RegionName"] != job.region]
    witnesses = [str(one["RegionName"]) for one in (table or {}).get("GlobalTableWitnesses") or ()]
    strong = (table or {}).get("MultiRegionConsistency") == "STRONG"
    await remove_replicas(job, name, others, witnesses, together=strong)
    await delete_table(job, name)


__all__ = ["HANDLERS", "status_of"]

HANDLERS = (
    Handler(
        TYPE,
        frozenset(
            {
                *CREATE,
                "GlobalSecondaryIndexes",
                "GlobalTableWitnesses",
                "MultiRegionConsistency",
                "ReadOnDemandThroughputSettings",
                "ReadProvisionedThroughputSettings",
                "Replicas",
                "SSESpecification",
                "StreamSpecification",
                "TableName",
                "TimeToLiveSpecification",
                "WriteOnDemandThroughputSettings",
                "WriteProvisionedThroughputSettings",
            }
        ),
        create,
        delete,
        update,
        replaced_by=frozenset({"TableName", "KeySchema", "LocalSecondaryIndexes"}),
        name_property="TableName",
        required=("AttributeDefinitions", "KeySchema", "Replicas"),
    ),
)
