"""AWS::CertificateManager::Certificate with DNS validation.

Where DomainValidationOptions names a hosted zone, the validation CNAME is written there, as CloudFormation does on AWS
(and, as there, it stays when the stack goes). Otherwise the stack waits until somebody else has written it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, gone, tags_of
from antipodes.wire.errors import ClientFault, NotSupported

PATIENCE_S = 72 * 3600.0  # ACM gives up on validation after 72 hours
PROPERTIES = frozenset(
    {"DomainName", "DomainValidationOptions", "KeyAlgorithm", "SubjectAlternativeNames", "Tags", "ValidationMethod"}
)


async def describe(job: Job, arn: str) -> dict[str, Any]:
    found = await job.call("acm", "DescribeCertificate", {"CertificateArn": arn})
    return dict(found["Certificate"])


async def request(job: Job) -> str:
    if job.physical_id:
        return job.physical_id
    given = job.properties
    if given.get("ValidationMethod", "EMAIL") != "DNS":
        raise NotSupported("certificates validated by e-mail (ValidationMethod must be DNS)")
    params: dict[str, Any] = {
        **chosen(given, "DomainName", "SubjectAlternativeNames", "KeyAlgorithm"),
        "ValidationMethod": "DNS",
        "IdempotencyToken": hashlib.sha256(f"{job.stack_id}{job.logical_id}{job.token}".encode()).hexdigest()[:32],
    }
    tags = tags_of(given, job.tags)
    if tags:
        params["Tags"] = tags
    arn = str((await job.call("acm", "RequestCertificate", params))["CertificateArn"])
    await job.claim(arn)
    return arn


async def write_records(job: Job, arn: str) -> None:
    zones = {
        str(one["DomainName"]): str(one["HostedZoneId"])
        for one in job.properties.get("DomainValidationOptions") or ()
        if "HostedZoneId" in one
    }
    if not zones:
        return
    certificate: dict[str, Any] = {}

    async def known() -> bool:
        certificate.update(await describe(job, arn))
        return all("ResourceRecord" in one for one in certificate["DomainValidationOptions"])

    await job.until(f"Validation records of {arn}", known, every_s=0.2)
    for option in certificate["DomainValidationOptions"]:
        zone = zones.get(option["DomainName"])
        if zone is None:
            continue
        record = option["ResourceRecord"]
        record_set = {
            "Name": record["Name"],
            "Type": record["Type"],
            "TTL": 300,
            "ResourceRecords": [{"Value": record["Value"]}],
        }
        # UPSERT: every Region's certificate for one name is validated by the same record.
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record_set}]}
        params = {"HostedZoneId": zone.rpartition("/")[2], "ChangeBatch": batch}
        await job.globally("route53", "ChangeResourceRecordSets", params)


async def create(job: Job) -> Made:
    arn = await request(job)
    await write_records(job, arn)

    async def issued() -> bool:
        certificate = await describe(job, arn)
        if certificate["Status"] in ("FAILED", "VALIDATION_TIMED_OUT"):
            raise ClientFault(
                "NotStabilized", f"Certificate {arn}: {certificate.get('FailureReason', 'not validated')}"
            )
        return bool(certificate["Status"] == "ISSUED")

    await job.until(f"Certificate {arn}", issued, every_s=0.5, limit_s=PATIENCE_S)
    return Made(arn)


async def delete(job: Job) -> None:
    await gone(job.call("acm", "DeleteCertificate", {"CertificateArn": job.physical_id}))


HANDLERS = (Handler("AWS::CertificateManager::Certificate", PROPERTIES, create, delete, required=("DomainName",)),)
