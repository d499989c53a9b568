"""The supervisor: the process that `antipodes up` is. Front door, DNS, name server, admin API, and the Regions' parent.

Order of start: ports are taken first (a port in use ends the start before anything runs), then the Regions, then it is
announced. Order of end: Regions, then doors.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from antipodes.edge.dns import serve_dns
from antipodes.edge.http import serve_http
from antipodes.edge.tls import Authority
from antipodes.globe import planet as planets
from antipodes.globe.admin import Admin
from antipodes.globe.frontdoor import FrontDoor
from antipodes.globe.planet import Planet
from antipodes.globe.processes import RealGlobe, RegionDidNotStart
from antipodes.nameserver import NameServer
from antipodes.region.region import LIMITS
from antipodes.world import geography
from antipodes.world.disk import Disk, FileDisk, MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, check_free, run_real
from antipodes.world.rules import encode_rules
from antipodes.world.world import GLOBE, NetworkError, PortInUse

log = logging.getLogger("antipodes.globe")


def check_ports(port: int, https_port: int, dns_port: int) -> None:
    """Raises PlanetError: two doors at one port."""
    if len({port, https_port, dns_port}) < 3:
        raise planets.PlanetError("--port, --https-port and --dns-port must differ.")


def check_doors(regions: tuple[str, ...], *, port: int, https_port: int, dns_port: int) -> None:
    """Whether every door of such a planet can be opened now: before anything is written or started.

    Raises PlanetError: a port is taken, an address is not this machine's.
    """
    homes = [geography.address_of(region) for region in regions]
    backbone = geography.backbone_port(port)
    doors = [
        *((address, port, "--port") for address in (geography.GLOBE_ADDRESS, *homes)),
        *((address, https_port, "--https-port") for address in homes),
        (geography.GLOBE_ADDRESS, dns_port, "--dns-port"),
        *((address, backbone, "--port") for address in (geography.GLOBE_ADDRESS, *homes)),
    ]
    for address, number, option in doors:
        try:
            check_free(address, number, udp=option == "--dns-port")
        except PortInUse as error:
            which = f" (Regions talk there, {number - port:+} from --port)" if number == backbone else ""
            raise planets.PlanetError(f"{error}{which}; choose another with {option}.") from None
        except OSError as error:
            raise planets.PlanetError(error.strerror or str(error)) from None


def prepare(
    data_dir: Path,
    *,
    regions: tuple[str, ...],
    port: int,
    https_port: int,
    dns_port: int,
    in_memory: bool,
    replication_delay_s: float = 0.0,
    throttling: bool = False,
    strict: bool = False,
    credentials: str = "",
) -> Planet:
    """Writes (or renews) the planet's record; keys and CA of an earlier planet in that folder are kept.

    Raises PlanetError.
    """
    check_ports(port, https_port, dns_port)
    if (data_dir / planets.FILE).exists():
        kept = planets.read(data_dir)
    else:
        world = RealWorld(GLOBE, links=Links(), disk=MemoryDisk())
        authority = Authority.create(world.now(), "antipodes local CA")
        kept = Planet(
            regions=regions,
            token=os.urandom(24).hex(),
            key=os.urandom(24).hex(),
            ca_pem=authority.pem.decode(),
            ca_key_pem=authority.key_pem.decode(),
        )
    planet = msgspec.structs.replace(
        kept,
        regions=regions,
        port=port,
        https_port=https_port,
        dns_port=dns_port,
        in_memory=in_memory,
        options={
            **kept.options,
            "dynamodb.replication_delay_s": str(replication_delay_s),
            "dynamodb.throttling": "on" if throttling else "off",
            "dynamodb.strict": "on" if strict else "off",
            "credentials": credentials,
        },
    )
    planets.write(data_dir, planet)
    return planet


def run(
    data_dir: Path, planet: Planet, *, announce: Callable[[str], None], ready: Callable[[], None] = lambda: None
) -> int:
    """Runs the planet until SIGINT or SIGTERM (`antipodes down`); the exit code. Raises PlanetError: no start."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(message)s", filename=data_dir / "globe.events.log"
    )
    try:
        return run_real(lambda: supervise(data_dir, planet, announce, ready))
    except (NetworkError, RegionDidNotStart, OSError) as error:
        log.exception("the planet ends")
        raise planets.PlanetError(str(error)) from error


async def supervise(data_dir: Path, planet: Planet, announce: Callable[[str], None], ready: Callable[[], None]) -> int:
    """The planet's whole life."""
    links = Links()
    disk: Disk = MemoryDisk() if planet.in_memory else FileDisk(data_dir / "globe")
    world = RealWorld(GLOBE, links=links, disk=disk, ca_pem=planet.ca_pem)
    globe = RealGlobe(data_dir, planet, world, links)
    ended = asyncio.Event()
    admin = Admin(globe, planet.token, links=lambda: encode_rules(links.rules()))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    nameserver = NameServer(
        world,
        planet.settings,
        token=planet.token,
        probe_world=RealWorld(GLOBE, links=links, disk=disk, verify=False),
        on_event=globe.note,
        write_log=lambda path, lines: _append(data_dir / "query-logs" / path, lines),
    )
    globe.nameserver = nameserver
    door = FrontDoor(world, planet, globe, admin, nameserver)
    servers = [await serve_http(world, planet.port, door.respond, limits=LIMITS)]
    try:
        servers.append(await serve_dns(world, planet.dns_port, nameserver.answer, raw_socket=True))
        await globe.start()
        await nameserver.start()
        announce(f"The planet is up: {', '.join(planet.regions)}.")
        announce(f"  API   http://127.0.0.1:{planet.port}      DNS   127.0.0.1:{planet.dns_port}")
        announce("  Ctrl-C ends it.")
        ready()
        await ended.wait()
        announce("Ending the planet.")
    finally:
        await nameserver.stop()
        await globe.stop()
        for server in servers:
            server.close()
    return 0


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
