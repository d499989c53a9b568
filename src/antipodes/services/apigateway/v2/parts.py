"""Parts of an API of the second kind that it has by id (models, …): found, read, listed, deleted in one way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.listing import page
from antipodes.services.apigateway.v2.records import HttpApi, missing
from antipodes.wire.operation import Request, Result

Record = TypeVar("Record", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Part(Generic[Record]):
    """One kind of them. `check_unused` raises ConflictException for one that something refers to."""

    name: str  # "Model"
    attribute: str  # of HttpApi
    shown: Callable[[HttpApi, Record], dict[str, Any]]
    check_unused: Callable[[HttpApi, Record], None] = lambda api, record: None

    def found(self, catalogue: HttpCatalogue, params: Mapping[str, Any]) -> tuple[HttpApi, Record]:
        """Raises NotFoundException."""
        api = catalogue.api(params["ApiId"])
        asked = params[f"{self.name}Id"]
        record: Record | None = getattr(api, self.attribute).get(asked)
        if record is None:
            raise missing(self.name, asked)
        return api, record

    async def get(self, catalogue: HttpCatalogue, request: Request) -> Result:
        api, record = self.found(catalogue, request.params)
        await catalogue.shared.settled()
        return self.shown(api, record)

    async def get_all(self, catalogue: HttpCatalogue, request: Request) -> Result:
        api = catalogue.api(request.params["ApiId"])
        await catalogue.shared.settled()
        every: Mapping[str, Record] = getattr(api, self.attribute)
        return page([self.shown(api, every[key]) for key in sorted(every)], request.params)

    async def delete(self, catalogue: HttpCatalogue, request: Request) -> Result:
        api, record = self.found(catalogue, request.params)
        self.check_unused(api, record)
        kept = {key: one for key, one in getattr(api, self.attribute).items() if one is not record}
        await catalogue.save_api(msgspec.structs.replace(api, **{self.attribute: kept}))
        return {}

    async def save(self, catalogue: HttpCatalogue, api: HttpApi, key: str, record: Record) -> dict[str, Any]:
        """What is shown of it then."""
        api = msgspec.structs.replace(api, **{self.attribute: {**getattr(api, self.attribute), key: record}})
        await catalogue.save_api(api)
        return self.shown(api, record)
