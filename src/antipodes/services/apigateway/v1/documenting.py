"""Documentation parts: where one may stand, and what of it an exported document shows. Pure.

A part says something (a JSON object) of one thing of an API: of the API, a resource, a method, a parameter, … Fields
of its location that it leaves out have their defaults: the path "/", any method and any status ("*").

    compliant    of the object an export puts into the description of the thing what OpenAPI knows there, and
                 extensions ("x-…"); all of it stands in x-amazon-apigateway-documentation
    inherited    a thing without a part of its own takes the most specific one whose path its own begins with, whose
                 method and status are its own or "*"; the longest path counts first, then the status

Source: Developer Guide, "Representation of API documentation in API Gateway" and "Publish API documentation using the
API Gateway REST API"; which names are required is from the API Reference. What of each kind OpenAPI knows is read off
the Guide's example, for kinds that are not in it a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from antipodes.services.apigateway.v1.openapi import EXTENSION
from antipodes.services.apigateway.v1.records import ANY, DocumentationPart, Location, bad_request

WILD = "*"
PATH, METHOD, STATUS, NAME = "path", "method", "statusCode", "name"


@dataclass(frozen=True, slots=True)
class Kind:
    """Which fields a location of this type may have; whether it needs a name; what OpenAPI knows of the thing."""

    fields: tuple[str, ...]
    named: bool = False
    compliant: frozenset[str] = frozenset({"description"})


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "API": Kind((), compliant=frozenset({"tags", "externalDocs"})),
        "AUTHORIZER": Kind((NAME,), named=True),
        "MODEL": Kind((NAME,), named=True, compliant=frozenset({"title", "description", "externalDocs"})),
        "RESOURCE": Kind((PATH,), compliant=frozenset()),
        "METHOD": Kind(
            (PATH, METHOD), compliant=frozenset({"summary", "description", "tags", "externalDocs", "deprecated"})
        ),
        "PATH_PARAMETER": Kind((PATH, METHOD, NAME), named=True),
        "QUERY_PARAMETER": Kind((PATH, METHOD, NAME), named=True),
        "REQUEST_HEADER": Kind((PATH, METHOD, NAME), named=True),
        "REQUEST_BODY": Kind((PATH, METHOD, NAME)),  # the Guide knows no name there, the Reference does
        "RESPONSE": Kind((PATH, METHOD, STATUS)),
        "RESPONSE_HEADER": Kind((PATH, METHOD, STATUS, NAME), named=True),
        "RESPONSE_BODY": Kind((PATH, METHOD, STATUS), compliant=frozenset()),  # OpenAPI describes responses as a whole
    }
)
INFO = frozenset({"description", "termsOfService", "contact", "license"})  # its title and version stay the API's
DEFAULTS = MappingProxyType({PATH: "/", METHOD: WILD, STATUS: WILD})
PARAMETERS = MappingProxyType({"path": "PATH_PARAMETER", "query": "QUERY_PARAMETER", "header": "REQUEST_HEADER"})


def location_of(given: Any) -> Location:
    """Raises BadRequestException. The words are guesses."""
    if not isinstance(given, Mapping):
        raise bad_request("Invalid documentation part location")
    kind, name = str(given.get("type") or ""), str(given.get(NAME) or "")
    if kind not in KINDS:
        raise bad_request(f"Invalid documentation part location type '{kind}'; one of {', '.join(KINDS)}.")
    known = KINDS[kind]
    for field in (PATH, METHOD, STATUS, NAME):
        if given.get(field) and field not in known.fields:
            raise bad_request(f"Unsupported {field} for documentation part location type {kind}")
    if known.named and not name:
        raise bad_request(f"Documentation part location of type {kind} must have a name")

    def field_of(field: str) -> str:
        return str(given.get(field) or DEFAULTS[field]) if field in known.fields else ""

    return Location(kind=kind, path=field_of(PATH), method=field_of(METHOD), status=field_of(STATUS), name=name)


def properties_of(text: str) -> dict[str, Any]:
    """Raises BadRequestException for what is no JSON object. The words are a guess."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"Documentation part properties must be a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise bad_request("Documentation part properties must be a JSON object")
    return found


