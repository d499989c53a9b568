"""StartLiveTail: what is said in some log groups, sent to a client as it comes (API reference, "StartLiveTail").

A session sends sessionStart, then each second a sessionUpdate with the events since the last one: at most 500, drawn
from all of them if there were more (`sampled`). It ends after three hours with SessionTimeoutException, or when the
client goes. A client that reads slowly gets fewer updates, each with a sample of the time since the last one; AWS keeps
ten updates for it. The words of refusals are guesses, where AWS's documentation prints none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID

import orjson

from antipodes.services.logs import patterns
from antipodes.services.logs.ledger import Group, Ledger, Stream
from antipodes.services.logs.parameters import Params, group_named, invalid, name_of
from antipodes.wire import eventstream
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result
from antipodes.world.world import World

UPDATE_S = 1.0
SESSION_S = 3 * 3600.0
MOST_EVENTS = 500  # of an update
MOST_SESSIONS = 15  # CloudWatch Logs quotas, "Live Tail"
JSON = "application/json"


class Session:
    """What one client wants, and what was said of it since it was told last."""

    def __init__(self, world: World, groups: Sequence[Group], wants: Callable[[str], bool], pattern: str) -> None:
        """wants: a stream, by its name."""
        self._world = world
        self._groups = frozenset(group.id for group in groups)
        self._wants = wants
        self._matches = patterns.compiled(pattern)
        self._kept: list[tuple[int, dict[str, object]]] = []
        self._seen = 0

    def saw(self, group: Group, stream: Stream, identifier: str, events: Sequence[tuple[int, str]]) -> None:
        """Events that came just now."""
        if group.id not in self._groups or not self._wants(stream.name):
            return
        for time_ms, message in events:
            if not self._matches(message):
                continue
            place = self._seen if self._seen < MOST_EVENTS else self._world.chance.randrange(self._seen + 1)
            if place < MOST_EVENTS:  # each of all has the same chance to be among the kept
                told: dict[str, object] = {
                    "logStreamName": stream.name,
                    "logGroupIdentifier": identifier,
                    "message": message,
                    "timestamp": time_ms,
                    "ingestionTime": stream.ingested_ms,
                }
                self._kept[place : place + 1] = [(self._seen, told)]
            self._seen += 1

    def update(self) -> dict[str, object]:
        """The next sessionUpdate."""
        kept, sampled = sorted(self._kept, key=lambda one: one[0]), self._seen > MOST_EVENTS
        self._kept, self._seen = [], 0
        return {"sessionMetadata": {"sampled": sampled}, "sessionResults": [told for _, told in kept]}


class LiveTail:
    """The sessions of one Region."""

    def __init__(self, world: World, region: str, account: str) -> None:
        self._world = world
        self._region = region
        self._account = account
        self._sessions: list[Session] = []

    def saw(self, group: Group, stream: Stream, events: Sequence[tuple[int, str]]) -> None:
        """Events that came just now."""
        for session in self._sessions:
            session.saw(group, stream, f"{self._account}:{group.name}", events)

    def start(self, ledger: Ledger, request: Request) -> Result:
        """Answers {"responseStream": the encoded messages}."""
        params = request.params
        groups = [group_named(ledger, _named(one, self._region)) for one in params["logGroupIdentifiers"]]
        wants = _wanted(params, len(groups))
        pattern = params.get("logEventFilterPattern") or ""
        session = Session(self._world, groups, wants, pattern)
        if len(self._sessions) >= MOST_SESSIONS:
            raise ClientFault("LimitExceededException", f"At most {MOST_SESSIONS} Live Tail sessions run at once.")
        named = ("logGroupIdentifiers", "logStreamNames", "logStreamNamePrefixes", "logEventFilterPattern")
        about = {
            "requestId": request.request_id,
            "sessionId": str(UUID(int=self._world.chance.getrandbits(128), version=4)),
            **{name: params[name] for name in named if params.get(name)},
        }
        return {"responseStream": self._messages(session, about)}

    async def _messages(self, session: Session, about: dict[str, object]) -> AsyncIterator[bytes]:
        end_s = self._world.monotonic() + SESSION_S
        self._sessions.append(session)
        try:
            yield eventstream.event("initial-response", JSON, b"{}")
            yield eventstream.event("sessionStart", JSON, orjson.dumps(about))
            while self._world.monotonic() < end_s:
                await self._world.sleep(UPDATE_S)
                yield eventstream.event("sessionUpdate", JSON, orjson.dumps(session.update()))
            yield eventstream.exception("SessionTimeoutException", JSON, b'{"message":"The session has timed out."}')
        finally:
            self._sessions.remove(session)


def _named(identifier: str, region: str) -> str:
    """A log group's name, from its ARN: a session wants no names."""
    if not identifier.startswith("arn:") or identifier.endswith("*"):
        raise invalid("Specify each log group by its ARN; it can't end with an asterisk (*).")
    return name_of(identifier, region)


def _wanted(params: Params, groups: int) -> Callable[[str], bool]:
    """Which streams of the group are meant."""
    names, prefixes = params.get("logStreamNames"), params.get("logStreamNamePrefixes")
    if names and prefixes:
        raise invalid("Both logStreamNames and logStreamNamePrefixes are specified. Only one is allowed.")
    if (names or prefixes) and groups > 1:
        raise invalid("Log streams can be specified for one log group only.")
    if names:
        return frozenset(names).__contains__
    return (lambda name: name.startswith(tuple(prefixes))) if prefixes else (lambda name: True)
