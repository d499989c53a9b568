"""IP-based: the location whose longest CIDR block holds the client's network; location "*" takes all others.

A record whose location does not hold the client is never picked; neither a match nor a default is "no answer". What
happens when the matching record is unhealthy is not documented: here the next shorter block, then the default, as
geolocation climbs (a guess).
"""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.networks import LARGEST_BITS
from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client, picked
from antipodes.services.route53.records import DEFAULT_LOCATION


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    best, longest = None, -1
    for one in candidates:
        bits = _bits(one, client)
        if bits > longest:
            best, longest = one.position, bits
    return Choice(() if best is None else (best,), network_bits=_scope_bits(client))


def measure(candidate: Candidate, client: Client) -> str:
    location, bits = _location(candidate), _bits(candidate, client)
    if location == DEFAULT_LOCATION:
        return "location *: the default"
    if candidate.blocks is None:
        return f"location {location}: has no blocks"
    return f"location {location}: a /{bits} block holds the client" if bits >= 0 else f"location {location}: no match"


def why(candidates: Sequence[Candidate], client: Client, choice: Choice) -> str:
    if not choice.chosen:
        return "no CIDR block holds the client and there is no default: no answer"
    one = picked(candidates, choice)
    if _location(one) == DEFAULT_LOCATION:
        return "the default location: no CIDR block of another one holds the client"
    return f"location {_location(one)} has the longest CIDR block that holds the client: /{_bits(one, client)}"


def _scope_bits(client: Client) -> int:
    """No block is longer than LARGEST_BITS, so that all of a prefix of that length are in the same blocks."""
    if client.network is None:
        return 0
    return min(client.network.bits, LARGEST_BITS[client.network.family])


def _location(candidate: Candidate) -> str:
    assert candidate.record.cidr is not None
    return candidate.record.cidr.location


def _bits(candidate: Candidate, client: Client) -> int:
    """How specific a match is; the default's is 0 bits, -1 is none. Blocks have at least one bit."""
    if _location(candidate) == DEFAULT_LOCATION:
        return 0
    return candidate.blocks.match(client.network) if candidate.blocks is not None else -1
