"""Failover of a name, measured: the parts add up, and a name that cannot fail over is said not to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antipodes.cli.failover import lines_of
from antipodes.gameday.failover import Failover, measure
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
WEST, EUROPE, NAME = "127.44.4.1", "127.44.9.1", "api.example.com"
TTL_S = 30


async def record(globe: SimulatedGlobe, *, checked: bool) -> None:
    """api: us-west-2 first, eu-west-1 second."""
    home = REGIONS[0]
    zone = (await globe.call("route53", "CreateHostedZone", {"Name": "example.com", "CallerReference": "z"}, home))[
        "HostedZone"
    ]["Id"]
    config = {"Type": "TCP", "IPAddress": WEST, "Port": globe.port, "RequestInterval": 10, "FailureThreshold": 2}
    params: dict[str, Any] = {"CallerReference": "c", "HealthCheckConfig": config}
    check = (await globe.call("route53", "CreateHealthCheck", params, home))["HealthCheck"]["Id"]
    changes = []
    for role, value in (("PRIMARY", WEST), ("SECONDARY", EUROPE)):
        one = {"Name": NAME, "Type": "A", "TTL": TTL_S, "SetIdentifier": role, "Failover": role}
        one |= {"ResourceRecords": [{"Value": value}]}
        one |= {"HealthCheckId": check} if checked and role == "PRIMARY" else {}
        changes.append({"Action": "CREATE", "ResourceRecordSet": one})
    batch = {"HostedZoneId": zone.rpartition("/")[2], "ChangeBatch": {"Changes": changes}}
    await globe.call("route53", "ChangeResourceRecordSets", batch, home)
    await asyncio.sleep(15)


def failed_over(*, checked: bool, limit_s: float) -> Failover:
    async def story(globe: SimulatedGlobe) -> Failover:
        await record(globe, checked=checked)
        return await measure(globe, NAME, ("Tokyo", "Paris"), lambda: globe.kill("us-west-2"), limit_s=limit_s)

    return simulate_globe(1, REGIONS, story)[0]


def test_the_parts_of_a_failover_add_up() -> None:
    told = failed_over(checked=True, limit_s=120)
    for city in told.cities:
        assert (city.before, city.after) == (WEST, EUROPE)
        assert city.detection_s is not None and city.propagation_s is not None
        assert city.cached_s is not None and city.total_s is not None
        assert 10 <= city.detection_s <= 2 * 10 + 12
        assert city.propagation_s <= 1
        assert city.detection_s + city.propagation_s + city.cached_s == pytest.approx(city.total_s, abs=0.2)
        assert TTL_S - 1 <= city.total_s <= max(TTL_S, city.detection_s) + 2
    assert len(told.checks) == 1
    assert "us-west-2 -> eu-west-1" in "\n".join(lines_of(told))


def test_cities_that_were_led_elsewhere_do_not_depend_on_it() -> None:
    async def story(globe: SimulatedGlobe) -> Failover:
        await record(globe, checked=True)
        return await measure(globe, NAME, ("Tokyo",), lambda: globe.kill("eu-west-1"), region="eu-west-1", limit_s=60)

    told = simulate_globe(1, REGIONS, story)[0]
    assert not told.cities[0].depended and told.cities[0].after == WEST
    assert "did not depend on it: led to us-west-2" in lines_of(told)[1]


def test_a_name_that_cannot_fail_over_is_told() -> None:
    told = failed_over(checked=False, limit_s=60)
    assert [city.total_s for city in told.cities] == [None, None]
    assert "antipodes dig api.example.com --from Tokyo --explain" in lines_of(told)[1]
