"""Events of a bucket reach functions, at least once, and survive a crash on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from antipodes.services.contract import Service, Surroundings
from antipodes.services.s3.service import S3
from antipodes.wire.errors import ClientFault, ServerFault
from tests.desk import run
from tests.s3.conftest import Desk

ARN = "arn:aws:lambda:us-east-1:000000000000:function:reader"


class DeskWithFunctions(Desk):
    """The bucket's functions: what they were sent, and whether Lambda answers."""

    sent: list[tuple[str, str]]
    answers: bool = True

    def made(self, around: Surroundings) -> Service:
        self.sent = []

        async def call(
            service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
        ) -> Mapping[str, Any]:
            if params["FunctionName"] != ARN:
                raise ClientFault("ResourceNotFoundException", "Function not found", status=404)
            if not self.answers:
                raise ServerFault("ServiceException", "not now")
            if operation == "Invoke":
                record = orjson.loads(params["Payload"])["Records"][0]
                self.sent.append((record["eventName"], record["s3"]["object"]["key"]))
            return {}

        return S3(replace(around, call=call))

    async def told(self, count: int) -> list[tuple[str, str]]:
        while len(self.sent) < count:
            await self.here.sleep(0.1)
        await self.here.sleep(3)
        return self.sent


def configuration(arn: str = ARN, **more: Any) -> dict[str, Any]:
    return {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"], **more}


def test_functions_hear_of_the_keys_they_asked_for_also_after_a_crash() -> None:
    async def story(desk: DeskWithFunctions) -> None:
        json_alone = {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".json"}]}}
        wanted = {"LambdaFunctionConfigurations": [configuration(Id="1", Filter=json_alone)]}
        await desk.ask("PutBucketNotificationConfiguration", Bucket=desk.bucket, NotificationConfiguration=wanted)
        kept = await desk.ask("GetBucketNotificationConfiguration", Bucket=desk.bucket)
        assert kept == wanted
        await desk.put("a b.json", b"{}")
        await desk.put("a.txt")
        await desk.ask("DeleteObject", Bucket=desk.bucket, Key="a b.json")
        assert await desk.told(2) == [("ObjectCreated:Put", "a+b.json"), ("ObjectRemoved:Delete", "a+b.json")]
        desk.answers = False
        await desk.put("late.json")
        await desk.here.sleep(5)
        desk.answers = True
        await desk.die()
        assert ("ObjectCreated:Put", "late.json") in await desk.told(1)
        assert not list(desk.store.range(b"s3/news/", b"s3/news0"))

    run(DeskWithFunctions, story)


def test_what_cannot_be_told_is_refused() -> None:
    async def story(desk: DeskWithFunctions) -> None:
        async def code(given: dict[str, Any]) -> str:
            here = {"Bucket": desk.bucket, "NotificationConfiguration": given}
            return (await desk.refused("PutBucketNotificationConfiguration", **here))[0]

        assert await code({"LambdaFunctionConfigurations": [configuration(ARN + "x")]}) == "InvalidArgument"
        assert await code({"LambdaFunctionConfigurations": [configuration(), configuration()]}) == "InvalidArgument"
        assert await code({"QueueConfigurations": [{"QueueArn": "q", "Events": []}]}) == "UnsupportedOperation"
        assert await code({"EventBridgeConfiguration": {}}) == "UnsupportedOperation"

    run(DeskWithFunctions, story)
