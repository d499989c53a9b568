"""The admin API of a running planet: what the command line says to the supervisor, on the front door's port.

    GET  /_antipodes/status       GlobeStatus
    GET  /_antipodes/links        the network's rules
    POST /_antipodes/kill         {"region": ..., "destroy": bool}
    POST /_antipodes/restore      {"region": ...}
    POST /_antipodes/impose       a fault of world/rules.py: {"type": "partition", "one": ..., "other": ...}
    POST /_antipodes/heal         {}, or one fault: only that one ends
    POST /_antipodes/explain      {"name": ..., "type": ..., "site": ...}: Explanation

Safe from web pages: every call needs the planet's token (which lies in planet.json, mode 0600), a Host that is this
machine's own name, and no foreign Origin. Errors are {"error": sentence} with status 400, 403 or 404.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import orjson

from antipodes.globe.globe import Globe
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.rules import Fault

log = logging.getLogger("antipodes.globe")

PREFIX = "/_antipodes/"
TOKEN_HEADER = "x-antipodes-token"  # noqa: S105 (a header's name)
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1", "[::1]", ""})


class Refusal(Exception):
    """The call is refused; carries the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_caller(request: HttpRequest, token: str) -> None:
    """Raises Refusal(403) unless the caller holds the planet's token and is not a web page from elsewhere."""
    given = request.header(TOKEN_HEADER) or ""
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise Refusal(
            403, "The planet's token is missing or wrong; it lies in planet.json in the planet's data folder."
        )
    if request.local == "127.0.0.1" and request.host not in LOCAL_HOSTS:
        raise Refusal(403, f"Host {request.host!r} is not this machine.")
    origin = request.header("origin")
    if origin is not None and origin.partition("://")[2].partition(":")[0] not in LOCAL_HOSTS:
        raise Refusal(403, f"Calls from the web page {origin} are refused.")


def json_response(status: int, body: object) -> HttpResponse:
    return HttpResponse(status, (("content-type", "application/json"),), msgspec.json.encode(body))


class Admin:
    """Answers admin calls for one globe."""

    def __init__(
        self,
        globe: Globe,
        token: str,
        *,
        links: Callable[[], bytes],
    ) -> None:
        self._globe = globe
        self._token = token
        self._links = links
        self._routes: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Awaitable[HttpResponse]]] = {
            ("GET", "status"): self._status,
            ("GET", "links"): self._get_links,
            ("POST", "kill"): self._kill,
            ("POST", "restore"): self._restore,
            ("POST", "impose"): self._impose,
            ("POST", "heal"): self._heal,
            ("POST", "explain"): self._explain,
        }

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Routes one call; a ValueError of the globe (unknown Region, already down) is the caller's fault."""
        try:
            check_caller(request, self._token)
            route = self._routes.get((request.method, request.path.removeprefix(PREFIX)))
            if route is None:
                raise Refusal(404, f"There is no {request.method} {request.path}.")
            return await route(parameters(request.body))
        except msgspec.ValidationError as error:
            return json_response(400, {"error": f"The fault is not one that is known: {error}."})
        except Refusal as refusal:
            return json_response(refusal.status, {"error": str(refusal)})
        except ValueError as error:
            return json_response(400, {"error": str(error)})

    async def _status(self, _: Mapping[str, Any]) -> HttpResponse:
        return json_response(200, await self._globe.status())

    async def _get_links(self, _: Mapping[str, Any]) -> HttpResponse:
        return HttpResponse(200, (("content-type", "application/json"),), self._links())

    async def _kill(self, given: Mapping[str, Any]) -> HttpResponse:
        await self._globe.kill(text(given, "region"), destroy=given.get("destroy") is True)
        return json_response(200, {})

    async def _restore(self, given: Mapping[str, Any]) -> HttpResponse:
        await self._globe.restore(text(given, "region"))
        return json_response(200, {})

    async def _impose(self, given: Mapping[str, Any]) -> HttpResponse:
        await self._globe.impose(msgspec.convert(given, Fault))
        return json_response(200, {})

    async def _heal(self, given: Mapping[str, Any]) -> HttpResponse:
        await self._globe.heal(msgspec.convert(given, Fault) if given else None)
        return json_response(200, {})

    async def _explain(self, given: Mapping[str, Any]) -> HttpResponse:
        name, record_type, site = (text(given, member) for member in ("name", "type", "site"))
        return json_response(200, await self._globe.explain(name, record_type, site))


def parameters(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a call; {} for an empty body. Raises Refusal(400)."""
    if not body:
        return {}
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"The body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return given


def text(given: Mapping[str, Any], name: str) -> str:
    """A required string member. Raises Refusal(400)."""
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"{name!r} is missing.")
    return value
