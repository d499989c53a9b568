"""JSONPath as mapping templates use it."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.services.apigateway.v1.jsonpath import MISSING, BadPath, found

DOCUMENT = {"a": [{"b": 1, "c": "x"}, {"b": 2}], "q w": 3, "n": None, "deep": {"b": 9}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", DOCUMENT),
        ("$.a[0].b", 1),
        ("a[1].b", 2),
        ("$.a[-1].b", 2),
        ("$['q w']", 3),
        ('$["a"][0]["c"]', "x"),
        ("$.n", None),
        ("$.none", MISSING),
        ("$.a[7]", MISSING),
        ("$.a[*].b", [1, 2]),
        ("$.a.*", DOCUMENT["a"]),
        ("$..b", [1, 2, 9]),
        ("$.a[0:1]", [{"b": 1, "c": "x"}]),
        ("$.a[0,1].b", [1, 2]),
        ("$.a[?(@.b == 2)]", [{"b": 2}]),
        ("$.a[?(@.c)].b", [1]),
        ("$.a[?(@.b >= 2)].b", [2]),
        ("$.a.length()", 2),
    ],
)
def test_paths_find(path: str, expected: Any) -> None:
    assert found(DOCUMENT, path) == expected


@pytest.mark.parametrize("path", ["$[", "$.a[", "$.a[?(@.b ~ 1)]", "$.a[x]", "$.", "$.a b", "$.a()"])
def test_paths_that_are_none_are_refused(path: str) -> None:
    with pytest.raises(BadPath):
        found(DOCUMENT, path)
