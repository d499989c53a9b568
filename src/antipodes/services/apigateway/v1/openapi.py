"""OpenAPI 2 and 3 documents with AWS's extensions, to methods, models, authorizers and the rest of an API. Pure.

What stands in a document and is not carried out is refused by name, never dropped in silence. What a method refers to
it names here (authorizer, validator); ids come when the API is put together (importing.py). References to other models
become AWS's URLs, with API in the place of the API's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson
import yaml

from antipodes.services.apigateway.v1.integrations import integration_of
from antipodes.services.apigateway.v1.records import (
    ANY,
    GatewayResponse,
    Method,
    MethodResponse,
    Validator,
    bad_request,
)
from antipodes.services.apigateway.v1.validation import REFERENCE
from antipodes.wire.errors import NotSupported

VERBS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
EXTENSION = "x-amazon-apigateway-"
REFUSED_AT_TOP = ("endpoint-access-mode", "security-policy", "importexport-version-3")
JSON = "application/json"
API = "{api}"
DOCUMENTATION = EXTENSION + "documentation"
PLACES = {"header": "header", "query": "querystring", "path": "path"}


@dataclass(frozen=True, slots=True)
class Imported:
    """What a document says."""

    name: str
    description: str
    version: str
    base_path: str
    binary_media_types: tuple[str, ...]
    paths: dict[str, dict[str, Method]]  # path -> verb -> method
    models: dict[str, str]  # name -> schema
    validators: dict[str, Validator]  # by name
    authorizers: dict[str, dict[str, Any]]  # by name: CreateAuthorizer's parameters
    gateway_responses: dict[str, GatewayResponse]
    key_source: str = ""
    policy: str = ""
    endpoint_disabled: bool | None = None  # None: it does not say
    compress_from: Any = None  # minimum-compression-size; None: it does not say
    documentation: Any = None  # what it has as x-amazon-apigateway-documentation (documentation.py reads it)


@dataclass(frozen=True, slots=True)
class _Document:
    """The parts that operations refer to."""

    whole: Mapping[str, Any]
    schemes: Mapping[str, Any]
    security: Any
    validator: str
    models: dict[str, str] = field(default_factory=dict)


def parse(body: bytes) -> Mapping[str, Any]:
    """JSON or YAML. Raises BadRequestException."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            document = yaml.safe_load(body)
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise bad_request("Invalid OpenAPI input.") from error
    if not isinstance(document, dict) or not ("swagger" in document or "openapi" in document):
        raise bad_request("Invalid OpenAPI input: neither 'swagger' nor 'openapi' names the version.")
    version = str(document.get("swagger") or document.get("openapi"))
    if not version.startswith(("2.0", "3.0")):  # API Gateway takes 2.0 and 3.0.x
        raise bad_request(f"Unsupported OpenAPI version '{version}'; use 2.0 or 3.0.")
    try:
        plain: Mapping[str, Any] = orjson.loads(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))
    except (orjson.JSONEncodeError, orjson.JSONDecodeError, RecursionError) as error:
        raise bad_request("Invalid OpenAPI input.") from error  # what JSON cannot say: sets, binary, cycles
    return plain


def imported(document: Mapping[str, Any]) -> Imported:
    """Raises BadRequestException, UnsupportedOperation."""
    for name in REFUSED_AT_TOP:
        if document.get(EXTENSION + name):
            raise NotSupported(f"{EXTENSION}{name} in OpenAPI documents")
    info, components = _object(document.get("info"), "info"), _object(document.get("components"), "components")
    schemes = _object(document.get("securityDefinitions") or components.get("securitySchemes"), "security schemes")
    schemas = _object(document.get("definitions") or components.get("schemas"), "schemas")
    models = {str(name): _schema_text(schema) for name, schema in schemas.items()}
    within = _Document(
        document, schemes, document.get("security"), str(document.get(EXTENSION + "request-validator") or ""), models
    )
    paths: dict[str, dict[str, Method]] = {}
    for path, item in _object(document.get("paths"), "paths").items():
        if not isinstance(item, dict) or not str(path).startswith("/"):
            raise bad_request(f"Invalid path '{path}' in the OpenAPI document.")
        methods = paths.setdefault(str(path).rstrip("/") or "/", {})
        for key, operation in item.items():
            verb = ANY if key == EXTENSION + "any-method" else str(key).upper() if key in VERBS else None
            if verb is not None:
                given = _object(operation, f"{key} {path}")
                methods[verb] = _method(verb, given, item.get("parameters"), within, f"{key} {path}")
    policy = document.get(EXTENSION + "policy")
    return Imported(
        name=str(info.get("title") or ""),
        description=str(info.get("description") or ""),
        version=str(info.get("version") or ""),
        base_path=str(document.get("basePath") or ""),
        binary_media_types=tuple(str(one) for one in _list(document.get(EXTENSION + "binary-media-types"), "types")),
        paths=paths,
        models=models,
        validators=_validators(document),
        authorizers=dict(_authorizers(schemes)),
        gateway_responses=dict(_gateway_responses(document)),
        key_source=str(document.get(EXTENSION + "api-key-source") or ""),
        policy=orjson.dumps(policy).decode() if policy else "",
        endpoint_disabled=_endpoint_disabled(document),
        compress_from=document.get(EXTENSION + "minimum-compression-size"),
        documentation=document.get(DOCUMENTATION),
    )


