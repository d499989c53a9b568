"""An experiment in simulated time: a planet from nothing, the run, what it leaves. The same seed, the same digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from antipodes.gameday.proof import evidence as evidences
from antipodes.gameday.proof.bench import TABLE
from antipodes.gameday.proof.evidence import Evidence, State
from antipodes.gameday.proof.experiment import Experiment, Proved, run
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe
from antipodes.store.memory import MemoryEngine
from antipodes.store.records import Change
from antipodes.world.world import HERE

TAP_S = 0.25
TAPPED = 10_000
OPTIONS = {"dynamodb.table_state_s": "0.05", "dynamodb.ttl_sweep_s": "1"}


class SimulatedGround:
    """The disks of a simulated planet. What is trimmed from its logs is noted before."""

    def __init__(self, globe: SimulatedGlobe, *, tapped: bool) -> None:
        self._globe = globe
        self._taps: dict[str, list[tuple[int, Change]]] | None = None
        if tapped:
            self._taps = {region: [] for region in globe.regions}
            globe.world(HERE).spawn(self._tap(), "tap")

    async def _tap(self) -> None:
        while True:
            self._note()
            await self._globe.world(HERE).sleep(TAP_S)

    def _note(self) -> None:
        for region, noted in (self._taps or {}).items():
            found = self._globe.changes(region, noted[-1][0] if noted else 0, TAPPED)
            noted += [(one.position, one.change) for one in found]

    async def equal(self) -> bool:
        peers = [peer for region in (await self._globe.status()).regions for peer in region.peers]
        if not self._globe.settled() or any(not peer.connected or peer.behind for peer in peers):
            return False  # equal items may be so by chance while deletions are still under way
        copies = [evidences.read_rows(self._engine(region), TABLE) for region in self._globe.regions]
        held = [copy for copy in copies if copy is not None]
        return len(held) == len(copies) and all(_agree(held, key) for copy in held for key in copy)

    async def evidence(self) -> Mapping[str, Evidence]:
        self._note()
        taps = self._taps or {}
        return {
            region: evidences.read(self._engine(region), region, TABLE, taps.get(region))
            for region in self._globe.regions
        }

    def _engine(self, region: str) -> MemoryEngine:
        return MemoryEngine(self._globe.disk(region).shelf("region"), region)


def _agree(copies: Sequence[Mapping[bytes, State]], key: bytes) -> bool:
    """Whether the copies have the same row at a key. A deletion may be on its way although nobody is known to be
    behind; one that all know of may be forgotten by some already."""
    found = [copy.get(key) for copy in copies]
    rows = [one for one in found if one is not None]
    same = all(one.raw == rows[0].raw for one in rows)
    return same and (rows[0].item is None or len(rows) == len(found))


def prove(experiment: Experiment, *, sink: Callable[[str], None] | None = None) -> Proved:
    """One experiment on a simulated planet of its own."""

    async def main(globe: SimulatedGlobe) -> Proved:
        return await run(experiment, globe, SimulatedGround(globe, tapped=bool(experiment.log_entries)))

    options = OPTIONS | {"store.sync_s": str(experiment.sync_s)}
    if experiment.log_entries:
        options |= {"replica.log_entries": str(experiment.log_entries), "dynamodb.stream_retention_s": "0.001"}
    proved, left = simulate_globe(experiment.seed, experiment.regions, main, sink=sink, options=options)
    return msgspec.structs.replace(proved, digest=left.digest, lasted_s=left.virtual_s)
