"""Global tables, version 2017.11.29 (Legacy): CreateGlobalTable and its kin.

The tables are made first, one a Region and empty; then they become one. They keep their settings, indexes and expiry
for themselves, and a table that leaves the group goes on alone. What travels is the same `Shared` as in the version of
today, marked by `common`; how items differ says legacy_marks.py.

AWS refuses this version today for at least some accounts. Here it works, with a warning in the Region's log; a planet
with the option `dynamodb.strict` = on refuses it with AWS's sentence.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antipodes.services.dynamodb.copies import drawn_id
from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.describe import replica_status
from antipodes.services.dynamodb.membership import with_member
from antipodes.services.dynamodb.parameters import Constraints, Params
from antipodes.services.dynamodb.replicas import Replicas
from antipodes.services.dynamodb.schema import MemberState, Shared
from antipodes.services.dynamodb.table_parameters import check_name
from antipodes.services.dynamodb.values import INVALID
from antipodes.wire.errors import ClientFault, NotSupported, ServerFault, ValidationException
from antipodes.wire.operation import Request, Result

log = logging.getLogger("antipodes.dynamodb")

STRICT = "dynamodb.strict"
REFUSED = (  # seen on AWS: https://github.com/crossplane-contrib/provider-aws/issues/2308
    INVALID + "DynamoDB global tables version 2017.11.29 is not supported. We recommend using DynamoDB global tables "
    "version 2019.11.21, instead of version 2017.11.29 (Legacy)."
)
# The Regions that have it, in the order of AWS's message.
REGIONS = (
    "us-west-1",
    "us-west-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "us-east-1",
    "eu-west-1",
    "ap-southeast-1",
    "us-east-2",
    "eu-west-2",
    "ap-southeast-2",
    "eu-central-1",
)
MAX_LISTED = 100


async def create_global_table(database: Database, replicas: Replicas, request: Request) -> Result:
    """Makes one of tables that are there: alike, empty, with streams of both images (API Reference)."""
    params = request.params
    name = _name(params)
    group = params.get("ReplicationGroup") or []
    regions = _regions(group, "replicationGroup")
    if not regions:
        raise ValidationException(INVALID + "ReplicationGroup must contain at least one Region")  # from memory
    _allow(database, name)
    if _found(database, name) is not None:
        raise ClientFault("GlobalTableAlreadyExistsException", f"Global table with name: '{name}' already exists.")
    if database.region not in regions:
        return dict(await replicas.call("dynamodb", "CreateGlobalTable", params, region=regions[0]))
    await _check_alike(replicas, name, regions)
    table = database.tables.get(name)
    if table is None:
        raise _no_table(name, database.region)
    shared = msgspec.structs.replace(table.shared, common=drawn_id(database), created=database.world.now())
    shared = with_member(shared, database.region, "active", database.store.stamp())
    for region in regions:
        if region != database.region:
            shared = with_member(shared, region, "joining", database.store.stamp(), seed=database.region)
    await _keep(database, replicas, table, shared)
    return {"GlobalTableDescription": _described(database, shared)}


async def update_global_table(database: Database, replicas: Replicas, request: Request) -> Result:
    """Adds tables to the group or takes some out of it."""
    params = request.params
    name = _name(params)
    table = _known(database, name)
    updates: Sequence[Mapping[str, Any]] = params.get("ReplicaUpdates") or []
    added = _regions([one["Create"] for one in updates if one.get("Create")], "replicaUpdates")
    removed = _regions([one["Delete"] for one in updates if one.get("Delete")], "replicaUpdates")
    if not added and not removed:
        raise ValidationException(INVALID + "ReplicaUpdates must contain at least one Create or Delete")  # from memory
    _allow(database, name)
    holders = table.shared.holders
    for region in added:
        if region in holders:
            message = f"Failed to add a replica in region '{region}' to global table '{name}': it has one already."
            raise ClientFault("ReplicaAlreadyExistsException", message)
    for region in removed:
        if region not in holders:
            message = f"Failed to remove the replica in region '{region}' from global table '{name}': it has none."
            raise ClientFault("ReplicaNotFoundException", message)
    if added:
        await _check_alike(replicas, name, (*holders, *added))
    table = _known(database, name)  # others ran while we asked
    shared = table.shared
    for region in added:
        shared = with_member(shared, region, "joining", database.store.stamp(), seed=database.region)
    for region in removed:
        state: MemberState = "gone" if region == database.region else "leaving"
        shared = with_member(shared, region, state, database.store.stamp())
    answer = {"GlobalTableDescription": _described(database, shared)}
    await _keep(database, replicas, table, shared)
    return answer


async def describe_global_table(database: Database, replicas: Replicas, request: Request) -> Result:
    table = _known(database, _name(request.params))
    await database.settle()
    return {"GlobalTableDescription": _described(database, table.shared)}


async def list_global_tables(database: Database, replicas: Replicas, request: Request) -> Result:
    """Those with a table here, by name."""
    params = request.params
    limit = params.get("Limit")
    constraints = Constraints()
    constraints.at_least(limit, "limit", 1)
    constraints.settle()
    after, region = params.get("ExclusiveStartGlobalTableName") or "", params.get("RegionName")
    names = [
        name
        for name in sorted(database.tables)
        if name > after and _holds(database.tables[name].shared, region or database.region)
    ]
    limit = min(limit or MAX_LISTED, MAX_LISTED)
    listed = [
        {
            "GlobalTableName": name,
            "ReplicationGroup": [{"RegionName": one} for one in database.tables[name].shared.holders],
        }
        for name in names[:limit]
    ]
    return {"GlobalTables": listed} | ({"LastEvaluatedGlobalTableName": names[limit - 1]} if names[limit:] else {})


async def describe_global_table_settings(database: Database, replicas: Replicas, request: Request) -> Result:
    """What each of the tables has for settings, as its own Region tells it."""
    name = _name(request.params)
    shared = _known(database, name).shared
    settings = [await _settings(replicas, name, region, shared) for region in shared.holders]
    return {"GlobalTableName": name, "ReplicaSettings": settings}


async def update_global_table_settings(database: Database, replicas: Replicas, request: Request) -> Result:
    """Billing and write capacity of all tables; read capacity and class of single ones."""
    params = request.params
    name = _name(params)
    shared = _known(database, name).shared
    for parameter in params:
        if "AutoScaling" in parameter:
            raise NotSupported(f"the UpdateGlobalTableSettings parameter {parameter}")
    own = {one["RegionName"]: one for one in params.get("ReplicaSettingsUpdate") or ()}
    for region, one in own.items():
        if region not in shared.holders:
            raise ClientFault("ReplicaNotFoundException", f"Replica not found in region: {region}")
        if any("AutoScaling" in member for member in one):
            raise NotSupported("auto scaling in ReplicaSettingsUpdate")
    for region in shared.holders:
        found = await replicas.call("dynamodb", "DescribeTable", {"TableName": name}, region=region)
        change = _change(found["Table"], params, own.get(region, {}))
        if change:
            await replicas.call("dynamodb", "UpdateTable", {"TableName": name, **change}, region=region)
    settings = [await _settings(replicas, name, region, shared) for region in shared.holders]
    return {"GlobalTableName": name, "ReplicaSettings": settings}


def _change(table: Mapping[str, Any], params: Params, own: Mapping[str, Any]) -> dict[str, Any]:
    """UpdateTable's parameters for one of the tables; {}: nothing changes. Raises IndexNotFoundException."""
    change: dict[str, Any] = {}
    billing = params.get("GlobalTableBillingMode")
    before: Mapping[str, int] = table["ProvisionedThroughput"]
    units = {
        "ReadCapacityUnits": own.get("ReplicaProvisionedReadCapacityUnits") or before["ReadCapacityUnits"],
        "WriteCapacityUnits": params.get("GlobalTableProvisionedWriteCapacityUnits") or before["WriteCapacityUnits"],
    }
    if billing and billing != table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"):
        change["BillingMode"] = billing
    if billing != "PAY_PER_REQUEST" and any(units[unit] != before[unit] for unit in units):
        change["ProvisionedThroughput"] = units
    if own.get("ReplicaTableClass"):
        change["TableClass"] = own["ReplicaTableClass"]
    writes = {
        one["IndexName"]: one.get("ProvisionedWriteCapacityUnits")
        for one in params.get("GlobalTableGlobalSecondaryIndexSettingsUpdate") or ()
    }
    reads = {
        one["IndexName"]: one.get("ProvisionedReadCapacityUnits")
        for one in own.get("ReplicaGlobalSecondaryIndexSettingsUpdate") or ()
    }
    indexes = {one["IndexName"]: one["ProvisionedThroughput"] for one in table.get("GlobalSecondaryIndexes", [])}
    updates = []
    for name in sorted({**writes, **reads}):
        if name not in indexes:
            raise ClientFault("IndexNotFoundException", f"Index not found: {name}")
        held = indexes[name]
        wanted = {
            "ReadCapacityUnits": reads.get(name) or held["ReadCapacityUnits"],
            "WriteCapacityUnits": writes.get(name) or held["WriteCapacityUnits"],
        }
        if any(wanted[unit] != held[unit] for unit in wanted):
            updates.append({"Update": {"IndexName": name, "ProvisionedThroughput": wanted}})
    return change | ({"GlobalSecondaryIndexUpdates": updates} if updates else {})


