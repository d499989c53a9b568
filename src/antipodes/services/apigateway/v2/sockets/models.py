"""Models of WebSocket APIs: JSON schemas with names, by which routes have messages checked."""

from __future__ import annotations

from typing import Any

from antipodes.services.apigateway.v1.models import model_of, template_of
from antipodes.services.apigateway.v1.records import Model, bad_request, conflict
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.parts import Part
from antipodes.services.apigateway.v2.records import WEBSOCKET, HttpApi
from antipodes.wire.operation import Request, Result


async def create_model(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    api = catalogue.api(params["ApiId"])
    if api.protocol != WEBSOCKET:
        raise bad_request("Models are not supported on protocolType HTTP")  # the words are a guess
    model = model_of(
        catalogue.shared.new_id(6),
        params["Name"],
        params["Schema"],
        params.get("ContentType"),
        params.get("Description"),
    )
    _check_name(api, model)
    return await PART.save(catalogue, api, model.id, model)


async def update_model(catalogue: HttpCatalogue, request: Request) -> Result:
    api, before = PART.found(catalogue, request.params)
    changed = {name: value for name, value in request.params.items() if value is not None}
    given = {**_shown(api, before), **changed}
    model = model_of(before.id, given["Name"], given["Schema"], given.get("ContentType"), given.get("Description"))
    _check_name(api, model)
    return await PART.save(catalogue, api, model.id, model)


async def get_model_template(catalogue: HttpCatalogue, request: Request) -> Result:
    """A mapping template that passes on what the schema has."""
    _, model = PART.found(catalogue, request.params)
    await catalogue.shared.settled()
    return {"Value": template_of(model.schema)}


def _check_name(api: HttpApi, model: Model) -> None:
    if any(one.name == model.name and one.id != model.id for one in api.models.values()):
        raise conflict(f"Model with name {model.name} already exists for this API")  # the words are a guess


def _check_unused(api: HttpApi, model: Model) -> None:
    for route in api.routes.values():
        if model.name in route.request_models.values():  # the words are a guess
            raise conflict(f"Cannot delete model '{model.name}', is referenced in route: {route.key}")


def _shown(api: HttpApi, model: Model) -> dict[str, Any]:
    answer = {"ContentType": model.content_type, "ModelId": model.id, "Name": model.name, "Schema": model.schema}
    return {**answer, "Description": model.description} if model.description else answer


PART: Part[Model] = Part("Model", "models", _shown, _check_unused)
