"""Access logs: one line a request in the format that a stage says, into a log group of CloudWatch Logs.

    format       text with variables: "$context.requestId", "$context.authorizer.claims.sub"; JSON, CLF, XML, CSV alike
    what is not  "-" stands for a variable that has no value here, whatever its name
    where        AccessLogSettings.DestinationArn is the ARN of a log group of this Region; Firehose is refused by name

A format is taken apart once, when its stage is prepared. Values are written into it as they are, but quotes,
backslashes and control characters as JSON escapes them, so that a JSON line stays one and a line stays a line (a guess:
AWS does not tell). Lines are handed over together (contract/reports.py); a crash may lose the last ones. The names
of AWS's log streams are not documented: here 32 hexadecimal digits made of the stage.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from antipodes.services.contract import Surroundings
from antipodes.services.contract.reports import LineReports
from antipodes.wire.errors import AwsError, NotSupported

FORMAT_LIMIT = 3 * 1024  # characters; Developer Guide: "the maximum log event size is 1 MB", a format's own is a guess
VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_-]+)*)")
GROUP = re.compile(r"arn:aws[a-z-]*:logs:([a-z0-9-]+):(\d{12}):log-group:([.\-_/#A-Za-z0-9]{1,512})(?::\*)?")
# "must include at least $context.requestId" (the words of the console; extendedRequestId does for REST APIs too).
REQUIRED = frozenset({"requestId", "extendedRequestId"})

# The value of a variable, by its name without "$context."; None: it has none here.
Values = Callable[[str], Any]


class BadFormat(ValueError):
    """The format is none; the message is for the caller."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format, taken apart: texts and the names of variables in turn, beginning and ending with a text."""

    parts: tuple[str, ...]

    def line(self, values: Values) -> str:
        """One line of log."""
        texts = list(self.parts)
        for at in range(1, len(texts), 2):
            texts[at] = _written(values(texts[at]))
        return "".join(texts)


def format_of(text: str) -> Format:
    """Raises BadFormat."""
    if len(text) > FORMAT_LIMIT or "\n" in text.strip("\n") or "\r" in text:
        raise BadFormat("Access Log format must be single line, and at most 3 KB")
    found = Format(tuple(VARIABLE.split(text.strip("\n"))))
    if not REQUIRED.intersection(found.parts[1::2]):
        raise BadFormat(
            "Access Log format must be single line new line delimited and contain at least $context.requestId"
        )
    return found


def group_of(arn: str, region: str) -> str:
    """The name of the log group that a DestinationArn names. Raises BadFormat, UnsupportedOperation."""
    if ":firehose:" in arn:
        raise NotSupported("access logs to Amazon Data Firehose; only to CloudWatch Logs")
    match = GROUP.fullmatch(arn)
    if match is None or match[1] != region:  # the words are a guess
        raise BadFormat(f"Invalid ARN specified in the request. ARNs must be of a log group in {region}: {arn}")
    return match[3]


def stream_of(api_id: str, stage: str) -> str:
    """The log stream of a stage."""
    return hashlib.sha256(f"{api_id}/{stage}".encode()).hexdigest()[:32]


class AccessLogs:
    """The lines of one Region that are not handed over yet."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._world = surroundings.world
        self._call = surroundings.call
        self._reports = LineReports(surroundings, "apigateway", self._there)
        self.flush = self._reports.flush

    def write(self, group: str, stream: str, line: str) -> None:
        """One line, of now. A group that was deleted loses its lines, as on AWS."""
        self._reports.write(group, stream, self._world.now(), line)

    async def make_group(self, name: str) -> None:
        """Of execution logs; API Gateway makes it itself."""
        try:
            await self._call("logs", "CreateLogGroup", {"logGroupName": name})
        except AwsError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise

    async def _there(self, group: str) -> bool:
        """`Record` would make the group; API Gateway does not."""
        answer = await self._call("logs", "DescribeLogGroups", {"logGroupNamePrefix": group})
        return any(one["logGroupName"] == group for one in answer["logGroups"])


def _written(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else orjson.dumps(value).decode()
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return orjson.dumps(text).decode()[1:-1]
