"""ProvisionedConcurrencyConfig, the same property of AWS::Lambda::Version and AWS::Lambda::Alias."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import Job
from antipodes.wire.errors import ClientFault

PROPERTY = "ProvisionedConcurrencyConfig"


async def put(job: Job, qualifier: str) -> None:
    """Returns when the environments are there. Raises ClientFault if they cannot be initialised."""
    place = {"FunctionName": job.properties["FunctionName"], "Qualifier": qualifier}
    wanted = job.properties.get(PROPERTY)
    if not wanted:
        if job.before.get(PROPERTY):
            await job.call("lambda", "DeleteProvisionedConcurrencyConfig", place)
        return
    count = int(wanted["ProvisionedConcurrentExecutions"])
    await job.call("lambda", "PutProvisionedConcurrencyConfig", {**place, "ProvisionedConcurrentExecutions": count})

    async def ready() -> bool:
        found = await job.call("lambda", "GetProvisionedConcurrencyConfig", place)
        if found["Status"] == "FAILED":
            raise ClientFault("NotStabilized", f"Provisioned concurrency: {found.get('StatusReason')}")
        return bool(found["Status"] == "READY")

    await job.until("Provisioned concurrency", ready, every_s=0.2)
