"""`antipodes curl URL --from CITY`: one call as a user of that city makes it: DNS, distance, TLS."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from antipodes.cli.dig import FromCity, check_place
from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, Json, fail, with_globe


def curl(
    url: Annotated[str, typer.Argument(help="https://api.globaldb.example/items/1; 443 is the planet's HTTPS port.")],
    from_city: FromCity,
    method: Annotated[str, typer.Option("--request", "-X", help="HTTP method; POST if there are data.")] = "",
    data: Annotated[str, typer.Option("--data", "-d", help="Body; @FILE reads a file.")] = "",
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="'Name: value'; may be repeated.")] = None,
    as_json: Json = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Calls a URL from a city. Body to stdout, what happened on the way to stderr; exit code 0 for 2xx and 3xx."""
    from antipodes.gameday import users

    check_place(from_city)
    headers = [split_header(one) for one in header or []]
    body = read_data(data)
    verb = method or ("POST" if data else "GET")
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    try:
        fetched = with_globe(
            data_dir, lambda globe: users.fetch(globe, url, from_city, method=verb, body=body, headers=headers)
        )
    except users.DnsFailed as error:
        raise fail(str(error)) from None
    response = fetched.response
    facts = {
        "status": response.status,
        "region": fetched.region,
        "address": fetched.address,
        "dns_ms": round(fetched.dns_ms, 1),
        "total_ms": round(fetched.total_ms, 1),
    }
    if as_json:
        print(json.dumps({**facts, "headers": response.headers, "body": response.body.decode(errors="replace")}))
    else:
        sys.stdout.buffer.write(response.body + (b"" if response.body.endswith(b"\n") else b"\n"))
        sys.stdout.flush()
        print(
            f"{facts['status']} from {fetched.region or fetched.address}: DNS {fetched.dns_ms:.0f} ms, "
            f"in all {fetched.total_ms:.0f} ms",
            file=sys.stderr,
        )
    if response.status >= 400:
        raise typer.Exit(1)


def split_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise fail(f"A header is 'Name: value', not {text!r}.", 2)
    return name.strip(), value.strip()


def read_data(data: str) -> bytes:
    """The body that --data means."""
    if not data.startswith("@"):
        return data.encode()
    try:
        with open(data[1:], "rb") as file:  # noqa: PTH123 (a path that the user typed)
            return file.read()
    except OSError as error:
        raise fail(str(error), 2) from None
