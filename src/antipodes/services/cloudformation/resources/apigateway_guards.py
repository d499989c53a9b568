"""AWS::ApiGateway::Model, RequestValidator, Authorizer and GatewayResponse: what stands around an API's methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, gone
from antipodes.services.cloudformation.resources.apigateway_method import renamed
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError

AUTHORIZER = {
    "AuthType": "authType",
    "AuthorizerCredentials": "authorizerCredentials",
    "AuthorizerResultTtlInSeconds": "authorizerResultTtlInSeconds",
    "AuthorizerUri": "authorizerUri",
    "IdentitySource": "identitySource",
    "IdentityValidationExpression": "identityValidationExpression",
    "Name": "name",
    "ProviderARNs": "providerARNs",
    "RestApiId": "restApiId",
    "Type": "type",
}
RESPONSE = {
    "ResponseParameters": "responseParameters",
    "ResponseTemplates": "responseTemplates",
    "ResponseType": "responseType",
    "RestApiId": "restApiId",
    "StatusCode": "statusCode",
}


async def ask(job: Job, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    return await job.call("apigateway", operation, shaped("apigateway", operation, params))


def patches(names: Mapping[str, str], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Replaces those members that are there."""
    return [{"op": "replace", "path": path, "value": params[name]} for name, path in names.items() if name in params]


async def create_model(job: Job) -> Made:
    given, name = job.properties, job.name("Name").replace("-", "")
    schema = given.get("Schema", {})
    params = {
        "restApiId": given["RestApiId"],
        "name": name,
        "contentType": str(given.get("ContentType") or "application/json"),
        "schema": schema if isinstance(schema, str) else orjson.dumps(schema).decode(),
    }
    if "Description" in given:
        params["description"] = given["Description"]
    try:
        await ask(job, "CreateModel", params)
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
    return Made(name)


async def update_model(job: Job) -> Made:
    schema = job.properties.get("Schema", {})
    changes = {
        "schema": schema if isinstance(schema, str) else orjson.dumps(schema).decode(),
        "description": str(job.properties.get("Description", "")),
    }
    found = patches({"schema": "/schema", "description": "/description"}, changes)
    where = {"restApiId": job.properties["RestApiId"], "modelName": job.physical_id}
    await ask(job, "UpdateModel", {**where, "patchOperations": found})
    return Made(job.physical_id)


async def delete_model(job: Job) -> None:
    where = {"restApiId": job.properties["RestApiId"], "modelName": job.physical_id}
    await gone(job.call("apigateway", "DeleteModel", where))


async def create_validator(job: Job) -> Made:
    params = {
        "restApiId": job.properties["RestApiId"],
        "name": job.name("Name"),
        "validateRequestBody": job.properties.get("ValidateRequestBody", False),
        "validateRequestParameters": job.properties.get("ValidateRequestParameters", False),
    }
    found = await ask(job, "CreateRequestValidator", params)
    return Made(found["id"], {"RequestValidatorId": found["id"]})


async def update_validator(job: Job) -> Made:
    changes = [
        {"op": "replace", "path": path, "value": str(job.properties.get(name, False)).lower()}
        for name, path in (
            ("ValidateRequestBody", "/validateRequestBody"),
            ("ValidateRequestParameters", "/validateRequestParameters"),
        )
    ]
    where = {"restApiId": job.properties["RestApiId"], "requestValidatorId": job.physical_id}
    await ask(job, "UpdateRequestValidator", {**where, "patchOperations": changes})
    return Made(job.physical_id, job.attributes)


async def delete_validator(job: Job) -> None:
    where = {"restApiId": job.properties["RestApiId"], "requestValidatorId": job.physical_id}
    await gone(job.call("apigateway", "DeleteRequestValidator", where))


async def create_authorizer(job: Job) -> Made:
    params = {"name": job.name("Name"), **renamed(job.properties, AUTHORIZER, "AWS::ApiGateway::Authorizer")}
    try:
        found = await ask(job, "CreateAuthorizer", params)
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
        every = await ask(job, "GetAuthorizers", {"restApiId": params["restApiId"], "limit": 500})
        found = next(one for one in every["items"] if one["name"] == params["name"])
    return Made(found["id"], {"AuthorizerId": found["id"]})


async def update_authorizer(job: Job) -> Made:
    params = renamed(job.properties, AUTHORIZER, "AWS::ApiGateway::Authorizer")
    names = {name: f"/{name}" for name in AUTHORIZER.values() if name not in {"restApiId", "providerARNs"}}
    changes = [{**one, "value": str(one["value"])} for one in patches(names, params)]
    where = {"restApiId": job.properties["RestApiId"], "authorizerId": job.physical_id}
    await ask(job, "UpdateAuthorizer", {**where, "patchOperations": changes})
    return Made(job.physical_id, job.attributes)


async def delete_authorizer(job: Job) -> None:
    where = {"restApiId": job.properties["RestApiId"], "authorizerId": job.physical_id}
    await gone(job.call("apigateway", "DeleteAuthorizer", where))


async def put_response(job: Job) -> Made:
    await ask(job, "PutGatewayResponse", renamed(job.properties, RESPONSE, "AWS::ApiGateway::GatewayResponse"))
    return Made(job.physical_id or job.name("Id"), {"Id": job.physical_id or job.name("Id")})


async def delete_response(job: Job) -> None:
    where = {"restApiId": job.properties["RestApiId"], "responseType": job.properties["ResponseType"]}
    await gone(job.call("apigateway", "DeleteGatewayResponse", where))


HANDLERS = (
    Handler(
        "AWS::ApiGateway::Model",
        frozenset({"ContentType", "Description", "Name", "RestApiId", "Schema"}),
        create_model,
        delete_model,
        update_model,
        replaced_by=frozenset({"ContentType", "Name", "RestApiId"}),
        name_property="Name",
        required=("RestApiId",),
    ),
    Handler(
        "AWS::ApiGateway::RequestValidator",
        frozenset({"Name", "RestApiId", "ValidateRequestBody", "ValidateRequestParameters"}),
        create_validator,
        delete_validator,
        update_validator,
        replaced_by=frozenset({"Name", "RestApiId"}),
        required=("RestApiId",),
    ),
    Handler(
        "AWS::ApiGateway::Authorizer",
        frozenset(AUTHORIZER),
        create_authorizer,
        delete_authorizer,
        update_authorizer,
        replaced_by=frozenset({"RestApiId"}),
        required=("RestApiId", "Type"),
    ),
    Handler(
        "AWS::ApiGateway::GatewayResponse",
        frozenset(RESPONSE),
        put_response,
        delete_response,
        put_response,
        replaced_by=frozenset({"ResponseType", "RestApiId"}),
        required=("ResponseType", "RestApiId"),
    ),
)
