"""CreateBackup, DescribeBackup, ListBackups, DeleteBackup.

    dynamodb/backup/<id>    a Backup, JSON; its items lie under its space as a table's do

A backup is CREATING while copying.py copies the table as it was when CreateBackup was called, then AVAILABLE. It
belongs to the Region, not to the table: it stays when the table goes. The id begins with the time, so backups lie in
order of it. When a table with point-in-time recovery is deleted, its items stay as a backup of type SYSTEM for 35 days,
as on AWS.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from antipodes.services.dynamodb import copying
from antipodes.services.dynamodb.copying import Job, Row
from antipodes.services.dynamodb.database import GONE, Database, Table
from antipodes.services.dynamodb.describe import key_schema, table_arn
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.parameters import Params, table_name
from antipodes.services.dynamodb.schema import Description
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result
from antipodes.wire.validation import validate

BACKUP = b"dynamodb/backup/"
SYSTEM_KEPT_S = 35 * 86400.0
MAX_LISTED = 100

_encode = msgspec.json.Encoder().encode


class Backup(msgspec.Struct, frozen=True):
    """A backup, as persisted. `description` is the table's when it was made."""

    id: str
    name: str
    description: Description
    space: str
    created: float
    status: Literal["CREATING", "AVAILABLE"]
    kind: Literal["USER", "SYSTEM"] = "USER"
    expires: float = 0.0  # 0: never
    items: int = 0
    size_bytes: int = 0
    format: int = 1


_decode = msgspec.json.Decoder(Backup).decode


async def create_backup(database: Database, request: Request) -> Result:
    """Begins a backup of the table as it is now."""
    params = request.params
    validate("dynamodb", "CreateBackup", params)
    table = existing(database, table_name(params))
    if table.description.status != "ACTIVE":
        raise ClientFault("TableInUseException", f"Table is not active: {table.name}")
    moment = database.store.stamp()
    job = Job(
        id=_drawn(database),
        source=table.description.space,
        table=table.name,
        moment=moment.time,
        target=f"{database.world.chance.getrandbits(48):012x}",
        name="",
        backup=new_id(database, moment.seconds),
    )
    backup = Backup(
        id=job.backup,
        name=params["BackupName"],
        description=msgspec.structs.replace(table.description, copying=()),
        space=job.target,
        created=moment.seconds,
        status="CREATING",
        items=table.items,
        size_bytes=table.size_bytes,
    )
    rows = [row_of(backup), copying.begin(database, job, finished)]
    database.keep(copying.watched(table.description, job.id), rows)
    await database.settle()
    return {"BackupDetails": details(database, backup)}


async def describe_backup(database: Database, request: Request) -> Result:
    """A backup and the table it was made of."""
    validate("dynamodb", "DescribeBackup", request.params)
    backup = found(database, request.params["BackupArn"])
    await database.settle()
    return {"BackupDescription": described(database, backup)}


async def list_backups(database: Database, request: Request) -> Result:
    """Backups in order of time, at most Limit (100). Without BackupType: those that users made."""
    params = request.params
    validate("dynamodb", "ListBackups", params)
    if params.get("BackupType") == "AWS_BACKUP":
        raise NotSupported("backups made by AWS Backup")
    wanted = params.get("BackupType") or "USER"
    name = params.get("TableName")
    lower, upper = params.get("TimeRangeLowerBound"), params.get("TimeRangeUpperBound")
    after = (params.get("ExclusiveStartBackupArn") or "").rpartition("/")[2]
    kept = []
    for backup in all_backups(database):
        if (
            backup.id > after
            and wanted in ("ALL", backup.kind)
            and (name is None or backup.description.shared.name == database.table_name(name))
            and (lower is None or backup.created >= lower)
            and (upper is None or backup.created < upper)
        ):
            kept.append(backup)
    await database.settle()
    limit = params.get("Limit") or MAX_LISTED
    result: dict[str, Any] = {"BackupSummaries": [_summary(database, backup) for backup in kept[:limit]]}
    if len(kept) > limit:
        result["LastEvaluatedBackupArn"] = arn_of(database, kept[limit - 1])
    return result


async def delete_backup(database: Database, request: Request) -> Result:
    """Removes a backup that nothing makes or reads."""
    validate("dynamodb", "DeleteBackup", request.params)
    backup = found(database, request.params["BackupArn"])
    refuse_unfinished(backup, database)
    if copying.in_use(database, backup.id):
        raise ClientFault("BackupInUseException", f"Backup is being used for restore: {arn_of(database, backup)}")
    database.store.write(_gone(backup))
    await database.settle()
    database.spawn(database.sweep(), "sweeps a backup")
    shown = described(database, backup)
    shown["BackupDetails"]["BackupStatus"] = "DELETED"
    return {"BackupDescription": shown}


# What restoring and the life of tables use as well


def existing(database: Database, name: str) -> Table:
    """The table in whatever state. Raises TableNotFoundException."""
    plain = database.table_name(name)
    table = database.tables.get(plain)
    if table is None:
        raise ClientFault("TableNotFoundException", f"Table not found: {plain}")
    return table


def found(database: Database, arn: str) -> Backup:
    """Raises BackupNotFoundException."""
    raw = database.store.get(BACKUP + arn.rpartition("/")[2].encode())
    backup = _decode(raw) if raw is not None else None
    if backup is None or arn_of(database, backup) != arn:
        raise ClientFault("BackupNotFoundException", f"Backup not found: {arn}")
    return backup


