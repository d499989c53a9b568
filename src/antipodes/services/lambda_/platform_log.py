"""What one environment writes to its log stream: what its processes print, and what the platform says of them.

In LogFormat Text the platform writes AWS's lines (facts 4.7; EXTENSION as the Developer Guide shows it):

    START RequestId: <id> Version: $LATEST
    EXTENSION<TAB>Name: <name><TAB>State: Ready<TAB>Events: [INVOKE,SHUTDOWN]
    END RequestId: <id>
    REPORT RequestId: <id><TAB>Duration: 15.74 ms<TAB>Billed Duration: 147 ms<TAB>...<TAB>

In LogFormat JSON it writes one object a line, {"time", "type": "platform...", "record"}, those that the function's
system log level lets through: platform.start and .extension at INFO, .report at INFO or, of a failure, at WARN, and
.runtimeDone and .initReport at DEBUG or WARN. What processes print is theirs in either format: runtimes are told the
format and the level in AWS_LAMBDA_LOG_FORMAT and AWS_LAMBDA_LOG_LEVEL. INIT_START is not written: it names the
version of a runtime of AWS's, and none runs here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from antipodes.services.lambda_.logs import LineSplitter, LogBook
from antipodes.services.lambda_.outcome import TAIL_BYTES, Outcome
from antipodes.services.lambda_.pool_rules import billed_ms
from antipodes.services.lambda_.records import Configuration

LEVELS = ("DEBUG", "INFO", "WARN")  # of the platform's events, the chattiest first


class Report(msgspec.Struct, frozen=True, gc=False):
    """What an invocation took. init_ms: of the init phase before it, if it waited for one."""

    request_id: str
    outcome: Outcome
    duration_ms: float
    init_ms: float | None
    memory_mb: int | None


class PlatformLog:
    """The log of one environment."""

    def __init__(self, now: Callable[[], float], book: LogBook, function: str, settings: Configuration, stream: str):
        self._now = now
        self._book = book
        self._group = settings.log_group or f"/aws/lambda/{function}"
        self._stream = stream
        self._settings = settings
        self._level = LEVELS.index(settings.system_level or "INFO")
        self._is_text = settings.log_format == "Text"
        self._lines: dict[str, LineSplitter] = {}  # of the runtime (""), of each extension
        self._tail: list[str] | None = None

    # -- what processes print --

    def output(self, data: bytes) -> None:
        """Of the runtime."""
        self.printed("", data)

    def printed(self, source: str, data: bytes) -> None:
        """source: an extension's name, or "" for the runtime."""
        splitter = self._lines.get(source)
        if splitter is None:
            splitter = self._lines[source] = LineSplitter()
        for line in splitter.feed(data):
            self._write(line)

    def _finish_lines(self) -> None:
        for splitter in self._lines.values():
            rest = splitter.rest()
            if rest is not None:
                self._write(rest)

    # -- what the platform says --

    def start(self, request_id: str, *, tail: bool) -> None:
        """tail: what is written from now on is kept, for the caller."""
        self._tail = [] if tail else None
        version = self._settings.version
        if self._is_text:
            self._write(f"START RequestId: {request_id} Version: {version}")
        else:
            self._event("INFO", "platform.start", {"requestId": request_id, "version": version})

    def extension(self, name: str, state: str, events: Sequence[str], error_type: str = "") -> None:
        """What became of an extension when the environment was initialised."""
        if self._is_text:
            line = f"EXTENSION\tName: {name}\tState: {state}\tEvents: [{','.join(events)}]"
            self._write(line + (f"\tError Type: {error_type}" if error_type else ""))
            return
        record: dict[str, Any] = {"name": name, "state": state, "events": list(events)}
        if error_type:
            record["errorType"] = error_type
        self._event("WARN" if error_type else "INFO", "platform.extension", record)

    def init_timeout(self, limit_ms: float) -> None:
        if self._is_text:
            self._write(f"INIT_REPORT Init Duration: {limit_ms:.2f} ms\tPhase: init\tStatus: timeout")
        else:
            record = {"initializationType": "on-demand", "phase": "init", "status": "timeout"}
            self._event("WARN", "platform.initReport", {**record, "metrics": {"durationMs": limit_ms}})

    def end(self, report: Report) -> bytes:
        """The invocation is over. Answers the end of what was written since it began, if that was to be kept."""
        self._finish_lines()
        if self._is_text:
            self._write(f"END RequestId: {report.request_id}", _report_line(report, self._settings.memory_mb))
        else:
            done = {"requestId": report.request_id, **_status(report.outcome)}
            metrics = {"durationMs": round(report.duration_ms, 3)}
            self._event(
                "WARN" if report.outcome.failed else "DEBUG", "platform.runtimeDone", {**done, "metrics": metrics}
            )
            record = _report_record(report, self._settings.memory_mb)
            self._event("WARN" if report.outcome.failed else "INFO", "platform.report", record)
        if self._tail is None:
            return b""
        tail, self._tail = self._tail, None
        return "\n".join(tail).encode()[-TAIL_BYTES:]

    # -- small ones --

    def _event(self, level: str, kind: str, record: dict[str, Any]) -> None:
        if LEVELS.index(level) < self._level:
            return
        at = datetime.fromtimestamp(self._now(), UTC)
        time = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
        self._write(orjson.dumps({"time": time, "type": kind, "record": record}).decode())

    def _write(self, *texts: str) -> None:
        self._book.write(self._group, self._stream, self._now(), *texts)
        if self._tail is not None:
            self._tail += texts


def _report_line(report: Report, memory_mb: int) -> str:
    outcome = report.outcome
    line = (
        f"REPORT RequestId: {report.request_id}\tDuration: {report.duration_ms:.2f} ms\t"
        f"Billed Duration: {billed_ms(report.duration_ms, report.init_ms)} ms\tMemory Size: {memory_mb} MB\t"
    )
    if report.memory_mb is not None:
        line += f"Max Memory Used: {report.memory_mb} MB\t"
    if report.init_ms is not None:
        line += f"Init Duration: {report.init_ms:.2f} ms\t"
    if outcome.status:
        line += f"Status: {outcome.status}\t"
    if outcome.status == "error":
        line += f"Error Type: {outcome.error_type}\t"
    return line


def _report_record(report: Report, memory_mb: int) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        "durationMs": round(report.duration_ms, 3),
        "billedDurationMs": billed_ms(report.duration_ms, report.init_ms),
        "memorySizeMB": memory_mb,
    }
    if report.memory_mb is not None:
        metrics["maxMemoryUsedMB"] = report.memory_mb
    if report.init_ms is not None:
        metrics["initDurationMs"] = round(report.init_ms, 3)
    return {"requestId": report.request_id, "metrics": metrics, **_status(report.outcome)}


def _status(outcome: Outcome) -> dict[str, Any]:
    if not outcome.failed:
        return {"status": "success"}
    status = outcome.status or "error"
    return {"status": status, "errorType": outcome.error_type} if status == "error" else {"status": status}
