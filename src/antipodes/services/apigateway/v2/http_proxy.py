"""HTTP_PROXY: a request of an HTTP API goes on to an HTTP server, and its answer comes back.

Names are asked of the planet's DNS: other APIs, function URLs and whatever its zones say, over the planet's network;
ports 443 and 80 of its own addresses mean the planet's. An address (`http://127.0.0.1:8000/`) needs no DNS. Names that
the planet does not know, those of the Internet among them, are not reached: 503, as on AWS for a server that does not
answer (from memory, unverified). The path of the request goes on only where the URI has a place for it
({proxy}), on the route $default too (unverified).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import quote

from antipodes.edge.client import HOP_HEADERS, HttpClient
from antipodes.services.apigateway.v1.routing import STAGE_VARIABLE
from antipodes.services.contract import Settings
from antipodes.wire.dns_client import BadAnswer, build_query, parse_answer
from antipodes.wire.errors import NotSupported
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.world import Handshake, Unreachable, World

URI = re.compile(r"(?P<scheme>https?)://(?P<host>[^/:?#]+)(?::(?P<port>\d{1,5}))?(?P<rest>[/?][^#]*)?")
PLACE = re.compile(r"\{([A-Za-z0-9_.-]+)\+?\}")
NOT_PASSED_ON = HOP_HEADERS | {"host"}


def check_uri(uri: str) -> None:
    """Raises UnsupportedOperation for what cannot be called."""
    if URI.fullmatch(STAGE_VARIABLE.sub("x", uri)) is None:
        raise NotSupported(f"HTTP_PROXY to {uri or 'nothing'}; only http:// and https:// addresses")


class HttpProxy:
    """Sends from the Region that serves the API."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._settings = settings
        self._client = HttpClient(world)

    async def send(
        self,
        request: HttpRequest,
        uri: str,
        method: str,
        parameters: Mapping[str, str],
        *,
        timeout_s: float,
        handshake: Handshake | None = None,
    ) -> HttpResponse:
        """The server's answer. `uri` with stage variables filled in; `method` "ANY": the request's own. Raises
        NetworkError."""
        match = URI.fullmatch(uri)
        if match is None:
            raise Unreachable(f"{uri} is no address")
        host, secure = match["host"], match["scheme"] == "https"
        address = await self._address_of(host)
        port = int(match["port"] or (443 if secure else 80))
        shown = host if match["port"] is None else f"{host}:{port}"
        if address.startswith("127."):
            port = {443: self._settings.https_port, 80: self._settings.port}.get(port, port)
        forwarded = f"for={request.client};host={request.host};proto={'https' if request.secure else 'http'}"
        sent = HttpRequest(
            request.method if method == "ANY" else method,
            target_of(match["rest"] or "/", request.query, parameters),
            (
                ("Host", shown),
                *(one for one in request.headers if one[0].lower() not in NOT_PASSED_ON),
                ("Forwarded", forwarded),
            ),
            request.body,
        )
        answer = await self._client.send(
            address, port, sent, tls_name=host if secure else None, handshake=handshake, timeout_s=timeout_s
        )
        kept = tuple(one for one in answer.headers if one[0].lower() not in HOP_HEADERS | {"date"})
        return HttpResponse(answer.status, kept, answer.body)

    def close(self) -> None:
        self._client.close()

    async def _address_of(self, host: str) -> str:
        if host == "localhost":
            return "127.0.0.1"
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            pass
        try:
            query = build_query(host, "A", self._world.chance.getrandbits(16))
            answer = parse_answer(await self._world.ask(self._settings.dns_address, self._settings.dns_port, query))
        except (BadAnswer, ValueError) as error:
            raise Unreachable(f"{host} is no name, or its answer none") from error
        addresses = answer.addresses()
        if not addresses:
            raise Unreachable(f"the planet's DNS knows no address of {host}")
        return addresses[0]


def filled(uri: str, variables: Mapping[str, str]) -> str:
    """The URI with the stage's variables."""
    return STAGE_VARIABLE.sub(lambda found: variables.get(found[1], ""), uri)


def target_of(rest: str, query: str, parameters: Mapping[str, str]) -> str:
    """Path and query as they go out: path parameters in their places, the client's query behind the URI's own."""
    put = PLACE.sub(lambda found: quote(parameters.get(found[1], ""), safe="/-._~!$&'()*+,;=:@"), rest)
    path, _, own = put.partition("?")
    both = "&".join(part for part in (own, query) if part)
    return f"{path or '/'}?{both}" if both else path or "/"