def refuse_unfinished(backup: Backup, database: Database) -> None:
    """Raises BackupInUseException."""
    if backup.status == "CREATING":
        raise ClientFault("BackupInUseException", f"Backup is being created: {arn_of(database, backup)}")


def all_backups(database: Database) -> list[Backup]:
    return [_decode(raw) for _, raw in database.store.range(BACKUP, after_prefix(BACKUP))]


def arn_of(database: Database, backup: Backup) -> str:
    name = backup.description.shared.name
    return f"{table_arn(database.region, database.account, name)}/backup/{backup.id}"


def finished(database: Database, job: Job) -> list[Row]:
    """What ends the job that makes a backup: it is AVAILABLE."""
    raw = database.store.get(BACKUP + job.backup.encode())
    assert raw is not None, "a backup that is being created cannot be deleted"
    backup = msgspec.structs.replace(_decode(raw), status="AVAILABLE", items=job.items, size_bytes=job.size_bytes)
    return [row_of(backup)]


def left_behind(database: Database, table: Table) -> list[Row]:
    """The SYSTEM backup that stays of a table with point-in-time recovery which is dropped now; [] for others."""
    if table.description.recovery is None:
        return []
    now = database.world.now()
    backup = Backup(
        id=new_id(database, now),
        name=f"{table.name}$DeletedTableBackup",
        description=msgspec.structs.replace(table.description, copying=(), recovery=None),
        space=table.description.space,
        created=now,
        status="AVAILABLE",
        kind="SYSTEM",
        expires=now + SYSTEM_KEPT_S,
        items=table.items,
        size_bytes=table.size_bytes,
    )
    return [row_of(backup)]


def expired(database: Database, now: float) -> list[Row]:
    """What deletes the backups whose time is over."""
    over = [one for one in all_backups(database) if one.expires and one.expires <= now]
    return [row for one in over if not copying.in_use(database, one.id) for row in _gone(one)]


def row_of(backup: Backup) -> Row:
    return BACKUP + backup.id.encode(), _encode(backup)


def new_id(database: Database, now: float) -> str:
    """As AWS's: milliseconds, then something drawn."""
    return f"{int(now * 1000):014d}-{_drawn(database)}"


def _gone(backup: Backup) -> list[Row]:
    return [(BACKUP + backup.id.encode(), None), (GONE + backup.space.encode(), b"")]


def _drawn(database: Database) -> str:
    return f"{database.world.chance.getrandbits(32):08x}"


# Descriptions


def details(database: Database, backup: Backup) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "BackupArn": arn_of(database, backup),
        "BackupName": backup.name,
        "BackupSizeBytes": backup.size_bytes,
        "BackupStatus": backup.status,
        "BackupType": backup.kind,
        "BackupCreationDateTime": backup.created,
    }
    return shown | ({"BackupExpiryDateTime": backup.expires} if backup.expires else {})


def described(database: Database, backup: Backup) -> dict[str, Any]:
    description = backup.description
    shared = description.shared
    source = {
        "TableName": shared.name,
        "TableId": description.table_id,
        "TableArn": table_arn(database.region, database.account, shared.name),
        "TableSizeBytes": backup.size_bytes,
        "KeySchema": key_schema(shared.hashes, shared.ranges),
        "TableCreationDateTime": description.since,
        "ProvisionedThroughput": _units(shared.settings.read_units, shared.settings.write_units),
        "ItemCount": backup.items,
        "BillingMode": shared.settings.billing,
    }
    if shared.settings.most_reads or shared.settings.most_writes:
        source["OnDemandThroughput"] = {
            "MaxReadRequestUnits": shared.settings.most_reads or -1,
            "MaxWriteRequestUnits": shared.settings.most_writes or -1,
        }
    return {
        "BackupDetails": details(database, backup),
        "SourceTableDetails": source,
        "SourceTableFeatureDetails": _features(description),
    }


def _features(description: Description) -> dict[str, Any]:
    shared = description.shared
    shown: dict[str, Any] = {}
    for member, is_global in (("LocalSecondaryIndexes", False), ("GlobalSecondaryIndexes", True)):
        indexes = []
        for index in shared.indexes:
            if index.is_global is not is_global:
                continue
            projection: dict[str, Any] = {"ProjectionType": index.projection}
            if index.projection == "INCLUDE":
                projection["NonKeyAttributes"] = list(index.included)
            one: dict[str, Any] = {
                "IndexName": index.name,
                "KeySchema": key_schema(index.hashes, index.ranges),
                "Projection": projection,
            }
            if is_global:
                one["ProvisionedThroughput"] = _units(index.read_units, index.write_units)
            indexes.append(one)
        if indexes:
            shown[member] = indexes
    if shared.settings.stream_view:
        shown["StreamDescription"] = {"StreamEnabled": True, "StreamViewType": shared.settings.stream_view}
    if shared.settings.ttl_attribute:
        shown["TimeToLiveDescription"] = {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": shared.settings.ttl_attribute,
        }
    if description.kms_key:
        shown["SSEDescription"] = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": description.kms_key}
    return shown


def _summary(database: Database, backup: Backup) -> Params:
    name = backup.description.shared.name
    return {
        "TableName": name,
        "TableId": backup.description.table_id,
        "TableArn": table_arn(database.region, database.account, name),
        **details(database, backup),
    }


def _units(read_units: int, write_units: int) -> dict[str, int]:
    return {"ReadCapacityUnits": read_units, "WriteCapacityUnits": write_units}
