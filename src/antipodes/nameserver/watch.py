"""Watch: the health of all checks, as the data plane knows it: what checkers observed, and the verdicts.

Rules. It runs with the name server, not in a Region: with the control plane's Region down, probing goes on. Health is
measured anew when it starts, and a check is healthy until there is data. Who routes by health is told of each flip
(`flipped`) and asks `is_healthy`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from antipodes.nameserver.explanation import CheckerView, CheckView
from antipodes.nameserver.streams import Streams
from antipodes.replica.calls import CallClient
from antipodes.services.contract import Settings
from antipodes.services.route53.health import STALE_INTERVALS, Checker, CheckState, Observation, stream_health
from antipodes.services.route53.prober import Fleet, Resolve
from antipodes.services.route53.records import Check
from antipodes.world import geography
from antipodes.world.world import World

OnEvent = Callable[[str, str, str], None]  # kind ("health"), subject (the check's id), detail


class CheckStatus(msgspec.Struct, frozen=True):
    """One health check, for the globe's status."""

    id: str
    target: str  # "https://host:443/path"
    healthy: bool
    since: float  # epoch seconds of the last flip
    checkers_healthy: int
    checkers: int  # those that are heard of
    reason: str = ""  # the last failure's text
    verdict: str = ""  # how it comes about, as a sentence


