"""What a Lambda authorizer is asked, and what its answer means. Pure.

A source of identity that is missing is 401 and nobody is asked; a refusal is 403; an answer that is none is 500. The
answer is {"isAuthorized", "context"}, or an IAM policy that must allow execute-api:Invoke on the route's ARN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from antipodes.services.apigateway.v2 import payload1
from antipodes.services.apigateway.v2.records import Authorizer
from antipodes.wire import payload2
from antipodes.wire.http import HttpRequest
from antipodes.wire.payload2 import Call, Malformed

INVOKE = "execute-api:invoke"
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


def verdict_of(authorizer: Authorizer, payload: bytes, arn: str) -> Verdict:
    """Raises Malformed."""
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
    return Verdict(_allows(policy, arn), {**context, "principalId": answer["principalId"]})


def _allows(policy: Mapping[str, Any], arn: str) -> bool:
    allowed = False
    for statement in _list(policy.get("Statement")):
        if not isinstance(statement, dict) or {"Condition", "NotAction", "NotResource"} & statement.keys():
            raise Malformed("a statement with more than Action, Effect and Resource: not supported")
        acts = any(_like(str(one).lower(), INVOKE) for one in _list(statement.get("Action")))
        if acts and any(_like(str(one), arn) for one in _list(statement.get("Resource"))):
            if statement.get("Effect") == "Deny":
                return False
            allowed = allowed or statement.get("Effect") == "Allow"
    return allowed


def _list(given: Any) -> list[Any]:
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None
