"""What UpdateTable may ask of a table of strong consistency (MRSC), and what it is told when it may not. Pure.

A table becomes one when it is empty, with exactly three members of one set of Regions: two more replicas, or one and a
witness. It ceases to be one all at once: both others go, and this one remains as a single-Region table (facts 1.8).

AWS's sentences are not known but for the rules they state: those here are ours, and so is the class of the error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antipodes.services.dynamodb.membership import LOCAL_REGION, actions_of
from antipodes.services.dynamodb.parameters import Constraints
from antipodes.services.dynamodb.schema import Shared
from antipodes.services.dynamodb.values import INVALID
from antipodes.wire.errors import NotSupported, ValidationException

REGION_SETS = {
    "US": ("us-east-1", "us-east-2", "us-west-2"),
    "EU": ("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"),
    "AP": ("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
}
CONFLICT = (
    "The request was rejected because one or more items in the request are being modified by a request in another "
    "Region."
)  # the service model's sentence
NO_TRANSACTIONS = "Transaction operations are not supported on global tables with multi-Region strong consistency"
NO_TTL = "Time to Live is not supported on global tables with multi-Region strong consistency"
NO_SINGLE = (
    "A replica of a global table with multi-Region strong consistency cannot be deleted on its own: delete two "
    "replicas, or one replica and the witness, in one UpdateTable"
)
NO_MORE = (
    "Replicas cannot be added to a global table with multi-Region strong consistency, and its witness and its "
    "consistency cannot be changed"
)


class Wish(msgspec.Struct, frozen=True):
    """The members besides the Region that is asked. witness "": none."""

    replicas: tuple[str, ...]
    witness: str
    create: bool


def concerns(params: Mapping[str, Any], shared: Shared) -> bool:
    """Whether an UpdateTable is about strong consistency. Raises ValidationException: the mode makes no sense."""
    mode = params.get("MultiRegionConsistency")
    updates = params.get("ReplicaUpdates") or ()
    if mode is not None:
        constraints = Constraints()
        constraints.one_of(mode, "multiRegionConsistency", ("EVENTUAL", "STRONG"))
        constraints.settle()
        if not any(one.get("Create") for one in updates):
            raise ValidationException(
                INVALID + "MultiRegionConsistency can only be specified with a Create action in ReplicaUpdates"
            )
        if mode == "EVENTUAL" and not shared.strong:
            if params.get("GlobalTableWitnessUpdates"):
                raise ValidationException(
                    INVALID + "A witness can only be specified when MultiRegionConsistency is STRONG"
                )
            return False
    if shared.strong:
        own = all(one.get("Update") for one in updates)  # settings of single replicas: as of every global table
        return bool((updates and not own) or params.get("GlobalTableWitnessUpdates"))
    if params.get("GlobalTableWitnessUpdates") and mode != "STRONG":
        raise ValidationException(INVALID + "A witness can only be specified when MultiRegionConsistency is STRONG")
    return mode == "STRONG"


def gives_up(params: Mapping[str, Any], shared: Shared) -> bool:
    """Whether an UpdateTable deletes the members of a table whose journal has not begun, and perhaps never will."""
    waiting = shared.charter is not None and shared.strong and not shared.charter.seats
    return waiting and any(one.get("Delete") for one in params.get("ReplicaUpdates") or ())


def wish_of(params: Mapping[str, Any], here: str) -> Wish:
    """Both lists of updates, checked on their own. Raises ValidationException."""
    actions = actions_of(params.get("ReplicaUpdates") or (), here)
    witnesses = params.get("GlobalTableWitnessUpdates") or ()
    if len(witnesses) > 1:
        raise ValidationException(INVALID + "Only one witness can be created or deleted in one UpdateTable")
    kinds = [kind for kind, _ in actions]
    regions = [str(detail["RegionName"]) for _, detail in actions]
    for _, detail in actions:
        own = sorted(set(detail) - {"RegionName"})
        if own:
            raise NotSupported(f"per-replica settings of a table of strong consistency: {', '.join(own)}")
    witness = ""
    for one in witnesses:
        named = [kind for kind in ("Create", "Delete") if one.get(kind) is not None]
        if len(named) != 1 or not one[named[0]].get("RegionName"):
            raise ValidationException(
                INVALID
                + "Each of GlobalTableWitnessUpdates must contain exactly one of Create, Delete, with a RegionName"
            )
        kinds.append(named[0])
        witness = str(one[named[0]]["RegionName"])
    if witness == here:
        raise ValidationException(LOCAL_REGION)
    if witness in regions:
        raise ValidationException(INVALID + "A Region cannot be both a replica and the witness")
    if len(set(kinds)) != 1 or kinds[0] not in {"Create", "Delete"}:
        raise ValidationException(INVALID + "All actions on replicas and witness must be Create, or all Delete")
    return Wish(tuple(regions), witness, kinds[0] == "Create")


def check_creation(wish: Wish, shared: Shared, here: str, planet: Sequence[str], empty: bool) -> None:
    """Whether the table can become one of strong consistency with these members. planet: the other Regions."""
    if shared.strong:
        raise ValidationException(NO_MORE)
    if any(one.state in {"joining", "active", "leaving"} for name, one in shared.members.items() if name != here):
        raise ValidationException("The consistency mode of a global table cannot be changed after its creation")
    others = [*wish.replicas, *([wish.witness] if wish.witness else [])]
    if len(others) != 2 or not wish.replicas:
        raise ValidationException(
            INVALID + "A global table with multi-Region strong consistency must be deployed in exactly three Regions: "
            "three replicas, or two replicas and one witness"
        )
    of_set = next((name for name, regions in REGION_SETS.items() if here in regions), None)
    outside = [one for one in (here, *others) if of_set is None or one not in REGION_SETS[of_set]]
    if outside:
        shown = "; ".join(f"{name}: {', '.join(regions)}" for name, regions in REGION_SETS.items())
        raise ValidationException(
            INVALID
            + "The Regions of a global table with multi-Region strong consistency must all be of one Region set "
            f"({shown}). Not so: {', '.join(outside)}"
        )
    missing = [one for one in others if one not in planet]
    if missing:
        raise ValidationException(f"Region {missing[0]} is not part of this planet")  # AWS has all its Regions
    if any(not index.is_global for index in shared.indexes):
        raise ValidationException(
            "Local secondary indexes are not supported on global tables with multi-Region strong consistency"
        )
    if shared.settings.ttl_attribute:
        raise ValidationException(NO_TTL)
    if not empty:
        raise ValidationException(
            "The table must be empty to become a global table with multi-Region strong consistency"
        )


def check_deletion(wish: Wish, shared: Shared, here: str) -> None:
    """Whether the table may become a single-Region table of this Region: both others must go at once."""
    assert shared.charter is not None
    witness = shared.charter.witness
    replicas = sorted(name for name in shared.members if name not in (here, witness))
    if wish.witness not in ("", witness):
        raise ValidationException(f"Region {wish.witness} is not the witness of the global table")
    if sorted(wish.replicas) != replicas or wish.witness != witness:
        raise ValidationException(NO_SINGLE)
