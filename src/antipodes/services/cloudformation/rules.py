"""Rules: what a template demands of its parameters before anything is made. Pure.

A rule's assertions count if it has no RuleCondition, or if that holds. In rules Fn::Contains, Fn::EachMemberIn and
Fn::EachMemberEquals may be used beside the functions of conditions; those that ask about VPCs and other resources
(Fn::RefAll, Fn::ValueOf, Fn::ValueOfAll) are refused by name. Source: "Rule-specific intrinsic functions".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from antipodes.services.cloudformation.intrinsics import Scope, evaluate
from antipodes.services.cloudformation.text import validation_error


def _list(value: Any, scope: Scope) -> list[Any]:
    found = evaluate(value, scope)
    return found if isinstance(found, list) else [found]


def _contains(value: Any, scope: Scope) -> bool:
    members, one = value
    return evaluate(one, scope) in _list(members, scope)


def _each_member_in(value: Any, scope: Scope) -> bool:
    some, all_of_them = value
    there = _list(all_of_them, scope)
    return all(one in there for one in _list(some, scope))


def _each_member_equals(value: Any, scope: Scope) -> bool:
    some, wanted = value
    return all(one == evaluate(wanted, scope) for one in _list(some, scope))


OWN: Mapping[str, Callable[[Any, Scope], bool]] = MappingProxyType(
    {
        "Fn::And": lambda value, scope: all(holds(one, scope) for one in value),
        "Fn::Or": lambda value, scope: any(holds(one, scope) for one in value),
        "Fn::Not": lambda value, scope: not holds(value[0], scope),
        "Fn::Equals": lambda value, scope: evaluate(value[0], scope) == evaluate(value[1], scope),
        "Fn::Contains": _contains,
        "Fn::EachMemberIn": _each_member_in,
        "Fn::EachMemberEquals": _each_member_equals,
    }
)


def holds(value: Any, scope: Scope) -> bool:
    """Raises ValidationError: malformed; NotSupported: a function that rules do not have here."""
    if isinstance(value, dict) and len(value) == 1:
        name = next(iter(value))
        if name in OWN:
            try:
                return OWN[name](value[name], scope)
            except (TypeError, ValueError, IndexError, KeyError):
                raise validation_error(f"Template format error: {name} of a rule is malformed") from None
    return str(evaluate(value, scope)).lower() == "true"


def check_rules(rules: Mapping[str, Any], scope: Scope) -> None:
    """Raises ValidationError for the first rule that is broken (the sentence is a guess)."""
    for name, rule in rules.items():
        if not isinstance(rule, Mapping) or not isinstance(rule.get("Assertions"), list):
            raise validation_error(f"Template format error: rule {name} must have a list of Assertions")
        if "RuleCondition" in rule and not holds(rule["RuleCondition"], scope):
            continue
        for one in rule["Assertions"]:
            if not isinstance(one, Mapping) or not holds(one.get("Assert"), scope):
                said = one.get("AssertDescription", "") if isinstance(one, Mapping) else ""
                raise validation_error(f"Template error: Rule {name} failed to evaluate to true: {said}")
