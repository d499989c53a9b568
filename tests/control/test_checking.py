"""Requests that lack what the service models require: each operation of the small services refuses them as AWS does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from antipodes.region.region import PLAIN
from antipodes.services.contract import Service, Surroundings
from antipodes.wire import models
from antipodes.wire.errors import AwsError, ServerFault
from tests.desk import ServiceDesk, run

ADDRESS = {"Bucket": "things", "Key": "a", "UploadId": "b", "PartNumber": 1}  # S3 has these from the address


@pytest.mark.parametrize("made", PLAIN, ids=lambda made: made.name)
def test_what_lacks_something_is_refused(made: Callable[[Surroundings], Service]) -> None:
    class Desk(ServiceDesk):
        site = "us-east-1"

        def made(self, around: Surroundings) -> Service:
            return made(around)

    async def story(desk: Desk) -> None:
        name, answered = desk.service.name, []
        if name == "s3":
            await desk.ask("CreateBucket", Bucket="things")
        for operation in desk.service.operations:
            shape = models.operation_model(name, operation).input_shape
            required = set(shape.required_members) if shape is not None else set()
            given = {key: value for key, value in ADDRESS.items() if name == "s3" and key in required}
            try:
                await desk.ask(operation, **given)
            except AwsError as error:
                assert not isinstance(error, ServerFault), operation
            else:
                answered.append(operation)
                assert required <= set(given), operation
        assert answered or name == "cloudcontrol"

    run(Desk, story)
