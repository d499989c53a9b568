"""Models (JSON schemas with names) and request validators of a REST API."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import Any

import orjson

from antipodes.services.apigateway.v1.apis import APIS
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.kinds import Nested, Params
from antipodes.services.apigateway.v1.listing import answered
from antipodes.services.apigateway.v1.patching import One, flag
from antipodes.services.apigateway.v1.records import Model, Validator, bad_request, conflict, methods_of, missing
from antipodes.services.apigateway.v1.validation import BadSchema, schema_of
from antipodes.wire.operation import Request, Result

NAME = re.compile(r"[a-zA-Z0-9]+")


async def get_model_template(catalogue: Catalogue, request: Request) -> Result:
    """A mapping template that passes on what the schema has."""
    model = await MODELS.read(catalogue, request.params)
    return {"value": template_of(model.schema)}


def model_of(model_id: str, name: Any, schema: Any, content_type: Any, description: Any) -> Model:
    """Raises BadRequestException."""
    if not name:
        raise bad_request("Model name must be non-empty")
    if NAME.fullmatch(str(name)) is None:
        raise bad_request(f"Model name must be alphanumeric: {name}")
    if schema:
        try:
            schema_of(str(schema))
        except BadSchema as error:
            raise bad_request(str(error)) from error
    return Model(
        id=model_id,
        name=str(name),
        content_type=str(content_type or "application/json"),
        schema=str(schema or ""),
        description=str(description or ""),
    )


def template_of(schema: str) -> str:
    """As AWS generates it; of a schema without properties the body as it is (its form is from memory)."""
    parsed = orjson.loads(schema or "{}")
    properties = parsed.get("properties") if isinstance(parsed, dict) else None
    names = list(properties) if isinstance(properties, dict) else []
    if not names:
        return "#set($inputRoot = $input.path('$'))\n{ }"
    members = ",\n".join(f'  "{name}" : "$inputRoot.{name}"' for name in names)
    return f"#set($inputRoot = $input.path('$'))\n{{\n{members}\n}}"


def shown(model: Model) -> dict[str, Any]:
    always = {"id": model.id, "name": model.name, "contentType": model.content_type}
    return answered(always, schema=model.schema, description=model.description)


def shown_validator(validator: Validator) -> dict[str, Any]:
    return {
        "id": validator.id,
        "name": validator.name,
        "validateRequestBody": validator.body,
        "validateRequestParameters": validator.parameters,
    }


def _made(catalogue: Catalogue, params: Params) -> Model:
    model = model_of(
        catalogue.new_id(6), params["name"], params.get("schema"), params.get("contentType"), params.get("description")
    )
    if model.name in APIS.find(catalogue, params).models:
        raise conflict("Model name already exists for this REST API")
    return model


def _check_unused(catalogue: Catalogue, params: Params, model: Model) -> None:
    for resource, method in methods_of(APIS.find(catalogue, params)):
        if model.name in method.request_models.values():
            where = f"{resource.path}/{method.verb}"
            raise conflict(f"Cannot delete model '{model.name}', is referenced in method request: {where}")


MODELS = Nested(
    owner=APIS,
    attribute="models",
    key="name",
    asked=itemgetter("modelName"),
    absent=lambda name: missing(f"Invalid model name specified: {name}"),
    shown=shown,
    made=_made,
    patches={"/description": One("description", gone=""), "/schema": One("schema")},
    changed=lambda catalogue, params, _, after: model_of(
        after.id, after.name, after.schema, after.content_type, after.description
    ),
    check_unused=_check_unused,
)


def _made_validator(catalogue: Catalogue, params: Params) -> Validator:
    return Validator(
        id=catalogue.new_id(6),
        name=params.get("name") or "",
        body=bool(params.get("validateRequestBody")),
        parameters=bool(params.get("validateRequestParameters")),
    )


def _check_validator_unused(catalogue: Catalogue, params: Params, validator: Validator) -> None:
    if any(method.validator_id == validator.id for _, method in methods_of(APIS.find(catalogue, params))):
        raise conflict("Cannot delete a request validator that is referenced by a method")  # the words are a guess


VALIDATORS = Nested(
    owner=APIS,
    attribute="validators",
    key="id",
    asked=itemgetter("requestValidatorId"),
    absent=lambda _: missing("Invalid Request Validator identifier specified"),
    shown=shown_validator,
    made=_made_validator,
    patches={
        "/name": One("name"),
        "/validateRequestBody": One("body", flag),
        "/validateRequestParameters": One("parameters", flag),
    },
    check_unused=_check_validator_unused,
)
