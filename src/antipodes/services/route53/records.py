"""What Route 53 keeps: zones, record sets, health checks. Typed values, their AWS shapes and their bytes.

Rules. Pure. AWS parameter dicts end here. Names are kept as Route 53 prints them: lower case, trailing dot, other
characters as `\\ooo`. Bytes carry a format number, so that a later format can read this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from antipodes.wire.dns import decode_name, encode_name

FORMAT = 1

T = TypeVar("T", bound=msgspec.Struct)

PolicyName = Literal[
    "simple", "weighted", "latency", "failover", "geolocation", "geoproximity", "multivalue", "ip-based"
]

DEFAULT_LOCATION = "*"  # of IP-based routing: all clients that no CIDR block holds


class Zone(msgspec.Struct, frozen=True, omit_defaults=True):
    """A public hosted zone."""

    id: str  # "Z0123..."
    name: str
    caller_reference: str
    name_servers: tuple[str, ...]
    created_s: float  # epoch seconds; of two zones with one name the older one answers
    comment: str | None = None
    delegation_set: str = ""  # the id of a reusable delegation set, "" if it has a set of its own


class Alias(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an alias record points."""

    zone_id: str
    name: str
    evaluate: bool  # EvaluateTargetHealth


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """GeoLocation: a continent, or a country ("*": the default), or a subdivision of a country."""

    continent: str | None = None
    country: str | None = None
    subdivision: str | None = None


class Proximity(msgspec.Struct, frozen=True, omit_defaults=True):
    """GeoProximityLocation: where a resource is. Exactly one of region, zone_group, coordinates is set."""

    region: str | None = None
    zone_group: str | None = None
    coordinates: tuple[str, str] | None = None  # latitude, longitude, as they were written
    bias: int = 0


class Cidr(msgspec.Struct, frozen=True, omit_defaults=True):
    """CidrRoutingConfig: a location of a CIDR collection, or its DEFAULT_LOCATION."""

    collection_id: str
    location: str


class Collection(msgspec.Struct, frozen=True, omit_defaults=True):
    """A CIDR collection. `locations`: name to blocks, in order of name, blocks as they were written."""

    id: str
    name: str
    caller_reference: str
    version: int = 1
    locations: dict[str, tuple[str, ...]] = {}


class RecordSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """One resource record set. At most one of the policy fields is set."""

    name: str
    type: str
    ttl_s: int | None = None
    values: tuple[str, ...] = ()
    alias: Alias | None = None
    set_id: str = ""
    weight: int | None = None
    region: str | None = None
    failover: str | None = None
    place: Place | None = None
    multivalue: bool = False
    check_id: str = ""
    proximity: Proximity | None = None
    cidr: Cidr | None = None
    instance_id: str = ""  # the traffic policy instance that made it...
    tree: tuple[RecordSet, ...] = ()  # ...and what is answered instead: sets of this name and of names that they alias

    @property
    def policy(self) -> PolicyName:
        if self.weight is not None:
            return "weighted"
        if self.region is not None:
            return "latency"
        if self.failover is not None:
            return "failover"
        if self.place is not None:
            return "geolocation"
        if self.proximity is not None:
            return "geoproximity"
        if self.cidr is not None:
            return "ip-based"
        return "multivalue" if self.multivalue else "simple"


