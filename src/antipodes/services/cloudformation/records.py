"""What CloudFormation remembers: stacks, their resources, events and change sets, in the store.

Keys: `cloudformation/name/<stack name>` -> id of the live stack of that name; `cloudformation/{stack,resource,event,
changeset}/<stack id>\\0<rest>`. A value is a format digit and JSON. Nothing here decides anything.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from antipodes.store.store import Store

FORMAT = b"1"
Row = TypeVar("Row", bound=msgspec.Struct)


class Asked(msgspec.Struct, frozen=True):
    """What a stack was asked to be."""

    template: str  # the text as it came
    expanded: str  # JSON: after short forms and transforms
    parameters: dict[str, str]
    stored: dict[str, str] = {}  # what Parameter Store had under the names that parameters of SSM types give
    tags: dict[str, str] = {}
    capabilities: tuple[str, ...] = ()
    role: str | None = None
    notifications: tuple[str, ...] = ()


class StackOutput(msgspec.Struct, frozen=True):
    """One evaluated output."""

    key: str
    value: str
    description: str = ""
    export: str | None = None


class Stack(msgspec.Struct, frozen=True):
    """One stack. Times are epoch seconds."""

    id: str
    name: str
    status: str
    created: float
    wanted: Asked
    before: Asked | None = None  # what a failed update goes back to
    reason: str = ""
    updated: float | None = None
    deleted: float | None = None
    description: str = ""
    outputs: tuple[StackOutput, ...] = ()
    imports: tuple[str, ...] = ()  # names of exports it uses
    on_failure: str = "ROLLBACK"  # of creation: ROLLBACK, DELETE, DO_NOTHING
    protected: bool = False
    change_set: str | None = None
    token: str | None = None  # ClientRequestToken of the operation under way
    keep: tuple[str, ...] = ()  # RetainResources of a deletion
    events: int = 0
    adopt: bool = False  # ImportExistingResources of the operation under way


class Former(msgspec.Struct, frozen=True):
    """A physical resource that a logical one had, or would have had."""

    physical_id: str
    properties: dict[str, Any]
    attributes: dict[str, Any]
    token: str


class StackResource(msgspec.Struct, frozen=True):
    """One logical resource of a stack, with the physical one behind it."""

    logical_id: str
    type: str
    status: str
    updated: float
    token: str  # 12 characters; part of generated names, drawn before the first attempt
    properties: dict[str, Any]  # evaluated
    physical_id: str | None = None
    attributes: dict[str, Any] = {}
    reason: str = ""
    needs: tuple[str, ...] = ()
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"
    touched: str = ""  # in the update under way: "", created, updated, replaced, restored
    other: Former | None = None  # updated: how it was; replaced, restored: the physical resource not in use


class Event(msgspec.Struct, frozen=True):
    """One line of a stack's story."""

    id: str
    at: float
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str = ""
    properties: str = ""
    token: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """What a change set would do to one resource."""

    action: str  # Add, Modify, Remove
    logical_id: str
    type: str
    physical_id: str | None = None
    replacement: str | None = None  # True, False, Conditional
    properties: tuple[str, ...] = ()


class ChangeSet(msgspec.Struct, frozen=True):
    """A prepared change to a stack."""

    id: str
    name: str
    stack_id: str
    kind: str  # CREATE, UPDATE
    created: float
    wanted: Asked
    status: str  # CREATE_COMPLETE, FAILED
    execution: str  # AVAILABLE, UNAVAILABLE, EXECUTE_COMPLETE, OBSOLETE
    reason: str = ""
    description: str = ""
    on_failure: str = "ROLLBACK"
    changes: tuple[Difference, ...] = ()
    adopt: bool = False  # ImportExistingResources


class Records:
    """Typed access to the rows. Writes are not durable until the caller awaits `store.durable()`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def _get(self, key: bytes, kind: type[Row]) -> Row | None:
        found = self.store.get(key)
        if found is None:
            return None
        assert found[:1] == FORMAT, f"unknown format of {key!r}"
        return msgspec.json.decode(found[1:], type=kind)

    def _all(self, prefix: bytes, kind: type[Row], *, reverse: bool = False) -> list[Row]:
        rows = self.store.range(prefix, prefix + b"\xff", reverse=reverse)
        return [msgspec.json.decode(value[1:], type=kind) for _, value in rows]

    def _put(self, key: bytes, row: msgspec.Struct) -> None:
        self.store.write([(key, FORMAT + msgspec.json.encode(row))])

    def stack(self, name_or_id: str) -> Stack | None:
        """By id, also when deleted; by name, only a live one."""
        if not name_or_id.startswith("arn:"):
            found = self.store.get(_key("name", name_or_id))
            if found is None:
                return None
            name_or_id = found.decode()
        return self._get(_key("stack", name_or_id), Stack)

    def stacks(self) -> list[Stack]:
        return self._all(b"cloudformation/stack/", Stack)

    def put_stack(self, stack: Stack) -> None:
        live = None if stack.status == "DELETE_COMPLETE" else stack.id.encode()
        rows: list[tuple[bytes, bytes | None]] = [(_key("stack", stack.id), FORMAT + msgspec.json.encode(stack))]
        current = self.store.get(_key("name", stack.name))
        if live is not None or current == stack.id.encode():
            rows.append((_key("name", stack.name), live))
        self.store.write(rows)

    def drop_stack(self, stack: Stack) -> None:
        """Forgets it entirely: only for a stack that never was more than a change set."""
        self.store.write([(_key("stack", stack.id), None), (_key("name", stack.name), None)])

    def resource(self, stack_id: str, logical_id: str) -> StackResource | None:
        return self._get(_key("resource", stack_id, logical_id), StackResource)

    def resources(self, stack_id: str) -> list[StackResource]:
        return self._all(_key("resource", stack_id, ""), StackResource)

    def put_resource(self, stack_id: str, resource: StackResource) -> None:
        self._put(_key("resource", stack_id, resource.logical_id), resource)

    def drop_resource(self, stack_id: str, logical_id: str) -> None:
        self.store.write([(_key("resource", stack_id, logical_id), None)])

    def events(self, stack_id: str) -> list[Event]:
        """Newest first."""
        return self._all(_key("event", stack_id, ""), Event, reverse=True)

    def put_event(self, stack: Stack, event: Event) -> Stack:
        """Appends the event; the stack with its new count, which is stored as well."""
        self._put(_key("event", stack.id, f"{stack.events:010}"), event)
        stack = msgspec.structs.replace(stack, events=stack.events + 1)
        self._put(_key("stack", stack.id), stack)
        return stack

    def change_set(self, stack_id: str, name: str) -> ChangeSet | None:
        return self._get(_key("changeset", stack_id, name), ChangeSet)

    def change_sets(self, stack_id: str) -> list[ChangeSet]:
        return self._all(_key("changeset", stack_id, ""), ChangeSet)

    def all_change_sets(self) -> list[ChangeSet]:
        return self._all(b"cloudformation/changeset/", ChangeSet)

    def put_change_set(self, change_set: ChangeSet) -> None:
        self._put(_key("changeset", change_set.stack_id, change_set.name), change_set)

    def drop_change_set(self, change_set: ChangeSet) -> None:
        self.store.write([(_key("changeset", change_set.stack_id, change_set.name), None)])


def _key(kind: str, *parts: str) -> bytes:
    return f"cloudformation/{kind}/".encode() + b"\0".join(part.encode() for part in parts)
