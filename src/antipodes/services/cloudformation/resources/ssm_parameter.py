"""AWS::SSM::Parameter: a parameter of type String or StringList."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, gone, tags_of
from antipodes.services.cloudformation.shapes import shaped

PUT = ("Type", "Value", "Description", "AllowedPattern", "Tier", "Policies", "DataType")


def made(job: Job) -> Made:
    return Made(job.physical_id, chosen(job.properties, "Type", "Value"))


async def create(job: Job) -> Made:
    name = job.name("Name", limit=1011)
    params: dict[str, Any] = {"Name": name, **chosen(job.properties, *PUT), "Overwrite": job.may_exist}
    tags = tags_of(job.properties, job.tags)
    if tags and not job.may_exist:
        params["Tags"] = tags
    await job.call("ssm", "PutParameter", shaped("ssm", "PutParameter", params))
    job.physical_id = name
    return made(job)


async def update(job: Job) -> Made:
    params = {"Name": job.physical_id, **chosen(job.properties, *PUT), "Overwrite": True}
    if job.changed(*PUT):
        await job.call("ssm", "PutParameter", shaped("ssm", "PutParameter", params))
    if job.changed("Tags"):
        whose = {"ResourceType": "Parameter", "ResourceId": job.physical_id}
        new = tags_of(job.properties, job.tags)
        kept = [one["Key"] for one in new]
        dropped = [one["Key"] for one in tags_of(job.before, {}) if one["Key"] not in kept]
        if dropped:
            await job.call("ssm", "RemoveTagsFromResource", {**whose, "TagKeys": dropped})
        if new:
            await job.call("ssm", "AddTagsToResource", {**whose, "Tags": new})
    return made(job)


async def delete(job: Job) -> None:
    await gone(job.call("ssm", "DeleteParameter", {"Name": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::SSM::Parameter",
        frozenset({"Name", "Tags", *PUT}),
        create,
        delete,
        update,
        replaced_by=frozenset({"Name", "Type", "DataType"}),
        name_property="Name",
        required=("Type", "Value"),
    ),
)
