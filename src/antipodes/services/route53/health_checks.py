"""Health checks: create, get, list, update, delete, status and last failure reason.

Rules. Settings are judged here; probing and verdicts are the name server's, which is asked for them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.route53.desk import Desk, fault, invalid, marked_page
from antipodes.services.route53.health import CHECKER_REGIONS, LAST_KNOWN
from antipodes.services.route53.ledger import CHECKS, DESK, Entry
from antipodes.services.route53.limits import MAX_CHECKS
from antipodes.services.route53.records import Check, Stream, check_shape, pack
from antipodes.wire.dns import BadName, encode_name
from antipodes.wire.errors import ClientFault, ServerFault
from antipodes.wire.operation import Request
from antipodes.world.geography import address_of

MAX_PAGE = 100
PROBED = ("HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH", "TCP")
MAX_CHILDREN = 256
# RFC 5735, RFC 6598. Loopback is missing on purpose: on this planet it is where the Regions live.
FORBIDDEN = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        *("224.0.0.0/4", "240.0.0.0/4", "fc00::/7", "fe80::/10", "ff00::/8"),
    )
)
_UPDATABLE = {
    "IPAddress": "ip",
    "Port": "port",
    "ResourcePath": "path",
    "FullyQualifiedDomainName": "fqdn",
    "SearchString": "search",
    "FailureThreshold": "threshold",
    "Inverted": "inverted",
    "Disabled": "disabled",
    "HealthThreshold": "health_threshold",
    "ChildHealthChecks": "children",
    "EnableSNI": "sni",
    "Regions": "regions",
    "InsufficientDataHealthStatus": "insufficient",
}
_RESET: dict[str, Any] = {"FullyQualifiedDomainName": "", "Regions": (), "ResourcePath": "", "ChildHealthChecks": ()}
_RESET_FIELDS = {
    "FullyQualifiedDomainName": "fqdn",
    "Regions": "regions",
    "ResourcePath": "path",
    "ChildHealthChecks": "children",
}


class HealthChecks:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create_health_check(self, request: Request) -> Mapping[str, Any]:
        reference = request.params["CallerReference"]
        check = _check_of(reference, request.params["HealthCheckConfig"])
        known = next((one for one in self._desk.checks() if one.caller_reference == reference), None)
        used = self._desk.ledger.get(DESK, _reference_key(reference)) is not None
        # Same reference and settings: the existing check. Other settings, or the reference of a deleted one: refused.
        if (known is None and used) or (known is not None and not _same(known, check)):
            raise fault(
                "HealthCheckAlreadyExists",
                "The health check you're trying to create already exists with the same caller reference "
                "and different settings, or was deleted.",
            )
        if known is None:
            if self._desk.ledger.count(CHECKS, b"") >= MAX_CHECKS:
                raise fault("TooManyHealthChecks", f"The limit of {MAX_CHECKS} health checks has been reached.")
            self._judge(check)
            await self._find_control(check)
            check = msgspec.structs.replace(check, stream=await self._stream(check))
            known = msgspec.structs.replace(check, id=self._desk.draw_uuid())
            await self._desk.write(
                [(CHECKS, known.id.encode(), pack(known)), (DESK, _reference_key(reference), known.id.encode())]
            )
        await self._desk.settle()
        location = f"https://route53.amazonaws.com/2013-04-01/healthcheck/{known.id}"
        return {"HealthCheck": check_shape(known), "Location": location}

    async def get_health_check(self, request: Request) -> Mapping[str, Any]:
        check = self._desk.check(request.params["HealthCheckId"])
        await self._desk.settle()
        return {"HealthCheck": check_shape(check)}

    async def list_health_checks(self, request: Request) -> Mapping[str, Any]:
        found = self._desk.checks()
        await self._desk.settle()
        shapes, ids = [check_shape(one) for one in found], [one.id for one in found]
        return marked_page(shapes, ids, request.params, "HealthChecks", MAX_PAGE)

    async def update_health_check(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        check = self._desk.check(params["HealthCheckId"])
        version = params.get("HealthCheckVersion")
        if version is not None and int(version) != check.version:
            raise fault(
                "HealthCheckVersionMismatch",
                f"The version {version} does not match the current version {check.version}.",
            )
        changes = {
            field: tuple(params[member]) if isinstance(params[member], list) else params[member]
            for member, field in _UPDATABLE.items()
            if params.get(member) is not None
        }
        for element in params.get("ResetElements") or ():
            if element not in _RESET:
                raise invalid(f"{element} is not a valid ResettableElementName")
            changes[_RESET_FIELDS[element]] = _RESET[element]
        check = msgspec.structs.replace(check, version=check.version + 1, **changes)
        if params.get("AlarmIdentifier"):
            check = msgspec.structs.replace(check, stream=_named_alarm(params))
        self._judge(check)
        check = msgspec.structs.replace(check, stream=await self._stream(check))
        await self._desk.write([(CHECKS, check.id.encode(), pack(check))])
        return {"HealthCheck": check_shape(check)}

    async def delete_health_check(self, request: Request) -> Mapping[str, Any]:
        check = self._desk.check(request.params["HealthCheckId"])
        parents = [one.id for one in self._desk.checks() if check.id in one.children]
        if parents:
            raise ClientFault(
                "HealthCheckInUse", f"The health check is a child of the calculated health check {parents[0]}."
            )
        entries: list[Entry] = [
            (CHECKS, check.id.encode(), None),
            (DESK, f"tags/healthcheck/{check.id}".encode(), None),
        ]
        await self._desk.write(entries)
        return {}

    async def get_health_check_status(self, request: Request) -> Mapping[str, Any]:
        return await self._observations(request, "DataPlaneHealth")

    async def get_health_check_last_failure_reason(self, request: Request) -> Mapping[str, Any]:
        return await self._observations(request, "DataPlaneLastFailure")

    async def get_checker_ip_ranges(self, request: Request) -> Mapping[str, Any]:
        """Where checkers call from on this planet: the addresses of their Regions."""
        return {"CheckerIpRanges": [f"{address_of(region)}/32" for region in CHECKER_REGIONS]}

    async def _stream(self, check: Check) -> Stream | None:
        """The alarm's settings as they are now. Raises InvalidInput: no such alarm, or one that cannot be used."""
        if check.stream is None:
            return None
        region, name = check.stream.region, check.stream.alarm
        if region not in self._desk.around.settings.regions:
            raise invalid(f"This planet has no Region {region} for the alarm {name}.")
        found = await self._desk.around.call("cloudwatch", "DescribeAlarms", {"AlarmNames": [name]}, region=region)
        alarms = found["MetricAlarms"]
        if not alarms:
            raise invalid(f"The alarm {name} does not exist in {region}.")
        return _stream_of(check.stream, alarms[0])

    async def _find_control(self, check: Check) -> None:
        """Raises InvalidInput: no Region that can be reached knows the routing control (whether AWS looks is not
        documented: a guess). Its Region may know what has not come here yet."""
        if not check.control:
            return
        here = self._desk.around.region
        others = [one for one in self._desk.around.settings.regions if one != here]
        for region in (here, *others):
            asked = {"RoutingControlArn": check.control}
            try:
                await self._desk.around.call("route53-recovery-cluster", "GetRoutingControlState", asked, region=region)
                return
            except (ClientFault, ServerFault):
                continue
        raise invalid(f"The routing control {check.control} does not exist.")

    async def _observations(self, request: Request, operation: str) -> Mapping[str, Any]:
        check = self._desk.check(request.params["HealthCheckId"])
        if check.type == "CALCULATED":
            raise invalid("Calculated health checks have no checkers of their own.")
        if check.control:
            # What AWS says instead is not documented: a guess.
            raise invalid("Health checks on a routing control have no checkers: ask GetRoutingControlState.")
        return await self._desk.ask_name_server(operation, {"HealthCheckId": check.id})

    def _judge(self, check: Check) -> None:
        """Raises InvalidInput: settings that do not go together. Texts from memory."""
        if (check.type == "RECOVERY_CONTROL") != bool(check.control):
            raise invalid("RoutingControlArn must be specified for RECOVERY_CONTROL health checks, and only for those.")
        if check.type == "CALCULATED":
            if check.ip or check.port or check.fqdn or check.path or check.search:
                raise invalid("Calculated health checks have neither endpoint nor search string.")
            if not check.children or len(check.children) > MAX_CHILDREN:
                raise invalid(f"A calculated health check has 1 to {MAX_CHILDREN} child health checks.")
            if check.health_threshold is None or not 0 <= check.health_threshold <= MAX_CHILDREN:
                raise invalid(f"HealthThreshold must be between 0 and {MAX_CHILDREN}.")
            for child in check.children:
                if self._desk.check(child).type == "CALCULATED":
                    raise invalid(f"The child health check {child} is calculated itself.")
            return
        if check.type == "CLOUDWATCH_METRIC":
            _judge_stream(check)
        elif check.type == "RECOVERY_CONTROL":
            _judge_control(check)
        else:
            _judge_endpoint(check)
        if check.children or check.health_threshold is not None:
            raise invalid("ChildHealthChecks and HealthThreshold belong to calculated health checks.")


