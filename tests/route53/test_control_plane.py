"""The API: what it keeps, what it refuses and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.wire.errors import AwsError
from tests.route53.homes import Planet53, on_planet
from tests.route53.planes import alias, plain

WWW = "www.example.com"
NONE = "00000000-0000-4000-a000-000000000000"
ENDPOINT = {"Type": "HTTP", "IPAddress": "127.44.4.1", "Port": 80}


async def refused(planet: Planet53, operation: str, **params: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await planet.do(operation, **params)
    return caught.value


async def names(planet: Planet53, zone: str, **more: Any) -> list[str]:
    listed = await planet.do("ListResourceRecordSets", HostedZoneId=zone, **more)
    return [
        f"{one['Name']} {one['Type']} {one.get('SetIdentifier', '')}".strip() for one in listed["ResourceRecordSets"]
    ]


def test_a_zone_is_born_with_ns_and_soa() -> None:
    async def story(planet: Planet53) -> None:
        made = await planet.do(
            "CreateHostedZone", Name="Example.COM", CallerReference="r", HostedZoneConfig={"Comment": "mine"}
        )
        zone = made["HostedZone"]
        assert zone["Id"].startswith("/hostedzone/Z") and zone["Name"] == "example.com."
        assert zone["Config"] == {"PrivateZone": False, "Comment": "mine"} and zone["ResourceRecordSetCount"] == 2
        assert made["ChangeInfo"]["Status"] == "PENDING" and made["Location"].endswith(zone["Id"])
        servers = made["DelegationSet"]["NameServers"]
        assert [server.rpartition(".awsdns-")[2][3:] for server in servers] == ["com", "net", "org", "co.uk"]
        records = (await planet.do("ListResourceRecordSets", HostedZoneId=zone["Id"]))["ResourceRecordSets"]
        assert [(one["Type"], one["TTL"]) for one in records] == [("NS", 172800), ("SOA", 900)]
        assert (await planet.do("GetHostedZone", Id=zone["Id"]))["HostedZone"] == zone
        error = await refused(planet, "CreateHostedZone", Name="other.com", CallerReference="r")
        assert (error.code, error.status) == ("HostedZoneAlreadyExists", 409)
        assert (await refused(planet, "CreateHostedZone", Name="a..b", CallerReference="x")).code == "InvalidDomainName"
        error = await refused(planet, "GetHostedZone", Id="ZNONE")
        assert (error.code, error.status) == ("NoSuchHostedZone", 404)

    on_planet(story)


def test_zones_are_listed_in_pages_by_id_and_by_name() -> None:
    async def story(planet: Planet53) -> None:
        for name in ("b.com", "a.org", "z.b.com"):
            zone = await planet.zone(name)
            await planet.change(zone, ("CREATE", plain(f"x.{name}", "192.0.2.1")))
        seen: list[str] = []
        params: dict[str, Any] = {}
        while True:
            page = await planet.do("ListHostedZones", MaxItems="1", **params)
            seen += [zone["Id"] for zone in page["HostedZones"]]
            if not page["IsTruncated"]:
                break
            params = {"Marker": page["NextMarker"]}
        assert len(seen) == 3 and seen == sorted(seen)
        page = await planet.do("ListHostedZonesByName", MaxItems="2")
        assert [zone["Name"] for zone in page["HostedZones"]] == ["b.com.", "z.b.com."]
        page = await planet.do("ListHostedZonesByName", DNSName=page["NextDNSName"])
        assert [zone["Name"] for zone in page["HostedZones"]] == ["a.org."]

    on_planet(story)


def test_records_are_listed_by_reversed_name_then_type_in_pages() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        await planet.change(
            zone,
            ("CREATE", plain("b.example.com", "192.0.2.1")),
            ("CREATE", plain("a.b.example.com", "192.0.2.1")),
            ("CREATE", plain("b.example.com", '"t"', kind="TXT")),
            ("CREATE", plain("*.example.com", "192.0.2.1")),
            ("CREATE", plain("w.example.com", "192.0.2.1", SetIdentifier="2", Weight=1)),
            ("CREATE", plain("w.example.com", "192.0.2.2", SetIdentifier="1", Weight=1)),
        )
        wanted = [
            "example.com. NS",
            "example.com. SOA",
            "\\052.example.com. A",
            "b.example.com. A",
            "b.example.com. TXT",
            "a.b.example.com. A",
            "w.example.com. A 1",
            "w.example.com. A 2",
        ]
        assert await names(planet, zone) == wanted
        found: list[str] = []
        more: dict[str, Any] = {}
        while True:
            page = await planet.do("ListResourceRecordSets", HostedZoneId=zone, MaxItems="3", **more)
            found += await names(planet, zone, MaxItems="3", **more)
            if not page["IsTruncated"]:
                break
            more = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
            if "NextRecordIdentifier" in page:
                more["StartRecordIdentifier"] = page["NextRecordIdentifier"]
        assert found == wanted
        assert await names(planet, zone, StartRecordName="b.example.com", StartRecordType="TXT") == wanted[4:]
        error = await refused(planet, "ListResourceRecordSets", HostedZoneId=zone, StartRecordType="A")
        assert error.code == "InvalidInput"

    on_planet(story)


BATCHES: list[tuple[str, list[tuple[str, dict[str, Any]]], str]] = [
    (
        "create what is there",
        [("CREATE", plain("there.example.com", "192.0.2.1"))],
        "[Tried to create resource record set [name='there.example.com.', type='A'] but it already exists]",
    ),
    (
        "delete what is not there",
        [("DELETE", plain(WWW, "192.0.2.1"))],
        "[Tried to delete resource record set [name='www.example.com.', type='A'] but it was not found]",
    ),
    (
        "delete other values",
        [("DELETE", plain("there.example.com", "192.0.2.2"))],
        "[Tried to delete resource record set [name='there.example.com.', type='A'] "
        "but the values provided do not match the current values]",
    ),
    ("delete with another TTL", [("DELETE", plain("there.example.com", "192.0.2.1", ttl=61))], "do not match"),
    (
        "another zone's name",
        [("CREATE", plain("www.other.com", "192.0.2.1"))],
        "[RRSet with DNS name www.other.com. is not permitted in zone example.com.]",
    ),
    (
        "CNAME at the apex",
        [("CREATE", plain("example.com", "a.example.com", kind="CNAME"))],
        "[RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com.]",
    ),
    (
        "CNAME beside others",
        [("CREATE", plain("there.example.com", "a.example.com", kind="CNAME"))],
        "[RRSet of type CNAME with DNS name there.example.com. is not permitted as it conflicts with other records "
        "with the same DNS name in zone example.com.]",
    ),
    ("a bad address", [("CREATE", plain(WWW, "192.0.2.256"))], "Invalid Resource Record: 'FATAL problem: A"),
    ("the zone's own NS", [("DELETE", {"Name": "example.com", "Type": "NS"})], "at least one NS record"),
    (
        "two policies in one group",
        [
            ("CREATE", plain(WWW, "192.0.2.1", SetIdentifier="a", Weight=1)),
            ("CREATE", plain(WWW, "192.0.2.2", SetIdentifier="b", Region="us-west-2")),
        ],
        "same name and type",
    ),
    (
        "a simple record beside weighted ones",
        [("CREATE", plain("there.example.com", "192.0.2.1", SetIdentifier="a", Weight=1))],
        "same name and type",
    ),
    (
        "one Region twice",
        [("CREATE", plain(WWW, "192.0.2.1", SetIdentifier=s, Region="us-west-2")) for s in "ab"],
        "same region",
    ),
    (
        "weights of two TTLs",
        [("CREATE", plain(WWW, "192.0.2.1", SetIdentifier=str(t), Weight=1, ttl=t)) for t in (5, 6)],
        "share one TTL",
    ),
    (
        "an alias to nothing",
        [("CREATE", alias(WWW, "gone.example.com", zone="SAME"))],
        "[Tried to create an alias that targets gone.example.com., type A in zone SAME, but that target was not found]",
    ),
    (
        "an alias to a stranger",
        [("CREATE", alias(WWW, "www.other.com", zone="ZOTHER"))],
        "but the alias target name does not lie within the target zone",
    ),
    ("a bad label", [("CREATE", plain("a..example.com", "192.0.2.1"))], "DomainLabel"),
]


@pytest.mark.parametrize(("changes", "text"), [case[1:] for case in BATCHES], ids=[case[0] for case in BATCHES])
def test_a_refused_batch_changes_nothing(changes: list[tuple[str, dict[str, Any]]], text: str) -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        await planet.change(zone, ("CREATE", plain("there.example.com", "192.0.2.1")))
        before = (await planet.do("ListResourceRecordSets", HostedZoneId=zone))["ResourceRecordSets"]
        bare = zone.rpartition("/")[2]
        tried: list[dict[str, Any]] = [
            {"Action": "CREATE", "ResourceRecordSet": plain("good.example.com", "192.0.2.7")}
        ]
        for action, shape in changes:
            record = dict(shape)
            if record.get("AliasTarget", {}).get("HostedZoneId") == "SAME":
                record["AliasTarget"] = record["AliasTarget"] | {"HostedZoneId": bare}
            if action == "DELETE" and "TTL" not in record:
                record = next(one for one in before if one["Type"] == record["Type"])
            tried.append({"Action": action, "ResourceRecordSet": record})
        error = await refused(planet, "ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch={"Changes": tried})
        assert error.code == "InvalidChangeBatch" and text.replace("SAME", bare) in error.message
        assert (await planet.do("ListResourceRecordSets", HostedZoneId=zone))["ResourceRecordSets"] == before

    on_planet(story)


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"Name": WWW, "Type": "A"}, "InvalidInput"),
        ({"Name": WWW, "Type": "A", "TTL": 5}, "InvalidInput"),
        (plain(WWW, "192.0.2.1", Weight=1), "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a"), "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", Weight=256), "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", Weight=1, Region="us-west-2"), "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", Failover="THIRD"), "InvalidInput"),
        (plain(WWW, "192.0.2.1", AliasTarget={"HostedZoneId": "Z", "DNSName": "a", "EvaluateTargetHealth": True}),
         "InvalidInput"),
        (plain(WWW, "192.0.2.1", HealthCheckId="none"), "NoSuchHealthCheck"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", CidrRoutingConfig={"CollectionId": "c", "LocationName": "l"}),
         "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", CidrRoutingConfig={"CollectionId": NONE, "LocationName": "l"}),
         "InvalidChangeBatch"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", GeoProximityLocation={"AWSRegion": "us-west-9"}), "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", GeoProximityLocation={"Bias": 1}), "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", GeoProximityLocation={"LocalZoneGroup": "x"}), "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", GeoProximityLocation={"AWSRegion": "us-west-2", "Bias": 100}),
         "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a",
               GeoProximityLocation={"Coordinates": {"Latitude": "99.9", "Longitude": "0"}}), "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", GeoLocation={"CountryCode": "XX"}), "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", GeoLocation={"CountryCode": "JP", "SubdivisionCode": "13"}),
         "InvalidInput"),
        (plain(WWW, "192.0.2.1", SetIdentifier="a", GeoLocation={"CountryCode": "JP", "ContinentCode": "AS"}),
         "InvalidInput"),
        (plain(WWW, "192.0.2.1", TrafficPolicyInstanceId="x"), "InvalidInput"),
        (alias(WWW, "d1.cloudfront.net", zone="Z2FDTNDATAQYW2"), "UnsupportedOperation"),
        (alias(WWW, "lb-1.us-east-1.elb.amazonaws.com.", zone="Z35SXDOTRQ7X7K"), "UnsupportedOperation"),
    ],
)  # fmt: skip
def test_a_record_set_must_have_its_members(record: dict[str, Any], code: str) -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        assert (await refused(planet, "ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch=batch)).code == code

    on_planet(story)


def test_a_batch_may_replace_an_a_record_by_a_cname() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        await planet.change(zone, ("CREATE", plain(WWW, "192.0.2.1")))
        await planet.change(
            zone,
            ("DELETE", plain(WWW, "192.0.2.1")),
            ("CREATE", plain(WWW, "a.example.com", kind="CNAME")),
        )
        assert "www.example.com. CNAME" in await names(planet, zone)

    on_planet(story)


def test_a_zone_that_is_not_empty_is_kept() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        await planet.change(zone, ("CREATE", plain(WWW, "192.0.2.1")))
        assert (await refused(planet, "DeleteHostedZone", Id=zone)).code == "HostedZoneNotEmpty"
        await planet.change(zone, ("DELETE", plain(WWW, "192.0.2.1")))
        await planet.do("DeleteHostedZone", Id=zone)
        assert (await refused(planet, "GetHostedZone", Id=zone)).code == "NoSuchHostedZone"
        assert (await refused(planet, "GetChange", Id="/change/CNONE")).code == "NoSuchChange"

    on_planet(story)


def test_health_checks_are_idempotent_by_caller_reference() -> None:
    async def story(planet: Planet53) -> None:
        made = await planet.do("CreateHealthCheck", CallerReference="r", HealthCheckConfig=ENDPOINT)
        check = made["HealthCheck"]
        assert check["HealthCheckVersion"] == 1
        assert check["HealthCheckConfig"]["RequestInterval"] == 30
        assert check["HealthCheckConfig"]["FailureThreshold"] == 3
        again = await planet.do("CreateHealthCheck", CallerReference="r", HealthCheckConfig=ENDPOINT)
        assert again["HealthCheck"] == check
        other = ENDPOINT | {"Port": 81}
        error = await refused(planet, "CreateHealthCheck", CallerReference="r", HealthCheckConfig=other)
        assert (error.code, error.status) == ("HealthCheckAlreadyExists", 409)
        await planet.do("DeleteHealthCheck", HealthCheckId=check["Id"])
        error = await refused(planet, "CreateHealthCheck", CallerReference="r", HealthCheckConfig=ENDPOINT)
        assert error.code == "HealthCheckAlreadyExists"
        error = await refused(planet, "GetHealthCheck", HealthCheckId=check["Id"])
        assert (error.code, error.status) == ("NoSuchHealthCheck", 404)

    on_planet(story)


def test_updates_count_versions_and_refuse_stale_ones() -> None:
    async def story(planet: Planet53) -> None:
        made = await planet.do("CreateHealthCheck", CallerReference="r", HealthCheckConfig=ENDPOINT)
        check = made["HealthCheck"]["Id"]
        updated = await planet.do("UpdateHealthCheck", HealthCheckId=check, HealthCheckVersion=1, FailureThreshold=5)
        assert updated["HealthCheck"]["HealthCheckVersion"] == 2
        assert updated["HealthCheck"]["HealthCheckConfig"]["FailureThreshold"] == 5
        error = await refused(planet, "UpdateHealthCheck", HealthCheckId=check, HealthCheckVersion=1, Port=81)
        assert (error.code, error.status) == ("HealthCheckVersionMismatch", 409)
        listed = await planet.do("ListHealthChecks")
        assert [one["Id"] for one in listed["HealthChecks"]] == [check] and not listed["IsTruncated"]

    on_planet(story)


@pytest.mark.parametrize(
    "config",
    [
        {"Type": "HTTP", "Port": 80},
        ENDPOINT | {"IPAddress": "10.0.0.1"},
        ENDPOINT | {"IPAddress": "224.0.0.1"},
        ENDPOINT | {"IPAddress": "x"},
        ENDPOINT | {"Port": 70000},
        ENDPOINT | {"RequestInterval": 20},
        ENDPOINT | {"FailureThreshold": 11},
        ENDPOINT | {"SearchString": "x"},
        ENDPOINT | {"Type": "HTTP_STR_MATCH"},
        ENDPOINT | {"Type": "TCP", "ResourcePath": "/"},
        ENDPOINT | {"ResourcePath": "/a b"},
        ENDPOINT | {"Regions": ["us-east-1", "us-west-2"]},
        ENDPOINT | {"Regions": ["us-east-1", "us-west-2", "eu-north-1"]},
        {"Type": "TCP", "IPAddress": "127.44.4.1"},
        {"Type": "CALCULATED", "HealthThreshold": 1},
        {"Type": "PING", "IPAddress": "127.44.4.1"},
    ],
)
def test_bad_health_checks_are_refused(config: dict[str, Any]) -> None:
    async def story(planet: Planet53) -> None:
        error = await refused(planet, "CreateHealthCheck", CallerReference="r", HealthCheckConfig=config)
        assert error.code == "InvalidInput"
        assert (await planet.do("ListHealthChecks"))["HealthChecks"] == []

    on_planet(story)


def test_a_calculated_check_follows_its_children() -> None:
    async def story(planet: Planet53) -> None:
        children = []
        for n, inverted in enumerate((False, True)):
            config = ENDPOINT | {"Inverted": inverted, "Port": 81 + n}
            made = await planet.do("CreateHealthCheck", CallerReference=str(n), HealthCheckConfig=config)
            children.append(made["HealthCheck"]["Id"])
        for threshold, healthy in ((1, True), (2, False), (0, True), (3, False)):
            config = {"Type": "CALCULATED", "ChildHealthChecks": children, "HealthThreshold": threshold}
            made = await planet.do("CreateHealthCheck", CallerReference=f"c{threshold}", HealthCheckConfig=config)
            zone = await planet.zone(f"z{threshold}.com")  # when this change is in sync, so are the checks before it
            info = await planet.change(zone, ("CREATE", plain(f"a.z{threshold}.com", "192.0.2.1")))
            await planet.in_sync(info["Id"])
            assert planet.nameserver is not None
            status = {one.id: one.healthy for one in planet.nameserver.status()}
            assert status[made["HealthCheck"]["Id"]] is healthy
        assert (await refused(planet, "DeleteHealthCheck", HealthCheckId=children[0])).code == "HealthCheckInUse"

    on_planet(story)


def test_tags() -> None:
    async def story(planet: Planet53) -> None:
        zone = (await planet.zone()).rpartition("/")[2]
        where = {"ResourceType": "hostedzone", "ResourceId": zone}
        await planet.do(
            "ChangeTagsForResource", **where, AddTags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
        )
        await planet.do("ChangeTagsForResource", **where, AddTags=[{"Key": "b", "Value": "3"}], RemoveTagKeys=["a"])
        found = (await planet.do("ListTagsForResource", **where))["ResourceTagSet"]
        assert found == where | {"Tags": [{"Key": "b", "Value": "3"}]}
        error = await refused(planet, "ListTagsForResource", ResourceType="healthcheck", ResourceId="x")
        assert error.code == "NoSuchHealthCheck"

    on_planet(story)
