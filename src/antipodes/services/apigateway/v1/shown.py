"""What is shown of resources, methods, integrations and their responses. Pure."""

from __future__ import annotations

from typing import Any

from antipodes.services.apigateway.v1.listing import answered
from antipodes.services.apigateway.v1.records import Integration, IntegrationResponse, Method, MethodResponse, Resource


def shown_resource(resource: Resource, *, embed: bool = False) -> dict[str, Any]:
    return answered(
        {"id": resource.id, "path": resource.path},
        parentId=resource.parent_id,
        pathPart=resource.part,
        resourceMethods={
            verb: shown_method(method) if embed else {} for verb, method in sorted(resource.methods.items())
        },
    )


def shown_method(method: Method) -> dict[str, Any]:
    return answered(
        {
            "httpMethod": method.verb,
            "authorizationType": method.authorization,
            "apiKeyRequired": method.key_required,
        },
        authorizerId=method.authorizer_id,
        requestValidatorId=method.validator_id,
        requestModels=method.request_models,
        operationName=method.operation_name,
        requestParameters=method.request_parameters,
        methodResponses={status: shown_method_response(one) for status, one in method.responses.items()},
        methodIntegration=None if method.integration is None else shown_integration(method.integration),
    )


def shown_method_response(response: MethodResponse) -> dict[str, Any]:
    always = {"statusCode": response.status}
    return answered(always, responseParameters=response.parameters, responseModels=response.models)


def shown_integration(integration: Integration) -> dict[str, Any]:
    return answered(
        {
            "type": integration.kind,
            "passthroughBehavior": integration.passthrough,
            "timeoutInMillis": integration.timeout_ms,
            "cacheNamespace": integration.cache_namespace,
            "cacheKeyParameters": list(integration.cache_keys),
        },
        httpMethod=integration.http_method,
        uri=integration.uri,
        requestParameters=integration.parameters,
        contentHandling=integration.content_handling,
        credentials=integration.credentials,
        tlsConfig={"insecureSkipVerification": True} if integration.any_authority else None,
        requestTemplates=integration.templates,
        integrationResponses={status: shown_integration_response(one) for status, one in integration.responses.items()},
    )


def shown_integration_response(response: IntegrationResponse) -> dict[str, Any]:
    return answered(
        {"statusCode": response.status, "responseTemplates": dict(response.templates)},
        selectionPattern=response.selection_pattern,
        responseParameters=response.parameters,
        contentHandling=response.content_handling,
    )
