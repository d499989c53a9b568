"""RestoreTableFromBackup, point-in-time recovery, and exports and imports, which are refused.

Recovery records every change from the moment it is switched on (history.py) and keeps that for RecoveryPeriodInDays
(35); a table can be restored as it was at any second since then, up to now: AWS's LatestRestorableDateTime lies some
five minutes back, ours does not. A restored table is CREATING until copying.py has filled it. It has the source's keys,
indexes, billing and throughput, or what the overrides say; it has no stream, tags, expiry, replicas, protection and no
recovery of its own, as on AWS.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from antipodes.services.dynamodb import backups, copying, history
from antipodes.services.dynamodb.backups import existing, found, refuse_unfinished
from antipodes.services.dynamodb.copies import drawn_id, new_copy, own_key
from antipodes.services.dynamodb.copying import Job, Row
from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.describe import table_arn
from antipodes.services.dynamodb.parameters import Params, table_name
from antipodes.services.dynamodb.schema import Description, Index, Recovery, Restored, Settings, Shared
from antipodes.services.dynamodb.table_parameters import kms_key_of, most_of
from antipodes.services.dynamodb.tables import described
from antipodes.services.dynamodb.values import INVALID
from antipodes.wire.errors import AwsError, ClientFault, NotSupported, ValidationException
from antipodes.wire.operation import Request, Result
from antipodes.wire.validation import validate

DEFAULT_DAYS = 35
TIDY_S = 3600.0


async def update_continuous_backups(database: Database, request: Request) -> Result:
    """Switches point-in-time recovery on or off. Off forgets what was recorded."""
    params = request.params
    validate("dynamodb", "UpdateContinuousBackups", params)
    table = existing(database, table_name(params))
    wanted = params["PointInTimeRecoverySpecification"]
    recovery = table.description.recovery
    if wanted["PointInTimeRecoveryEnabled"]:
        begun = recovery.begun if recovery is not None else database.store.stamp().time
        days = wanted.get("RecoveryPeriodInDays") or (recovery.days if recovery is not None else DEFAULT_DAYS)
        new = Recovery(begun, days)
    else:
        if wanted.get("RecoveryPeriodInDays"):  # wording from memory
            raise ValidationException(
                INVALID + "RecoveryPeriodInDays can only be specified when PointInTimeRecoveryEnabled is true"
            )
        new = None
    database.keep(msgspec.structs.replace(table.description, recovery=new))
    await database.settle()
    if new is None:
        database.spawn(copying.forget_histories(database), "forgets a history")
    else:
        keep_tidy(database)
    return {"ContinuousBackupsDescription": _continuous(database, table)}


async def describe_continuous_backups(database: Database, request: Request) -> Result:
    """Whether recovery is on, and to which time the table can be restored."""
    validate("dynamodb", "DescribeContinuousBackups", request.params)
    table = existing(database, table_name(request.params))
    await database.settle()
    return {"ContinuousBackupsDescription": _continuous(database, table)}


async def restore_table_from_backup(database: Database, request: Request) -> Result:
    """A new table with what is in a backup."""
    params = request.params
    validate("dynamodb", "RestoreTableFromBackup", params)
    backup = found(database, params["BackupArn"])
    refuse_unfinished(backup, database)
    shared = _target(database, backup.description.shared, params)
    source_arn = table_arn(database.region, database.account, backup.description.shared.name)
    restored = Restored(source_arn, backup.created, backups.arn_of(database, backup))
    description = _new(database, backup.description, shared, params, restored)
    job = Job(
        id=drawn_id(database),
        source=backup.space,
        table="",
        moment=0,
        target=description.space,
        name=shared.name,
        backup=backup.id,
    )
    database.keep(description, [copying.begin(database, job, finished)])
    await database.settle()
    return {"TableDescription": described(database, description, fresh=True)}


async def restore_table_to_point_in_time(database: Database, request: Request) -> Result:
    """A new table with the source's items as they were at a time."""
    params = request.params
    validate("dynamodb", "RestoreTableToPointInTime", params)
    source = params.get("SourceTableArn") or params.get("SourceTableName")
    if source is None:
        raise ValidationException("Either SourceTableArn or SourceTableName must be specified")  # from memory
    table = existing(database, source)
    moment = _moment(database, table, params)
    shared = _target(database, table.shared, params)
    source_arn = table_arn(database.region, database.account, table.name)
    restored = Restored(source_arn, history.seconds_of(moment))
    description = _new(database, table.description, shared, params, restored)
    job = Job(
        id=drawn_id(database),
        source=table.description.space,
        table=table.name,
        moment=moment,
        target=description.space,
        name=shared.name,
        backup="",
    )
    database.keep(copying.watched(table.description, job.id))
    database.keep(description, [copying.begin(database, job, finished)])
    await database.settle()
    return {"TableDescription": described(database, description, fresh=True)}


