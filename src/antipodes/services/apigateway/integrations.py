"""What may stand behind a method: a Lambda function by proxy, or a MOCK that answers literally. Pure.

A MOCK is carried out without mapping templates' language: its request template must be a JSON object with a fixed
statusCode, its response templates fixed text, its header values quoted literals (that is what CORS needs). Anything
that would need VTL is refused when it is put, not when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from antipodes.services.apigateway.records import (
    DEFAULT_TIMEOUT_MS,
    Integration,
    IntegrationResponse,
    MethodResponse,
    bad_request,
)
from antipodes.services.apigateway.routing import function_of
from antipodes.wire.errors import NotSupported

KINDS = ("HTTP", "AWS", "MOCK", "HTTP_PROXY", "AWS_PROXY")
HEADER = "method.response.header."
REFUSED = ("credentials", "connectionId", "requestParameters", "cacheKeyParameters", "tlsConfig", "integrationTarget")


def integration_of(params: Mapping[str, Any], where: str) -> Integration:
    """From PutIntegration's parameters; `where` names the method in refusals. Raises BadRequestException,
    UnsupportedOperation."""
    kind = str(params.get("type") or "")
    if kind not in KINDS:
        raise bad_request(f"Invalid integration type '{kind}'; one of {', '.join(KINDS)}.")
    if kind not in {"AWS_PROXY", "MOCK"}:
        raise NotSupported(f"integrations of type {kind} ({where})")
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of integrations ({where})")
    if params.get("connectionType") not in (None, "", "INTERNET"):
        raise NotSupported(f"connectionType {params['connectionType']} of integrations ({where})")
    if params.get("responseTransferMode") not in (None, "", "BUFFERED"):
        raise NotSupported(f"responseTransferMode {params['responseTransferMode']} of integrations ({where})")
    timeout_ms = int(params.get("timeoutInMillis") or DEFAULT_TIMEOUT_MS)
    if not 50 <= timeout_ms <= DEFAULT_TIMEOUT_MS:
        raise bad_request("Timeout should be between 50 ms and 29000 ms")
    uri = str(params.get("uri") or "")
    templates = {str(k): str(v) for k, v in (params.get("requestTemplates") or {}).items()}
    if kind == "AWS_PROXY":
        if function_of(uri) is None:
            raise NotSupported(f"AWS_PROXY to {uri or 'nothing'} ({where}); only Lambda functions")
        if params.get("integrationHttpMethod") not in (None, "", "POST"):
            # Lambda's Invoke is a POST; another verb makes every call fail on AWS.
            raise bad_request("The HTTP method of a Lambda integration must be POST.")
    else:
        for template in templates.values():
            _mock_status(template, where)
    return Integration(
        kind=kind,
        uri=uri,
        http_method=str(params.get("integrationHttpMethod") or ""),
        timeout_ms=timeout_ms,
        passthrough=str(params.get("passthroughBehavior") or "WHEN_NO_MATCH"),
        cache_namespace=str(params.get("cacheNamespace") or ""),
        templates=templates,
        responses={
            str(response.get("statusCode") or key): integration_response_of(
                {"selectionPattern": "" if key == "default" else str(key), **response}, where
            )
            for key, response in (params.get("integrationResponses") or {}).items()
        },
    )


def integration_response_of(params: Mapping[str, Any], where: str) -> IntegrationResponse:
    """From PutIntegrationResponse's parameters."""
    parameters = {str(k): str(v) for k, v in (params.get("responseParameters") or {}).items()}
    for name, value in parameters.items():
        if not name.startswith(HEADER):
            raise bad_request(f"Invalid mapping expression specified: {name}")
        if not (len(value) >= 2 and value[0] == value[-1] == "'"):
            raise NotSupported(f"the mapping {value} of {name} ({where}); only quoted literals")
    templates = {str(k): str(v or "") for k, v in (params.get("responseTemplates") or {}).items()}
    for template in templates.values():
        if "$" in template or "#" in template:
            raise NotSupported(f"mapping templates with expressions ({where})")
    return IntegrationResponse(
        status=str(params["statusCode"]),
        selection_pattern=str(params.get("selectionPattern") or ""),
        parameters=parameters,
        templates=templates,
    )


def method_response_of(params: Mapping[str, Any]) -> MethodResponse:
    """From PutMethodResponse's parameters."""
    return MethodResponse(
        status=str(params["statusCode"]),
        parameters={str(k): bool(v) for k, v in (params.get("responseParameters") or {}).items()},
        models={str(k): str(v) for k, v in (params.get("responseModels") or {}).items()},
    )


def mock_answer(integration: Integration, content_type: str) -> tuple[int, dict[str, str], bytes] | None:
    """(status, headers, body) of a MOCK; None where AWS answers 500: no template for the request's type, or no
    response for the template's status."""
    kind = content_type.partition(";")[0].strip() or "application/json"
    template = integration.templates.get(kind)
    if template is None:
        return None
    response = integration.responses.get(str(_mock_status(template, "mock")))
    if response is None:
        response = next((r for r in integration.responses.values() if not r.selection_pattern), None)
    if response is None:
        return None
    headers = {name.removeprefix(HEADER): value[1:-1] for name, value in response.parameters.items()}
    media, body = next(iter(response.templates.items()), ("application/json", ""))
    return int(response.status), {"Content-Type": media, **headers}, body.encode()


def _mock_status(template: str, where: str) -> int:
    try:
        status = orjson.loads(_lenient(template))["statusCode"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise NotSupported(
            f"a MOCK request template that is not an object with a fixed statusCode ({where})"
        ) from error
    if not isinstance(status, int):
        raise NotSupported(f"a MOCK request template whose statusCode is not a number ({where})")
    return status


def _lenient(template: str) -> str:
    """API Gateway reads `{statusCode: 200}` too: the form that the Serverless Framework and CDK write."""
    return template.replace("{statusCode", '{"statusCode"').replace("{ statusCode", '{ "statusCode"')
