"""CORS answered before a backend is asked: HTTP APIs and function URLs. Pure.

Preflight requests (OPTIONS with Origin and Access-Control-Request-Method) get 204 whatever routes there are; what a
backend itself says about CORS is thrown away (facts 3.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.wire.http import Headers, HttpRequest, HttpResponse


class Cors(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A configuration, members as in both APIs' shape Cors."""

    credentials: bool = False
    headers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age_s: int | None = None


MEMBERS = {
    "AllowCredentials": "credentials",
    "AllowHeaders": "headers",
    "AllowMethods": "methods",
    "AllowOrigins": "origins",
    "ExposeHeaders": "exposed",
    "MaxAge": "max_age_s",
}


def cors_of(given: Mapping[str, Any]) -> Cors:
    """From the members of the API."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if value is not None:
            found[MEMBERS[name]] = tuple(str(one) for one in value) if isinstance(value, list | tuple) else value
    return Cors(**found)


def shown(cors: Cors) -> dict[str, Any]:
    """As the API shows it: what is not set is absent."""
    answer: dict[str, Any] = {}
    for name, field in MEMBERS.items():
        value = getattr(cors, field)
        if isinstance(value, tuple):
            if value:
                answer[name] = list(value)
        elif value is not None and value is not False:
            answer[name] = value
    return answer


def preflight(cors: Cors, request: HttpRequest) -> Headers | None:
    """The headers of the answer to a preflight request; None: it is none. Of an origin or a method that is not
    allowed nothing is said, and so the browser refuses."""
    if request.method != "OPTIONS":
        return None
    wanted = request.header("access-control-request-method")
    if request.header("origin") is None or wanted is None:
        return None
    headers = list(said(cors, request))
    if not headers or not ("*" in cors.methods or wanted.upper() in cors.methods):
        return ()
    headers.append(("access-control-allow-methods", ",".join(cors.methods)))
    if cors.headers:
        headers.append(("access-control-allow-headers", ",".join(cors.headers)))
    if cors.max_age_s is not None:
        headers.append(("access-control-max-age", str(cors.max_age_s)))
    return tuple(headers)


def said(cors: Cors, request: HttpRequest) -> Headers:
    """What every answer to this request's origin says; (): it has none, or one that is not allowed."""
    origin = request.header("origin")
    if origin is None or not _allowed(cors.origins, origin):
        return ()
    star = "*" in cors.origins and not cors.credentials
    headers = [("access-control-allow-origin", "*" if star else origin)]
    if not star:
        headers.append(("vary", "Origin"))
    if cors.credentials:
        headers.append(("access-control-allow-credentials", "true"))
    if cors.exposed:
        headers.append(("access-control-expose-headers", ",".join(cors.exposed)))
    return tuple(headers)


def over(cors: Cors | None, request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response with the gateway's CORS headers in the place of the backend's."""
    if cors is None:
        return response
    kept = tuple(one for one in response.headers if not one[0].lower().startswith("access-control-"))
    return msgspec.structs.replace(response, headers=(*kept, *said(cors, request)))


def _allowed(origins: tuple[str, ...], origin: str) -> bool:
    """Origins compare without case; "https://*" stands for all of a scheme."""
    wanted = origin.lower()
    for one in origins:
        if one == "*" or one.lower() == wanted:
            return True
        if one in {"http://*", "https://*"} and wanted.startswith(one[:-1]):
            return True
    return False