def _judge_stream(check: Check) -> None:
    if check.stream is None:
        raise invalid("AlarmIdentifier must be specified for CLOUDWATCH_METRIC health checks.")
    if check.ip or check.port or check.fqdn or check.path or check.search or check.regions:
        raise invalid("CLOUDWATCH_METRIC health checks have no endpoint, search string or checker Regions.")


def _judge_control(check: Check) -> None:
    if check.ip or check.port or check.fqdn or check.path or check.search or check.regions:
        raise invalid("RECOVERY_CONTROL health checks have no endpoint, search string or checker Regions.")
    if check.stream is not None or check.insufficient:
        raise invalid("AlarmIdentifier and InsufficientDataHealthStatus belong to CLOUDWATCH_METRIC health checks.")


def _named_alarm(params: Mapping[str, Any]) -> Stream | None:
    """The alarm that is meant, its settings still unknown."""
    alarm = params.get("AlarmIdentifier")
    return Stream(alarm["Region"], alarm["Name"], "", "", (), "", 0, 0, 0.0, "") if alarm else None


def _stream_of(named: Stream, alarm: Mapping[str, Any]) -> Stream:
    """Raises InvalidInput: standard resolution, one metric, no M out of N (health-checks-creating-values.html)."""
    if int(alarm["Period"]) < 60:
        raise invalid(f"The alarm {named.alarm} has a high-resolution metric, which health checks do not support.")
    if alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]) != alarm["EvaluationPeriods"]:
        raise invalid(f"The alarm {named.alarm} is an M out of N alarm, which health checks do not support.")
    return Stream(
        region=named.region,
        alarm=named.alarm,
        namespace=alarm["Namespace"],
        metric=alarm["MetricName"],
        dimensions=tuple((one["Name"], one["Value"]) for one in alarm.get("Dimensions") or ()),
        statistic=alarm["Statistic"],
        period_s=int(alarm["Period"]),
        periods=int(alarm["EvaluationPeriods"]),
        threshold=float(alarm["Threshold"]),
        comparison=alarm["ComparisonOperator"],
    )


