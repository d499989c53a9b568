"""Query logs: the configurations, and the lines in Route 53's format."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from antipodes.nameserver.places import Places
from antipodes.nameserver.querylog import QueryLog, edge_of, stream_folder
from antipodes.services.route53.query_logs import QueryLogConfig
from antipodes.wire import dns, dns_client
from antipodes.wire.errors import ClientFault
from antipodes.world.simulated import Simulation
from tests.route53.homes import Planet53, on_planet
from tests.route53.planes import plain

ARN = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/route53/example.com"
LINE = re.compile(
    r"1\.0 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\S+) (\S+) (\S+) (\S+) (UDP|TCP) ([A-Z]{3}\d+) (\S+) (\S+)"
)


GROUP = "/aws/route53/example.com"


async def lines_of(planet: Planet53, zone: str, city: str) -> list[str]:
    """The log stream of a zone at a city's edge location."""
    stream = f"{zone}/{edge_of(city)}"
    told = await planet.log("GetLogEvents", logGroupName=GROUP, logStreamName=stream, startFromHead=True)
    return [one["message"] for one in told["events"]]


async def logged_zone(planet: Planet53) -> str:
    zone = (await planet.zone()).rpartition("/")[2]
    info = await planet.change(zone, ("CREATE", plain("api.example.com", "192.0.2.1")))
    await planet.in_sync(info["Id"])
    await planet.log("CreateLogGroup", logGroupName=GROUP)
    assert await planet.values("api.example.com") == ["192.0.2.1"]  # before: not logged, though prepared
    await planet.do("CreateQueryLoggingConfig", HostedZoneId=zone, CloudWatchLogsLogGroupArn=ARN)
    await asyncio.sleep(2)
    return zone


def test_questions_of_a_logged_zone_come_to_cloudwatch_logs() -> None:
    async def story(planet: Planet53) -> None:
        zone = await logged_zone(planet)
        for _ in range(2):
            assert await planet.values("api.example.com", "Tokyo") == ["192.0.2.1"]
        await planet.ask("none.example.com", "Paris", "AAAA")
        await planet.ask("other.test")
        await asyncio.sleep(3)
        tokyo, paris = await lines_of(planet, zone, "Tokyo"), await lines_of(planet, zone, "Paris")
        assert (len(tokyo), len(paris)) == (2, 1)
        found = LINE.fullmatch(tokyo[0])
        assert found and found.groups()[:5] == (zone, "api.example.com", "A", "NOERROR", "UDP")
        assert found[6].startswith("NRT") and found[8].endswith(".0/24")
        found = LINE.fullmatch(paris[0])
        assert found and found.groups()[1:4] == ("none.example.com", "AAAA", "NXDOMAIN")

    on_planet(story)


def test_lines_wait_for_a_home_region_that_is_down() -> None:
    async def story(planet: Planet53) -> None:
        zone = await logged_zone(planet)
        await planet.ask("api.example.com", "Tokyo")
        await asyncio.sleep(3)
        planet.simulation.crash("us-east-1")
        for _ in range(3):
            await planet.ask("api.example.com", "Tokyo")
        await asyncio.sleep(20)
        await planet.boot_home()
        await asyncio.sleep(20)
        assert len(await lines_of(planet, zone, "Tokyo")) == 4

    on_planet(story)


def test_files_hold_the_same_lines() -> None:
    files: dict[str, str] = {}

    def write(path: str, text: str) -> None:
        files[path] = files.get(path, "") + text

    async def nowhere(group: str, stream: str, events: list[tuple[int, str]]) -> bool:
        return True

    simulation = Simulation(1)

    async def story() -> None:
        log = QueryLog(simulation.world("globe"), Places(), nowhere, write)
        log.put("Z1", QueryLogConfig("i", "Z1", ARN))
        query = dns.parse_query(dns_client.build_query("a.example.com", "A", 1))
        log.note("Z1", query, 0, True, "127.44.3.1")
        await asyncio.sleep(2)
        log.note("Z1", query, 3, False, "127.44.3.1")
        log.stop()

    simulation.run(story())
    (path,) = files
    assert path == "aws/route53/example.com/Z1/SFO3.log"
    first, second = files[path].splitlines()
    assert " a.example.com A NOERROR TCP SFO3 127.44.3.1 -" in first and " NXDOMAIN UDP " in second


