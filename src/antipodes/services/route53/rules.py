"""What one record set must look like, whatever else is in its zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.route53.records import RecordSet
from antipodes.wire import rdata
from antipodes.wire.errors import NotSupported

_POLICY_FIELDS = ("Weight", "Region", "Failover", "GeoLocation", "MultiValueAnswer")
_UNSUPPORTED = {
    "CidrRoutingConfig": "IP-based routing (CidrRoutingConfig)",
    "GeoProximityLocation": "geoproximity routing (GeoProximityLocation)",
    "TrafficPolicyInstanceId": "traffic policy instances",
}
CONTINENTS = ("AF", "AN", "AS", "EU", "NA", "OC", "SA")
MAX_VALUES = 400


def refuse_unsupported(shape: Mapping[str, Any]) -> None:
    """Raises NotSupported for what antipodes does not route by."""
    for member, what in _UNSUPPORTED.items():
        if shape.get(member):
            raise NotSupported(what)
    if (shape.get("GeoLocation") or {}).get("SubdivisionCode"):
        raise NotSupported("geolocation routing by subdivision (GeoLocation.SubdivisionCode)")


def shape_faults(action: str, shape: Mapping[str, Any]) -> str:
    """What is wrong with the members of a ResourceRecordSet, in AWS's words; "" if nothing is."""
    name, kind, set_id = shape["Name"], shape["Type"], shape.get("SetIdentifier")
    where = f"in Change with [Action={action}, Name={name}, Type={kind}, SetIdentifier={set_id or 'null'}]"
    alias = shape.get("AliasTarget")
    plain = [member for member in ("TTL", "ResourceRecords") if shape.get(member) is not None]
    content = "[AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]"
    if alias and plain:
        return f"Expected exactly one of {content}, but found more than one {where}"
    if not alias and len(plain) < 2:
        missing = ", ".join(member for member in ("TTL", "ResourceRecords") if member not in plain)
        if plain:
            return f"Missing field '{missing}' {where}"
        return f"Expected exactly one of {content}, but found none {where}"
    # MultiValueAnswer=false is no policy; a Weight of 0 is one.
    policies = [member for member in _POLICY_FIELDS if shape.get(member) is not None and shape[member] is not False]
    if len(policies) > 1:
        return f"Expected at most one of [{', '.join(_POLICY_FIELDS)}], but found {', '.join(policies)} {where}"
    if policies and not set_id:
        return f"Missing field 'SetIdentifier' {where}"
    if set_id and not policies:
        return f"Expected exactly one of [{', '.join(_POLICY_FIELDS)}], but found none {where}"
    return _range_faults(shape, where)


def _range_faults(shape: Mapping[str, Any], where: str) -> str:
    if shape.get("Weight") is not None and not 0 <= int(shape["Weight"]) <= 255:
        return f"Weight must be between 0 and 255 {where}"
    if shape.get("TTL") is not None and not 0 <= int(shape["TTL"]) <= 2_147_483_647:
        return f"TTL must be between 0 and 2147483647 {where}"
    if shape.get("Failover") not in (None, "PRIMARY", "SECONDARY"):
        return f"Failover must be PRIMARY or SECONDARY {where}"
    geo = shape.get("GeoLocation")
    if geo:
        continent, country = geo.get("ContinentCode"), geo.get("CountryCode")
        if bool(continent) == bool(country):
            return f"Expected exactly one of [ContinentCode, CountryCode] {where}"
        if continent and continent not in CONTINENTS:
            return f"ContinentCode must be one of {', '.join(CONTINENTS)} {where}"
    return ""


def value_faults(record: RecordSet) -> list[str]:
    """What is wrong with the values of a record set, in AWS's manner; the problem's name is from memory."""
    if record.alias is not None:
        return []
    where = f"{record.type} record {record.name}"
    try:
        number = rdata.type_number(record.type)
    except KeyError:
        return [f"Unsupported record type {record.type}"]
    if record.type in ("CNAME", "SOA") and len(record.values) != 1:
        return [f"{record.type} RRSet with DNS name {record.name} must have exactly one resource record"]
    if record.multivalue and len(record.values) != 1:
        return [f"Multivalue answer RRSet with DNS name {record.name} must have exactly one resource record"]
    if len(record.values) > MAX_VALUES:
        return [f"Number of values limit of {MAX_VALUES} exceeded for {where}"]
    if len(record.values) != len(dict.fromkeys(record.values)):
        return [f"Duplicate Resource Record: the {where} holds a value twice"]
    faults = []
    for value in record.values:
        try:
            rdata.encode(number, value)
        except rdata.BadValue as error:
            faults.append(
                f"Invalid Resource Record: 'FATAL problem: {record.type}RRDATAInvalid ({error}) "
                f"encountered with '{value}''"
            )
    return faults
