"""AWS Signature Version 4: who signed a request, and is it true; and signing, for our own clients.

Rules. Pure: the secret comes from a function, the time is an argument. Errors are AWS's, in the order in which AWS
looks (seen on DynamoDB: shape of the header, date, credential, key, signature), as AccessDenied with the JSON
protocol's codes; wire/protocols tells them under each protocol's names.

Not done: the signatures of the pieces of an aws-chunked body (the request's own signature, which seeds them, is
checked), SigV4A.

The signing key depends on secret, date, region and service only and is cached, and so is what stands before the
signature in an Authorization header: it stays the same from a client's request to its next. What is left is one hash
of the body, one of the canonical request, one HMAC. `accepted` does that and can only say yes; a request that it does
not know or that does not fit goes the full way, which finds the right words for what is wrong.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote_plus, unquote_to_bytes

import msgspec
from msgspec.structs import replace

from antipodes.wire.errors import AccessDenied
from antipodes.wire.http import HttpRequest, IndexedHeaders

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_HASH = sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
SKEW_S = 15 * 60
MAX_EXPIRES_S = 7 * 24 * 3600
# Changed on the way or added by the transport: never part of a signature (botocore leaves out the same).
UNSIGNED_HEADERS = frozenset(
    {"authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id", "content-length"}
)

SecretFor = Callable[[str], str | None]
Hash = Any  # of hashlib


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str
    token: str | None = None


class Scope(msgspec.Struct, frozen=True):
    """What a signed request says of itself; nothing of it is checked yet."""

    access_key: str
    date: str  # "20260102"
    region: str
    service: str  # the signing name
    presigned: bool = False  # it came in the query string


class Identity(msgspec.Struct, frozen=True):
    """Who signed, checked."""

    access_key: str
    region: str
    service: str
    token: str | None = None  # x-amz-security-token, as it came: its issuer must look at it


@dataclass(frozen=True, slots=True)
class _Claim:
    """The parts of a signature, from header or query."""

    credential: str
    signed_headers: str
    signature: str
    timestamp: str
    token: str | None
    expires_s: int | None  # presigned only


def scope_of(request: HttpRequest) -> Scope | None:
    """The scope a request was signed for, by header or query string; None if it is not signed or not legibly so."""
    authorization = request.header("authorization")
    if authorization is not None:
        before = authorization.rpartition("Signature=")[0]
        usual = _usual(before)
        if usual is not None:
            return usual.scope
        if not authorization.startswith("AWS4-"):
            return None
        return _scope_of_authorization(before or authorization)
    query = request.query
    if "X-Amz-Credential=" not in query:
        return None
    for piece in query.split("&"):
        if piece.startswith("X-Amz-Credential="):
            return _scope_of_credential(unquote_plus(piece[17:]), True)
    return None


@lru_cache(maxsize=1024)
def _scope_of_authorization(authorization: str) -> Scope | None:
    start = authorization.find("Credential=")
    if start < 0:
        return None
    return _scope_of_credential(authorization[start + 11 :].partition(",")[0].strip(), False)


@lru_cache(maxsize=1024)
def _scope_of_credential(credential: str, presigned: bool) -> Scope | None:
    parts = credential.rsplit("/", 4)  # an access key may hold slashes, in principle
    if len(parts) != 5:
        return None
    key, date, region, service, _ = parts
    return Scope(key, date, region, service, presigned)


# --- verification ---


def verify(request: HttpRequest, secret_for: SecretFor, now: float) -> Identity:
    """Checks the signature. `secret_for(access key)` gives the secret, or None for a key that does not exist.

    Raises AccessDenied: MissingAuthenticationTokenException, IncompleteSignatureException, InvalidSignatureException
    (wrong, expired, not yet current), UnrecognizedClientException; for S3 also RequestTimeTooSkewed,
    XAmzContentSHA256Mismatch and AccessDenied "Request has expired".
    """
    known = accepted(request, secret_for, now)
    if known is not None:
        return known
    headers = _joined(request)
    authorization = headers.get("authorization")
    by_query = "X-Amz-Algorithm=" in request.target
    if authorization is not None:
        if by_query:
            raise AccessDenied(
                "InvalidSignatureException",
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
            )
        claim = _claim_of_header(authorization, headers)
    elif by_query:
        claim = _claim_of_query(request)
    else:
        raise AccessDenied("MissingAuthenticationTokenException", "Request is missing Authentication Token")
    scope = _checked_scope(claim)
    _check_time(claim, scope, now)
    if "host" not in claim.signed_headers.split(";"):
        raise AccessDenied("InvalidSignatureException", "'Host' must be a 'SignedHeader' in the AWS Authorization.")
    secret = secret_for(scope.access_key)
    if secret is None:
        raise AccessDenied("UnrecognizedClientException", "The security token included in the request is invalid.")
    payload = _payload_hash(request, headers, scope)
    names = claim.signed_headers.split(";")
    canonical = _canonical(request, headers, names, claim.signed_headers, scope.service, payload)
    expected = _signature(secret, scope, claim.timestamp, canonical)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise AccessDenied(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )
    return Identity(scope.access_key, scope.region, scope.service, claim.token)


class _Usual(NamedTuple):
    """What an Authorization header says before its signature, read and found good once."""

    scope: Scope
    identity: Identity  # of a request without a token
    signed_headers: str
    names: tuple[str, ...]


@lru_cache(maxsize=1024)
def _usual(before: str) -> _Usual | None:
    """Of a header's part before the signature; None if it is not what every SDK sends."""
    try:
        claim = _claim_of_header(f"{before}Signature=0", {"x-amz-date": "0"})
        scope = _checked_scope(claim)
    except AccessDenied:
        return None
    names = tuple(claim.signed_headers.split(";"))
    if "host" not in names or scope.service == "s3":  # S3 has rules of its own for body and path
        return None
    return _Usual(scope, Identity(scope.access_key, scope.region, scope.service), claim.signed_headers, names)


