"""STS of one Region. Every key that the planet knows belongs to its one account; GetCallerIdentity says so.

AssumeRole is not there: the planet would have to know the credentials it gives out in every Region.
"""

from __future__ import annotations

from collections.abc import Mapping

from antipodes.services.contract import Carried, Surroundings
from antipodes.wire.operation import Operation, Request, Result


class STS:
    """The service."""

    name = "sts"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._account = surroundings.settings.account
        self.operations: Mapping[str, Operation] = {"GetCallerIdentity": self.get_caller_identity}

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    async def get_caller_identity(self, request: Request) -> Result:
        """AWS's shape for an account's root: its id is the account, its ARN ends in :root."""
        return {
            "UserId": self._account,
            "Account": self._account,
            "Arn": f"arn:aws:iam::{self._account}:root",
        }
