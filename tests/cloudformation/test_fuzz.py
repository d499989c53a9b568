"""Whatever a template is, it is read or refused with an AWS error; nothing else comes out."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from antipodes.services.cloudformation.drafting import check
from antipodes.services.cloudformation.intrinsics import evaluate
from antipodes.services.cloudformation.plan import bind, prepare
from antipodes.services.cloudformation.template import read_template
from antipodes.services.cloudformation.text import read_text
from antipodes.wire.errors import AwsError

NAMES = st.sampled_from(
    ["A", "B", "P", "AWS::Region", "AWS::NoValue", "x-y", "", "AWS::S3::Bucket", "String", "CommaDelimitedList", "1"]
)
KEYS = st.sampled_from(
    [
        "Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "Ref", "Fn::GetAtt", "Fn::Sub", "Fn::Join",
        "Fn::Select", "Fn::Split", "Fn::FindInMap", "Fn::If", "Fn::Equals", "Fn::And", "Fn::Not", "Fn::ImportValue",
        "Fn::Base64", "Default", "AllowedValues", "AllowedPattern", "MinLength", "NoEcho", "Value", "Export", "Name",
        "BucketName", "A", "B", "P", "Description",
    ]
)  # fmt: skip
VALUES = st.recursive(
    NAMES | st.none() | st.booleans() | st.integers(-2, 3) | st.just("${A.Arn}${P}${!x}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
SECTION = st.dictionaries(st.sampled_from(["A", "B", "P"]), VALUES, max_size=3)
RESOURCE = st.fixed_dictionaries(
    {"Type": st.just("AWS::S3::Bucket")},
    optional={
        "Properties": st.fixed_dictionaries({}, optional={"BucketName": VALUES}) | VALUES,
        "DependsOn": VALUES,
        "Condition": VALUES,
    },
)
PARAMETER = st.fixed_dictionaries(
    {"Type": st.sampled_from(["String", "Number", "CommaDelimitedList"])},
    optional=dict.fromkeys(("Default", "AllowedValues", "AllowedPattern", "MinLength", "NoEcho"), VALUES),
)
OUTPUT = st.fixed_dictionaries({"Value": VALUES}, optional={"Export": VALUES, "Condition": VALUES})


def section(entry: Any) -> Any:
    return st.dictionaries(st.sampled_from(["A", "B", "P"]), entry | VALUES, max_size=3)


TEMPLATES = st.fixed_dictionaries(
    {"Resources": section(RESOURCE)},
    optional={
        "Parameters": section(PARAMETER),
        "Mappings": SECTION,
        "Conditions": SECTION,
        "Outputs": section(OUTPUT),
        "Transform": VALUES,
        "Description": VALUES,
    },
)


def carry(raw: dict[str, Any]) -> None:
    template = read_template(raw)
    texts = bind(template.parameters, {})
    plan = prepare(template, texts, {"AWS::Region": "eu-west-1"}, lambda name: name)
    check(plan)
    for resource in plan.resources.values():
        evaluate(dict(resource.properties), plan.scope)
    for output in plan.outputs.values():
        evaluate([output.value, output.export], plan.scope)


@settings(max_examples=400)
@given(TEMPLATES)
def test_any_structure(raw: dict[str, Any]) -> None:
    try:
        carry(read_text(orjson.dumps(raw).decode()))
    except AwsError:
        pass


@settings(max_examples=300)
@given(st.text(alphabet=st.sampled_from("!&*{}[]:,-|>%@`\"'\n\t #?abRef.Sub1"), max_size=60))
def test_any_text(body: str) -> None:
    try:
        carry(read_text(body))
    except AwsError:
        pass
