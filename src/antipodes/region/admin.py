"""A Region's own admin door: the supervisor asks for a report and tells of the network's rules. Token needed."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.rules import Rule, decode_rules

TOKEN_HEADER = "x-antipodes-token"  # noqa: S105 (a header's name)


class PeerReport(msgspec.Struct, frozen=True):
    """How this Region's copy follows one peer."""

    peer: str
    connected: bool
    behind: int  # changes known to be waiting at the peer, not yet applied here; -1: unknown
    lag_ms: float | None  # commit there to apply here, of the newest change applied; None: none yet
    lag_p50_ms: float | None = None
    lag_p99_ms: float | None = None


class FunctionReport(msgspec.Struct, frozen=True):
    """A function and its execution environments."""

    name: str
    environments: int
    busy: int
    invocations: int
    errors: int
    zones: dict[str, int] = {}  # Availability Zone -> environments in it


class RegionReport(msgspec.Struct, frozen=True):
    """What a Region tells of itself."""

    peers: tuple[PeerReport, ...] = ()
    functions: tuple[FunctionReport, ...] = ()
    tables: Mapping[str, int] = {}
    compiled: bool = False  # wire/heads.py, dynamodb/raw_items.py


class Asked(msgspec.Struct, frozen=True):
    """What `inspect` asks: an operation that only looks, of DynamoDB's (services/dynamodb/inspection.py)."""

    operation: str
    params: Mapping[str, Any] = {}


class RegionAdmin:
    """GET status; POST inspect (Asked); links (the network's rules); repair {"region": the one whose disk was lost}."""

    def __init__(
        self,
        token: str,
        *,
        report: Callable[[], RegionReport],
        set_links: Callable[[tuple[Rule, ...]], None],
        repair: Callable[[str], Awaitable[None]],
        inspect: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]],
    ) -> None:
        self._token = token
        self._report = report
        self._set_links = set_links
        self._repair = repair
        self._inspect = inspect

    async def respond(self, request: HttpRequest) -> HttpResponse:
        if not hmac.compare_digest((request.header(TOKEN_HEADER) or "").encode(), self._token.encode()):
            return HttpResponse(403, (), b"the planet's token is missing or wrong\n")
        what = request.path.rpartition("/")[2]
        if (request.method, what) == ("GET", "status"):
            return HttpResponse(200, (("content-type", "application/json"),), msgspec.json.encode(self._report()))
        try:
            if (request.method, what) == ("POST", "links"):
                self._set_links(decode_rules(request.body))
                return HttpResponse(200, (), b"{}")
            if (request.method, what) == ("POST", "repair"):
                await self._repair(msgspec.json.decode(request.body, type=dict[str, str])["region"])
                return HttpResponse(200, (), b"{}")
            if (request.method, what) == ("POST", "inspect"):
                asked = msgspec.json.decode(request.body, type=Asked)
                answer = msgspec.json.encode(await self._inspect(asked.operation, asked.params))
                return HttpResponse(200, (("content-type", "application/json"),), answer)
        except AwsError as error:
            return HttpResponse(400, (), f"{error.message}\n".encode())
        except (msgspec.MsgspecError, KeyError) as error:
            return HttpResponse(400, (), f"{error}\n".encode())
        return HttpResponse(404, (), b"no such admin call\n")
