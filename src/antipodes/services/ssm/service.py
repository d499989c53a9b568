"""Systems Manager of one Region: Parameter Store. The table of its operations."""

from __future__ import annotations

import functools

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.contract.checking import checked
from antipodes.services.ssm import parameters
from antipodes.services.ssm.parameters import Desk
from antipodes.services.ssm.records import Shelf

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
        desk = Desk(surroundings, Shelf(surroundings.store))
        self.operations = {name: checked(functools.partial(function, desk)) for name, function in OPERATIONS.items()}

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None
