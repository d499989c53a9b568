"""DynamoDB, as a Region's service: the table of its operations.

What it decides: which operations there are and what each is given. Everything else is in the file of its family:
items, queries, batch, transactions, partiql, tables, tags, replicas, streams, ttl, backups, recovery; absent is what
is asked of features that antipodes does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from antipodes.services.contract import Journals, Lags, Surroundings
from antipodes.services.dynamodb import (
    absent,
    backups,
    batch,
    global_tables_2017,
    items,
    policies,
    queries,
    recovery,
    tables,
    tags,
    transactions,
    ttl,
)
from antipodes.services.dynamodb.carried import CarriedItems
from antipodes.services.dynamodb.collecting import Collector
from antipodes.services.dynamodb.copies import resume
from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.inspection import Inspection
from antipodes.services.dynamodb.live_indexes import Indexer
from antipodes.services.dynamodb.metering import Meter
from antipodes.services.dynamodb.partiql.operations import PartiQL
from antipodes.services.dynamodb.replicas import Replicas
from antipodes.services.dynamodb.replication import Replication
from antipodes.services.dynamodb.streams import Streams
from antipodes.services.dynamodb.typed import takes_values, typed
from antipodes.services.dynamodb.usual import Usual
from antipodes.wire.operation import Operation, UsualOperation

PENDING_S = 30.0  # PendingReplicationCount is taken so often
_ITEM_OPERATIONS = {
    "PutItem": items.put_item,
    "GetItem": items.get_item,
    "UpdateItem": items.update_item,
    "DeleteItem": items.delete_item,
    "Query": queries.query,
    "Scan": queries.scan,
    "BatchGetItem": batch.batch_get_item,
    "BatchWriteItem": batch.batch_write_item,
    "TransactGetItems": transactions.transact_get_items,
    "TransactWriteItems": transactions.transact_write_items,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "ListTagsOfResource": tags.list_tags_of_resource,
    "PutResourcePolicy": policies.put_resource_policy,
    "GetResourcePolicy": policies.get_resource_policy,
    "DeleteResourcePolicy": policies.delete_resource_policy,
}
_TABLE_OPERATIONS = {
    "CreateTable": tables.create_table,
    "DescribeTable": tables.describe_table,
    "ListTables": tables.list_tables,
    "DeleteTable": tables.delete_table,
    "UpdateTable": tables.update_table,
    "DescribeTimeToLive": ttl.describe_time_to_live,
    "UpdateTimeToLive": ttl.update_time_to_live,
    "CreateGlobalTable": global_tables_2017.create_global_table,
    "UpdateGlobalTable": global_tables_2017.update_global_table,
    "DescribeGlobalTable": global_tables_2017.describe_global_table,
    "ListGlobalTables": global_tables_2017.list_global_tables,
    "DescribeGlobalTableSettings": global_tables_2017.describe_global_table_settings,
    "UpdateGlobalTableSettings": global_tables_2017.update_global_table_settings,
    "DescribeLimits": tables.describe_limits,
    "DescribeEndpoints": tables.describe_endpoints,
}
_BACKUP_OPERATIONS = {
    "CreateBackup": backups.create_backup,
    "DescribeBackup": backups.describe_backup,
    "ListBackups": backups.list_backups,
    "DeleteBackup": backups.delete_backup,
    "RestoreTableFromBackup": recovery.restore_table_from_backup,
    "UpdateContinuousBackups": recovery.update_continuous_backups,
    "DescribeContinuousBackups": recovery.describe_continuous_backups,
    "RestoreTableToPointInTime": recovery.restore_table_to_point_in_time,
}

_ABSENT = {
    "DescribeKinesisStreamingDestination": absent.describe_kinesis_streaming_destination,
    "DescribeContributorInsights": absent.describe_contributor_insights,
    "ListContributorInsights": absent.list_contributor_insights,
    "DescribeExport": absent.describe_export,
    "ListExports": absent.list_exports,
    "DescribeImport": absent.describe_import,
    "ListImports": absent.list_imports,
}


class DynamoDB:
    """Fulfils services.contract.Service."""

    name = "dynamodb"

    def __init__(self, surroundings: Surroundings) -> None:
        self.database = Database(surroundings)
        self.replication = Replication()
        self.replicas = Replicas(self.database, self.replication)
        self.inspection = Inspection(self.database, self.replication)
        self.carried = CarriedItems(self.database, self._delivered)
        self.indexer = Indexer(self.database)
        self.sweeper = ttl.Sweeper(self.database)
        self.collector = Collector(self.database, self.replication)
        self.streams = Streams(self.database)  # a service of its own, over the same tables
        operations: dict[str, Operation] = {
            **{name: partial(operation, self.database) for name, operation in _ITEM_OPERATIONS.items()},
            **{name: partial(operation, self.database) for name, operation in _BACKUP_OPERATIONS.items()},
            **{name: partial(operation, self.database) for name, operation in _ABSENT.items()},
            **{name: partial(operation, self.database, self.replicas) for name, operation in _TABLE_OPERATIONS.items()},
            **PartiQL(self.database).operations,
            "ReplicaSync": self.replicas.replica_sync,
            "ReplicaDescriptors": self.replicas.replica_descriptors,
            "ReplicaTables": self.inspection.replica_tables,
            "ReplicaConflicts": self.inspection.replica_conflicts,
            "ReplicaRows": self.inspection.replica_rows,
        }
        self.meter = Meter(surroundings, self.database.spawn, self.database.tables, self.database.table_name)
        self.operations = self.meter.over(
            {
                name: typed(name, operation) if not name.startswith("Replica") and takes_values(name) else operation
                for name, operation in operations.items()
            }
        )
        self.usual: Mapping[str, UsualOperation] = Usual(self.database, self.meter).operations

    def _delivered(self, table: Table, site: str, lags: Lags) -> None:
        self.inspection.delivered(table, site, lags)
        self.meter.replicated(table.name, site, lags)

    async def _count_pending(self) -> None:
        """PendingReplicationCount, which version 2017.11.29 has. Runs until cancelled."""
        while True:
            await self.database.world.tick(PENDING_S)
            tables = [table for table in self.database.tables.values() if table.legacy]
            for region in self.database.surroundings.settings.regions if tables else ():
                waiting = await self.replication.waiting(region) if region != self.database.region else {}
                for table in tables:
                    if region != self.database.region and region in table.shared.holders:
                        found = waiting.get(table.topic)
                        self.meter.pending(table.name, region, found.changes if found is not None else 0)

    def join(self, journals: Journals) -> None:
        """Gives it the journals of this Region, for tables of strong consistency. Before `start`."""
        self.replicas.strong.serving.journals = journals

    def table_sizes(self) -> dict[str, int]:
        """Items in each table, by name (for a Region's status)."""
        return {name: self.database.tables[name].items for name in sorted(self.database.tables)}

    async def start(self) -> None:
        """Resumes what was under way, and asks the other Regions what this one should hold."""
        resume(self.database)
        self.indexer.start()
        self.sweeper.start()
        self.replicas.start()
        self.collector.start()
        self.database.spawn(self._count_pending(), "pending replication")
        recovery.start(self.database)

    async def stop(self) -> None:
        await self.meter.flush()
        self.database.stop()
