"""Route 53's CloudFormation types, from a template to the answers that cities get."""

from __future__ import annotations

import asyncio
from typing import Any

from antipodes.gameday import users
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe

HOME, WEST, EUROPE = "us-east-1", "127.44.4.1", "127.44.9.1"
REGIONS = (HOME, "us-west-2", "eu-west-1")
TEMPLATE = """
Parameters:
  Bias: {Type: Number, Default: 0}
  Block: {Type: String, Default: 198.18.0.0/16}
Resources:
  Zone:
    Type: AWS::Route53::HostedZone
    Properties:
      Name: example.com
      HostedZoneConfig: {Comment: ours}
      HostedZoneTags: [{Key: team, Value: dns}]
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: errors
      Namespace: App
      MetricName: Errors
      Statistic: Sum
      Period: 60
      EvaluationPeriods: "1"
      Threshold: 10
      ComparisonOperator: GreaterThanThreshold
  Check:
    Type: AWS::Route53::HealthCheck
    Properties:
      HealthCheckConfig:
        Type: CLOUDWATCH_METRIC
        AlarmIdentifier: {Region: us-east-1, Name: !Ref Alarm}
        InsufficientDataHealthStatus: Healthy
  Networks:
    Type: AWS::Route53::CidrCollection
    Properties:
      Name: networks
      Locations: [{LocationName: all, CidrList: [!Ref Block]}]
  Records:
    Type: AWS::Route53::RecordSetGroup
    Properties:
      HostedZoneId: !Ref Zone
      RecordSets:
        - {Name: near.example.com, Type: A, TTL: "60", ResourceRecords: [127.44.4.1], SetIdentifier: w,
           HealthCheckId: !Ref Check, GeoProximityLocation: {AWSRegion: us-west-2, Bias: !Ref Bias}}
        - {Name: near.example.com, Type: A, TTL: "60", ResourceRecords: [127.44.9.1], SetIdentifier: e,
           GeoProximityLocation: {Coordinates: {Latitude: "53.3", Longitude: "-6.2"}}}
  Located:
    Type: AWS::Route53::RecordSet
    Properties:
      HostedZoneName: example.com.
      Name: ip.example.com
      Type: A
      TTL: "60"
      SetIdentifier: all
      ResourceRecords: [127.44.4.1]
      CidrRoutingConfig: {CollectionId: !Ref Networks, LocationName: all}
    DependsOn: Zone
  Rest:
    Type: AWS::Route53::RecordSet
    DependsOn: Located
    Properties:
      HostedZoneId: !Ref Zone
      Name: ip.example.com
      Type: A
      TTL: "60"
      SetIdentifier: rest
      ResourceRecords: [127.44.9.1]
      CidrRoutingConfig: {CollectionId: !GetAtt Networks.Id, LocationName: "*"}
Outputs:
  Zone: {Value: !Ref Zone}
  Arn: {Value: !GetAtt Networks.Arn}
"""


async def finished(globe: SimulatedGlobe) -> dict[str, Any]:
    while True:
        (stack,) = (await globe.call("cloudformation", "DescribeStacks", {"StackName": "dns"}, HOME))["Stacks"]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return dict(stack)
        await asyncio.sleep(0.5)


async def values(globe: SimulatedGlobe, name: str, city: str) -> list[str]:
    return [one.value for one in (await users.dig(globe, name, city)).answers]


def test_a_stack_of_all_types_is_made_updated_and_deleted() -> None:
    async def story(globe: SimulatedGlobe) -> None:
        await globe.call("cloudformation", "CreateStack", {"StackName": "dns", "TemplateBody": TEMPLATE}, HOME)
        stack = await finished(globe)
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        assert outputs["Arn"].startswith("arn:aws:route53:::cidrcollection/")
        assert await values(globe, "near.example.com", "Tokyo") == [WEST]
        assert await values(globe, "near.example.com", "Paris") == [EUROPE]
        assert await values(globe, "ip.example.com", "Tokyo") == [WEST]
        where = {"ResourceType": "hostedzone", "ResourceId": outputs["Zone"]}
        tags = (await globe.call("route53", "ListTagsForResource", where, HOME))["ResourceTagSet"]["Tags"]
        assert {"Key": "team", "Value": "dns"} in tags

        changed = [
            {"ParameterKey": "Bias", "ParameterValue": "-99"},
            {"ParameterKey": "Block", "ParameterValue": "198.19.0.0/16"},
        ]
        params = {"StackName": "dns", "TemplateBody": TEMPLATE, "Parameters": changed}
        await globe.call("cloudformation", "UpdateStack", params, HOME)
        assert (await finished(globe))["StackStatus"] == "UPDATE_COMPLETE"
        assert await values(globe, "near.example.com", "Tokyo") == [EUROPE]
        await asyncio.sleep(5)  # collections are followed, but no change waits for them
        assert await values(globe, "ip.example.com", "Tokyo") == [EUROPE]

        await globe.call("cloudformation", "DeleteStack", {"StackName": "dns"}, HOME)
        await asyncio.sleep(60)
        assert (await globe.call("route53", "ListHostedZones", {}, HOME))["HostedZones"] == []
        assert (await globe.call("route53", "ListCidrCollections", {}, HOME))["CidrCollections"] == []
        assert (await globe.call("cloudwatch", "DescribeAlarms", {}, HOME))["MetricAlarms"] == []

    simulate_globe(1, REGIONS, story)
