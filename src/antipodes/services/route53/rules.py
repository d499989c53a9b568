"""What one record set must look like, whatever else is in its zone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from antipodes.services.route53.geolocations import is_known
from antipodes.services.route53.policies.geoproximity import LOCAL_ZONE_GROUPS
from antipodes.services.route53.records import RecordSet
from antipodes.wire import rdata
from antipodes.wire.errors import NotSupported
from antipodes.world.geography import regions

_POLICY_FIELDS = (
    "Weight",
    "Region",
    "Failover",
    "GeoLocation",
    "MultiValueAnswer",
    "CidrRoutingConfig",
    "GeoProximityLocation",
)
SUBDIVIDED = ("US", "UA")  # the countries whose subdivisions Route 53 knows
# Services that an alias can lead to on AWS and that this planet does not have.
_ABSENT_TARGETS = MappingProxyType(
    {
        ".cloudfront.net": "CloudFront distributions",
        ".elb.amazonaws.com": "load balancers",
        ".elasticbeanstalk.com": "Elastic Beanstalk environments",
        ".awsglobalaccelerator.com": "Global Accelerator",
        ".vpce.amazonaws.com": "VPC interface endpoints",
    }
)
MAX_VALUES = 400
MAX_LABEL = 63


def refuse_absent_targets(shape: Mapping[str, Any]) -> None:
    """Raises NotSupported for an alias that would lead to a service that is not here."""
    target = str((shape.get("AliasTarget") or {}).get("DNSName", "")).lower().removesuffix(".")
    for suffix, what in _ABSENT_TARGETS.items():
        if target.endswith(suffix):
            raise NotSupported(f"aliases to {what} ({target})")


def shape_faults(action: str, shape: Mapping[str, Any]) -> str:
    """What is wrong with the members of a ResourceRecordSet, in AWS's words; "" if nothing is."""
    name, kind, set_id = shape["Name"], shape["Type"], shape.get("SetIdentifier")
    where = f"in Change with [Action={action}, Name={name}, Type={kind}, SetIdentifier={set_id or 'null'}]"
    alias = shape.get("AliasTarget")
    plain = [member for member in ("TTL", "ResourceRecords") if shape.get(member) is not None]
    if shape.get("TrafficPolicyInstanceId"):
        return f"TrafficPolicyInstanceId is set by traffic policy instances alone {where}"
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
    return _place_faults(shape, where)


def _place_faults(shape: Mapping[str, Any], where: str) -> str:
    """Faults of the members that say where something is. Texts from memory."""
    geo = shape.get("GeoLocation")
    if geo is not None:
        continent, country, part = (geo.get(f"{word}Code") for word in ("Continent", "Country", "Subdivision"))
        if bool(continent) == bool(country) or (continent and part):
            return f"Expected exactly one of [ContinentCode, CountryCode, or CountryCode and SubdivisionCode] {where}"
        if part and country not in SUBDIVIDED:
            return f"SubdivisionCode {part} is not supported for CountryCode {country} {where}"
        if not is_known(continent, country, part):
            return f"The geolocation {continent or country}{f'-{part}' if part else ''} is not supported {where}"
    near = shape.get("GeoProximityLocation")
    if near is not None:
        given = [member for member in ("AWSRegion", "LocalZoneGroup", "Coordinates") if near.get(member)]
        if len(given) != 1:
            return f"Expected exactly one of [AWSRegion, LocalZoneGroup, Coordinates], but found {given} {where}"
        if given == ["AWSRegion"] and near["AWSRegion"] not in regions():
            return f"The AWSRegion {near['AWSRegion']} is not valid {where}"
        if given == ["LocalZoneGroup"] and near["LocalZoneGroup"] not in LOCAL_ZONE_GROUPS:
            return f"The LocalZoneGroup {near['LocalZoneGroup']} is not valid {where}"
        if given == ["Coordinates"]:
            latitude, longitude = (float(near["Coordinates"][axis]) for axis in ("Latitude", "Longitude"))
            if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
                return f"The Coordinates ({latitude:g}, {longitude:g}) are not on earth {where}"
    return ""


def value_faults(record: RecordSet) -> list[str]:
    """What is wrong with the values of a record set, in AWS's manner."""
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
        problem = _problem(record.type, number, value)
        if problem:
            faults.append(f"Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''")
    return faults


def name_problem(text: str, error: str) -> str:
    """AWS's name and words for what is wrong with a domain name, as far as they are on record; else ours."""
    labels = text.removesuffix(".").split(".")
    if "" in labels:
        return "DomainLabelEmpty (Domain label is empty)"
    if max(map(len, labels)) > MAX_LABEL and "\\" not in text:
        return "DomainLabelTooLong (Domain label is too long)"
    return f"DomainLabelInvalid ({error})"


def _problem(kind: str, number: int, value: str) -> str:
    """The same for a value; "" if nothing is wrong. Seen in public issue threads: IllegalIPv4Address, NotSingleField,
    NotFourFields, InvalidCharacterString, CharacterStringTooLong, DomainLabelEmpty. The others are from memory."""
    if kind in ("TXT", "SPF") and not (len(value) > 1 and value.strip()[:1] == value.strip()[-1:] == '"'):
        return "InvalidCharacterString (Value should be enclosed in quotation marks)"
    try:
        rdata.encode(number, value)
    except rdata.BadValue as error:
        said = str(error)
    else:
        return ""
    fields = value.split()
    if kind in ("TXT", "SPF"):
        long = "longer than 255" in said
        return "CharacterStringTooLong (Value is too long)" if long else f"InvalidCharacterString ({said})"
    if kind in _FIELDS and len(fields) != _FIELDS[kind][0]:
        return f"{kind}RRDATA{_FIELDS[kind][1]}"
    if kind == "A":
        return "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
    if kind == "AAAA":
        return "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
    if kind in ("CNAME", "NS", "PTR"):
        return name_problem(value, said)
    return f"{kind}RRDATAInvalid ({said})"


_ONE = (1, "NotSingleField (Value contains spaces)")
_FIELDS = MappingProxyType(
    {
        "A": _ONE,
        "AAAA": _ONE,
        "CNAME": _ONE,
        "NS": _ONE,
        "PTR": _ONE,
        "MX": (2, "NotTwoFields (MX record doesn't have 2 fields)"),
        "SRV": (4, "NotFourFields (SRV record doesn't have 4 fields)"),
    }
)
