"""CloudFormation's types of routing controls, made in a Region that is not their control plane's."""

from __future__ import annotations

import asyncio
from typing import Any

from antipodes.globe.simulated import SimulatedGlobe, simulate_globe

HOME, OREGON, IRELAND = "us-east-1", "us-west-2", "eu-west-1"
CONFIG = "route53-recovery-control-config"
TEMPLATE = """
Parameters:
  Name: {Type: String, Default: primary}
Resources:
  Cluster:
    Type: AWS::Route53RecoveryControl::Cluster
    Properties: {Name: shop, Tags: [{Key: team, Value: dns}]}
  Panel:
    Type: AWS::Route53RecoveryControl::ControlPanel
    Properties: {Name: panel, ClusterArn: !Ref Cluster}
  Control:
    Type: AWS::Route53RecoveryControl::RoutingControl
    Properties: {Name: !Ref Name, ClusterArn: !GetAtt Cluster.ClusterArn, ControlPanelArn: !Ref Panel}
  Check:
    Type: AWS::Route53::HealthCheck
    Properties:
      HealthCheckConfig: {Type: RECOVERY_CONTROL, RoutingControlArn: !Ref Control}
Outputs:
  Cluster: {Value: !Ref Cluster}
  Control: {Value: !GetAtt Control.RoutingControlArn}
  Check: {Value: !Ref Check}
"""


async def finished(globe: SimulatedGlobe) -> dict[str, Any]:
    while True:
        (stack,) = (await globe.call("cloudformation", "DescribeStacks", {"StackName": "arc"}, IRELAND))["Stacks"]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return dict(stack)
        await asyncio.sleep(0.5)


def test_a_stack_is_made_renamed_and_deleted() -> None:
    async def story(globe: SimulatedGlobe) -> None:
        await globe.call("cloudformation", "CreateStack", {"StackName": "arc", "TemplateBody": TEMPLATE}, IRELAND)
        stack = await finished(globe)
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        made = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        asked = {"RoutingControlArn": made["Control"]}
        followers = await globe.call(CONFIG, "ListAssociatedRoute53HealthChecks", asked, OREGON)
        assert followers["HealthCheckIds"] == [made["Check"]]
        tags = await globe.call(CONFIG, "ListTagsForResource", {"ResourceArn": made["Cluster"]}, OREGON)
        assert tags["Tags"]["team"] == "dns"

        changed = [{"ParameterKey": "Name", "ParameterValue": "renamed"}]
        params = {"StackName": "arc", "TemplateBody": TEMPLATE, "Parameters": changed}
        await globe.call("cloudformation", "UpdateStack", params, IRELAND)
        stack = await finished(globe)
        assert stack["StackStatus"] == "UPDATE_COMPLETE", stack
        found = (await globe.call(CONFIG, "DescribeRoutingControl", asked, OREGON))["RoutingControl"]
        assert (found["Name"], found["Status"]) == ("renamed", "DEPLOYED")

        await globe.call("cloudformation", "DeleteStack", {"StackName": "arc"}, IRELAND)
        await asyncio.sleep(60)
        assert (await globe.call(CONFIG, "ListClusters", {}, OREGON))["Clusters"] == []
        assert (await globe.call("route53", "ListHealthChecks", {}, HOME))["HealthChecks"] == []

    simulate_globe(1, (HOME, OREGON, IRELAND), story)
