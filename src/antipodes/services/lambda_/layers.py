"""Layers: archives beside a function's code, in numbered versions that never change.

A function names up to five of its Region's layer versions. In an environment they are unpacked over one another, in
their order, into one folder that stands for AWS's /opt (world/real_workers). Deleting a layer version takes it from
those that may be named; functions that use it keep it, and its number does not come again, as on AWS.

Layers of other accounts (AWS's own among them) are not on this planet: naming one is refused as AWS refuses a layer
that is not shared with the account. Archives are not served: `Content` names no Location.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from antipodes.services.lambda_ import records
from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.code import archive_of
from antipodes.services.lambda_.limits import check_storage
from antipodes.services.lambda_.records import (
    Configuration,
    LayerStatement,
    LayerUse,
    LayerVersion,
    conflict,
    invalid,
    page,
    timestamp,
)
from antipodes.wire.errors import AccessDenied, ClientFault
from antipodes.wire.operation import Request, Result
from antipodes.world.archive import UNPACKED_LIMIT_BYTES

MOST = 5  # layers of a function
_ARN = re.compile(
    r"arn:[a-zA-Z0-9-]+:lambda:(?P<region>[a-zA-Z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+)"
    r"(?::(?P<version>[0-9]+))?"
)


async def publish_layer_version(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    name = _name(catalogue, params["LayerName"])
    code = await archive_of(catalogue, params["Content"])
    check_storage(catalogue, code.fields["code_size"])
    number = catalogue.layer_numbers.get(name, 0) + 1
    layer = LayerVersion(
        name=name,
        version=number,
        code_key=code.fields["code_key"],
        code_sha256=code.fields["code_sha256"],
        code_size=code.fields["code_size"],
        unpacked_bytes=code.fields["unpacked_bytes"],
        description=params.get("Description") or "",
        license=params.get("LicenseInfo") or "",
        runtimes=tuple(params.get("CompatibleRuntimes") or ()),
        architectures=tuple(params.get("CompatibleArchitectures") or ()),
        created=catalogue.surroundings.world.now(),
    )
    catalogue.layer_numbers[name] = number
    counted = (records.LAYERS_PREFIX + name.encode(), str(number).encode())
    await _save(catalogue, layer, [*code.rows, counted])
    return _whole(catalogue, layer)


async def get_layer_version(catalogue: Catalogue, request: Request) -> Result:
    layer = _found(catalogue, request.params["LayerName"], request.params["VersionNumber"])
    await catalogue.settled()
    return _whole(catalogue, layer)


async def get_layer_version_by_arn(catalogue: Catalogue, request: Request) -> Result:
    match = _ARN.fullmatch(request.params["Arn"])
    if match is None or match["version"] is None:
        raise invalid(f"Invalid layer version ARN: {request.params['Arn']}")  # the words are a guess
    layer = _found(catalogue, request.params["Arn"].rpartition(":")[0], int(match["version"]))
    await catalogue.settled()
    return _whole(catalogue, layer)


async def list_layer_versions(catalogue: Catalogue, request: Request) -> Result:
    """The newest first, as on AWS."""
    name = _name(catalogue, request.params["LayerName"])
    every = [one for _, one in sorted(catalogue.layers.get(name, {}).items(), reverse=True) if _fits(one, request)]
    found, more = page(every, lambda one: f"{10**10 - one.version:011d}", request.params)
    await catalogue.settled()
    return {"LayerVersions": [_shown(catalogue, one) for one in found], **more}


async def list_layers(catalogue: Catalogue, request: Request) -> Result:
    newest = []
    for _, versions in sorted(catalogue.layers.items()):
        fitting = [one for _, one in sorted(versions.items()) if _fits(one, request)]
        newest += fitting[-1:]
    found, more = page(newest, lambda one: one.name, request.params)
    await catalogue.settled()
    shown = [
        {"LayerName": one.name, "LayerArn": _arn(catalogue, one.name), "LatestMatchingVersion": _shown(catalogue, one)}
        for one in found
    ]
    return {"Layers": shown, **more}


async def delete_layer_version(catalogue: Catalogue, request: Request) -> Result:
    """What is not there is deleted without an error, as on AWS."""
    name, number = _name(catalogue, request.params["LayerName"]), _number(request.params["VersionNumber"])
    layer = catalogue.layers.get(name, {}).pop(number, None)
    if layer is not None:
        rows: list[tuple[bytes, bytes | None]] = [(records.layer_key(name, number), None)]
        catalogue.surroundings.store.write(rows + catalogue.unused_code([layer]))
        if not catalogue.layers[name]:
            del catalogue.layers[name]
    await catalogue.surroundings.store.durable()
    return {}


async def add_layer_version_permission(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    layer = _found(catalogue, params["LayerName"], params["VersionNumber"])
    _check_revision(layer, params.get("RevisionId"))
    statement = LayerStatement(
        sid=params["StatementId"],
        action=params["Action"],
        principal=params["Principal"],
        organization=params.get("OrganizationId") or "",
    )
    if any(one.sid == statement.sid for one in layer.policy):
        raise conflict(
            f"The statement id ({statement.sid}) provided already exists. Please provide a new statement id, or "
            "remove the existing statement."
        )
    layer = await _allow(catalogue, layer, (*layer.policy, statement))
    return {"Statement": _json(_statement(catalogue, layer, statement)), "RevisionId": layer.policy_revision}


async def remove_layer_version_permission(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    layer = _found(catalogue, params["LayerName"], params["VersionNumber"])
    _check_revision(layer, params.get("RevisionId"))
    rest = tuple(one for one in layer.policy if one.sid != params["StatementId"])
    if len(rest) == len(layer.policy):
        raise _missing(f"Statement {params['StatementId']} is not found in resource policy.")
    await _allow(catalogue, layer, rest)
    return {}


async def get_layer_version_policy(catalogue: Catalogue, request: Request) -> Result:
    layer = _found(catalogue, request.params["LayerName"], request.params["VersionNumber"])
    if not layer.policy:
        raise _missing("No policy is associated with the given resource.")
    await catalogue.settled()
    statements = [_statement(catalogue, layer, one) for one in layer.policy]
    policy = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
    return {"Policy": _json(policy), "RevisionId": layer.policy_revision}


# -- for functions ---------------------------------------------------------------------------------------------------


def used_layers(catalogue: Catalogue, arns: Sequence[str]) -> tuple[LayerUse, ...]:
    """What a function's Layers parameter names. Raises InvalidParameterValueException, AccessDenied."""
    if len(arns) > MOST:  # the words are a guess
        raise invalid(f"A function can have at most {MOST} layers; {len(arns)} were given.")
    used: dict[str, LayerUse] = {}
    for arn in arns:
        match = _ARN.fullmatch(arn)
        if match is None or match["version"] is None:
            raise ClientFault(
                "ValidationException",
                f"1 validation error detected: Value '[{arn}]' at 'layers' failed to satisfy constraint: Member must "
                "satisfy constraint: [Member must satisfy regular expression pattern: arn:[a-zA-Z0-9-]+:lambda:"
                "[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+]",
            )
        around = catalogue.surroundings
        if match["account"] != around.settings.account:
            raise AccessDenied(
                "AccessDeniedException",
                f"User: arn:aws:iam::{around.settings.account}:root is not authorized to perform: "
                f"lambda:GetLayerVersion on resource: {arn} because no resource-based policy allows the "
                "lambda:GetLayerVersion action (a planet has the layers of its own account alone: publish it here)",
            )
        if match["region"] != around.region:  # the words are a guess
            raise invalid(f"Layers must be in the same Region as the function: {arn}")
        layer = catalogue.layers.get(match["name"], {}).get(int(match["version"]))
        if layer is None:
            raise invalid(f"Layer version {arn} does not exist.")
        if match["name"] in used:
            raise invalid(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{used[match['name']].arn} and {arn}"
            )
        used[match["name"]] = LayerUse(arn, layer.code_key, layer.code_size, layer.unpacked_bytes)
    return tuple(used.values())


