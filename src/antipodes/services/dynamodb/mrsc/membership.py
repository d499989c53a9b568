"""How a table becomes one of strong consistency (MRSC), who takes part, and how it ends.

It is told as all global tables are (replicas.py, news.py): by a `Shared` that each member merges. What is special lies
in its `Charter`, and comes about in this order:

    the Region that is asked   names the journal, itself and two others, who are told to join
    each of the others         makes a copy (a witness: a hidden one), names its own memory of the journal (`seat`), and
                               says that it is active
    the first Region           when it knows three seats, writes them into the charter: the journal begins
    each member                takes part once it knows a charter with seats; with the seat that stands there it is a
                               full member from the start

A member whose disk was lost makes its copy again, with another seat. The charter does not have that one, so the journal
gives it no voice until it knows again what it may have promised (replica/journal). A first Region that lost its disk
before the charter was written never writes one: what it would write might not be the first.

The end is an entry of the journal, so nothing is written after it: when the Region that stays applies it, its copy is a
plain table, and the two others are told to leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from antipodes.services.contract import Journals
from antipodes.services.dynamodb.copies import become_active, disappear, drawn_id, key_here, new_copy
from antipodes.services.dynamodb.database import GONE, LEFT, Database, Table, topic_of
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.membership import ALREADY_TABLES, PROTECTED, with_member
from antipodes.services.dynamodb.mrsc.judging import Question
from antipodes.services.dynamodb.mrsc.rules import Wish, check_creation, check_deletion, wish_of
from antipodes.services.dynamodb.mrsc.serving import Serving
from antipodes.services.dynamodb.mrsc.state import ENDED, TableState
from antipodes.services.dynamodb.schema import Charter, Description, MemberState, Shared, merged
from antipodes.store.engine import StoreError
from antipodes.wire.errors import AwsError, ClientFault, ServerFault, ValidationException

WITNESS = b"dynamodb/witness/"  # + group: the Description of a hidden copy
RETRY_S = 0.5
Row = tuple[bytes, bytes | None]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Description).decode
_shared = msgspec.json.Decoder(Shared).decode


class StrongTables:
    """The tables of strong consistency of one Region, and those it is a witness of.

    news: the rows that tell the other members; changed: is called when there is something to tell.
    """

    def __init__(
        self,
        database: Database,
        news: Callable[[Shared], list[Row]],
        changed: Callable[[], None],
        planet: tuple[str, ...],
    ) -> None:
        self.serving = Serving(database)
        database.strong = self.serving
        self._database = database
        self._region = database.region
        self._store = database.store
        self._news = news
        self._changed = changed
        self._planet = planet  # the other Regions
        self.hidden: dict[str, Table] = {}  # copies of which this Region is the witness, by group
        for _, raw in list(self._store.range(WITNESS, after_prefix(WITNESS))):
            self._hide(_decode(raw))

    @property
    def _journals(self) -> Journals:
        journals = self.serving.journals
        assert journals is not None, "the Region joins the journals before it starts"
        return journals

    def start(self) -> None:
        """Takes part again in what this Region took part in; ends what had ended."""
        for table in (*self._database.tables.values(), *self.hidden.values()):
            charter = table.shared.charter
            if charter is None or charter.keeper:
                continue
            if self._store.get(ENDED + charter.journal.encode()) == self._region.encode():
                self._ended(table.shared.group, self._region)
            else:
                self._take_part(table)

    def witnessed(self) -> list[Shared]:
        """What is known of tables that this Region is a witness of."""
        return [self.hidden[group].shared for group in sorted(self.hidden)]

    # What this Region is asked

    async def update(self, table: Table, params: Mapping[str, Any]) -> None:
        """UpdateTable with MultiRegionConsistency STRONG, or with replicas or the witness of such a table."""
        wish = wish_of(params, self._region)
        if not wish.create:
            await self._dissolve(table, wish)
            return
        check_creation(wish, table.shared, self._region, self._planet, self._empty(table))
        for region in (*wish.replicas, *([wish.witness] if wish.witness else [])):
            await self._check_there(table.name, region, region == wish.witness)
        # Others ran while we asked: judge again.
        if self._database.tables.get(table.name) is not table or table.description.status != "ACTIVE":
            raise ClientFault("ResourceInUseException", f"Table is being changed: {table.name}")
        check_creation(wish, table.shared, self._region, self._planet, self._empty(table))
        self._begin(table, wish)
        await self._database.settle()
        self._changed()

    def _empty(self, table: Table) -> bool:
        return next(iter(TableState(self._database, "", lambda: table, lambda _: None).rows(b"")), None) is None

    async def _check_there(self, name: str, region: str, witness: bool) -> None:
        """Refuses a target that has a table of that name (a witness may), or that cannot be reached."""
        call = self._database.surroundings.call
        operation, params = ("DescribeLimits", {}) if witness else ("DescribeTable", {"TableName": name})
        for last in (False, True):  # an old connection may break first
            try:
                await call("dynamodb", operation, params, region=region)
                break
            except ServerFault:
                if last:
                    words = f"Internal server error: {region} cannot be reached"
                    raise ServerFault("InternalServerError", words, happened=False) from None
            except ClientFault as fault:
                if fault.code != "ResourceNotFoundException":
                    raise
                return
        if not witness:
            raise ValidationException(ALREADY_TABLES)

    async def _check_unprotected(self, name: str, region: str) -> None:
        """Refuses to delete a replica that is protected; one out of reach is deleted when it returns."""
        try:
            found = await self._database.surroundings.call(
                "dynamodb", "DescribeTable", {"TableName": name}, region=region
            )
        except AwsError:
            return
        if found["Table"].get("DeletionProtectionEnabled"):
            raise ValidationException(PROTECTED)

    def _begin(self, table: Table, wish: Wish) -> None:
        description, shared = table.description, table.shared
        seat = drawn_id(self._database)
        shared = msgspec.structs.replace(
            shared, charter=Charter(journal=seat, version=self._store.stamp(), witness=wish.witness)
        )
        shared = self._with(shared, self._region, "active", seat, shared.settings.stream_view)
        for region in (*wish.replicas, *([wish.witness] if wish.witness else [])):
            shared = with_member(shared, region, "joining", self._store.stamp(), seed=self._region)
        view = shared.settings.stream_view
        settings = msgspec.structs.replace(shared.settings, stream_view="")
        shared = msgspec.structs.replace(shared, settings=settings, settings_version=self._store.stamp())
        self._keep(table, msgspec.structs.replace(description, shared=shared, seat=seat, own_stream=view))

    async def _dissolve(self, table: Table, wish: Wish) -> None:
        charter = table.shared.charter
        if charter is None:
            raise ValidationException("The table is no global table with multi-Region strong consistency")
        check_deletion(wish, table.shared, self._region)
        for region in wish.replicas:
            await self._check_unprotected(table.name, region)
        if not charter.seats:  # it never began
            self._part(table)
            await self._database.settle()
            self._changed()
            return
        try:
            (await self.serving.ask(table, Question("", keeper=self._region))).result()
        except ServerFault:
            if table.strong:
                raise  # else it ended here before the leader's answer came
        await self.serving.ended(table)

    # What this Region hears

    def concerns(self, heard: Shared) -> bool:
        """Whether it is, or was, about a table of strong consistency."""
        table = self._copy(heard.group, heard)
        return heard.charter is not None or (table is not None and table.shared.charter is not None)

    def absorb(self, heard: Shared) -> Shared:
        """As Replicas.absorb."""
        table = self._copy(heard.group, heard)
        if table is None:
            return self._absorb_new(heard)
        known = merged(table.shared, heard)
        if table.description.status == "DELETING":
            self._keep(table, msgspec.structs.replace(table.description, shared=known), tell=False)
            return known
        mine, charter = known.members[self._region], known.charter
        assert charter is not None
        if mine.state == "leaving":
            self._leave(table, known)
            return table.shared
        told = known
        if not charter.seats and mine.seat != table.description.seat:
            told = self._with(told, self._region, "active", table.description.seat)
        told = self._founded(told, table.description.seat)
        if told != table.shared:
            changed = told.settings != table.shared.settings
            key = key_here(self._database, told)
            self._keep(table, msgspec.structs.replace(table.description, shared=told, kms_key=key), tell=told != known)
            if changed and told.group not in self.hidden:
                self._database.update_for_a_while(table)
        self._take_part(table)
        return table.shared

    def _absorb_new(self, heard: Shared) -> Shared:
        left = self._store.get(LEFT + heard.group.encode())
        known = merged(_shared(left), heard) if left is not None else heard
        mine, charter = known.members.get(self._region), known.charter
        if mine is not None and mine.state == "leaving":
            known = self._with(known, self._region, "gone", "")
            self._store.write([(LEFT + known.group.encode(), _encode(known)), *self._news(known)])
        if mine is None or charter is None or charter.keeper or mine.state not in {"joining", "active"}:
            return known
        hidden = charter.witness == self._region
        if not hidden and known.name in self._database.tables:
            if self._database.tables[known.name].description.status == "DELETING":
                raise ClientFault("ResourceInUseException", f"Table is being deleted: {known.name}")
            raise ValidationException(ALREADY_TABLES)
        seat = drawn_id(self._database)
        if not charter.seats:
            known = self._with(known, self._region, "active", seat)
        made = new_copy(self._database, known, kms_key=key_here(self._database, known))
        description = msgspec.structs.replace(made, seat=seat, joined=mine.joined, own_stream=mine.stream)
        if hidden:
            self._hide(msgspec.structs.replace(description, status="ACTIVE"))
            self._keep(self.hidden[known.group], self.hidden[known.group].description)
        else:
            self._database.keep(description, self._news(known))
            become_active(self._database, known.name, description.space)
        table = self._copy(known.group, known)
        assert table is not None
        self._take_part(table)
        return known

    def _founded(self, shared: Shared, seat: str) -> Shared:
        """With the charter complete, if it is this Region's to complete and all members have named their seats."""
        charter = shared.charter
        assert charter is not None
        present = {name: one for name, one in shared.members.items() if one.state != "gone"}
        ready = len(present) == 3 and all(one.state == "active" and one.seat for one in present.values())
        if charter.seats or charter.keeper or charter.journal != seat or not ready:
            return shared
        seats = {name: one.seat for name, one in present.items()}
        charter = msgspec.structs.replace(charter, seats=seats, version=self._store.stamp())
        return msgspec.structs.replace(shared, charter=charter)

    def _take_part(self, table: Table) -> None:
        """Opens the journal, once there is one."""
        charter, description = table.shared.charter, table.description
        if charter is None or not charter.seats or charter.keeper or description.status == "DELETING":
            return
        group, shared = table.shared.group, table.shared

        def copy() -> Table | None:
            found = self._copy(group, shared)
            return found if found is not None and found.description.seat == description.seat else None

        self._journals.open(
            charter.journal,
            sorted(charter.seats),
            description.seat,
            TableState(self._database, charter.journal, copy, lambda keeper: self._ended(group, keeper)),
            founding=charter.seats.get(self._region) == description.seat,
        )

    # The end

    def _ended(self, group: str, keeper: str) -> None:
        """The entry that ends it is applied here."""
        if keeper == self._region:
            self._database.spawn(self._become_plain(group), f"{group} is no global table any more")

    async def _become_plain(self, group: str) -> None:
        while True:
            table = next((one for one in self._database.tables.values() if one.shared.group == group), None)
            if table is None or table.shared.charter is None or table.shared.charter.keeper:
                return
            journal = table.shared.charter.journal
            try:
                self._part(table)
                self._store.write([(ENDED + journal.encode(), None)])
                self._journals.close(journal, erase=True)
                await self._database.settle()
            except (ServerFault, StoreError):  # the disk refused
                await self._database.world.sleep(RETRY_S)
                continue
            self._changed()
            return

    def _part(self, table: Table) -> None:
        """This Region's copy is a plain table from now on; the others are told to leave."""
        shared, description = table.shared, table.description
        assert shared.charter is not None
        charter = msgspec.structs.replace(shared.charter, keeper=self._region, version=self._store.stamp())
        settings = msgspec.structs.replace(shared.settings, stream_view=description.own_stream)
        shared = msgspec.structs.replace(
            shared, charter=charter, settings=settings, settings_version=self._store.stamp()
        )
        for name, member in shared.members.items():
            if name != self._region and member.state != "gone":
                shared = with_member(shared, name, "leaving", self._store.stamp())
        self._keep(table, msgspec.structs.replace(description, shared=shared))

    def _leave(self, table: Table, known: Shared) -> None:
        """Told to go."""
        charter = known.charter
        assert charter is not None
        self._journals.close(charter.journal, erase=True)
        shared = self._with(known, self._region, "gone", "")
        description = msgspec.structs.replace(table.description, shared=shared, status="DELETING")
        ended: Row = (ENDED + charter.journal.encode(), None)
        if known.group in self.hidden:
            del self.hidden[known.group]
            group, space = known.group.encode(), description.space.encode()
            table.description = description
            left: list[Row] = [(WITNESS + group, None), (GONE + space, b""), (LEFT + group, _encode(shared)), ended]
            self._store.write([*left, *self._news(shared)])
            self._database.spawn(self._database.sweep(), "sweep")
        else:
            self._database.keep(description, [*self._news(shared), ended])
            disappear(self._database, table.name, description.space)

    # Copies

    def _copy(self, group: str, shared: Shared) -> Table | None:
        """This Region's copy, hidden or not."""
        return self.hidden.get(group) or self._database.by_topic.get(topic_of(shared))

    def _hide(self, description: Description) -> None:
        """A witness's copy: no table of the account, no indexes, no stream; only its rows."""
        table = Table(description, self._region)
        table.orders, table.logged, table.streamed = (), False, False
        table.usage.read = table.usage.wrote = lambda units: None  # nobody asks what a witness took
        self.hidden[description.shared.group] = table

    def _keep(self, table: Table, description: Description, *, tell: bool = True) -> None:
        """Writes a changed description, and the news of it."""
        news = self._news(description.shared) if tell else []
        if description.shared.group in self.hidden:
            self._store.write([(WITNESS + description.shared.group.encode(), _encode(description)), *news])
            self._hide(description)
        else:
            self._database.keep(description, news)

    def _with(self, shared: Shared, region: str, state: MemberState, seat: str, stream: str | None = None) -> Shared:
        shared = with_member(shared, region, state, self._store.stamp())
        member = msgspec.structs.replace(shared.members[region], seat=seat)
        if stream is not None:
            member = msgspec.structs.replace(member, stream=stream)
        members = {**shared.members, region: member}
        return msgspec.structs.replace(shared, members={name: members[name] for name in sorted(members)})
