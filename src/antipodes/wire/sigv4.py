"""AWS Signature Version 4: who signed a request, and is it true; and signing, for our own clients.

Rules. Pure: the secret comes from a function, the time is an argument. Errors are AWS's, in the order in which AWS
looks (seen on DynamoDB: shape of the header, date, credential, key, signature), as AccessDenied with the JSON
protocol's codes; wire/protocols tells them under each protocol's names.

Not done: the signatures of the pieces of an aws-chunked body (the request's own signature, which seeds them, is
checked), SigV4A.

The signing key depends on secret, date, region and service only and is cached; the rest is one hash of the body, one of
the canonical request, one HMAC.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import parse_qsl, quote, unquote_plus, unquote_to_bytes

from antipodes.wire.errors import AccessDenied
from antipodes.wire.http import HttpRequest

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


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signed request says of itself; nothing of it is checked yet."""

    access_key: str
    date: str  # "20260102"
    region: str
    service: str  # the signing name
    presigned: bool = False  # it came in the query string


@dataclass(frozen=True, slots=True)
class Identity:
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
        if not authorization.startswith("AWS4-"):
            return None
        start = authorization.find("Credential=")
        if start < 0:
            return None
        credential = authorization[start + 11 :].partition(",")[0].strip()
        return _scope_of_credential(credential, False)
    query = request.query
    if "X-Amz-Credential=" not in query:
        return None
    for piece in query.split("&"):
        if piece.startswith("X-Amz-Credential="):
            return _scope_of_credential(unquote_plus(piece[17:]), True)
    return None


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
    canonical = _canonical(request, headers, claim.signed_headers, scope.service, payload)
    key = _signing_key(secret, scope.date, scope.region, scope.service)
    expected = _signature(key, claim.timestamp, f"{scope.date}/{scope.region}/{scope.service}", canonical)
    if not hmac.compare_digest(expected, claim.signature.encode()):
        raise AccessDenied(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )
    return Identity(scope.access_key, scope.region, scope.service, claim.token)


def _joined(request: HttpRequest) -> dict[str, str]:
    """Headers by lower-case name; repeated ones joined, as the canonical request wants them."""
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


def _canonical(request: HttpRequest, headers: dict[str, str], signed: str, service: str, payload: str) -> str:
    lines = [request.method, canonical_path(request.path, service), canonical_query(request.query)]
    for name in signed.split(";"):
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


def _signature(key: bytes, timestamp: str, scope: str, canonical: str) -> bytes:
    digest = sha256(canonical.encode()).hexdigest()
    if timestamp[8:9] != "T":  # a Date header: the string to sign has its basic form
        epoch_s = _epoch_of(timestamp)
        timestamp = _basic(epoch_s) if epoch_s is not None else timestamp
    text = f"{ALGORITHM}\n{timestamp}\n{scope}/aws4_request\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex().encode()


@lru_cache(maxsize=4096)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


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
    canonical = _canonical(request, headers, signed, service, headers.get("x-amz-content-sha256", payload))
    key = _signing_key(credentials.secret_key, timestamp[:8], region, service)
    scope = f"{timestamp[:8]}/{region}/{service}"
    signature = _signature(key, timestamp, scope, canonical).decode()
    authorization = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}/aws4_request, "
        f"SignedHeaders={signed}, Signature={signature}"
    )
    return replace(request, headers=(*request.headers, ("Authorization", authorization)))


def presign(
    request: HttpRequest, credentials: Credentials, *, region: str, service: str, now: float, expires_s: int = 3600
) -> HttpRequest:
    """The request with its signature in the query string; only Host is signed, and for S3 not the body."""
    timestamp = _basic(now)
    scope = f"{timestamp[:8]}/{region}/{service}"
    fields = [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key}/{scope}/aws4_request"),
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
    canonical = _canonical(request, _joined(request), "host", service, payload)
    key = _signing_key(credentials.secret_key, timestamp[:8], region, service)
    signature = _signature(key, timestamp, scope, canonical).decode()
    return replace(request, target=f"{target}&X-Amz-Signature={signature}")
