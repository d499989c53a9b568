"""A Region with API Gateway, Lambda, and a stand-in for ACM, in both worlds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson
import pytest

from antipodes.services.apigateway.service import ApiGateway
from antipodes.services.contract import Service, Settings, Surroundings
from antipodes.services.lambda_.service import Lambda
from antipodes.store.store import Store
from antipodes.wire import sigv4
from antipodes.wire.errors import ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.operation import Request
from antipodes.wire.session_keys import secret_for
from antipodes.world.disk import MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from antipodes.world.simulated import Simulation
from antipodes.world.world import World

REGION = "us-west-2"
ACCOUNT = "000000000000"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/11111111-2222-3333-4444-555555555555"


class Room:
    """The Region under test. `certificates`: ARN -> names."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.certificates: dict[str, list[str]] = {CERTIFICATE: ["api.example.com", "*.wild.example.com"]}
        self.objects: dict[tuple[str, str], bytes] = {}  # in S3, by bucket and key
        self.log_groups = ["/apis/access"]
        self.lines: list[str] = []  # of access logs
        self.metrics: list[Mapping[str, Any]] = []
        self.store = Store.open(world, "store")
        settings = Settings(regions=(REGION,))
        self.surroundings = surroundings = Surroundings(REGION, world, self.store, self._call, settings)
        self.functions = Lambda(surroundings)
        self.gateway = ApiGateway(surroundings)

    async def start(self) -> None:
        await self.functions.start()
        await self.gateway.start()
        await self.gateway.http_apis.start()

    async def stop(self) -> None:
        await self.gateway.stop()
        await self.functions.stop()
        await self.world.sleep(0.2)
        self.store.close()

    async def ask(self, operation: str, **params: Any) -> dict[str, Any]:
        return dict(await self._call("apigateway", operation, params))

    async def ask2(self, operation: str, **params: Any) -> dict[str, Any]:
        """Of the second API."""
        return dict(await self._call("apigatewayv2", operation, params))

    async def ask_lambda(self, operation: str, **params: Any) -> dict[str, Any]:
        return dict(await self._call("lambda", operation, params))

    async def get(self, host: str, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> HttpResponse:
        given = (("Host", host), *((k.replace("_", "-"), v) for k, v in headers.items()))
        assert self.gateway.owns_host(host)
        return await self.gateway.respond(HttpRequest(method, target, given, body, client="198.18.0.9"), self.verify)

    def verify(self, request: HttpRequest) -> sigv4.Identity:
        """As the Region's path does it; it knows the key `test`, and those of functions."""
        return sigv4.verify(request, lambda key: secret_for("test", key) or {"test": "test"}.get(key), self.world.now())

    async def function(self, name: str, source: str, *, permitted: str | None = "*", **params: Any) -> str:
        """Creates a function; its ARN. `permitted`: the SourceArn's tail that API Gateway may invoke it from."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as opened:
            opened.writestr("app.py", source)
        given = {"Runtime": "python3.12", "Handler": "app.handler", "Role": f"arn:aws:iam::{ACCOUNT}:role/r", **params}
        code = {"ZipFile": buffer.getvalue()}
        made = await self._call("lambda", "CreateFunction", {"FunctionName": name, "Code": code, **given})
        if permitted is not None:
            await self._call(
                "lambda",
                "AddPermission",
                {
                    "FunctionName": name,
                    "StatementId": "gateway",
                    "Action": "lambda:InvokeFunction",
                    "Principal": "apigateway.amazonaws.com",
                    "SourceArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{permitted}",
                },
            )
        while (await self._call("lambda", "GetFunctionConfiguration", {"FunctionName": name}))["State"] != "Active":
            await self.world.sleep(0.02)
        return str(made["FunctionArn"])

    async def api(self, function: str, *methods: tuple[str, str], **stage: Any) -> str:
        """Imports an API whose methods ("GET", "/items/{id}") all lead to the function, staged as `v1`; its id."""
        paths: dict[str, Any] = {}
        for verb, path in methods:
            key = "x-amazon-apigateway-any-method" if verb == "ANY" else verb.lower()
            paths.setdefault(path, {})[key] = {
                "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri_of(function)}
            }
        document = {"swagger": "2.0", "info": {"title": "t"}, "paths": paths, **stage.pop("document", {})}
        made = await self.ask("ImportRestApi", body=orjson.dumps(document))
        await self.ask("CreateDeployment", restApiId=made["id"], stageName="v1", **stage)
        return str(made["id"])

    def _told(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Stand-ins for CloudWatch and its logs: they keep what they are told."""
        if operation == "DescribeLogGroups":
            return {"logGroups": [{"logGroupName": name} for name in self.log_groups]}
        if "MetricData" in params:
            self.metrics.extend(params["MetricData"])
        for stream in params.get("streams", ()):
            if stream["logGroupName"] in self.log_groups:
                self.lines.extend(line for _, line in stream["logEvents"])
        return {}

    async def _call(
        self, service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
    ) -> Mapping[str, Any]:
        if service == "acm":
            names = self.certificates.get(params["CertificateArn"])
            if names is None:
                raise ClientFault("ResourceNotFoundException", "no such certificate")
            return {"Certificate": {"DomainName": names[0], "SubjectAlternativeNames": names, "Status": "ISSUED"}}
        if service == "s3":
            found = self.objects.get((params["Bucket"], params["Key"]))
            if found is None:
                raise ClientFault("NoSuchKey", "The specified key does not exist.", status=404)
            return {"Body": found}
        request = Request(service=service, operation=operation, params=params, region=REGION)
        if service in {"logs", "cloudwatch"}:
            return self._told(operation, params)
        sides: dict[str, Service] = {
            "lambda": self.functions,
            "apigateway": self.gateway,
            "apigatewayv2": self.gateway.http_apis,
            "apigatewaymanagementapi": self.gateway.connections,
        }
        answer = await sides[service].operations[operation](request)
        assert isinstance(answer, Mapping)
        return answer


def uri_of(function: str) -> str:
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"


def host_of(api: str) -> str:
    return f"{api}.execute-api.{REGION}.amazonaws.com"


Story = Callable[[Room], Coroutine[Any, Any, None]]
Play = Callable[[Story], None]


def play_real(story: Story) -> None:
    async def main() -> None:
        world = RealWorld(REGION, links=Links(), disk=MemoryDisk())
        room = Room(world)
        await room.start()
        try:
            await story(room)
        finally:
            await room.stop()
            await world.close()

    run_real(main)


def play_simulated(story: Story) -> None:
    simulation = Simulation(5)

    async def region() -> None:
        room = Room(simulation.world(REGION))
        await room.start()
        await story(room)
        await room.stop()

    async def main() -> None:
        await simulation.boot(REGION, region)

    simulation.run(main())


@pytest.fixture(params=["real", "simulated"])
def play(request: pytest.FixtureRequest) -> Play:
    """`play(story)` runs the story with a Room in one of the worlds."""
    return play_real if request.param == "real" else play_simulated


@pytest.fixture
def play_once() -> Play:
    """In simulated time only: for what does not depend on the world."""
    return play_simulated
