"""Every fault as a user makes it, on a planet of real processes: it bites, it shows, `heal` ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.planet.planets import Running, running, wait_until

pytestmark = [pytest.mark.planet, pytest.mark.timeout(120)]
EAST, WEST = "us-east-1", "us-west-2"


def make_table(planet: Running) -> None:
    east = planet.client("dynamodb", EAST)
    east.create_table(
        TableName="Things",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    east.get_waiter("table_exists").wait(TableName="Things", WaiterConfig={"Delay": 1})
    east.update_table(TableName="Things", ReplicaUpdates=[{"Create": {"RegionName": WEST}}])
    wait_until(lambda: "Things" in planet.client("dynamodb", WEST).list_tables()["TableNames"], "the replica")
    planet.client("dynamodb", WEST).get_waiter("table_exists").wait(TableName="Things", WaiterConfig={"Delay": 1})


def test_faults_bite_show_and_heal(tmp_path: Path) -> None:
    with running(tmp_path / "p", f"{EAST},{WEST}") as planet:
        make_table(planet)
        east, west = planet.client("dynamodb", EAST), planet.client("dynamodb", WEST)

        def put(client: Any, value: str) -> None:
            client.put_item(TableName="Things", Item={"id": {"S": "a"}, "v": {"S": value}})

        def value(client: Any) -> str:
            found = client.get_item(TableName="Things", Key={"id": {"S": "a"}}, ConsistentRead=True).get("Item", {})
            return str(found.get("v", {}).get("S"))

        put(east, "before")
        wait_until(lambda: value(west) == "before", "replication")
        for command in (
            ("pause", EAST, "--toward", WEST),
            ("skew", WEST, "--seconds", "-100"),
            ("slow", EAST, WEST, "--delay-ms", "50", "--loss", "0.01"),
        ):
            assert planet.command(*command).code == 0
        put(east, "held back")
        put(west, "from the west")
        wait_until(lambda: value(east) == "held back", "east keeps the later write, by its clock")
        put(west, "again")  # the west has not seen what was held back: its slow clock loses for now
        shown = planet.command("status").out
        assert f"replication paused: {EAST} -> {WEST}" in shown
        assert f"clock skew: {WEST} -100 s" in shown
        assert f"slow link: {EAST} | {WEST} (+50 ms, 0.01 lost)" in shown
        assert planet.command("heal").out.startswith("All faults are mended")
        wait_until(lambda: value(west) == "held back", "the pause is over")

        assert planet.command("fill", WEST).code == 0
        assert f"disk full: {WEST}" in planet.command("status").out
        with pytest.raises(ClientError) as refused:
            put(west, "no room")
        assert refused.value.response["Error"]["Code"] == "InternalServerError"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        put(east, "meanwhile")
        assert value(west) == "held back"
        planet.command("heal")
        wait_until(lambda: value(west) == "meanwhile", "there is room again")
        put(west, "at last")
        wait_until(lambda: value(east) == "at last", "and both ways")
        assert planet.command("fill", "mars-1").err.startswith("antipodes: This planet has no Region mars-1")
