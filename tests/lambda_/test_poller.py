"""Functions that are invoked with the records of a DynamoDB stream: a whole Region in simulated time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from antipodes.globe.planet import Planet
from antipodes.globe.simulated import SimulatedGlobe
from antipodes.services.dynamodb.streams import Streams
from antipodes.wire.errors import AwsError
from antipodes.wire.operation import Result
from antipodes.world.simulated import Simulation
from tests.lambda_.conftest import ROLE, archive

REGION = "eu-west-1"
SEES = """
def handler(event, context):
    names = [r["dynamodb"]["Keys"]["id"]["S"] + ":" + r["eventName"][0] for r in event["Records"]]
    print("saw", ",".join(names))
"""
CHOKES = """
def handler(event, context):
    names = [r["dynamodb"]["Keys"]["id"]["S"] for r in event["Records"]]
    print("try", ",".join(names))
    if "bad" in names:
        raise ValueError("bad")
    print("did", ",".join(names))
"""
PARTIAL = """
def handler(event, context):
    failed = []
    for r in event["Records"]:
        name = r["dynamodb"]["Keys"]["id"]["S"]
        print("try", name)
        if name == "bad" or failed:
            failed.append({"itemIdentifier": r["dynamodb"]["SequenceNumber"]})
    return {"batchItemFailures": failed[:1]}
"""
COUNTS = """
def handler(event, context):
    count = event["state"].get("count", 0) + len(event["Records"])
    if event["isFinalInvokeForWindow"]:
        print("window", event["window"]["start"], count)
    return {"state": {"count": count}}
"""


class Table:
    """A table with a stream, and functions, in a Region of a simulated globe."""

    def __init__(self, globe: SimulatedGlobe, simulation: Simulation) -> None:
        self.globe = globe
        self.world = simulation.world("here")
        self.stream = ""

    async def call(self, service: str, operation: str, **params: Any) -> Any:
        return await self.globe.call(service, operation, params, REGION)

    async def make(self) -> None:
        made = await self.call(
            "dynamodb",
            "CreateTable",
            TableName="table",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.stream = made["TableDescription"]["LatestStreamArn"]
        await self.world.sleep(1)

    async def put(self, *names: str) -> None:
        for name in names:
            await self.call(
                "dynamodb", "PutItem", TableName="table", Item={"id": {"S": name}, "n": {"N": str(len(name))}}
            )

    async def map(self, source: str, **given: Any) -> str:
        """A function with a mapping; the mapping's id."""
        params = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Timeout": 10}
        code = {"ZipFile": archive(app=source)}
        await self.call("lambda", "CreateFunction", FunctionName="f", Code=code, **params)
        await self.world.sleep(0.5)
        given = {"StartingPosition": "TRIM_HORIZON", "EventSourceArn": self.stream, "FunctionName": "f", **given}
        made = await self.call("lambda", "CreateEventSourceMapping", **given)
        assert made["State"] == "Creating"
        identity: str = made["UUID"]
        return identity

    async def said(self, word: str, within_s: float = 20.0) -> list[str]:
        """What the function said after the word, in a while."""
        await self.world.sleep(within_s)
        asked = {"logGroupName": "/aws/lambda/f", "filterPattern": word}
        try:
            events = (await self.call("logs", "FilterLogEvents", **asked))["events"]
        except AwsError:
            return []
        return [one["message"].partition(" ")[2] for one in events if one["message"].startswith(word)]


def play(story: Callable[[Table], Awaitable[None]], seed: int = 3) -> None:
    simulation = Simulation(seed)

    async def main() -> None:
        globe = SimulatedGlobe(simulation, Planet(regions=(REGION,)))
        await globe.start()
        table = Table(globe, simulation)
        await table.make()
        await story(table)

    simulation.run(main())


