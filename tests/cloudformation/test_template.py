"""What a template may say; values of parameters."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.services.cloudformation.plan import bind
from antipodes.services.cloudformation.template import read_template
from antipodes.wire.errors import ClientFault, NotSupported

RESOURCES = {"A": {"Type": "AWS::S3::Bucket"}}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"Resources": {}}, "At least one Resources member"),
        ({"Resource": RESOURCES}, "Invalid template property or properties [Resource]"),
        ({"Resources": {"a-b": {"Type": "T"}}}, "name a-b is non alphanumeric"),
        ({"Resources": {"A": {"Properties": {}}}}, "must contain a Type member"),
        ({"Resources": {"A": {"Type": "T", "Propertys": {}}}}, "Invalid template resource property 'Propertys'"),
        ({"Resources": {"A": {"Type": "T", "Condition": "No"}}}, "Unresolved condition dependency No"),
        ({"Resources": {"A": {"Type": "T", "DeletionPolicy": "Keep"}}}, "Unrecognized DeletionPolicy Keep"),
        ({"Resources": RESOURCES, "AWSTemplateFormatVersion": "2011"}, "AWSTemplateFormatVersion"),
        ({"Resources": RESOURCES, "Parameters": {"P": {"Type": "Strin"}}}, "Unrecognized parameter type: Strin"),
        ({"Resources": RESOURCES, "Parameters": {"P": {"Type": "String", "MinLength": "x"}}}, "not a number"),
        ({"Resources": RESOURCES, "Outputs": {"O": {}}}, "must contain a Value"),
        ({"Resources": RESOURCES, "Outputs": {"O": {"Value": 1, "Export": "x"}}}, "Export needs a Name"),
        ({"Resources": [1]}, "Resources section must be an object"),
    ],
)
def test_a_malformed_template_is_refused(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientFault) as raised:
        read_template(raw)
    assert raised.value.code == "ValidationError"
    assert said in raised.value.message


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"Resources": RESOURCES, "Transform": "AWS::Include"}, "the transform AWS::Include"),
        ({"Resources": {"A": {"Type": "T", "CreationPolicy": {"x": 1}}}}, "CreationPolicy (resource A)"),
        ({"Resources": RESOURCES, "Hooks": {"H": {}}}, "the template section Hooks"),
    ],
)
def test_what_antipodes_cannot_do_is_refused_by_name(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(NotSupported, match="antipodes does not support") as raised:
        read_template(raw)
    assert said in raised.value.message


def parameters(**given: dict[str, Any]) -> Any:
    return read_template({"Resources": RESOURCES, "Parameters": given}).parameters


def test_parameters_take_given_previous_and_default_values() -> None:
    declared = parameters(A={"Type": "String"}, B={"Type": "String"}, C={"Type": "Number", "Default": 3})
    assert bind(declared, {"A": "1", "B": None}, {"B": "before"}) == {"A": "1", "B": "before", "C": "3"}


@pytest.mark.parametrize(
    ("declared", "given", "said"),
    [
        ({"Type": "String"}, {}, "Parameters: [P] must have values"),
        ({"Type": "String"}, {"P": "1", "Q": "2"}, "Parameters: [Q] do not exist in the template"),
        ({"Type": "String", "AllowedValues": ["a", "b"]}, {"P": "c"}, "Parameter 'P' must be one of AllowedValues"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, {"P": "a1"}, "Parameter 'P' must match pattern [a-z]+"),
        ({"Type": "String", "AllowedPattern": "["}, {"P": "a"}, "is not a regular expression"),
        ({"Type": "String", "MinLength": 2}, {"P": "a"}, "Parameter 'P' must contain at least 2 characters"),
        ({"Type": "String", "MaxLength": 2}, {"P": "abc"}, "Parameter 'P' must contain at most 2 characters"),
        ({"Type": "Number"}, {"P": "x"}, "Parameter 'P' must be a number"),
        ({"Type": "Number", "MaxValue": 5}, {"P": "6"}, "not greater than 5"),
        ({"Type": "Number", "MinValue": 5, "ConstraintDescription": "big"}, {"P": "4"}, "constraint: big"),
        ({"Type": "List<Number>"}, {"P": "1,x"}, "must be a number"),
        ({"Type": "String"}, {"P": None}, "Parameters: [P] must have values"),
    ],
)
def test_values_are_checked(declared: dict[str, Any], given: dict[str, str | None], said: str) -> None:
    with pytest.raises(ClientFault) as raised:
        bind(parameters(P=declared), given)
    assert said in raised.value.message
