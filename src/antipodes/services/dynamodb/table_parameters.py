"""From CreateTable's parameters to a table's schema, with AWS's refusals. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antipodes.services.dynamodb.parameters import TABLE_NAME, Constraints, Params
from antipodes.services.dynamodb.schema import MAX_INDEX_KEYS, MAX_KEY_ATTRIBUTES, Index, KeyPart, Settings
from antipodes.services.dynamodb.values import INVALID
from antipodes.wire.errors import NotSupported, ValidationException

BILLING_MODES = ("PROVISIONED", "PAY_PER_REQUEST")
STREAM_VIEWS = ("NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY")
TABLE_CLASSES = ("STANDARD", "STANDARD_INFREQUENT_ACCESS")
MAX_LOCAL_INDEXES = 5
MAX_GLOBAL_INDEXES = 20
MAX_TABLE_KEYS = 2  # attributes of a table's keys and a local index's
MIN_NAME, MAX_NAME = 3, 255
MAX_INCLUDED_HERE = 20  # NonKeyAttributes of one index
MAX_INCLUDED = 100  # and of all indexes of a table (Developer Guide, "Quotas")
# Parameters whose effect antipodes does not have yet.
_UNSUPPORTED = ("GlobalTableSourceArn", "GlobalTableSettingsReplicationMode", "VectorIndexes")
ON_DEMAND_WARM = (12000, 4000)  # read and write units a second of a new on-demand table
MAX_UNITS = 1_000_000_000_000


def check_create(params: Params) -> str:
    """All simple constraints of CreateTable; the table's name."""
    constraints = Constraints()
    name = params.get("TableName")
    if name is None:
        raise ValidationException("The parameter 'TableName' is required but was not present in the request")
    constraints.required(params.get("AttributeDefinitions"), "attributeDefinitions")
    for number, one in enumerate(params.get("AttributeDefinitions") or (), 1):
        place = f"attributeDefinitions.{number}.member"
        constraints.required(one.get("AttributeName"), f"{place}.attributeName")
        constraints.required(one.get("AttributeType"), f"{place}.attributeType")
        check_key_name(constraints, one.get("AttributeName"), f"{place}.attributeName")
        constraints.one_of(one.get("AttributeType"), f"{place}.attributeType", ("B", "N", "S"))
    check_name(constraints, name, "tableName")
    constraints.one_of(params.get("BillingMode"), "billingMode", BILLING_MODES)
    check_throughput(constraints, params.get("ProvisionedThroughput"), "provisionedThroughput")
    constraints.required(params.get("KeySchema"), "keySchema")
    check_schema(constraints, params.get("KeySchema"), "keySchema", MAX_TABLE_KEYS)
    for member in ("localSecondaryIndexes", "globalSecondaryIndexes"):
        for number, one in enumerate(params.get(member[0].upper() + member[1:]) or (), 1):
            check_index(constraints, one, f"{member}.{number}.member")
    constraints.one_of(params.get("TableClass"), "tableClass", TABLE_CLASSES)
    constraints.settle()
    for parameter in _UNSUPPORTED:
        if params.get(parameter) is not None:
            raise NotSupported(f"the CreateTable parameter {parameter}")
    assert isinstance(name, str)
    return name


