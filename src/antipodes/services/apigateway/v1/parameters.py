"""Parameter mappings: where a header, a path variable or a query parameter gets its value from. Pure.

    'text'                                              itself
    method.request.{header,querystring,path}.Name       of the client's request; multivalue{header,querystring} too
    method.request.body, method.request.body.JSONPath
    integration.response.{header,multivalueheader}.Name, integration.response.body, ….body.JSONPath
    context.Name.Name, stageVariables.Name

A mapping without a value sends nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from antipodes.services.apigateway.v1 import jsonpath
from antipodes.services.apigateway.v1.call import Call, context_of
from antipodes.wire.http import HttpResponse

PLACES = frozenset({"header", "multivalueheader", "querystring", "multivaluequerystring", "path"})
NAMED = re.compile(r"[^\s.']+")


class BadMapping(ValueError):
    """The expression is none; the message is for the caller."""


@dataclass(frozen=True, slots=True)
class Source:
    """One mapping, taken apart. kind: "literal", one of PLACES, "body", "context", "stageVariables"."""

    kind: str
    name: str  # the literal itself; a JSONPath; "" for the whole body

    def value(self, call: Call, answer: HttpResponse | None = None) -> Any:
        """What it finds: text, a list of texts, another JSON value, or None. `answer`: of the integration."""
        if self.kind == "literal":
            return self.name
        if self.kind == "stageVariables":
            return (call.variables or {}).get(self.name)
        if self.kind == "context":
            value: Any = context_of(call)
            for part in self.name.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            return value
        if self.kind == "body":
            return self._of_body(call.request.body if answer is None else answer.body)
        return self._of_request(call) if answer is None else self._of_answer(answer)

    def text(self, call: Call, answer: HttpResponse | None = None) -> str | None:
        """As a header's value; several values with commas between."""
        value = self.value(call, answer)
        if value is None or isinstance(value, str):
            return _one_line(value)
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return _one_line(",".join(value))
        return _one_line(orjson.dumps(value).decode())

    def _of_request(self, call: Call) -> Any:
        if self.kind == "path":
            return (call.parameters or {}).get(self.name)
        if self.kind == "querystring":
            return call.query().get(self.name, [None])[-1]
        if self.kind == "multivaluequerystring":
            return call.query().get(self.name)
        if self.kind == "multivalueheader":
            lower = self.name.lower()
            return [value for key, value in call.request.headers if key.lower() == lower] or None
        return call.header(self.name)

    def _of_answer(self, answer: HttpResponse) -> Any:
        lower = self.name.lower()
        found = [value for key, value in answer.headers if key.lower() == lower]
        if not found:
            return None
        return found if self.kind == "multivalueheader" else found[-1]

    def _of_body(self, body: bytes) -> Any:
        if not self.name:
            return body.decode("utf-8", "replace") or None
        try:
            found = jsonpath.found(orjson.loads(body or b"{}"), self.name)
        except (orjson.JSONDecodeError, jsonpath.BadPath):
            return None
        return None if found is jsonpath.MISSING else found


def source_of(expression: str, prefix: str) -> Source:
    """The mapping, whose parameters begin with `prefix` ("method.request.", "integration.response."). Raises
    BadMapping."""
    if len(expression) >= 2 and expression[0] == expression[-1] == "'":
        return Source("literal", expression[1:-1])
    for kind in ("context", "stageVariables"):
        if expression.startswith(f"{kind}.") and NAMED.match(expression, len(kind) + 1):
            return Source(kind, expression[len(kind) + 1 :])
    rest = expression.removeprefix(prefix)
    if rest != expression:
        place, dot, name = rest.partition(".")
        if place in PLACES and dot and name:
            return Source(place, name)
        if place == "body":
            if name:
                try:
                    jsonpath.compiled(name)
                except jsonpath.BadPath as error:
                    raise BadMapping(f"Invalid mapping expression specified: {expression}") from error
            return Source("body", name)
        if place.startswith("body["):
            return Source("body", "$" + rest.removeprefix("body"))
    raise BadMapping(f"Invalid mapping expression specified: {expression}")


def _one_line(text: str | None) -> str | None:
    if text is None or not ("\r" in text or "\n" in text or "\0" in text):
        return text
    return re.sub(r"[\r\n\0]+", " ", text)  # no header can carry them (a guess at what AWS does)
