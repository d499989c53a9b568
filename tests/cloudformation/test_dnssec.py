"""Signed zones by template: keys, signing, a change of a key's status, and all of it gone again."""

from __future__ import annotations

from tests.cloudformation.conftest import Desk
from tests.cloudformation.test_stacks import told
from tests.worlds import Worlds

TEMPLATE = """
Resources:
  Zone:
    Type: AWS::Route53::HostedZone
    Properties: {Name: signed.test}
  First:
    Type: AWS::Route53::KeySigningKey
    Properties:
      HostedZoneId: !Ref Zone
      KeyManagementServiceArn: !Sub "arn:aws:kms:us-east-1:${AWS::AccountId}:key/1"
      Name: first
      Status: ACTIVE
  Second:
    Type: AWS::Route53::KeySigningKey
    Properties:
      HostedZoneId: !Ref Zone
      KeyManagementServiceArn: !Sub "arn:aws:kms:us-east-1:${AWS::AccountId}:key/2"
      Name: second
      Status: STATUS
  Signing:
    Type: AWS::Route53::DNSSEC
    DependsOn: [First, Second]
    Properties: {HostedZoneId: !Ref Zone}
Outputs:
  Zone: {Value: !Ref Signing}
  Key: {Value: !Ref First}
"""


def test_a_zone_is_signed_by_a_template(both_worlds: Worlds, desk: Desk) -> None:
    async def keys(zone: str) -> tuple[str, dict[str, str]]:
        found = await desk.ask("route53", "GetDNSSEC", HostedZoneId=zone)
        return found["Status"]["ServeSignature"], {key["Name"]: key["Status"] for key in found["KeySigningKeys"]}

    async def story() -> None:
        stack = await desk.create(TEMPLATE.replace("STATUS", "INACTIVE"))
        assert stack["StackStatus"] == "CREATE_COMPLETE", await desk.story()
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        zone = outputs["Zone"]
        assert outputs["Key"] == f"{zone}|first"
        assert await keys(zone) == ("SIGNING", {"first": "ACTIVE", "second": "INACTIVE"})
        stack = await desk.update(TEMPLATE.replace("STATUS", "ACTIVE"))
        assert stack["StackStatus"] == "UPDATE_COMPLETE", await desk.story()
        assert await keys(zone) == ("SIGNING", {"first": "ACTIVE", "second": "ACTIVE"})
        assert (await desk.delete())["StackStatus"] == "DELETE_COMPLETE", await desk.story()
        assert not (await desk.ask("route53", "ListHostedZones"))["HostedZones"]

    told(both_worlds, desk, story)
