"""Intrinsic functions: evaluates template values in a scope. Pure.

A scope knows the parameters, the pseudo parameters, the conditions, and asks two callables for what only a stack
knows: the physical id and the attributes of a resource. `references` says, without evaluating, which logical ids a
value needs (of an Fn::If only the branch that holds).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from antipodes.services.cloudformation.text import validation_error
from antipodes.wire.errors import NotSupported

NO_VALUE = object()  # what AWS::NoValue evaluates to: the property or element is left out

SUB = re.compile(r"\$\{(!?)([^${}]*)\}")
REFUSED = (
    "Fn::GetAZs", "Fn::Cidr", "Fn::Transform", "Fn::Length", "Fn::ToJsonString", "Fn::ForEach", "Fn::GetStackOutput",
)  # fmt: skip
CONDITION_FUNCTIONS = ("Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not", "Condition")


def _unknown_reference(name: str) -> str:
    raise validation_error(f"Template format error: Unresolved resource dependencies [{name}] in the template")


def _unknown_attribute(name: str, attribute: str) -> Any:
    return _unknown_reference(f"{name}.{attribute}")


def _no_export(name: str) -> str:
    raise validation_error(f"No export named {name} found.")


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean. `parameters` are evaluated (text, or a list); `conditions` hold or not."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    pseudo: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, bool] = field(default_factory=dict)
    physical_id: Callable[[str], str] = _unknown_reference
    attribute: Callable[[str, str], Any] = _unknown_attribute
    export: Callable[[str], str] = _no_export


def evaluate(value: Any, scope: Scope) -> Any:
    """The value with every intrinsic function replaced. Raises ValidationError, NotSupported."""
    if isinstance(value, dict):
        if len(value) == 1:
            name = next(iter(value))
            function = FUNCTIONS.get(name)
            if function is not None:
                return function(value[name], scope)
            if name in REFUSED or name.startswith("Fn::"):
                raise NotSupported(f"the intrinsic function {name}")
        found = {key: evaluate(one, scope) for key, one in value.items()}
        return {key: one for key, one in found.items() if one is not NO_VALUE}
    if isinstance(value, list):
        items = [evaluate(one, scope) for one in value]
        return [one for one in items if one is not NO_VALUE]
    if isinstance(value, str) and "{{resolve:" in value:
        raise NotSupported(f"dynamic references ({value})")
    return value


def text_of(value: Any, where: str) -> str:
    """A scalar as CloudFormation writes it into text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise validation_error(f"Template error: every value of {where} must be a string")


