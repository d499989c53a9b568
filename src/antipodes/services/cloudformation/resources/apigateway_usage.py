"""AWS::ApiGateway::ApiKey, UsagePlan and UsagePlanKey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, gone, tags_of
from antipodes.services.cloudformation.resources.apigateway_guards import ask
from antipodes.services.cloudformation.resources.apigateway_method import renamed
from antipodes.services.cloudformation.resources.retagging import retag_api
from antipodes.wire.errors import AwsError

KEY = {
    "CustomerId": "customerId",
    "Description": "description",
    "Enabled": "enabled",
    "GenerateDistinctId": "generateDistinctId",
    "Name": "name",
    "Value": "value",
}
LIMITS = {"BurstLimit": "burstLimit", "RateLimit": "rateLimit"}
QUOTA = {"Limit": "limit", "Offset": "offset", "Period": "period"}


def tagged(job: Job) -> dict[str, Any]:
    tags = tags_of(job.properties, job.tags)
    return {"tags": {one["Key"]: one["Value"] for one in tags}} if tags else {}


async def create_key(job: Job) -> Made:
    params = renamed(job.properties, KEY, "AWS::ApiGateway::ApiKey", ("StageKeys", "Tags"))
    stages = [
        renamed(one, {"RestApiId": "restApiId", "StageName": "stageName"}, "StageKeys")
        for one in job.properties.get("StageKeys") or ()
    ]
    given = {**params, **tagged(job), "name": job.name("Name"), **({"stageKeys": stages} if stages else {})}
    found = await ask(job, "CreateApiKey", given)
    return Made(found["id"], {"APIKeyId": found["id"]})


async def update_key(job: Job) -> Made:
    changes = [
        {"op": "replace", "path": path, "value": str(job.properties.get(name, default))}
        for name, path, default in (
            ("CustomerId", "/customerId", ""),
            ("Description", "/description", ""),
            ("Enabled", "/enabled", False),
        )
    ]
    await ask(job, "UpdateApiKey", {"apiKey": job.physical_id, "patchOperations": changes})
    await retag_api(job, f"apikeys/{job.physical_id}")
    return Made(job.physical_id, job.attributes)


async def delete_key(job: Job) -> None:
    await gone(job.call("apigateway", "DeleteApiKey", {"apiKey": job.physical_id}))


def plan_of(job: Job) -> dict[str, Any]:
    given = job.properties
    params: dict[str, Any] = {"name": job.name("UsagePlanName"), **tagged(job)}
    if "Description" in given:
        params["description"] = given["Description"]
    if given.get("Throttle"):
        params["throttle"] = renamed(given["Throttle"], LIMITS, "Throttle")
    if given.get("Quota"):
        params["quota"] = renamed(given["Quota"], QUOTA, "Quota")
    stages = [_stage(one) for one in given.get("ApiStages") or ()]
    if stages:
        params["apiStages"] = stages
    return params


async def create_plan(job: Job) -> Made:
    found = await ask(job, "CreateUsagePlan", plan_of(job))
    return Made(found["id"], {"Id": found["id"]})


async def update_plan(job: Job) -> Made:
    """Limits as they are now; stages that left, and those that came."""
    given = job.properties
    changes: list[dict[str, str]] = [
        _replace("/name", job.name("UsagePlanName")),
        _replace("/description", given.get("Description", "")),
    ]
    for name, path, members in (("Throttle", "/throttle", LIMITS), ("Quota", "/quota", QUOTA)):
        if given.get(name):
            changes += [_replace(f"{path}/{members[one]}", value) for one, value in _first_period(given[name])]
        elif job.before.get(name):
            changes.append({"op": "remove", "path": path})
    before = [f"{one['ApiId']}:{one['Stage']}" for one in job.before.get("ApiStages") or ()]
    after = {f"{one['ApiId']}:{one['Stage']}": one for one in given.get("ApiStages") or ()}
    changes += [{"op": "remove", "path": "/apiStages", "value": one} for one in before if one not in after]
    for name, stage in after.items():
        changes.append({"op": "add", "path": "/apiStages", "value": name})
        for method, limits in (stage.get("Throttle") or {}).items():
            where = f"/apiStages/{name}/throttle/{str(method).replace('~', '~0').replace('/', '~1')}"
            changes += [_replace(f"{where}/{LIMITS[one]}", value) for one, value in limits.items()]
    await ask(job, "UpdateUsagePlan", {"usagePlanId": job.physical_id, "patchOperations": changes})
    await retag_api(job, f"usageplans/{job.physical_id}")
    return Made(job.physical_id, job.attributes)


async def delete_plan(job: Job) -> None:
    stages = [f"{one['ApiId']}:{one['Stage']}" for one in job.properties.get("ApiStages") or ()]
    changes = [{"op": "remove", "path": "/apiStages", "value": one} for one in stages]
    where = {"usagePlanId": job.physical_id}
    if changes:
        await gone(job.call("apigateway", "UpdateUsagePlan", {**where, "patchOperations": changes}))
    await gone(job.call("apigateway", "DeleteUsagePlan", where))


async def create_plan_key(job: Job) -> Made:
    given = job.properties
    params = {"usagePlanId": given["UsagePlanId"], "keyId": given["KeyId"], "keyType": given["KeyType"]}
    try:
        await ask(job, "CreateUsagePlanKey", params)
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
    made = f"{given['KeyId']}:{given['UsagePlanId']}"
    return Made(made, {"Id": made})


async def delete_plan_key(job: Job) -> None:
    where = {"usagePlanId": job.properties["UsagePlanId"], "keyId": job.properties["KeyId"]}
    await gone(job.call("apigateway", "DeleteUsagePlanKey", where))


def _stage(given: Mapping[str, Any]) -> dict[str, Any]:
    stage = renamed(given, {"ApiId": "apiId", "Stage": "stage"}, "ApiStages", ("Throttle",))
    if given.get("Throttle"):
        stage["throttle"] = {
            str(name): renamed(one, LIMITS, "ApiStages/Throttle") for name, one in given["Throttle"].items()
        }
    return stage


def _first_period(quota: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """A quota's period before its offset: a day has none."""
    return sorted(quota.items(), key=lambda one: one[0] != "Period")


def _replace(path: str, value: Any) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": str(value)}


HANDLERS = (
    Handler(
        "AWS::ApiGateway::ApiKey",
        frozenset({*KEY, "StageKeys", "Tags"}),
        create_key,
        delete_key,
        update_key,
        replaced_by=frozenset({"GenerateDistinctId", "Name", "StageKeys", "Value"}),
        name_property="Name",
    ),
    Handler(
        "AWS::ApiGateway::UsagePlan",
        frozenset({"ApiStages", "Description", "Quota", "Tags", "Throttle", "UsagePlanName"}),
        create_plan,
        delete_plan,
        update_plan,
    ),
    Handler(
        "AWS::ApiGateway::UsagePlanKey",
        frozenset({"KeyId", "KeyType", "UsagePlanId"}),
        create_plan_key,
        delete_plan_key,
        required=("KeyId", "KeyType", "UsagePlanId"),
    ),
)
