"""Tags of hosted zones and health checks: ChangeTagsForResource, ListTagsForResource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.route53.desk import Desk, invalid
from antipodes.services.route53.ledger import DESK
from antipodes.services.route53.records import bare_id
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request

MAX_TAGS = 10  # the model's limit of one list; AWS allows 50 a resource by now (from memory)


class Tags:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def change_tags_for_resource(self, request: Request) -> Mapping[str, Any]:
        kind, resource = self._resource(request.params)
        tags = self._tags(kind, resource)
        for key in request.params.get("RemoveTagKeys") or ():
            tags.pop(key, None)
        for tag in request.params.get("AddTags") or ():
            tags[tag["Key"]] = tag.get("Value") or ""
        if len(tags) > MAX_TAGS:
            raise invalid(f"A resource cannot have more than {MAX_TAGS} tags.")
        await self._desk.write([(DESK, _key(kind, resource), msgspec.msgpack.encode(tags))])
        return {}

    async def list_tags_for_resource(self, request: Request) -> Mapping[str, Any]:
        kind, resource = self._resource(request.params)
        tags = self._tags(kind, resource)
        await self._desk.settle()
        shown = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {"ResourceTagSet": {"ResourceType": kind, "ResourceId": resource, "Tags": shown}}

    async def list_tags_for_resources(self, request: Request) -> Mapping[str, Any]:
        """Those that do not exist are left out (a guess)."""
        kind, known = request.params["ResourceType"], []
        for resource in dict.fromkeys(map(bare_id, request.params["ResourceIds"])):
            try:
                self._resource({"ResourceType": kind, "ResourceId": resource})
            except ClientFault:
                continue
            known.append(resource)
        await self._desk.settle()
        sets = [
            {
                "ResourceType": kind,
                "ResourceId": resource,
                "Tags": [{"Key": key, "Value": value} for key, value in self._tags(kind, resource).items()],
            }
            for resource in known
        ]
        return {"ResourceTagSets": sets}

    def _resource(self, params: Mapping[str, Any]) -> tuple[str, str]:
        """Raises NoSuchHostedZone, NoSuchHealthCheck, InvalidInput."""
        kind, resource = params["ResourceType"], bare_id(params["ResourceId"])
        if kind == "hostedzone":
            self._desk.zone(resource)
        elif kind == "healthcheck":
            self._desk.check(resource)
        else:
            raise invalid(f"{kind} is not a type of resource that can be tagged.")
        return kind, resource

    def _tags(self, kind: str, resource: str) -> dict[str, str]:
        data = self._desk.ledger.get(DESK, _key(kind, resource))
        return msgspec.msgpack.decode(data, type=dict[str, str]) if data else {}


def _key(kind: str, resource: str) -> bytes:
    return f"tags/{kind}/{resource}".encode()
