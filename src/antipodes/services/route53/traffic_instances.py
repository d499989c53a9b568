"""Traffic policy instances: a policy's tree, put into a zone.

Rules. An instance owns one row among the zone's record sets: it has its name and type, and carries the whole tree,
which the name server unfolds. ListResourceRecordSets shows it with its TrafficPolicyInstanceId and nothing else;
ChangeResourceRecordSets cannot touch it. State is Creating until the name server holds the row, then Applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antipodes.services.route53 import traffic_documents
from antipodes.services.route53.desk import Desk, fault, invalid, page_size
from antipodes.services.route53.ledger import CHECKS, DESK, ZONES, Entry
from antipodes.services.route53.limits import MAX_INSTANCES
from antipodes.services.route53.records import RecordSet, Zone, name_key, pack, record_key, reversed_name, tidy, unpack
from antipodes.services.route53.traffic_policies import find
from antipodes.services.route53.traffic_records import INSTANCES, Instance, instance_key
from antipodes.wire.dns import BadName
from antipodes.wire.operation import Request

MAX_PAGE = 100


class TrafficInstances:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create_traffic_policy_instance(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        zone = self._desk.zone(params["HostedZoneId"])
        policy, _ = find(self._desk, params["TrafficPolicyId"], params["TrafficPolicyVersion"])
        name = _name(params["Name"], zone)
        if self._desk.ledger.count(DESK, INSTANCES) >= MAX_INSTANCES:
            raise fault(
                "TooManyTrafficPolicyInstances",
                f"The limit of {MAX_INSTANCES} traffic policy instances has been reached.",
            )
        instance = Instance(
            self._desk.draw_uuid(),
            zone.id,
            name,
            params["TTL"],
            policy.id,
            params["TrafficPolicyVersion"],
            policy.type,
        )
        self._check_room(zone, instance)
        instance = await self._apply(zone, instance)
        location = f"https://route53.amazonaws.com/2013-04-01/trafficpolicyinstance/{instance.id}"
        return {"TrafficPolicyInstance": await self._shape(instance), "Location": location}

    async def update_traffic_policy_instance(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        instance = self._instance(params["Id"])
        policy, _ = find(self._desk, params["TrafficPolicyId"], params["TrafficPolicyVersion"])
        if policy.type != instance.type:
            raise fault(
                "ConflictingTypes",
                f"The traffic policy is of type {policy.type}, the traffic policy instance of type {instance.type}.",
            )
        instance = msgspec.structs.replace(
            instance, ttl_s=params["TTL"], policy_id=policy.id, version=params["TrafficPolicyVersion"]
        )
        instance = await self._apply(self._desk.zone(instance.zone_id), instance)
        return {"TrafficPolicyInstance": await self._shape(instance)}

    async def delete_traffic_policy_instance(self, request: Request) -> Mapping[str, Any]:
        instance = self._instance(request.params["Id"])
        await self._desk.submit(
            [
                (ZONES, record_key(instance.zone_id, RecordSet(instance.name, instance.type)), None),
                (DESK, instance_key(instance.id), None),
            ]
        )
        return {}

    async def get_traffic_policy_instance(self, request: Request) -> Mapping[str, Any]:
        return {"TrafficPolicyInstance": await self._shape(self._instance(request.params["Id"]))}

    async def get_traffic_policy_instance_count(self, request: Request) -> Mapping[str, Any]:
        await self._desk.settle()
        return {"TrafficPolicyInstanceCount": self._desk.ledger.count(DESK, INSTANCES)}

    async def list_traffic_policy_instances(self, request: Request) -> Mapping[str, Any]:
        return await self._list(self._instances(), request.params)

    async def list_traffic_policy_instances_by_hosted_zone(self, request: Request) -> Mapping[str, Any]:
        zone = self._desk.zone(request.params["HostedZoneId"])
        found = [one for one in self._instances() if one.zone_id == zone.id]
        listed = dict(await self._list(found, {**request.params, "HostedZoneIdMarker": zone.id}))
        listed.pop("HostedZoneIdMarker", None)
        return listed

    async def list_traffic_policy_instances_by_policy(self, request: Request) -> Mapping[str, Any]:
        policy, version = find(self._desk, request.params["TrafficPolicyId"], request.params["TrafficPolicyVersion"])
        found = [one for one in self._instances() if (one.policy_id, one.version) == (policy.id, version.version)]
        return await self._list(found, request.params)

    # ---------------------------------------------------------------- rows

    async def _apply(self, zone: Zone, instance: Instance) -> Instance:
        """Writes the instance and its tree as one change. Raises InvalidInput: a health check is not there."""
        _, version = find(self._desk, instance.policy_id, instance.version)
        document = traffic_documents.parse(version.document)
        for check_id in document.check_ids:
            if self._desk.ledger.get(CHECKS, check_id.encode()) is None:
                raise invalid(f"The health check {check_id} of the traffic policy does not exist.")
        tree = traffic_documents.expand(document, zone, instance.name, instance.ttl_s, instance.id)
        row = RecordSet(instance.name, instance.type, instance_id=instance.id, tree=tuple(tree))
        change_id = self._desk.draw_id("C", 20)
        instance = msgspec.structs.replace(instance, change_id=change_id)
        entries: list[Entry] = [
            (ZONES, record_key(zone.id, row), pack(row)),
            (DESK, instance_key(instance.id), pack(instance)),
        ]
        await self._desk.submit(entries, change_id=change_id)
        return instance

    def _check_room(self, zone: Zone, instance: Instance) -> None:
        """Raises TrafficPolicyInstanceAlreadyExists, InvalidInput: something else has the name."""
        start = name_key(zone.id, instance.name)
        held = [unpack(row, RecordSet) for _, row in self._desk.ledger.scan(ZONES, start, start[:-1] + b"\x01")]
        for one in held:
            if one.instance_id and one.type == instance.type:
                raise fault(
                    "TrafficPolicyInstanceAlreadyExists",
                    f"A traffic policy instance with the name {instance.name} and type {instance.type} already exists.",
                )
        kinds = [one.type for one in held]
        if instance.type in kinds or "CNAME" in kinds or (instance.type == "CNAME" and held):
            raise invalid(f"Records with the name {instance.name} exist that conflict with type {instance.type}.")
        if instance.type == "CNAME" and instance.name == zone.name:
            raise invalid(f"Type CNAME is not permitted at the apex {zone.name}.")

    def _instance(self, instance_id: str) -> Instance:
        """Raises NoSuchTrafficPolicyInstance."""
        data = self._desk.ledger.get(DESK, instance_key(instance_id))
        if data is None:
            raise fault("NoSuchTrafficPolicyInstance", f"No traffic policy instance exists with the Id {instance_id}.")
        return unpack(data, Instance)

    def _instances(self) -> list[Instance]:
        """By zone, name and type."""
        rows = self._desk.ledger.scan(DESK, INSTANCES, INSTANCES + b"\xff")
        return sorted((unpack(row, Instance) for _, row in rows), key=_order)

    async def _list(self, found: Sequence[Instance], params: Mapping[str, Any]) -> Mapping[str, Any]:
        size = page_size(params, MAX_PAGE)
        marker = (
            params.get("HostedZoneIdMarker") or "",
            _reversed(params.get("TrafficPolicyInstanceNameMarker") or ""),
            params.get("TrafficPolicyInstanceTypeMarker") or "",
        )
        left = [one for one in found if _order(one) >= marker]
        result: dict[str, Any] = {
            "TrafficPolicyInstances": [await self._shape(one) for one in left[:size]],
            "IsTruncated": len(left) > size,
            "MaxItems": str(size),
        }
        if len(left) > size:
            following = left[size]
            result |= {
                "HostedZoneIdMarker": following.zone_id,
                "TrafficPolicyInstanceNameMarker": following.name,
                "TrafficPolicyInstanceTypeMarker": following.type,
            }
        return result

    async def _shape(self, instance: Instance) -> dict[str, Any]:
        info = await self._desk.change_info(instance.change_id)
        return {
            "Id": instance.id,
            "HostedZoneId": instance.zone_id,
            "Name": instance.name,
            "TTL": instance.ttl_s,
            "State": "Applied" if info["Status"] == "INSYNC" else "Creating",
            "Message": "",
            "TrafficPolicyId": instance.policy_id,
            "TrafficPolicyVersion": instance.version,
            "TrafficPolicyType": instance.type,
        }


def _order(instance: Instance) -> tuple[str, str, str]:
    return instance.zone_id, reversed_name(instance.name), instance.type


def _reversed(name: str) -> str:
    try:
        return reversed_name(tidy(name)) if name else ""
    except BadName as error:
        raise invalid(f"The TrafficPolicyInstanceNameMarker is not valid: {error}") from None


def _name(text: str, zone: Zone) -> str:
    try:
        name = tidy(text)
    except BadName as error:
        raise invalid(f"The Name {text} is not valid: {error}") from None
    if name != zone.name and not name.endswith("." + zone.name):
        raise invalid(f"The Name {name} does not lie in the hosted zone {zone.name}")
    return name
