"""Carries stacks from one status to the next, and survives the death of its Region in between.

A stack's status names the step under way (STEPS). Every step reads what the store says is done and does the rest,
so a Region that comes back simply runs the step again; a resource that was in progress is attempted again with
`job.resumed`. Resources are made one after the other, in the plan's order; deletions go in reverse. A failure while
creating ends in ROLLBACK_*, while updating in UPDATE_ROLLBACK_*. Reasons are in the events.

    CREATE_IN_PROGRESS ──▶ CREATE_COMPLETE
         └▶ ROLLBACK_IN_PROGRESS ──▶ ROLLBACK_COMPLETE | ROLLBACK_FAILED
    UPDATE_IN_PROGRESS ──▶ UPDATE_COMPLETE_CLEANUP_IN_PROGRESS ──▶ UPDATE_COMPLETE
         └▶ UPDATE_ROLLBACK_IN_PROGRESS ──▶ UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS ──▶ UPDATE_ROLLBACK_COMPLETE
                       └▶ UPDATE_ROLLBACK_FAILED
    DELETE_IN_PROGRESS ──▶ DELETE_COMPLETE | DELETE_FAILED
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec

from antipodes.services.cloudformation.drafting import Drafting
from antipodes.services.cloudformation.handler import must_replace
from antipodes.services.cloudformation.intrinsics import Scope, evaluate, text_of
from antipodes.services.cloudformation.journal import Journal
from antipodes.services.cloudformation.labour import Failed, Labour
from antipodes.services.cloudformation.plan import Plan, order
from antipodes.services.cloudformation.records import Asked, Former, Records, Stack, StackOutput, StackResource
from antipodes.services.cloudformation.registry import HANDLERS
from antipodes.services.cloudformation.text import validation_error
from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AwsError

changed = msgspec.structs.replace
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Engine:
    """The stack operations of one Region, one task a stack."""

    def __init__(self, surroundings: Surroundings, records: Records, drafting: Drafting, journal: Journal) -> None:
        self._world = surroundings.world
        self._store = surroundings.store
        self._records = records
        self._drafting = drafting
        self._journal = journal
        self._labour = Labour(surroundings, journal.claimed)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._steps = {
            "CREATE_IN_PROGRESS": self._create,
            "ROLLBACK_IN_PROGRESS": self._roll_back,
            "DELETE_IN_PROGRESS": self._delete,
            "UPDATE_IN_PROGRESS": self._update,
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": self._clean_up,
            "UPDATE_ROLLBACK_IN_PROGRESS": self._roll_update_back,
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": self._clean_up,
        }

    def resume(self) -> None:
        """Goes on with every operation that was under way when the Region ended."""
        for stack in self._records.stacks():
            if stack.status in self._steps:
                self.run(stack.id)

    def run(self, stack_id: str) -> None:
        """Starts to carry the stack on, unless that is under way (it then sees the new status by itself)."""
        task = self._tasks.get(stack_id)
        if task is None or task.done():
            name = f"cloudformation {stack_id.rsplit('/', 2)[-2]}"
            self._tasks[stack_id] = self._world.spawn(self._carry(stack_id), name)

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _carry(self, stack_id: str) -> None:
        while True:
            stack = self._records.stack(stack_id)
            step = self._steps.get(stack.status) if stack else None
            if stack is None or step is None:
                break
            await step(stack)
            await self._store.durable()
        self._tasks.pop(stack_id, None)

    # Evaluation

    def _scope(self, plan: Plan, stack: Stack) -> Scope:
        def resource(name: str) -> StackResource:
            found = self._records.resource(stack.id, name)
            if found is None or found.physical_id is None:
                raise validation_error(f"Unresolved resource dependencies [{name}]")
            return found

        def attribute(name: str, attribute_name: str) -> Any:
            found = resource(name).attributes
            if attribute_name not in found:
                raise validation_error(
                    f"Template error: resource {name} does not support attribute type {attribute_name} in Fn::GetAtt"
                )
            return found[attribute_name]

        return replace(plan.scope, physical_id=lambda name: str(resource(name).physical_id), attribute=attribute)

    def _outputs(self, plan: Plan, stack: Stack) -> tuple[StackOutput, ...]:
        scope = self._scope(plan, stack)
        found = []
        for output in plan.outputs.values():
            export = None if output.export is None else text_of(evaluate(output.export, scope), "Export")
            value = evaluate(output.value, scope)
            value = ",".join(value) if isinstance(value, list) else text_of(value, f"output {output.name}")
            found.append(StackOutput(output.name, value, output.description, export))
        taken = {
            output.export: other.name
            for other in self._records.stacks()
            if other.id != stack.id and other.status != "DELETE_COMPLETE"
            for output in other.outputs
        }
        for output_made in found:
            if output_made.export is not None and output_made.export in taken:
                raise validation_error(
                    f"Export with name {output_made.export} is already exported by stack {taken[output_made.export]}."
                )
        return tuple(found)

    # Creation

    async def _create(self, stack: Stack) -> None:
        failed: dict[str, str] = {}
        try:
            plan, imports = self._drafting.plan(stack, stack.wanted)
            for name in plan.order:
                done = self._records.resource(stack.id, name)
                if done is None or done.status != "CREATE_COMPLETE":
                    reason = await self._make(stack, plan, name)
                    if reason is not None:
                        failed[name] = reason
                        break
                if self._journal.current(stack).status != stack.status:
                    return  # DeleteStack came in between
            if not failed:
                outputs = self._outputs(plan, stack)
                now = self._journal.current(stack)
                self._journal.enter(now, "CREATE_COMPLETE", outputs=outputs, imports=tuple(imports), token=None)
                return
            reason = f"The following resource(s) failed to create: [{', '.join(failed)}]. "
        except AwsError as error:
            reason = error.message + " "
        now = self._journal.current(stack)
        if now.status != stack.status:
            return
        if stack.on_failure == "DO_NOTHING":
            self._journal.enter(now, "CREATE_FAILED", reason.strip(), token=None)
        elif stack.on_failure == "DELETE":
            self._journal.enter(now, "DELETE_IN_PROGRESS", reason + "Delete requested by user.")
        else:
            self._journal.enter(now, "ROLLBACK_IN_PROGRESS", reason + "Rollback requested by user.")

    async def _make(self, stack: Stack, plan: Plan, name: str, touched: str = "") -> str | None:
        """Creates one resource; the reason if that failed."""
        spec = plan.resources[name]
        found = self._records.resource(stack.id, name)
        resumed = found is not None and found.status == "CREATE_IN_PROGRESS"
        resource = StackResource(
            logical_id=name,
            type=spec.type,
            status="CREATE_IN_PROGRESS",
            updated=self._world.now(),
            token=found.token if found and resumed else self._token(),
            properties={},
            physical_id=found.physical_id if found and resumed else None,
            needs=plan.needs[name],
            deletion_policy=spec.deletion_policy,
            replace_policy=spec.update_replace_policy,
            touched=touched,
        )
        try:
            resource = changed(resource, properties=evaluate(dict(spec.properties), self._scope(plan, stack)))
        except AwsError as error:
            self._journal.note(stack, resource, "CREATE_FAILED", error.message)
            return error.message
        if resumed:
            self._records.put_resource(stack.id, resource)
        else:
            resource = self._journal.note(stack, resource, "CREATE_IN_PROGRESS")
        await self._store.durable()
        return await self._finish(stack, resource, "CREATE", resumed)

    async def _finish(self, stack: Stack, resource: StackResource, verb: str, resumed: bool) -> str | None:
        """Has the resource made (or its replacement) and notes how it ended; the reason if that failed."""
        try:
            made = await self._labour.create(stack, resource, resumed)
        except Failed as failure:
            now = self._records.resource(stack.id, resource.logical_id) or resource
            self._journal.note(stack, now, f"{verb}_FAILED", str(failure))
            return str(failure)
        now = self._records.resource(stack.id, resource.logical_id) or resource
        if verb == "CREATE" and now.physical_id != made.physical_id:
            now = self._journal.note(
                stack, changed(now, physical_id=made.physical_id), "CREATE_IN_PROGRESS", "Resource creation Initiated"
            )
        self._journal.note(
            stack, now, f"{verb}_COMPLETE", physical_id=made.physical_id, attributes=dict(made.attributes)
        )
        return None

    def _token(self) -> str:
        return "".join(self._world.chance.choice(LETTERS) for _ in range(12))

    # Deletion

    def _backwards(self, stack: Stack) -> list[StackResource]:
        """The stack's resources, each before those it needs."""
        found = {one.logical_id: one for one in self._records.resources(stack.id)}
        needs = {name: tuple(need for need in one.needs if need in found) for name, one in found.items()}
        try:
            names = order(needs)
        except AwsError:  # old and new resources of an update may need each other in circles
            names = tuple(sorted(found))
        return [found[name] for name in reversed(names)]

    async def _remove(self, stack: Stack, resource: StackResource) -> str | None:
        """Deletes one resource; the reason if that failed."""
        if resource.status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            return None
        creating = stack.status == "ROLLBACK_IN_PROGRESS"
        kept = resource.deletion_policy == "Retain" or (
            resource.deletion_policy == "RetainExceptOnCreate" and not creating and resource.touched != "created"
        )
        if (kept or resource.logical_id in stack.keep) and resource.physical_id is not None:
            self._journal.note(stack, resource, "DELETE_SKIPPED")
            return None
        if resource.status != "DELETE_IN_PROGRESS":
            resource = self._journal.note(stack, resource, "DELETE_IN_PROGRESS")
        await self._store.durable()
        if resource.physical_id is not None:
            former = Former(resource.physical_id, resource.properties, resource.attributes, resource.token)
            try:
                await self._labour.delete(stack, resource, former)
            except Failed as failure:
                self._journal.note(stack, resource, "DELETE_FAILED", str(failure))
                return str(failure)
        self._journal.note(stack, resource, "DELETE_COMPLETE")
        return None

    async def _remove_all(self, stack: Stack) -> list[str]:
        """Deletes backwards; the names of those that failed, at which it stops going further down."""
        failed: list[str] = []
        blocked: list[str] = []
        for resource in self._backwards(stack):
            if resource.logical_id in blocked or await self._remove(stack, resource) is not None:
                if resource.logical_id not in blocked:
                    failed.append(resource.logical_id)
                blocked.extend(resource.needs)
        return failed

    async def _roll_back(self, stack: Stack) -> None:
        failed = await self._remove_all(stack)
        now = self._journal.current(stack)
        if now.status != stack.status:
            return
        if failed:
            reason = f"The following resource(s) failed to delete: [{', '.join(failed)}]."
            self._journal.enter(now, "ROLLBACK_FAILED", reason, token=None)
        else:
            self._journal.enter(now, "ROLLBACK_COMPLETE", token=None)

    async def _delete(self, stack: Stack) -> None:
        failed = await self._remove_all(stack)
        now = self._journal.current(stack)
        if failed:
            reason = f"The following resource(s) failed to delete: [{', '.join(failed)}]. "
            self._journal.enter(now, "DELETE_FAILED", reason.strip(), token=None, keep=())
            return
        for one in self._records.change_sets(stack.id):
            self._records.drop_change_set(one)
        self._journal.enter(now, "DELETE_COMPLETE", deleted=self._world.now(), outputs=(), imports=(), token=None)

    # Update

    async def _update(self, stack: Stack) -> None:
        failed: list[str] = []
        try:
            plan, imports = self._drafting.plan(stack, stack.wanted)
            for name in plan.order:
                if await self._bring(stack, plan, name) is not None:
                    failed.append(name)
                    break
            if not failed:
                outputs = self._outputs(plan, stack)
                now = self._journal.current(stack)
                self._journal.enter(
                    now, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", outputs=outputs, imports=tuple(imports),
                    description=plan.template.description,
                )  # fmt: skip
                return
            reason = f"The following resource(s) failed to update: [{', '.join(failed)}]. "
        except AwsError as error:
            reason = error.message
        self._journal.enter(self._journal.current(stack), "UPDATE_ROLLBACK_IN_PROGRESS", reason)

    async def _bring(self, stack: Stack, plan: Plan, name: str) -> str | None:
        """Brings one resource to what the new template says; the reason if that failed."""
        resource = self._records.resource(stack.id, name)
        if resource is None or resource.status.startswith(("CREATE_IN", "CREATE_FAILED", "DELETE")):
            return await self._make(stack, plan, name, "created")
        spec = plan.resources[name]
        resumed = resource.status == "UPDATE_IN_PROGRESS"
        if not resumed:
            try:
                wanted = evaluate(dict(spec.properties), self._scope(plan, stack))
            except AwsError as error:
                self._journal.note(stack, resource, "UPDATE_FAILED", error.message)
                return error.message
            resource = changed(
                resource, needs=plan.needs[name], deletion_policy=spec.deletion_policy,
                replace_policy=spec.update_replace_policy,
            )  # fmt: skip
            if wanted == resource.properties:
                self._records.put_resource(stack.id, resource)
                return None
            refusal = self._start_change(stack, resource, wanted)
            if refusal is not None:
                return refusal
        await self._store.durable()
        started = self._records.resource(stack.id, name)
        assert started is not None and started.other is not None
        if started.touched == "replaced":
            return await self._finish(stack, started, "UPDATE", resumed)
        return await self._alter(stack, started, started.properties, started.other.properties, resumed)

    def _start_change(self, stack: Stack, resource: StackResource, wanted: dict[str, Any]) -> str | None:
        """Decides between update and replacement and notes it; the reason if it cannot be."""
        handler = HANDLERS[resource.type]
        assert resource.physical_id is not None
        old = resource.properties
        other = Former(resource.physical_id, old, resource.attributes, resource.token)
        if handler.update is not None and not must_replace(handler, old, wanted):
            self._journal.note(stack, resource, "UPDATE_IN_PROGRESS", properties=wanted, touched="updated", other=other)
            return None
        name = handler.name_property
        if name is not None and name in wanted and wanted[name] == old.get(name):
            reason = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {wanted[name]} and update the stack again."
            )
            self._journal.note(stack, resource, "UPDATE_FAILED", reason)
            return reason
        reason = "Requested update requires the creation of a new physical resource; hence creating one."
        self._journal.note(
            stack, resource, "UPDATE_IN_PROGRESS", reason,
            properties=wanted, touched="replaced", other=other, physical_id=None, attributes={}, token=self._token(),
        )  # fmt: skip
        return None

    async def _alter(
        self, stack: Stack, resource: StackResource, wanted: dict[str, Any], old: dict[str, Any], resumed: bool
    ) -> str | None:
        """Updates a physical resource in place; the reason if that failed."""
        try:
            made = await self._labour.update(stack, resource, wanted, old, resumed)
        except Failed as failure:
            self._journal.note(stack, resource, "UPDATE_FAILED", str(failure))
            return str(failure)
        self._journal.note(
            stack, resource, "UPDATE_COMPLETE",
            properties=wanted, physical_id=made.physical_id, attributes=dict(made.attributes),
        )  # fmt: skip
        return None

    async def _roll_update_back(self, stack: Stack) -> None:
        assert stack.before is not None
        failed = []
        for resource in reversed(self._backwards(stack)):
            other = resource.other
            if resource.touched == "updated" and other is not None:
                if resource.status != "UPDATE_IN_PROGRESS":
                    resource = self._journal.note(stack, resource, "UPDATE_IN_PROGRESS")  # noqa: PLW2901
                if await self._alter(stack, resource, other.properties, resource.properties, True) is not None:
                    failed.append(resource.logical_id)
                    continue
                back = self._records.resource(stack.id, resource.logical_id)
                assert back is not None
                self._records.put_resource(stack.id, changed(back, touched="", other=None))
            elif resource.touched == "replaced" and other is not None:
                new = (
                    None
                    if resource.physical_id is None
                    else Former(resource.physical_id, resource.properties, resource.attributes, resource.token)
                )
                self._journal.note(
                    stack, resource, "UPDATE_COMPLETE", physical_id=other.physical_id, properties=other.properties,
                    attributes=other.attributes, token=other.token, touched="restored", other=new,
                )  # fmt: skip
        now = self._journal.current(stack)
        if failed:
            reason = f"The following resource(s) failed to update: [{', '.join(failed)}]."
            self._journal.enter(now, "UPDATE_ROLLBACK_FAILED", reason, token=None)
        else:
            self._journal.enter(now, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", wanted=stack.before)

    async def _clean_up(self, stack: Stack) -> None:
        """Deletes what the update replaced and removed (or, rolled back, what it had made). A failure here is
        noted and does not fail the update, as on AWS."""
        wanted = self._wanted_names(stack, stack.wanted)
        for resource in self._backwards(stack):
            if resource.touched in ("replaced", "restored") and resource.other is not None:
                await self._discard(stack, resource, resource.other)
            if resource.logical_id not in wanted:
                await self._remove(stack, resource)
                self._records.drop_resource(stack.id, resource.logical_id)
            elif resource.touched or resource.other is not None:
                self._records.put_resource(stack.id, changed(resource, touched="", other=None))
            await self._store.durable()
        final = stack.status.removesuffix("_CLEANUP_IN_PROGRESS")
        self._journal.enter(self._journal.current(stack), final, before=None, token=None)

    def _wanted_names(self, stack: Stack, asked: Asked) -> tuple[str, ...]:
        return tuple(self._drafting.plan(stack, asked)[0].resources)

    async def _discard(self, stack: Stack, resource: StackResource, former: Former) -> None:
        """Deletes a physical resource that is no longer in use."""
        if resource.touched == "replaced" and resource.replace_policy != "Delete":
            return
        who = (resource.logical_id, former.physical_id, resource.type)
        self._journal.event(self._journal.current(stack), who, "DELETE_IN_PROGRESS")
        try:
            await self._labour.delete(stack, resource, former)
        except Failed as failure:
            self._journal.event(self._journal.current(stack), who, "DELETE_FAILED", str(failure))
        else:
            self._journal.event(self._journal.current(stack), who, "DELETE_COMPLETE")
