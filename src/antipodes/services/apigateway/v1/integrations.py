"""What may stand behind a method, as it is configured. Pure.

    AWS_PROXY    a Lambda function, which gets the request as it is
    AWS          a Lambda function, an operation of an AWS service (…:dynamodb:action/GetItem), or a place in its HTTP
                 interface (…:s3:path/{bucket}/{key}), by mapping
    HTTP_PROXY   an HTTP server, which gets the request as it is
    HTTP         an HTTP server, by mapping
    MOCK         nobody: the request template says which response

Templates, patterns and mappings are taken apart here once, so that one that cannot be read is refused when it is put
and not when it is called (a guess: AWS may take it, and answer 500 then).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from antipodes.services.apigateway.v1.caching import check_key
from antipodes.services.apigateway.v1.parameters import BadMapping, source_of
from antipodes.services.apigateway.v1.plan import HEADER, REQUEST, TO_BINARY, TO_TEXT
from antipodes.services.apigateway.v1.records import (
    DEFAULT_TIMEOUT_MS,
    Integration,
    IntegrationResponse,
    MethodResponse,
    bad_request,
)
from antipodes.services.apigateway.v1.routing import STAGE_VARIABLE, action_of, function_of, path_of
from antipodes.services.apigateway.v1.vtl.parser import parsed
from antipodes.services.apigateway.v1.vtl.values import TemplateError
from antipodes.services.apigateway.v2.http_proxy import check_uri
from antipodes.wire.errors import NotSupported

KINDS = ("HTTP", "AWS", "MOCK", "HTTP_PROXY", "AWS_PROXY")
PASSTHROUGHS = ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")
REFUSED = ("connectionId", "integrationTarget")
PLACES = ("header", "path", "querystring")
STATUS = re.compile(r"[1-5]\d\d")
TEMPLATE_LIMIT = 300 * 1024  # bytes; AWS's quota


def integration_of(params: Mapping[str, Any], where: str) -> Integration:
    """From PutIntegration's parameters; `where` names the method in refusals. Raises BadRequestException,
    UnsupportedOperation."""
    kind = str(params.get("type") or "")
    if kind not in KINDS:
        raise bad_request(f"Invalid integration type '{kind}'; one of {', '.join(KINDS)}.")
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of integrations ({where})")
    if params.get("connectionType") not in (None, "", "INTERNET"):
        raise NotSupported(f"connectionType {params['connectionType']} of integrations ({where})")
    if params.get("responseTransferMode") not in (None, "", "BUFFERED"):
        raise NotSupported(f"responseTransferMode {params['responseTransferMode']} of integrations ({where})")
    timeout_ms = _whole(params.get("timeoutInMillis") or DEFAULT_TIMEOUT_MS, "Timeout")
    if not 50 <= timeout_ms <= DEFAULT_TIMEOUT_MS:
        raise bad_request("Timeout should be between 50 ms and 29000 ms")
    uri, method = str(params.get("uri") or ""), str(params.get("integrationHttpMethod") or "")
    _check_target(kind, uri, method, where)
    passthrough = str(params.get("passthroughBehavior") or "WHEN_NO_MATCH")
    if passthrough not in PASSTHROUGHS:
        raise bad_request(f"Invalid passthrough behavior '{passthrough}'; one of {', '.join(PASSTHROUGHS)}.")
    responses = _mapping(params.get("integrationResponses"), "integrationResponses", where)
    return Integration(
        kind=kind,
        uri=uri,
        http_method=method,
        timeout_ms=timeout_ms,
        passthrough=passthrough,
        cache_namespace=str(params.get("cacheNamespace") or ""),
        cache_keys=_cache_keys(params.get("cacheKeyParameters"), where),
        templates=templates_of(params.get("requestTemplates"), where),
        parameters=_request_parameters(params.get("requestParameters"), where),
        content_handling=handling_of(params.get("contentHandling")),
        credentials=str(params.get("credentials") or ""),
        any_authority=_any_authority(params.get("tlsConfig"), kind, where),
        responses={
            str(response.get("statusCode") or key): integration_response_of(
                {"selectionPattern": "" if key == "default" else str(key), **response}, where
            )
            for key, response in ((key, _mapping(one, key, where)) for key, one in responses.items())
        },
    )


def integration_response_of(params: Mapping[str, Any], where: str) -> IntegrationResponse:
    """From PutIntegrationResponse's parameters."""
    parameters = {
        str(k): str(v) for k, v in _mapping(params.get("responseParameters"), "responseParameters", where).items()
    }
    for name, value in parameters.items():
        if not name.startswith(HEADER) or not name.removeprefix(HEADER):
            raise bad_request(f"Invalid mapping expression specified: {name}")
        try:
            source_of(value, "integration.response.")
        except BadMapping as error:
            raise bad_request(str(error)) from error
    pattern = str(params.get("selectionPattern") or "")
    try:
        re.compile(pattern)
    except re.error as error:
        raise bad_request(f"Invalid selection pattern specified: {pattern}") from error
    return IntegrationResponse(
        status=status_of(params.get("statusCode")),
        selection_pattern=pattern,
        parameters=parameters,
        templates=templates_of(params.get("responseTemplates"), where),
        content_handling=handling_of(params.get("contentHandling")),
    )


