"""Global tables (version 2019.11.21): which Regions hold a table, and how they all come to know it.

What travels is a `Shared` (schema.py). It merges member by member, so the order and the number of messages do not
matter and Regions that were apart may both have changed it. Two operations that AWS does not have carry it; only calls
between Regions reach them:
    ReplicaSync         {"shared": ...}: take this, answer with what you know after it
    ReplicaDescriptors  {"for": region}: the tables of which that Region is, or was, a member

Telling is durable (`news.py`): a replica that is unreachable when it is added, changed or removed learns of it when it
is back. A Region that starts asks every other one for the tables it should hold: a replica whose disk was lost is made
again, and what it holds comes by replication. Only a Region itself says of itself that it is active, or gone.

A new replica is CREATING until it holds all that its seed held (`joining.py`), then it says that it is active. A copy
knows with which invitation it was made (`Description.joined`): one that was told to leave and to come again while it
was away is not taken for the new one, because deletions that it missed may be forgotten by then.

What it refuses to know: how items travel. It says that holders have changed (`Replication.refresh`), and the replicator
does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from antipodes.services.dynamodb.copies import become_active, disappear, key_arn, key_here, new_copy, own_key_arn
from antipodes.services.dynamodb.database import LEFT, Database, Table, topic_of
from antipodes.services.dynamodb.departing import Departing
from antipodes.services.dynamodb.joining import Joining
from antipodes.services.dynamodb.membership import (
    ALREADY_TABLES,
    NOT_SCALED,
    PROTECTED,
    SEED_S,
    Action,
    actions_of,
    check_action,
    check_not_seed,
    with_member,
)
from antipodes.services.dynamodb.mrsc.membership import StrongTables
from antipodes.services.dynamodb.mrsc.rules import NO_SINGLE
from antipodes.services.dynamodb.news import News
from antipodes.services.dynamodb.overrides import NO_KEY, SETTINGS, overridden
from antipodes.services.dynamodb.replication import Replication
from antipodes.services.dynamodb.schema import (
    Description,
    MemberState,
    Overrides,
    Shared,
    merged,
    shared_from_json,
    shared_to_json,
)
from antipodes.store.records import Version
from antipodes.wire.errors import ClientFault, ServerFault, ValidationException
from antipodes.wire.operation import Request, Result

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Shared).decode


class Replicas:
    """The memberships of one Region's tables."""

    def __init__(self, database: Database, replication: Replication) -> None:
        self.database = database
        self.region = database.region
        self.world = database.world
        self.store = database.store
        self.call = database.surroundings.call
        self._replication = replication
        self.joining = Joining(database, replication, self._progressed)
        self.departing = Departing(database, replication, self._departed)
        self._others = tuple(one for one in database.surroundings.settings.regions if one != database.region)
        self._strict = database.surroundings.settings.options.get("dynamodb.strict") == "on"
        self._seed_s = float(database.surroundings.settings.options.get("dynamodb.seed_s", SEED_S))
        self._news = News(database, self._others, self.absorb, self._refused, replication)
        self.strong = StrongTables(database, self._news.rows, self.changed, self._others)

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
        found += [one for one in self.strong.witnessed() if asking in one.members]
        await self.database.settle()
        return {"shared": [shared_to_json(one) for one in found]}

    # What this Region decides

    async def update(
        self, table: Table, updates: Sequence[Mapping[str, Any]], changed: Callable[[], Description]
    ) -> None:
        """ReplicaUpdates of UpdateTable. Returns when the change is durable here; it is carried out from there on.

        changed: the table's description with what else the UpdateTable asks for (its key).
        """
        actions = actions_of(updates, self.region)
        self._judge(table, actions, changed())
        for kind, detail in actions:
            await self._check_there(table.name, kind, detail["RegionName"])
        # Others ran while we asked: judge again.
        space = table.description.space
        now_table = self.database.tables.get(table.name)
        if now_table is not table or table.description.status != "ACTIVE" or table.description.space != space:
            raise ClientFault("ResourceInUseException", f"Table is being changed: {table.name}")
        description = changed()
        self._judge(table, actions, description)
        shared = self._global(description)
        for kind, detail in actions:
            shared = self._with_action(shared, kind, detail)
        self.keep(self._streaming(description, shared))
        await self.database.settle()
        self.changed()
        table.touched = tuple(detail["RegionName"] for kind, detail in actions if kind == "Update")

    def _judge(self, table: Table, actions: Sequence[Action], description: Description) -> None:
        """Raises ValidationException: the actions are not possible as the group stands."""
        if table.legacy:
            raise ValidationException(
                "ReplicaUpdates cannot be applied to a global table of version 2017.11.29"
            )  # from memory: AWS's own sentence is not known
        shared = self._global(description)
        for action in actions:
            check_action(shared, action, self._others, self.world.now(), self._seed_s)
            overridden(shared, action[1], shared.settings_version, "")
        if self._strict and shared.settings.billing == "PROVISIONED" and any(kind == "Create" for kind, _ in actions):
            raise ValidationException(NOT_SCALED)  # there is no auto scaling here
        self.check_keys(table, description, actions)

    def check_keys(self, table: Table, description: Description, actions: Sequence[Action]) -> None:
        """Raises ValidationException: the table's key is a customer's, and a replica has none of its own Region."""
        if description.kms_key in {"", own_key_arn(self.database)}:
            return
        shared = description.shared
        keyed = [region for region, one in shared.overrides.items() if one.kms_key]
        keyed += [detail["RegionName"] for kind, detail in actions if detail.get("KMSMasterKeyId") or kind == "Delete"]
        needing = [detail["RegionName"] for kind, detail in actions if kind == "Create"]
        if description.kms_key != table.description.kms_key:
            needing += shared.holders
        if any(region != self.region and region not in keyed for region in needing):
            raise ValidationException(NO_KEY)

    def _global(self, description: Description) -> Shared:
        """The table as this Region's part of a group."""
        shared = description.shared
        if self.region in shared.members:
            return shared
        settings = msgspec.structs.replace(shared.settings, sse="KMS" if description.kms_key else "")
        shared = msgspec.structs.replace(shared, settings=settings)
        if description.kms_key and description.kms_key != own_key_arn(self.database):
            own = Overrides(self.store.stamp(), kms_key=description.kms_key)
            shared = msgspec.structs.replace(shared, overrides={**shared.overrides, self.region: own})
        return with_member(shared, self.region, "active", self.store.stamp())

    def _with_action(self, shared: Shared, kind: str, detail: Mapping[str, Any]) -> Shared:
        region = detail["RegionName"]
        if kind == "Delete":
            return self._with(shared, region, "leaving")
        if kind == "Create":
            shared = with_member(shared, region, "joining", self.store.stamp(), seed=self.region)
            overrides = {name: one for name, one in shared.overrides.items() if name != region}
            shared = msgspec.structs.replace(shared, overrides=overrides)
        if kind == "Update" or any(detail.get(setting) is not None for setting in SETTINGS):
            key = key_arn(self.database, region, detail["KMSMasterKeyId"]) if detail.get("KMSMasterKeyId") else ""
            own = overridden(shared, detail, self.store.stamp(), key)
            overrides = {**shared.overrides, region: own}
            shared = msgspec.structs.replace(shared, overrides={name: overrides[name] for name in sorted(overrides)})
        return shared

    async def _check_there(self, name: str, kind: str, region: str) -> None:
        """Refuses a target that has a table of that name, or one that is protected. One out of reach is found out
        later."""
        if kind == "Update":
            return
        try:
            found = await self.call("dynamodb", "DescribeTable", {"TableName": name}, region=region)
        except ClientFault as fault:
            if fault.code == "ResourceNotFoundException":
                return
            raise
        except ServerFault:
            return
        if kind == "Create":
            raise ValidationException(ALREADY_TABLES)
        if found["Table"].get("DeletionProtectionEnabled"):
            raise ValidationException(PROTECTED)

    def _with(self, shared: Shared, region: str, state: MemberState, progress: int = 0) -> Shared:
        return with_member(shared, region, state, self.store.stamp(), progress=progress)

    def _streaming(self, description: Description, shared: Shared) -> Description:
        """On a global table the stream is on, with both images (facts 1.3)."""
        if len(shared.holders) > 1 and shared.settings.stream_view != "NEW_AND_OLD_IMAGES":
            settings = msgspec.structs.replace(shared.settings, stream_view="NEW_AND_OLD_IMAGES")
            shared = msgspec.structs.replace(shared, settings=settings, settings_version=self.store.stamp())
        return msgspec.structs.replace(description, shared=shared)

    def keep(self, description: Description, news: Shared | None = None) -> None:
        """Writes a changed description and the news of it to the other members. news: what is told, if that differs."""
        self.database.keep(description, self._news.rows(news or description.shared))

    def check_removable(self, table: Table) -> None:
        """Raises ValidationException: the replica here may not be deleted now."""
        if table.strong:
            raise ValidationException(NO_SINGLE)
        if table.description.deletion_protection:
            raise ValidationException(PROTECTED)
        check_not_seed(table.shared, self.region, self.world.now(), self._seed_s)

    def remove(self, table: Table) -> None:
        """Begins the end of this Region's copy: it is DELETING from now on."""
        shared = table.shared
        if not shared.members or shared.charter is not None:
            shared = self._with(shared, self.region, "gone") if shared.members else shared
            self.keep(msgspec.structs.replace(table.description, shared=shared, status="DELETING"))
            disappear(self.database, table.name, table.description.space)
            return
        if shared.members[self.region].state != "leaving":
            shared = self._with(shared, self.region, "leaving")
        self.keep(msgspec.structs.replace(table.description, shared=shared, status="DELETING"))
        self.departing.begin(table.name, table.description.space)

    def _departed(self, table: Table, all_sent: bool) -> None:
        """The others have what was written here, or cannot be waited for any longer. A copy from before the Region was
        told to come again goes without a word: the Region is about to have another one."""
        if table.shared.members[self.region].state == "leaving":
            shared = self._with(table.shared, self.region, "gone")
            mine = msgspec.structs.replace(shared.members[self.region], short=not all_sent)
            shared = msgspec.structs.replace(shared, members={**shared.members, self.region: mine})
            self.keep(msgspec.structs.replace(table.description, shared=shared))
            self.changed()
        disappear(self.database, table.name, table.description.space)

    # What this Region hears

    def absorb(self, heard: Shared) -> Shared:
        """Merges what another Region knows, and acts on what it says of this one. Returns what is known now.

        Raises ValidationException: another table has the name; ResourceInUseException: try again later.
        """
        for member in heard.members.values():
            self.store.seen(member.version)
        self.store.seen(heard.settings_version)
        if heard.charter is not None:
            self.store.seen(heard.charter.version)
        if self.strong.concerns(heard):
            return self.strong.absorb(heard)
        table = self.database.by_topic.get(topic_of(heard))
        if table is None:
            return self._absorb_new(heard)
        known = merged(table.shared, heard)
        if _short(known) != _short(table.shared):
            # Before it is written that they went: a crash must not lose only this.
            self._replication.copy_again(table.topic)
        mine = known.members.get(self.region)
        if table.description.status == "DELETING":
            if mine is not None and mine.state in {"joining", "active"}:
                raise ClientFault("ResourceInUseException", f"Table is being deleted: {table.name}")
            self.database.keep(msgspec.structs.replace(table.description, shared=known))
            return known
        if mine is None:
            return known
        if mine.state == "leaving":
            return self._part(table, known) if known.common else self._leave(table, known)
        if mine.state == "joining" and mine.left > table.description.joined:
            # It was told to leave while it was away, and to come again. What it holds is of the time before.
            # What it wrote until it heard of it was acknowledged, and is sent to the others before it goes.
            self.database.keep(msgspec.structs.replace(table.description, shared=known, status="DELETING"))
            self.departing.begin(table.name, table.description.space)
            raise ClientFault("ResourceInUseException", f"Table is being deleted: {table.name}")
        if mine.state == "failed" or (mine.state == "joining" and table.description.status == "ACTIVE"):
            known = self._with(known, self.region, "active")
            self.keep(self._keyed(table.description, known))
        elif known != table.shared:
            changed = known.settings != table.shared.settings
            self.database.keep(self._keyed(table.description, known))
            if changed:
                self.database.update_for_a_while(table)
        return known

    def _part(self, table: Table, known: Shared) -> Shared:
        """Version 2017.11.29: the table leaves the group and goes on alone."""
        known = self._with(known, self.region, "gone")
        alone = msgspec.structs.replace(known, members={}, common="")
        self.database.keep(msgspec.structs.replace(table.description, shared=alone), self._news.rows(known))
        return known

    def _adopted(self, table: Table, heard: Shared) -> Shared:
        """Version 2017.11.29: a table that is here becomes part of a group. Raises ValidationException."""
        own = table.shared
        alike = (own.hash, own.range) == (heard.hash, heard.range)
        if own.members or not alike or table.items or table.description.status != "ACTIVE":
            raise ValidationException(ALREADY_TABLES)
        known = msgspec.structs.replace(own, members=heard.members, common=heard.common, created=heard.created)
        known = self._with(known, self.region, "active")
        self.keep(msgspec.structs.replace(table.description, shared=known))
        return known

    def _leave(self, table: Table, known: Shared) -> Shared:
        """Told to go: unless it is protected, which the Region that told could not see."""
        if table.description.deletion_protection:
            known = self._with(known, self.region, "active")
            self.keep(msgspec.structs.replace(table.description, shared=known))
            return known
        table.describe(msgspec.structs.replace(table.description, shared=known))
        self.remove(table)
        return table.shared

    def _keyed(self, description: Description, shared: Shared) -> Description:
        """The description with what is known now, and this Region's key of it."""
        return msgspec.structs.replace(description, shared=shared, kms_key=key_here(self.database, shared))

    def _absorb_new(self, heard: Shared) -> Shared:
        """A table that this Region does not hold: perhaps it should, perhaps it has left it."""
        left = self.store.get(LEFT + heard.group.encode())
        known = merged(_decode(left), heard) if left is not None else heard
        mine = known.members.get(self.region)
        if mine is not None and mine.state == "leaving":
            known = self._with(known, self.region, "gone")
            self.store.write([(LEFT + known.group.encode(), _encode(known)), *self._news.rows(known)])
        if mine is None or mine.state not in {"joining", "active"}:
            return known
        other = self.database.tables.get(known.name)
        if known.common:
            if other is None:
                raise ValidationException(ALREADY_TABLES)
            return self._adopted(other, known)
        if other is not None:
            if other.description.status == "DELETING":
                raise ClientFault("ResourceInUseException", f"Table is being deleted: {known.name}")
            raise ValidationException(ALREADY_TABLES)
        made = new_copy(self.database, known, kms_key=key_here(self.database, known))
        description = msgspec.structs.replace(made, joined=mine.joined)
        # While the table is not here: how far an earlier copy was is not how far this one is.
        self._replication.refresh()
        self.keep(description)
        if mine.state == "joining":
            self.joining.begin(known.name, description.space)
        else:  # its disk was lost: what it held comes back while it serves
            become_active(self.database, known.name, description.space)
        return known

    def _progressed(self, table: Table, percent: int | None) -> None:
        """The copy that is being made here holds so much of what its seed holds; None: all, it is a replica now."""
        if percent is None:
            shared = self._with(table.shared, self.region, "active")
            self.keep(msgspec.structs.replace(table.description, shared=shared, status="ACTIVE"))
        elif percent != table.shared.members[self.region].progress:
            shared = self._with(table.shared, self.region, "joining", percent)
            self.keep(msgspec.structs.replace(table.description, shared=shared))
        self.changed()

    # Telling

    def changed(self) -> None:
        """Tells the replicator, and starts telling the Regions for which there are news."""
        self._replication.refresh()
        self._news.tell()

    def start(self) -> None:
        """Goes on with what was being made or told, and asks every other Region once."""
        for name in sorted(self.database.tables):
            table = self.database.tables[name]
            mine = table.shared.members.get(self.region)
            if mine is not None and mine.state == "joining" and table.description.status == "CREATING":
                self.joining.begin(name, table.description.space)
            going = table.shared.charter is None and table.description.status == "DELETING"
            if mine is not None and mine.state in {"leaving", "joining"} and going:
                self.departing.begin(name, table.description.space)
        self.strong.start()
        self.changed()
        self._news.ask()

    def _refused(self, shared: Shared, region: str) -> None:
        """The Region cannot make the replica: it has a table of that name."""
        table = self.database.by_topic.get(topic_of(shared))
        if table is not None and table.shared.members[region].state == "joining":
            failed = self._with(table.shared, region, "failed")
            self.keep(msgspec.structs.replace(table.description, shared=failed))


def _short(shared: Shared) -> list[tuple[str, Version]]:
    """Members that went before all others had all of theirs."""
    return [(name, one.version) for name, one in shared.members.items() if one.short and one.state == "gone"]
