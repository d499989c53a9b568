"""The data plane: an HTTP request for an API, to a function or a MOCK, and its answer.

    find the API     by Host: {api}.execute-api.…, or a custom domain and its longest base path mapping
    find the stage   the first part of the path, or what the mapping names
    find the route   in the stage's prepared table
    integrate        Lambda proxy (payload 1.0), or MOCK
    reply            with the gateway's own headers; errors in the bodies of facts 3.2

It is the hot path of every API call: one dictionary look-up or two for the stage, one walk for the route.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import uuid
from dataclasses import dataclass
from types import MappingProxyType

from antipodes.services.apigateway.catalogue import Catalogue, Prepared
from antipodes.services.apigateway.iam import Verify
from antipodes.services.apigateway.integrations import mock_answer
from antipodes.services.apigateway.proxy import Call, Malformed, event_of, reply_of
from antipodes.services.apigateway.routing import Route, longest_mapping
from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest, HttpResponse

log = logging.getLogger("antipodes.apigateway")

# {api}.execute-api.{region}.amazonaws.com, and any other suffix for tools that cannot set DNS ("….localhost").
EXECUTE_API = re.compile(r"([a-z0-9-]+)\.execute-api\.(.+)")
AMAZON = re.compile(r"([a-z0-9-]+)\.amazonaws\.com")
BODY_LIMIT_BYTES = 10 * 1024 * 1024
LAMBDA_PRINCIPAL = "apigateway.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the gateway's own."""

    status: int
    message: str
    kind: str  # x-amzn-ErrorType