async def _settings(replicas: Replicas, name: str, region: str, shared: Shared) -> dict[str, Any]:
    """A ReplicaSettingsDescription; of a Region out of reach only that it is there."""
    status = replica_status(shared.members[region])
    try:
        found = await replicas.call("dynamodb", "DescribeTable", {"TableName": name}, region=region)
    except ServerFault:
        return {"RegionName": region, "ReplicaStatus": status}
    table: Mapping[str, Any] = found["Table"]
    units = table["ProvisionedThroughput"]
    told: dict[str, Any] = {
        "RegionName": region,
        "ReplicaStatus": status,
        "ReplicaBillingModeSummary": table.get("BillingModeSummary", {"BillingMode": "PROVISIONED"}),
        "ReplicaProvisionedReadCapacityUnits": units["ReadCapacityUnits"],
        "ReplicaProvisionedWriteCapacityUnits": units["WriteCapacityUnits"],
    }
    if table.get("TableClassSummary"):
        told["ReplicaTableClassSummary"] = table["TableClassSummary"]
    indexes = [
        {
            "IndexName": one["IndexName"],
            "IndexStatus": one["IndexStatus"],
            "ProvisionedReadCapacityUnits": one["ProvisionedThroughput"]["ReadCapacityUnits"],
            "ProvisionedWriteCapacityUnits": one["ProvisionedThroughput"]["WriteCapacityUnits"],
        }
        for one in table.get("GlobalSecondaryIndexes", [])
    ]
    return told | ({"ReplicaGlobalSecondaryIndexSettings": indexes} if indexes else {})


