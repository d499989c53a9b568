"""Replication stories that a person can read and rewrite: transcripts/*.txt.

A line is a command; the indented line after `show` or `status` is what it must print. Run with REWRITE=1 to write down
what is printed now, and read the difference before keeping it.

    share TOPIC SITE...      these sites hold the topic (short names: us, eu, ap)
    leave TOPIC SITE         that site gives up its copy
    put SITE KEY VALUE       a write in topic t, acknowledged; VALUE - deletes; KEY 0..99 writes a hundred keys
    cut SITE SITE | heal     a partition, and the end of all
    crash SITE | destroy SITE | boot SITE
    clock SITE SECONDS       its wall clock is off by so much
    repair SITE at SITE      the second copies again what the first may have sent to some only
    wait SECONDS
    show KEY                 each holder's value of the key in topic t; "-" none, "x" a tombstone, "." site is down
    count                    cells, tombstones included, at each site
    status SITE              whom it follows
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from antipodes.replica import leader
from tests.replica.planet import SITES, ToyPlanet, story

SHORT = dict(zip(("us", "eu", "ap"), SITES, strict=True))
TOPIC = "toy/t"
STORIES = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


class Teller:
    """Carries out the commands of one transcript."""

    def __init__(self, planet: ToyPlanet) -> None:
        self.planet = planet

    async def obey(self, line: str) -> str:
        """Returns what the command prints, or ""."""
        planet = self.planet
        match line.split():
            case ["share", topic, *sites]:
                await planet.share(f"toy/{topic}", *(SHORT[site] for site in sites))
            case ["leave", topic, site]:
                await planet.unshare(f"toy/{topic}", SHORT[site])
            case ["put", site, key, value]:
                await self._put(SHORT[site], key, None if value == "-" else value.encode())
            case ["cut", one, other]:
                planet.simulation.links.partition(SHORT[one], SHORT[other])
            case ["heal"]:
                planet.simulation.links.heal()
            case ["crash" | "destroy" as kind, site]:
                planet.crash(SHORT[site], destroy=kind == "destroy")
            case ["boot", site]:
                await planet.boot(SHORT[site])
            case ["clock", site, seconds]:
                planet.simulation.set_clock(SHORT[site], offset_s=float(seconds))
            case ["repair", origin, "at", site]:
                await planet.at(SHORT[site], planet.up[SHORT[site]].replicator.repair(SHORT[origin]))
            case ["wait", seconds]:
                await planet.simulation.world(SITES[0]).sleep(float(seconds))
            case ["show", key]:
                return " ".join(f"{short}={self._value(site, key)}" for short, site in SHORT.items())
            case ["count"]:
                return " ".join(f"{short}={self._count(site)}" for short, site in SHORT.items())
            case ["status", site]:
                return self._status(SHORT[site])
            case _:
                raise ValueError(f"no such command: {line}")
        return ""

    async def _put(self, site: str, key: str, value: bytes | None) -> None:
        keys = [f"{n:03}" for n in range(100)] if key == "0..99" else [key]
        for one in keys:
            await self.planet.at(site, self.planet._put(site, TOPIC, one.encode(), value))

    def _value(self, site: str, key: str) -> str:
        if site not in self.planet.up:
            return "."
        cell = self.planet.cells(site, TOPIC).get(key.encode())
        return "-" if cell is None else "x" if cell.value is None else cell.value.decode()

    def _count(self, site: str) -> str:
        return str(len(self.planet.cells(site, TOPIC))) if site in self.planet.up else "."

    def _status(self, site: str) -> str:
        names = {long: short for short, long in SHORT.items()}
        return "; ".join(
            f"{names[s.peer]}: {'connected' if s.connected else 'apart'}, behind {s.behind}, applied {s.applied}"
            + (f", missing {' '.join(s.missing)}" if s.missing else "")
            for s in self.planet.up[site].replicator.status()
        )


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_transcript(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader, "BATCH_CHANGES", 8)
    lines = path.read_text().splitlines()
    told: list[str] = []

    async def tell(planet: ToyPlanet, chance: random.Random) -> None:
        teller = Teller(planet)
        for line in lines:
            if line.startswith("    "):
                continue  # what was printed when the transcript was written
            told.append(line)
            if line and not line.startswith("#"):
                printed = await teller.obey(line)
                told.extend([f"    {printed}"] if printed else [])

    story(1, tell, keep_entries=50)
    if os.environ.get("REWRITE"):
        path.write_text("\n".join(told) + "\n")
    assert told == lines
