"""One experiment: a workload on a planet, strikes, mending, and the laws. Data first; the same in both worlds.

setup     a global table over all Regions
run       the workload, and the strikes, at the same time
mend      all faults end, Regions that are down return, replicas become equal (or do not, in time: a breach)
judge     the disks are read, and the laws asked
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from antipodes.gameday.app import App
from antipodes.gameday.disaster import draw
from antipodes.gameday.proof import laws
from antipodes.gameday.proof.bench import TABLE, Bench, Workload
from antipodes.gameday.proof.evidence import KEY, WRITE, Evidence
from antipodes.gameday.proof.strikes import SYNC_S, Strike, bring_back, drawn_strikes, strike
from antipodes.gameday.proof.workloads import WORKLOADS
from antipodes.gameday.storm import create_table
from antipodes.globe.globe import Globe
from antipodes.wire.errors import AwsError
from antipodes.world.world import HERE, NetworkError

# Near and far pairs, and an order by name (the tie-break) that is not that of place.
PLACES = ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "sa-east-1", "ap-southeast-2")
REGIONS = 3
LASTS_S = 10.0
PAUSE_S, REAL_PAUSE_S = 0.25, 0.01
CALM_S = 45.0  # how long replicas may take to become equal after everything was mended
PAGE = 1000
INDEX = {  # every item is in it: each has the id of its write
    "IndexName": "by-write",
    "KeySchema": [{"AttributeName": WRITE, "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}


class Experiment(msgspec.Struct, frozen=True):
    """What is done to a planet. `drawn` makes one of a seed; a test may write one down."""

    seed: int
    workload: str
    regions: tuple[str, ...]
    strikes: tuple[Strike, ...]
    lasts_s: float = LASTS_S
    pause_s: float = PAUSE_S  # between the requests of one writer, on average
    sync_s: float = SYNC_S  # how long a disk takes for a sync, at most: the longer, the more a crash can catch
    log_entries: int = 0  # how much of a log is kept for peers that are away; 0: all


class Proved(msgspec.Struct, frozen=True):
    """What came of an experiment. It holds if there are no breaches."""

    experiment: Experiment
    breaches: tuple[str, ...] = ()
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    reads: int = 0
    items: int = 0
    overwritten: int = 0  # acknowledged writes that another Region's write replaced unseen
    digest: str = ""  # of the trace, in simulated time
    lasted_s: float = 0.0


class Ground(Protocol):
    """What an experiment needs of a planet beside Globe: its disks."""

    async def equal(self) -> bool:
        """Whether the replicas seem equal and at rest: time to judge."""
        ...

    async def evidence(self) -> Mapping[str, Evidence]:
        """What the disks say. Nothing runs on the planet afterwards."""
        ...


def drawn(seed: int, workload: str | None = None, *, lasts_s: float = LASTS_S, real: bool = False) -> Experiment:
    """The experiment that a seed means. Raises ValueError: no such workload.

    real: on a planet of processes, where a request takes its time, and logs are kept.
    """
    names = tuple(WORKLOADS)
    if workload is not None and workload not in WORKLOADS:
        raise ValueError(f"unknown workload {workload!r}; known: {', '.join(names)}")
    places = sorted(PLACES, key=lambda place: draw(seed, f"place {place}"))
    regions = tuple(places[:REGIONS])
    sync_s = SYNC_S if real or draw(seed, "slow disks") < 0.4 else round(0.005 + 0.045 * draw(seed, "sync"), 4)
    return Experiment(
        seed=seed,
        workload=workload or names[int(draw(seed, "workload") * len(names))],
        regions=regions,
        strikes=drawn_strikes(seed, regions, lasts_s, sync_s),
        sync_s=sync_s,
        lasts_s=lasts_s,
        pause_s=REAL_PAUSE_S if real else PAUSE_S,
        log_entries=12 if draw(seed, "short log") < 0.25 and not real else 0,
    )


async def run(experiment: Experiment, globe: Globe, ground: Ground) -> Proved:
    """The whole experiment. What it finds wrong is in the result; raised is only what should not happen at all."""
    workload: Workload = WORKLOADS[experiment.workload]()
    bench = Bench(globe, experiment.seed, experiment.pause_s)
    began = bench.now()
    await create_table(globe, App(table=TABLE, key=KEY), attributes=(WRITE,), more={"GlobalSecondaryIndexes": [INDEX]})
    await workload.setup(bench)
    world = globe.world(HERE)
    works: list[Callable[[], Awaitable[None]]] = [
        partial(workload.run, bench),
        partial(_until, bench, experiment.lasts_s),
        *(partial(strike, globe, world, one, bench.acknowledged) for one in experiment.strikes),
    ]
    await bench.together(works)
    await mend(globe)
    await workload.settle(bench)
    breaches = await _calm(bench, ground)
    streams = {region: await stream(globe, region) for region in globe.regions}
    indexes = {region: await index(globe, region) for region in globe.regions}
    evidence = await ground.evidence()
    breaches += [*judge(experiment, workload, bench, evidence, streams), *laws.indexed(evidence, indexes)]
    return _proved(experiment, bench, evidence, breaches, began)


async def _until(bench: Bench, lasts_s: float) -> None:
    await bench.sleep(lasts_s)
    bench.over = True


async def mend(globe: Globe) -> None:
    """All faults end, all Regions are up."""
    await globe.heal()
    for region in (await globe.status()).regions:
        if region.state != "up":
            await bring_back(globe, globe.world(HERE), region.name)


async def _calm(bench: Bench, ground: Ground) -> list[str]:
    deadline = bench.now() + CALM_S
    while not await ground.equal():
        if bench.now() > deadline:
            return [f"replicas still differ {CALM_S:g} s after everything was mended"]
        await bench.sleep(0.5)
    return []


def judge(
    experiment: Experiment,
    workload: Workload,
    bench: Bench,
    evidence: Mapping[str, Evidence],
    streams: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[str]:
    """Asks all laws. Pure."""
    spared = workload.spared(experiment.regions)
    steady = {region: one for region, one in evidence.items() if region not in spared}
    attempts = [one for one in bench.attempts if one.region not in spared]
    breaches = [*laws.equal(evidence), *laws.winners(evidence)]
    breaches += [*laws.kept(evidence, attempts), *laws.refused(evidence, bench.attempts)]
    breaches += [*laws.forward(evidence, attempts), *laws.seen(evidence, attempts)]
    breaches += laws.replayed(steady)
    if not experiment.log_entries:
        breaches += laws.streamed(evidence, {region: streams[region] for region in steady})
    return breaches + workload.check(evidence, bench)


def _proved(
    experiment: Experiment, bench: Bench, evidence: Mapping[str, Evidence], breaches: list[str], began: float
) -> Proved:
    writes = [one for one in bench.attempts if one.kind != "read"]
    by_outcome = {outcome: sum(one.outcome == outcome for one in writes) for outcome in ("done", "refused", "unknown")}
    overwritten = 0
    for one in evidence.values():
        last: dict[bytes, tuple[int, str]] = {}
        for entry in one.log:
            before = last.get(entry.key)
            overwritten += before is not None and before[1] == one.region != entry.version[1]
            last[entry.key] = entry.version
    return Proved(
        experiment,
        tuple(breaches),
        acknowledged=by_outcome["done"],
        refused=by_outcome["refused"],
        unknown=by_outcome["unknown"],
        reads=len(bench.attempts) - len(writes),
        items=len(next(iter(evidence.values())).rows),
        overwritten=overwritten,
        lasted_s=bench.now() - began,
    )


async def index(globe: Globe, region: str) -> list[Mapping[str, Any]]:
    """All items of a replica's index, through the API; [] if it cannot be read."""
    items: list[Mapping[str, Any]] = []
    params: dict[str, Any] = {"TableName": TABLE, "IndexName": INDEX["IndexName"]}
    try:
        while True:
            page = await globe.call("dynamodb", "Scan", params, region)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return items
            params["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    except (AwsError, NetworkError):
        return []


async def stream(globe: Globe, region: str) -> list[Mapping[str, Any]]:
    """All records of a replica's own stream, in order, through the API; [] if it cannot be read."""
    records: list[Mapping[str, Any]] = []
    try:
        table = (await globe.call("dynamodb", "DescribeTable", {"TableName": TABLE}, region))["Table"]
        arn = table["LatestStreamArn"]
        described = await globe.call("dynamodbstreams", "DescribeStream", {"StreamArn": arn}, region)
        for shard in described["StreamDescription"]["Shards"]:
            asked: dict[str, Any] = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            place = (await globe.call("dynamodbstreams", "GetShardIterator", asked, region))["ShardIterator"]
            while place is not None:
                page = await globe.call(
                    "dynamodbstreams", "GetRecords", {"ShardIterator": place, "Limit": PAGE}, region
                )
                records += page["Records"]
                place = page.get("NextShardIterator") if page["Records"] else None
    except (AwsError, NetworkError):
        return []
    return records
