"""The Extensions API of one execution environment: programs that run beside the function.

    POST /2020-01-01/extension/register      Lambda-Extension-Name -> Lambda-Extension-Identifier
    GET  /2020-01-01/extension/event/next    INVOKE, SHUTDOWN; to ask says: I am ready, or done with the last event
    POST /2020-01-01/extension/init/error    it gives up before it was ready
    POST /2020-01-01/extension/exit/error    it gives up later

An external extension is an executable in a layer's extensions/ (world/real_extensions starts them), registered under
its file's name before the runtime starts; an internal one is whatever the runtime's process registers before it asks
for its first event, and gets no SHUTDOWN. Init is over when the runtime and all of them have asked for an event; an
invocation, when those that want INVOKE have asked again. State names, error types and messages are those of AWS's own
runtime interface emulator (rapi/handler, core/*agent_states.go).

The Telemetry and Logs APIs are refused as that emulator refuses them: 202 with Telemetry.NotSupported. Their
subscribers listen at sandbox.localdomain:<port of their choice>, and environments share one machine's ports here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from antipodes.services.lambda_ import outcome as outcomes
from antipodes.services.lambda_.outcome import Outcome
from antipodes.services.lambda_.runtime_api import ACCEPTED, Invocation, error_response
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.world import Companions, ExtensionFailed, Worker, WorkerFailed, World

BASE = "/2020-01-01/extension/"
TELEMETRY = {"/2022-07-01/telemetry": "Telemetry", "/2020-08-15/logs": "Logs"}
IDENTIFIER = "Lambda-Extension-Identifier"
ERROR_TYPE = "Lambda-Extension-Function-Error-Type"
EVENTS = ("INVOKE", "SHUTDOWN")
SPINDOWN, TIMEOUT, FAILURE = "SPINDOWN", "TIMEOUT", "FAILURE"  # why an environment ends
MOST = 10
EXTERNAL_SHUTDOWN_S, INTERNAL_SHUTDOWN_S = 2.0, 0.5  # how long the end of an environment may take
RUNTIME_SHARE = 0.3  # of it, for the runtime to go after SIGTERM


class Hooks(Protocol):
    """Who is told."""

    def extensions_rest(self) -> None:
        """All of them wait for their next event."""
        ...

    def extension_failed(self, outcome: Outcome) -> None:
        """One crashed, or gave up: the environment is of no use any more."""
        ...


@dataclass(slots=True, eq=False)
class Extension:
    """One of them."""

    name: str
    identifier: str
    external: bool
    state: str = "Started"  # Registered, Ready (waits), Running, InitError, ExitError, Exited
    events: tuple[str, ...] = ()
    error_type: str = ""
    waiting: asyncio.Future[HttpResponse] | None = None  # its question for the next event


class Extensions:
    """The extensions of one environment (also world.Companions: it is told of their processes)."""

    def __init__(
        self,
        hooks: Hooks,
        identity: Callable[[], str],
        about: dict[str, str],
        account: str,
        printed: Callable[[str, bytes], None],
    ) -> None:
        """identity: draws a UUID. about: what a register answers."""
        self._hooks = hooks
        self._identity = identity
        self._about = about
        self._account = account
        self.wrote = printed
        self.known: dict[str, Extension] = {}  # by name, in the order of their coming
        self._processes: Companions | None = None
        self._registered: asyncio.Future[None] | None = None  # the external ones; the runtime waits for it
        self._closed = False  # registration
        self._ending = False
        self._working = 0  # those that have not asked for their next event

    @property
    def at_rest(self) -> bool:
        return not self._working

    @property
    def processes(self) -> Companions | None:
        return self._processes

    # -- external ones, told by the World --------------------------------------------------------------------------

    def starting(self, processes: Companions) -> None:
        """Raises WorkerFailed: the environment has ended; ExtensionFailed: there are too many."""
        if self._ending:
            raise WorkerFailed("the environment has ended")
        if len(processes.names) > MOST:
            raise ExtensionFailed(processes.names[MOST], f"Extension limit ({MOST}) reached")
        self._processes = processes
        self.known = {name: Extension(name, self._identity(), external=True) for name in processes.names}
        self._working = len(self.known)
        self._closed = False
        self._registered = asyncio.get_running_loop().create_future()

    async def registered(self) -> None:
        """Returns when all have registered. Raises WorkerFailed: the environment has ended, or begins anew."""
        assert self._registered is not None
        await self._registered

    def ended(self, name: str, code: int) -> None:
        """Its process has ended."""
        extension = self.known.get(name)
        if extension is None or self._ending:
            return
        before, extension.state = extension.state, "Exited"
        kind = {"InitError": "Extension.InitError", "ExitError": "Extension.ExitError"}.get(before, "Extension.Crash")
        extension.error_type = extension.error_type or kind
        self._hooks.extension_failed(outcomes.extension_ended(kind, code))

    def start_anew(self, why: WorkerFailed) -> None:
        """The runtime that is being started, or has ended, is followed by another one, and they by others."""
        self._release(why)
        self.known.clear()
        self._processes = None
        self._working = 0
        self._closed = False

    def _look_registered(self) -> None:
        registered = self._registered
        missing = any(one.state == "Started" for one in self.known.values() if one.external)
        if registered is not None and not registered.done() and not missing:
            registered.set_result(None)

    # -- the phases ------------------------------------------------------------------------------------------------

    def close_registration(self) -> None:
        """The runtime has asked for its first event."""
        self._closed = True

    def invoke(self, invocation: Invocation) -> None:
        """Tells those that want to know of an invocation."""
        if not self.known:
            return
        event: dict[str, Any] = {
            "eventType": "INVOKE",
            "deadlineMs": invocation.deadline_ms,
            "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.arn,
        }
        if invocation.trace_id:
            event["tracing"] = {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id}
        for extension in self.known.values():
            if "INVOKE" in extension.events:
                self._working += 1
                self._tell(extension, event)

    async def end(self, world: World, worker: Worker | None, reason: str) -> None:
        """The shutdown phase: returns when all have ended, or have had their time."""
        self._ending = True
        limit_s = EXTERNAL_SHUTDOWN_S if self._processes is not None else INTERNAL_SHUTDOWN_S
        deadline_ms = int((world.now() + limit_s) * 1000)
        try:
            async with asyncio.timeout(limit_s):
                if worker is not None:
                    await _end_runtime(worker, limit_s * RUNTIME_SHARE if reason == SPINDOWN else 0.0)
                event = {"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms}
                for extension in self.known.values():
                    if extension.external and "SHUTDOWN" in extension.events:
                        self._tell(extension, event)
                    elif extension.external and self._processes is not None:
                        self._processes.kill(extension.name)
                if self._processes is not None:
                    await self._processes.wait()
        except TimeoutError:
            pass

    def close(self, why: WorkerFailed) -> None:
        """Nobody is told anything any more, and none of their processes goes on."""
        self._ending = True
        self._release(why)

    def _tell(self, extension: Extension, event: dict[str, Any]) -> None:
        """Now, or, of a SHUTDOWN, when it asks."""
        headers = (("Content-Type", "application/json"), ("Lambda-Extension-Event-Identifier", self._identity()))
        response = HttpResponse(200, headers, orjson.dumps(event))
        waiting = extension.waiting
        if waiting is None or waiting.done():
            extension.waiting = asyncio.get_running_loop().create_future()
            extension.waiting.set_result(response)
        else:
            waiting.set_result(response)
        extension.state = "Running"

    def _release(self, why: WorkerFailed) -> None:
        for extension in self.known.values():
            if extension.waiting is not None and not extension.waiting.done():
                extension.waiting.set_result(_gone())
        if self._processes is not None:
            self._processes.kill()
        if self._registered is not None and not self._registered.done():
            self._registered.set_exception(why)
            self._registered.exception()  # seen: perhaps nobody waits

    # -- requests --------------------------------------------------------------------------------------------------

    async def respond(self, request: HttpRequest) -> HttpResponse | None:
        """None: the path is none of these APIs'."""
        path = request.path
        if path in TELEMETRY and request.method == "PUT":
            kind = TELEMETRY[path]
            return error_response(202, f"{kind}.NotSupported", f"{kind} API is not supported")
        if not path.startswith(BASE):
            return None
        what = (request.method, path.removeprefix(BASE))
        if what == ("POST", "register"):
            return self._register(request)
        if what not in {("GET", "event/next"), ("POST", "init/error"), ("POST", "exit/error")}:
            return error_response(404, "InvalidPath", f"{request.method} {path} is not part of the Extensions API.")
        identifier = request.header(IDENTIFIER)
        if not identifier:
            return _refused("Extension.MissingExtensionIdentifier", f"Missing {IDENTIFIER} header")
        extension = next((one for one in self.known.values() if one.identifier == identifier), None)
        if extension is None:
            return _refused("Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")
        if what[1] == "event/next":
            return await self._next(extension)
        return self._gives_up(extension, request, "InitError" if what[1] == "init/error" else "ExitError")

    def _register(self, request: HttpRequest) -> HttpResponse:
        name = request.header("Lambda-Extension-Name")
        if not name:
            return _refused("Extension.InvalidExtensionName", "Empty extension name")
        try:
            events = _events_of(request.body)
        except ValueError as error:
            return _refused("InvalidRequestFormat", str(error))
        extension = self.known.get(name)
        external = extension is not None and extension.external
        for event in events:
            if event not in EVENTS:
                return _refused("Extension.InvalidEventType", f"{event}: InvalidEventType")
            if event == "SHUTDOWN" and not external:
                message = f"{event}: ShutdownEventNotSupportedForInternalExtension"
                return _refused("Extension.InvalidEventType", message)
        if extension is None:
            if self._closed or self._ending:
                return _refused("Extension.RegistrationClosed", "Extension registration closed already")
            if len(self.known) >= MOST:
                return _refused("Extension.TooManyExtensions", f"Extension limit ({MOST}) reached")
            extension = self.known[name] = Extension(name, self._identity(), external=False)
            self._working += 1
        elif not external:
            return _refused("Extension.InvalidExtensionState", "Extension with this name already registered")
        elif extension.state != "Started":
            return _not_from(extension, "Registered")
        extension.state, extension.events = "Registered", events
        self._look_registered()
        answer = dict(self._about)
        if "accountId" in [one.strip() for one in (request.header("Lambda-Extension-Accept-Feature") or "").split(",")]:
            answer["accountId"] = self._account
        headers = (("Content-Type", "application/json"), (IDENTIFIER, extension.identifier))
        return HttpResponse(200, headers, orjson.dumps(answer))

    async def _next(self, extension: Extension) -> HttpResponse:
        """Waits for the extension's next event."""
        told = extension.waiting
        if told is not None and told.done() and extension.state == "Running" and self._ending:
            return told.result()  # the end came while it was busy
        if extension.state not in {"Registered", "Running"}:
            return _not_from(extension, "Ready")
        if self._ending:
            return _gone()
        waiting: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        extension.waiting, extension.state = waiting, "Ready"
        self._working -= 1
        if not self._working:
            self._hooks.extensions_rest()
        return await waiting

    def _gives_up(self, extension: Extension, request: HttpRequest, state: str) -> HttpResponse:
        kind = request.header(ERROR_TYPE)
        if not kind:
            return _refused("Extension.MissingHeader", f"{ERROR_TYPE} not found")
        allowed = {"Registered"} if state == "InitError" else {"Registered", "Running", "Ready"}
        if extension.state not in allowed:
            return _not_from(extension, state)
        extension.state, extension.error_type = state, kind
        return ACCEPTED


