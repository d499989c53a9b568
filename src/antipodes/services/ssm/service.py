"""Systems Manager of one Region: Parameter Store. The table of its operations."""

from __future__ import annotations

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.ssm import parameters
from antipodes.services.ssm.parameters import Desk
from antipodes.services.ssm.records import Shelf
from antipodes.wire.operation import Operation, Request, Result
from antipodes.wire.validation import validate

OPERATIONS = {
    "AddTagsToResource": parameters.add_tags_to_resource,
    "DeleteParameter": parameters.delete_parameter,
    "DeleteParameters": parameters.delete_parameters,
    "DescribeParameters": parameters.describe_parameters,
    "GetParameter": parameters.get_parameter,
    "GetParameterHistory": parameters.get_parameter_history,
    "GetParameters": parameters.get_parameters,
    "GetParametersByPath": parameters.get_parameters_by_path,
    "ListTagsForResource": parameters.list_tags_for_resource,
    "PutParameter": parameters.put_parameter,
    "RemoveTagsFromResource": parameters.remove_tags_from_resource,
}


class SSM:
    """The service."""

    name = "ssm"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._desk = Desk(surroundings, Shelf(surroundings.store))
        self.operations = {name: self._operation(name) for name in OPERATIONS}

    def _operation(self, name: str) -> Operation:
        async def operation(request: Request) -> Result:
            validate("ssm", name, request.params)
            return await OPERATIONS[name](self._desk, request)

        return operation

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None
