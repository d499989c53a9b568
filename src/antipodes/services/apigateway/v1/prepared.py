"""A stage, prepared to be served: everything that is the same for all of its requests is done here, once. Pure."""

from __future__ import annotations

import msgspec

from antipodes.services.apigateway.access_logs import Format, format_of, group_of, stream_of
from antipodes.services.apigateway.metrics import REST, ApiMeter, Tally
from antipodes.services.apigateway.v1.caching import StageCache, caching_of
from antipodes.services.apigateway.v1.chest import ClientCertificate
from antipodes.services.apigateway.v1.gateway_responses import Wardrobe
from antipodes.services.apigateway.v1.guard import guard_of, own_setting, resource_policy, setting_of
from antipodes.services.apigateway.v1.records import Api, Deployment, Method, Resource, Stage
from antipodes.services.apigateway.v1.routing import Extras, Table
from antipodes.services.contract import Surroundings


class Log(msgspec.Struct, frozen=True):
    """Where a line of the access log goes, and what it says."""

    form: Format
    group: str
    stream: str


class Prepared(msgspec.Struct, frozen=True):
    """A stage ready to serve."""

    stage: Stage
    deployment: Deployment
    table: Table
    variables: dict[str, str] | None
    wardrobe: Wardrobe
    tally: Tally
    log: Log | None
    cache: StageCache | None  # None: none of its answers are kept
    canary: Prepared | None = None  # what serves some of the requests in the place of this
    is_canary: bool = False


def shown_name(api: Api) -> str:
    """In dimensions of metrics: "API Gateway removes non-ASCII characters from the ApiName dimension ... If the APIName
    contains no ASCII characters, the API ID is used" (Developer Guide, "Amazon API Gateway dimensions and metrics")."""
    return api.name.encode("ascii", "ignore").decode() or api.id


def prepare(
    api: Api,
    stage: Stage,
    deployment: Deployment,
    surroundings: Surroundings,
    meter: ApiMeter,
    cache: StageCache | None = None,
    certificate: ClientCertificate | None = None,
) -> Prepared:
    """cache: the stage's, if it has one; certificate: what its HTTP integrations show."""
    region, account, now = surroundings.region, surroundings.settings.account, surroundings.world.monotonic()
    policy = resource_policy(deployment.policy, account, region, api.id) if deployment.policy else None
    identity = None if certificate is None else (certificate.pem, certificate.key_pem)
    name = shown_name(api)
    where = {"ApiName": name, "Stage": stage.name}

    def extras(resource: Resource, method: Method) -> Extras:
        setting = setting_of(stage, resource, method.verb)
        detailed = {"ApiName": name, "Method": method.verb, "Resource": resource.path, "Stage": stage.name}
        return Extras(
            guard_of(method, deployment, setting, policy, now),
            meter.tally(REST, detailed) if setting.metrics else None,
            setting.logging_level if setting.logging_level != "OFF" else "",
            bool(setting.data_trace),
            None if cache is None else caching_of(method, setting, own_setting(stage, resource, method.verb)),
            identity,
        )

    log = None
    if stage.log_group_arn:
        group = group_of(stage.log_group_arn, region)
        log = Log(format_of(stage.log_format), group, stream_of(stage.api_id, stage.name))
    return Prepared(
        stage,
        deployment,
        Table(deployment.resources, stage.variables, extras),
        dict(stage.variables) or None,
        Wardrobe(deployment.gateway_responses),
        meter.tally(REST, {"ApiName": name}, where),
        log,
        cache,
    )