def test_one_configuration_a_zone_listed_in_pages_and_gone_with_the_zone() -> None:
    async def story(planet: Planet53) -> None:
        async def code(operation: str, **params: Any) -> str:
            with pytest.raises(ClientFault) as refused:
                await planet.do(operation, **params)
            return refused.value.code

        zones = [await planet.zone(name) for name in ("a.test", "b.test", "c.test")]
        wanted = {"HostedZoneId": zones[0], "CloudWatchLogsLogGroupArn": ARN}
        assert await code("CreateQueryLoggingConfig", **wanted) == "NoSuchCloudWatchLogsLogGroup"
        await planet.log("CreateLogGroup", logGroupName=GROUP)
        made = [
            await planet.do("CreateQueryLoggingConfig", HostedZoneId=zone, CloudWatchLogsLogGroupArn=ARN)
            for zone in zones
        ]
        config = made[0]["QueryLoggingConfig"]
        assert made[0]["Location"].endswith(config["Id"])
        assert (await planet.do("GetQueryLoggingConfig", Id=config["Id"]))["QueryLoggingConfig"] == config
        again = {"HostedZoneId": zones[0], "CloudWatchLogsLogGroupArn": ARN}
        assert await code("CreateQueryLoggingConfig", **again) == "QueryLoggingConfigAlreadyExists"
        page = await planet.do("ListQueryLoggingConfigs", MaxResults="2")
        rest = await planet.do("ListQueryLoggingConfigs", MaxResults="2", NextToken=page["NextToken"])
        listed = page["QueryLoggingConfigs"] + rest["QueryLoggingConfigs"]
        assert sorted(one["Id"] for one in listed) == sorted(one["QueryLoggingConfig"]["Id"] for one in made)
        mine = await planet.do("ListQueryLoggingConfigs", HostedZoneId=zones[0])
        assert mine == {"QueryLoggingConfigs": [config]}
        await planet.do("DeleteQueryLoggingConfig", Id=config["Id"])
        assert await code("GetQueryLoggingConfig", Id=config["Id"]) == "NoSuchQueryLoggingConfig"
        await planet.do("DeleteHostedZone", Id=zones[1])
        assert len((await planet.do("ListQueryLoggingConfigs"))["QueryLoggingConfigs"]) == 1
        bad = {"HostedZoneId": zones[0], "CloudWatchLogsLogGroupArn": "arn:aws:s3:::bucket"}
        assert await code("CreateQueryLoggingConfig", **bad) == "InvalidInput"
        far = {"HostedZoneId": zones[0], "CloudWatchLogsLogGroupArn": ARN.replace("us-east-1", "eu-west-1")}
        assert await code("CreateQueryLoggingConfig", **far) == "InvalidInput"
        foreign = {"HostedZoneId": zones[0], "CloudWatchLogsLogGroupArn": ARN.replace("000000000000", "111111111111")}
        assert await code("CreateQueryLoggingConfig", **foreign) == "NoSuchCloudWatchLogsLogGroup"

    on_planet(story)


@pytest.mark.parametrize(
    ("group", "folder"),
    [
        ("/aws/route53/x", "aws/route53/x"),
        ("../../etc", "%2E%2E/%2E%2E/etc"),
        ("a.b", "a.b"),
        ("//", "%2F"),
        (".", "%2E"),
    ],
)
def test_a_log_groups_name_leads_nowhere_but_down(group: str, folder: str) -> None:
    assert stream_folder(group) == folder
