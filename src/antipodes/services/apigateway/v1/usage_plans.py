"""Usage plans: which keys open which stages, how fast, how often."""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.throttle import ACCOUNT_BURST, ACCOUNT_RATE
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.keyring import DAY_S, ApiKey, ApiStage, Quota, Throttle, UsagePlan
from antipodes.services.apigateway.v1.kinds import Params, Rooted
from antipodes.services.apigateway.v1.listing import answered, page
from antipodes.services.apigateway.v1.patching import Inner, One, Own, Patch, Table, decimal, patched, unescaped, whole
from antipodes.services.apigateway.v1.records import bad_request, conflict, missing
from antipodes.wire.operation import Request, Result


class _Remaining(msgspec.Struct, frozen=True):
    """What UpdateUsage's patches say."""

    requests: int | None = None


REMAINING: Table = {"/remaining": One("requests", whole)}
UNSET = Throttle(rate=ACCOUNT_RATE, burst=ACCOUNT_BURST)
PERIODS = ("DAY", "WEEK", "MONTH")


async def create_usage_plan_key(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    plan, key = PLANS.find(catalogue, params), catalogue.keyring.key(params["keyId"])
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
    plan = PLANS.find(catalogue, request.params)
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
    plan = PLANS.find(catalogue, params)
    first, last = _day(params["startDate"]), _day(params["endDate"])
    if not 0 <= last - first <= 90:
        raise bad_request("The usage interval must be at most 90 days, and end after its start.")
    keys = plan.keys if params.get("keyId") is None else (params["keyId"],)
    items = {key_id: _usage(catalogue, plan, key_id, range(first, last + 1)) for key_id in keys}
    return {"usagePlanId": plan.id, "startDate": params["startDate"], "endDate": params["endDate"], "items": items}


async def update_usage(catalogue: Catalogue, request: Request) -> Result:
    """Sets what remains of a key's quota for now. Its answer is of today (a guess)."""
    plan, key = _member(catalogue, request)
    if plan.quota is None:
        raise bad_request(f"Usage Plan {plan.id} has no quota")  # the words are a guess
    remaining = patched(_Remaining(), request.params.get("patchOperations"), REMAINING, request.operation).requests
    if remaining is not None:
        if remaining < 0:
            raise bad_request("Remaining quota must not be negative")  # the words are a guess
        await catalogue.keyring.grant(plan, key.id, remaining)
    today = int(catalogue.surroundings.world.now() // DAY_S)
    date = time.strftime("%Y-%m-%d", time.gmtime(today * DAY_S))
    items = {key.id: _usage(catalogue, plan, key.id, range(today, today + 1))}
    return {"usagePlanId": plan.id, "startDate": date, "endDate": date, "items": items}


def _usage(catalogue: Catalogue, plan: UsagePlan, key_id: str, days: range) -> list[list[int]]:
    by_day = catalogue.keyring.by_day(plan.id, key_id)
    remaining = max(plan.quota.limit - catalogue.keyring.used(plan, key_id), 0) if plan.quota else 0
    return [[by_day.get(day, 0), remaining] for day in days]


def shown(plan: UsagePlan) -> dict[str, Any]:
    throttle, quota = plan.throttle, plan.quota
    return answered(
        {"id": plan.id, "name": plan.name, "apiStages": [_shown_stage(stage) for stage in plan.stages]},
        description=plan.description,
        productCode=plan.product_code,
        throttle=throttle and {"burstLimit": throttle.burst, "rateLimit": throttle.rate},
        quota=quota and {"limit": quota.limit, "offset": quota.offset, "period": quota.period},
        tags=plan.tags,
    )


def _shown_stage(stage: ApiStage) -> dict[str, Any]:
    limits = {name: {"burstLimit": one.burst, "rateLimit": one.rate} for name, one in stage.throttle.items()}
    return answered({"apiId": stage.api_id, "stage": stage.stage}, throttle=limits)


def _shown_key(key: ApiKey) -> dict[str, Any]:
    return {"id": key.id, "type": "API_KEY", "name": key.name, "value": key.value}


def _stage_of(catalogue: Catalogue, given: Mapping[str, Any]) -> ApiStage:
    api_id, stage = str(given.get("apiId") or ""), str(given.get("stage") or "")
    _check_stage(catalogue, api_id, stage)
    throttle = {str(name): _throttle_of(one) or UNSET for name, one in (given.get("throttle") or {}).items()}
    return ApiStage(api_id=api_id, stage=stage, throttle=throttle)


def _check_stage(catalogue: Catalogue, api_id: str, stage: str) -> None:
    if api_id not in catalogue.apis or (api_id, stage) not in catalogue.stages:
        raise missing(f"API Stage not found: {api_id}:{stage}")


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
    quota = Quota(
        limit=int(given.get("limit") or 0),
        period=str(given.get("period")),
        offset=int(given.get("offset") or 0),
    )
    _check_quota(quota)
    return quota


def _check_quota(quota: Quota) -> None:
    if quota.limit < 1:
        raise bad_request("Usage Plan quota limit must be greater than 0")
    if quota.period not in PERIODS:
        raise bad_request(f"Usage Plan quota period must be one of {', '.join(PERIODS)}")
    if quota.offset < 0 or (quota.period == "DAY" and quota.offset):
        raise bad_request("Usage Plan quota offset must be zero in the DAY period")


def _made(catalogue: Catalogue, params: Params) -> UsagePlan:
    return UsagePlan(
        id=catalogue.new_id(6),
        name=params["name"],
        created=catalogue.surroundings.world.now(),
        description=params.get("description") or "",
        stages=tuple(_stage_of(catalogue, one) for one in params.get("apiStages") or ()),
        throttle=_throttle_of(params.get("throttle")),
        quota=_quota_of(params.get("quota")),
        tags=dict(params.get("tags") or {}),
    )


def _changed(catalogue: Catalogue, params: Params, before: UsagePlan, after: UsagePlan) -> UsagePlan:
    for stage in after.stages:
        if stage not in before.stages:
            _check_stage(catalogue, stage.api_id, stage.stage)
    if after.quota is not None:
        _check_quota(after.quota)
    return after


def _check_unused(catalogue: Catalogue, params: Params, plan: UsagePlan) -> None:
    if plan.stages:
        raise bad_request(f"Cannot delete usage plan {plan.id} because it is associated with API stages")


def _listed(catalogue: Catalogue, params: Params) -> list[UsagePlan]:
    key = params.get("keyId")
    return [p for p in sorted(catalogue.keyring.plans.values(), key=lambda p: p.id) if key is None or key in p.keys]


def _patched_stages(plan: UsagePlan, patch: Patch, rest: str) -> UsagePlan:
    """`/apiStages` with `{api}:{stage}` as value; `/apiStages/{api}:{stage}/throttle/{resource and verb}/rateLimit`."""
    name, _, below = rest.partition("/throttle")
    api_id, _, stage_name = (unescaped(name) or patch.value).partition(":")
    stages = []
    for stage in plan.stages:
        if (stage.api_id, stage.stage) != (api_id, stage_name):
            stages.append(stage)
        elif rest:
            stages.append(_patched_throttle(stage, patch, below))
    if not rest and not patch.removes:
        stages.append(ApiStage(api_id=api_id, stage=stage_name))
    return msgspec.structs.replace(plan, stages=tuple(stages))


def _patched_throttle(stage: ApiStage, patch: Patch, below: str) -> ApiStage:
    limits = dict(stage.throttle)
    name = unescaped(below.removeprefix("/"))
    method, _, member = name.rpartition("/")
    if patch.removes:
        limits.pop(name, None)
        return msgspec.structs.replace(stage, throttle=limits if below else {})
    place = LIMITS.get(f"/{member}")
    if place is None:
        raise patch.refused()
    method = f"/{method.removeprefix('/')}"
    before = limits.get(method, UNSET)
    limits[method] = msgspec.structs.replace(before, **{place.field: place.read(patch.value)})
    return msgspec.structs.replace(stage, throttle=limits)


LIMITS: Mapping[str, One] = {"/rateLimit": One("rate", decimal), "/burstLimit": One("burst", whole)}
PLANS = Rooted(
    shown=shown,
    made=_made,
    patches={
        "/name": One("name"),
        "/description": One("description", gone=""),
        "/productCode": One("product_code", gone=""),
        "/apiStages": Own(_patched_stages),
        "/throttle": Inner("throttle", UNSET, LIMITS),
        "/quota": Inner(
            "quota",
            Quota(limit=1, period="DAY"),
            {"/limit": One("limit", whole), "/period": One("period"), "/offset": One("offset", whole)},
        ),
    },
    changed=_changed,
    check_unused=_check_unused,
    found=lambda catalogue, params: catalogue.keyring.plan(params["usagePlanId"]),
    listed=_listed,
    save=lambda catalogue, plan: catalogue.keyring.save_plan(plan),
    remove=lambda catalogue, plan: catalogue.keyring.delete_plan(plan),
)


def _member(catalogue: Catalogue, request: Request) -> tuple[UsagePlan, ApiKey]:
    plan = PLANS.find(catalogue, request.params)
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
