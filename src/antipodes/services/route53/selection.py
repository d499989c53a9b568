"""Selection: which record sets of a group answer, by policy and health, through aliases.

Rules. Pure but for the draws. A **group** is all record sets of one name and type; its policy picks among those that
may be picked, and an alias answers with its target's records, picked in the same way. An alias with
EvaluateTargetHealth is as healthy as its target: a group is healthy if one of its records is; AWS's own names always
are (API Gateway, S3: "no operational benefit" of EvaluateTargetHealth). Health of a check is asked through a function.

A group keeps its candidates with their health until `epoch` moves: whoever changes records or health adds one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from antipodes.services.route53.networks import Blocks, Collections
from antipodes.services.route53.planet import TTL_S, Planet
from antipodes.services.route53.policies import POLICIES, Candidate, Choice, Client, Policy, eligible
from antipodes.services.route53.policies.draws import Draws
from antipodes.services.route53.records import RecordSet
from antipodes.wire import rdata
from antipodes.wire.dns import A, decode_name, encode_name

MAX_ALIAS_DEPTH = 10
MAX_SHOWN = 2000  # records below the aliases of one step of an explanation

Bare = tuple[int, int, bytes]  # type, TTL, rdata


class Shown(NamedTuple):
    """One candidate, as an explanation shows it."""

    set_id: str
    target: str  # values or alias
    healthy: bool
    health: str  # why it counts as healthy or not
    check_id: str
    measure: str
    chosen: bool
    evaluate: bool | None  # an alias's EvaluateTargetHealth; None: no alias
    under: tuple[Shown, ...]  # the records that an alias points at


class Step(NamedTuple):
    """One decision of the walk."""

    name: str
    type: int
    policy: str
    why: str
    candidates: tuple[Shown, ...]


@dataclass(slots=True)
class Group:
    """The record sets of one name and type."""

    type: int
    records: list[RecordSet]
    bare: list[tuple[Bare, ...]]
    policy: Policy
    candidates: tuple[Candidate, ...] = ()
    epoch: int = -1


Known = dict[tuple[bytes, int], bool]  # whether the group of a name and type has a healthy record
Names = Mapping[bytes, Mapping[int, Group]]  # a zone's groups, by wire name and type


class Picked(NamedTuple):
    """What a group answers with."""

    bare: tuple[Bare, ...]
    located: bool  # depends on where the client is
    network_bits: int | None  # as in policies.Choice: the client's address matters, up to this prefix length


def group_of(number: int, records: Sequence[RecordSet]) -> Group:
    """`records`: at least one, in ListResourceRecordSets' order."""
    return Group(number, list(records), [_bare(one) for one in records], POLICIES[records[0].policy])


