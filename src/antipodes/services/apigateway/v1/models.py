"""Models (JSON schemas with names) and request validators of a REST API."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson

from antipodes.services.apigateway.v1.apis import page
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.patching import One, flag, patched
from antipodes.services.apigateway.v1.records import Api, Model, Validator, bad_request, conflict, missing
from antipodes.services.apigateway.v1.validation import BadSchema, schema_of
from antipodes.wire.operation import Request, Result

NAME = re.compile(r"[a-zA-Z0-9]+")


async def create_model(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    api = catalogue.api(params["restApiId"])
    model = model_of(
        catalogue.new_id(6), params["name"], params.get("schema"), params.get("contentType"), params.get("description")
    )
    if model.name in api.models:
        raise conflict("Model name already exists for this REST API")
    await _save(catalogue, api, model)
    return shown(model)


async def get_model(catalogue: Catalogue, request: Request) -> Result:
    _, model = _model(catalogue, request)
    await catalogue.settled()
    return shown(model)


async def get_models(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    await catalogue.settled()
    return page([shown(api.models[name]) for name in sorted(api.models)], request.params)


async def get_model_template(catalogue: Catalogue, request: Request) -> Result:
    """A mapping template that passes on what the schema has."""
    _, model = _model(catalogue, request)
    await catalogue.settled()
    return {"value": template_of(model.schema)}


async def update_model(catalogue: Catalogue, request: Request) -> Result:
    api, model = _model(catalogue, request)
    table = {"/description": One("description", gone=""), "/schema": One("schema")}
    model = patched(model, request.params.get("patchOperations"), table, "UpdateModel")
    model = model_of(model.id, model.name, model.schema, model.content_type, model.description)
    await _save(catalogue, api, model)
    return shown(model)


async def delete_model(catalogue: Catalogue, request: Request) -> Result:
    api, model = _model(catalogue, request)
    for resource in api.resources.values():
        for method in resource.methods.values():
            if model.name in method.request_models.values():
                where = f"{resource.path}/{method.verb}"
                raise conflict(f"Cannot delete model '{model.name}', is referenced in method request: {where}")
    models = {name: kept for name, kept in api.models.items() if name != model.name}
    await catalogue.save_api(msgspec.structs.replace(api, models=models))
    return {}


async def create_request_validator(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    api = catalogue.api(params["restApiId"])
    validator = Validator(
        id=catalogue.new_id(6),
        name=params.get("name") or "",
        body=bool(params.get("validateRequestBody")),
        parameters=bool(params.get("validateRequestParameters")),
    )
    await _save_validator(catalogue, api, validator)
    return shown_validator(validator)


async def get_request_validator(catalogue: Catalogue, request: Request) -> Result:
    _, validator = _validator(catalogue, request)
    await catalogue.settled()
    return shown_validator(validator)


async def get_request_validators(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    await catalogue.settled()
    return page([shown_validator(api.validators[key]) for key in sorted(api.validators)], request.params)


async def update_request_validator(catalogue: Catalogue, request: Request) -> Result:
    api, validator = _validator(catalogue, request)
    table = {
        "/name": One("name"),
        "/validateRequestBody": One("body", flag),
        "/validateRequestParameters": One("parameters", flag),
    }
    validator = patched(validator, request.params.get("patchOperations"), table, "UpdateRequestValidator")
    await _save_validator(catalogue, api, validator)
    return shown_validator(validator)


async def delete_request_validator(catalogue: Catalogue, request: Request) -> Result:
    api, validator = _validator(catalogue, request)
    if any(m.validator_id == validator.id for r in api.resources.values() for m in r.methods.values()):
        raise conflict("Cannot delete a request validator that is referenced by a method")  # the words are a guess
    validators = {key: kept for key, kept in api.validators.items() if key != validator.id}
    await catalogue.save_api(msgspec.structs.replace(api, validators=validators))
    return {}


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
    answer = {"id": model.id, "name": model.name, "contentType": model.content_type}
    if model.schema:
        answer["schema"] = model.schema
    if model.description:
        answer["description"] = model.description
    return answer


def shown_validator(validator: Validator) -> dict[str, Any]:
    return {
        "id": validator.id,
        "name": validator.name,
        "validateRequestBody": validator.body,
        "validateRequestParameters": validator.parameters,
    }


async def _save(catalogue: Catalogue, api: Api, model: Model) -> None:
    await catalogue.save_api(msgspec.structs.replace(api, models={**api.models, model.name: model}))


async def _save_validator(catalogue: Catalogue, api: Api, validator: Validator) -> None:
    validators = {**api.validators, validator.id: validator}
    await catalogue.save_api(msgspec.structs.replace(api, validators=validators))


def _model(catalogue: Catalogue, request: Request) -> tuple[Api, Model]:
    api = catalogue.api(request.params["restApiId"])
    model = api.models.get(request.params["modelName"])
    if model is None:
        raise missing(f"Invalid model name specified: {request.params['modelName']}")
    return api, model


def _validator(catalogue: Catalogue, request: Request) -> tuple[Api, Validator]:
    api = catalogue.api(request.params["restApiId"])
    validator = api.validators.get(request.params["requestValidatorId"])
    if validator is None:
        raise missing("Invalid Request Validator identifier specified")
    return api, validator