async def _check_alike(replicas: Replicas, name: str, regions: Sequence[str]) -> None:
    """The tables of a group, before they are one. Raises TableNotFoundException, ValidationException; ServerFault: a
    Region is out of reach. AWS's sentences but for the first are not known."""
    tables: dict[str, Mapping[str, Any]] = {}
    for region in regions:
        try:
            found = await replicas.call("dynamodb", "DescribeTable", {"TableName": name}, region=region)
        except ClientFault as fault:
            if fault.code == "ResourceNotFoundException":
                raise _no_table(name, region) from None
            raise
        tables[region] = found["Table"]
    first = tables[regions[0]]
    for region, table in tables.items():
        view = table.get("StreamSpecification", {}).get("StreamViewType")
        if table.get("GlobalTableVersion"):
            raise ValidationException(f"The table '{name}' in region '{region}' is a replica of version 2019.11.21")
        if view != "NEW_AND_OLD_IMAGES":
            raise ValidationException(
                f"Streams must be enabled with NEW_AND_OLD_IMAGES for table '{name}' in region '{region}'"
            )
        if table["ItemCount"]:
            raise ValidationException(f"The table '{name}' in region '{region}' is not empty")
        if table["KeySchema"] != first["KeySchema"]:
            raise ValidationException(f"The table '{name}' has another key schema in region '{region}'")
        for member in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
            if _indexes(table, member) != _indexes(first, member):
                raise ValidationException(f"The table '{name}' has other {member} in region '{region}'")
        if _writes(table) != _writes(first):
            raise ValidationException(f"The write capacity of table '{name}' differs in region '{region}'")


