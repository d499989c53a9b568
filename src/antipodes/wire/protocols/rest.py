"""What the two REST protocols share: which operation a method and path mean, and what travels outside the body.

A path is matched against the model's templates ("/{Bucket}/{Key+}?uploads"). Several may fit: S3 tells UploadPart from
PutObject by its query, CopyObject by a header. The one whose required parts are all there wins, then the one with more
of them, then the one with more fixed text, then the one that is not deprecated (GetBucketLifecycle has a successor with
the same path).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from antipodes.wire import models
from antipodes.wire.errors import ClientFault
from antipodes.wire.http import HttpRequest
from antipodes.wire.models import Shape
from antipodes.wire.protocols.values import scalar_of, text_of

Query = dict[str, list[str]]
# "bucket.s3.us-west-2.amazonaws.com", "bucket.s3-us-west-2.amazonaws.com", "bucket.s3.localhost"
VIRTUAL_HOST = re.compile(r"^(?P<bucket>.+)\.s3(?:-[a-z0-9-]+)?(?:\.[a-z0-9.-]+)?$")


@dataclass(frozen=True, slots=True)
class Route:
    operation: str
    method: str
    path: re.Pattern[str]
    literals: tuple[tuple[str, str | None], ...]  # query parts of the template; None: any value
    required_query: tuple[str, ...]
    required_headers: tuple[str, ...]
    fixed_chars: int
    current: bool  # not deprecated

    def rank(self, query: Query, headers: frozenset[str]) -> tuple[bool, int, int, int, bool] | None:
        """How well the request fits beyond method and path; None: not at all."""
        for name, value in self.literals:
            if name not in query or (value is not None and value not in query[name]):
                return None
        missing = [name for name in self.required_query if name not in query]
        missing += [name for name in self.required_headers if name not in headers]
        required = len(self.required_query) + len(self.required_headers)
        return not missing, len(self.literals), required, self.fixed_chars, self.current


@dataclass(frozen=True, slots=True)
class Matched:
    """A request whose operation is known; labels are raw (percent-encoded)."""

    operation: str
    labels: Mapping[str, str]
    query: Query


@cache
def routes_of(service: str) -> tuple[Route, ...]:
    model = models.service_model(service)
    return tuple(_route(model.operation_model(name)) for name in model.operation_names)


def _route(operation: Any) -> Route:
    template, _, query = operation.http["requestUri"].partition("?")
    literals = tuple(
        (name, value or None) for name, _, value in (part.partition("=") for part in query.split("&")) if name
    )
    pattern, greedy, fixed = "", False, 0
    for index, piece in enumerate(re.split(r"{([^}]+)}", template)):
        if index % 2 == 0:
            pattern += re.escape(piece)
            fixed += len(piece)
        elif piece.endswith("+"):
            pattern += f"(?P<{_group(piece[:-1])}>.+)"
            greedy = True
        else:
            pattern += f"(?P<{_group(piece)}>[^/]+)"
    if not greedy:
        pattern = pattern.rstrip("/") + "/?"
    required_query, required_headers = [], []
    shape = operation.input_shape
    for name in shape.required_members if shape is not None else ():
        member = shape.members[name]
        location = member.serialization.get("location")
        if location == "querystring":
            required_query.append(member.serialization.get("name", name))
        elif location == "header":
            required_headers.append(member.serialization.get("name", name).lower())
    return Route(
        operation.name,
        operation.http.get("method", "POST"),
        re.compile(pattern),
        literals,
        tuple(required_query),
        tuple(required_headers),
        fixed,
        not operation.deprecated,
    )


def _group(label: str) -> str:
    """A label's name as a group's ("restapi-id" is not allowed in one)."""
    return "l_" + re.sub(r"\W", "_", label)


def path_of(service: str, request: HttpRequest) -> str:
    """The path, with the bucket in front if S3 was asked by virtual host."""
    if service == "s3":
        host = VIRTUAL_HOST.match(request.host)
        if host is not None:
            return f"/{host['bucket']}{request.path}"
    return request.path


def query_of(request: HttpRequest) -> Query:
    query: Query = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return query


def match(service: str, request: HttpRequest) -> Matched:
    """Raises UnknownOperationException (404; S3 says MethodNotAllowed)."""
    path = path_of(service, request)
    query = query_of(request)
    headers = frozenset(name.lower() for name, _ in request.headers)
    best: tuple[tuple[bool, int, int, int, bool], Route, re.Match[str]] | None = None
    for route in routes_of(service):
        if route.method != request.method:
            continue
        fits = route.path.fullmatch(path)
        if fits is None:
            continue
        rank = route.rank(query, headers)
        if rank is not None and (best is None or rank > best[0]):
            best = (rank, route, fits)
    if best is None:
        message = "The specified method is not allowed against this resource." if service == "s3" else ""
        raise models.unknown_operation(message, status=404)
    _, route, fits = best
    return Matched(route.operation, fits.groupdict(), query)


def bound_params(
    shape: Shape, request: HttpRequest, matched: Matched, fault: Callable[[str], ClientFault]
) -> dict[str, Any]:
    """The members that travel in path, query and headers. `fault` makes the error for a value of the wrong type."""
    params: dict[str, Any] = {}
    headers = {name.lower(): value for name, value in reversed(request.headers)}  # of several, the first
    named = {
        member.serialization.get("name", name)
        for name, member in shape.members.items()
        if member.serialization.get("location") == "querystring" and member.type_name != "map"
    }
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if location is None:
            continue
        wire_name = member.serialization.get("name", name)
        try:
            if location == "uri":
                params[name] = scalar_of(member, unquote(matched.labels[_group(wire_name)]))
            elif location == "querystring":
                _bind_query(params, name, member, wire_name, matched.query, named)
            elif location == "header" and wire_name.lower() in headers:
                params[name] = header_value(member, headers[wire_name.lower()])
            elif location == "headers":
                prefix = wire_name.lower()
                found = {key[len(prefix) :]: value for key, value in headers.items() if key.startswith(prefix)}
                if found:
                    params[name] = dict(sorted(found.items()))
        except (ValueError, binascii.Error):
            raise fault(f"The value of '{wire_name}' is not a valid {member.type_name}") from None
    return params


def _bind_query(
    params: dict[str, Any], name: str, member: Shape, wire_name: str, query: Query, named: set[str]
) -> None:
    if member.type_name == "map":
        # What no other member claims.
        rest = {key: values for key, values in query.items() if key not in named}
        if rest:
            many = member.value.type_name == "list"
            params[name] = {key: values if many else values[0] for key, values in rest.items()}
    elif wire_name in query:
        values = query[wire_name]
        if member.type_name == "list":
            params[name] = [scalar_of(member.member, value) for value in values]
        elif values[0] != "" or member.type_name == "string":
            params[name] = scalar_of(member, values[0])


def header_value(member: Shape, text: str) -> Any:
    if member.type_name == "list":
        return [scalar_of(member.member, part) for part in _split_list(text, member.member.type_name == "timestamp")]
    if member.serialization.get("jsonvalue"):
        return json.loads(base64.b64decode(text))
    return scalar_of(member, text)


def _split_list(text: str, dates: bool) -> list[str]:
    """A header's list: commas separate, quotes protect; RFC 822 dates have a comma of their own."""
    if dates:
        return [part.strip() for part in re.findall(r"[^,]+,[^,]+", text)]
    parts = re.findall(r'\s*("(?:[^"\\]|\\.)*"|[^,]+)\s*(?:,|$)', text)
    return [part[1:-1].replace('\\"', '"') if part.startswith('"') else part.strip() for part in parts]


