"""What a planet is made of, as written in its data folder (`planet.json`): one typed record, read by every process.

The record is private to the user (mode 0600): it holds the token with which the planet's own processes know each other,
and the key from which session credentials derive. Reading and writing it is the only thing this module does to a disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from antipodes.services.contract import Settings
from antipodes.world import geography

FILE = "planet.json"
LINKS_FILE = "links.json"  # the network's rules, for a Region process that starts later
CA_FILE = "ca.pem"  # for clients that check certificates: curl --cacert
FORMAT = 1
DEFAULT_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")


class PlanetError(Exception):
    """The planet's folder cannot be used; the message says why and what to do."""


class Planet(msgspec.Struct, frozen=True):
    """Everything that must be known to join a planet. Ports are TCP or UDP ports on loopback."""

    regions: tuple[str, ...]
    port: int = 4566
    https_port: int = 8443
    dns_port: int = 5300
    in_memory: bool = False
    token: str = ""  # what the planet's processes say to each other
    key: str = ""  # session credentials derive from it
    ca_pem: str = ""  # certificate of the local CA
    ca_key_pem: str = ""
    format: int = FORMAT
    options: dict[str, str] = {}

    @property
    def home(self) -> str:
        """Where global control planes live (Route 53, IAM): us-east-1, as on AWS, or the first Region there is."""
        return "us-east-1" if "us-east-1" in self.regions else self.regions[0]

    @property
    def settings(self) -> Settings:
        """What the Regions' services are told."""
        options = {"planet_key": self.key, "home": self.home, **self.options}
        return Settings(
            regions=self.regions,
            port=self.port,
            https_port=self.https_port,
            dns_port=self.dns_port,
            options=options,
        )


def check_regions(regions: tuple[str, ...]) -> tuple[str, ...]:
    """The same tuple if every name is a Region and none is named twice. Raises PlanetError."""
    if not regions:
        raise PlanetError("A planet needs at least one Region: --regions us-east-1,us-west-2,eu-west-1")
    for region in regions:
        try:
            geography.region_site(region)
        except geography.UnknownPlace as error:
            raise PlanetError(str(error)) from None
        if regions.count(region) > 1:
            raise PlanetError(f"Region {region} is named twice.")
    return regions


def check_credentials(given: Sequence[str]) -> str:
    """Access keys and their secrets, each "KEY:SECRET", as the option of a Region. Raises PlanetError."""
    for one in given:
        key, _, secret = one.partition(":")
        if not key or not secret or "/" in key or " " in one or not one.isprintable():
            raise PlanetError(f"--credentials takes KEY:SECRET, without spaces, not {one!r}.")
    return " ".join(given)


def read(data_dir: Path) -> Planet:
    """The planet of that folder. Raises PlanetError: none there, or a newer format."""
    path = data_dir / FILE
    try:
        planet = msgspec.json.decode(path.read_bytes(), type=Planet)
    except FileNotFoundError:
        raise PlanetError(
            f"There is no planet in {data_dir}. Start one with `antipodes up --data-dir {data_dir}`."
        ) from None
    except OSError as error:
        raise PlanetError(f"The planet's folder {data_dir} cannot be used: {error.strerror}.") from None
    except msgspec.MsgspecError as error:
        raise PlanetError(f"{path} cannot be read: {error}") from None
    if planet.format > FORMAT:
        raise PlanetError(f"{path} was written by a newer antipodes (format {planet.format}; this one reads {FORMAT}).")
    return planet


def write(data_dir: Path, planet: Planet) -> None:
    """Writes the record, readable by its owner only, and the CA's certificate for clients. Raises PlanetError."""
    path = data_dir / FILE
    fresh = path.with_suffix(".new")
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.touch(mode=0o600)
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(planet)))
        (data_dir / CA_FILE).write_text(planet.ca_pem)
        fresh.replace(path)
    except OSError as error:
        raise PlanetError(f"The planet's folder {data_dir} cannot be used: {error.strerror}.") from None