def _endpoint_disabled(document: Mapping[str, Any]) -> bool | None:
    """OpenAPI 2.0 says it at the top, 3.0 of a server. Servers that are no list are passed over: published documents
    that AWS imports have one there that is an object."""
    name, found = EXTENSION + "endpoint-configuration", None
    servers = document.get("servers")
    for place in (document, *(servers if isinstance(servers, list) else ())):
        configuration = _object(_object(place, "servers").get(name), name)
        if configuration.get("vpcEndpointIds"):
            raise NotSupported(f"vpcEndpointIds of {name} in OpenAPI documents")
        if "disableExecuteApiEndpoint" in configuration:
            found = configuration["disableExecuteApiEndpoint"] is True
    return found


def _method(verb: str, operation: Mapping[str, Any], shared: Any, within: _Document, where: str) -> Method:
    authorization, authorizer, key_required = _security(operation, within, where)
    given = operation.get(EXTENSION + "integration")
    validator = operation.get(EXTENSION + "request-validator", within.validator)
    method = Method(
        verb=verb,
        operation_name=str(operation.get("operationId") or ""),
        responses=dict(_responses(operation, within, where)),
        integration=integration_of(_as_parameters(_object(given, where)), where) if given else None,
        authorization=authorization,
        authorizer_id=authorizer,
        key_required=key_required,
        validator_id=str(validator or ""),
    )
    return _with_parameters(method, operation, shared, within, where)


def _security(operation: Mapping[str, Any], within: _Document, where: str) -> tuple[str, str, bool]:
    """Authorization type, authorizer's name, whether a key is required. What a method says in its `auth` goes before
    what `security` says."""
    own = _object(operation.get(EXTENSION + "auth"), where).get("type")
    authorization, authorizer, key_required = str(own or "NONE").upper(), "", False
    given = operation.get("security", within.security)
    for requirement in _list(given, f"security of {where}"):
        for name in _object(requirement, f"security of {where}"):
            scheme = _object(within.schemes.get(name), f"security scheme {name}")
            kind = str(scheme.get(EXTENSION + "authtype") or "").lower()
            if EXTENSION + "authorizer" in scheme:
                if own is None:
                    authorization, authorizer = "CUSTOM", str(name)
            elif kind == "awssigv4":
                if own is None:
                    authorization = "AWS_IAM"
            elif kind.startswith("cognito"):
                raise NotSupported(f"authorizers of type COGNITO_USER_POOLS ({name})")
            elif scheme.get("type") == "apiKey" and str(scheme.get("name")).lower() == "x-api-key":
                key_required = True
            elif scheme or name != "NONE":  # SAM's word for none at all
                raise NotSupported(f"the security scheme {name} of {where}")
    return authorization, authorizer, key_required


def _with_parameters(
    method: Method, operation: Mapping[str, Any], shared: Any, within: _Document, where: str
) -> Method:
    parameters: dict[str, bool] = {}
    request_models: dict[str, str] = {}
    for one in (
        *_list(shared, f"parameters of {where}"),
        *_list(operation.get("parameters"), f"parameters of {where}"),
    ):
        parameter = _object(_followed(one, within.whole), f"parameters of {where}")
        place = str(parameter.get("in"))
        if place in PLACES and parameter.get("name"):
            name = f"method.request.{PLACES[place]}.{parameter['name']}"
            parameters[name] = bool(parameter.get("required")) or place == "path"
        elif place == "body" and parameter.get("schema") is not None:
            consumes = operation.get("consumes") or within.whole.get("consumes") or [JSON]
            for kind in _list(consumes, f"consumes of {where}"):
                request_models[str(kind)] = _model_name(parameter["schema"], within, where)
    body = _object(_followed(operation.get("requestBody"), within.whole), f"requestBody of {where}")
    for kind, content in _object(body.get("content"), f"requestBody of {where}").items():
        schema = _object(content, f"requestBody of {where}").get("schema")
        if schema is not None:
            request_models[str(kind)] = _model_name(schema, within, where)
    return msgspec.structs.replace(method, request_parameters=parameters, request_models=request_models)


