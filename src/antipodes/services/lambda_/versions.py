"""Published versions and aliases. An alias may share its invocations between two versions, by weight."""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.functions import check_revision, publish, shown
from antipodes.services.lambda_.records import LATEST, Alias, Function, conflict, invalid, not_found, page
from antipodes.wire.errors import ClientFault, NotSupported
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
    check_revision(function, params.get("RevisionId"))
    if function.latest.state == "Pending":
        raise conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )
    return await publish(catalogue, function, params.get("Description") or "")


async def list_versions_by_function(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    await catalogue.settled()
    every = [function.latest, *catalogue.versions.get(function.name, {}).values()]
    found, more = page(every, lambda one: "0" if one.version == LATEST else f"{int(one.version):010d}", request.params)
    return {"Versions": [shown(catalogue, function.name, one, one.version) for one in found], **more}


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
        weights=_weights(catalogue, function, params["FunctionVersion"], params.get("RoutingConfig")),
    )
    return await _save(catalogue, function, alias)


async def update_alias(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    function, alias = _alias(catalogue, request)
    if params.get("RevisionId") and params["RevisionId"] != alias.revision:
        raise ClientFault(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetAlias API to retrieve the "
            "latest Revision Id",
            status=412,
            Type="User",
        )
    fields: dict[str, Any] = {"revision": catalogue.revision()}
    if params.get("FunctionVersion"):
        fields["version"] = _version(catalogue, function, params["FunctionVersion"])
    if params.get("Description") is not None:
        fields["description"] = params["Description"]
    if params.get("RoutingConfig") is not None or "version" in fields:
        routing = params.get("RoutingConfig")
        kept = {"AdditionalVersionWeights": alias.weights} if routing is None else routing
        fields["weights"] = _weights(catalogue, function, fields.get("version", alias.version), kept)
    return await _save(catalogue, function, msgspec.structs.replace(alias, **fields))


async def get_alias(catalogue: Catalogue, request: Request) -> Result:
    function, alias = _alias(catalogue, request)
    await catalogue.settled()
    return _shown(catalogue, function, alias)


async def list_aliases(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    wanted = request.params.get("FunctionVersion")
    await catalogue.settled()
    every = [alias for _, alias in sorted(function.aliases.items()) if wanted in (None, alias.version, *alias.weights)]
    found, more = page(every, lambda one: one.name, request.params)
    return {"Aliases": [_shown(catalogue, function, one) for one in found], **more}


async def delete_alias(catalogue: Catalogue, request: Request) -> Result:
    """Deleting what is not there is no error, as on AWS."""
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    rest = {name: alias for name, alias in function.aliases.items() if name != request.params["Name"]}
    urls = {name: url for name, url in function.urls.items() if name != request.params["Name"]}
    provisioned = {name: one for name, one in function.provisioned.items() if name != request.params["Name"]}
    await catalogue.save(msgspec.structs.replace(function, aliases=rest, urls=urls, provisioned=provisioned))
    catalogue.provide(function.name)
    return {}


def _alias(catalogue: Catalogue, request: Request) -> tuple[Function, Alias]:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    alias = function.aliases.get(request.params["Name"])
    if alias is None:
        message = f"Cannot find alias arn: {catalogue.arn(function.name, request.params['Name'])}"
        raise ClientFault("ResourceNotFoundException", message, status=404, Type="User")
    return function, alias


def _version(catalogue: Catalogue, function: Function, version: str) -> str:
    if version != LATEST and version not in catalogue.versions.get(function.name, {}):
        raise not_found(catalogue.arn(function.name, version))
    return version


def _weights(catalogue: Catalogue, function: Function, version: str, routing: Any) -> dict[str, float]:
    """The second version and its share. Messages as recorded on AWS by others (from memory)."""
    given: dict[str, float] = dict((routing or {}).get("AdditionalVersionWeights") or {})
    if not given:
        return {}
    if len(given) > 1:
        raise invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    (other, share) = next(iter(given.items()))
    if not 0.0 <= share <= 1.0:
        raise ClientFault(
            "ValidationException",
            f"1 validation error detected: Value '{{{other}={share}}}' at 'routingConfig.additionalVersionWeights' "
            "failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or "
            "equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]",
        )
    if other == version:
        raise invalid(
            f"Invalid function version {version}. Function version {version} is already included in routing "
            "configuration."
        )
    if LATEST in (version, other):
        raise invalid("$LATEST is not supported for an alias pointing to more than 1 version")
    one, two = (catalogue.versions[function.name][_version(catalogue, function, v)] for v in (version, other))
    if one.role != two.role:  # AWS's guide demands it; the words are a guess
        raise invalid("The versions of an alias must have the same execution role.")
    return {other: share}


async def _save(catalogue: Catalogue, function: Function, alias: Alias) -> dict[str, Any]:
    aliases = {**function.aliases, alias.name: alias}
    await catalogue.save(msgspec.structs.replace(function, aliases=aliases))
    if alias.name in function.provisioned:
        catalogue.provide(function.name)
    return _shown(catalogue, function, alias)


def _shown(catalogue: Catalogue, function: Function, alias: Alias) -> dict[str, Any]:
    shown = {
        "AliasArn": catalogue.arn(function.name, alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }
    return {**shown, "RoutingConfig": {"AdditionalVersionWeights": dict(alias.weights)}} if alias.weights else shown
