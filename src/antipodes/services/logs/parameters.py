"""What the operations share: AWS's sentences, names, ARNs, tokens of pages. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from antipodes.services.logs.ledger import Group, Ledger, Stream
from antipodes.services.logs.lots import Place
from antipodes.wire.errors import ClientFault, NotSupported

Params = Mapping[str, Any]
T = TypeVar("T")


def invalid(message: str) -> ClientFault:
    return ClientFault("InvalidParameterException", message)


def refuse(params: Params, *names: str) -> None:
    """Parameters whose effect there is not."""
    for name in names:
        if params.get(name):
            raise NotSupported(f"the CloudWatch Logs parameter {name}")


def group_of(ledger: Ledger, params: Params, *, region: str) -> Group:
    """By logGroupName, or by logGroupIdentifier (a name or an ARN)."""
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if name and identifier:
        raise invalid("LogGroup name and LogGroup identifier are mutually exclusive parameters.")
    if not name and not identifier:
        raise invalid("Either LogGroup name or LogGroup identifier must be specified.")
    return group_named(ledger, name or name_of(identifier or "", region))


def group_named(ledger: Ledger, name: str) -> Group:
    group = ledger.groups.get(name)
    if group is None:
        raise ClientFault("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def stream_of(ledger: Ledger, group: Group, name: str) -> Stream:
    stream = ledger.streams(group).get(name)
    if stream is None:
        raise ClientFault("ResourceNotFoundException", "The specified log stream does not exist.")
    return stream


def name_of(identifier: str, region: str) -> str:
    """A log group's name from a name or an ARN of this Region."""
    if not identifier.startswith("arn:"):
        return identifier
    parts = identifier.split(":", 6)
    if len(parts) != 7 or parts[2] != "logs" or parts[5] != "log-group" or parts[3] != region:
        raise ClientFault("ResourceNotFoundException", "The specified log group does not exist.")
    return parts[6].removesuffix(":*")


def group_arn(region: str, account: str, name: str) -> str:
    return f"arn:aws:logs:{region}:{account}:log-group:{name}"


def page(found: Sequence[T], params: Params, key: str, shown: int) -> tuple[Sequence[T], Mapping[str, str]]:
    """One page of an ordered list, and its nextToken. key: what is listed; a token is of one list only."""
    start = 0
    token = params.get("nextToken")
    if token is not None:
        word, _, number = token.rpartition("/")
        if word != key or not number.isdigit() or len(number) > 9:
            raise invalid("The specified nextToken is invalid.")
        start = int(number)
    limit = params.get("limit") or shown
    end = start + limit
    return found[start:end], {"nextToken": f"{key}/{end}"} if end < len(found) else {}


def event_id(place: Place) -> str:
    """56 digits, as AWS's."""
    return f"{place.time_ms:020d}".rjust(36, "3")[-36:] + f"{place.number:020d}"


def place_of(digits: str) -> Place:
    """What event_id was made of."""
    return Place(int(digits[16:36]), int(digits[36:]))
