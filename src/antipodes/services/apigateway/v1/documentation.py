"""Documentation of an API: its parts as they are edited, and versions, which are snapshots of all parts.

A stage may name a version; GetExport of the stage then shows it. documenting.py has the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

import msgspec
import orjson

from antipodes.services.apigateway.v1 import openapi
from antipodes.services.apigateway.v1.apis import APIS
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.documenting import fields_of, location_of, properties_of
from antipodes.services.apigateway.v1.kinds import Nested, Params
from antipodes.services.apigateway.v1.listing import answered, page
from antipodes.services.apigateway.v1.patching import One
from antipodes.services.apigateway.v1.records import (
    Api,
    DocumentationPart,
    DocumentationVersion,
    bad_request,
    conflict,
    missing,
)
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

MODES = ("merge", "overwrite")


async def get_documentation_parts(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    if params.get("locationStatus") == "UNDOCUMENTED":
        raise NotSupported("locationStatus UNDOCUMENTED of GetDocumentationParts")
    wanted = {field: params.get(name) for field, name in (("type", "type"), ("name", "nameQuery"), ("path", "path"))}
    parts = PARTS.every(catalogue, params)
    await catalogue.settled()
    shown = [PARTS.shown(part) for part in parts]
    return page([one for one in shown if _agrees(one["location"], wanted)], params)


async def import_documentation_parts(catalogue: Catalogue, request: Request) -> Result:
    """Parts that cannot be are left out, and told of as warnings; with failOnWarnings nothing is imported."""
    params, mode = request.params, request.params.get("mode") or "merge"
    api = APIS.find(catalogue, params)
    if mode not in MODES:
        raise bad_request(f"Invalid mode '{mode}'; one of {', '.join(MODES)}.")
    parts, warnings = imported(catalogue, openapi.parse(bytes(params["body"])).get(openapi.DOCUMENTATION))
    if warnings and params.get("failOnWarnings"):
        raise bad_request(f"Warnings found during import:\n\t{chr(10).join(warnings)}")  # the words are from memory
    api, ids = with_parts(api, parts, overwrite=mode == "overwrite")
    await catalogue.save_api(api)
    return {"ids": ids, "warnings": warnings}


async def create_documentation_version(catalogue: Catalogue, request: Request) -> Result:
    """With a stage's name the stage is given it, too."""
    params = request.params
    api = APIS.find(catalogue, params)
    name, stage = params["documentationVersion"], params.get("stageName")
    if name in api.documentation_versions:
        raise conflict(f"Version already exists: {name}")  # the words are a guess
    found = catalogue.stage(api.id, stage) if stage else None
    version = DocumentationVersion(
        version=name,
        created=catalogue.surroundings.world.now(),
        description=params.get("description") or "",
        parts=tuple(api.documentation.values()),
    )
    await VERSIONS.put(catalogue, params, version)
    if found is not None:
        found = catalogue.stage(api.id, found.name)
        await catalogue.save_stage(msgspec.structs.replace(found, documentation_version=name))
    return VERSIONS.shown(version)


def imported(catalogue: Catalogue, given: Any) -> tuple[list[DocumentationPart], list[str]]:
    """The parts that a document has, and what is wrong with others of them. Raises BadRequestException."""
    parts: list[DocumentationPart] = []
    warnings: list[str] = []
    documentation = given if given is not None else {}
    listed = documentation.get("documentationParts") or () if isinstance(documentation, Mapping) else None
    if not isinstance(listed, list | tuple):
        raise bad_request(f"Invalid OpenAPI input: {openapi.DOCUMENTATION} has no list of documentationParts.")
    for number, one in enumerate(listed):
        try:
            if not isinstance(one, Mapping):
                raise bad_request("it is not an object")
            location, text = location_of(one.get("location")), orjson.dumps(one.get("properties")).decode()
            properties_of(text)
            parts.append(DocumentationPart(id=catalogue.new_id(6), location=location, properties=text))
        except ClientFault as fault:
            warnings.append(f"Documentation part {number}: {fault.message}")
    return parts, warnings


def with_parts(api: Api, parts: Iterable[DocumentationPart], *, overwrite: bool) -> tuple[Api, list[str]]:
    """The API with these parts, and their ids. Of a part that is there at the same place the id stays, and (unless all
    is overwritten) what the new one does not say."""
    before = {part.location: part for part in api.documentation.values()}
    after = {} if overwrite else dict(before)
    for part in parts:
        old, new = before.get(part.location), part
        if old is not None:
            new = msgspec.structs.replace(part, id=old.id)
            if not overwrite:
                both = {**orjson.loads(old.properties), **orjson.loads(part.properties)}
                new = msgspec.structs.replace(new, properties=orjson.dumps(both).decode())
        after[part.location] = new
    ids = list(dict.fromkeys(after[part.location].id for part in parts))
    return msgspec.structs.replace(api, documentation={part.id: part for part in after.values()}), ids


def _shown(part: DocumentationPart) -> dict[str, Any]:
    return {"id": part.id, "location": dict(fields_of(part.location)), "properties": part.properties}


def _shown_version(version: DocumentationVersion) -> dict[str, Any]:
    always = {"version": version.version, "createdDate": version.created}
    return answered(always, description=version.description)


def _made(catalogue: Catalogue, params: Params) -> DocumentationPart:
    part = DocumentationPart(
        id=catalogue.new_id(6), location=location_of(params["location"]), properties=params["properties"]
    )
    properties_of(part.properties)
    if any(one.location == part.location for one in PARTS.every(catalogue, params)):
        where = ", ".join(f"{field} '{value}'" for field, value in fields_of(part.location))
        raise conflict(f"Documentation part already exists for the specified location: {where}.")
    return part


def _changed(
    catalogue: Catalogue, params: Params, before: DocumentationPart, after: DocumentationPart
) -> DocumentationPart:
    properties_of(after.properties)
    return after


def _check_unused(catalogue: Catalogue, params: Params, version: DocumentationVersion) -> None:
    api = APIS.find(catalogue, params)
    used = [one.name for one in catalogue.stages_of(api.id) if one.documentation_version == version.version]
    if used:  # that it is refused, and the words, are guesses
        raise conflict(f"Documentation version {version.version} is associated with stages: {', '.join(used)}")


def _agrees(location: Mapping[str, str], wanted: Mapping[str, Any]) -> bool:
    return all(value in (None, "", location.get(field)) for field, value in wanted.items())


PARTS = Nested(
    owner=APIS,
    attribute="documentation",
    key="id",
    asked=itemgetter("documentationPartId"),
    absent=lambda _: missing("Invalid Documentation part identifier specified"),
    shown=_shown,
    made=_made,
    patches={"/properties": One("properties")},
    changed=_changed,
)
VERSIONS = Nested(
    owner=APIS,
    attribute="documentation_versions",
    key="version",
    asked=itemgetter("documentationVersion"),
    absent=lambda _: missing("Invalid Documentation version specified"),
    shown=_shown_version,
    patches={"/description": One("description", gone="")},
    check_unused=_check_unused,
)
