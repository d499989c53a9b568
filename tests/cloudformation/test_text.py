"""Template text: short forms, dates, and what is refused."""

from __future__ import annotations

import pytest

from antipodes.services.cloudformation.text import read_text
from antipodes.wire.errors import ClientFault


def test_short_forms_are_the_long_ones() -> None:
    found = read_text(
        """
        a: !Ref X
        b: !GetAtt A.B.C
        c: !Sub "${A}-x"
        d: !Join [",", [!Ref X, y]]
        e: !If [Cond, 1, !Ref AWS::NoValue]
        f: !GetAtt [A, B]
        g: !Sub ["${v}", {v: !Ref X}]
        h: !Condition Other
        """
    )
    assert found == {
        "a": {"Ref": "X"},
        "b": {"Fn::GetAtt": ["A", "B.C"]},
        "c": {"Fn::Sub": "${A}-x"},
        "d": {"Fn::Join": [",", [{"Ref": "X"}, "y"]]},
        "e": {"Fn::If": ["Cond", 1, {"Ref": "AWS::NoValue"}]},
        "f": {"Fn::GetAtt": ["A", "B"]},
        "g": {"Fn::Sub": ["${v}", {"v": {"Ref": "X"}}]},
        "h": {"Condition": "Other"},
    }


def test_a_policy_version_stays_text_and_numbers_stay_numbers() -> None:
    assert read_text("Version: 2012-10-17\nport: 443\nyes_: true\n") == {
        "Version": "2012-10-17",
        "port": 443,
        "yes_": True,
    }


def test_json_is_read_as_json() -> None:
    assert read_text('{"Resources": {"A": {"Type": "T"}}}') == {"Resources": {"A": {"Type": "T"}}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("a: &x 1\nb: *x\n", "YAML aliases are not allowed"),
        ("a: 1\na: 2\n", "duplicate key a (line 2)"),
        ("a: !Reff X\n", "Unknown tag !Reff"),
        ("a: [1,\n", "YAML not well-formed"),
        ('{"a": }', "JSON not well-formed"),
        ("- 1\n- 2\n", "unsupported structure"),
        ("   ", "templateBody"),
        ("? [a, b]\n: 1\n", "a key must be a string"),
        ("a: " + "[" * 2000 + "]" * 2000, "nested too deeply"),
        ("a: " + "[" * 200_000, "nested too deeply"),  # more than a C stack holds
        ("a: &x [*x]", "YAML aliases are not allowed"),
        ("a: \ud800", "YAML not well-formed"),
        ("a: " + "x" * 1024 * 1024, "may not exceed"),
        ("a: \x00", "YAML not well-formed"),
    ],
)
def test_bad_text_is_a_validation_error(body: str, said: str) -> None:
    with pytest.raises(ClientFault) as raised:
        read_text(body)
    assert raised.value.code == "ValidationError"
    assert said in raised.value.message
