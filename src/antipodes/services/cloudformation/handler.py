"""How a resource type is carried out: the small signature that each file in `resources/` fulfils.

A handler knows AWS operations, not stacks: it gets a Job and answers with what it Made. It must bear being called
again with `job.resumed` (the Region died, or another Region's answer was lost): what it then finds already there
under its own name is its own. `job.claim(id)` notes a physical id before the work is finished, so that a rollback
can remove it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from antipodes.services.contract import Call
from antipodes.wire.errors import AwsError, ClientFault, NotSupported
from antipodes.world.world import World

MISSING_CODES = (
    "ResourceNotFoundException", "NotFoundException", "NoSuchEntity", "NoSuchHostedZone", "NoSuchHealthCheck",
    "NoSuchBucket", "TableNotFoundException", "NoSuchKey", "NoSuchCidrCollectionException", "ResourceNotFound",
    "NoSuchBucketPolicy", "ParameterNotFound", "RepositoryNotFoundException", "RepositoryPolicyNotFoundException",
    "LifecyclePolicyNotFoundException",
)  # fmt: skip
EXISTS_CODES = (
    "ResourceInUseException", "ResourceConflictException", "EntityAlreadyExists", "ConflictException",
    "BucketAlreadyOwnedByYou", "BucketAlreadyExists", "TableAlreadyExistsException", "RepositoryAlreadyExistsException",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Made:
    """A physical resource: what Ref gives, and what Fn::GetAtt gives by name."""

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Job:
    """One thing to do to one resource."""

    call: Call
    world: World
    region: str
    account: str
    home: str  # the Region that holds the global services (Route 53, IAM)
    stack_name: str
    stack_id: str
    logical_id: str
    properties: Mapping[str, Any]  # evaluated; for a deletion those it was made with
    token: str  # 12 characters, the same in every attempt
    tags: Mapping[str, str]  # of the stack
    claim: Callable[[str], Awaitable[None]]
    before: Mapping[str, Any] = field(default_factory=dict)  # properties before an update
    physical_id: str = ""  # "" before creation
    attributes: Mapping[str, Any] = field(default_factory=dict)
    resumed: bool = False
    adopt: bool = False  # what is there already under the same name is to be taken over: see labour.ADOPT

    @property
    def may_exist(self) -> bool:
        """Whether a thing found under the resource's own name is no error."""
        return self.resumed or self.adopt

    def name(self, property_name: str, *, limit: int = 64) -> str:
        """The name given in the properties, or AWS's kind of generated one: stack-logical-TOKEN."""
        given = self.properties.get(property_name)
        if given is not None:
            return str(given)
        room = limit - len(self.token) - 2
        stack = self.stack_name[: max(room - len(self.logical_id), room // 2)]
        return f"{stack}-{self.logical_id[: room - len(stack)]}-{self.token}"

    async def globally(self, service: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """A call to a global service (its control plane lives in one Region, as on AWS)."""
        return await self.call(service, operation, params, region=self.home)

    async def until(
        self, what: str, ready: Callable[[], Awaitable[bool]], *, every_s: float = 0.5, limit_s: float = 600.0
    ) -> None:
        """Polls until ready() holds. Raises NotStabilized (CloudFormation's own word)."""
        end = self.world.monotonic() + limit_s
        while not await ready():
            if self.world.monotonic() >= end:
                raise ClientFault("NotStabilized", f"{what} did not stabilize within {limit_s:g} seconds.")
            await self.world.sleep(every_s)

    def changed(self, *names: str) -> bool:
        """Whether any of the properties differs from before the update."""
        return any(self.properties.get(name) != self.before.get(name) for name in names)


Create = Callable[[Job], Awaitable[Made]]
Delete = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handler:
    """One resource type. Without `update`, every change makes a new resource."""

    type: str
    properties: frozenset[str]  # those carried out; any other is refused by name
    create: Create
    delete: Delete
    update: Create | None = None
    replaced_by: frozenset[str] = frozenset()  # properties whose change makes a new resource
    replaced_when: Callable[[Mapping[str, Any], Mapping[str, Any]], bool] | None = None  # (old, new): the same, finer
    name_property: str | None = None  # a name given by the author: it cannot exist twice during a replacement
    required: tuple[str, ...] = ()


def different(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Names of the properties that differ."""
    return sorted(key for key in {**old, **new} if old.get(key) != new.get(key))


def must_replace(handler: Handler, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether going from the old properties to the new ones takes a new physical resource."""
    if handler.update is None or any(key in handler.replaced_by for key in different(old, new)):
        return True
    return handler.replaced_when is not None and handler.replaced_when(old, new)


def handlers(*all_of_them: Handler) -> Mapping[str, Handler]:
    return {handler.type: handler for handler in all_of_them}


async def gone(work: Awaitable[Any]) -> None:
    """Waits for a deletion; what is not there is deleted."""
    try:
        await work
    except AwsError as error:
        if error.code not in MISSING_CODES:
            raise


async def exists(work: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The answer of a describing call, or None when the thing is missing."""
    try:
        return await work
    except AwsError as error:
        if error.code in MISSING_CODES:
            return None
        raise


def chosen(properties: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the properties that are there."""
    return {name: properties[name] for name in names if name in properties}


def tags_of(properties: Mapping[str, Any], stack_tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as a list of Key and Value: the stack's, then the resource's own."""
    found = dict(stack_tags)
    own = properties.get("Tags") or []
    if isinstance(own, Mapping):
        found.update({str(key): str(value) for key, value in own.items()})
    else:
        found.update({str(one["Key"]): str(one["Value"]) for one in own})
    return [{"Key": key, "Value": value} for key, value in found.items()]


def refuse_properties(handler: Handler, logical_id: str, names: Sequence[str]) -> None:
    """Raises NotSupported for a property that the handler does not carry out."""
    for name in names:
        if name not in handler.properties:
            raise NotSupported(f"property {name} of resource type {handler.type} ({logical_id})")