def _responses(operation: Mapping[str, Any], within: _Document, where: str) -> Iterator[tuple[str, MethodResponse]]:
    for status, response in _object(operation.get("responses"), f"responses of {where}").items():
        if not (str(status).isdigit() and len(str(status)) == 3):
            continue
        given = _object(_followed(response, within.whole), f"responses of {where}")
        headers = _object(given.get("headers"), f"responses of {where}")
        parameters = {f"method.response.header.{name}": False for name in headers}
        models = dict(_response_models(operation, given, within, where))
        yield str(status), MethodResponse(status=str(status), parameters=parameters, models=models)


def _response_models(
    operation: Mapping[str, Any], response: Mapping[str, Any], within: _Document, where: str
) -> Iterator[tuple[str, str]]:
    """Content type and name of model."""
    where = f"{where} response"
    if response.get("schema") is not None:
        produces = operation.get("produces") or within.whole.get("produces") or [JSON]
        for kind in _list(produces, f"produces of {where}"):
            yield str(kind), _model_name(response["schema"], within, where)
    for kind, content in _object(response.get("content"), where).items():
        schema = _object(content, where).get("schema")
        if schema is not None:
            yield str(kind), _model_name(schema, within, where)


def _validators(document: Mapping[str, Any]) -> dict[str, Validator]:
    name = EXTENSION + "request-validators"
    return {
        str(key): Validator(
            id="",
            name=str(key),
            body=bool(_object(one, name).get("validateRequestBody")),
            parameters=bool(_object(one, name).get("validateRequestParameters")),
        )
        for key, one in _object(document.get(name), name).items()
    }


def _authorizers(schemes: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, scheme in schemes.items():
        given = _object(scheme, f"security scheme {name}").get(EXTENSION + "authorizer")
        if given is None:
            continue
        parameters = dict(_object(given, f"security scheme {name}"))
        kind = str(parameters.get("type") or "").upper()
        if kind == "TOKEN" and not parameters.get("identitySource"):
            parameters["identitySource"] = f"method.request.header.{scheme.get('name') or 'Authorization'}"
        yield str(name), {**parameters, "name": str(name), "type": kind, "authType": scheme.get(EXTENSION + "authtype")}


def _gateway_responses(document: Mapping[str, Any]) -> Iterator[tuple[str, GatewayResponse]]:
    from antipodes.services.apigateway.v1.dresses import gateway_response_of  # noqa: PLC0415  (which needs the catalogue)

    name = EXTENSION + "gateway-responses"
    for kind, given in _object(document.get(name), name).items():
        yield str(kind), gateway_response_of(str(kind), _object(given, f"{name} {kind}"))


def _model_name(schema: Any, within: _Document, where: str) -> str:
    """Of a reference the model's name; a schema that stands there becomes a model of its own."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    if isinstance(reference, str):
        return reference.rpartition("/")[2]
    text = _schema_text(schema)
    for name, known in within.models.items():
        if known == text:
            return name
    name = "Model" + "".join(one for one in where.title() if one.isalnum())
    within.models[name] = text
    return name


def _schema_text(schema: Any) -> str:
    return orjson.dumps(_with_urls(schema, 0)).decode()


def _with_urls(node: Any, depth: int) -> Any:
    if depth > 100:
        raise bad_request("Invalid OpenAPI input: a schema is nested too deeply.")
    if isinstance(node, list):
        return [_with_urls(one, depth + 1) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: _with_urls(one, depth + 1) for key, one in node.items()}
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(("#/definitions/", "#/components/schemas/")):
        found["$ref"] = f"{REFERENCE}{API}/models/{reference.rpartition('/')[2]}"
    return found


def _followed(node: Any, document: Mapping[str, Any]) -> Any:
    """What a `$ref` within the document leads to."""
    reference = node.get("$ref") if isinstance(node, dict) else None
    if not isinstance(reference, str):
        return node
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    if found is None:
        raise bad_request(f"Invalid OpenAPI input: {reference} leads nowhere.")
    return found


def _as_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The extension's members in the shape of PutIntegration's parameters."""
    renamed = {"httpMethod": "integrationHttpMethod", "responses": "integrationResponses"}
    parameters = {renamed.get(key, key): value for key, value in given.items()}
    parameters["type"] = str(given.get("type") or "").upper()
    for name in ("passthroughBehavior", "connectionType", "contentHandling"):
        if name in parameters:
            parameters[name] = str(parameters[name]).upper()
    return parameters


def _object(given: Any, where: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise bad_request(f"Invalid OpenAPI input: {where} is not an object.")
    return given


def _list(given: Any, where: str) -> list[Any]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise bad_request(f"Invalid OpenAPI input: {where} is not a list.")
    return given
