"""CreateTable, DescribeTable, ListTables, DeleteTable, UpdateTable, and what is told of tables and accounts.

A table is CREATING, then ACTIVE, and after DeleteTable DELETING, then gone: each change takes `dynamodb.table_state_s`
(0.2 s unless set), so that waiters have something to wait for. What was under way when a Region stopped is resumed.
Replica changes of UpdateTable are replicas.py's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.dynamodb.copies import become_active, drawn_id, new_copy, own_key, own_key_arn
from antipodes.services.dynamodb.database import Database, Table, not_found
from antipodes.services.dynamodb.describe import deleted_description, status_of, table_description, warm
from antipodes.services.dynamodb.index_updates import cancels, check_index_updates, updated_indexes
from antipodes.services.dynamodb.mrsc.rules import NO_MORE, concerns, gives_up
from antipodes.services.dynamodb.overrides import held, marked
from antipodes.services.dynamodb.parameters import Constraints, Params, table_name
from antipodes.services.dynamodb.policies import policy_of
from antipodes.services.dynamodb.replicas import Replicas
from antipodes.services.dynamodb.schema import Description, Overrides, Settings, Shared
from antipodes.services.dynamodb.table_changes import check_alone, check_asks, new_settings
from antipodes.services.dynamodb.table_parameters import (
    BILLING_MODES,
    TABLE_CLASSES,
    billing_of,
    check_create,
    check_throughput,
    kms_key_of,
    most_of,
    schema_of,
    stream_of,
    warm_base,
    warm_of,
)
from antipodes.services.dynamodb.tags import tags_of
from antipodes.wire.errors import ClientFault, NotSupported, ValidationException
from antipodes.wire.operation import Request, Result

MAX_LISTED = 100
_NO_UPDATE = ("VectorIndexUpdates", "DisassociationProtectionEnabled", "GlobalTableSettingsReplicationMode")


async def create_table(database: Database, replicas: Replicas, request: Request) -> Result:
    """Makes a table; it is CREATING in the answer."""
    params = request.params
    name = check_create(params)
    billing, read_units, write_units = billing_of(params)
    attributes, hash_part, range_part, indexes = schema_of(params)
    view = stream_of(params, creating=True)
    tags = tags_of(params)
    kms_key = kms_key_of(params, database.region, database.account, own_key(database))
    policy = policy_of(params["ResourcePolicy"], database.world.now()) if params.get("ResourcePolicy") else None
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
    most_reads, most_writes = most_of(params, billing == "PAY_PER_REQUEST", 0, 0, creating=True)
    warm_reads, warm_writes = (
        warm_of(params, *warm_base(settings, settings.billing)) if params.get("WarmThroughput") else (0, 0)
    )
    settings = msgspec.structs.replace(
        settings, most_reads=most_reads, most_writes=most_writes, warm_reads=warm_reads, warm_writes=warm_writes
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
        database,
        shared,
        tags=tags,
        protected=bool(params.get("DeletionProtectionEnabled")),
        kms_key=kms_key or "",
        policy=policy,
    )
    description = database.keep(description).description
    await database.settle()
    become_active(database, name, description.space)
    answer = described(database, description, fresh=True)
    if warm_reads or warm_writes:  # seen on AWS: told of when it was asked for, and under way
        answer["WarmThroughput"] = {**warm(warm_reads, warm_writes), "Status": "UPDATING"}
    return {"TableDescription": answer}


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
    replicas.check_removable(table)
    items, size_bytes = table.items, table.size_bytes
    replicas.remove(table)
    await database.settle()
    replicas.changed()
    return {
        "TableDescription": deleted_description(table.description, database.region, database.account, items, size_bytes)
    }


async def update_table(database: Database, replicas: Replicas, request: Request) -> Result:
    """Changes billing, throughput, stream, protection, class, encryption; or the replicas."""
    params = request.params
    check_named(params)
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
    check_asks(params)
    table = known(database, params)
    status = "UPDATING" if table.updating else status_of(table.description)
    if params.get("MultiRegionConsistency") == "STRONG" and table.shared.strong:
        raise ValidationException(NO_MORE)
    ends = cancels(table.description, params) or gives_up(params, table.shared)
    if status != "ACTIVE" and not (status == "UPDATING" and ends):
        raise in_use(
            "Attempt to change a resource which is still in use: "
            f"Table is being {'created' if status == 'CREATING' else status.lower().removesuffix('ing') + 'ed'}: "
            f"{table.name}"
        )
    before = table.description
    if concerns(params, table.shared):
        check_alone(params)
        await replicas.strong.update(table, params)
    elif params.get("ReplicaUpdates"):
        check_alone(params)
        await replicas.update(table, params["ReplicaUpdates"], lambda: _changed(database, table, params))
        database.update_for_a_while(table)
    else:
        description = _changed(database, table, params)
        if description.kms_key not in {before.kms_key, ""}:
            replicas.check_keys(table, description, ())
        replicas.keep(description)
        await database.settle()
        replicas.changed()
        if (before.shared.settings, before.kms_key) != (description.shared.settings, description.kms_key):
            database.update_for_a_while(table)
    found = described(database, table.description, fresh=True)
    if params.get("SSESpecification") and table.updating:
        # Seen on AWS: while the key changes, the old one is told of, too when there will be none.
        key = table.description.kms_key or before.kms_key
        found["SSEDescription"] = {"Status": "UPDATING", "SSEType": "KMS", "KMSMasterKeyArn": key}
    return {"TableDescription": found}


def _changed(database: Database, table: Table, params: Params) -> Description:
    """The description with new settings. Raises ValidationException."""
    description = table.description
    shared = description.shared
    if params.get("GlobalSecondaryIndexUpdates"):
        shared = updated_indexes(shared, params)
    own_stream = description.own_stream
    if shared.strong:  # whose replicas have streams of their own
        view = msgspec.structs.replace(shared.settings, stream_view=own_stream)
        settings = new_settings(msgspec.structs.replace(shared, settings=view), params, database.world.now())
        if settings.stream_view != own_stream:
            own_stream = settings.stream_view
            mine = msgspec.structs.replace(
                shared.members[database.region], stream=own_stream, version=database.store.stamp()
            )
            shared = msgspec.structs.replace(shared, members={**shared.members, database.region: mine})
        settings = msgspec.structs.replace(settings, stream_view="")
    else:
        settings = new_settings(shared, params, database.world.now())
    protected = params.get("DeletionProtectionEnabled")
    kms_key = kms_key_of(params, database.region, database.account, own_key(database))
    if kms_key is not None:
        settings = msgspec.structs.replace(settings, sse="KMS" if kms_key else "")
    if settings != shared.settings or shared is not description.shared:
        version = database.store.stamp()
        changed = msgspec.structs.replace(shared, settings=settings, settings_version=version)
        shared = marked(description.shared, changed, version.time)
    if kms_key is not None and shared.members:
        own = held(shared, database.region) or Overrides(shared.settings_version)
        key = "" if kms_key == own_key_arn(database) else kms_key
        own = msgspec.structs.replace(own, version=database.store.stamp(), kms_key=key)
        shared = msgspec.structs.replace(shared, overrides={**shared.overrides, database.region: own})
    return msgspec.structs.replace(
        description,
        shared=shared,
        own_stream=own_stream,
        deletion_protection=description.deletion_protection if protected is None else bool(protected),
        kms_key=description.kms_key if kms_key is None else kms_key,
    )


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
    check_named(params)
    name = database.table_name(table_name(params))
    table = database.tables.get(name)
    if table is None:
        raise not_found(f"Requested resource not found: Table: {name} not found")
    return table


def check_named(params: Params) -> None:
    """Operations on tables say it so, those on items otherwise."""
    if params.get("TableName") is None:
        raise ValidationException("The parameter 'TableName' is required but was not present in the request")


def in_use(message: str) -> ClientFault:
    return ClientFault("ResourceInUseException", message)


def described(database: Database, description: Description, *, fresh: bool = False) -> dict[str, Any]:
    table = database.tables.get(description.shared.name)
    items, size_bytes, orders = (table.items, table.size_bytes, table.orders) if table is not None else (0, 0, ())
    found = table_description(
        description,
        database.region,
        database.account,
        items,
        size_bytes,
        orders=orders,
        fresh=fresh,
        touched=table.touched if table is not None else (),
    )
    if table is not None and table.updating and found["TableStatus"] == "ACTIVE":
        found["TableStatus"] = "UPDATING"
    return found
