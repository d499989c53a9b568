"""The example deployed to a whole simulated planet: every service is the real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from antipodes.globe import deploy, manifest
from antipodes.globe.deploy import DeployReport, StackResult
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "globaldb"
APP = manifest.load(EXAMPLE)


def actions(report: DeployReport) -> dict[str, str]:
    assert report.ok, report.reason
    return {f"{one.stack}@{one.region}": one.action for one in report.stacks}


def quiet(line: str) -> None: ...


def test_the_example_is_deployed_and_deploying_again_changes_nothing() -> None:
    async def story(globe: SimulatedGlobe) -> tuple[DeployReport, DeployReport]:
        return await deploy.deploy(APP, globe, quiet), await deploy.deploy(APP, globe, quiet)

    (first, second), _ = simulate_globe(1, APP.regions, story)
    assert list(dict.fromkeys(actions(first).values())) == ["created"]
    assert list(dict.fromkeys(actions(second).values())) == ["unchanged"]
    assert len(actions(first)) == 8


def test_a_changed_parameter_updates_only_its_stack() -> None:
    stacks = tuple(
        replace(one, parameters={**one.parameters, "HealthDepth": "deep"}) if one.name == "globaldb-service" else one
        for one in APP.stacks
    )

    async def story(globe: SimulatedGlobe) -> DeployReport:
        await deploy.deploy(APP, globe, quiet)
        return await deploy.deploy(replace(APP, stacks=stacks), globe, quiet)

    report, _ = simulate_globe(2, APP.regions, story)
    updated = [place for place, action in actions(report).items() if action == "updated"]
    assert updated == [f"globaldb-service@{region}" for region in APP.regions]


def test_a_region_that_lost_its_disk_is_deployed_to_again() -> None:
    async def checks(globe: SimulatedGlobe) -> list[str]:
        found = await globe.call("route53", "ListHealthChecks", {}, "us-east-1")
        return sorted(one["Id"] for one in found["HealthChecks"])

    async def story(globe: SimulatedGlobe) -> tuple[DeployReport, list[str], list[str]]:
        await deploy.deploy(APP, globe, quiet)
        before = await checks(globe)
        await globe.kill("us-west-2", destroy=True)
        await globe.world("here").sleep(5)
        await globe.restore("us-west-2")
        await globe.world("here").sleep(20)
        report = await deploy.deploy(APP, globe, quiet)
        await globe.world("here").sleep(60)
        assert all(one.healthy for one in (await globe.status()).health)
        return report, before, await checks(globe)

    (report, before, after), _ = simulate_globe(3, APP.regions, story)
    assert after == before  # the lost stack's health check is taken over: none is left that fails for ever
    assert [place for place, action in actions(report).items() if action == "created"] == [
        "globaldb-service@us-west-2",
        "globaldb-routing@us-west-2",
    ]


def test_a_failure_names_stack_region_resource_and_reason() -> None:
    stacks = tuple(
        replace(
            one,
            template=one.template.replace(
                "AttributeName: id\n          KeyType", "AttributeName: di\n          KeyType"
            ),
        )
        for one in APP.stacks
    )

    async def story(globe: SimulatedGlobe) -> DeployReport:
        return await deploy.deploy(replace(APP, stacks=stacks), globe, quiet)

    report, _ = simulate_globe(4, APP.regions, story)
    assert not report.ok
    assert report.reason.startswith("globaldb-table in us-east-1: ROLLBACK_COMPLETE: Table: Resource handler returned")


def test_what_fails_alike_in_several_regions_is_said_once() -> None:
    stacks = tuple(replace(one, capabilities=()) if one.name == "globaldb-service" else one for one in APP.stacks)
    results: list[StackResult] = []

    async def story(globe: SimulatedGlobe) -> DeployReport:
        return await deploy.deploy(replace(APP, stacks=stacks), globe, quiet, results.append)

    report, _ = simulate_globe(6, APP.regions, story)
    assert report.reason.startswith("globaldb-service in us-east-1, us-west-2, eu-west-1: Requires capabilities")
    assert report.reason.count("Requires capabilities") == 1
    assert tuple(results[:2]) == report.stacks[:2]
    assert [one.action for one in results] == ["created", "created", "failed", "failed", "failed"]
    assert all(one.took_s > 0 for one in results)


def test_a_region_that_is_down_is_named() -> None:
    async def story(globe: SimulatedGlobe) -> DeployReport:
        await globe.kill("us-west-2")
        return await deploy.deploy(APP, globe, quiet)

    report, _ = simulate_globe(7, APP.regions, story)
    assert report.reason.startswith("us-west-2 cannot be reached (")


def test_a_region_the_planet_does_not_have_is_named() -> None:
    async def story(globe: SimulatedGlobe) -> DeployReport:
        return await deploy.deploy(APP, globe, quiet)

    report, _ = simulate_globe(5, ("us-east-1", "eu-west-1"), story)
    assert not report.ok
    assert "no Region us-west-2" in report.reason
