"""Route53: the service of one Region. Only the home Region's is reached (us-east-1, as on AWS): the region sees to it.

Rules. Holds no state of its own: the ledger in the store is all there is, and the name server (which is asked for
health, and for answers) follows it. With the home Region down, changes stop; answers and health checks go on.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.route53 import geolocations
from antipodes.services.route53.cidr_collections import CidrCollections
from antipodes.services.route53.delegation_sets import DelegationSets
from antipodes.services.route53.desk import Desk, invalid
from antipodes.services.route53.dnssec import Dnssec
from antipodes.services.route53.health_checks import HealthChecks
from antipodes.services.route53.hosted_zones import HostedZones
from antipodes.services.route53.limits import Limits
from antipodes.services.route53.query_logs import QueryLogs
from antipodes.services.route53.record_sets import RecordSets
from antipodes.services.route53.records import bare_id
from antipodes.services.route53.tags import Tags
from antipodes.services.route53.traffic_instances import TrafficInstances
from antipodes.services.route53.traffic_policies import TrafficPolicies
from antipodes.wire.errors import ValidationException
from antipodes.wire.operation import Operation, Request, Result
from antipodes.wire.validation import validate

_IDS = ("Id", "HostedZoneId", "DelegationSetId", "ResourceId")


class Route53:
    """Fulfils services.contract.Service."""

    name = "route53"

    def __init__(self, around: Surroundings) -> None:
        self._desk = Desk(around)
        self.operations: Mapping[str, Operation] = {
            name: _checked(name, operation)
            for table in (
                self._zone_operations(),
                self._check_operations(),
                self._routing_operations(),
                self._policy_operations(),
                self._dns_operations(),
            )
            for name, operation in table.items()
        }

    def _zone_operations(self) -> dict[str, Operation]:
        zones, records, sets = HostedZones(self._desk), RecordSets(self._desk), DelegationSets(self._desk)
        tags, limits = Tags(self._desk), Limits(self._desk)
        return {
            "CreateHostedZone": zones.create_hosted_zone,
            "GetHostedZone": zones.get_hosted_zone,
            "ListHostedZones": zones.list_hosted_zones,
            "ListHostedZonesByName": zones.list_hosted_zones_by_name,
            "UpdateHostedZoneComment": zones.update_hosted_zone_comment,
            "DeleteHostedZone": zones.delete_hosted_zone,
            "GetChange": zones.get_change,
            "ChangeResourceRecordSets": records.change_resource_record_sets,
            "ListResourceRecordSets": records.list_resource_record_sets,
            "CreateReusableDelegationSet": sets.create_reusable_delegation_set,
            "GetReusableDelegationSet": sets.get_reusable_delegation_set,
            "ListReusableDelegationSets": sets.list_reusable_delegation_sets,
            "DeleteReusableDelegationSet": sets.delete_reusable_delegation_set,
            "GetReusableDelegationSetLimit": sets.get_reusable_delegation_set_limit,
            "ChangeTagsForResource": tags.change_tags_for_resource,
            "ListTagsForResource": tags.list_tags_for_resource,
            "ListTagsForResources": tags.list_tags_for_resources,
            "GetAccountLimit": limits.get_account_limit,
            "GetHostedZoneLimit": limits.get_hosted_zone_limit,
            "GetHostedZoneCount": limits.get_hosted_zone_count,
            "GetHealthCheckCount": limits.get_health_check_count,
        }

    def _check_operations(self) -> dict[str, Operation]:
        checks = HealthChecks(self._desk)
        return {
            "CreateHealthCheck": checks.create_health_check,
            "GetHealthCheck": checks.get_health_check,
            "ListHealthChecks": checks.list_health_checks,
            "UpdateHealthCheck": checks.update_health_check,
            "DeleteHealthCheck": checks.delete_health_check,
            "GetHealthCheckStatus": checks.get_health_check_status,
            "GetHealthCheckLastFailureReason": checks.get_health_check_last_failure_reason,
            "GetCheckerIpRanges": checks.get_checker_ip_ranges,
        }

    def _routing_operations(self) -> dict[str, Operation]:
        cidrs = CidrCollections(self._desk)
        return {
            "CreateCidrCollection": cidrs.create_cidr_collection,
            "ChangeCidrCollection": cidrs.change_cidr_collection,
            "DeleteCidrCollection": cidrs.delete_cidr_collection,
            "ListCidrCollections": cidrs.list_cidr_collections,
            "ListCidrLocations": cidrs.list_cidr_locations,
            "ListCidrBlocks": cidrs.list_cidr_blocks,
            "GetGeoLocation": geolocations.get_geo_location,
            "ListGeoLocations": geolocations.list_geo_locations,
            "TestDNSAnswer": self._test_dns_answer,
        }

    def _dns_operations(self) -> dict[str, Operation]:
        dnssec, logs = Dnssec(self._desk), QueryLogs(self._desk)
        return {
            "CreateKeySigningKey": dnssec.create_key_signing_key,
            "ActivateKeySigningKey": dnssec.activate_key_signing_key,
            "DeactivateKeySigningKey": dnssec.deactivate_key_signing_key,
            "DeleteKeySigningKey": dnssec.delete_key_signing_key,
            "EnableHostedZoneDNSSEC": dnssec.enable_hosted_zone_dnssec,
            "DisableHostedZoneDNSSEC": dnssec.disable_hosted_zone_dnssec,
            "GetDNSSEC": dnssec.get_dnssec,
            "CreateQueryLoggingConfig": logs.create_query_logging_config,
            "GetQueryLoggingConfig": logs.get_query_logging_config,
            "ListQueryLoggingConfigs": logs.list_query_logging_configs,
            "DeleteQueryLoggingConfig": logs.delete_query_logging_config,
        }

    def _policy_operations(self) -> dict[str, Operation]:
        policies, instances = TrafficPolicies(self._desk), TrafficInstances(self._desk)
        return {
            "CreateTrafficPolicy": policies.create_traffic_policy,
            "CreateTrafficPolicyVersion": policies.create_traffic_policy_version,
            "GetTrafficPolicy": policies.get_traffic_policy,
            "UpdateTrafficPolicyComment": policies.update_traffic_policy_comment,
            "DeleteTrafficPolicy": policies.delete_traffic_policy,
            "ListTrafficPolicies": policies.list_traffic_policies,
            "ListTrafficPolicyVersions": policies.list_traffic_policy_versions,
            "CreateTrafficPolicyInstance": instances.create_traffic_policy_instance,
            "GetTrafficPolicyInstance": instances.get_traffic_policy_instance,
            "UpdateTrafficPolicyInstance": instances.update_traffic_policy_instance,
            "DeleteTrafficPolicyInstance": instances.delete_traffic_policy_instance,
            "GetTrafficPolicyInstanceCount": instances.get_traffic_policy_instance_count,
            "ListTrafficPolicyInstances": instances.list_traffic_policy_instances,
            "ListTrafficPolicyInstancesByHostedZone": instances.list_traffic_policy_instances_by_hosted_zone,
            "ListTrafficPolicyInstancesByPolicy": instances.list_traffic_policy_instances_by_policy,
        }

    @property
    def carried(self) -> Carried:
        return self._desk.ledger

    async def start(self) -> None:
        """Nothing is under way but what the store says."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def _test_dns_answer(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        zone = self._desk.zone(params["HostedZoneId"])
        subnet = params.get("EDNS0ClientSubnetIP")
        mask = params.get("EDNS0ClientSubnetMask")
        if mask and not subnet:
            raise invalid("EDNS0ClientSubnetMask needs EDNS0ClientSubnetIP.")
        for address in (subnet, params.get("ResolverIP")):
            if address:
                _check_address(address, mask if address is subnet else None)
        return await self._desk.ask_name_server(
            "DataPlaneAnswer",
            {
                "ZoneId": zone.id,
                "Nameserver": zone.name_servers[0],
                "RecordName": params["RecordName"],
                "RecordType": params["RecordType"],
                "ClientIP": subnet or params.get("ResolverIP") or "",
                "ClientBits": (int(mask) if mask else 64 if ":" in subnet else 24) if subnet else None,
            },
        )


def _checked(name: str, operation: Operation) -> Operation:
    """The operation behind the checks that the model alone asks for."""

    async def run(request: Request) -> Result:
        # "/hostedzone/Z1" and "Z1": both come in; clients that read the model strip it, others may not.
        bare = {key: bare_id(value) for key in _IDS if isinstance(value := request.params.get(key), str)}
        params = {**request.params, **bare} if bare else request.params
        try:
            validate("route53", name, params)
        except ValidationException as error:
            raise invalid(error.message) from None
        return await operation(msgspec.structs.replace(request, params=params))

    return run


def _check_address(text: str, mask: str | None) -> None:
    """Raises InvalidInput: no IP address, or a mask that is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise invalid(f"{text} is not a valid IP address.") from None
    if mask and not (mask.isascii() and mask.isdigit() and int(mask) <= address.max_prefixlen):
        raise invalid(f"EDNS0ClientSubnetMask must be between 0 and {address.max_prefixlen}.")
