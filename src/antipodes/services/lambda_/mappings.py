"""Event source mappings: functions that are invoked with the records of a DynamoDB stream of the same Region.

    lambda/mapping/<uuid>    Mapping, JSON
    lambda/cursor/<uuid>     how far its records are done (poller.py)

Enabling, disabling, changing and deleting take a moment, as on AWS (SETTLE_S); then a poller takes up what is said.
Other sources, and destinations of records that are given up other than buckets, are refused by name.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from antipodes.services.lambda_ import destinations, filters
from antipodes.services.lambda_.catalogue import SETTLE_S, Catalogue
from antipodes.services.lambda_.limits import tags_of
from antipodes.services.lambda_.records import Reference, invalid, members
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

PREFIX = b"lambda/mapping/"
CURSOR = b"lambda/cursor/"
PAGE = 100
_STREAM = re.compile(r"arn:aws[a-z-]*:dynamodb:([a-z0-9-]+):\d{12}:table/[a-zA-Z0-9_.-]+/stream/.+")
_SETTINGS = (
    "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "BisectBatchOnFunctionError", "ParallelizationFactor",
    "TumblingWindowInSeconds", "BatchSize", "MaximumBatchingWindowInSeconds",
)  # fmt: skip
REFUSED = (
    "SelfManagedEventSource", "SourceAccessConfigurations", "Topics", "Queues", "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig", "ScalingConfig", "DocumentDBEventSourceConfig", "KMSKeyArn",
    "ProvisionedPollerConfig",
)  # fmt: skip


class SourceMapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mapping. Times in epoch seconds. -1: without bound."""

    id: str
    stream: str  # ARN
    function: str
    qualifier: str | None = None
    state: str = "Creating"
    enabled: bool = True
    begun: float = 0.0  # LATEST: records from this time on
    position: str = "TRIM_HORIZON"
    batch_size: int = 100
    window_s: int = 0
    lanes: int = 1
    retries: int = -1
    age_s: int = -1
    bisect: bool = False
    tumbling_s: int = 0
    partial: bool = False
    patterns: tuple[str, ...] = ()
    changed: float = 0.0
    result: str = "No records processed"
    on_failure: str = ""  # ARN of a bucket
    metrics: bool = False  # its events are counted for CloudWatch
    tags: dict[str, str] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SourceMapping).decode


