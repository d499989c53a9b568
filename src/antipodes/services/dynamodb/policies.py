"""Resource-based policies of tables: PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy.

They are kept and answered. Nothing here evaluates them: antipodes has one account, and whoever has its key may do all.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.parameters import Constraints, Params
from antipodes.services.dynamodb.schema import Policy
from antipodes.wire.errors import ClientFault, NotSupported, ValidationException
from antipodes.wire.operation import Request, Result

MAX_BYTES = 20 * 1024
NO_POLICY = "NO_POLICY"  # an ExpectedRevisionId: there must be none yet


async def put_resource_policy(database: Database, request: Request) -> Result:
    """Attaches or replaces a policy; the answer's revision tells this version of it."""
    params = request.params
    constraints = Constraints()
    constraints.required(params.get("ResourceArn"), "resourceArn")
    constraints.required(params.get("Policy"), "policy")
    constraints.settle()
    policy = policy_of(params["Policy"], database.world.now())
    table = _resource(database, params)
    _check_revision(table, params.get("ExpectedRevisionId"))
    database.keep(msgspec.structs.replace(table.description, policy=policy))
    await database.settle()
    return {"RevisionId": policy.revision}


async def get_resource_policy(database: Database, request: Request) -> Result:
    table = _resource(database, request.params)
    if not database.store.settled:
        await database.settle()
    policy = table.description.policy
    if policy is None:
        raise _none(table, database)
    return {"Policy": policy.text, "RevisionId": policy.revision}


async def delete_resource_policy(database: Database, request: Request) -> Result:
    """Idempotent: without a policy the answer is empty."""
    table = _resource(database, request.params)
    _check_revision(table, request.params.get("ExpectedRevisionId"))
    policy = table.description.policy
    if policy is None:
        return {}
    database.keep(msgspec.structs.replace(table.description, policy=None))
    await database.settle()
    return {"RevisionId": policy.revision}


def policy_of(text: str, now: float) -> Policy:
    """A policy document, checked to be one; its revision is the time in milliseconds, as AWS's looks."""
    if len(text.encode()) > MAX_BYTES:
        raise ClientFault(
            "LimitExceededException", "Subscriber limit exceeded: Resource-based policy size cannot exceed 20 KB"
        )  # wording from memory
    try:
        document: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = None
    if type(document) is not dict or not document.get("Statement"):
        raise ValidationException("Policy document is malformed")  # wording from memory
    return Policy(text, str(int(now * 1000)))


def _check_revision(table: Table, expected: str | None) -> None:
    """Raises PolicyNotFoundException, as AWS does, when another revision is there."""
    if expected is None:
        return
    policy = table.description.policy
    if (policy.revision if policy is not None else NO_POLICY) != expected:
        raise ClientFault(
            "PolicyNotFoundException",
            f"Resource-based policy not found for the provided revision id: {expected}",  # wording from memory
        )


def _none(table: Table, database: Database) -> ClientFault:
    arn = f"arn:aws:dynamodb:{database.region}:{database.account}:table/{table.name}"
    return ClientFault(
        "PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: {arn}"
    )


def _resource(database: Database, params: Params) -> Table:
    arn = params.get("ResourceArn")
    constraints = Constraints()
    constraints.required(arn, "resourceArn")
    constraints.settle()
    name = database.table_name(str(arn))
    if "/stream/" in name:
        raise NotSupported("a resource-based policy of a stream")
    table = database.tables.get(name)
    if name == arn:
        raise ValidationException(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    if table is None:
        raise ClientFault("ResourceNotFoundException", f"Requested resource not found: ResourceArn: {arn} not found")
    return table
