"""The `antipodes` command: one command a file, assembled here. Heavy imports wait until a command needs them."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from antipodes.cli import (
    curl,
    demo,
    deploy,
    dig,
    down,
    env,
    failover,
    faults,
    logs,
    operations,
    prove,
    simulate,
    soak,
    status,
    tables,
    up,
    zone,
)

app = typer.Typer(
    name="antipodes",
    help="A planet of AWS Regions on one machine: deploy to it, break it on purpose, get measured answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def show_version(wanted: bool) -> None:
    if wanted:
        print(f"antipodes {metadata.version('antipodes')}")
        raise typer.Exit()


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=show_version, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("prove")(prove.prove)
app.command("soak")(soak.soak)
app.command("up")(up.up)
app.command("status")(status.status)
app.command("tables")(tables.tables)
app.command("conflicts")(tables.conflicts)
app.command("verify")(tables.verify)
app.command("down")(down.down)
app.command("env")(env.env)
app.command("deploy")(deploy.deploy)
app.command("kill")(faults.kill)
app.command("restore")(faults.restore)
app.command("partition")(faults.partition)
app.command("slow")(faults.slow)
app.command("pause")(faults.pause)
app.command("skew")(faults.skew)
app.command("fill")(faults.fill)
app.command("heal")(faults.heal)
app.command("dig")(dig.dig)
app.command("failover")(failover.failover)
app.command("curl")(curl.curl)
app.command("logs")(logs.logs)
app.add_typer(zone.app, name="zone")
app.command("operations")(operations.operations)


def main() -> None:
    if sys.argv[1:2] == ["simulate"]:
        simulate.fix_hashes()
    app()


if __name__ == "__main__":
    main()
