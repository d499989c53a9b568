"""AWS::ApiGatewayV2::Integration, IntegrationResponse, Route, RouteResponse, Model and Authorizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, gone
from antipodes.services.cloudformation.shapes import shaped

SERVICE = "apigatewayv2"
INTEGRATION = (
    "ApiId", "ConnectionId", "ConnectionType", "ContentHandlingStrategy", "CredentialsArn", "Description",
    "IntegrationMethod", "IntegrationSubtype", "IntegrationType", "IntegrationUri", "PassthroughBehavior",
    "PayloadFormatVersion", "RequestParameters", "RequestTemplates", "ResponseParameters",
    "TemplateSelectionExpression", "TimeoutInMillis", "TlsConfig",
)  # fmt: skip
ROUTE = (
    "ApiId", "ApiKeyRequired", "AuthorizationScopes", "AuthorizationType", "AuthorizerId", "ModelSelectionExpression",
    "OperationName", "RequestModels", "RequestParameters", "RouteKey", "RouteResponseSelectionExpression", "Target",
)  # fmt: skip


MODEL = ("ApiId", "ContentType", "Description", "Name", "Schema")
INTEGRATION_RESPONSE = (
    "ApiId", "ContentHandlingStrategy", "IntegrationId", "IntegrationResponseKey", "ResponseParameters",
    "ResponseTemplates", "TemplateSelectionExpression",
)  # fmt: skip
AUTHORIZER = (
    "ApiId", "AuthorizerCredentialsArn", "AuthorizerPayloadFormatVersion", "AuthorizerResultTtlInSeconds",
    "AuthorizerType", "AuthorizerUri", "EnableSimpleResponses", "IdentitySource", "IdentityValidationExpression",
    "JwtConfiguration", "Name",
)  # fmt: skip


# What an update says where the template has nothing.
UNSAID: dict[str, dict[str, Any]] = {
    "Route": {"AuthorizationType": "NONE", "AuthorizationScopes": []},
    "Integration": {"RequestParameters": {}, "ResponseParameters": {}},
}


async def create_integration(job: Job) -> Made:
    return await create(job, "Integration", INTEGRATION)


async def update_integration(job: Job) -> Made:
    return await update(job, "Integration", INTEGRATION)


async def delete_integration(job: Job) -> None:
    await delete(job, "Integration")


async def create_route(job: Job) -> Made:
    return await create(job, "Route", ROUTE)


async def update_route(job: Job) -> Made:
    return await update(job, "Route", ROUTE)


async def delete_route(job: Job) -> None:
    await delete(job, "Route")


RESPONSE = (
    "ApiId", "ModelSelectionExpression", "ResponseModels", "ResponseParameters", "RouteId", "RouteResponseKey",
)  # fmt: skip


async def create_response(job: Job) -> Made:
    return await create(job, "RouteResponse", RESPONSE)


async def delete_response(job: Job) -> None:
    await gone(
        job.call(
            SERVICE,
            "DeleteRouteResponse",
            {**chosen(job.properties, "ApiId", "RouteId"), "RouteResponseId": job.physical_id},
        )
    )


async def create_integration_response(job: Job) -> Made:
    return await create(job, "IntegrationResponse", INTEGRATION_RESPONSE)


async def update_integration_response(job: Job) -> Made:
    return await update(job, "IntegrationResponse", INTEGRATION_RESPONSE)


async def delete_integration_response(job: Job) -> None:
    place = {**chosen(job.properties, "ApiId", "IntegrationId"), "IntegrationResponseId": job.physical_id}
    await gone(job.call(SERVICE, "DeleteIntegrationResponse", place))


async def create_model(job: Job) -> Made:
    return await create(job, "Model", MODEL)


async def update_model(job: Job) -> Made:
    return await update(job, "Model", MODEL)


async def delete_model(job: Job) -> None:
    await delete(job, "Model")


async def create_authorizer(job: Job) -> Made:
    return await create(job, "Authorizer", AUTHORIZER)


async def update_authorizer(job: Job) -> Made:
    return await update(job, "Authorizer", AUTHORIZER)


async def delete_authorizer(job: Job) -> None:
    await delete(job, "Authorizer")


async def create(job: Job, kind: str, names: tuple[str, ...]) -> Made:
    made_id = job.physical_id
    if not made_id:
        operation = f"Create{kind}"
        found = await job.call(SERVICE, operation, shaped(SERVICE, operation, given_of(job, names)))
        made_id = str(found[f"{kind}Id"])
        await job.claim(made_id)
    return Made(made_id, {f"{kind}Id": made_id})


def given_of(job: Job, names: tuple[str, ...]) -> dict[str, Any]:
    """The properties of these names; a schema, which a template may have as an object, as text."""
    given = dict(chosen(job.properties, *names))
    if isinstance(given.get("Schema"), Mapping):
        given["Schema"] = orjson.dumps(given["Schema"]).decode()
    return given


async def update(job: Job, kind: str, names: tuple[str, ...]) -> Made:
    operation = f"Update{kind}"
    params: dict[str, Any] = dict(UNSAID.get(kind, {}))
    params |= {**given_of(job, names), f"{kind}Id": job.physical_id}
    await job.call(SERVICE, operation, shaped(SERVICE, operation, params))
    return Made(job.physical_id, job.attributes)


async def delete(job: Job, kind: str) -> None:
    params = {"ApiId": job.properties["ApiId"], f"{kind}Id": job.physical_id}
    await gone(job.call(SERVICE, f"Delete{kind}", params))


HANDLERS = (
    Handler(
        "AWS::ApiGatewayV2::Integration",
        frozenset(INTEGRATION),
        create_integration,
        delete_integration,
        update_integration,
        replaced_by=frozenset({"ApiId"}),
        required=("ApiId", "IntegrationType"),
    ),
    Handler(
        "AWS::ApiGatewayV2::Route",
        frozenset(ROUTE),
        create_route,
        delete_route,
        update_route,
        replaced_by=frozenset({"ApiId"}),
        required=("ApiId", "RouteKey"),
    ),
    Handler(
        "AWS::ApiGatewayV2::RouteResponse",
        frozenset(RESPONSE),
        create_response,
        delete_response,
        replaced_by=frozenset(RESPONSE),
        required=("ApiId", "RouteId", "RouteResponseKey"),
    ),
    Handler(
        "AWS::ApiGatewayV2::IntegrationResponse",
        frozenset(INTEGRATION_RESPONSE),
        create_integration_response,
        delete_integration_response,
        update_integration_response,
        replaced_by=frozenset({"ApiId", "IntegrationId"}),
        required=("ApiId", "IntegrationId", "IntegrationResponseKey"),
    ),
    Handler(
        "AWS::ApiGatewayV2::Model",
        frozenset(MODEL),
        create_model,
        delete_model,
        update_model,
        replaced_by=frozenset({"ApiId"}),
        required=("ApiId", "Name", "Schema"),
    ),
    Handler(
        "AWS::ApiGatewayV2::Authorizer",
        frozenset(AUTHORIZER),
        create_authorizer,
        delete_authorizer,
        update_authorizer,
        replaced_by=frozenset({"ApiId"}),
        required=("ApiId", "AuthorizerType", "Name"),
    ),
)
