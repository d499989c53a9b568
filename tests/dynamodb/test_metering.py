"""What DynamoDB tells CloudWatch of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from antipodes.services.dynamodb.metering import LOT, Spread
from tests.dynamodb.conftest import Planet, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
Where = tuple[str, frozenset[tuple[str, str]]]


def told(planet: Planet) -> dict[Where, Mapping[str, Any]]:
    """All that CloudWatch was told, by metric and dimensions: the last of each."""
    found: dict[Where, Mapping[str, Any]] = {}
    for one in planet.recorded:
        assert one["Namespace"] == "AWS/DynamoDB"
        for datum in one["MetricData"]:
            place = frozenset((dimension["Name"], dimension["Value"]) for dimension in datum["Dimensions"])
            found[datum["MetricName"], place] = datum
    return found


def at(metric: str, **dimensions: str) -> Where:
    return metric, frozenset(dimensions.items())


def sums(found: Mapping[Where, Mapping[str, Any]], metric: str, **dimensions: str) -> tuple[float, float]:
    """(sum, number of samples)."""
    statistics = found[at(metric, **dimensions)]["StatisticValues"]
    return statistics["Sum"], statistics["SampleCount"]


def test_units_latencies_and_errors_are_counted_where_aws_counts_them(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        index = {
            "IndexName": "by-g",
            "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
        attributes = [{"AttributeName": "g", "AttributeType": "S"}]
        await make_table(service, attributes=attributes, GlobalSecondaryIndexes=[index])
        await service.meter.flush()
        planet.recorded.clear()
        large = {"pk": {"S": "a"}, "pad": {"S": "x" * 3000}}
        await ask(service, "PutItem", {"TableName": "Things", "Item": large})
        await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "b"}, "g": {"S": "g"}}})
        await ask(service, "DeleteItem", {"TableName": "Things", "Key": {"pk": {"S": "nothing"}}})
        arn = "arn:aws:dynamodb:us-east-1:000000000000:table/Things"
        await ask(service, "GetItem", {"TableName": arn, "Key": {"pk": {"S": "a"}}, "ConsistentRead": True})
        await ask(service, "GetItem", {"TableName": "Things", "Key": {"pk": {"S": "a"}}})
        await ask(service, "Scan", {"TableName": "Things", "IndexName": "by-g"})
        await ask(service, "TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "Things", "Item": large}}]})
        guarded = {"TableName": "Things", "Item": large, "ConditionExpression": "attribute_not_exists(pk)"}
        assert (await refused(service, "PutItem", guarded))[0] == "ConditionalCheckFailedException"
        assert (await refused(service, "PutItem", {"TableName": "Things", "Item": {}}))[0] == "ValidationException"
        assert (await refused(service, "GetItem", {"TableName": "Nowhere", "Key": {"pk": {"S": "a"}}}))[0]
        await service.meter.flush()
        found = told(planet)
        assert sums(found, "ConsumedWriteCapacityUnits", TableName="Things") == (3 + 1 + 1 + 6 + 3, 5)
        assert sums(found, "ConsumedWriteCapacityUnits", TableName="Things", GlobalSecondaryIndexName="by-g") == (1, 1)
        assert sums(found, "ConsumedReadCapacityUnits", TableName="Things") == (1.5, 2)
        assert sums(found, "ConsumedReadCapacityUnits", TableName="Things", GlobalSecondaryIndexName="by-g") == (0.5, 1)
        assert sums(found, "ReturnedItemCount", TableName="Things", Operation="Scan") == (1, 1)
        assert sums(found, "ConditionalCheckFailedRequests", TableName="Things") == (1, 1)
        assert sums(found, "UserErrors") == (2, 2)
        latency = found[at("SuccessfulRequestLatency", TableName="Things", Operation="PutItem")]
        assert latency["StatisticValues"]["SampleCount"] == 2
        assert latency["Unit"] == "Milliseconds"
        assert sum(latency["Counts"]) == 2
        assert at("SuccessfulRequestLatency", TableName="Things", Operation="TransactWriteItems") in found
        assert not any("Nowhere" in str(where) for where in found)
        planet.recorded.clear()
        await service.meter.flush()
        assert planet.recorded == []

    run(story)


def test_metrics_are_handed_over_by_themselves(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "a"}}})
        while at("ConsumedWriteCapacityUnits", TableName="Things") not in told(planet):
            await service.database.world.sleep(0.001)

    run(story)


def test_the_spread_of_latencies_keeps_count_sum_bounds_and_percentiles() -> None:
    spread = Spread()
    lot = [number / 1e6 for number in range(1, LOT + 1)]  # 1 µs, 2 µs, ...
    spread.add(lot)
    assert spread.count == LOT == sum(spread.values.values())
    assert abs(spread.total - sum(lot) * 1000) < 1e-6
    assert (spread.least, spread.most) == (0.001, LOT / 1000)
    ordered = sorted(value for value, count in spread.values.items() for _ in range(count))
    for wanted in (0.5, 0.9, 0.99, 0.999):
        exact = lot[int(LOT * wanted)] * 1000
        assert abs(ordered[int(LOT * wanted)] - exact) / exact < 0.02
