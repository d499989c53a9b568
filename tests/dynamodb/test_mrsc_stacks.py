"""AWS::DynamoDB::GlobalTable with MultiRegionConsistency and GlobalTableWitnesses, in simulated time."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from antipodes.globe.simulated import SimulatedGlobe, simulate_globe
from antipodes.wire.errors import AwsError
from antipodes.world.world import HERE

REGIONS = ("us-east-1", "us-east-2", "us-west-2")
EAST, OHIO, WEST = REGIONS


def template(replicas: tuple[str, ...], witness: str = "", **more: Any) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "TableName": "strong",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "Replicas": [{"Region": region} for region in replicas],
        **more,
    }
    if witness:
        properties["GlobalTableWitnesses"] = [{"Region": witness}]
    body = {"Resources": {"Table": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties}}}
    return {"StackName": "stack", "TemplateBody": orjson.dumps(body).decode()}


async def settled(globe: SimulatedGlobe) -> str:
    world = globe.world(HERE)
    for _ in range(300):
        try:
            stacks = (await globe.call("cloudformation", "DescribeStacks", {"StackName": "stack"}, EAST))["Stacks"]
        except AwsError:
            return "gone"
        if not stacks[0]["StackStatus"].endswith("IN_PROGRESS"):
            return str(stacks[0]["StackStatus"])
        await world.sleep(0.2)
    return "never"


@pytest.mark.parametrize("witness", ["", WEST])
def test_a_stack_makes_changes_and_deletes_a_table_of_strong_consistency(witness: str) -> None:
    members = (EAST, OHIO) if witness else REGIONS
    view: dict[str, Any] = {"StreamSpecification": {"StreamViewType": "KEYS_ONLY"}}

    async def main(globe: SimulatedGlobe) -> None:
        async def table(region: str) -> Any:
            return (await globe.call("dynamodb", "DescribeTable", {"TableName": "strong"}, region))["Table"]

        strong = {"MultiRegionConsistency": "STRONG", **view}
        await globe.call("cloudformation", "CreateStack", template(members, witness, **strong), EAST)
        assert await settled(globe) == "CREATE_COMPLETE"
        for region in members:
            found = await table(region)
            assert found["MultiRegionConsistency"] == "STRONG"
            assert found["StreamSpecification"]["StreamViewType"] == "KEYS_ONLY"
            assert [one["RegionName"] for one in found.get("GlobalTableWitnesses", ())] == (
                [witness] if witness else []
            )
        await globe.call("dynamodb", "PutItem", {"TableName": "strong", "Item": {"pk": {"S": "a"}}}, OHIO)
        await globe.call("cloudformation", "UpdateStack", template((EAST,), **view), EAST)
        assert await settled(globe) == "UPDATE_COMPLETE"
        assert "MultiRegionConsistency" not in await table(EAST)
        assert (await table(EAST))["ItemCount"] == 1
        await globe.call("dynamodb", "DeleteItem", {"TableName": "strong", "Key": {"pk": {"S": "a"}}}, EAST)
        await globe.call("cloudformation", "UpdateStack", template(members, witness, **strong), EAST)
        assert await settled(globe) == "UPDATE_COMPLETE"
        await globe.call("cloudformation", "DeleteStack", {"StackName": "stack"}, EAST)
        assert await settled(globe) == "gone"
        for region in REGIONS:
            assert (await globe.call("dynamodb", "ListTables", {}, region))["TableNames"] == []

    simulate_globe(1, REGIONS, main)


def test_a_stack_whose_regions_do_not_fit_is_rolled_back() -> None:
    async def main(globe: SimulatedGlobe) -> None:
        asked = template((EAST, OHIO), MultiRegionConsistency="STRONG")
        await globe.call("cloudformation", "CreateStack", asked, EAST)
        assert await settled(globe) == "ROLLBACK_COMPLETE"
        assert (await globe.call("dynamodb", "ListTables", {}, EAST))["TableNames"] == []

    simulate_globe(1, REGIONS, main)
