"""The data plane: an HTTP request for an API, and its answer.

    find the API     by Host: {api}.execute-api.…, or a custom domain and its longest base path mapping
    find the stage   the first part of the path, or what the mapping names
    find the route   in the stage's prepared table
    unpack           a compressed body (compression.py); the answer is compressed if the API wants it
    guard            who may, how often, with what (guards.py)
    integrate        what stands behind the method is asked (backends.py), or the stage's cache (cached.py)
    reply            with the gateway's own headers; its own answers as the API dresses them (gateway_responses.py)
    observe          metrics, access log

It is the hot path of every API call: one dictionary look-up or two for the stage, one walk for the route.
"""

from __future__ import annotations

import base64
import re
import uuid
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

import msgspec

from antipodes.services.apigateway.access_logs import stream_of
from antipodes.services.apigateway.iam import Verify
from antipodes.services.apigateway.mutual_tls import admits, told
from antipodes.services.apigateway.v1.backends import Backends
from antipodes.services.apigateway.v1.cached import CachedBackends
from antipodes.services.apigateway.v1.call import Call, values_of
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.compression import ENCODING, packed, unpacked
from antipodes.services.apigateway.v1.execution_logs import execution_group, execution_lines
from antipodes.services.apigateway.v1.gateway_responses import Rejected, plain
from antipodes.services.apigateway.v1.guards import Guards
from antipodes.services.apigateway.v1.prepared import Prepared
from antipodes.services.apigateway.v1.routing import Route, longest_mapping
from antipodes.wire.http import HttpRequest, HttpResponse

# {api}.execute-api.{region}.amazonaws.com, and any other suffix for tools that cannot set DNS ("….localhost").
EXECUTE_API = re.compile(r"([a-z0-9-]+)\.execute-api\.(.+)")
AMAZON = re.compile(r"([a-z0-9-]+)\.amazonaws\.com")
BODY_LIMIT_BYTES = 10 * 1024 * 1024
HEAD_LIMIT_BYTES = 20_480  # "Total combined size of all header values" (facts 3.1)


# Before an API's stage is known, nobody can have dressed these.
MISSING_TOKEN = plain(Rejected("MISSING_AUTHENTICATION_TOKEN"))
FORBIDDEN = plain(Rejected("INVALID_API_KEY"))