def bound_headers(shape: Shape | None, result: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The members of an answer (or of an error) that travel in headers."""
    return tuple(_headers(shape, result)) if shape is not None else ()


def _headers(shape: Shape, result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        value = result.get(name)
        if value is None or location not in {"header", "headers"}:
            continue
        wire_name = member.serialization.get("name", name)
        if location == "headers":
            for key, one in value.items():
                yield wire_name + key, str(one)
        elif member.serialization.get("jsonvalue"):
            yield wire_name, base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
        elif member.type_name == "list":
            if value:
                yield wire_name, ",".join(text_of(member.member, one, "rfc822") for one in value)
        else:
            yield wire_name, text_of(member, value, "rfc822")


def status_of(operation: Any, result: Mapping[str, Any]) -> int:
    """The HTTP status of an answer: the member that holds it, else the model's."""
    shape = operation.output_shape
    if shape is not None:
        for name, member in shape.members.items():
            if member.serialization.get("location") == "statusCode" and result.get(name) is not None:
                return int(result[name])
    return int(operation.http.get("responseCode", 200))


def payload_of(shape: Shape | None) -> tuple[str, Shape] | None:
    """The member that is the whole body, if the shape has one."""
    if shape is None:
        return None
    name = shape.serialization.get("payload")
    return (name, shape.members[name]) if name is not None else None


def is_raw(member: Shape) -> bool:
    """A payload that is bytes or text as they are."""
    return member.type_name in {"blob", "string"}


def body_members(shape: Shape) -> dict[str, Shape]:
    return {name: member for name, member in shape.members.items() if member.serialization.get("location") is None}
