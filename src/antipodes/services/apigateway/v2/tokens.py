"""JSON web tokens, as JWT authorizers of HTTP APIs judge them. Pure: keys and the time are arguments.

(Developer Guide, "Control access to HTTP APIs with JWT authorizers".) In this order: the signature by the issuer's key
that `kid` names, of RSA algorithms alone ("Currently, only RSA-based algorithms are supported"); iss; aud, or client_id
where there is no aud; exp, nbf, iat; scope or scp, one of the route's. What is wrong stands in the header
www-authenticate: the text on the audience is from AWS's guide, the others are from memory or guesses.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from antipodes.services.apigateway.v2.records import Authorizer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

# cryptography is large: it is imported when the first key is read.
ALGORITHMS = {"RS256": "SHA256", "RS384": "SHA384", "RS512": "SHA512"}


class Refused(Exception):
    """The token is not good enough: 401, or 403 for want of a scope. The message is for www-authenticate."""

    def __init__(self, description: str, status: int = 401, scopes: Sequence[str] = ()) -> None:
        super().__init__(description)
        self.status = status
        error = "invalid_token" if status == 401 else "insufficient_scope"
        self.header = f'Bearer scope="{" ".join(scopes)}" error="{error}" error_description="{description}"'


@dataclass(frozen=True, slots=True)
class Token:
    """A token that has been read; nothing of it is believed yet."""

    algorithm: str
    key_id: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def read(text: str) -> Token:
    """`text` may begin with "Bearer ". Raises Refused."""
    word, _, rest = text.strip().partition(" ")
    parts = (rest.strip() if word.lower() == "bearer" and rest else text.strip()).split(".")
    if len(parts) != 3:
        raise Refused("the token is malformed: token contains an invalid number of segments")
    try:
        header, claims = (orjson.loads(_decoded(part)) for part in parts[:2])
        signature = _decoded(parts[2])
    except (ValueError, binascii.Error) as error:
        raise Refused("the token is malformed") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Refused("the token is malformed")
    signed = f"{parts[0]}.{parts[1]}".encode()
    return Token(str(header.get("alg") or ""), str(header.get("kid") or ""), claims, signed, signature)


def keys_of(document: bytes) -> dict[str, RSAPublicKey]:
    """The RSA keys of a JWKS document, by kid. Raises ValueError: it is none."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers  # noqa: PLC0415

    found: dict[str, RSAPublicKey] = {}
    document_ = orjson.loads(document)
    keys = document_.get("keys") if isinstance(document_, dict) else None
    if not isinstance(keys, list):
        raise ValueError("not a JSON Web Key Set")
    for key in keys:
        if not isinstance(key, dict) or key.get("kty") != "RSA" or key.get("use", "sig") != "sig":
            continue
        e, n = (int.from_bytes(_decoded(str(key.get(name) or ""))) for name in ("e", "n"))
        found[str(key.get("kid") or "")] = RSAPublicNumbers(e, n).public_key()
    return found


def check_signature(token: Token, key: RSAPublicKey | None) -> None:
    """Raises Refused."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

    algorithm = ALGORITHMS.get(token.algorithm)
    if algorithm is None:
        raise Refused(f"signing method {token.algorithm if token.algorithm.isalnum() else 'none'} is invalid")
    if key is None:
        raise Refused("the token's key is not one of the issuer's")
    try:
        key.verify(token.signature, token.signed, padding.PKCS1v15(), getattr(hashes, algorithm)())
    except InvalidSignature:
        raise Refused("the token's signature is invalid") from None


def check_claims(token: Token, authorizer: Authorizer, scopes: Sequence[str], now: float) -> list[str] | None:
    """The route's scopes that the token has; None: the route wants none. Raises Refused."""
    claims = token.claims
    if claims.get("iss") != authorizer.issuer:
        raise Refused("the token does not have a valid issuer")
    audience = claims.get("aud") if "aud" in claims else claims.get("client_id")
    if not any(one in authorizer.audience for one in (audience if isinstance(audience, list) else [audience])):
        raise Refused("the token does not have a valid audience")
    if _time(claims, "exp", now + 1) <= now:
        raise Refused("the token has expired")
    if _time(claims, "nbf", now) > now:
        raise Refused("the token is not valid yet")
    if _time(claims, "iat", now) > now:
        raise Refused("the token was used before it was issued")
    if not scopes:
        return None
    given = claims.get("scope", claims.get("scp"))
    has = given if isinstance(given, list) else str(given or "").split(" ")
    passed = [one for one in scopes if one in has]
    if not passed:
        raise Refused("the token does not have an adequate scope", 403, scopes)
    return passed


def told(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as functions are told them: all are text; a list is "[a b]"."""
    return {str(name): _text(value) for name, value in claims.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{' '.join(_text(one) for one in value)}]"
    return orjson.dumps(value).decode()


def _time(claims: Mapping[str, Any], name: str, absent: float) -> float:
    value = claims.get(name)
    if value is None:
        return absent
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"the token's {name} is not a time")
    return float(value)


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
