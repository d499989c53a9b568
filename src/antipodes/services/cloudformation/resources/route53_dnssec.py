"""AWS::Route53::KeySigningKey and AWS::Route53::DNSSEC: a zone's key-signing keys, and its signing."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made
from antipodes.wire.errors import AwsError

MISSING = ("NoSuchKeySigningKey", "DNSSECNotFound", "NoSuchHostedZone")


def key_of(job: Job) -> dict[str, Any]:
    """The physical id is "zone|name"."""
    zone, _, name = job.physical_id.partition("|")
    return {"HostedZoneId": zone, "Name": name}


async def create_key(job: Job) -> Made:
    params = {
        "CallerReference": f"{job.stack_id}/{job.logical_id}/{job.token}"[-128:],
        "HostedZoneId": job.properties["HostedZoneId"],
        "KeyManagementServiceArn": job.properties["KeyManagementServiceArn"],
        "Name": job.properties["Name"],
        "Status": job.properties["Status"],
    }
    try:
        await job.globally("route53", "CreateKeySigningKey", params)
    except AwsError as error:
        if not (job.may_exist and error.code == "KeySigningKeyAlreadyExists"):
            raise
    return Made(f"{params['HostedZoneId']}|{params['Name']}")


async def update_key(job: Job) -> Made:
    active = job.properties["Status"] == "ACTIVE"
    await job.globally("route53", "ActivateKeySigningKey" if active else "DeactivateKeySigningKey", key_of(job))
    return Made(job.physical_id)


async def delete_key(job: Job) -> None:
    try:
        await job.globally("route53", "DeactivateKeySigningKey", key_of(job))
        await job.globally("route53", "DeleteKeySigningKey", key_of(job))
    except AwsError as error:
        if error.code not in MISSING:
            raise


async def enable(job: Job) -> Made:
    zone = str(job.properties["HostedZoneId"])
    await job.globally("route53", "EnableHostedZoneDNSSEC", {"HostedZoneId": zone})
    return Made(zone)


async def disable(job: Job) -> None:
    try:
        await job.globally("route53", "DisableHostedZoneDNSSEC", {"HostedZoneId": job.physical_id})
    except AwsError as error:
        if error.code not in MISSING:
            raise


HANDLERS = (
    Handler(
        "AWS::Route53::KeySigningKey",
        frozenset({"HostedZoneId", "KeyManagementServiceArn", "Name", "Status"}),
        create_key,
        delete_key,
        update_key,
        replaced_by=frozenset({"HostedZoneId", "KeyManagementServiceArn", "Name"}),
        name_property="Name",
        required=("HostedZoneId", "KeyManagementServiceArn", "Name", "Status"),
    ),
    Handler(
        "AWS::Route53::DNSSEC",
        frozenset({"HostedZoneId"}),
        enable,
        disable,
        required=("HostedZoneId",),
    ),
)