MISSING_TOKEN = Refusal(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
FORBIDDEN = Refusal(403, "Forbidden", "ForbiddenException")
TOO_LARGE = Refusal(413, "HTTP content length exceeded 10485760 bytes.", "RequestTooLargeException")
BAD_ANSWER = Refusal(502, "Internal server error", "InternalServerErrorException")
NO_ANSWER = Refusal(500, "Internal server error", "InternalServerErrorException")
TIMED_OUT = Refusal(504, "Endpoint request timed out", "InternalServerErrorException")

HEALTH_PATHS = MappingProxyType({"/ping": b"healthy", "/sping": b"healthy"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request leads: a stage, and the path inside it."""

    prepared: Prepared
    path: str  # to be routed
    event_path: str  # what the function is told: with the base path of a custom domain


class DataPlane:
    """`respond` answers requests for hosts that `owns_host` says are ours."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._world = catalogue.surroundings.world
        self._region = catalogue.surroundings.region
        self._account = catalogue.surroundings.settings.account
        self._call = catalogue.surroundings.call

    def owns_host(self, host: str) -> bool:
        """`host` in lower case, without a port."""
        return host in self._catalogue.domains or ".execute-api." in host

    async def respond(self, request: HttpRequest, verify: Verify) -> HttpResponse:
        """verify: of a signature, where a method wants one."""
        chance = self._world.chance
        drawn = chance.getrandbits(128)
        request_id = str(uuid.UUID(int=drawn, version=4))
        extended_id = base64.b64encode(chance.getrandbits(88).to_bytes(11, "big")).decode()
        ids = (("x-amzn-RequestId", request_id), ("x-amz-apigw-id", extended_id))
        if request.path in HEALTH_PATHS:  # the service's own, on every API's host
            return HttpResponse(200, (*ids, ("Content-Type", "text/plain")), HEALTH_PATHS[request.path])
        place = self._place(request)
        if isinstance(place, Refusal):
            return _refused(place, ids)
        found = place.prepared.table.match(request.method, place.path)
        if found is None:
            return _refused(MISSING_TOKEN, ids)
        if len(request.body) > BODY_LIMIT_BYTES:
            return _refused(TOO_LARGE, ids)
        if not self._catalogue.surroundings.store.settled:
            await self._catalogue.settled()
        route, parameters = found
        if route.integration.kind == "MOCK":
            return _mocked(route, request, ids)
        return await self._invoke(request, place, route, parameters, ids)

    def _place(self, request: HttpRequest) -> Place | Refusal:
        host, path = request.host, request.path
        if "://" in path:  # absolute form
            path = "/" + path.split("://", 1)[1].partition("/")[2]
        domain = self._catalogue.domains.get(host)
        if domain is not None:
            base = longest_mapping(domain.mappings, path)
            if base is None:
                return FORBIDDEN
            mapping = domain.mappings[base]
            rest = path[len(base) + 1 :] if base else path
            if mapping.stage:
                return self._in_stage(mapping.api_id, mapping.stage, rest or "/", path)
            return self._first_part(mapping.api_id, rest, path, FORBIDDEN)
        match = EXECUTE_API.fullmatch(host)
        if match is None:
            return FORBIDDEN
        amazon = AMAZON.fullmatch(match[2])
        if amazon is not None and amazon[1] != self._region:  # led here by mistake, or by broken DNS
            return FORBIDDEN
        if match[1] not in self._catalogue.apis:
            return FORBIDDEN
        return self._first_part(match[1], path, None, MISSING_TOKEN)

    def _first_part(self, api_id: str, path: str, event_path: str | None, missing: Refusal) -> Place | Refusal:
        """The first part of the path names the stage."""
        stage, slash, rest = path[1:].partition("/")
        place = self._in_stage(api_id, stage, slash + rest or "/", event_path)
        return missing if isinstance(place, Refusal) else place

    def _in_stage(self, api_id: str, stage: str, path: str, event_path: str | None) -> Place | Refusal:
        prepared = self._catalogue.prepared(api_id, stage)
        if prepared is None:
            return FORBIDDEN
        return Place(prepared, path, path if event_path is None else event_path)

    async def _invoke(
        self,
        request: HttpRequest,
        place: Place,
        route: Route,
        parameters: dict[str, str] | None,
        ids: tuple[tuple[str, str], tuple[str, str]],
    ) -> HttpResponse:
        prepared, chance, now = place.prepared, self._world.chance, self._world.now()
        stage = prepared.stage
        trace_id = request.header("x-amzn-trace-id") or f"Root=1-{int(now):08x}-{chance.getrandbits(96):024x}"
        call = Call(
            api_id=stage.api_id,
            stage=stage.name,
            deployment_id=stage.deployment_id,
            account=self._account,
            resource_id=route.resource_id,
            resource_path=route.resource_path,
            path=place.event_path,
            full_path=request.path,
            parameters=parameters,
            variables=prepared.variables,
            request_id=ids[0][1],
            extended_id=ids[1][1],
            trace_id=trace_id,
            now=now,
            binary_types=prepared.deployment.binary_media_types,
        )
        source = f"arn:aws:execute-api:{self._region}:{self._account}:{stage.api_id}/{stage.name}"
        try:
            # On timeout only our waiting ends; the function runs on to its own timeout, as on AWS.
            async with asyncio.timeout(route.timeout_s):
                result = await self._call(
                    "lambda",
                    "Invoke",
                    {
                        "FunctionName": route.function,
                        "Payload": event_of(request, call),
                        "SourceArn": f"{source}/{request.method}{route.resource_path}",
                        "SourceService": LAMBDA_PRINCIPAL,
                        "TraceId": trace_id,
                    },
                )
        except TimeoutError:
            return _refused(TIMED_OUT, ids, trace_id)
        except AwsError as error:
            # No permission, no such function, throttled: all are 500 to the client (facts 3.2; throttling by AWS's
            # own troubleshooting page, unverified).
            log.warning("%s: %s %s: %s", self._region, request.method, call.full_path, error)
            return _refused(NO_ANSWER, ids, trace_id)
        if result.get("FunctionError"):
            return _refused(BAD_ANSWER, ids, trace_id)
        try:
            reply = reply_of(result["Payload"], request.header("accept") or "", call.binary_types)
        except Malformed as reason:
            log.warning(
                "%s: %s %s: malformed Lambda proxy response: %s", self._region, request.method, call.path, reason
            )
            return _refused(BAD_ANSWER, ids, trace_id)
        return HttpResponse(reply.status, (*ids, *reply.headers, ("X-Amzn-Trace-Id", trace_id)), reply.body)


def _mocked(route: Route, request: HttpRequest, ids: tuple[tuple[str, str], tuple[str, str]]) -> HttpResponse:
    answer = mock_answer(route.integration, request.header("content-type") or "")
    if answer is None:
        return _refused(NO_ANSWER, ids)
    status, headers, body = answer
    return HttpResponse(status, (*ids, *headers.items()), body)


def _refused(refusal: Refusal, ids: tuple[tuple[str, str], tuple[str, str]], trace_id: str = "") -> HttpResponse:
    headers = [*ids, ("x-amzn-ErrorType", refusal.kind), ("Content-Type", "application/json")]
    if trace_id:
        headers.append(("X-Amzn-Trace-Id", trace_id))
    return HttpResponse(refusal.status, tuple(headers), b'{"message": "%s"}' % refusal.message.encode())
