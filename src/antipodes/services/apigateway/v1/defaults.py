"""What an API has from the beginning. Pure."""

from __future__ import annotations

from collections.abc import Callable

from antipodes.services.apigateway.v1.records import Model


def default_models(new_id: Callable[[int], str]) -> dict[str, Model]:
    """What an API has from the beginning."""
    empty = (
        '{\n  "$schema": "http://json-schema.org/draft-04/schema#",\n  "title" : "Empty Schema",\n'
        '  "type" : "object"\n}'
    )
    error = (
        '{\n  "$schema" : "http://json-schema.org/draft-04/schema#",\n  "title" : "Error Schema",\n'
        '  "type" : "object",\n  "properties" : {\n    "message" : { "type" : "string" }\n  }\n}'
    )
    return {
        name: Model(
            id=new_id(6),
            name=name,
            content_type="application/json",
            schema=schema,
            description=f"This is a default {name.lower()} schema model",
        )
        for name, schema in (("Empty", empty), ("Error", error))
    }
