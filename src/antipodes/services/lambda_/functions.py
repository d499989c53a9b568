"""Creating, changing, reading and deleting functions.

Where code comes from is code.py's matter, what layers are layers.py's.
What a function may not have here is refused by name, so that nothing is accepted and then ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.lambda_ import limits, runtimes, variables
from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.code import code_of
from antipodes.services.lambda_.layers import check_size, used_layers
from antipodes.services.lambda_.records import (
    LATEST,
    Configuration,
    Function,
    conflict,
    invalid,
    timestamp,
)
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

PAGE = 50
REQUIRES_NOTHING: Mapping[str, tuple[Any, ...]] = {
    # parameter -> the values that ask for nothing special
    "PackageType": (None, "Zip"),
    "PublishTo": (None,),
    "VpcConfig": (None, {}, {"SubnetIds": [], "SecurityGroupIds": []}),
    "DeadLetterConfig": (None, {}),
    "KMSKeyArn": (None, ""),
    "FileSystemConfigs": (None, []),
    "CodeSigningConfigArn": (None, ""),
    "ImageConfig": (None, {}),
    "SnapStart": (None, {}, {"ApplyOn": "None"}),
    "TenancyConfig": (None,),
    "CapacityProviderConfig": (None,),
    "DurableConfig": (None,),
    "RuntimeConfig": (None,),
    "AcceleratorConfig": (None,),
}


async def create_function(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    name = catalogue.reference(params["FunctionName"]).name
    _refuse_unsupported(params)
    if name in catalogue.functions:
        raise conflict(f"Function already exist: {name}")
    runtime, handler = params.get("Runtime"), params.get("Handler")
    if not runtime or not handler:
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    code = await code_of(catalogue, params["Code"])
    if name in catalogue.functions:  # S3 took its time
        raise conflict(f"Function already exist: {name}")
    blank = Configuration(runtime=runtime, handler=handler, role=params["Role"], code_sha256="")
    latest = msgspec.structs.replace(
        _configured(catalogue, blank, params),
        **code.fields,
        architectures=tuple(params.get("Architectures") or ("x86_64",)),
        revision=catalogue.revision(),
        last_modified=catalogue.surroundings.world.now(),
    )
    check_size(catalogue, latest)
    limits.check_storage(catalogue, latest.code_size)
    function = Function(name=name, latest=latest, tags=limits.tags_of(params.get("Tags") or {}))
    await catalogue.save(function, code.rows)
    catalogue.surroundings.world.warm_workers(runtime)
    catalogue.settle(name)
    if params.get("Publish"):
        return await publish(catalogue, catalogue.functions[name], "")
    return shown(catalogue, name, latest)


async def update_function_code(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    function = _changeable(catalogue, params)
    if params.get("ImageUri"):
        raise NotSupported("Lambda functions of container images")
    code = await code_of(catalogue, params)
    function = _changeable(catalogue, params)
    fields: dict[str, Any] = dict(code.fields)
    if params.get("Architectures"):
        fields["architectures"] = tuple(params["Architectures"])
    if params.get("DryRun"):
        return shown(catalogue, function.name, msgspec.structs.replace(function.latest, **fields))
    return await _replace_latest(catalogue, function, fields, code.rows, publish_it=bool(params.get("Publish")))


async def update_function_configuration(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    _refuse_unsupported(params)
    function = _changeable(catalogue, params)
    changed = _configured(catalogue, function.latest, params)
    fields = {name: getattr(changed, name) for name in changed.__struct_fields__}
    return await _replace_latest(catalogue, function, fields, (), publish_it=False)


async def get_function(catalogue: Catalogue, request: Request) -> Result:
    """The archive itself is not served: `Code` names no Location."""
    reference = catalogue.reference(request.params["FunctionName"], request.params.get("Qualifier"))
    function = catalogue.function(reference)
    configuration = catalogue.configuration(function, reference.qualifier)
    await catalogue.settled()
    answer: dict[str, Any] = {
        "Configuration": shown(catalogue, function.name, configuration, reference.qualifier),
        "Code": {"RepositoryType": "S3"},
    }
    if function.tags:
        answer["Tags"] = dict(function.tags)
    if function.reserved is not None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
    return answer


async def get_function_configuration(catalogue: Catalogue, request: Request) -> Result:
    reference = catalogue.reference(request.params["FunctionName"], request.params.get("Qualifier"))
    function = catalogue.function(reference)
    configuration = catalogue.configuration(function, reference.qualifier)
    await catalogue.settled()
    return shown(catalogue, function.name, configuration, reference.qualifier)


async def list_functions(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    limit = min(int(params.get("MaxItems") or PAGE), PAGE)
    names = [name for name in sorted(catalogue.functions) if name > (params.get("Marker") or "")]
    found: list[dict[str, Any]] = []
    for name in names[:limit]:
        found.append(shown(catalogue, name, catalogue.functions[name].latest, LATEST if _all(params) else None))
        if _all(params):
            found += [shown(catalogue, name, v, v.version) for v in catalogue.versions.get(name, {}).values()]
    await catalogue.settled()
    answer: dict[str, Any] = {"Functions": found}
    if len(names) > limit:
        answer["NextMarker"] = names[limit - 1]
    return answer


async def delete_function(catalogue: Catalogue, request: Request) -> Result:
    reference = catalogue.reference(request.params["FunctionName"], request.params.get("Qualifier"))
    function = catalogue.function(reference)
    if reference.qualifier is None:
        await catalogue.remove(function)
        return {"StatusCode": 204}
    if reference.qualifier == LATEST:
        raise invalid("$LATEST version cannot be deleted without deleting the function.")
    if reference.qualifier in function.aliases:
        raise invalid("Deletion of aliases is not currently supported.")
    pointing = [a.name for a in function.aliases.values() if reference.qualifier in (a.version, *a.weights)]
    if pointing:
        raise conflict(f"Unable to delete version because the following aliases reference it: {pointing}")
    catalogue.pool.provide(function.name, catalogue.configuration(function, reference.qualifier), 0)
    rest = {name: one for name, one in function.provisioned.items() if name != reference.qualifier}
    function = msgspec.structs.replace(function, provisioned=rest)
    await catalogue.remove_version(function, reference.qualifier)
    return {"StatusCode": 204}


async def publish(catalogue: Catalogue, function: Function, description: str) -> dict[str, Any]:
    """Freezes $LATEST as the next version; if nothing changed since the last one, that one is the answer, as on AWS."""
    newest = catalogue.versions.get(function.name, {}).get(str(function.versions))
    if newest is not None and _essence(newest) == _essence(function.latest):
        return shown(catalogue, function.name, newest, newest.version)
    version = msgspec.structs.replace(
        function.latest,
        version=str(function.versions + 1),
        description=description or function.latest.description,
        revision=catalogue.revision(),
        state="Active",  # the archive is stored and needs no further preparation
        update_status="Successful",
    )
    await catalogue.publish(msgspec.structs.replace(function, versions=function.versions + 1), version)
    return shown(catalogue, function.name, version, version.version)


def shown(
    catalogue: Catalogue, name: str, configuration: Configuration, qualifier: str | None = None
) -> dict[str, Any]:
    """A configuration in AWS's shape; the ARN carries the qualifier it was asked by."""
    answer: dict[str, Any] = {
        "FunctionName": name,
        "FunctionArn": catalogue.arn(name, qualifier),
        "Runtime": configuration.runtime,
        "Role": configuration.role,
        "Handler": configuration.handler,
        "CodeSize": configuration.code_size,
        "Description": configuration.description,
        "Timeout": configuration.timeout_s,
        "MemorySize": configuration.memory_mb,
        "LastModified": timestamp(configuration.last_modified),
        "CodeSha256": configuration.code_sha256,
        "Version": configuration.version,
        "TracingConfig": {"Mode": configuration.tracing},
        "RevisionId": configuration.revision,
        "State": configuration.state,
        "LastUpdateStatus": configuration.update_status,
        "PackageType": "Zip",
        "Architectures": list(configuration.architectures),
        "EphemeralStorage": {"Size": configuration.ephemeral_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": _shown_logging(name, configuration),
    }
    if configuration.layers:
        answer["Layers"] = [{"Arn": one.arn, "CodeSize": one.code_size} for one in configuration.layers]
    if configuration.environment:
        answer["Environment"] = {"Variables": dict(configuration.environment)}
    if configuration.state == "Pending":
        answer |= {"StateReason": "The function is being created.", "StateReasonCode": "Creating"}
    if configuration.update_status == "InProgress":
        answer |= {"LastUpdateStatusReason": "The function is being updated.", "LastUpdateStatusReasonCode": "Creating"}
    return answer


def check_revision(function: Function, revision: str | None) -> None:
    """Raises PreconditionFailedException (412)."""
    if revision and revision != function.latest.revision:
        raise ClientFault(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
            "retrieve the latest Revision Id",
            status=412,
            Type="User",
        )


def _changeable(catalogue: Catalogue, params: Mapping[str, Any]) -> Function:
    """The function, if nothing is under way with it and the caller's RevisionId (if any) is the newest."""
    function = catalogue.function(catalogue.reference(params["FunctionName"]))
    check_revision(function, params.get("RevisionId"))
    arn = catalogue.arn(function.name)
    if function.latest.state == "Pending":
        raise conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )
    if function.latest.update_status == "InProgress":
        raise conflict(f"The operation cannot be performed at this time. An update is in progress for resource: {arn}")
    return function


