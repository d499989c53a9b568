"""Parameter mapping of HTTP APIs: what changes on the way to an integration, and on the way back. Pure.

    key      append|overwrite|remove:header.<name>, append|overwrite|remove:querystring.<name>, overwrite:path;
             of responses by status: append|overwrite|remove:header.<name>, overwrite:statuscode
    value    text with variables, $request.path or ${request.path}: request.header.<name>, request.querystring.<name>,
             request.path, request.path.<parameter>, request.body.<path>, response.header.<name>, response.body.<path>,
             context.<name>, stageVariables.<name>

(Developer Guide, "Transform API requests and responses for HTTP APIs".) A variable without a value leaves its place
empty; a value that is all empty changes nothing (a guess). Changes are taken apart when a stage is prepared, and made
in their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

import msgspec
import orjson

from antipodes.services.apigateway.v1 import jsonpath
from antipodes.services.apigateway.v1.records import bad_request
from antipodes.wire.http import Headers, HttpRequest, HttpResponse

KEY = re.compile(r"(append|overwrite|remove):(?:(header|querystring)\.(\S+)|(path|statuscode))")
VARIABLE = re.compile(
    r"\$\{((?:request|response|context|stageVariables)\.[^}]+)\}"
    r"|\$((?:request|response|context|stageVariables)\.[A-Za-z0-9_\-.\[\]]*[A-Za-z0-9_\-\]])"
)
# "The following headers are reserved. You can't configure request or response header mappings for these headers."
RESERVED = frozenset(
    {
        *("authorization", "connection", "content-encoding", "content-length", "content-location", "forwarded"),
        *("keep-alive", "origin", "proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding"),
        *("upgrade", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via"),
    }
)
RESERVED_STARTS = ("access-control-", "apigw-", "x-amz-", "x-amzn-")

# A variable's value, by its name; None: it has none.
Lookup = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Change:
    """One change. value: texts and names of variables in turn, beginning and ending with a text."""

    action: str  # "append", "overwrite", "remove"
    place: str  # "header", "querystring", "path", "statuscode"
    name: str
    value: tuple[str, ...] = ()


def changes_of(given: Mapping[str, str], *, response: bool = False) -> tuple[Change, ...]:
    """Raises BadRequestException."""
    return tuple(_change(key, value, response) for key, value in given.items())


def check_statuses(given: Mapping[str, Mapping[str, str]]) -> None:
    """ResponseParameters: keys are statuses, values are mappings. Raises BadRequestException."""
    for status, changes in given.items():
        if not status.isdigit() or not 200 <= int(status) <= 599:  # the words are a guess
            raise bad_request(f"Invalid status code {status} in response parameters: it must be between 200 and 599")
        changes_of(changes, response=True)


def changed_request(
    changes: tuple[Change, ...], request: HttpRequest, lookup: Lookup
) -> tuple[HttpRequest, str | None]:
    """The request as the integration gets it, and its path if that is another one."""
    headers, path = request.headers, None
    query = parse_qsl(request.query, keep_blank_values=True)
    asked = list(query)
    for change in changes:
        value = _filled(change.value, lookup)
        if change.action != "remove" and not value:
            continue
        if change.place == "path":
            path = value if value.startswith("/") else f"/{value}"
        elif change.place == "header":
            headers = _with_header(headers, change, value)
        else:
            query = query if change.action == "append" else [one for one in query if one[0] != change.name]
            query = query if change.action == "remove" else [*query, (change.name, value)]
    target = request.target
    if query != asked:
        target = f"{request.path}?{urlencode(query)}" if query else request.path
    return msgspec.structs.replace(request, headers=headers, target=target), path


def changed_response(changes: tuple[Change, ...], response: HttpResponse, lookup: Lookup) -> HttpResponse:
    """The response as the client gets it."""
    headers, status = response.headers, response.status
    for change in changes:
        value = _filled(change.value, lookup)
        if change.action != "remove" and not value:
            continue
        if change.place == "statuscode":
            status = int(value) if value.isdigit() and 200 <= int(value) <= 599 else status
        else:
            headers = _with_header(headers, change, value)
    return msgspec.structs.replace(response, headers=headers, status=status)


def in_body(body: bytes, path: str) -> str | None:
    """What a JSON path ("user.id", "items[0].name") finds in a JSON body, as text. Recursive descent and filters are
    not for parameter mappings (the guide): they find nothing."""
    if ".." in path or "?(" in path:
        return None
    try:
        found = jsonpath.found(orjson.loads(body), f"$.{path}")
    except (orjson.JSONDecodeError, jsonpath.BadPath):
        return None
    if found is None or found is jsonpath.MISSING:
        return None
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def joined(headers: Headers, name: str) -> str | None:
    """A header's values, joined by commas."""
    values = [value for key, value in headers if key.lower() == name.lower()]
    return ",".join(values) if values else None


def _change(key: str, value: str, response: bool) -> Change:
    match = KEY.fullmatch(key)
    place = "" if match is None else match[2] or match[4]
    allowed = ("header", "statuscode") if response else ("header", "querystring", "path")
    whole = place in {"path", "statuscode"}
    if match is None or place not in allowed or (whole and match[1] != "overwrite"):  # the words are a guess
        raise bad_request(f"Invalid mapping expression specified: {key}")
    name = match[3] or ""
    if place == "header" and (name.lower() in RESERVED or name.lower().startswith(RESERVED_STARTS)):
        raise bad_request(f"Operations on header {name.lower()} are restricted")
    if any(c in value for c in "\r\n\0"):
        raise bad_request(f"Invalid mapping expression specified: {value!r}")
    parts = _parts(value)
    wrong = [one for one in parts[1::2] if one.startswith("response.") and not response]
    if wrong:
        raise bad_request(f"Invalid mapping expression specified: {value}")
    return Change(match[1], place, name, () if match[1] == "remove" else parts)


def _parts(value: str) -> tuple[str, ...]:
    parts, at = [], 0
    for match in VARIABLE.finditer(value):
        parts += [value[at : match.start()], match[1] or match[2]]
        at = match.end()
    return (*parts, value[at:])


def _filled(parts: tuple[str, ...], lookup: Lookup) -> str:
    texts = list(parts)
    for at in range(1, len(texts), 2):
        texts[at] = lookup(texts[at]) or ""
    # A value from a body may hold what would end a header.
    return "".join(texts).translate({13: None, 10: None, 0: None})


def _with_header(headers: Headers, change: Change, value: str) -> Headers:
    lower = change.name.lower()
    if change.action == "append":
        return (*headers, (change.name, value))
    kept = tuple(one for one in headers if one[0].lower() != lower)
    return kept if change.action == "remove" else (*kept, (change.name, value))
