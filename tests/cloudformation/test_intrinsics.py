"""Intrinsic functions and conditions."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.services.cloudformation.intrinsics import Scope, evaluate, evaluate_conditions, references
from antipodes.wire.errors import AwsError, NotSupported

SCOPE = Scope(
    parameters={"Name": "app", "Zones": ["a", "b"]},
    pseudo={"AWS::Region": "eu-west-1"},
    mappings={"Sizes": {"eu-west-1": {"small": 1, "list": [1, 2]}}},
    conditions={"Yes": True, "No": False},
    physical_id={"Table": "table-1"}.__getitem__,
    attribute=lambda name, attribute: f"{name}/{attribute}",
    export={"shared": "value"}.__getitem__,
)
NO_VALUE = {"Ref": "AWS::NoValue"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Name"}, "app"),
        ({"Ref": "Zones"}, ["a", "b"]),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "Table"}, "table-1"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "Table/Arn"),
        ({"Fn::GetAtt": "Table.A.B"}, "Table/A.B"),
        ({"Fn::Sub": "${Name}-${AWS::Region}-${Table.Arn}-${!Kept}-${Zones}"}, "app-eu-west-1-Table/Arn-${Kept}-a,b"),
        ({"Fn::Sub": ["${x}.${Name}", {"x": {"Fn::Select": [1, {"Ref": "Zones"}]}}]}, "b.app"),
        ({"Fn::Join": ["-", [{"Ref": "Name"}, 1, True]]}, "app-1-true"),
        ({"Fn::Join": [",", {"Ref": "Zones"}]}, "a,b"),
        ({"Fn::Select": ["0", {"Fn::Split": ["|", "p|q"]}]}, "p"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "small"]}, 1),
        ({"Fn::FindInMap": ["Sizes", "eu-west-1", "list"]}, [1, 2]),
        ({"Fn::ImportValue": "shared"}, "value"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::If": ["Yes", 1, {"Ref": "Nobody"}]}, 1),
        ({"a": {"Fn::If": ["No", 1, NO_VALUE]}, "b": [1, NO_VALUE, 2], "c": NO_VALUE}, {"b": [1, 2]}),
        ({"Ref": "Name", "other": 1}, {"Ref": "Name", "other": 1}),  # two keys: not a function
    ],
)
def test_functions(value: Any, expected: Any) -> None:
    assert evaluate(value, SCOPE) == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"Ref": ["x"]}, "Ref must be a string"),
        ({"Ref": "AWS::Nothing"}, "Unresolved dependencies [AWS::Nothing]"),
        ({"Fn::Select": [2, {"Ref": "Zones"}]}, "nonexistent value at index 2"),
        ({"Fn::Select": ["x", ["a"]]}, "integer index"),
        ({"Fn::Join": ["-"]}, "requires 2 arguments"),
        ({"Fn::Join": ["-", [["a"]]]}, "must be a string"),
        ({"Fn::Split": ["", "a"]}, "Fn::Split"),
        ({"Fn::FindInMap": ["Sizes", "x", "small"]}, "Unable to get mapping for Sizes::x::small"),
        ({"Fn::FindInMap": ["Nope", "x", "small"]}, "Mapping named 'Nope' is not present"),
        ({"Fn::If": ["Unknown", 1, 2]}, "unresolved condition dependency Unknown"),
        ({"Fn::GetAtt": "Table"}, "Fn::GetAtt"),
        ({"Fn::Sub": 5}, "Fn::Sub"),
    ],
)
def test_wrong_use_is_a_validation_error(value: Any, said: str) -> None:
    with pytest.raises(AwsError) as raised:
        evaluate(value, SCOPE)
    assert raised.value.code == "ValidationError"
    assert said in raised.value.message


@pytest.mark.parametrize("name", ["Fn::GetAZs", "Fn::Cidr", "Fn::Transform", "Fn::Length", "Fn::Wish"])
def test_other_functions_are_refused_by_name(name: str) -> None:
    with pytest.raises(NotSupported, match=name):
        evaluate({name: "x"}, SCOPE)


def test_dynamic_references_are_refused() -> None:
    with pytest.raises(NotSupported, match="dynamic references"):
        evaluate({"Password": "{{resolve:ssm:x}}"}, SCOPE)


def test_conditions_use_each_other() -> None:
    found = evaluate_conditions(
        {
            "Both": {"Fn::And": [{"Condition": "Here"}, {"Fn::Not": [{"Condition": "Big"}]}]},
            "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]},
            "Big": {"Fn::Equals": [1, "2"]},
            "Any": {"Fn::Or": [{"Condition": "Big"}, {"Fn::Equals": [True, "true"]}]},
        },
        SCOPE,
    )
    assert found == {"Here": True, "Big": False, "Both": True, "Any": True}


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"A": {"Condition": "B"}, "B": {"Condition": "A"}}, "circular condition dependency"),
        ({"A": {"Condition": "B"}}, "unresolved condition dependency B"),
        ({"A": {"Fn::And": [{"Fn::Equals": [1, 1]}]}}, "list of 2 to 10"),
        ({"A": "true"}, "a condition must be one of"),
        ({"A": {"Fn::Equals": [{"Ref": "Unknown"}, 1]}}, "Unresolved resource dependencies [Unknown]"),
    ],
)
def test_bad_conditions_are_refused(conditions: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError) as raised:
        evaluate_conditions(conditions, Scope())
    assert said in raised.value.message


def test_references_follow_only_the_branch_that_holds() -> None:
    value = {
        "a": {"Fn::If": ["Yes", {"Ref": "One"}, {"Ref": "Two"}]},
        "b": {"Fn::Sub": ["${own}${Three.Arn}${!Four}", {"own": {"Fn::GetAtt": ["Five", "X"]}}]},
    }
    assert list(references(value, {"Yes": True})) == ["One", "Five", "Three"]
