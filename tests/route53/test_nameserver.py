"""The name server on a network: it follows the control plane, notices dead endpoints, and outlives us-east-1."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest

from antipodes.wire.errors import ClientFault
from antipodes.wire.http import HttpResponse
from tests.route53.homes import HOME, SETTINGS, Planet53, on_planet
from tests.route53.planes import plain

WEST, EUROPE = "127.44.4.1", "127.44.9.1"
API = "api.example.com"


async def checked(planet: Planet53, ip: str, **more: Any) -> str:
    config = {"Type": "HTTP", "IPAddress": ip, "Port": 80, "RequestInterval": 10, "FailureThreshold": 3} | more
    reference = str(zlib.crc32(f"{ip} {more}".encode()))
    made = await planet.do("CreateHealthCheck", CallerReference=reference, HealthCheckConfig=config)
    check_id: str = made["HealthCheck"]["Id"]
    return check_id


async def failover(planet: Planet53, **more: Any) -> str:
    """api: us-west-2 checked and first, eu-west-1 second."""
    zone = await planet.zone()
    check = await checked(planet, WEST, **more)
    info = await planet.change(
        zone,
        ("CREATE", plain(API, WEST, SetIdentifier="p", Failover="PRIMARY", HealthCheckId=check)),
        ("CREATE", plain(API, EUROPE, SetIdentifier="s", Failover="SECONDARY")),
    )
    await planet.in_sync(info["Id"])
    return check


async def until(planet: Planet53, wanted: list[str], within_s: float) -> float:
    """How long until api answers so."""
    start_s = planet.simulation.elapsed_s
    while planet.simulation.elapsed_s - start_s < within_s:
        if await planet.values(API) == wanted:
            return planet.simulation.elapsed_s - start_s
        await asyncio.sleep(0.1)
    raise AssertionError(f"api did not answer {wanted} within {within_s} s")


def test_a_change_is_pending_until_the_name_server_answers_by_it() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        info = await planet.change(zone, ("CREATE", plain(API, WEST)))
        assert info["Status"] == "PENDING"
        assert (await planet.ask(API)).rcode in ("REFUSED", "NXDOMAIN")
        await planet.in_sync(info["Id"])
        assert await planet.values(API) == [WEST]
        info = await planet.change(zone, ("UPSERT", plain(API, EUROPE)))
        await planet.in_sync(info["Id"])
        assert await planet.values(API) == [EUROPE]
        info = await planet.change(zone, ("DELETE", plain(API, EUROPE)))
        await planet.in_sync(info["Id"])
        assert (await planet.ask(API)).rcode == "NXDOMAIN"
        info = (await planet.do("DeleteHostedZone", Id=zone))["ChangeInfo"]
        await planet.in_sync(info["Id"])
        assert (await planet.ask(API)).rcode == "REFUSED"

    on_planet(story)


@pytest.mark.parametrize(("threshold", "seed"), [(1, 1), (3, 2), (3, 3)])
def test_a_dead_endpoint_is_noticed_within_the_band_and_a_living_one_again(threshold: int, seed: int) -> None:
    """The seventh of eight checkers must have failed `threshold` times: between threshold - 1 and threshold intervals,
    and a refused connection costs no more than a round trip."""

    async def story(planet: Planet53) -> None:
        await planet.boot_target("us-west-2")
        check = await failover(planet, FailureThreshold=threshold)
        await asyncio.sleep(61)
        assert await planet.values(API) == [WEST]
        planet.simulation.crash("us-west-2")
        took_s = await until(planet, [EUROPE], 60)
        assert 10 * (threshold - 1) < took_s < 10 * threshold + 6.5
        failures = await planet.do("GetHealthCheckLastFailureReason", HealthCheckId=check)
        assert "Failure: The connection was refused" in str(failures)
        await planet.boot_target("us-west-2")
        took_s = await until(planet, [WEST], 60)
        assert 10 * (threshold - 1) < took_s < 10 * threshold + 6.5
        assert [detail.partition(" is ")[2].partition(":")[0] for _, _, detail in planet.events] == [
            "unhealthy",
            "healthy",
        ]

    on_planet(story, seed)


def test_checks_look_as_aws_specifies() -> None:
    async def story(planet: Planet53) -> None:
        body = b"x" * 5000 + b"needle" + b"y" * 200
        await planet.boot_target("us-west-2", HttpResponse(200, (), body))
        found = await checked(planet, WEST, Type="HTTP_STR_MATCH", SearchString="needle", ResourcePath="/h?a=b")
        late = await checked(planet, WEST, Type="HTTP_STR_MATCH", SearchString="y" * 121)
        named = await checked(planet, "", IPAddress=None, FullyQualifiedDomainName="dynamodb.us-west-2.amazonaws.com")
        unknown = await checked(planet, "", IPAddress=None, FullyQualifiedDomainName="nowhere.example.test")
        tcp = await checked(planet, WEST, Type="TCP", Port=SETTINGS.port)
        closed = await checked(planet, WEST, Type="TCP", Port=4999)
        await asyncio.sleep(45)
        assert planet.nameserver is not None
        healthy = {one.id: one.healthy for one in planet.nameserver.status()}
        assert healthy == {found: True, late: False, named: True, unknown: False, tcp: True, closed: False}
        heads = {(one.target, one.host) for one in planet.requests}
        assert ("/h?a=b", WEST) in heads and ("/", "dynamodb.us-west-2.amazonaws.com") in heads
        seen = await planet.do("GetHealthCheckStatus", HealthCheckId=named)
        reports = {one["Region"]: one["StatusReport"]["Status"] for one in seen["HealthCheckObservations"]}
        assert len(reports) == 8
        assert set(reports.values()) == {f"Success: HTTP Status Code 200, OK. Resolved IP: {WEST}"}
        failures = await planet.do("GetHealthCheckLastFailureReason", HealthCheckId=unknown)
        assert "DNS resolution failed" in str(failures)

    on_planet(story)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (302, True), (404, False), (503, False)])
def test_statuses(status: int, healthy: bool) -> None:
    async def story(planet: Planet53) -> None:
        await planet.boot_target("us-west-2", HttpResponse(status))
        await checked(planet, WEST, FailureThreshold=1)
        await asyncio.sleep(15)
        assert planet.nameserver is not None
        assert [one.healthy for one in planet.nameserver.status()] == [healthy]

    on_planet(story)


def test_inverting_a_check_moves_users_at_once() -> None:
    async def story(planet: Planet53) -> None:
        await planet.boot_target("us-west-2")
        check = await failover(planet)
        await planet.do("UpdateHealthCheck", HealthCheckId=check, Inverted=True)
        assert await until(planet, [EUROPE], 5) < 2

    on_planet(story)


def test_with_us_east_1_down_answers_and_health_checks_go_on() -> None:
    async def story(planet: Planet53) -> None:
        await planet.boot_target("us-west-2")
        await failover(planet)
        planet.simulation.crash(HOME)
        await asyncio.sleep(60)
        assert await planet.values(API) == [WEST]
        planet.simulation.crash("us-west-2")
        assert await until(planet, [EUROPE], 60) < 40

    on_planet(story)


def test_the_name_server_restarts_with_what_it_knew_and_alone() -> None:
    async def story(planet: Planet53) -> None:
        await planet.boot_target("us-west-2")
        await failover(planet)
        await asyncio.sleep(2)
        planet.simulation.crash(HOME)
        planet.simulation.crash("globe")
        await planet.boot_globe()
        assert await planet.values(API) == [WEST]
        planet.simulation.crash("us-west-2")
        assert await until(planet, [EUROPE], 60) < 40

    on_planet(story)


def test_us_east_1_gets_its_zones_back_after_losing_its_disk() -> None:
    async def story(planet: Planet53) -> None:
        check = await failover(planet)
        planet.simulation.crash(HOME, destroy=True)
        await planet.boot_home()
        await asyncio.sleep(10)
        zones = (await planet.do("ListHostedZones"))["HostedZones"]
        assert [(zone["Name"], zone["ResourceRecordSetCount"]) for zone in zones] == [("example.com.", 4)]
        info = await planet.change(zones[0]["Id"], ("CREATE", plain("new.example.com", WEST, HealthCheckId=check)))
        await planet.in_sync(info["Id"])
        assert await planet.values("new.example.com") == [WEST]

    on_planet(story)


def test_a_partition_leaves_changes_pending_until_it_heals() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        await asyncio.sleep(2)
        planet.simulation.crash("globe")
        info = await planet.change(zone, ("CREATE", plain(API, WEST)))
        assert (await planet.do("GetChange", Id=info["Id"]))["ChangeInfo"]["Status"] == "PENDING"
        await planet.boot_globe()
        await planet.in_sync(info["Id"])
        assert await planet.values(API) == [WEST]

    on_planet(story)


def test_test_dns_answer_asks_the_data_plane() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        info = await planet.change(
            zone,
            ("CREATE", plain(API, WEST, SetIdentifier="w", Region="us-west-2")),
            ("CREATE", plain(API, EUROPE, SetIdentifier="e", Region="eu-west-1")),
        )
        await planet.in_sync(info["Id"])
        asked = {"HostedZoneId": zone, "RecordName": API, "RecordType": "A"}
        answer = await planet.do("TestDNSAnswer", **asked, EDNS0ClientSubnetIP=WEST)
        assert (answer["RecordData"], answer["ResponseCode"]) == ([WEST], "NOERROR")
        answer = await planet.do("TestDNSAnswer", **asked, ResolverIP=EUROPE)
        assert answer["RecordData"] == [EUROPE]
        for bad in ({"ResolverIP": "x"}, {"EDNS0ClientSubnetIP": WEST, "EDNS0ClientSubnetMask": "33"}):
            with pytest.raises(ClientFault, match="InvalidInput"):
                await planet.do("TestDNSAnswer", **asked, **bad)
        assert (await planet.do("TestDNSAnswer", **(asked | {"RecordName": "x.other.test"})))[
            "ResponseCode"
        ] == "REFUSED"

    on_planet(story)


def test_a_located_answer_has_a_scope() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        info = await planet.change(
            zone,
            ("CREATE", plain(API, WEST, SetIdentifier="w", Region="us-west-2")),
            ("CREATE", plain("same.example.com", EUROPE)),
        )
        await planet.in_sync(info["Id"])
        assert (await planet.ask(API)).scope_bits == 24
        assert (await planet.ask("same.example.com")).scope_bits == 0

    on_planet(story)


def test_the_same_seed_gives_the_same_trace() -> None:
    def run() -> str:
        planet = Planet53(5)

        async def story() -> None:
            await planet.start()
            await planet.boot_target("us-west-2")
            await failover(planet)
            planet.simulation.crash("us-west-2")
            await asyncio.sleep(40)

        planet.simulation.run(story())
        return planet.simulation.trace_digest

    assert run() == run()
