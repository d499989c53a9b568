"""Calls from service to service: in this Region a function call, to another one a framed request over the backbone.

A message is {"service", "operation", "params"} and its answer {"result"} or {"error": {"code", "message", "status",
"extra", "client"}}; msgpack carries bytes, floats and text as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from antipodes.region.path import local_call
from antipodes.replica.backbone import Backbone
from antipodes.replica.calls import PURPOSE, CallClient, CallFailed, CallServer
from antipodes.services.contract import Service, Settings
from antipodes.wire.errors import AwsError, ClientFault, ServerFault
from antipodes.world import geography
from antipodes.world.world import NetworkError, World

log = logging.getLogger("antipodes.region")

CALL_TIMEOUT_S = 30.0
# Answered at once, and asked again by who asks: an answer that does not come was lost with its link.
PATIENCE_S = {"ReplicaSync": 5.0, "ReplicaDescriptors": 5.0}


class Calls:
    """Implements `contract.Call`. `join` completes it once the services exist that need it to be built."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._settings = settings
        self._services: Mapping[str, Service] = {}
        self._client: CallClient | None = None

    def join(self, backbone: Backbone, services: Mapping[str, Service]) -> None:
        """Starts answering calls of other Regions."""
        self._services = services
        port = geography.backbone_port(self._settings.port)
        self._client = CallClient(self._world, backbone, geography.address_of, port)
        backbone.on(PURPOSE, CallServer(self._world, self._answer).serve)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    async def __call__(
        self, service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
    ) -> Mapping[str, Any]:
        if region is None or region == self._world.site:
            return await local_call(
                self._services,
                service,
                operation,
                params,
                region=self._world.site,
                account=self._settings.account,
            )
        assert self._client is not None, "join comes before the first call"
        message = {"service": service, "operation": operation, "params": params}
        try:
            answer = await self._client.call(region, message, PATIENCE_S.get(operation, CALL_TIMEOUT_S))
        except (NetworkError, CallFailed) as error:
            raise ServerFault(
                "RegionUnavailable", f"{region} cannot be reached from {self._world.site}: {error}", status=503
            ) from error
        if "error" in answer:
            raise error_from(answer["error"])
        result: Mapping[str, Any] = answer["result"]
        return result

    async def _answer(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        service, operation = str(message["service"]), str(message["operation"])
        try:
            return {"result": await self(service, operation, message["params"])}
        except AwsError as error:
            return {"error": error_to(error)}
        except Exception:
            log.exception("%s %s, called from another Region, failed", service, operation)
            return {
                "error": error_to(ServerFault("InternalFailure", f"{service} {operation} failed in {self._world.site}"))
            }


def error_to(error: AwsError) -> dict[str, Any]:
    """An error as it crosses the backbone."""
    return {
        "code": error.code,
        "message": error.message,
        "status": error.status,
        "extra": error.extra,
        "client": isinstance(error, ClientFault),
    }


def error_from(told: Mapping[str, Any]) -> AwsError:
    """The error that `error_to` wrote."""
    if told["client"]:
        return ClientFault(told["code"], told["message"], status=told["status"], **told["extra"])
    return ServerFault(told["code"], told["message"], status=told["status"], **told["extra"])
