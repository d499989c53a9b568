"""Request validation: required parameters, and a body against its model (JSON schema, draft 4). Pure.

A validator is prepared for each method at deployment. Models refer to each other by URL
(https://apigateway.amazonaws.com/restapis/{api}/models/{name}), or by "#/definitions/name" within one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.records import Method, Model, Validator

JSON = "application/json"
REFERENCE = "https://apigateway.amazonaws.com/restapis/"
DEEP = 40  # references in references
PLACES = ("querystring", "path", "header")


UNUSABLE = "a model that refers to one which is not there"


class BadSchema(ValueError):
    """The schema is none; the message is for the caller."""


@dataclass(frozen=True, slots=True)
class Check:
    """What of a method's requests is validated."""

    required: tuple[tuple[str, str], ...]  # place, name
    models: Mapping[str, Any] | None  # content type -> compiled schema; None: bodies are not looked at

    def check(self, call: Call) -> None:
        """Raises Rejected."""
        if self.required:
            missing = [name for place, name in self.required if not _present(place, name, call)]
            if missing:
                words = f"Missing required request parameters: [{', '.join(missing)}]"
                raise Rejected("BAD_REQUEST_PARAMETERS", words, details=words)
        if self.models:
            kind = (call.request.header("content-type") or JSON).partition(";")[0].strip().lower() or JSON
            schema = self.models.get(kind) or self.models.get("$default")
            if schema is not None:
                _check_body(schema, call.request.body)


def check_of(method: Method, validators: Mapping[str, Validator], models: Mapping[str, Model]) -> Check | None:
    """None: nothing is validated."""
    validator = validators.get(method.validator_id)
    if validator is None:
        return None
    required: list[tuple[str, str]] = []
    if validator.parameters:
        for name, wanted in sorted(method.request_parameters.items()):
            place, _, rest = name.removeprefix("method.request.").partition(".")
            if wanted and place in PLACES and rest:
                required.append((place, rest))
    compiled: dict[str, Any] | None = None
    if validator.body and method.request_models:
        compiled = {}
        for kind, name in method.request_models.items():
            model = models.get(name)
            if model is not None and model.schema:
                try:
                    compiled[kind.lower()] = compiled_schema(model.schema, _texts(models))
                except BadSchema:
                    compiled[kind.lower()] = UNUSABLE
    return Check(tuple(required), compiled) if required or compiled else None


def schema_of(text: str) -> Any:
    """A model's schema, parsed and checked. Raises BadSchema."""
    from jsonschema import Draft4Validator  # noqa: PLC0415  (slow to import, and few need it)
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415

    try:
        schema = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadSchema(f"Invalid model schema specified: {error}") from error
    if not isinstance(schema, dict):
        raise BadSchema("Invalid model schema specified: it is not an object")
    try:
        Draft4Validator.check_schema(schema)
    except SchemaError as error:
        raise BadSchema(f"Invalid model schema specified: {error.message}") from error
    except RecursionError as error:
        raise BadSchema("Invalid model schema specified: it is nested too deeply") from error
    return schema


def compiled_schema(text: str, models: tuple[tuple[str, str], ...]) -> Any:
    """A validator. `models`: names and schemas of the API's models, for references. Raises BadSchema."""
    return _compiled(text, models)


@functools.lru_cache(maxsize=256)
def _compiled(text: str, models: tuple[tuple[str, str], ...]) -> Any:
    from jsonschema import Draft4Validator  # noqa: PLC0415

    return Draft4Validator(_resolved(schema_of(text), dict(models), 0))


def _resolved(node: Any, models: Mapping[str, str], depth: int) -> Any:
    """The schema with other models in the place of references to them; a model that leads back to itself ends in one
    that takes everything."""
    if isinstance(node, list):
        return [_resolved(one, models, depth) for one in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#/definitions/"):
        name = reference.rpartition("/")[2] if reference.startswith((REFERENCE, "#/components/schemas/")) else ""
        if name not in models:
            raise BadSchema(f"Invalid model schema specified: unknown reference {reference}")
        if depth >= DEEP:
            return {}
        return _resolved(schema_of(models[name] or "{}"), models, depth + 1)
    return {key: _resolved(value, models, depth) for key, value in node.items()}


def _texts(models: Mapping[str, Model]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, model.schema) for name, model in models.items()))


def _present(place: str, name: str, call: Call) -> bool:
    if place == "path":
        return bool((call.parameters or {}).get(name))
    if place == "querystring":
        return name in call.query()
    return bool(call.header(name))


def _check_body(schema: Any, body: bytes) -> None:
    if schema is UNUSABLE:
        raise Rejected("BAD_REQUEST_BODY", details=f"[{UNUSABLE}]")
    try:
        error = next(iter(schema.iter_errors(orjson.loads(body or b"{}"))), None)
    except orjson.JSONDecodeError:
        raise Rejected("BAD_REQUEST_BODY", details="[instance failed to parse as JSON]") from None
    except Exception:  # a reference into nowhere, or a schema that leads back into itself
        raise Rejected("BAD_REQUEST_BODY", details="[the model cannot be evaluated]") from None
    if error is not None:
        raise Rejected("BAD_REQUEST_BODY", details=f"[{error.message}]")
