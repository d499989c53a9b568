"""API keys from files, and what is left to them of a quota."""

from __future__ import annotations

import pytest

from antipodes.services.apigateway.v1.key_files import Line, lines_of
from antipodes.wire.errors import AwsError
from tests.apigateway.conftest import Play, Room
from tests.apigateway.v1.test_guards import built, told

VALUE = "apikey1234abcdefghij0123456789"


def test_the_developer_guides_files_are_read() -> None:
    plain = Line("MyFirstApiKey", VALUE, "", True, ())
    assert list(lines_of(f"Key,name\n{VALUE},MyFirstApiKey\n".encode())) == [plain]
    named = f"Name,key,description,Enabled,usageplanIds\nMyFirstApiKey,{VALUE},An imported key,TRUE,c7y23b".encode()
    assert list(lines_of(named)) == [Line("MyFirstApiKey", VALUE, "An imported key", True, ("c7y23b",))]
    several = f'Enabled,Name,key,UsageplanIds,other\nfalse,MyFirstApiKey,{VALUE},"c7y23b,glvrsr",x\n'.encode()
    assert list(lines_of(several)) == [Line("MyFirstApiKey", VALUE, "", False, ("c7y23b", "glvrsr"))]
    for bad in (b"", b"Name\nx", b"\xff\xfe"):
        with pytest.raises(AwsError):
            list(lines_of(bad))


def test_imported_keys_open_the_stages_of_their_plans(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await built(room)
        await api.method(apiKeyRequired=True)
        await api.deploy()
        stages, quota = [{"apiId": api.api, "stage": "v1"}], {"limit": 1, "period": "DAY"}
        plan = await room.ask("CreateUsagePlan", name="p", apiStages=stages, quota=quota)
        body = f"name,key,usageplanids\nk,{VALUE},{plan['id']}\nshort,abc,\nlost,{VALUE}x,none\n".encode()
        with pytest.raises(AwsError, match="Warnings found"):
            await room.ask("ImportApiKeys", format="csv", body=body, failOnWarnings=True)
        assert (await room.ask("GetApiKeys"))["items"] == []
        answer = await room.ask("ImportApiKeys", format="csv", body=body)
        assert (len(answer["ids"]), [one[:6] for one in answer["warnings"]]) == (1, ["Line 3", "Line 4"])
        assert [(await api.post(x_api_key=VALUE)).status for _ in range(2)] == [200, 429]
        again = await room.ask("ImportApiKeys", format="csv", body=f"name,key\nnew,{VALUE}\n".encode())
        assert again["ids"] == answer["ids"]
        assert [one["name"] for one in (await room.ask("GetApiKeys"))["items"]] == ["new"]
        where = {"usagePlanId": plan["id"], "keyId": answer["ids"][0]}
        patch = {"op": "replace", "path": "/remaining", "value": "2"}
        usage = await room.ask("UpdateUsage", **where, patchOperations=[patch])
        assert usage["items"] == {answer["ids"][0]: [[1, 2]]}
        assert [(await api.post(x_api_key=VALUE)).status for _ in range(3)] == [200, 200, 429]
        assert told(await api.post(x_api_key=VALUE)) == (429, "Limit Exceeded")
        await room.world.sleep(86_400)
        assert [(await api.post(x_api_key=VALUE)).status for _ in range(2)] == [200, 429]  # that was for once

    play_once(story)
