"""What the templates of deployment tools need: nested stacks, included pieces, rules, values from Parameter Store,
buckets with settings, repositories."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.services.cloudformation.intrinsics import Scope
from antipodes.services.cloudformation.rules import check_rules
from antipodes.wire.errors import AwsError
from tests.cloudformation.conftest import Desk
from tests.worlds import Worlds


def template(resources: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"Resources": resources, **sections})


async def put(desk: Desk, key: str, text: str) -> str:
    """Puts a template into S3; its URL."""
    if "templates" not in await desk.buckets():
        await desk.ask("s3", "CreateBucket", Bucket="templates")
    await desk.ask("s3", "PutObject", Bucket="templates", Key=key, Body=text.encode())
    return f"https://s3.us-east-1.amazonaws.com/templates/{key}"


INNER = template(
    {"Inside": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Word"}}}},
    Parameters={"Word": {"Type": "String"}},
    Outputs={"Made": {"Value": {"Ref": "Inside"}}, "Said": {"Value": {"Fn::GetAtt": "Inside.Value"}}},
)


def outer(url: str, word: str) -> str:
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": {"Word": word}}}
    copy = {"Type": "String", "Value": {"Fn::GetAtt": ["Nested", "Outputs.Said"]}, "Name": "/copy"}
    return template({"Nested": nested, "Copy": {"Type": "AWS::SSM::Parameter", "Properties": copy}})


def test_a_nested_stack_lives_and_dies_with_its_parent(desk: Desk, both_worlds: Worlds) -> None:
    async def story() -> None:
        await desk.open()
        url = await put(desk, "inner.json", INNER)
        assert (await desk.create(outer(url, "one")))["StackStatus"] == "CREATE_COMPLETE"

        async def value() -> str:
            return str((await desk.ask("ssm", "GetParameter", Name="/copy"))["Parameter"]["Value"])

        assert await value() == "one"
        assert (await desk.update(outer(url, "two")))["StackStatus"] == "UPDATE_COMPLETE"
        assert await value() == "two"
        broken = await put(desk, "broken.json", INNER.replace('"Value": {"Ref": "Word"}', '"Value": ""'))
        assert (await desk.update(outer(broken, "three")))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert await value() == "two"
        assert (await desk.delete())["StackStatus"] == "DELETE_COMPLETE"
        assert (await desk.ask("ssm", "DescribeParameters"))["Parameters"] == []
        await desk.close()

    both_worlds.run(story)


def test_pieces_and_parameters_come_from_s3_and_parameter_store(desk: Desk, both_worlds: Worlds) -> None:
    async def story() -> None:
        await desk.open()
        await put(desk, "piece.yaml", "Type: String\nValue: {Ref: Version}\n")
        include = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://templates/piece.yaml"}}}
        body = template(
            {"It": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/it", **include}}},
            Parameters={"Version": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/version"}},
        )
        with pytest.raises(AwsError, match="/version"):
            await desk.create(body)
        await desk.ask("ssm", "PutParameter", Name="/version", Value="33", Type="String")
        made = await desk.create(body)
        assert made["Parameters"] == [{"ParameterKey": "Version", "ParameterValue": "/version", "ResolvedValue": "33"}]
        assert (await desk.ask("ssm", "GetParameter", Name="/it"))["Parameter"]["Value"] == "33"
        await desk.close()

    both_worlds.run(story)


def test_rules_are_checked_before_anything_is_made() -> None:
    scope = Scope(parameters={"Version": "5", "Zones": ["a", "b"]})
    too_old = {"Fn::Not": [{"Fn::Contains": [["1", "2", "5"], {"Ref": "Version"}]}]}
    in_zones = {"Fn::EachMemberIn": [{"Ref": "Zones"}, ["a", "b", "c"]]}
    check_rules({"Zones": {"Assertions": [{"Assert": in_zones}]}}, scope)
    rule = {"Assertions": [{"Assert": too_old, "AssertDescription": "bootstrap again"}]}
    with pytest.raises(AwsError, match="bootstrap again"):
        check_rules({"Old": rule}, scope)
    check_rules({"Old": {**rule, "RuleCondition": {"Fn::Equals": [{"Ref": "Version"}, "6"]}}}, scope)
    with pytest.raises(AwsError, match="malformed"):
        check_rules({"Old": {"Assertions": [{"Assert": {"Fn::Contains": "nonsense"}}]}}, scope)


BUCKET = {
    "BucketName": "assets",
    "VersioningConfiguration": {"Status": "Enabled"},
    "BucketEncryption": {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
    },
    "PublicAccessBlockConfiguration": {"BlockPublicAcls": True},
    "LifecycleConfiguration": {
        "Rules": [{"Id": "Old", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}]
    },
    "Tags": [{"Key": "by", "Value": "tool"}],
}
POLICY = {
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": {"Fn::GetAtt": "Bucket.Arn"}}]
}


def test_a_tools_bucket_and_repository_have_their_settings_and_what_exists_is_taken_over(
    desk: Desk, both_worlds: Worlds
) -> None:
    resources = {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": BUCKET, "DeletionPolicy": "Retain"},
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": POLICY},
        },
        "Images": {
            "Type": "AWS::ECR::Repository",
            "Properties": {"RepositoryName": "images", "LifecyclePolicy": {"LifecyclePolicyText": "{}"}},
        },
    }

    async def story() -> None:
        await desk.open()
        assert (await desk.create(template(resources)))["StackStatus"] == "CREATE_COMPLETE"
        here = {"Bucket": "assets"}
        assert (await desk.ask("s3", "GetBucketVersioning", **here))["Status"] == "Enabled"
        assert (await desk.ask("s3", "GetBucketLifecycleConfiguration", **here))["Rules"][0]["ID"] == "Old"
        assert "arn:aws:s3:::assets" in (await desk.ask("s3", "GetBucketPolicy", **here))["Policy"]
        plain = {**resources, "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "assets"}}}
        plain["Bucket"]["DeletionPolicy"] = "Retain"
        assert (await desk.update(template(plain)))["StackStatus"] == "UPDATE_COMPLETE"
        assert (await desk.ask("s3", "GetBucketVersioning", **here))["Status"] == "Suspended"
        await desk.delete()
        assert await desk.buckets() == ["assets"]
        change = {"StackName": "app", "ChangeSetName": "c", "ChangeSetType": "CREATE", "ImportExistingResources": True}
        await desk.cloudformation("CreateChangeSet", TemplateBody=template(resources), **change)
        await desk.cloudformation("ExecuteChangeSet", StackName="app", ChangeSetName="c")
        assert (await desk.rest("app"))["StackStatus"] == "CREATE_COMPLETE"
        assert (await desk.ask("s3", "GetBucketVersioning", **here))["Status"] == "Enabled"
        await desk.close()

    both_worlds.run(story)
