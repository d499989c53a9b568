"""Places: which client a question comes from, by client subnet, source address or site. Remembers what it found."""

from __future__ import annotations

from antipodes.services.route53.networks import Network, network_of
from antipodes.services.route53.policies import Client
from antipodes.wire import edns
from antipodes.world import geography

DEFAULT_SITE = "us-east-1"  # Ashburn: where somebody is taken to be who cannot be placed (loopback, outside the planet)
MAX_CLIENTS = 65_536  # remembered


class Places:
    """Owner of what is known of clients."""

    def __init__(self) -> None:
        self._clients: dict[edns.Subnet | str, Client] = {}

    def of_subnet(self, subnet: edns.Subnet) -> Client:
        """The client of a client subnet option; its prefix is what CIDR blocks are compared with."""
        return self._clients.get(subnet) or self._find(subnet, subnet.ip, subnet.prefix_bits)

    def of_ip(self, ip: str) -> Client:
        """The client of a source address."""
        return self._clients.get(ip) or self._find(ip, ip, None)

    def _find(self, key: edns.Subnet | str, ip: str, bits: int | None) -> Client:
        place = geography.place_of_client_ip(ip) or geography.region_site(DEFAULT_SITE)
        known = client_at(place, network_of(ip, bits) if ip else None)
        if len(self._clients) >= MAX_CLIENTS:
            self._clients.clear()
        self._clients[key] = known
        return known


def client_of_site(site: str) -> Client:
    """The client that a program at a Region or in a city is. Raises geography.UnknownPlace."""
    place = geography.place_of(site) or geography.region_site(DEFAULT_SITE)
    ip = place.client_ip if isinstance(place, geography.City) else place.address
    return client_at(place, network_of(ip))


def client_at(place: geography.Place, network: Network | None) -> Client:
    return Client(place.site, place.country, place.continent, place.subdivision, network)
