"""The story of a GameDay: users call, an item travels, a Region dies and returns, the verdict.

Decides: the order of things, and when the story may go on: always by a condition with a deadline, never by a long
sleep. Refuses to know: which world it runs in, how it is shown (`teller`), what the numbers mean (`verdict`, `audit`).

A deadline that passes does not stop the story: it goes on, and the verdict says what did not happen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from antipodes.gameday import telling
from antipodes.gameday.audit import Audit, Cut, audit
from antipodes.gameday.history import DnsChange, Flip, Lag, Outcome, Snapshot
from antipodes.gameday.overture import act_one, act_two
from antipodes.gameday.replicas import equal, scan_all
from antipodes.gameday.stage import Stage, StoryPlan
from antipodes.gameday.teller import Teller, Tone
from antipodes.gameday.traffic import Traffic
from antipodes.gameday.verdict import SETTLED_REQUESTS, Run, Verdict, judge, lag_verdicts
from antipodes.gameday.watch import Watch
from antipodes.globe.globe import Globe
from antipodes.world.rules import Partition

Redeploy = Callable[[], Awaitable[str]]  # what an operator does after a disk is gone; why it failed, or ""

DRAIN_S = 30.0  # requests under way end by their own timeouts long before
SCAN_S = 0.5  # between two scans while stranded writes are on their way back


async def run_story(globe: Globe, plan: StoryPlan, tell: Teller, redeploy: Redeploy | None = None) -> Verdict:
    """Plays the five acts on a planet where the app is deployed, and judges.

    `redeploy` is called after a Region whose disk was destroyed is back (None: nobody does). Raises what the globe
    raises if it cannot be broken or mended (ValueError: no such Region, already down), and NoApp.
    """
    stage = Stage(globe, plan, tell)
    try:
        await act_one(stage)
        lags = await act_two(stage)
        drama = Drama(stage)
        await drama.act_three()
        await drama.act_four(redeploy)
        verdict = await drama.judged(lags)
        telling.tell_verdict(tell, verdict)
        return verdict
    finally:
        stage.tool.close()


class Drama:
    """Acts three to five: traffic, the disaster, the return, the audit."""

    def __init__(self, stage: Stage) -> None:
        plan = stage.plan
        self._stage = stage
        self._disaster = plan.disaster
        self._tell = stage.tell
        self._began = self._broken = self._mended = stage.clock()
        self._traffic = Traffic(stage.globe, plan.app, plan.load, stage.clock, stage.ledger, self._on_outcome)
        self._watch = Watch(stage.globe, plan.app.host, stage.clock, plan.interval_s, self._on_change)
        self._before: dict[str, str | None] = {}
        # What replicators say while all is well: (source, target) -> (p50 ms, p99 ms)
        self._lags: dict[tuple[str, str], tuple[float | None, float | None]] = {}
        self._served_by: dict[str, str | None] = {}  # as told last
        self._failing: dict[str, bool] = {}
        self._during: list[Snapshot] = []
        self._after: list[Snapshot] = []
        self._is_broken = False
        self._notes: list[str] = []
        self._deployed = not self._disaster.destroys  # whether the victim has the app after its return

    # -- act three -----------------------------------------------------------------------------------------------

    async def act_three(self) -> None:
        """Steady traffic, the disaster, and users on their way."""
        stage, disaster = self._stage, self._disaster
        self._tell.act(3, *telling.act_three(disaster))
        self._began = stage.clock()
        await self._watch.start(stage.plan.cities)
        self._traffic.start(stage.plan.cities)
        self._tell.progress("steady traffic from all cities")
        await stage.until(
            lambda: stage.clock() >= self._began + disaster.after_s and self._warm(), disaster.after_s + 30
        )
        self._before = dict(self._watch.regions_by_city())
        self._tell.progress("")
        self._tell.line(telling.before(self._before, self._traffic.outcomes), "quiet")
        self._lags = {
            (peer.peer, region.name): (peer.lag_p50_ms, peer.lag_p99_ms)
            for region in (await stage.globe.status()).regions
            for peer in region.peers
        }
        await self._strike()
        self._tell.line(telling.struck(disaster), "bad", at_s=0.0)
        self._tell.progress("nobody touches anything")
        moved = await stage.until(self._users_moved, stage.plan.moved_s)
        # Whoever moved stays for a while: what the first calls cost, on new connections, is not what calls cost there.
        mend_at = max(self._broken + disaster.lasts_s, stage.clock() + (stage.plan.settled_s if disaster.kills else 0))
        await stage.until(lambda: stage.clock() >= mend_at, mend_at - stage.clock())
        self._tell.progress("")
        if not moved:
            self._say("users have not moved in time", "bad")
        survivors = [name for name in stage.globe.regions if not (disaster.kills and name == disaster.region)]
        self._during = await scan_all(stage.globe, stage.plan.app, survivors, stage.clock)

    async def _strike(self) -> None:
        stage, disaster = self._stage, self._disaster
        if disaster.other is not None:
            self._broken, self._is_broken = stage.clock(), True
            await stage.globe.impose(Partition(disaster.region, disaster.other))
            return
        # What a Region has sent arrives though it dies: only what it could not send any more is stranded. So its links
        # fail a moment before it does, while it still takes writes, as in many real outages.
        if stage.plan.last_writes:
            for peer in stage.globe.regions:
                if peer != disaster.region:
                    await stage.globe.impose(Partition(disaster.region, peer))
        said = 0
        while said < stage.plan.last_writes and await stage.write_at(disaster.region, f"last-{said + 1}") is not None:
            said += 1
        if said:
            self._notes.append(telling.last_writes_note(disaster, said))
            self._tell.line(telling.last_writes(disaster, said), "quiet")
        self._broken, self._is_broken = stage.clock(), True
        await stage.globe.kill(disaster.region, destroy=disaster.destroys)
        if stage.plan.last_writes:
            await stage.globe.heal()

    # -- act four ------------------------------------------------------------------------------------------------

    async def act_four(self, redeploy: Redeploy | None) -> None:
        """Mended; replication catches up; users return; then silence, and all replicas must become equal."""
        stage, disaster = self._stage, self._disaster
        self._tell.act(4, *telling.act_four(disaster))
        self._tell.progress(telling.mending(disaster))
        began = stage.clock()
        if disaster.kills:
            await stage.globe.restore(disaster.region)
        else:
            await stage.globe.heal()
        took_s, self._mended = stage.clock() - began, stage.clock()
        self._tell.progress("")
        self._say(telling.mended(disaster, took_s), "good")
        if disaster.destroys and redeploy is not None:
            self._tell.progress("the app is deployed again")
            failure = await redeploy()
            self._tell.progress("")
            self._deployed = not failure
            if failure:
                self._notes.append(f"the app could not be deployed again: {failure}")
                self._say(self._notes[-1], "bad")
            else:
                self._say("the app is deployed again")
        self._tell.progress("catching up")
        await self._catch_up()
        self._tell.progress("users return as health checks and DNS allow")
        if not await stage.until(self._users_settled, stage.plan.returned_s):
            self._say("users are not back in time", "bad")
        settled = stage.clock()
        await stage.until(lambda: stage.clock() >= settled + stage.plan.settled_s, stage.plan.settled_s)
        self._traffic.stop()
        self._watch.stop()
        self._tell.progress("the last requests end")
        await stage.until(lambda: not self._traffic.outstanding and not self._watch.outstanding, DRAIN_S)
        self._traffic.close()
        self._tell.progress("")

    async def _catch_up(self) -> None:
        """Scans until a Region that was down has what its peers had meanwhile and what was stranded is back (from a
        destroyed disk nothing will be), or the deadline comes."""
        stage, disaster = self._stage, self._disaster
        regions, end = stage.globe.regions, stage.clock() + stage.plan.converged_s
        while True:
            scans = await scan_all(stage.globe, stage.plan.app, regions, stage.clock)
            self._after += scans
            stranded = self._audit(scans).stranded_writes
            missing = sum(one.exposed_s is None for one in stranded)
            caught_up = not disaster.kills or self._refilled(scans)
            if caught_up and (not missing or disaster.destroys):
                break
            if stage.clock() > end:
                break
            await stage.here.sleep(SCAN_S)
        if disaster.kills:
            self._say(telling.caught_up(disaster, scans, caught_up), "good" if caught_up else "bad")
        if stranded:
            self._say(telling.stranded_back(stranded, disaster), "bad" if missing else "good")

    def _refilled(self, scans: Sequence[Snapshot]) -> bool:
        """Whether the victim has every item that its peers had while it was down."""
        had = sorted({item for scan in self._during for item in scan.items})
        mine = next((scan for scan in scans if scan.region == self._disaster.region), None)
        return mine is not None and all(item in mine.items for item in had)

    # -- act five ------------------------------------------------------------------------------------------------

    async def judged(self, lags: list[Lag]) -> Verdict:
        """Waits for equal replicas, audits, judges."""
        stage = self._stage
        self._tell.act(5, "The verdict", "Every acknowledged write is looked for in every replica.")
        self._tell.progress("waiting for all replicas to be equal")
        regions, end = stage.globe.regions, stage.clock() + stage.plan.converged_s
        while True:
            final = await scan_all(stage.globe, stage.plan.app, regions, stage.clock)
            if (len(final) == len(regions) and equal(final)) or stage.clock() > end:
                break
            await stage.here.sleep(SCAN_S)
        self._tell.progress("")
        unread = tuple(region for region in regions if all(one.region != region for one in final))
        return judge(
            Run(
                world=stage.plan.world,
                seed=stage.plan.seed,
                regions=regions,
                cities=stage.plan.cities,
                disaster=self._disaster,
                began=self._began,
                broken=self._broken,
                mended=self._mended,
                ended=stage.clock(),
                outcomes=self._traffic.outcomes,
                flips=self._watch.flips,
                dns_before=self._before,
                dns_changes=self._watch.dns_changes,
                dns_ttl_s=self._watch.ttl_s,
                lags=lag_verdicts(lags, self._lags),
                audit=self._audit(final),
                unread=unread,
                notes=tuple(self._notes),
            )
        )

    def _audit(self, final: Sequence[Snapshot]) -> Audit:
        disaster = self._disaster
        cut = Cut(
            since=self._broken,
            mended=self._mended,
            directions=disaster.cuts(self._stage.globe.regions),
            destroyed=disaster.region if disaster.destroys else None,
        )
        return audit(self._stage.ledger.all(), final, self._during, self._after, cut)

    # -- what is seen on the way ---------------------------------------------------------------------------------

    def _dependents(self) -> list[str]:
        victim = self._disaster.region
        return [city for city in self._stage.plan.cities if self._disaster.kills and self._before.get(city) == victim]

    def _last_served(self, city: str, since: float) -> list[Outcome]:
        mine = [one for one in self._traffic.outcomes if one.city == city and one.at >= since]
        return mine[-SETTLED_REQUESTS:]

    def _warm(self) -> bool:
        """Each city has been served, so that there is a before to compare with."""
        return all(
            sum(one.ok for one in self._last_served(city, self._began)) == SETTLED_REQUESTS
            for city in self._stage.plan.cities
        )

    def _users_moved(self) -> bool:
        return all(
            len(last) == SETTLED_REQUESTS and all(one.ok and one.region != self._disaster.region for one in last)
            for last in (self._last_served(city, self._broken) for city in self._dependents())
        )

    def _users_settled(self) -> bool:
        """Everybody is served; those that had left the Region are back (not if it lost its disk and its app)."""
        back = self._dependents() if self._deployed else []
        for city in self._stage.plan.cities:
            last = self._last_served(city, self._mended)
            if len(last) < SETTLED_REQUESTS or not all(one.ok for one in last):
                return False
            if city in back and any(one.region != self._disaster.region for one in last):
                return False
        return True

    def _on_outcome(self, outcome: Outcome) -> None:
        city = outcome.city
        if not outcome.ok and self._is_broken:
            if not self._failing.get(city):
                self._failing[city] = True
                self._say(f"{city}: first failed request ({outcome.error})", "bad")
            return
        if not outcome.ok:
            return
        before = self._served_by.get(city)
        if before is not None and outcome.region != before and self._is_broken:
            self._say(f"{city}: users are served by {outcome.region} (before: {before})", "good")
        self._served_by[city] = outcome.region
        if outcome.at > self._broken:
            self._failing[city] = False

    def _on_change(self, change: Flip | DnsChange) -> None:
        if self._is_broken:
            self._say(*telling.change(change), at=change.at)

    def _say(self, text: str, tone: Tone = "plain", *, at: float | None = None) -> None:
        self._tell.line(text, tone, at_s=(self._stage.clock() if at is None else at) - self._broken)
