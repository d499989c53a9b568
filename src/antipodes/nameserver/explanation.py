"""Explanation: why a question is answered as it is: the tree that was walked, its candidates, their health, and notes.

Rules. Plain values that travel as JSON, and one pure function: `notes_of` says in sentences what a person who asks
"why did it not fail over?" has most likely overlooked. Each note names a fact of the explanation; none is a guess
about what was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from antipodes.services.route53.prober import HTTP_CONNECT_S, STATUS_S, TCP_CONNECT_S
from antipodes.services.route53.selection import Shown, Step
from antipodes.wire.dns import TYPE_NAMES, Record, decode_name
from antipodes.wire.rdata import decode as decode_rdata


class CheckerView(msgspec.Struct, frozen=True):
    """One checker Region of a health check."""

    region: str
    healthy: bool  # what it says, after its threshold
    heard: bool  # whether it counts: it has been heard of lately
    against: int  # results in a row that contradict it: its threshold of them turns it over
    status: str = ""  # the last result
    at: float | None = None  # epoch seconds


class CheckView(msgspec.Struct, frozen=True):
    """One health check."""

    id: str
    type: str
    target: str
    healthy: bool
    since: float  # epoch seconds of the last flip
    verdict: str  # how it comes about
    inverted: bool = False
    disabled: bool = False
    interval_s: int | None = None
    threshold: int | None = None
    checkers: tuple[CheckerView, ...] = ()
    children: tuple[str, ...] = ()


class CandidateView(msgspec.Struct, frozen=True):
    """One record set that might have answered. `under`: the records that an alias points at."""

    set_id: str
    target: str
    healthy: bool
    health: str
    measure: str = ""
    chosen: bool = False
    fate: str = ""
    check: str = ""
    evaluate_target_health: bool | None = None
    under: tuple[CandidateView, ...] = ()


class StepView(msgspec.Struct, frozen=True):
    """One decision: a group of record sets with one name and type, and what its policy made of it."""

    name: str
    type: str
    policy: str
    why: str
    candidates: tuple[CandidateView, ...]


class AnswerView(msgspec.Struct, frozen=True):
    """One record of the answer."""

    name: str
    ttl: int
    type: str
    value: str


class Timing(msgspec.Struct, frozen=True):
    """How long a failover of this answer takes at most, in seconds, as users see it: the sum of the parts."""

    detection_s: float  # of the slowest check that the answer hangs on: interval x threshold + the probe's timeout
    cached_s: int  # the answer's TTL: users who asked just before the change keep it so long

    @property
    def total_s(self) -> float:
        return self.detection_s + self.cached_s


class Explanation(msgspec.Struct, frozen=True):
    """The answer to one question from one place, and how it came about."""

    name: str
    type: str
    site: str
    country: str
    continent: str
    subdivision: str
    zone: str  # id of the hosted zone that answers, "" if none does
    rcode: str
    answers: tuple[AnswerView, ...] = ()
    steps: tuple[StepView, ...] = ()
    checks: tuple[CheckView, ...] = ()
    notes: tuple[str, ...] = ()
    timing: Timing | None = None  # None: no health check that calls an endpoint stands behind the answer


def timing_of(
    steps: Sequence[StepView], checks: Mapping[str, CheckView], answers: Sequence[AnswerView]
) -> Timing | None:
    """The arithmetic of a failover away from what was chosen. Propagation, the part between, is immediate here and
    "seconds" on AWS."""
    behind = [check for check in checks_in(steps, chosen=True) if check in checks]
    behind += [child for check in behind for child in checks[check].children if child in checks]
    worst = [
        one.interval_s * one.threshold + (TCP_CONNECT_S if one.type == "TCP" else HTTP_CONNECT_S + STATUS_S)
        for one in (checks[check] for check in behind)
        if one.interval_s is not None and one.threshold is not None
    ]
    if not worst or not answers:
        return None
    return Timing(max(worst), max(answer.ttl for answer in answers))


def answer_view(record: Record) -> AnswerView:
    kind = TYPE_NAMES.get(record.type, f"TYPE{record.type}")
    return AnswerView(decode_name(record.name), record.ttl_s, kind, decode_rdata(record.type, record.rdata))


def step_view(step: Step) -> StepView:
    opened = not any(one.healthy for one in step.candidates)
    kind = TYPE_NAMES.get(step.type, f"TYPE{step.type}")
    return StepView(
        step.name, kind, step.policy, step.why, tuple(_candidate(one, step.why, opened) for one in step.candidates)
    )


def _candidate(shown: Shown, why: str, opened: bool) -> CandidateView:
    if shown.chosen:
        fate = f"chosen: {why}"
    elif not shown.healthy and not opened:
        fate = f"left out: {shown.health}"
    else:
        fate = f"not chosen: {why}"
    return CandidateView(
        shown.set_id,
        shown.target,
        shown.healthy,
        shown.health,
        shown.measure,
        shown.chosen,
        fate,
        shown.check_id,
        shown.evaluate,
        tuple(_candidate(one, "", opened=True) for one in shown.under),
    )


def checks_in(steps: Sequence[StepView], *, chosen: bool = False) -> list[str]:
    """The health checks that the steps mention (or those of what was chosen), each once, in order."""
    found: dict[str, None] = {}
    for step in steps:
        for one in step.candidates if chosen else _all(step.candidates):
            if one.check and (one.chosen or not chosen):
                found[one.check] = None
    return list(found)


def _all(candidates: Sequence[CandidateView]) -> Iterator[CandidateView]:
    for one in candidates:
        yield one
        yield from _all(one.under)


def notes_of(steps: Sequence[StepView], checks: Mapping[str, CheckView]) -> tuple[str, ...]:
    """What keeps, or may keep, this name from failing over."""
    notes: dict[str, None] = {}
    # What lies behind an alias that evaluates its target, and has others beside it: Route 53 can back out of it.
    behind = {
        one.target: True
        for step in steps
        for one in step.candidates
        if one.chosen and one.evaluate_target_health and len(step.candidates) > 1
    }
    for step in steps:
        if len(step.candidates) > 1 and not any(one.healthy for one in step.candidates):
            notes[f"No {step.type} record of {step.name} is healthy: Route 53 then answers as if all were."] = None
        for one in step.candidates:
            if one.chosen:
                notes |= dict.fromkeys(_notes_of_chosen(step, one, step.name in behind))
    for check in checks.values():
        notes |= dict.fromkeys(_notes_of_check(check))
    return tuple(notes)


def _notes_of_chosen(step: StepView, one: CandidateView, can_back_out: bool) -> Iterator[str]:
    record = f"{step.name} {step.type}{f' ({one.set_id})' if one.set_id else ''}"
    alone = len(step.candidates) == 1
    if one.evaluate_target_health is False and one.under and not any(below.healthy for below in one.under):
        yield (
            f"{record} stays chosen although nothing under {one.target} is healthy: its EvaluateTargetHealth is false."
        )
    if one.evaluate_target_health and not one.under and not one.check:
        yield (
            f"{record} is never unhealthy: EvaluateTargetHealth means nothing for {one.target} (API Gateway, S3 and "
            "the like are regarded as healthy); it needs a health check of its own."
        )
    if one.evaluate_target_health is None and not one.check and not alone:
        yield f"{record} is never unhealthy: it has no health check."
    if alone and step.policy == "simple" and one.check:
        yield f"{record} is a simple record: it is answered whatever its health check says."
    if alone and step.policy != "simple" and not can_back_out:
        yield f"{record} is the only record of its name and type: there is nothing to fail over to."


def _notes_of_check(check: CheckView) -> Iterator[str]:
    named = f"Health check {check.id} ({check.target})"
    if check.disabled:
        yield f"{named} is disabled: it does not look, and counts as {'healthy' if check.healthy else 'unhealthy'}."
        return
    if check.inverted:
        yield f"{named} is inverted: it is {'healthy' if check.healthy else 'unhealthy'} because its endpoint is not."
    heard = [one for one in check.checkers if one.heard]
    if check.checkers and not heard:
        yield f"{named}: no checker is heard of; its last verdict stands."
    elif len(heard) < len(check.checkers):
        silent = ", ".join(one.region for one in check.checkers if not one.heard)
        yield f"{named}: nothing is heard of the checkers in {silent}; the others decide."
    healthy = [one.region for one in heard if one.healthy]
    if heard and healthy and len(healthy) < len(heard):
        yield (
            f"{named}: {len(healthy)} of {len(heard)} checkers still say healthy ({', '.join(healthy)}); "
            "more than 18 % is enough."
        )
    turning = [one for one in heard if one.against]
    if turning and check.threshold:
        most = max(one.against for one in turning)
        yield (
            f"{named}: {len(turning)} checkers see the opposite, {most} times in a row at most; "
            f"each turns over after {check.threshold}."
        )
