"""UpdateTable's parameters but for indexes and replicas: what a table's settings become. Pure."""

from __future__ import annotations

import msgspec

from antipodes.services.dynamodb.parameters import Params
from antipodes.services.dynamodb.schema import Settings, Shared
from antipodes.services.dynamodb.table_parameters import check_bounds, most_of, stream_of, warm_base, warm_of
from antipodes.services.dynamodb.values import INVALID
from antipodes.wire.errors import ValidationException

NOTHING = (
    "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates "
    "or SSESpecification or ReplicaUpdates is required"
)
_CHANGES = (
    "BillingMode",
    "ProvisionedThroughput",
    "GlobalSecondaryIndexUpdates",
    "StreamSpecification",
    "SSESpecification",
    "ReplicaUpdates",
    "GlobalTableWitnessUpdates",
    "TableClass",
    "DeletionProtectionEnabled",
    "OnDemandThroughput",
    "WarmThroughput",
)


def check_asks(params: Params) -> None:
    """Refuses an UpdateTable that asks for nothing."""
    if all(params.get(name) in (None, []) for name in _CHANGES):
        raise ValidationException(NOTHING)
    throughput = params.get("ProvisionedThroughput")
    if params.get("BillingMode") == "PROVISIONED" and not throughput:
        raise ValidationException(INVALID + "ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
    if throughput:
        check_bounds(throughput)


def check_alone(params: Params) -> None:
    """Replicas and other settings do not change in one UpdateTable, but for the keys of all replicas.

    AWS says so in words that are not known here ("one kind of change per UpdateTable", facts 1.6).
    """
    others = [name for name in _CHANGES if params.get(name) not in (None, [])]
    if any(name not in {"ReplicaUpdates", "GlobalTableWitnessUpdates", "SSESpecification"} for name in others):
        raise ValidationException(
            INVALID
            + "ReplicaUpdates cannot be specified together with other changes: "
            + ", ".join(name for name in others if name != "ReplicaUpdates")
        )


def new_settings(shared: Shared, params: Params, now: float) -> Settings:
    """The settings as asked for. Raises ValidationException."""
    settings = _billing(shared.settings, params, now)
    if params.get("StreamSpecification"):
        settings = _stream(shared, settings, params)
    if params.get("TableClass"):
        settings = msgspec.structs.replace(settings, table_class=params["TableClass"])
    on_demand = settings.billing == "PAY_PER_REQUEST"
    reads, writes = most_of(params, on_demand, settings.most_reads, settings.most_writes)
    settings = msgspec.structs.replace(settings, most_reads=reads, most_writes=writes)
    if params.get("WarmThroughput"):
        reads, writes = warm_of(params, *warm_base(settings, settings.billing))
        settings = msgspec.structs.replace(settings, warm_reads=reads, warm_writes=writes)
    return settings


def _billing(settings: Settings, params: Params, now: float) -> Settings:
    mode = params.get("BillingMode") or settings.billing
    throughput = params.get("ProvisionedThroughput")
    if mode == "PAY_PER_REQUEST":
        if throughput:
            raise ValidationException(
                INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
                "when BillingMode is PAY_PER_REQUEST"
            )
        if settings.billing == mode:
            return settings
        return msgspec.structs.replace(settings, billing=mode, read_units=0, write_units=0, billing_since=now)
    if not throughput:
        return settings
    reads, writes = throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]
    if (mode, reads, writes) == (settings.billing, settings.read_units, settings.write_units):
        raise ValidationException(
            "The provisioned throughput for the table will not change. The requested value equals the current "
            f"value. Current ReadCapacityUnits provisioned for the table: {reads}. "
            f"Requested ReadCapacityUnits: {reads}. Current WriteCapacityUnits provisioned for the table: "
            f"{writes}. Requested WriteCapacityUnits: {writes}. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        )
    return msgspec.structs.replace(settings, billing=mode, read_units=reads, write_units=writes)


def _stream(shared: Shared, settings: Settings, params: Params) -> Settings:
    view = stream_of(params)
    if view and settings.stream_view:
        raise ValidationException("Table already has an enabled stream: TableName: " + shared.name)
    if not view and not settings.stream_view:
        raise ValidationException("Table does not have a stream to disable: TableName: " + shared.name)
    if not view and len(shared.holders) > 1:
        # facts 1.3: on a global table the stream carries replication and stays on
        raise ValidationException(INVALID + "Streams cannot be disabled on a global table")
    return msgspec.structs.replace(settings, stream_view=view)
