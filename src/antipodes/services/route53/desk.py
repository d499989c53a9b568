"""Desk: what all control-plane operations share: the ledger, the data plane's Region, changes under way.

Rules. A change is one commit: the carried entries and the note of the change (PENDING) beside them. INSYNC is not a
timer: `in_sync` asks the name server whether it holds every key of the change at that version, and notes the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antipodes.services.contract import Surroundings
from antipodes.services.route53.ledger import CHECKS, ZONES, Entry, Ledger, home_of
from antipodes.services.route53.overview import Overview
from antipodes.services.route53.records import Check, Zone, pack, unpack
from antipodes.store.records import Version
from antipodes.wire import models
from antipodes.wire.errors import ClientFault, ServerFault
from antipodes.world.world import GLOBE

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Noted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change that was submitted."""

    id: str
    submitted_s: float
    topic: str
    keys: tuple[bytes, ...]
    version: Version
    comment: str | None = None
    in_sync: bool = False


class Desk:
    """Owner of the ledger in a Region."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.overview = Overview()
        self.ledger = Ledger(around.store, around.region, home_of(around.settings.regions), self.overview.changed)
        self.overview.read(self.ledger)

    # ---------------------------------------------------------------- ids

    def draw_id(self, prefix: str, length: int) -> str:
        chance = self.around.world.chance
        return prefix + "".join(ALPHABET[chance.randrange(36)] for _ in range(length))

    def draw_uuid(self) -> str:
        text = f"{self.around.world.chance.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    # ---------------------------------------------------------------- rows

    def zone(self, zone_id: str) -> Zone:
        """Raises NoSuchHostedZone."""
        found = self.overview.zones.get(zone_id)
        if found is None:
            raise fault("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}")
        return found

    def zones(self) -> list[Zone]:
        """All zones, by id."""
        return [self.overview.zones[zone_id] for zone_id in sorted(self.overview.zones)]

    def check(self, check_id: str) -> Check:
        """Raises NoSuchHealthCheck."""
        data = self.ledger.get(CHECKS, check_id.encode())
        if data is None:
            raise fault("NoSuchHealthCheck", f"A health check with id {check_id} does not exist.")
        return unpack(data, Check)

    def checks(self) -> list[Check]:
        """All health checks, by id."""
        return [unpack(value, Check) for _, value in self.ledger.scan(CHECKS)]

    async def settle(self) -> None:
        """Before answering a read: what it may have seen is durable."""
        if not self.around.store.settled:
            await self.around.store.durable()

    # ---------------------------------------------------------------- changes

    async def submit(
        self, entries: Sequence[Entry], comment: str | None = None, *, change_id: str = ""
    ) -> dict[str, Any]:
        """Commits entries as one change; its ChangeInfo, when durable. All that the name server is to hold have the
        first one's topic."""
        change_id, now_s = change_id or self.draw_id("C", 20), self.around.world.now()
        noted: list[Noted] = []

        def note(version: Version) -> list[tuple[bytes, bytes]]:
            followed = entries[0][0] if entries else ZONES
            keys = tuple(key for topic, key, _ in entries if topic == followed)
            noted.append(Noted(change_id, now_s, followed, keys, version, comment))
            return [(_change_key(change_id), pack(noted[0]))]

        self.ledger.put(entries, note)
        await self.around.store.durable()
        return _info(noted[0])

    async def write(self, entries: Sequence[Entry]) -> None:
        """Commits entries without a change to follow; returns when durable."""
        self.ledger.put(entries, lambda _: [])
        await self.around.store.durable()

    async def change_info(self, change_id: str) -> dict[str, Any]:
        """Raises NoSuchChange."""
        data = self.around.store.get(_change_key(change_id))
        if data is None:
            raise fault("NoSuchChange", f"A change with id {change_id} does not exist.")
        noted = unpack(data, Noted)
        if not noted.in_sync and await self._in_sync(noted):
            noted = msgspec.structs.replace(noted, in_sync=True)
            self.around.store.write([(_change_key(noted.id), pack(noted))])
        await self.settle()
        return _info(noted)

    async def _in_sync(self, noted: Noted) -> bool:
        asked = {"Topic": noted.topic, "Keys": list(noted.keys), "Version": [noted.version.time, noted.version.region]}
        try:
            return bool((await self.ask_name_server("DataPlaneHolds", asked))["Held"])
        except ServerFault:
            return False  # out of reach: nobody knows, so it is still pending

    async def ask_name_server(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """One of nameserver.NameServer's operations. Raises ServerFault when it is out of reach."""
        return await self.around.call("route53", operation, params, region=GLOBE)


def _change_key(change_id: str) -> bytes:
    return b"route53/changes/" + change_id.encode()


def _info(noted: Noted) -> dict[str, Any]:
    info = {
        "Id": f"/change/{noted.id}",
        "Status": "INSYNC" if noted.in_sync else "PENDING",
        "SubmittedAt": noted.submitted_s,
    }
    return info | ({"Comment": noted.comment} if noted.comment else {})


def page_size(params: Mapping[str, Any], largest: int) -> int:
    """MaxItems, which AWS cuts down rather than refuses. Raises InvalidInput."""
    text = str(params.get("MaxItems") or "")
    if not text:
        return largest
    if not (text.isascii() and text.isdigit()) or not text.strip("0"):
        raise invalid(f"1 validation error detected: Value '{text}' at 'maxItems' failed to satisfy constraint")
    return min(int(text), largest) if len(text) < 10 else largest


def marked_page(
    found: Sequence[dict[str, Any]], ids: Sequence[str], params: Mapping[str, Any], member: str, largest: int
) -> dict[str, Any]:
    """One page of shapes, in order of their ids: from Marker on. Raises InvalidInput."""
    size, marker = page_size(params, largest), params.get("Marker") or ""
    left = [at for at, one in enumerate(ids) if one >= marker]
    result: dict[str, Any] = {
        member: [found[at] for at in left[:size]],
        "Marker": marker,
        "IsTruncated": len(left) > size,
        "MaxItems": str(size),
    }
    return result | ({"NextMarker": ids[left[size]]} if len(left) > size else {})


def fault(code: str, message: str) -> ClientFault:
    """An error of the model, with the status that the model gives it."""
    shape = models.error_shape("route53", code)
    status = shape.metadata.get("error", {}).get("httpStatusCode") if shape is not None else None
    return ClientFault(code, message, status=status)


def invalid(message: str) -> ClientFault:
    return ClientFault("InvalidInput", message)
