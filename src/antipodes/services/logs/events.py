"""PutLogEvents, GetLogEvents, FilterLogEvents; and Record, the same as Put for the Region's own services.

`Record` exists only inside a Region: {"streams": [{"logGroupName", "logStreamName", "logEvents": [(ms, text)]}]}. It
makes groups and streams if need be, and is not waited for.

Answers are cut at 1 MB and 10,000 events, as AWS's. Tokens name an event: of GetLogEvents "f/<56 digits>/s" goes on
behind it, "b/<56 digits>/s" before it; at the end the same token comes back. FilterLogEvents goes through all streams
asked for in order of time.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from antipodes.services.logs import patterns
from antipodes.services.logs.groups import SEQUENCE_TOKEN
from antipodes.services.logs.ledger import FIRST, LAST, OVERHEAD_BYTES, Group, Ledger, Stream
from antipodes.services.logs.lots import Event, Place
from antipodes.services.logs.parameters import Params, event_id, group_of, invalid, place_of, stream_of
from antipodes.wire.operation import Request, Result

MAX_BATCH_BYTES = 1_048_576
MAX_EVENT_BYTES = 1_048_576
MAX_EVENTS = 10_000
MAX_SPAN_MS = 24 * 3_600_000
FUTURE_MS = 2 * 3_600_000
PAST_MS = 14 * 86_400_000
ANSWER_BYTES = 1 << 20
SCANNED_AT_ONCE = 50_000  # events that one FilterLogEvents looks at; then it answers with a token, found or not
_TOKEN = re.compile(r"([fb])/(\d{56})/s").fullmatch
_NEXT = re.compile(r"\d{56}").fullmatch


class Events:
    """The operations of events. The service waits for the disk."""

    def __init__(self, ledger: Ledger, region: str) -> None:
        self._ledger = ledger
        self._region = region

    def put_log_events(self, request: Request) -> Result:
        """Appends a batch: all of it but what is too old or too new."""
        params = request.params
        group = group_of(self._ledger, params, region=self._region)
        stream = stream_of(self._ledger, group, params["logStreamName"])
        given = [(int(one["timestamp"]), one["message"]) for one in params["logEvents"]]
        _check_batch(given)
        now_ms = self._ledger.now_ms()
        rejected: dict[str, int] = {}
        expired = sum(time < self._ledger.kept_from_ms(group) for time, _ in given)
        old = sum(time < now_ms - PAST_MS for time, _ in given)
        new = sum(time > now_ms + FUTURE_MS for time, _ in given)
        if new:
            rejected["tooNewLogEventStartIndex"] = len(given) - new
        if old:
            rejected["tooOldLogEventEndIndex"] = old
        if expired:
            rejected["expiredLogEventEndIndex"] = expired
        self._ledger.add(group, stream, given[max(old, expired) : len(given) - new])
        answer: dict[str, Any] = {"nextSequenceToken": SEQUENCE_TOKEN}
        return answer | ({"rejectedLogEventsInfo": rejected} if rejected else {})

    def record(self, streams: Iterable[Mapping[str, Any]]) -> None:
        """Events of services of this Region."""
        for one in streams:
            name, stream_name = one["logGroupName"], one["logStreamName"]
            group = self._ledger.groups.get(name) or self._ledger.new_group(name, {})
            stream = self._ledger.streams(group).get(stream_name) or self._ledger.new_stream(group, stream_name)
            self._ledger.add(group, stream, one["logEvents"])

    def get_log_events(self, request: Request) -> Result:
        """Events of one stream: the newest, or with startFromHead the oldest, or what a token leads to."""
        params = request.params
        group = group_of(self._ledger, params, region=self._region)
        stream = stream_of(self._ledger, group, params["logStreamName"])
        limit = params.get("limit") or MAX_EVENTS
        after, before = self._bounds(group, params, end_included=False)
        backward = not params.get("startFromHead")
        token = params.get("nextToken")
        if token is not None:
            found = _TOKEN(token)
            if found is None:
                raise invalid("The specified nextToken is invalid.")
            backward = found[1] == "b"
            if backward:
                before = min(before, place_of(found[2]))
            else:
                after = max(after, place_of(found[2]))
        some = _page(self._ledger.events(stream, after, before, reverse=backward), limit)
        if backward:
            some.reverse()
        if some:
            forward, back = some[-1].place, some[0].place
        else:  # nothing there: the same place, to ask again
            forward = back = (before if backward else after) if token is not None else after
        return {
            "events": [
                {"timestamp": one.place.time_ms, "message": one.message, "ingestionTime": one.ingested_ms}
                for one in some
            ],
            "nextForwardToken": f"f/{event_id(forward)}/s",
            "nextBackwardToken": f"b/{event_id(back)}/s",
        }

    def filter_log_events(self, request: Request) -> Result:
        """Events of a group's streams that match a pattern, in order of time."""
        params = request.params
        group = group_of(self._ledger, params, region=self._region)
        prefix, names = params.get("logStreamNamePrefix"), params.get("logStreamNames")
        if prefix and names:
            raise invalid("Both logStreamNamePrefix and logStreamNames are specified. Only one is allowed.")
        held = self._ledger.streams(group)
        wanted = sorted(held) if names is None else [stream_of(self._ledger, group, name).name for name in names]
        streams = [held[name] for name in dict.fromkeys(wanted) if name.startswith(prefix or "")]
        matches = patterns.compiled(params.get("filterPattern") or "")
        after, before = self._bounds(group, params, end_included=True)
        token = params.get("nextToken")
        if token is not None:
            if _NEXT(token) is None:
                raise invalid("The specified nextToken is invalid.")
            after = max(after, place_of(token))
        limit = params.get("limit") or MAX_EVENTS
        found: list[dict[str, Any]] = []
        size = 0
        for scanned, (event, stream) in enumerate(self._merged(streams, after, before)):
            if len(found) == limit or size > ANSWER_BYTES or scanned == SCANNED_AT_ONCE:
                return {"events": found, "searchedLogStreams": [], "nextToken": event_id(after)}
            after = event.place
            if matches(event.message):
                size += len(event.message) + OVERHEAD_BYTES
                found.append(
                    {
                        "logStreamName": stream.name,
                        "timestamp": event.place.time_ms,
                        "message": event.message,
                        "ingestionTime": event.ingested_ms,
                        "eventId": event_id(event.place),
                    }
                )
        return {"events": found, "searchedLogStreams": []}

    def _merged(self, streams: list[Stream], after: Place, before: Place) -> Iterator[tuple[Event, Stream]]:
        def placed(stream: Stream) -> Iterator[tuple[Place, Event, Stream]]:
            for event in self._ledger.events(stream, after, before):
                yield event.place, event, stream

        alive = [stream for stream in streams if stream.last_ms >= after.time_ms]
        for _, event, stream in heapq.merge(*(placed(stream) for stream in alive), key=lambda one: one[0]):
            yield event, stream

    def _bounds(self, group: Group, params: Params, *, end_included: bool) -> tuple[Place, Place]:
        """Between which places events may lie. GetLogEvents leaves out endTime itself, FilterLogEvents has it."""
        start_ms = max(params.get("startTime") or 0, self._ledger.kept_from_ms(group))
        end_ms = params.get("endTime")
        after = Place(start_ms, 0) if start_ms else FIRST
        return after, LAST if end_ms is None else Place(end_ms + 1 if end_included else end_ms, 0)


def _page(events: Iterator[Event], limit: int) -> list[Event]:
    found: list[Event] = []
    size = 0
    for event in events:
        size += len(event.message) + OVERHEAD_BYTES
        if found and (len(found) == limit or size > ANSWER_BYTES):
            break
        found.append(event)
    return found


def _check_batch(given: list[tuple[int, str]]) -> None:
    """Raises InvalidParameterException for a batch that AWS refuses as a whole."""
    sizes = [len(message.encode("utf-8", "surrogatepass")) + OVERHEAD_BYTES for _, message in given]
    if sum(sizes) > MAX_BATCH_BYTES:
        raise invalid(f"Upload too large: {sum(sizes)} bytes exceeds limit of {MAX_BATCH_BYTES}")
    if any(earlier > later for (earlier, _), (later, _) in pairwise(given)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if given and given[-1][0] - given[0][0] > MAX_SPAN_MS:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
