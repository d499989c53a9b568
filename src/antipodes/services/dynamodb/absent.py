"""What antipodes does not have, asked about: exports, imports, Kinesis destinations, Contributor Insights.

These operations answer what AWS answers where nothing of the kind was ever made, which is so here: those that would
make it are refused by name. Wording of the "not found" from the API reference.
"""

from __future__ import annotations

from antipodes.services.dynamodb.database import Database, Table, not_found
from antipodes.services.dynamodb.parameters import Constraints, Params, table_name
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result


async def describe_kinesis_streaming_destination(database: Database, request: Request) -> Result:
    """No table streams to Kinesis."""
    return {"TableName": _known(database, request.params).name, "KinesisDataStreamDestinations": []}


async def describe_contributor_insights(database: Database, request: Request) -> Result:
    """Disabled on every table and index."""
    table = _known(database, request.params)
    index = request.params.get("IndexName")
    if index is not None and all(one.name != index or not one.is_global for one in table.indexes):
        raise not_found(f"Requested resource not found: Index: {index} not found")  # from memory
    shown = {"TableName": table.name, "ContributorInsightsStatus": "DISABLED"}
    return shown | ({"IndexName": index} if index is not None else {})


async def list_contributor_insights(database: Database, request: Request) -> Result:
    """None were ever enabled."""
    if request.params.get("TableName") is not None:
        _known(database, request.params)
    return {"ContributorInsightsSummaries": []}


async def list_exports(database: Database, request: Request) -> Result:
    """There are none."""
    return {"ExportSummaries": []}


async def list_imports(database: Database, request: Request) -> Result:
    """There are none."""
    return {"ImportSummaryList": []}


async def describe_export(database: Database, request: Request) -> Result:
    """There is none of that ARN."""
    raise ClientFault("ExportNotFoundException", f"Export not found: {_named(request.params, 'ExportArn')}")


async def describe_import(database: Database, request: Request) -> Result:
    """There is none of that ARN."""
    raise ClientFault("ImportNotFoundException", f"Import not found: {_named(request.params, 'ImportArn')}")


def _known(database: Database, params: Params) -> Table:
    name = database.table_name(table_name(params))
    table = database.tables.get(name)
    if table is None:
        raise not_found(f"Requested resource not found: Table: {name} not found")
    return table


def _named(params: Params, member: str) -> str:
    constraints = Constraints()
    constraints.required(params.get(member), member[0].lower() + member[1:])
    constraints.settle()
    return str(params[member])
