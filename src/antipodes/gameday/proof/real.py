"""An experiment on a planet of real processes: SIGKILL, real sockets, real disks. The caller starts and ends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from antipodes.gameday.proof import evidence as evidences
from antipodes.gameday.proof.bench import TABLE
from antipodes.gameday.proof.evidence import KEY, Evidence
from antipodes.gameday.proof.experiment import Experiment, Proved, run
from antipodes.globe.globe import Globe
from antipodes.store.sqlite import SqliteEngine
from antipodes.wire.errors import AwsError
from antipodes.world.world import NetworkError


class RealGround:
    """The disks of a planet. `stop` ends it in an orderly way: its disks are read afterwards."""

    def __init__(self, globe: Globe, data_dir: Path, stop: Callable[[], Awaitable[None]]) -> None:
        self._globe = globe
        self._data_dir = data_dir
        self._stop = stop

    async def equal(self) -> bool:
        """By what the API says: the disks belong to others still."""
        first, *others = [await self._scan(region) for region in self._globe.regions]
        behind = [peer.behind for region in (await self._globe.status()).regions for peer in region.peers]
        return first is not None and all(one == first for one in others) and not any(behind)

    async def _scan(self, region: str) -> dict[str, Any] | None:
        items: dict[str, Any] = {}
        params: dict[str, Any] = {"TableName": TABLE, "ConsistentRead": True}
        while True:
            try:
                page = await self._globe.call("dynamodb", "Scan", params, region)
            except (AwsError, NetworkError):
                return None
            items |= {item[KEY]["S"]: item for item in page["Items"]}
            if "LastEvaluatedKey" not in page:
                return items
            params["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def evidence(self) -> Mapping[str, Evidence]:
        await self._stop()
        found = {}
        for region in self._globe.regions:
            engine = SqliteEngine(self._data_dir / "regions" / region / "region.sqlite")
            try:
                found[region] = evidences.read(engine, region, TABLE)
            finally:
                engine.close()
        return found


async def prove(experiment: Experiment, globe: Globe, data_dir: Path, stop: Callable[[], Awaitable[None]]) -> Proved:
    """One experiment on a fresh planet of that folder, which it ends."""
    return await run(experiment, globe, RealGround(globe, data_dir, stop))
