"""One way for all that the control plane keeps: made, found, shown, listed, patched, deleted.

A Kind is a kind of thing (models, stages, integrations, ...). It says where its records stand, how one is made of a
request, what is shown of it, what patches may change, and what must hold. AWS's operations on the kind are its methods
(`MODELS.get` is GetModel: the table is in service.py); what an operation does beside that is a function in its family's
file.

    Rooted    the catalogue keeps the records, each by itself
    Nested    they are entries of a map that a record of another kind has (an API's models, a method's responses)
    Single    a record of another kind has one, or none (a method's integration)

Nothing is awaited between finding a record and writing what became of it, so that no change is lost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.listing import page
from antipodes.services.apigateway.v1.patching import Table, patched
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result

Params = Mapping[str, Any]
Record = TypeVar("Record", bound=msgspec.Struct)
Owner = TypeVar("Owner", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(ABC, Generic[Record]):
    """`made` of a request's parameters. `changed` gets a record before and after patches, and gives what is kept.
    `check_unused` before it is deleted. All raise what AWS answers: BadRequestException, ConflictException, ..."""

    shown: Callable[[Record], dict[str, Any]]
    made: Callable[[Catalogue, Params], Record] | None = None
    patches: Table = field(default_factory=dict)
    changed: Callable[[Catalogue, Params, Record, Record], Record] = lambda catalogue, params, before, after: after
    check_unused: Callable[[Catalogue, Params, Record], None] = lambda catalogue, params, record: None

    # -- where its records stand ---------------------------------------------------------------------------------

    @abstractmethod
    def find(self, catalogue: Catalogue, params: Params) -> Record:
        """The one that the parameters name. Raises NotFoundException."""

    @abstractmethod
    def every(self, catalogue: Catalogue, params: Params) -> list[Record]:
        """All of them in the order of listings. Raises NotFoundException for what they would stand in."""

    @abstractmethod
    async def put(self, catalogue: Catalogue, params: Params, record: Record, before: Record | None = None) -> None:
        """Keeps it; `before`: in the place of this one."""

    @abstractmethod
    async def drop(self, catalogue: Catalogue, params: Params, record: Record) -> None:
        """Keeps it no longer."""

    def check_owner(self, catalogue: Catalogue, params: Params) -> None:
        """Raises NotFoundException if there is nothing that a new one could stand in."""

    # -- the operations ------------------------------------------------------------------------------------------

    async def create(self, catalogue: Catalogue, request: Request) -> Result:
        assert self.made is not None
        self.check_owner(catalogue, request.params)
        record = self.made(catalogue, request.params)
        await self.put(catalogue, request.params, record)
        return self.shown(record)

    async def get(self, catalogue: Catalogue, request: Request) -> Result:
        return self.shown(await self.read(catalogue, request.params))

    async def get_all(self, catalogue: Catalogue, request: Request) -> Result:
        records = self.every(catalogue, request.params)
        await catalogue.settled()
        return page([self.shown(record) for record in records], request.params)

    async def update(self, catalogue: Catalogue, request: Request) -> Result:
        before = self.find(catalogue, request.params)
        after = patched(before, request.params.get("patchOperations"), self.patches, request.operation)
        after = self.changed(catalogue, request.params, before, after)
        await self.put(catalogue, request.params, after, before)
        return self.shown(after)

    async def delete(self, catalogue: Catalogue, request: Request) -> Result:
        record = self.find(catalogue, request.params)
        self.check_unused(catalogue, request.params, record)
        await self.drop(catalogue, request.params, record)
        return {}

    async def read(self, catalogue: Catalogue, params: Params) -> Record:
        """The one that the parameters name, when it is sure to stay."""
        record = self.find(catalogue, params)
        await catalogue.settled()
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooted(Kind[Record]):
    """Kept by the catalogue."""

    found: Callable[[Catalogue, Params], Record]
    listed: Callable[[Catalogue, Params], list[Record]]
    save: Callable[[Catalogue, Record], Awaitable[None]]
    remove: Callable[[Catalogue, Record], Awaitable[None]] | None = None  # None: it is always there

    def find(self, catalogue: Catalogue, params: Params) -> Record:
        return self.found(catalogue, params)

    def every(self, catalogue: Catalogue, params: Params) -> list[Record]:
        return self.listed(catalogue, params)

    async def put(self, catalogue: Catalogue, params: Params, record: Record, before: Record | None = None) -> None:
        await self.save(catalogue, record)

    async def drop(self, catalogue: Catalogue, params: Params, record: Record) -> None:
        assert self.remove is not None
        await self.remove(catalogue, record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested(Kind[Record], Generic[Owner, Record]):
    """Entries of a map that its owner has. `key`: the member of a record that it stands under; `asked`: finds the key
    among a request's parameters; `absent`: the error if there is none."""

    owner: Kind[Owner]
    attribute: str
    key: str
    asked: Callable[[Params], str]
    absent: Callable[[str], ClientFault]

    def check_owner(self, catalogue: Catalogue, params: Params) -> None:
        self.owner.find(catalogue, params)

    def find(self, catalogue: Catalogue, params: Params) -> Record:
        entries, key = self._entries(catalogue, params), self.asked(params)
        if key not in entries:
            raise self.absent(key)
        return entries[key]

    def every(self, catalogue: Catalogue, params: Params) -> list[Record]:
        entries = self._entries(catalogue, params)
        return [entries[key] for key in sorted(entries)]

    async def put(self, catalogue: Catalogue, params: Params, record: Record, before: Record | None = None) -> None:
        entries, key = self._entries(catalogue, params), getattr(record, self.key)
        if before is not None and getattr(before, self.key) != key:
            del entries[getattr(before, self.key)]
        entries[key] = record
        await self._keep(catalogue, params, entries)

    async def drop(self, catalogue: Catalogue, params: Params, record: Record) -> None:
        entries = self._entries(catalogue, params)
        del entries[getattr(record, self.key)]
        await self._keep(catalogue, params, entries)

    def _entries(self, catalogue: Catalogue, params: Params) -> dict[str, Record]:
        """A copy."""
        return dict(getattr(self.owner.find(catalogue, params), self.attribute))

    async def _keep(self, catalogue: Catalogue, params: Params, entries: dict[str, Record]) -> None:
        before = self.owner.find(catalogue, params)
        await self.owner.put(catalogue, params, msgspec.structs.replace(before, **{self.attribute: entries}), before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Single(Kind[Record], Generic[Owner, Record]):
    """One that its owner has, or None."""

    owner: Kind[Owner]
    attribute: str
    absent: Callable[[], ClientFault]

    def check_owner(self, catalogue: Catalogue, params: Params) -> None:
        self.owner.find(catalogue, params)

    def find(self, catalogue: Catalogue, params: Params) -> Record:
        record: Record | None = getattr(self.owner.find(catalogue, params), self.attribute)
        if record is None:
            raise self.absent()
        return record

    def every(self, catalogue: Catalogue, params: Params) -> list[Record]:
        return [self.find(catalogue, params)]

    async def put(self, catalogue: Catalogue, params: Params, record: Record, before: Record | None = None) -> None:
        await self._keep(catalogue, params, record)

    async def drop(self, catalogue: Catalogue, params: Params, record: Record) -> None:
        await self._keep(catalogue, params, None)

    async def _keep(self, catalogue: Catalogue, params: Params, record: Record | None) -> None:
        before = self.owner.find(catalogue, params)
        await self.owner.put(catalogue, params, msgspec.structs.replace(before, **{self.attribute: record}), before)
