"""Items of a global table with eventual consistency: how writes travel, meet and are read."""

from __future__ import annotations

import time

import pytest
from global_table import REGIONS, GlobalTable, error_of, eventually
from pages import HOW, TABLES

ONE, TWO, THREE = REGIONS


@pytest.mark.sentence(
    "When an application writes data to a replica in one Region, DynamoDB automatically replicates the write to all "
    "other replicas in the global table.",
    HOW,
)
@pytest.mark.parametrize("region", REGIONS)
def test_a_write_in_any_region_reaches_all_others(shared: GlobalTable, key: str, region: str) -> None:
    shared.put(region, key, v="x", by=region)
    shared.everywhere(key, {"pk": key, "v": "x", "by": region})


@pytest.mark.sentence(
    "Item changes in an MREC global table replica are asynchronously replicated to all other replicas, typically "
    "within a second or less.",
    HOW,
)
def test_updates_and_deletions_travel_too(shared: GlobalTable, key: str) -> None:
    shared.put(ONE, key, v="first")
    shared.everywhere(key, {"pk": key, "v": "first"})
    update = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"S": "second"}}}
    shared.at(TWO).update_item(TableName=shared.name, Key={"pk": {"S": key}}, **update)
    shared.everywhere(key, {"pk": key, "v": "second"})
    shared.at(THREE).delete_item(TableName=shared.name, Key={"pk": {"S": key}})
    shared.everywhere(key, None)
    shared.put(ONE, key, v="again")
    shared.everywhere(key, {"pk": key, "v": "again"})


@pytest.mark.sentence("An item will eventually converge in all replicas to the version created by the last write.", HOW)
def test_replicas_converge_after_writes_everywhere_at_once(shared: GlobalTable, key: str) -> None:
    for number in range(5):
        for region in REGIONS:
            shared.put(region, key, v=f"{region} {number}")

    def converged() -> object:
        found = [shared.get(region, key) for region in REGIONS]
        return found[0] if found[0] == found[1] == found[2] else None

    eventually(converged)
    time.sleep(0.5)  # nothing is on its way any more: they stay equal
    found = eventually(converged)
    assert isinstance(found, dict)
    assert found["v"].endswith(" 4"), "a Region's later write never loses against its own earlier one"


@pytest.mark.sentence(
    "If the same item is modified in multiple Regions simultaneously, DynamoDB will resolve the conflict by using the "
    'modification with the latest internal timestamp on a per-item basis, referred to as a "last writer wins" '
    "conflict resolution method.",
    HOW,
)
def test_the_last_writer_wins_with_its_whole_item(shared: GlobalTable, key: str) -> None:
    for region in REGIONS:
        shared.put(region, key, **{f"of-{region}": "x"})

    def converged() -> object:
        found = [shared.get(region, key) for region in REGIONS]
        return found[0] if found[0] == found[1] == found[2] else None

    found = eventually(converged)
    assert isinstance(found, dict)
    assert len(found) == 2, "one write's attributes, not a mixture of several"


@pytest.mark.sentence(
    "Strongly consistent read operations return the latest version of an item if that item was last updated in the "
    "Region where the read occurred [...]",
    HOW,
)
def test_a_strong_read_sees_the_regions_own_last_write(shared: GlobalTable, key: str) -> None:
    for number in range(10):
        shared.put(TWO, key, v=str(number))
        assert shared.get(TWO, key, strong=True) == {"pk": key, "v": str(number)}


@pytest.mark.sentence(
    "Strongly consistent read operations [...] may return stale data if the item was last updated in a different "
    "Region.",
    HOW,
)
def test_a_strong_read_elsewhere_answers_without_waiting_for_the_write(shared: GlobalTable, key: str) -> None:
    shared.put(ONE, key, v="old")
    shared.everywhere(key, {"pk": key, "v": "old"})
    shared.put(ONE, key, v="new")
    assert shared.get(THREE, key, strong=True) in ({"pk": key, "v": "old"}, {"pk": key, "v": "new"})
    shared.everywhere(key, {"pk": key, "v": "new"})


@pytest.mark.sentence(
    "Conditional writes evaluate the condition expression against the version of the item in the Region.", HOW
)
def test_a_condition_sees_the_regions_own_version(shared: GlobalTable, key: str) -> None:
    def claim(region: str) -> None:
        item = {"pk": {"S": key}, "owner": {"S": region}}
        shared.at(region).put_item(TableName=shared.name, Item=item, ConditionExpression="attribute_not_exists(pk)")

    claim(ONE)
    code, _ = error_of(lambda: claim(ONE))
    assert code == "ConditionalCheckFailedException"
    shared.everywhere(key, {"pk": key, "owner": ONE})
    code, _ = error_of(lambda: claim(TWO))
    assert code == "ConditionalCheckFailedException", "once it has arrived, the condition holds there too"


@pytest.mark.sentence(
    "On a global table configured for MREC, DynamoDB transaction operations (TransactWriteItems and TransactGetItems) "
    "are only atomic within the Region where the operation was invoked. Transactional writes are not replicated as a "
    "unit across Regions [...]",
    HOW,
)
def test_a_transaction_is_whole_where_it_was_made_and_arrives_item_by_item(shared: GlobalTable, key: str) -> None:
    keys = [f"{key}-{number}" for number in range(4)]
    puts = [{"Put": {"TableName": shared.name, "Item": {"pk": {"S": one}, "v": {"S": "t"}}}} for one in keys]
    shared.at(TWO).transact_write_items(TransactItems=puts)
    assert [shared.get(TWO, one, strong=True) for one in keys] == [{"pk": one, "v": "t"} for one in keys]
    for one in keys:
        shared.everywhere(one, {"pk": one, "v": "t"})


@pytest.mark.sentence(
    "Changes will only be replicated to other Regions once they've been committed in the source Region.",
    HOW,
)
def test_of_a_transaction_that_is_cancelled_nothing_travels(shared: GlobalTable, key: str) -> None:
    shared.put(ONE, key, v="there")
    items = [
        {"Put": {"TableName": shared.name, "Item": {"pk": {"S": f"{key}-other"}}}},
        {
            "Put": {
                "TableName": shared.name,
                "Item": {"pk": {"S": key}},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        },
    ]
    code, _ = error_of(lambda: shared.at(ONE).transact_write_items(TransactItems=items))
    assert code == "TransactionCanceledException"
    shared.put(ONE, f"{key}-after", v="x")
    shared.everywhere(f"{key}-after", {"pk": f"{key}-after", "v": "x"})
    assert [shared.get(region, f"{key}-other") for region in REGIONS] == [None, None, None]


@pytest.mark.sentence("Any global table replica can serve reads and writes.", TABLES)
def test_a_batch_written_in_one_region_is_read_by_a_query_in_another(shared: GlobalTable, key: str) -> None:
    keys = [f"{key}-{number}" for number in range(25)]
    puts = [{"PutRequest": {"Item": {"pk": {"S": one}, "v": {"S": "b"}}}} for one in keys]
    left = shared.at(THREE).batch_write_item(RequestItems={shared.name: puts})["UnprocessedItems"]
    assert not left
    for one in keys:
        shared.everywhere(one, {"pk": one, "v": "b"})
    found = shared.at(ONE).query(
        TableName=shared.name,
        KeyConditionExpression="pk = :k",
        ExpressionAttributeValues={":k": {"S": keys[7]}},
    )
    assert found["Count"] == 1
