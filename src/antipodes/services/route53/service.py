"""Route53: the service of one Region. Only the home Region's is reached (us-east-1, as on AWS): the region sees to it.

Rules. Holds no state of its own: the ledger in the store is all there is, and the name server (which is asked for
health, and for answers) follows it. With the home Region down, changes stop; answers and health checks go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.route53.desk import Desk, invalid
from antipodes.services.route53.health_checks import HealthChecks
from antipodes.services.route53.hosted_zones import HostedZones
from antipodes.services.route53.record_sets import RecordSets
from antipodes.services.route53.tags import Tags
from antipodes.wire.operation import Operation, Request


class Route53:
    """Fulfils services.contract.Service."""

    name = "route53"

    def __init__(self, around: Surroundings) -> None:
        self._desk = Desk(around)
        zones, records = HostedZones(self._desk), RecordSets(self._desk)
        checks, tags = HealthChecks(self._desk), Tags(self._desk)
        self._operations: Mapping[str, Operation] = {
            "CreateHostedZone": zones.create_hosted_zone,
            "GetHostedZone": zones.get_hosted_zone,
            "ListHostedZones": zones.list_hosted_zones,
            "ListHostedZonesByName": zones.list_hosted_zones_by_name,
            "DeleteHostedZone": zones.delete_hosted_zone,
            "GetChange": zones.get_change,
            "ChangeResourceRecordSets": records.change_resource_record_sets,
            "ListResourceRecordSets": records.list_resource_record_sets,
            "CreateHealthCheck": checks.create_health_check,
            "GetHealthCheck": checks.get_health_check,
            "ListHealthChecks": checks.list_health_checks,
            "UpdateHealthCheck": checks.update_health_check,
            "DeleteHealthCheck": checks.delete_health_check,
            "GetHealthCheckStatus": checks.get_health_check_status,
            "GetHealthCheckLastFailureReason": checks.get_health_check_last_failure_reason,
            "ChangeTagsForResource": tags.change_tags_for_resource,
            "ListTagsForResource": tags.list_tags_for_resource,
            "TestDNSAnswer": self._test_dns_answer,
        }

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

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
        if params.get("EDNS0ClientSubnetMask") and not subnet:
            raise invalid("EDNS0ClientSubnetMask needs EDNS0ClientSubnetIP.")
        return await self._desk.ask_name_server(
            "DataPlaneAnswer",
            {
                "ZoneId": zone.id,
                "Nameserver": zone.name_servers[0],
                "RecordName": params["RecordName"],
                "RecordType": params["RecordType"],
                "ClientIP": subnet or params.get("ResolverIP") or "",
            },
        )
