"""AWS::Include: a piece of a template that lies in S3, put where Fn::Transform names it.

    Body: {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://bucket/api.yaml"}}}

What `sam deploy` and `aws cloudformation package` make of an OpenAPI document beside the template. The piece takes the
place of the node, beside the node's other keys. A location is a text here, or a Ref to a parameter; other functions in
it are refused by name. On AWS a piece may not have short forms in YAML; here it may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from antipodes.services.cloudformation.text import read_text, validation_error
from antipodes.wire.errors import NotSupported

TRANSFORM = "Fn::Transform"


def locations(value: Any, parameters: Mapping[str, str | None]) -> Iterator[str]:
    """All that a template includes."""
    if isinstance(value, dict):
        if TRANSFORM in value:
            yield _location(value[TRANSFORM], parameters)
        for one in value.values():
            yield from locations(one, parameters)
    elif isinstance(value, list):
        for one in value:
            yield from locations(one, parameters)


def _location(transform: Any, parameters: Mapping[str, str | None]) -> str:
    name = transform.get("Name") if isinstance(transform, dict) else transform
    if name != "AWS::Include":
        raise NotSupported(f"the transform {name}")
    found = (transform.get("Parameters") or {}).get("Location")
    if isinstance(found, dict) and list(found) == ["Ref"]:
        found = parameters.get(str(found["Ref"]))
    if not isinstance(found, str):
        raise NotSupported("functions other than Ref of a parameter in the Location of AWS::Include")
    return found


def included(value: Any, pieces: Mapping[str, Mapping[str, Any]], parameters: Mapping[str, str | None]) -> Any:
    """The template with its pieces in place."""
    if isinstance(value, dict):
        found = {key: included(one, pieces, parameters) for key, one in value.items() if key != TRANSFORM}
        return {**found, **pieces[_location(value[TRANSFORM], parameters)]} if TRANSFORM in value else found
    if isinstance(value, list):
        return [included(one, pieces, parameters) for one in value]
    return value


async def with_pieces(
    raw: dict[str, Any], parameters: Mapping[str, str | None], fetch: Callable[[str], Awaitable[str]]
) -> dict[str, Any]:
    """The template with what it includes. `fetch` gives the text at a location."""
    names = list(dict.fromkeys(locations(raw, parameters)))
    if not names:
        return raw
    pieces = {}
    for name in names:
        piece = read_text(await fetch(name))
        if next(locations(piece, parameters), None) is not None:
            raise validation_error("Transforms within an included template are not allowed.")
        pieces[name] = piece
    found = included(raw, pieces, parameters)
    assert isinstance(found, dict)
    return found
