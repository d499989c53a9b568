"""What stands before a method: authorizers, policies, keys, limits, validation; and how refusals are dressed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpResponse
from tests.apigateway.conftest import Play, Room, host_of, uri_of

ECHO = "import json\ndef handler(event, c):\n    return {'body': json.dumps(event)}\n"
AUTHORIZER = """
asked = 0
def handler(event, c):
    global asked
    asked += 1
    token = event.get('authorizationToken') or event['headers'].get('X-Who')
    if token == 'nobody':
        raise Exception('Unauthorized')
    if token == 'broken':
        return {'policyDocument': {}}
    statement = {'Effect': 'Deny' if token == 'bad' else 'Allow', 'Action': 'execute-api:Invoke',
                 'Resource': event['methodArn'].rsplit('/', 1)[0] + '/' + ('*' if token != 'narrow' else 'other')}
    return {'principalId': token, 'policyDocument': {'Version': '2012-10-17', 'Statement': [statement]},
            'context': {'asked': asked, 'good': True, 'name': 'n'}, 'usageIdentifierKey': 'k' * 20}
"""
MOCK = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "passed"}}},
}


class Built:
    """An API that is put together call by call: one resource `/items` with one POST."""

    def __init__(self, room: Room, api: str, resource: str) -> None:
        self.room = room
        self.api = api
        self.where = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}

    async def method(self, function: str | None = None, **given: Any) -> None:
        await self.room.ask("PutMethod", **self.where, **{"authorizationType": "NONE", **given})
        if function is None:
            responses = {"statusCode": "200", "responseTemplates": {"application/json": "passed"}}
            await self.room.ask("PutIntegration", **self.where, type="MOCK", requestTemplates=MOCK["requestTemplates"])
            await self.room.ask("PutMethodResponse", **self.where, statusCode="200")
            await self.room.ask("PutIntegrationResponse", **self.where, **responses)
        else:
            await self.room.ask(
                "PutIntegration",
                **self.where,
                type="AWS_PROXY",
                integrationHttpMethod="POST",
                uri=uri_of(function),
            )

    async def deploy(self) -> None:
        await self.room.ask("CreateDeployment", restApiId=self.api, stageName="v1")

    async def post(self, body: bytes = b"", query: str = "", **headers: str) -> HttpResponse:
        return await self.room.get(host_of(self.api), f"/v1/items{query}", "POST", body, **headers)


async def built(room: Room, **given: Any) -> Built:
    made = await room.ask("CreateRestApi", name="t", **given)
    resource = await room.ask("CreateResource", restApiId=made["id"], parentId=made["rootResourceId"], pathPart="items")
    return Built(room, made["id"], resource["id"])


def told(response: HttpResponse) -> tuple[int, Any]:
    body = json.loads(response.body)
    return response.status, body.get("message", body.get("Message"))


def test_a_token_authorizer_decides_and_its_answer_is_kept(play: Play) -> None:
    async def story(room: Room) -> None:
        api = await built(room)
        authorizer = await room.ask(
            "CreateAuthorizer",
            restApiId=api.api,
            name="a",
            type="TOKEN",
            authorizerUri=uri_of(await room.function("a", AUTHORIZER)),
            identitySource="method.request.header.X-Token",
            identityValidationExpression="[a-z]+",
            authorizerResultTtlInSeconds=5,
        )
        await api.method(await room.function("f", ECHO), authorizationType="CUSTOM", authorizerId=authorizer["id"])
        await api.deploy()
        context = json.loads((await api.post(X_Token="ada")).body)["requestContext"]["authorizer"]
        assert context.pop("integrationLatency") >= 0
        assert context == {"asked": "1", "good": "true", "name": "n", "principalId": "ada"}
        again = json.loads((await api.post(X_Token="ada")).body)["requestContext"]["authorizer"]
        assert (again["asked"], again["integrationLatency"]) == ("1", 0)
        denied = "User is not authorized to access this resource"
        assert told(await api.post(X_Token="bad")) == (403, f"{denied} with an explicit deny")
        assert told(await api.post(X_Token="narrow")) == (403, denied)
        assert told(await api.post()) == (401, "Unauthorized")
        for token in ("123", "nobody"):
            assert told(await api.post(X_Token=token)) == (401, "Unauthorized")
        assert told(await api.post(X_Token="broken")) == (500, None)
        await room.world.sleep(5.5)
        later = json.loads((await api.post(X_Token="ada")).body)["requestContext"]["authorizer"]
        assert later["asked"] != "1"
        with pytest.raises(AwsError, match="is referenced in method"):
            await room.ask("DeleteAuthorizer", restApiId=api.api, authorizerId=authorizer["id"])

    play(story)


def test_a_request_authorizer_gets_the_request_and_provides_the_key(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await built(room, apiKeySource="AUTHORIZER")
        authorizer = await room.ask(
            "CreateAuthorizer",
            restApiId=api.api,
            name="a",
            type="REQUEST",
            authorizerUri=uri_of(await room.function("a", AUTHORIZER)),
            identitySource="method.request.header.X-Who, method.request.querystring.q",
        )
        await api.method(authorizationType="CUSTOM", authorizerId=authorizer["id"], apiKeyRequired=True)
        await api.deploy()
        assert told(await api.post(X_Who="ada")) == (401, "Unauthorized")
        assert told(await api.post(X_Who="ada", query="?q=1")) == (403, "Forbidden")
        key = await room.ask("CreateApiKey", name="k", enabled=True, value="k" * 20)
        plan = await room.ask("CreateUsagePlan", name="p", apiStages=[{"apiId": api.api, "stage": "v1"}])
        await room.ask("CreateUsagePlanKey", usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        assert (await api.post(X_Who="ada", query="?q=1")).body == b"passed"

    play_once(story)


def test_keys_open_stages_of_their_plans_until_the_plan_is_used_up(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await built(room)
        await api.method(apiKeyRequired=True)
        await api.deploy()
        key = await room.ask("CreateApiKey", name="k", enabled=True)
        value = key["value"]
        assert told(await api.post()) == (403, "Forbidden")
        assert told(await api.post(x_api_key=value)) == (403, "Forbidden")
        plan = await room.ask(
            "CreateUsagePlan",
            name="p",
            apiStages=[{"apiId": api.api, "stage": "v1"}],
            throttle={"rateLimit": 2.0, "burstLimit": 2},
            quota={"limit": 4, "period": "DAY"},
        )
        await room.ask("CreateUsagePlanKey", usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        answers = [(await api.post(x_api_key=value)).status for _ in range(3)]
        assert answers == [200, 200, 429]
        assert told(await api.post(x_api_key=value)) == (429, "Too Many Requests")
        await room.world.sleep(2)
        assert [(await api.post(x_api_key=value)).status for _ in range(2)] == [200, 200]
        await room.world.sleep(2)
        assert told(await api.post(x_api_key=value)) == (429, "Limit Exceeded")
        usage = await room.ask("GetUsage", usagePlanId=plan["id"], startDate="1970-01-01", endDate="1970-01-01")
        assert list(usage["items"]) == [key["id"]]
        await room.world.sleep(86_400)
        assert (await api.post(x_api_key=value)).status == 200
        await room.ask(
            "UpdateApiKey", apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}]
        )
        assert told(await api.post(x_api_key=value)) == (403, "Forbidden")
        patches = [{"op": "remove", "path": "/apiStages", "value": f"{api.api}:v1"}]
        assert (await room.ask("UpdateUsagePlan", usagePlanId=plan["id"], patchOperations=patches))["apiStages"] == []
        await room.ask("DeleteUsagePlan", usagePlanId=plan["id"])

    play_once(story)


def test_a_stage_limits_its_methods(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await built(room)
        await api.method()
        await api.deploy()
        patches = [
            {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "100"},
            {"op": "replace", "path": "/~1items/POST/throttling/burstLimit", "value": "1"},
            {"op": "replace", "path": "/*/*/metrics/enabled", "value": "true"},
        ]
        stage = await room.ask("UpdateStage", restApiId=api.api, stageName="v1", patchOperations=patches)
        assert stage["methodSettings"]["*/*"]["throttlingRateLimit"] == 100
        assert stage["methodSettings"]["items/POST"]["throttlingBurstLimit"] == 1
        assert [(await api.post()).status for _ in range(2)] == [200, 429]

    play_once(story)


def test_requests_are_validated(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await built(room)
        schema = {
            "type": "object",
            "required": ["n"],
            "properties": {
                "n": {"type": "integer", "minimum": 1},
                "o": {"$ref": f"https://apigateway.amazonaws.com/restapis/{api.api}/models/Other"},
            },
        }
        for name, text in (("Other", '{"type": "string"}'), ("Item", json.dumps(schema))):
            await room.ask("CreateModel", restApiId=api.api, name=name, contentType="application/json", schema=text)
        validator = await room.ask(
            "CreateRequestValidator",
            restApiId=api.api,
            name="v",
            validateRequestBody=True,
            validateRequestParameters=True,
        )
        await api.method(
            requestValidatorId=validator["id"],
            requestModels={"application/json": "Item"},
            requestParameters={"method.request.querystring.q": True, "method.request.header.X-H": True},
        )
        await room.ask(
            "PutGatewayResponse",
            restApiId=api.api,
            responseType="BAD_REQUEST_BODY",
            statusCode="422",
            responseParameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
            responseTemplates={
                "application/json": '{"why": "$context.error.validationErrorString", "stage": "$context.stage"}'
            },
        )
        await api.deploy()
        missing = "Missing required request parameters: [X-H, q]"
        assert told(await api.post(b'{"n": 1}')) == (400, missing)
        assert (await api.post(b'{"n": 1, "o": "x"}', "?q=1", X_H="1")).body == b"passed"
        for body in (b'{"n": 0}', b"{}", b"[", b'{"n": 1, "o": 5}', b""):
            refused = await api.post(body, "?q=1", X_H="1")
            assert refused.status == 422
            assert refused.header("access-control-allow-origin") == "*"
            assert b'"stage": "v1"' in refused.body
        assert (await api.post(b"<a/>", "?q=1", X_H="1", Content_Type="text/xml")).status == 500  # no model for it

    play_once(story)


def test_default_responses_dress_all_of_their_kind(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await built(room)
        await api.method(authorizationType="AWS_IAM")
        cors = {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}
        await room.ask("PutGatewayResponse", restApiId=api.api, responseType="DEFAULT_4XX", responseParameters=cors)
        await api.deploy()
        for refused in (await api.post(), await room.get(host_of(api.api), "/v1/nowhere")):
            assert told(refused) == (403, "Missing Authentication Token")
            assert refused.header("access-control-allow-origin") == "*"
        every = await room.ask("GetGatewayResponses", restApiId=api.api)
        assert len(every["items"]) == 21
        found = await room.ask("GetGatewayResponse", restApiId=api.api, responseType="UNAUTHORIZED")
        assert (found["statusCode"], found["defaultResponse"], found["responseParameters"]) == ("401", True, cors)

    play_once(story)


def test_a_resource_policy_stands_before_everything(play_once: Play) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "execute-api:Invoke",
                "Resource": "execute-api:/*",
                "Condition": {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "198.18.0.0/15"]}},
            },
        ],
    }

    async def story(room: Room) -> None:
        api = await built(room, policy=json.dumps(policy))
        await api.method()
        await api.deploy()
        assert (await api.post()).status == 200
        policy["Statement"][1]["Condition"] = {"IpAddress": {"aws:SourceIp": "198.18.0.9"}}  # type: ignore[index]
        change = [{"op": "replace", "path": "/policy", "value": json.dumps(policy)}]
        await room.ask("UpdateRestApi", restApiId=api.api, patchOperations=change)
        assert (await api.post()).status == 200  # until it is deployed
        await api.deploy()
        status, words = told(await api.post())
        assert status == 403
        assert words.startswith("User: anonymous is not authorized to perform: execute-api:Invoke on resource: ")
        assert words.endswith("with an explicit deny")
        for bad in ("{", '{"Statement": [{"Effect": "Maybe"}]}'):
            with pytest.raises(AwsError, match="Invalid policy document"):
                await room.ask("CreateRestApi", name="x", policy=bad)

    play_once(story)


@pytest.mark.parametrize(
    ("effect", "statuses"),
    [
        ("Allow", {"good": 200, "narrow": 200, "bad": 403}),
        ("", {"good": 200, "narrow": 403, "bad": 403}),
        ("Deny", {"good": 403, "narrow": 403, "bad": 403}),
    ],
)
def test_a_resource_policy_and_an_authorizer_decide_together(
    play_once: Play, effect: str, statuses: dict[str, int]
) -> None:
    """Table A of the Developer Guide's "How API Gateway resource policies affect authorization workflow"."""

    async def story(room: Room) -> None:
        statement = {"Effect": effect or "Allow", "Principal": "*", "Action": "execute-api:Invoke"}
        where = "execute-api:/*" if effect else "execute-api:/other/*"
        policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": where}]}
        api = await built(room, policy=json.dumps(policy))
        authorizer = await room.ask(
            "CreateAuthorizer",
            restApiId=api.api,
            name="a",
            type="TOKEN",
            authorizerUri=uri_of(await room.function("authorizer", AUTHORIZER)),
        )
        await api.method(authorizationType="CUSTOM", authorizerId=authorizer["id"])
        await api.deploy()
        for token, status in statuses.items():
            assert (await api.post(Authorization=token)).status == status, token

    play_once(story)


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("CreateAuthorizer", {"name": "c", "type": "COGNITO_USER_POOLS"}, "UnsupportedOperation"),
        ("CreateAuthorizer", {"name": "c", "type": "TOKEN", "authorizerUri": "x"}, "BadRequestException"),
        ("PutMethod", {"authorizationType": "CUSTOM"}, "BadRequestException"),
        ("PutMethod", {"authorizationType": "COGNITO_USER_POOLS"}, "UnsupportedOperation"),
        ("PutMethod", {"authorizationType": "NONE", "requestModels": {"a/b": "None"}}, "BadRequestException"),
        ("CreateModel", {"name": "M", "contentType": "a/b", "schema": "{"}, "BadRequestException"),
        ("CreateModel", {"name": "M", "contentType": "a/b", "schema": '{"type": "wish"}'}, "BadRequestException"),
        ("PutGatewayResponse", {"responseType": "UNAUTHORIZED", "statusCode": "4"}, "ValidationException"),
        ("GetModel", {"modelName": "None"}, "NotFoundException"),
        ("GetRequestValidator", {"requestValidatorId": "x"}, "NotFoundException"),
    ],
)
def test_what_cannot_be_is_refused(play_once: Play, operation: str, params: dict[str, Any], code: str) -> None:
    async def story(room: Room) -> None:
        api = await built(room)
        with pytest.raises(AwsError) as caught:
            await room.ask(operation, **(api.where if operation == "PutMethod" else {"restApiId": api.api}), **params)
        assert caught.value.code == code

    play_once(story)