def test_records_come_in_order_in_batches_from_the_beginning_and_go_on_after_a_crash() -> None:
    async def story(table: Table) -> None:
        await table.put("a", "b", "c")
        identity = await table.map(SEES, BatchSize=2)
        assert await table.said("saw") == ["a:I,b:I", "c:I"]
        mapping = await table.call("lambda", "GetEventSourceMapping", UUID=identity)
        assert (mapping["State"], mapping["LastProcessingResult"]) == ("Enabled", "OK")
        await table.globe.kill(REGION)
        await table.world.sleep(5)
        await table.globe.restore(REGION)
        await table.put("d", "a2")
        await table.call("dynamodb", "DeleteItem", TableName="table", Key={"id": {"S": "a"}})
        assert ",".join((await table.said("saw"))[2:]) == "d:I,a2:I,a:R"

    play(story)


def test_latest_begins_with_the_mapping_and_filters_drop_records() -> None:
    async def story(table: Table) -> None:
        await table.put("before")
        await table.world.sleep(2)
        pattern = json.dumps({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 2]}]}}}})
        await table.map(
            SEES, StartingPosition="LATEST", FilterCriteria={"Filters": [{"Pattern": pattern}]}, BatchSize=10
        )
        await table.put("long enough", "no", "also long")
        assert ",".join(await table.said("saw")) == "long enough:I,also long:I"

    play(story)


def test_a_quiet_stream_is_hardly_read_and_what_comes_is_seen_at_the_next_of_four_reads_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[float] = []
    get_records = Streams.get_records

    async def counted(self: Streams, params: Mapping[str, Any]) -> Result:
        reads.append(asyncio.get_running_loop().time())
        return await get_records(self, params)

    async def story(table: Table) -> None:
        await table.map(SEES)
        await table.world.sleep(5)
        reads.clear()
        await table.world.sleep(60)
        assert 5 <= len(reads) <= 7, "one in ten seconds"
        reads.clear()
        put_at = table.world.monotonic()
        await table.put("a")
        assert await table.said("saw") == ["a:I"]
        assert reads[0] - put_at < 0.5

    monkeypatch.setattr(Streams, "get_records", counted)
    play(story)


def test_a_failing_batch_blocks_its_shard_until_it_is_given_up() -> None:
    async def story(table: Table) -> None:
        await table.put("a", "bad", "c")
        identity = await table.map(CHOKES, BatchSize=3, MaximumRetryAttempts=2)
        await table.put("d")
        assert await table.said("try", 30) == ["a,bad,c"] * 3 + ["d"]
        mapping = await table.call("lambda", "GetEventSourceMapping", UUID=identity)
        assert mapping["LastProcessingResult"] == "OK"

    play(story)


def test_records_that_are_given_up_are_told_to_a_bucket() -> None:
    async def story(table: Table) -> None:
        bucket = {"OnFailure": {"Destination": "arn:aws:s3:::lost"}}
        given: dict[str, Any] = {"BatchSize": 3, "MaximumRetryAttempts": 1, "BisectBatchOnFunctionError": True}
        given["MetricsConfig"] = {"Metrics": ["EventCount"]}
        with pytest.raises(AwsError, match="there is no such bucket"):
            await table.map(CHOKES, **given, DestinationConfig=bucket)
        await table.call("lambda", "DeleteFunction", FunctionName="f")
        configuration = {"LocationConstraint": REGION}
        await table.call("s3", "CreateBucket", Bucket="lost", CreateBucketConfiguration=configuration)
        identity = await table.map(CHOKES, **given, DestinationConfig=bucket)
        await table.put("a", "bad", "c")
        await table.world.sleep(20)
        asked = {"Namespace": "AWS/Lambda", "Dimensions": [{"Name": "EventSourceMappingUUID", "Value": identity}]}
        metrics = (await table.call("cloudwatch", "ListMetrics", **asked))["Metrics"]
        names = sorted(one["MetricName"].removesuffix("EventCount") for one in metrics)
        assert names == ["FailedInvoke", "Invoked", "OnFailureDestinationDelivered", "Polled"]
        (found,) = (await table.call("s3", "ListObjectsV2", Bucket="lost"))["Contents"]
        assert found["Key"].startswith(f"aws/lambda/{identity}/shardId-")
        record = json.loads((await table.call("s3", "GetObject", Bucket="lost", Key=found["Key"]))["Body"])
        context, info = record["requestContext"], record["DDBStreamBatchInfo"]
        assert (context["condition"], context["approximateInvokeCount"]) == ("RetryAttemptsExhausted", 2)
        assert (info["batchSize"], info["streamArn"]) == (1, table.stream)
        (lost,) = json.loads(record["payload"])["Records"]
        assert lost["dynamodb"]["Keys"]["id"]["S"] == "bad"
        assert lost["dynamodb"]["SequenceNumber"] == info["startSequenceNumber"] == info["endSequenceNumber"]

    play(story)


