"""What a Lambda authorizer is asked, and what its answer means. Pure.

A source of identity that is missing is 401 and nobody is asked; a refusal is 403; an answer that is none is 500. The
answer is {"isAuthorized", "context"}, or an IAM policy that must allow execute-api:Invoke on the route's ARN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from antipodes.services.apigateway.v1 import policies
from antipodes.services.apigateway.v1.authorizing import INVOKE
from antipodes.services.apigateway.v2 import payload1
from antipodes.services.apigateway.v2.records import Authorizer
from antipodes.wire import payload2
from antipodes.wire.http import HttpRequest
from antipodes.wire.payload2 import Call, Malformed

NO_PART = ("body", "isBase64Encoded")  # of a function's event: an authorizer does not get them


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the authorizer said. `context`: as the function behind the route is told."""

    allowed: bool
    context: Mapping[str, Any]


def identity_of(authorizer: Authorizer, request: HttpRequest, call: Call) -> tuple[str, ...] | None:
    """The values of the sources of identity; None: one is missing or empty."""
    query = payload2.query_of(request)
    values: list[str] = []
    for source in authorizer.sources:
        kind, _, name = source.removeprefix("$request.").partition(".")
        if kind == "header":
            value = request.header(name.lower())
        elif kind == "querystring":
            value = query.get(name)
        elif kind == "$context":
            value = call.route_key
        else:
            value = (call.variables or {}).get(name)
        if not value:
            return None
        values.append(value)
    return tuple(values)


def event_of(
    authorizer: Authorizer, request: HttpRequest, call: Call, resource: str, arn: str, identity: Sequence[str]
) -> bytes:
    """The authorizer's event, as JSON: a function's without the body."""
    if authorizer.payload == "2.0":
        event = orjson.loads(payload2.event_of(request, call))
        own: dict[str, Any] = {"version": "2.0", "type": "REQUEST", "routeArn": arn, "identitySource": list(identity)}
    else:
        event = orjson.loads(payload1.event_of(request, call, resource))
        token = ",".join(identity)
        own = {"version": "1.0", "type": "REQUEST", "methodArn": arn, "identitySource": token}
        own["authorizationToken"] = token
    for name in NO_PART:
        event.pop(name, None)
    return orjson.dumps({**own, **{name: value for name, value in event.items() if name != "version"}})


def verdict_of(authorizer: Authorizer, payload: bytes, arn: str, client: str) -> Verdict:
    """client: its address, for policies with conditions. Raises Malformed."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed("the authorizer's answer is not JSON") from error
    if not isinstance(answer, dict):
        raise Malformed("the authorizer's answer is not an object")
    context = answer.get("context") or {}
    if not isinstance(context, dict):
        raise Malformed("the authorizer's context is not an object")
    if authorizer.simple:
        if not isinstance(answer.get("isAuthorized"), bool):
            raise Malformed("isAuthorized is neither true nor false")
        return Verdict(answer["isAuthorized"], context)
    policy = answer.get("policyDocument")
    if not isinstance(policy, dict) or not answer.get("principalId"):
        raise Malformed("the authorizer's answer has no principalId, or no policyDocument")
    try:
        verdict = policies.policy_of(policy).verdict(INVOKE, arn, {"aws:sourceip": client})
    except policies.Unreadable as error:
        raise Malformed(f"the authorizer's policy: {error}") from error
    return Verdict(verdict is policies.Verdict.ALLOWED, {**context, "principalId": answer["principalId"]})
