"""Serverless: an API with a function behind it, beside serverless-offline (npm, on osls) and MiniStack (PyPI).

    python -m benchmarks.serverless [--peers FOLDER] [--seconds N] [--rounds N] [--connections N ...] [--alone]

Each server has the same handlers: `trivial` answers at once, `item` reads one item of a table with boto3. They are
warmed first; then rounds of each server in turn, so that a busy minute of the machine meets all of them. Each figure is
the median of its rounds. Every answer is checked. What a peer needs goes into the benchmark's own folder.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import statistics
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import orjson
from botocore.config import Config

from antipodes.wire import sigv4
from antipodes.wire.http import HttpRequest
from benchmarks import load, peers, planets

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
HOME = REGIONS[0]
ROLE = "arn:aws:iam::000000000000:role/benchmark"
TABLE = "serverless-benchmark"
PYTHON = """
import json, os, boto3
table = None

def trivial(event, context):
    return {"statusCode": 200, "body": json.dumps({"hello": "world"})}

def item(event, context):
    global table
    if table is None:
        table = boto3.resource("dynamodb", endpoint_url=os.environ.get("DYNAMODB")).Table("serverless-benchmark")
    return {"statusCode": 200, "body": json.dumps(table.get_item(Key={"id": "one"})["Item"])}

def nothing(event, context):
    return None
"""
NODE = 'exports.trivial = async () => ({ statusCode: 200, body: JSON.stringify({ hello: "world" }) });\n'
SERVERLESS = """
service: benchmark
frameworkVersion: '*'
provider: {name: aws, runtime: nodejs20.x, region: us-east-1}
plugins: [serverless-offline]
functions:
  node: {handler: node.trivial, events: [{httpApi: 'GET /node'}]}
  python: {handler: python.trivial, runtime: python3.11, events: [{httpApi: 'GET /python'}]}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to load: a server's name, what it runs, and the request that asks for it."""

    server: str
    what: str
    host: str
    port: int
    request: bytes
    expect: bytes = b"hello"
    pid: int | None = None  # the whole tree that it is the root of is charged


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        opened.writestr("python.py", PYTHON)
    return made.getvalue()


def client(service: str, port: int, host: str = "127.0.0.1") -> Any:
    return boto3.client(
        service,
        region_name=HOME,
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=30),
    )


def deploy(port: int, variables: dict[str, str], host: str = "127.0.0.1") -> dict[str, str]:
    """Table, functions and HTTP APIs, as on AWS; the id of each function's API."""
    database, functions, gateway = (client(name, port, host) for name in ("dynamodb", "lambda", "apigatewayv2"))
    database.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    database.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
    database.put_item(TableName=TABLE, Item={"id": {"S": "one"}, "text": {"S": "hello " * 20}})
    apis = {}
    for name in ("trivial", "item", "nothing"):
        made = functions.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler=f"python.{name}",
            Role=ROLE,
            MemorySize=512,
            Timeout=20,
            Code={"ZipFile": archive()},
            Environment={"Variables": variables},
        )
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        functions.add_permission(
            FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
        )
        apis[name] = api = gateway.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
        integration = gateway.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=made["FunctionArn"],
            PayloadFormatVersion="2.0",
        )
        gateway.create_route(ApiId=api, RouteKey="GET /", Target=f"integrations/{integration['IntegrationId']}")
        gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    return apis


