"""Query logging: which zones' questions are logged, and under which CloudWatch Logs group. The name server writes them.

The log group must exist in CloudWatch Logs of us-east-1 (the home Region). Its resource policy is not asked for:
policies are not enforced here. At most one configuration a zone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.route53.desk import Desk, invalid
from antipodes.services.route53.ledger import QUERY_LOGS
from antipodes.services.route53.records import bare_id, pack, unpack
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request

MAX_PAGE = 100
_ARN = re.compile(r"arn:aws[a-z-]*:logs:([a-z0-9-]+):(\d{12}):log-group:([A-Za-z0-9_./#-]{1,512}?)(:\*)?")


class QueryLogConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """One configuration."""

    id: str
    zone_id: str
    group_arn: str

    @property
    def group(self) -> str:
        """The log group's name."""
        found = _ARN.fullmatch(self.group_arn)
        return found[3] if found else ""


class QueryLogs:
    """The family's operations. Row key: the zone's id."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create_query_logging_config(self, request: Request) -> Mapping[str, Any]:
        zone = self._desk.zone(request.params["HostedZoneId"])
        arn = request.params["CloudWatchLogsLogGroupArn"]
        found = _ARN.fullmatch(arn)
        if not found:
            raise invalid(f"The CloudWatch Logs log group ARN {arn} is not valid.")
        home = self._desk.around.region
        if found[1] != home:  # the text is from memory
            raise invalid(f"The CloudWatch Logs log group must be in {home}, not in {found[1]}.")
        if found[2] != self._desk.around.settings.account or not await self._exists(found[3]):
            raise ClientFault(
                "NoSuchCloudWatchLogsLogGroup",
                "There is no CloudWatch Logs log group with the specified ARN.",
                status=404,
            )
        if self._desk.ledger.get(QUERY_LOGS, zone.id.encode()) is not None:
            raise ClientFault(
                "QueryLoggingConfigAlreadyExists",
                f"A query logging configuration already exists for hosted zone {zone.id}",
                status=409,
            )
        config = QueryLogConfig(self._desk.draw_uuid(), zone.id, arn)
        await self._desk.write([(QUERY_LOGS, zone.id.encode(), pack(config))])
        return {
            "QueryLoggingConfig": _shape(config),
            "Location": f"https://route53.amazonaws.com/2013-04-01/queryloggingconfig/{config.id}",
        }

    async def get_query_logging_config(self, request: Request) -> Mapping[str, Any]:
        config = self._find(request.params["Id"])
        await self._desk.settle()
        return {"QueryLoggingConfig": _shape(config)}

    async def list_query_logging_configs(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        zone_id, token = params.get("HostedZoneId"), params.get("NextToken") or ""
        size = params.get("MaxResults") or str(MAX_PAGE)
        if not (str(size).isascii() and str(size).isdigit() and len(str(size)) < 9) or int(size) < 1:
            raise invalid(f"MaxResults {size} is not a number above 0.")
        if zone_id:
            self._desk.zone(zone_id)
        found = [one for one in self._all() if not zone_id or one.zone_id == bare_id(zone_id)]
        if token and not any(one.zone_id == token for one in found):
            raise ClientFault("InvalidPaginationToken", f"The token {token} is not valid.")
        found = [one for one in found if one.zone_id >= token]
        page = found[: min(int(size), MAX_PAGE)]
        await self._desk.settle()
        result: dict[str, Any] = {"QueryLoggingConfigs": [_shape(one) for one in page]}
        if len(found) > len(page):
            result["NextToken"] = found[len(page)].zone_id
        return result

    async def delete_query_logging_config(self, request: Request) -> Mapping[str, Any]:
        config = self._find(request.params["Id"])
        await self._desk.write([(QUERY_LOGS, config.zone_id.encode(), None)])
        return {}

    async def _exists(self, group: str) -> bool:
        listed = await self._desk.around.call("logs", "DescribeLogGroups", {"logGroupNamePrefix": group})
        return any(one["logGroupName"] == group for one in listed["logGroups"])

    def _all(self) -> list[QueryLogConfig]:
        """By zone."""
        return [unpack(value, QueryLogConfig) for _, value in self._desk.ledger.scan(QUERY_LOGS)]

    def _find(self, config_id: str) -> QueryLogConfig:
        for config in self._all():
            if config.id == config_id:
                return config
        raise ClientFault(
            "NoSuchQueryLoggingConfig", f"There is no DNS query logging configuration with ID {config_id}", status=404
        )


def _shape(config: QueryLogConfig) -> dict[str, Any]:
    return {"Id": config.id, "HostedZoneId": config.zone_id, "CloudWatchLogsLogGroupArn": config.group_arn}