class Mappings:
    """The mappings of one Region. `on_change`, set by who polls, is told the id of one that began, changed or ended."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.known: dict[str, SourceMapping] = {}
        self._around = catalogue.surroundings
        self._store = catalogue.surroundings.store
        self._world = catalogue.surroundings.world
        self.on_change: Callable[[str], None] = lambda identity: None

    def load(self) -> None:
        """Takes up what the store says."""
        for _, raw in list(self._store.range(PREFIX, PREFIX + b"\xff")):
            mapping = _decode(raw)
            self.known[mapping.id] = mapping
            self._settle(mapping.id)
            self.on_change(mapping.id)

    async def create_event_source_mapping(self, request: Request) -> Result:
        """A mapping from a stream to a function."""
        params = request.params
        self._refuse(params)
        stream = params.get("EventSourceArn") or ""
        found = _STREAM.fullmatch(stream)
        if found is None:
            raise NotSupported(f"event sources other than DynamoDB streams ({stream or 'no EventSourceArn'})")
        reference = self._function(params["FunctionName"])
        position = params.get("StartingPosition")
        if position is None:
            raise invalid(
                "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member "
                "must not be null."
            )
        if position == "AT_TIMESTAMP":  # of Kinesis and Kafka alone
            raise invalid(f"Unsupported starting position for arn type: {stream}")
        if found[1] != self._around.region:
            raise invalid(f"The event source {stream} is not in this Region: {self._around.region}")  # a guess
        settings = _with(SourceMapping(id="", stream=stream, function=reference.name), params, 0.0)
        await self._check_destination(settings)
        await self._around.call("dynamodbstreams", "DescribeStream", {"StreamArn": stream})
        for other in self.known.values():
            if (other.stream, other.function, other.qualifier) == (stream, reference.name, reference.qualifier):
                raise ClientFault(
                    "ResourceConflictException",
                    f'The event source arn (" {stream} ") and function (" {reference.name} ") provided mapping already '
                    f"exists. Please update or delete the existing mapping with UUID {other.id}",
                    status=409,
                    Type="User",
                )
        now = self._world.now()
        mapping = SourceMapping(
            id=str(uuid.UUID(int=self._world.chance.getrandbits(128), version=4)),
            stream=stream,
            function=reference.name,
            qualifier=reference.qualifier,
            position=position,
            begun=now,
            tags=tags_of(params.get("Tags") or {}),
        )
        return await self._keep(_with(mapping, params, now))

    async def update_event_source_mapping(self, request: Request) -> Result:
        """Changes settings, the function, or whether it is enabled."""
        params = request.params
        self._refuse(params)
        mapping = self._named(params["UUID"])
        if params.get("FunctionName"):
            reference = self._function(params["FunctionName"])
            mapping = msgspec.structs.replace(mapping, function=reference.name, qualifier=reference.qualifier)
        changed = _with(mapping, params, self._world.now())
        await self._check_destination(changed)
        state = "Updating" if changed.enabled == mapping.enabled else "Enabling" if changed.enabled else "Disabling"
        return await self._keep(msgspec.structs.replace(changed, state=state))

    async def get_event_source_mapping(self, request: Request) -> Result:
        mapping = self._named(request.params["UUID"], even_deleting=True)
        await self.catalogue.settled()
        return self._shown(mapping)

    async def list_event_source_mappings(self, request: Request) -> Result:
        """By source, by function, or all."""
        params = request.params
        name = self._reference(params["FunctionName"]).name if params.get("FunctionName") else None
        source = params.get("EventSourceArn")
        await self.catalogue.settled()
        marker, most = params.get("Marker") or "", params.get("MaxItems") or PAGE
        found = [
            self.known[one]
            for one in sorted(self.known)
            if one > marker and name in (None, self.known[one].function) and source in (None, self.known[one].stream)
        ]
        more = {"NextMarker": found[most - 1].id} if len(found) > most else {}
        return {"EventSourceMappings": [self._shown(one) for one in found[:most]], **more}

    async def delete_event_source_mapping(self, request: Request) -> Result:
        """Ends the mapping; what was read and not done is not done."""
        mapping = msgspec.structs.replace(self._named(request.params["UUID"]), state="Deleting", enabled=False)
        return await self._keep(mapping)

    async def list_tags(self, request: Request) -> Result:
        mapping = self._tagged(request)
        await self.catalogue.settled()
        return {"Tags": dict(mapping.tags)}

    async def tag_resource(self, request: Request) -> Result:
        mapping = self._tagged(request)
        return await self._retag(mapping, tags_of({**mapping.tags, **request.params["Tags"]}))

    async def untag_resource(self, request: Request) -> Result:
        mapping, gone = self._tagged(request), request.params["TagKeys"]
        return await self._retag(mapping, {key: value for key, value in mapping.tags.items() if key not in gone})

    def _tagged(self, request: Request) -> SourceMapping:
        return self._named(request.params["Resource"].rpartition(":")[2])

    async def _retag(self, mapping: SourceMapping, tags: dict[str, str]) -> Result:
        """Its poller goes on as it is."""
        self.known[mapping.id] = mapping = msgspec.structs.replace(mapping, tags=tags)
        self._store.write([(PREFIX + mapping.id.encode(), _encode(mapping))])
        await self._store.durable()
        return {}

    def note(self, identity: str, result: str) -> None:
        """What became of the last batch: shown, and written with the next change."""
        mapping = self.known.get(identity)
        if mapping is not None and mapping.result != result:
            self.known[identity] = msgspec.structs.replace(mapping, result=result)

    def _refuse(self, params: Mapping[str, Any]) -> None:
        for name in REFUSED:
            if params.get(name):
                raise NotSupported(f"the parameter {name} of event source mappings")
        for kind, target in (params.get("DestinationConfig") or {}).items():
            arn = (target or {}).get("Destination")
            if arn and (kind != "OnFailure" or destinations.bucket_of(arn) is None):
                raise NotSupported(f"{kind} destinations of event source mappings ({target['Destination']})")

    def _reference(self, text: str) -> Reference:
        return self.catalogue.reference(text)

    def _function(self, text: str) -> Reference:
        reference = self._reference(text)
        self.catalogue.configuration(self.catalogue.function(reference), reference.qualifier)
        return reference

    async def _check_destination(self, mapping: SourceMapping) -> None:
        if mapping.on_failure:
            await destinations.check_bucket(self._around, mapping.on_failure)

    def _named(self, identity: str, *, even_deleting: bool = False) -> SourceMapping:
        mapping = self.known.get(identity)
        if mapping is None:
            raise ClientFault(
                "ResourceNotFoundException", "The resource you requested does not exist.", status=404, Type="User"
            )
        if mapping.state == "Deleting" and not even_deleting:
            raise ClientFault(
                "ResourceInUseException",
                f"Cannot update the event source mapping because it is in use. ({mapping.state})",  # from memory
                Type="User",
            )
        return mapping

    async def _keep(self, mapping: SourceMapping) -> Result:
        self.known[mapping.id] = mapping
        self._store.write([(PREFIX + mapping.id.encode(), _encode(mapping))])
        await self._store.durable()
        self._settle(mapping.id)
        self.on_change(mapping.id)
        return self._shown(mapping)

    def _settle(self, identity: str) -> None:
        if self.known[identity].state not in {"Enabled", "Disabled"}:
            self._world.spawn(self._come_to_rest(identity), f"lambda mapping {identity}")

    async def _come_to_rest(self, identity: str) -> None:
        before = self.known[identity]
        await self._world.sleep(self._world.chance.uniform(*SETTLE_S))
        now = self.known.get(identity)
        if now is None or (now.state, now.changed) != (before.state, before.changed):
            return
        if before.state == "Deleting":
            del self.known[identity]
            self._store.write([(PREFIX + identity.encode(), None), (CURSOR + identity.encode(), None)])
        else:
            mapping = msgspec.structs.replace(now, state="Enabled" if before.enabled else "Disabled")
            self.known[identity] = mapping
            self._store.write([(PREFIX + identity.encode(), _encode(mapping))])
        await self._store.durable()
        self.on_change(identity)

    def _shown(self, mapping: SourceMapping) -> dict[str, Any]:
        around = self._around
        shown: dict[str, Any] = {
            "UUID": mapping.id,
            "EventSourceMappingArn": f"arn:aws:lambda:{around.region}:{around.settings.account}:"
            f"event-source-mapping:{mapping.id}",
            "EventSourceArn": mapping.stream,
            "FunctionArn": self.catalogue.arn(mapping.function, mapping.qualifier),
            "State": mapping.state,
            "StateTransitionReason": "User action",
            "LastModified": mapping.changed,
            "LastProcessingResult": mapping.result,
            "StartingPosition": mapping.position,
            "BatchSize": mapping.batch_size,
            "MaximumBatchingWindowInSeconds": mapping.window_s,
            "ParallelizationFactor": mapping.lanes,
            "MaximumRetryAttempts": mapping.retries,
            "MaximumRecordAgeInSeconds": mapping.age_s,
            "BisectBatchOnFunctionError": mapping.bisect,
            "TumblingWindowInSeconds": mapping.tumbling_s,
            "FunctionResponseTypes": ["ReportBatchItemFailures"] if mapping.partial else [],
            "DestinationConfig": {"OnFailure": {"Destination": mapping.on_failure} if mapping.on_failure else {}},
        }
        if mapping.metrics:
            shown["MetricsConfig"] = {"Metrics": ["EventCount"]}
        if mapping.patterns:
            shown["FilterCriteria"] = {"Filters": [{"Pattern": one} for one in mapping.patterns]}
        return shown


def _with(mapping: SourceMapping, params: Mapping[str, Any], now: float) -> SourceMapping:
    """The mapping with the settings that are given. Raises InvalidParameterValueException."""
    given = members(
        params, *_SETTINGS, "Enabled", "FunctionResponseTypes", "FilterCriteria", "DestinationConfig", "MetricsConfig"
    )
    fields: dict[str, Any] = {"changed": now}
    for member, field in (
        ("BatchSize", "batch_size"),
        ("MaximumBatchingWindowInSeconds", "window_s"),
        ("ParallelizationFactor", "lanes"),
        ("MaximumRetryAttempts", "retries"),
        ("MaximumRecordAgeInSeconds", "age_s"),
        ("BisectBatchOnFunctionError", "bisect"),
        ("TumblingWindowInSeconds", "tumbling_s"),
        ("Enabled", "enabled"),
    ):
        if member in given:
            fields[field] = given[member]
    if "FunctionResponseTypes" in given:
        fields["partial"] = "ReportBatchItemFailures" in given["FunctionResponseTypes"]
    if "MetricsConfig" in given:
        kinds = given["MetricsConfig"].get("Metrics") or ()
        if set(kinds) - {"EventCount"}:
            raise NotSupported(f"the metrics {', '.join(kinds)} of event source mappings")
        fields["metrics"] = "EventCount" in kinds
    if "DestinationConfig" in given:
        fields["on_failure"] = (given["DestinationConfig"].get("OnFailure") or {}).get("Destination") or ""
    if "FilterCriteria" in given:
        patterns = [one.get("Pattern") or "" for one in given["FilterCriteria"].get("Filters") or ()]
        filters.compiled(patterns)
        fields["patterns"] = tuple(patterns)
    mapping = msgspec.structs.replace(mapping, **fields)
    if 0 <= mapping.age_s < 60:
        raise invalid("MaximumRecordAgeInSeconds must be -1 or between 60 and 604800.")  # wording from memory
    if mapping.tumbling_s and mapping.lanes > 1:
        raise invalid("TumblingWindowInSeconds is not supported with ParallelizationFactor above 1.")  # from memory
    return mapping
