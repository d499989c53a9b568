"""Signatures: AWS's own example, and every way to get one wrong."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from antipodes.wire import sigv4
from antipodes.wire.errors import AccessDenied
from antipodes.wire.http import HttpRequest
from antipodes.wire.sigv4 import Credentials, Identity, canonical_path, canonical_query, presign, scope_of, sign, verify

NOW = 1_440_938_160.0  # 2015-08-30T12:36:00Z
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HOST = ("Host", "example.amazonaws.com")


def secret_for(key: str) -> str | None:
    return CREDENTIALS.secret_key if key == CREDENTIALS.access_key else None


def signed(
    method: str = "POST", target: str = "/", body: bytes = b"{}", service: str = "dynamodb", now: float = NOW
) -> HttpRequest:
    request = HttpRequest(method, target, (HOST, ("Content-Type", "x"), ("User-Agent", "me")), body)
    return sign(request, CREDENTIALS, region="us-east-1", service=service, now=now)


def refused(request: HttpRequest, now: float = NOW) -> tuple[str, str]:
    with pytest.raises(AccessDenied) as caught:
        verify(request, secret_for, now)
    return caught.value.code, caught.value.message


def with_header(request: HttpRequest, name: str, value: str | None) -> HttpRequest:
    kept = tuple(header for header in request.headers if header[0].lower() != name.lower())
    return replace(request, headers=kept if value is None else (*kept, (name, value)))


def test_the_vanilla_example_of_awss_test_suite() -> None:
    """aws-sig-v4-test-suite, get-vanilla."""
    request = HttpRequest("GET", "/", (HOST,), b"")
    authorization = sign(request, CREDENTIALS, region="us-east-1", service="service", now=NOW).header("Authorization")
    assert authorization == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


def test_the_query_order_example_of_awss_test_suite() -> None:
    """aws-sig-v4-test-suite, get-vanilla-query-order-key-case."""
    request = HttpRequest("GET", "/?Param2=value2&Param1=value1", (HOST,), b"")
    authorization = sign(request, CREDENTIALS, region="us-east-1", service="service", now=NOW).header("Authorization")
    assert authorization is not None
    assert authorization.endswith("b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")


@pytest.mark.parametrize("service", ["dynamodb", "s3", "lambda"])
@pytest.mark.parametrize("target", ["/", "/a/b%20c/%C3%A9?x=1&y=a%20b&z", "/a//b/../c", "/x?k=a+b"])
def test_what_is_signed_verifies(service: str, target: str) -> None:
    request = signed(target=target, service=service)
    assert verify(request, secret_for, NOW) == Identity("AKIDEXAMPLE", "us-east-1", service)


def test_changing_anything_that_was_signed_breaks_it() -> None:
    request = signed(target="/a?b=c")
    for changed in [
        replace(request, method="PUT"),
        replace(request, target="/b?b=c"),
        replace(request, target="/a?b=d"),
        replace(request, body=b"{} "),
        with_header(request, "Content-Type", "y"),
        with_header(request, "Host", "elsewhere"),
    ]:
        assert refused(changed)[0] == "InvalidSignatureException"


def test_what_was_not_signed_may_change() -> None:
    verify(with_header(signed(), "User-Agent", "another"), secret_for, NOW)
    verify(with_header(signed(), "X-Forwarded-For", "1.2.3.4"), secret_for, NOW)


def test_scope_is_read_without_checking() -> None:
    scope = scope_of(signed())
    assert scope is not None
    assert (scope.access_key, scope.region, scope.service, scope.presigned) == (
        "AKIDEXAMPLE",
        "us-east-1",
        "dynamodb",
        False,
    )
    assert scope_of(HttpRequest("GET", "/", (HOST,), b"")) is None
    assert scope_of(HttpRequest("GET", "/", (("Authorization", "Bearer x"),), b"")) is None
    assert scope_of(HttpRequest("GET", "/", (("Authorization", "AWS4-HMAC-SHA256 Credential=a/b"),), b"")) is None


def test_missing_token() -> None:
    missing = ("MissingAuthenticationTokenException", "Request is missing Authentication Token")
    assert refused(with_header(signed(), "Authorization", None)) == missing
    assert refused(with_header(signed(), "Authorization", "Bearer x")) == missing


def test_incomplete_headers_say_what_they_lack() -> None:
    code, message = refused(with_header(signed(), "Authorization", "AWS4-HMAC-SHA256 Signature=b"))
    assert code == "IncompleteSignatureException"
    assert message == (
        "Authorization header requires 'Credential' parameter. Authorization header requires 'SignedHeaders' "
        "parameter. Authorization=AWS4-HMAC-SHA256 Signature=b"
    )
    _, message = refused(with_header(signed(), "X-Amz-Date", None))
    assert "existence of either a 'X-Amz-Date' or a 'Date' header. " in message
    _, message = refused(with_header(signed(), "Authorization", "AWS4-HMAC-SHA256 Credential"))
    assert message.startswith("'Credential' not a valid key=value pair (missing equal-sign)")


def test_a_strange_credential() -> None:
    request = signed()
    authorization = request.header("authorization") or ""
    for credential, code, text in [
        ("a/b", "IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements"),
        ("AKIDEXAMPLE/20150830/us-east-1/dynamodb/aws5", "InvalidSignatureException", "valid terminator"),
        (
            "AKIDEXAMPLE/20150831/us-east-1/dynamodb/aws4_request",
            "InvalidSignatureException",
            "'20150831' != '20150830'",
        ),
        (
            "NOBODY/20150830/us-east-1/dynamodb/aws4_request",
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
    ]:
        changed = authorization.replace("AKIDEXAMPLE/20150830/us-east-1/dynamodb/aws4_request", credential)
        got = refused(with_header(request, "Authorization", changed))
        assert (got[0], text in got[1]) == (code, True), got


def test_time_must_fit() -> None:
    request = signed()
    verify(request, secret_for, NOW + 899)
    verify(request, secret_for, NOW - 899)
    assert refused(request, NOW + 901) == (
        "InvalidSignatureException",
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)",
    )
    assert refused(request, NOW - 901)[1].startswith("Signature not yet current: 20150830T123600Z is still later than")
    assert refused(signed(service="s3"), NOW + 901)[0] == "RequestTimeTooSkewed"
    assert refused(with_header(request, "X-Amz-Date", "yesterday"))[0] == "IncompleteSignatureException"


def test_s3_body_must_have_the_declared_hash() -> None:
    request = signed(service="s3", method="PUT", target="/b/k", body=b"hello")
    verify(request, secret_for, NOW)
    assert refused(replace(request, body=b"other"))[0] == "XAmzContentSHA256Mismatch"


def test_presigned_urls_hold_until_they_expire() -> None:
    request = presign(
        HttpRequest("GET", "/b/a%20b?versionId=1", (HOST,), b""),
        CREDENTIALS,
        region="us-east-1",
        service="s3",
        now=NOW,
        expires_s=60,
    )
    scope = scope_of(request)
    assert scope is not None
    assert scope.presigned
    assert verify(request, secret_for, NOW + 59).service == "s3"
    assert refused(request, NOW + 61) == ("AccessDenied", "Request has expired")
    assert refused(replace(request, target=request.target.replace("versionId=1", "versionId=2")))[0] == (
        "InvalidSignatureException"
    )
    both = with_header(request, "Authorization", "AWS4-HMAC-SHA256 x=y")
    assert "Found both" in refused(both)[1]


def test_host_must_be_signed() -> None:
    request = signed()
    authorization = (request.header("authorization") or "").replace("content-type;host;", "content-type;")
    assert refused(with_header(request, "Authorization", authorization))[1].startswith("'Host' must be")


def test_repeated_headers_and_spaces_are_normalised() -> None:
    request = HttpRequest("GET", "/", (HOST, ("X-A", "  one   two "), ("X-A", "three")), b"")
    tidy = HttpRequest("GET", "/", (HOST, ("X-A", "one two,three")), b"")
    one, other = (
        sign(each, CREDENTIALS, region="r", service="s", now=NOW).header("authorization") for each in (request, tidy)
    )
    assert one == other


def test_canonical_forms() -> None:
    assert canonical_path("/a/./b/../c//d/", "lambda") == "/a/c/d/"
    assert canonical_path("/a%20b", "lambda") == "/a%2520b"
    assert canonical_path("/a b+c/../d//e", "s3") == "/a%20b%2Bc/../d//e"
    assert canonical_query("b=2&a=x+y&a=%7E&c") == "a=x%20y&a=~&b=2&c="
    assert sigv4.canonical_query("X-Amz-Signature=1&a=b") == "a=b"
