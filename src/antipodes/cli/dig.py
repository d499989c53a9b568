"""`antipodes dig NAME --from CITY`: the answer that users of that city get, uncached."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, Json, fail, with_globe
from antipodes.world import geography

FromCity = Annotated[str, typer.Option("--from", metavar="CITY", help='A city ("Tokyo") or a Region.')]


def check_place(name: str) -> None:
    """Ends the command if there is no such city or Region."""
    try:
        geography.place_of(name)
    except geography.UnknownPlace as error:
        raise fail(str(error), 2) from None


def dig(
    name: Annotated[str, typer.Argument(help="The name, such as api.globaldb.example.")],
    from_city: FromCity,
    record_type: Annotated[str, typer.Option("--type", help="A, AAAA, CNAME, TXT, NS, SOA ...")] = "A",
    as_json: Json = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Asks the planet's DNS as a city's users do (EDNS client subnet)."""
    from antipodes.gameday import users

    check_place(from_city)
    try:
        answer = with_globe(data_dir, lambda globe: users.dig(globe, name, from_city, record_type.upper()))
    except users.DnsFailed as error:
        raise fail(str(error)) from None
    if as_json:
        records = [{"name": r.name, "ttl": r.ttl_s, "type": r.type, "value": r.value} for r in answer.answers]
        print(json.dumps({"rcode": answer.rcode, "records": records}, indent=2))
        return
    if not answer.answers:
        print(f"{answer.rcode}: {users.why_not(answer.rcode, name, record_type.upper())}")
        raise typer.Exit(1)
    for record in answer.answers:
        region = geography.site_of(record.value) if record.type == "A" else None
        print(f"{record.name} {record.ttl_s} {record.type} {record.value}{f'   {region}' if region else ''}")
