"""Backups, recovery to a second and metrics over the wire, as boto3 and the aws CLI speak it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.planet.planets import Running

pytestmark = [pytest.mark.planet, pytest.mark.timeout(180)]

EAST = "us-east-1"
NAME, RESTORED, RECOVERED = "kept", "kept-restored", "kept-recovered"
METERED = "metered"  # metrics outlive their table: this one has no other test's
WAIT = {"Delay": 1, "MaxAttempts": 20}


@pytest.fixture
def client(planet: Running) -> Any:
    client = planet.client("dynamodb", EAST)
    for name in (NAME, METERED):
        client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig=WAIT)
    yield client
    for name in (NAME, METERED, RESTORED, RECOVERED):
        if name in client.list_tables()["TableNames"]:
            client.delete_table(TableName=name)
            client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig=WAIT)


def put(client: Any, value: int, name: str = NAME) -> None:
    for number in range(10):
        client.put_item(TableName=name, Item={"pk": {"S": str(number)}, "v": {"N": str(value)}})


def values(client: Any, name: str) -> set[str]:
    return {item["v"]["N"] for item in client.scan(TableName=name)["Items"]}


def test_a_table_comes_back_from_its_backup_and_to_a_second(client: Any) -> None:
    put(client, 1)
    arn = client.create_backup(TableName=NAME, BackupName="first")["BackupDetails"]["BackupArn"]
    put(client, 2)
    client.update_continuous_backups(
        TableName=NAME, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    time.sleep(2.1)  # whole seconds lie between: the wire knows no smaller ones
    then = datetime.now(UTC) - timedelta(seconds=1)
    put(client, 3)
    while client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"] != "AVAILABLE":
        time.sleep(0.1)
    client.restore_table_from_backup(TargetTableName=RESTORED, BackupArn=arn)
    client.restore_table_to_point_in_time(SourceTableName=NAME, TargetTableName=RECOVERED, RestoreDateTime=then)
    for name in (RESTORED, RECOVERED):
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig=WAIT)
    assert (values(client, NAME), values(client, RESTORED), values(client, RECOVERED)) == ({"3"}, {"1"}, {"2"})
    client.delete_backup(BackupArn=arn)


def test_the_aws_cli_reads_what_a_table_consumed_and_what_it_put_itself(client: Any, planet: Running) -> None:
    put(client, 1, METERED)
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": EAST,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{planet.planet.port}",
    }

    def aws(*words: str) -> Any:
        command = [str(Path(sys.executable).parent / "aws"), "cloudwatch", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout) if done.stdout.strip() else None

    aws("put-metric-data", "--namespace", "App", "--metric-name", "Load", "--value", "7", "--unit", "Percent")
    now, some = datetime.now(UTC), timedelta(minutes=10)
    window = [  # to beyond now: the wire knows whole seconds, and an end at a whole minute leaves that minute out
        *("--start-time", (now - some).isoformat(), "--end-time", (now + some).isoformat()),
        *("--period", "3600", "--statistics", "Sum"),
    ]
    (point,) = aws("get-metric-statistics", "--namespace", "App", "--metric-name", "Load", *window)["Datapoints"]
    assert (point["Sum"], point["Unit"]) == (7.0, "Percent")
    where = ["--namespace", "AWS/DynamoDB", "--metric-name", "ConsumedWriteCapacityUnits"]
    dimension = ["--dimensions", f"Name=TableName,Value={METERED}"]

    def consumed() -> float:
        points = aws("get-metric-statistics", *where, *dimension, *window)["Datapoints"]
        return float(sum(one["Sum"] for one in points))

    # The Region hands its metrics over every few seconds, those of the ten writes perhaps in two.
    deadline = time.monotonic() + 60
    while (found := consumed()) < 10.0:
        assert time.monotonic() < deadline, f"only {found} came"
        time.sleep(0.5)
    assert found == 10.0
    names = [one["MetricName"] for one in aws("list-metrics", "--namespace", "AWS/DynamoDB")["Metrics"]]
    assert "SuccessfulRequestLatency" in names
