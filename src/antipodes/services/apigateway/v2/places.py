"""Where a Host and a path lead: to which API of the second kind, and to which stage of it."""

from __future__ import annotations

from dataclasses import dataclass

from antipodes.services.apigateway.mutual_tls import admits
from antipodes.services.apigateway.v1.dataplane import AMAZON, EXECUTE_API
from antipodes.services.apigateway.v1.routing import longest_mapping
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue, Prepared
from antipodes.services.apigateway.v2.records import DEFAULT, HttpApi
from antipodes.wire.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Led:
    """Where a request leads."""

    api: HttpApi
    stage: str  # "": the path has still to tell
    path: str
    base_path: str | None = None  # of a custom domain's mapping


class Places:
    """Reads the catalogue."""

    def __init__(self, catalogue: HttpCatalogue) -> None:
        self._catalogue = catalogue
        self._region = catalogue.surroundings.region

    def led(self, request: HttpRequest) -> Led | None:
        """The API that the Host means; None: none of these."""
        apis = self._catalogue.apis
        if not apis:
            return None
        host, path = request.host, request.path
        if "://" in path:  # absolute form
            path = "/" + path.split("://", 1)[1].partition("/")[2]
        domain = self._catalogue.shared.domains.get(host)
        if domain is not None:
            if not admits(domain, request):
                return None  # refused where nothing else is found, too
            base = longest_mapping(domain.mappings, path)
            if base is None:
                return None
            found = domain.mappings[base]
            rest = path[len(base) + 1 :] if base else path
            api = apis.get(found.api_id)
            return Led(api, found.stage, rest or "/", base) if api is not None else None
        match = EXECUTE_API.fullmatch(host)
        api = apis.get(match[1]) if match is not None else None
        if match is None or api is None:
            return None
        amazon = AMAZON.fullmatch(match[2])
        if amazon is not None and amazon[1] != self._region:
            return None
        return Led(api, "", path)

    def stage(self, led: Led) -> tuple[Prepared, str] | None:
        """The stage, and the path in it."""
        api_id = led.api.id
        if led.stage:
            prepared = self._catalogue.prepared(api_id, led.stage)
            return None if prepared is None else (prepared, led.path)
        if led.api.endpoint_disabled:
            return None  # Not Found, a guess: AWS tells only that the endpoint cannot be used
        name, slash, rest = led.path[1:].partition("/")
        prepared = self._catalogue.prepared(api_id, name) if name and name != DEFAULT else None
        if prepared is not None:
            return prepared, slash + rest or "/"
        prepared = self._catalogue.prepared(api_id, DEFAULT)
        return None if prepared is None else (prepared, led.path)
