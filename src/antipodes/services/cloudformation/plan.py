"""What to do, in which order. Pure.

`bind` gives parameters their values; `prepare` makes of a template and its values a Plan: the resources whose
condition holds, their dependencies, and an order in which each comes after what it needs. The order is by logical id
where dependencies leave a choice, so it is the same in every run.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from antipodes.services.cloudformation.intrinsics import Scope, evaluate_conditions, references
from antipodes.services.cloudformation.rules import check_rules
from antipodes.services.cloudformation.template import Output, Parameter, Resource, Template
from antipodes.services.cloudformation.text import validation_error


@dataclass(frozen=True, slots=True)
class Plan:
    """A template with its values bound."""

    template: Template
    scope: Scope  # knows no resources yet
    resources: Mapping[str, Resource]  # those whose condition holds
    outputs: Mapping[str, Output]
    needs: Mapping[str, tuple[str, ...]]  # logical id -> logical ids, sorted
    order: tuple[str, ...]


def bind(
    parameters: Mapping[str, Parameter], given: Mapping[str, str | None], previous: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The text of every parameter: what was given, the previous value (given as None: UsePreviousValue), the default.

    Raises ValidationError in AWS's words.
    """
    unknown = sorted(name for name in given if name not in parameters)
    if unknown:
        raise validation_error(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values: dict[str, str] = {}
    missing = []
    for name, parameter in parameters.items():
        value: str | None
        if name in given and given[name] is None:
            value = (previous or {}).get(name)
        else:
            value = given.get(name, parameter.default)
        if value is None:
            missing.append(name)
        else:
            _check(parameter, value)
            values[name] = value
    if missing:
        raise validation_error(f"Parameters: [{', '.join(missing)}] must have values")
    return values


def _check(parameter: Parameter, value: str) -> None:
    name = parameter.name

    def refuse(reason: str) -> None:
        said = parameter.constraint
        text = f"Parameter {name} failed to satisfy constraint: {said}" if said else reason
        raise validation_error(text)

    items = [one.strip() for one in value.split(",")] if parameter.is_list else [value]
    for one in items:
        if parameter.allowed_values and one not in parameter.allowed_values:
            refuse(f"Parameter '{name}' must be one of AllowedValues")
        if parameter.allowed_pattern is not None and not _matches(parameter, one):
            refuse(f"Parameter '{name}' must match pattern {parameter.allowed_pattern}")
        if parameter.type in ("Number", "List<Number>"):
            try:
                number = float(one)
            except ValueError:
                raise validation_error(f"Parameter '{name}' must be a number.") from None
            if parameter.min_value is not None and number < parameter.min_value:
                refuse(f"Parameter '{name}' must be a number not less than {parameter.min_value:g}")
            if parameter.max_value is not None and number > parameter.max_value:
                refuse(f"Parameter '{name}' must be a number not greater than {parameter.max_value:g}")
    if parameter.min_length is not None and len(value) < parameter.min_length:
        refuse(f"Parameter '{name}' must contain at least {parameter.min_length} characters")
    if parameter.max_length is not None and len(value) > parameter.max_length:
        refuse(f"Parameter '{name}' must contain at most {parameter.max_length} characters")


def _matches(parameter: Parameter, value: str) -> bool:
    try:
        # Java's expressions on AWS, Python's here: the same for what templates use.
        return re.fullmatch(parameter.allowed_pattern or "", value) is not None
    except re.error:
        raise validation_error(
            f"Template format error: AllowedPattern of parameter {parameter.name} is not a regular expression"
        ) from None


def values_of(parameters: Mapping[str, Parameter], texts: Mapping[str, str]) -> dict[str, Any]:
    """What Ref gives for each parameter: text, or a list of texts."""
    return {
        name: [one.strip() for one in texts[name].split(",")] if parameter.is_list else texts[name]
        for name, parameter in parameters.items()
    }


def prepare(
    template: Template,
    texts: Mapping[str, str],
    pseudo: Mapping[str, Any],
    export: Callable[[str], str],
) -> Plan:
    """Evaluates conditions, finds dependencies, orders. Raises ValidationError (unknown names, cycles)."""
    values = values_of(template.parameters, texts)
    outside = Scope(parameters=values, pseudo=pseudo, mappings=template.mappings, export=export)
    conditions = evaluate_conditions(template.conditions, outside)
    check_rules(template.rules, outside)
    scope = Scope(parameters=values, pseudo=pseudo, mappings=template.mappings, conditions=conditions, export=export)
    resources = {
        name: one for name, one in template.resources.items() if one.condition is None or conditions[one.condition]
    }
    outputs = {
        name: one for name, one in template.outputs.items() if one.condition is None or conditions[one.condition]
    }
    needs = {name: _needs(one, template, resources, conditions) for name, one in resources.items()}
    for output in outputs.values():
        _known(references([output.value, output.export], conditions), template, resources, "Outputs")
    return Plan(template, scope, resources, outputs, needs, order(needs))


def _needs(
    resource: Resource, template: Template, resources: Mapping[str, Resource], conditions: Mapping[str, bool]
) -> tuple[str, ...]:
    found = _known(references(resource.properties, conditions), template, resources, "Resources")
    for name in resource.depends_on:
        if name not in template.resources:
            raise validation_error(
                f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of the "
                "template"
            )
        if name in resources:  # a dependency whose condition does not hold is dropped
            found.append(name)
    if resource.logical_id in found:
        raise validation_error(f"Circular dependency between resources: [{resource.logical_id}]")
    return tuple(sorted(dict.fromkeys(found)))


def _known(names: Any, template: Template, resources: Mapping[str, Resource], block: str) -> list[str]:
    found, unknown = [], []
    for name in names:
        if name in template.parameters or name.startswith("AWS::"):
            continue
        if name in resources:
            found.append(name)
        else:
            unknown.append(name)
    if unknown:
        raise validation_error(
            f"Template format error: Unresolved resource dependencies [{', '.join(sorted(dict.fromkeys(unknown)))}] "
            f"in the {block} block of the template"
        )
    return found


def order(needs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Each name after those it needs; by name where there is a choice. Raises ValidationError on a cycle."""
    waits = {name: len(needs[name]) for name in needs}
    wanted_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, wanted in needs.items():
        for one in wanted:
            wanted_by[one].append(name)
    ready = [name for name, count in waits.items() if count == 0]
    heapq.heapify(ready)
    done: list[str] = []
    while ready:
        name = heapq.heappop(ready)
        done.append(name)
        for one in wanted_by[name]:
            waits[one] -= 1
            if waits[one] == 0:
                heapq.heappush(ready, one)
    if len(done) < len(needs):
        stuck = sorted(name for name in needs if name not in done)
        raise validation_error(f"Circular dependency between resources: [{', '.join(stuck)}]")
    return tuple(done)
