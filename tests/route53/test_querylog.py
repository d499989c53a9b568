"""Query logs: the configurations, and the lines in Route 53's format."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from antipodes.nameserver.querylog import edge_of, stream_folder
from antipodes.wire.errors import ClientFault
from tests.route53.homes import Planet53, on_planet
from tests.route53.planes import plain

ARN = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/route53/example.com"
LINE = re.compile(
    r"1\.0 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\S+) (\S+) (\S+) (\S+) (UDP|TCP) ([A-Z]{3}\d+) (\S+) (\S+)"
)


def test_questions_of_a_logged_zone_are_written_down() -> None:
    async def story(planet: Planet53) -> None:
        zone = (await planet.zone()).rpartition("/")[2]
        info = await planet.change(zone, ("CREATE", plain("api.example.com", "192.0.2.1")))
        await planet.in_sync(info["Id"])
        assert await planet.values("api.example.com") == ["192.0.2.1"]  # before: not logged, though prepared
        await planet.do("CreateQueryLoggingConfig", HostedZoneId=zone, CloudWatchLogsLogGroupArn=ARN)
        await asyncio.sleep(2)
        for _ in range(2):
            assert await planet.values("api.example.com", "Tokyo") == ["192.0.2.1"]
        await planet.ask("none.example.com", "Paris", "AAAA")
        await planet.ask("other.test")
        assert planet.nameserver is not None
        lines = list(planet.nameserver.query_log.recent)
        assert [stream for stream, _ in lines] == [
            *[f"aws/route53/example.com/{zone}/{edge_of('Tokyo')}.log"] * 2,
            f"aws/route53/example.com/{zone}/{edge_of('Paris')}.log",
        ]
        found = [LINE.fullmatch(line) for _, line in lines]
        assert found[0] and found[0].groups()[:5] == (zone, "api.example.com", "A", "NOERROR", "UDP")
        assert found[0][6].startswith("NRT") and found[0][8].endswith(".0/24")
        assert found[2] and found[2].groups()[1:4] == ("none.example.com", "AAAA", "NXDOMAIN")

    on_planet(story)


def test_one_configuration_a_zone_listed_in_pages_and_gone_with_the_zone() -> None:
    async def story(planet: Planet53) -> None:
        async def code(operation: str, **params: Any) -> str:
            with pytest.raises(ClientFault) as refused:
                await planet.do(operation, **params)
            return refused.value.code

        zones = [await planet.zone(name) for name in ("a.test", "b.test", "c.test")]
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
