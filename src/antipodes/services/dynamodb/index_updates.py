"""GlobalSecondaryIndexUpdates of UpdateTable: what a table's indexes and attribute definitions become. Pure.

One index is created or deleted at a time ("You can create or delete only one global secondary index per UpdateTable
operation"); throughput of several may change at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.dynamodb.orders import place_of
from antipodes.services.dynamodb.parameters import Constraints, Params
from antipodes.services.dynamodb.schema import MAX_INDEX_KEYS, Description, Index, KeyPart, Shared
from antipodes.services.dynamodb.table_parameters import (
    MAX_GLOBAL_INDEXES,
    check_schema,
    check_throughput,
    global_index,
    with_bounds,
)
from antipodes.services.dynamodb.values import INVALID
from antipodes.wire.errors import ClientFault, ValidationException

_KINDS = ("Create", "Update", "Delete")
ONE_AT_A_TIME = "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"


def check_index_updates(constraints: Constraints, params: Params) -> None:
    """The simple constraints of GlobalSecondaryIndexUpdates; notes what is broken."""
    for number, update in enumerate(params.get("GlobalSecondaryIndexUpdates") or (), 1):
        for kind, detail in _kinds(update):
            member = f"globalSecondaryIndexUpdates.{number}.member.{kind.lower()}"
            name = detail.get("IndexName")
            constraints.required(name, f"{member}.indexName")
            if kind == "Create":
                if name is not None and not 3 <= len(name) <= 255:
                    bound = "greater than or equal to 3" if len(name) < 3 else "less than or equal to 255"
                    constraints.note(name, f"{member}.indexName", f"Member must have length {bound}")
                constraints.required(detail.get("KeySchema"), f"{member}.keySchema")
                constraints.required(detail.get("Projection"), f"{member}.projection")
                check_schema(constraints, detail.get("KeySchema"), f"{member}.keySchema", MAX_INDEX_KEYS)
            check_throughput(constraints, detail.get("ProvisionedThroughput"), f"{member}.provisionedThroughput")


def updated_indexes(shared: Shared, params: Params) -> Shared:
    """The table with its indexes changed. Raises ValidationException, LimitExceededException,
    ResourceNotFoundException."""
    updates = [_only(update) for update in params["GlobalSecondaryIndexUpdates"]]
    if sum(kind != "Update" for kind, _ in updates) > 1:
        raise ClientFault("LimitExceededException", ONE_AT_A_TIME)
    for kind, detail in updates:
        if kind == "Create":
            shared = _created(shared, detail, params)
        elif kind == "Delete":
            index = _found(shared, detail["IndexName"])
            shared = _with(shared, tuple(one for one in shared.indexes if one is not index))
        else:
            index = _found(shared, detail["IndexName"])
            changed = _throughput(shared, index, detail, params)
            shared = _with(shared, tuple(changed if one is index else one for one in shared.indexes))
    return shared


def cancels(description: Description, params: Params) -> bool:
    """Whether all that is asked for is to delete an index that is still being made: possible while it is."""
    updates: list[Mapping[str, Any]] = params.get("GlobalSecondaryIndexUpdates") or []
    if len(updates) != 1 or "Delete" not in updates[0]:
        return False
    name = updates[0]["Delete"].get("IndexName")
    known = any(one.name == name and one.is_global for one in description.shared.indexes)
    return known and not place_of(description, name).filled


def _kinds(update: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(kind, update[kind]) for kind in _KINDS if update.get(kind) is not None]


def _only(update: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    found = _kinds(update)
    if len(found) != 1:
        # from memory: AWS's own sentence is not known
        raise ValidationException(
            INVALID + "Exactly one of Create, Update, Delete must be specified in each GlobalSecondaryIndexUpdate"
        )
    return found[0]


def _created(shared: Shared, detail: Mapping[str, Any], params: Params) -> Shared:
    name = detail["IndexName"]
    if any(one.name == name for one in shared.indexes):
        raise ValidationException(INVALID + f"Attempting to create an index which already exists: {name}")
    defined = tuple(
        KeyPart(one["AttributeName"], one["AttributeType"]) for one in params.get("AttributeDefinitions") or ()
    )
    wanted = [one["AttributeName"] for one in detail["KeySchema"]]
    names = [part.name for part in defined]
    if any(one not in names for one in wanted):
        raise ValidationException(
            INVALID + "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(wanted)}], AttributeDefinitions: [{', '.join(names)}]"
        )
    on_demand = (params.get("BillingMode") or shared.settings.billing) == "PAY_PER_REQUEST"
    index = global_index(detail, defined, on_demand)
    roles = [*((part, "HASH") for part in index.hashes), *((part, "RANGE") for part in index.ranges)]
    for part, role in roles:
        existing = next((one for one in shared.attributes if one.name == part.name), None)
        if existing is not None and existing.kind != part.kind:
            raise ValidationException(
                INVALID + "Attributes cannot be redefined. Please check that your attribute has the same type as "
                "previously defined. "
                f"Existing schema: Schema:[SchemaElement: key{{{part.name}:{existing.kind}:{role}}}] "
                f"New schema: Schema:[SchemaElement: key{{{part.name}:{part.kind}:{role}}}]"
            )
    if sum(one.is_global for one in shared.indexes) >= MAX_GLOBAL_INDEXES:
        raise ClientFault(
            "LimitExceededException",
            f"Subscriber limit exceeded: Number of global secondary indexes exceeds {MAX_GLOBAL_INDEXES}",
        )
    return _with(shared, (*shared.indexes, index))


def _found(shared: Shared, name: str) -> Index:
    for one in shared.indexes:
        if one.name == name:
            if not one.is_global:
                raise ValidationException(INVALID + f"The index {name} is not a global secondary index")  # from memory
            return one
    raise ClientFault("ResourceNotFoundException", "Requested resource not found")


def _throughput(shared: Shared, index: Index, detail: Mapping[str, Any], params: Params) -> Index:
    throughput = detail.get("ProvisionedThroughput")
    on_demand = (params.get("BillingMode") or shared.settings.billing) == "PAY_PER_REQUEST"
    bounded = detail.get("OnDemandThroughput") is not None or detail.get("WarmThroughput") is not None
    if throughput is None and bounded:
        return with_bounds(index, detail, on_demand)
    if throughput is None:
        raise ValidationException(INVALID + f"ProvisionedThroughput must be specified for index: {index.name}")
    if on_demand:
        raise ValidationException(
            INVALID + f"ProvisionedThroughput should not be specified for index: {index.name} "
            "when BillingMode is PAY_PER_REQUEST"
        )
    reads, writes = int(throughput["ReadCapacityUnits"]), int(throughput["WriteCapacityUnits"])
    if (reads, writes) == (index.read_units, index.write_units):
        raise ValidationException(
            f"The provisioned throughput for the index {index.name} will not change. The requested value equals the "
            f"current value. Current ReadCapacityUnits provisioned for the index: {reads}. Requested "
            f"ReadCapacityUnits: {reads}. Current WriteCapacityUnits provisioned for the index: {writes}. Requested "
            f"WriteCapacityUnits: {writes}. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        )
    return with_bounds(msgspec.structs.replace(index, read_units=reads, write_units=writes), detail, on_demand)


def _with(shared: Shared, indexes: tuple[Index, ...]) -> Shared:
    """Attributes that are no key any more are not defined any more."""
    used = {part.name: part for part in [*shared.parts, *(part for one in indexes for part in one.parts)]}
    kept = [part for part in shared.attributes if part.name in used]
    names = {part.name for part in kept}
    added = [part for name, part in used.items() if name not in names]
    return msgspec.structs.replace(shared, indexes=indexes, attributes=(*kept, *added))
