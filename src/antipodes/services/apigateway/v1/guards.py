"""Who may call a method, how often, with what: everything that stands before an integration.

    policy      the API's resource policy. Alone it has to allow; with a signature or an authorizer it must not deny,
                and one of the two has to allow (Developer Guide, "How API Gateway resource policies affect
                authorization workflow", Table A). A denial comes before an authorizer is asked
    authorize   AWS_IAM: a signature; CUSTOM: a Lambda authorizer, whose answers are kept as long as they may be
    key         the API key, of a usage plan that has the stage
    throttle    the usage plan's rates and quota, the stage's rates for the method
    validate    parameters and body

A method without any of these has no Guard, and pays for none. In which order AWS looks is not documented as a whole:
authorizers come before keys (which they may provide), keys before the plan's limits; the rest is a guess.
"""

from __future__ import annotations

import asyncio
import logging
from types import MappingProxyType
from typing import Any

import orjson

from antipodes.services.apigateway import iam
from antipodes.services.apigateway.iam import Verify
from antipodes.services.apigateway.v1.authorizing import (
    INVOKE,
    Answer,
    NoAnswer,
    answer_of,
    event_of,
    identity_of,
    judge,
)
from antipodes.services.apigateway.v1.backends import LAMBDA_PRINCIPAL
from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.guard import Guard
from antipodes.services.apigateway.v1.keyring import Keyring
from antipodes.services.apigateway.v1.policies import Verdict
from antipodes.services.apigateway.v1.records import Authorizer
from antipodes.services.apigateway.v1.routing import filled, function_of
from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AccessDenied, AwsError

log = logging.getLogger("antipodes.apigateway")

PATIENCE_S = 10.0  # with an authorizer (as for HTTP APIs; a guess for REST)
INVALIDATE = "execute-api:InvalidateCache"
KEPT = 10_000  # answers; the oldest goes first
SIGNATURES = MappingProxyType(
    {
        "MissingAuthenticationTokenException": "MISSING_AUTHENTICATION_TOKEN",
        "ExpiredTokenException": "EXPIRED_TOKEN",
    }
)


