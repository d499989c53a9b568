"""Stacks from creation to deletion, over real S3 and IAM, in both worlds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from antipodes.wire.errors import AwsError, ServerFault
from tests.cloudformation.conftest import Desk
from tests.worlds import Worlds

TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}'
TWO = f"""
Parameters:
  Name: {{Type: String, Default: first}}
  Note: {{Type: String, Default: one}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Description: !Sub "${{Note}} of ${{Bucket.Arn}}"
      AssumeRolePolicyDocument: {TRUST}
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {{BucketName: !Sub "${{Name}}-${{AWS::Region}}"}}
Outputs:
  Bucket: {{Value: !Ref Bucket, Export: {{Name: shared}}}}
  Role: {{Value: !GetAtt Role.Arn}}
"""
BROKEN = f"""
Resources:
  Bucket: {{Type: AWS::S3::Bucket, Properties: {{BucketName: fine-bucket}}}}
  Role:
    Type: AWS::IAM::Role
    DependsOn: Bucket
    Properties: {{RoleName: "not a name", AssumeRolePolicyDocument: {TRUST}}}
"""


def told(worlds: Worlds, desk: Desk, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a story between the opening and the closing of the desk."""

    async def whole() -> None:
        await desk.open()
        await story()
        await desk.close()

    worlds.run(whole)


async def refused(work: Awaitable[Any]) -> AwsError:
    with pytest.raises(AwsError) as raised:
        await work
    return raised.value


def parameter(name: str, value: str) -> dict[str, Any]:
    return {"Parameters": [{"ParameterKey": name, "ParameterValue": value}]}


def test_who_asks_for_a_stack_that_changes_hears_how_it_came_out(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        capabilities = ["CAPABILITY_NAMED_IAM"]
        found = await desk.cloudformation("CreateStack", StackName="app", TemplateBody=TWO, Capabilities=capabilities)
        shown = (await desk.cloudformation("DescribeStacks", StackName="app"))["Stacks"][0]
        assert shown["StackStatus"] == "CREATE_COMPLETE"
        await desk.cloudformation("DeleteStack", StackName="app")
        shown = (await desk.cloudformation("DescribeStacks", StackName=found["StackId"]))["Stacks"][0]
        assert shown["StackStatus"] == "DELETE_COMPLETE"

    told(both_worlds, desk, story)


def test_a_stack_is_created_in_order_and_deleted_in_reverse(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        stack = await desk.create(TWO)
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        role = (await desk.roles())[0]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        assert outputs == {"Bucket": "first-us-east-1", "Role": f"arn:aws:iam::000000000000:role/{role}"}
        assert role.startswith("app-Role-")
        assert await desk.story() == [
            "app CREATE_IN_PROGRESS",
            "Bucket CREATE_IN_PROGRESS",
            "Bucket CREATE_IN_PROGRESS",
            "Bucket CREATE_COMPLETE",
            "Role CREATE_IN_PROGRESS",
            "Role CREATE_IN_PROGRESS",
            "Role CREATE_COMPLETE",
            "app CREATE_COMPLETE",
        ]
        gone = await desk.delete()
        assert gone["StackStatus"] == "DELETE_COMPLETE"
        assert (await desk.buckets(), await desk.roles()) == ([], [])
        assert (await desk.story(gone["StackId"]))[-5:] == [
            "Role DELETE_IN_PROGRESS",
            "Role DELETE_COMPLETE",
            "Bucket DELETE_IN_PROGRESS",
            "Bucket DELETE_COMPLETE",
            "app DELETE_COMPLETE",
        ]
        error = await refused(desk.cloudformation("DescribeStacks", StackName="app"))
        assert error.message == "Stack with id app does not exist"

    told(both_worlds, desk, story)


def test_a_failed_creation_is_rolled_back_and_says_why(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        stack = await desk.create(BROKEN)
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
        assert await desk.buckets() == []
        events = (await desk.cloudformation("DescribeStackEvents", StackName="app"))["StackEvents"]
        reason = next(one["ResourceStatusReason"] for one in events if one["ResourceStatus"] == "CREATE_FAILED")
        assert "roleName" in reason and "HandlerErrorCode: ValidationError" in reason
        error = await refused(desk.update(TWO))
        assert "is in ROLLBACK_COMPLETE state and can not be updated" in error.message
        assert (await desk.delete())["StackStatus"] == "DELETE_COMPLETE"

    told(both_worlds, desk, story)


@pytest.mark.parametrize(
    ("given", "status", "left"),
    [
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED", ["fine-bucket"]),
        ({"DisableRollback": True}, "CREATE_FAILED", ["fine-bucket"]),
        ({"OnFailure": "DELETE"}, "DELETE_COMPLETE", []),
    ],
)
def test_on_failure_decides(
    both_worlds: Worlds, desk: Desk, given: dict[str, Any], status: str, left: list[str]
) -> None:
    async def story() -> None:
        assert (await desk.create(BROKEN, **given))["StackStatus"] == status
        assert await desk.buckets() == left

    told(both_worlds, desk, story)


def test_an_update_changes_what_differs_and_replaces_what_must_be(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        await desk.create(TWO)
        role = (await desk.roles())[0]
        assert (await refused(desk.update(TWO))).message == "No updates are to be performed."
        stack = await desk.update(TWO, **parameter("Name", "second"))
        assert stack["StackStatus"] == "UPDATE_COMPLETE"
        assert await desk.buckets() == ["second-us-east-1"]
        assert await desk.roles() == [role]  # updated in place
        found = await desk.ask("iam", "GetRole", RoleName=role)
        assert found["Role"]["Description"] == "one of arn:aws:s3:::second-us-east-1"
        story = await desk.story()
        assert story[story.index("app UPDATE_COMPLETE_CLEANUP_IN_PROGRESS") :] == [
            "app UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "Bucket DELETE_IN_PROGRESS",
            "Bucket DELETE_COMPLETE",
            "app UPDATE_COMPLETE",
        ]

    told(both_worlds, desk, story)


def test_a_failed_update_restores_what_was(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        before = await desk.create(TWO)
        role = (await desk.roles())[0]
        broken = TWO.replace(
            "Outputs:",
            f"""  Last:
    Type: AWS::IAM::Role
    DependsOn: [Role, Extra]
    Properties: {{RoleName: "no name", AssumeRolePolicyDocument: {TRUST}}}
  Extra: {{Type: AWS::S3::Bucket, Properties: {{BucketName: extra-bucket}}}}
Outputs:""",
        )
        stack = await desk.update(broken, **parameter("Name", "second"))
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert stack["Outputs"] == before["Outputs"]
        assert stack["Parameters"] == before["Parameters"]
        assert await desk.buckets() == ["first-us-east-1"]
        assert await desk.roles() == [role]
        found = await desk.ask("iam", "GetRole", RoleName=role)
        assert found["Role"]["Description"] == "one of arn:aws:s3:::first-us-east-1"
        resources = (await desk.cloudformation("ListStackResources", StackName="app"))["StackResourceSummaries"]
        assert {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources} == {
            "Bucket": "first-us-east-1",
            "Role": role,
        }
        assert (await desk.update(TWO, **parameter("Note", "two")))["StackStatus"] == "UPDATE_COMPLETE"

    told(both_worlds, desk, story)


def test_removed_resources_go_and_retained_ones_stay(both_worlds: Worlds, desk: Desk) -> None:
    body = """
Resources:
  Stays: {Type: AWS::S3::Bucket, Properties: {BucketName: stays}}
  Goes: {Type: AWS::S3::Bucket, Properties: {BucketName: goes}}
  Kept: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, Properties: {BucketName: kept}}
"""

    async def story() -> None:
        await desk.create(body)
        await desk.update("Resources:\n  Stays: {Type: AWS::S3::Bucket, Properties: {BucketName: stays}}")
        assert await desk.buckets() == ["kept", "stays"]

    told(both_worlds, desk, story)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("Resources: {A: {Type: AWS::X::Y}}", "UnsupportedOperation", "resource type AWS::X::Y (A)"),
        ("Resources: {A: {Type: Custom::Z}}", "UnsupportedOperation", "resource type Custom::Z (A)"),
        (
            "Resources: {A: {Type: AWS::S3::Bucket, Properties: {Wish: 1}}}",
            "UnsupportedOperation",
            "property Wish of resource type AWS::S3::Bucket (A)",
        ),
        ("Resources: {A: {Type: AWS::IAM::Role}}", "ValidationError", "required key [AssumeRolePolicyDocument]"),
        (TWO, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]"),
        (BROKEN, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    both_worlds: Worlds, desk: Desk, body: str, code: str, said: str
) -> None:
    async def story() -> None:
        error = await refused(desk.create(body, Capabilities=[]))
        assert error.code == code
        assert said in error.message
        assert (await desk.cloudformation("ListStacks"))["StackSummaries"] == []
        assert desk.calls == []

    told(both_worlds, desk, story)


def test_exports_are_imported_and_guarded(both_worlds: Worlds, desk: Desk) -> None:
    user = (
        "Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub ['${x}-2', {x: !ImportValue shared}]}}}"
    )

    async def story() -> None:
        await desk.create(TWO)
        assert (await desk.create(user, "user"))["StackStatus"] == "CREATE_COMPLETE"
        assert await desk.buckets() == ["first-us-east-1", "first-us-east-1-2"]
        assert (await desk.cloudformation("ListImports", ExportName="shared"))["Imports"] == ["user"]
        error = await refused(desk.cloudformation("DeleteStack", StackName="app"))
        assert error.message == "Export shared cannot be deleted as it is in use by user"
        again = await desk.create(TWO, "again", **parameter("Name", "other"))
        assert again["StackStatus"] == "ROLLBACK_COMPLETE"
        reasons = (await desk.cloudformation("DescribeStackEvents", StackName="again"))["StackEvents"]
        assert any("already exported by stack app" in one.get("ResourceStatusReason", "") for one in reasons)

    told(both_worlds, desk, story)


def test_a_no_echo_parameter_is_never_shown(both_worlds: Worlds, desk: Desk) -> None:
    body = """
Parameters: {Secret: {Type: String, NoEcho: true}}
Resources: {B: {Type: AWS::S3::Bucket}}
"""

    async def story() -> None:
        stack = await desk.create(body, **parameter("Secret", "hush"))
        assert stack["Parameters"] == [{"ParameterKey": "Secret", "ParameterValue": "****"}]

    told(both_worlds, desk, story)


def test_a_lost_answer_is_asked_for_again(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        await desk.open()
        desk.failures["CreateRole"] = [ServerFault("RegionUnavailable", "us-east-1 does not answer")]
        assert (await desk.create(TWO))["StackStatus"] == "CREATE_COMPLETE"
        await desk.close()

    if both_worlds.name == "simulated":  # it waits three seconds
        both_worlds.run(story)


def test_a_deletion_that_fails_can_be_tried_again(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        await desk.create(TWO)
        await desk.ask("s3", "PutObject", Bucket="first-us-east-1", Key="x", Body=b"1")
        stack = await desk.delete()
        assert stack["StackStatus"] == "DELETE_FAILED"
        assert stack["StackStatusReason"] == "The following resource(s) failed to delete: [Bucket]."
        await desk.ask("s3", "DeleteObject", Bucket="first-us-east-1", Key="x")
        assert (await desk.delete())["StackStatus"] == "DELETE_COMPLETE"

    told(both_worlds, desk, story)


def test_a_log_group_is_made_changed_and_deleted(both_worlds: Worlds, desk: Desk) -> None:
    template = """
Resources:
  Group: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: "7", Tags: [{Key: a, Value: b}]}}
  Stream: {Type: AWS::Logs::LogStream, Properties: {LogGroupName: !Ref Group, LogStreamName: s}}
Outputs: {Arn: {Value: !GetAtt Group.Arn}}
"""

    async def story() -> None:
        stack = await desk.create(template)
        (group,) = (await desk.ask("logs", "DescribeLogGroups"))["logGroups"]
        assert group["retentionInDays"] == 7 and group["logGroupName"].startswith("app-Group-")
        assert stack["Outputs"][0]["OutputValue"] == group["arn"]
        await desk.update(template.replace('RetentionInDays: "7", ', "").replace("Key: a", "Key: c"))
        (group,) = (await desk.ask("logs", "DescribeLogGroups"))["logGroups"]
        assert "retentionInDays" not in group
        tags = (await desk.ask("logs", "ListTagsForResource", resourceArn=group["logGroupArn"]))["tags"]
        assert tags["c"] == "b" and "a" not in tags
        await desk.delete()
        assert (await desk.ask("logs", "DescribeLogGroups"))["logGroups"] == []

    told(both_worlds, desk, story)