Ids = tuple[tuple[str, str], tuple[str, str]]  # the headers that name a request
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
        self.backends = Backends(catalogue.surroundings)
        self.guards = Guards(catalogue.surroundings, catalogue.keyring)
        self._cached = CachedBackends(self._world, self.backends, self.guards)

    def owns_host(self, host: str) -> bool:
        """`host` in lower case, without a port."""
        return host in self._catalogue.domains or ".execute-api." in host

    async def respond(self, request: HttpRequest, verify: Verify) -> HttpResponse:
        """verify: of a signature, where a method wants one."""
        ids = self.drawn_ids()
        if request.path in HEALTH_PATHS:  # the service's own, on every API's host
            return HttpResponse(200, (*ids, ("Content-Type", "text/plain")), HEALTH_PATHS[request.path])
        place = self._place(request)
        if isinstance(place, HttpResponse):
            return msgspec.structs.replace(place, headers=(*ids, *place.headers))
        if place.prepared.canary is not None:
            place = self._drawn(place, place.prepared.canary)
        prepared = place.prepared
        begun = self._world.monotonic()
        found = prepared.table.match(request.method, place.path)
        route, parameters = found if found is not None else (None, None)
        call = self.described(request, place, route, parameters, ids)
        try:
            if route is None:
                raise Rejected("MISSING_AUTHENTICATION_TOKEN")
            if len(request.body) > BODY_LIMIT_BYTES:
                raise Rejected("REQUEST_TOO_LARGE")
            if sum(map(len, chain.from_iterable(request.headers))) > HEAD_LIMIT_BYTES:
                words = "Request Header Fields Too Large"
                raise Rejected("DEFAULT_4XX", words, status=431)  # status and words are a guess
            if request.body and request.header(ENCODING) is not None:
                call.received, call.request = request, unpacked(request, prepared.deployment.compress_from)
            if not self._catalogue.surroundings.store.settled:
                await self._catalogue.settled()
            if not self._catalogue.limit.take(begun):
                raise Rejected("THROTTLED")
            if route.guard is not None:
                await self.guards.pass_on(route.guard, call, verify)
            if route.caching is None:
                answer = await self.backends.ask(call, route)
            else:
                assert prepared.cache is not None
                answer = await self._cached.ask(call, route, prepared.cache)
            if prepared.deployment.compress_from is not None:
                answer = packed(answer, request.header("accept-encoding"), prepared.deployment.compress_from)
        except Rejected as rejected:
            answer = prepared.wardrobe.answer(rejected, call)
        headers = (*ids, *answer.headers)
        if route is not None and route.integration.kind != "MOCK":
            headers = (*headers, ("X-Amzn-Trace-Id", call.trace_id))
        self._observe(prepared, route, call, answer, self._world.monotonic() - begun)
        return HttpResponse(answer.status, headers, answer.body)

    def _drawn(self, place: Place, canary: Prepared) -> Place:
        """Whether this request is one of a canary's."""
        configured = place.prepared.stage.canary
        assert configured is not None
        if self._world.chance.random() * 100.0 >= configured.percent:
            return place
        return Place(canary, place.path, place.event_path)

    def drawn_ids(self) -> Ids:
        chance = self._world.chance
        request_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        extended_id = base64.b64encode(chance.getrandbits(88).to_bytes(11, "big")).decode()
        return ("x-amzn-RequestId", request_id), ("x-amz-apigw-id", extended_id)

    def described(
        self,
        request: HttpRequest,
        place: Place,
        route: Route | None,
        parameters: dict[str, str] | None,
        ids: Ids,
    ) -> Call:
        prepared, chance, now = place.prepared, self._world.chance, self._world.now()
        stage = prepared.stage
        client = told(request)
        trace_id = request.header("x-amzn-trace-id") or f"Root=1-{int(now):08x}-{chance.getrandbits(96):024x}"
        return Call(
            request=request,
            api_id=stage.api_id,
            stage=stage.name,
            deployment_id=stage.deployment_id,
            account=self._account,
            resource_id="" if route is None else route.resource_id,
            resource_path="" if route is None else route.resource_path,
            path=place.event_path,
            stage_path=place.path,
            full_path="/" + request.path.lstrip("/"),
            parameters=parameters,
            variables=prepared.variables,
            request_id=ids[0][1],
            extended_id=ids[1][1],
            trace_id=trace_id,
            now=now,
            binary_types=prepared.deployment.binary_media_types,
            identity=None if client is None else {"clientCert": client},
            is_canary=prepared.is_canary,
            steps=[] if route is not None and route.log_level and route.data_trace else None,
        )

    def _observe(
        self, prepared: Prepared, route: Route | None, call: Call, answer: HttpResponse, latency_s: float
    ) -> None:
        """Metrics, and a line of the access log."""
        prepared.tally.request(answer.status, latency_s, call.integration_s)
        if route is not None and route.tally is not None:
            route.tally.request(answer.status, latency_s, call.integration_s)
        if prepared.cache is not None:
            prepared.tally.cache(call.cache_hit)
            if route is not None and route.tally is not None:
                route.tally.cache(call.cache_hit)
        if route is not None and route.log_level:
            self._trace(route, call, answer)
        if prepared.log is not None:
            call.status = answer.status
            line = prepared.log.form.line(values_of(call, answer, latency_s))
            self._catalogue.access_logs.write(prepared.log.group, prepared.log.stream, line)

    def _trace(self, route: Route, call: Call, answer: HttpResponse) -> None:
        """Execution logs: what the stage's loggingLevel asks for."""
        lines = execution_lines(call, answer, data=route.data_trace)
        if route.log_level == "ERROR":
            lines = lines[-1:] if answer.status >= 500 else []
        for line in lines:
            self._catalogue.access_logs.write(
                execution_group(call.api_id, call.stage), stream_of(call.api_id, call.stage), line
            )

    def _place(self, request: HttpRequest) -> Place | HttpResponse:
        host, path = request.host, request.path
        if "://" in path:  # absolute form
            path = "/" + path.split("://", 1)[1].partition("/")[2]
        if path.startswith("//"):
            path = "/" + path.lstrip("/")
        domain = self._catalogue.domains.get(host)
        if domain is not None:
            if not admits(domain, request):
                return FORBIDDEN
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
        api = self._catalogue.apis.get(match[1])
        if api is None or api.endpoint_disabled:
            return FORBIDDEN
        return self._first_part(match[1], path, None, MISSING_TOKEN)

    def _first_part(
        self, api_id: str, path: str, event_path: str | None, missing: HttpResponse
    ) -> Place | HttpResponse:
        """The first part of the path names the stage."""
        stage, _, rest = path[1:].partition("/")
        place = self._in_stage(api_id, stage, "/" + rest.lstrip("/"), event_path)
        return missing if isinstance(place, HttpResponse) else place

    def _in_stage(self, api_id: str, stage: str, path: str, event_path: str | None) -> Place | HttpResponse:
        prepared = self._catalogue.prepared(api_id, stage)
        if prepared is None:
            return FORBIDDEN
        return Place(prepared, path, path if event_path is None else event_path)
