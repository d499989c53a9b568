"""Cloud Control API of one Region: GetResource of the types that deployment tools ask it for; others are refused.

`sam list endpoints` reads the URLs of functions here.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.contract.checking import checked
from antipodes.wire.errors import AwsError, ClientFault, NotSupported
from antipodes.wire.operation import Operation, Request, Result

FUNCTION_URL = "AWS::Lambda::Url"


class CloudControl:
    """The service."""

    name = "cloudcontrol"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._call = surroundings.call
        self.operations: Mapping[str, Operation] = {"GetResource": checked(self.get_resource)}

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    async def get_resource(self, request: Request) -> Result:
        kind, identifier = request.params["TypeName"], request.params["Identifier"]
        if kind != FUNCTION_URL:
            raise NotSupported(f"resource type {kind} in Cloud Control API")
        try:
            found = await self._call("lambda", "GetFunctionUrlConfig", {"FunctionName": identifier})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            raise ClientFault(
                "ResourceNotFoundException",
                f"Resource of type '{kind}' with identifier '{identifier}' was not found.",
            ) from None
        properties = {
            "FunctionArn": found["FunctionArn"],
            "TargetFunctionArn": found["FunctionArn"],
            "FunctionUrl": found["FunctionUrl"],
            "AuthType": found["AuthType"],
            "InvokeMode": found.get("InvokeMode", "BUFFERED"),
        }
        described = {"Identifier": identifier, "Properties": orjson.dumps(properties).decode()}
        return {"TypeName": kind, "ResourceDescription": described}
