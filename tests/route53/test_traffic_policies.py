"""Traffic policies: documents of both versions, versions, instances, and the answers that they give."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from antipodes.services.route53 import traffic_documents
from antipodes.wire.errors import AwsError
from tests.route53.homes import Planet53, on_planet
from tests.route53.planes import alias, plain
from tests.route53.test_nameserver import EUROPE, WEST, checked

API = "api.example.com"
ENDPOINTS = {"west": {"Type": "value", "Value": WEST}, "europe": {"Type": "value", "Value": EUROPE}}


def document(start: str, rules: dict[str, Any], version: str = "2015-10-01", **more: Any) -> str:
    whole = {"AWSPolicyFormatVersion": version, "RecordType": "A", "StartRule": start, "Endpoints": ENDPOINTS}
    return json.dumps(whole | {"Rules": rules} | more)


def to(endpoint: str, **more: Any) -> dict[str, Any]:
    return {"EndpointReference": endpoint, **more}


WEIGHTED = {"RuleType": "weighted", "Items": [to("west", Weight="0"), to("europe", Weight="5")]}
LATENCY = {"RuleType": "latency", "Regions": [to("west", Region="us-west-2"), to("europe", Region="eu-west-1")]}
GEO = {
    "RuleType": "geo",
    "Locations": [to("europe", Continent="EU"), to("west", IsDefault="true")],
}
NEAR = {
    "RuleType": "geoproximity",
    "GeoproximityLocations": [
        to("west", Region="aws:route53:us-west-2", Bias="0"),
        to("europe", Latitude="53.3", Longitude="-6.3", Bias=0),
    ],
}
MANY = {"RuleType": "multivalue", "Items": [to("west"), to("europe")]}


async def made(planet: Planet53, text: str, name: str = "p") -> dict[str, Any]:
    return dict((await planet.do("CreateTrafficPolicy", Name=name, Document=text))["TrafficPolicy"])


async def instance(planet: Planet53, zone: str, policy: dict[str, Any], name: str = API) -> dict[str, Any]:
    found = await planet.do(
        "CreateTrafficPolicyInstance",
        HostedZoneId=zone,
        Name=name,
        TTL=30,
        TrafficPolicyId=policy["Id"],
        TrafficPolicyVersion=policy["Version"],
    )
    return dict(found["TrafficPolicyInstance"])


async def applied(planet: Planet53, made: dict[str, Any]) -> None:
    for _ in range(100):
        found = await planet.do("GetTrafficPolicyInstance", Id=made["Id"])
        if found["TrafficPolicyInstance"]["State"] == "Applied":
            return
        await asyncio.sleep(0.1)
    raise AssertionError("never applied")


@pytest.mark.parametrize(
    ("rules", "city", "wanted"),
    [
        ({"main": WEIGHTED}, "Tokyo", [EUROPE]),
        ({"main": LATENCY}, "Paris", [EUROPE]),
        ({"main": LATENCY}, "Tokyo", [WEST]),
        ({"main": GEO}, "Paris", [EUROPE]),
        ({"main": GEO}, "Tokyo", [WEST]),
        ({"main": NEAR}, "Paris", [EUROPE]),
        ({"main": NEAR}, "Los Angeles", [WEST]),
        ({"main": MANY}, "Tokyo", [WEST, EUROPE]),
        ({"main": {"RuleType": "failover", "Primary": to("europe"), "Secondary": to("west")}}, "Tokyo", [EUROPE]),
        ({"main": {"RuleType": "failover", "Primary": {"RuleReference": "inner", "EvaluateTargetHealth": "true"},
                   "Secondary": to("europe")}, "inner": LATENCY}, "Tokyo", [WEST]),
    ],
)  # fmt: skip
def test_a_policy_answers_by_its_rules(rules: dict[str, Any], city: str, wanted: list[str]) -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        one = await instance(planet, zone, await made(planet, document("main", rules, "2023-05-09")))
        assert one["State"] == "Creating"
        await applied(planet, one)
        assert sorted(await planet.values(API, city)) == sorted(wanted)
        assert {answer.ttl_s for answer in (await planet.ask(API, city)).answers} == {30}

    on_planet(story)


def test_a_tree_fails_over_by_the_health_checks_of_the_document() -> None:
    async def story(planet: Planet53) -> None:
        await planet.boot_target("us-west-2")
        zone, check = await planet.zone(), await checked(planet, WEST, Inverted=True)
        inner = {"RuleType": "weighted", "Items": [to("west", Weight="0", HealthCheck=check)]}
        outer = {
            "RuleType": "failover",
            "Primary": {"RuleReference": "inner", "EvaluateTargetHealth": True},
            "Secondary": to("europe"),
        }
        one = await instance(planet, zone, await made(planet, document("main", {"main": outer, "inner": inner})))
        await applied(planet, one)
        assert await planet.values(API) == [EUROPE]

    on_planet(story)


def test_an_instance_has_one_record_set_that_others_may_alias_and_nobody_may_change() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        policy = await made(planet, document("main", {"main": LATENCY}))
        one = await instance(planet, zone, policy)
        await applied(planet, one)
        listed = (await planet.do("ListResourceRecordSets", HostedZoneId=zone))["ResourceRecordSets"]
        assert listed[2:] == [{"Name": f"{API}.", "Type": "A", "TrafficPolicyInstanceId": one["Id"]}]
        bare = zone.rpartition("/")[2]
        info = await planet.change(zone, ("CREATE", alias("www.example.com", API, zone=bare)))
        await planet.in_sync(info["Id"])
        assert await planet.values("www.example.com", "Paris") == [EUROPE]
        for action, record in (("UPSERT", plain(API, WEST)), ("CREATE", plain(API, WEST, SetIdentifier="a", Weight=1))):
            with pytest.raises(AwsError) as caught:
                await planet.change(zone, (action, record))
            assert caught.value.code == "InvalidChangeBatch"
        with pytest.raises(AwsError) as caught:
            await instance(planet, zone, policy)
        assert caught.value.code == "TrafficPolicyInstanceAlreadyExists"
        with pytest.raises(AwsError) as caught:
            await planet.do("DeleteTrafficPolicy", Id=policy["Id"], Version=1)
        assert caught.value.code == "TrafficPolicyInUse"
        await planet.do("DeleteTrafficPolicyInstance", Id=one["Id"])
        await planet.do("DeleteTrafficPolicy", Id=policy["Id"], Version=1)
        info = await planet.change(zone, ("CREATE", plain("z.example.com", WEST)))
        await planet.in_sync(info["Id"])
        assert await planet.values("www.example.com", "Paris") == []
        assert (await planet.do("GetTrafficPolicyInstanceCount"))["TrafficPolicyInstanceCount"] == 0

    on_planet(story)


def test_versions_and_updates() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        policy = await made(planet, document("main", {"main": WEIGHTED}))
        one = await instance(planet, zone, policy)
        second = json.dumps(
            {"AWSPolicyFormatVersion": "2015-10-01", "RecordType": "A", "StartEndpoint": "west", "Endpoints": ENDPOINTS}
        )
        newer = await planet.do("CreateTrafficPolicyVersion", Id=policy["Id"], Document=second, Comment="two")
        assert newer["TrafficPolicy"]["Version"] == 2 and newer["Location"].endswith(f"{policy['Id']}/2")
        updated = await planet.do(
            "UpdateTrafficPolicyInstance", Id=one["Id"], TTL=10, TrafficPolicyId=policy["Id"], TrafficPolicyVersion=2
        )
        await applied(planet, updated["TrafficPolicyInstance"])
        answer = await planet.ask(API)
        assert [(record.value, record.ttl_s) for record in answer.answers] == [(WEST, 10)]
        listed = await planet.do("ListTrafficPolicyVersions", Id=policy["Id"], MaxItems="1")
        assert listed["IsTruncated"] and listed["TrafficPolicyVersionMarker"] == "2"
        (summary,) = (await planet.do("ListTrafficPolicies"))["TrafficPolicySummaries"]
        assert (summary["LatestVersion"], summary["TrafficPolicyCount"]) == (2, 2)
        used = {"TrafficPolicyId": policy["Id"], "TrafficPolicyVersion": 1}
        by_policy = await planet.do("ListTrafficPolicyInstancesByPolicy", **used)
        assert by_policy["TrafficPolicyInstances"] == []
        by_zone = await planet.do("ListTrafficPolicyInstancesByHostedZone", HostedZoneId=zone)
        assert [found["Id"] for found in by_zone["TrafficPolicyInstances"]] == [one["Id"]]
        name = await planet.do("CreateTrafficPolicy", Name="c", Document=CNAME)
        with pytest.raises(AwsError) as caught:
            await planet.do(
                "UpdateTrafficPolicyInstance",
                Id=one["Id"],
                TTL=10,
                TrafficPolicyId=name["TrafficPolicy"]["Id"],
                TrafficPolicyVersion=1,
            )
        assert caught.value.code == "ConflictingTypes"

    on_planet(story)


CNAME = json.dumps(
    {
        "AWSPolicyFormatVersion": "2015-10-01",
        "RecordType": "CNAME",
        "StartEndpoint": "e",
        "Endpoints": {"e": {"Type": "value", "Value": "d-abc.execute-api.us-east-1.amazonaws.com"}},
    }
)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 50_000,
        "[]",
        "{}",
        document("none", {"main": WEIGHTED}),
        document("main", {"main": WEIGHTED}, "2020-01-01"),
        document("main", {"main": WEIGHTED}, RecordType="NS"),
        document("main", {"main": WEIGHTED}, StartEndpoint="west"),
        document("main", {"main": {"RuleType": "weighted", "Items": []}}),
        document("main", {"main": {"RuleType": "weighted", "Items": [to("west", Weight="256")]}}),
        document("main", {"main": {"RuleType": "weighted", "Items": [to("west", Weight="many")]}}),
        document("main", {"main": {"RuleType": "weighted", "Items": [to("nowhere")]}}),
        document("main", {"main": {"RuleType": "weighted", "Items": [{"RuleReference": "main"}]}}),
        document("main", {"main": {"RuleType": "roulette", "Items": [to("west")]}}),
        document("main", {"main": {"RuleType": "failover", "Primary": to("west")}}),
        document("main", {"main": {"RuleType": "latency", "Regions": [to("west", Region="mars-1")]}}),
        document("main", {"main": {"RuleType": "geo", "Locations": [to("west", Continent="EU", Country="FR")]}}),
        document("main", {"main": {"RuleType": "geo", "Locations": [to("west", Continent="EU")] * 2}}),
        document("main", {"main": {"RuleType": "geoproximity", "GeoproximityLocations": [to("west", Bias="1")]}}),
        document("main", {"main": {"RuleType": "multivalue", "Items": [{"RuleReference": "x"}]}, "x": WEIGHTED}),
        document("main", {"main": WEIGHTED}, Endpoints={"west": {"Type": "value", "Value": "no address"}}),
        document("main", {"main": WEIGHTED}, Endpoints={"west": 7}),
        document("main", {"main": {"RuleType": "weighted", "Items": [to("west", EvaluateTargetHealth="maybe")]}}),
    ],
)
def test_documents_that_are_refused(text: str) -> None:
    with pytest.raises(AwsError) as caught:
        traffic_documents.parse(text)
    assert caught.value.code == "InvalidTrafficPolicyDocument"


def test_endpoints_that_this_planet_does_not_have_are_named() -> None:
    text = document("main", {"main": WEIGHTED}, Endpoints={"west": {"Type": "cloudfront", "Value": "x"}})
    with pytest.raises(AwsError, match="endpoints of type cloudfront"):
        traffic_documents.parse(text)
