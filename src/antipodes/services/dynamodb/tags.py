"""Tags of tables: TagResource, UntagResource, ListTagsOfResource."""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.parameters import Constraints, Params
from antipodes.services.dynamodb.values import INVALID
from antipodes.wire.errors import ClientFault, ValidationException
from antipodes.wire.operation import Request, Result

MAX_TAGS = 50
MAX_KEY, MAX_VALUE = 128, 256


async def tag_resource(database: Database, request: Request) -> Result:
    """Adds or replaces tags."""
    table = _resource(database, request.params)
    tags = {**table.description.tags, **tags_of(request.params)}
    if len(tags) > MAX_TAGS:
        raise ClientFault(
            "LimitExceededException", f"Subscriber limit exceeded: Too many tags. Max tag count is {MAX_TAGS}"
        )
    database.keep(msgspec.structs.replace(table.description, tags=tags))
    await database.settle()
    return {}


async def untag_resource(database: Database, request: Request) -> Result:
    """Removes tags by their keys."""
    table = _resource(database, request.params)
    gone = request.params.get("TagKeys") or []
    tags = {key: value for key, value in table.description.tags.items() if key not in gone}
    database.keep(msgspec.structs.replace(table.description, tags=tags))
    await database.settle()
    return {}


async def list_tags_of_resource(database: Database, request: Request) -> Result:
    """All tags at once: there are at most 50."""
    table = _resource(database, request.params)
    if not database.store.settled:
        await database.settle()
    return {"Tags": [{"Key": key, "Value": value} for key, value in table.description.tags.items()]}


def tags_of(params: Params) -> dict[str, str]:
    """The Tags parameter, checked."""
    found: dict[str, str] = {}
    constraints = Constraints()
    given: Any = params.get("Tags") or []
    for number, tag in enumerate(given, 1):
        key, value = tag.get("Key"), tag.get("Value")
        place = f"tags.{number}.member"
        constraints.required(key, f"{place}.key")
        constraints.required(value, f"{place}.value")
        for text, limit, member in ((key, MAX_KEY, "key"), (value, MAX_VALUE, "value")):
            if text is not None and len(text) > limit:
                constraints.note(text, f"{place}.{member}", f"Member must have length less than or equal to {limit}")
        if key in found:
            raise ValidationException(f"{INVALID}Duplicate tag key: {key}")  # wording from memory
        found[key] = value
    constraints.settle()
    return found


def _resource(database: Database, params: Params) -> Table:
    arn = params.get("ResourceArn")
    constraints = Constraints()
    constraints.required(arn, "resourceArn")
    constraints.settle()
    name = database.table_name(str(arn))
    if name == arn:
        raise ValidationException(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    table = database.tables.get(name)
    if table is None:
        raise ClientFault("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {arn} not found")
    return table
