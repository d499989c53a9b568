"""S3's older signature in a URL: `?AWSAccessKeyId=…&Expires=…&Signature=…`. Pure.

boto3 still makes such URLs by default in the Regions that are older than SigV4 (us-east-1 among them), and AWS takes
them there. Only URLs: a signature of this kind in a header is not taken. Such a URL does not say its Region: the front
door takes it for the home Region's. Source: "Signing and authenticating REST requests (AWS signature version 2)", S3.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from hashlib import sha1
from urllib.parse import parse_qsl

from antipodes.wire.errors import AccessDenied
from antipodes.wire.http import HttpRequest
from antipodes.wire.protocols.rest import path_of
from antipodes.wire.sigv4 import Identity, Scope

# Parts of a query that say which thing is meant, and so are signed.
SUBRESOURCES = frozenset(
    {
        "accelerate", "acl", "cors", "delete", "lifecycle", "location", "logging", "notification", "partNumber",
        "policy", "requestPayment", "replication", "response-cache-control", "response-content-disposition",
        "response-content-encoding", "response-content-language", "response-content-type", "response-expires",
        "restore", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    }
)  # fmt: skip


def scope_of(request: HttpRequest, region: str) -> Scope | None:
    """None: the request is not signed so. Its date is empty, as no other scope's."""
    query = request.query
    if "AWSAccessKeyId=" not in query or "Signature=" not in query or request.header("authorization") is not None:
        return None
    return Scope(dict(parse_qsl(query)).get("AWSAccessKeyId", ""), "", region, "s3", True)


def verify(request: HttpRequest, scope: Scope, secret_for: Callable[[str], str | None], now: float) -> Identity:
    """Raises AccessDenied: AccessDenied (expired), UnrecognizedClientException, InvalidSignatureException."""
    query = parse_qsl(request.query, keep_blank_values=True)
    given = dict(query)
    expires = given.get("Expires", "")
    if not expires.isdigit():
        raise AccessDenied(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        )
    if int(expires) < now:
        raise AccessDenied("AccessDenied", "Request has expired")
    secret = secret_for(scope.access_key)
    if secret is None:
        raise AccessDenied("UnrecognizedClientException", "The security token included in the request is invalid.")
    text = _text(request, query, expires)
    expected = base64.b64encode(hmac.new(secret.encode(), text.encode(), sha1).digest())
    if not hmac.compare_digest(expected, given.get("Signature", "").encode()):
        raise AccessDenied(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your key and signing "
            "method.",
        )
    return Identity(scope.access_key, scope.region, scope.service)


def _text(request: HttpRequest, query: list[tuple[str, str]], expires: str) -> str:
    """What is signed. Amazon's headers may have come in the query."""
    amazon: dict[str, str] = {}
    for name, value in (*request.headers, *query):
        key = name.lower()
        if key.startswith("x-amz-"):
            amazon[key] = f"{amazon[key]},{value.strip()}" if key in amazon else value.strip()
    named = sorted((name, value) for name, value in query if name in SUBRESOURCES)
    asked = "&".join(f"{name}={value}" if value else name for name, value in named)
    path = path_of("s3", request)  # with the bucket in front
    lines = [
        request.method,
        request.header("content-md5") or "",
        request.header("content-type") or "",
        expires,
        *(f"{key}:{amazon[key]}" for key in sorted(amazon)),
        f"{path}?{asked}" if asked else path,
    ]
    return "\n".join(lines)