def start(database: Database) -> None:
    """Goes on with copies that were under way, and forgets what was over when the Region stopped."""
    copying.resume(database, _finished_either)
    database.spawn(_tidy(database), "forgets histories and backups")
    keep_tidy(database)


def keep_tidy(database: Database) -> None:
    """Starts forgetting what is over, once an hour, if there is something that will be over."""

    def needed() -> bool:
        recovering = any(table.description.recovery is not None for table in database.tables.values())
        return recovering or any(backup.expires for backup in backups.all_backups(database))

    async def hourly() -> None:
        while needed():
            await database.world.tick(TIDY_S)
            await _tidy(database)
        database.tidying = False

    if not database.tidying and needed():
        database.tidying = True
        database.spawn(hourly(), "forgets histories and backups, hourly")


async def _tidy(database: Database) -> None:
    """Forgets what is over. What the disk refuses now comes again in an hour."""
    try:
        over = backups.expired(database, database.world.now())
        if over:
            database.store.write(over)
            await database.settle()
            await database.sweep()
        await copying.forget_histories(database)
    except AwsError as fault:
        database.world.trace("dynamodb.recovery", refused=fault.message)


def finished(database: Database, job: Job) -> list[Row]:
    """What ends the job that fills a table: it is ACTIVE."""
    description = database.tables[job.name].description
    restored = description.restored
    assert restored is not None and description.space == job.target, "a table being created cannot be deleted"
    restored = msgspec.structs.replace(restored, running=False)
    database.keep(msgspec.structs.replace(description, status="ACTIVE", restored=restored))
    return []


def _finished_either(database: Database, job: Job) -> list[Row]:
    return finished(database, job) if job.name else backups.finished(database, job)


