"""RemoteGlobe: a running planet, spoken to through its admin API. What the command line and the demo hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from antipodes.edge.client import HttpClient
from antipodes.globe.admin import PREFIX, TOKEN_HEADER
from antipodes.globe.api import ApiCaller
from antipodes.globe.faults import check_fault
from antipodes.globe.globe import GlobeStatus
from antipodes.globe.planet import Planet, PlanetError
from antipodes.nameserver.explanation import Explanation
from antipodes.wire.http import HttpRequest
from antipodes.world import geography
from antipodes.world.disk import MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld
from antipodes.world.rules import Fault
from antipodes.world.world import GLOBE, HERE, NetworkError, World

ADMIN_TIMEOUT_S = 60.0


class RemoteGlobe:
    """Implements `globe.Globe` for a planet in other processes. Close it when done."""

    def __init__(self, planet: Planet) -> None:
        self.planet = planet
        self.regions = planet.regions
        self.port = planet.port
        self.https_port = planet.https_port
        self.dns_port = planet.dns_port
        self._links = Links()
        self._here = RealWorld(HERE, links=self._links, disk=MemoryDisk(), ca_pem=planet.ca_pem)
        self._client = HttpClient(self._here)
        self._api = ApiCaller(self._here, planet.port)

    def world(self, site: str) -> World:
        return self._here.at(site)

    async def kill(self, region: str, *, destroy: bool = False) -> None:
        await self._post("kill", {"region": region, "destroy": destroy})

    async def restore(self, region: str) -> None:
        await self._post("restore", {"region": region})

    async def impose(self, fault: Fault) -> None:
        check_fault(fault, self.regions)
        await self._send("POST", "impose", msgspec.json.encode(fault))

    async def heal(self, fault: Fault | None = None) -> None:
        await self._send("POST", "heal", b"" if fault is None else msgspec.json.encode(fault))

    async def status(self) -> GlobeStatus:
        return msgspec.json.decode(await self._send("GET", "status", b""), type=GlobeStatus)

    async def call(self, service: str, operation: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        return await self._api.call(service, operation, params, region)

    async def explain(self, name: str, record_type: str, site: str) -> Explanation:
        body = orjson.dumps({"name": name, "type": record_type, "site": site})
        return msgspec.json.decode(await self._send("POST", "explain", body), type=Explanation)

    async def inspect(self, region: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What a Region's DynamoDB knows beyond AWS's API (services/dynamodb/inspection.py); None: it does not answer.

        Raises ValueError: it refuses, with its sentence.
        """
        headers = (("Host", "127.0.0.1"), (TOKEN_HEADER, self.planet.token))
        body = orjson.dumps({"operation": operation, "params": params})
        request = HttpRequest("POST", PREFIX + "inspect", headers, body)
        try:
            response = await self._client.send(
                geography.address_of(region), self.port, request, timeout_s=ADMIN_TIMEOUT_S
            )
        except NetworkError:
            return None
        if response.status != 200:
            raise ValueError(response.body.decode(errors="replace").strip())
        found: Mapping[str, Any] = orjson.loads(response.body)
        return found

    def close(self) -> None:
        self._client.close()
        self._api.close()

    async def _post(self, what: str, body: Mapping[str, Any]) -> None:
        await self._send("POST", what, orjson.dumps(body))

    async def _send(self, method: str, what: str, body: bytes) -> bytes:
        """One admin call. Raises ValueError (the planet refused, with its sentence) or PlanetError (not running)."""
        headers = (
            ("Host", f"127.0.0.1:{self.port}"),
            ("Content-Type", "application/json"),
            (TOKEN_HEADER, self.planet.token),
        )
        request = HttpRequest(method, PREFIX + what, headers, body)
        try:
            response = await self._client.send(
                geography.address_of(GLOBE), self.port, request, timeout_s=ADMIN_TIMEOUT_S
            )
        except NetworkError as error:
            raise PlanetError(f"The planet on port {self.port} does not answer ({error}). Is it up?") from error
        if response.status != 200:
            raise ValueError(orjson.loads(response.body)["error"])
        return response.body
