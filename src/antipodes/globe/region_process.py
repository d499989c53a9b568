"""A Region's process: reads the planet's record, serves until its stdin closes or SIGTERM comes.

    python -m antipodes.globe.region_process NAME DATA_DIR

Not a command of `antipodes`: what those import a Region does not need, and there are many Regions.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from pathlib import Path

from antipodes.globe import planet as planets
from antipodes.globe.planet import LINKS_FILE, Planet
from antipodes.region.region import Region
from antipodes.world.disk import Disk, FileDisk, MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from antipodes.world.rules import decode_rules
from antipodes.world.world import NetworkError


def run(name: str, data_dir: Path) -> None:
    """The process's main function. Errors at start are one line on stderr, which the supervisor repeats."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        run_real(lambda: serve(name, data_dir, planets.read(data_dir)))
    except (planets.PlanetError, NetworkError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


async def serve(name: str, data_dir: Path, planet: Planet) -> None:
    """Starts the Region, says "ready" on stdout, and waits for its end."""
    folder = data_dir / "regions" / name
    disk: Disk = MemoryDisk() if planet.in_memory else FileDisk(folder)
    folder.mkdir(parents=True, exist_ok=True)
    links = Links()
    with contextlib.suppress(FileNotFoundError):
        links.set_rules(decode_rules((data_dir / LINKS_FILE).read_bytes()))
    world = RealWorld(name, links=links, disk=disk, ca_pem=planet.ca_pem)
    authority = LateAuthority(planet.ca_pem.encode(), planet.ca_key_pem.encode())
    region = Region(world, planet.settings, token=planet.token, authority=authority, set_links=links.set_rules)
    await region.start()
    spare_the_collector()
    print("ready", flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(sys.stdin.fileno(), lambda: stdin_says(loop, ended))
    await ended.wait()
    await region.stop()


class LateAuthority:
    """The planet's authority, which a Region needs when it is first spoken to over TLS: cryptography takes 9 MB."""

    def __init__(self, pem: bytes, key_pem: bytes) -> None:
        self._pems = pem, key_pem

    def issue(self, names: list[str], now: float) -> tuple[bytes, bytes]:
        from antipodes.edge.tls import Authority  # noqa: PLC0415

        return Authority.load(*self._pems).issue(names, now)


def spare_the_collector() -> None:
    """What was made at start stays for ever: the garbage collector need not look at it again. And it comes seldom:
    requests leave no cycles behind, but their short-lived containers would wake it every few of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def stdin_says(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """The supervisor never writes: readable means closed, which means that it is gone."""
    if not os.read(sys.stdin.fileno(), 64):
        loop.remove_reader(sys.stdin.fileno())
        ended.set()


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
