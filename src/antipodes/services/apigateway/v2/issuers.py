"""The keys of those who issue tokens: asked of the issuer itself, and kept.

`<issuer>/.well-known/openid-configuration` names the jwks_uri, which holds the keys. They are kept for two hours ("API
Gateway can cache the public key for two hours"); a token with a key that is not among them makes us ask again, though
not more often than every AGAIN_S (a guess). Names are those of the planet's DNS (http_proxy.py); AWS takes HTTPS alone,
here http:// will do, for issuers on this machine.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from antipodes.services.apigateway.v2 import tokens
from antipodes.services.apigateway.v2.http_proxy import HttpProxy
from antipodes.services.apigateway.v2.tokens import Refused
from antipodes.wire.http import HttpRequest
from antipodes.world.world import NetworkError, World

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

log = logging.getLogger("antipodes.apigateway")

KEPT_S = 7200.0
AGAIN_S = 10.0
PATIENCE_S = 1.5  # "the JWKS endpoint must respond within 1500 ms" (the guide's quota of JWT authorizers)
DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: dict[str, RSAPublicKey]
    asked: float  # monotonic


class Issuers:
    """One a Region."""

    def __init__(self, world: World, proxy: HttpProxy) -> None:
        self._world = world
        self._proxy = proxy
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def key(self, issuer: str, key_id: str) -> RSAPublicKey | None:
        """None: the issuer has no such key. Raises Refused if it cannot be asked."""
        found = self._known(issuer, key_id)
        if found is not None:
            return found.keys.get(key_id)
        async with self._asking.setdefault(issuer, asyncio.Lock()):
            found = self._known(issuer, key_id)  # another request may have asked
            if found is None:
                found = self._kept[issuer] = _Kept(await self._ask(issuer), self._world.monotonic())
        return found.keys.get(key_id)

    def _known(self, issuer: str, key_id: str) -> _Kept | None:
        kept = self._kept.get(issuer)
        age_s = self._world.monotonic() - kept.asked if kept is not None else KEPT_S
        if kept is None or age_s >= KEPT_S or (key_id not in kept.keys and age_s >= AGAIN_S):
            return None
        return kept

    async def _ask(self, issuer: str) -> dict[str, RSAPublicKey]:
        try:
            configuration = orjson.loads(await self._get(issuer.removesuffix("/") + DISCOVERY))
            uri = configuration.get("jwks_uri") if isinstance(configuration, dict) else None
            if not isinstance(uri, str):
                raise ValueError("no jwks_uri")
            return tokens.keys_of(await self._get(uri))
        except (NetworkError, ValueError) as error:
            log.warning("the issuer %s cannot be asked for its keys: %s", issuer, error)
            raise Refused("OIDC discovery endpoint communication error") from error

    async def _get(self, uri: str) -> bytes:
        request = HttpRequest("GET", "/", (("Accept", "application/json"),), b"")
        answer = await self._proxy.send(request, uri, "GET", {}, timeout_s=PATIENCE_S)
        if answer.status != 200:
            raise ValueError(f"{uri} answers {answer.status}")
        return answer.body
