"""Network: how long bytes travel from one site to another, and whether they arrive. Used by both worlds.

A link is one direction between two sites. Asked about one parcel of bytes it answers `Pass(delay_s)` or `Drop`: half
of the median round trip (`geography`) plus a small right tail of jitter, unless a rule says otherwise. Rules are data
(rules.py): the supervisor sends them to the Region processes (`rules`, `set_rules`), and the dialling side of a stream
obeys. `Links` holds the whole table, also the rules for clocks and disks, which the worlds look up here.

It knows no sockets, no clock and no AWS. Order within a stream is the stream's business, not the link's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from antipodes.world.geography import round_trip_ms
from antipodes.world.rules import Down, Full, Partition, Paused, Rule, Skewed, Slow
from antipodes.world.world import GLOBE, HERE, SiteDown

# Jitter, as a share of the delay. Guesses: the published data has medians only.
JITTER_MEDIAN = 0.002
JITTER_MAX = 0.25
# A lost parcel of a stream is sent again after the round trip and this (Linux's least; RFC 6298 asks for a second);
# each further loss doubles it. Fast retransmit is not modelled: streams here are often idle behind a parcel.
RETRANSMISSION_MIN_S = 0.2
RESENT_AT_MOST = 6  # then it passes: a stream that is worse than that is for `Partition`

Draw = Callable[[], float]  # random.Random.random: uniform in [0, 1)


class Pass(msgspec.Struct, frozen=True):
    """The parcel arrives after this long."""

    delay_s: float


class Drop(msgspec.Struct, frozen=True):
    """The parcel is lost."""


Verdict = Pass | Drop
LOST = Drop()
AT_ONCE = Pass(0.0)


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
        self._rough: dict[tuple[str, str], tuple[float, float]] = {}  # (source, target) -> (jitter in s, loss)
        self._paused: tuple[Paused, ...] = ()
        self._skews_s: dict[str, float] = {}
        self._watchers: list[Callable[[], None]] = []

    def judge(self, source: str, target: str, draw: Draw, *, datagram: bool = False) -> Verdict:
        """What happens to one parcel from `source` to `target`, sent now. Raises UnknownPlace."""
        median_s = self.median_s(source, target)
        if median_s is None or (self._down and (source in self._down or target in self._down)):
            return LOST
        if median_s == 0.0:
            return AT_ONCE
        delay_s = median_s * (1.0 + _tail(draw()))
        rough = self._rough.get((source, target)) if self._rough else None
        if rough is None:
            return Pass(delay_s)
        jitter_s, loss = rough
        delay_s += draw() * jitter_s
        again_s = 2 * median_s + RETRANSMISSION_MIN_S * self.scale
        for _ in range(RESENT_AT_MOST):
            if draw() >= loss:
                break
            if datagram:
                return LOST
            delay_s += again_s
            again_s *= 2
        return Pass(delay_s)

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
            if not isinstance(rule, Partition | Slow) or not rule.applies(source, target):
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

    # What rules say of a site

    def paused(self, source: str, target: str) -> bool:
        """Whether replication from `source` to `target` is held back. Only between Regions: a fault of replication is
        none of the name server's."""
        return GLOBE not in (source, target) and any(rule.applies(source, target) for rule in self._paused)

    def skew_s(self, site: str) -> float:
        """How far the site's wall clock is off."""
        return self._skews_s.get(site, 0.0)

    def disk_full(self, site: str) -> bool:
        return Full(site) in self._rules

    # Rules

    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, in the order in which they were made."""
        return self._rules

    def set_rules(self, rules: Iterable[Rule]) -> None:
        """Replaces all rules. Streams that now cross a cut link break (their world watches)."""
        self._rules = tuple(rules)
        self._down = tuple(rule.site for rule in self._rules if isinstance(rule, Down))
        self._paused = tuple(rule for rule in self._rules if isinstance(rule, Paused))
        self._skews_s = {rule.site: rule.offset_s for rule in self._rules if isinstance(rule, Skewed)}
        self._rough = _rough_ways(self._rules, self.scale)
        self._delay_s.clear()
        for changed in tuple(self._watchers):
            changed()

    def add(self, rule: Rule) -> None:
        """Adds a rule. A site has one clock: a new skew takes the place of the old one."""
        others = self._rules
        if isinstance(rule, Skewed):
            others = tuple(one for one in others if not (isinstance(one, Skewed) and one.site == rule.site))
        if rule not in others:
            self.set_rules((*others, rule))

    def remove(self, rule: Rule) -> None:
        self.set_rules(one for one in self._rules if one != rule)

    def partition(self, one: str, other: str, *, one_way: bool = False) -> None:
        """Cuts the two sites from each other until `heal`."""
        self.add(Partition(one, other, one_way))

    def heal(self) -> None:
        """All faults end. Sites that are down stay down."""
        self.set_rules(rule for rule in self._rules if isinstance(rule, Down))

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


def _rough_ways(rules: Iterable[Rule], scale: float) -> dict[tuple[str, str], tuple[float, float]]:
    """(source, target) -> (jitter in seconds, loss), where a rule makes a link rough."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for rule in rules:
        if isinstance(rule, Slow) and (rule.jitter_ms or rule.loss):
            for way in ((rule.one, rule.other), (rule.other, rule.one)):
                jitter_s, loss = found.get(way, (0.0, 0.0))
                found[way] = (jitter_s + rule.jitter_ms / 1e3 * scale, 1 - (1 - loss) * (1 - rule.loss))
    return found


def _tail(u: float) -> float:
    """Jitter as a share of the delay: half the parcels under 0.2 %, one in twenty over 4 %, one in a hundred 20 %.

    u / (1 - u) has a heavy right tail without needing a logarithm; the cap keeps one parcel from stalling a run.
    """
    share = JITTER_MEDIAN * u / (1.0 - u)
    return share if share < JITTER_MAX else JITTER_MAX