def check_name(constraints: Constraints, name: str, member: str) -> None:
    """The constraints on names of tables and indexes."""
    if not TABLE_NAME(name):
        constraints.note(name, member, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
    if len(name) < MIN_NAME:
        constraints.note(name, member, f"Member must have length greater than or equal to {MIN_NAME}")
    if len(name) > MAX_NAME:
        constraints.note(name, member, f"Member must have length less than or equal to {MAX_NAME}")


def check_key_name(constraints: Constraints, name: str | None, member: str) -> None:
    """The constraints on names of key attributes."""
    if name is not None and not 1 <= len(name) <= MAX_NAME:
        bound = "greater than or equal to 1" if not name else f"less than or equal to {MAX_NAME}"
        constraints.note(name, member, f"Member must have length {bound}")


def check_index(constraints: Constraints, one: Mapping[str, Any], place: str) -> None:
    """The simple constraints of one secondary index."""
    for needed in ("IndexName", "KeySchema", "Projection"):
        constraints.required(one.get(needed), f"{place}.{needed[0].lower()}{needed[1:]}")
    if one.get("IndexName") is not None:
        check_name(constraints, one["IndexName"], f"{place}.indexName")
    most = MAX_INDEX_KEYS if place.startswith("global") else MAX_TABLE_KEYS
    check_schema(constraints, one.get("KeySchema"), f"{place}.keySchema", most)
    projection: Mapping[str, Any] = one.get("Projection") or {}
    kinds = ("ALL", "INCLUDE", "KEYS_ONLY")
    constraints.one_of(projection.get("ProjectionType"), f"{place}.projection.projectionType", kinds)
    included = projection.get("NonKeyAttributes")
    if included is not None and not 1 <= len(included) <= MAX_INCLUDED_HERE:
        bound = "greater than or equal to 1" if not included else f"less than or equal to {MAX_INCLUDED_HERE}"
        shown = f"[{', '.join(included)}]"
        constraints.note(shown, f"{place}.projection.nonKeyAttributes", f"Member must have length {bound}")
    if included and any(not 1 <= len(name) <= MAX_NAME for name in included):
        constraints.note(
            f"[{', '.join(included)}]",
            f"{place}.projection.nonKeyAttributes",
            f"Member must satisfy constraint: [Member must have length less than or equal to {MAX_NAME}, "
            "Member must have length greater than or equal to 1]",
        )
    check_throughput(constraints, one.get("ProvisionedThroughput"), f"{place}.provisionedThroughput")


def check_schema(constraints: Constraints, schema: Any, member: str, most: int) -> None:
    if schema is None:
        return
    if len(schema) > most:
        shown = ", ".join(
            f"KeySchemaElement(attributeName={one.get('AttributeName')}, keyType={one.get('KeyType')})"
            for one in schema
        )
        constraints.note(f"[{shown}]", member, f"Member must have length less than or equal to {most}")
    if not schema:
        constraints.note("[]", member, "Member must have length greater than or equal to 1")
    for number, one in enumerate(schema, 1):
        constraints.required(one.get("AttributeName"), f"{member}.{number}.member.attributeName")
        check_key_name(constraints, one.get("AttributeName"), f"{member}.{number}.member.attributeName")
        constraints.required(one.get("KeyType"), f"{member}.{number}.member.keyType")
        constraints.one_of(one.get("KeyType"), f"{member}.{number}.member.keyType", ("HASH", "RANGE"))


def check_throughput(constraints: Constraints, throughput: Any, member: str) -> None:
    if throughput is None:
        return
    for unit in ("WriteCapacityUnits", "ReadCapacityUnits"):
        place = f"{member}.{unit[0].lower()}{unit[1:]}"
        constraints.required(throughput.get(unit), place)
        constraints.at_least(throughput.get(unit), place, 1)


def billing_of(params: Params) -> tuple[str, int, int]:
    """(billing mode, read units, write units) of CreateTable."""
    throughput: Mapping[str, int] = params.get("ProvisionedThroughput") or {}
    if params.get("BillingMode") == "PAY_PER_REQUEST":
        if throughput:
            raise ValidationException(
                INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
                "when BillingMode is PAY_PER_REQUEST"
            )
        return "PAY_PER_REQUEST", 0, 0
    if not throughput:
        raise ValidationException(
            INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
        )
    check_bounds(throughput)
    return "PROVISIONED", int(throughput["ReadCapacityUnits"]), int(throughput["WriteCapacityUnits"])


def check_bounds(throughput: Mapping[str, int]) -> None:
    """No table takes more units than this."""
    for unit in ("ReadCapacityUnits", "WriteCapacityUnits"):
        if throughput[unit] > MAX_UNITS:
            raise ValidationException(f"Given value {throughput[unit]} for {unit} is out of bounds")


def most_of(params: Params, on_demand: bool, reads: int, writes: int, *, creating: bool = False) -> tuple[int, int]:
    """OnDemandThroughput as (read, write) request units a second, 0: no bound. -1 takes a bound away from a table
    that is there. The sentences, which differ by a word and a stop, were seen on AWS."""
    given: Mapping[str, int] | None = params.get("OnDemandThroughput")
    if given is None:
        return (reads, writes) if on_demand else (0, 0)
    if not on_demand and given:
        first = "MaxReadRequestUnits" if "MaxReadRequestUnits" in given else "MaxWriteRequestUnits"
        where = "table BillingMode is PROVISIONED." if creating else "the table BillingMode is PROVISIONED"
        raise ValidationException(INVALID + f"{first} for OnDemandThroughput cannot be specified when {where}")
    found = []
    for unit, before in (("MaxReadRequestUnits", reads), ("MaxWriteRequestUnits", writes)):
        value = given.get(unit, before or -1)
        asked = unit in given
        if not 1 <= value <= MAX_UNITS and (value != -1 or (asked and creating)):
            raise ValidationException(
                INVALID + f"Requested {unit} for OnDemandThroughput for table is outside of valid range"
            )
        found.append(max(value, 0))
    return found[0], found[1]


def warm_base(of: Settings | Index, billing: str) -> tuple[int, int]:
    """The (read, write) units a second that a table or an index is warm for as it stands."""
    least = ON_DEMAND_WARM if billing == "PAY_PER_REQUEST" else (of.read_units, of.write_units)
    return max(least[0], of.warm_reads), max(least[1], of.warm_writes)


def warm_of(params: Params, reads: int, writes: int) -> tuple[int, int]:
    """WarmThroughput as (read, write) units a second; it can only grow."""
    given: Mapping[str, int] = params.get("WarmThroughput") or {}
    asked = given.get("ReadUnitsPerSecond", reads), given.get("WriteUnitsPerSecond", writes)
    for unit, value, before in (
        ("ReadUnitsPerSecond", asked[0], reads),
        ("WriteUnitsPerSecond", asked[1], writes),
    ):
        if value < before:
            raise ValidationException(
                INVALID + f"Requested {unit} for WarmThroughput for table is lower than baseline value {before}"
            )  # wording from memory
    return asked


def kms_key_of(params: Params, region: str, account: str, own_key: str) -> str | None:
    """SSESpecification: the ARN of the key, "" for DynamoDB's own; None when it is not given.

    own_key: the id of the account's key aws/dynamodb, which AWS makes when none is named.
    """
    given: Mapping[str, Any] | None = params.get("SSESpecification")
    if given is None:
        return None
    key = given.get("KMSMasterKeyId")
    if not given.get("Enabled"):
        if key is not None or given.get("SSEType") is not None:
            raise ValidationException(
                INVALID + "Neither SSEType nor KMSMasterKeyId can be specified when SSE is disabled"
            )  # wording from memory
        return ""
    if given.get("SSEType") == "AES256":
        raise ValidationException(INVALID + "SSEType AES256 is not supported")  # wording from memory
    prefix = f"arn:aws:kms:{region}:{account}:"
    if key is None:
        return f"{prefix}key/{own_key}"
    if key.startswith("arn:"):
        return str(key)
    return prefix + (key if key.startswith("alias/") else f"key/{key}")


def stream_of(params: Params, creating: bool = False) -> str:
    """The stream's view type; "": none."""
    specification = params.get("StreamSpecification")
    if not specification:
        return ""
    view = specification.get("StreamViewType")
    if not specification.get("StreamEnabled"):
        if view is not None:
            raise ValidationException(
                INVALID + "Table is being created with a stream disabled, UpdateViewType should not be specified"
                if creating
                else INVALID + "Table StreamViewType must not be specified when StreamEnabled is false"
            )
        return ""
    if view is None:
        raise ValidationException(INVALID + "Table StreamViewType must be specified when StreamEnabled is true")
    constraints = Constraints()
    constraints.one_of(view, "streamSpecification.streamViewType", STREAM_VIEWS)
    constraints.settle()
    return str(view)


def schema_of(params: Params) -> tuple[tuple[KeyPart, ...], KeyPart, KeyPart | None, tuple[Index, ...]]:
    """(attribute definitions, hash key, range key, indexes). Raises ValidationException."""
    defined = tuple(KeyPart(one["AttributeName"], one["AttributeType"]) for one in params["AttributeDefinitions"])
    names = [part.name for part in defined]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ValidationException(f"Attribute Name is duplicated: {name}")
    hash_part, range_part = _parts(params["KeySchema"], defined)
    local, globals_ = params.get("LocalSecondaryIndexes"), params.get("GlobalSecondaryIndexes")
    own = [part.name for part in (hash_part, range_part) if part is not None]
    if local is None and globals_ is None and len(own) != len(defined):
        raise ValidationException(
            INVALID + "Number of attributes in KeySchema does not exactly match number of attributes "
            "defined in AttributeDefinitions"
        )
    indexes = _local(local, defined, hash_part, range_part) + _global(globals_, defined, params)
    names = [index.name for index in indexes]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ValidationException(INVALID + f"Duplicate index name: {name}")
    used = own + [part.name for one in indexes for part in one.parts]
    included = sum(len(index.included) for index in indexes)
    if included > MAX_INCLUDED:
        raise ValidationException(
            INVALID + "Number of attributes projected with NonKeyAttributes across all indexes exceeds "
            f"the limit of {MAX_INCLUDED}"
        )  # wording from memory
    if any(part.name not in used for part in defined):
        raise ValidationException(
            INVALID + "Some AttributeDefinitions are not used. AttributeDefinitions: "
            f"[{', '.join(part.name for part in defined)}], keys used: [{', '.join(dict.fromkeys(used))}]"
        )
    return defined, hash_part, range_part, indexes


def _parts(schema: Sequence[Mapping[str, str]], defined: tuple[KeyPart, ...]) -> tuple[KeyPart, KeyPart | None]:
    by_name = {part.name: part for part in defined}
    names = [one["AttributeName"] for one in schema]
    if len(names) > len(defined):
        raise ValidationException("Invalid KeySchema: Some index key attribute have no definition")
    if any(name not in by_name for name in names):
        raise ValidationException(
            INVALID + "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(names)}], AttributeDefinitions: [{', '.join(by_name)}]"
        )
    if len(names) == 2 and names[0] == names[1]:
        raise ValidationException("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    if schema[0]["KeyType"] != "HASH":
        raise ValidationException("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if len(schema) == 2 and schema[1]["KeyType"] != "RANGE":
        raise ValidationException("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
    return by_name[names[0]], by_name[names[1]] if len(names) == 2 else None


def _index_parts(
    schema: Sequence[Mapping[str, str]], defined: tuple[KeyPart, ...]
) -> tuple[tuple[KeyPart, ...], tuple[KeyPart, ...]]:
    """The attributes of a global index's partition key and of its sort key (GSI.MultiAttributeKeys in the Developer
    Guide). AWS's own words for what only a multi-attribute key can get wrong are not known."""
    kinds = [one["KeyType"] for one in schema]
    if len(schema) <= MAX_TABLE_KEYS and kinds != ["HASH", "HASH"]:
        hash_part, range_part = _parts(schema, defined)
        return (hash_part,), () if range_part is None else (range_part,)
    by_name = {part.name: part for part in defined}
    names = [one["AttributeName"] for one in schema]
    if any(name not in by_name for name in names):
        raise ValidationException(
            INVALID + "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(names)}], AttributeDefinitions: [{', '.join(by_name)}]"
        )
    if kinds[0] != "HASH":
        raise ValidationException("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if kinds != sorted(kinds):  # HASH sorts before RANGE
        raise ValidationException("Invalid KeySchema: All HASH key elements must precede the RANGE key elements")
    if len(set(names)) != len(names):
        raise ValidationException("Invalid KeySchema: An attribute is named twice in the key schema")
    for kind in ("HASH", "RANGE"):
        if kinds.count(kind) > MAX_KEY_ATTRIBUTES:
            raise ValidationException(
                f"Invalid KeySchema: The number of {kind} key elements exceeds the limit of {MAX_KEY_ATTRIBUTES}"
            )
    parts = tuple(by_name[name] for name in names)
    return parts[: kinds.count("HASH")], parts[kinds.count("HASH") :]


def _local(
    given: Any, defined: tuple[KeyPart, ...], table_hash: KeyPart, table_range: KeyPart | None
) -> tuple[Index, ...]:
    if given is None:
        return ()
    if not given:
        raise ValidationException(INVALID + "List of LocalSecondaryIndexes is empty")
    if table_range is None:
        raise ValidationException(
            INVALID + "Table KeySchema does not have a range key, which is required "
            "when specifying a LocalSecondaryIndex"
        )
    found = []
    for one in given:
        name = one["IndexName"]
        hash_part, range_part = _parts(one["KeySchema"], defined)
        if range_part is None:
            raise ValidationException(INVALID + f"Index KeySchema does not have a range key for index: {name}")
        if hash_part.name != table_hash.name:
            raise ValidationException(
                INVALID + "Index KeySchema does not have the same leading hash key as table KeySchema "
                f"for index: {name}. index hash key: {hash_part.name}, table hash key: {table_hash.name}"
            )
        projection, included = _projection(one)
        found.append(Index(name, hash_part, range_part, projection, included, False))
    if len(found) > MAX_LOCAL_INDEXES:
        raise ValidationException(
            INVALID + f"Number of LocalSecondaryIndexes exceeds per-table limit of {MAX_LOCAL_INDEXES}"
        )
    return tuple(found)


def _global(given: Any, defined: tuple[KeyPart, ...], params: Params) -> tuple[Index, ...]:
    if given is None:
        return ()
    if not given:
        raise ValidationException(INVALID + "List of GlobalSecondaryIndexes is empty")
    on_demand = params.get("BillingMode") == "PAY_PER_REQUEST"
    found = [global_index(one, defined, on_demand) for one in given]
    if len(found) > MAX_GLOBAL_INDEXES:
        raise ValidationException(
            INVALID + f"GlobalSecondaryIndex count exceeds the per-table limit of {MAX_GLOBAL_INDEXES}"
        )
    return tuple(found)


def global_index(one: Mapping[str, Any], defined: tuple[KeyPart, ...], on_demand: bool) -> Index:
    """One global index, of CreateTable or UpdateTable. Raises ValidationException."""
    name = one["IndexName"]
    hashes, ranges = _index_parts(one["KeySchema"], defined)
    projection, included = _projection(one)
    throughput = one.get("ProvisionedThroughput")
    if on_demand and throughput:
        raise ValidationException(
            INVALID + f"ProvisionedThroughput should not be specified for index: {name} "
            "when BillingMode is PAY_PER_REQUEST"
        )
    if not on_demand and not throughput:
        raise ValidationException(INVALID + f"ProvisionedThroughput must be specified for index: {name}")
    reads, writes = (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) if throughput else (0, 0)
    first = ranges[0] if ranges else None
    index = Index(
        name, hashes[0], first, projection, included, True, reads, writes, more_hash=hashes[1:], more_range=ranges[1:]
    )
    return with_bounds(index, one, on_demand, creating=True)


def with_bounds(index: Index, detail: Mapping[str, Any], on_demand: bool, *, creating: bool = False) -> Index:
    """The index with its OnDemandThroughput and WarmThroughput as asked for. Raises ValidationException."""
    reads, writes = most_of(detail, on_demand, index.most_reads, index.most_writes, creating=creating)
    index = msgspec.structs.replace(index, most_reads=reads, most_writes=writes)
    if detail.get("WarmThroughput"):
        base = warm_base(index, "PAY_PER_REQUEST" if on_demand else "PROVISIONED")
        reads, writes = warm_of(detail, *base)
        index = msgspec.structs.replace(index, warm_reads=reads, warm_writes=writes)
    return index


def _projection(one: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    projection: Mapping[str, Any] = one.get("Projection") or {}
    kind = projection.get("ProjectionType")
    included = projection.get("NonKeyAttributes")
    if kind is None:
        raise ValidationException(INVALID + "Unknown ProjectionType: null")
    if included is not None and kind != "INCLUDE":
        raise ValidationException(INVALID + f"ProjectionType is {kind}, but NonKeyAttributes is specified")
    if kind == "INCLUDE" and not included:
        raise ValidationException(INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    return str(kind), tuple(included or ())
