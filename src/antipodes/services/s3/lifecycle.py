"""Life cycle rules of buckets: which objects, versions and uploads have had their time. Pure but for the sweeper.

A rule counts whole days from when an object was written (a version: from when it was replaced; an upload: from when it
began), rounded up to the next midnight UTC, as AWS does. Transitions to other storage classes are refused by name:
there are none. A sweeper looks once an hour; AWS looks once a day, and may take longer.
Source: "Lifecycle configuration elements", S3 User Guide.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from antipodes.services.s3.records import Rows, Version
from antipodes.services.s3.stock import Stock, malformed
from antipodes.store.engine import StoreError
from antipodes.wire.errors import ClientFault, NotSupported

DAY_S = 86_400
SWEEP_EVERY_S = 3600.0
MAX_RULES = 1000
ACTIONS = ("Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")


def checked(rules: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Raises MalformedXML, InvalidArgument, NotSupported."""
    if not 0 < len(rules) <= MAX_RULES:
        raise malformed()
    for rule in rules:
        for name in ("Transitions", "Transition", "NoncurrentVersionTransitions", "NoncurrentVersionTransition"):
            if rule.get(name):
                raise NotSupported(f"{name} of life cycle rules (other storage classes of S3)")
        if rule.get("Status") not in ("Enabled", "Disabled") or not any(rule.get(name) for name in ACTIONS):
            raise malformed()
        for name, member in (
            ("Expiration", "Days"),
            ("NoncurrentVersionExpiration", "NoncurrentDays"),
            ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
        ):
            days = (rule.get(name) or {}).get(member)
            if days is not None and int(days) <= 0:
                raise ClientFault("InvalidArgument", f"'{member}' for {name} action must be a positive integer")
    return list(rules)


def due_at(since: float, days: int) -> float:
    """Midnight after so many days."""
    return math.ceil((since + days * DAY_S) / DAY_S) * DAY_S


def selects(rule: Mapping[str, Any], version: Version) -> bool:
    """Whether the rule is about the object."""
    given = rule.get("Filter") or {"Prefix": rule.get("Prefix") or ""}
    both = given.get("And") or given
    tags = {
        one["Key"]: one["Value"] for one in [*(both.get("Tags") or ()), *([both["Tag"]] if both.get("Tag") else ())]
    }
    return (
        version.key.startswith(both.get("Prefix") or "")
        and all(version.tags.get(key) == value for key, value in tags.items())
        and version.size_bytes > int(both.get("ObjectSizeGreaterThan") or -1)
        and version.size_bytes < int(both.get("ObjectSizeLessThan") or version.size_bytes + 1)
    )


def is_expired(rules: Iterable[Mapping[str, Any]], newest: Version, alone: bool, now: float) -> bool:
    """Whether the newest version of a key has had its time. alone: there is nothing behind it."""
    for rule in rules:
        given = rule.get("Expiration") or {}
        if rule["Status"] != "Enabled" or not given or not selects(rule, newest):
            continue
        if newest.marker:
            if alone and (given.get("ExpiredObjectDeleteMarker") or given.get("Days")):
                return True
        elif _end_of(given, newest) <= now:
            return True
    return False


def _end_of(given: Mapping[str, Any], version: Version) -> float:
    if given.get("Date") is not None:
        return float(given["Date"])
    return due_at(version.modified, int(given["Days"])) if given.get("Days") else math.inf


def is_past(rules: Iterable[Mapping[str, Any]], version: Version, rank: int, replaced: float, now: float) -> bool:
    """Whether a version that was replaced has had its time. rank: 1 is the last that was replaced."""
    for rule in rules:
        given = rule.get("NoncurrentVersionExpiration") or {}
        if rule["Status"] != "Enabled" or not given or not selects(rule, version):
            continue
        kept = int(given.get("NewerNoncurrentVersions") or 0)
        if rank > kept and due_at(replaced, int(given.get("NoncurrentDays") or 0)) <= now:
            return True
    return False


def sweep(stock: Stock, now: float) -> int:
    """Removes what has had its time; how many things. One write a key, so that no two sweeps can disagree."""
    removed = 0
    for bucket in stock.shelves.buckets():
        rules = bucket.lifecycle
        if not rules:
            continue
        for newest in list(stock.shelves.keys(bucket.name, "")):
            replaced = newest.modified
            for rank, version in enumerate(list(stock.shelves.past(bucket.name, newest.key)), 1):
                if is_past(rules, version, rank, replaced, now):
                    removed += _written(stock, stock.shelves.without_version(bucket.name, version))
                replaced = version.modified
            alone = next(stock.shelves.past(bucket.name, newest.key), None) is None
            if not is_expired(rules, newest, alone, now):
                continue
            if bucket.versioning and not newest.marker:
                marker = stock.stamped(bucket, Version(key=newest.key, marker=True))
                removed += _written(stock, stock.shelves.with_version(bucket.name, marker))
            else:
                removed += _written(stock, stock.shelves.without_version(bucket.name, newest))
        for upload in list(stock.shelves.uploads(bucket.name)):
            for rule in rules:
                days = (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation")
                ours = rule["Status"] == "Enabled" and selects(rule, upload.draft)
                if ours and days is not None and due_at(upload.initiated, int(days)) <= now:
                    removed += _written(stock, stock.shelves.without_upload(bucket.name, upload))
                    break
    return removed


def _written(stock: Stock, rows: Rows) -> int:
    stock.shelves.store.write(rows, patient=True)
    return 1


async def run(stock: Stock) -> None:
    """Sweeps for ever."""
    while True:
        await stock.surroundings.world.tick(SWEEP_EVERY_S)
        if sweep(stock, stock.now()):
            with contextlib.suppress(StoreError):  # a full disk: next time
                await stock.durable()
