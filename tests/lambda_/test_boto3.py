"""Handlers that call boto3: the same code reaches its Region in both worlds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from antipodes.edge.http import serve_http
from antipodes.wire import session_keys, sigv4
from antipodes.wire.http import HttpRequest, HttpResponse
from tests.lambda_.conftest import ROLE, Play, Room, play_simulated
from tests.lambda_.test_invoke import invoked
from tests.ports import free_port

PORT = free_port()  # the Region's: handlers are told it before it is served

WRITER = """
import boto3, os, time, uuid, random, datetime, logging
table = boto3.resource("dynamodb").Table(os.environ.get("TABLE", "T"))
client = boto3.client("dynamodb")
logger = logging.getLogger()
logger.setLevel(logging.INFO)
def handler(event, context):
    table.put_item(Item={"id": event["id"], "n": 1})
    logger.info("stored %s", event["id"])
    item = client.get_item(TableName="T", Key={"id": {"S": event["id"]}})["Item"]
    return {"id": item["id"]["S"], "time": time.time(), "uuid": str(uuid.uuid4()), "chance": random.random(),
            "now": datetime.datetime.now().isoformat(), "utc": str(datetime.datetime.now(datetime.timezone.utc))}
"""


class FakeDynamoDB:
    """PutItem and GetItem, and a look at the signature."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.items: dict[str, Any] = {}
        self.refusals = 0

    async def respond(self, request: HttpRequest) -> HttpResponse:
        sigv4.verify(request, lambda key: session_keys.secret_for("test", key), self.room.world.now())
        await self.room.world.sleep(0.005)
        operation = (request.header("x-amz-target") or "").rpartition(".")[2]
        body = json.loads(request.body)
        headers = (("Content-Type", "application/x-amz-json-1.0"),)
        if self.refusals > 0:
            self.refusals -= 1
            return HttpResponse(500, headers, b'{"__type": "InternalServerError", "message": "no"}')
        if operation == "PutItem":
            self.items[body["Item"]["id"]["S"]] = body["Item"]
            return HttpResponse(200, headers, b"{}")
        item = self.items.get(body["Key"]["id"]["S"])
        return HttpResponse(200, headers, json.dumps({"Item": item} if item else {}).encode())


def test_boto3_reaches_the_region_with_signatures_that_hold(play: Play) -> None:
    async def story(room: Room) -> None:
        fake = FakeDynamoDB(room)
        server = await serve_http(room.world, PORT, fake.respond)
        await room.create("writer", WRITER, Timeout=20)
        answers = await asyncio.gather(*(invoked(room, "writer", {"id": f"k{i}"}) for i in range(2)))
        assert [body.get("id", body) for _, body in answers] == ["k0", "k1"]
        await room.world.sleep(0.1)
        lines = await room.log("writer")
        assert any(line.startswith("[INFO]\t") and line.endswith("\tstored k1") for line in lines), lines
        server.close()

    play(story, port=PORT)


def test_boto3_retries_what_fails(play: Play) -> None:
    async def story(room: Room) -> None:
        fake = FakeDynamoDB(room)
        server = await serve_http(room.world, PORT, fake.respond)
        await room.create("writer", WRITER, Timeout=20)
        fake.refusals = 1
        _, body = await invoked(room, "writer", {"id": "k"})
        assert body["id"] == "k"
        server.close()

    play(story, port=PORT)


def test_nothing_listens_is_an_error_of_botocore(play: Play) -> None:
    async def story(room: Room) -> None:
        source = (
            "import boto3\nfrom botocore.config import Config\n"
            "from botocore.exceptions import EndpointConnectionError\n"
            "def handler(e, c):\n"
            "    try: boto3.client('dynamodb', config=Config(retries={'max_attempts': 0})).list_tables()\n"
            "    except EndpointConnectionError as error: return 'refused'\n"
        )
        await room.create("lonely", source, Timeout=20)
        assert (await invoked(room, "lonely"))[1] == "refused"

    play(story, port=1)


def test_simulated_handlers_are_repeated_by_the_seed() -> None:
    told: list[Any] = []

    async def story(room: Room) -> None:
        fake = FakeDynamoDB(room)
        server = await serve_http(room.world, PORT, fake.respond)
        await room.create("writer", WRITER, Timeout=20)
        told.append([(await invoked(room, "writer", {"id": f"k{i}"}))[1] for i in range(3)])
        told[-1].append(await room.log("writer"))
        server.close()

    digests = [play_simulated(story, seed, port=PORT) for seed in (3, 3, 4)]
    assert told[0] == told[1]
    assert digests[0] == digests[1]
    assert told[0] != told[2]
    assert told[0][0]["now"].startswith("2026-01-01T00:00")


def test_what_would_escape_simulated_time_is_refused() -> None:
    attempts = {
        "threads": "import threading; threading.Thread(target=print).start()",
        "sockets": "import socket; socket.create_connection(('127.0.0.1', 9))",
        "processes": "import subprocess; subprocess.run(['true'])",
    }

    async def story(room: Room) -> None:
        for what, code in attempts.items():
            await room.create(what, f"def handler(e, c):\n    {code}\n")
            _, body = await invoked(room, what)
            assert body["errorType"] == "Escape"
            assert what in body["errorMessage"]

    play_simulated(story)


def test_role_gets_credentials_that_any_region_can_check() -> None:
    access_key, secret, token = session_keys.issue("k", ROLE, "us-west-2")
    assert access_key.startswith("ASIA")
    assert len(access_key) == 20
    assert session_keys.secret_for("k", access_key) == secret
    assert session_keys.secret_for("other", access_key) != secret
    assert session_keys.secret_for("k", "AKIA0123456789ABCDEF") is None
    assert token
