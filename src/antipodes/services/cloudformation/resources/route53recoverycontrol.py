"""AWS::Route53RecoveryControl: Cluster, ControlPanel, RoutingControl. Safety rules are refused, as their API is.

The control plane is asked in this Region, which hands on to the one that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import Create, Delete, Handler, Job, Made, gone, tags_of

SERVICE = "route53-recovery-control-config"


def token_of(job: Job) -> str:
    """The same in every attempt: the control plane then gives what is there."""
    return f"{job.stack_id}/{job.logical_id}/{job.token}"[-64:]


async def described(job: Job, kind: str, arn: str) -> dict[str, Any]:
    return dict((await job.call(SERVICE, f"Describe{kind}", {f"{kind}Arn": arn}))[kind])


async def deployed(job: Job, kind: str, arn: str) -> Made:
    """When it is DEPLOYED."""

    async def ready() -> bool:
        return str((await described(job, kind, arn))["Status"]) == "DEPLOYED"

    await job.until(arn, ready)
    found = await described(job, kind, arn)
    told = ("ClusterEndpoints", "DefaultControlPanel", "RoutingControlCount", "Status")
    return Made(arn, {f"{kind}Arn": arn} | {name: found[name] for name in told if name in found})


def creator(kind: str, names: Mapping[str, str], *, tagged: bool) -> Create:
    """names: the operation's parameters by the properties that they come from."""

    async def create(job: Job) -> Made:
        params: dict[str, Any] = {names[name]: value for name, value in job.properties.items() if name in names}
        if tagged:
            params["Tags"] = {one["Key"]: one["Value"] for one in tags_of(job.properties, job.tags)}
        made = await job.call(SERVICE, f"Create{kind}", {**params, "ClientToken": token_of(job)})
        arn = str(made[kind][f"{kind}Arn"])
        await job.claim(arn)
        return await deployed(job, kind, arn)

    return create


def renamer(kind: str, *, tagged: bool) -> Create:
    async def update(job: Job) -> Made:
        params = {f"{kind}Arn": job.physical_id, f"{kind}Name": str(job.properties["Name"])}
        if kind != "Cluster":  # a cluster with another name is another cluster
            await job.call(SERVICE, f"Update{kind}", params)
        if tagged:
            wanted = {one["Key"]: one["Value"] for one in tags_of(job.properties, job.tags)}
            where = {"ResourceArn": job.physical_id}
            held = (await job.call(SERVICE, "ListTagsForResource", where))["Tags"]
            if left := sorted(key for key in held if key not in wanted):
                await job.call(SERVICE, "UntagResource", where | {"TagKeys": left})
            await job.call(SERVICE, "TagResource", where | {"Tags": wanted})
        return await deployed(job, kind, job.physical_id)

    return update


def remover(kind: str) -> Delete:
    async def delete(job: Job) -> None:
        await gone(job.call(SERVICE, f"Delete{kind}", {f"{kind}Arn": job.physical_id}))

    return delete


def handler(kind: str, names: Mapping[str, str], required: tuple[str, ...], *, tagged: bool) -> Handler:
    """Of one type. Its ARNs, and what belongs to a cluster alone, are for ever."""
    names = {"Name": f"{kind}Name", **names}
    lasting = {"ClusterArn", "ControlPanelArn", "NetworkType"} | ({"Name"} if kind == "Cluster" else set())
    return Handler(
        f"AWS::Route53RecoveryControl::{kind}",
        frozenset({*names, *(("Tags",) if tagged else ())}),
        creator(kind, names, tagged=tagged),
        remover(kind),
        renamer(kind, tagged=tagged),
        replaced_by=frozenset(lasting),
        required=("Name", *required),
    )


HANDLERS = (
    handler("Cluster", {"NetworkType": "NetworkType"}, (), tagged=True),
    handler("ControlPanel", {"ClusterArn": "ClusterArn"}, ("ClusterArn",), tagged=True),
    handler(
        "RoutingControl",
        {"ClusterArn": "ClusterArn", "ControlPanelArn": "ControlPanelArn"},
        ("ClusterArn",),
        tagged=False,
    ),
)
