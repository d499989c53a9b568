"""Methods of resources, their responses and their integrations, as they are being edited."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.apis import APIS
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.integrations import integration_of, integration_response_of, method_response_of
from antipodes.services.apigateway.v1.kinds import Nested, Params, Single
from antipodes.services.apigateway.v1.patching import Entries, Members, One, Table, flag, whole
from antipodes.services.apigateway.v1.records import (
    ANY,
    Api,
    Integration,
    IntegrationResponse,
    Method,
    MethodResponse,
    bad_request,
    conflict,
    not_found,
)
from antipodes.services.apigateway.v1.resources import RESOURCES
from antipodes.services.apigateway.v1.shown import (
    shown_integration,
    shown_integration_response,
    shown_method,
    shown_method_response,
)
from antipodes.wire.errors import NotSupported

VERBS = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", ANY})
METHOD: Table = {
    "/authorizationType": One("authorization"),
    "/authorizerId": One("authorizer_id", gone=""),
    "/apiKeyRequired": One("key_required", flag),
    "/operationName": One("operation_name", gone=""),
    "/requestValidatorId": One("validator_id", gone=""),
    "/requestModels": Entries("request_models"),
    "/requestParameters": Entries("request_parameters", flag),
}
METHOD_RESPONSE: Table = {"/responseModels": Entries("models"), "/responseParameters": Entries("parameters", flag)}
INTEGRATION: Table = {
    "/type": One("kind"),
    "/uri": One("uri"),
    "/httpMethod": One("http_method"),
    "/timeoutInMillis": One("timeout_ms", whole),
    "/passthroughBehavior": One("passthrough"),
    "/cacheNamespace": One("cache_namespace", gone=""),
    "/cacheKeyParameters": Members("cache_keys"),
    "/credentials": One("credentials", gone=""),
    "/contentHandling": One("content_handling", gone=""),
    "/tlsConfig/insecureSkipVerification": One("any_authority", flag, gone=False),
    "/requestTemplates": Entries("templates"),
    "/requestParameters": Entries("parameters"),
}
INTEGRATION_RESPONSE: Table = {
    "/selectionPattern": One("selection_pattern", gone=""),
    "/contentHandling": One("content_handling", gone=""),
    "/responseTemplates": Entries("templates"),
    "/responseParameters": Entries("parameters"),
}


def check_method(api: Api, method: Method) -> None:
    """Raises BadRequestException, UnsupportedOperation for what a method refers to."""
    kind = method.authorization
    if kind == "COGNITO_USER_POOLS":
        raise NotSupported("authorizationType COGNITO_USER_POOLS of methods")
    if kind not in {"NONE", "AWS_IAM", "CUSTOM"}:
        raise bad_request(f"Invalid authorization type '{kind}'; one of NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS.")
    if kind == "CUSTOM" and method.authorizer_id not in api.authorizers:
        raise bad_request(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or "
            "COGNITO_USER_POOLS requires a valid authorizer."
        )
    if method.validator_id and method.validator_id not in api.validators:
        raise bad_request("Invalid Request Validator identifier specified")
    for name in method.request_models.values():
        if name not in api.models and name not in {"Empty", "Error"}:
            raise bad_request(f"Invalid model identifier specified: {name}")
    names = [name.removeprefix("method.request.").partition(".")[2] for name in method.request_parameters]
    if len(names) != len(set(names)):
        raise bad_request("Parameter names must be unique across querystring, header and path")
    for name in method.request_parameters:
        place, _, rest = name.removeprefix("method.request.").partition(".")
        if not name.startswith("method.request.") or place not in {"header", "path", "querystring"} or not rest:
            raise bad_request(f"Invalid mapping expression parameter specified: {name}")


def _made(catalogue: Catalogue, params: Params) -> Method:
    verb = params["httpMethod"]
    if verb not in VERBS:
        raise bad_request("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
    if verb in RESOURCES.find(catalogue, params).methods:
        raise conflict("Method already exists for this resource")
    if params.get("authorizationScopes"):
        raise NotSupported("authorizationScopes of methods")
    method = Method(
        verb=verb,
        operation_name=params.get("operationName") or "",
        request_parameters={k: bool(v) for k, v in (params.get("requestParameters") or {}).items()},
        authorization=params["authorizationType"],
        authorizer_id=params.get("authorizerId") or "",
        key_required=bool(params.get("apiKeyRequired")),
        validator_id=params.get("requestValidatorId") or "",
        request_models=dict(params.get("requestModels") or {}),
    )
    return _checked(catalogue, params, method)


def _checked(catalogue: Catalogue, params: Params, method: Method) -> Method:
    check_method(APIS.find(catalogue, params), method)
    return method


METHODS = Nested(
    owner=RESOURCES,
    attribute="methods",
    key="verb",
    asked=itemgetter("httpMethod"),
    absent=lambda _: not_found("Method"),
    shown=shown_method,
    made=_made,
    patches=METHOD,
    changed=lambda catalogue, params, _, after: _checked(catalogue, params, after),
)


def _made_response(catalogue: Catalogue, params: Params) -> MethodResponse:
    response = method_response_of(params)
    if response.status in METHODS.find(catalogue, params).responses:
        raise conflict("Response already exists for this resource")
    return response


METHOD_RESPONSES = Nested(
    owner=METHODS,
    attribute="responses",
    key="status",
    asked=lambda params: str(params["statusCode"]),
    absent=lambda _: not_found("Response status code"),
    shown=shown_method_response,
    made=_made_response,
    patches=METHOD_RESPONSE,
    changed=lambda catalogue, params, before, after: method_response_of(
        {**shown_method_response(after), "statusCode": before.status}
    ),
)


def _where(catalogue: Catalogue, params: Params) -> str:
    """Names a method in refusals."""
    return f"{params['httpMethod']} {RESOURCES.find(catalogue, params).path}"


def _made_integration(catalogue: Catalogue, params: Params) -> Integration:
    integration = integration_of({**params, "integrationResponses": None}, _where(catalogue, params))
    namespace = integration.cache_namespace or params["resourceId"]
    return msgspec.structs.replace(integration, cache_namespace=namespace)


def _changed_integration(catalogue: Catalogue, params: Params, before: Integration, after: Integration) -> Integration:
    checked = integration_of(_as_given(after), _where(catalogue, params))
    return msgspec.structs.replace(checked, responses=before.responses)


def _as_given(integration: Integration) -> Mapping[str, Any]:
    """In the shape of PutIntegration's parameters."""
    return {
        **shown_integration(integration),
        "integrationHttpMethod": integration.http_method,
        "integrationResponses": None,
        "timeoutInMillis": integration.timeout_ms or 1,
    }


INTEGRATIONS = Single(
    owner=METHODS,
    attribute="integration",
    absent=lambda: not_found("Integration"),
    shown=shown_integration,
    made=_made_integration,
    patches=INTEGRATION,
    changed=_changed_integration,
)


def _made_outcome(catalogue: Catalogue, params: Params) -> IntegrationResponse:
    response = integration_response_of(params, _where(catalogue, params))
    declared = METHODS.find(catalogue, params).responses.get(response.status)
    if declared is None:
        raise not_found("Response status code")
    unknown = sorted(set(response.parameters) - set(declared.parameters))
    if unknown:
        raise bad_request(f"Invalid mapping expression parameter specified: {unknown[0]}")
    return response


INTEGRATION_RESPONSES = Nested(
    owner=INTEGRATIONS,
    attribute="responses",
    key="status",
    asked=lambda params: str(params["statusCode"]),
    absent=lambda _: not_found("Response status code"),
    shown=shown_integration_response,
    made=_made_outcome,
    patches=INTEGRATION_RESPONSE,
    changed=lambda catalogue, params, before, after: integration_response_of(
        {**shown_integration_response(after), "statusCode": before.status}, _where(catalogue, params)
    ),
)
