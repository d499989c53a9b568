"""Network: how long bytes travel from one site to another, and whether they arrive. Used by both worlds.

A link is one direction between two sites. Asked about one parcel of bytes it answers `Pass(delay_s)` or `Drop`: half
of the median round trip (`geography`) plus a small right tail of jitter, unless a rule says otherwise. Rules are data:
the supervisor sends them to the Region processes (`rules`, `set_rules`), and the dialling side of a stream obeys.

It knows no sockets, no clock and no AWS. Order within a stream is the stream's business, not the link's.

A fault of a new kind is one more rule type here, with its `applies`, and its line in `Rule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from antipodes.world.geography import round_trip_ms
from antipodes.world.world import HERE, SiteDown

# Jitter, as a share of the delay. Guesses: the published data has medians only.
JITTER_MEDIAN = 0.002
JITTER_MAX = 0.25

Draw = Callable[[], float]  # random.Random.random: uniform in [0, 1)


class Pass(msgspec.Struct, frozen=True):
    """The parcel arrives after this long."""

    delay_s: float


class Drop(msgspec.Struct, frozen=True):
    """The parcel is lost."""


Verdict = Pass | Drop
LOST = Drop()
AT_ONCE = Pass(0.0)


class Partition(msgspec.Struct, frozen=True, tag="partition"):
    """Nothing passes between two sites; with `one_way` only from `one` to `other` nothing passes."""

    one: str
    other: str
    one_way: bool = False

    def applies(self, source: str, target: str) -> bool:
        if (source, target) == (self.one, self.other):
            return True
        return not self.one_way and (source, target) == (self.other, self.one)


class Down(msgspec.Struct, frozen=True, tag="down"):
    """Nothing runs at a site: its machine refuses who dials it, its own dials fail, its streams break."""

    site: str


class Slow(msgspec.Struct, frozen=True, tag="slow"):
    """Both directions between two sites take `factor` times as long, plus `extra_ms` each."""

    one: str
    other: str
    factor: float = 1.0
    extra_ms: float = 0.0

    def applies(self, source: str, target: str) -> bool:
        return (source, target) in {(self.one, self.other), (self.other, self.one)}


Rule = Partition | Down | Slow


class Links:
    """All links of the planet under the rules in force.

    `scale` multiplies every distance (tests use a small one); it is a setting, not a rule, and does not travel.
    """

    def __init__(self, *, scale: float = 1.0) -> None:
        self.scale = scale
        self._rules: tuple[Rule, ...] = ()
        # (source, target) -> median delay in seconds, None: dropped. Emptied when the rules change.
        self._delay_s: dict[tuple[str, str], float | None] = {}
        self._down: tuple[str, ...] = ()
        self._watchers: list[Callable[[], None]] = []

    def judge(self, source: str, target: str, draw: Draw) -> Verdict:
        """What happens to one parcel from `source` to `target`, sent now. Raises UnknownPlace."""
        median_s = self.median_s(source, target)
        if median_s is None or (self._down and (source in self._down or target in self._down)):
            return LOST
        if median_s == 0.0:
            return AT_ONCE
        return Pass(median_s * (1.0 + _tail(draw())))

    def median_s(self, source: str, target: str) -> float | None:
        """The median delay of one direction in seconds; None when it is cut. A site that is down refuses from afar:
        the distance to it stays."""
        key = (source, target)
        try:
            return self._delay_s[key]
        except KeyError:
            delay_s = self._delay_s[key] = self._reckon(source, target)
            return delay_s

    def _reckon(self, source: str, target: str) -> float | None:
        if HERE in {source, target}:
            return 0.0
        delay_s = round_trip_ms(source, target) / 2e3 * self.scale
        for rule in self._rules:
            if isinstance(rule, Down) or not rule.applies(source, target):
                continue
            if isinstance(rule, Partition):
                return None
            delay_s = delay_s * rule.factor + rule.extra_ms / 1e3 * self.scale
        return delay_s

    def cut(self, one: str, other: str) -> bool:
        """Whether no stream can live between the two sites: a direction is cut, or one of them is down."""
        if HERE in {one, other}:
            return False
        if self._down and (one in self._down or other in self._down):
            return True
        return self.median_s(one, other) is None or self.median_s(other, one) is None

    def is_down(self, site: str) -> bool:
        return site in self._down

    def check_up(self, site: str) -> None:
        """Raises SiteDown when nothing runs at the (calling) site."""
        if site in self._down:
            raise SiteDown(f"{site} is down: the call never left it")

    # Rules

    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, in the order in which they were made."""
        return self._rules

    def set_rules(self, rules: Iterable[Rule]) -> None:
        """Replaces all rules. Streams that now cross a cut link break (their world watches)."""
        self._rules = tuple(rules)
        self._down = tuple(rule.site for rule in self._rules if isinstance(rule, Down))
        self._delay_s.clear()
        for changed in tuple(self._watchers):
            changed()

    def add(self, rule: Rule) -> None:
        if rule not in self._rules:
            self.set_rules((*self._rules, rule))

    def remove(self, rule: Rule) -> None:
        self.set_rules(one for one in self._rules if one != rule)

    def partition(self, one: str, other: str, *, one_way: bool = False) -> None:
        """Cuts the two sites from each other until `heal`."""
        self.add(Partition(one, other, one_way))

    def heal(self) -> None:
        """All partitions end. Sites that are down stay down, slow links stay slow."""
        self.set_rules(rule for rule in self._rules if not isinstance(rule, Partition))

    def down(self, site: str) -> None:
        """Marks a site as one where nothing runs, until `up`."""
        self.add(Down(site))

    def up(self, site: str) -> None:
        self.remove(Down(site))

    def watch(self, changed: Callable[[], None]) -> None:
        """`changed()` is called after every change of the rules."""
        self._watchers.append(changed)

    def unwatch(self, changed: Callable[[], None]) -> None:
        self._watchers.remove(changed)


def encode_rules(rules: Iterable[Rule]) -> bytes:
    """Rules as JSON, for the way to another process."""
    return msgspec.json.encode(list(rules))


def decode_rules(data: bytes) -> tuple[Rule, ...]:
    """The reverse. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=tuple[Rule, ...])


def _tail(u: float) -> float:
    """Jitter as a share of the delay: half the parcels under 0.2 %, one in twenty over 4 %, one in a hundred 20 %.

    u / (1 - u) has a heavy right tail without needing a logarithm; the cap keeps one parcel from stalling a run.
    """
    share = JITTER_MEDIAN * u / (1.0 - u)
    return share if share < JITTER_MAX else JITTER_MAX