def _indexes(table: Mapping[str, Any], member: str) -> list[tuple[str, Any]]:
    return sorted((one["IndexName"], one["KeySchema"]) for one in table.get(member, []))


def _writes(table: Mapping[str, Any]) -> Any:
    return table["ProvisionedThroughput"]["WriteCapacityUnits"], table.get("BillingModeSummary", {}).get("BillingMode")


async def _keep(database: Database, replicas: Replicas, table: Table, shared: Shared) -> None:
    """Writes the group as it is now, and tells it. A table that has left it here goes on alone."""
    news = shared
    if shared.members[database.region].state == "gone":
        shared = msgspec.structs.replace(shared, members={}, common="")
    replicas.keep(msgspec.structs.replace(table.description, shared=shared), news)
    await database.settle()
    replicas.changed()


def _described(database: Database, shared: Shared) -> dict[str, Any]:
    """GlobalTableDescription."""
    members = {region: one for region, one in sorted(shared.members.items()) if one.state != "gone"}
    states = [one.state for one in members.values()]
    changing = "UPDATING" if len(states) - states.count("joining") > 1 else "CREATING"
    return {
        "GlobalTableName": shared.name,
        "GlobalTableArn": f"arn:aws:dynamodb::{database.account}:global-table/{shared.name}",
        "CreationDateTime": shared.created,
        "GlobalTableStatus": "ACTIVE" if set(states) <= {"active", "failed"} else changing,
        "ReplicationGroup": [
            {"RegionName": region, "ReplicaStatus": replica_status(one)} for region, one in members.items()
        ],
    }


def _holds(shared: Shared, region: str) -> bool:
    return bool(shared.common) and region in shared.holders


def _found(database: Database, name: str) -> Table | None:
    table = database.tables.get(name)
    return table if table is not None and table.shared.common else None


def _known(database: Database, name: str) -> Table:
    table = _found(database, name)
    if table is None:
        raise ClientFault("GlobalTableNotFoundException", f"Global table with name: '{name}' does not exist.")
    return table


def _no_table(name: str, region: str) -> ClientFault:
    # Seen on AWS: https://github.com/aws-controllers-k8s/community/issues/1034
    return ClientFault("TableNotFoundException", f"Table not found: Table: '{name}' not found in region: '{region}'.")


def _name(params: Params) -> str:
    constraints = Constraints()
    name = params.get("GlobalTableName")
    constraints.required(name, "globalTableName")
    if name is not None:
        check_name(constraints, name, "globalTableName")
    constraints.settle()
    return str(name)


def _regions(given: Sequence[Mapping[str, Any]], member: str) -> list[str]:
    """Region names, each once, of Regions that have this version. Raises ValidationException in AWS's words."""
    constraints = Constraints()
    for number, one in enumerate(given, 1):
        place = f"{member}.{number}.member.regionName"
        constraints.required(one.get("RegionName"), place)
        constraints.one_of(one.get("RegionName"), place, REGIONS)
    if constraints.broken:
        try:
            constraints.settle()
        except ValidationException as fault:
            raise ValidationException(INVALID + fault.message) from None
    return list(dict.fromkeys(one["RegionName"] for one in given))


def _allow(database: Database, name: str) -> None:
    """Refused by a strict planet; else a warning in the log."""
    if database.surroundings.settings.options.get(STRICT) == "on":
        raise ValidationException(REFUSED)
    log.warning("global table %s is of version 2017.11.29 (Legacy), which AWS refuses today for new tables", name)