def deploy_rest(port: int, name: str) -> str:
    """A REST API of one method before a function that is there; its id. Its stage is v1."""
    functions, gateway = client("lambda", port), client("apigateway", port)
    arn = functions.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    api: str = gateway.create_rest_api(name=name)["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    where = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**where, authorizationType="NONE")
    uri = f"arn:aws:apigateway:{HOME}:lambda:path/2015-03-31/functions/{arn}/invocations"
    gateway.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    gateway.create_deployment(restApiId=api, stageName="v1")
    return api


def get(host: str, path: str = "/") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: benchmark\r\nAccept: */*\r\n\r\n".encode()


def invocation(name: str, port: int) -> bytes:
    """A signed Invoke with an empty event."""
    path = f"/2015-03-31/functions/{name}/invocations"
    request = sigv4.sign(
        HttpRequest("POST", path, (("Host", f"127.0.0.1:{port}"),), b"{}"),
        load.CREDENTIALS,
        region=HOME,
        service="lambda",
        now=time.time(),
    )
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{one}: {value}\r\n" for one, value in request.headers)
    return f"{head}Content-Length: 2\r\n\r\n{{}}".encode()


def resident_mb(pid: int) -> tuple[float, float]:
    """(RSS, PSS) of a process: what it maps, and its share of what it maps with others."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0]) / 1024
    return fields["Rss"], fields["Pss"]


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += tree(int(child))
    return found


def used_s(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / load.TICKS_PER_S
    return total


# -- the servers -------------------------------------------------------------------------------------------------


def of_planet(planet: planets.Running) -> list[Target]:
    apis = deploy(planet.port, {})
    address, pid = planet.address(HOME), planet.pid(HOME)
    found = [
        Target("antipodes", what, address, planet.port, get(f"{apis[what]}.execute-api.{HOME}.amazonaws.com"), pid=pid)
        for what in ("trivial", "item")
    ]
    rest = get(f"{deploy_rest(planet.port, 'trivial')}.execute-api.{HOME}.amazonaws.com", "/v1/")
    found.append(Target("antipodes", "trivial, REST", address, planet.port, rest, pid=pid))
    return [*found, Target("antipodes", "invoke", address, planet.port, invocation("nothing", planet.port), b"", pid)]


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[list[Target]]:
    command = peers.install_ministack(folder / "ministack")
    if command is None:
        print("MiniStack cannot be installed here")
        yield []
        return
    with peers.ministack(command) as peer:
        apis = deploy(peer.port, {"DYNAMODB": f"http://127.0.0.1:{peer.port}"})
        yield [
            Target("MiniStack", what, "127.0.0.1", peer.port, get(f"{apis[what]}.execute-api.localhost"), pid=peer.pid)
            for what in ("trivial", "item")
        ]


@contextlib.contextmanager
def serverless_offline(folder: Path) -> Iterator[list[Target]]:
    command = peers.install_serverless_offline(folder / "offline")
    if command is None:
        print("serverless-offline needs npm")
        yield []
        return
    home = folder / "offline"
    (home / "python.py").write_text(PYTHON.replace("import json, os, boto3", "import json, os"))
    (home / "node.js").write_text(NODE)
    (home / "serverless.yml").write_text(SERVERLESS)
    with peers.serverless_offline(command, home) as peer:
        yield [
            Target(
                "serverless-offline",
                f"trivial, {what}",
                "127.0.0.1",
                peer.port,
                get("localhost", f"/{what}"),
                pid=peer.pid,
            )
            for what in ("node", "python")
        ]


# -- what is measured ----------------------------------------------------------------------------------------------


def warm(target: Target, loads: list[int]) -> None:
    """Until its environments have come to rest, at all numbers of connections."""
    for connections in loads:
        load.run(target.host, target.port, [target.request], connections=connections, seconds=1.5, expect=target.expect)


def rounds(targets: list[Target], count: int, seconds: float, loads: list[int]) -> None:
    for target in targets:
        warm(target, loads)
    for connections in loads:
        seen: dict[int, list[tuple[load.Figures, float]]] = {}
        for _ in range(count):
            for number, target in enumerate(targets):
                pids = tree(target.pid) if target.pid else []
                before = used_s(pids)
                figures = load.run(
                    target.host, target.port, [target.request],
                    connections=connections, seconds=seconds, expect=target.expect,
                )  # fmt: skip
                cost_us = (used_s(pids) - before) / figures.answers * 1e6
                if figures.bad:
                    print(f"{target.server} {target.what}: {figures.bad} bad answers of {figures.answers}")
                seen.setdefault(number, []).append((figures, cost_us))
        print(f"warm, {connections} connection{'s' if connections > 1 else ''}")
        for number, target in enumerate(targets):
            told = seen[number]
            middle = [
                statistics.median(values)
                for values in zip(*((f.per_second, f.p50_ms, f.p99_ms, cost) for f, cost in told), strict=True)
            ]
            print(
                f"  {target.server:19} {target.what:16} {middle[0]:8,.0f}/s   p50 {middle[1]:7.2f} ms   "
                f"p99 {middle[2]:7.2f} ms   {middle[3]:7,.0f} us of processor a request"
            )


def cold_starts(planet: planets.Running, count: int = 9) -> None:
    """A handler that imports boto3 and makes a client, each time in an environment of its own: what Lambda reports
    as Init Duration, and what the client waited beyond a warm call."""
    functions = client("lambda", planet.port, planet.address(HOME))
    inits, waits = [], []
    for number in range(count):
        functions.update_function_configuration(FunctionName="item", Description=f"cold {number}")
        functions.get_waiter("function_updated_v2").wait(FunctionName="item", WaiterConfig={"Delay": 1})
        begin = time.perf_counter()
        answer = functions.invoke(FunctionName="item", LogType="Tail", Payload=b"{}")
        waits.append((time.perf_counter() - begin) * 1000)
        report = base64.b64decode(answer["LogResult"]).decode()
        inits.append(float(report.partition("Init Duration: ")[2].split()[0]))
    print(
        f"cold start of a handler with boto3: Init Duration {statistics.median(inits):.0f} ms (median of {count}), "
        f"first answer with its first GetItem after {statistics.median(waits):.0f} ms"
    )


def idle(planet: planets.Running, seconds: float = 20.0) -> None:
    """Before anything is deployed."""
    status = orjson.loads(planet.antipodes("status", "--json"))
    regions = [int(one["pid"]) for one in status["regions"]]
    time.sleep(3)
    every = sorted({pid for one in regions for pid in tree(one)})
    supervisor = [int(Path(f"/proc/{regions[0]}/stat").read_text().rpartition(")")[2].split()[1])]  # their parent
    before, before_supervisor = used_s(every), used_s(supervisor)
    time.sleep(seconds)
    share, own = (used_s(every) - before) / seconds, (used_s(supervisor) - before_supervisor) / seconds
    memory = [resident_mb(pid) for pid in regions]
    print(
        f"idle: {len(regions)} Regions, {len(every) - len(regions)} other processes of theirs, "
        f"{share * 100:.2f} % of a processor in all, the supervisor {own * 100:.2f} %; a Region's memory "
        f"{statistics.median(rss for rss, _ in memory):.0f} MB RSS, "
        f"{statistics.median(pss for _, pss in memory):.0f} MB PSS"
    )


def measure(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=Path, help="a folder to keep installed peers in")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--alone", action="store_true", help="without peers")
    given = parser.parse_args(arguments or [])
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = given.peers or Path(temporary)
        planet = stack.enter_context(planets.planet(Path(temporary) / "planet", REGIONS))
        idle(planet)
        targets = of_planet(planet)
        if not given.alone:
            targets += stack.enter_context(serverless_offline(folder))
            targets += stack.enter_context(ministack(folder))
        rounds(targets, given.rounds, given.seconds, given.connections)
        cold_starts(planet)


if __name__ == "__main__":
    import sys

    measure(sys.argv[1:])
