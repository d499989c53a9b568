"""What a replica of a global table has of its own, of the settings that are else the same everywhere. Pure.

Global tables synchronise a table's settings; read capacity, the bound on reads and the table class may differ by
replica, and each replica is encrypted with a key of its own Region (Developer Guide, "Global tables", settings that are
synchronized). AWS: an override is itself overwritten when the value is changed on another replica. So an override holds
until the setting changes: `Settings.reads_set` and the like say when that was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.dynamodb.parameters import Constraints
from antipodes.services.dynamodb.schema import Index, Overrides, Settings, Shared
from antipodes.services.dynamodb.table_parameters import MAX_UNITS, TABLE_CLASSES
from antipodes.services.dynamodb.values import INVALID
from antipodes.store.records import Version
from antipodes.wire.errors import NotSupported, ValidationException

SETTINGS = (
    "KMSMasterKeyId",
    "ProvisionedThroughputOverride",
    "OnDemandThroughputOverride",
    "GlobalSecondaryIndexes",
    "TableClassOverride",
)
NO_KEY = INVALID + "KMSMasterKeyId must be specified for each replica."


def seen_in(shared: Shared, region: str) -> Shared:
    """What the table is in one Region: the shared settings with that replica's overrides in their places."""
    own = held(shared, region)
    if own is None:
        return shared
    settings = shared.settings
    settings = msgspec.structs.replace(
        settings,
        read_units=own.read_units or settings.read_units,
        most_reads=own.most_reads or settings.most_reads,
        table_class=own.table_class or settings.table_class,
    )
    indexes = tuple(
        msgspec.structs.replace(one, read_units=own.index_reads[one.name]) if one.name in own.index_reads else one
        for one in shared.indexes
    )
    return msgspec.structs.replace(shared, settings=settings, indexes=indexes)


def held(shared: Shared, region: str) -> Overrides | None:
    """The overrides of a replica that still hold; None: it has none."""
    own = shared.overrides.get(region)
    if own is None:
        return None
    settings, since = shared.settings, own.version.time
    provisioned = settings.billing == "PROVISIONED"
    by_name = {one.name: one for one in shared.indexes}
    return msgspec.structs.replace(
        own,
        read_units=own.read_units if provisioned and since > settings.reads_set else 0,
        most_reads=own.most_reads if not provisioned and since > settings.most_reads_set else 0,
        table_class=own.table_class if since > settings.class_set else "",
        index_reads={
            name: units
            for name, units in own.index_reads.items()
            if provisioned and name in by_name and since > by_name[name].reads_set
        },
    )


def marked(before: Shared, after: Shared, time: int) -> Shared:
    """The changed table with the times of what changed. time: of the change's Version."""
    old, new = before.settings, after.settings
    new = msgspec.structs.replace(
        new,
        reads_set=time if (old.billing, old.read_units) != (new.billing, new.read_units) else old.reads_set,
        most_reads_set=time if old.most_reads != new.most_reads else old.most_reads_set,
        class_set=time if old.table_class != new.table_class else old.class_set,
    )
    units = {one.name: one.read_units for one in before.indexes}
    indexes = tuple(
        msgspec.structs.replace(one, reads_set=time) if units.get(one.name) != one.read_units else one
        for one in after.indexes
    )
    return msgspec.structs.replace(after, settings=new, indexes=indexes)


def overridden(shared: Shared, detail: Mapping[str, Any], version: Version, key_arn: str) -> Overrides:
    """The overrides of a replica after a Create or Update action names some. key_arn: of KMSMasterKeyId, or "".

    Raises ValidationException; NotSupported.
    """
    before = held(shared, detail["RegionName"]) or Overrides(version)
    reads = _units(detail, "ProvisionedThroughputOverride", "ReadCapacityUnits")
    most = _units(detail, "OnDemandThroughputOverride", "MaxReadRequestUnits")
    _fits(shared.settings, reads, most)
    index_reads = dict(before.index_reads)
    for one in detail.get("GlobalSecondaryIndexes") or ():
        name, units = _index(shared, one)
        if units:
            index_reads[name] = units
    return msgspec.structs.replace(
        before,
        version=version,
        read_units=reads or before.read_units,
        most_reads=before.most_reads if most is None else max(most, 0),
        table_class=detail.get("TableClassOverride") or before.table_class,
        index_reads=index_reads,
        kms_key=key_arn or before.kms_key,
    )


def check_details(constraints: Constraints, detail: Mapping[str, Any], place: str) -> None:
    """The simple constraints of one action's settings; notes what is broken."""
    constraints.one_of(detail.get("TableClassOverride"), f"{place}.tableClassOverride", TABLE_CLASSES)
    throughput = detail.get("ProvisionedThroughputOverride") or {}
    member = f"{place}.provisionedThroughputOverride.readCapacityUnits"
    constraints.at_least(throughput.get("ReadCapacityUnits"), member, 1)
    indexes = detail.get("GlobalSecondaryIndexes")
    if indexes is not None and not indexes:
        member = f"{place}.globalSecondaryIndexes"
        constraints.note("[]", member, "Member must have length greater than or equal to 1")
    for number, one in enumerate(indexes or (), 1):
        constraints.required(one.get("IndexName"), f"{place}.globalSecondaryIndexes.{number}.member.indexName")


def _units(detail: Mapping[str, Any], member: str, unit: str) -> int | None:
    given: Mapping[str, int] = detail.get(member) or {}
    value = given.get(unit)
    if value is not None and value != -1 and not 1 <= value <= MAX_UNITS:
        raise ValidationException(f"Given value {value} for {unit} is out of bounds")  # wording from memory
    return value


def _fits(settings: Settings, reads: int | None, most: int | None) -> None:
    """Each override belongs to one billing mode. AWS's sentences are not known: by analogy with CreateTable's."""
    if reads is not None and settings.billing == "PAY_PER_REQUEST":
        raise ValidationException(
            INVALID + "ProvisionedThroughputOverride cannot be specified when BillingMode is PAY_PER_REQUEST"
        )
    if most is not None and settings.billing != "PAY_PER_REQUEST":
        raise ValidationException(
            INVALID + "OnDemandThroughputOverride can only be specified when BillingMode is PAY_PER_REQUEST"
        )


def _index(shared: Shared, detail: Mapping[str, Any]) -> tuple[str, int | None]:
    name = str(detail["IndexName"])
    index: Index | None = next((one for one in shared.indexes if one.name == name and one.is_global), None)
    if index is None:
        raise ValidationException(INVALID + f"The table does not have the specified index: {name}")
    if detail.get("OnDemandThroughputOverride") is not None:
        raise NotSupported("OnDemandThroughputOverride of an index")
    units = _units(detail, "ProvisionedThroughputOverride", "ReadCapacityUnits")
    _fits(shared.settings, units, None)
    return name, units
