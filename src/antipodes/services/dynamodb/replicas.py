"""Global tables (version 2019.11.21): which Regions hold a table, and how they all come to know it.

What travels is a `Shared` (schema.py). It merges member by member, so the order and the number of messages do not
matter and Regions that were apart may both have changed it. Two operations that AWS does not have carry it; only calls
between Regions reach them:
    ReplicaSync         {"shared": ...}: take this, answer with what you know after it
    ReplicaDescriptors  {"for": region}: the tables of which that Region is, or was, a member

Telling is durable: with every change of one's own a row news/<region>/<group> is written for each other member, in the
same transaction; a task a Region delivers them until each is confirmed. So a replica that is unreachable when it is
added, changed or removed learns of it when it is back.

A Region that starts asks every other one for the tables it should hold: a replica whose disk was lost is made again,
and what it holds comes by replication. Only a Region itself says of itself that it is active, or gone.

What it refuses to know: how items travel. It says who holds a table (`holders_changed`); the replicator does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from antipodes.services.dynamodb.copies import become_active, disappear, new_copy
from antipodes.services.dynamodb.database import LEFT, Database, Table, topic_of
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.schema import (
    Description,
    Member,
    MemberState,
    Shared,
    merged,
    shared_from_json,
    shared_to_json,
)
from antipodes.wire.errors import AwsError, ClientFault, NotSupported, ServerFault, ValidationException
from antipodes.wire.operation import Request, Result

NEWS = b"dynamodb/news/"
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 2.0
LOCAL_REGION = (
    "Cannot add, delete, or update the local region through ReplicaUpdates. "
    "Use CreateTable, DeleteTable, or UpdateTable as required."
)
ALREADY_TABLES = (  # AWS's sentence, its slip included
    "Failed to create a the new replica of table because one or more replicas already existed as tables."
)
NOT_MEMBERS = "Update global table operation failed because one or more replicas were not part of the global table"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Shared).decode


class Replicas:
    """The memberships of one Region's tables. `on_change` is called after holders may have changed."""

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        self.database = database
        self.region = database.region
        self.world = database.world
        self.store = database.store
        self.call = database.surroundings.call
        self.on_change = on_change
        self._others = tuple(one for one in database.surroundings.settings.regions if one != database.region)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    # Operations between Regions

    async def replica_sync(self, request: Request) -> Result:
        """Takes what another Region knows of a table; answers with what is known here after it."""
        known = self.absorb(shared_from_json(request.params["shared"]))
        await self.database.settle()
        self.changed()
        return {"shared": shared_to_json(known)}

    async def replica_descriptors(self, request: Request) -> Result:
        """What is known here of tables in which the asking Region has a part."""
        asking = request.params["for"]
        found = [
            self.database.tables[name].shared
            for name in sorted(self.database.tables)
            if asking in self.database.tables[name].shared.members
        ]
        await self.database.settle()
        return {"shared": [shared_to_json(one) for one in found]}

    # What this Region decides

    async def update(self, table: Table, updates: Sequence[Mapping[str, Any]]) -> None:
        """ReplicaUpdates of UpdateTable. Returns when the change is durable here; it is carried out from there on."""
        for update in updates:
            if len(update) != 1:
                raise ValidationException("Each of ReplicaUpdates must contain exactly one of Create, Update, Delete")
            ((kind, detail),) = update.items()
            if not detail.get("RegionName"):
                raise ValidationException("RegionName is required in each of ReplicaUpdates")
            if detail["RegionName"] == self.region:
                raise ValidationException(LOCAL_REGION)
            if kind == "Update":
                raise NotSupported("ReplicaUpdates with Update")
            if set(detail) - {"RegionName"}:
                raise NotSupported(f"per-replica settings: {', '.join(sorted(set(detail) - {'RegionName'}))}")
            self._check(table.shared, kind, detail["RegionName"])
        for update in updates:
            if "Create" in update:
                await self._check_free(table.name, update["Create"]["RegionName"])
        # Others ran while we asked: judge again.
        space = table.description.space
        now_table = self.database.tables.get(table.name)
        if now_table is not table or table.description.status != "ACTIVE" or table.description.space != space:
            raise ClientFault("ResourceInUseException", f"Table is being changed: {table.name}")
        shared = table.shared
        if self.region not in shared.members:
            shared = self._with(shared, self.region, "active")
        for update in updates:
            ((kind, detail),) = update.items()
            self._check(shared, kind, detail["RegionName"])
            shared = self._with(shared, detail["RegionName"], "joining" if kind == "Create" else "leaving")
        self.keep(self._streaming(table.description, shared))
        await self.database.settle()
        self.changed()

    def _check(self, shared: Shared, kind: str, region: str) -> None:
        present = region in shared.members and shared.members[region].state in {"joining", "active"}
        if region not in self._others:
            raise ValidationException(f"Region {region} is not part of this planet")  # AWS: an unknown Region
        if kind == "Create" and present:
            raise ValidationException(ALREADY_TABLES)
        if kind == "Delete" and (region not in shared.members or shared.members[region].state in {"gone", "leaving"}):
            raise ValidationException(NOT_MEMBERS)

    async def _check_free(self, name: str, region: str) -> None:
        """Refuses a target that has a table of that name. A Region out of reach is found out later."""
        try:
            await self.call("dynamodb", "DescribeTable", {"TableName": name}, region=region)
        except ClientFault as fault:
            if fault.code == "ResourceNotFoundException":
                return
            raise
        except ServerFault:
            return
        raise ValidationException(ALREADY_TABLES)

    def _with(self, shared: Shared, region: str, state: MemberState) -> Shared:
        members = {**shared.members, region: Member(state, self.store.stamp())}
        return msgspec.structs.replace(shared, members={name: members[name] for name in sorted(members)})

    def _streaming(self, description: Description, shared: Shared) -> Description:
        """On a global table the stream is on, with both images (facts 1.3)."""
        if len(shared.holders) > 1 and shared.settings.stream_view != "NEW_AND_OLD_IMAGES":
            settings = msgspec.structs.replace(shared.settings, stream_view="NEW_AND_OLD_IMAGES")
            shared = msgspec.structs.replace(shared, settings=settings, settings_version=self.store.stamp())
        return msgspec.structs.replace(description, shared=shared)

    def keep(self, description: Description) -> None:
        """Writes a changed description and the news of it to the other members."""
        self.database.keep(description, self._news(description.shared))

    def remove(self, table: Table) -> None:
        """Begins the end of this Region's copy: it is DELETING from now on."""
        shared = table.shared
        if shared.members:
            shared = self._with(shared, self.region, "gone")
        description = msgspec.structs.replace(table.description, shared=shared, status="DELETING")
        self.keep(description)
        disappear(self.database, table.name, description.space)

    def _news(self, shared: Shared) -> list[tuple[bytes, bytes | None]]:
        raw = _encode(shared)
        return [
            (_news_key(region, shared.group), raw)
            for region in shared.members
            if region != self.region and region in self._others
        ]

    # What this Region hears

    def absorb(self, heard: Shared) -> Shared:
        """Merges what another Region knows, and acts on what it says of this one. Returns what is known now.

        Raises ValidationException: another table has the name; ResourceInUseException: try again later.
        """
        for member in heard.members.values():
            self.store.seen(member.version)
        self.store.seen(heard.settings_version)
        table = self.database.by_topic.get(topic_of(heard))
        if table is None:
            return self._absorb_new(heard)
        known = merged(table.shared, heard)
        if table.description.status == "DELETING":
            if known.members[self.region].state in {"joining", "active"}:
                raise ClientFault("ResourceInUseException", f"Table is being deleted: {table.name}")
            self.database.keep(msgspec.structs.replace(table.description, shared=known))
            return known
        mine = known.members.get(self.region)
        if mine is not None and mine.state == "leaving":
            table.describe(msgspec.structs.replace(table.description, shared=known))
            self.remove(table)
            return table.shared
        if mine is not None and mine.state in {"joining", "failed"}:
            known = self._with(known, self.region, "active")
            self.keep(msgspec.structs.replace(table.description, shared=known))
        elif known != table.shared:
            self.database.keep(msgspec.structs.replace(table.description, shared=known))
        return known

    def _absorb_new(self, heard: Shared) -> Shared:
        """A table that this Region does not hold: perhaps it should, perhaps it has left it."""
        left = self.store.get(LEFT + heard.group.encode())
        known = merged(_decode(left), heard) if left is not None else heard
        mine = known.members.get(self.region)
        if mine is not None and mine.state == "leaving":
            known = self._with(known, self.region, "gone")
            self.store.write([(LEFT + known.group.encode(), _encode(known)), *self._news(known)])
        if mine is None or mine.state not in {"joining", "active"}:
            return known
        other = self.database.tables.get(known.name)
        if other is not None:
            if other.description.status == "DELETING":
                raise ClientFault("ResourceInUseException", f"Table is being deleted: {known.name}")
            raise ValidationException(ALREADY_TABLES)
        if mine.state == "joining":
            known = self._with(known, self.region, "active")
        description = new_copy(self.database, known)
        self.keep(description)
        become_active(self.database, known.name, description.space)
        return known

    # Telling and asking

    def changed(self) -> None:
        """Tells the replicator, and starts telling the Regions for which there are news."""
        self.on_change()
        for region in self._others:
            task = self._tasks.get(region)
            if (task is None or task.done()) and self._next_news(region) is not None:
                self._tasks[region] = self.database.spawn(self._tell(region), f"news for {region}")

    def start(self) -> None:
        """Tells what is still to be told, and asks every other Region once."""
        self.changed()
        for region in self._others:
            self.database.spawn(self._ask(region), f"asks {region}")

    def _next_news(self, region: str) -> tuple[bytes, bytes] | None:
        prefix = _news_key(region, "")
        return next(iter(self.store.range(prefix, after_prefix(prefix))), None)

    async def _tell(self, region: str) -> None:
        """Delivers all news for a Region, however long it takes."""
        wait_s = FIRST_RETRY_S
        while (news := self._next_news(region)) is not None:
            key, raw = news
            shared = _decode(raw)
            try:
                answer = await self.call("dynamodb", "ReplicaSync", {"shared": shared_to_json(shared)}, region=region)
            except AwsError as fault:
                if not isinstance(fault, ValidationException) and fault.code != "ValidationException":
                    await self.world.sleep(wait_s)
                    wait_s = min(wait_s * 2, LAST_RETRY_S)
                    continue
                self._refused(shared, region)
            else:
                wait_s = FIRST_RETRY_S
                self.absorb(shared_from_json(answer["shared"]))
            if self.store.get(key) == raw:
                self.store.write([(key, None)])
            await self.database.settle()
            self.on_change()

    def _refused(self, shared: Shared, region: str) -> None:
        """The Region cannot make the replica: it has a table of that name."""
        table = self.database.by_topic.get(topic_of(shared))
        if table is not None and table.shared.members[region].state == "joining":
            failed = self._with(table.shared, region, "failed")
            self.database.keep(msgspec.structs.replace(table.description, shared=failed))

    async def _ask(self, region: str) -> None:
        """Asks a Region until it has answered once."""
        wait_s = FIRST_RETRY_S
        while True:
            try:
                answer = await self.call("dynamodb", "ReplicaDescriptors", {"for": self.region}, region=region)
                break
            except AwsError:
                await self.world.sleep(wait_s)
                wait_s = min(wait_s * 2, LAST_RETRY_S)
        for raw in answer["shared"]:
            try:
                self.absorb(shared_from_json(raw))
            except ClientFault as fault:
                self.world.trace("dynamodb.replica", refused=fault.message)
        await self.database.settle()
        self.changed()


def _news_key(region: str, group: str) -> bytes:
    return NEWS + region.encode() + b"/" + group.encode()