def _pair(value: Any, name: str, count: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != count:
        raise validation_error(f"Template error: {name} object requires {count} arguments")
    return value


def _ref(value: Any, scope: Scope) -> Any:
    if not isinstance(value, str):
        raise validation_error("Template error: Ref must be a string")
    if value == "AWS::NoValue":
        return NO_VALUE
    if value in scope.pseudo:
        return scope.pseudo[value]
    if value in scope.parameters:
        return scope.parameters[value]
    if value.startswith("AWS::"):
        raise validation_error(f"Template format error: Unresolved dependencies [{value}]")
    return scope.physical_id(value)


def _attribute_path(value: Any, scope: Scope) -> tuple[str, str]:
    if isinstance(value, str):
        value = value.split(".", 1)
    if not isinstance(value, list) or len(value) < 2 or not isinstance(value[0], str):
        raise validation_error("Template error: every Fn::GetAtt object requires two non-empty parameters")
    rest = [text_of(evaluate(one, scope), "Fn::GetAtt") for one in value[1:]]
    return value[0], ".".join(rest)


def _get_att(value: Any, scope: Scope) -> Any:
    return scope.attribute(*_attribute_path(value, scope))


def _sub(value: Any, scope: Scope) -> str:
    own: dict[str, Any] = {}
    if isinstance(value, list):
        value, named = _pair(value, "Fn::Sub", 2)
        if not isinstance(named, dict):
            raise validation_error("Template error: the second argument of Fn::Sub must be a map")
        own = {key: evaluate(one, scope) for key, one in named.items()}
    if not isinstance(value, str):
        raise validation_error(
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments."
        )

    def put(match: re.Match[str]) -> str:
        literal, name = match.groups()
        name = name.strip()
        if literal:
            return "${" + name + "}"
        if name in own:
            return text_of(own[name], "Fn::Sub")
        if "." in name and name not in scope.parameters:
            return text_of(_get_att(name, scope), "Fn::Sub")
        found = _ref(name, scope)
        return ",".join(found) if isinstance(found, list) else text_of(found, "Fn::Sub")

    return SUB.sub(put, value)


def _join(value: Any, scope: Scope) -> str:
    separator, parts = _pair(value, "Fn::Join", 2)
    found = evaluate(parts, scope)
    if not isinstance(separator, str) or not isinstance(found, list):
        raise validation_error(
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of "
            "strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
        )
    return separator.join(text_of(one, "Fn::Join") for one in found)


def _select(value: Any, scope: Scope) -> Any:
    index, items = (evaluate(one, scope) for one in _pair(value, "Fn::Select", 2))
    if not isinstance(items, list):
        raise validation_error(
            "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
        )
    try:
        number = int(index)
    except (TypeError, ValueError):
        raise validation_error("Template error: Fn::Select requires an integer index") from None
    if not 0 <= number < len(items):
        raise validation_error(f"Template error: Fn::Select cannot select nonexistent value at index {number}")
    return items[number]


def _split(value: Any, scope: Scope) -> list[str]:
    separator, text = _pair(value, "Fn::Split", 2)
    found = evaluate(text, scope)
    if not isinstance(separator, str) or not separator or not isinstance(found, str):
        raise validation_error("Template error: every Fn::Split object requires a delimiter and a string")
    return found.split(separator)


def _find_in_map(value: Any, scope: Scope) -> Any:
    name, top, second = (evaluate(one, scope) for one in _pair(value, "Fn::FindInMap", 3))
    if not isinstance(name, str) or name not in scope.mappings:
        raise validation_error(
            f"Template error: Mapping named '{name}' is not present in the 'Mappings' section of template."
        )
    found = scope.mappings[name]
    for key in (text_of(top, "Fn::FindInMap"), text_of(second, "Fn::FindInMap")):
        if not isinstance(found, dict) or key not in found:
            raise validation_error(f"Template error: Unable to get mapping for {name}::{top}::{second}")
        found = found[key]
    return found


def _import_value(value: Any, scope: Scope) -> str:
    return scope.export(text_of(evaluate(value, scope), "Fn::ImportValue"))


def _base64(value: Any, scope: Scope) -> str:
    return base64.b64encode(text_of(evaluate(value, scope), "Fn::Base64").encode()).decode()


def _if(value: Any, scope: Scope) -> Any:
    name, then, otherwise = _pair(value, "Fn::If", 3)
    return evaluate(then if _holds(name, scope) else otherwise, scope)


def _holds(name: Any, scope: Scope) -> bool:
    if not isinstance(name, str) or name not in scope.conditions:
        raise validation_error(f"Template error: unresolved condition dependency {name} in Fn::If")
    return scope.conditions[name]


FUNCTIONS: Mapping[str, Callable[[Any, Scope], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::ImportValue": _import_value,
    "Fn::Base64": _base64,
    "Fn::If": _if,
}


def evaluate_conditions(conditions: Mapping[str, Any], scope: Scope) -> dict[str, bool]:
    """Every condition of the template; they may use each other, not resources."""
    found: dict[str, bool] = {}
    under_way: list[str] = []

    def named(name: Any) -> bool:
        if not isinstance(name, str) or name not in conditions:
            raise validation_error(f"Template error: unresolved condition dependency {name}")
        if name in found:
            return found[name]
        if name in under_way:
            raise validation_error(
                f"Template error: Found circular condition dependency between conditions {under_way}"
            )
        under_way.append(name)
        found[name] = holds(conditions[name])
        under_way.pop()
        return found[name]

    def holds(value: Any) -> bool:
        if isinstance(value, dict) and len(value) == 1:
            name, body = next(iter(value.items()))
            if name == "Condition":
                return named(body)
            if name == "Fn::Equals":
                left, right = (evaluate(one, scope) for one in _pair(body, name, 2))
                return bool(_comparable(left) == _comparable(right))
            if name == "Fn::Not":
                return not holds(_pair(body, name, 1)[0])
            if name in ("Fn::And", "Fn::Or"):
                if not isinstance(body, list) or not 2 <= len(body) <= 10:
                    raise validation_error(f"Template error: {name} requires a list of 2 to 10 conditions")
                results = [holds(one) for one in body]
                return all(results) if name == "Fn::And" else any(results)
        raise validation_error(f"Template error: a condition must be one of {', '.join(CONDITION_FUNCTIONS)}")

    for name in conditions:
        named(name)
    return found


def _comparable(value: Any) -> Any:
    return text_of(value, "Fn::Equals") if isinstance(value, bool | int | float | str) else value


def references(value: Any, conditions: Mapping[str, bool]) -> Iterator[str]:
    """Names that Ref, Fn::GetAtt and Fn::Sub mention (parameters and pseudo parameters too), in order of mention."""
    if isinstance(value, list):
        for one in value:
            yield from references(one, conditions)
        return
    if not isinstance(value, dict):
        return
    if len(value) == 1:
        name, body = next(iter(value.items()))
        if name == "Ref" and isinstance(body, str):
            yield body
            return
        if name == "Fn::GetAtt":
            parts = body.split(".", 1) if isinstance(body, str) else body
            if isinstance(parts, list) and parts and isinstance(parts[0], str):
                yield parts[0]
                yield from references(parts[1:], conditions)
            return
        if name == "Fn::Sub":
            yield from _references_of_sub(body, conditions)
            return
        if name == "Fn::If" and isinstance(body, list) and len(body) == 3 and body[0] in conditions:
            yield from references(body[1] if conditions[body[0]] else body[2], conditions)
            return
    for one in value.values():
        yield from references(one, conditions)


def _references_of_sub(body: Any, conditions: Mapping[str, bool]) -> Iterator[str]:
    own: Mapping[str, Any] = {}
    if isinstance(body, list) and len(body) == 2 and isinstance(body[1], dict):
        body, own = body
        yield from references(own, conditions)
    if isinstance(body, str):
        for literal, name in SUB.findall(body):
            if not literal and name.strip() not in own:
                yield name.strip().split(".", 1)[0]
