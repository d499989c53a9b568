"""The path of one HTTP request through a Region, as a visible list.

    admin?        the planet's own processes ask for status, tell of partitions
    application?  a Host that API Gateway owns goes to its data plane, unsigned; a function URL's to its function
    healthy?      an unsigned GET of / or /ping, as load balancers and scripts send it: DynamoDB's own answer to it
    identify      whose signature, for which Region and service
    verify        the signature
    locate        another Region's request is carried there over the network; global services live in the home Region
    parse         bytes to a typed operation, by AWS's service model
    dispatch      the service's operation
    serialise     the answer, or the error, in the service's protocol

What DynamoDB is asked most goes a short way, `respond_usual`: the same steps, in one call.

Each step is a method of `Path`. A step that ends the request raises AwsError or returns a response; nothing
else leaves here: an unexpected exception is reported and becomes InternalFailure (500), and the Region lives on.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID
from zlib import crc32

import msgspec
import orjson

from antipodes.edge.client import HttpClient
from antipodes.services.apigateway.service import ApiGateway
from antipodes.services.contract import Service, Settings
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.services.lambda_ import url_door
from antipodes.services.lambda_.service import Lambda
from antipodes.wire import encodings, models, protocols, session_keys, sigv2, sigv4
from antipodes.wire.errors import AccessDenied, AwsError, ClientFault, NotSupported, ServerFault
from antipodes.wire.http import Answered, HttpRequest, HttpResponse, IndexedHeaders
from antipodes.wire.operation import Request
from antipodes.world import geography
from antipodes.world.world import NetworkError, World

log = logging.getLogger("antipodes.region")

ADMIN = "/_antipodes/"
HEALTH = frozenset({"/", "/ping"})
# Global services: one control plane, in the home Region (Route 53's is in us-east-1: facts 2.5; IAM's is too). With
# the home Region down their changes fail, as on AWS; nothing that runs asks them.
HOME_ONLY = frozenset({"route53", "iam"})
# The control plane of routing controls is in us-west-2 (a planet without it: in the home Region). Their switches can be
# flipped in whichever Region is asked: clients sign for us-west-2 and choose the Region by its endpoint.
OREGON_ONLY = "route53-recovery-control-config"
ANYWHERE = "route53-recovery-cluster"
# Services whose clients speak two protocols: newer ones JSON, older ones forms; each is answered in its own.
BILINGUAL = frozenset({"cloudwatch", "sqs"})
COMPRESSED = frozenset({"cloudwatch"})  # wire/encodings.py
# Of an answer of DynamoDB's, as protocols/json.py has them; the checksum is to follow.
USUAL_LINES = b"x-amzn-RequestId: %b\r\nContent-Type: application/x-amz-json-1.0\r\nx-amz-crc32: "
KNOWN_KEYS: Mapping[str, str] = {"test": "test"}


class Path:
    """The steps, with what they need. One instance a Region."""

    def __init__(
        self,
        region: str,
        world: World,
        settings: Settings,
        services: Mapping[str, Service],
        admin: Callable[[HttpRequest], Awaitable[HttpResponse]],
    ) -> None:
        self._region = region
        self._world = world
        self._settings = settings
        self._services = services
        self._admin = admin
        self._client = HttpClient(world)
        self._home = settings.options.get("home", settings.regions[0])
        self._planet_key = settings.options.get("planet_key", "test")
        given = (one.partition(":") for one in settings.options.get("credentials", "").split())
        self._keys = {**KNOWN_KEYS, **{key: secret for key, _, secret in given}}
        gateway = services["apigateway"]
        assert isinstance(gateway, ApiGateway)
        self._gateway = gateway
        functions = services["lambda"]
        assert isinstance(functions, Lambda)
        self._functions = functions
        dynamodb = services["dynamodb"]
        assert isinstance(dynamodb, DynamoDB)
        prefix = models.service_model("dynamodb").metadata["targetPrefix"]
        self._usual = {f"{prefix}.{name}": operation for name, operation in dynamodb.usual.items()}

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """The whole path."""
        if request.target.startswith(ADMIN):
            return await self._admin(request)
        if self._gateway.owns_host(request.host):
            if (other := self._signed_for(request)) is not None:
                return await self._hand_over(request, other)
            return await self._gateway.respond(request, self._verify)
        if url_door.owns_host(request.host):
            return await self._functions.urls.respond(request, self._verify)
        if request.method == "GET" and request.target in HEALTH and request.header("authorization") is None:
            return HttpResponse(200, (), f"healthy: dynamodb.{self._region}.amazonaws.com ".encode())
        service = operation = spoken = None
        request_id = str(UUID(int=self._world.chance.getrandbits(128), version=4))
        try:
            scope = self._identify(request)
            service = self._service_of(request, scope)
            if service in BILINGUAL:
                spoken = protocols.protocol_spoken(service, request)
            if scope.date:
                identity = self._verify(request)
            else:
                identity = sigv2.verify(request, scope, self._secret_for, self._world.now())
            target = self._locate(scope.region, service)
            if target != self._region:
                return await self._carry(request, target, service)
            if service not in self._services:
                raise NotSupported(f"the service {service}")
            operation, params = protocols.parse_request(service, _plain(service, request))
            return await self._dispatch(
                Request(
                    service=service,
                    operation=operation,
                    params=params,
                    region=self._region,
                    account=self._settings.account,
                    access_key=identity.access_key,
                    request_id=request_id,
                    host=request.header("host") or "",
                    trace=request.header("x-amzn-trace-id") or "",
                ),
                spoken,
            )
        except AwsError as error:
            return protocols.serialize_error(service or "dynamodb", operation, error, request_id, protocol=spoken)
        except Exception:
            log.exception("request %s %s failed inside %s", request.method, request.target, self._region)
            fault = ServerFault("InternalFailure", f"An internal error occurred in {self._region}; see its log.")
            return protocols.serialize_error(service or "dynamodb", operation, fault, request_id, protocol=spoken)

    def respond_usual(self, request: HttpRequest, answered: Answered) -> bool:
        """The short way for what DynamoDB is mostly asked: the same steps without a task between them. False: this
        request is not of that kind, or not plainly right; `respond` judges it, from the beginning."""
        headers = request.headers
        if type(headers) is not IndexedHeaders or request.target != "/":
            return False
        target = headers.by_name.get("x-amz-target", "")
        operation = self._usual.get(target)
        if operation is None or self._gateway.owns_host(request.host) or url_door.owns_host(request.host):
            return False
        identity = sigv4.accepted(request, self._secret_for, self._world.now())
        if identity is None or identity.region != self._region:
            return False
        request_id = f"{self._world.chance.getrandbits(128):032x}"
        lines = USUAL_LINES % request_id.encode()

        def told(body: bytes | None, error: AwsError | None) -> None:
            if error is not None:
                name = target.rpartition(".")[2]
                answered(protocols.serialize_error("dynamodb", name, error, request_id), None)
            elif body is not None:
                answered(HttpResponse(200, (), body, b"%b%d\r\n" % (lines, crc32(body))), None)

        try:
            return operation(request.body, told)
        except Exception:
            log.exception("request %s failed inside %s", target, self._region)
            fault = ServerFault("InternalFailure", f"An internal error occurred in {self._region}; see its log.")
            told(None, fault)
            return True

    # -- the steps ---------------------------------------------------------------------------------------------

    def _identify(self, request: HttpRequest) -> sigv4.Scope:
        scope = sigv4.scope_of(request) or sigv2.scope_of(request, self._region)
        if scope is None:
            self._verify(request)  # has the right words for what is missing
            raise AccessDenied("MissingAuthenticationTokenException", "Request is missing Authentication Token")
        return scope

    def _service_of(self, request: HttpRequest, scope: sigv4.Scope) -> str:
        service = models.service_of(request, scope.service)
        if service is None:
            raise NotSupported(f"the service {scope.service}")
        return service

    def _verify(self, request: HttpRequest) -> sigv4.Identity:
        return sigv4.verify(request, self._secret_for, self._world.now())

    def _secret_for(self, access_key: str) -> str | None:
        return self._keys.get(access_key) or session_keys.secret_for(self._planet_key, access_key)

    def _locate(self, scope_region: str, service: str) -> str:
        if service in HOME_ONLY:
            return self._home
        if service == OREGON_ONLY:
            return OREGON if OREGON in self._settings.regions else self._home
        if service == ANYWHERE:
            return self._region
        if scope_region == self._region:
            return self._region
        if scope_region in self._settings.regions:
            return scope_region
        known = scope_region in geography.regions()
        raise ClientFault(
            "UnrecognizedClientException" if known else "InvalidClientTokenId",
            f"This planet has no Region {scope_region}; it has {', '.join(self._settings.regions)}."
            + (f" Start one with `antipodes up --regions ...,{scope_region}`." if known else ""),
        )

    def _signed_for(self, request: HttpRequest) -> str | None:
        """The other Region whose API is asked, signed for there: functions find all APIs here, by AWS_ENDPOINT_URL.
        None: this one's, or unsigned, which is refused as on AWS."""
        region = request.host.partition(".execute-api.")[2].partition(".")[0]
        if not region or region == self._region or region not in self._settings.regions:
            return None
        try:
            scope = sigv4.scope_of(request)
        except AwsError:
            return None
        return region if scope is not None and scope.region == region else None

    async def _hand_over(self, request: HttpRequest, region: str) -> HttpResponse:
        try:
            return await self._carry(request, region, "execute-api")
        except AwsError as error:
            return protocols.serialize_error("apigatewaymanagementapi", None, error, "")

    async def _carry(self, request: HttpRequest, target: str, service: str) -> HttpResponse:
        """To the Region that was meant, over the planet's network, as it came: the signature stays valid."""
        try:
            return await self._client.send(
                geography.address_of(target),
                self._settings.port,
                request,
                timeout_s=LAMBDA_TIMEOUT_S if service == "lambda" else CARRY_TIMEOUT_S,
                in_parts=True,
            )
        except NetworkError as error:
            raise ServerFault(
                "ServiceUnavailable", f"Region {target} cannot be reached from {self._region}: {error}", status=503
            ) from error

    async def _dispatch(self, request: Request, spoken: str | None) -> HttpResponse:
        operation = self._services[request.service].operations.get(request.operation)
        if operation is None:
            raise NotSupported(f"{request.service} {request.operation}")
        result = await operation(request)
        return protocols.serialize_response(
            request.service, request.operation, result, request.request_id, protocol=spoken
        )


def _plain(service: str, request: HttpRequest) -> HttpRequest:
    """With its body as it was before compression, where the service's model has operations whose clients compress."""
    if service not in COMPRESSED or (request.header("content-encoding") or "").lower() != "gzip":
        return request
    return msgspec.structs.replace(request, body=encodings.unzipped(request.body))


CARRY_TIMEOUT_S = 60.0
LAMBDA_TIMEOUT_S = 960.0  # a function may take 15 minutes
OREGON = "us-west-2"


async def local_call(
    services: Mapping[str, Service],
    service: str,
    operation: str,
    params: Mapping[str, Any],
    *,
    region: str,
    account: str,
) -> Mapping[str, Any]:
    """A service's call to another one in the same Region: the same typed operation, without the wire."""
    found = services.get(service)
    function = found.operations.get(operation) if found else None
    if function is None:
        raise NotSupported(f"{service} {operation}")
    result = await function(
        Request(service=service, operation=operation, params=params, region=region, account=account)
    )
    if isinstance(result, Mapping):
        return result
    decoded: Mapping[str, Any] = orjson.loads(result.body)
    return decoded