def test_bisecting_finds_the_bad_record_and_does_all_others() -> None:
    async def story(table: Table) -> None:
        await table.put("a", "b", "bad", "c")
        await table.map(CHOKES, BatchSize=4, MaximumRetryAttempts=1, BisectBatchOnFunctionError=True)
        assert await table.said("did", 30) == ["a,b", "c"]
        assert [one for one in await table.said("try") if one == "bad"] == ["bad"] * 2

    play(story)


def test_a_partial_answer_says_where_to_go_on() -> None:
    async def story(table: Table) -> None:
        await table.put("a", "bad", "c")
        await table.map(PARTIAL, BatchSize=3, MaximumRetryAttempts=1, FunctionResponseTypes=["ReportBatchItemFailures"])
        await table.put("d")
        tries = await table.said("try", 30)
        assert tries == ["a", "bad", "c", "bad", "c", "d"]

    play(story)


def test_tumbling_windows_carry_their_state_to_the_end() -> None:
    async def story(table: Table) -> None:
        await table.put("a", "b")
        await table.map(COUNTS, BatchSize=1, TumblingWindowInSeconds=10)
        await table.world.sleep(12)
        await table.put("c", "d", "e")
        counts = [line.split()[1] for line in await table.said("window", 30)]
        assert counts == ["2", "3"]

    play(story)


def test_a_mapping_is_paused_changed_refused_and_deleted() -> None:
    async def refused(table: Table, **params: Any) -> tuple[str, str]:
        with pytest.raises(AwsError) as raised:
            await table.call("lambda", "CreateEventSourceMapping", FunctionName="f", **params)
        return raised.value.code, raised.value.message

    async def story(table: Table) -> None:
        identity = await table.map(SEES, Enabled=False)
        await table.put("a")
        assert await table.said("saw") == []
        code, message = await refused(table, EventSourceArn=table.stream, StartingPosition="LATEST")
        assert code == "ResourceConflictException" and identity in message
        code, message = await refused(table, EventSourceArn="arn:aws:sqs:eu-west-1:000000000000:q")
        assert code == "UnsupportedOperation" and "sqs" in message
        code, _ = await refused(table, EventSourceArn=table.stream + "9", StartingPosition="LATEST")
        assert code == "ResourceNotFoundException"
        arn = (await table.call("lambda", "GetEventSourceMapping", UUID=identity))["EventSourceMappingArn"]
        await table.call("lambda", "TagResource", Resource=arn, Tags={"a": "b", "c": "d"})
        await table.call("lambda", "UntagResource", Resource=arn, TagKeys=["c"])
        assert (await table.call("lambda", "ListTags", Resource=arn))["Tags"] == {"a": "b"}
        changed = await table.call("lambda", "UpdateEventSourceMapping", UUID=identity, Enabled=True, BatchSize=7)
        assert (changed["State"], changed["BatchSize"]) == ("Enabling", 7)
        assert await table.said("saw") == ["a:I"]
        listed = await table.call("lambda", "ListEventSourceMappings", FunctionName="f")
        assert [one["UUID"] for one in listed["EventSourceMappings"]] == [identity]
        deleted = await table.call("lambda", "DeleteEventSourceMapping", UUID=identity)
        assert deleted["State"] == "Deleting"
        assert (await table.call("lambda", "GetEventSourceMapping", UUID=identity))["State"] == "Deleting"
        await table.put("b")
        assert await table.said("saw") == ["a:I"]
        assert (await table.call("lambda", "ListEventSourceMappings"))["EventSourceMappings"] == []

    play(story)
