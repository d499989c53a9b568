"""AWS::Route53::CidrCollection: locations and their CIDR blocks, for IP-based routing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, gone
from antipodes.wire.errors import ClientFault


def blocks_of(properties: Mapping[str, Any]) -> dict[str, list[str]]:
    """CIDR blocks by location name. Raises ClientFault: a member is missing."""
    found: dict[str, list[str]] = {}
    for location in properties.get("Locations") or ():
        if not isinstance(location, Mapping) or not location.get("LocationName") or not location.get("CidrList"):
            raise ClientFault("InvalidRequest", "Each of Locations needs a LocationName and a CidrList.")
        found.setdefault(str(location["LocationName"]), []).extend(str(one) for one in location["CidrList"])
    return found


async def put_blocks(job: Job, collection: str) -> None:
    """Makes the collection hold what the properties say, in one change."""
    held: dict[str, list[str]] = {}
    params: dict[str, Any] = {"CollectionId": collection}
    while True:
        page = await job.globally("route53", "ListCidrBlocks", params)
        for block in page["CidrBlocks"]:
            held.setdefault(block["LocationName"], []).append(block["CidrBlock"])
        if not page.get("NextToken"):
            break
        params["NextToken"] = page["NextToken"]
    wanted = blocks_of(job.properties)
    changes = [
        {"LocationName": name, "Action": action, "CidrList": listed}
        for action, these, others in (("DELETE_IF_EXISTS", held, wanted), ("PUT", wanted, held))
        for name, blocks in these.items()
        if (listed := [block for block in blocks if block not in others.get(name, ())])
    ]
    if changes:
        await job.globally("route53", "ChangeCidrCollection", {"Id": collection, "Changes": changes})


async def create(job: Job) -> Made:
    blocks_of(job.properties)
    # The same reference in every attempt: Route 53 then gives the collection that is there.
    reference = f"{job.stack_id}/{job.logical_id}/{job.token}"[-64:]
    params = {"Name": str(job.properties["Name"]), "CallerReference": reference}
    made = (await job.globally("route53", "CreateCidrCollection", params))["Collection"]
    await job.claim(made["Id"])
    await put_blocks(job, made["Id"])
    return Made(made["Id"], {"Id": made["Id"], "Arn": made["Arn"]})


async def update(job: Job) -> Made:
    await put_blocks(job, job.physical_id)
    return Made(job.physical_id, job.attributes)


async def delete(job: Job) -> None:
    await gone(empty(job))
    await gone(job.globally("route53", "DeleteCidrCollection", {"Id": job.physical_id}))


async def empty(job: Job) -> None:
    """Only an empty collection can be deleted."""
    job.properties = {**job.properties, "Locations": []}
    await put_blocks(job, job.physical_id)


HANDLERS = (
    Handler(
        "AWS::Route53::CidrCollection",
        frozenset({"Name", "Locations"}),
        create,
        delete,
        update,
        replaced_by=frozenset({"Name"}),
        name_property="Name",
        required=("Name",),
    ),
)
