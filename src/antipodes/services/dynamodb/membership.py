"""Who may be added to a global table, changed or removed, and what AWS says when it may not be. Pure.

A member joins, is active, leaves, is gone. Only a Region itself says of itself that it is active, or gone; any member
may tell another one to join or to leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antipodes.services.dynamodb.overrides import check_details
from antipodes.services.dynamodb.parameters import Constraints
from antipodes.services.dynamodb.schema import Member, MemberState, Shared
from antipodes.services.dynamodb.values import INVALID
from antipodes.store.records import Version
from antipodes.wire.errors import ValidationException

SEED_S = 24 * 3600.0
LOCAL_REGION = (
    "Cannot add, delete, or update the local region through ReplicaUpdates. "
    "Use CreateTable, DeleteTable, or UpdateTable as required."
)
ALREADY_TABLES = (  # AWS's sentence, its slip included
    "Failed to create a the new replica of table because one or more replicas already existed as tables."
)
NOT_MEMBERS = "Update global table operation failed because one or more replicas were not part of the global table"
SEEDED = (
    "Replica cannot be deleted because it has acted as a source region for new replica(s) being added to the table "
    "in the last 24 hours."
)
PROTECTED = (
    "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
)
NOT_SCALED = "Table write capacity should either be Pay-Per-Request or AutoScaled."  # seen on AWS
ACTIONS = ("Create", "Update", "Delete")

Action = tuple[str, Mapping[str, Any]]


def actions_of(updates: Sequence[Mapping[str, Any]], here: str) -> list[Action]:
    """ReplicaUpdates as (Create, Update or Delete, its detail), checked on their own. Raises ValidationException."""
    found: list[Action] = []
    constraints = Constraints()
    for number, update in enumerate(updates, 1):
        named = [kind for kind in ACTIONS if update.get(kind) is not None]
        if len(named) != 1:
            # from memory: AWS's own sentence is not known
            raise ValidationException(
                INVALID + "Each of ReplicaUpdates must contain exactly one of Create, Update, Delete"
            )
        detail = update[named[0]]
        place = f"replicaUpdates.{number}.member.{named[0].lower()}"
        constraints.required(detail.get("RegionName"), f"{place}.regionName")
        check_details(constraints, detail, place)
        found.append((named[0], detail))
    constraints.settle()
    regions = [detail["RegionName"] for _, detail in found]
    if here in regions:
        raise ValidationException(LOCAL_REGION)
    if len(set(regions)) < len(regions):
        # from memory: AWS's own sentence is not known
        raise ValidationException(INVALID + "A Region may appear in ReplicaUpdates only once")
    return found


def check_action(shared: Shared, action: Action, planet: Sequence[str], now: float, seed_s: float = SEED_S) -> None:
    """Whether the action is possible as the group stands. planet: the other Regions there are."""
    kind, detail = action
    region = detail["RegionName"]
    present = region in shared.replicas
    if region not in planet:
        raise ValidationException(f"Region {region} is not part of this planet")  # AWS: an unknown Region
    if kind == "Create" and present:
        raise ValidationException(ALREADY_TABLES)
    if kind == "Update" and not present:
        raise ValidationException(NOT_MEMBERS)
    if kind == "Delete":
        if region not in shared.members or shared.members[region].state in {"gone", "leaving"}:
            raise ValidationException(NOT_MEMBERS)
        check_not_seed(shared, region, now, seed_s)


def check_not_seed(shared: Shared, region: str, now: float, seed_s: float = SEED_S) -> None:
    """Refuses to delete the replica that others were made from lately: "If you use a table to seed a new replica, you
    cannot delete it for 24 hours" (facts 1.6). It may go once those others have gone."""
    for name in shared.holders:
        member = shared.members[name]
        if name != region and member.seed == region and now - joined_s(member) < seed_s:
            raise ValidationException(SEEDED)


def joined_s(member: Member) -> float:
    """When it was told to join, epoch seconds."""
    return Version(member.joined, "").seconds


def with_member(
    shared: Shared, region: str, state: MemberState, version: Version, *, seed: str | None = None, progress: int = 0
) -> Shared:
    """The group with one member's state changed. seed: it joins anew, from that Region's copy."""
    old = shared.members.get(region)
    if seed is not None or old is None:
        left = old.left if old is not None else 0
        member = Member(state, version, joined=version.time if seed else 0, seed=seed or "", left=left)
    else:
        member = msgspec.structs.replace(old, state=state, version=version, progress=progress)
    if state == "leaving":
        member = msgspec.structs.replace(member, left=version.time)
    members = {**shared.members, region: member}
    return msgspec.structs.replace(shared, members={name: members[name] for name in sorted(members)})
