"""The HTTP APIs of a Region, with their deployments and stages: in memory for reading, in the store for keeping.

A change of an API is deployed at once to its stages with AutoDeploy, in the same transaction. Of the deployments that
come so only the one that is served is kept (AWS keeps some past ones; how many is not told).
"""

from __future__ import annotations

import msgspec

from antipodes.services.apigateway import access_logs, metrics, quotas
from antipodes.services.apigateway.access_logs import Format
from antipodes.services.apigateway.metrics import Tally
from antipodes.services.apigateway.throttle import Bucket
from antipodes.services.apigateway.v1.catalogue import Catalogue, Rows
from antipodes.services.apigateway.v2 import records
from antipodes.services.apigateway.v2.records import HttpApi, HttpDeployment, HttpStage, missing
from antipodes.services.apigateway.v2.routing import Table

AUTOMATIC = "Automatic deployment triggered by changes to the Api configuration"


class Prepared(msgspec.Struct, frozen=True):
    """A stage ready to serve."""

    stage: HttpStage
    deployment: HttpDeployment
    table: Table
    tally: Tally
    route_tallies: dict[str, Tally]  # by route key: those with detailed metrics
    buckets: dict[str, Bucket]  # by route key: those that are throttled
    log_format: Format | None = None  # of access logs
    log_group: str = ""
    log_stream: str = ""

    def tallies(self, key: str) -> tuple[Tally, ...]:
        """Where what happens on a route is counted."""
        detailed = self.route_tallies.get(key)
        return (self.tally,) if detailed is None else (self.tally, detailed)