class Stream(msgspec.Struct, frozen=True, omit_defaults=True):
    """The data stream of a CloudWatch alarm's metric: the alarm's settings as they were when the check was made or
    last updated. An alarm that changes later is not followed until then (health-checks-creating-values.html)."""

    region: str
    alarm: str
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    period_s: int
    periods: int
    threshold: float
    comparison: str  # ComparisonOperator


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One health check."""

    id: str
    caller_reference: str
    version: int
    type: str
    ip: str | None = None
    port: int | None = None
    path: str = ""
    fqdn: str = ""
    search: str | None = None
    interval_s: int = 30
    threshold: int = 3
    measure_latency: bool = False
    inverted: bool = False
    disabled: bool = False
    health_threshold: int | None = None
    children: tuple[str, ...] = ()
    sni: bool | None = None
    regions: tuple[str, ...] = ()  # () : all checkers
    stream: Stream | None = None
    insufficient: str = ""  # InsufficientDataHealthStatus
    control: str = ""  # ARN of a routing control

    @property
    def calls(self) -> bool:
        """Whether it is about an endpoint that checkers call."""
        return self.type not in ("CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL")

    @property
    def probes(self) -> bool:
        """Whether checkers call an endpoint for it now."""
        return self.calls and not self.disabled

    @property
    def target(self) -> str:
        """The endpoint as a person names it."""
        if self.type == "CALCULATED":
            return f"calculated({', '.join(self.children)})"
        if self.stream is not None:
            return f"metric of alarm {self.stream.alarm} in {self.stream.region}"
        if self.control:
            return f"routing control {self.control}"
        scheme = self.type.partition("_")[0].lower()
        return f"{scheme}://{self.fqdn or self.ip}:{self.port}{self.path}"


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    format: int
    body: msgspec.Raw


def pack(value: msgspec.Struct) -> bytes:
    return msgspec.msgpack.encode(_Packed(FORMAT, msgspec.Raw(msgspec.msgpack.encode(value))))


def unpack(data: bytes, kind: type[T]) -> T:
    packed = msgspec.msgpack.decode(data, type=_Packed)
    assert packed.format == FORMAT, f"route53 row of format {packed.format}"
    return msgspec.msgpack.decode(packed.body, type=kind)


# ---------------------------------------------------------------- keys


# What is tidy already, but for the last dot: most names, and the quick way for them.
_PLAIN = re.compile(r"(?:[a-z0-9_/-]{1,63}\.)*[a-z0-9_/-]{1,63}\.?").fullmatch


def tidy(name: str) -> str:
    """A name as Route 53 prints it. Raises wire.dns.BadName."""
    if _PLAIN(name) and len(name) < 254:
        return name if name.endswith(".") else name + "."
    return decode_name(encode_name(name))


def reversed_name(name: str) -> str:
    """ "www.example.com." as "com.example.www.": the order of ListResourceRecordSets. `name` is tidy: no escape in it
    holds a dot."""
    return ".".join(reversed(name[:-1].split("."))) + "."


def zone_key(zone_id: str) -> bytes:
    return zone_id.encode()


def name_key(zone_id: str, name: str) -> bytes:
    """The prefix of all record sets of one name."""
    return f"{zone_id}/{reversed_name(name)}\0".encode()


def record_key(zone_id: str, record: RecordSet) -> bytes:
    return name_key(zone_id, record.name) + f"{record.type}\0{record.set_id}".encode()


# ---------------------------------------------------------------- AWS shapes


def record_of(shape: Mapping[str, Any]) -> RecordSet:
    """A ResourceRecordSet of the API. Raises wire.dns.BadName. What it may hold is checked elsewhere."""
    alias, geo, cidr = shape.get("AliasTarget"), shape.get("GeoLocation"), shape.get("CidrRoutingConfig")
    return RecordSet(
        name=tidy(shape["Name"]),
        type=shape["Type"],
        ttl_s=int(shape["TTL"]) if shape.get("TTL") is not None else None,
        values=tuple(one["Value"] for one in shape.get("ResourceRecords") or ()),
        alias=_alias_of(alias) if alias else None,
        set_id=shape.get("SetIdentifier") or "",
        weight=int(shape["Weight"]) if shape.get("Weight") is not None else None,
        region=shape.get("Region"),
        failover=shape.get("Failover"),
        place=Place(geo.get("ContinentCode"), geo.get("CountryCode"), geo.get("SubdivisionCode")) if geo else None,
        multivalue=bool(shape.get("MultiValueAnswer")),
        check_id=shape.get("HealthCheckId") or "",
        proximity=_proximity_of(shape["GeoProximityLocation"]) if shape.get("GeoProximityLocation") else None,
        cidr=Cidr(cidr["CollectionId"], cidr["LocationName"]) if cidr else None,
        instance_id=shape.get("TrafficPolicyInstanceId") or "",
    )


def _proximity_of(shape: Mapping[str, Any]) -> Proximity:
    at = shape.get("Coordinates")
    return Proximity(
        shape.get("AWSRegion"),
        shape.get("LocalZoneGroup"),
        (at["Latitude"], at["Longitude"]) if at else None,
        int(shape.get("Bias") or 0),
    )


def _alias_of(shape: Mapping[str, Any]) -> Alias:
    return Alias(bare_id(shape["HostedZoneId"]), tidy(shape["DNSName"]), bool(shape["EvaluateTargetHealth"]))


def bare_id(text: str) -> str:
    """ "/hostedzone/Z1" or "Z1" to "Z1": both come in."""
    return text.rpartition("/")[2]


def record_shape(record: RecordSet) -> dict[str, Any]:
    shape: dict[str, Any] = {"Name": record.name, "Type": record.type}
    if record.set_id:
        shape["SetIdentifier"] = record.set_id
    if record.weight is not None:
        shape["Weight"] = record.weight
    if record.region is not None:
        shape["Region"] = record.region
    if record.failover is not None:
        shape["Failover"] = record.failover
    if record.place is not None:
        names = {"ContinentCode": "continent", "CountryCode": "country", "SubdivisionCode": "subdivision"}
        place = {key: getattr(record.place, field) for key, field in names.items()}
        shape["GeoLocation"] = {key: value for key, value in place.items() if value is not None}
    if record.multivalue:
        shape["MultiValueAnswer"] = True
    if record.proximity is not None:
        shape["GeoProximityLocation"] = _proximity_shape(record.proximity)
    if record.cidr is not None:
        shape["CidrRoutingConfig"] = {"CollectionId": record.cidr.collection_id, "LocationName": record.cidr.location}
    if record.ttl_s is not None:
        shape["TTL"] = record.ttl_s
    if record.values:
        shape["ResourceRecords"] = [{"Value": value} for value in record.values]
    if record.alias is not None:
        shape["AliasTarget"] = {
            "HostedZoneId": record.alias.zone_id,
            "DNSName": record.alias.name,
            "EvaluateTargetHealth": record.alias.evaluate,
        }
    if record.check_id:
        shape["HealthCheckId"] = record.check_id
    if record.instance_id:
        shape["TrafficPolicyInstanceId"] = record.instance_id
    return shape


def _proximity_shape(place: Proximity) -> dict[str, Any]:
    shape: dict[str, Any] = {}
    if place.region is not None:
        shape["AWSRegion"] = place.region
    if place.zone_group is not None:
        shape["LocalZoneGroup"] = place.zone_group
    if place.coordinates is not None:
        shape["Coordinates"] = {"Latitude": place.coordinates[0], "Longitude": place.coordinates[1]}
    return shape | {"Bias": place.bias}


_CONFIG = (  # field, AWS's member, left out when it has this value
    ("ip", "IPAddress", None),
    ("port", "Port", None),
    ("type", "Type", None),
    ("path", "ResourcePath", ""),
    ("fqdn", "FullyQualifiedDomainName", ""),
    ("search", "SearchString", None),
    ("health_threshold", "HealthThreshold", None),
    ("sni", "EnableSNI", None),
    ("insufficient", "InsufficientDataHealthStatus", ""),
    ("control", "RoutingControlArn", ""),
)


def check_shape(check: Check) -> dict[str, Any]:
    """The HealthCheck shape."""
    config = {member: getattr(check, field) for field, member, absent in _CONFIG if getattr(check, field) != absent}
    config |= {"Inverted": check.inverted, "Disabled": check.disabled}
    if check.type == "CALCULATED":
        config["ChildHealthChecks"] = list(check.children)
    if check.calls:
        config |= {
            "RequestInterval": check.interval_s,
            "FailureThreshold": check.threshold,
            "MeasureLatency": check.measure_latency,
        }
    if check.regions:
        config["Regions"] = list(check.regions)
    shape = {
        "Id": check.id,
        "CallerReference": check.caller_reference,
        "HealthCheckConfig": config,
        "HealthCheckVersion": check.version,
    }
    if check.stream is not None:
        config["AlarmIdentifier"] = {"Region": check.stream.region, "Name": check.stream.alarm}
        shape["CloudWatchAlarmConfiguration"] = _stream_shape(check.stream)
    return shape


def _stream_shape(stream: Stream) -> dict[str, Any]:
    return {
        "EvaluationPeriods": stream.periods,
        "Threshold": stream.threshold,
        "ComparisonOperator": stream.comparison,
        "Period": stream.period_s,
        "MetricName": stream.metric,
        "Namespace": stream.namespace,
        "Statistic": stream.statistic,
        "Dimensions": [{"Name": name, "Value": value} for name, value in stream.dimensions],
    }
