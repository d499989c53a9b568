"""Mapping templates: what `$input`, `$context`, `$stageVariables` and `$util` are in them. Pure.

Source: Developer Guide, "Variables for data transformations for API Gateway".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import orjson

from antipodes.services.apigateway.v1 import jsonpath
from antipodes.services.apigateway.v1.call import Call, context_of
from antipodes.services.apigateway.v1.vtl.nodes import Template
from antipodes.services.apigateway.v1.vtl.values import Host, TemplateError, as_json, as_text, from_json

ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)


class Input(Host):
    """`$input`: a body, and the parameters of the client's request."""

    def __init__(self, body: str, call: Call) -> None:
        self._body = body
        self._call = call
        self._parsed: Any = None
        self._is_parsed = False

    def member(self, name: str) -> Any:
        return self._body or "{}" if name == "body" else None

    def invoke(self, name: str, arguments: Sequence[Any]) -> Any:
        if name == "json" and len(arguments) <= 1:
            return as_json(self._at(arguments[0] if arguments else "$"))
        if name == "path" and len(arguments) == 1:
            return from_json(self._at(arguments[0]))
        if name == "params" and not arguments:
            return parameters_of(self._call)
        if name == "params" and len(arguments) == 1:
            return self._parameter(as_text(arguments[0]))
        raise TemplateError(f"no method {name} of $input")

    def _at(self, path: Any) -> Any:
        """The value at a JSONPath; "" where nothing is (seen on AWS)."""
        if not self._is_parsed:
            self._parsed = _loaded(self._body)
            self._is_parsed = True
        try:
            found = jsonpath.found(self._parsed, as_text(path))
        except jsonpath.BadPath as error:
            raise TemplateError(str(error)) from error
        return "" if found is jsonpath.MISSING else found

    def _parameter(self, name: str) -> str:
        """Path, query string, headers are searched in this order. Headers by any case: a guess."""
        call = self._call
        found = (call.parameters or {}).get(name)
        if found is None and call.request.query:
            found = call.query().get(name, [None])[-1]
        if found is None:
            found = call.header(name)
        return found or ""


class Util(Host):
    """`$util`."""

    def invoke(self, name: str, arguments: Sequence[Any]) -> Any:
        if len(arguments) != 1:
            raise TemplateError(f"$util.{name} takes one value")
        given = arguments[0]
        if name == "escapeJavaScript":
            return as_text(given).translate(ESCAPES)
        if name == "parseJson":
            return from_json(_loaded(as_text(given)))
        if name == "urlEncode":
            return quote_plus(as_text(given))
        if name == "urlDecode":
            return unquote_plus(as_text(given))
        if name == "base64Encode":
            return base64.b64encode(as_text(given).encode()).decode()
        if name == "base64Decode":
            try:
                return base64.b64decode(as_text(given)).decode("utf-8", "replace")
            except (binascii.Error, ValueError) as error:
                raise TemplateError("base64Decode: this is not base64") from error
        raise TemplateError(f"no method {name} of $util")


UTIL = Util()


def rendered(template: Template, call: Call, body: str) -> str:
    """What the template makes of a body. Overrides that it sets are kept in the call. Raises TemplateError."""
    context = context_of(call)
    overrides = call.overrides
    if overrides is None:
        overrides = call.overrides = {
            "requestOverride": {"header": {}, "path": {}, "querystring": {}},
            "responseOverride": {"header": {}, "status": None},
        }
    context.update(overrides)
    return template.render(
        {
            "input": Input(body, call),
            "context": context,
            "stageVariables": dict(call.variables or {}),
            "util": UTIL,
        }
    )


def parameters_of(call: Call) -> dict[str, Any]:
    """`$input.params()`."""
    return {
        "path": dict(call.parameters or {}),
        "querystring": {name: values[-1] for name, values in call.query().items()},
        "header": dict(call.request.headers),
    }


def _loaded(text: str) -> Any:
    if not text.strip():
        return {}
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise TemplateError(f"Unable to parse as JSON: {error}") from error
