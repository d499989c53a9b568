"""Tags of tables: TagResource, UntagResource, ListTagsOfResource."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from antipodes.services.dynamodb.database import Database, Table, not_found
from antipodes.services.dynamodb.parameters import TABLE_NAME, Constraints, Params
from antipodes.services.dynamodb.values import INVALID
from antipodes.wire.errors import ClientFault, ValidationException
from antipodes.wire.operation import Request, Result

MAX_TAGS = 50
MAX_KEY, MAX_VALUE = 128, 256
# "Letters, white space, and numbers, plus the special characters + - = . _ : /" (Developer Guide, "Tagging
# restrictions"); @ is AWS's elsewhere.
_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*").fullmatch


async def tag_resource(database: Database, request: Request) -> Result:
    """Adds or replaces tags."""
    params = request.params
    name = _named(database, params)
    given = tags_of(params)
    if not given:
        raise ValidationException("Atleast one Tag needs to be provided as Input.")  # AWS's own spelling
    table = _resource(database, params, name)
    tags = {**table.description.tags, **given}
    if len(tags) > MAX_TAGS:
        raise ClientFault(
            "LimitExceededException", f"Subscriber limit exceeded: Too many tags. Max tag count is {MAX_TAGS}"
        )
    database.keep(msgspec.structs.replace(table.description, tags=tags))
    await database.settle()
    return {}


async def untag_resource(database: Database, request: Request) -> Result:
    """Removes tags by their keys."""
    params = request.params
    name = _named(database, params)
    constraints = Constraints()
    constraints.required(params.get("TagKeys"), "tagKeys")
    constraints.settle()
    if not params["TagKeys"]:
        raise ValidationException("Atleast one Tag Key needs to be provided as Input.")
    if name not in database.tables:
        raise not_found()  # seen on AWS: without the ARN, unlike TagResource
    table = _resource(database, params, name)
    tags = {key: value for key, value in table.description.tags.items() if key not in params["TagKeys"]}
    database.keep(msgspec.structs.replace(table.description, tags=tags))
    await database.settle()
    return {}


async def list_tags_of_resource(database: Database, request: Request) -> Result:
    """All tags at once: there are at most 50."""
    params = request.params
    name = _named(database, params)
    if name not in database.tables:
        # Seen on AWS: this operation, unlike its neighbours, does not say whether a table is there.
        raise ClientFault(
            "AccessDeniedException",
            f"User: arn:aws:iam::{database.account}:root is not authorized to perform: dynamodb:ListTagsOfResource "
            f"on resource: {params['ResourceArn']}",
        )
    table = _resource(database, params, name)
    if not database.store.settled:
        await database.settle()
    return {"Tags": [{"Key": key, "Value": value} for key, value in table.description.tags.items()]}


def tags_of(params: Params) -> dict[str, str]:
    """The Tags parameter, checked."""
    found: dict[str, str] = {}
    constraints = Constraints()
    given: Any = params.get("Tags") or []
    if "ResourceArn" in params:
        constraints.required(params.get("Tags"), "tags")
    for number, tag in enumerate(given, 1):
        key, value = tag.get("Key"), tag.get("Value")
        place = f"tags.{number}.member"
        constraints.required(key, f"{place}.key")
        constraints.required(value, f"{place}.value")
        for text, limit, member in ((key, MAX_KEY, "key"), (value, MAX_VALUE, "value")):
            if text is not None and len(text) > limit:
                constraints.note(text, f"{place}.{member}", f"Member must have length less than or equal to {limit}")
        if key is not None and key.lower().startswith("aws:"):
            raise ValidationException(INVALID + "Tag keys cannot start with the reserved prefix aws:")  # from memory
        for text, member in ((key, "key"), (value, "value")):
            if text is not None and not _ALLOWED(text):
                raise ValidationException(f"{INVALID}Tag {member} contains invalid characters: {text}")  # a guess
        if key == "":
            constraints.note(key, f"{place}.key", "Member must have length greater than or equal to 1")
        if key in found:
            raise ValidationException(f"{INVALID}Duplicate tag key: {key}")  # wording from memory
        found[key] = value
    constraints.settle()
    if len(found) > MAX_TAGS:
        raise ValidationException(f"{INVALID}Too many tags. Max tag count is {MAX_TAGS}")  # wording from memory
    return found


def _named(database: Database, params: Params) -> str:
    """The table that ResourceArn names. Raises ValidationException when it is no table's ARN of this Region."""
    arn = params.get("ResourceArn")
    if arn is None:
        raise ValidationException("Invalid TableArn")
    name = database.table_name(str(arn))
    if name == arn or len(name) < 3 or not TABLE_NAME(name):
        raise ValidationException(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    return name


def _resource(database: Database, params: Params, name: str) -> Table:
    table = database.tables.get(name)
    if table is None:
        raise ClientFault(
            "ResourceNotFoundException",
            f"Requested resource not found: ResourcArn: {params['ResourceArn']} not found",  # AWS's own spelling
        )
    return table
