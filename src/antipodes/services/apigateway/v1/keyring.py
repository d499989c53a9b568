"""API keys and usage plans of a Region: who has which key, how much of its plan is used up.

In the store: `apigateway/key/<id>`, `apigateway/plan/<id>`, `apigateway/usage/<plan>/<key>` a Usage. Keys and plans are
durable before they are acknowledged; usage is counted in memory and written now and then: a crash forgets the last
requests, never more (AWS: quotas "are applied on a best-effort basis").

Days, weeks and months are those of UTC. A quota's offset is the number of requests that count as made in its first
period.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec

from antipodes.services.apigateway import quotas
from antipodes.services.apigateway.throttle import Bucket
from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.records import missing
from antipodes.services.contract import Surroundings

FORMAT = 1
KEY_PREFIX = b"apigateway/key/"
PLAN_PREFIX = b"apigateway/plan/"
USAGE_PREFIX = b"apigateway/usage/"
DAY_S = 86_400
FLUSH_S = 1.0
KEPT_DAYS = 92  # of usage


class Throttle(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a token bucket."""

    rate: float = 0.0
    burst: int = 0


class ApiStage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage that a plan opens. throttle: by "/resource/GET"."""

    api_id: str
    stage: str
    throttle: dict[str, Throttle] = {}


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    limit: int
    period: str  # DAY, WEEK, MONTH
    offset: int = 0


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    id: str
    value: str
    name: str
    created: float
    updated: float
    description: str = ""
    customer_id: str = ""
    enabled: bool = False
    stage_keys: tuple[str, ...] = ()  # "api/stage": of the days before usage plans, which alone open stages
    tags: dict[str, str] = {}


class UsagePlan(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    id: str
    name: str
    created: float
    description: str = ""
    product_code: str = ""
    stages: tuple[ApiStage, ...] = ()
    throttle: Throttle | None = None
    quota: Quota | None = None
    keys: tuple[str, ...] = ()  # ids
    tags: dict[str, str] = {}


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Requests by day (days since 1970)."""

    format: int = FORMAT
    days: dict[int, int] = {}
    granted: dict[int, int] = {}  # by UpdateUsage, beside the quota


@dataclass(slots=True)
class _Meter:
    """What one key used of one plan."""

    days: dict[int, int] = field(default_factory=dict)
    granted: dict[int, int] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)  # "" the plan's own; by "api/stage/resource/GET"


