"""Asks Lambda authorizers whether a request may pass, and keeps their answers as long as they may be kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from antipodes.services.apigateway.backends import LAMBDA_PRINCIPAL
from antipodes.services.apigateway.v2.authorizing import event_of, identity_of, verdict_of
from antipodes.services.apigateway.v2.catalogue import Prepared
from antipodes.services.apigateway.v2.records import Authorizer
from antipodes.services.apigateway.v2.routing import Target, lambda_of
from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest
from antipodes.wire.payload2 import Call, Malformed

log = logging.getLogger("antipodes.apigateway")

PATIENCE_S = 10.0  # an authorizer's own limit
KEPT = 10_000  # answers; the oldest goes first

Key = tuple[str, str, Authorizer, tuple[str, ...]]


class Stopped(Exception):
    """The request may not pass."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status  # 401, 403, 500


class Gatekeeper:
    """One a Region."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._answers: dict[Key, tuple[float, bytes]] = {}  # until when (monotonic), what the authorizer said

    async def pass_on(
        self, request: HttpRequest, prepared: Prepared, target: Target, call: Call, path: str
    ) -> Mapping[str, Any]:
        """What the function is told of the caller. `path`: in the stage. Raises Stopped."""
        authorizer = prepared.deployment.authorizers[target.authorizer_id]
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
            payload = await self._ask(authorizer, stage.variables, event, f"{base}/authorizers/{authorizer.id}")
        try:
            verdict = verdict_of(authorizer, payload, arn)
        except Malformed as reason:
            log.warning("%s: authorizer %s: %s", around.region, authorizer.name, reason)
            raise Stopped(500) from reason
        if authorizer.ttl_s and until <= now:
            self._keep(key, now + authorizer.ttl_s, payload)
        if not verdict.allowed:
            raise Stopped(403)
        return verdict.context

    async def _ask(self, authorizer: Authorizer, variables: Mapping[str, str], event: bytes, source: str) -> bytes:
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
            raise Stopped(500) from error
        if result.get("FunctionError"):
            raise Stopped(500)
        return bytes(result["Payload"])

    def _keep(self, key: Key, until: float, payload: bytes) -> None:
        self._answers.pop(key, None)
        if len(self._answers) >= KEPT:
            del self._answers[next(iter(self._answers))]
        self._answers[key] = (until, payload)
