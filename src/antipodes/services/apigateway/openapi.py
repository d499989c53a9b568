"""OpenAPI 2 and 3 documents with AWS's extensions, to methods and integrations. Pure.

What stands in a document and is not carried out is refused by name, never dropped in silence: authorizers, validators,
gateway responses, policies, integrations other than aws_proxy and mock. Schemas without a validator change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from antipodes.services.apigateway.integrations import integration_of
from antipodes.services.apigateway.records import ANY, Method, MethodResponse, bad_request
from antipodes.wire.errors import NotSupported

VERBS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
EXTENSION = "x-amazon-apigateway-"
REFUSED_AT_TOP = ("policy", "gateway-responses", "authorizer", "endpoint-access-mode")
REFUSED_IN_OPERATION = ("request-validator", "auth", "authorizer")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a document says."""

    name: str
    description: str
    version: str
    binary_media_types: tuple[str, ...]
    paths: dict[str, dict[str, Method]]  # path -> verb -> method


def parse(body: bytes) -> Mapping[str, Any]:
    """JSON or YAML. Raises BadRequestException."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            document = yaml.safe_load(body)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise bad_request("Invalid OpenAPI input.") from error
    if not isinstance(document, dict) or not ("swagger" in document or "openapi" in document):
        raise bad_request("Invalid OpenAPI input: neither 'swagger' nor 'openapi' names the version.")
    version = str(document.get("swagger") or document.get("openapi"))
    if not version.startswith(("2.0", "3.0")):  # API Gateway takes 2.0 and 3.0.x
        raise bad_request(f"Unsupported OpenAPI version '{version}'; use 2.0 or 3.0.")
    return document


def imported(document: Mapping[str, Any]) -> Imported:
    """Raises BadRequestException, UnsupportedOperation."""
    info = document.get("info") or {}
    for name in REFUSED_AT_TOP:
        if document.get(EXTENSION + name):
            raise NotSupported(f"{EXTENSION}{name} in OpenAPI documents")
    if document.get("security"):
        raise NotSupported("security (authorizers) in OpenAPI documents")
    paths: dict[str, dict[str, Method]] = {}
    for path, item in (document.get("paths") or {}).items():
        if not isinstance(item, dict) or not str(path).startswith("/"):
            raise bad_request(f"Invalid path '{path}' in the OpenAPI document.")
        methods = paths.setdefault(path.rstrip("/") or "/", {})
        for key, operation in item.items():
            verb = ANY if key == EXTENSION + "any-method" else str(key).upper() if key in VERBS else None
            if verb is not None:
                methods[verb] = _method(verb, operation or {}, f"{key} {path}")
    return Imported(
        name=str(info.get("title") or ""),
        description=str(info.get("description") or ""),
        version=str(info.get("version") or ""),
        binary_media_types=tuple(document.get(EXTENSION + "binary-media-types") or ()),
        paths=paths,
    )


def _method(verb: str, operation: Mapping[str, Any], where: str) -> Method:
    if operation.get("security"):
        raise NotSupported(f"security (an authorizer) of {where}")
    for name in REFUSED_IN_OPERATION:
        if operation.get(EXTENSION + name):
            raise NotSupported(f"{EXTENSION}{name} of {where}")
    responses = {}
    for status, response in (operation.get("responses") or {}).items():
        if str(status).isdigit():
            headers = (response or {}).get("headers") or {}
            parameters = {f"method.response.header.{name}": False for name in headers}
            responses[str(status)] = MethodResponse(status=str(status), parameters=parameters)
    given = operation.get(EXTENSION + "integration")
    return Method(
        verb=verb,
        operation_name=str(operation.get("operationId") or ""),
        responses=responses,
        integration=integration_of(_as_parameters(given), where) if given else None,
    )


def _as_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The extension's members in the shape of PutIntegration's parameters."""
    renamed = {"httpMethod": "integrationHttpMethod", "responses": "integrationResponses"}
    parameters = {renamed.get(key, key): value for key, value in given.items()}
    parameters["type"] = str(given.get("type") or "").upper()
    if "passthroughBehavior" in parameters:
        parameters["passthroughBehavior"] = str(parameters["passthroughBehavior"]).upper()
    return parameters
