"""A Region with nothing but Lambda in it, in both worlds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from antipodes.services.contract import Settings, Surroundings
from antipodes.services.contract.reports import LINES_S
from antipodes.services.lambda_.service import Lambda
from antipodes.store.store import Store
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request
from antipodes.world.disk import MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from antipodes.world.simulated import Simulation
from antipodes.world.world import World

REGION = "us-west-2"
ROLE = "arn:aws:iam::000000000000:role/r"


def archive(**modules: str) -> bytes:
    """A zip archive: module name -> source."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, source in modules.items():
            opened.writestr(name.replace("__", "/") + ".py", source)
    return buffer.getvalue()


@dataclass
class Room:
    """The Region under test. `objects` stands for S3: (bucket, key) -> bytes; `said` for CloudWatch Logs."""

    world: World
    options: Mapping[str, str] = field(default_factory=dict)
    port: int = 4566
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    said: list[tuple[str, str, str]] = field(default_factory=list)  # log group, stream, text
    measured: list[dict[str, Any]] = field(default_factory=list)  # data for CloudWatch

    async def start(self) -> None:
        self.store = Store.open(self.world, "store")
        settings = Settings(regions=(REGION,), options=self.options, port=self.port)
        self.service = Lambda(Surroundings(REGION, self.world, self.store, self._call, settings))
        await self.service.start()

    async def stop(self) -> None:
        await self.service.stop()
        await self.world.sleep(0.2)
        self.store.close()

    async def ask(self, operation: str, **params: Any) -> dict[str, Any]:
        request = Request(service="lambda", operation=operation, params=params, region=REGION)
        answer = await self.service.operations[operation](request)
        assert isinstance(answer, Mapping)
        return dict(answer)

    async def create(self, name: str, source: str, *, modules: Mapping[str, str] | None = None, **params: Any) -> None:
        """A function of one module (and more beside it), Active."""
        given = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, **params}
        await self.ask(
            "CreateFunction", FunctionName=name, Code={"ZipFile": archive(app=source, **(modules or {}))}, **given
        )
        await self.active(name)

    async def active(self, name: str) -> None:
        for _ in range(200):
            shown = await self.ask("GetFunctionConfiguration", FunctionName=name)
            if shown["State"] == "Active" and shown["LastUpdateStatus"] == "Successful":
                return
            await self.world.sleep(0.02)
        raise AssertionError(f"{name} never became Active")

    async def log(self, name: str) -> list[str]:
        """The texts of a function's log events, in order of their coming."""
        await self.world.sleep(2 * LINES_S)
        return [text for group, _, text in self.said if group == f"/aws/lambda/{name}"]

    async def _call(
        self, service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
    ) -> Mapping[str, Any]:
        if (service, operation) == ("logs", "Record"):
            for one in params["streams"]:
                place = one["logGroupName"], one["logStreamName"]
                self.said += [(*place, text) for _, text in one["logEvents"]]
            return {}
        if (service, operation) == ("cloudwatch", "Record"):
            assert params["Namespace"] == "AWS/Lambda"
            self.measured += params["MetricData"]
            return {}
        if (service, operation) == ("lambda", "Invoke"):
            return await self.ask("Invoke", **params)
        if service == "s3" and operation in {"HeadBucket", "PutObject"}:
            if not any(bucket == params["Bucket"] for bucket, _ in self.objects):
                raise ClientFault("NoSuchBucket", "The specified bucket does not exist", status=404)
            if operation == "PutObject":
                self.objects[params["Bucket"], params["Key"]] = bytes(params["Body"])
            return {}
        assert (service, operation) == ("s3", "GetObject")
        body = self.objects.get((params["Bucket"], params["Key"]))
        if body is None:
            raise ClientFault("NoSuchKey", "The specified key does not exist.", status=404)
        return {"Body": body}


Story = Callable[[Room], Coroutine[Any, Any, None]]
Play = Callable[..., str]


def play_real(story: Story, **options: Any) -> str:
    async def main() -> None:
        world = RealWorld(REGION, links=Links(), disk=MemoryDisk())
        room = Room(world, **options)
        await room.start()
        try:
            await story(room)
        finally:
            await room.stop()
            await world.close()

    run_real(main)
    return ""


def play_simulated(story: Story, seed: int = 7, **options: Any) -> str:
    """The trace's digest."""
    simulation = Simulation(seed)

    async def region() -> None:
        room = Room(simulation.world(REGION), **options)
        await room.start()
        await story(room)
        await room.stop()

    async def main() -> None:
        await simulation.boot(REGION, region)

    simulation.run(main())
    return simulation.trace_digest


@pytest.fixture(params=["real", "simulated"])
def play(request: pytest.FixtureRequest) -> Play:
    """`play(story)` runs the story with a Room in one of the worlds."""
    return play_real if request.param == "real" else play_simulated