class Watch:
    """Owner of the states of all checks. Use: `load` each check, `start`, `stop`."""

    def __init__(
        self,
        world: World,
        probe_world: World,
        settings: Settings,
        *,
        client: CallClient,
        home: str,
        resolve: Resolve,
        control: Callable[[str], tuple[str, str | None]],
        flipped: Callable[[str], None],
        on_event: OnEvent | None,
    ) -> None:
        self._world = world
        self._control = control  # a routing control's name and state, by ARN
        self._flipped = flipped
        self._on_event = on_event
        self._checks: dict[str, CheckState] = {}
        self._fleet = Fleet(world, probe_world, settings, resolve, self._observed)
        self._streams = Streams(world, client, home, told=self._told, metrics=self._metrics)
        self._running = False

    def start(self) -> None:
        """Begins to probe."""
        self._running = True
        for check_id in sorted(self._checks):
            self._follow(self._checks[check_id].check)
        self._streams.start()

    async def stop(self) -> None:
        self._running = False
        await self._fleet.stop()
        await self._streams.stop()

    def _follow(self, check: Check) -> None:
        self._fleet.follow(check)
        self._streams.follow(check)

    def load(self, check_id: str, check: Check | None) -> None:
        """A check as the control plane has it now; None: it is gone."""
        before = self._checks.get(check_id)
        if check is None:
            self._checks.pop(check_id, None)
            self._fleet.drop(check_id)
            self._streams.drop(check_id)
        else:
            state = CheckState.new(check, self._world.now())
            if before is not None:
                # What the checkers found stays; Inverted and Disabled act at once.
                state.checkers = {region: before.checkers.get(region, new) for region, new in state.checkers.items()}
                state.endpoint_healthy, state.healthy = before.endpoint_healthy, before.healthy
                state.since_s = before.since_s
                if check.stream == before.check.stream:
                    state.stream_healthy, state.stream_seen = before.stream_healthy, before.stream_seen
                    state.stream_status, state.stream_at_s = before.stream_status, before.stream_at_s
            if check.control:
                state.control_name, state.control_state = self._control(check.control)
            self._checks[check_id] = state
            self._decide(state)
            if self._running:
                self._follow(check)
        self._flipped(check_id)
        self._decide_calculated()

    def control_changed(self, arn: str) -> None:
        """A routing control was made, named, flipped or deleted."""
        found = self._control(arn)
        followers = [self._checks[check_id] for check_id in sorted(self._checks)]
        for state in followers:
            if state.check.control == arn and (state.control_name, state.control_state) != found:
                state.control_name, state.control_state = found
                if self._decide(state):
                    self._decide_calculated()

    def is_healthy(self, check_id: str) -> bool:
        """A check that is not there counts as healthy: there is no data against it."""
        state = self._checks.get(check_id)
        return state is None or state.healthy

    def status(self) -> tuple[CheckStatus, ...]:
        """The health checks, by id."""
        return tuple(self._status(self._checks[check_id]) for check_id in sorted(self._checks))

    def observations(self, check_id: str, *, failures: bool) -> dict[str, Any]:
        """HealthCheckObservations of one check: each checker's last report, or last failure."""
        state = self._checks.get(check_id)
        found: list[dict[str, Any]] = []
        stream = state.check.stream if state else None
        if state is not None and stream is not None and state.stream_seen and not (failures and state.endpoint_healthy):
            # No checker reads a metric: the alarm's Region stands for one (a guess).
            report = {"Status": state.stream_status, "CheckedTime": state.stream_at_s}
            found.append({"Region": stream.region, "StatusReport": report})
        for region, checker in (state.checkers if state else {}).items():
            seen = checker.last_failure if failures else checker.last
            if seen is not None:
                report = {"Status": seen.status, "CheckedTime": seen.at_s}
                address = geography.address_of(region)
                found.append({"Region": region, "IPAddress": address, "StatusReport": report})
        return {"HealthCheckObservations": found}

    def explained(self, check_id: str) -> CheckView | None:
        """Everything that is known of a check; None: there is no such check."""
        state = self._checks.get(check_id)
        if state is None:
            return None
        check, now_s = state.check, self._world.now()
        limit_s = STALE_INTERVALS * check.interval_s
        return CheckView(
            id=check.id,
            type=check.type,
            target=check.target,
            healthy=state.healthy,
            since=state.since_s,
            verdict=state.verdict(now_s, self.is_healthy),
            inverted=check.inverted,
            disabled=check.disabled,
            interval_s=check.interval_s if check.calls else None,
            threshold=check.threshold if check.calls else None,
            checkers=tuple(
                CheckerView(
                    region,
                    healthy=one.healthy,
                    heard=now_s - one.heard_s <= limit_s,
                    against=one.against,
                    status=one.last.status if one.last else "",
                    at=one.last.at_s if one.last else None,
                )
                for region, one in state.checkers.items()
            ),
            children=check.children,
        )

    def _status(self, state: CheckState) -> CheckStatus:
        counted = state.counted(self._world.now())
        return CheckStatus(
            state.check.id,
            state.check.target,
            state.healthy,
            state.since_s,
            sum(one.healthy for one in counted),
            len(counted),
            state.reason,
            state.verdict(self._world.now(), self.is_healthy),
        )

    def _observed(self, check_id: str, region: str, seen: Observation) -> None:
        state = self._checks.get(check_id)
        checker = state.checkers.get(region) if state else None
        if state is None or checker is None:
            return
        checker.observe(seen, state.check.threshold)
        if self._decide(state):
            self._decide_calculated()

    def _told(self, check_id: str, values: Sequence[float | None] | None) -> None:
        """What an alarm's metric says now."""
        state = self._checks.get(check_id)
        stream = state.check.stream if state else None
        if state is None or stream is None:
            return
        state.stream_seen, state.stream_at_s = True, self._world.now()
        state.stream_healthy = stream_health(stream, values or ())
        shown = ", ".join("no data" if value is None else f"{value:g}" for value in values or ())
        about = f"{stream.statistic} of {stream.namespace} {stream.metric} in {stream.region}"
        if values is None:
            state.stream_status = f"Failure: {about} could not be read"
        else:
            word = {True: "Success", False: "Failure", None: "Insufficient data"}[state.stream_healthy]
            state.stream_status = f"{word}: {about}: [{shown}], unhealthy if {stream.comparison} {stream.threshold:g}"
        if self._decide(state):
            self._decide_calculated()

    def _metrics(self) -> list[dict[str, Any]]:
        """MetricData of all checks: names from memory, and AWS's dimension."""
        data: list[dict[str, Any]] = []
        now_s = self._world.now()
        for check_id in sorted(self._checks):
            state = self._checks[check_id]
            values = [("HealthCheckStatus", float(state.healthy), "None")]
            counted = state.counted(now_s)
            if counted:
                share = 100 * sum(one.healthy for one in counted) / len(counted)
                values.append(("HealthCheckPercentageHealthy", share, "Percent"))
            if state.check.type == "CALCULATED":
                healthy = sum(self.is_healthy(child) for child in state.check.children)
                values.append(("ChildHealthCheckHealthyCount", float(healthy), "Count"))
            if state.check.measure_latency:
                values += _latencies(counted)
            dimensions = [{"Name": "HealthCheckId", "Value": check_id}]
            data += [
                {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": dimensions, "Timestamp": now_s}
                for name, value, unit in values
            ]
        return data

    def _decide(self, state: CheckState) -> bool:
        if not state.decide(self._world.now(), self.is_healthy):
            return False
        self._flipped(state.check.id)
        word = "healthy" if state.healthy else "unhealthy"
        detail = f"{state.check.target} is {word}: {state.verdict(self._world.now(), self.is_healthy)}"
        self._world.trace("route53.health", check=state.check.id, healthy=state.healthy)
        if self._on_event is not None:
            self._on_event("health", state.check.id, detail)
        return True

    def _decide_calculated(self) -> None:
        """Children of a calculated check are never calculated, so once is enough."""
        for check_id in sorted(self._checks):
            if self._checks[check_id].check.type == "CALCULATED":
                self._decide(self._checks[check_id])


def _latencies(checkers: Sequence[Checker]) -> list[tuple[str, float, str]]:
    """Means over the checkers' last calls. SSLHandshakeTime is not told apart from ConnectionTime."""
    seen = [one.last for one in checkers if one.last is not None]
    found: list[tuple[str, float, str]] = []
    for name, times in (
        ("ConnectionTime", [one.connect_ms for one in seen if one.connect_ms is not None]),
        ("TimeToFirstByte", [one.first_byte_ms for one in seen if one.first_byte_ms is not None]),
    ):
        if times:
            found.append((name, math.fsum(times) / len(times), "Milliseconds"))
    return found
