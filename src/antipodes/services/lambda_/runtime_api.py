"""The Runtime API of one execution environment (facts 4.1): what its runtime polls and answers, over HTTP or its link.

One instance and one listening port an environment: runtimes send no name, so the port tells them apart. It knows one
invocation at a time and no function, pool or process: it says what happened to its Hooks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from antipodes.services.lambda_ import outcome as outcomes
from antipodes.services.lambda_.outcome import RESPONSE_LIMIT_BYTES, Outcome, too_large
from antipodes.services.lambda_.streaming import (
    ERROR_TYPE,
    MODE,
    STREAMING,
    ResponseStream,
    StreamedAnswer,
    is_streamed,
)
from antipodes.wire.http import Answered, HttpRequest, HttpResponse
from antipodes.world.moment import Moment

BASE = "/2018-06-01/runtime/"
NEXT = BASE + "invocation/next"
INVOCATION = BASE + "invocation/"
RESPONSE = "/response"
JSON = ("Content-Type", "application/json")
ACCEPTED = HttpResponse(202, (JSON,), b'{"status":"OK"}\n', b"Content-Type: application/json\r\n")


@dataclass(slots=True)
class Invocation:
    """One invocation on its way through an environment."""

    request_id: str
    payload: bytes
    arn: str  # as it was invoked, with the qualifier if one was given
    deadline_ms: int = 0  # epoch; set when the runtime gets it
    trace_id: str = ""
    looped: bool = False  # in a circle once too often
    client_context: str = ""
    qualifier: str | None = None  # as it was invoked
    tail: bool = False  # the caller wants the end of the log
    stream: ResponseStream | None = None  # takes the response as it is made, where the caller wants that
    done: Moment[Outcome] = field(default_factory=Moment)


Given = Callable[[Invocation | None], None]


class Hooks(Protocol):
    """Who is told."""

    def runtime_ready(self) -> None:
        """It asks for its first invocation: the init phase is over."""
        ...

    def runtime_answered(self, outcome: Outcome) -> None:
        """The invocation under way has its answer."""
        ...

    def init_failed(self, outcome: Outcome) -> None:
        """It could not load the function; it exits next."""
        ...


class RuntimeApi:
    """`deliver` an invocation; the runtime's requests arrive at `respond`."""

    def __init__(self, hooks: Hooks) -> None:
        self.given_up: Callable[[], None] = lambda: None  # called when another runtime takes the place of this one
        self._hooks = hooks
        self._invocation: Invocation | None = None  # delivered or waiting for the runtime to ask
        self._handed_over = False
        self._waiting: Given | None = None  # the runtime's question for its next invocation
        self._ready = False
        self._closed = False
        self._streamed: StreamedAnswer | None = None  # the answer that is coming in

    def deliver(self, invocation: Invocation) -> None:
        """Gives the runtime its next invocation, now or when it asks."""
        assert self._invocation is None, "an environment runs one invocation at a time"
        self._invocation = invocation
        self._handed_over = False
        if self._waiting is not None:
            self._handed_over = True
            self._give(invocation)

    @property
    def untouched(self) -> bool:
        """There is an invocation that the runtime has not taken yet."""
        return self._invocation is not None and not self._handed_over

    def forget(self) -> None:
        """The invocation under way ended otherwise (timeout, exit); a late answer is refused."""
        self._invocation = None

    def close(self) -> None:
        self._closed = True
        self._invocation = None
        self._give(None)

    def restart(self) -> None:
        """A new runtime process begins its init phase."""
        self._ready = False
        self.given_up()
        self._give(None)

    def intake(self, request: HttpRequest, resume: Callable[[], None]) -> StreamedAnswer | None:
        """Takes the body of a streamed response (edge.streaming.IntakeOf)."""
        target, invocation = request.target, self._invocation
        if not target.startswith(INVOCATION) or not target.endswith(RESPONSE) or not is_streamed(request):
            return None
        if invocation is None or target != INVOCATION + invocation.request_id + RESPONSE or not self._handed_over:
            return None

        def lost() -> None:
            if self._streamed is answer and self._invocation is invocation:
                self._streamed = self._invocation = None
                self._hooks.runtime_answered(outcomes.truncated())

        answer = self._streamed = StreamedAnswer(request, invocation.stream, resume, lost)
        return answer

    def respond_usual(self, request: HttpRequest, answered: Answered) -> bool:
        """What a runtime asks for each invocation, without a task: the next one, and to take the response."""
        target = request.target
        if target == NEXT and request.method == "GET":
            self.next(lambda invocation: answered(_over() if invocation is None else _next_of(invocation), None))
            return True
        if target.endswith(RESPONSE) and target.startswith(INVOCATION) and request.method == "POST":
            request_id = target[len(INVOCATION) : -len(RESPONSE)]
            answered(self._answered(request_id, request, failed=False), None)
            return True
        return False

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Everything else."""
        path = request.path
        if request.method == "POST" and path.startswith(INVOCATION):
            request_id, _, what = path.removeprefix(INVOCATION).partition("/")
            if what in {"response", "error"}:
                return self._answered(request_id, request, failed=what == "error")
        if path == BASE + "init/error" and request.method == "POST":
            return self._init_error(request)
        return error_response(404, "InvalidPath", f"{request.method} {path} is not part of the Runtime API.")

    def next(self, given: Given) -> None:
        """The runtime asks for its next invocation: `given` gets it, now or when there is one; None: it is to end."""
        if self._closed:
            given(None)
            return
        if not self._ready:
            self._ready = True
            self._hooks.runtime_ready()
        invocation = self._invocation
        if invocation is not None and not self._handed_over:
            self._handed_over = True
            given(invocation)
        else:
            self._give(None)  # a runtime that asks twice at once: the later question counts
            self._waiting = given

    def answer(
        self, request_id: str, body: bytes, *, failed: bool, mode: str | None = None, kind: str | None = None
    ) -> HttpResponse:
        """The runtime's answer to an invocation. mode, kind: its headers for them. ACCEPTED, or why it is not taken."""
        invocation = self._invocation
        if invocation is None or invocation.request_id != request_id or not self._handed_over:
            return error_response(400, "InvalidRequestID", "Invalid request ID")
        self._invocation = None
        streamed, self._streamed = self._streamed, None
        if streamed is not None and not failed:
            self._hooks.runtime_answered(streamed.outcome())
            return ACCEPTED
        if mode and mode.lower() != STREAMING:
            told = b'{"errorType":"Runtime.InvalidResponseModeHeader"}'
            error_type = "Runtime.InvalidResponseModeHeader"
            self._hooks.runtime_answered(Outcome(told, failed=True, status="error", error_type=error_type))
            return error_response(400, "InvalidFunctionResponseMode", "Invalid function response mode")
        if len(body) > RESPONSE_LIMIT_BYTES:
            self._hooks.runtime_answered(too_large(len(body)))
            return error_response(
                413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({RESPONSE_LIMIT_BYTES} bytes)."
            )
        self._hooks.runtime_answered(_reported(body, kind) if failed else Outcome(body))
        return ACCEPTED

    def _give(self, invocation: Invocation | None) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting(invocation)

    def _answered(self, request_id: str, request: HttpRequest, *, failed: bool) -> HttpResponse:
        mode, kind = request.header(MODE), request.header(ERROR_TYPE)
        return self.answer(request_id, request.body, failed=failed, mode=mode, kind=kind)

    def _init_error(self, request: HttpRequest) -> HttpResponse:
        if self._ready:
            return error_response(
                403, "InvalidStateTransition", "State transition from Ready to InitError failed for runtime."
            )
        self._hooks.init_failed(_reported(request.body, request.header(ERROR_TYPE), fatal=True))
        return ACCEPTED


