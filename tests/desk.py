"""One service of one Region in simulated time, and nothing else: a desk to ask at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from antipodes.services.contract import Service, Settings, Surroundings
from antipodes.store.store import Store
from antipodes.wire.errors import AwsError, ServerFault
from antipodes.wire.operation import Request
from antipodes.world.world import World
from tests.worlds import SimulatedWorlds

D = TypeVar("D", bound="ServiceDesk")


class ServiceDesk:
    """A way to ask the service. `die` is a crash. Subclasses say which service, and where."""

    site: ClassVar[str]

    def __init__(self, worlds: SimulatedWorlds) -> None:
        self.worlds = worlds
        self.world: World = worlds.world(self.site)
        self.here: World = worlds.world("here")
        self.service: Service
        self.store: Store

    def made(self, around: Surroundings) -> Service:
        raise NotImplementedError

    async def boot(self) -> None:
        async def call(
            service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
        ) -> Mapping[str, Any]:
            raise ServerFault("RegionUnavailable", "alone")

        async def program() -> None:
            self.store = Store.open(self.world, "region")
            around = Surroundings(self.site, self.world, self.store, call, Settings((self.site,)))
            self.service = self.made(around)
            await self.service.start()

        await self.worlds.simulation.boot(self.site, program)

    async def die(self) -> None:
        self.worlds.simulation.crash(self.site)
        await self.boot()

    async def ask(self, operation: str, **params: Any) -> dict[str, Any]:
        request = Request(self.service.name, operation, params, self.site)
        return cast("dict[str, Any]", await self.service.operations[operation](request))

    async def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        """Code and message of the refusal."""
        try:
            await self.ask(operation, **params)
        except AwsError as error:
            return error.code, error.message
        raise AssertionError(f"{operation} was not refused")


def run(kind: type[D], story: Callable[[D], Awaitable[None]]) -> None:
    """A story on a fresh desk."""
    worlds = SimulatedWorlds()
    desk = kind(worlds)

    async def whole() -> None:
        await desk.boot()
        await story(desk)
        await desk.service.stop()
        desk.store.close()

    worlds.run(whole)
