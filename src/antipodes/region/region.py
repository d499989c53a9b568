"""Region: assembles one Region. Which services there are is one list; who may call whom is `call`.

Start: store, services, backbone (peers may call), replication, listeners. A crash calls nothing;
`stop` is the orderly way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from antipodes.edge.http import serve_http
from antipodes.edge.listener import Limits
from antipodes.region.admin import FunctionReport, PeerReport, RegionAdmin, RegionReport
from antipodes.region.calls import Calls
from antipodes.region.doors import Doors
from antipodes.region.path import Path
from antipodes.replica.backbone import Backbone
from antipodes.replica.journal.journals import Journals
from antipodes.replica.journal.member import KEEP_MOST
from antipodes.replica.replicator import KEEP_ENTRIES, Replicator
from antipodes.services.acm.certificates import Signer
from antipodes.services.acm.service import ACM
from antipodes.services.apigateway.service import ApiGateway
from antipodes.services.cloudcontrol.service import CloudControl
from antipodes.services.cloudformation.service import CloudFormation
from antipodes.services.cloudwatch.service import CloudWatch
from antipodes.services.contract import Carried, Service, Settings, Surroundings
from antipodes.services.dynamodb import raw_items
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.services.ecr.service import ECR
from antipodes.services.iam.service import IAM
from antipodes.services.lambda_.service import Lambda
from antipodes.services.logs.service import Logs
from antipodes.services.recovery.service import RecoveryControlConfig
from antipodes.services.route53.service import Route53
from antipodes.services.s3.service import S3
from antipodes.services.ssm.service import SSM
from antipodes.services.sts.service import STS
from antipodes.store.store import Store
from antipodes.wire import heads
from antipodes.wire.errors import ValidationException
from antipodes.world import geography
from antipodes.world.rules import Rule
from antipodes.world.world import GLOBE, Server, World

LIMITS = Limits(body_bytes=64 * 1024 * 1024)  # a deployment package: 50 MB, in Base64

INSPECTION = ("ReplicaTables", "ReplicaConflicts", "ReplicaRows")  # only look: the admin door may ask for them
STREAM_RETENTION_S = 24 * 3600  # of DynamoDB Streams (facts 1.3): log entries stay so long

# Services that need nothing but their surroundings, and that nobody here needs to know.
PLAIN: tuple[Callable[[Surroundings], Service], ...] = (CloudControl, ECR, IAM, S3, SSM, STS)


class Region:
    """One Region of a planet."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        *,
        token: str,
        authority: Signer | None,
        set_links: Callable[[tuple[Rule, ...]], None],
    ) -> None:
        self.name = world.site
        self._world = world
        self._settings = settings
        slow_s = settings.options.get("store.sync_s")  # of a disk in simulated time
        self.store = Store.open(world, "region", sync_delay_s=None if slow_s is None else float(slow_s))
        self._calls = Calls(world, settings)
        around = Surroundings(world.site, world, self.store, self._calls, settings)
        self._dynamodb = DynamoDB(around)
        self._lambda = Lambda(around)
        self._acm = ACM(around, authority)
        gateway = ApiGateway(around)
        self._doors = Doors(self._acm, gateway)
        routing_controls = RecoveryControlConfig(around)
        services: list[Service] = [
            CloudWatch(around),  # these two first: the others feed them until they have stopped
            Logs(around),
            self._dynamodb,
            self._dynamodb.streams,
            self._lambda,
            self._acm,
            gateway,
            gateway.http_apis,
            gateway.connections,
            CloudFormation(around),
            Route53(around),
            routing_controls,
            routing_controls.switches,
            *(made(around) for made in PLAIN),
        ]
        self.services: Mapping[str, Service] = {service.name: service for service in services}
        owners = [service.carried for service in services if service.carried is not None]
        carried: dict[str, Carried] = {one.prefix.removesuffix("/"): one for one in owners}
        port = geography.backbone_port(settings.port)
        self._backbone = Backbone(world, port, token)
        peers = tuple(site for site in (*settings.regions, GLOBE) if site != self.name)
        self.replicator = Replicator(
            world,
            self.store,
            carried,
            peers,
            backbone=self._backbone,
            address_of=geography.address_of,
            port=port,
            delays_s={"dynamodb": float(settings.options.get("dynamodb.replication_delay_s", 0))},
            keep_entries=int(settings.options.get("replica.log_entries", KEEP_ENTRIES)),
            keep_s=float(settings.options.get("dynamodb.stream_retention_s", STREAM_RETENTION_S)),
        )
        kept = int(settings.options.get("replica.journal_entries", KEEP_MOST))
        self._journals = Journals(world, self.store, self._backbone, geography.address_of, port, kept)
        self._dynamodb.join(self._journals)
        self._introduce(self._dynamodb, self.replicator)
        self._calls.join(self._backbone, self.services)
        admin = RegionAdmin(
            token, report=self.report, set_links=set_links, repair=self.replicator.repair, inspect=self.inspect
        )
        self._path = Path(self.name, world, settings, self.services, admin.respond)
        self._servers: list[Server] = []

    @staticmethod
    def _introduce(dynamodb: DynamoDB, replicator: Replicator) -> None:
        """Global tables ask the replicator what others have, and tell it whom it should follow."""
        told = dynamodb.replication
        told.refresh, told.copy_again = replicator.refresh, replicator.copy_again
        told.missing, told.settled, told.waiting = replicator.missing, replicator.settled, replicator.waiting
        told.complete = replicator.complete

    async def start(self) -> None:
        """Returns when the Region serves. Raises PortInUse."""
        await self._backbone.start()
        for service in self.services.values():
            await service.start()
        self.replicator.start()
        settings = self._settings
        respond, usual = self._path.respond, self._path.respond_usual
        for port, tls in ((settings.port, None), (settings.https_port, self._doors)):
            self._servers.append(
                await serve_http(self._world, port, respond, usual=usual, tls=tls, limits=LIMITS),
            )

    async def stop(self) -> None:
        """Listeners, services, replication, store."""
        for server in self._servers:
            server.close()
        for service in reversed(list(self.services.values())):
            await service.stop()
        self._journals.stop()
        await self.replicator.stop()
        self._calls.close()
        self._backbone.close()
        self.store.close()

    def report(self) -> RegionReport:
        """What `antipodes status` shows of this Region."""
        peers = tuple(
            PeerReport(p.peer, p.connected, p.behind, p.lag_ms, p.lag_p50_ms, p.lag_p99_ms)
            for p in self.replicator.status()
            if p.peer != GLOBE
        )
        functions = tuple(
            FunctionReport(f.name, f.environments, f.busy, f.invocations, f.errors, f.zones)
            for f in self._lambda.stats()
        )
        return RegionReport(peers, functions, self._dynamodb.table_sizes(), heads.COMPILED and raw_items.COMPILED)

    async def inspect(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """What DynamoDB's inspection answers. Raises AwsError."""
        if operation not in INSPECTION:
            raise ValidationException(f"No such inspection: {operation}")
        return await self._calls("dynamodb", operation, params)

    async def call(
        self, service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
    ) -> Mapping[str, Any]:
        """As a service calls another; for tests and the simulated globe."""
        return await self._calls(service, operation, params, region=region)
