"""`antipodes status`: Regions, addresses, health, replication lag, functions; 80 columns, nothing cut off."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
from rich.text import Text

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, Json, with_globe
from antipodes.cli.screen import Screen
from antipodes.globe import planet as planets
from antipodes.globe.globe import GlobeStatus, HealthStatus, RegionStatus

STATES = {"up": "green", "down": "red", "healthy": "green", "unhealthy": "red"}
IMPLIED_PORTS = {"https": ":443", "http": ":80"}


def status(as_json: Json = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Shows the planet at this moment."""
    now = with_globe(data_dir, lambda globe: globe.status())
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(now)) + b"\n")
        return
    show(Screen(), planets.read(data_dir), now)


def show(screen: Screen, planet: planets.Planet, now: GlobeStatus) -> None:
    """The planet on a screen."""
    screen.line(
        f"API http://127.0.0.1:{planet.port}   HTTPS port {planet.https_port}   DNS 127.0.0.1:{planet.dns_port}",
        "quiet",
    )
    screen.table(
        ("Region", "State", "Address", "For", "Items", "Lag behind"), [region_row(now, one) for one in now.regions]
    )
    for check in now.health:
        screen.line(health(now, check), "good" if check.healthy else "bad")
        screen.line(target(check), "quiet")
    functions = [
        (one.name, region.name, str(one.environments), str(one.busy), str(one.invocations), str(one.errors))
        for region in now.regions
        for one in region.functions
    ]
    if functions:
        screen.table(("Function", "Region", "Envs", "Busy", "Calls", "Errors"), functions)
    up = [region for region in now.regions if region.state == "up"]
    if up and not all(region.compiled for region in up):
        screen.line("the hot paths run in Python: no C compiler was there at installation", "quiet")
    for fault in now.faults:
        screen.line(str(fault), "bad")


def coloured(state: str) -> Text:
    return Text(state, style=STATES.get(state, "yellow"))


def region_row(now: GlobeStatus, region: RegionStatus) -> tuple[str | Text, ...]:
    items = str(sum(region.tables.values())) if region.tables else "-"
    for_ = duration(now.now - region.since)
    down = [one.name for one in now.regions if one.state == "down"]
    return (region.name, coloured(region.state), region.address, for_, items, lags(region, down))


def lags(region: RegionStatus, down: Sequence[str] = ()) -> str:
    """'us-east-1 35 ms, eu-west-1 cut': how far this Region's copies are behind each peer."""
    parts = []
    for peer in region.peers:
        if not peer.connected:
            parts.append(f"{peer.peer} {'down' if peer.peer in down else 'cut'}")
        elif peer.lag_p50_ms is not None:
            waiting = f" ({peer.behind} waiting)" if peer.behind > 0 else ""
            parts.append(f"{peer.peer} {peer.lag_p50_ms:.0f} ms{waiting}")
    return ", ".join(parts) or "-"


def health(now: GlobeStatus, check: HealthStatus) -> str:
    """'health check 4197ed57: healthy for 12 s; 8 of 8 checkers reach'; the target has a line of its own."""
    state = "healthy" if check.healthy else f"UNHEALTHY ({check.reason})" if check.reason else "UNHEALTHY"
    # A check without checkers follows other checks or a metric.
    seen = f"{check.checkers_healthy} of {check.checkers} checkers reach" if check.checkers else check.verdict
    return f"health check {check.id[:8]}: {state} for {duration(now.now - check.since)}; {seen}"


def target(check: HealthStatus) -> str:
    """'https://host/path': a port that the scheme implies is left out."""
    scheme, found, rest = check.target.partition("://")
    if not found:
        return f"  {check.target}"
    host, slash, path = rest.partition("/")
    return f"  {scheme}://{host.removesuffix(IMPLIED_PORTS.get(scheme, ' '))}{slash}{path}"


def duration(seconds: float) -> str:
    """'12 s', '3 min', '2 h'."""
    if seconds < 120:
        return f"{max(0, round(seconds))} s"
    if seconds < 7200:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"
