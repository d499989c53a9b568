"""Prepared answers: what the data plane says to one question, as bytes that only need a head and an OPT record.

Rules. An answer is prepared when it is first asked for, for each site where place matters (for each client where its
address does), and dropped by the data plane when what it leans on changes (services.route53.kept). Where policies draw,
every way that the draws can fall is prepared with its probability, and one is drawn for each question; where they
sample, each record is. What has too many ways, or brings glue along, is walked for each question instead.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from antipodes.nameserver.signer import SYNTHETIC, Signer
from antipodes.services.route53.policies import Client
from antipodes.services.route53.policies.draws import Outcomes
from antipodes.services.route53.zone import DataPlane, Resolution
from antipodes.wire import dns
from antipodes.wire.dns import Query

MAX_OUTCOMES = 512  # ways that an answer's draws can fall; with more, each question is walked
MADE_AT_ONCE = 16
MAX_TURNS = 16  # orders of the values of one record set
MAX_NETWORKS = 4_096  # clients with a variant of their own, of one answer
RD, CD = 0x0100, 0x0010
FLAGS = (0, RD, CD, RD | CD)  # what an answer's header may take over from the question's

FOR_OTHERS = b"*"  # ends the key of what a wildcard's owner answers for other names
_CERTAIN = (1.0,)


class Made(NamedTuple):
    """An answer that is ready to be sent."""

    heads: tuple[bytes, ...]  # header behind the id, without the additional count, for each of FLAGS
    body: bytes  # answer and authority section
    rcode: int


@dataclass(slots=True)
class Variant:
    """The answer to one question from one place."""

    ways: list[Made | Resolution]
    sums: Sequence[float]  # their probabilities, summed up
    located: bool = False
    network_bits: int = 0
    logged: str = ""  # the zone's id if its questions are logged
    sampled: int = 0  # above 0: `ways` are single records, of which so many are drawn
    missing: list[int] = field(default_factory=list)  # ways that are not made yet; the hot path draws when all are


@dataclass(slots=True)
class Prepared:
    """The answers to one question, if they are not the same for all: then the one that is made stands for it."""

    logged: str
    walked: bool = False  # cannot be prepared: each question is walked
    everywhere: Variant | None = None
    by_network: bool = False
    variants: dict[str | Client, Variant] = field(default_factory=dict)  # by site, or by client


Answer = Made | Prepared  # what is kept


class Preparer:
    """Use: `find` or `walk`."""

    def __init__(
        self, plane: DataPlane, signer: Signer, random: Callable[[], float], logs: Callable[[str], bool]
    ) -> None:
        """random: draws from [0, 1). logs: whether a zone's questions are logged."""
        self._plane = plane
        self._signer = signer
        self._random = random
        self._logs = logs
        self.kept: dict[bytes, Answer] = plane.kept.answers  # read by the hot path

    def find(self, query: Query, client: Client) -> tuple[Variant, Made] | None:
        """The prepared answer; None: the question must be walked."""
        owner, key = query.name, query.question[-4:] + mark_of(query)
        prepared = self.kept.get(owner + key)
        if prepared is None:
            found = self._owner(query)
            if found is None:
                return None
            if found != owner:
                owner, key = found, key + FOR_OTHERS
                prepared = self.kept.get(owner + key)
        if isinstance(prepared, Made):
            return _SAME_FOR_ALL, prepared
        if prepared is None:
            prepared = self._begin(query)
        if prepared.walked:
            return None
        variant = prepared.everywhere or prepared.variants.get(client if prepared.by_network else client.site)
        if variant is None:
            variant = self._vary(query, owner, key, prepared, client)
            if variant is None:
                return None
        if variant.sampled:
            return variant, sample(variant, self._random)
        if variant.missing:
            self._make_some(query, owner, key, prepared, variant)
        way = variant.ways[0 if len(variant.ways) == 1 else bisect_right(variant.sums, self._random())]
        return variant, way if isinstance(way, Made) else _made(query, self._sign(query, way))

    def _make_some(self, query: Query, owner: bytes, key: bytes, prepared: Prepared, variant: Variant) -> None:
        """The next MADE_AT_ONCE ways of a variant: no question waits for all of them."""
        for index in variant.missing[:MADE_AT_ONCE]:
            way = variant.ways[index]
            if not isinstance(way, Made):
                variant.ways[index] = made = _made(query, self._sign(query, way))
                if variant is prepared.everywhere and len(variant.ways) == 1 and not prepared.logged:
                    self._plane.kept.keep(owner, key, made, ())
        del variant.missing[:MADE_AT_ONCE]

    def walk(self, query: Query, client: Client) -> Resolution:
        return self._sign(query, self._plane.resolve(query.name, query.type, client))

    def _owner(self, query: Query) -> bytes | None:
        """Under which owner an answer is kept; None: it is not. Only owners that exist, and types that are usual: what
        is kept is bounded by what the zones hold."""
        if query.type not in dns.TYPE_NAMES or query.type == dns.ANY:
            return None
        zone = self._plane.zone_for(query.name, query.type)
        if zone is None or zone.cut_above(query.name, query.type) is not None:
            return None
        owner = zone.owner_for(query.name)
        return None if owner != query.name and query.dnssec_ok else owner  # each name has signatures of its own

    def _begin(self, query: Query) -> Prepared:
        zone = self._plane.zone_for(query.name, query.type)
        return Prepared(zone.zone.id if zone is not None and self._logs(zone.zone.id) else "")

    def _vary(self, query: Query, owner: bytes, key: bytes, prepared: Prepared, client: Client) -> Variant | None:
        """Prepares the answer for a client's place. None: it must be walked."""
        touched: dict[bytes, None] = {}

        def play() -> Resolution:
            return self._plane.resolve(query.name, query.type, client, touched=touched)

        outcomes = self._plane.draws.outcomes(play, MAX_OUTCOMES)
        if owner != query.name:  # which wildcard stands for a name is found out each time
            touched = self._plane.aliases_of(owner, query.type)
            if outcomes is None or any(not _is_own(query, found) for _, found in outcomes.ways):
                outcomes = None
        self._plane.kept.keep(owner, key, prepared, touched)
        variant = None if outcomes is None else self._variant_of(query, outcomes, prepared.logged)
        if outcomes is None or variant is None:
            prepared.walked = True
            return None
        if not prepared.by_network and any(found.network_bits is not None for _, found in outcomes.ways):
            prepared.by_network = True
            prepared.variants.clear()
        if prepared.by_network or variant.located:
            if len(prepared.variants) >= MAX_NETWORKS:
                prepared.variants.clear()
            prepared.variants[client if prepared.by_network else client.site] = variant
        else:
            prepared.everywhere = variant
        return variant

    def _variant_of(self, query: Query, outcomes: Outcomes[Resolution], logged: str) -> Variant | None:
        if any(found.additional for _, found in outcomes.ways):
            return None
        if not outcomes.sampled:
            return _variant_of(outcomes.ways, logged)
        found = outcomes.ways[0][1]
        if not _is_own(query, found) or self._sign(query, found).answers != found.answers:
            return None  # a chain that ends in a sample; a signature for each sample
        heads = _heads(found.rcode, found.authoritative, outcomes.sampled, 0)
        records = [Made(heads, dns.sections(query.name, [record]), found.rcode) for record in found.answers]
        bits = found.network_bits or 0
        return Variant([*records], _CERTAIN, found.located, bits, logged, outcomes.sampled)

    def _sign(self, query: Query, found: Resolution) -> Resolution:
        if query.dnssec_ok or query.type in SYNTHETIC:
            return self._signer.sign(query, found)
        return found


