"""The data plane of HTTP APIs: a request to a function and its answer back. Errors are in the bodies of facts 3.2.

    find the API    by Host: {api}.execute-api.…, or a custom domain and its longest API mapping
    find the stage  the first part of the path if it names one, else $default; or what the mapping names
    preflight       CORS is answered here, whatever routes there are
    find the route  full match, greedy, $default
    throttle        as the stage says
    authorize       by a signature, a token or a Lambda function, if the route says so
    map             parameters of the request, as the integration says
    integrate       Lambda proxy, payload 1.0 or 2.0, if the function's policy allows it; or on to an HTTP server
    map             parameters of the answer
    account         metrics, and a line of access log

It knows nothing of how APIs are edited: it serves what a stage's deployment says.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import logging
from itertools import chain
from types import MappingProxyType
from urllib.parse import unquote

import msgspec

from antipodes.services.apigateway.iam import Verify
from antipodes.services.apigateway.mutual_tls import told
from antipodes.services.apigateway.v1.backends import LAMBDA_PRINCIPAL
from antipodes.services.apigateway.v1.backends import TOO_LARGE as TOO_LARGE_EVENT
from antipodes.services.apigateway.v1.dataplane import (
    BODY_LIMIT_BYTES,
    HEALTH_PATHS,
)
from antipodes.services.apigateway.v2 import mapping, payload1
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue, Prepared
from antipodes.services.apigateway.v2.exchange import Exchange
from antipodes.services.apigateway.v2.gatekeeper import Gatekeeper, Stopped
from antipodes.services.apigateway.v2.http_proxy import HttpProxy, filled
from antipodes.services.apigateway.v2.issuers import Issuers
from antipodes.services.apigateway.v2.places import Led, Places
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
TOO_MANY = _error(429, "Too Many Requests")
HEAD_TOO_LARGE = _error(431, "Request Header Fields Too Large")  # status and words are a guess
FAILED = _error(500, "Internal Server Error")
TIMED_OUT = _error(503, "Service Unavailable")  # facts 3.2 have it from memory; another page of AWS's says 504
# What an authorizer leads to (AWS's guide; the bodies from memory).
STOPPED = MappingProxyType({401: _error(401, "Unauthorized"), 403: _error(403, "Forbidden"), 500: FAILED})
# "Total combined size of request line and header values" (the quotas of HTTP APIs).
HEAD_LIMIT_BYTES = 10_240


class HttpDataPlane:
    """`respond` answers what `places.led` says is for an HTTP API."""

    def __init__(self, catalogue: HttpCatalogue, places: Places) -> None:
        self._places = places
        self._catalogue = catalogue
        self._world = catalogue.surroundings.world
        self._region = catalogue.surroundings.region
        self._account = catalogue.surroundings.settings.account
        self._call = catalogue.surroundings.call
        self._proxy = HttpProxy(self._world, catalogue.surroundings.settings)
        self.gatekeeper = Gatekeeper(catalogue.surroundings, Issuers(self._world, self._proxy))
        self._access_logs = catalogue.shared.access_logs

    async def respond(self, request: HttpRequest, led: Led, verify: Verify) -> HttpResponse:
        """verify: of a signature, where a route wants one."""
        request_id = base64.b64encode(self._world.chance.getrandbits(88).to_bytes(11, "big")).decode()
        exchange = Exchange(request, request_id, self._account, self._world.monotonic())
        response = await self._answer(exchange, led, verify)
        prepared = exchange.prepared
        if prepared is not None:
            self._account_for(exchange, prepared, response)
        return msgspec.structs.replace(response, headers=(*response.headers, ("apigw-requestid", request_id)))

    def _account_for(self, exchange: Exchange, prepared: Prepared, response: HttpResponse) -> None:
        exchange.response = response
        exchange.took_s = self._world.monotonic() - exchange.begun
        figures = (
            response.status,
            exchange.took_s,
            exchange.integration_s,
            len(exchange.request.body) + len(response.body),
        )
        prepared.tally.request(*figures)
        if prepared.route_tallies and exchange.target is not None:
            detailed = prepared.route_tallies.get(exchange.target.key)
            if detailed is not None:
                detailed.request(*figures)
        if prepared.log_format is not None:
            line = prepared.log_format.line(exchange.context)
            self._access_logs.write(prepared.log_group, prepared.log_stream, line)

    async def _answer(self, exchange: Exchange, led: Led, verify: Verify) -> HttpResponse:
        request = exchange.request
        if request.path in HEALTH_PATHS:
            return HttpResponse(200, (("content-type", "text/plain"),), HEALTH_PATHS[request.path])
        found = self._places.stage(led)
        if found is None:
            return NOT_FOUND
        prepared, path = found
        exchange.prepared, exchange.path, exchange.base_path = prepared, path, led.base_path
        configured = prepared.deployment.cors
        if configured is not None:
            preflight = cors.preflight(configured, request)
            if preflight is not None:
                return HttpResponse(204, preflight)
        if len(request.body) > BODY_LIMIT_BYTES:
            return cors.over(configured, request, _refused(exchange, TOO_LARGE, "Request Entity Too Large"))
        if len(request.target) + sum(map(len, chain.from_iterable(request.headers))) > HEAD_LIMIT_BYTES:
            refusal = _refused(exchange, HEAD_TOO_LARGE, "Request Header Fields Too Large")
            return cors.over(configured, request, refusal)
        routed = prepared.table.match(request.method, path)
        if routed is None:
            return cors.over(configured, request, _refused(exchange, NOT_FOUND, "Not Found"))
        if not self._catalogue.surroundings.store.settled:
            await self._catalogue.shared.settled()
        exchange.target, exchange.parameters = routed
        if not self._catalogue.shared.limit.take(exchange.begun):
            return cors.over(configured, request, _refused(exchange, TOO_MANY, "Too Many Requests"))
        if prepared.buckets:
            bucket = prepared.buckets.get(routed[0].key)
            if bucket is not None and not bucket.take(exchange.begun):
                return cors.over(configured, request, _refused(exchange, TOO_MANY, "Too Many Requests"))
        response = await self._routed(exchange, prepared, routed[0], verify)
        return cors.over(configured, request, response)

    async def _routed(self, exchange: Exchange, prepared: Prepared, target: Target, verify: Verify) -> HttpResponse:
        """The route is found: who asks, what is changed on the way, who answers."""
        request = exchange.request
        call = exchange.call = self._described(exchange, prepared, target)
        if target.authorizer_id or target.iam:
            try:
                passed = await self.gatekeeper.pass_on(request, prepared, target, call, exchange.path, verify)
            except Stopped as stopped:
                exchange.authorizer_error = str(stopped)
                return _stopped(exchange, stopped)
            caller = passed.one if target.integration.payload == "1.0" else passed.two
            exchange.authorizer, exchange.identity = passed.context, passed.identity or {}
            call = exchange.call = dataclasses.replace(call, authorizer=caller, identity=passed.identity)
        path: str | None = None
        if target.changes:
            request, path = mapping.changed_request(target.changes, request, exchange.variable)
            if path is not None:
                call = exchange.call = dataclasses.replace(call, path=path)
        begun = self._world.monotonic()
        if target.integration.kind == "HTTP_PROXY":
            response = await self._forward(exchange, request, prepared, target, path)
        else:
            response = await self._invoke(exchange, request, prepared, target, call)
        exchange.integration_s = self._world.monotonic() - begun
        changes = target.answer_changes.get(response.status) if target.answer_changes else None
        if changes is not None and not exchange.integration_error:
            exchange.response = response
            response = mapping.changed_response(changes, response, exchange.variable)
        return response

    async def _forward(
        self, exchange: Exchange, request: HttpRequest, prepared: Prepared, target: Target, path: str | None
    ) -> HttpResponse:
        """path: as a parameter mapping has it, in the place of the URI's own."""
        integration = target.integration
        uri = filled(integration.uri, prepared.stage.variables)
        if path is not None:
            scheme, _, rest = uri.partition("://")
            uri = f"{scheme}://{rest.partition('/')[0].partition('?')[0]}{path}"
        timeout_s = integration.timeout_ms / 1000
        try:
            response = await self._proxy.send(
                request, uri, integration.method, exchange.parameters, timeout_s=timeout_s
            )
        except NetworkError as error:
            log.warning("%s: %s %s: %s", self._region, request.method, request.path, error)
            return _failed(exchange, TIMED_OUT, "Service Unavailable", str(error))
        exchange.integration_status = response.status
        return response

    def _described(self, exchange: Exchange, prepared: Prepared, target: Target) -> payload2.Call:
        stage, now, chance = prepared.stage, self._world.now(), self._world.chance
        # Functions of HTTP APIs are told the path decoded; of REST APIs and function URLs as it came.
        path, trace_id = unquote(exchange.path), exchange.request.header("x-amzn-trace-id")
        return payload2.Call(
            account=self._account,
            api_id=stage.api_id,
            route_key=target.key,
            stage=stage.name,
            # The stage's name, however the request came; never the key of an API mapping (AWS's guide).
            path=path if stage.name == DEFAULT else f"/{stage.name}{path}",
            request_id=exchange.request_id,
            trace_id=trace_id or f"Root=1-{int(now):08x}-{chance.getrandbits(96):024x}",
            now=now,
            parameters=exchange.parameters,
            variables=stage.variables,
            certificate=told(exchange.request),
        )

    async def _invoke(
        self, exchange: Exchange, request: HttpRequest, prepared: Prepared, target: Target, call: payload2.Call
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
            return _failed(exchange, TIMED_OUT, "Service Unavailable", "The integration did not answer in time.")
        except AwsError as error:
            log.warning("%s: %s %s: %s", self._region, request.method, request.path, error)
            exchange.integration_status = error.status
            if error.code == TOO_LARGE_EVENT:  # as for bodies of more than 10 MB (from memory)
                return _failed(exchange, TOO_LARGE, "Request Entity Too Large", error.message)
            return _failed(exchange, FAILED, "Internal Server Error", error.message)
        exchange.integration_status = 200
        if result.get("FunctionError"):
            return _failed(exchange, FAILED, "Internal Server Error", "The Lambda function returned an error.")
        try:
            answer = payload1.response_of if first else payload2.response_of
            return answer(result["Payload"], TEXT)
        except payload2.Malformed as reason:
            log.warning("%s: %s %s: malformed answer: %s", self._region, request.method, request.path, reason)
            return _failed(exchange, FAILED, "Internal Server Error", str(reason))


def _refused(exchange: Exchange, response: HttpResponse, message: str) -> HttpResponse:
    exchange.error = message
    return response


def _failed(exchange: Exchange, response: HttpResponse, message: str, reason: str) -> HttpResponse:
    exchange.error, exchange.integration_error = message, reason
    return response


def _stopped(exchange: Exchange, stopped: Stopped) -> HttpResponse:
    response = STOPPED[stopped.status]
    exchange.error = {401: "Unauthorized", 403: "Forbidden", 500: "Internal Server Error"}[stopped.status]
    if not stopped.challenge:
        return response
    headers = (*response.headers, ("www-authenticate", stopped.challenge))
    return msgspec.structs.replace(response, headers=headers)
