"""What the service model alone decides, before an operation runs; for services with the usual words for it.

Both raise ValidationException, which each protocol has its name for.
"""

from __future__ import annotations

from antipodes.wire import validation
from antipodes.wire.operation import Operation, Request, Result


def checked(operation: Operation) -> Operation:
    """The operation, after all that the model says."""

    async def run(request: Request) -> Result:
        validation.validate(request.service, request.operation, request.params)
        return await operation(request)

    return run


def completed(operation: Operation) -> Operation:
    """The operation, if nothing is missing; what is there it judges itself."""

    async def run(request: Request) -> Result:
        validation.complete(request.service, request.operation, request.params)
        return await operation(request)

    return run