class Keyring:
    """One a Region."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._world = surroundings.world
        self._store = surroundings.store
        self.keys: dict[str, ApiKey] = {}
        self.plans: dict[str, UsagePlan] = {}
        self._by_value: dict[str, ApiKey] = {}
        self._meters: dict[tuple[str, str], _Meter] = {}
        self._changed: dict[tuple[str, str], None] = {}
        self._flushing = False

    def load(self) -> None:
        decode = msgspec.msgpack.decode
        for _, value in self._store.range(KEY_PREFIX, KEY_PREFIX + b"\xff"):
            self._know(decode(value, type=ApiKey))
        for _, value in self._store.range(PLAN_PREFIX, PLAN_PREFIX + b"\xff"):
            plan = decode(value, type=UsagePlan)
            self.plans[plan.id] = plan
        for name, value in self._store.range(USAGE_PREFIX, USAGE_PREFIX + b"\xff"):
            plan_id, _, key_id = name.removeprefix(USAGE_PREFIX).decode().partition("/")
            usage = decode(value, type=Usage)
            self._meters[plan_id, key_id] = _Meter(dict(usage.days), dict(usage.granted))

    # -- what stands before a method -----------------------------------------------------------------------------

    def admit(self, call: Call, value: str) -> None:
        """Lets a request with this key pass, and counts it. Raises Rejected."""
        key = self._by_value.get(value) if value else None
        if key is None or not key.enabled:
            raise Rejected("INVALID_API_KEY")
        for plan in self.plans.values():
            if key.id in plan.keys:
                stage = next((s for s in plan.stages if (s.api_id, s.stage) == (call.api_id, call.stage)), None)
                if stage is not None:
                    break
        else:
            raise Rejected("INVALID_API_KEY")
        call.identity = {**(call.identity or {}), "apiKey": key.value, "apiKeyId": key.id}
        meter = self._meters.setdefault((plan.id, key.id), _Meter())
        own = stage.throttle.get(f"{call.resource_path}/{call.request.method}")
        place = f"{call.api_id}/{call.stage}{call.resource_path}/{call.request.method}" if own is not None else ""
        limit = own or plan.throttle
        if limit is not None and not self._bucket(meter, place, limit).take(self._world.monotonic()):
            raise Rejected("THROTTLED")
        today = int(self._world.now() // DAY_S)
        if plan.quota is not None and self.used(plan, key.id) >= plan.quota.limit:
            raise Rejected("QUOTA_EXCEEDED")
        meter.days[today] = meter.days.get(today, 0) + 1
        self._changed[plan.id, key.id] = None
        if not self._flushing:
            self._flushing = True
            self._world.spawn(self._flush_later(), "apigateway: keep usage")

    def used(self, plan: UsagePlan, key_id: str) -> int:
        """Of the plan's quota, in the period that is now."""
        assert plan.quota is not None
        meter = self._meters.get((plan.id, key_id))
        today = int(self._world.now() // DAY_S)
        first = first_day(plan.quota.period, today)
        count = 0
        if meter is not None:
            count = sum(n for day, n in meter.days.items() if day >= first)
            count -= sum(n for day, n in meter.granted.items() if day >= first)
        began = int(plan.created // DAY_S)
        return count + (plan.quota.offset if began >= first else 0)

    async def grant(self, plan: UsagePlan, key_id: str, remaining: int) -> None:
        """Leaves the key so many requests of the quota, in the period that is now."""
        assert plan.quota is not None
        meter, today = self._meters.setdefault((plan.id, key_id), _Meter()), int(self._world.now() // DAY_S)
        more = remaining - (plan.quota.limit - self.used(plan, key_id))
        meter.granted[today] = meter.granted.get(today, 0) + more
        self._changed[plan.id, key_id] = None
        await self.flush()

    def by_day(self, plan_id: str, key_id: str) -> dict[int, int]:
        meter = self._meters.get((plan_id, key_id))
        return {} if meter is None else dict(meter.days)

    # -- keeping -------------------------------------------------------------------------------------------------

    def key(self, key_id: str) -> ApiKey:
        key = self.keys.get(key_id)
        if key is None:
            raise missing("Invalid API Key identifier specified")
        return key

    def plan(self, plan_id: str) -> UsagePlan:
        plan = self.plans.get(plan_id)
        if plan is None:
            raise missing("Invalid Usage Plan ID specified")
        return plan

    def valued(self, value: str) -> ApiKey | None:
        """The key that has this value."""
        return self._by_value.get(value)

    async def save_key(self, key: ApiKey) -> None:
        """Raises LimitExceededException."""
        quotas.check(quotas.PER_ACCOUNT, "API keys", self.keys, {**self.keys, key.id: key})
        self._know(key)
        await self._write(KEY_PREFIX + key.id.encode(), msgspec.msgpack.encode(key))

    async def delete_key(self, key: ApiKey) -> None:
        """Plans forget it too."""
        del self.keys[key.id]
        self._by_value.pop(key.value, None)
        rows: list[tuple[bytes, bytes | None]] = [(KEY_PREFIX + key.id.encode(), None)]
        for plan in [plan for plan in self.plans.values() if key.id in plan.keys]:
            kept = msgspec.structs.replace(plan, keys=tuple(one for one in plan.keys if one != key.id))
            self.plans[plan.id] = kept
            rows.append((PLAN_PREFIX + plan.id.encode(), msgspec.msgpack.encode(kept)))
        self._store.write(rows)
        await self._store.durable()

    async def save_plan(self, plan: UsagePlan) -> None:
        """Raises LimitExceededException."""
        quotas.check(quotas.PER_ACCOUNT, "usage plans", self.plans, {**self.plans, plan.id: plan})
        before = self.plans.get(plan.id)
        for key_id in plan.keys if before is None or len(plan.keys) > len(before.keys) else ():
            there = [one.id for one in self.plans.values() if key_id in one.keys and one.id != plan.id]
            known = before is not None and key_id in before.keys
            quotas.check("API key", "usage plans", there if not known else [*there, plan.id], [*there, plan.id])
        self.plans[plan.id] = plan
        for (plan_id, _), meter in self._meters.items():
            if plan_id == plan.id:
                meter.buckets.clear()
        await self._write(PLAN_PREFIX + plan.id.encode(), msgspec.msgpack.encode(plan))

    async def delete_plan(self, plan: UsagePlan) -> None:
        del self.plans[plan.id]
        rows: list[tuple[bytes, bytes | None]] = [(PLAN_PREFIX + plan.id.encode(), None)]
        for found in [key for key in self._meters if key[0] == plan.id]:
            del self._meters[found]
            self._changed.pop(found, None)
            rows.append((_usage_row(*found), None))
        self._store.write(rows)
        await self._store.durable()

    async def flush(self) -> None:
        changed, self._changed = self._changed, {}
        oldest = int(self._world.now() // DAY_S) - KEPT_DAYS
        rows: list[tuple[bytes, bytes | None]] = []
        for found in changed:
            meter = self._meters.get(found)
            if meter is not None:
                meter.days = {day: n for day, n in meter.days.items() if day >= oldest}
                meter.granted = {day: n for day, n in meter.granted.items() if day >= oldest}
                usage = Usage(days=meter.days, granted=meter.granted)
                rows.append((_usage_row(*found), msgspec.msgpack.encode(usage)))
        if rows:
            self._store.write(rows)
            await self._store.durable()

    async def _flush_later(self) -> None:
        await self._world.sleep(FLUSH_S)
        self._flushing = False
        await self.flush()

    def _bucket(self, meter: _Meter, place: str, limit: Throttle) -> Bucket:
        found = meter.buckets.get(place)
        if found is None:
            found = meter.buckets[place] = Bucket(limit.rate, limit.burst, self._world.monotonic())
        return found

    def _know(self, key: ApiKey) -> None:
        self.keys[key.id] = key
        self._by_value[key.value] = key

    async def _write(self, name: bytes, value: bytes) -> None:
        self._store.write([(name, value)])
        await self._store.durable()


def first_day(period: str, today: int) -> int:
    """The first day of the period that `today` (days since 1970) lies in; weeks begin on Sundays (a guess)."""
    if period == "DAY":
        return today
    if period == "WEEK":
        return today - (today + 4) % 7  # the first of January 1970 was a Thursday
    return today - time.gmtime(today * DAY_S).tm_mday + 1


def _usage_row(plan_id: str, key_id: str) -> bytes:
    return USAGE_PREFIX + f"{plan_id}/{key_id}".encode()
