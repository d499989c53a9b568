"""Order and dependencies."""

from __future__ import annotations

import graphlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.cloudformation.plan import order, prepare
from antipodes.services.cloudformation.template import read_template
from antipodes.wire.errors import AwsError


def plan(resources: dict[str, Any], **sections: Any) -> Any:
    template = read_template({"Resources": resources, **sections})
    return prepare(template, {}, {"AWS::Region": "us-east-1"}, lambda name: name)


def bucket(**attributes: Any) -> dict[str, Any]:
    return {"Type": "AWS::S3::Bucket", **attributes}


def test_each_resource_comes_after_what_it_names() -> None:
    found = plan(
        {
            "A": bucket(Properties={"BucketName": {"Fn::Sub": "${C}-x"}}),
            "B": bucket(DependsOn="A"),
            "C": bucket(Properties={"BucketName": {"Fn::GetAtt": ["D", "Arn"]}}),
            "D": bucket(),
        }
    )
    assert found.order == ("D", "C", "A", "B")
    assert found.needs["A"] == ("C",)


def test_circles_are_refused_in_awss_words() -> None:
    with pytest.raises(AwsError) as raised:
        plan({"A": bucket(DependsOn="B"), "B": bucket(DependsOn="A"), "C": bucket()})
    assert raised.value.message == "Circular dependency between resources: [A, B]"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AwsError, match=r"Unresolved resource dependencies \[Nobody\] in the Resources block"):
        plan({"A": bucket(Properties={"BucketName": {"Ref": "Nobody"}})})
    with pytest.raises(AwsError, match=r"Unresolved resource dependencies \[Nobody\] in the Outputs block"):
        plan({"A": bucket()}, Outputs={"O": {"Value": {"Ref": "Nobody"}}})


def test_a_resource_whose_condition_does_not_hold_is_not_there() -> None:
    found = plan(
        {"A": bucket(Condition="Never"), "B": bucket(DependsOn="A")},
        Conditions={"Never": {"Fn::Equals": [1, 2]}},
    )
    assert found.order == ("B",)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("abcdefgh"))))
def test_order_respects_every_need_or_finds_a_circle(wanted: dict[str, set[str]]) -> None:
    needs = {name: tuple(sorted(one for one in wants if one in wanted)) for name, wants in wanted.items()}
    try:
        found = order(needs)
    except AwsError:
        with pytest.raises(graphlib.CycleError):
            list(graphlib.TopologicalSorter(needs).static_order())
        return
    assert sorted(found) == sorted(needs)
    assert all(found.index(one) < found.index(name) for name, wants in needs.items() for one in wants)
