"""The control plane: functions, versions, aliases, policies; what is kept and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.services.lambda_.permissions import arn_like
from antipodes.services.lambda_.pool_rules import ACCOUNT_EXCEEDED, RESERVED_EXCEEDED, Load, expired, refusal
from antipodes.services.lambda_.service import Lambda
from antipodes.wire.errors import AwsError
from antipodes.world.archive import BadArchive, entries_of
from tests.lambda_.conftest import ROLE, Room, archive, play_simulated
from tests.lambda_.test_invoke import invoked

ONE = "def handler(e, c): return 1"
GIVEN: dict[str, Any] = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE}


def test_new_function_is_pending_then_active() -> None:
    async def story(room: Room) -> None:
        made = await room.ask("CreateFunction", FunctionName="f", Code={"ZipFile": archive(app=ONE)}, **GIVEN)
        assert (made["State"], made["Version"], made["Timeout"], made["MemorySize"]) == ("Pending", "$LATEST", 3, 128)
        with pytest.raises(AwsError) as refused:
            await invoked(room, "f")
        assert (refused.value.status, refused.value.code) == (409, "ResourceConflictException")
        await room.active("f")
        assert (await invoked(room, made["FunctionArn"]))[1] == 1

    play_simulated(story)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Code": {"ZipFile": b"no zip"}}, "InvalidParameterValueException"),
        ({"Code": {}}, "InvalidParameterValueException"),
        ({"Code": {"S3Bucket": "none", "S3Key": "k"}}, "InvalidParameterValueException"),
        ({"FunctionName": "a b"}, "ValidationException"),
        ({"Timeout": 901}, "ValidationException"),
        ({"MemorySize": 64}, "ValidationException"),
        ({"Runtime": "cobol"}, "ValidationException"),
        ({"Role": "me"}, "ValidationException"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException"),
        ({"Environment": {"Variables": {"BIG": "x" * 5000}}}, "InvalidParameterValueException"),
        ({"Layers": ["arn:aws:lambda:us-west-2:000000000000:layer:l:1"]}, "InvalidParameterValueException"),
        ({"KMSKeyArn": "arn:aws:kms:us-west-2:000000000000:key/k"}, "UnsupportedOperation"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(params: dict[str, Any], code: str) -> None:
    async def story(room: Room) -> None:
        with pytest.raises(AwsError) as refused:
            given = {"FunctionName": "f", "Code": {"ZipFile": archive(app=ONE)}, **GIVEN, **params}
            await room.ask("CreateFunction", **given)
        assert refused.value.code == code
        assert (await room.ask("ListFunctions"))["Functions"] == []
        assert list(room.store.range(b"lambda/", b"lambda0")) == []

    play_simulated(story)


def test_code_comes_from_s3_too() -> None:
    async def story(room: Room) -> None:
        room.objects["bucket", "key.zip"] = archive(app=ONE)
        await room.ask("CreateFunction", FunctionName="f", Code={"S3Bucket": "bucket", "S3Key": "key.zip"}, **GIVEN)
        await room.active("f")
        assert (await invoked(room, "f"))[1] == 1

    play_simulated(story)


def test_versions_freeze_code_and_aliases_point_at_them() -> None:
    async def story(room: Room) -> None:
        await room.create("f", ONE)
        assert (await room.ask("PublishVersion", FunctionName="f"))["Version"] == "1"
        assert (await room.ask("PublishVersion", FunctionName="f"))["Version"] == "1"  # nothing changed
        await room.ask("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        await room.ask("UpdateFunctionCode", FunctionName="f", ZipFile=archive(app="def handler(e, c): return 2"))
        await room.active("f")
        assert (await invoked(room, "f"))[1] == 2
        answer, body = await invoked(room, "f", Qualifier="live")
        assert (answer["ExecutedVersion"], body) == ("1", 1)
        assert (await room.ask("PublishVersion", FunctionName="f"))["Version"] == "2"
        await room.ask("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2")
        assert (await invoked(room, "f:live"))[1] == 2
        with pytest.raises(AwsError, match="Function not found"):
            await invoked(room, "f", Qualifier="9")

    play_simulated(story)


def test_what_was_acknowledged_is_there_after_a_restart_and_deleted_code_is_not() -> None:
    async def story(room: Room) -> None:
        await room.create("f", ONE)
        await room.ask("PublishVersion", FunctionName="f")
        await room.ask("TagResource", Resource="arn:aws:lambda:us-west-2:000000000000:function:f", Tags={"a": "b"})
        await room.service.stop()
        room.service = Lambda(room.service._catalogue.surroundings)
        await room.service.start()
        assert (await invoked(room, "f:1"))[1] == 1
        assert (await room.ask("GetFunction", FunctionName="f"))["Tags"] == {"a": "b"}
        await room.ask("DeleteFunction", FunctionName="f")
        assert list(room.store.range(b"lambda/", b"lambda0")) == []

    play_simulated(story)


def test_policy_is_shown_and_removed() -> None:
    async def story(room: Room) -> None:
        await room.create("f", ONE)
        given = {"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction"}
        await room.ask("AddPermission", **given, Principal="apigateway.amazonaws.com")
        with pytest.raises(AwsError, match="already exists"):
            await room.ask("AddPermission", **given, Principal="apigateway.amazonaws.com")
        assert '"Service":"apigateway.amazonaws.com"' in (await room.ask("GetPolicy", FunctionName="f"))["Policy"]
        await room.ask("RemovePermission", FunctionName="f", StatementId="s")
        with pytest.raises(AwsError) as gone:
            await room.ask("GetPolicy", FunctionName="f")
        assert gone.value.status == 404

    play_simulated(story)


def test_concurrency_is_refused_for_the_right_reason() -> None:
    assert refusal(Load(busy=1, reserved=1, unreserved_busy=0, reserved_total=1)) == RESERVED_EXCEEDED
    assert refusal(Load(busy=0, reserved=0, unreserved_busy=0, reserved_total=0)) == RESERVED_EXCEEDED
    assert refusal(Load(busy=5, reserved=None, unreserved_busy=900, reserved_total=100)) == ACCOUNT_EXCEEDED
    assert refusal(Load(busy=5, reserved=None, unreserved_busy=899, reserved_total=100)) is None
    assert expired([1.0, 2.0, 5.0], 10.0, 8.0) == 2


def test_arn_patterns() -> None:
    arn = "arn:aws:execute-api:us-west-2:000000000000:abc/v1/GET/items/{id}"
    assert arn_like("arn:aws:execute-api:us-west-2:000000000000:abc/*/GET/items/*", arn)
    assert arn_like("arn:aws:execute-api:*:*:abc/v?/*", arn)
    assert not arn_like("arn:aws:execute-api:eu-west-1:000000000000:abc/*", arn)
    assert not arn_like("arn:aws:*", arn)


def test_archives_that_are_none() -> None:
    for bad in (b"", b"PK", b"PK\x03\x04" + b"x" * 40):
        with pytest.raises(BadArchive):
            list(entries_of(bad))
