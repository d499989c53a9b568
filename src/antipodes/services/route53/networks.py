"""Networks: client subnets and CIDR blocks as numbers, and the longest block that holds a client.

Rules. Pure. "The CIDR block in the query must match or be more specific": a query for 198.51.100.0/24 matches a
stored 198.51.0.0/16, a query for 198.51.0.0/16 does not match a stored 198.51.100.0/24 (routing-policy-ipbased.html).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import NamedTuple

IPV4, IPV6 = 4, 6
WIDTH = {IPV4: 32, IPV6: 128}
LARGEST_BITS = {IPV4: 24, IPV6: 48}  # of a CIDR block (routing-policy-ipbased.html)


class Network(NamedTuple):
    """A prefix: `bits` of `value`, which has the width of its family and zeros behind the prefix."""

    family: int  # IPV4 or IPV6
    value: int
    bits: int


def network_of(text: str, bits: int | None = None) -> Network:
    """ "198.51.100.7" (or with `bits`, its prefix) or "198.51.100.0/24". Raises ValueError."""
    found = ipaddress.ip_network(text if bits is None else f"{text}/{bits}", strict=False)
    return Network(found.version, int(found.network_address), found.prefixlen)


class Blocks:
    """CIDR blocks of one location, ready to be matched."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Raises ValueError: not a CIDR block."""
        self._by_size: dict[tuple[int, int], dict[int, bool]] = {}
        for text in texts:
            family, value, bits = network_of(text)
            self._by_size.setdefault((family, bits), {})[value] = True

    def match(self, network: Network | None) -> int:
        """The bits of the longest block that holds the network; -1: none does."""
        best = -1
        if network is None:
            return best
        for (family, bits), values in self._by_size.items():
            if family == network.family and best < bits <= network.bits:
                spare = WIDTH[family] - bits
                if network.value >> spare << spare in values:
                    best = bits
        return best


Collections = Mapping[str, Mapping[str, Blocks]]  # CIDR collection id -> location name -> blocks
