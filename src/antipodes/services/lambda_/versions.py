"""Published versions and aliases. Aliases point at one version: weighted routing is refused by name."""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.functions import publish, shown
from antipodes.services.lambda_.records import LATEST, Alias, Function, conflict, invalid, not_found
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result


async def publish_version(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    function = catalogue.function(catalogue.reference(params["FunctionName"]))
    if params.get("PublishTo"):
        raise NotSupported("PublishTo of PublishVersion")
    if params.get("CodeSha256") and params["CodeSha256"] != function.latest.code_sha256:
        raise invalid(
            f"CodeSHA256 ({params['CodeSha256']}) is different from current CodeSHA256 in $LATEST "
            f"({function.latest.code_sha256}). Please try again with the CodeSHA256 in $LATEST."
        )
    if function.latest.state == "Pending":
        raise conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )
    return await publish(catalogue, function, params.get("Description") or "")


async def list_versions_by_function(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    await catalogue.settled()
    every = [function.latest, *catalogue.versions.get(function.name, {}).values()]
    return {"Versions": [shown(catalogue, function.name, one, one.version) for one in every]}


async def create_alias(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    function = catalogue.function(catalogue.reference(params["FunctionName"]))
    name = params["Name"]
    if name in function.aliases:
        raise conflict(f"Alias already exists: {catalogue.arn(function.name, name)}")
    alias = Alias(
        name=name,
        version=_version(catalogue, function, params["FunctionVersion"]),
        description=params.get("Description") or "",
        revision=catalogue.revision(),
    )
    _refuse_weights(params.get("RoutingConfig"))
    return await _save(catalogue, function, alias)


async def update_alias(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    function, alias = _alias(catalogue, request)
    _refuse_weights(params.get("RoutingConfig"))
    fields: dict[str, Any] = {"revision": catalogue.revision()}
    if params.get("FunctionVersion"):
        fields["version"] = _version(catalogue, function, params["FunctionVersion"])
    if params.get("Description") is not None:
        fields["description"] = params["Description"]
    return await _save(catalogue, function, msgspec.structs.replace(alias, **fields))


async def get_alias(catalogue: Catalogue, request: Request) -> Result:
    function, alias = _alias(catalogue, request)
    await catalogue.settled()
    return _shown(catalogue, function, alias)


async def list_aliases(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    wanted = request.params.get("FunctionVersion")
    await catalogue.settled()
    every = [alias for _, alias in sorted(function.aliases.items())]
    return {"Aliases": [_shown(catalogue, function, a) for a in every if wanted in (None, a.version)]}


async def delete_alias(catalogue: Catalogue, request: Request) -> Result:
    """Deleting what is not there is no error, as on AWS."""
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    rest = {name: alias for name, alias in function.aliases.items() if name != request.params["Name"]}
    urls = {name: url for name, url in function.urls.items() if name != request.params["Name"]}
    await catalogue.save(msgspec.structs.replace(function, aliases=rest, urls=urls))
    return {}


def _alias(catalogue: Catalogue, request: Request) -> tuple[Function, Alias]:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    alias = function.aliases.get(request.params["Name"])
    if alias is None:
        raise not_found(catalogue.arn(function.name, request.params["Name"]), "Alias")
    return function, alias


def _version(catalogue: Catalogue, function: Function, version: str) -> str:
    if version != LATEST and version not in catalogue.versions.get(function.name, {}):
        raise not_found(catalogue.arn(function.name, version))
    return version


def _refuse_weights(routing: Any) -> None:
    if routing and routing.get("AdditionalVersionWeights"):
        raise NotSupported("weighted aliases (RoutingConfig)")


async def _save(catalogue: Catalogue, function: Function, alias: Alias) -> dict[str, Any]:
    aliases = {**function.aliases, alias.name: alias}
    await catalogue.save(msgspec.structs.replace(function, aliases=aliases))
    return _shown(catalogue, function, alias)


def _shown(catalogue: Catalogue, function: Function, alias: Alias) -> dict[str, Any]:
    return {
        "AliasArn": catalogue.arn(function.name, alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }
