"""The front door on 127.0.0.1: finds the Region that a request is for, and hands it over as it came.

    /_antipodes/...               the admin API
    Host of an API or a Region    that Region (`{api}.execute-api.us-west-2.amazonaws.com`, `dynamodb.us-west-2.…`)
    a name that our DNS answers   the Region that DNS gives to a client without a place (a custom domain)
    SigV4 credential scope        the Region in the scope; global services live in the home Region
    none of these                 the home Region, which answers as AWS does

Whoever comes in here is a tool on this machine: no distance is added.
"""

from __future__ import annotations

from uuid import UUID

from antipodes.edge import tunnel
from antipodes.edge.client import HttpClient
from antipodes.globe.admin import PREFIX, Admin
from antipodes.globe.globe import Globe
from antipodes.globe.planet import Planet
from antipodes.nameserver import NameServer
from antipodes.wire import models, protocols, sigv4
from antipodes.wire.errors import AwsError, ServerFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world import geography
from antipodes.world.world import HERE, NetworkError, World

FORWARD_TIMEOUT_S = 60.0
LAMBDA_PATHS = ("/2015-03-31/functions/", "/2021-11-15/functions/")  # Invoke and InvokeWithResponseStream
LAMBDA_TIMEOUT_S = 960.0
LOCAL_NAMES = frozenset({"", "127.0.0.1", "localhost", "::1", "[::1]"})


class FrontDoor:
    """Forwards to Regions over kept-alive connections."""

    def __init__(self, world: World, planet: Planet, globe: Globe, admin: Admin, nameserver: NameServer) -> None:
        self._planet = planet
        self._globe = globe
        self._admin = admin
        self._nameserver = nameserver
        self._here = world.at(HERE)
        self._client = HttpClient(self._here)
        self._world = world

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Admin calls are answered here, everything else by a Region."""
        if request.target.startswith(PREFIX):
            return await self._admin.respond(request)
        region = self.region_for(request)
        try:
            if tunnel.wants_upgrade(request):
                address = geography.address_of(region)
                return await tunnel.carry(self._here, address, self._planet.port, request, timeout_s=FORWARD_TIMEOUT_S)
            return await self._client.send(
                geography.address_of(region), self._planet.port, request, timeout_s=_timeout_s(request), in_parts=True
            )
        except NetworkError as error:
            return unavailable(request, region, error, self._request_id())

    def region_for(self, request: HttpRequest) -> str:
        """The Region this request is for; the home Region if nothing says."""
        by_host = self._region_of_host(request.host)
        if by_host is not None:
            return by_host
        try:
            scope = sigv4.scope_of(request)
        except AwsError:
            scope = None
        if scope is not None and scope.region in self._planet.regions:
            return scope.region
        return self._planet.home  # it knows what AWS says to an unsigned request or an unknown Region

    def _region_of_host(self, host: str) -> str | None:
        if host in LOCAL_NAMES:
            return None
        for label in host.split("."):
            if label in self._planet.regions:
                return label
        address = self._nameserver.address_for(host)
        region = geography.site_of(address) if address else None
        return region if region in self._planet.regions else None

    def _request_id(self) -> str:
        return str(UUID(int=self._world.chance.getrandbits(128), version=4))


def _timeout_s(request: HttpRequest) -> float:
    """A function may take its time: 15 minutes of it, and what comes before."""
    patient = request.target.startswith(LAMBDA_PATHS) or ".lambda-url." in request.host
    return LAMBDA_TIMEOUT_S if patient else FORWARD_TIMEOUT_S


def unavailable(request: HttpRequest, region: str, error: NetworkError, request_id: str) -> HttpResponse:
    """503 in the caller's protocol, naming the Region and what brings it back."""
    fault = ServerFault(
        "ServiceUnavailable",
        f"Region {region} does not answer ({error}). Bring it back: antipodes restore {region}",
        status=503,
    )
    try:
        scope = sigv4.scope_of(request)
    except AwsError:
        scope = None
    service = models.service_of(request, scope.service if scope else None) or ""
    return protocols.serialize_error(service, None, fault, request_id)
