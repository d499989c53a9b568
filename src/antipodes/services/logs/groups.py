"""Log groups and streams: create, describe, delete; retention; tags.

Texts are AWS's where they are known (seen in recorded answers); the others say so.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.logs.ledger import Group, Ledger, Stream
from antipodes.services.logs.parameters import (
    Params,
    group_arn,
    group_named,
    group_of,
    invalid,
    name_of,
    page,
    refuse,
    stream_of,
)
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
PAGE = 50
MAX_TAGS = 50


class Groups:
    """The operations of groups and streams. Each writes; the service waits for the disk."""

    def __init__(self, ledger: Ledger, region: str, account: str) -> None:
        self._ledger = ledger
        self._region = region
        self._account = account

    def create_log_group(self, request: Request) -> Result:
        """A group, for ever unless a retention is put."""
        params = request.params
        refuse(params, "kmsKeyId")
        if params.get("logGroupClass", "STANDARD") != "STANDARD":
            raise NotSupported(f"the log group class {params['logGroupClass']}")
        if params["logGroupName"] in self._ledger.groups:
            raise ClientFault("ResourceAlreadyExistsException", "The specified log group already exists")
        self._ledger.new_group(params["logGroupName"], params.get("tags") or {})
        return {}

    def delete_log_group(self, request: Request) -> Result:
        """The group, its streams and events."""
        self._ledger.remove_group(group_named(self._ledger, request.params["logGroupName"]))
        return {}

    def describe_log_groups(self, request: Request) -> Result:
        """Groups in order of their names; by prefix, by part of the name, or by identifiers."""
        params = request.params
        refuse(params, "accountIdentifiers", "includeLinkedAccounts")
        prefix, part = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
        if prefix and part:
            raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
        named = [name_of(one, self._region) for one in params.get("logGroupIdentifiers") or ()]
        if params.get("logGroupClass", "STANDARD") != "STANDARD":
            return {"logGroups": []}
        found = [
            self._ledger.groups[name]
            for name in sorted(self._ledger.groups)
            if name.startswith(prefix or "") and (part or "").lower() in name.lower() and (not named or name in named)
        ]
        some, token = page(found, params, "groups", PAGE)
        return {"logGroups": [self._described(one) for one in some], **token}

    def create_log_stream(self, request: Request) -> Result:
        """A stream of a group."""
        params = request.params
        group = group_named(self._ledger, params["logGroupName"])
        if params["logStreamName"] in self._ledger.streams(group):
            raise ClientFault("ResourceAlreadyExistsException", "The specified log stream already exists")
        self._ledger.new_stream(group, params["logStreamName"])
        return {}

    def delete_log_stream(self, request: Request) -> Result:
        """The stream and its events."""
        params = request.params
        group = group_named(self._ledger, params["logGroupName"])
        self._ledger.remove_stream(group, stream_of(self._ledger, group, params["logStreamName"]))
        return {}

    def describe_log_streams(self, request: Request) -> Result:
        """Streams of a group, by name or by their last event."""
        params = request.params
        group = group_of(self._ledger, params, region=self._region)
        prefix = params.get("logStreamNamePrefix")
        by_time = params.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        found = [one for one in self._ledger.streams(group).values() if one.name.startswith(prefix or "")]
        found.sort(key=lambda one: (one.last_ms, one.name) if by_time else (0, one.name))
        if params.get("descending"):
            found.reverse()
        some, token = page(found, params, "streams", PAGE)
        return {"logStreams": [self._described_stream(group, one) for one in some], **token}

    def put_retention_policy(self, request: Request) -> Result:
        """Days after which events are forgotten."""
        params = request.params
        days = params["retentionInDays"]
        group = group_named(self._ledger, params["logGroupName"])
        if days not in RETENTION_DAYS:
            raise invalid(
                f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{', '.join(map(str, RETENTION_DAYS))}]"
            )
        self._ledger.keep_group(msgspec.structs.replace(group, retention_days=days))
        return {}

    def delete_retention_policy(self, request: Request) -> Result:
        """Events are kept for ever."""
        group = group_named(self._ledger, request.params["logGroupName"])
        self._ledger.keep_group(msgspec.structs.replace(group, retention_days=0))
        return {}

    def tag_resource(self, request: Request) -> Result:
        """TagResource, by ARN."""
        return self._tag(self._by_arn(request.params), request.params["tags"])

    def untag_resource(self, request: Request) -> Result:
        """UntagResource, by ARN."""
        return self._untag(self._by_arn(request.params), request.params["tagKeys"])

    def list_tags_for_resource(self, request: Request) -> Result:
        """ListTagsForResource, by ARN."""
        return {"tags": dict(self._by_arn(request.params).tags)}

    def tag_log_group(self, request: Request) -> Result:
        """The older TagLogGroup, by name."""
        return self._tag(group_named(self._ledger, request.params["logGroupName"]), request.params["tags"])

    def untag_log_group(self, request: Request) -> Result:
        """The older UntagLogGroup, by name."""
        return self._untag(group_named(self._ledger, request.params["logGroupName"]), request.params["tags"])

    def list_tags_log_group(self, request: Request) -> Result:
        """The older ListTagsLogGroup, by name."""
        return {"tags": dict(group_named(self._ledger, request.params["logGroupName"]).tags)}

    def _by_arn(self, params: Params) -> Group:
        arn = params["resourceArn"]
        if not arn.startswith("arn:"):
            raise invalid(f"Invalid resourceArn: {arn}")  # wording from memory
        return group_named(self._ledger, name_of(arn, self._region))

    def _tag(self, group: Group, tags: Any) -> Result:
        both = {**group.tags, **tags}
        if len(both) > MAX_TAGS:
            raise ClientFault(
                "TooManyTagsException", f"The resource has more than the limit of {MAX_TAGS} tags."
            )  # wording from memory
        self._ledger.keep_group(msgspec.structs.replace(group, tags=both))
        return {}

    def _untag(self, group: Group, keys: Any) -> Result:
        left = {key: value for key, value in group.tags.items() if key not in keys}
        self._ledger.keep_group(msgspec.structs.replace(group, tags=left))
        return {}

    def _described(self, group: Group) -> dict[str, Any]:
        arn = group_arn(self._region, self._account, group.name)
        found = {
            "logGroupName": group.name,
            "creationTime": group.created_ms,
            "metricFilterCount": 0,
            "arn": f"{arn}:*",
            "logGroupArn": arn,
            "logGroupClass": "STANDARD",
            "storedBytes": sum(stream.size_bytes for stream in self._ledger.streams(group).values()),
        }
        return found | ({"retentionInDays": group.retention_days} if group.retention_days else {})

    def _described_stream(self, group: Group, stream: Stream) -> dict[str, Any]:
        found: dict[str, Any] = {
            "logStreamName": stream.name,
            "creationTime": stream.created_ms,
            "arn": f"{group_arn(self._region, self._account, group.name)}:log-stream:{stream.name}",
            "storedBytes": 0,  # AWS: always 0 since 2019
        }
        if stream.first_ms >= 0:
            found |= {
                "firstEventTimestamp": stream.first_ms,
                "lastEventTimestamp": stream.last_ms,
                "lastIngestionTime": stream.ingested_ms,
                "uploadSequenceToken": SEQUENCE_TOKEN,
            }
        return found


# AWS ignores sequence tokens since 2023 and still gives one. It means nothing.
SEQUENCE_TOKEN = "49610000000000000000000000000000000000000000000000000001"  # noqa: S105 - not a secret
