"""What stands behind the routes of WebSocket APIs, asked: a function by proxy, or an integration by mapping, which REST
APIs have too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import orjson

from antipodes.services.apigateway.v1 import backends
from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.proxy import Reply
from antipodes.services.apigateway.v2.catalogue import Prepared
from antipodes.services.apigateway.v2.routing import Target
from antipodes.services.apigateway.v2.sockets import events
from antipodes.services.apigateway.v2.sockets.events import Facts
from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest
from antipodes.wire.payload2 import Malformed

log = logging.getLogger("antipodes.apigateway")

FAILED = "Internal server error"
LATE = "Endpoint request timed out"


class Failed(Exception):
    """The integration has no answer. The message is for the client; reason: for those who may know."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class SocketBackends:
    """One a Region. steps: what execution logs tell of the way to the integration and back; None: nobody asks."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._backends = backends.Backends(surroundings)

    async def ask(
        self,
        prepared: Prepared,
        target: Target,
        event: Mapping[str, Any],
        facts: Facts,
        request: HttpRequest,
        steps: list[str] | None = None,
    ) -> Reply:
        """The answer to an event. `request`: of the client; a message in the shape of one. Raises Failed."""
        world = self._around.world
        begun = world.monotonic()
        try:
            if target.behind is None:
                return await self._by_proxy(prepared, target, event, steps)
            return await self._by_mapping(prepared, target, event, facts, request, steps)
        finally:
            for tally in prepared.tallies(target.key):
                tally.event("IntegrationLatency", round((world.monotonic() - begun) * 1000.0, 1), "Milliseconds")

    async def _by_proxy(
        self, prepared: Prepared, target: Target, event: Mapping[str, Any], steps: list[str] | None
    ) -> Reply:
        stage, around = prepared.stage, self._around
        source = (
            f"arn:aws:execute-api:{around.region}:{around.settings.account}:{stage.api_id}/{stage.name}/{target.key}"
        )
        payload = orjson.dumps(event)
        try:
            # On timeout only our waiting ends; the function runs on to its own timeout, as on AWS.
            async with asyncio.timeout(target.integration.timeout_ms / 1000):
                params = {"FunctionName": target.function, "Payload": payload}
                params |= {"SourceArn": source, "SourceService": backends.LAMBDA_PRINCIPAL}
                result = await around.call("lambda", "Invoke", params)
            if steps is not None:
                steps.append(f"Endpoint request body after transformations: {payload.decode()[:1024]}")
                told = bytes(result["Payload"])[:1024].decode("utf-8", "replace")
                steps.append(f"Endpoint response body before transformations: {told}")
            if result.get("FunctionError"):
                raise Failed(FAILED, "configuration error: Lambda function failed")
            return events.answer_of(result["Payload"])
        except TimeoutError:
            raise Failed(LATE, "a timeout error") from None
        except (AwsError, Malformed) as error:
            log.warning("%s: %s %s: %s", around.region, stage.api_id, target.key, error)
            raise Failed(FAILED, f"configuration error: {error}") from error

    async def _by_mapping(
        self,
        prepared: Prepared,
        target: Target,
        event: Mapping[str, Any],
        facts: Facts,
        request: HttpRequest,
        steps: list[str] | None,
    ) -> Reply:
        behind, stage, around = target.behind, prepared.stage, self._around
        assert behind is not None
        context = event["requestContext"]
        call = Call(
            request=request,
            api_id=stage.api_id,
            stage=stage.name,
            deployment_id=stage.deployment_id,
            account=around.settings.account,
            resource_id=target.key,
            resource_path=target.key,
            path="/",
            stage_path="/",
            full_path="/",
            parameters=None,
            variables=dict(facts.variables) or None,
            request_id=context["requestId"],
            extended_id=context["requestId"],
            trace_id=f"Root=1-{int(around.world.now()):08x}-{around.world.chance.getrandbits(96):024x}",
            now=around.world.now(),
            context=context,
            template_key=behind.template_key(request.body),
            source=target.key,
            steps=steps,
        )
        try:
            answer = await self._backends.ask(call, behind.route)
        except Rejected as rejected:
            late = rejected.kind == "INTEGRATION_TIMEOUT"
            raise Failed(LATE if late else FAILED, call.reason or str(rejected.message)) from rejected
        return Reply(answer.status, answer.headers, answer.body)
