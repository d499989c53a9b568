"""From what a caller asked for to a Plan: text, transforms, parameters, checks.

Everything that can be refused is refused here, before a stack exists: unknown resource types and properties,
capabilities, unresolved names, cycles. Reads the store only to find exports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from antipodes.services.cloudformation.handler import refuse_properties
from antipodes.services.cloudformation.plan import Plan, bind, prepare
from antipodes.services.cloudformation.records import Asked, Records, Stack
from antipodes.services.cloudformation.registry import HANDLERS
from antipodes.services.cloudformation.sam import expand
from antipodes.services.cloudformation.template import SERVERLESS, Template, read_template, transforms_of
from antipodes.services.cloudformation.text import read_text, validation_error
from antipodes.services.contract import Surroundings
from antipodes.wire.errors import ClientFault, NotSupported

IAM_NAMES = {"AWS::IAM::Role": "RoleName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName"}


class Drafting:
    """Makes Asked and Plan values for one Region's stacks."""

    def __init__(self, surroundings: Surroundings, records: Records) -> None:
        self._region = surroundings.region
        self._account = surroundings.settings.account
        self._records = records

    def ask(
        self,
        body: str,
        raw: dict[str, Any],
        given: Mapping[str, str | None],
        previous: Asked | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        capabilities: Sequence[str] = (),
        role: str | None = None,
        notifications: Sequence[str] = (),
    ) -> Asked:
        """What the caller wants, expanded. raw: the text as read, with what it includes. Raises ValidationError,
        NotSupported."""
        template = read_template(raw)
        values = bind(template.parameters, given, previous.parameters if previous else None)
        serverless = SERVERLESS in template.transforms
        expanded = expand(raw, values, self._region) if serverless else orjson.dumps(raw).decode()
        return Asked(
            template=body,
            expanded=expanded,
            parameters=values,
            tags=dict(tags if tags is not None else previous.tags if previous else {}),
            capabilities=tuple(capabilities),
            role=role,
            notifications=tuple(notifications),
        )

    def template_of_text(self, body: str) -> Template:
        """The template before any transform."""
        return read_template(read_text(body))

    def template(self, asked: Asked) -> Template:
        return read_template(orjson.loads(asked.expanded))

    def plan(self, stack: Stack, asked: Asked) -> tuple[Plan, list[str]]:
        """The plan, and a list to which the names of used exports are appended as they are evaluated."""
        imports: list[str] = []

        def export(name: str) -> str:
            for other in self._records.stacks():
                for output in other.outputs:
                    if output.export == name and other.id != stack.id and other.status != "DELETE_COMPLETE":
                        if name not in imports:
                            imports.append(name)
                        return output.value
            raise validation_error(f"No export named {name} found. Rollback requested by user.")

        template = self.template(asked)
        return prepare(template, {**asked.parameters, **asked.stored}, self._pseudo(stack, asked), export), imports

    def _pseudo(self, stack: Stack, asked: Asked) -> dict[str, Any]:
        return {
            "AWS::AccountId": self._account,
            "AWS::NotificationARNs": list(asked.notifications),
            "AWS::Partition": "aws",
            "AWS::Region": self._region,
            "AWS::StackId": stack.id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
        }


def check(plan: Plan) -> None:
    """Raises what would make the plan impossible: types, properties, attributes that antipodes does not have."""
    for name, resource in plan.resources.items():
        handler = HANDLERS.get(resource.type)
        if handler is None:
            raise NotSupported(f"resource type {resource.type} ({name})")
        refuse_properties(handler, name, list(resource.properties))
        for wanted in handler.required:
            if wanted not in resource.properties:
                raise validation_error(
                    f"Properties validation failed for resource {name} with message: required key [{wanted}] not found"
                )


def check_capabilities(raw_transforms: Sequence[str], plan: Plan, capabilities: Sequence[str], *, direct: bool) -> None:
    """AWS's InsufficientCapabilitiesException. `direct`: CreateStack and UpdateStack, not a change set."""
    needed = []
    if direct and raw_transforms and "CAPABILITY_AUTO_EXPAND" not in capabilities:
        needed.append("CAPABILITY_AUTO_EXPAND")
    iam = [one for one in plan.resources.values() if one.type.startswith("AWS::IAM::")]
    named = any(IAM_NAMES.get(one.type) in one.properties for one in iam)
    if named and "CAPABILITY_NAMED_IAM" not in capabilities:
        needed.append("CAPABILITY_NAMED_IAM")
    elif iam and not {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"} & {*capabilities}:
        needed.append("CAPABILITY_IAM")
    if needed:
        raise ClientFault("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(needed)}]")


def transforms_in(asked: Asked) -> tuple[str, ...]:
    """The transforms that the text, as it came, names."""
    return transforms_of(read_text(asked.template))
