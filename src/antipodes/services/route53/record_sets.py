"""Record sets: ChangeResourceRecordSets, ListResourceRecordSets.

Rules. A batch is played on a copy of what it touches: each action in order against what the earlier ones left, then
the outcome is judged as a whole, so that "delete the A, create the CNAME" passes in one batch. Only a batch without
any fault is written, as one change. Faults are collected and told together, as AWS tells them.

Texts of refusals are AWS's where they are on record in public issue threads; the others are from memory and say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from antipodes.services.route53.batch import Batch
from antipodes.services.route53.desk import Desk, invalid, page_size
from antipodes.services.route53.ledger import ZONES, Entry
from antipodes.services.route53.limits import MAX_RECORDS_OF_ZONE
from antipodes.services.route53.records import (
    RecordSet,
    Zone,
    name_key,
    pack,
    record_of,
    record_shape,
    tidy,
    unpack,
)
from antipodes.services.route53.rules import name_problem, refuse_absent_targets, shape_faults
from antipodes.wire.dns import BadName
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request

MAX_PAGE = 300
MAX_RECORDS, MAX_CHARACTERS = 1000, 32_000  # of one request; UPSERT counts twice


class RecordSets:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def change_resource_record_sets(self, request: Request) -> Mapping[str, Any]:
        zone = self._desk.zone(request.params["HostedZoneId"])
        asked = request.params["ChangeBatch"]
        changes = [_read(one) for one in asked["Changes"]]
        _check_size(changes)
        for _, record in changes:
            if record.check_id:
                self._desk.check(record.check_id)
        batch = Batch(zone, self._stored_at, self._desk.overview.collections)
        for action, record in changes:
            batch.play(action, record)
        faults = batch.faults()
        if faults:
            raise ClientFault("InvalidChangeBatch", f"[{', '.join(faults)}]")
        outcome = batch.outcome()
        grown = self._desk.overview.record_count(zone.id) + batch.growth
        if batch.growth > 0 and grown > MAX_RECORDS_OF_ZONE:
            raise ClientFault("InvalidChangeBatch", f"[Number of records limit of {MAX_RECORDS_OF_ZONE} exceeded.]")
        entries: list[Entry] = [(ZONES, key, None if record is None else pack(record)) for key, record in outcome]
        return {"ChangeInfo": await self._desk.submit(entries, asked.get("Comment"))}

    async def list_resource_record_sets(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        zone = self._desk.zone(params["HostedZoneId"])
        size = page_size(params, MAX_PAGE)
        start = _start_key(zone, params)
        page: list[RecordSet] = []
        following: RecordSet | None = None
        for _, value in self._desk.ledger.scan(ZONES, start, f"{zone.id}0".encode()):
            record = unpack(value, RecordSet)
            if len(page) == size:
                following = record
                break
            page.append(record)
        await self._desk.settle()
        result: dict[str, Any] = {
            "ResourceRecordSets": [record_shape(record) for record in page],
            "IsTruncated": following is not None,
            "MaxItems": str(size),
        }
        if following is not None:
            result |= {"NextRecordName": following.name, "NextRecordType": following.type}
            if following.set_id:
                result["NextRecordIdentifier"] = following.set_id
        return result

    def _stored_at(self, zone: Zone, name: str) -> list[tuple[bytes, RecordSet]]:
        start = name_key(zone.id, name)
        found = self._desk.ledger.scan(ZONES, start, start[:-1] + b"\x01")
        return [(key, unpack(value, RecordSet)) for key, value in found]


def _read(change: Mapping[str, Any]) -> tuple[str, RecordSet]:
    """One Change, its shape checked. Raises InvalidInput, InvalidChangeBatch, NotSupported."""
    shape = change["ResourceRecordSet"]
    refuse_absent_targets(shape)
    faults = shape_faults(change["Action"], shape)
    if faults:
        raise invalid(f"Invalid request: {faults}")
    try:
        return change["Action"], record_of(shape)
    except BadName as error:
        problem = name_problem(shape["Name"], str(error))
        text = f"[FATAL problem: {problem} encountered with '{shape['Name']}']"
        raise ClientFault("InvalidChangeBatch", text) from None


def _check_size(changes: Sequence[tuple[str, RecordSet]]) -> None:
    counted = [(2 if action == "UPSERT" else 1, record) for action, record in changes]
    if sum(times * len(record.values) for times, record in counted) > MAX_RECORDS:
        raise ClientFault("InvalidChangeBatch", f"[Number of records limit of {MAX_RECORDS} exceeded.]")
    if sum(times * sum(map(len, record.values)) for times, record in counted) > MAX_CHARACTERS:
        raise ClientFault("InvalidChangeBatch", f"[Number of characters limit of {MAX_CHARACTERS} exceeded.]")


def _start_key(zone: Zone, params: Mapping[str, Any]) -> bytes:
    name, kind, set_id = (params.get(f"StartRecord{part}") or "" for part in ("Name", "Type", "Identifier"))
    if kind and not name:
        raise invalid("StartRecordType cannot be specified without StartRecordName")
    if set_id and not kind:
        raise invalid("StartRecordIdentifier cannot be specified without StartRecordType")
    if not name:
        return f"{zone.id}/".encode()
    try:
        start = name_key(zone.id, tidy(name))
    except BadName as error:
        raise invalid(f"Invalid start record name: {error}") from None
    if kind:
        start += f"{kind}\0{set_id}".encode()
    return start
