"""Usage plans: which keys open which stages, how fast, how often."""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.throttle import ACCOUNT_BURST, ACCOUNT_RATE
from antipodes.services.apigateway.v1.apis import page
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.keyring import DAY_S, ApiKey, ApiStage, Quota, Throttle, UsagePlan
from antipodes.services.apigateway.v1.patching import decimal, unescaped, whole
from antipodes.services.apigateway.v1.records import bad_request, conflict, missing
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

UNSET = Throttle(rate=ACCOUNT_RATE, burst=ACCOUNT_BURST)
PERIODS = ("DAY", "WEEK", "MONTH")


async def create_usage_plan(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    plan = UsagePlan(
        id=catalogue.new_id(6),
        name=params["name"],
        created=catalogue.surroundings.world.now(),
        description=params.get("description") or "",
        stages=tuple(_stage_of(catalogue, one) for one in params.get("apiStages") or ()),
        throttle=_throttle_of(params.get("throttle")),
        quota=_quota_of(params.get("quota")),
        tags=dict(params.get("tags") or {}),
    )
    await catalogue.keyring.save_plan(plan)
    return shown(plan)


async def get_usage_plan(catalogue: Catalogue, request: Request) -> Result:
    plan = catalogue.keyring.plan(request.params["usagePlanId"])
    await catalogue.settled()
    return shown(plan)


async def get_usage_plans(catalogue: Catalogue, request: Request) -> Result:
    key = request.params.get("keyId")
    plans = [p for p in sorted(catalogue.keyring.plans.values(), key=lambda p: p.id) if key is None or key in p.keys]
    await catalogue.settled()
    return page([shown(plan) for plan in plans], request.params)


async def update_usage_plan(catalogue: Catalogue, request: Request) -> Result:
    plan = catalogue.keyring.plan(request.params["usagePlanId"])
    for patch in request.params.get("patchOperations") or ():
        plan = _patched(catalogue, plan, str(patch.get("op")), str(patch.get("path") or ""), patch.get("value"))
    await catalogue.keyring.save_plan(plan)
    return shown(plan)


async def delete_usage_plan(catalogue: Catalogue, request: Request) -> Result:
    plan = catalogue.keyring.plan(request.params["usagePlanId"])
    if plan.stages:
        raise bad_request(f"Cannot delete usage plan {plan.id} because it is associated with API stages")
    await catalogue.keyring.delete_plan(plan)
    return {}


async def create_usage_plan_key(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    plan, key = catalogue.keyring.plan(params["usagePlanId"]), catalogue.keyring.key(params["keyId"])
    if params["keyType"] != "API_KEY":
        raise bad_request("Usage plan key type must be API_KEY")
    if key.id in plan.keys:
        raise conflict(f"Usage Plan {plan.id} already has key {key.id}")  # the words are a guess
    for other in catalogue.keyring.plans.values():
        both = {(s.api_id, s.stage) for s in other.stages} & {(s.api_id, s.stage) for s in plan.stages}
        if key.id in other.keys and both:
            raise conflict(f"API key {key.id} is already in usage plan {other.id} for the same API stage")
    await catalogue.keyring.save_plan(msgspec.structs.replace(plan, keys=(*plan.keys, key.id)))
    return _shown_key(key)


async def get_usage_plan_key(catalogue: Catalogue, request: Request) -> Result:
    _, key = _member(catalogue, request)
    await catalogue.settled()
    return _shown_key(key)


async def get_usage_plan_keys(catalogue: Catalogue, request: Request) -> Result:
    plan = catalogue.keyring.plan(request.params["usagePlanId"])
    query = request.params.get("nameQuery") or ""
    await catalogue.settled()
    keys = [catalogue.keyring.keys[one] for one in plan.keys]
    return page([_shown_key(key) for key in keys if key.name.startswith(query)], request.params)


async def delete_usage_plan_key(catalogue: Catalogue, request: Request) -> Result:
    plan, key = _member(catalogue, request)
    kept = tuple(one for one in plan.keys if one != key.id)
    await catalogue.keyring.save_plan(msgspec.structs.replace(plan, keys=kept))
    return {}


async def get_usage(catalogue: Catalogue, request: Request) -> Result:
    """Of each key, a day a pair: used, and what remained of the quota (of today's period, for each day: a guess)."""
    params = request.params
    plan = catalogue.keyring.plan(params["usagePlanId"])
    first, last = _day(params["startDate"]), _day(params["endDate"])
    if not 0 <= last - first <= 90:
        raise bad_request("The usage interval must be at most 90 days, and end after its start.")
    items: dict[str, list[list[int]]] = {}
    for key_id in plan.keys if params.get("keyId") is None else (params["keyId"],):
        days = catalogue.keyring.by_day(plan.id, key_id)
        remaining = max(plan.quota.limit - catalogue.keyring.used(plan, key_id), 0) if plan.quota else 0
        items[key_id] = [[days.get(day, 0), remaining] for day in range(first, last + 1)]
    return {
        "usagePlanId": plan.id,
        "startDate": params["startDate"],
        "endDate": params["endDate"],
        "items": items,
    }


def shown(plan: UsagePlan) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": plan.id,
        "name": plan.name,
        "apiStages": [_shown_stage(stage) for stage in plan.stages],
    }
    if plan.description:
        answer["description"] = plan.description
    if plan.product_code:
        answer["productCode"] = plan.product_code
    if plan.throttle is not None:
        answer["throttle"] = {"burstLimit": plan.throttle.burst, "rateLimit": plan.throttle.rate}
    if plan.quota is not None:
        answer["quota"] = {"limit": plan.quota.limit, "offset": plan.quota.offset, "period": plan.quota.period}
    if plan.tags:
        answer["tags"] = dict(plan.tags)
    return answer


def _shown_stage(stage: ApiStage) -> dict[str, Any]:
    answer: dict[str, Any] = {"apiId": stage.api_id, "stage": stage.stage}
    if stage.throttle:
        answer["throttle"] = {
            name: {"burstLimit": one.burst, "rateLimit": one.rate} for name, one in stage.throttle.items()
        }
    return answer


def _shown_key(key: ApiKey) -> dict[str, Any]:
    return {"id": key.id, "type": "API_KEY", "name": key.name, "value": key.value}


def _stage_of(catalogue: Catalogue, given: Mapping[str, Any]) -> ApiStage:
    api_id, stage = str(given.get("apiId") or ""), str(given.get("stage") or "")
    if api_id not in catalogue.apis or (api_id, stage) not in catalogue.stages:
        raise missing("API Stage not found: " + f"{api_id}:{stage}")
    throttle = {str(name): _throttle_of(one) or UNSET for name, one in (given.get("throttle") or {}).items()}
    return ApiStage(api_id=api_id, stage=stage, throttle=throttle)


def _throttle_of(given: Mapping[str, Any] | None) -> Throttle | None:
    if not given:
        return None
    # One of the two alone: the other is the account's (a guess).
    rate = float(given["rateLimit"] if given.get("rateLimit") is not None else ACCOUNT_RATE)
    burst = int(given["burstLimit"] if given.get("burstLimit") is not None else ACCOUNT_BURST)
    if rate < 0 or burst < 0 or rate > 1e9 or burst > 2**31 - 1:
        raise bad_request("Usage Plan throttle rate limit and burst limit must not be negative")
    return Throttle(rate=rate, burst=burst)


def _quota_of(given: Mapping[str, Any] | None) -> Quota | None:
    if not given:
        return None
    limit, period, offset = int(given.get("limit") or 0), given.get("period"), int(given.get("offset") or 0)
    if limit < 1:
        raise bad_request("Usage Plan quota limit must be greater than 0")
    if period not in PERIODS:
        raise bad_request(f"Usage Plan quota period must be one of {', '.join(PERIODS)}")
    if offset < 0 or (period == "DAY" and offset):
        raise bad_request("Usage Plan quota offset must be zero in the DAY period")
    return Quota(limit=limit, period=str(period), offset=offset)


def _patched(catalogue: Catalogue, plan: UsagePlan, op: str, path: str, value: Any) -> UsagePlan:
    given, replace = str(value or ""), msgspec.structs.replace
    refused = NotSupported(f"{op} {path} of UpdateUsagePlan")
    if op not in {"add", "replace", "remove"}:
        raise refused
    if path in {"/name", "/description", "/productCode"} and op != "remove":
        return replace(plan, **{"product_code" if path == "/productCode" else path[1:]: given})
    if path == "/apiStages":
        api_id, _, stage = given.partition(":")
        others = tuple(one for one in plan.stages if (one.api_id, one.stage) != (api_id, stage))
        if op == "remove":
            return replace(plan, stages=others)
        return replace(plan, stages=(*others, _stage_of(catalogue, {"apiId": api_id, "stage": stage})))
    if path.startswith("/apiStages/"):
        return replace(plan, stages=_patched_stages(plan, op, path.removeprefix("/apiStages/"), given, refused))
    if path in {"/throttle", "/quota"} and op == "remove":
        return replace(plan, **{path[1:]: None})
    if path in {"/throttle/rateLimit", "/throttle/burstLimit"} and op != "remove":
        return replace(plan, throttle=_turned(plan.throttle or UNSET, path.rpartition("/")[2], given))
    if path in {"/quota/limit", "/quota/period", "/quota/offset"} and op != "remove":
        quota = plan.quota or Quota(limit=1, period="DAY")
        parts = {"limit": quota.limit, "period": quota.period, "offset": quota.offset}
        name = path.rpartition("/")[2]
        parts[name] = given if name == "period" else whole(given)
        return replace(plan, quota=_quota_of(parts))
    raise refused


def _patched_stages(plan: UsagePlan, op: str, rest: str, given: str, refused: NotSupported) -> tuple[ApiStage, ...]:
    """`{api}:{stage}/throttle/{resource and verb}/rateLimit`."""
    name, _, below = rest.partition("/throttle")
    api_id, _, stage_name = unescaped(name).partition(":")
    stages = []
    for stage in plan.stages:
        if (stage.api_id, stage.stage) == (api_id, stage_name):
            stage = _patched_throttle(stage, op, below, given, refused)  # noqa: PLW2901
        stages.append(stage)
    return tuple(stages)


def _patched_throttle(stage: ApiStage, op: str, below: str, given: str, refused: NotSupported) -> ApiStage:
    if op == "remove" and not below:
        return msgspec.structs.replace(stage, throttle={})
    name = unescaped(below.removeprefix("/"))
    method, _, member = name.rpartition("/")
    if op == "remove":
        whole_name = name
        return msgspec.structs.replace(stage, throttle={k: v for k, v in stage.throttle.items() if k != whole_name})
    if member not in {"rateLimit", "burstLimit"}:
        raise refused
    method = f"/{method.removeprefix('/')}"
    before = stage.throttle.get(method, UNSET)
    return msgspec.structs.replace(stage, throttle={**stage.throttle, method: _turned(before, member, given)})


def _turned(before: Throttle, member: str, given: str) -> Throttle:
    if member == "rateLimit":
        return msgspec.structs.replace(before, rate=decimal(given))
    return msgspec.structs.replace(before, burst=whole(given))


def _member(catalogue: Catalogue, request: Request) -> tuple[UsagePlan, ApiKey]:
    plan = catalogue.keyring.plan(request.params["usagePlanId"])
    key_id = request.params["keyId"]
    if key_id not in plan.keys:
        raise missing(f"Usage Plan Key {key_id} not found")
    return plan, catalogue.keyring.key(key_id)


def _day(text: Any) -> int:
    try:
        return int(_epoch(str(text)) // DAY_S)
    except ValueError as error:
        raise bad_request(f"Invalid date: {text}") from error


def _epoch(text: str) -> float:
    return calendar.timegm(time.strptime(text[:10], "%Y-%m-%d"))
