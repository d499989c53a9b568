"""Provisioned concurrency: environments that are initialised before anybody asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antipodes.wire.errors import ClientFault
from tests.lambda_.conftest import Play, Room, archive, play_simulated
from tests.lambda_.test_invoke import invoked

SLOW = """
import os, time
kind = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if event.get("end"):
        os._exit(1)
    return kind
"""


async def status(room: Room, name: str, qualifier: str, wanted: str) -> dict[str, Any]:
    for _ in range(400):
        found = await room.ask("GetProvisionedConcurrencyConfig", FunctionName=name, Qualifier=qualifier)
        if found["Status"] == wanted:
            return found
        await room.world.sleep(0.05)
    raise AssertionError(f"{name}:{qualifier} never became {wanted}: {found}")


async def provided(room: Room, source: str, count: int, **params: Any) -> dict[str, Any]:
    await room.create("f", source, Timeout=30, **params)
    await room.ask("PublishVersion", FunctionName="f")
    return await room.ask(
        "PutProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1", ProvisionedConcurrentExecutions=count
    )


def test_environments_are_ready_beforehand_and_what_finds_none_spills_over(play: Play) -> None:
    async def story(room: Room) -> None:
        begun = await provided(room, SLOW, 2)
        assert (begun["Status"], begun["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)
        ready = await status(room, "f", "1", "READY")
        assert ready["AvailableProvisionedConcurrentExecutions"] == 2
        assert room.service.stats()[0].cold_starts == 0
        kinds = await asyncio.gather(*(invoked(room, "f", {"sleep": 1.5}, Qualifier="1") for _ in range(3)))
        assert sorted(kind for _, kind in kinds) == ["on-demand", "provisioned-concurrency", "provisioned-concurrency"]
        await room.ask("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")
        assert (await invoked(room, "f", Qualifier="1"))[1] == "on-demand"
        assert room.service.stats()[0].environments == 1

    play(story)


def test_an_environment_that_ends_is_replaced() -> None:
    async def story(room: Room) -> None:
        await provided(room, SLOW, 1)
        await status(room, "f", "1", "READY")
        answer, _ = await invoked(room, "f", {"end": True}, Qualifier="1")
        assert answer["FunctionError"] == "Unhandled"
        await status(room, "f", "1", "READY")
        assert (await invoked(room, "f", Qualifier="1"))[1] == "provisioned-concurrency"

    play_simulated(story)


def test_a_function_that_cannot_be_initialised_is_told_of() -> None:
    async def story(room: Room) -> None:
        await provided(room, "import nothing_of_that_name\n", 2)
        failed = await status(room, "f", "1", "FAILED")
        assert failed["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"

    play_simulated(story)


def test_an_alias_takes_its_provisioned_concurrency_along() -> None:
    async def story(room: Room) -> None:
        await room.create("f", SLOW, Timeout=30)
        await room.ask("PublishVersion", FunctionName="f")
        await room.ask("UpdateFunctionCode", FunctionName="f", ZipFile=archive(app="# second\n" + SLOW))
        await room.active("f")
        await room.ask("PublishVersion", FunctionName="f")
        place = {"FunctionName": "f", "Name": "live"}
        await room.ask("CreateAlias", **place, FunctionVersion="1")
        wanted = {"FunctionName": "f", "ProvisionedConcurrentExecutions": 1}
        await room.ask("PutProvisionedConcurrencyConfig", Qualifier="live", **wanted)
        await status(room, "f", "live", "READY")
        with pytest.raises(ClientFault, match="Version is pointed by"):
            await room.ask("PutProvisionedConcurrencyConfig", Qualifier="1", **wanted)
        await room.ask("UpdateAlias", **place, FunctionVersion="2")
        await status(room, "f", "live", "READY")
        answer, kind = await invoked(room, "f", Qualifier="live")
        assert (answer["ExecutedVersion"], kind) == ("2", "provisioned-concurrency")
        assert (await invoked(room, "f", Qualifier="1"))[1] == "on-demand"
        await room.ask("DeleteAlias", **place)
        assert (await invoked(room, "f", Qualifier="2"))[1] == "on-demand"

    play_simulated(story)


def test_it_is_bounded_by_what_is_reserved() -> None:
    async def story(room: Room) -> None:
        await room.create("f", SLOW)
        await room.ask("PublishVersion", FunctionName="f")
        await room.ask("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=5)
        place = {"FunctionName": "f", "Qualifier": "1"}
        with pytest.raises(ClientFault, match="should not be greater than"):
            await room.ask("PutProvisionedConcurrencyConfig", **place, ProvisionedConcurrentExecutions=6)
        with pytest.raises(ClientFault, match="unpublished function versions"):
            await room.ask(
                "PutProvisionedConcurrencyConfig", FunctionName="f", Qualifier="$LATEST",
                ProvisionedConcurrentExecutions=1,
            )  # fmt: skip
        with pytest.raises(ClientFault, match="No Provisioned Concurrency Config found"):
            await room.ask("GetProvisionedConcurrencyConfig", **place)

    play_simulated(story)
