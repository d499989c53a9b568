"""Compressed bodies, both ways."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from antipodes.services.apigateway.v1.compression import LARGEST_BYTES, preferred
from antipodes.wire.errors import AwsError
from tests.apigateway.conftest import Play, Room, host_of
from tests.apigateway.v1.test_dataplane import ECHO

TEXT = "an answer that is long enough " * 20


@pytest.mark.parametrize(
    ("accept", "coding"),
    [  # the first five are the Developer Guide's
        ("deflate,gzip", "deflate"),
        ("", ""),
        ("*", ""),
        ("deflate;q=0.5,gzip;q=1.0", "gzip"),
        ("gzip;q=1.0,identity;q=0.5,*;q=0", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("br;q=1.0, gzip;q=0.8", ""),
        ("gzip;q=0", ""),
        ("gzip;q=high, deflate", "deflate"),
    ],
)
def test_the_coding_that_is_liked_best_has_to_be_a_known_one(accept: str, coding: str) -> None:
    assert preferred(accept) == coding


def test_answers_are_compressed_from_a_size_on(play_once: Play) -> None:
    async def story(room: Room) -> None:
        returns = f"def handler(event, c):\n    return {{'body': {TEXT!r}[: int(event['body'])]}}\n"
        api = await room.api(await room.function("f", returns), ("POST", "/"))
        host = host_of(api)
        assert (await room.get(host, "/v1/", "POST", b"500", Accept_Encoding="gzip")).body == TEXT[:500].encode()
        patch = [{"op": "replace", "path": "/minimumCompressionSize", "value": "100"}]
        assert (await room.ask("UpdateRestApi", restApiId=api, patchOperations=patch))["minimumCompressionSize"] == 100
        await room.ask("CreateDeployment", restApiId=api, stageName="v1")
        answer = await room.get(host, "/v1/", "POST", b"500", Accept_Encoding="gzip, deflate")
        assert (answer.header("content-encoding"), gzip.decompress(answer.body)) == ("gzip", TEXT[:500].encode())
        answer = await room.get(host, "/v1/", "POST", b"500", Accept_Encoding="deflate")
        assert zlib.decompress(answer.body) == TEXT[:500].encode()
        for body, headers in ((b"99", {"Accept_Encoding": "gzip"}), (b"500", {})):
            answer = await room.get(host, "/v1/", "POST", body, **headers)
            assert (answer.header("content-encoding"), answer.body) == (None, TEXT[: int(body)].encode())
        for said in ({"op": "replace", "value": ""}, {"op": "remove"}):  # the first as Chalice says it
            patch = [{**said, "path": "/minimumCompressionSize"}]
            assert "minimumCompressionSize" not in await room.ask("UpdateRestApi", restApiId=api, patchOperations=patch)
        with pytest.raises(AwsError, match="minimum compression size"):
            await room.ask("CreateRestApi", name="x", minimumCompressionSize=LARGEST_BYTES + 1)

    play_once(story)


def test_compressed_requests_are_taken_apart(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await room.api(await room.function("f", ECHO), ("POST", "/"))
        bare = zlib.compressobj(wbits=-15)
        for coding, body in (
            ("gzip", gzip.compress(b'{"a": 1}')),
            ("deflate", zlib.compress(b'{"a": 1}')),
            ("deflate", bare.compress(b'{"a": 1}') + bare.flush()),
            ("identity", b'{"a": 1}'),
        ):
            answer = await room.get(host_of(api), "/v1/", "POST", body, Content_Encoding=coding)
            event = json.loads(answer.body)
            assert event["body"] == '{"a": 1}'
            assert ("Content-Encoding" in event["headers"]) is (coding == "identity")
        for coding, body, status in (
            ("br", b"x", 415),
            ("gzip", b"not gzip", 415),
            ("gzip", gzip.compress(b"cut off")[:-9], 415),
            ("gzip", gzip.compress(b"0" * (LARGEST_BYTES + 1)), 413),
        ):
            assert (await room.get(host_of(api), "/v1/", "POST", body, Content_Encoding=coding)).status == status

    play_once(story)


def test_documents_say_from_which_size_on(play_once: Play) -> None:
    async def story(room: Room) -> None:
        name = "x-amazon-apigateway-minimum-compression-size"
        api = await room.api(await room.function("f", ECHO), ("POST", "/"), document={name: 0})
        assert (await room.ask("GetRestApi", restApiId=api))["minimumCompressionSize"] == 0
        parameters = {"extensions": "integrations"}
        params = {"restApiId": api, "stageName": "v1", "exportType": "oas30", "parameters": parameters}
        assert json.loads((await room.ask("GetExport", **params))["body"])[name] == 0

    play_once(story)