def sample(variant: Variant, random: Callable[[], float]) -> Made:
    """Some of a variant's records, each set and order as likely as any."""
    pool = variant.ways[:]
    size = len(pool)
    for at in range(variant.sampled):
        other = at + int(random() * (size - at))
        pool[at], pool[other] = pool[other], pool[at]
    drawn = [way for way in pool[: variant.sampled] if isinstance(way, Made)]
    return Made(drawn[0].heads, b"".join([way.body for way in drawn]), drawn[0].rcode)


_SAME_FOR_ALL = Variant([], _CERTAIN)


def mark_of(query: Query) -> bytes:
    """Which of the answers to one question: plain, signed, signed with the rcode of RFC 9824 5.1."""
    return (b"C" if query.compact_ok else b"D") if query.dnssec_ok else b""


def _is_own(query: Query, found: Resolution) -> bool:
    """Whether all that is said is said of the very name and type: then the bytes do not depend on the name. (A CNAME
    may lead anywhere, also back to the name.)"""
    return not found.authority and all(one.name == query.name and one.type == query.type for one in found.answers)


def _variant_of(outcomes: Sequence[tuple[float, Resolution]], logged: str) -> Variant:
    first = outcomes[0][1]
    if len(outcomes) == 1 and not first.rotates:
        return Variant([first], _CERTAIN, first.located, first.network_bits or 0, logged, missing=[0])
    shares: list[float] = []
    ways: list[Made | Resolution] = []
    for share, one in outcomes:
        turns = min(len(one.answers), MAX_TURNS) if one.rotates else 1
        for turn in range(turns):
            at = turn * len(one.answers) // turns
            shares.append(share / turns)
            ways.append(one._replace(answers=one.answers[at:] + one.answers[:at]) if turns > 1 else one)
    sums = list(accumulate(shares))
    sums[-1] = 1.0  # rounding must leave no gap at the end
    bits = max(one.network_bits or 0 for _, one in outcomes)
    located = any(one.located for _, one in outcomes)
    return Variant(ways, sums, located, bits, logged, missing=list(range(len(ways))))


def _made(query: Query, found: Resolution) -> Made:
    heads = _heads(found.rcode, found.authoritative, len(found.answers), len(found.authority))
    return Made(heads, dns.sections(query.name, found.answers, found.authority), found.rcode)


@lru_cache(maxsize=1024)
def _heads(rcode: int, authoritative: bool, answers: int, authority: int) -> tuple[bytes, ...]:
    counts = b"\0\1" + answers.to_bytes(2, "big") + authority.to_bytes(2, "big")
    return tuple(dns.answer_flags(flags, rcode, authoritative).to_bytes(2, "big") + counts for flags in FLAGS)
