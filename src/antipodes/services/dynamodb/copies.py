"""The life of a Region's copy of a table: made, active, being deleted, gone.

Each change of state is written before it is waited for, so a Region that stops in between resumes it at its start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from antipodes.services.dynamodb.backups import left_behind
from antipodes.services.dynamodb.database import LEFT, Database
from antipodes.services.dynamodb.schema import Description, Policy, Shared
from antipodes.services.dynamodb.stream_ledger import stream_label
from antipodes.store.engine import StoreError
from antipodes.wire.errors import ServerFault

RETRY_S = 0.5  # after the disk refused

_encode = msgspec.json.Encoder().encode


def drawn_id(database: Database) -> str:
    return f"{database.world.chance.getrandbits(48):012x}"


def own_key(database: Database) -> str:
    """The id of the account's KMS key aws/dynamodb in this Region: AWS makes it when it is first needed."""
    return str(uuid5(NAMESPACE_URL, f"aws/dynamodb {database.region} {database.account}"))


def own_key_arn(database: Database) -> str:
    return f"arn:aws:kms:{database.region}:{database.account}:key/{own_key(database)}"


def key_arn(database: Database, region: str, key: str) -> str:
    """The ARN of a key that a parameter names by ARN, id or alias."""
    prefix = f"arn:aws:kms:{region}:{database.account}:"
    return key if key.startswith("arn:") else prefix + (key if key.startswith("alias/") else f"key/{key}")


def key_here(database: Database, shared: Shared) -> str:
    """The ARN of the key that encrypts this Region's copy; "": DynamoDB's own."""
    if not shared.settings.sse:
        return ""
    own = shared.overrides.get(database.region)
    return own.kms_key if own is not None and own.kms_key else own_key_arn(database)


def new_copy(
    database: Database,
    shared: Shared,
    *,
    tags: Mapping[str, str] | None = None,
    protected: bool = False,
    kms_key: str = "",
    policy: Policy | None = None,
) -> Description:
    """A copy that is still CREATING."""
    now = database.world.now()
    return Description(
        shared=shared,
        space=drawn_id(database),
        table_id=str(UUID(int=database.world.chance.getrandbits(128), version=4)),
        status="CREATING",
        since=now,
        stream_label=stream_label(now) if shared.settings.stream_view else "",
        deletion_protection=protected,
        tags=dict(tags or {}),
        kms_key=kms_key,
        policy=policy,
    )


async def insist(database: Database, step: Callable[[], Awaitable[None]]) -> None:
    """Carries out a step of a background task, however often the disk refuses: then nothing of it happened."""
    while True:
        try:
            await step()
            return
        except (ServerFault, StoreError) as fault:
            database.world.trace("dynamodb.again", failed=str(fault))
            await database.world.sleep(RETRY_S)


def become_active(database: Database, name: str, space: str) -> None:
    """Makes the copy ACTIVE after a while."""

    async def step() -> None:
        table = database.tables.get(name)
        if table is not None and table.description.space == space and table.description.status == "CREATING":
            database.keep(msgspec.structs.replace(table.description, status="ACTIVE"))
            await database.settle()

    async def wait() -> None:
        await database.world.sleep(database.state_s)
        await insist(database, step)

    database.spawn(wait(), f"{name} becomes active")


def disappear(database: Database, name: str, space: str) -> None:
    """Takes away a copy that is DELETING, after a while, and its rows after it."""

    async def step() -> None:
        table = database.tables.get(name)
        if table is None or table.description.space != space or not _going(table.description, database.region):
            return  # also where the disk took back what had told it to go
        shared = table.shared
        left = [(LEFT + shared.group.encode(), _encode(shared))] if shared.members else []
        backup = left_behind(database, table)
        database.drop(table, [*left, *backup], items_kept=bool(backup))
        await database.settle()

    async def wait() -> None:
        await database.world.sleep(database.state_s)
        await insist(database, step)
        await insist(database, database.sweep)

    database.spawn(wait(), f"{name} disappears")


def _going(description: Description, region: str) -> bool:
    """Whether a copy may be taken away: it is DELETING, and not one that must say first that it has gone."""
    mine = description.shared.members.get(region)
    leaving = mine is not None and mine.state == "leaving" and description.shared.charter is None
    return description.status == "DELETING" and not leaving


def resume(database: Database) -> None:
    """Goes on with what was under way when the Region stopped."""
    for name in sorted(database.tables):
        description = database.tables[name].description
        mine = description.shared.members.get(database.region)
        going = {"joining", "leaving"} if description.shared.charter is None else {"joining"}
        if mine is not None and mine.state in going:
            continue  # replicas.py goes on with it, whichever way
        if description.status == "CREATING" and (description.restored is None or not description.restored.running):
            become_active(database, name, description.space)
        elif description.status == "DELETING":
            disappear(database, name, description.space)

    async def tidy() -> None:
        await insist(database, database.sweep)
        await database.count()

    database.spawn(tidy(), "sweep and count")
