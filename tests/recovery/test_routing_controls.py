"""Routing controls, from their making to the answers that users get, with Regions that die."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest

from antipodes.gameday import users
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe
from antipodes.wire.errors import AwsError

HOME, OREGON, IRELAND = "us-east-1", "us-west-2", "eu-west-1"
REGIONS = (HOME, OREGON, IRELAND)
CONFIG, CLUSTER = "route53-recovery-control-config", "route53-recovery-cluster"
PRIMARY, SECONDARY = "127.44.1.1", "127.44.9.1"
ABSENT = f"arn:aws:route53-recovery-control::000000000000:controlpanel/{'a' * 32}/routingcontrol/{'b' * 16}"


class Made(NamedTuple):
    cluster: str
    panel: str  # the default one
    control: str
    check: str


async def configure(globe: SimulatedGlobe, operation: str, **params: Any) -> dict[str, Any]:
    return dict(await globe.call(CONFIG, operation, params, OREGON))


async def flip(globe: SimulatedGlobe, control: str, state: str, region: str) -> None:
    params = {"RoutingControlArn": control, "RoutingControlState": state}
    await globe.call(CLUSTER, "UpdateRoutingControlState", params, region)


async def state(globe: SimulatedGlobe, control: str, region: str) -> str:
    found = await globe.call(CLUSTER, "GetRoutingControlState", {"RoutingControlArn": control}, region)
    return str(found["RoutingControlState"])


async def refused(globe: SimulatedGlobe, service: str, operation: str, region: str, **params: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await globe.call(service, operation, params, region)
    return caught.value


async def make_control(globe: SimulatedGlobe) -> tuple[str, str, str]:
    cluster = (await configure(globe, "CreateCluster", ClusterName="shop"))["Cluster"]["ClusterArn"]
    (panel,) = (await configure(globe, "ListControlPanels", ClusterArn=cluster))["ControlPanels"]
    made = await configure(globe, "CreateRoutingControl", ClusterArn=cluster, RoutingControlName="primary")
    return cluster, panel["ControlPanelArn"], made["RoutingControl"]["RoutingControlArn"]


async def make_check(globe: SimulatedGlobe, control: str, **more: Any) -> str:
    config = {"Type": "RECOVERY_CONTROL", "RoutingControlArn": control} | more
    params = {"CallerReference": str(sorted(more)), "HealthCheckConfig": config}
    return str((await globe.call("route53", "CreateHealthCheck", params, HOME))["HealthCheck"]["Id"])


async def make_failover(globe: SimulatedGlobe) -> Made:
    """A name whose primary follows a routing control, which is Off."""
    cluster, panel, control = await make_control(globe)
    check = await make_check(globe, control)
    named = {"Name": "shop.example", "CallerReference": "z"}
    zone = (await globe.call("route53", "CreateHostedZone", named, HOME))["HostedZone"]["Id"]
    record = {"Name": "www.shop.example", "Type": "A", "TTL": 10}
    changes = [
        {"Action": "CREATE", "ResourceRecordSet": record | {"ResourceRecords": [{"Value": value}]} | policy}
        for value, policy in (
            (PRIMARY, {"SetIdentifier": "p", "Failover": "PRIMARY", "HealthCheckId": check}),
            (SECONDARY, {"SetIdentifier": "s", "Failover": "SECONDARY"}),
        )
    ]
    params = {"HostedZoneId": zone, "ChangeBatch": {"Changes": changes}}
    await globe.call("route53", "ChangeResourceRecordSets", params, HOME)
    await asyncio.sleep(2)
    return Made(cluster, panel, control, check)


async def answer(globe: SimulatedGlobe) -> list[str]:
    await asyncio.sleep(2)  # the planet's longest way
    return [one.value for one in (await users.dig(globe, "www.shop.example", "Paris")).answers]


def test_a_failover_record_follows_a_control_that_any_region_flips() -> None:
    async def story(globe: SimulatedGlobe) -> None:
        made = await make_failover(globe)
        assert await answer(globe) == [SECONDARY]  # a new control is Off
        for region in REGIONS:
            await flip(globe, made.control, "On", region)
            assert await answer(globe) == [PRIMARY]
            assert [await state(globe, made.control, one) for one in REGIONS] == ["On"] * 3
            await flip(globe, made.control, "Off", region)
            assert await answer(globe) == [SECONDARY]
        explained = await globe.explain("www.shop.example", "A", "Paris")
        (check,) = explained.checks
        assert check.verdict == "routing control primary is Off" and made.control in check.target
        followers = await configure(globe, "ListAssociatedRoute53HealthChecks", RoutingControlArn=made.control)
        assert followers["HealthCheckIds"] == [made.check]

    simulate_globe(1, REGIONS, story)


@pytest.mark.parametrize("dead", [(HOME,), (OREGON,), (HOME, OREGON)])
def test_it_fails_over_while_the_regions_of_the_control_planes_are_down(dead: tuple[str, ...]) -> None:
    async def story(globe: SimulatedGlobe) -> None:
        made = await make_failover(globe)
        await flip(globe, made.control, "On", HOME)
        assert await answer(globe) == [PRIMARY]
        for region in dead:
            await globe.kill(region)
        await flip(globe, made.control, "Off", IRELAND)
        assert await answer(globe) == [SECONDARY]
        for region in dead:
            await globe.restore(region)
        await asyncio.sleep(5)
        assert [await state(globe, made.control, one) for one in REGIONS] == ["Off"] * 3
        assert await answer(globe) == [SECONDARY]

    simulate_globe(2, REGIONS, story)


def test_an_acknowledged_flip_survives_the_crash_of_its_region() -> None:
    async def story(globe: SimulatedGlobe) -> None:
        made = await make_failover(globe)
        await flip(globe, made.control, "On", IRELAND)
        await globe.kill(IRELAND)
        await asyncio.sleep(5)
        await globe.restore(IRELAND)
        assert await state(globe, made.control, IRELAND) == "On"
        assert await answer(globe) == [PRIMARY]
        await globe.kill(OREGON, destroy=True)
        await asyncio.sleep(5)
        await globe.restore(OREGON)
        await asyncio.sleep(5)
        assert await state(globe, made.control, OREGON) == "On"
        (cluster,) = (await configure(globe, "ListClusters"))["Clusters"]
        assert cluster["ClusterArn"] == made.cluster

    simulate_globe(3, REGIONS, story)


def test_inverted_disabled_and_deleted() -> None:
    async def story(globe: SimulatedGlobe) -> None:
        _, _, control = await make_control(globe)
        checks = {
            await make_check(globe, control): False,
            await make_check(globe, control, Inverted=True): True,
            await make_check(globe, control, Disabled=True): True,
        }

        async def healthy() -> dict[str, bool]:
            await asyncio.sleep(2)
            return {one.id: one.healthy for one in (await globe.status()).health}

        assert await healthy() == checks
        await flip(globe, control, "On", IRELAND)
        plain, inverted, disabled = checks
        assert await healthy() == {plain: True, inverted: False, disabled: True}
        await configure(globe, "DeleteRoutingControl", RoutingControlArn=control)
        assert await healthy() == checks

    simulate_globe(4, REGIONS, story)


def test_several_controls_are_flipped_together_or_not_at_all() -> None:
    async def story(globe: SimulatedGlobe) -> None:
        cluster, _, one = await make_control(globe)
        second = await configure(globe, "CreateRoutingControl", ClusterArn=cluster, RoutingControlName="second")
        other = second["RoutingControl"]["RoutingControlArn"]
        await asyncio.sleep(2)
        both = [
            {"RoutingControlArn": one, "RoutingControlState": "Off"},
            {"RoutingControlArn": other, "RoutingControlState": "On"},
        ]
        await globe.call(CLUSTER, "UpdateRoutingControlStates", {"UpdateRoutingControlStateEntries": both}, HOME)
        listed = (await globe.call(CLUSTER, "ListRoutingControls", {}, HOME))["RoutingControls"]
        assert {each["RoutingControlName"]: each["RoutingControlState"] for each in listed} == {
            "primary": "Off",
            "second": "On",
        }
        wrong = [
            {"RoutingControlArn": one, "RoutingControlState": "On"},
            {"RoutingControlArn": ABSENT, "RoutingControlState": "On"},
        ]
        error = await refused(
            globe, CLUSTER, "UpdateRoutingControlStates", HOME, UpdateRoutingControlStateEntries=wrong
        )
        assert error.code == "ResourceNotFoundException"
        assert await state(globe, one, HOME) == "Off"

    simulate_globe(5, REGIONS, story)


def test_the_control_plane_makes_names_and_unmakes() -> None:
    async def story(globe: SimulatedGlobe) -> None:
        asked = {"ClusterName": "shop", "ClientToken": "t", "Tags": {"team": "dns"}}
        cluster = (await configure(globe, "CreateCluster", **asked))["Cluster"]
        assert cluster["Status"] == "PENDING"
        arn = cluster["ClusterArn"]
        assert (await configure(globe, "CreateCluster", **asked))["Cluster"]["ClusterArn"] == arn
        assert [one["Region"] for one in cluster["ClusterEndpoints"]] == list(REGIONS)
        await asyncio.sleep(2)
        found = (await configure(globe, "DescribeCluster", ClusterArn=arn))["Cluster"]
        assert found == cluster | {"Status": "DEPLOYED"}
        asked = {"ClusterArn": arn, "ControlPanelName": "panel"}
        panel = (await configure(globe, "CreateControlPanel", **asked))["ControlPanel"]["ControlPanelArn"]
        await configure(globe, "UpdateControlPanel", ControlPanelArn=panel, ControlPanelName="renamed")
        asked = {"ClusterArn": arn, "ControlPanelArn": panel, "RoutingControlName": "c"}
        control = (await configure(globe, "CreateRoutingControl", **asked))["RoutingControl"]["RoutingControlArn"]
        assert control.startswith(f"{panel}/routingcontrol/")
        await configure(globe, "UpdateRoutingControl", RoutingControlArn=control, RoutingControlName="d")
        (listed,) = (await configure(globe, "ListRoutingControls", ControlPanelArn=panel))["RoutingControls"]
        assert listed["Name"] == "d"
        described = (await configure(globe, "DescribeControlPanel", ControlPanelArn=panel))["ControlPanel"]
        assert (described["Name"], described["RoutingControlCount"]) == ("renamed", 1)
        await configure(globe, "TagResource", ResourceArn=arn, Tags={"more": "1"})
        await configure(globe, "UntagResource", ResourceArn=arn, TagKeys=["team"])
        assert (await configure(globe, "ListTagsForResource", ResourceArn=arn))["Tags"] == {"more": "1"}
        for operation, params in (
            ("DeleteCluster", {"ClusterArn": arn}),
            ("DeleteControlPanel", {"ControlPanelArn": panel}),
        ):
            assert (await refused(globe, CONFIG, operation, OREGON, **params)).code == "ConflictException"
        await configure(globe, "DeleteRoutingControl", RoutingControlArn=control)
        await configure(globe, "DeleteControlPanel", ControlPanelArn=panel)
        await configure(globe, "DeleteCluster", ClusterArn=arn)
        assert (await configure(globe, "ListControlPanels"))["ControlPanels"] == []

    simulate_globe(6, REGIONS, story)


def test_a_cluster_is_pending_while_most_regions_do_not_hold_it() -> None:
    async def story(globe: SimulatedGlobe) -> None:
        await globe.kill(HOME)
        await globe.kill(IRELAND)
        cluster = (await configure(globe, "CreateCluster", ClusterName="shop"))["Cluster"]
        await asyncio.sleep(30)
        found = await configure(globe, "DescribeCluster", ClusterArn=cluster["ClusterArn"])
        assert found["Cluster"]["Status"] == "PENDING"
        await globe.restore(IRELAND)
        await asyncio.sleep(5)
        found = await configure(globe, "DescribeCluster", ClusterArn=cluster["ClusterArn"])
        assert found["Cluster"]["Status"] == "DEPLOYED"

    simulate_globe(7, REGIONS, story)


def test_what_is_not_there_and_what_is_no_arn() -> None:
    async def story(globe: SimulatedGlobe) -> None:
        error = await refused(globe, CLUSTER, "GetRoutingControlState", IRELAND, RoutingControlArn=ABSENT)
        assert error.code == "ResourceNotFoundException" and error.extra["resourceId"] == ABSENT
        error = await refused(globe, CLUSTER, "GetRoutingControlState", IRELAND, RoutingControlArn="arn:aws:no")
        assert error.code == "ValidationException" and error.extra["reason"] == "fieldValidationFailed"
        wrong = {"RoutingControlArn": ABSENT, "RoutingControlState": "Half"}
        assert (await refused(globe, CLUSTER, "UpdateRoutingControlState", HOME, **wrong)).code == "ValidationException"
        error = await refused(globe, CONFIG, "DescribeRoutingControl", OREGON, RoutingControlArn=ABSENT)
        assert (error.code, error.status) == ("ResourceNotFoundException", 404)
        error = await refused(globe, CONFIG, "CreateCluster", OREGON, ClusterName="two words")
        assert (error.code, error.status) == ("ValidationException", 400)
        error = await refused(globe, CONFIG, "DeleteSafetyRule", OREGON, SafetyRuleArn=ABSENT)
        assert error.code == "UnsupportedOperation"
        configs: tuple[dict[str, Any], ...] = (
            {"Type": "RECOVERY_CONTROL"},
            {"Type": "RECOVERY_CONTROL", "RoutingControlArn": ABSENT},
            {"Type": "RECOVERY_CONTROL", "RoutingControlArn": ABSENT, "Port": 80},
            {"Type": "RECOVERY_CONTROL", "RoutingControlArn": ABSENT, "InsufficientDataHealthStatus": "Healthy"},
            {"Type": "HTTP", "IPAddress": "127.44.1.1", "RoutingControlArn": ABSENT},
        )
        for config in configs:
            params = {"CallerReference": "r", "HealthCheckConfig": config}
            assert (await refused(globe, "route53", "CreateHealthCheck", HOME, **params)).code == "InvalidInput"
        assert (await globe.call("route53", "ListHealthChecks", {}, HOME))["HealthChecks"] == []

    simulate_globe(8, REGIONS, story)