class HttpCatalogue:
    """What the operations of HTTP APIs work on, and their data plane reads. `shared`: REST APIs, and the domains."""

    def __init__(self, shared: Catalogue) -> None:
        self.shared = shared
        self.surroundings = shared.surroundings
        self.apis: dict[str, HttpApi] = {}
        self.deployments: dict[tuple[str, str], HttpDeployment] = {}
        self.stages: dict[tuple[str, str], HttpStage] = {}
        self._prepared: dict[tuple[str, str], Prepared] = {}

    def load(self) -> None:
        """Reads everything from the store."""
        decode = msgspec.msgpack.decode
        for api in (decode(value, type=HttpApi) for value in self.shared.values(records.API_PREFIX)):
            self.apis[api.id] = api
        for one in (decode(value, type=HttpDeployment) for value in self.shared.values(records.DEPLOYMENT_PREFIX)):
            self.deployments[one.api_id, one.id] = one
        for stage in (decode(value, type=HttpStage) for value in self.shared.values(records.STAGE_PREFIX)):
            self.stages[stage.api_id, stage.name] = stage

    # -- reading -------------------------------------------------------------------------------------------------

    def api(self, api_id: str) -> HttpApi:
        api = self.apis.get(api_id)
        if api is None:
            raise missing("API", api_id)
        return api

    def stage(self, api_id: str, name: str) -> HttpStage:
        self.api(api_id)
        stage = self.stages.get((api_id, name))
        if stage is None:
            raise missing("Stage", name)
        return stage

    def deployment(self, api_id: str, deployment_id: str) -> HttpDeployment:
        self.api(api_id)
        deployment = self.deployments.get((api_id, deployment_id))
        if deployment is None:
            raise missing("Deployment", deployment_id)
        return deployment

    def stages_of(self, api_id: str) -> list[HttpStage]:
        return [stage for key, stage in sorted(self.stages.items()) if key[0] == api_id]

    def prepared(self, api_id: str, stage_name: str) -> Prepared | None:
        """What serves a stage; None when there is no such stage, or nothing is deployed to it."""
        key = (api_id, stage_name)
        found = self._prepared.get(key)
        if found is None:
            stage = self.stages.get(key)
            deployment = self.deployments.get((api_id, stage.deployment_id)) if stage is not None else None
            if stage is None or deployment is None:
                return None
            found = self._prepared[key] = self._prepare(stage, deployment)
        return found

    def _prepare(self, stage: HttpStage, deployment: HttpDeployment) -> Prepared:
        meter, api, name = self.shared.meter, stage.api_id, stage.name
        tallies: dict[str, Tally] = {}
        buckets: dict[str, Bucket] = {}
        now = self.surroundings.world.monotonic()
        for route in deployment.routes:
            settings = stage.route_settings.get(route.key, stage.settings)
            if settings.rate is not None or settings.burst is not None:
                # The stage's own limits hold for each of its routes by itself (as for REST APIs' methods; a guess).
                buckets[route.key] = Bucket(settings.rate, settings.burst, now)
            if settings.detailed:
                where = _detailed(api, name, route.key, sockets=self.apis[api].protocol == records.WEBSOCKET)
                tallies[route.key] = meter.tally(metrics.HTTP, where)
        return Prepared(
            stage,
            deployment,
            Table(deployment, stage.variables, sockets=self.apis[api].protocol == records.WEBSOCKET),
            meter.tally(metrics.HTTP, {"ApiId": api}, {"ApiId": api, "Stage": name}),
            tallies,
            buckets,
            access_logs.format_of(stage.log_format) if stage.log_arn else None,
            access_logs.group_of(stage.log_arn, self.surroundings.region) if stage.log_arn else "",
            access_logs.stream_of(api, name),
        )

    def _outdated(self, key: tuple[str, str]) -> None:
        """What served a stage serves no longer."""
        gone = self._prepared.pop(key, None)
        if gone is not None:
            for tally in (gone.tally, *gone.route_tallies.values()):
                self.shared.meter.forget(tally)

    def mapped(self, api_id: str, stage: str | None = None) -> list[str]:
        """The domains whose mappings lead to the API (to one stage of it)."""
        return sorted(
            domain.name
            for domain in self.shared.domains.values()
            for mapping in domain.mappings.values()
            if mapping.api_id == api_id and stage in (None, mapping.stage)
        )

    # -- writing -------------------------------------------------------------------------------------------------

    async def save_api(self, api: HttpApi, *, deploy: bool = True, stages: tuple[HttpStage, ...] = ()) -> None:
        """The API, perhaps with new stages; with `deploy` its stages with AutoDeploy serve it from now on. Raises
        TooManyRequestsException."""
        before = self.apis.get(api.id)
        quotas.check(quotas.PER_ACCOUNT, "APIs", self.apis, {**self.apis, api.id: api}, second=True)
        for things in ("routes", "integrations", "authorizers"):
            quotas.check(quotas.PER_API, things, getattr(before, things, ()), getattr(api, things), second=True)
        self.apis[api.id] = api
        rows: Rows = [(records.API_PREFIX + api.id.encode(), msgspec.msgpack.encode(api))]
        for stage in stages:
            rows += self._put_stage(stage)
        if deploy:
            for stage in [one for one in self.stages_of(api.id) if one.auto_deploy]:
                rows += self._deploy(api, stage)
        await self.shared.write(rows)

    async def save_stage(self, stage: HttpStage) -> None:
        """A stage with AutoDeploy serves the API as it is now. Raises TooManyRequestsException."""
        before, there = self.stages.get((stage.api_id, stage.name)), self.stages_of(stage.api_id)
        quotas.check(quotas.PER_API, "stages", there, there if before else [*there, stage], second=True)
        variables = before.variables if before else ()
        quotas.check("stage", "stage variables", variables, stage.variables, second=True)
        if stage.auto_deploy:
            await self.shared.write(self._deploy(self.apis[stage.api_id], stage))
        else:
            await self.shared.write(self._put_stage(stage))

    async def put_stage(self, stage: HttpStage) -> None:
        """What serves it does not change."""
        await self.shared.write(self._put_stage(stage))

    async def save_deployment(self, deployment: HttpDeployment, stage: HttpStage | None = None) -> None:
        rows = self._put_deployment(deployment)
        if stage is not None:
            rows += self._put_stage(msgspec.structs.replace(stage, deployment_id=deployment.id))
        await self.shared.write(rows)

    async def delete_deployment(self, deployment: HttpDeployment) -> None:
        del self.deployments[deployment.api_id, deployment.id]
        await self.shared.write([(_deployment_key(deployment.api_id, deployment.id), None)])

    async def delete_stage(self, stage: HttpStage) -> None:
        await self.shared.write(self._drop_stage(stage.api_id, stage.name))

    async def delete_api(self, api: HttpApi) -> None:
        rows: Rows = [(records.API_PREFIX + api.id.encode(), None)]
        for stage in self.stages_of(api.id):
            rows += self._drop_stage(stage.api_id, stage.name)
        for key in sorted(key for key in self.deployments if key[0] == api.id):
            del self.deployments[key]
            rows.append((_deployment_key(*key), None))
        del self.apis[api.id]
        await self.shared.write(rows)

    def snapshot(self, api: HttpApi, *, automatic: bool = False, description: str = "") -> HttpDeployment:
        """A new deployment of the API as it is; not saved."""
        return HttpDeployment(
            id=self.shared.new_id(6),
            api_id=api.id,
            created=self.surroundings.world.now(),
            automatic=automatic,
            description=description,
            cors=api.cors,
            routes=tuple(api.routes.values()),
            integrations=api.integrations,
            authorizers=api.authorizers,
            models=api.models,
        )

    def _deploy(self, api: HttpApi, stage: HttpStage) -> Rows:
        before = self.deployments.get((api.id, stage.deployment_id))
        deployment = self.snapshot(api, automatic=True, description=AUTOMATIC)
        rows = self._put_deployment(deployment)
        rows += self._put_stage(msgspec.structs.replace(stage, deployment_id=deployment.id, updated=deployment.created))
        if before is not None and before.automatic and not self._served(before):
            del self.deployments[before.api_id, before.id]
            rows.append((_deployment_key(before.api_id, before.id), None))
        return rows

    def _served(self, deployment: HttpDeployment) -> bool:
        return any(stage.deployment_id == deployment.id for stage in self.stages_of(deployment.api_id))

    def _put_deployment(self, deployment: HttpDeployment) -> Rows:
        self.deployments[deployment.api_id, deployment.id] = deployment
        return [(_deployment_key(deployment.api_id, deployment.id), msgspec.msgpack.encode(deployment))]

    def _put_stage(self, stage: HttpStage) -> Rows:
        self.stages[stage.api_id, stage.name] = stage
        self._outdated((stage.api_id, stage.name))
        return [(_stage_key(stage.api_id, stage.name), msgspec.msgpack.encode(stage))]

    def _drop_stage(self, api_id: str, name: str) -> Rows:
        del self.stages[api_id, name]
        self._outdated((api_id, name))
        return [(_stage_key(api_id, name), None)]


def _detailed(api: str, stage: str, key: str, *, sockets: bool) -> dict[str, str]:
    """The dimensions of a route's own metrics."""
    if sockets:
        return {"ApiId": api, "Stage": stage, "Route": key}
    verb, _, path = key.partition(" ")
    return {"ApiId": api, "Stage": stage, "Method": verb, "Resource": path or key}


def _deployment_key(api_id: str, deployment_id: str) -> bytes:
    return records.DEPLOYMENT_PREFIX + f"{api_id}/{deployment_id}".encode()


def _stage_key(api_id: str, name: str) -> bytes:
    return records.STAGE_PREFIX + f"{api_id}/{name}".encode()
