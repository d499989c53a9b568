"""A stage, prepared to be served: everything that is the same for all of its requests is done here, once. Pure."""

from __future__ import annotations

import msgspec

from antipodes.services.apigateway.access_logs import Format, format_of, group_of, stream_of
from antipodes.services.apigateway.gateway_responses import Wardrobe
from antipodes.services.apigateway.metrics import REST, ApiMeter, Tally
from antipodes.services.apigateway.records import Api, Deployment, Stage
from antipodes.services.apigateway.routing import Table


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


def prepare(api: Api, stage: Stage, deployment: Deployment, region: str, meter: ApiMeter) -> Prepared:
    log = None
    if stage.log_group_arn:
        group = group_of(stage.log_group_arn, region)
        log = Log(format_of(stage.log_format), group, stream_of(stage.api_id, stage.name))
    return Prepared(
        stage,
        deployment,
        Table(deployment.resources, stage.variables),
        dict(stage.variables) or None,
        Wardrobe(deployment.gateway_responses),
        meter.tally(REST, {"ApiName": api.name}, {"ApiName": api.name, "Stage": stage.name}),
        log,
    )
