"""What the service model alone decides, before an operation runs.

The first API answers ValidationException, and says after which operation a member of the body is (recorded on AWS); the
second one BadRequestException, as its model has nothing else.
"""

from __future__ import annotations

from antipodes.services.apigateway.v1.records import bad_request
from antipodes.wire.errors import ValidationException
from antipodes.wire.operation import Operation, Request, Result
from antipodes.wire.validation import validate

FIRST = "apigateway"


def checked_by_model(service: str, operation: Operation) -> Operation:
    """The operation, after the model's checks."""

    async def checked(request: Request) -> Result:
        name = request.operation
        try:
            validate(service, name, request.params, body=f"{name[:1].lower()}{name[1:]}Input." * (service == FIRST))
        except ValidationException as error:
            if service == FIRST:
                raise
            raise bad_request(error.message) from error
        return await operation(request)

    return checked
