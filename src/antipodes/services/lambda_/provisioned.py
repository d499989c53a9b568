"""Provisioned concurrency: environments of a version, or of what an alias points at, that are initialised beforehand.

They are kept by version: an invocation finds them whatever name it came by (on AWS those of an alias serve what came by
that alias alone). What was asked for is on disk; a Region that starts provides it anew.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.lambda_ import pool_rules
from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.records import LATEST, Function, Provisioned, invalid, page, timestamp
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result

INIT_FAILED = "FUNCTION_ERROR_INIT_FAILURE"


async def put_provisioned_concurrency_config(catalogue: Catalogue, request: Request) -> Result:
    function, qualifier = _named(catalogue, request)
    wanted = int(request.params["ProvisionedConcurrentExecutions"])
    _check_room(catalogue, function, qualifier, wanted)
    provisioned = {
        **function.provisioned,
        qualifier: Provisioned(wanted, catalogue.surroundings.world.now()),
    }
    await catalogue.save(msgspec.structs.replace(function, provisioned=provisioned))
    catalogue.provide(function.name)
    # What is still to come is told as IN_PROGRESS, as on AWS: also when all are there in a moment.
    return _shown(catalogue, catalogue.functions[function.name], qualifier)


async def get_provisioned_concurrency_config(catalogue: Catalogue, request: Request) -> Result:
    function, qualifier = _named(catalogue, request)
    if qualifier not in function.provisioned:
        raise _missing()
    await catalogue.settled()
    return _shown(catalogue, function, qualifier)


async def list_provisioned_concurrency_configs(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    found, more = page(sorted(function.provisioned), str, request.params)
    await catalogue.settled()
    shown = [{"FunctionArn": catalogue.arn(function.name, one), **_shown(catalogue, function, one)} for one in found]
    return {"ProvisionedConcurrencyConfigs": shown, **more}


async def delete_provisioned_concurrency_config(catalogue: Catalogue, request: Request) -> Result:
    function, qualifier = _named(catalogue, request)
    if qualifier not in function.provisioned:
        raise _missing()
    rest = {name: one for name, one in function.provisioned.items() if name != qualifier}
    await catalogue.save(msgspec.structs.replace(function, provisioned=rest))
    catalogue.provide(function.name)
    return {}


def _named(catalogue: Catalogue, request: Request) -> tuple[Function, str]:
    """The function and the version or alias. Raises ResourceNotFoundException, InvalidParameterValueException."""
    reference = catalogue.reference(request.params["FunctionName"], request.params["Qualifier"])
    function = catalogue.function(reference)
    assert reference.qualifier is not None
    if catalogue.configuration(function, reference.qualifier).version == LATEST:
        raise invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
    return function, reference.qualifier


def _check_room(catalogue: Catalogue, function: Function, qualifier: str, wanted: int) -> None:
    """Messages as recorded on AWS by others (from memory)."""
    alias = function.aliases.get(qualifier)
    if alias is not None and alias.version in function.provisioned:
        raise invalid("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
    if alias is None and any(
        a.version == qualifier and a.name in function.provisioned for a in function.aliases.values()
    ):
        raise invalid("Version is pointed by a Provisioned Concurrency alias")
    others = sum(one.wanted for name, one in function.provisioned.items() if name != qualifier)
    if function.reserved is not None:
        if wanted + others > function.reserved:
            raise invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                "function"
            )
        return
    elsewhere = sum(
        f.reserved if f.reserved is not None else sum(one.wanted for one in f.provisioned.values())
        for f in catalogue.functions.values()
        if f.name != function.name
    )
    if wanted + others > pool_rules.reservable(catalogue.pool.account_concurrency, elsewhere):
        raise invalid(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            f"minimum value of [{pool_rules.UNRESERVED_MINIMUM}]."
        )


def _missing() -> ClientFault:
    return ClientFault(
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
        status=404,
        Type="User",
    )


def _shown(catalogue: Catalogue, function: Function, qualifier: str) -> dict[str, Any]:
    provisioned = function.provisioned[qualifier]
    reserve = catalogue.pool.reserve_of(function.name, catalogue.configuration(function, qualifier))
    allocated = reserve.allocated if reserve is not None else 0
    shown: dict[str, Any] = {
        "RequestedProvisionedConcurrentExecutions": provisioned.wanted,
        "AllocatedProvisionedConcurrentExecutions": allocated,
        "AvailableProvisionedConcurrentExecutions": reserve.available if reserve is not None else 0,
        "Status": reserve.status if reserve is not None else "IN_PROGRESS",
        "LastModified": timestamp(provisioned.changed),
    }
    if shown["Status"] == "FAILED":
        shown["StatusReason"] = INIT_FAILED
    return shown
