"""SAM templates."""

from __future__ import annotations

import gc
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from antipodes.services.cloudformation.sam import expand
from antipodes.services.cloudformation.text import read_text
from antipodes.wire.errors import AwsError

SERVICE = Path(__file__).parent.parent.parent / "examples" / "globaldb" / "service.yaml"


def expanded() -> dict[str, Any]:
    raw = read_text(SERVICE.read_text().replace("CodeUri: src/", "CodeUri: s3://bucket/key"))
    found: dict[str, Any] = json.loads(expand(raw, {"HostedZoneId": "Z1"}, "eu-west-1"))
    return found


def test_the_example_becomes_plain_resources() -> None:
    kinds = sorted(one["Type"] for one in expanded()["Resources"].values())
    assert kinds == [
        "AWS::ApiGateway::BasePathMapping",
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::DomainName",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Stage",
        "AWS::CertificateManager::Certificate",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Permission",
    ]


def test_the_same_template_expands_to_the_same_text() -> None:
    assert expanded() == expanded()


def test_a_region_gets_its_own_expansion() -> None:
    function = {"CodeUri": "s3://b/k", "Handler": "a.b", "Runtime": "python3.11", "Policies": ["AWSLambdaExecute"]}
    raw = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": function}},
    }
    one, other = (expand(raw, {"A": "1"}, region) for region in ("eu-west-1", "cn-north-1"))
    assert "arn:aws:iam" in one
    assert "arn:aws-cn:iam" in other


def test_a_policy_template_becomes_a_policy() -> None:
    policies = [{"DynamoDBReadPolicy": {"TableName": "t"}}]
    function = {"CodeUri": "s3://b/k", "Handler": "a.b", "Runtime": "python3.11", "Policies": policies}
    raw = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": function}},
    }
    assert "dynamodb:GetItem" in expand(raw, {}, "eu-west-1")


def test_the_translator_has_nothing_to_say_on_stderr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    transform, bucket = "AWS::Serverless-2016-10-31", {"Type": "AWS::S3::Bucket"}
    expand({"Transform": transform, "Resources": {"B": bucket}}, {"never": "seen"}, "eu-west-1")
    with pytest.raises(AwsError):
        expand({"Transform": transform}, {"never": "seen"}, "eu-west-1")
    gc.collect()
    assert caplog.text == ""


@pytest.mark.parametrize(
    "resource",
    [
        {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "x"}},
        {"Type": "AWS::Serverless::Function", "Properties": []},
        {"Type": "AWS::Serverless::Function"},
        {"Type": "AWS::Serverless::Wish"},
    ],
)
def test_a_bad_resource_is_a_validation_error(resource: dict[str, Any]) -> None:
    raw = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"F": resource}}
    try:
        found = json.loads(expand(raw, {}, "eu-west-1"))
    except AwsError as error:
        assert error.code == "ValidationError"
        assert error.message.startswith("Transform AWS::Serverless-2016-10-31 failed with: ")
    else:  # what the translator does not know it leaves; the type is then refused by name
        assert found["Resources"]["F"]["Type"] == "AWS::Serverless::Wish"
