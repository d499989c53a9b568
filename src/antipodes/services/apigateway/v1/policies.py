"""IAM policies, evaluated: those that Lambda authorizers hand back, and resource policies of APIs. Pure.

An explicit Deny beats an Allow; what nothing allows is denied. Effect, Action and NotAction, Resource and NotResource,
Principal, and the conditions in OPERATORS are understood; anything else makes a policy unreadable, and it is refused as
a whole rather than misread.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any


class Verdict(Enum):
    ALLOWED = "allowed"
    DENIED = "explicitly denied"
    NOT_ALLOWED = "not allowed"


class Unreadable(ValueError):
    """The policy is none, or says what is not understood here; the message is for the log."""


@dataclass(frozen=True, slots=True)
class Statement:
    deny: bool
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    principals: tuple[str, ...] | None  # None: the policy has none, it is an identity's
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]  # operator, key, values


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, taken apart."""

    statements: tuple[Statement, ...]

    def verdict(
        self, action: str, resource: str, facts: Mapping[str, str] | None = None, principals: tuple[str, ...] = ("*",)
    ) -> Verdict:
        """`facts`: condition keys, in lower case, to values. `principals`: as which of them the caller counts."""
        allowed = False
        for statement in self.statements:
            if not _applies(statement, action, resource, facts or {}, principals):
                continue
            if statement.deny:
                return Verdict.DENIED
            allowed = True
        return Verdict.ALLOWED if allowed else Verdict.NOT_ALLOWED


def policy_of(document: Any) -> Policy:
    """Raises Unreadable."""
    if not isinstance(document, Mapping):
        raise Unreadable("the policy is not an object")
    return Policy(tuple(_statement(one) for one in _list(document.get("Statement"))))


def _statement(given: Any) -> Statement:
    if not isinstance(given, Mapping):
        raise Unreadable("a statement is not an object")
    if given.get("Effect") not in {"Allow", "Deny"}:
        raise Unreadable(f"the Effect {given.get('Effect')!r}")
    if "NotPrincipal" in given:
        raise Unreadable("NotPrincipal")
    not_actions, not_resources = "NotAction" in given, "NotResource" in given
    principals = None
    if "Principal" in given:
        principal = given["Principal"]
        listed = [one for part in principal.values() for one in _list(part)] if isinstance(principal, Mapping) else None
        principals = tuple(str(one) for one in (_list(principal) if listed is None else listed))
    conditions = []
    for operator, keys in _object(given.get("Condition")).items():
        if operator.removesuffix("IfExists") not in OPERATORS:
            raise Unreadable(f"the condition {operator}")
        for key, values in _object(keys).items():
            conditions.append((str(operator), str(key).lower(), tuple(_word(one) for one in _list(values))))
    return Statement(
        deny=given["Effect"] == "Deny",
        actions=tuple(str(one).lower() for one in _list(given.get("NotAction" if not_actions else "Action"))),
        not_actions=not_actions,
        resources=tuple(str(one) for one in _list(given.get("NotResource" if not_resources else "Resource"))),
        not_resources=not_resources,
        principals=principals,
        conditions=tuple(conditions),
    )


def _applies(
    statement: Statement, action: str, resource: str, facts: Mapping[str, str], principals: tuple[str, ...]
) -> bool:
    if any(like(one, action.lower()) for one in statement.actions) == statement.not_actions:
        return False
    if any(like(one, resource) for one in statement.resources) == statement.not_resources:
        return False
    if statement.principals is not None and not any(one in principals for one in statement.principals):
        return False
    return all(_holds(operator, facts.get(key), values) for operator, key, values in statement.conditions)


def _holds(operator: str, fact: str | None, values: tuple[str, ...]) -> bool:
    name = operator.removesuffix("IfExists")
    if name == "Null":
        return any((fact is None) == (value.lower() == "true") for value in values)
    if fact is None:
        return operator != name or name.startswith(("StringNot", "NotIp", "ArnNot"))
    negative = NEGATIVE.get(name)
    if negative is not None:
        return not any(OPERATORS[negative](fact, value) for value in values)
    return any(OPERATORS[name](fact, value) for value in values)


@functools.lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def like(pattern: str, text: str) -> bool:
    """With `*` for any characters and `?` for one."""
    return pattern == "*" or _pattern(pattern).fullmatch(text) is not None


def _in_network(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


Test = Callable[[str, str], bool]
NEGATIVE: Mapping[str, str] = MappingProxyType(
    {
        "StringNotEquals": "StringEquals",
        "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
        "StringNotLike": "StringLike",
        "NotIpAddress": "IpAddress",
        "ArnNotEquals": "ArnLike",
        "ArnNotLike": "ArnLike",
    }
)
OPERATORS: Mapping[str, Test] = MappingProxyType(
    {
        "StringEquals": lambda fact, value: fact == value,
        "StringEqualsIgnoreCase": lambda fact, value: fact.lower() == value.lower(),
        "StringLike": lambda fact, value: like(value, fact),
        "ArnEquals": lambda fact, value: like(value, fact),
        "ArnLike": lambda fact, value: like(value, fact),
        "IpAddress": _in_network,
        "Bool": lambda fact, value: fact.lower() == value.lower(),
        "Null": lambda fact, value: False,
        **dict.fromkeys(NEGATIVE, lambda fact, value: False),
    }
)


def _word(given: Any) -> str:
    return str(given).lower() if isinstance(given, bool) else str(given)


def _list(given: Any) -> list[Any]:
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def _object(given: Any) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise Unreadable("a Condition is not an object")
    return given
