"""Backups and recovery: a copy is the table as it was at its moment, whatever is written meanwhile and whoever dies."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antipodes.services.dynamodb import copying
from antipodes.services.dynamodb.history import HISTORY, spaces
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.wire.errors import AwsError
from antipodes.wire.operation import Request
from antipodes.wire.protocols.json import parse_body
from antipodes.world.world import World
from tests.dynamodb.conftest import Planet, active, ask, make_table, refused, until
from tests.dynamodb.test_worlds import SITE, opened
from tests.worlds import SimulatedWorlds

Model = dict[str, int]
OPTIONS = {"dynamodb.table_state_s": "0.05"}
INDEX = {
    "IndexName": "by-parity",
    "KeySchema": [{"AttributeName": "parity", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}


class Tale:
    """One Region in simulated time that may die between two requests."""

    def __init__(self, seed: int, **options: str) -> None:
        self.options = OPTIONS | options
        self.worlds = SimulatedWorlds(seed)
        self.chance = random.Random(seed)
        self.world: World = self.worlds.world(SITE)
        self.here: World = self.worlds.world("here")
        self.service: DynamoDB
        self.model: Model = {}

    async def boot(self) -> None:
        async def program() -> None:
            self.service = opened(self.worlds.world(SITE), self.options)
            await self.service.start()

        await self.worlds.simulation.boot(SITE, program)

    async def die(self) -> None:
        self.worlds.simulation.crash(SITE)
        await self.boot()

    async def ask(self, operation: str, **params: Any) -> dict[str, Any]:
        return await ask(self.service, operation, params)

    async def make(self, name: str = "Things", **more: Any) -> None:
        await self.ask(
            "CreateTable",
            TableName=name,
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "parity", "AttributeType": "N"},
            ],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[INDEX],
            **{"BillingMode": "PAY_PER_REQUEST", **more},
        )
        await self.active(name)

    async def active(self, name: str) -> None:
        while self.service.database.tables[name].description.status != "ACTIVE":
            await self.here.sleep(0.01)

    async def available(self, arn: str) -> dict[str, Any]:
        while True:
            found = (await self.ask("DescribeBackup", BackupArn=arn))["BackupDescription"]
            if found["BackupDetails"]["BackupStatus"] == "AVAILABLE":
                return dict(found)
            await self.here.sleep(0.01)

    async def write(self, times: int) -> None:
        """Puts and deletes among a few keys."""
        for _ in range(times):
            pk = f"k{self.chance.randrange(40)}"
            if self.chance.random() < 0.3:
                await self.ask("DeleteItem", TableName="Things", Key={"pk": {"S": pk}})
                self.model.pop(pk, None)
            else:
                value = self.chance.randrange(1000)
                item = {"pk": {"S": pk}, "v": {"N": str(value)}, "parity": {"N": str(value % 2)}}
                await self.ask("PutItem", TableName="Things", Item=item)
                self.model[pk] = value

    async def held(self, name: str) -> Model:
        """What a table holds; its index and its counts must agree."""
        found = await self.ask("Scan", TableName=name)
        items = {item["pk"]["S"]: int(item["v"]["N"]) for item in found["Items"]}
        if (await self.ask("DescribeTable", TableName=name))["Table"].get("GlobalSecondaryIndexes"):
            indexed = await self.ask("Scan", TableName=name, IndexName="by-parity")
            assert {item["pk"]["S"]: int(item["v"]["N"]) for item in indexed["Items"]} == items
        return items

    def run(self, story: Callable[[Tale], Awaitable[None]]) -> None:
        async def whole() -> None:
            await self.boot()
            await story(self)
            await self.service.stop()
            self.service.database.store.close()

        self.worlds.run(whole, failures_expected=False)


def tell(story: Callable[[Tale], Awaitable[None]], seed: int = 1) -> None:
    Tale(seed).run(story)


@pytest.mark.parametrize("seed", range(12))
def test_a_backup_is_the_table_as_it_was_though_it_is_written_and_the_region_dies(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "SLICE_ROWS", 3)

    async def story(tale: Tale) -> None:
        await tale.make()
        await tale.write(60)
        then = dict(tale.model)
        made = (await tale.ask("CreateBackup", TableName="Things", BackupName="first"))["BackupDetails"]
        assert made["BackupStatus"] == "CREATING"
        for _ in range(4):
            await tale.write(tale.chance.randrange(20))
            await tale.here.sleep(tale.chance.random() * 0.05)
            await tale.die()
        found = await tale.available(made["BackupArn"])
        assert found["SourceTableDetails"]["ItemCount"] == len(then)
        assert await tale.held("Things") == tale.model
        await tale.ask("RestoreTableFromBackup", TargetTableName="Again", BackupArn=made["BackupArn"])
        await tale.write(10)
        await tale.here.sleep(0.06)
        await tale.die()
        await tale.active("Again")
        assert await tale.held("Again") == then
        await tale.here.sleep(1)
        assert not spaces(tale.service.database.store), "nobody needs a history any more"

    tell(story, seed)


@pytest.mark.parametrize("seed", range(6))
def test_a_table_is_restored_to_any_second_since_recovery_is_on(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "SLICE_ROWS", 3)

    async def story(tale: Tale) -> None:
        await tale.make()
        await tale.write(40)
        await tale.ask(
            "UpdateContinuousBackups",
            TableName="Things",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
        moments: list[tuple[int, Model]] = []
        for _ in range(5):
            await tale.here.sleep(1)
            moments.append((math.floor(tale.world.now()), {}))
            await tale.here.sleep(1 - tale.world.now() % 1 + 0.001)  # into the next second: nothing was written since
            moments[-1] = (math.floor(tale.world.now()), dict(tale.model))
            await tale.here.sleep(0.1)
            await tale.write(tale.chance.randrange(1, 30))
            if tale.chance.random() < 0.5:
                await tale.die()
        for number, (time, then) in enumerate(moments):
            await tale.ask(
                "RestoreTableToPointInTime",
                SourceTableName="Things",
                TargetTableName=f"At{number}",
                RestoreDateTime=time,
            )
            await tale.write(5)
            if tale.chance.random() < 0.5:
                await tale.here.sleep(tale.chance.random() * 0.06)
                await tale.die()
            await tale.active(f"At{number}")
            assert await tale.held(f"At{number}") == then
        assert await tale.held("Things") == tale.model

    tell(story, seed)


def test_a_backup_outlives_its_table_that_is_dropped_while_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "SLICE_ROWS", 1)

    async def story(tale: Tale) -> None:
        await tale.make()
        await tale.write(50)
        made = (await tale.ask("CreateBackup", TableName="Things", BackupName="last"))["BackupDetails"]
        await tale.write(5)
        then = made["BackupSizeBytes"]
        await tale.ask("DeleteTable", TableName="Things")
        found = await tale.available(made["BackupArn"])
        assert found["BackupDetails"]["BackupSizeBytes"] == then
        await tale.ask("RestoreTableFromBackup", TargetTableName="Things", BackupArn=made["BackupArn"])
        await tale.active("Things")
        assert (await tale.ask("DescribeTable", TableName="Things"))["Table"]["TableSizeBytes"] == then
        await tale.ask("DeleteBackup", BackupArn=made["BackupArn"])
        await tale.here.sleep(1)
        store, held = tale.service.database.store, tale.service.database.tables["Things"]
        prefixes = (b"dynamodb/item/", b"dynamodb/index/", HISTORY, b"dynamodb/gone/", copying.JOB)
        left = [key for prefix in prefixes for key, _ in store.range(prefix, after_prefix(prefix))]
        assert all(held.description.space.encode() in key for key in left), "rows of what is gone"

    tell(story)


def test_a_dropped_table_with_recovery_stays_as_a_system_backup_for_35_days() -> None:
    async def story(tale: Tale) -> None:
        await tale.make()
        await tale.ask(
            "UpdateContinuousBackups",
            TableName="Things",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
        await tale.write(30)
        await tale.ask("DeleteTable", TableName="Things")
        await tale.here.sleep(0.5)
        assert (await tale.ask("ListBackups"))["BackupSummaries"] == []
        (left,) = (await tale.ask("ListBackups", BackupType="SYSTEM", TableName="Things"))["BackupSummaries"]
        assert left["BackupName"] == "Things$DeletedTableBackup"
        await tale.die()
        await tale.ask("RestoreTableFromBackup", TargetTableName="Things", BackupArn=left["BackupArn"])
        await tale.active("Things")
        assert await tale.held("Things") == tale.model
        await tale.here.sleep(35 * 86400 + 7200)
        assert (await tale.ask("ListBackups", BackupType="ALL"))["BackupSummaries"] == []

    Tale(1, **{"dynamodb.ttl_sweep_s": "3600"}).run(story)  # five weeks are long


def test_backups_are_listed_in_pages_and_by_time() -> None:
    async def story(tale: Tale) -> None:
        await tale.make()
        await tale.make("Others")
        made = []
        for number in range(5):
            name = "Things" if number % 2 == 0 else "Others"
            backup = await tale.ask("CreateBackup", TableName=name, BackupName=f"number-{number}")
            made.append(backup["BackupDetails"])
            await tale.here.sleep(2)
        page = await tale.ask("ListBackups", Limit=2)
        assert [one["BackupName"] for one in page["BackupSummaries"]] == ["number-0", "number-1"]
        rest = await tale.ask("ListBackups", ExclusiveStartBackupArn=page["LastEvaluatedBackupArn"])
        assert [one["BackupName"] for one in rest["BackupSummaries"]] == ["number-2", "number-3", "number-4"]
        assert "LastEvaluatedBackupArn" not in rest
        others = await tale.ask("ListBackups", TableName="Others")
        assert [one["BackupName"] for one in others["BackupSummaries"]] == ["number-1", "number-3"]
        bounds = {
            "TimeRangeLowerBound": made[1]["BackupCreationDateTime"],
            "TimeRangeUpperBound": made[3]["BackupCreationDateTime"],
        }
        some = await tale.ask("ListBackups", **bounds)
        assert [one["BackupName"] for one in some["BackupSummaries"]] == ["number-1", "number-2"]

    tell(story)


def test_a_restored_table_has_what_the_overrides_say_and_nothing_of_its_source_s_life() -> None:
    async def story(tale: Tale) -> None:
        stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
        await tale.make(
            StreamSpecification=stream,
            Tags=[{"Key": "a", "Value": "b"}],
            DeletionProtectionEnabled=True,
            SSESpecification={"Enabled": True},
            OnDemandThroughput={"MaxReadRequestUnits": 7},
        )
        await tale.write(5)
        arn = (await tale.ask("CreateBackup", TableName="Things", BackupName="one"))["BackupDetails"]["BackupArn"]
        source = await tale.available(arn)
        assert source["SourceTableDetails"]["OnDemandThroughput"]["MaxReadRequestUnits"] == 7
        assert source["SourceTableFeatureDetails"]["StreamDescription"] == stream
        told = await tale.ask(
            "RestoreTableFromBackup",
            TargetTableName="Plain",
            BackupArn=arn,
            BillingModeOverride="PROVISIONED",
            ProvisionedThroughputOverride={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
            GlobalSecondaryIndexOverride=[],
        )
        assert told["TableDescription"]["TableStatus"] == "CREATING"
        assert told["TableDescription"]["RestoreSummary"]["RestoreInProgress"] is True
        assert told["TableDescription"]["RestoreSummary"]["SourceBackupArn"] == arn
        await tale.active("Plain")
        table = (await tale.ask("DescribeTable", TableName="Plain"))["Table"]
        assert table["RestoreSummary"]["RestoreInProgress"] is False
        assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 3
        assert table["DeletionProtectionEnabled"] is False
        assert table["AttributeDefinitions"] == [{"AttributeName": "pk", "AttributeType": "S"}]
        assert table["SSEDescription"] == source["SourceTableFeatureDetails"]["SSEDescription"]
        assert not {"GlobalSecondaryIndexes", "OnDemandThroughput", "StreamSpecification", "LatestStreamArn"} & set(
            table
        )
        assert (await tale.ask("ListTagsOfResource", ResourceArn=table["TableArn"]))["Tags"] == []

    tell(story)


ABSENT = "arn:aws:dynamodb:us-east-1:000000000000:table/Things/backup/01700000000000-00000000"
SPECIFICATION = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}


@pytest.mark.parametrize(
    ("operation", "params", "code", "message"),
    [
        ("CreateBackup", {"TableName": "Nowhere", "BackupName": "abc"}, "TableNotFoundException", "Nowhere"),
        ("CreateBackup", {"TableName": "Things", "BackupName": "a b"}, "ValidationException", "'backupName'"),
        ("CreateBackup", {"TableName": "Things"}, "ValidationException", "'backupName'"),
        ("DescribeBackup", {"BackupArn": ABSENT}, "BackupNotFoundException", f"Backup not found: {ABSENT}"),
        ("DeleteBackup", {"BackupArn": ABSENT}, "BackupNotFoundException", f"Backup not found: {ABSENT}"),
        ("ListBackups", {"Limit": 0}, "ValidationException", "'limit'"),
        ("ListBackups", {"BackupType": "AWS_BACKUP"}, "UnsupportedOperation", "AWS Backup"),
        (
            "RestoreTableFromBackup",
            {"TargetTableName": "New", "BackupArn": ABSENT},
            "BackupNotFoundException",
            "Backup not found",
        ),
        ("UpdateContinuousBackups", {"TableName": "Nowhere", **SPECIFICATION}, "TableNotFoundException", "Nowhere"),
        (
            "UpdateContinuousBackups",
            {
                "TableName": "Things",
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 36},
            },
            "ValidationException",
            "recoveryPeriodInDays",
        ),
        ("DescribeContinuousBackups", {"TableName": "Nowhere"}, "TableNotFoundException", "Nowhere"),
        (
            "RestoreTableToPointInTime",
            {"SourceTableName": "Things", "TargetTableName": "New", "UseLatestRestorableTime": True},
            "PointInTimeRecoveryUnavailableException",
            "Things",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    operation: str, params: Mapping[str, Any], code: str, message: str
) -> None:
    async def story(tale: Tale) -> None:
        await tale.make()
        before = [key for key, _ in tale.service.database.store.range(b"dynamodb/", b"dynamodb0")]
        told = await refused(tale.service, operation, params)
        assert told[0] == code
        assert message in told[1]
        assert [key for key, _ in tale.service.database.store.range(b"dynamodb/", b"dynamodb0")] == before

    tell(story)


def test_times_outside_the_window_are_refused() -> None:
    async def story(tale: Tale) -> None:
        await tale.make()
        await tale.here.sleep(5)
        await tale.ask("UpdateContinuousBackups", TableName="Things", **SPECIFICATION)
        described = await tale.ask("DescribeContinuousBackups", TableName="Things")
        window = described["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert window["PointInTimeRecoveryStatus"] == "ENABLED"
        assert window["RecoveryPeriodInDays"] == 35
        earliest = window["EarliestRestorableDateTime"]
        for wrong in (earliest - 1, tale.world.now() + 60):
            params = {"SourceTableName": "Things", "TargetTableName": "New", "RestoreDateTime": wrong}
            code, told = await refused(tale.service, "RestoreTableToPointInTime", params)
            assert code == "InvalidRestoreTimeException"
            assert "EarliestRestorableDateTime" in told
        params = {"SourceTableName": "Things", "TargetTableName": "Things", "RestoreDateTime": earliest}
        assert (await refused(tale.service, "RestoreTableToPointInTime", params))[0] == "TableAlreadyExistsException"
        await tale.ask("RestoreTableToPointInTime", **{**params, "TargetTableName": "New"})
        await tale.active("New")
        off = {"PointInTimeRecoveryEnabled": False}
        await tale.ask("UpdateContinuousBackups", TableName="Things", PointInTimeRecoverySpecification=off)
        described = await tale.ask("DescribeContinuousBackups", TableName="Things")
        status = described["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert status == {"PointInTimeRecoveryStatus": "DISABLED"}

    tell(story)


def test_what_is_older_than_the_period_is_forgotten() -> None:
    async def story(tale: Tale) -> None:
        await tale.make()
        days = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 1}
        await tale.ask("UpdateContinuousBackups", TableName="Things", PointInTimeRecoverySpecification=days)
        await tale.write(20)
        store = tale.service.database.store
        assert len(list(store.range(HISTORY, after_prefix(HISTORY)))) > 10
        await tale.here.sleep(86400 + 7200)
        await tale.write(3)
        assert len(list(store.range(HISTORY, after_prefix(HISTORY)))) <= 3

    tell(story)


def test_changes_that_come_from_other_regions_are_undone_too() -> None:
    async def story() -> None:
        planet = Planet()
        try:
            east, west = await planet.start("us-east-1"), await planet.start("us-west-2")
            await make_table(east)
            await ask(east, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "a"}, "v": {"N": "1"}}})
            add = {"TableName": "Things", "ReplicaUpdates": [{"Create": {"RegionName": "us-west-2"}}]}
            await ask(east, "UpdateTable", add)
            await until(lambda: "Things" in west.database.tables)
            await active(west)
            planet.carry()
            made = await ask(west, "CreateBackup", {"TableName": "Things", "BackupName": "west"})
            for pk in ("a", "b"):
                item = {"pk": {"S": pk}, "v": {"N": "2"}}
                await ask(east, "PutItem", {"TableName": "Things", "Item": item})
            planet.carry()
            assert (await ask(west, "Scan", {"TableName": "Things"}))["Count"] == 2
            arn = made["BackupDetails"]["BackupArn"]

            async def available() -> bool:
                found = await ask(west, "DescribeBackup", {"BackupArn": arn})
                return bool(found["BackupDescription"]["BackupDetails"]["BackupStatus"] == "AVAILABLE")

            await until(available)
            await ask(west, "RestoreTableFromBackup", {"TargetTableName": "Restored", "BackupArn": arn})
            await active(west, "Restored")
            assert (await ask(west, "Scan", {"TableName": "Restored"}))["Items"] == [
                {"pk": {"S": "a"}, "v": {"N": "1"}}
            ]
        finally:
            await planet.stop_all()

    asyncio.run(story())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
UNITS = st.fixed_dictionaries({"ReadCapacityUnits": st.integers(-1, 5), "WriteCapacityUnits": st.integers(-1, 5)})
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "TableName": st.sampled_from(["Things", "Nowhere", "x", "arn:aws:dynamodb:us-east-1:000000000000:table/Things"]),
    "SourceTableName": st.sampled_from(["Things", "Nowhere"]),
    "TargetTableName": st.sampled_from(["Things", "New", "x", "a b"]),
    "BackupName": st.sampled_from(["abc", "", "a b"]),
    "BackupArn": st.sampled_from([ABSENT, "x", "made"]),
    "UseLatestRestorableTime": st.booleans(),
    "RestoreDateTime": st.sampled_from([0, -1, 1e300, 1_700_000_000]),
    "PointInTimeRecoverySpecification": st.fixed_dictionaries(
        {"PointInTimeRecoveryEnabled": st.booleans()}, optional={"RecoveryPeriodInDays": st.integers(-1, 40)}
    ),
    "BillingModeOverride": st.sampled_from(["PROVISIONED", "PAY_PER_REQUEST", "FREE"]),
    "ProvisionedThroughputOverride": UNITS,
    "GlobalSecondaryIndexOverride": st.just([]) | st.just([{**INDEX}]) | st.just([{**INDEX, "IndexName": "other"}]),
    "OnDemandThroughputOverride": st.fixed_dictionaries({"MaxReadRequestUnits": st.integers(-2, 9)}),
    "SSESpecificationOverride": st.fixed_dictionaries({"Enabled": st.booleans()}),
    "Limit": st.integers(-1, 101),
    "ExclusiveStartBackupArn": st.text(max_size=40),
    "BackupType": st.sampled_from(["USER", "ALL", "ANY"]),
    "TimeRangeLowerBound": st.floats(-1e300, 1e300),
}
OPERATIONS = (
    "CreateBackup",
    "DescribeBackup",
    "ListBackups",
    "DeleteBackup",
    "RestoreTableFromBackup",
    "UpdateContinuousBackups",
    "DescribeContinuousBackups",
    "RestoreTableToPointInTime",
)


@settings(max_examples=40)
@given(st.data())
def test_whatever_is_asked_is_answered_or_refused(data: st.DataObject) -> None:
    names = st.lists(st.sampled_from(sorted(MEMBERS)), max_size=6, unique=True)
    asked: list[tuple[str, dict[str, Any]]] = []
    for _ in range(data.draw(st.integers(1, 6))):
        values = {name: data.draw(MEMBERS[name] | ANYTHING) for name in data.draw(names)}
        asked.append((data.draw(st.sampled_from(OPERATIONS)), values))

    async def story(tale: Tale) -> None:
        await tale.make()
        arn = (await tale.ask("CreateBackup", TableName="Things", BackupName="made"))["BackupDetails"]["BackupArn"]
        await tale.ask("UpdateContinuousBackups", TableName="Things", **SPECIFICATION)
        for operation, values in asked:
            body = orjson.dumps({**values, **({"BackupArn": arn} if values.get("BackupArn") == "made" else {})})
            try:
                params = parse_body("dynamodb", operation, body)
                await tale.service.operations[operation](Request("dynamodb", operation, params, SITE))
            except AwsError as error:
                assert error.status < 500, (operation, body, error)
        await tale.here.sleep(1)
        busy = [one.description for one in tale.service.database.tables.values() if one.description.status != "ACTIVE"]
        assert busy == []

    tell(story)
