"""ListStreams, DescribeStream, GetShardIterator, GetRecords: the service `dynamodbstreams`.

A second service of this room, because it reads what DynamoDB writes: the Region's one change log and the ledger of
streams (stream_ledger.py). An iterator is a place in the log and the time it was given; nothing is kept for a reader.

A reader of a quiet table must not read through what busy ones wrote, again and again: of each block of the log it is
remembered, once it was read, whose entries it holds (`TopicMap`), and one call reads at most SCANNED_MAX entries of
others; then it answers with what it has, perhaps nothing, and an iterator that stands further on. AWS does so too.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import orjson

from antipodes.services.dynamodb import shards, stream_ledger
from antipodes.services.dynamodb.database import Database, not_found
from antipodes.services.dynamodb.describe import key_schema, table_arn
from antipodes.services.dynamodb.parameters import Constraints
from antipodes.services.dynamodb.shards import Shard, Stream
from antipodes.services.dynamodb.stream_records import record_of
from antipodes.store.records import Logged
from antipodes.store.store import Store
from antipodes.wire.errors import ClientFault, ServerFault, ValidationException
from antipodes.wire.operation import Operation, Payload, Request, Result
from antipodes.wire.validation import validate

MAX_LISTED = 100  # streams, or shards of a stream, in one answer
MAX_RECORDS = 1000
MAX_BYTES = 1 << 20
UPKEEP_S = (0.5, 60.0)  # how often shards are looked at: a quarter of their time, within these bounds
ITERATOR_S = 15 * 60  # "Shard iterators expire 15 minutes after they are returned to the requester"
BLOCK = 1024  # log positions that are remembered together
PIECE = 64  # entries read at a time: they may be large
SCANNED_MAX = 20_000
_ARN = re.compile(
    r"(arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table/)([a-zA-Z0-9_.-]+)/stream/([0-9T:.-]+)", re.ASCII
).fullmatch
_MARK = "|1|"  # between the stream and the place in an iterator


class Place(msgspec.Struct, frozen=True, array_like=True):
    """What a ShardIterator says. position: the log was read up to here. since: older records are passed over."""

    shard: str
    position: int
    given: float  # epoch seconds
    since: float = 0.0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Place).decode


class TopicMap:
    """Which topics each block of the log holds, as far as somebody has read it. Owned by one Region's `Streams`."""

    def __init__(self) -> None:
        self._blocks: dict[int, frozenset[str]] = {}
        self._seen: set[str] = set()  # of the block that is being read from its beginning
        self._upto = 0

    def skip(self, position: int, topic: str) -> int:
        """The position from which to read on for `topic`: further on, if what follows is known to be others'."""
        while position % BLOCK == 0 and topic not in self._blocks.get(position // BLOCK, (topic,)):
            position += BLOCK
        return position

    def learn(self, position: int, entries: Sequence[Logged]) -> None:
        """Entries that were just read, beginning behind `position`."""
        if position % BLOCK == 0:
            self._seen = set()
        elif position != self._upto:
            self._upto = 0
            return
        self._seen.update(entry.change.topic for entry in entries)
        self._upto = entries[-1].position
        if self._upto % BLOCK == 0:
            self._blocks[self._upto // BLOCK - 1] = frozenset(self._seen)

    def forget(self, begin: int) -> None:
        """The log was trimmed up to `begin`."""
        self._blocks = {number: topics for number, topics in self._blocks.items() if number >= begin // BLOCK}


@dataclass(slots=True)
class Found:
    """What one GetRecords has gathered."""

    records: list[bytes]
    position: int
    size_bytes: int = 0
    scanned: int = 0

    def full(self, limit: int) -> bool:
        return len(self.records) >= limit or self.size_bytes >= MAX_BYTES or self.scanned >= SCANNED_MAX


def upkeep_pause_s(shard_s: float, retention_s: float) -> float:
    """How long the upkeep rests. Never so short that a planet whose logs are short does nothing but upkeep."""
    often_s, seldom_s = UPKEEP_S
    return max(often_s, min(seldom_s, shard_s / 4, retention_s / 4))


class Streams:
    """Fulfils services.contract.Service."""

    name = "dynamodbstreams"
    carried = None

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store: Store = database.store
        options = database.surroundings.settings.options
        self._shard_s = float(options.get("dynamodb.stream_shard_s", 4 * 3600))
        self._retention_s = float(options.get("dynamodb.stream_retention_s", 24 * 3600))
        self._topics = TopicMap()
        by_name: dict[str, Callable[[Mapping[str, Any]], Awaitable[Result]]] = {
            "ListStreams": self.list_streams,
            "DescribeStream": self.describe_stream,
            "GetShardIterator": self.get_shard_iterator,
            "GetRecords": self.get_records,
        }
        self.operations: dict[str, Operation] = {
            name: partial(self._checked, operation) for name, operation in by_name.items()
        }
        self.operations["AwaitGrowth"] = self._await_growth

    async def start(self) -> None:
        """Begins the upkeep: shards roll over, old streams are forgotten."""
        self._database.spawn(self._upkeep(), "upkeep of streams")

    async def stop(self) -> None:
        """The upkeep ends with DynamoDB's tasks."""

    async def _upkeep(self) -> None:
        pause_s = upkeep_pause_s(self._shard_s, self._retention_s)
        while True:
            await self._database.world.tick(pause_s)
            stream_ledger.upkeep(self._store, self._database.world.now(), self._shard_s, self._retention_s)
            self._topics.forget(self._store.begin)
            try:
                await self._database.settle()
            except ServerFault as fault:  # the disk refused: the next time does it
                self._database.world.trace("dynamodb.streams", failed=fault.message)

    async def _checked(self, operation: Callable[[Mapping[str, Any]], Awaitable[Result]], request: Request) -> Result:
        validate(self.name, request.operation, request.params)
        if not self._store.settled:
            await self._database.settle()
        return await operation(request.params)

    # Operations

    async def list_streams(self, params: Mapping[str, Any]) -> Result:
        """Streams that are on, and those that were within the last day. A table that never was has none."""
        limit = _limit(params, MAX_LISTED)
        name = params.get("TableName")
        after = params.get("ExclusiveStartStreamArn")
        start = _arn_parts(after) if after is not None else ("", "")
        found = [one for one in stream_ledger.streams(self._store, name) if (one.table, one.label) > start]
        answer: dict[str, Any] = {
            "Streams": [
                {"StreamArn": self._arn(one), "TableName": one.table, "StreamLabel": one.label} for one in found[:limit]
            ]
        }
        if len(found) > limit:
            answer["LastEvaluatedStreamArn"] = self._arn(found[limit - 1])
        return answer

    async def describe_stream(self, params: Mapping[str, Any]) -> Result:
        """The stream and its shards, in the order in which they were opened."""
        limit = _limit(params, MAX_LISTED)
        stream = self._stream(params["StreamArn"])
        parent = _parent_wanted(params)
        shown = [
            one
            for one in stream.shards
            if one.id > (params.get("ExclusiveStartShardId") or "") and (parent is None or one.parent == parent)
        ]
        horizon = self._horizon()
        description: dict[str, Any] = {
            "StreamArn": self._arn(stream),
            "StreamLabel": stream.label,
            "StreamStatus": self._status(stream),
            "StreamViewType": stream.view,
            "CreationRequestDateTime": stream.created,
            "TableName": stream.table,
            "KeySchema": key_schema((stream.hash,), () if stream.range is None else (stream.range,)),
            "Shards": [_described(one, horizon) for one in shown[:limit]],
        }
        if len(shown) > limit:
            description["LastEvaluatedShardId"] = shown[limit - 1].id
        return {"StreamDescription": description}

    async def get_shard_iterator(self, params: Mapping[str, Any]) -> Result:
        """A place in a shard, good for 15 minutes."""
        stream = self._stream(params["StreamArn"])
        shard = next((one for one in stream.shards if one.id == params["ShardId"]), None)
        kind, number = params["ShardIteratorType"], params.get("SequenceNumber")
        by_number = kind in {"AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"}
        if by_number is (number is None):
            # from memory: that AWS refuses both is known, its sentence is not
            verb = "is required" if by_number else "must not be specified"
            raise ValidationException(f"SequenceNumber {verb} for ShardIteratorType {kind}")
        if (kind == "AT_TIMESTAMP") is (params.get("Timestamp") is None):
            verb = "is required" if kind == "AT_TIMESTAMP" else "must not be specified"
            raise ValidationException(f"Timestamp {verb} for ShardIteratorType {kind}")
        if shard is None:
            raise not_found(
                f"Requested resource not found: Shard: {params['ShardId']} in Stream: {params['StreamArn']} not found"
            )
        since = 0.0
        if number is not None:
            position = _place_of(shard, number, self._horizon(), kind == "AT_SEQUENCE_NUMBER")
        elif kind == "LATEST":
            position = max(shard.after, self._store.end if shard.upto is None else shard.upto)
        else:
            since = float(params.get("Timestamp") or 0.0)
            position = max(shard.after, self._horizon())
        return {"ShardIterator": self._token(stream, shard, position, since)}

    async def get_records(self, params: Mapping[str, Any]) -> Result:
        """The records from a place on, oldest first: at most Limit (1,000) and about 1 MB."""
        limit = _limit(params, MAX_RECORDS)
        arn, _, raw = params["ShardIterator"].rpartition(_MARK)
        place = _place(raw)
        _arn_parts(arn, "Invalid ShardIterator")
        if not -ITERATOR_S < self._database.world.now() - place.given <= ITERATOR_S:
            raise ClientFault(
                "ExpiredIteratorException",
                "The shard iterator has expired. Shard iterators are only valid for 15 minutes",
            )
        stream = self._stream(arn)
        shard = next((one for one in stream.shards if one.id == place.shard), None)
        if shard is None or not (place.position >= shard.after):
            raise not_found("Requested resource not found: Invalid ShardId in ShardIterator")
        if place.position < min(self._horizon(), shard.upto if shard.upto is not None else self._store.end):
            raise trimmed()
        found = await self._read(stream, shard, place, limit)
        answer = [b'{"Records":[%b]' % b",".join(found.records)]
        if shard.upto is None or found.position < shard.upto:
            token = self._token(stream, shard, found.position, place.since)
            answer.append(b',"NextShardIterator":%b' % orjson.dumps(token))
        return Payload(b"".join(answer) + b"}")

    async def _await_growth(self, request: Request) -> Result:
        """Not AWS's: waits until there may be more behind a ShardIterator, for so many Seconds at most. Who polls in
        this Region asks for no records meanwhile: there are none."""
        place = _place(request.params["ShardIterator"].rpartition(_MARK)[2])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(request.params["Seconds"]):
                await self._store.grown(place.position)
        return {}

    # Reading the log

    async def _read(self, stream: Stream, shard: Shard, place: Place, limit: int) -> Found:
        """Gathers records; lets others run between pieces."""
        found = Found([], place.position)
        last = self._store.end if shard.upto is None else shard.upto
        region, topic = self._database.region, shard.topic or stream.topic
        while found.position < last and not found.full(limit):
            skipped = self._topics.skip(found.position, topic)
            if skipped > found.position:
                found.position = min(skipped, last)
                continue
            position = found.position
            entries = self._store.changes(position, min(PIECE, last - position, BLOCK - position % BLOCK))
            if not entries or entries[0].position != position + 1:
                raise trimmed()  # the log was trimmed while we read
            self._topics.learn(position, entries)
            for entry in entries:
                found.position = entry.position
                found.scanned += 1
                if entry.change.topic != topic or entry.change.version.seconds < place.since:
                    continue
                record = record_of(entry.change, entry.position, stream, region)
                if record is not None:
                    found.records.append(record)
                    found.size_bytes += len(record)
                if found.full(limit):
                    break
            if found.position % BLOCK == 0:
                await self._database.world.sleep(0)
        return found

    # Names

    def _arn(self, stream: Stream) -> str:
        table = table_arn(self._database.region, self._database.account, stream.table)
        return f"{table}/stream/{stream.label}"

    def _stream(self, arn: str) -> Stream:
        table, label = _arn_parts(arn)
        stream = stream_ledger.find(self._store, table, label)
        if stream is None or self._arn(stream) != arn:
            raise not_found(f"Requested resource not found: Stream: {arn} not found")
        return stream

    def _status(self, stream: Stream) -> str:
        """A change of state takes as long as one of a table's."""
        since, now = stream.ended or stream.created, self._database.world.now()
        under_way = 0 <= now - since < self._database.state_s
        if stream.ended:
            return "DISABLING" if under_way else "DISABLED"
        return "ENABLING" if under_way else "ENABLED"

    def _horizon(self) -> int:
        return stream_ledger.horizon(self._store, self._database.world.now(), self._retention_s)

    def _token(self, stream: Stream, shard: Shard, position: int, since: float) -> str:
        place = Place(shard.id, position, self._database.world.now(), since)
        return self._arn(stream) + _MARK + base64.urlsafe_b64encode(_encode(place)).decode()


def trimmed() -> ClientFault:
    return ClientFault(
        "TrimmedDataAccessException",
        "The operation attempted to read past the oldest stream record in a shard.",
    )


def _limit(params: Mapping[str, Any], most: int) -> int:
    limit = params.get("Limit") or most
    if limit > most:
        raise ValidationException(
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: "
            f"Member must have value less than or equal to {most}"
        )
    return int(limit)


def _parent_wanted(params: Mapping[str, Any]) -> str | None:
    """ShardFilter: the shard whose children are asked for; None: all shards. The service model requires nothing in a
    filter, AWS does."""
    wanted = params.get("ShardFilter")
    if wanted is None:
        return None
    constraints = Constraints()
    constraints.required(wanted.get("Type"), "shardFilter.type")
    constraints.required(wanted.get("ShardId"), "shardFilter.shardId")
    constraints.settle()
    return str(wanted["ShardId"])


def _arn_parts(arn: str, message: str = "Invalid StreamArn") -> tuple[str, str]:
    """(table, label). Raises ValidationException."""
    found = _ARN(arn)
    if found is None:
        raise ValidationException(message)
    return found.group(2), found.group(3)


def _place(raw: str) -> Place:
    try:
        return _decode(base64.urlsafe_b64decode(raw.encode("ascii")))
    except (ValueError, msgspec.DecodeError):
        raise ValidationException("Invalid ShardIterator") from None


def _place_of(shard: Shard, number: str, horizon: int, inclusive: bool) -> int:
    """The position after which to read. Raises ValidationException, TrimmedDataAccessException."""
    position = shards.position_of(number)
    last = shard.upto
    if position is None or position <= shard.after or (last is not None and position > max(last, shard.after + 1)):
        raise ValidationException(f"Invalid SequenceNumber: {number} is not in the shard {shard.id}")  # from memory
    place = position - 1 if inclusive else position
    if place < min(horizon, last if last is not None else horizon):
        raise trimmed()
    return min(place, last) if last is not None else place


def _described(shard: Shard, horizon: int) -> dict[str, Any]:
    found: dict[str, Any] = {"ShardId": shard.id, "SequenceNumberRange": shards.bounds(shard, horizon)}
    if shard.parent:
        found["ParentShardId"] = shard.parent
    return found