def accepted(request: HttpRequest, secret_for: SecretFor, now: float) -> Identity | None:
    """The identity if this is a usual request and its signature is right; None says nothing about it."""
    headers = _joined(request)
    before, _, signature = headers.get("authorization", "").rpartition("Signature=")
    usual = _usual(before)
    timestamp = headers.get("x-amz-date", "")
    if usual is None or request.target != "/" or "x-amz-content-sha256" in headers:
        return None
    scope = usual.scope
    secret = secret_for(scope.access_key)
    if secret is None:
        return None
    opened = _opened(secret, before, timestamp)
    if not -SKEW_S <= now - opened.signed_at <= SKEW_S:
        return None
    payload = sha256(request.body).hexdigest() if request.body else EMPTY_HASH
    try:
        # Values stand as they came: with white space to be trimmed they do not fit, and the request goes the full way.
        canonical = opened.canonical % (request.method, *opened.values(headers), payload)
    except KeyError:
        return None
    inner = opened.inner.copy()
    inner.update(sha256(canonical.encode()).hexdigest().encode())
    outer = opened.outer.copy()
    outer.update(inner.digest())
    if not signature.isascii() or not hmac.compare_digest(outer.hexdigest(), signature):
        return None
    token = headers.get("x-amz-security-token")
    return usual.identity if token is None else Identity(scope.access_key, scope.region, scope.service, token)


class _Opened(NamedTuple):
    """What the requests share that a client signs within a second."""

    signed_at: float  # a time that does not fit the scope is before all times
    inner: Hash  # the two halves of the HMAC after all of the string to sign but the request's own hash
    outer: Hash
    canonical: str  # the canonical request, its method, header values and body's hash left open
    values: Callable[[dict[str, str]], tuple[str, ...]]  # the signed headers of a request; raises KeyError


