"""ECR of one Region: repositories as things that exist, with their policies and tags, and no images.

Deployment tools make one beside their bucket, whether or not an application has images. There is no registry to push
to: an authorization token, which a push begins with, is refused by name, and every repository says that it is empty.

Key: `ecr/repository/<name>`; the value is a format digit and JSON.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import orjson

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.contract.checking import completed
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Operation, Request, Result

FORMAT = b"1"
PREFIX = b"ecr/repository/"
NAME = re.compile(r"(?=.{2,256}$)(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
changed = msgspec.structs.replace


class Repository(msgspec.Struct, frozen=True):
    """A repository; `created` in epoch seconds."""

    name: str
    created: float
    mutability: str = "MUTABLE"
    scan_on_push: bool = False
    lifecycle: str = ""
    policy: str = ""
    tags: dict[str, str] = {}


class ECR:
    """The service."""

    name = "ecr"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        operations: Mapping[str, Operation] = {
            "CreateRepository": self.create_repository,
            "DeleteLifecyclePolicy": self.delete_lifecycle_policy,
            "DeleteRepository": self.delete_repository,
            "DeleteRepositoryPolicy": self.delete_repository_policy,
            "DescribeImages": self.describe_images,
            "DescribeRepositories": self.describe_repositories,
            "GetLifecyclePolicy": self.get_lifecycle_policy,
            "GetRepositoryPolicy": self.get_repository_policy,
            "ListImages": functools.partial(self.describe_images, member="imageIds"),
            "ListTagsForResource": self.list_tags_for_resource,
            "PutImageTagMutability": self.put_image_tag_mutability,
            "PutLifecyclePolicy": self.put_lifecycle_policy,
            "SetRepositoryPolicy": self.set_repository_policy,
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
        }
        self.operations = {name: completed(operation) for name, operation in operations.items()}

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    def _find(self, params: Mapping[str, Any]) -> Repository:
        account = self._around.settings.account
        if params.get("registryId") not in (None, account):
            raise NotSupported("registries of other accounts")
        name = params["repositoryName"]
        found = self._around.store.get(PREFIX + name.encode())
        if found is None:
            raise ClientFault(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id '{account}'",
            )
        return msgspec.json.decode(found[1:], type=Repository)

    async def _keep(self, repository: Repository) -> None:
        row = FORMAT + msgspec.json.encode(repository)
        self._around.store.write([(PREFIX + repository.name.encode(), row)])
        await self._around.store.durable()

    async def _settled(self) -> None:
        if not self._around.store.settled:
            await self._around.store.durable()

    def _arn(self, name: str) -> str:
        return f"arn:aws:ecr:{self._around.region}:{self._around.settings.account}:repository/{name}"

    def _told(self, repository: Repository) -> dict[str, Any]:
        account = self._around.settings.account
        return {
            "repositoryArn": self._arn(repository.name),
            "registryId": account,
            "repositoryName": repository.name,
            "repositoryUri": f"{account}.dkr.ecr.{self._around.region}.amazonaws.com/{repository.name}",
            "createdAt": repository.created,
            "imageTagMutability": repository.mutability,
            "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
            "encryptionConfiguration": {"encryptionType": "AES256"},
        }

    def _named(self, repository: Repository) -> dict[str, str]:
        return {"registryId": self._around.settings.account, "repositoryName": repository.name}

    async def create_repository(self, request: Request) -> Result:
        params = request.params
        name = params["repositoryName"]
        if not NAME.fullmatch(name):
            raise ClientFault(
                "InvalidParameterException",
                "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression "
                f"{NAME.pattern}'",
            )
        if (params.get("encryptionConfiguration") or {}).get("encryptionType", "AES256") != "AES256":
            raise NotSupported("repositories encrypted with KMS")
        if params.get("imageTagMutabilityExclusionFilters"):
            raise NotSupported("the parameter imageTagMutabilityExclusionFilters of CreateRepository")
        if self._around.store.get(PREFIX + name.encode()) is not None:
            raise ClientFault(
                "RepositoryAlreadyExistsException",
                f"The repository with name '{name}' already exists in the registry with id "
                f"'{self._around.settings.account}'",
            )
        repository = Repository(
            name=name,
            created=self._around.world.now(),
            mutability=params.get("imageTagMutability") or "MUTABLE",
            scan_on_push=bool((params.get("imageScanningConfiguration") or {}).get("scanOnPush")),
            tags=_tags(params.get("tags")),
        )
        await self._keep(repository)
        return {"repository": self._told(repository)}

    async def describe_repositories(self, request: Request) -> Result:
        await self._settled()
        names = request.params.get("repositoryNames")
        if names:
            return {"repositories": [self._told(self._find({"repositoryName": name})) for name in names]}
        rows = self._around.store.range(PREFIX, PREFIX + b"\xff")
        return {"repositories": [self._told(msgspec.json.decode(row[1:], type=Repository)) for _, row in rows]}

    async def delete_repository(self, request: Request) -> Result:
        repository = self._find(request.params)
        self._around.store.write([(PREFIX + repository.name.encode(), None)])
        await self._around.store.durable()
        return {"repository": self._told(repository)}

    async def describe_images(self, request: Request, member: str = "imageDetails") -> Result:
        """There are none."""
        await self._settled()
        repository = self._find(request.params)
        wanted = request.params.get("imageIds")
        if wanted:
            told = ", ".join(f"{key}: {value}" for key, value in wanted[0].items())
            raise ClientFault(
                "ImageNotFoundException",
                f"The image with imageId {{{told}}} does not exist within the repository with name "
                f"'{repository.name}' in the registry with id '{self._around.settings.account}'",
            )
        return {member: []}

    async def put_image_tag_mutability(self, request: Request) -> Result:
        repository = changed(self._find(request.params), mutability=request.params["imageTagMutability"])
        await self._keep(repository)
        return {**self._named(repository), "imageTagMutability": repository.mutability}

    # Policies: kept and told; there is nothing they could act on

    async def put_lifecycle_policy(self, request: Request) -> Result:
        repository = changed(self._find(request.params), lifecycle=_document(request.params["lifecyclePolicyText"]))
        await self._keep(repository)
        return {**self._named(repository), "lifecyclePolicyText": repository.lifecycle}

    async def get_lifecycle_policy(self, request: Request) -> Result:
        await self._settled()
        repository = self._find(request.params)
        if not repository.lifecycle:
            raise ClientFault(
                "LifecyclePolicyNotFoundException",
                f"Lifecycle policy does not exist for the repository with name '{repository.name}' in the registry "
                f"with id '{self._around.settings.account}'",
            )
        return {**self._named(repository), "lifecyclePolicyText": repository.lifecycle}

    async def delete_lifecycle_policy(self, request: Request) -> Result:
        answer = await self.get_lifecycle_policy(request)
        await self._keep(changed(self._find(request.params), lifecycle=""))
        return answer

    async def set_repository_policy(self, request: Request) -> Result:
        repository = changed(self._find(request.params), policy=_document(request.params["policyText"]))
        await self._keep(repository)
        return {**self._named(repository), "policyText": repository.policy}

    async def get_repository_policy(self, request: Request) -> Result:
        await self._settled()
        repository = self._find(request.params)
        if not repository.policy:
            raise ClientFault(
                "RepositoryPolicyNotFoundException",
                f"Repository policy does not exist for the repository with name '{repository.name}' in the registry "
                f"with id '{self._around.settings.account}'",
            )
        return {**self._named(repository), "policyText": repository.policy}

    async def delete_repository_policy(self, request: Request) -> Result:
        answer = await self.get_repository_policy(request)
        await self._keep(changed(self._find(request.params), policy=""))
        return answer

    # Tags

    def _tagged(self, params: Mapping[str, Any]) -> Repository:
        return self._find({"repositoryName": str(params["resourceArn"]).partition(":repository/")[2]})

    async def tag_resource(self, request: Request) -> Result:
        repository = self._tagged(request.params)
        await self._keep(changed(repository, tags={**repository.tags, **_tags(request.params["tags"])}))
        return {}

    async def untag_resource(self, request: Request) -> Result:
        repository, keys = self._tagged(request.params), request.params["tagKeys"]
        await self._keep(changed(repository, tags={k: v for k, v in repository.tags.items() if k not in keys}))
        return {}

    async def list_tags_for_resource(self, request: Request) -> Result:
        await self._settled()
        return {"tags": [{"Key": k, "Value": v} for k, v in self._tagged(request.params).tags.items()]}


def _tags(given: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    return {one["Key"]: one.get("Value", "") for one in given or ()}


def _document(text: str) -> str:
    try:
        valid = isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        valid = False
    if not valid:
        raise ClientFault("InvalidParameterException", "Invalid parameter: policy failed to parse as a JSON document")
    return text