def fields_of(location: Location) -> Iterator[tuple[str, str]]:
    """The fields that it has, under AWS's names."""
    for field, value in (
        ("type", location.kind),
        (PATH, location.path),
        (METHOD, location.method),
        (STATUS, location.status),
        (NAME, location.name),
    ):
        if value:
            yield field, value


def exported(part: DocumentationPart) -> dict[str, Any]:
    """As documents have it: without what is there by default."""
    place = {field: value for field, value in fields_of(part.location) if value != DEFAULTS.get(field)}
    return {"location": place, "properties": orjson.loads(part.properties)}


class Documentation:
    """The parts of one version, to be put into an OpenAPI document."""

    def __init__(self, parts: Iterable[DocumentationPart]) -> None:
        self._parts: dict[tuple[str, str], list[DocumentationPart]] = {}
        for part in parts:
            kind = part.location.kind
            name = "" if kind == "REQUEST_BODY" else part.location.name  # a method has one body
            self._parts.setdefault((kind, name), []).append(part)

    def put_into(self, document: dict[str, Any]) -> None:
        """The document of exporting.py, 2.0 or 3.0."""
        whole = self._found("API")
        info = whole.get("info")
        document["info"].update(_compliant(info if isinstance(info, dict) else {}, INFO))
        document.update(_compliant(whole, KINDS["API"].compliant))
        for path, item in document["paths"].items():
            for key in list(item):
                self._put_into_operation(item[key], path, ANY if key.startswith(EXTENSION) else key.upper())
            self._put(item, "RESOURCE", path)
        components = document.get("components", {})
        for name, schema in document.get("definitions", components.get("schemas", {})).items():
            self._put(schema, "MODEL", name=name)
        for name, scheme in document.get("securityDefinitions", components.get("securitySchemes", {})).items():
            self._put(scheme, "AUTHORIZER", name=name)

    def _put_into_operation(self, operation: dict[str, Any], path: str, verb: str) -> None:
        self._put(operation, "METHOD", path, verb)
        for parameter in operation.get("parameters", ()):
            kind = PARAMETERS.get(parameter["in"])
            if kind is None:
                self._put(parameter, "REQUEST_BODY", path, verb)
            else:
                self._put(parameter, kind, path, verb, name=parameter["name"])
        if "requestBody" in operation:
            self._put(operation["requestBody"], "REQUEST_BODY", path, verb)
        for status, response in operation["responses"].items():
            self._put(response, "RESPONSE", path, verb, status)
            for name, header in response.get("headers", {}).items():
                self._put(header, "RESPONSE_HEADER", path, verb, status, name)

    def _put(self, target: Any, kind: str, path: str = "", verb: str = "", status: str = "", name: str = "") -> None:
        if isinstance(target, dict):
            target.update(_compliant(self._found(kind, path, verb, status, name), KINDS[kind].compliant))

    def _found(self, kind: str, path: str = "", verb: str = "", status: str = "", name: str = "") -> dict[str, Any]:
        """What the most specific part says of this thing."""
        matching = [
            part for part in self._parts.get((kind, name), ()) if _matches(part.location, kind, path, verb, status)
        ]
        if not matching:
            return {}
        best = max(matching, key=lambda part: _specificity(part.location))
        return properties_of(best.properties)


def _matches(location: Location, kind: str, path: str, verb: str, status: str) -> bool:
    if kind == "RESOURCE":  # "cannot be inherited by any of its child resources"
        return location.path == path
    below = location.path in {"", "/", path} or path.startswith(location.path.rstrip("/") + "/")
    return below and location.method in {"", WILD, verb} and location.status in {"", WILD, status}


def _specificity(location: Location) -> tuple[int, bool, bool]:
    return len(location.path), location.status != WILD, location.method != WILD


def _compliant(properties: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Extensions of the gateway's own cannot come this way: they say how it works."""
    return {
        name: value
        for name, value in properties.items()
        if name in known or (name.startswith("x-") and not name.startswith(EXTENSION))
    }
