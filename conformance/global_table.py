"""What the tests of this folder stand on: where DynamoDB is, a table with its replicas, and waiting.

Only pytest and boto3. Options, as environment variables (README.md):
    GLOBAL_TABLES_ENDPOINT   http://127.0.0.1:4566 and the like; empty: AWS itself
    GLOBAL_TABLES_REGIONS    three Regions, comma-separated
    GLOBAL_TABLES_PATIENCE   factor on all waiting; 1 is made for AWS
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import boto3
import botocore.config
import botocore.exceptions

T = TypeVar("T")

ENDPOINT = os.environ.get("GLOBAL_TABLES_ENDPOINT") or None
REGIONS = tuple((os.environ.get("GLOBAL_TABLES_REGIONS") or "us-east-1,us-west-2,eu-west-1").split(","))
PATIENCE = float(os.environ.get("GLOBAL_TABLES_PATIENCE") or "1")
LOOK_S = 0.05 if ENDPOINT else 1.0
REPLICATED_S = 60.0  # how long a change may take; AWS promises nothing, "typically within a second or less"
MADE_S = 1800.0  # how long a replica may take to be made
BUSY = ("ResourceInUseException", "LimitExceededException")

Item = dict[str, dict[str, Any]]


def client(service: str, region: str) -> Any:
    """A boto3 client; credentials come from the environment, as always. An emulator takes test and test."""
    config = botocore.config.Config(retries={"mode": "standard", "max_attempts": 5})
    if ENDPOINT and "AWS_ACCESS_KEY_ID" not in os.environ:
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return boto3.client(service, region_name=region, endpoint_url=ENDPOINT, config=config)


def eventually(look: Callable[[], T], within_s: float = REPLICATED_S) -> T:
    """The first true answer; fails when the time is over."""
    deadline = time.monotonic() + within_s * PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"it did not come true within {within_s * PATIENCE:.0f} s"
        time.sleep(LOOK_S)


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    """(code, message) of a call that AWS refuses."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        told: Mapping[str, str] = error.response["Error"]
        return told["Code"], told["Message"]
    raise AssertionError("the call was not refused")


@dataclass
class GlobalTable:
    """A table, its replicas and clients for them."""

    name: str
    regions: tuple[str, ...] = ()
    clients: dict[str, Any] = field(default_factory=lambda: {region: client("dynamodb", region) for region in REGIONS})

    def at(self, region: str) -> Any:
        return self.clients[region]

    def describe(self, region: str) -> dict[str, Any]:
        """TableDescription; {} when there is no table."""
        try:
            found: dict[str, Any] = self.at(region).describe_table(TableName=self.name)["Table"]
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return {}
            raise
        return found

    def replicas(self, region: str) -> dict[str, str]:
        """ReplicaStatus by Region, as one Region tells it; the Region that is asked is left out (see README)."""
        listed = self.describe(region).get("Replicas", [])
        return {one["RegionName"]: one["ReplicaStatus"] for one in listed if one["RegionName"] != region}

    def create(self, region: str, **more: Any) -> None:
        params = {
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            **more,
        }
        self.at(region).create_table(TableName=self.name, **params)
        self.regions = (region,)
        self.settled()

    def settled(self) -> None:
        """Returns when the table and all replicas are ACTIVE, as every Region tells it."""

        def active() -> bool:
            for region in self.regions:
                found = self.describe(region)
                others = {one: "ACTIVE" for one in self.regions if one != region}
                if found.get("TableStatus") != "ACTIVE" or self.replicas(region) != others:
                    return False
                if any(one.get("IndexStatus") != "ACTIVE" for one in found.get("GlobalSecondaryIndexes", [])):
                    return False
            return True

        eventually(active, MADE_S)

    def update(self, region: str, **change: Any) -> None:
        """UpdateTable, waited for."""
        self.at(region).update_table(TableName=self.name, **change)
        self.settled()

    def add(self, *others: str, **settings: Any) -> None:
        """Replicas, one an UpdateTable, from the first Region."""
        for other in others:
            create = {"Create": {"RegionName": other, **settings}}
            self.at(self.regions[0]).update_table(TableName=self.name, ReplicaUpdates=[create])
            self.regions = (*self.regions, other)
            self.settled()

    def remove(self, region: str, by: str) -> None:
        self.at(by).update_table(TableName=self.name, ReplicaUpdates=[{"Delete": {"RegionName": region}}])
        self.regions = tuple(one for one in self.regions if one != region)
        eventually(lambda: not self.describe(region), MADE_S)
        self.settled()

    def put(self, region: str, key: str, **attributes: str) -> None:
        item: Item = {"pk": {"S": key}, **{name: {"S": value} for name, value in attributes.items()}}
        self.at(region).put_item(TableName=self.name, Item=item)

    def get(self, region: str, key: str, *, strong: bool = False) -> dict[str, Any] | None:
        """The item with plain values; None: it is not there."""
        answer = self.at(region).get_item(TableName=self.name, Key={"pk": {"S": key}}, ConsistentRead=strong)
        item = answer.get("Item")
        return None if item is None else {name: next(iter(value.values())) for name, value in item.items()}

    def everywhere(self, key: str, value: dict[str, Any] | None) -> None:
        """Waits until every replica holds just this."""
        eventually(lambda: all(self.get(region, key) == value for region in self.regions))

    def destroy(self) -> None:
        """Takes everything away; what is being changed is waited for."""

        def gone() -> bool:
            left = [region for region in REGIONS if self.describe(region)]
            for region in left:
                try:
                    others = [one for one, status in self.replicas(region).items() if status != "DELETING"]
                    if others:
                        delete = {"Delete": {"RegionName": others[0]}}
                        self.at(region).update_table(TableName=self.name, ReplicaUpdates=[delete])
                        return False
                    if len(left) == 1:
                        self.at(region).delete_table(TableName=self.name)
                except botocore.exceptions.ClientError as error:
                    if error.response["Error"]["Code"] not in {*BUSY, "ResourceNotFoundException"}:
                        raise
                return False
            return True

        for region in REGIONS:
            if self.describe(region).get("DeletionProtectionEnabled"):
                self.at(region).update_table(TableName=self.name, DeletionProtectionEnabled=False)
        eventually(gone, MADE_S)


def table_name() -> str:
    return f"global-tables-conformance-{uuid.uuid4().hex[:12]}"