class Selection:
    """Policy and health over groups."""

    def __init__(self, planet: Planet, healthy: Callable[[str], bool], draws: Draws, collections: Collections) -> None:
        self._planet = planet
        self._check_healthy = healthy
        self._collections = collections
        self._draws = draws
        self.epoch = 0

    def pick(
        self, names: Names, name: bytes, group: Group, client: Client, trail: list[Step] | None, depth: int = 0
    ) -> Picked:
        """What the group of that name answers; `trail` collects the decisions."""
        candidates = self._candidates(names, group)
        asked = eligible(candidates)
        choice = group.policy.choose(asked, client, self._draws)
        if trail is not None:
            trail.append(self._step(names, name, group, client, choice))
        found: list[Bare] = []
        located, network_bits = choice.located, choice.network_bits
        for index in choice.chosen:
            alias = group.records[index].alias
            if alias is None:
                found += group.bare[index]
                continue
            target = encode_name(alias.name)
            inner = names.get(target, {}).get(group.type)
            if inner is not None and depth < MAX_ALIAS_DEPTH:
                picked = self.pick(names, target, inner, client, trail, depth + 1)
                found += picked.bare
                located = located or picked.located
                network_bits = longest(network_bits, picked.network_bits)
            elif group.type == A and (address := self._planet.address_of(target)) is not None:
                found.append((A, TTL_S, rdata.encode(A, address)))
        return Picked(tuple(found), located, network_bits)

    def _candidates(self, names: Names, group: Group) -> tuple[Candidate, ...]:
        if group.epoch != self.epoch:
            known: Known = {}
            group.candidates = tuple(
                Candidate(record, self._healthy(names, record, 0, known), index, self._blocks(record))
                for index, record in enumerate(group.records)
            )
            group.epoch = self.epoch
        return group.candidates

    def _blocks(self, record: RecordSet) -> Blocks | None:
        if record.cidr is None:
            return None
        return self._collections.get(record.cidr.collection_id, {}).get(record.cidr.location)

    def _healthy(self, names: Names, record: RecordSet, depth: int, known: Known) -> bool:
        """`known`: groups that were looked at already; many aliases may lead to one group, and in circles."""
        if record.check_id and not self._check_healthy(record.check_id):
            return False
        alias = record.alias
        if alias is None or not alias.evaluate or depth >= MAX_ALIAS_DEPTH:
            return True
        target, number = encode_name(alias.name), rdata.type_number(record.type)
        inner = names.get(target, {}).get(number)
        if inner is None:
            # AWS's own names are regarded as always healthy; a target that is gone has no healthy record.
            return self._planet.address_of(target) is not None
        if (target, number) not in known:
            known[target, number] = True  # for a circle, which leads back to here
            known[target, number] = any(self._healthy(names, one, depth + 1, known) for one in inner.records)
        return known[target, number]

    # ---------------------------------------------------------------- explanations

    def _step(self, names: Names, name: bytes, group: Group, client: Client, choice: Choice) -> Step:
        candidates = self._candidates(names, group)
        room, known = [MAX_SHOWN], Known()
        shown = tuple(
            self._shown(names, one.record, 0, known, room)._replace(
                measure=group.policy.measure(one, client), chosen=one.position in choice.chosen
            )
            for one in candidates
        )
        why = group.policy.why(eligible(candidates), client, choice)
        if not any(one.healthy for one in candidates):
            why = f"none is healthy, so all count as healthy; {why}"
        return Step(decode_name(name), group.type, group.records[0].policy, why, shown)

    def _shown(self, names: Names, record: RecordSet, depth: int, known: Known, room: list[int]) -> Shown:
        alias = record.alias
        inner = names.get(encode_name(alias.name), {}).get(rdata.type_number(record.type)) if alias else None
        under: tuple[Shown, ...] = ()
        if inner is not None and depth < MAX_ALIAS_DEPTH and room[0] >= len(inner.records):
            room[0] -= len(inner.records)
            under = tuple(self._shown(names, one, depth + 1, known, room) for one in inner.records)
        return Shown(
            record.set_id,
            alias.name if alias else " ".join(record.values),
            self._healthy(names, record, depth, known),
            self._health(record, inner, under),
            record.check_id,
            "",
            False,
            alias.evaluate if alias else None,
            under,
        )

    def _health(self, record: RecordSet, inner: Group | None, under: tuple[Shown, ...]) -> str:
        said: list[str] = []
        if record.check_id:
            word = "healthy" if self._check_healthy(record.check_id) else "unhealthy"
            said.append(f"its health check is {word}")
        alias = record.alias
        if alias is not None and not alias.evaluate:
            said.append("EvaluateTargetHealth is false: its target's health does not count")
        elif alias is not None and under:
            said.append(f"{sum(one.healthy for one in under)} of {len(under)} records of {alias.name} are healthy")
        elif alias is not None and inner is not None:
            said.append(f"{alias.name} has {len(inner.records)} records, too many to show")
        elif alias is not None:
            ours = self._planet.address_of(encode_name(alias.name)) is not None
            said.append(f"{alias.name} is AWS's own name: always healthy" if ours else f"{alias.name} leads nowhere")
        elif not record.check_id:
            said.append("it has no health check: always healthy")
        return "; ".join(said)


def longest(one_bits: int | None, other_bits: int | None) -> int | None:
    """The prefix length for which both hold."""
    return max((bits for bits in (one_bits, other_bits) if bits is not None), default=None)


def _bare(record: RecordSet) -> tuple[Bare, ...]:
    number = rdata.type_number(record.type)
    return tuple((number, record.ttl_s or 0, rdata.encode(number, value)) for value in record.values)
