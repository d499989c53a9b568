"""What a method asks of a request before its integration is asked, prepared. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import orjson

from antipodes.services.apigateway.throttle import Bucket
from antipodes.services.apigateway.v1.policies import Policy, policy_of
from antipodes.services.apigateway.v1.records import Authorizer, Deployment, Method, MethodSetting, Resource, Stage
from antipodes.services.apigateway.v1.validation import Check, check_of

ALL = "*/*"


@dataclass(frozen=True, slots=True)
class Guard:
    """What a method asks of a request."""

    policy: Policy | None
    authorization: str
    authorizer: Authorizer | None
    key_required: bool
    key_source: str
    limit: Bucket | None
    check: Check | None


def own_setting(stage: Stage, resource: Resource, verb: str) -> MethodSetting | None:
    """What the stage says of this method alone."""
    return stage.method_settings.get(f"{resource.path.removeprefix('/')}/{verb}")


def setting_of(stage: Stage, resource: Resource, verb: str) -> MethodSetting:
    """The stage's settings for a method: its own, and for what they leave open those of all methods."""
    general = stage.method_settings.get(ALL) or MethodSetting()
    own = own_setting(stage, resource, verb)
    if own is None:
        return general
    told = {name: value for name, value in msgspec.structs.asdict(own).items() if value not in (None, "")}
    return msgspec.structs.replace(general, **told)


def resource_policy(text: str, account: str, region: str, api_id: str) -> Policy:
    """An API's resource policy; "execute-api:/stage/GET/path" stands for the ARN. Raises Unreadable."""
    short = "execute-api:/"
    arn = f"arn:aws:execute-api:{region}:{account}:{api_id}/"

    def whole(node: object) -> object:
        if isinstance(node, str):
            return arn + node.removeprefix(short) if node.startswith(short) else node
        return [whole(one) for one in node] if isinstance(node, list) else node

    document = orjson.loads(text)
    for statement in document["Statement"] if isinstance(document.get("Statement"), list) else ():
        for name in ("Resource", "NotResource"):
            if isinstance(statement, dict) and name in statement:
                statement[name] = whole(statement[name])
    return policy_of(document)


def guard_of(
    method: Method, deployment: Deployment, setting: MethodSetting, policy: Policy | None, now: float
) -> Guard | None:
    """None: the method asks for nothing."""
    check = check_of(method, deployment.validators, deployment.models)
    limit = None
    if setting.rate is not None or setting.burst is not None:
        limit = Bucket(setting.rate, setting.burst, now)
    if (
        policy is None
        and method.authorization == "NONE"
        and not method.key_required
        and limit is None
        and check is None
    ):
        return None
    return Guard(
        policy=policy,
        authorization=method.authorization,
        authorizer=deployment.authorizers.get(method.authorizer_id),
        key_required=method.key_required,
        key_source=deployment.key_source,
        limit=limit,
        check=check,
    )
