"""Layers, and aliases of two versions."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from antipodes.wire.errors import AwsError, ClientFault
from tests.lambda_.conftest import ROLE, Play, Room, archive, play_simulated
from tests.lambda_.test_invoke import invoked


def layer(**files: str) -> bytes:
    """Path (with __ for /) -> content of a Python module."""
    return archive(**files)


async def published(room: Room, name: str, content: bytes, **params: Any) -> str:
    answer = await room.ask("PublishLayerVersion", LayerName=name, Content={"ZipFile": content}, **params)
    return str(answer["LayerVersionArn"])


def test_modules_of_layers_are_imported_and_the_functions_own_come_first(play: Play) -> None:
    async def story(room: Room) -> None:
        one = await published(room, "one", layer(python__shared="name = 'one'", python__both="name = 'one'"))
        two = await published(room, "two", layer(python__both="name = 'two'", python__app="handler = None"))
        source = "import shared, both\ndef handler(e, c):\n    return [shared.name, both.name]\n"
        await room.create("layered", source, Layers=[one, two])
        assert (await invoked(room, "layered"))[1] == ["one", "two"]
        shown = await room.ask("GetFunctionConfiguration", FunctionName="layered")
        assert [one["Arn"] for one in shown["Layers"]] == [one, two]

    play(story)


def test_a_deleted_layer_version_stays_with_the_functions_that_use_it() -> None:
    async def story(room: Room) -> None:
        first = await published(room, "kept", layer(python__shared="name = 1"), Description="first")
        await room.create("user", "import shared\ndef handler(e, c):\n    return shared.name\n", Layers=[first])
        await room.ask("DeleteLayerVersion", LayerName="kept", VersionNumber=1)
        assert (await invoked(room, "user"))[1] == 1
        with pytest.raises(ClientFault, match="does not exist"):
            await room.ask("GetLayerVersion", LayerName="kept", VersionNumber=1)
        with pytest.raises(ClientFault, match=f"Layer version {first} does not exist."):
            await room.ask("UpdateFunctionConfiguration", FunctionName="user", Layers=[first])
        second = await published(room, "kept", layer(python__shared="name = 2"))
        assert second.endswith(":layer:kept:2")  # its number does not come again
        await room.ask("UpdateFunctionConfiguration", FunctionName="user", Layers=[second])
        await room.active("user")
        assert (await invoked(room, "user"))[1] == 2
        codes = [key for key, _ in room.store.range(b"lambda/code/", b"lambda/code0")]
        assert len(codes) == 2  # the function's, and the second layer version's

    play_simulated(story)


def test_layers_are_listed_page_by_page_and_shared_by_policy() -> None:
    async def story(room: Room) -> None:
        for number in range(3):
            await published(room, "many", layer(python__a=f"n = {number}"), CompatibleRuntimes=["python3.12"])
        await published(room, "other", layer(python__a="n = 9"))
        listed = await room.ask("ListLayerVersions", LayerName="many", MaxItems=2)
        assert [one["Version"] for one in listed["LayerVersions"]] == [3, 2]
        rest = await room.ask("ListLayerVersions", LayerName="many", Marker=listed["NextMarker"])
        assert [one["Version"] for one in rest["LayerVersions"]] == [1]
        layers = await room.ask("ListLayers", CompatibleRuntime="python3.12")
        assert [(one["LayerName"], one["LatestMatchingVersion"]["Version"]) for one in layers["Layers"]] == [
            ("many", 3)
        ]
        place = {"LayerName": "many", "VersionNumber": 3}
        said = await room.ask(
            "AddLayerVersionPermission", **place, StatementId="all", Action="lambda:GetLayerVersion", Principal="*"
        )
        assert json.loads(said["Statement"])["Principal"] == "*"
        policy = json.loads((await room.ask("GetLayerVersionPolicy", **place))["Policy"])
        assert policy["Statement"][0]["Resource"].endswith(":layer:many:3")
        await room.ask("RemoveLayerVersionPermission", **place, StatementId="all")
        with pytest.raises(ClientFault, match="No policy is associated"):
            await room.ask("GetLayerVersionPolicy", **place)

    play_simulated(story)


def test_what_a_function_may_not_name_is_refused() -> None:
    async def story(room: Room) -> None:
        one = await published(room, "one", layer(python__a="n = 1"))
        again = await published(room, "one", layer(python__a="n = 2"))
        code = {"ZipFile": archive(app="def handler(e, c): pass\n")}
        wrong = {
            "Two different versions of the same layer": [one, again],
            "at most 5 layers": [one] * 6,
            "does not exist": [one.replace(":one:1", ":none:1")],
            "no resource-based policy allows": ["arn:aws:lambda:us-west-2:017000801446:layer:AWSLambdaPowertools:1"],
            "failed to satisfy constraint": ["one"],
        }
        for message, layers in wrong.items():
            with pytest.raises(AwsError, match=message):
                await room.ask(
                    "CreateFunction", FunctionName="f", Runtime="python3.12", Handler="app.handler", Role=ROLE,
                    Code=code, Layers=layers,
                )  # fmt: skip
        with pytest.raises(ClientFault, match="Could not unzip"):
            await published(room, "bad", b"PK, but no archive")
        assert (await room.ask("ListFunctions"))["Functions"] == []

    play_simulated(story)


def test_code_and_layers_together_keep_to_250_mb() -> None:
    def large(size: int) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr("python/large.bin", bytes(size))
        return buffer.getvalue()

    async def story(room: Room) -> None:
        arns = [await published(room, f"large{n}", large(130 * 1024 * 1024)) for n in range(2)]
        await room.create("f", "def handler(e, c): pass\n", Layers=arns[:1])
        with pytest.raises(ClientFault, match="Function code combined with layers exceeds the maximum allowed size"):
            await room.ask("UpdateFunctionConfiguration", FunctionName="f", Layers=arns)

    play_simulated(story)


def test_an_alias_of_two_versions_shares_invocations_by_weight() -> None:
    async def story(room: Room) -> None:
        await room.create("f", "def handler(e, c):\n    return 1\n")
        await room.ask("PublishVersion", FunctionName="f")
        await room.ask(
            "UpdateFunctionCode", FunctionName="f", ZipFile=archive(app="def handler(e, c):\n    return 2\n")
        )
        await room.active("f")
        await room.ask("PublishVersion", FunctionName="f")
        weights = {"AdditionalVersionWeights": {"2": 0.3}}
        made = await room.ask("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=weights)
        assert made["RoutingConfig"] == weights
        drawn = [await invoked(room, "f", Qualifier="live") for _ in range(200)]
        assert all(answer["ExecutedVersion"] == str(body) for answer, body in drawn)
        assert 30 <= sum(body == 2 for _, body in drawn) <= 90
        await room.ask("UpdateAlias", FunctionName="f", Name="live", Description="still two")
        shown = await room.ask("GetAlias", FunctionName="f", Name="live")
        assert shown["RoutingConfig"] == weights
        with pytest.raises(ClientFault, match="aliases reference it"):
            await room.ask("DeleteFunction", FunctionName="f", Qualifier="2")
        await room.ask("UpdateAlias", FunctionName="f", Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
        assert {(await invoked(room, "f", Qualifier="live"))[1] for _ in range(20)} == {1}

    play_simulated(story)


@pytest.mark.parametrize(
    ("version", "weights", "message"),
    [
        ("1", {"1": 0.1}, "already included in routing configuration"),
        ("$LATEST", {"1": 0.1}, "is not supported for an alias pointing to more than 1 version"),
        ("1", {"2": 0.1, "3": 0.1}, "cannot be greater than 1"),
        ("1", {"2": 1.5}, "less than or equal to 1.0"),
        ("1", {"7": 0.5}, "not found"),
    ],
)
def test_weights_that_make_no_sense_are_refused(version: str, weights: dict[str, float], message: str) -> None:
    async def story(room: Room) -> None:
        await room.create("f", "def handler(e, c): pass\n")
        await room.ask("PublishVersion", FunctionName="f")
        with pytest.raises(ClientFault, match=message):
            await room.ask(
                "CreateAlias", FunctionName="f", Name="live", FunctionVersion=version,
                RoutingConfig={"AdditionalVersionWeights": weights},
            )  # fmt: skip

    play_simulated(story)
