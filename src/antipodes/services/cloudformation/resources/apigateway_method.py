"""AWS::ApiGateway::Resource and AWS::ApiGateway::Method with its Integration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, gone
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError, NotSupported

METHOD = {
    "ApiKeyRequired": "apiKeyRequired",
    "AuthorizationScopes": "authorizationScopes",
    "AuthorizationType": "authorizationType",
    "AuthorizerId": "authorizerId",
    "OperationName": "operationName",
    "RequestModels": "requestModels",
    "RequestParameters": "requestParameters",
    "RequestValidatorId": "requestValidatorId",
}
INTEGRATION = {
    "CacheKeyParameters": "cacheKeyParameters",
    "CacheNamespace": "cacheNamespace",
    "ConnectionType": "connectionType",
    "ContentHandling": "contentHandling",
    "Credentials": "credentials",
    "IntegrationHttpMethod": "integrationHttpMethod",
    "PassthroughBehavior": "passthroughBehavior",
    "RequestParameters": "requestParameters",
    "RequestTemplates": "requestTemplates",
    "TimeoutInMillis": "timeoutInMillis",
    "Type": "type",
    "Uri": "uri",
}
INTEGRATION_RESPONSE = {
    "ContentHandling": "contentHandling",
    "ResponseParameters": "responseParameters",
    "ResponseTemplates": "responseTemplates",
    "SelectionPattern": "selectionPattern",
    "StatusCode": "statusCode",
}
METHOD_RESPONSE = {
    "ResponseModels": "responseModels",
    "ResponseParameters": "responseParameters",
    "StatusCode": "statusCode",
}


def renamed(
    given: Mapping[str, Any], names: Mapping[str, str], where: str, leave: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Members under the API's names; an unknown one is refused."""
    found = {}
    for key, value in given.items():
        if key in names:
            found[names[key]] = value
        elif key not in leave:
            raise NotSupported(f"property {key} of {where}")
    return found


async def create_resource(job: Job) -> Made:
    params = {
        "restApiId": job.properties["RestApiId"],
        "parentId": job.properties["ParentId"],
        "pathPart": job.properties["PathPart"],
    }
    try:
        found = await job.call("apigateway", "CreateResource", params)
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
        answer = await job.call("apigateway", "GetResources", {"restApiId": params["restApiId"]})
        found = next(
            one
            for one in answer["items"]
            if one.get("parentId") == params["parentId"] and one.get("pathPart") == params["pathPart"]
        )
    return Made(found["id"], {"ResourceId": found["id"]})


async def delete_resource(job: Job) -> None:
    params = {"restApiId": job.properties["RestApiId"], "resourceId": job.physical_id}
    await gone(job.call("apigateway", "DeleteResource", params))


def place_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "restApiId": properties["RestApiId"],
        "resourceId": properties["ResourceId"],
        "httpMethod": properties["HttpMethod"],
    }


async def put(job: Job, operation: str, params: Mapping[str, Any]) -> None:
    await job.call("apigateway", operation, shaped("apigateway", operation, params))


async def create_method(job: Job) -> Made:
    given = job.properties
    place = place_of(given)
    if job.resumed:
        await gone(job.call("apigateway", "DeleteMethod", place))
    body = renamed(
        given, METHOD, "AWS::ApiGateway::Method",
        ("RestApiId", "ResourceId", "HttpMethod", "Integration", "MethodResponses"),
    )  # fmt: skip
    await put(job, "PutMethod", {"authorizationType": "NONE", **place, **body})
    for one in given.get("MethodResponses") or ():
        await put(job, "PutMethodResponse", {**place, **renamed(one, METHOD_RESPONSE, "MethodResponses")})
    integration = given.get("Integration")
    if integration:
        params = renamed(integration, INTEGRATION, "Integration", ("IntegrationResponses",))
        await put(job, "PutIntegration", {**place, **params})
        for one in integration.get("IntegrationResponses") or ():
            params = renamed(one, INTEGRATION_RESPONSE, "IntegrationResponses")
            await put(job, "PutIntegrationResponse", {**place, **params})
    return Made(job.physical_id or job.name("Id"))


async def update_method(job: Job) -> Made:
    await gone(job.call("apigateway", "DeleteMethod", place_of(job.before)))
    return await create_method(job)


async def delete_method(job: Job) -> None:
    await gone(job.call("apigateway", "DeleteMethod", place_of(job.properties)))


HANDLERS = (
    Handler(
        "AWS::ApiGateway::Resource",
        frozenset({"ParentId", "PathPart", "RestApiId"}),
        create_resource,
        delete_resource,
        required=("ParentId", "PathPart", "RestApiId"),
    ),
    Handler(
        "AWS::ApiGateway::Method",
        frozenset({*METHOD, "HttpMethod", "Integration", "MethodResponses", "ResourceId", "RestApiId"}),
        create_method,
        delete_method,
        update_method,
        replaced_by=frozenset({"HttpMethod", "ResourceId", "RestApiId"}),
        required=("HttpMethod", "ResourceId", "RestApiId"),
    ),
)
