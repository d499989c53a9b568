"""Rules: what is wrong with the planet, as data. One table of them serves both worlds.

Whoever breaks the planet adds a rule, `heal` takes all of them away but `Down`. The supervisor sends the table to every
Region's process (JSON); each world obeys where the fault strikes:

    Partition, Slow    the links between two sites (network.py)
    Paused             the leader of a replication stream asks its World (`World.lets_pass`)
    Skewed             the site's wall clock (`World.now`)
    Full               the site's disk (disk.py)
    Down               dials, and open streams

A fault of a new kind is one more rule type here and in `Rule`, with what it `concerns` and its sentence.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Partition(msgspec.Struct, frozen=True, tag="partition"):
    """Nothing passes between two sites. With `one_way` only what `one` sends to `other` is lost; a byte stream needs
    both ways and breaks all the same, a datagram the other way gets through."""

    one: str
    other: str
    one_way: bool = False

    def applies(self, source: str, target: str) -> bool:
        if (source, target) == (self.one, self.other):
            return True
        return not self.one_way and (source, target) == (self.other, self.one)

    def concerns(self) -> tuple[str, ...]:
        return (self.one, self.other)

    def __str__(self) -> str:
        return f"partition: {self.one} {'->' if self.one_way else '|'} {self.other}"


class Slow(msgspec.Struct, frozen=True, tag="slow"):
    """Both directions between two sites take `factor` times as long, plus `extra_ms`, plus up to `jitter_ms` (uniform),
    each. `loss` of the parcels are lost: in a byte stream they are sent again after a retransmission timeout, and a
    lost datagram is lost."""

    one: str
    other: str
    factor: float = 1.0
    extra_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0  # 0 to 1

    def applies(self, source: str, target: str) -> bool:
        return (source, target) in {(self.one, self.other), (self.other, self.one)}

    def concerns(self) -> tuple[str, ...]:
        return (self.one, self.other)

    def __str__(self) -> str:
        parts = [f"x{self.factor:g}"] if self.factor != 1.0 else []
        parts += [f"+{self.extra_ms:g} ms"] if self.extra_ms else []
        parts += [f"jitter {self.jitter_ms:g} ms"] if self.jitter_ms else []
        parts += [f"{self.loss:.3g} lost"] if self.loss else []
        return f"slow link: {self.one} | {self.other} ({', '.join(parts)})"


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """No changes are replicated into or out of a site, other pairs go on (as FIS's
    aws:dynamodb:global-table-pause-replication); with `toward` only those from `site` to that one. All else passes."""

    site: str
    toward: str = ""

    def applies(self, source: str, target: str) -> bool:
        if self.toward:
            return (source, target) == (self.site, self.toward)
        return self.site in (source, target)

    def concerns(self) -> tuple[str, ...]:
        return (self.site, self.toward) if self.toward else (self.site,)

    def __str__(self) -> str:
        return f"replication paused: {self.site}" + (f" -> {self.toward}" if self.toward else "")


class Skewed(msgspec.Struct, frozen=True, tag="skewed"):
    """A site's wall clock is off by so many seconds: ahead if positive."""

    site: str
    offset_s: float

    def concerns(self) -> tuple[str, ...]:
        return (self.site,)

    def __str__(self) -> str:
        return f"clock skew: {self.site} {self.offset_s:+g} s"


class Full(msgspec.Struct, frozen=True, tag="full"):
    """A site's disk is full: nothing more can be written, everything can be read."""

    site: str

    def concerns(self) -> tuple[str, ...]:
        return (self.site,)

    def __str__(self) -> str:
        return f"disk full: {self.site}"


class Down(msgspec.Struct, frozen=True, tag="down"):
    """Nothing runs at a site: its machine refuses who dials it, its own dials fail, its streams break."""

    site: str

    def concerns(self) -> tuple[str, ...]:
        return (self.site,)

    def __str__(self) -> str:
        return f"down: {self.site}"


Fault = Partition | Slow | Paused | Skewed | Full  # what `heal` ends
Rule = Fault | Down


def encode_rules(rules: Iterable[Rule]) -> bytes:
    """Rules as JSON, for the way to another process."""
    return msgspec.json.encode(list(rules))


def decode_rules(data: bytes) -> tuple[Rule, ...]:
    """The reverse. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=tuple[Rule, ...])
