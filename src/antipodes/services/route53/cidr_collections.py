"""CIDR collections: what IP-based records route by.

Rules. A collection is one row; each change of it adds one to its version. Blocks are IPv4 /1 to /24 and IPv6 /1 to /48
(routing-policy-ipbased.html); a block lies in one location of its collection. A location without blocks is gone. What a
record set refers to cannot be removed. Texts are from memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from antipodes.services.route53.desk import Desk, fault, invalid
from antipodes.services.route53.ledger import CIDRS
from antipodes.services.route53.networks import IPV4, LARGEST_BITS, network_of
from antipodes.services.route53.records import DEFAULT_LOCATION, Cidr, Collection, pack
from antipodes.wire.operation import Request

MAX_COLLECTIONS, MAX_BLOCKS = 5, 1000
MAX_PAGE = 100

T = TypeVar("T")


class CidrCollections:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create_cidr_collection(self, request: Request) -> Mapping[str, Any]:
        name, reference = request.params["Name"], request.params["CallerReference"]
        known = self._desk.overview.collections.values()
        same = next((one for one in known if one.name == name), None)
        if same is None:
            if len(known) >= MAX_COLLECTIONS:
                raise fault("LimitsExceeded", f"The limit of {MAX_COLLECTIONS} CIDR collections has been reached.")
            same = Collection(self._desk.draw_uuid(), name, reference)
            await self._desk.write([(CIDRS, same.id.encode(), pack(same))])
        elif same.caller_reference != reference:
            raise fault(
                "CidrCollectionAlreadyExistsException",
                "A CIDR collection with this name and a different caller reference already exists in this account.",
            )
        await self._desk.settle()
        location = f"https://route53.amazonaws.com/2013-04-01/cidrcollection/{same.id}"
        return {"Collection": _summary(same), "Location": location}

    async def change_cidr_collection(self, request: Request) -> Mapping[str, Any]:
        collection = self._collection(request.params["Id"])
        version = request.params.get("CollectionVersion")
        if version is not None and version != collection.version:
            raise fault(
                "CidrCollectionVersionMismatchException",
                f"The CIDR collection version {version} does not match the current version {collection.version}.",
            )
        locations = {name: list(blocks) for name, blocks in collection.locations.items()}
        for change in request.params["Changes"]:
            _apply(locations, change)
        if sum(map(len, locations.values())) > MAX_BLOCKS:
            raise fault("LimitsExceeded", f"The limit of {MAX_BLOCKS} CIDR blocks of a collection is exceeded.")
        for name in collection.locations:
            if not locations.get(name) and self._desk.overview.is_used(Cidr(collection.id, name)):
                raise fault("CidrBlockInUseException", f"The CIDR location {name} is in use by a record.")
        held = {name: tuple(locations[name]) for name in sorted(locations) if locations[name]}
        changed = msgspec.structs.replace(collection, version=collection.version + 1, locations=held)
        info = await self._desk.submit([(CIDRS, changed.id.encode(), pack(changed))])
        return {"Id": info["Id"].rpartition("/")[2]}

    async def delete_cidr_collection(self, request: Request) -> Mapping[str, Any]:
        collection = self._collection(request.params["Id"])
        used = self._desk.overview.is_used(Cidr(collection.id, DEFAULT_LOCATION))
        if collection.locations or used:
            raise fault("CidrCollectionInUseException", "This CIDR collection is in use, and isn't empty.")
        await self._desk.write([(CIDRS, collection.id.encode(), None)])
        return {}

    async def list_cidr_collections(self, request: Request) -> Mapping[str, Any]:
        found = [self._desk.overview.collections[one] for one in sorted(self._desk.overview.collections)]
        await self._desk.settle()
        page, token = _page(found, request.params)
        return {"CidrCollections": [_summary(one) for one in page]} | token

    async def list_cidr_locations(self, request: Request) -> Mapping[str, Any]:
        collection = self._collection(request.params["CollectionId"])
        await self._desk.settle()
        page, token = _page(list(collection.locations), request.params)
        return {"CidrLocations": [{"LocationName": name} for name in page]} | token

    async def list_cidr_blocks(self, request: Request) -> Mapping[str, Any]:
        collection = self._collection(request.params["CollectionId"])
        wanted = request.params.get("LocationName")
        if wanted is not None and wanted not in collection.locations:
            raise fault("NoSuchCidrLocationException", f"The CIDR collection has no location {wanted}.")
        await self._desk.settle()
        found = [
            {"CidrBlock": block, "LocationName": name}
            for name, blocks in collection.locations.items()
            for block in blocks
            if wanted in (None, name)
        ]
        page, token = _page(found, request.params)
        return {"CidrBlocks": page} | token

    def _collection(self, collection_id: str) -> Collection:
        """Raises NoSuchCidrCollectionException."""
        found = self._desk.overview.collections.get(collection_id)
        if found is None:
            raise fault("NoSuchCidrCollectionException", f"No CIDR collection found with ID: {collection_id}")
        return found


def _apply(locations: dict[str, list[str]], change: Mapping[str, Any]) -> None:
    """One CidrCollectionChange. Raises InvalidInput, CidrBlockInUseException."""
    name = change["LocationName"]
    for text in change["CidrList"]:
        block = _block(text)
        if change["Action"] == "DELETE_IF_EXISTS":
            if block in locations.get(name, ()):
                locations[name].remove(block)
            continue
        holder = next((one for one, blocks in locations.items() if block in blocks), None)
        if holder is None:
            locations.setdefault(name, []).append(block)
        elif holder != name:
            raise fault("CidrBlockInUseException", f"The CIDR block {block} is already in use in location {holder}.")


def _block(text: str) -> str:
    """A block as it is kept. Raises InvalidInput."""
    try:
        family, value, bits = network_of(text)
        written = network_of(text.partition("/")[0])
    except ValueError:
        raise invalid(f"The CIDR block {text} is not valid.") from None
    if not 1 <= bits <= LARGEST_BITS[family]:
        kind = "IPv4 CIDR blocks must be between /1 and /24" if family == IPV4 else "IPv6 CIDR blocks /1 and /48"
        raise invalid(f"The CIDR block {text} is not valid: {kind}.")
    if written.value != value:
        raise invalid(f"The CIDR block {text} is not valid: it has bits set behind its prefix.")
    return text.lower()


def _summary(collection: Collection) -> dict[str, Any]:
    return {
        "Arn": f"arn:aws:route53:::cidrcollection/{collection.id}",
        "Id": collection.id,
        "Name": collection.name,
        "Version": collection.version,
    }


def _page(found: Sequence[T], params: Mapping[str, Any]) -> tuple[Sequence[T], dict[str, str]]:
    """One page and its NextToken (the number of what comes next). Raises InvalidInput."""
    token, size = params.get("NextToken") or "0", str(params.get("MaxResults") or MAX_PAGE)
    if not (token.isascii() and token.isdigit() and len(token) < 9):
        raise invalid("The NextToken is not valid.")
    if not (size.isascii() and size.isdigit() and 0 < len(size) < 9 and int(size)):
        raise invalid(f"MaxResults {size} is not valid.")
    start = int(token)
    end = start + min(int(size), MAX_PAGE)
    return found[start:end], {"NextToken": str(end)} if end < len(found) else {}
