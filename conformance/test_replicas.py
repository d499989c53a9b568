"""Replicas: how they are added, told of and removed."""

from __future__ import annotations

import pytest
from global_table import BUSY, MADE_S, REGIONS, GlobalTable, error_of, eventually
from pages import HOW, LOCAL_REGION, UPDATE_TABLE, VERSIONS

ONE, TWO, THREE = REGIONS


@pytest.mark.sentence(
    "You create a MREC global table by adding a replica to an existing DynamoDB table.",
    HOW,
)
def test_a_table_with_items_becomes_global_and_its_items_are_everywhere(table: GlobalTable) -> None:
    table.create(ONE)
    for number in range(50):
        table.put(ONE, f"before-{number}", v=str(number))
    table.at(ONE).update_table(TableName=table.name, ReplicaUpdates=[{"Create": {"RegionName": TWO}}])
    for number in range(20):  # writes go on meanwhile
        table.put(ONE, f"while-{number}", v=str(number))
    table.regions = (ONE, TWO)
    table.settled()
    for number in range(50):
        assert table.get(TWO, f"before-{number}") == {"pk": f"before-{number}", "v": str(number)}
    for number in range(20):
        table.everywhere(f"while-{number}", {"pk": f"while-{number}", "v": str(number)})


@pytest.mark.sentence(
    "All replicas in a global table share the same table name, primary key schema, and item data.",
    HOW,
)
def test_replicas_have_one_name_and_schema_and_arns_of_their_own(shared: GlobalTable) -> None:
    found = {region: shared.describe(region) for region in REGIONS}
    assert {one["TableName"] for one in found.values()} == {shared.name}
    assert all(one["KeySchema"] == found[ONE]["KeySchema"] for one in found.values())
    assert len({one["TableId"] for one in found.values()}) == 3
    for region, one in found.items():
        assert one["TableArn"].split(":")[3] == region


@pytest.mark.sentence(
    'If the output contains the GlobalTableVersion attribute with a value of "2019.11.21", the table is a version '
    "2019.11.21 (Current) global table replica.",
    VERSIONS,
)
@pytest.mark.parametrize("region", REGIONS)
def test_describe_table_tells_the_version_and_the_replicas(shared: GlobalTable, region: str) -> None:
    found = shared.describe(region)
    assert found["GlobalTableVersion"] == "2019.11.21"
    assert shared.replicas(region) == {other: "ACTIVE" for other in REGIONS if other != region}


@pytest.mark.sentence(
    "If the describe-global-table command returns a GlobalTableNotFoundException error, the table is not a version "
    "2017.11.29 (Legacy) replica.",
    VERSIONS,
)
def test_the_legacy_operations_do_not_know_it(shared: GlobalTable) -> None:
    code, _ = error_of(lambda: shared.at(ONE).describe_global_table(GlobalTableName=shared.name))
    assert code == "GlobalTableNotFoundException"


@pytest.mark.sentence(
    "Cannot add, delete, or update the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or "
    "UpdateTable as required.",
    LOCAL_REGION,
)
@pytest.mark.parametrize("action", ["Create", "Update", "Delete"])
def test_the_local_region_is_refused(shared: GlobalTable, action: str) -> None:
    updates = [{action: {"RegionName": ONE}}]
    code, message = error_of(lambda: shared.at(ONE).update_table(TableName=shared.name, ReplicaUpdates=updates))
    assert code == "ValidationException"
    assert "Cannot add, delete, or update the local region through ReplicaUpdates." in message


@pytest.mark.sentence("Each global table can have only one replica per AWS Region.", HOW)
def test_a_second_replica_in_a_region_is_refused(shared: GlobalTable) -> None:
    updates = [{"Create": {"RegionName": TWO}}]
    code, _ = error_of(lambda: shared.at(ONE).update_table(TableName=shared.name, ReplicaUpdates=updates))
    assert code == "ValidationException"


@pytest.mark.sentence(
    "UpdateTable is an asynchronous operation; while it's executing, the table status changes from ACTIVE to UPDATING. "
    "While it's UPDATING, you can't issue another UpdateTable request.",
    UPDATE_TABLE,
)
def test_a_table_is_updating_while_a_replica_is_made_and_another_update_is_refused(table: GlobalTable) -> None:
    table.create(ONE)
    create = [{"Create": {"RegionName": TWO}}]
    answer = table.at(ONE).update_table(TableName=table.name, ReplicaUpdates=create)
    assert answer["TableDescription"]["TableStatus"] == "UPDATING"
    listed = {one["RegionName"]: one["ReplicaStatus"] for one in answer["TableDescription"]["Replicas"]}
    assert listed[TWO] == "CREATING"
    more = [{"Create": {"RegionName": THREE}}]
    code, _ = error_of(lambda: table.at(ONE).update_table(TableName=table.name, ReplicaUpdates=more))
    assert code in BUSY
    table.regions = (ONE, TWO)
    table.settled()


@pytest.mark.sentence(
    "You can add replicas to a MREC global table to expand the number of Regions where data is replicated, or remove "
    "replicas from an MREC global table if they are no longer needed.",
    HOW,
)
def test_removing_a_replica_deletes_its_table_and_leaves_the_others_whole(table: GlobalTable, key: str) -> None:
    table.create(ONE)
    table.add(TWO, THREE)
    table.put(ONE, key, v="x")
    table.everywhere(key, {"pk": key, "v": "x"})
    table.remove(TWO, by=ONE)
    assert table.describe(TWO) == {}
    assert table.replicas(ONE) == {THREE: "ACTIVE"}
    table.put(THREE, key, v="y")
    table.everywhere(key, {"pk": key, "v": "y"})
    table.add(TWO)  # and it can come again
    assert table.get(TWO, key) == {"pk": key, "v": "y"}


@pytest.mark.sentence(
    "You can't delete a table used to add a new global table replica until 24 hours have elapsed since the new replica "
    "was created.",
    HOW,
)
def test_the_replica_that_seeded_another_is_not_deleted_on_the_same_day(table: GlobalTable) -> None:
    table.create(ONE)
    table.add(TWO)
    code, message = error_of(lambda: table.at(ONE).delete_table(TableName=table.name))
    assert code == "ValidationException"
    assert "24 hours" in message


@pytest.mark.sentence(
    "The following settings are never synchronized between replicas: Deletion protection [...]",
    HOW,
)
def test_a_protected_replica_is_not_deleted(table: GlobalTable) -> None:
    table.create(ONE)
    table.add(TWO)
    table.update(TWO, DeletionProtectionEnabled=True)
    assert table.describe(ONE)["DeletionProtectionEnabled"] is False, "protection is a replica's own"
    code, message = error_of(lambda: table.at(TWO).delete_table(TableName=table.name))
    assert code == "ValidationException"
    assert "protected against deletion" in message
    eventually(lambda: table.describe(TWO)["TableStatus"] == "ACTIVE", MADE_S)
