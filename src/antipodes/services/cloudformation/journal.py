"""Writes what happens to a stack: each change of a status, with its event. Decides nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from antipodes.services.cloudformation.records import Event, Records, Stack, StackResource
from antipodes.services.contract import Surroundings

changed = msgspec.structs.replace
STACK_TYPE = "AWS::CloudFormation::Stack"


class Journal:
    """The story of one Region's stacks."""

    def __init__(self, surroundings: Surroundings, records: Records) -> None:
        self._world = surroundings.world
        self._store = surroundings.store
        self._records = records

    def current(self, stack: Stack) -> Stack:
        """The stack as it is now: an operation may have changed it while a resource was being made."""
        found = self._records.stack(stack.id)
        assert found is not None
        return found

    def enter(self, stack: Stack, status: str, reason: str = "", **facts: Any) -> Stack:
        """Gives the stack a status, with its event."""
        stack = changed(stack, status=status, reason=reason, **facts)
        self._records.put_stack(stack)
        return self.event(stack, (stack.name, stack.id, STACK_TYPE), status, reason)

    def event(
        self, stack: Stack, who: tuple[str, str, str], status: str, reason: str = "", properties: str = ""
    ) -> Stack:
        """Adds an event about `who`: logical id, physical id, type."""
        logical_id, physical_id, kind = who
        event = Event(
            id=f"{logical_id}-{status}-{stack.events:010}",
            at=self._world.now(),
            logical_id=logical_id,
            physical_id=physical_id,
            type=kind,
            status=status,
            reason=reason,
            properties=properties,
            token=stack.token,
        )
        return self._records.put_event(stack, event)

    def note(self, stack: Stack, resource: StackResource, status: str, reason: str = "", **facts: Any) -> StackResource:
        """Gives the resource a status, with its event."""
        resource = changed(resource, status=status, reason=reason, updated=self._world.now(), **facts)
        self._records.put_resource(stack.id, resource)
        properties = orjson.dumps(resource.properties, option=orjson.OPT_NON_STR_KEYS).decode()
        who = (resource.logical_id, resource.physical_id or "", resource.type)
        self.event(self.current(stack), who, status, reason, properties)
        return resource

    async def claimed(self, stack_id: str, logical_id: str, physical_id: str) -> None:
        """A handler knows the physical id of what it is making: from now on a rollback can remove it."""
        resource, stack = self._records.resource(stack_id, logical_id), self._records.stack(stack_id)
        assert resource is not None and stack is not None
        if resource.physical_id != physical_id:
            made = changed(resource, physical_id=physical_id)
            self.note(stack, made, resource.status, "Resource creation Initiated")
        await self._store.durable()
