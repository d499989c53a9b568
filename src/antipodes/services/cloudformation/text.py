"""Template text: JSON or YAML with CloudFormation's short forms, read into plain values. Pure.

A template is at most 1 MB of text (AWS's limit for a template in S3). YAML aliases and duplicate keys are refused,
dates stay strings ("2012-10-17" is a policy version, not a date), `!Ref X` becomes {"Ref": "X"} and `!GetAtt A.B`
{"Fn::GetAtt": ["A", "B"]}. libyaml's parser is used where PyYAML was built with it: ten times as fast.
"""

from __future__ import annotations

from typing import Any

import orjson
import yaml

from antipodes.wire.errors import ClientFault

MAX_TEMPLATE_BYTES = 1024 * 1024
MAX_DEPTH = 100  # of nested values; AWS does not say its own

SHORT_FORMS = {
    name: f"Fn::{name}"
    for name in (
        "And", "Base64", "Cidr", "Equals", "FindInMap", "GetAZs", "GetAtt", "If", "ImportValue", "Join", "Length",
        "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform",
    )
} | {"Ref": "Ref", "Condition": "Condition"}  # fmt: skip


def validation_error(message: str) -> ClientFault:
    """CloudFormation's one code for bad input."""
    return ClientFault("ValidationError", message)


SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(SAFE_LOADER):  # type: ignore[misc]  # whichever of the two PyYAML has
    """SafeLoader that keeps dates as text and refuses duplicate keys."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # replaces PyYAML's own class attribute
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool):
                raise validation_error(
                    f"Template format error: a key must be a string (line {key_node.start_mark.line + 1})"
                )
            name = key_node.value if isinstance(key_node, yaml.ScalarNode) else str(key)
            if name in found:
                raise validation_error(
                    f"Template format error: duplicate key {name} (line {key_node.start_mark.line + 1})"
                )
            found[name] = self.construct_object(value_node, deep=deep)
        return found


def _map(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = SHORT_FORMS.get(suffix)
    if name is None:
        raise validation_error(f"Template format error: YAML not well-formed. Unknown tag !{suffix}")
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if name == "Fn::GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


_Loader.add_constructor("tag:yaml.org,2002:map", _map)
_Loader.add_multi_constructor("!", _short_form)


def read_text(body: str) -> dict[str, Any]:
    """The template as plain values. Raises ValidationError in AWS's words."""
    if not body.strip():
        raise validation_error("1 validation error detected: Value '' at 'templateBody' failed to satisfy constraint")
    if len(body.encode(errors="surrogatepass")) > MAX_TEMPLATE_BYTES:
        raise validation_error(f"Template may not exceed {MAX_TEMPLATE_BYTES} bytes in size.")
    try:
        found = _parse(body)
        _bounded(found, MAX_DEPTH)
    except RecursionError:
        raise validation_error("Template format error: nested too deeply") from None
    if not isinstance(found, dict):
        raise validation_error("Template format error: unsupported structure.")
    return found


def _parse(body: str) -> Any:
    if body.lstrip().startswith("{"):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if "\n" not in body:
                raise validation_error(
                    f"Template format error: JSON not well-formed. (line {error.lineno}, column {error.colno})"
                ) from None
            # A YAML flow mapping starts with a brace as well.
    try:
        check_events(body)
        return yaml.load(body, Loader=_Loader)  # noqa: S506  # _Loader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise validation_error(f"Template format error: YAML not well-formed.{place}") from None
    except (yaml.YAMLError, ValueError):
        raise validation_error("Template format error: YAML not well-formed.") from None


def check_events(body: str) -> None:
    """Refuses aliases and bottomless nesting before a tree is built: libyaml builds it on the C stack.

    Raises YAMLError, RecursionError, ValidationError.
    """
    depth = 0
    for event in yaml.parse(body, Loader=SAFE_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise validation_error("Template error: YAML aliases are not allowed in CloudFormation templates")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise RecursionError
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _bounded(value: Any, depth: int) -> None:
    if depth == 0:
        raise RecursionError
    if isinstance(value, dict):
        for one in value.values():
            _bounded(one, depth - 1)
    elif isinstance(value, list):
        for one in value:
            _bounded(one, depth - 1)
