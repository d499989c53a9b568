"""What a table has for itself, also as a replica: protection, recovery, tags, policy; set by calls to its Region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from antipodes.services.cloudformation.handler import Job, tags_of
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError

Properties = Mapping[str, Any]


async def set_own(job: Job, name: str, region: str, entry: Properties, before: Properties) -> None:
    """What a replica has for itself: protection, recovery, tags, policy. before: the entry as it was carried out."""

    async def ask(operation: str, **params: Any) -> None:
        async def taken() -> bool:
            try:
                await job.call("dynamodb", operation, shaped("dynamodb", operation, params), region=region)
            except AwsError as error:
                if error.code != "ResourceInUseException":  # that Region may not know yet that all is ACTIVE
                    raise
                return False
            return True

        await job.until(f"{operation} of {name} in {region}", taken, every_s=0.2)

    def changed(member: str) -> bool:
        return entry.get(member) != before.get(member)

    if region != job.region and changed("DeletionProtectionEnabled"):
        protected = entry.get("DeletionProtectionEnabled", False)
        await ask("UpdateTable", TableName=name, DeletionProtectionEnabled=protected)
    if changed("PointInTimeRecoverySpecification"):
        recovery = entry.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
        await ask("UpdateContinuousBackups", TableName=name, PointInTimeRecoverySpecification=recovery)
    arn = f"arn:aws:dynamodb:{region}:{job.account}:table/{name}"
    if changed("Tags"):
        tags = tags_of(entry, job.tags)
        gone = [one["Key"] for one in before.get("Tags") or () if one["Key"] not in [tag["Key"] for tag in tags]]
        if gone:
            await ask("UntagResource", ResourceArn=arn, TagKeys=gone)
        if tags:
            await ask("TagResource", ResourceArn=arn, Tags=tags)
    if changed("ResourcePolicy"):
        given = entry.get("ResourcePolicy")
        if given:
            policy = orjson.dumps(given["PolicyDocument"]).decode()
            await ask("PutResourcePolicy", ResourceArn=arn, Policy=policy)
        else:
            await ask("DeleteResourcePolicy", ResourceArn=arn)
