"""Register: what both services share in a Region: the ledger, look-ups, pages, and how far a row has come.

Rules. A change is durable before it is acknowledged, and before an answer that may have seen it. A row is DEPLOYED
when more than half of the planet's Regions hold it: they are asked until they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from antipodes.services.contract import Surroundings
from antipodes.services.recovery.ledger import CLUSTERS, CONTROLS, PANELS, Ledger
from antipodes.services.recovery.records import Cluster, Control, Panel, unpack
from antipodes.store.ledger import Entry
from antipodes.store.records import Version
from antipodes.wire.errors import ClientFault, ServerFault

CONFIG, CLUSTER = "route53-recovery-control-config", "route53-recovery-cluster"
STATUS = {
    "ValidationException": 400,
    "ResourceNotFoundException": 404,
    "ConflictException": 409,
    "ServiceQuotaExceededException": 402,
}
MAX_PAGE = 1000


def fault(code: str, message: str) -> ClientFault:
    """An error of the control plane, with its model's status. The messages are from memory."""
    return ClientFault(code, message, status=STATUS[code])


class Register:
    """Owner of the ledger in a Region."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.ledger = Ledger(around.store, around.region, around.settings.regions)
        self._deployed: dict[tuple[str, bytes], Version] = {}

    # ---------------------------------------------------------------- rows

    def cluster(self, arn: str) -> Cluster:
        """Raises ResourceNotFoundException."""
        data = self.ledger.get(CLUSTERS, arn.encode())
        if data is None:
            raise fault("ResourceNotFoundException", f"Cluster not found: {arn}")
        return unpack(data, Cluster)

    def panel(self, arn: str) -> Panel:
        """Raises ResourceNotFoundException."""
        data = self.ledger.get(PANELS, arn.encode())
        if data is None:
            raise fault("ResourceNotFoundException", f"Control panel not found: {arn}")
        return unpack(data, Panel)

    def control(self, arn: str) -> Control:
        """Raises ResourceNotFoundException."""
        found = self.ledger.control(arn)
        if found is None:
            raise fault("ResourceNotFoundException", f"Routing control not found: {arn}")
        return found

    def clusters(self) -> list[Cluster]:
        """All, by ARN."""
        return [unpack(value, Cluster) for _, value in self.ledger.scan(CLUSTERS)]

    def panels(self, cluster: str | None = None) -> list[Panel]:
        """Those of a cluster, or all, by ARN."""
        found = [unpack(value, Panel) for _, value in self.ledger.scan(PANELS)]
        return [one for one in found if cluster in (None, one.cluster)]

    def controls(self, panel: str | None = None) -> list[Control]:
        """Those of a control panel, or all, by ARN."""
        prefix = b"" if panel is None else f"{panel}/".encode()
        return [unpack(value, Control) for _, value in self.ledger.scan(CONTROLS, prefix, prefix + b"\xff")]

    async def write(self, entries: Iterable[Entry]) -> None:
        """As one commit; returns when it is durable."""
        self.ledger.put(entries, lambda _: [])
        await self.around.store.durable()

    async def settle(self) -> None:
        """Before answering a read: what it may have seen is durable."""
        if not self.around.store.settled:
            await self.around.store.durable()

    # ---------------------------------------------------------------- how far rows have come

    async def statuses(self, topic: str, arns: Sequence[str]) -> list[str]:
        """PENDING or DEPLOYED, of each row."""
        rows: list[tuple[bytes, Version]] = []
        for arn in arns:
            version = self.ledger.version(topic, arn.encode())
            if version is not None and self._deployed.get((topic, arn.encode())) != version:
                rows.append((arn.encode(), version))
        if rows:
            await self._ask(topic, rows)
        return [
            "DEPLOYED" if self._deployed.get((topic, arn.encode())) == self.ledger.version(topic, arn.encode())
            else "PENDING"
            for arn in arns
        ]  # fmt: skip

    async def _ask(self, topic: str, rows: Sequence[tuple[bytes, Version]]) -> None:
        params = {"Topic": topic, "Rows": [(key, version.time, version.region) for key, version in rows]}
        regions = self.around.settings.regions
        answers = await asyncio.gather(*(self._held(region, params) for region in regions))
        for at, (key, version) in enumerate(rows):
            if 2 * sum(answer[at] for answer in answers) > len(regions):
                self._deployed[topic, key] = version

    async def _held(self, region: str, params: Mapping[str, Any]) -> Sequence[bool]:
        try:
            held: Sequence[bool] = (await self.around.call(CLUSTER, "Holds", params, region=region))["Held"]
        except ServerFault:
            return [False] * len(params["Rows"])  # out of reach: nobody knows
        return held


def page(found: Sequence[Any], params: Mapping[str, Any]) -> tuple[list[Any], dict[str, str]]:
    """One page of things that have an `arn`, by ARN, and its NextToken: the last ARN that was told."""
    size, token = min(int(params.get("MaxResults") or MAX_PAGE), MAX_PAGE), params.get("NextToken") or ""
    left = [one for one in found if one.arn > token]
    return list(left[:size]), ({"NextToken": left[size - 1].arn} if len(left) > size else {})