def _reported(told: bytes, kind: str | None, *, fatal: bool = False) -> Outcome:
    """An error that the runtime told of; its body goes to the caller as it is."""
    try:
        kind = str(orjson.loads(told)["errorType"]) or kind
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    return Outcome(told, failed=True, status="error", error_type=kind or "Runtime.Unknown", fatal=fatal)


def _next_of(invocation: Invocation) -> HttpResponse:
    headers = (
        JSON,
        ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
        ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms)),
        ("Lambda-Runtime-Invoked-Function-Arn", invocation.arn),
        ("Lambda-Runtime-Trace-Id", invocation.trace_id),
    )
    trace_id = invocation.trace_id
    if not invocation.client_context and trace_id.isascii() and trace_id.isprintable():  # surely no line break in it
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("ascii")
        return HttpResponse(200, headers, invocation.payload, lines)
    context = ("Lambda-Runtime-Client-Context", invocation.client_context)
    return HttpResponse(200, (*headers, context) if invocation.client_context else headers, invocation.payload)


def _over() -> HttpResponse:
    return error_response(500, "ContainerError", "Container error. Non-recoverable state.")


def error_response(status: int, kind: str, message: str) -> HttpResponse:
    return HttpResponse(status, (JSON,), orjson.dumps({"errorType": kind, "errorMessage": message}))
