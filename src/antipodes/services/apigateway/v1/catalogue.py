"""The APIs, deployments, stages and domains of a Region: in memory for reading, in the store for keeping.

The store is the truth; memory is filled from it at start and changed in the same breath as the store is written.
Routing tables are prepared from a stage and its deployment when the first request comes, and thrown away when either
changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from antipodes.services.apigateway import quotas
from antipodes.services.apigateway.access_logs import AccessLogs
from antipodes.services.apigateway.metrics import ApiMeter
from antipodes.services.apigateway.throttle import ACCOUNT_BURST, ACCOUNT_RATE, Bucket
from antipodes.services.apigateway.v1 import records
from antipodes.services.apigateway.v1.caching import Caches, StageCache
from antipodes.services.apigateway.v1.canary import as_stage
from antipodes.services.apigateway.v1.chest import Chest
from antipodes.services.apigateway.v1.keyring import Keyring
from antipodes.services.apigateway.v1.prepared import Prepared, prepare
from antipodes.services.apigateway.v1.records import (
    Account,
    Api,
    Deployment,
    Domain,
    Stage,
    not_found,
)
from antipodes.services.contract import Surroundings
from antipodes.wire.errors import ClientFault

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
Rows = list[tuple[bytes, bytes | None]]


class Catalogue:
    """What the operations work on, and the data plane reads."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.meter = ApiMeter(surroundings)
        self.access_logs = AccessLogs(surroundings)
        self.keyring = Keyring(surroundings)
        self.apis: dict[str, Api] = {}
        self.deployments: dict[tuple[str, str], Deployment] = {}
        self.stages: dict[tuple[str, str], Stage] = {}
        self.domains: dict[str, Domain] = {}
        self.chest = Chest(surroundings)
        self.account = Account()
        self.limit = Bucket(ACCOUNT_RATE, ACCOUNT_BURST, surroundings.world.monotonic())  # of all APIs' requests
        self.caches = Caches()
        self._prepared: dict[tuple[str, str], Prepared] = {}

    def load(self) -> None:
        """Reads everything from the store."""
        decode = msgspec.msgpack.decode
        for api in (decode(value, type=Api) for value in self.values(records.API_PREFIX)):
            self.apis[api.id] = api
        for deployment in (decode(value, type=Deployment) for value in self.values(records.DEPLOYMENT_PREFIX)):
            self.deployments[deployment.api_id, deployment.id] = deployment
        for stage in (decode(value, type=Stage) for value in self.values(records.STAGE_PREFIX)):
            self.stages[stage.api_id, stage.name] = stage
        for domain in (decode(value, type=Domain) for value in self.values(records.DOMAIN_PREFIX)):
            self.domains[domain.name] = domain
        self.chest.load()
        self.keyring.load()
        account = self.surroundings.store.get(records.ACCOUNT_KEY)
        if account is not None:
            self.account = decode(account, type=Account)

    # -- reading -------------------------------------------------------------------------------------------------

    def api(self, api_id: str) -> Api:
        api = self.apis.get(api_id)
        if api is None:
            account = self.surroundings.settings.account
            raise ClientFault("NotFoundException", f"Invalid API identifier specified {account}:{api_id}", status=404)
        return api

    def deployment(self, api_id: str, deployment_id: str) -> Deployment:
        self.api(api_id)
        deployment = self.deployments.get((api_id, deployment_id))
        if deployment is None:
            raise not_found("Deployment")
        return deployment

    def deployments_of(self, api_id: str) -> list[Deployment]:
        self.api(api_id)
        return [one for key, one in self.deployments.items() if key[0] == api_id]

    def stages_of(self, api_id: str) -> list[Stage]:
        self.api(api_id)
        return [stage for key, stage in sorted(self.stages.items()) if key[0] == api_id]

    def stage(self, api_id: str, name: str) -> Stage:
        self.api(api_id)
        stage = self.stages.get((api_id, name))
        if stage is None:
            raise not_found("stage")
        return stage

    def domain(self, name: str) -> Domain:
        domain = self.domains.get(name.lower())
        if domain is None:
            raise not_found("domain name")
        return domain

    def prepared(self, api_id: str, stage_name: str) -> Prepared | None:
        """What serves a stage; None when there is no such stage."""
        key = (api_id, stage_name)
        found = self._prepared.get(key)
        if found is None:
            stage = self.stages.get(key)
            if stage is None:
                return None
            found = self._prepared[key] = _prepared(self, stage, self.caches.of(stage))
        return found

    async def settled(self) -> None:
        """To be awaited before a read is answered: it may have seen a write that is not on disk yet."""
        if not self.surroundings.store.settled:
            await self.surroundings.store.durable()

    def new_id(self, length: int) -> str:
        chance = self.surroundings.world.chance
        return "".join(chance.choice(LETTERS) for _ in range(length))

    # -- writing -------------------------------------------------------------------------------------------------

    async def save_api(self, api: Api) -> None:
        """Raises LimitExceededException."""
        before = self.apis.get(api.id)
        if before is None:
            edge = "EDGE" in api.endpoint_types
            alike = [one for one in self.apis.values() if ("EDGE" in one.endpoint_types) == edge]
            kind = "edge-optimized APIs" if edge else "APIs"
            quotas.check(quotas.PER_ACCOUNT, kind, alike, [*alike, api])
        for things, attribute in (
            ("resources", "resources"),
            ("authorizers", "authorizers"),
            ("documentation parts", "documentation"),
        ):
            quotas.check(quotas.PER_API, things, getattr(before, attribute, ()), getattr(api, attribute))
        self.apis[api.id] = api
        await self.write([(records.API_PREFIX + api.id.encode(), msgspec.msgpack.encode(api))])

    async def delete_api(self, api: Api) -> None:
        rows: Rows = [(records.API_PREFIX + api.id.encode(), None)]
        for key in [key for key in self.deployments if key[0] == api.id]:
            del self.deployments[key]
            rows.append((deployment_key(*key), None))
        for key in [key for key in self.stages if key[0] == api.id]:
            del self.stages[key]
            self.caches.forget(*key)
            rows.append((stage_key(*key), None))
        del self.apis[api.id]
        self._prepared.clear()
        await self.write(rows)

    async def save_deployment(self, deployment: Deployment, stage: Stage | None = None) -> None:
        """The deployment, and with it the stage that is to serve it. Raises LimitExceededException."""
        if stage is not None:
            _check_stage(self, stage)
        self.deployments[deployment.api_id, deployment.id] = deployment
        key = deployment_key(deployment.api_id, deployment.id)
        await self.write([(key, msgspec.msgpack.encode(deployment)), *(self._put_stage(stage) if stage else ())])

    async def delete_deployment(self, deployment: Deployment) -> None:
        del self.deployments[deployment.api_id, deployment.id]
        await self.write([(deployment_key(deployment.api_id, deployment.id), None)])

    async def save_stage(self, stage: Stage) -> None:
        """Raises LimitExceededException."""
        _check_stage(self, stage)
        await self.write(self._put_stage(stage))

    async def delete_stage(self, stage: Stage) -> None:
        del self.stages[stage.api_id, stage.name]
        self._prepared.pop((stage.api_id, stage.name), None)
        self.caches.forget(stage.api_id, stage.name)
        await self.write([(stage_key(stage.api_id, stage.name), None)])

    async def save_domain(self, domain: Domain) -> None:
        """Raises LimitExceededException."""
        before = self.domains.get(domain.name)
        quotas.check(quotas.PER_ACCOUNT, "domain names", self.domains, {**self.domains, domain.name: domain})
        quotas.check("domain name", "mappings", before.mappings if before else (), domain.mappings)
        self.domains[domain.name] = domain
        await self.write([(records.DOMAIN_PREFIX + domain.name.encode(), msgspec.msgpack.encode(domain))])

    async def delete_domain(self, domain: Domain) -> None:
        del self.domains[domain.name]
        await self.write([(records.DOMAIN_PREFIX + domain.name.encode(), None)])

    async def save_account(self, account: Account) -> None:
        self.account = account
        await self.write([(records.ACCOUNT_KEY, msgspec.msgpack.encode(account))])

    async def write(self, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        self.surroundings.store.write(rows)
        await self.surroundings.store.durable()

    def _put_stage(self, stage: Stage) -> Rows:
        self.stages[stage.api_id, stage.name] = stage
        self._prepared.pop((stage.api_id, stage.name), None)
        self.caches.of(stage)
        return [(stage_key(stage.api_id, stage.name), msgspec.msgpack.encode(stage))]

    def values(self, prefix: bytes) -> list[bytes]:
        return [value for _, value in self.surroundings.store.range(prefix, prefix + b"\xff")]


def _prepared(catalogue: Catalogue, stage: Stage, cache: StageCache | None) -> Prepared:
    deployment = catalogue.deployments[stage.api_id, stage.deployment_id]
    prepared = prepare(
        catalogue.apis[stage.api_id],
        stage,
        deployment,
        catalogue.surroundings,
        catalogue.meter,
        cache,
        catalogue.chest.certificates.get(stage.client_certificate_id),
    )
    if stage.canary is None:
        return prepared
    second = _prepared(catalogue, as_stage(stage, stage.canary), cache if stage.canary.use_stage_cache else None)
    second = msgspec.structs.replace(second, is_canary=True)
    return msgspec.structs.replace(prepared, canary=second)


def _check_stage(catalogue: Catalogue, stage: Stage) -> None:
    before = catalogue.stages.get((stage.api_id, stage.name))
    there = [key for key in catalogue.stages if key[0] == stage.api_id]
    quotas.check(quotas.PER_API, "stages", there, there if before else [*there, stage])
    quotas.check("stage", "stage variables", before.variables if before else (), stage.variables)


def deployment_key(api_id: str, deployment_id: str) -> bytes:
    return records.DEPLOYMENT_PREFIX + f"{api_id}/{deployment_id}".encode()


def stage_key(api_id: str, name: str) -> bytes:
    return records.STAGE_PREFIX + f"{api_id}/{name}".encode()
