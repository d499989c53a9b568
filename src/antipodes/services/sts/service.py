"""STS of one Region: who a key belongs to, and sessions of roles.

Every key that the planet knows belongs to its one account. A session's secret follows from its access key, so that
every Region can check a signature without having heard of the session (`wire/session_keys.py`); whose session it is,
only the Region knows that gave it. A session may do everything, as any key here, and its end is told but not enforced.

Key: `sts/session/<access key>`; the value is a format digit and JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.contract.checking import checked
from antipodes.wire import session_keys
from antipodes.wire.errors import AccessDenied, AwsError, ValidationException
from antipodes.wire.operation import Operation, Request, Result

FORMAT = b"1"
ROLE_ARN = re.compile(r"arn:aws:iam::(\d{12}):role/(?:.*/)?([^/]+)")
USUAL_S = 3600


class Session(msgspec.Struct, frozen=True):
    """A role's session; `ends` in epoch seconds."""

    arn: str
    user_id: str
    ends: float


class STS:
    """The service."""

    name = "sts"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._account = surroundings.settings.account
        options = surroundings.settings.options
        self._planet_key = options.get("planet_key", "test")
        self._home = options.get("home", surroundings.settings.regions[0])
        operations: Mapping[str, Operation] = {
            "AssumeRole": self.assume_role,
            "GetCallerIdentity": self.get_caller_identity,
            "GetSessionToken": self.get_session_token,
        }
        self.operations = {name: checked(operation) for name, operation in operations.items()}

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    async def get_caller_identity(self, request: Request) -> Result:
        """A session's role; else AWS's shape for an account's root: its id is the account, its ARN ends in :root."""
        found = self._around.store.get(_key(request.access_key))
        if found is not None:
            session = msgspec.json.decode(found[1:], type=Session)
            return {"UserId": session.user_id, "Account": self._account, "Arn": session.arn}
        return {"UserId": self._account, "Account": self._account, "Arn": f"arn:aws:iam::{self._account}:root"}

    async def assume_role(self, request: Request) -> Result:
        """Of a role that exists. Its trust policy is not enforced, as no policy is."""
        params = request.params
        arn, name, length_s = (
            params["RoleArn"],
            params["RoleSessionName"],
            int(params.get("DurationSeconds") or USUAL_S),
        )
        role_id = await self._role_id(arn)
        role_name = arn.rpartition("/")[2]
        session = Session(
            f"arn:aws:sts::{self._account}:assumed-role/{role_name}/{name}",
            f"{role_id}:{name}",
            self._around.world.now() + length_s,
        )
        return {
            "Credentials": await self._issued(session, arn),
            "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
        }

    async def get_session_token(self, request: Request) -> Result:
        length_s = int(request.params.get("DurationSeconds") or 12 * USUAL_S)
        root = f"arn:aws:iam::{self._account}:root"
        return {
            "Credentials": await self._issued(Session(root, self._account, self._around.world.now() + length_s), root)
        }

    async def _issued(self, session: Session, arn: str) -> dict[str, object]:
        nonce = f"{self._around.world.chance.getrandbits(64):016x}"
        key, secret, token = session_keys.issue(self._planet_key, arn, f"{self._around.region}/{nonce}")
        self._around.store.write([(_key(key), FORMAT + msgspec.json.encode(session))])
        await self._around.store.durable()
        return {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": token, "Expiration": session.ends}

    async def _role_id(self, arn: str) -> str:
        """Raises AccessDenied: there is no such role. With IAM's Region out of reach sessions are given all the same,
        as STS on AWS does not ask it; the role's id is then unknown."""
        match = ROLE_ARN.fullmatch(arn)
        if match is None:
            raise ValidationException(f"{arn} is invalid")
        account, name = match.groups()
        denied = AccessDenied(
            "AccessDenied",
            f"User: arn:aws:iam::{self._account}:root is not authorized to perform: sts:AssumeRole on resource: {arn}",
        )
        if account != self._account:
            raise denied
        try:
            answer = await self._around.call("iam", "GetRole", {"RoleName": name}, region=self._home)
        except AwsError as error:
            if error.code == "NoSuchEntity":
                raise denied from None
            if error.code == "RegionUnavailable":
                return "AROAUNKNOWN"
            raise
        return str(answer["Role"]["RoleId"])


def _key(access_key: str) -> bytes:
    return b"sts/session/" + access_key.encode()
