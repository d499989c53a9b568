"""Traffic policy documents: JSON to a checked tree, and the tree to record sets.

Rules. Pure. Both versions ("2015-10-01", "2023-05-09") have one format; numbers and booleans may be native or strings
(api-policies-traffic-policy-document-format.html, and real documents). Every rule becomes the record sets of one name:
the start rule those of the instance's own name, each other one those of a name below TREE_LABEL that its referrers
alias. Endpoints of type "value" become values, "s3-website" an alias; other endpoint types name services that this
planet does not have and are refused by name. Messages are from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from antipodes.services.route53.desk import fault
from antipodes.services.route53.geolocations import is_known
from antipodes.services.route53.policies.geoproximity import LOCAL_ZONE_GROUPS
from antipodes.services.route53.records import Alias, Place, Proximity, RecordSet, Zone
from antipodes.services.route53.rules import value_faults
from antipodes.wire.dns import TYPES
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.world.geography import regions

VERSIONS = ("2015-10-01", "2023-05-09")
TREE_LABEL = "_traffic-policy"
REGION_PREFIX = "aws:route53:"
S3_WEBSITE_ZONE = "Z3AQBSTGFYJSTF"  # us-east-1's; which one it is plays no part here
_ABSENT_SERVICES = (
    "cloudfront",
    "elastic-load-balancer",
    "application-load-balancer",
    "network-load-balancer",
    "elastic-beanstalk",
)


@dataclass(frozen=True, slots=True)
class Item:
    """One branch of a rule. Exactly one of endpoint and rule is set. `marks`: RecordSet fields of the policy."""

    endpoint: str
    rule: str
    evaluate: bool
    check_id: str
    marks: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """A checked document. Exactly one of start_endpoint and start_rule is set."""

    record_type: str
    start_endpoint: str
    start_rule: str
    values: Mapping[str, str]  # endpoints of type "value"
    websites: Mapping[str, str]  # endpoints of type "s3-website"
    rules: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)

    @property
    def check_ids(self) -> list[str]:
        """The health checks that it names, each once."""
        return list(dict.fromkeys(item.check_id for items in self.rules.values() for item in items if item.check_id))


def invalid_document(message: str) -> ClientFault:
    return fault("InvalidTrafficPolicyDocument", message)


# ---------------------------------------------------------------- JSON to a tree


def parse(text: str) -> Document:
    """Raises InvalidTrafficPolicyDocument, NotSupported."""
    try:
        whole = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid_document(f"The traffic policy document is not valid JSON: {error}") from None
    whole = _mapping(whole, "The document")
    if whole.get("AWSPolicyFormatVersion") not in VERSIONS:
        raise invalid_document(f"AWSPolicyFormatVersion must be one of {', '.join(VERSIONS)}.")
    kind = whole.get("RecordType")
    if kind not in TYPES or kind in ("NS", "SOA", "ANY"):
        raise invalid_document(f"The RecordType {kind} is not supported for traffic policies.")
    values, websites = _endpoints(_mapping(whole.get("Endpoints") or {}, "Endpoints"), str(kind))
    start_endpoint, start_rule = _text(whole, "StartEndpoint"), _text(whole, "StartRule")
    if bool(start_endpoint) == bool(start_rule):
        raise invalid_document("Exactly one of StartEndpoint and StartRule must be specified.")
    rules = {
        name: _rule(name, _mapping(rule, f"Rule {name}"))
        for name, rule in _mapping(whole.get("Rules") or {}, "Rules").items()
    }
    document = Document(str(kind), start_endpoint, start_rule, values, websites, rules)
    _check_references(document)
    return document


def _endpoints(given: Mapping[str, Any], kind: str) -> tuple[dict[str, str], dict[str, str]]:
    values: dict[str, str] = {}
    websites: dict[str, str] = {}
    for name, shape in given.items():
        endpoint = _mapping(shape, f"Endpoint {name}")
        sort, value = _text(endpoint, "Type"), _text(endpoint, "Value")
        if sort in _ABSENT_SERVICES:
            raise NotSupported(f"traffic policy endpoints of type {sort}")
        if sort not in ("value", "s3-website"):
            raise invalid_document(f"The Type {sort} of endpoint {name} is not valid.")
        if not value:
            raise invalid_document(f"Endpoint {name} has no Value.")
        if sort == "s3-website":
            websites[name] = value if value.endswith(".") else value + "."
            continue
        faults = value_faults(RecordSet(f"{name}.", kind, 0, (value,)))
        if faults:
            raise invalid_document(f"Endpoint {name}: {faults[0]}")
        values[name] = value
    return values, websites


def _rule(name: str, rule: Mapping[str, Any]) -> tuple[Item, ...]:
    kind = _text(rule, "RuleType")
    where = f"Rule {name}"
    if kind == "failover":
        found = [
            _item(_mapping(rule.get(role) or {}, f"{where}, {role}"), where, {"failover": role.upper()})
            for role in ("Primary", "Secondary")
        ]
        return tuple(found)
    members: Mapping[str, tuple[str, Callable[[Mapping[str, Any], str], dict[str, Any]]]] = {
        "weighted": ("Items", _weight),
        "multivalue": ("Items", lambda item, where: {"multivalue": True}),
        "latency": ("Regions", _region),
        "geo": ("Locations", _place),
        "geoproximity": ("GeoproximityLocations", _proximity),
    }
    if kind not in members:
        raise invalid_document(f"The RuleType {kind} of rule {name} is not valid.")
    member, marks_of = members[kind]
    listed = rule.get(member)
    if not isinstance(listed, list) or not listed:
        raise invalid_document(f"{where} has no {member}.")
    items = [_mapping(one, f"{where}, {member}") for one in listed]
    found = [_item(one, where, marks_of(one, where)) for one in items]
    if kind == "multivalue" and any(one.rule for one in found):
        raise invalid_document(f"{where}: a multivalue rule refers to endpoints only.")
    marks = [msgspec.json.encode(dict(one.marks)) for one in found]
    if kind in ("latency", "geo") and len(marks) != len(dict.fromkeys(marks)):
        raise invalid_document(f"{where}: two of its {member} are the same.")
    return tuple(found)


def _item(given: Mapping[str, Any], where: str, marks: Mapping[str, Any]) -> Item:
    endpoint, rule = _text(given, "EndpointReference"), _text(given, "RuleReference")
    if bool(endpoint) == bool(rule):
        raise invalid_document(f"{where}: exactly one of EndpointReference and RuleReference must be specified.")
    return Item(endpoint, rule, _truth(given, "EvaluateTargetHealth", where), _text(given, "HealthCheck"), marks)


def _weight(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {"weight": _number(item, "Weight", where, 0, 255)}


def _region(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    region = _text(item, "Region").removeprefix(REGION_PREFIX)
    if region not in regions():
        raise invalid_document(f"{where}: the Region {region} is not valid.")
    return {"region": region}


def _place(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    continent, country, part = (_text(item, member) or None for member in ("Continent", "Country", "Subdivision"))
    if _truth(item, "IsDefault", where):
        if continent or part or country not in (None, "*"):
            raise invalid_document(f"{where}: the default location has neither Continent nor Country.")
        return {"place": Place(country="*")}
    if bool(continent) == bool(country) or not is_known(continent, country, part):
        raise invalid_document(f"{where}: the location {continent or country or ''}-{part or ''} is not valid.")
    return {"place": Place(continent, country, part)}


def _proximity(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    region, group = _text(item, "Region").removeprefix(REGION_PREFIX), _text(item, "LocalZoneGroup")
    latitude, longitude = _text(item, "Latitude"), _text(item, "Longitude")
    bias = _number(item, "Bias", where, -99, 99)
    if sum((bool(region), bool(group), bool(latitude and longitude))) != 1:
        raise invalid_document(f"{where}: exactly one of Region, LocalZoneGroup, and Latitude and Longitude is needed.")
    if region and region not in regions():
        raise invalid_document(f"{where}: the Region {region} is not valid.")
    if group and group not in LOCAL_ZONE_GROUPS:
        raise invalid_document(f"{where}: the LocalZoneGroup {group} is not valid.")
    if not (region or group):
        try:
            on_earth = abs(float(latitude)) <= 90 and abs(float(longitude)) <= 180
        except ValueError:
            on_earth = False
        if not on_earth:
            raise invalid_document(f"{where}: {latitude}, {longitude} is no place on earth.")
        return {"proximity": Proximity(coordinates=(latitude, longitude), bias=bias)}
    return {"proximity": Proximity(region or None, group or None, bias=bias)}


def _check_references(document: Document) -> None:
    """Every reference leads somewhere, and none in a circle."""
    endpoints = {**document.values, **document.websites}
    if document.start_endpoint and document.start_endpoint not in endpoints:
        raise invalid_document(f"The StartEndpoint {document.start_endpoint} does not exist.")
    if document.start_rule and document.start_rule not in document.rules:
        raise invalid_document(f"The StartRule {document.start_rule} does not exist.")
    for name, items in document.rules.items():
        for item in items:
            if item.endpoint and item.endpoint not in endpoints:
                raise invalid_document(f"Rule {name} refers to the endpoint {item.endpoint}, which does not exist.")
            if item.rule and item.rule not in document.rules:
                raise invalid_document(f"Rule {name} refers to the rule {item.rule}, which does not exist.")
    done: dict[str, bool] = {}  # False: being walked

    def walk(name: str) -> None:
        if name in done:
            if not done[name]:
                raise invalid_document(f"Rule {name} refers to itself through other rules.")
            return
        if len(done) > MAX_RULES:
            raise invalid_document(f"A traffic policy document holds at most {MAX_RULES} rules.")
        done[name] = False
        for item in document.rules[name]:
            if item.rule:
                walk(item.rule)
        done[name] = True

    for name in document.rules:
        walk(name)


MAX_RULES = 200  # a guess: AWS says 50 geo rules and the like; it also bounds our recursion


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise invalid_document(f"{what} must be a JSON object.")
    return value


def _text(given: Mapping[str, Any], member: str) -> str:
    value = given.get(member)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise invalid_document(f"{member} must be a string.")
    return str(value)


def _truth(given: Mapping[str, Any], member: str, where: str) -> bool:
    value = given.get(member)
    if isinstance(value, bool) or value is None:
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise invalid_document(f"{where}: {member} must be true or false.")


def _number(given: Mapping[str, Any], member: str, where: str, least: int, most: int) -> int:
    text = _text(given, member) or "0"
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 6 and least <= int(text) <= most):
        raise invalid_document(f"{where}: {member} must be a whole number between {least} and {most}.")
    return int(text)


# ---------------------------------------------------------------- a tree to record sets


def expand(document: Document, zone: Zone, name: str, ttl_s: int, instance_id: str) -> list[RecordSet]:
    """The record sets of an instance; those of `name` itself come first."""
    names = {rule: f"r{number}.{instance_id}.{TREE_LABEL}.{zone.name}" for number, rule in enumerate(document.rules, 1)}
    names[document.start_rule] = name

    def branch(at: str, set_id: str, item: Item) -> RecordSet:
        marks = {"set_id": set_id, "check_id": item.check_id, **item.marks}
        if item.endpoint in document.values:
            return RecordSet(at, document.record_type, ttl_s, (document.values[item.endpoint],), **marks)
        if item.rule:
            alias = Alias(zone.id, names[item.rule], item.evaluate)
        else:
            alias = Alias(S3_WEBSITE_ZONE, document.websites[item.endpoint], item.evaluate)
        return RecordSet(at, document.record_type, alias=alias, **marks)

    if document.start_endpoint:
        return [branch(name, "", Item(document.start_endpoint, "", False, "", {}))]
    order = [document.start_rule, *(rule for rule in document.rules if rule != document.start_rule)]
    return [
        branch(names[rule], f"{rule}-{number}", item)
        for rule in order
        for number, item in enumerate(document.rules[rule], 1)
    ]
