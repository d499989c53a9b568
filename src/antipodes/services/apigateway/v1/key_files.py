"""API keys from files: ImportApiKeys.

A file is CSV with a line of names, which are not case sensitive: Name and Key, and if it wants Description, Enabled and
UsagePlanIds (Developer Guide, "API Gateway API key file format"). A key whose value is there already is written anew
under its id. A line that cannot be is left out and told of as a warning; with failOnWarnings nothing is imported.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.keyring import ApiKey
from antipodes.services.apigateway.v1.records import bad_request
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result

SHORTEST, LONGEST = 30, 128


@dataclass(frozen=True, slots=True)
class Line:
    """One key as a file has it."""

    name: str
    value: str
    description: str
    enabled: bool
    plans: tuple[str, ...]


async def import_api_keys(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    if params["format"] != "csv":
        raise bad_request(f"Invalid format '{params['format']}'; only csv.")
    lines: list[Line] = []
    warnings: list[str] = []
    for number, line in enumerate(lines_of(bytes(params["body"])), 2):
        try:
            _check(catalogue, line)
            lines.append(line)
        except ClientFault as fault:
            warnings.append(f"Line {number}: {fault.message}")
    if warnings and params.get("failOnWarnings"):
        raise bad_request(f"Warnings found during import:\n\t{chr(10).join(warnings)}")  # the words are from memory
    return {"ids": [await _imported(catalogue, line) for line in lines], "warnings": warnings}


def lines_of(body: bytes) -> Iterator[Line]:
    """Pure. Raises BadRequestException for what is no such file."""
    try:
        rows = list(csv.reader(body.decode("utf-8-sig").splitlines(), skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise bad_request(f"Invalid API key file: {error}") from error
    names = [name.strip().lower() for name in rows[0]] if rows else []
    if "name" not in names or "key" not in names:
        raise bad_request("Invalid API key file: it must have the columns Name and Key")
    for row in rows[1:]:
        found = dict(zip(names, (one.strip() for one in row), strict=False))
        plans = found.get("usageplanids", "").strip("'").split(",")
        yield Line(
            name=found.get("name", ""),
            value=found.get("key", ""),
            description=found.get("description", ""),
            enabled=found.get("enabled", "").lower() != "false",
            plans=tuple(plan.strip() for plan in plans if plan.strip()),
        )


def _check(catalogue: Catalogue, line: Line) -> None:
    if not SHORTEST <= len(line.value) <= LONGEST:
        raise bad_request(f"API Key value must be between {SHORTEST} and {LONGEST} characters")
    for plan in line.plans:
        catalogue.keyring.plan(plan)


async def _imported(catalogue: Catalogue, line: Line) -> str:
    """Its id."""
    keyring, now = catalogue.keyring, catalogue.surroundings.world.now()
    key = keyring.valued(line.value)
    if key is None:
        key = ApiKey(id=catalogue.new_id(10), value=line.value, name="", created=now, updated=now)
    said = {"name": line.name, "description": line.description, "enabled": line.enabled}
    key = msgspec.structs.replace(key, updated=now, **said)
    await keyring.save_key(key)
    for plan_id in line.plans:
        plan = keyring.plan(plan_id)
        if key.id not in plan.keys:
            await keyring.save_plan(msgspec.structs.replace(plan, keys=(*plan.keys, key.id)))
    return key.id