async def _replace_latest(
    catalogue: Catalogue,
    function: Function,
    fields: Mapping[str, Any],
    rows: Any,
    *,
    publish_it: bool,
) -> dict[str, Any]:
    """New environments use it from now on (on AWS: from the end of InProgress on); old ones go as they become free."""
    before = function.latest
    latest = msgspec.structs.replace(
        before,
        **{
            **fields,
            "revision": catalogue.revision(),
            "last_modified": catalogue.surroundings.world.now(),
            "update_status": "InProgress",
        },
    )
    check_size(catalogue, latest)
    limits.check_storage(catalogue, latest.code_size - before.code_size)
    function = msgspec.structs.replace(function, latest=latest)
    catalogue.functions[function.name] = function
    kept = {key for key, _ in rows}
    unused = [row for row in catalogue.unused_code([before]) if row[0] not in kept]
    catalogue.pool.retire(function.name, keep=lambda c: c.version != LATEST)
    await catalogue.save(function, [*unused, *rows])
    catalogue.settle(function.name)
    if publish_it:
        return await publish(catalogue, catalogue.functions[function.name], "")
    return shown(catalogue, function.name, latest)


def _configured(catalogue: Catalogue, configuration: Configuration, params: Mapping[str, Any]) -> Configuration:
    """The configuration with what the parameters change. Raises InvalidParameterValueException."""
    fields: dict[str, Any] = {}
    for member, field in (("Runtime", "runtime"), ("Handler", "handler"), ("Role", "role"), ("Timeout", "timeout_s")):
        if params.get(member) is not None:
            fields[field] = params[member]
    if params.get("Runtime") is not None:
        runtimes.check(params["Runtime"])
    if params.get("MemorySize") is not None:
        fields["memory_mb"] = params["MemorySize"]
    if params.get("Description") is not None:
        fields["description"] = params["Description"]
    if params.get("Environment") is not None:
        environment = dict(params["Environment"].get("Variables") or {})
        variables.check(environment)
        fields["environment"] = environment
    if params.get("Layers") is not None:
        fields["layers"] = used_layers(catalogue, params["Layers"])
    if params.get("EphemeralStorage") is not None:
        fields["ephemeral_mb"] = params["EphemeralStorage"]["Size"]
    if params.get("LoggingConfig") is not None:
        fields |= _logging(configuration, params["LoggingConfig"])
    if params.get("TracingConfig") is not None:
        fields["tracing"] = params["TracingConfig"].get("Mode") or "PassThrough"
    changed = msgspec.structs.replace(configuration, **fields)
    for member, value, least, most in (
        ("timeout", changed.timeout_s, 1, 900),
        ("memorySize", changed.memory_mb, 128, 10240),
        ("ephemeralStorage.size", changed.ephemeral_mb, 512, 10240),
    ):
        if not least <= value <= most:
            bound = f"less than or equal to {most}" if value > most else f"greater than or equal to {least}"
            raise ClientFault(
                "ValidationException",
                f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must "
                f"have value {bound}",
            )
    return changed


