"""A control plane and a name server, joined by the real backbone and replicator, in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from antipodes.edge.dns import serve_dns
from antipodes.edge.http import serve_http
from antipodes.nameserver import NameServer
from antipodes.region.calls import Calls
from antipodes.replica.backbone import Backbone
from antipodes.replica.replicator import Replicator
from antipodes.services.cloudwatch.service import CloudWatch
from antipodes.services.contract import Settings, Surroundings
from antipodes.services.logs.service import Logs
from antipodes.services.route53.service import Route53
from antipodes.store.store import Store
from antipodes.wire import dns_client
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.operation import Payload, Request
from antipodes.world import geography
from antipodes.world.simulated import Simulation
from antipodes.world.world import GLOBE, HERE, Server, World
from tests.worlds import Worlds

HOME = "us-east-1"
SETTINGS = Settings(regions=(HOME, "us-west-2", "eu-west-1"))
TOKEN = "token"

T = TypeVar("T")


class Planet53:
    """us-east-1's Route 53, the globe's name server, and HTTP targets that live and die."""

    def __init__(self, seed: int = 1, worlds: Worlds | None = None) -> None:
        self.simulation = Simulation(seed)
        self.world: Callable[[str], World] = worlds.world if worlds else self.simulation.world
        self.settings = SETTINGS
        if worlds is not None and worlds.name == "real":
            ports = [worlds.free_port() for _ in range(3)]
            self.settings = Settings(SETTINGS.regions, port=ports[0], https_port=ports[1], dns_port=ports[2])
        self.backbone_port = geography.backbone_port(self.settings.port)
        self.events: list[tuple[float, str, str]] = []
        self.service: Route53 | None = None
        self.cloudwatch: CloudWatch | None = None
        self.logs: Logs | None = None
        self.nameserver: NameServer | None = None
        self.bodies: dict[str, HttpResponse] = {}
        self.requests: list[HttpRequest] = []
        self.targets: dict[str, Server] = {}

    async def start(self) -> None:
        await self.boot_home()
        await self.boot_globe()

    async def boot_home(self) -> None:
        await self.simulation.boot(HOME, self.home)

    async def boot_globe(self) -> None:
        await self.simulation.boot(GLOBE, self.globe)

    async def home(self) -> None:
        world = self.world(HOME)
        store = Store.open(world, "region")
        backbone = Backbone(world, self.backbone_port, TOKEN)
        call = Calls(world, self.settings)
        around = Surroundings(HOME, world, store, call, self.settings)
        self.service, self.cloudwatch = Route53(around), CloudWatch(around)
        self.logs = Logs(around)
        call.join(backbone, {"route53": self.service, "cloudwatch": self.cloudwatch, "logs": self.logs})
        replicator = Replicator(
            world,
            store,
            {"route53": self.service.carried},
            (GLOBE,),
            backbone=backbone,
            address_of=geography.address_of,
            port=self.backbone_port,
        )
        await backbone.start()
        replicator.start()
        if self.bodies.get(HOME):
            await self.serve_target(HOME)

    async def globe(self) -> None:
        world = self.world(GLOBE)

        def note(kind: str, subject: str, detail: str) -> None:
            self.events.append((world.monotonic(), kind, detail))

        self.nameserver = NameServer(world, self.settings, token=TOKEN, on_event=note)
        await serve_dns(world, self.settings.dns_port, self.nameserver.answer)
        await self.nameserver.start()

    async def boot_target(self, site: str, response: HttpResponse | None = None) -> None:
        """An HTTP server at a Region's address."""
        self.bodies[site] = response or HttpResponse(200, (), b"fine")
        await self.simulation.boot(site, lambda: self.serve_target(site))

    async def serve_target(self, site: str) -> None:
        async def answer(request: HttpRequest) -> HttpResponse:
            self.requests.append(request)
            return self.bodies[site]

        self.targets[site] = await serve_http(self.world(site), self.settings.port, answer)

    async def do(self, operation: str, **params: Any) -> dict[str, Any]:
        assert self.service is not None
        result = await self.service.operations[operation](Request("route53", operation, params, HOME))
        assert not isinstance(result, Payload)
        return dict(result)

    async def watch(self, operation: str, **params: Any) -> dict[str, Any]:
        """One of CloudWatch's operations in us-east-1."""
        assert self.cloudwatch is not None
        result = await self.cloudwatch.operations[operation](Request("cloudwatch", operation, params, HOME))
        assert not isinstance(result, Payload)
        return dict(result)

    async def log(self, operation: str, **params: Any) -> dict[str, Any]:
        """An operation of us-east-1's CloudWatch Logs."""
        assert self.logs is not None
        result = await self.logs.operations[operation](Request("logs", operation, params, HOME))
        assert not isinstance(result, Payload)
        return dict(result)

    async def zone(self, name: str = "example.com") -> str:
        made = await self.do("CreateHostedZone", Name=name, CallerReference=name)
        zone_id: str = made["HostedZone"]["Id"]
        return zone_id

    async def change(self, zone: str, *changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
        info = (await self.do("ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch=batch))["ChangeInfo"]
        return dict(info)

    async def in_sync(self, change_id: str) -> None:
        for _ in range(200):
            if (await self.do("GetChange", Id=change_id))["ChangeInfo"]["Status"] == "INSYNC":
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the change never came in sync")

    async def ask(self, name: str, city: str = "New York", kind: str = "A") -> dns_client.Answer:
        place = geography.city(city)
        world = self.world(HERE)
        question = dns_client.build_query(name, kind, 7, f"{place.prefix}.0/24")
        return dns_client.parse_answer(await world.ask(self.settings.dns_address, self.settings.dns_port, question))

    async def values(self, name: str, city: str = "New York", kind: str = "A") -> list[str]:
        return [one.value for one in (await self.ask(name, city, kind)).answers]


def on_planet(story: Callable[[Planet53], Coroutine[Any, Any, T]], seed: int = 1) -> T:
    """Runs a story on a planet that has started."""
    planet = Planet53(seed)

    async def run() -> T:
        await planet.start()
        return await story(planet)

    return planet.simulation.run(run())
