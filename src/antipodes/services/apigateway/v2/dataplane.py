"""The data plane of HTTP APIs: a request to a function and its answer back. Errors are in the bodies of facts 3.2.

    find the API    by Host: {api}.execute-api.…, or a custom domain and its longest API mapping
    find the stage  the first part of the path if it names one, else $default; or what the mapping names
    preflight       CORS is answered here, whatever routes there are
    find the route  full match, greedy, $default
    authorize       by a Lambda function, if the route has an authorizer
    integrate       Lambda proxy, payload 1.0 or 2.0, if the function's policy allows it; or on to an HTTP server

It knows nothing of how APIs are edited: it serves what a stage's deployment says.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from antipodes.services.apigateway.backends import LAMBDA_PRINCIPAL
from antipodes.services.apigateway.dataplane import (
    AMAZON,
    BODY_LIMIT_BYTES,
    EXECUTE_API,
    HEALTH_PATHS,
)
from antipodes.services.apigateway.iam import Verify
from antipodes.services.apigateway.routing import longest_mapping
from antipodes.services.apigateway.v2 import payload1
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue, Prepared
from antipodes.services.apigateway.v2.gatekeeper import Gatekeeper, Stopped
from antipodes.services.apigateway.v2.http_proxy import HttpProxy, filled
from antipodes.services.apigateway.v2.records import DEFAULT
from antipodes.services.apigateway.v2.routing import Target
from antipodes.wire import cors, payload2
from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.world import NetworkError

log = logging.getLogger("antipodes.apigateway")

TEXT = "text/plain;charset=UTF-8"  # of an answer with a statusCode that names no type (from memory, unverified)


def _error(status: int, message: str) -> HttpResponse:
    return HttpResponse(status, (("content-type", "application/json"),), b'{"message":"%s"}' % message.encode())


NOT_FOUND = _error(404, "Not Found")
TOO_LARGE = _error(413, "Request Entity Too Large")
FAILED = _error(500, "Internal Server Error")
TIMED_OUT = _error(503, "Service Unavailable")  # facts 3.2 have it from memory; another page of AWS's says 504
# What an authorizer leads to (AWS's guide; the bodies from memory).
STOPPED = MappingProxyType({401: _error(401, "Unauthorized"), 403: _error(403, "Forbidden"), 500: FAILED})


@dataclass(frozen=True, slots=True)
class Led:
    """Where a Host and a path lead."""

    api_id: str
    stage: str  # "": the path has still to tell
    path: str


class HttpDataPlane:
    """`led` says whether a request is for an HTTP API; `respond` answers it then."""

    def __init__(self, catalogue: HttpCatalogue) -> None:
        self._catalogue = catalogue
        self._world = catalogue.surroundings.world
        self._region = catalogue.surroundings.region
        self._account = catalogue.surroundings.settings.account
        self._call = catalogue.surroundings.call
        self._gatekeeper = Gatekeeper(catalogue.surroundings)
        self._proxy = HttpProxy(self._world, catalogue.surroundings.settings)

    def led(self, request: HttpRequest) -> Led | None:
        """The HTTP API that the Host means; None: none."""
        apis = self._catalogue.apis
        if not apis:
            return None
        host, path = request.host, request.path
        if "://" in path:  # absolute form
            path = "/" + path.split("://", 1)[1].partition("/")[2]
        domain = self._catalogue.shared.domains.get(host)
        if domain is not None:
            base = longest_mapping(domain.mappings, path)
            if base is None:
                return None
            mapping = domain.mappings[base]
            rest = path[len(base) + 1 :] if base else path
            return Led(mapping.api_id, mapping.stage, rest or "/") if mapping.api_id in apis else None
        match = EXECUTE_API.fullmatch(host)
        if match is None or match[1] not in apis:
            return None
        amazon = AMAZON.fullmatch(match[2])
        if amazon is not None and amazon[1] != self._region:
            return None
        return Led(match[1], "", path)

    async def respond(self, request: HttpRequest, led: Led, verify: Verify) -> HttpResponse:
        """verify: of a signature, where a route wants one."""
        request_id = base64.b64encode(self._world.chance.getrandbits(88).to_bytes(11, "big")).decode()
        response = await self._answer(request, led, request_id)
        return msgspec.structs.replace(response, headers=(*response.headers, ("apigw-requestid", request_id)))

    async def _answer(self, request: HttpRequest, led: Led, request_id: str) -> HttpResponse:
        if request.path in HEALTH_PATHS:
            return HttpResponse(200, (("content-type", "text/plain"),), HEALTH_PATHS[request.path])
        found = self._stage(led)
        if found is None:
            return NOT_FOUND
        prepared, path = found
        configured = prepared.deployment.cors
        if configured is not None:
            preflight = cors.preflight(configured, request)
            if preflight is not None:
                return HttpResponse(204, preflight)
        if len(request.body) > BODY_LIMIT_BYTES:
            return cors.over(configured, request, TOO_LARGE)
        routed = prepared.table.match(request.method, path)
        if routed is None:
            return cors.over(configured, request, NOT_FOUND)
        if not self._catalogue.surroundings.store.settled:
            await self._catalogue.shared.settled()
        target, parameters = routed
        call = self._described(request, prepared, path, target, parameters, request_id)
        if target.authorizer_id:
            try:
                context = await self._gatekeeper.pass_on(request, prepared, target, call, path)
            except Stopped as stopped:
                return cors.over(configured, request, STOPPED[stopped.status])
            told = context if target.integration.payload == "1.0" else {"lambda": context}
            call = dataclasses.replace(call, authorizer=told)
        if target.integration.kind == "HTTP_PROXY":
            response = await self._forward(request, prepared, target, parameters)
        else:
            response = await self._invoke(request, prepared, target, call)
        return cors.over(configured, request, response)

    def _stage(self, led: Led) -> tuple[Prepared, str] | None:
        """The stage, and the path in it."""
        if led.stage:
            prepared = self._catalogue.prepared(led.api_id, led.stage)
            return None if prepared is None else (prepared, led.path)
        if self._catalogue.apis[led.api_id].endpoint_disabled:
            return None  # Not Found, a guess: AWS tells only that the endpoint cannot be used
        name, slash, rest = led.path[1:].partition("/")
        prepared = self._catalogue.prepared(led.api_id, name) if name and name != DEFAULT else None
        if prepared is not None:
            return prepared, slash + rest or "/"
        prepared = self._catalogue.prepared(led.api_id, DEFAULT)
        return None if prepared is None else (prepared, led.path)

    async def _forward(
        self, request: HttpRequest, prepared: Prepared, target: Target, parameters: Mapping[str, str]
    ) -> HttpResponse:
        integration = target.integration
        uri = filled(integration.uri, prepared.stage.variables)
        timeout_s = integration.timeout_ms / 1000
        try:
            return await self._proxy.send(request, uri, integration.method, parameters, timeout_s=timeout_s)
        except NetworkError as error:
            log.warning("%s: %s %s: %s", self._region, request.method, request.path, error)
            return TIMED_OUT

    def _described(
        self,
        request: HttpRequest,
        prepared: Prepared,
        path: str,
        target: Target,
        parameters: Mapping[str, str],
        request_id: str,
    ) -> payload2.Call:
        stage, now, chance = prepared.stage, self._world.now(), self._world.chance
        trace_id = request.header("x-amzn-trace-id")
        return payload2.Call(
            account=self._account,
            api_id=stage.api_id,
            route_key=target.key,
            stage=stage.name,
            # The stage's name, however the request came; never the key of an API mapping (AWS's guide).
            path=path if stage.name == DEFAULT else f"/{stage.name}{path}",
            request_id=request_id,
            trace_id=trace_id or f"Root=1-{int(now):08x}-{chance.getrandbits(96):024x}",
            now=now,
            parameters=parameters,
            variables=stage.variables,
        )

    async def _invoke(
        self, request: HttpRequest, prepared: Prepared, target: Target, call: payload2.Call
    ) -> HttpResponse:
        stage, integration = prepared.stage, target.integration
        first = integration.payload == "1.0"
        event = payload1.event_of(request, call, target.path) if first else payload2.event_of(request, call)
        source = f"arn:aws:execute-api:{self._region}:{self._account}:{stage.api_id}/{stage.name}"
        try:
            # On timeout only our waiting ends; the function runs on to its own timeout, as on AWS.
            async with asyncio.timeout(integration.timeout_ms / 1000):
                result = await self._call(
                    "lambda",
                    "Invoke",
                    {
                        "FunctionName": target.function,
                        "Payload": event,
                        "SourceArn": f"{source}/{DEFAULT}" if target.key == DEFAULT
                        else f"{source}/{request.method}{target.path}",
                        "SourceService": LAMBDA_PRINCIPAL,
                        "TraceId": call.trace_id,
                    },
                )  # fmt: skip
        except TimeoutError:
            return TIMED_OUT
        except AwsError as error:
            log.warning("%s: %s %s: %s", self._region, request.method, request.path, error)
            return FAILED
        if result.get("FunctionError"):
            return FAILED
        try:
            answer = payload1.response_of if first else payload2.response_of
            return answer(result["Payload"], TEXT)
        except payload2.Malformed as reason:
            log.warning("%s: %s %s: malformed answer: %s", self._region, request.method, request.path, reason)
            return FAILED