@lru_cache(maxsize=256)
def _opened(secret: str, before: str, timestamp: str) -> _Opened:
    usual = _usual(before)
    assert usual is not None
    scope, names = usual.scope, usual.names
    signed_at = _epoch_of(timestamp) if timestamp[8:9] == "T" and timestamp[:8] == scope.date else None
    inner, outer = _keyed(secret, scope.date, scope.region, scope.service)
    inner = inner.copy()
    inner.update(_above_hash(scope, timestamp))
    lines = "".join(f"{name.replace('%', '%%')}:%s\n" for name in names)
    canonical = f"%s\n/\n\n{lines}\n{usual.signed_headers.replace('%', '%%')}\n%s"
    get = itemgetter(*names)
    values = get if len(names) > 1 else lambda headers: (get(headers),)
    return _Opened(signed_at if signed_at is not None else -math.inf, inner, outer, canonical, values)


def _above_hash(scope: Scope, timestamp: str) -> bytes:
    """The string to sign, up to the hash of the canonical request."""
    return f"{ALGORITHM}\n{timestamp}\n{scope.date}/{scope.region}/{scope.service}/aws4_request\n".encode()


def _joined(request: HttpRequest) -> dict[str, str]:
    """Headers by lower-case name; repeated ones joined, as the canonical request wants them."""
    if type(request.headers) is IndexedHeaders and not request.headers.repeats:
        return request.headers.by_name
    headers: dict[str, str] = {}
    for name, value in request.headers:
        lowered = name.lower()
        headers[lowered] = f"{headers[lowered].strip()},{value.strip()}" if lowered in headers else value
    return headers


def _claim_of_header(authorization: str, headers: dict[str, str]) -> _Claim:
    algorithm, _, rest = authorization.strip().partition(" ")
    if not algorithm.startswith("AWS4-"):
        raise AccessDenied("MissingAuthenticationTokenException", "Request is missing Authentication Token")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if name and not equals:
            raise AccessDenied(
                "IncompleteSignatureException",
                f"'{name}' not a valid key=value pair (missing equal-sign) in Authorization header: '{authorization}'.",
            )
        fields[name] = value
    timestamp = headers.get("x-amz-date") or headers.get("date")
    missing = "".join(
        f"Authorization header requires '{name}' parameter. "
        for name in ("Credential", "Signature", "SignedHeaders")
        if not fields.get(name)
    )
    if timestamp is None:
        missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
    if missing or timestamp is None:
        raise AccessDenied("IncompleteSignatureException", f"{missing}Authorization={authorization}")
    if algorithm != ALGORITHM:
        raise _wrong_algorithm(algorithm)
    return _Claim(
        fields["Credential"],
        fields["SignedHeaders"],
        fields["Signature"],
        timestamp,
        headers.get("x-amz-security-token"),
        None,
    )


def _claim_of_query(request: HttpRequest) -> _Claim:
    query = dict(reversed(parse_qsl(request.query, keep_blank_values=True)))
    names = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
    missing = "".join(f"AWS query-string parameters must include '{name}'. " for name in names if not query.get(name))
    if missing:
        raise AccessDenied("IncompleteSignatureException", f"{missing}Re-examine the query-string parameters.")
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise _wrong_algorithm(query["X-Amz-Algorithm"])
    expires = query.get("X-Amz-Expires", str(SKEW_S))
    if not (expires.isascii() and expires.isdigit()) or int(expires) > MAX_EXPIRES_S:
        raise AccessDenied(
            "IncompleteSignatureException", "X-Amz-Expires must be a number of seconds, at most 604800.", status=400
        )
    return _Claim(
        query["X-Amz-Credential"],
        query["X-Amz-SignedHeaders"],
        query["X-Amz-Signature"],
        query["X-Amz-Date"],
        query.get("X-Amz-Security-Token"),
        int(expires),
    )


def _wrong_algorithm(algorithm: str) -> AccessDenied:
    return AccessDenied(
        "IncompleteSignatureException", f"Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} for now). "
    )


