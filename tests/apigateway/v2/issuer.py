"""An issuer of tokens for the tests: a key, its documents over HTTP, and tokens."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from antipodes.edge.http import serve_http
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.world import Server, World


@cache
def key_of(_: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class Issuer:
    """Serves on one address; `keys` are the ids of the keys it tells of."""

    def __init__(self, address: str, port: int) -> None:
        self.url = f"http://{address}:{port}"
        self.keys = ["k1"]
        self.asked = 0

    async def serve(self, world: World) -> Server:
        address, _, port = self.url.removeprefix("http://").partition(":")
        return await serve_http(world, int(port), self._answer, address=address)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        self.asked += 1
        if request.path == "/.well-known/openid-configuration":
            return HttpResponse(200, (), json.dumps({"issuer": self.url, "jwks_uri": self.url + "/keys"}).encode())
        return HttpResponse(200, (), json.dumps({"keys": [jwk(kid) for kid in self.keys]}).encode())

    def claims(self, now: float, **more: Any) -> dict[str, Any]:
        return {"iss": self.url, "aud": ["me"], "sub": "ann", "exp": int(now) + 60, "n": 1, **more}


def jwk(kid: str) -> dict[str, str]:
    numbers = key_of(kid).public_key().public_numbers()
    n, e = (_text(value.to_bytes((value.bit_length() + 7) // 8)) for value in (numbers.n, numbers.e))
    return {"kty": "RSA", "use": "sig", "kid": kid, "n": n, "e": e}


def token(claims: dict[str, Any], kid: str = "k1", algorithm: str = "RS256") -> str:
    head = _text(json.dumps({"alg": algorithm, "kid": kid}).encode())
    signed = f"{head}.{_text(json.dumps(claims).encode())}"
    signature = key_of(kid).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_text(signature)}"
