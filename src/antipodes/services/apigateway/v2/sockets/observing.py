"""What is noted of a WebSocket API's events: metrics, a line of the access log, execution logs.

Metrics are those of the Developer Guide ("Monitor WebSocket API execution with CloudWatch metrics"); messages count in
both directions. Execution logs have fewer lines than AWS writes, in its words (from memory).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from antipodes.services.apigateway.access_logs import stream_of
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue, Prepared
from antipodes.services.apigateway.v2.sockets import events
from antipodes.services.apigateway.v2.sockets.behind import execution_group
from antipodes.services.apigateway.v2.sockets.events import Facts

COUNTED = {"CONNECT": "ConnectCount", "MESSAGE": "MessageCount"}
WORDS = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests", 500: "Internal server error"}
SERVER_ERROR = 500


@dataclass(slots=True)
class Happening:
    """One event: a connection begins, has a message, ends. It belongs to the data plane, which fills it."""

    kind: str  # CONNECT, MESSAGE, DISCONNECT
    key: str  # of the route; "": none was found
    request_id: str
    begun: float  # monotonic
    status: int = 200
    failed: bool = False  # the integration could not be asked, or has no answer
    reason: str = ""  # why
    steps: list[str] | None = None  # of the way to the integration and back; None: nobody wants to know


class Observer:
    """One a Region."""

    def __init__(self, catalogue: HttpCatalogue) -> None:
        self._catalogue = catalogue
        self._world = catalogue.surroundings.world
        self._account = catalogue.surroundings.settings.account

    def begin(self, prepared: Prepared, kind: str, key: str, request_id: str) -> Happening:
        settings = prepared.stage.route_settings.get(key, prepared.stage.settings)
        steps: list[str] | None = [] if settings.data_trace and settings.logging_level in {"ERROR", "INFO"} else None
        return Happening(kind, key, request_id, self._world.monotonic(), steps=steps)

    def sent(self, facts: Facts, key: str = "") -> None:
        """A message went to the client."""
        prepared = self._catalogue.prepared(facts.api_id, facts.stage)
        if prepared is not None:
            for tally in prepared.tallies(key):
                tally.event("MessageCount")

    def note(self, prepared: Prepared, facts: Facts, event: Happening) -> None:
        for tally in prepared.tallies(event.key):
            if event.kind in COUNTED:
                tally.event(COUNTED[event.kind])
            tally.event("ClientError", 1.0 if 400 <= event.status < SERVER_ERROR else 0.0)
            tally.event("IntegrationError", 1.0 if event.status >= SERVER_ERROR else 0.0)
            tally.event("ExecutionError", 1.0 if event.failed else 0.0)
        logs = self._catalogue.shared.access_logs
        if prepared.log_format is not None:
            logs.write(
                prepared.log_group, prepared.log_stream, prepared.log_format.line(self._values(facts, event).get)
            )
        level = prepared.stage.route_settings.get(event.key, prepared.stage.settings).logging_level
        if level == "INFO" or (level == "ERROR" and event.status >= SERVER_ERROR):
            group, stream = execution_group(facts.api_id, facts.stage), stream_of(facts.api_id, facts.stage)
            for line in execution_lines(facts, event):
                logs.write(group, stream, line)

    def _values(self, facts: Facts, event: Happening) -> dict[str, Any]:
        context = events.context_of(facts, event.key, event.kind, event.request_id, self._world.now())
        return {
            **{name: value for name, value in context.items() if not isinstance(value, Mapping)},
            **{f"identity.{name}": value for name, value in context["identity"].items()},
            **{f"authorizer.{name}": value for name, value in (facts.authorizer or {}).items()},
            "accountId": self._account,
            "status": event.status,
            "responseLatency": round((self._world.monotonic() - event.begun) * 1000),
            "error.message": WORDS.get(event.status, ""),
            "integrationErrorMessage": event.reason,
        }


def execution_lines(facts: Facts, event: Happening) -> list[str]:
    lines = [
        f"Starting execution for request: {event.request_id}",
        f"WebSocket Request Route: [{event.key}]",
        f"Client [UserAgent: {facts.user_agent}, SourceIp: {facts.source_ip}] of connection "
        f"[{facts.connection_id}]: {event.kind}",
        *(event.steps or ()),
    ]
    if event.failed:
        lines.append(f"Execution failed due to {event.reason}")
    lines.append(f"Method completed with status: {event.status}")
    return [f"({event.request_id}) {line}" for line in lines]
