from __future__ import annotations

from typing import Any

import pytest

from antipodes.wire.errors import ValidationException
from antipodes.wire.validation import validate


def complaint(service: str, operation: str, params: dict[str, Any]) -> str:
    with pytest.raises(ValidationException) as caught:
        validate(service, operation, params)
    return caught.value.message


def test_a_missing_member() -> None:
    assert complaint("lambda", "GetFunction", {}) == (
        "1 validation error detected: Value null at 'functionName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_several_errors_are_counted_and_joined() -> None:
    assert complaint("route53", "CreateHostedZone", {}).startswith("2 validation errors detected: Value null at 'name'")


def test_paths_into_lists() -> None:
    message = complaint("cloudformation", "CreateStack", {"StackName": "s", "Capabilities": ["FLY"]})
    assert (
        "Value 'FLY' at 'capabilities.1.member' failed to satisfy constraint: Member must satisfy enum value set: ["
        in message
    )


def test_lengths_ranges_and_patterns() -> None:
    valid = {"FunctionName": "f"}
    assert complaint("lambda", "UpdateFunctionConfiguration", {**valid, "MemorySize": 1}).endswith(
        "Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"
    )
    assert "Member must have length less than or equal to 256" in complaint(
        "lambda", "UpdateFunctionConfiguration", {**valid, "Description": "x" * 257}
    )
    assert "Member must satisfy regular expression pattern: " in complaint(
        "lambda", "GetFunction", {"FunctionName": "a b"}
    )


def test_at_most_ten_errors() -> None:
    params = {"StackName": "s", "Capabilities": ["X"] * 30}
    assert complaint("cloudformation", "CreateStack", params).startswith("10 validation errors detected: ")


def test_valid_parameters_pass() -> None:
    validate("lambda", "GetFunction", {"FunctionName": "f"})
    validate("sts", "GetCallerIdentity", {})
