"""How many of each thing an account may have: AWS's default quotas, and its refusal of one more. Pure.

Source: Developer Guide, "Quotas for creating, deploying and managing a REST API", "… an HTTP API", "… WebSocket APIs".
The words of the refusal are from memory; that the second API says TooManyRequestsException is a guess: its model has no
LimitExceededException.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from types import MappingProxyType

from antipodes.wire.errors import ClientFault

PER_ACCOUNT = "account"
PER_API = "API"
# What AWS calls them, by what has them.
MOST: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        PER_ACCOUNT: MappingProxyType(
            {
                "APIs": 600,
                "edge-optimized APIs": 120,
                "API keys": 10_000,
                "usage plans": 300,
                "domain names": 120,
                "client certificates": 60,
            }
        ),
        PER_API: MappingProxyType(
            {
                "resources": 300,
                "stages": 10,
                "authorizers": 10,
                "documentation parts": 2000,
                "routes": 300,
                "integrations": 300,
            }
        ),
        "stage": MappingProxyType({"stage variables": 100}),
        "domain name": MappingProxyType({"mappings": 200}),
        "API key": MappingProxyType({"usage plans": 10}),
    }
)


def check(owner: str, things: str, before: Sized, after: Sized, *, second: bool = False) -> None:
    """Refuses what is more than there was, and more than there may be. second: in the words of the second API. Raises
    LimitExceededException."""
    if len(after) <= len(before) or len(after) <= MOST[owner][things]:
        return
    raise ClientFault(
        "TooManyRequestsException" if second else "LimitExceededException",
        f"Maximum number of {things} for this {owner} has been reached. "
        f"Please contact AWS if you need additional {things}.",
        status=429,
    )
