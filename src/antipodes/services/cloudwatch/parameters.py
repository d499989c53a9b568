"""What the operations share in reading parameters: AWS's refusals, dimensions, periods. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from antipodes.services.cloudwatch.archive import Dimensions
from antipodes.wire.errors import ClientFault, NotSupported

Params = Mapping[str, Any]

FINE_PERIODS_S = (1, 5, 10, 30)


def invalid(message: str) -> ClientFault:
    return ClientFault("InvalidParameterValueException", message)


def conflicting(message: str) -> ClientFault:
    return ClientFault("InvalidParameterCombinationException", message)


def required(params: Params, *names: str, place: str = "") -> None:
    """Raises MissingRequiredParameterException."""
    for name in names:
        if params.get(name) in (None, ""):
            raise ClientFault("MissingRequiredParameterException", f"The parameter {place}{name} is required.")


def refuse(params: Params, *names: str) -> None:
    """Parameters whose effect there is not."""
    for name in names:
        if params.get(name):
            raise NotSupported(f"the CloudWatch parameter {name}")


def dimensions_of(given: Sequence[Mapping[str, str]] | None, place: str = "Dimensions") -> Dimensions:
    """In order of their names: a metric is the same in whatever order they are given."""
    found: dict[str, str] = {}
    for number, one in enumerate(given or (), 1):
        required(one, "Name", "Value", place=f"{place}.member.{number}.")
        if one["Name"] in found:
            raise invalid(f"The value {one['Name']} for parameter {place}.member.{number}.Name is not unique.")
        found[one["Name"]] = one["Value"]
    return tuple(sorted(found.items()))


def check_period(period: Any, place: str = "Period") -> int:
    """1, 5, 10, 30 or a multiple of 60, in seconds."""
    if period is None:
        raise ClientFault("MissingRequiredParameterException", f"The parameter {place} is required.")
    if period not in FINE_PERIODS_S and (period < 60 or period % 60):
        raise invalid(
            f"The value {period} for parameter {place} is invalid. Period must be 1, 5, 10, 30 or a multiple of 60."
        )
    return int(period)


def resolution_of(period_s: int) -> int:
    """The resolution of the points from which a period is made."""
    return 1 if period_s < 60 else 60