def check_size(catalogue: Catalogue, configuration: Configuration) -> None:
    """Code and layers together, unpacked. Raises InvalidParameterValueException."""
    size = configuration.unpacked_bytes + sum(one.unpacked_bytes for one in configuration.layers)
    if size > UNPACKED_LIMIT_BYTES:
        raise invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {UNPACKED_LIMIT_BYTES} bytes. "
            f"The actual size is {size} bytes."
        )


# -- small ones ------------------------------------------------------------------------------------------------------


def _name(catalogue: Catalogue, given: str) -> str:
    """A layer's name, from that or its ARN."""
    match = _ARN.fullmatch(given)
    if match is None:
        return given
    if (match["region"], match["account"]) != (catalogue.surroundings.region, catalogue.surroundings.settings.account):
        raise _missing("The resource you requested does not exist.")
    return match["name"]


def _number(version: int) -> int:
    if version < 1:
        raise invalid("Layer Version Cannot be less than 1.")
    return version


def _found(catalogue: Catalogue, name: str, version: int) -> LayerVersion:
    layer = catalogue.layers.get(_name(catalogue, name), {}).get(_number(version))
    if layer is None:
        raise _missing("The resource you requested does not exist.")
    return layer


def _missing(message: str) -> ClientFault:
    return ClientFault("ResourceNotFoundException", message, status=404, Type="User")


