"""`antipodes env`: endpoint and credentials together, for the shell.

Both at once, so that a tool which misses the endpoint fails on AWS for want of credentials instead of deploying there.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, Json, fail
from antipodes.globe import planet as planets


def env(
    region: Annotated[
        str | None, typer.Option("--region", help="AWS_DEFAULT_REGION; the home Region if not given.")
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Prints what to `eval "$(antipodes env)"`: endpoint, credentials, Region."""
    try:
        planet = planets.read(data_dir)
    except planets.PlanetError as error:
        raise fail(str(error)) from None
    if region is not None and region not in planet.regions:
        raise fail(f"This planet has no Region {region}; it has {', '.join(planet.regions)}.", 2)
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{planet.port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": region or planet.home,
        "AWS_REGION": region or planet.home,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",  # else SDKs ask for stream-127.0.0.1, of StartLiveTail say
    }
    if as_json:
        print(json.dumps(variables, indent=2))
        return
    for name, value in variables.items():
        print(f"export {name}={value}")
    print("unset AWS_PROFILE AWS_SESSION_TOKEN")
