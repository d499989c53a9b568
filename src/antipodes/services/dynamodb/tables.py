"""CreateTable, DescribeTable, ListTables, DeleteTable, UpdateTable, and what is told of tables and accounts.

A table is CREATING, then ACTIVE, and after DeleteTable DELETING, then gone: each change takes `dynamodb.table_state_s`
(0.2 s unless set), so that waiters have something to wait for. What was under way when a Region stopped is resumed.
Replica changes of UpdateTable are global_tables.py's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.dynamodb.copies import become_active, drawn_id, new_copy
from antipodes.services.dynamodb.database import Database, Table, not_found
from antipodes.services.dynamodb.describe import deleted_description, status_of, table_description
from antipodes.services.dynamodb.index_updates import cancels, check_index_updates, updated_indexes
from antipodes.services.dynamodb.parameters import Constraints, Params, table_name
from antipodes.services.dynamodb.replicas import Replicas
from antipodes.services.dynamodb.schema import Description, Settings, Shared
from antipodes.services.dynamodb.table_parameters import (
    BILLING_MODES,
    TABLE_CLASSES,
    billing_of,
    check_create,
    check_throughput,
    schema_of,
    stream_of,
)
from antipodes.services.dynamodb.tags import tags_of
from antipodes.services.dynamodb.values import INVALID
from antipodes.wire.errors import ClientFault, NotSupported, ValidationException
from antipodes.wire.operation import Request, Result

MAX_LISTED = 100
_NO_UPDATE = (
    "SSESpecification",
    "OnDemandThroughput",
    "WarmThroughput",
    "MultiRegionConsistency",
    "GlobalTableWitnessUpdates",
    "GlobalTableSettingsReplicationMode",
)


async def create_table(database: Database, replicas: Replicas, request: Request) -> Result:
    """Makes a table; it is CREATING in the answer."""
    params = request.params
    name = check_create(params)
    billing, read_units, write_units = billing_of(params)
    attributes, hash_part, range_part, indexes = schema_of(params)
    view = stream_of(params)
    if name in database.tables:
        raise ClientFault("ResourceInUseException", f"Table already exists: {name}")
    now = database.world.now()
    version = database.store.stamp()
    settings = Settings(
        billing=billing,
        read_units=read_units,
        write_units=write_units,
        billing_since=now if billing == "PAY_PER_REQUEST" else 0.0,
        stream_view=view,
        table_class=params.get("TableClass") or "",
    )
    shared = Shared(
        name=name,
        group=drawn_id(database),
        created=now,
        hash=hash_part,
        range=range_part,
        attributes=attributes,
        indexes=indexes,
        settings=settings,
        settings_version=version,
    )
    description = new_copy(
        database, shared, tags=tags_of(params), protected=bool(params.get("DeletionProtectionEnabled"))
    )
    description = database.keep(description).description
    await database.settle()
    become_active(database, name, description.space)
    return {"TableDescription": described(database, description, fresh=True)}


async def describe_table(database: Database, replicas: Replicas, request: Request) -> Result:
    """The table as it stands."""
    table = known(database, request.params)
    if not database.store.settled:
        await database.settle()
    return {"Table": described(database, table.description)}


async def list_tables(database: Database, replicas: Replicas, request: Request) -> Result:
    """Names in order, at most Limit (100)."""
    params = request.params
    limit = params.get("Limit")
    constraints = Constraints()
    constraints.at_least(limit, "limit", 1)
    if limit is not None and limit > MAX_LISTED:
        constraints.note(limit, "limit", f"Member must have value less than or equal to {MAX_LISTED}")
    constraints.settle()
    limit = limit or MAX_LISTED
    after = params.get("ExclusiveStartTableName") or ""
    names = sorted(name for name in database.tables if name > after)
    if not database.store.settled:
        await database.settle()
    if len(names) > limit:
        return {"TableNames": names[:limit], "LastEvaluatedTableName": names[limit - 1]}
    return {"TableNames": names}


async def delete_table(database: Database, replicas: Replicas, request: Request) -> Result:
    """Drops the table. On a global table this takes the Region's replica out of the group."""
    table = known(database, request.params)
    description = table.description
    if description.status == "CREATING":
        raise in_use(f"Attempt to change a resource which is still in use: Table is being created: {table.name}")
    if description.status == "DELETING":
        raise in_use(f"Attempt to change a resource which is still in use: Table is being deleted: {table.name}")
    if description.deletion_protection:
        raise ValidationException(
            "Resource cannot be deleted as it is currently protected against deletion. "
            "Disable deletion protection first."
        )
    items, size_bytes = table.items, table.size_bytes
    replicas.remove(table)
    await database.settle()
    replicas.changed()
    return {
        "TableDescription": deleted_description(table.description, database.region, database.account, items, size_bytes)
    }


