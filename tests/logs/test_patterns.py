"""Filter patterns find what the CloudWatch Logs User Guide says they find; the examples are its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.logs.patterns import compiled
from antipodes.wire.errors import ClientFault

ERRORS = (
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[WARN] slow",
)
EVENT = """{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
"objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "flag": true, "latency": 12.5}"""
ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", [0, 1, 2, 3]),
        ("ERROR", [0, 1, 2]),
        ("ERROR ARGUMENTS", [2]),
        ("?ARGUMENTS ?WARN", [2, 3]),
        ("ERROR -ARGUMENTS", [0, 1]),
        ('"BAD REQUEST"', [0]),
        ("error", []),
        ("?WARN REQUEST", [0, 1]),
        (r"%ERROR 4[01]\d%", [0, 1, 2]),
        (r"%\[WARN\]%", [3]),
    ],
)
def test_terms(pattern: str, found: list[int]) -> None:
    assert [number for number, text in enumerate(ERRORS) if compiled(pattern)(text)] == found


@pytest.mark.parametrize(
    ("pattern", "holds"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ('{ $.eventType = "Update*" }', True),
        ("{ $.eventType = UpdateTrail }", True),
        ('{ $.eventType != "UpdateTrail" }', False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[*] = "another value" }', True),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.objectList[*].id > 1 }", True),
        ("{ $.latency >= 12.5 }", True),
        ("{ $.latency < 12.5 }", False),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.eventType NOT EXISTS }", False),
        ("{ $.flag IS TRUE }", True),
        ("{ $.flag IS FALSE }", False),
        ('{ ($.latency > 20) || ($.eventType = "U*" && $.flag IS TRUE) }', True),
        ("{ $.eventType = %Trail$% }", True),
        ("{ $.missing = * }", False),
    ],
)
def test_json(pattern: str, holds: bool) -> None:
    assert compiled(pattern)(EVENT) is holds
    assert not compiled(pattern)("no JSON")


@pytest.mark.parametrize(
    ("pattern", "holds"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code = 4*, bytes > 1000]", True),
        ("[ip, user, username, timestamp, request, status_code = 4*, bytes > 2000]", False),
        ("[ip, ..., status_code = 404, bytes]", True),
        ("[..., bytes = 1534]", True),
        ("[ip = 10.*, ...]", False),
        ('[..., request = "GET *", status_code, bytes]', True),
        ("[ip, user, username]", False),
        ("[ip, user = Prod && username = frank, ...]", False),
        ("[ip, user = Prod || user = Test, ...]", True),
    ],
)
def test_columns(pattern: str, holds: bool) -> None:
    assert compiled(pattern)(ACCESS) is holds


@pytest.mark.parametrize(
    "pattern", ["{ $.a = 1", "{ a = 1 }", "{ $.a }", "{ $.a > x }", "[a", "[..., ...]", "%(%", "{ ( $.a = 1 }"]
)
def test_a_pattern_that_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(ClientFault, match="Invalid filter pattern"):
        compiled(pattern)


@given(st.text(alphabet=' {}[]()$.=!<>&|?-%"*,aE1\\', max_size=30), st.text(max_size=20))
def test_any_text_is_a_pattern_or_refused(pattern: str, message: str) -> None:
    try:
        compiled(pattern)(message)
    except ClientFault as fault:
        assert fault.code == "InvalidParameterException"
