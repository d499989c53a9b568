"""How a function's asynchronous invocations are retried, and where their end is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.lambda_ import destinations
from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.records import LATEST, EventInvokeConfig, Function, invalid, not_found, reference_of
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

PAGE = 50
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:.+")
_OTHER = re.compile(r"arn:aws[a-z-]*:(sqs|sns|events|s3):.*")


async def put_function_event_invoke_config(catalogue: Catalogue, request: Request) -> Result:
    """Sets all of it; what is not given is as if it had never been."""
    return await _keep(catalogue, request, EventInvokeConfig())


async def update_function_event_invoke_config(catalogue: Catalogue, request: Request) -> Result:
    """Changes what is given."""
    function, qualifier = _named(catalogue, request)
    return await _keep(catalogue, request, _config(catalogue, function, qualifier))


async def get_function_event_invoke_config(catalogue: Catalogue, request: Request) -> Result:
    function, qualifier = _named(catalogue, request)
    await catalogue.settled()
    return _shown(catalogue, function, qualifier, _config(catalogue, function, qualifier))


async def list_function_event_invoke_configs(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    await catalogue.settled()
    marker, most = request.params.get("Marker") or "", request.params.get("MaxItems") or PAGE
    after = [one for one in sorted(function.event_invoke) if one > marker]
    found = [_shown(catalogue, function, one, function.event_invoke[one]) for one in after[:most]]
    more = {"NextMarker": after[most - 1]} if len(after) > most else {}
    return {"FunctionEventInvokeConfigs": found, **more}


async def delete_function_event_invoke_config(catalogue: Catalogue, request: Request) -> Result:
    function, qualifier = _named(catalogue, request)
    _config(catalogue, function, qualifier)
    left = {name: one for name, one in function.event_invoke.items() if name != qualifier}
    await catalogue.save(msgspec.structs.replace(function, event_invoke=left))
    return {}


def _named(catalogue: Catalogue, request: Request) -> tuple[Function, str]:
    reference = catalogue.reference(request.params["FunctionName"], request.params.get("Qualifier"))
    function = catalogue.function(reference)
    catalogue.configuration(function, reference.qualifier)
    return function, reference.qualifier or LATEST


def _config(catalogue: Catalogue, function: Function, qualifier: str) -> EventInvokeConfig:
    found = function.event_invoke.get(qualifier)
    if found is None:
        raise not_found(f"{catalogue.arn(function.name, qualifier)} doesn't have an EventInvokeConfig", "The function")
    return found


async def _keep(catalogue: Catalogue, request: Request, before: EventInvokeConfig) -> Result:
    params = request.params
    function, qualifier = _named(catalogue, request)
    changes: dict[str, Any] = {"changed": catalogue.surroundings.world.now()}
    if params.get("MaximumRetryAttempts") is not None:
        changes["retries"] = int(params["MaximumRetryAttempts"])
    if params.get("MaximumEventAgeInSeconds") is not None:
        changes["age_s"] = int(params["MaximumEventAgeInSeconds"])
    given: Mapping[str, Any] = params.get("DestinationConfig") or {}
    for member, field in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
        if member in given:
            arn = (given[member] or {}).get("Destination") or ""
            if member == "OnFailure" and destinations.bucket_of(arn) is not None:
                await destinations.check_bucket(catalogue.surroundings, arn)
                changes[field] = arn
            else:
                changes[field] = _target(catalogue, arn)
    function, qualifier = _named(catalogue, request)  # S3 took its time
    config = msgspec.structs.replace(before, **changes)
    await catalogue.save(msgspec.structs.replace(function, event_invoke={**function.event_invoke, qualifier: config}))
    return _shown(catalogue, function, qualifier, config)


def _target(catalogue: Catalogue, arn: str) -> str:
    """A function of this Region. Raises InvalidParameterValueException, NotSupported."""
    if not arn:
        return ""
    other = _OTHER.fullmatch(arn)
    if other is not None:
        raise NotSupported(f"destinations of asynchronous invocations in {other[1]} ({arn}); functions are")
    if _FUNCTION.fullmatch(arn) is None:
        raise invalid(f"The provided destination config DestinationConfig is invalid: {arn}")  # wording from memory
    target = reference_of(arn)
    if target.region != catalogue.surroundings.region or target.name not in catalogue.functions:
        raise invalid(f"The destination ARN {arn} is invalid: there is no such function in this Region.")  # a guess
    return arn


def _shown(catalogue: Catalogue, function: Function, qualifier: str, config: EventInvokeConfig) -> dict[str, Any]:
    return {
        "LastModified": config.changed,
        "FunctionArn": catalogue.arn(function.name, qualifier),
        "MaximumRetryAttempts": config.retries,
        "MaximumEventAgeInSeconds": config.age_s,
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
            "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
        },
    }
