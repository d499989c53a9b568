"""What a template says, typed. Pure: no account, no Region, no stack.

`read_template` checks the shape (sections, types, names) and refuses what antipodes does not carry out by name. It
does not evaluate: `intrinsics` does that, with a scope; `plan` decides order and differences.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from antipodes.services.cloudformation.text import validation_error
from antipodes.wire.errors import NotSupported

SERVERLESS = "AWS::Serverless-2016-10-31"
SECTIONS = (
    "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Transform",
    "Resources", "Outputs", "Rules", "Globals", "Hooks",
)  # fmt: skip
RESOURCE_KEYS = (
    "Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata",
    "CreationPolicy", "UpdatePolicy",
)  # fmt: skip
LOGICAL_ID = re.compile(r"[A-Za-z0-9]{1,255}")
SSM_VALUE = "AWS::SSM::Parameter::Value<"
PARAMETER_TYPES = ("String", "Number", "CommaDelimitedList", "List<Number>", "List<String>")
MAX_RESOURCES = 500
MAX_PARAMETERS = 200
MAX_OUTPUTS = 200


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of Parameters. Lengths and values bound the text; `default` is text or None."""

    name: str
    type: str
    default: str | None = None
    allowed_values: tuple[str, ...] = ()
    allowed_pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_value: float | None = None
    max_value: float | None = None
    no_echo: bool = False
    description: str = ""
    constraint: str | None = None

    @property
    def is_list(self) -> bool:
        kind = self.type.removeprefix(SSM_VALUE)
        return kind.startswith(("CommaDelimitedList", "List<"))

    @property
    def is_stored(self) -> bool:
        """Whether its value is the name of a parameter of Parameter Store, and what is there counts."""
        return self.type.startswith(SSM_VALUE)


@dataclass(frozen=True, slots=True)
class Resource:
    """One entry of Resources, unevaluated."""

    logical_id: str
    type: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    deletion_policy: str = "Delete"  # Delete, Retain, RetainExceptOnCreate, Snapshot
    update_replace_policy: str = "Delete"


@dataclass(frozen=True, slots=True)
class Output:
    """One entry of Outputs, unevaluated."""

    name: str
    value: Any
    description: str = ""
    export: Any = None
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template. Conditions and mappings stay as the text has them."""

    description: str
    parameters: Mapping[str, Parameter]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    rules: Mapping[str, Any]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Output]
    transforms: tuple[str, ...]


def transforms_of(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in Transform; anything but SAM is refused."""
    found = raw.get("Transform", [])
    names = found if isinstance(found, list) else [found]
    for name in names:
        if name != SERVERLESS:
            said = name.get("Name") if isinstance(name, dict) else name
            raise NotSupported(f"the transform {said}")
    return tuple(names)


def read_template(raw: Mapping[str, Any]) -> Template:
    """Checks and types a template that `text.read_text` read. Raises ValidationError, NotSupported."""
    for section in raw:
        if section not in SECTIONS:
            raise validation_error(f"Invalid template property or properties [{section}]")
    if raw.get("Hooks"):
        raise NotSupported("the template section Hooks")
    if raw.get("AWSTemplateFormatVersion", "2010-09-09") != "2010-09-09":
        raise validation_error(
            f"Template format error: unsupported value for AWSTemplateFormatVersion: {raw['AWSTemplateFormatVersion']}"
        )
    description = raw.get("Description", "")
    if not isinstance(description, str) or len(description.encode()) > 1024:
        raise validation_error("Template format error: Description must be a string of at most 1024 bytes.")
    transforms = transforms_of(raw)
    resources = _section(raw, "Resources")
    if not resources:
        raise validation_error("Template format error: At least one Resources member must be defined.")
    _at_most("Resources", resources, MAX_RESOURCES)
    parameters = _section(raw, "Parameters")
    _at_most("Parameters", parameters, MAX_PARAMETERS)
    outputs = _section(raw, "Outputs")
    _at_most("Outputs", outputs, MAX_OUTPUTS)
    template = Template(
        description=description,
        parameters={name: _parameter(name, body) for name, body in parameters.items()},
        mappings=_section(raw, "Mappings"),
        conditions=_section(raw, "Conditions"),
        rules=_section(raw, "Rules"),
        resources={name: _resource(name, body) for name, body in resources.items()},
        outputs={name: _output(name, body) for name, body in outputs.items()},
        transforms=transforms,
    )
    for kind, name, condition in [
        *(("resource", r.logical_id, r.condition) for r in template.resources.values()),
        *(("output", o.name, o.condition) for o in template.outputs.values()),
    ]:
        if condition is not None and (not isinstance(condition, str) or condition not in template.conditions):
            raise validation_error(
                f"Template format error: Unresolved condition dependency {condition} of {kind} {name}"
            )
    return template