class Guards:
    """One a Region."""

    def __init__(self, surroundings: Surroundings, keyring: Keyring) -> None:
        self._surroundings = surroundings
        self._world = surroundings.world
        self._keyring = keyring
        self._answers: dict[tuple[str, str, Authorizer, tuple[str, ...]], tuple[float, Answer]] = {}

    async def pass_on(self, guard: Guard, call: Call, verify: Verify) -> None:
        """Writes into the call what it learns of the caller. Raises Rejected."""
        arn = self._arn(call)
        usage_key = ""
        if guard.authorization == "AWS_IAM":
            self._signed(call, verify)
        verdict = Verdict.NOT_ALLOWED if guard.policy is None else self._by_policy(guard, call, arn)
        if guard.authorization == "CUSTOM":
            usage_key = await self._authorized(guard, call, arn, verdict)
        if guard.key_required:
            given = usage_key if guard.key_source == "AUTHORIZER" else call.request.header("x-api-key")
            self._keyring.admit(call, given or "")
        if guard.limit is not None and not guard.limit.take(self._world.monotonic()):
            raise Rejected("THROTTLED")
        if guard.check is not None:
            guard.check.check(call)

    def forget(self, api_id: str, stage: str) -> None:
        """What authorizers said for a stage."""
        self._answers = {key: kept for key, kept in self._answers.items() if key[:2] != (api_id, stage)}

    def _signed(self, call: Call, verify: Verify) -> None:
        try:
            caller = iam.caller_of(call.received or call.request, verify, self._surroundings.region)
        except AccessDenied as denied:
            kind = SIGNATURES.get(denied.code, "INVALID_SIGNATURE")
            raise Rejected(kind, denied.message, error_type=denied.code) from denied
        told = iam.told_by_rest(caller, self._surroundings.settings.account)
        call.identity = {**(call.identity or {}), **told}

    def _by_policy(self, guard: Guard, call: Call, arn: str) -> Verdict:
        """What the resource policy says to those whom it does not stop. Signed callers are the account's own: only an
        explicit Deny stops them; of others an authorizer may think better."""
        account = self._surroundings.settings.account
        signed = guard.authorization == "AWS_IAM"
        verdict = self._verdict(guard, call, INVOKE, arn)
        if verdict is Verdict.ALLOWED or (guard.authorization != "NONE" and verdict is Verdict.NOT_ALLOWED):
            return verdict
        who = f"arn:aws:iam::{account}:root" if signed else "anonymous"
        words = f"User: {who} is not authorized to perform: {INVOKE} on resource: {_masked(arn, account)}"
        raise Rejected("ACCESS_DENIED", words + (" with an explicit deny" if verdict is Verdict.DENIED else ""))

    def may_invalidate(self, guard: Guard | None, call: Call) -> bool:
        """Whether the caller may have an answer of the cache made anew. Who signed may, as identities' own policies are
        not enforced here; else the authorizer's policy has to allow it, or the API's (that these count is a guess)."""
        if guard is None:
            return False
        arn = self._arn(call)
        verdict = Verdict.NOT_ALLOWED if guard.policy is None else self._verdict(guard, call, INVALIDATE, arn)
        if verdict is Verdict.DENIED:
            return False
        if call.grants is not None:
            return call.grants.verdict(INVALIDATE, arn, {"aws:sourceip": call.request.client}) is Verdict.ALLOWED
        return verdict is Verdict.ALLOWED or guard.authorization == "AWS_IAM"

    def _verdict(self, guard: Guard, call: Call, action: str, arn: str) -> Verdict:
        """The resource policy's."""
        assert guard.policy is not None
        account = self._surroundings.settings.account
        signed = guard.authorization == "AWS_IAM"
        own = ("*", account, f"arn:aws:iam::{account}:root") if signed else ("*",)
        facts = {"aws:sourceip": call.request.client, "aws:securetransport": str(call.request.secure).lower()}
        for key, header in (("aws:useragent", "user-agent"), ("aws:referer", "referer")):
            value = call.request.header(header)
            if value is not None:
                facts[key] = value
        return guard.policy.verdict(action, arn, facts, own)

    async def _authorized(self, guard: Guard, call: Call, arn: str, verdict: Verdict) -> str:
        """The key that the authorizer provides, "" if none. verdict: of the resource policy."""
        authorizer = guard.authorizer
        if authorizer is None:
            raise Rejected("AUTHORIZER_CONFIGURATION_ERROR")
        identity = identity_of(authorizer, call)
        key = (call.api_id, call.stage, authorizer, identity)
        now = self._world.monotonic()
        kept = self._answers.get(key) if authorizer.ttl_s else None
        latency_ms = 0
        if kept is not None and kept[0] > now:
            answer = kept[1]
        else:
            _, answer = await self.asked(authorizer, call, identity)
            latency_ms = int((self._world.monotonic() - now) * 1000)
            if authorizer.ttl_s:
                self._keep(key, now + authorizer.ttl_s, answer)
        call.grants = answer.policy
        call.authorizer = {**answer.context, "integrationLatency": latency_ms}
        judge(answer, arn, call, allowed=verdict is Verdict.ALLOWED)
        return answer.usage_key

    async def asked(
        self, authorizer: Authorizer, call: Call, identity: tuple[str, ...] | None = None
    ) -> tuple[bytes, Answer]:
        """What the authorizer says, as it said it and as it is meant; nothing is kept. Raises Rejected."""
        if identity is None:
            identity = identity_of(authorizer, call)
        payload = await self._ask(authorizer, call, event_of(authorizer, call, self._arn(call), identity))
        try:
            return payload, answer_of(payload)
        except NoAnswer as reason:
            log.warning("%s: authorizer %s: %s", self._surroundings.region, authorizer.name, reason)
            call.reason = f"configuration error: Authorizer's answer: {reason}"
            raise Rejected("AUTHORIZER_CONFIGURATION_ERROR") from reason

    def _arn(self, call: Call) -> str:
        around = self._surroundings
        stage = f"arn:aws:execute-api:{around.region}:{around.settings.account}:{call.api_id}/{call.stage}"
        return f"{stage}/{call.request.method}{call.stage_path}"

    async def _ask(self, authorizer: Authorizer, call: Call, event: bytes) -> bytes:
        around = self._surroundings
        function = function_of(filled(authorizer.uri, call.variables or {}))
        params: dict[str, Any] = {"FunctionName": function or "", "Payload": event, "TraceId": call.trace_id}
        if not authorizer.credentials:
            base = f"arn:aws:execute-api:{around.region}:{around.settings.account}:{call.api_id}"
            params |= {"SourceArn": f"{base}/authorizers/{authorizer.id}", "SourceService": LAMBDA_PRINCIPAL}
        try:
            async with asyncio.timeout(PATIENCE_S):
                result = await around.call("lambda", "Invoke", params)
        except (TimeoutError, AwsError) as error:
            log.warning("%s: authorizer %s: %s", around.region, authorizer.name, error)
            call.reason = f"Authorizer error: {error}"
            raise Rejected("AUTHORIZER_CONFIGURATION_ERROR") from error
        payload = bytes(result.get("Payload") or b"")
        if result.get("FunctionError"):
            if _message(payload) == "Unauthorized":
                raise Rejected("UNAUTHORIZED")
            log.warning("%s: authorizer %s failed: %s", around.region, authorizer.name, payload[:200])
            call.reason = f"Authorizer error: the function failed: {payload[:200].decode('utf-8', 'replace')}"
            raise Rejected("AUTHORIZER_CONFIGURATION_ERROR")
        return payload

    def _keep(self, key: tuple[str, str, Authorizer, tuple[str, ...]], until: float, answer: Answer) -> None:
        self._answers.pop(key, None)
        if len(self._answers) >= KEPT:
            del self._answers[next(iter(self._answers))]
        self._answers[key] = (until, answer)


def _message(payload: bytes) -> str:
    try:
        told = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return ""
    return str(told.get("errorMessage") or "") if isinstance(told, dict) else ""


def _masked(arn: str, account: str) -> str:
    """AWS shows the last four digits of the account."""
    return arn.replace(f":{account}:", f":{'*' * 8}{account[-4:]}:")
