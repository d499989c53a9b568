"""Change sets, as `aws cloudformation deploy` uses them."""

from __future__ import annotations

from typing import Any

from tests.cloudformation.conftest import Desk
from tests.cloudformation.test_stacks import TWO, parameter, refused, told
from tests.worlds import Worlds


def asked(name: str, kind: str, body: str = TWO, **more: Any) -> dict[str, Any]:
    return {
        "StackName": "app",
        "ChangeSetName": name,
        "ChangeSetType": kind,
        "TemplateBody": body,
        "Capabilities": ["CAPABILITY_IAM"],
        **more,
    }


def test_a_change_set_creates_and_updates(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        made = await desk.cloudformation("CreateChangeSet", **asked("one", "CREATE"))
        stack = (await desk.cloudformation("DescribeStacks", StackName="app"))["Stacks"][0]
        assert stack["StackStatus"] == "REVIEW_IN_PROGRESS"
        found = await desk.cloudformation("DescribeChangeSet", ChangeSetName=made["Id"])
        assert (found["Status"], found["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
        changes = [one["ResourceChange"] for one in found["Changes"]]
        assert [(one["Action"], one["LogicalResourceId"]) for one in changes] == [("Add", "Bucket"), ("Add", "Role")]
        assert await desk.buckets() == []
        await desk.cloudformation("ExecuteChangeSet", ChangeSetName="one", StackName="app")
        assert (await desk.rest("app"))["StackStatus"] == "CREATE_COMPLETE"

        await desk.cloudformation("CreateChangeSet", **asked("two", "UPDATE", **parameter("Name", "second")))
        found = await desk.cloudformation("DescribeChangeSet", ChangeSetName="two", StackName="app")
        changes = [one["ResourceChange"] for one in found["Changes"]]
        assert [(one["LogicalResourceId"], one["Replacement"]) for one in changes] == [
            ("Bucket", "True"),
            ("Role", "False"),
        ]
        await desk.cloudformation("ExecuteChangeSet", ChangeSetName="two", StackName="app")
        assert (await desk.rest("app"))["StackStatus"] == "UPDATE_COMPLETE"
        assert await desk.buckets() == ["second-us-east-1"]
        error = await refused(desk.cloudformation("ExecuteChangeSet", ChangeSetName="two", StackName="app"))
        assert error.code == "InvalidChangeSetStatus"

    told(both_worlds, desk, story)


def test_a_change_set_without_changes_fails_with_the_text_that_tools_look_for(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        await desk.create(TWO)
        await desk.cloudformation("CreateChangeSet", **asked("none", "UPDATE"))
        found = await desk.cloudformation("DescribeChangeSet", ChangeSetName="none", StackName="app")
        assert found["Status"] == "FAILED"
        assert found["StatusReason"].startswith("The submitted information didn't contain changes.")
        await desk.cloudformation("DeleteChangeSet", ChangeSetName="none", StackName="app")
        error = await refused(desk.cloudformation("DescribeChangeSet", ChangeSetName="none", StackName="app"))
        assert (error.code, error.status) == ("ChangeSetNotFound", 404)

    told(both_worlds, desk, story)


def test_a_change_set_that_cannot_be_leaves_nothing(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        error = await refused(
            desk.cloudformation("CreateChangeSet", **asked("x", "CREATE", "Resources: {A: {Type: AWS::X::Y}}"))
        )
        assert "resource type AWS::X::Y" in error.message
        assert (await desk.cloudformation("ListStacks"))["StackSummaries"] == []
        error = await refused(desk.cloudformation("CreateChangeSet", **asked("x", "UPDATE")))
        assert error.message == "Stack [app] does not exist"

    told(both_worlds, desk, story)