def _continuous(database: Database, table: Table) -> dict[str, Any]:
    recovery = table.description.recovery
    if recovery is None:
        shown: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
    else:
        earliest, latest = _window(database, recovery)
        shown = {
            "PointInTimeRecoveryStatus": "ENABLED",
            "RecoveryPeriodInDays": recovery.days,
            "EarliestRestorableDateTime": float(earliest),
            "LatestRestorableDateTime": float(latest),
        }
    return {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": shown}


def _window(database: Database, recovery: Recovery) -> tuple[int, int]:
    """The first and the last second to which the table can be restored. Within the first second of recovery there is
    no whole one yet: then both are the one that is about to come."""
    now = database.world.now()
    earliest = math.ceil(max(history.seconds_of(recovery.begun), now - recovery.days * 86400.0))
    return earliest, max(earliest, math.floor(now))


def _moment(database: Database, table: Table, params: Params) -> int:
    """The time to which to restore. Raises ClientFault."""
    recovery = table.description.recovery
    if recovery is None:
        raise ClientFault(
            "PointInTimeRecoveryUnavailableException",
            f"Point in time recovery is not enabled for table '{table.name}'",
        )
    wanted = params.get("RestoreDateTime")
    if params.get("UseLatestRestorableTime"):
        if wanted is not None:  # wording from memory
            raise ValidationException("RestoreDateTime and UseLatestRestorableTime cannot both be specified")
        return database.store.stamp().time
    if wanted is None:
        raise ValidationException("Either RestoreDateTime or UseLatestRestorableTime must be specified")  # from memory
    earliest, latest = _window(database, recovery)
    begun = history.seconds_of(recovery.begun)
    oldest = max(begun, database.world.now() - recovery.days * 86400.0)
    if not oldest <= wanted <= max(latest, database.world.now()):
        raise ClientFault(
            "InvalidRestoreTimeException",
            "An invalid restore time was specified. RestoreDateTime must be between "
            f"EarliestRestorableDateTime ({earliest}) and LatestRestorableDateTime ({latest}).",
        )
    return history.time_of(wanted)


def _target(database: Database, source: Shared, params: Params) -> Shared:
    """What the restored table is. Raises ClientFault."""
    name = params["TargetTableName"]
    if params.get("VectorIndexOverride"):
        raise NotSupported("the parameter VectorIndexOverride")
    if name in database.tables:
        raise ClientFault("TableAlreadyExistsException", f"Table already exists: {name}")
    settings = _settings(database, source.settings, params)
    indexes = _indexes(source, params, settings)
    used = [part.name for part in [*source.parts, *(part for one in indexes for part in one.parts)]]
    return Shared(
        name=name,
        group=drawn_id(database),
        created=database.world.now(),
        hash=source.hash,
        range=source.range,
        attributes=tuple(part for part in source.attributes if part.name in used),
        indexes=indexes,
        settings=settings,
        settings_version=database.store.stamp(),
    )


def _new(database: Database, source: Description, shared: Shared, params: Params, restored: Restored) -> Description:
    """The description of the restored table. Raises ValidationException."""
    given = {"SSESpecification": params.get("SSESpecificationOverride")}
    key = kms_key_of(given, database.region, database.account, own_key(database))
    description = new_copy(database, shared, kms_key=source.kms_key if key is None else key)
    return msgspec.structs.replace(description, restored=restored)


def _settings(database: Database, source: Settings, params: Params) -> Settings:
    billing = params.get("BillingModeOverride") or source.billing
    throughput = params.get("ProvisionedThroughputOverride")
    reads, writes = source.read_units, source.write_units
    if throughput:
        reads, writes = throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]
    if billing == "PAY_PER_REQUEST":
        if throughput:
            raise ValidationException(
                INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
                "when BillingMode is PAY_PER_REQUEST"
            )
        reads = writes = 0
    elif not reads or not writes:
        raise ValidationException(
            INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
        )
    on_demand = billing == "PAY_PER_REQUEST"
    given = {"OnDemandThroughput": params.get("OnDemandThroughputOverride")}
    most_reads, most_writes = most_of(given, on_demand, source.most_reads, source.most_writes)
    return Settings(
        billing=billing,
        read_units=reads,
        write_units=writes,
        billing_since=database.world.now() if on_demand else 0.0,
        table_class=source.table_class,
        most_reads=most_reads,
        most_writes=most_writes,
    )


def _indexes(source: Shared, params: Params, settings: Settings) -> tuple[Index, ...]:
    """The source's indexes, or those of them that the overrides name."""
    local, globals_ = params.get("LocalSecondaryIndexOverride"), params.get("GlobalSecondaryIndexOverride")
    for given, is_global in ((local, False), (globals_, True)):
        known = [index.name for index in source.indexes if index.is_global is is_global]
        for one in given or ():
            if one["IndexName"] not in known:  # wording from memory
                raise ValidationException(
                    INVALID + f"The index {one['IndexName']} is not an index of the source: indexes can be left out "
                    "of a restore, not added"
                )
    on_demand = settings.billing == "PAY_PER_REQUEST"
    kept: list[Index] = []
    for index in source.indexes:
        given = globals_ if index.is_global else local
        override = next((one for one in given or () if one["IndexName"] == index.name), None)
        if given is not None and override is None:
            continue
        throughput = (override or {}).get("ProvisionedThroughput") or {}
        reads = throughput.get("ReadCapacityUnits", index.read_units)
        writes = throughput.get("WriteCapacityUnits", index.write_units)
        if not index.is_global or on_demand:
            reads = writes = 0
        elif not reads or not writes:  # an on-demand source: the table's own units, for want of others
            reads, writes = settings.read_units, settings.write_units
        kept.append(msgspec.structs.replace(index, read_units=reads, write_units=writes))
    return tuple(kept)
