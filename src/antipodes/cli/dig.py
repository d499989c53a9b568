"""`antipodes dig NAME --from CITY`: the answer that users of that city get, uncached; with --explain, why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, Json, fail, with_globe
from antipodes.world import geography

if TYPE_CHECKING:
    from antipodes.nameserver.explanation import CandidateView, CheckView, Explanation

FromCity = Annotated[str, typer.Option("--from", metavar="CITY", help='A city ("Tokyo") or a Region.')]


def check_place(name: str) -> None:
    """Ends the command if there is no such city or Region."""
    try:
        geography.place_of(name)
    except geography.UnknownPlace as error:
        raise fail(str(error), 2) from None


def dig(
    name: Annotated[str, typer.Argument(help="The name, such as api.globaldb.example.")],
    from_city: FromCity,
    record_type: Annotated[str, typer.Option("--type", help="A, AAAA, CNAME, TXT, NS, SOA ...")] = "A",
    explain: Annotated[bool, typer.Option("--explain", help="Also why: candidates, measures, health, notes.")] = False,
    as_json: Json = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Asks the planet's DNS as a city's users do (EDNS client subnet)."""
    from antipodes.gameday import users

    check_place(from_city)
    if explain:
        _explain(name, from_city, record_type.upper(), as_json=as_json, data_dir=data_dir)
        return
    try:
        answer = with_globe(data_dir, lambda globe: users.dig(globe, name, from_city, record_type.upper()))
    except users.DnsFailed as error:
        raise fail(str(error)) from None
    if as_json:
        records = [{"name": r.name, "ttl": r.ttl_s, "type": r.type, "value": r.value} for r in answer.answers]
        print(json.dumps({"rcode": answer.rcode, "records": records}, indent=2))
        return
    if not answer.answers:
        print(f"{answer.rcode}: {users.why_not(answer.rcode, name, record_type.upper())}")
        raise typer.Exit(1)
    for record in answer.answers:
        _print_record(record.name, record.ttl_s, record.type, record.value)


def _print_record(name: str, ttl_s: int, record_type: str, value: str) -> None:
    region = geography.site_of(value) if record_type == "A" else None
    print(f"{name} {ttl_s} {record_type} {value}{f'   {region}' if region else ''}")


# ---------------------------------------------------------------- --explain


def _explain(name: str, place: str, record_type: str, *, as_json: bool, data_dir: DataDir) -> None:
    import msgspec

    told = with_globe(data_dir, lambda globe: globe.explain(name, record_type, place))
    if as_json:
        print(json.dumps(msgspec.to_builtins(told), indent=2))
        return
    print("\n".join(lines_of(told)))


def lines_of(told: Explanation) -> list[str]:
    """The explanation as a person reads it."""
    area = "-".join(part for part in (told.country, told.subdivision) if part)
    zone = f"zone {told.zone}" if told.zone else "no hosted zone"
    lines = [f"{told.name} {told.type} from {told.site} ({area}, {told.continent}), {zone}: {told.rcode}"]
    for record in told.answers:
        region = geography.site_of(record.value) if record.type == "A" else None
        lines.append(
            f"  answer  {record.name} {record.ttl} {record.type} {record.value}{f'   {region}' if region else ''}"
        )
    for step in told.steps:
        lines += ["", f"{step.name} {step.type}, {step.policy}: {step.why}"]
        for one in step.candidates:
            lines += _candidate_lines(one, "> " if one.chosen else "  ", "  ")
    if told.checks:
        lines += ["", "health checks"]
        for check in told.checks:
            lines += _check_lines(check)
    if told.timing is not None:
        detection_s, cached_s = told.timing.detection_s, told.timing.cached_s
        lines += [
            "",
            f"failover away from here takes users at most {told.timing.total_s:g} s: detection {detection_s:g} s "
            f"(interval x threshold + timeout), then what they have cached, {cached_s} s",
        ]
    if told.notes:
        lines += ["", "notes", *(f"  - {note}" for note in told.notes)]
    return lines


def _candidate_lines(one: CandidateView, mark: str, indent: str) -> list[str]:
    state = "healthy" if one.healthy else "UNHEALTHY"
    label = f"{one.set_id} -> {one.target}" if one.set_id else one.target
    measure = f"   {one.measure}" if one.measure else ""
    lines = [f"{indent}{mark}{label}{measure}   {state}: {one.health}{f' ({one.check})' if one.check else ''}"]
    # What was chosen is walked in a step of its own; below what is healthy there is nothing to explain (JSON has it).
    if not one.chosen and not one.healthy:
        for below in one.under:
            lines += _candidate_lines(below, "  ", indent + "    ")
    return lines


def _check_lines(check: CheckView) -> list[str]:
    state = "healthy" if check.healthy else "UNHEALTHY"
    pace = f", every {check.interval_s} s, threshold {check.threshold}" if check.interval_s else ""
    lines = [
        f"  {check.id} {check.target}: {state} since {_clock(check.since)}",
        f"    {check.verdict}{pace}",
    ]
    for one in check.checkers:
        says = ("healthy" if one.healthy else "unhealthy") if one.heard else "not heard of"
        turning = f", {one.against} in a row against it" if one.against else ""
        seen = f"   {_clock(one.at)} {one.status}" if one.at is not None else ""
        lines.append(f"    {one.region:<15} {says}{turning}{seen}")
    return lines


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