def _judge_endpoint(check: Check) -> None:
    if check.stream is not None or check.insufficient:
        raise invalid("AlarmIdentifier and InsufficientDataHealthStatus belong to CLOUDWATCH_METRIC health checks.")
    if not check.ip and not check.fqdn:
        raise invalid("Must specify either IPAddress or FullyQualifiedDomainName.")
    if check.type == "TCP" and check.path:
        raise invalid("ResourcePath must not be specified for a TCP health check.")
    if check.port is None or not 1 <= check.port <= 65535:
        raise invalid("Port must be specified, between 1 and 65535.")
    if check.ip:
        _judge_ip(check.ip)
    try:
        encode_name(check.fqdn)
    except BadName as error:
        raise invalid(f"FullyQualifiedDomainName {check.fqdn} is not valid: {error}") from None
    if not all(32 < ord(char) < 127 for char in check.path) or len(check.path) > 255:
        raise invalid("ResourcePath holds characters that a request line cannot, or is over 255 long.")
    matches = check.type.endswith("_STR_MATCH")
    if matches != bool(check.search):
        raise invalid("SearchString must be specified for string match health checks, and only for those.")
    if check.search and len(check.search) > 255:
        raise invalid("SearchString must not be over 255 characters long.")
    if check.interval_s not in (10, 30):
        raise invalid("RequestInterval must be 10 or 30.")
    if not 1 <= check.threshold <= 10:
        raise invalid("FailureThreshold must be between 1 and 10.")
    strange = [region for region in check.regions if region not in CHECKER_REGIONS]
    if strange:
        raise invalid(f"{strange[0]} is not a health checker Region.")
    if check.regions and len(check.regions) < 3:
        raise invalid("Regions must hold at least 3 health checker Regions.")


def _judge_ip(text: str) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise invalid(f"{text} is not a valid IP address.") from None
    if any(address in network for network in FORBIDDEN):
        raise invalid(f"The IP address {text} is in a local, private, non-routable or multicast range.")


def _check_of(reference: str, config: Mapping[str, Any]) -> Check:
    kind = config["Type"]
    https = kind.startswith("HTTPS")
    probed = kind in PROBED
    path = config.get("ResourcePath") or ""
    return Check(
        id="",
        caller_reference=reference,
        version=1,
        type=kind,
        ip=config.get("IPAddress") or None,
        # Port is 80 or 443 unless given, as the API reference's examples leave it out; TCP has no default.
        port=config.get("Port") or ((443 if https else 80) if probed and kind != "TCP" else None),
        path=path if not path or path.startswith("/") else "/" + path,  # the console adds the slash, too
        fqdn=config.get("FullyQualifiedDomainName") or "",
        search=config.get("SearchString") or None,
        interval_s=config.get("RequestInterval") or 30,
        threshold=3 if config.get("FailureThreshold") is None else config["FailureThreshold"],
        measure_latency=bool(config.get("MeasureLatency")),
        inverted=bool(config.get("Inverted")),
        disabled=bool(config.get("Disabled")),
        health_threshold=config.get("HealthThreshold"),
        children=tuple(config.get("ChildHealthChecks") or ()),
        sni=(True if config.get("EnableSNI") is None else bool(config["EnableSNI"])) if https else None,
        regions=tuple(config.get("Regions") or ()),
        stream=_named_alarm(config),
        control=config.get("RoutingControlArn") or "",
        # What AWS takes when it is not given is not documented: a guess.
        insufficient=config.get("InsufficientDataHealthStatus") or (LAST_KNOWN if kind == "CLOUDWATCH_METRIC" else ""),
    )


def _same(known: Check, asked: Check) -> bool:
    """The alarm's own settings do not count, its name does."""
    if known.stream is not None and asked.stream is not None:
        if (known.stream.region, known.stream.alarm) != (asked.stream.region, asked.stream.alarm):
            return False
        asked = msgspec.structs.replace(asked, stream=known.stream)
    return msgspec.structs.replace(asked, id=known.id, version=known.version) == known


def _reference_key(reference: str) -> bytes:
    return b"reference/" + reference.encode()