def _check_revision(layer: LayerVersion, revision: str | None) -> None:
    if revision and revision != layer.policy_revision:
        raise ClientFault(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetLayerVersionPolicy API to "
            "retrieve the latest Revision Id",
            status=412,
            Type="User",
        )


def _fits(layer: LayerVersion, request: Request) -> bool:
    """A layer that names no runtimes (architectures) is not found by them."""
    runtime, architecture = request.params.get("CompatibleRuntime"), request.params.get("CompatibleArchitecture")
    return (not runtime or runtime in layer.runtimes) and (not architecture or architecture in layer.architectures)


async def _save(catalogue: Catalogue, layer: LayerVersion, rows: Sequence[tuple[bytes, bytes | None]] = ()) -> None:
    catalogue.layers.setdefault(layer.name, {})[layer.version] = layer
    key = records.layer_key(layer.name, layer.version)
    catalogue.surroundings.store.write([(key, msgspec.msgpack.encode(layer)), *rows])
    await catalogue.surroundings.store.durable()


async def _allow(catalogue: Catalogue, layer: LayerVersion, policy: tuple[LayerStatement, ...]) -> LayerVersion:
    layer = msgspec.structs.replace(layer, policy=policy, policy_revision=catalogue.revision())
    await _save(catalogue, layer)
    return layer


def _arn(catalogue: Catalogue, name: str, version: int | None = None) -> str:
    return records.layer_arn(catalogue.surroundings.region, catalogue.surroundings.settings.account, name, version)


def _shown(catalogue: Catalogue, layer: LayerVersion) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "LayerVersionArn": _arn(catalogue, layer.name, layer.version),
        "Version": layer.version,
        "Description": layer.description,
        "CreatedDate": timestamp(layer.created),
    }
    if layer.runtimes:
        shown["CompatibleRuntimes"] = list(layer.runtimes)
    if layer.architectures:
        shown["CompatibleArchitectures"] = list(layer.architectures)
    if layer.license:
        shown["LicenseInfo"] = layer.license
    return shown


def _whole(catalogue: Catalogue, layer: LayerVersion) -> dict[str, Any]:
    content = {"CodeSha256": layer.code_sha256, "CodeSize": layer.code_size}
    return {**_shown(catalogue, layer), "LayerArn": _arn(catalogue, layer.name), "Content": content}


def _statement(catalogue: Catalogue, layer: LayerVersion, statement: LayerStatement) -> dict[str, Any]:
    principal: Any = statement.principal
    if principal != "*":
        principal = {"AWS": principal if principal.startswith("arn:") else f"arn:aws:iam::{principal}:root"}
    shown: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": statement.action,
        "Resource": _arn(catalogue, layer.name, layer.version),
    }
    if statement.organization:
        shown["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": statement.organization}}
    return shown


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
