"""What a Lambda authorizer of a REST API is asked, and what its answer means. Pure.

    no identity     401, and nobody is asked
    "Unauthorized"  raised by the function: 401
    not allowed     403
    no answer       500: the function failed, or said something that is no answer

The answer is {"principalId", "policyDocument", "context", "usageIdentifierKey"}; it is kept as a whole, and its policy
is evaluated for each method that is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from antipodes.services.apigateway.v1 import proxy
from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.parameters import source_of
from antipodes.services.apigateway.v1.policies import Policy, Unreadable, Verdict, policy_of
from antipodes.services.apigateway.v1.records import Authorizer

INVOKE = "execute-api:Invoke"
NO_PART = ("body", "isBase64Encoded")  # of a function's event: an authorizer does not get them


class NoAnswer(ValueError):
    """The message is for the log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the authorizer said. context: texts, as integrations are told."""

    policy: Policy
    context: Mapping[str, str]
    usage_key: str


def identity_of(authorizer: Authorizer, call: Call) -> tuple[str, ...]:
    """The values of the sources of identity. Raises Rejected if one is missing, or not as it has to be."""
    values: list[str] = []
    for one in authorizer.source.split(",") if authorizer.source else ():
        value = source_of(one.strip(), "method.request.").text(call)
        if not value:
            raise Rejected("UNAUTHORIZED")
        values.append(value)
    if authorizer.kind == "TOKEN" and authorizer.validation and not re.match(authorizer.validation, values[0]):
        raise Rejected("UNAUTHORIZED")
    return tuple(values)


def event_of(authorizer: Authorizer, call: Call, arn: str, identity: tuple[str, ...]) -> bytes:
    if authorizer.kind == "TOKEN":
        return orjson.dumps({"type": "TOKEN", "authorizationToken": identity[0], "methodArn": arn})
    event = proxy.event(call)
    for name in NO_PART:
        del event[name]
    return orjson.dumps({"type": "REQUEST", "methodArn": arn, **event})


def answer_of(payload: bytes) -> Answer:
    """Raises NoAnswer."""
    try:
        told = orjson.loads(payload)
        if not isinstance(told, dict):
            raise NoAnswer("it is not an object")
        policy = policy_of(told.get("policyDocument"))
    except orjson.JSONDecodeError as error:
        raise NoAnswer("it is not JSON") from error
    except Unreadable as error:
        raise NoAnswer(str(error)) from error
    principal = told.get("principalId")
    if not isinstance(principal, str | int) or principal == "":
        raise NoAnswer("it has no principalId")
    context = told.get("context")
    if context is not None and not isinstance(context, dict):
        raise NoAnswer("its context is not an object")
    texts: dict[str, str] = {}
    for key, value in (context or {}).items():
        if isinstance(value, dict | list):
            raise NoAnswer(f"{key} of its context is not a string, a number or a boolean")
        if value is not None:
            texts[key] = value if isinstance(value, str) else orjson.dumps(value).decode()
    return Answer(policy, {**texts, "principalId": str(principal)}, str(told.get("usageIdentifierKey") or ""))


def judge(answer: Answer, arn: str, call: Call, *, allowed: bool = False) -> None:
    """Raises Rejected if the authorizer's policy denies this method; or if it does not allow it, and the API's own
    policy (`allowed`) does not either."""
    verdict = answer.policy.verdict(INVOKE, arn, {"aws:sourceip": call.request.client})
    if verdict is Verdict.ALLOWED or (allowed and verdict is Verdict.NOT_ALLOWED):
        return
    words = "User is not authorized to access this resource"
    raise Rejected("ACCESS_DENIED", words + (" with an explicit deny" if verdict is Verdict.DENIED else ""))
