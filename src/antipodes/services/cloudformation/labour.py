"""Calls a handler and turns whatever goes wrong into a reason.

An answer that was lost between Regions (RegionUnavailable) is asked for again a few times, as `resumed`: it may have
taken effect. A bug in a handler fails the resource and is traced; it never takes the Region down.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made
from antipodes.services.cloudformation.records import Former, Stack, StackResource
from antipodes.services.cloudformation.registry import HANDLERS
from antipodes.services.contract import Settings, Surroundings
from antipodes.wire.errors import AwsError
from antipodes.world.world import NetworkError

ATTEMPTS = 5
# A ClientRequestToken that begins so lets a creation take over what it finds under its own name. `antipodes deploy`
# gives it when a Region has lost its disk, and with it its stacks: what they had made elsewhere (a replica, a record in
# the hosted zone) is still there. Nothing on AWS corresponds to it, because Regions there do not lose their stacks.
ADOPT = "antipodes-adopt"
BETWEEN_ATTEMPTS_S = 3.0

Claimed = Callable[[str, str, str], Awaitable[None]]


def global_home(settings: Settings) -> str:
    """The Region that holds the control planes of Route 53 and IAM: us-east-1, as on AWS, if the planet has it."""
    return settings.options.get("home") or ("us-east-1" if "us-east-1" in settings.regions else settings.regions[0])


class Failed(Exception):
    """A resource operation did not succeed; the text is the event's reason."""


class Labour:
    """Runs handlers for one Region."""

    def __init__(self, surroundings: Surroundings, claimed: Claimed) -> None:
        self._surroundings = surroundings
        self._claimed = claimed

    async def create(self, stack: Stack, resource: StackResource, resumed: bool) -> Made:
        job = self._job(stack, resource, resource.properties, resource.token)
        job.physical_id = resource.physical_id or ""
        job.resumed = resumed
        made = await self._attempt(self._handler(resource).create, job)
        assert isinstance(made, Made)
        return made

    async def update(
        self, stack: Stack, resource: StackResource, wanted: dict[str, Any], old: dict[str, Any], resumed: bool
    ) -> Made:
        handler = self._handler(resource)
        assert handler.update is not None and resource.physical_id is not None
        job = self._job(stack, resource, wanted, resource.token)
        job.before = old
        job.physical_id = resource.physical_id
        job.attributes = resource.attributes
        job.resumed = resumed
        made = await self._attempt(handler.update, job)
        assert isinstance(made, Made)
        return made

    async def delete(self, stack: Stack, resource: StackResource, former: Former) -> None:
        job = self._job(stack, resource, former.properties, former.token)
        job.physical_id = former.physical_id
        job.attributes = former.attributes
        await self._attempt(self._handler(resource).delete, job)

    def _handler(self, resource: StackResource) -> Handler:
        handler = HANDLERS.get(resource.type)
        if handler is None:  # a stack of a version of antipodes that knew more
            raise Failed(f"antipodes does not support resource type {resource.type} yet.")
        return handler

    def _job(self, stack: Stack, resource: StackResource, properties: dict[str, Any], token: str) -> Job:
        around = self._surroundings

        async def claim(physical_id: str) -> None:
            await self._claimed(stack.id, resource.logical_id, physical_id)

        return Job(
            call=around.call,
            world=around.world,
            region=around.region,
            account=around.settings.account,
            home=global_home(around.settings),
            stack_name=stack.name,
            stack_id=stack.id,
            logical_id=resource.logical_id,
            properties=properties,
            token=token,
            tags=stack.wanted.tags,
            claim=claim,
            adopt=stack.adopt or (stack.token or "").startswith(ADOPT),
        )

    async def _attempt(self, work: Callable[[Job], Awaitable[Any]], job: Job) -> Any:
        for attempt in range(ATTEMPTS):
            try:
                return await work(job)
            except AwsError as error:
                if error.code == "RegionUnavailable" and attempt < ATTEMPTS - 1:
                    job.resumed = True
                    await self._surroundings.world.sleep(BETWEEN_ATTEMPTS_S)
                    continue
                raise Failed(
                    f'Resource handler returned message: "{error.message}" (HandlerErrorCode: {error.code})'
                ) from error
            except NetworkError as error:
                raise Failed(
                    f'Resource handler returned message: "{error}" (HandlerErrorCode: NetworkFailure)'
                ) from error
            except (
                KeyError,
                TypeError,
                ValueError,
                AttributeError,
                IndexError,
                AssertionError,
                NotImplementedError,
            ) as error:
                # The properties were not what the handler took for granted.
                self._surroundings.world.trace(
                    "cloudformation.handler_failed", resource=job.logical_id, error=f"{type(error).__name__}: {error}"
                )
                raise Failed(
                    f'Resource handler returned message: "{type(error).__name__}: {error}" '
                    "(HandlerErrorCode: InternalFailure)"
                ) from error
        raise AssertionError("unreachable: the last attempt raises")
