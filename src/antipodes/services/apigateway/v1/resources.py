"""Resources of an API that is being edited: its paths."""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import itemgetter

import msgspec

from antipodes.services.apigateway.v1.apis import APIS
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.kinds import Nested, Params
from antipodes.services.apigateway.v1.listing import page
from antipodes.services.apigateway.v1.patching import One, Table, patched
from antipodes.services.apigateway.v1.records import Api, Resource, bad_request, conflict, not_found
from antipodes.services.apigateway.v1.shown import shown_resource
from antipodes.wire.operation import Request, Result

PART = re.compile(r"[a-zA-Z0-9._\-:]+|\{[a-zA-Z0-9._\-:]+\+?\}")
TABLE: Table = {"/pathPart": One("part"), "/parentId": One("parent_id")}


async def get_resource(catalogue: Catalogue, request: Request) -> Result:
    resource = await RESOURCES.read(catalogue, request.params)
    return shown_resource(resource, embed=_embeds(request.params))


async def get_resources(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    resources = sorted(APIS.find(catalogue, params).resources.values(), key=lambda resource: resource.path)
    await catalogue.settled()
    return page([shown_resource(resource, embed=_embeds(params)) for resource in resources], params)


async def update_resource(catalogue: Catalogue, request: Request) -> Result:
    """What lies below moves with it."""
    api, before = APIS.find(catalogue, request.params), RESOURCES.find(catalogue, request.params)
    after = patched(before, request.params.get("patchOperations"), TABLE, request.operation)
    if before.id == api.root_id and after != before:
        raise bad_request(f"Root resource cannot update its {'pathPart' if after.part != before.part else 'parentId'}.")
    if after == before:
        return shown_resource(before)
    parent = api.resources.get(after.parent_id)
    if parent is None:
        raise not_found("Resource")
    if parent.id == before.id or parent.path.startswith(before.path + "/"):
        raise bad_request("Resources cannot be cyclical.")
    check_part(after.part, parent.path)
    _check_name(after.part, [r for r in api.resources.values() if r.parent_id == parent.id and r.id != after.id])
    after = msgspec.structs.replace(after, path=f"{parent.path.rstrip('/')}/{after.part}")
    moved = {
        one.id: msgspec.structs.replace(one, path=after.path + one.path.removeprefix(before.path))
        for one in _below(api, before)
    }
    await _save(catalogue, api, {**api.resources, after.id: after, **moved})
    return shown_resource(after)


async def delete_resource(catalogue: Catalogue, request: Request) -> Result:
    """What lies below goes with it."""
    api, resource = APIS.find(catalogue, request.params), RESOURCES.find(catalogue, request.params)
    if resource.id == api.root_id:
        raise bad_request("Cannot delete root resource.")
    gone = {resource.id, *(one.id for one in _below(api, resource))}
    await _save(catalogue, api, {key: value for key, value in api.resources.items() if key not in gone})
    return {}


def check_sibling(part: str, siblings: Iterable[Resource]) -> None:
    """Raises BadRequestException for a second variable among the children of one resource."""
    other = next((one.part for one in siblings if part.startswith("{") and one.part.startswith("{")), None)
    if other is not None:
        raise bad_request(
            f"A sibling ({other}) of this resource already has a variable path part -- only one is allowed"
        )


def check_part(part: str, parent_path: str) -> None:
    """Raises BadRequestException for a path part that cannot be."""
    if not PART.fullmatch(part):
        raise bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the "
            "beginning and the end."
        )
    if parent_path.endswith("+}"):
        greedy = parent_path.rpartition("/")[2]
        raise bad_request(f"Cannot create a child of a resource with a greedy path variable: {greedy}")


def _made(catalogue: Catalogue, params: Params) -> Resource:
    parent = RESOURCES.find(catalogue, {**params, "resourceId": params["parentId"]})
    part = params["pathPart"]
    check_part(part, parent.path)
    siblings = [one for one in RESOURCES.every(catalogue, params) if one.parent_id == parent.id]
    _check_name(part, siblings)
    check_sibling(part, siblings)
    path = f"{parent.path.rstrip('/')}/{part}"
    return Resource(id=catalogue.new_id(6), parent_id=parent.id, part=part, path=path)


RESOURCES = Nested(
    owner=APIS,
    attribute="resources",
    key="id",
    asked=itemgetter("resourceId"),
    absent=lambda _: not_found("Resource"),
    shown=shown_resource,
    made=_made,
    patches=TABLE,
)


def _check_name(part: str, siblings: Iterable[Resource]) -> None:
    if any(sibling.part == part for sibling in siblings):
        raise conflict(f"Another resource with the same parent already has this name: {part}")


def _below(api: Api, resource: Resource) -> list[Resource]:
    return [one for one in api.resources.values() if one.path.startswith(resource.path + "/")]


def _embeds(params: Params) -> bool:
    return "methods" in (params.get("embed") or ())


async def _save(catalogue: Catalogue, api: Api, resources: dict[str, Resource]) -> None:
    await catalogue.save_api(msgspec.structs.replace(api, resources=resources))
