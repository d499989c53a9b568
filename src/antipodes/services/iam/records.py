"""Roles and policies in the store: `iam/role/<name>`, `iam/policy/<arn>`; a format digit and JSON."""

from __future__ import annotations

import msgspec

from antipodes.store.store import Store

FORMAT = b"1"


class Role(msgspec.Struct, frozen=True):
    """One role; `created` in epoch seconds, `session_s` the longest session."""

    name: str
    id: str
    arn: str
    path: str
    created: float
    trust: str
    description: str = ""
    session_s: int = 3600
    boundary: str | None = None
    inline: dict[str, str] = {}  # policy name -> document
    attached: tuple[str, ...] = ()  # policy ARNs
    tags: dict[str, str] = {}


class Policy(msgspec.Struct, frozen=True):
    """One managed policy of the account, in its only version."""

    name: str
    id: str
    arn: str
    path: str
    created: float
    document: str
    description: str = ""


class Roster:
    """Typed access to the rows."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def role(self, name: str) -> Role | None:
        found = self.store.get(b"iam/role/" + name.encode())
        return None if found is None else msgspec.json.decode(found[1:], type=Role)

    def roles(self) -> list[Role]:
        rows = self.store.range(b"iam/role/", b"iam/role0")
        return [msgspec.json.decode(value[1:], type=Role) for _, value in rows]

    def put_role(self, role: Role) -> None:
        self.store.write([(b"iam/role/" + role.name.encode(), FORMAT + msgspec.json.encode(role))])

    def drop_role(self, name: str) -> None:
        self.store.write([(b"iam/role/" + name.encode(), None)])

    def policy(self, arn: str) -> Policy | None:
        found = self.store.get(b"iam/policy/" + arn.encode())
        return None if found is None else msgspec.json.decode(found[1:], type=Policy)

    def policies(self) -> list[Policy]:
        rows = self.store.range(b"iam/policy/", b"iam/policy0")
        return [msgspec.json.decode(value[1:], type=Policy) for _, value in rows]

    def put_policy(self, policy: Policy) -> None:
        self.store.write([(b"iam/policy/" + policy.arn.encode(), FORMAT + msgspec.json.encode(policy))])

    def drop_policy(self, arn: str) -> None:
        self.store.write([(b"iam/policy/" + arn.encode(), None)])