def _checked_scope(claim: _Claim) -> Scope:
    scope = _scope_of_credential(claim.credential.rstrip("/"), claim.expires_s is not None)
    if scope is None:
        raise AccessDenied(
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{claim.credential}'",
        )
    if not claim.credential.rstrip("/").endswith("/aws4_request"):
        term = claim.credential.rstrip("/").rpartition("/")[2]
        raise AccessDenied(
            "InvalidSignatureException",
            f"Credential should be scoped with a valid terminator: 'aws4_request', not '{term}'. ",
        )
    return scope


@lru_cache(maxsize=256)
def _epoch_of(timestamp: str) -> float | None:
    """Of "20260102T030405Z", or of a Date header; None if it is neither."""
    for form in ("%Y%m%dT%H%M%SZ", "%a, %d %b %Y %H:%M:%S GMT"):
        try:
            return datetime.strptime(timestamp, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None


def _basic(epoch_s: float) -> str:
    return f"{datetime.fromtimestamp(int(epoch_s), UTC):%Y%m%dT%H%M%SZ}"


def _check_time(claim: _Claim, scope: Scope, now: float) -> None:
    signed_at = _epoch_of(claim.timestamp)
    if signed_at is None:
        raise AccessDenied(
            "IncompleteSignatureException",
            f"Date must be in ISO-8601 'basic format'. Got '{claim.timestamp}'. "
            "See http://en.wikipedia.org/wiki/ISO_8601",
        )
    is_basic = claim.timestamp[8:9] == "T"
    if is_basic and claim.timestamp[:8] != scope.date:
        raise AccessDenied(
            "InvalidSignatureException",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{scope.date}' != '{claim.timestamp[:8]}', from '{claim.timestamp}'.",
        )
    if claim.expires_s is not None and scope.service == "s3":
        if now > signed_at + claim.expires_s:
            raise AccessDenied("AccessDenied", "Request has expired")
    elif scope.service == "s3" and abs(now - signed_at) > SKEW_S:
        raise AccessDenied(
            "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        )
    allowed_s = SKEW_S if claim.expires_s is None else claim.expires_s
    if signed_at + allowed_s < now:
        raise AccessDenied(
            "InvalidSignatureException",
            f"Signature expired: {_basic(signed_at)} is now earlier than {_basic(now - allowed_s)} "
            f"({_basic(now)} - {allowed_s // 60} min.)",
        )
    if signed_at > now + SKEW_S:
        raise AccessDenied(
            "InvalidSignatureException",
            f"Signature not yet current: {_basic(signed_at)} is still later than {_basic(now + SKEW_S)} "
            f"({_basic(now)} + {SKEW_S // 60} min.)",
        )


def _payload_hash(request: HttpRequest, headers: dict[str, str], scope: Scope) -> str:
    """What stands for the body in the canonical request."""
    declared = headers.get("x-amz-content-sha256")
    if declared == UNSIGNED or (declared is not None and declared.startswith("STREAMING-")):
        return declared
    if scope.presigned and scope.service == "s3" and declared is None:
        return UNSIGNED
    actual = sha256(request.body).hexdigest() if request.body else EMPTY_HASH
    if scope.service == "s3" and declared is not None and declared != actual:
        raise AccessDenied(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            status=400,
        )
    return actual


# --- the canonical request ---


def _canonical(
    request: HttpRequest, headers: dict[str, str], names: Sequence[str], signed: str, service: str, payload: str
) -> str:
    if request.target == "/":
        lines = [request.method, "/", ""]
    else:
        lines = [request.method, canonical_path(request.path, service), canonical_query(request.query)]
    for name in names:
        value = headers.get(name, "")
        if "  " in value or value[:1] == " " or value[-1:] == " ":
            value = " ".join(value.split())
        lines.append(f"{name}:{value}")
    lines += ["", signed, payload]
    return "\n".join(lines)


def canonical_path(path: str, service: str) -> str:
    """As it was sent and encoded once more; S3 encodes once, and keeps "." and ".." and double slashes."""
    if path in {"/", ""}:
        return "/"
    if service == "s3":
        return quote(unquote_to_bytes(path), safe="/~")
    steps: list[str] = []
    for step in path.split("/"):
        if step == "..":
            if steps:
                steps.pop()
        elif step not in {"", "."}:
            steps.append(step)
    normal = "/" + "/".join(steps) + ("/" if path.endswith("/") and steps else "")
    return quote(normal, safe="/~")


def canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = []
    for piece in query.split("&"):
        if not piece or piece.startswith("X-Amz-Signature="):
            continue
        name, _, value = piece.partition("=")
        pairs.append((quote(unquote_plus(name), safe="-_.~"), quote(unquote_plus(value), safe="-_.~")))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _signature(secret: str, scope: Scope, timestamp: str, canonical: str) -> str:
    digest = sha256(canonical.encode()).hexdigest()
    if timestamp[8:9] != "T":  # a Date header: the string to sign has its basic form
        epoch_s = _epoch_of(timestamp)
        timestamp = _basic(epoch_s) if epoch_s is not None else timestamp
    inner, outer = _keyed(secret, scope.date, scope.region, scope.service)
    inner = inner.copy()
    inner.update(_above_hash(scope, timestamp) + digest.encode())
    outer = outer.copy()
    outer.update(inner.digest())
    return str(outer.hexdigest())


@lru_cache(maxsize=4096)
def _keyed(secret: str, date: str, region: str, service: str) -> tuple[Hash, Hash]:
    """The two halves of HMAC (RFC 2104) with the signing key in them, to be copied: half the cost of a fresh HMAC."""
    key = b"AWS4" + secret.encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    padded = key.ljust(64, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in padded)), sha256(bytes(byte ^ 0x5C for byte in padded))


# --- signing ---


def sign(request: HttpRequest, credentials: Credentials, *, region: str, service: str, now: float) -> HttpRequest:
    """The request with X-Amz-Date and Authorization (and the token, and for S3 the body's hash) added.

    `service` is the signing name; the request must have its Host header.
    """
    timestamp = _basic(now)
    payload = sha256(request.body).hexdigest() if request.body else EMPTY_HASH
    added = [("X-Amz-Date", timestamp)]
    if credentials.token is not None:
        added.append(("X-Amz-Security-Token", credentials.token))
    if service == "s3" and request.header("x-amz-content-sha256") is None:
        added.append(("X-Amz-Content-SHA256", payload))
    request = replace(request, headers=(*request.headers, *added))
    headers = _joined(request)
    signed = ";".join(sorted(name for name in headers if name not in UNSIGNED_HEADERS))
    payload = headers.get("x-amz-content-sha256", payload)
    canonical = _canonical(request, headers, signed.split(";"), signed, service, payload)
    scope = Scope(credentials.access_key, timestamp[:8], region, service)
    signature = _signature(credentials.secret_key, scope, timestamp, canonical)
    authorization = (
        f"{ALGORITHM} Credential={scope.access_key}/{scope.date}/{region}/{service}/aws4_request, "
        f"SignedHeaders={signed}, Signature={signature}"
    )
    return replace(request, headers=(*request.headers, ("Authorization", authorization)))


def presign(
    request: HttpRequest, credentials: Credentials, *, region: str, service: str, now: float, expires_s: int = 3600
) -> HttpRequest:
    """The request with its signature in the query string; only Host is signed, and for S3 not the body."""
    timestamp = _basic(now)
    scope = Scope(credentials.access_key, timestamp[:8], region, service)
    fields = [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{scope.access_key}/{scope.date}/{region}/{service}/aws4_request"),
        ("X-Amz-Date", timestamp),
        ("X-Amz-Expires", str(expires_s)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if credentials.token is not None:
        fields.append(("X-Amz-Security-Token", credentials.token))
    query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in fields)
    target = f"{request.path}?{request.query}&{query}" if request.query else f"{request.path}?{query}"
    request = replace(request, target=target)
    payload = UNSIGNED if service == "s3" else sha256(request.body).hexdigest()
    canonical = _canonical(request, _joined(request), ("host",), "host", service, payload)
    signature = _signature(credentials.secret_key, scope, timestamp, canonical)
    return replace(request, target=f"{target}&X-Amz-Signature={signature}")
