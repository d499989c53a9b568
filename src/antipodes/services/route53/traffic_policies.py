"""Traffic policies and their versions.

Rules. A policy is a row with its name and type, each version a row of its own; a version never changes but for its
comment. A version that an instance uses cannot be deleted; with its last version a policy is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.route53 import traffic_documents
from antipodes.services.route53.desk import Desk, fault, page_size
from antipodes.services.route53.ledger import DESK
from antipodes.services.route53.limits import MAX_POLICIES
from antipodes.services.route53.records import pack, unpack
from antipodes.services.route53.traffic_records import (
    INSTANCES,
    POLICIES,
    Instance,
    PolicyVersion,
    TrafficPolicy,
    policy_key,
    version_key,
)
from antipodes.wire.operation import Request

MAX_PAGE, MAX_VERSIONS = 100, 1000


class TrafficPolicies:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create_traffic_policy(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        document = traffic_documents.parse(params["Document"])
        known = self._policies()
        if any(one.name == params["Name"] for one in known):
            raise fault("TrafficPolicyAlreadyExists", f"A traffic policy named {params['Name']} already exists.")
        if len(known) >= MAX_POLICIES:
            raise fault("TooManyTrafficPolicies", f"The limit of {MAX_POLICIES} traffic policies has been reached.")
        now_s = self._desk.around.world.now()
        policy = TrafficPolicy(self._desk.draw_uuid(), params["Name"], document.record_type, now_s)
        return await self._add(policy, params)

    async def create_traffic_policy_version(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        policy = self._policy(params["Id"])
        document = traffic_documents.parse(params["Document"])
        if document.record_type != policy.type:
            raise traffic_documents.invalid_document(f"The RecordType must be {policy.type}, as in other versions.")
        if len(self._versions(policy.id)) >= MAX_VERSIONS or policy.latest >= MAX_VERSIONS:
            raise fault(
                "TooManyTrafficPolicyVersionsForCurrentPolicy",
                f"The limit of {MAX_VERSIONS} versions of a traffic policy has been reached.",
            )
        return await self._add(msgspec.structs.replace(policy, latest=policy.latest + 1), params)

    async def get_traffic_policy(self, request: Request) -> Mapping[str, Any]:
        policy, version = find(self._desk, request.params["Id"], request.params["Version"])
        await self._desk.settle()
        return {"TrafficPolicy": _shape(policy, version)}

    async def update_traffic_policy_comment(self, request: Request) -> Mapping[str, Any]:
        policy, version = find(self._desk, request.params["Id"], request.params["Version"])
        version = msgspec.structs.replace(version, comment=request.params["Comment"])
        await self._desk.write([(DESK, version_key(policy.id, version.version), pack(version))])
        return {"TrafficPolicy": _shape(policy, version)}

    async def delete_traffic_policy(self, request: Request) -> Mapping[str, Any]:
        policy, version = find(self._desk, request.params["Id"], request.params["Version"])
        for _, row in self._desk.ledger.scan(DESK, INSTANCES, INSTANCES + b"\xff"):
            instance = unpack(row, Instance)
            if (instance.policy_id, instance.version) == (policy.id, version.version):
                raise fault("TrafficPolicyInUse", "The traffic policy version is used by traffic policy instances.")
        last = len(self._versions(policy.id)) == 1
        await self._desk.write(
            [
                (DESK, version_key(policy.id, version.version), None),
                (DESK, policy_key(policy.id), None if last else pack(policy)),
            ]
        )
        return {}

    async def list_traffic_policies(self, request: Request) -> Mapping[str, Any]:
        size, marker = page_size(request.params, MAX_PAGE), request.params.get("TrafficPolicyIdMarker") or ""
        found = sorted(self._policies(), key=lambda one: (one.created_s, one.id))
        if marker:
            self._policy(marker)
            found = found[next(at for at, one in enumerate(found) if one.id == marker) :]
        await self._desk.settle()
        page = found[:size]
        return {
            "TrafficPolicySummaries": [
                {
                    "Id": one.id,
                    "Name": one.name,
                    "Type": one.type,
                    "LatestVersion": one.latest,
                    "TrafficPolicyCount": len(self._versions(one.id)),
                }
                for one in page
            ],
            "IsTruncated": len(found) > size,
            "TrafficPolicyIdMarker": found[size].id if len(found) > size else "",
            "MaxItems": str(size),
        }

    async def list_traffic_policy_versions(self, request: Request) -> Mapping[str, Any]:
        policy = self._policy(request.params["Id"])
        size, marker = page_size(request.params, MAX_PAGE), request.params.get("TrafficPolicyVersionMarker") or "0"
        if not (marker.isascii() and marker.isdigit()):
            raise fault("InvalidInput", f"The TrafficPolicyVersionMarker {marker} is not valid.")
        found = [one for one in self._versions(policy.id) if one.version >= int(marker)]
        await self._desk.settle()
        return {
            "TrafficPolicies": [_shape(policy, one) for one in found[:size]],
            "IsTruncated": len(found) > size,
            "TrafficPolicyVersionMarker": str(found[size].version) if len(found) > size else "",
            "MaxItems": str(size),
        }

    async def _add(self, policy: TrafficPolicy, params: Mapping[str, Any]) -> Mapping[str, Any]:
        version = PolicyVersion(policy.id, policy.latest, params["Document"], params.get("Comment") or "")
        await self._desk.write(
            [
                (DESK, policy_key(policy.id), pack(policy)),
                (DESK, version_key(policy.id, version.version), pack(version)),
            ]
        )
        location = f"https://route53.amazonaws.com/2013-04-01/trafficpolicy/{policy.id}/{version.version}"
        return {"TrafficPolicy": _shape(policy, version), "Location": location}

    def _policy(self, policy_id: str) -> TrafficPolicy:
        """Raises NoSuchTrafficPolicy."""
        data = self._desk.ledger.get(DESK, policy_key(policy_id))
        if data is None:
            raise fault("NoSuchTrafficPolicy", f"No traffic policy exists with the Id {policy_id}.")
        return unpack(data, TrafficPolicy)

    def _policies(self) -> list[TrafficPolicy]:
        """By id."""
        return [unpack(row, TrafficPolicy) for _, row in self._desk.ledger.scan(DESK, POLICIES, POLICIES + b"\xff")]

    def _versions(self, policy_id: str) -> list[PolicyVersion]:
        """By number."""
        start = f"policyversion/{policy_id}/".encode()
        return [unpack(row, PolicyVersion) for _, row in self._desk.ledger.scan(DESK, start, start[:-1] + b"0")]


def find(desk: Desk, policy_id: str, version: int) -> tuple[TrafficPolicy, PolicyVersion]:
    """Raises NoSuchTrafficPolicy."""
    policy = desk.ledger.get(DESK, policy_key(policy_id))
    data = desk.ledger.get(DESK, version_key(policy_id, version))
    if policy is None or data is None:
        raise fault("NoSuchTrafficPolicy", f"No traffic policy exists with the Id {policy_id} and version {version}.")
    return unpack(policy, TrafficPolicy), unpack(data, PolicyVersion)


def _shape(policy: TrafficPolicy, version: PolicyVersion) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "Id": policy.id,
        "Version": version.version,
        "Name": policy.name,
        "Type": policy.type,
        "Document": version.document,
    }
    return shape | ({"Comment": version.comment} if version.comment else {})
