"""Reserved concurrency, account settings and tags."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from antipodes.services.lambda_ import pool_rules
from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.records import Function, invalid
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result

TAGS_LIMIT = 50
STORAGE_LIMIT_BYTES = 75 * 1024**3


async def put_function_concurrency(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    wanted = int(request.params["ReservedConcurrentExecutions"])
    others = sum(f.reserved or 0 for f in catalogue.functions.values() if f.name != function.name)
    if wanted > pool_rules.reservable(catalogue.pool.account_concurrency, others):
        raise invalid(
            f"Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{pool_rules.UNRESERVED_MINIMUM}]."
        )
    if wanted < sum(one.wanted for one in function.provisioned.values()):  # the words are from memory
        raise invalid(
            "ReservedConcurrentExecutions should not be lower than function's total provisioned concurrency "
            f"[{sum(one.wanted for one in function.provisioned.values())}]."
        )
    await catalogue.save(msgspec.structs.replace(function, reserved=wanted))
    return {"ReservedConcurrentExecutions": wanted}


async def get_function_concurrency(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    await catalogue.settled()
    return {} if function.reserved is None else {"ReservedConcurrentExecutions": function.reserved}


async def delete_function_concurrency(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    await catalogue.save(msgspec.structs.replace(function, reserved=None))
    return {}


async def get_account_settings(catalogue: Catalogue, request: Request) -> Result:
    reserved = sum(f.reserved or 0 for f in catalogue.functions.values())
    account = catalogue.pool.account_concurrency
    await catalogue.settled()
    return {
        "AccountLimit": {
            "TotalCodeSize": STORAGE_LIMIT_BYTES,
            "CodeSizeUnzipped": 262144000,
            "CodeSizeZipped": 52428800,
            "ConcurrentExecutions": account,
            "UnreservedConcurrentExecutions": account - reserved,
        },
        "AccountUsage": {
            "TotalCodeSize": stored_bytes(catalogue),
            "FunctionCount": len(catalogue.functions),
        },
    }


async def list_tags(catalogue: Catalogue, request: Request) -> Result:
    function = _tagged(catalogue, request)
    await catalogue.settled()
    return {"Tags": dict(function.tags)}


async def tag_resource(catalogue: Catalogue, request: Request) -> Result:
    function = _tagged(catalogue, request)
    tags = tags_of({**function.tags, **request.params["Tags"]})
    await catalogue.save(msgspec.structs.replace(function, tags=tags))
    return {}


async def untag_resource(catalogue: Catalogue, request: Request) -> Result:
    function = _tagged(catalogue, request)
    gone = request.params["TagKeys"]
    await catalogue.save(
        msgspec.structs.replace(function, tags={k: v for k, v in function.tags.items() if k not in gone})
    )
    return {}


def tags_of(tags: Mapping[str, str]) -> dict[str, str]:
    """What a function may be tagged with. Raises InvalidParameterValueException."""
    if len(tags) > TAGS_LIMIT:
        raise invalid(f"Number of tags exceeds resource tag limit. The max number of tags is {TAGS_LIMIT}")
    own = [key for key in tags if key.lower().startswith("aws:")]
    if own:  # the words are a guess
        raise invalid(f"Tag keys must not begin with aws: ({', '.join(own)})")
    return dict(tags)


def stored_bytes(catalogue: Catalogue) -> int:
    """What archives take of the account's storage, by AWS's way of counting: each version and layer for itself."""
    configurations = [f.latest for f in catalogue.functions.values()]
    configurations += [v for versions in catalogue.versions.values() for v in versions.values()]
    layers = [one for versions in catalogue.layers.values() for one in versions.values()]
    return sum(one.code_size for one in configurations) + sum(one.code_size for one in layers)


def check_storage(catalogue: Catalogue, more_bytes: int) -> None:
    """Raises CodeStorageExceededException."""
    if stored_bytes(catalogue) + more_bytes > STORAGE_LIMIT_BYTES:
        raise ClientFault("CodeStorageExceededException", "Code storage limit exceeded.", Type="User")


def _tagged(catalogue: Catalogue, request: Request) -> Function:
    return catalogue.function(catalogue.reference(request.params["Resource"]))
