"""Users in a city: they ask DNS, call over HTTPS, and remember everything that happened to them.

Decides: when an answer is asked again (through `dnscache`), what counts as a failure. Refuses to know: the story, the
verdict. How: each caller has one stub resolver with a cache and one pool of kept-alive connections; nothing is retried.
The name server is asked over UDP at 127.0.0.1, with the city's own prefix as the client subnet; ports 443 and 80 are
the planet's own. `traffic.py` makes a crowd of them; `fetch` and `dig` are one call each, for the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from antipodes.edge.client import HttpClient
from antipodes.gameday.dnscache import Ask, Dead, DnsCache, Known
from antipodes.globe.globe import Globe
from antipodes.wire.dns_client import Answer, BadAnswer, build_query, parse_answer
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world import geography
from antipodes.world.world import GLOBE, HERE, NetworkError, World

DNS_ADDRESS = "127.0.0.1"
DNS_TIMEOUT_S = 1.5
REQUEST_TIMEOUT_S = 3.0


class DnsFailed(Exception):
    """The name did not lead to an address; the message says why."""


class BadUrl(ValueError):
    """A URL that users cannot call."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One HTTPS call: where DNS led, what came back, what it took."""

    url: str
    city: str
    response: HttpResponse
    address: str
    region: str | None  # whose address it is
    known: Known
    dns_ms: float
    total_ms: float  # with the DNS question


class Resolver:
    """A city's stub resolver. Asks the planet's name server with the city's prefix as the client subnet."""

    def __init__(self, globe: Globe, city: str) -> None:
        self._world = globe.world(city)
        self._port = globe.dns_port
        self._subnet = subnet_of(city)
        self._cache = DnsCache()

    async def resolve(self, name: str) -> Known:
        """The addresses of a name, from the cache where it knows. Raises DnsFailed."""
        asked: dict[str, str] = {}  # name -> rcode
        while True:
            found = self._cache.look(name, self._world.monotonic())
            if isinstance(found, Known):
                return found
            if isinstance(found, Dead):
                raise DnsFailed(found.reason)
            if found.name in asked:  # its answer, just now, had no address and no alias for it
                raise DnsFailed(why_not(asked[found.name], found.name, "A"))
            asked[found.name] = await self._ask(found)

    async def _ask(self, ask: Ask) -> str:
        answer = await ask_dns(self._world, self._port, ask.name, "A", self._subnet)
        self._cache.learn(ask.name, answer, self._world.monotonic())
        return answer.rcode


def why_not(rcode: str, name: str, record_type: str) -> str:
    """What an answer without a record means, in words."""
    if rcode == "REFUSED":
        return f"the planet's DNS has no zone for {name}; is its app deployed?"
    if rcode == "NXDOMAIN":
        return f"there is no name {name}"
    return f"no {record_type} record of {name}"


def subnet_of(site: str) -> str | None:
    """The client subnet that a program at this site shows to DNS; None for those that live nowhere. Raises
    geography.UnknownPlace (a ValueError)."""
    if site in (GLOBE, HERE):
        return None
    place = geography.place_of(site)
    return f"{place.prefix}.0/24" if isinstance(place, geography.City) else f"{geography.address_of(site)}/24"


async def ask_dns(world: World, port: int, name: str, record_type: str, subnet: str | None) -> Answer:
    """One question, one answer, no cache. Raises DnsFailed."""
    ident = world.chance.randrange(1 << 16)
    try:
        packet = build_query(name, record_type, ident, subnet)
        answer = parse_answer(await world.ask(DNS_ADDRESS, port, packet, timeout_s=DNS_TIMEOUT_S))
    except KeyError:
        raise DnsFailed(f"{name}: there is no record type {record_type}") from None
    except ValueError as error:  # BadName, BadAnswer
        raise DnsFailed(f"{name}: {'bad answer: ' if isinstance(error, BadAnswer) else ''}{error}") from error
    except NetworkError as error:
        raise DnsFailed(f"{name}: the name server does not answer ({type(error).__name__})") from error
    if answer.id != ident:
        raise DnsFailed(f"{name}: an answer to another question")
    return answer


async def dig(globe: Globe, name: str, city: str, record_type: str = "A") -> Answer:
    """What `dig NAME --from CITY` prints: the uncached answer as that city gets it. Raises DnsFailed, ValueError."""
    return await ask_dns(globe.world(city), globe.dns_port, name, record_type, subnet_of(city))


async def fetch(
    globe: Globe,
    url: str,
    city: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Sequence[tuple[str, str]] = (),
    timeout_s: float = 30.0,
) -> Fetched:
    """What `curl URL --from CITY` does: DNS, then the call. Raises BadUrl, DnsFailed, NetworkError, ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadUrl(f"not a URL that can be called: {url} (such as https://api.globaldb.example/items/1)")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    given = {name.lower() for name, _ in headers}
    own = (("Host", parts.netloc), ("User-Agent", "antipodes"), ("Accept", "*/*"))
    every = (*(one for one in own if one[0].lower() not in given), *headers)
    caller = Caller(globe, city)
    try:
        return await caller.call(
            parts.hostname,
            HttpRequest(method, target, every, body),
            secure=parts.scheme == "https",
            timeout_s=timeout_s,
        )
    finally:
        caller.close()


class Caller:
    """A program in a city: its resolver, its connections."""

    def __init__(self, globe: Globe, city: str) -> None:
        self.city = city
        self.resolver = Resolver(globe, city)
        self._globe = globe
        self._world = globe.world(city)
        self._client = HttpClient(self._world)

    async def call(
        self, host: str, request: HttpRequest, *, secure: bool = True, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> Fetched:
        """Resolves the host (or uses what is cached) and calls its first address. Raises DnsFailed, NetworkError."""
        began = self._world.monotonic()
        known = await self.resolver.resolve(host)
        resolved = self._world.monotonic()
        left_s = max(0.001, timeout_s - (resolved - began))
        response = await self.call_address(known.addresses[0], host, request, secure=secure, timeout_s=left_s)
        return Fetched(
            url=f"{'https' if secure else 'http'}://{host}{request.target}",
            city=self.city,
            response=response,
            address=known.addresses[0],
            region=geography.site_of(known.addresses[0]),
            known=known,
            dns_ms=(resolved - began) * 1000,
            total_ms=(self._world.monotonic() - began) * 1000,
        )

    async def call_address(
        self,
        address: str,
        host: str,
        request: HttpRequest,
        *,
        secure: bool = True,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> HttpResponse:
        """The call alone, at an address. 443 and 80 are the planet's own ports. Raises NetworkError."""
        port = self._globe.https_port if secure else self._globe.port
        return await self._client.send(address, port, request, tls_name=host if secure else None, timeout_s=timeout_s)

    def close(self) -> None:
        self._client.close()
