"""A signed AWS API call to one Region of the planet, as any SDK makes it, over a World."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.edge.client import HttpClient
from antipodes.wire import client as wire_client
from antipodes.wire.sigv4 import Credentials
from antipodes.world import geography
from antipodes.world.world import World

API_TIMEOUT_S = 60.0


class ApiCaller:
    """Calls operations as a tool that lives at the world's site."""

    def __init__(self, world: World, port: int) -> None:
        self._world = world
        self._port = port
        self._client = HttpClient(world)

    async def call(self, service: str, operation: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        """The operation's result by botocore's shapes. Raises AwsError, NetworkError."""
        request = wire_client.build_request(
            service,
            operation,
            params,
            region=region,
            host=f"{geography.address_of(region)}:{self._port}",
            credentials=Credentials("test", "test"),
            now=self._world.now(),
        )
        response = await self._client.send(geography.address_of(region), self._port, request, timeout_s=API_TIMEOUT_S)
        return wire_client.parse_response(service, operation, response)

    def close(self) -> None:
        self._client.close()