async def _end_runtime(worker: Worker, limit_s: float) -> None:
    """SIGTERM, and SIGKILL when it has had its time."""
    try:
        if limit_s:
            worker.terminate()
            async with asyncio.timeout(limit_s):
                await worker.wait()
    except TimeoutError:
        pass
    worker.kill()


def _events_of(body: bytes) -> tuple[str, ...]:
    """Raises ValueError."""
    given = orjson.loads(body)
    if not isinstance(given, dict):
        raise ValueError("the request is not a JSON object")
    if given.get("configurationKeys"):
        raise ValueError("configurationKeys are deprecated; use environment variables instead")
    events = given["events"] if given.get("events") is not None else []
    if not isinstance(events, list) or not all(isinstance(one, str) for one in events):
        raise ValueError("events is not a list of strings")
    return tuple(dict.fromkeys(events))


def _refused(kind: str, message: str) -> HttpResponse:
    return error_response(403, kind, message)


def _not_from(extension: Extension, wanted: str) -> HttpResponse:
    return _refused(
        "Extension.InvalidExtensionState",
        f"State transition from {extension.state} to {wanted} failed for extension {extension.name}. "
        "Error: State transition is not allowed",
    )


def _gone() -> HttpResponse:
    return error_response(500, "ContainerError", "Container error. Non-recoverable state.")
