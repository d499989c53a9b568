"""Says whether a request may pass to its route: by a signature, by a token, or by what a Lambda authorizer says.

The answers of Lambda authorizers are kept as long as they may be kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from antipodes.services.apigateway import iam
from antipodes.services.apigateway.v1.backends import LAMBDA_PRINCIPAL
from antipodes.services.apigateway.v2 import tokens
from antipodes.services.apigateway.v2.authorizing import event_of, identity_of, verdict_of
from antipodes.services.apigateway.v2.catalogue import Prepared
from antipodes.services.apigateway.v2.issuers import Issuers
from antipodes.services.apigateway.v2.records import Authorizer
from antipodes.services.apigateway.v2.routing import Target, lambda_of
from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AccessDenied, AwsError
from antipodes.wire.http import HttpRequest
from antipodes.wire.payload2 import Call, Malformed

log = logging.getLogger("antipodes.apigateway")

PATIENCE_S = 10.0  # an authorizer's own limit
KEPT = 10_000  # answers; the oldest goes first

Key = tuple[str, str, Authorizer, tuple[str, ...]]


class Stopped(Exception):
    """The request may not pass. challenge: the header www-authenticate of the answer; "": none."""

    def __init__(self, status: int, reason: str = "", challenge: str = "") -> None:
        super().__init__(reason or str(status))
        self.status = status  # 401, 403, 500
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class Passed:
    """What is told of the caller: `one` and `two` are requestContext.authorizer of the payload formats, `identity` goes
    into requestContext.identity of format 1.0, `context` is $context.authorizer."""

    one: Mapping[str, Any] | None
    two: Mapping[str, Any]
    context: Mapping[str, Any]
    identity: Mapping[str, Any] | None = None


class Gatekeeper:
    """One a Region."""

    def __init__(self, surroundings: Surroundings, issuers: Issuers) -> None:
        self._surroundings = surroundings
        self._issuers = issuers
        self._answers: dict[Key, tuple[float, bytes]] = {}  # until when (monotonic), what the authorizer said

    async def pass_on(
        self, request: HttpRequest, prepared: Prepared, target: Target, call: Call, path: str, verify: iam.Verify
    ) -> Passed:
        """What is told of the caller. `path`: in the stage. Raises Stopped."""
        if target.iam:
            return self._signed(request, verify)
        authorizer = prepared.deployment.authorizers[target.authorizer_id]
        if authorizer.issuer:
            return await self._by_token(authorizer, request, target, call)
        context = await self._by_function(authorizer, request, prepared, target, call, path)
        return Passed(one=context, two={"lambda": context}, context=context)

    def _signed(self, request: HttpRequest, verify: iam.Verify) -> Passed:
        around = self._surroundings
        try:
            caller = iam.caller_of(request, verify, around.region)
        except AccessDenied as error:
            raise Stopped(403, error.message) from error
        account = around.settings.account
        identity = iam.told_by_rest(caller, account)
        return Passed(one=None, two={"iam": iam.told_by_http(caller, account)}, context={}, identity=identity)

    async def _by_token(self, authorizer: Authorizer, request: HttpRequest, target: Target, call: Call) -> Passed:
        identity = identity_of(authorizer, request, call)
        if identity is None:
            raise Stopped(401, "the token is missing", "Bearer")
        try:
            token = tokens.read(identity[0])
            # The key is asked for before the algorithm is judged only where there may be one.
            known = token.algorithm in tokens.ALGORITHMS
            key = await self._issuers.key(authorizer.issuer, token.key_id) if known else None
            tokens.check_signature(token, key)
            scopes = tokens.check_claims(token, authorizer, target.scopes, self._surroundings.world.now())
        except tokens.Refused as refused:
            raise Stopped(refused.status, str(refused), refused.header) from refused
        claims = tokens.told(token.claims)
        told = {"claims": claims, "scopes": scopes}
        return Passed(one=told, two={"jwt": told}, context={"claims": claims})

    async def _by_function(
        self, authorizer: Authorizer, request: HttpRequest, prepared: Prepared, target: Target, call: Call, path: str
    ) -> Mapping[str, Any]:
        identity = identity_of(authorizer, request, call)
        if identity is None:
            raise Stopped(401)
        stage = prepared.stage
        around = self._surroundings
        base = f"arn:aws:execute-api:{around.region}:{around.settings.account}:{stage.api_id}"
        arn = f"{base}/{stage.name}/{request.method}{path}"
        key = (stage.api_id, stage.name, authorizer, identity)
        until, payload = self._answers.get(key, (0.0, b""))
        now = around.world.monotonic()
        if not payload or until <= now:
            event = event_of(authorizer, request, call, target.path, arn, identity)
            payload = await self.ask(authorizer, stage.variables, event, f"{base}/authorizers/{authorizer.id}")
        try:
            verdict = verdict_of(authorizer, payload, arn, request.client)
        except Malformed as reason:
            log.warning("%s: authorizer %s: %s", around.region, authorizer.name, reason)
            raise Stopped(500, str(reason)) from reason
        if authorizer.ttl_s and until <= now:
            self._keep(key, now + authorizer.ttl_s, payload)
        if not verdict.allowed:
            raise Stopped(403)
        return verdict.context

    async def ask(self, authorizer: Authorizer, variables: Mapping[str, str], event: bytes, source: str) -> bytes:
        """What the function of an authorizer answers. Raises Stopped."""
        params = {
            "FunctionName": lambda_of(authorizer.uri, variables) or "",
            "Payload": event,
            "SourceArn": source,
            "SourceService": LAMBDA_PRINCIPAL,
        }
        try:
            async with asyncio.timeout(PATIENCE_S):
                result = await self._surroundings.call("lambda", "Invoke", params)
        except (TimeoutError, AwsError) as error:
            log.warning("%s: authorizer %s: %s", self._surroundings.region, authorizer.name, error)
            raise Stopped(500, str(error)) from error
        if result.get("FunctionError"):
            raise Stopped(500)
        return bytes(result["Payload"])

    def forget(self, api_id: str, stage: str) -> None:
        """Of a stage's answers nothing is kept any longer."""
        self._answers = {key: one for key, one in self._answers.items() if key[:2] != (api_id, stage)}

    def _keep(self, key: Key, until: float, payload: bytes) -> None:
        self._answers.pop(key, None)
        if len(self._answers) >= KEPT:
            del self._answers[next(iter(self._answers))]
        self._answers[key] = (until, payload)
