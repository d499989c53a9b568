"""What Route 53 keeps of traffic policies: rows of the desk's topic, and their keys."""

from __future__ import annotations

import msgspec

POLICIES, INSTANCES = b"policy/", b"instance/"


class TrafficPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """What all versions share. `latest` counts on after deletions."""

    id: str
    name: str
    type: str
    created_s: float
    latest: int = 1


class PolicyVersion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version. `document` is the text as it came."""

    policy_id: str
    version: int
    document: str
    comment: str = ""


class Instance(msgspec.Struct, frozen=True, omit_defaults=True):
    """One traffic policy instance."""

    id: str
    zone_id: str
    name: str
    ttl_s: int
    policy_id: str
    version: int
    type: str
    change_id: str = ""  # of its last change: how far it has come


def policy_key(policy_id: str) -> bytes:
    return POLICIES + policy_id.encode()


def version_key(policy_id: str, version: int) -> bytes:
    return f"policyversion/{policy_id}/{version:06}".encode()


def instance_key(instance_id: str) -> bytes:
    return INSTANCES + instance_id.encode()