def method_response_of(params: Mapping[str, Any]) -> MethodResponse:
    """From PutMethodResponse's parameters."""
    parameters = _mapping(params.get("responseParameters"), "responseParameters", "")
    for name in parameters:
        if not str(name).startswith(HEADER):
            raise bad_request(f"Invalid mapping expression specified: {name}")
    return MethodResponse(
        status=status_of(params.get("statusCode")),
        parameters={str(k): str(v).lower() == "true" for k, v in parameters.items()},
        models={str(k): str(v) for k, v in _mapping(params.get("responseModels"), "responseModels", "").items()},
    )


def templates_of(given: Any, where: str) -> dict[str, str]:
    """Content type -> template. Raises BadRequestException for one that cannot be read."""
    templates = {str(k): str(v if v is not None else "") for k, v in _mapping(given, "templates", where).items()}
    for kind, text in templates.items():
        if len(text) > TEMPLATE_LIMIT:
            raise bad_request(f"Mapping template for {kind} is larger than 300 KB ({where})")
        try:
            parsed(text)
        except TemplateError as error:
            raise bad_request(f"Invalid mapping template for {kind} ({where}): {error}") from error
    return templates


def status_of(given: Any) -> str:
    status = str(given)
    if STATUS.fullmatch(status) is None:
        raise bad_request(f"Invalid status code: {status}")
    return status


def _check_target(kind: str, uri: str, method: str, where: str) -> None:
    if kind == "MOCK":
        return
    if not method and kind != "AWS_PROXY":
        raise bad_request("Enumeration value for HttpMethod must be non-empty")
    if kind in {"HTTP", "HTTP_PROXY"}:
        if STAGE_VARIABLE.sub("x", uri)[:4] != "http":
            raise bad_request("Invalid HTTP endpoint specified for URI")
        check_uri(uri)
        return
    if function_of(uri) is not None:
        return
    if not uri.startswith("arn:"):
        raise bad_request("Invalid ARN specified in the request")
    if uri.count(":") < 5 or uri.split(":", 5)[5].partition("/")[0] not in {"path", "action"}:
        raise bad_request("AWS ARN for integration must contain path or action")
    if kind == "AWS_PROXY":
        if ":firehose:" in uri:
            raise NotSupported(f"AWS_PROXY to {uri} ({where}); only Lambda functions")
        raise bad_request(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
        )
    plain = STAGE_VARIABLE.sub("x", uri)
    if action_of(plain) is None and path_of(plain) is None:
        words = "only Lambda functions, actions of JSON services and paths of S3"
        raise NotSupported(f"integrations with {uri} ({where}); {words}")


def _any_authority(given: Any, kind: str, where: str) -> bool:
    """Of tlsConfig: whether a server may have its certificate from anybody."""
    config = _mapping(given, "tlsConfig", where)
    for name in config:
        if name != "insecureSkipVerification":
            raise NotSupported(f"{name} of tlsConfig ({where})")
    wanted = config.get("insecureSkipVerification") in (True, "true")
    if wanted and kind not in {"HTTP", "HTTP_PROXY"}:  # the words are a guess
        raise bad_request("insecureSkipVerification is supported for HTTP and HTTP_PROXY integrations only")
    return wanted


def _cache_keys(given: Any, where: str) -> tuple[str, ...]:
    keys = tuple(str(one) for one in _listed(given, "cacheKeyParameters", where))
    for key in keys:
        check_key(key, where)
    return keys


def _request_parameters(given: Any, where: str) -> dict[str, str]:
    parameters = {str(k): str(v) for k, v in _mapping(given, "requestParameters", where).items()}
    for target, expression in parameters.items():
        place, dot, name = target.removeprefix(REQUEST).partition(".")
        if not target.startswith(REQUEST) or place not in PLACES or not (dot and name):
            raise bad_request(f"Invalid mapping expression specified: {target}")
        try:
            source_of(expression, "method.request.")
        except BadMapping as error:
            raise bad_request(str(error)) from error
    return parameters


def handling_of(given: Any) -> str:
    if given in (None, ""):
        return ""
    if given not in (TO_TEXT, TO_BINARY):
        raise bad_request(f"Invalid content handling '{given}'; one of {TO_BINARY}, {TO_TEXT}.")
    return str(given)


def _mapping(given: Any, name: Any, where: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise bad_request(f"{name} is not an object ({where})")
    return given


def _listed(given: Any, name: str, where: str) -> list[Any]:
    if given is None:
        return []
    if not isinstance(given, list | tuple):
        raise bad_request(f"{name} is not a list ({where})")
    return list(given)


def _whole(given: Any, name: str) -> int:
    try:
        return int(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise bad_request(f"{name} is not a number: {given}") from error