def _logging(configuration: Configuration, given: Mapping[str, Any]) -> dict[str, Any]:
    """Members of the configuration. Raises InvalidParameterValueException: a level in Text (the words are a guess)."""
    log_format = given.get("LogFormat") or configuration.log_format
    levels = {"application_level": "", "system_level": ""}
    if log_format == "JSON":
        levels["application_level"] = given.get("ApplicationLogLevel") or configuration.application_level or "INFO"
        levels["system_level"] = given.get("SystemLogLevel") or configuration.system_level or "INFO"
    elif given.get("ApplicationLogLevel") or given.get("SystemLogLevel"):
        raise invalid("Log level is not supported for LogFormat 'Text'. Set LogFormat to 'JSON' and try again.")
    return {"log_format": log_format, "log_group": given.get("LogGroup") or configuration.log_group, **levels}


def _shown_logging(name: str, configuration: Configuration) -> dict[str, str]:
    shown = {"LogFormat": configuration.log_format}
    if configuration.log_format == "JSON":
        shown["ApplicationLogLevel"] = configuration.application_level
        shown["SystemLogLevel"] = configuration.system_level
    return {**shown, "LogGroup": configuration.log_group or f"/aws/lambda/{name}"}


def _refuse_unsupported(params: Mapping[str, Any]) -> None:
    for name, harmless in REQUIRES_NOTHING.items():
        if params.get(name) not in harmless:
            raise NotSupported(f"{name} of Lambda functions")


def _essence(configuration: Configuration) -> Configuration:
    """What two configurations must share to be the same version."""
    return msgspec.structs.replace(
        configuration, version="", revision="", last_modified=0.0, state="", update_status="", description=""
    )


def _all(params: Mapping[str, Any]) -> bool:
    return params.get("FunctionVersion") == "ALL"
