"""The first two acts: what distance costs, and how an item travels.

Decides what is measured and how it is told. Nothing is broken here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from antipodes.gameday.history import Lag
from antipodes.gameday.replicas import holds
from antipodes.gameday.stage import Stage
from antipodes.gameday.users import Caller, DnsFailed
from antipodes.gameday.verdict import percentile
from antipodes.world import geography
from antipodes.world.world import NetworkError

WELCOME = "welcome"  # the item that everybody reads in the first act
ARRIVAL_S = 15.0  # an item that has not arrived after this long is reported as not arrived
LOOK_S = 0.005  # between two looks for it


@dataclass(frozen=True, slots=True)
class Distance:
    """What one city pays. Times are ms; None: it did not work."""

    city: str
    region: str | None
    round_trip_ms: float | None
    call_ms: float | None  # median, on a kept connection
    home_ms: float | None  # the same call, at the one Region


class NoApp(Exception):
    """Nothing answers as the app of the story must; the text says what was asked."""


async def act_one(stage: Stage) -> list[Distance]:
    """Users call the app: where DNS sends them, what it costs, what it would cost with one Region only.

    Raises NoApp."""
    home = stage.globe.regions[0]
    stage.tell.act(
        1, "Everybody is near", f"Users in {len(stage.plan.cities)} cities call https://{stage.plan.app.host}/"
    )
    end = stage.clock() + ARRIVAL_S
    while await stage.write_at(home, WELCOME) is None:
        if stage.clock() > end:
            raise NoApp(
                f"{home} does not serve POST https://{stage.plan.app.host}/items: the story needs an app that answers "
                "as examples/globaldb does"
            )
        await stage.here.sleep(0.5)
    found = []
    for city in stage.plan.cities:
        stage.tell.progress(f"calling from {city}")
        found.append(await _distance(stage, city, home))
    stage.tell.progress("")
    stage.tell.table(
        ("City", "DNS answers", "Round trip ms", "Call ms", f"{home} only ms"),
        [
            (one.city, one.region or "nothing", _ms(one.round_trip_ms), _ms(one.call_ms), _ms(one.home_ms))
            for one in found
        ],
        note="Medians of calls on a kept connection: HTTPS, API Gateway, Lambda, DynamoDB.",
    )
    return found


async def _distance(stage: Stage, city: str, home: str) -> Distance:
    app, caller = stage.plan.app, Caller(stage.globe, city)
    try:
        known = await caller.resolver.resolve(app.host)
        address = known.addresses[0]
        return Distance(
            city=city,
            region=geography.site_of(address),
            round_trip_ms=await _round_trip_ms(stage, city, address),
            call_ms=await _call_ms(stage, caller, address),
            home_ms=await _call_ms(stage, caller, geography.address_of(home)),
        )
    except (DnsFailed, NetworkError):
        return Distance(city, None, None, None, None)
    finally:
        caller.close()


async def _round_trip_ms(stage: Stage, city: str, address: str) -> float:
    """A TCP handshake: one round trip."""
    world = stage.globe.world(city)
    began = world.monotonic()
    stream = await world.connect(address, stage.globe.port)
    took_ms = (world.monotonic() - began) * 1000
    stream.close()
    return took_ms


async def _call_ms(stage: Stage, caller: Caller, address: str) -> float | None:
    app, times = stage.plan.app, []
    for index in range(stage.plan.calls + 1):
        began = stage.clock()
        await caller.call_address(address, app.host, app.read(WELCOME), timeout_s=10.0)
        if index:  # the first one paid for the connection, and perhaps for a cold start
            times.append((stage.clock() - began) * 1000)
    return percentile(times, 0.5)


async def act_two(stage: Stage) -> list[Lag]:
    """In each Region an item is created; the others are watched until they have it."""
    regions = stage.globe.regions
    stage.tell.act(2, "An item travels", "Created in one Region, read in the others as replication arrives.")
    lags: list[Lag] = []
    for source in regions:
        stage.tell.progress(f"an item is created in {source}")
        written = await stage.write_at(source, f"from-{source}")
        targets = [region for region in regions if region != source]
        if written is None:
            stage.tell.line(f"{source} did not take the item", "bad")
            lags += [Lag(source, target, None) for target in targets]
            continue
        arrivals = [_arrival(stage, source, target, *written) for target in targets]
        lags += await asyncio.gather(*arrivals)
    stage.tell.progress("")
    stage.tell.table(
        ("Created in", *(f"seen in {region}" for region in regions)),
        [(source, *(_cell(lags, source, target) for target in regions)) for source in regions],
        note="ms from the acknowledgement; in brackets what the distance alone takes.",
    )
    return lags


async def _arrival(stage: Stage, source: str, target: str, write: str, acknowledged: float) -> Lag:
    end = acknowledged + ARRIVAL_S
    while not await holds(stage.globe, stage.plan.app, target, f"from-{source}", write):
        if stage.clock() > end:
            return Lag(source, target, None)
        await stage.here.sleep(LOOK_S)
    return Lag(source, target, (stage.clock() - acknowledged) * 1000)


def _cell(lags: list[Lag], source: str, target: str) -> str:
    if source == target:
        return "·"
    one = next(lag for lag in lags if (lag.source, lag.target) == (source, target))
    way_ms = geography.round_trip_ms(source, target) / 2
    return f"{_ms(one.seen_ms)} ({way_ms:.0f})"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
