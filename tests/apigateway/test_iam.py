"""Signatures that routes of type AWS_IAM want."""

from __future__ import annotations

import pytest

from antipodes.services.apigateway.iam import caller_of
from antipodes.wire import sigv4
from antipodes.wire.errors import AccessDenied
from antipodes.wire.http import HttpRequest

REGION, NOW = "us-west-2", 1_800_000_000.0
PLAIN = HttpRequest("GET", "/a?b=c", (("Host", "x.execute-api.us-west-2.amazonaws.com"),), b"")


def verify(request: HttpRequest) -> sigv4.Identity:
    return sigv4.verify(request, {"test": "test"}.get, NOW)


def signed(key: str = "test", secret: str = "test", region: str = REGION, service: str = "execute-api") -> HttpRequest:
    return sigv4.sign(PLAIN, sigv4.Credentials(key, secret), region=region, service=service, now=NOW)


def test_a_signature_for_this_region_and_service_is_taken() -> None:
    assert caller_of(signed(), verify, REGION).access_key == "test"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (PLAIN, "MissingAuthenticationTokenException"),
        (signed(secret="wrong"), "InvalidSignatureException"),
        (signed(key="nobody"), "UnrecognizedClientException"),
        (signed(region="us-east-1"), "InvalidSignatureException"),
        (signed(service="lambda"), "InvalidSignatureException"),
    ],
)
def test_what_is_refused(request_: HttpRequest, code: str) -> None:
    with pytest.raises(AccessDenied) as refused:
        caller_of(request_, verify, REGION)
    assert (refused.value.code, refused.value.status) == (code, 403)