async def update_table(database: Database, replicas: Replicas, request: Request) -> Result:
    """Changes billing, throughput, stream, protection, class; or the replicas."""
    params = request.params
    constraints = Constraints()
    table_name(params, constraints)
    constraints.one_of(params.get("BillingMode"), "billingMode", BILLING_MODES)
    constraints.one_of(params.get("TableClass"), "tableClass", TABLE_CLASSES)
    check_throughput(constraints, params.get("ProvisionedThroughput"), "provisionedThroughput")
    check_index_updates(constraints, params)
    constraints.settle()
    for parameter in _NO_UPDATE:
        if params.get(parameter):
            raise NotSupported(f"the UpdateTable parameter {parameter}")
    table = known(database, params)
    status = status_of(table.description)
    if status != "ACTIVE" and not (status == "UPDATING" and cancels(table.description, params)):
        raise in_use(
            "Attempt to change a resource which is still in use: "
            f"Table is being {'created' if status == 'CREATING' else status.lower().removesuffix('ing') + 'ed'}: "
            f"{table.name}"
        )
    if params.get("ReplicaUpdates"):
        await replicas.update(table, params["ReplicaUpdates"])
    else:
        description = _changed(database, table, params)
        replicas.keep(description)
        await database.settle()
        replicas.changed()
    return {"TableDescription": described(database, table.description, fresh=True)}


def _changed(database: Database, table: Table, params: Params) -> Description:
    """The description with new settings. Raises ValidationException."""
    description = table.description
    shared = description.shared
    if params.get("GlobalSecondaryIndexUpdates"):
        shared = updated_indexes(shared, params)
    settings = _new_settings(database, shared, params)
    protected = params.get("DeletionProtectionEnabled")
    if settings == shared.settings and shared is description.shared and protected is None:
        raise ValidationException(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates "
            "or SSESpecification or ReplicaUpdates is required"
        )
    if settings != shared.settings or shared is not description.shared:
        shared = msgspec.structs.replace(shared, settings=settings, settings_version=database.store.stamp())
    return msgspec.structs.replace(
        description,
        shared=shared,
        deletion_protection=description.deletion_protection if protected is None else bool(protected),
    )


def _new_settings(database: Database, shared: Shared, params: Params) -> Settings:
    settings = shared.settings
    mode = params.get("BillingMode") or settings.billing
    if mode == "PAY_PER_REQUEST":
        if params.get("ProvisionedThroughput"):
            raise ValidationException(
                INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
                "when BillingMode is PAY_PER_REQUEST"
            )
        if settings.billing != mode:
            settings = msgspec.structs.replace(
                settings, billing=mode, read_units=0, write_units=0, billing_since=database.world.now()
            )
    else:
        throughput = params.get("ProvisionedThroughput")
        if throughput:
            reads, writes = throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]
            if (mode, reads, writes) == (settings.billing, settings.read_units, settings.write_units):
                raise ValidationException(
                    "The provisioned throughput for the table will not change. The requested value equals the current "
                    f"value. Current ReadCapacityUnits provisioned for the table: {reads}. "
                    f"Requested ReadCapacityUnits: {reads}. Current WriteCapacityUnits provisioned for the table: "
                    f"{writes}. Requested WriteCapacityUnits: {writes}. "
                    "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
                )
            settings = msgspec.structs.replace(settings, billing=mode, read_units=reads, write_units=writes)
        elif settings.billing != mode:
            raise ValidationException(
                INVALID
                + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
            )
    if params.get("StreamSpecification"):
        view = stream_of(params)
        if view and settings.stream_view:
            raise ValidationException("Table already has an enabled stream: TableName: " + shared.name)
        if not view and not settings.stream_view:
            raise ValidationException("Table does not have a stream to disable: TableName: " + shared.name)
        if not view and len(shared.holders) > 1:
            # facts 1.3: on a global table the stream carries replication and stays on
            raise ValidationException(INVALID + "Streams cannot be disabled on a global table")
        settings = msgspec.structs.replace(settings, stream_view=view)
    if params.get("TableClass"):
        settings = msgspec.structs.replace(settings, table_class=params["TableClass"])
    return settings


async def describe_limits(database: Database, replicas: Replicas, request: Request) -> Result:
    """AWS's default quotas of an account (Developer Guide, "Quotas")."""
    return {
        "AccountMaxReadCapacityUnits": 80000,
        "AccountMaxWriteCapacityUnits": 80000,
        "TableMaxReadCapacityUnits": 40000,
        "TableMaxWriteCapacityUnits": 40000,
    }


async def describe_endpoints(database: Database, replicas: Replicas, request: Request) -> Result:
    return {"Endpoints": [{"Address": f"dynamodb.{database.region}.amazonaws.com", "CachePeriodInMinutes": 1440}]}


def known(database: Database, params: Params) -> Table:
    """The table in whatever state. Raises ResourceNotFoundException."""
    name = database.table_name(table_name(params))
    table = database.tables.get(name)
    if table is None:
        raise not_found(f"Requested resource not found: Table: {name} not found")
    return table


def in_use(message: str) -> ClientFault:
    return ClientFault("ResourceInUseException", message)


def described(database: Database, description: Description, *, fresh: bool = False) -> dict[str, Any]:
    table = database.tables.get(description.shared.name)
    items, size_bytes, orders = (table.items, table.size_bytes, table.orders) if table is not None else (0, 0, ())
    return table_description(
        description, database.region, database.account, items, size_bytes, orders=orders, fresh=fresh
    )
