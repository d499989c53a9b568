"""Which runtimes a function may name, and how they are kept up to date.

AWS refuses some years after its end of life to create or update functions of a runtime; these here are the ones that
it has refused for long (Developer Guide, "Lambda runtimes"; the dates of later ones move). Java, .NET, Ruby and Go do
not run on a planet: they are refused when a function is made, not when it is first invoked.
"""

from __future__ import annotations

import re

from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.records import invalid
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

RETIRED = {
    "nodejs": "nodejs22.x", "nodejs4.3": "nodejs22.x", "nodejs4.3-edge": "nodejs22.x", "nodejs6.10": "nodejs22.x",
    "nodejs8.10": "nodejs22.x", "nodejs10.x": "nodejs22.x", "nodejs12.x": "nodejs22.x", "nodejs14.x": "nodejs22.x",
    "python2.7": "python3.13", "python3.6": "python3.13",
}  # fmt: skip
_RUN_HERE = re.compile(r"(python3\.\d+|nodejs\d+\.x|provided(\.\w+)?)")


def check(runtime: str) -> None:
    """Raises InvalidParameterValueException, NotSupported."""
    newer = RETIRED.get(runtime)
    if newer is not None:
        raise invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            f"We recommend you use the new runtime ({newer}) while creating or updating functions."
        )
    if not _RUN_HERE.fullmatch(runtime):
        raise NotSupported(f"Lambda functions of the runtime {runtime}")


async def get_runtime_management_config(catalogue: Catalogue, request: Request) -> Result:
    """Always Auto: a function runs on what this machine has now."""
    reference = catalogue.reference(request.params["FunctionName"], request.params.get("Qualifier"))
    function = catalogue.function(reference)
    catalogue.configuration(function, reference.qualifier)
    await catalogue.settled()
    return {"UpdateRuntimeOn": "Auto", "FunctionArn": catalogue.arn(function.name, reference.qualifier)}


async def put_runtime_management_config(catalogue: Catalogue, request: Request) -> Result:
    if request.params["UpdateRuntimeOn"] != "Auto":
        raise NotSupported(f"UpdateRuntimeOn {request.params['UpdateRuntimeOn']} of Lambda functions")
    return await get_runtime_management_config(catalogue, request)


async def get_function_code_signing_config(catalogue: Catalogue, request: Request) -> Result:
    """No function has one: CodeSigningConfigArn is refused."""
    catalogue.function(catalogue.reference(request.params["FunctionName"]))
    await catalogue.settled()
    return {}
