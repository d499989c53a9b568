"""What every IAM operation needs: the roster, the clock, names and documents checked as IAM checks them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from antipodes.services.contract import Surroundings
from antipodes.services.iam.records import Policy, Role, Roster
from antipodes.wire.errors import ClientFault

ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
AWS_MANAGED = "arn:aws:iam::aws:policy/"


@dataclass(frozen=True, slots=True)
class Account:
    """The account's IAM."""

    surroundings: Surroundings
    roster: Roster

    def now(self) -> float:
        return self.surroundings.world.now()

    def new_id(self, prefix: str) -> str:
        """AROA... for a role, ANPA... for a policy: 21 characters as on AWS."""
        chance = self.surroundings.world.chance
        return prefix + "".join(chance.choice(ID_LETTERS) for _ in range(17))

    def arn(self, kind: str, path: str, name: str) -> str:
        return f"arn:aws:iam::{self.surroundings.settings.account}:{kind}{path}{name}"

    def role(self, params: Mapping[str, Any]) -> Role:
        name = params["RoleName"]
        found = self.roster.role(name)
        if found is None:
            raise no_such_entity(f"The role with name {name} cannot be found.")
        return found

    def policy(self, arn: str) -> Policy:
        found = self.roster.policy(arn)
        if found is None:
            raise no_such_entity(f"Policy {arn} was not found.")
        return found

    async def durable(self) -> None:
        await self.surroundings.store.durable()

    async def settled(self) -> None:
        if not self.surroundings.store.settled:
            await self.surroundings.store.durable()


def no_such_entity(message: str) -> ClientFault:
    return ClientFault("NoSuchEntity", message, status=404)


def check_name(name: str, member: str, longest: int) -> str:
    if not NAME.fullmatch(name) or len(name) > longest:
        raise ClientFault(
            "ValidationError",
            f"1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: [\\w+=,.@-]+",
        )
    return name


def check_path(path: str) -> str:
    if not re.fullmatch(r"/|/[!-~]{1,510}/", path):
        raise ClientFault(
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric "
            "characters and/or / characters.",
        )
    return path


def check_document(text: str) -> str:
    """A policy must be a JSON object with statements; what they say is kept, not evaluated."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ClientFault("MalformedPolicyDocument", "This policy contains invalid Json") from None
    if not isinstance(found, dict) or not found.get("Statement"):
        raise ClientFault("MalformedPolicyDocument", "Syntax errors in policy.")
    return text


def encoded(document: str) -> str:
    """Documents travel percent-encoded (RFC 3986); botocore decodes them."""
    return quote(document, safe="")


def tags_of(params: Mapping[str, Any]) -> dict[str, str]:
    return {str(one["Key"]): str(one["Value"]) for one in params.get("Tags") or ()}
