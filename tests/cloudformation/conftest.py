"""One Region's control plane: CloudFormation over real S3 and IAM, in both worlds. Calls can be made to fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from antipodes.services.apigateway.service import ApiGateway
from antipodes.services.cloudformation.service import CloudFormation
from antipodes.services.contract import Service, Settings, Surroundings
from antipodes.services.ecr.service import ECR
from antipodes.services.iam.service import IAM
from antipodes.services.logs.service import Logs
from antipodes.services.route53.service import Route53
from antipodes.services.s3.service import S3
from antipodes.services.ssm.service import SSM
from antipodes.store.store import Store
from antipodes.wire.errors import AwsError, NotSupported
from antipodes.wire.operation import Payload, Request
from tests.worlds import Worlds

REGION = "us-east-1"


class Desk:
    """What a test talks to."""

    def __init__(self, worlds: Worlds) -> None:
        self.world = worlds.world(REGION)
        self.calls: list[tuple[str, str, Mapping[str, Any]]] = []
        self.failures: dict[str, list[AwsError]] = {}  # operation -> errors, the next first

    async def open(self) -> None:
        """Starts the services on what the disk holds."""
        self.store = Store.open(self.world, "region")
        around = Surroundings(REGION, self.world, self.store, self._call, Settings(regions=(REGION, "eu-west-1")))
        gateway = ApiGateway(around)
        made: list[Service] = [CloudFormation(around), S3(around), IAM(around), Logs(around), Route53(around)]
        made += [gateway, gateway.http_apis, SSM(around), ECR(around)]
        self.services = {one.name: one for one in made}
        for one in made:
            await one.start()

    async def close(self) -> None:
        for one in self.services.values():
            await one.stop()
        self.store.close()

    async def _call(
        self, service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
    ) -> Mapping[str, Any]:
        self.calls.append((service, operation, params))
        if self.failures.get(operation):
            raise self.failures[operation].pop(0)
        return await self.ask(service, operation, **params)

    async def ask(self, service: str, operation: str, /, **params: Any) -> Mapping[str, Any]:
        found = self.services[service].operations.get(operation)
        if found is None:
            raise NotSupported(f"{service} {operation}")
        result = await found(Request(service, operation, params, REGION))
        assert not isinstance(result, Payload)
        return result

    async def cloudformation(self, operation: str, /, **params: Any) -> Mapping[str, Any]:
        return await self.ask("cloudformation", operation, **params)

    async def create(self, body: str, name: str = "app", **params: Any) -> Mapping[str, Any]:
        """Creates a stack and waits; what DescribeStacks then says."""
        params.setdefault("Capabilities", ["CAPABILITY_NAMED_IAM"])
        found = await self.cloudformation("CreateStack", StackName=name, TemplateBody=body, **params)
        return await self.rest(found["StackId"])

    async def update(self, body: str, name: str = "app", **params: Any) -> Mapping[str, Any]:
        params.setdefault("Capabilities", ["CAPABILITY_NAMED_IAM"])
        found = await self.cloudformation("UpdateStack", StackName=name, TemplateBody=body, **params)
        return await self.rest(found["StackId"])

    async def delete(self, name: str = "app") -> Mapping[str, Any]:
        found = (await self.cloudformation("DescribeStacks", StackName=name))["Stacks"][0]
        await self.cloudformation("DeleteStack", StackName=name)
        return await self.rest(found["StackId"])

    async def rest(self, stack: str) -> Mapping[str, Any]:
        """The stack when nothing is in progress any more."""
        while True:
            found = (await self.cloudformation("DescribeStacks", StackName=stack))["Stacks"][0]
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                assert isinstance(found, dict)
                return found
            await self.world.sleep(0.05)

    async def buckets(self) -> list[str]:
        return [one["Name"] for one in (await self.ask("s3", "ListBuckets"))["Buckets"]]

    async def roles(self) -> list[str]:
        return [one["RoleName"] for one in (await self.ask("iam", "ListRoles"))["Roles"]]

    async def story(self, name: str = "app") -> list[str]:
        """Logical id and status of each event, oldest first."""
        found = (await self.cloudformation("DescribeStackEvents", StackName=name))["StackEvents"]
        return [f"{one['LogicalResourceId']} {one['ResourceStatus']}" for one in reversed(found)]


@pytest.fixture
def desk(both_worlds: Worlds) -> Desk:
    return Desk(both_worlds)