def _section(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name) or {}
    if not isinstance(found, dict):
        raise validation_error(f"Template format error: {name} section must be an object.")
    return found


def _at_most(name: str, section: Mapping[str, Any], limit: int) -> None:
    if len(section) > limit:
        raise validation_error(
            f"Template format error: Number of {name.lower()}, {len(section)}, is greater than maximum allowed, {limit}"
        )


def _logical_id(section: str, name: str) -> None:
    if not LOGICAL_ID.fullmatch(name):
        raise validation_error(f"Template format error: {section} name {name} is non alphanumeric.")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _parameter(name: str, body: Any) -> Parameter:
    _logical_id("Parameter", name)
    if not isinstance(body, dict) or not isinstance(body.get("Type"), str):
        raise validation_error(f"Template format error: Every Parameters object must contain a Type member. ({name})")
    kind = body["Type"]
    if kind not in PARAMETER_TYPES and not kind.startswith(("AWS::", "List<AWS::")):
        raise validation_error(f"Template format error: Unrecognized parameter type: {kind}")
    default = body.get("Default")
    for key, shape, said in (("AllowedValues", list, "a list"), ("AllowedPattern", str, "a string")):
        if key in body and not isinstance(body[key], shape):
            raise validation_error(f"Template format error: {key} of parameter {name} must be {said}")
    if isinstance(default, list):
        default = ",".join(_text(one) for one in default)
    try:
        return Parameter(
            name=name,
            type=kind,
            default=None if default is None else _text(default),
            allowed_values=tuple(_text(one) for one in body.get("AllowedValues", ())),
            allowed_pattern=body.get("AllowedPattern"),
            min_length=None if "MinLength" not in body else int(body["MinLength"]),
            max_length=None if "MaxLength" not in body else int(body["MaxLength"]),
            min_value=None if "MinValue" not in body else float(body["MinValue"]),
            max_value=None if "MaxValue" not in body else float(body["MaxValue"]),
            no_echo=_text(body.get("NoEcho", "false")).lower() == "true",
            description=_text(body.get("Description", "")),
            constraint=body.get("ConstraintDescription"),
        )
    except (TypeError, ValueError):
        raise validation_error(f"Template format error: a limit of parameter {name} is not a number") from None


def _resource(name: str, body: Any) -> Resource:
    _logical_id("Resource", name)
    if not isinstance(body, dict):
        raise validation_error("Template format error: [/Resources/" + name + "] resource definition is malformed")
    kind = body.get("Type")
    for key in body:
        # SAM's own resources may have more (a Description, say): the transform leaves it out.
        if key not in RESOURCE_KEYS and not str(kind).startswith("AWS::Serverless::"):
            raise validation_error(f"Invalid template resource property '{key}'")
    for key in ("CreationPolicy", "UpdatePolicy"):
        if body.get(key):
            raise NotSupported(f"{key} (resource {name})")
    if not isinstance(kind, str):
        raise validation_error(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        )
    properties = body.get("Properties") or {}
    if not isinstance(properties, dict):
        raise validation_error(f"Template format error: [/Resources/{name}/Properties] must be an object")
    depends = body.get("DependsOn", [])
    depends = depends if isinstance(depends, list) else [depends]
    if not all(isinstance(one, str) for one in depends):
        raise validation_error(
            f"Template format error: DependsOn of resource {name} must be a string or list of strings."
        )
    policies = {}
    for key in ("DeletionPolicy", "UpdateReplacePolicy"):
        policies[key] = body.get(key, "Delete")
        if policies[key] not in ("Delete", "Retain", "RetainExceptOnCreate"):
            if policies[key] == "Snapshot":
                raise NotSupported(f"{key} Snapshot (resource {name})")
            raise validation_error(f"Template format error: Unrecognized {key} {policies[key]} for resource {name}")
    return Resource(
        logical_id=name,
        type=kind,
        properties=properties,
        depends_on=tuple(depends),
        condition=body.get("Condition"),
        deletion_policy=policies["DeletionPolicy"],
        update_replace_policy=policies["UpdateReplacePolicy"],
    )


def _output(name: str, body: Any) -> Output:
    _logical_id("Output", name)
    if not isinstance(body, dict) or "Value" not in body:
        raise validation_error(f"Template format error: Every Outputs member must contain a Value object ({name})")
    export = body.get("Export")
    if export is not None and (not isinstance(export, dict) or "Name" not in export):
        raise validation_error(f"Template format error: Output {name} is malformed: Export needs a Name")
    return Output(
        name=name,
        value=body["Value"],
        description=_text(body.get("Description", "")),
        export=None if export is None else export["Name"],
        condition=body.get("Condition"),
    )
