"""The resource policy of a function: who may invoke it from outside the account's own hands.

A statement without a qualifier holds for the unqualified ARN alone, one with a qualifier for that version or alias
alone, as on AWS. API Gateway is refused without one (and answers its client 500).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.records import Function, Statement, conflict, invalid, not_found
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

INVOKE = "lambda:InvokeFunction"
INVOKE_URL = "lambda:InvokeFunctionUrl"
# A service, an account, one of its users or roles, or anybody (the form of service names is a guess).
_PRINCIPAL = re.compile(r"\*|\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:.+|[a-z0-9.-]+\.[a-z0-9.-]+")


async def add_permission(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    reference = catalogue.reference(params["FunctionName"], params.get("Qualifier"))
    function = catalogue.function(reference)
    for unsupported in ("EventSourceToken", "PrincipalOrgID"):
        if params.get(unsupported):
            raise NotSupported(f"{unsupported} of AddPermission")
    catalogue.configuration(function, reference.qualifier)
    _check_revision(function, params.get("RevisionId"))
    if params.get("FunctionUrlAuthType") and params["Action"] != INVOKE_URL:
        raise invalid("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action")
    if params.get("InvokedViaFunctionUrl") and params["Action"] != INVOKE:  # the words are a guess
        raise invalid("InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action")
    if not _PRINCIPAL.fullmatch(params["Principal"]):
        raise invalid("The provided principal was invalid. Please check the principal and try again.")
    statement = Statement(
        sid=params["StatementId"],
        action=params["Action"],
        principal=params["Principal"],
        source_arn=params.get("SourceArn") or "",
        source_account=params.get("SourceAccount") or "",
        qualifier=reference.qualifier or "",
        url_auth=params.get("FunctionUrlAuthType") or "",
        via_url=bool(params.get("InvokedViaFunctionUrl")),
    )
    if any(s.sid == statement.sid and s.qualifier == statement.qualifier for s in function.policy):
        raise conflict(
            f"The statement id ({statement.sid}) provided already exists. Please provide a new statement id, or "
            "remove the existing statement."
        )
    await _save(catalogue, function, (*function.policy, statement))
    return {"Statement": json.dumps(_shown(catalogue, function, statement), separators=(",", ":"))}


async def remove_permission(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    reference = catalogue.reference(params["FunctionName"], params.get("Qualifier"))
    function = catalogue.function(reference)
    _check_revision(function, params.get("RevisionId"))
    gone = (params["StatementId"], reference.qualifier or "")
    rest = tuple(s for s in function.policy if (s.sid, s.qualifier) != gone)
    if len(rest) == len(function.policy):
        raise ClientFault(
            "ResourceNotFoundException",
            f"Statement {params['StatementId']} is not found in resource policy.",
            status=404,
            Type="User",
        )
    await _save(catalogue, function, rest)
    return {}


async def get_policy(catalogue: Catalogue, request: Request) -> Result:
    reference = catalogue.reference(request.params["FunctionName"], request.params.get("Qualifier"))
    function = catalogue.function(reference)
    statements = [s for s in function.policy if s.qualifier == (reference.qualifier or "")]
    if not statements:
        raise not_found(catalogue.arn(function.name, reference.qualifier), "The resource you requested was")
    await catalogue.settled()
    policy = {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [_shown(catalogue, function, statement) for statement in statements],
    }
    return {"Policy": json.dumps(policy, separators=(",", ":")), "RevisionId": function.policy_revision}


def allows(
    policy: Sequence[Statement], *, qualifier: str | None, principal: str, source_arn: str, account: str
) -> bool:
    """Whether a service may invoke the function on behalf of the resource `source_arn`. Pure."""
    return any(
        statement.qualifier == (qualifier or "")
        and statement.principal in (principal, "*")
        and statement.action in (INVOKE, "lambda:*", "*")
        and (not statement.source_arn or arn_like(statement.source_arn, source_arn))
        and statement.source_account in ("", account)
        and not statement.url_auth
        and not statement.via_url
        for statement in policy
    )


def allows_url(policy: Sequence[Statement], *, qualifier: str, auth: str) -> bool:
    """Whether anybody may call the function's URL of that AuthType. Pure."""
    return any(
        statement.qualifier == qualifier
        and statement.principal == "*"
        and statement.action in (INVOKE_URL, "lambda:*", "*")
        and statement.url_auth in ("", auth)
        and not (statement.source_arn or statement.source_account or statement.via_url)
        for statement in policy
    )


@lru_cache(maxsize=1024)
def arn_like(pattern: str, arn: str) -> bool:
    """IAM's ArnLike: `*` and `?` within each of the six parts that colons separate."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(
        re.fullmatch(re.escape(p).replace(r"\*", ".*").replace(r"\?", "."), part, re.DOTALL) is not None
        for p, part in zip(patterns, parts, strict=True)
    )


def _check_revision(function: Function, revision: str | None) -> None:
    if revision and revision != function.policy_revision:
        raise ClientFault(
            "PreconditionFailedException",
            "The RevisionId provided does not match the latest RevisionId. Call the GetPolicy API to retrieve the "
            "latest RevisionId",
            status=412,
            Type="User",
        )


async def _save(catalogue: Catalogue, function: Function, policy: tuple[Statement, ...]) -> None:
    await catalogue.save(msgspec.structs.replace(function, policy=policy, policy_revision=catalogue.revision()))


def _shown(catalogue: Catalogue, function: Function, statement: Statement) -> dict[str, Any]:
    service = "." in statement.principal and not statement.principal.startswith("arn:")
    principal: Any = "*" if statement.principal == "*" else {"Service" if service else "AWS": statement.principal}
    shown: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": statement.action,
        "Resource": catalogue.arn(function.name, statement.qualifier or None),
    }
    condition: dict[str, Any] = {}
    if statement.source_account:
        condition["StringEquals"] = {"AWS:SourceAccount": statement.source_account}
    if statement.url_auth:
        condition.setdefault("StringEquals", {})["lambda:FunctionUrlAuthType"] = statement.url_auth
    if statement.via_url:
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": "true"}
    if statement.source_arn:
        condition["ArnLike"] = {"AWS:SourceArn": statement.source_arn}
    if condition:
        shown["Condition"] = condition
    return shown
