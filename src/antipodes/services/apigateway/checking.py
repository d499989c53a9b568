"""What the service model alone decides, before an operation runs; API Gateway calls it BadRequestException."""

from __future__ import annotations

from antipodes.services.apigateway.v1.records import bad_request
from antipodes.wire.errors import ValidationException
from antipodes.wire.operation import Operation, Request, Result
from antipodes.wire.validation import validate


def checked_by_model(service: str, operation: Operation) -> Operation:
    """The operation, after the model's checks."""

    async def checked(request: Request) -> Result:
        try:
            validate(service, request.operation, request.params)
        except ValidationException as error:
            raise bad_request(error.message) from error
        return await operation(request)

    return checked
