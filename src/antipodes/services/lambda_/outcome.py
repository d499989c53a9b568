"""What becomes of an invocation, and the JSON that tells of it. Pure.

Messages as the platform writes them ("Task timed out after 3.00 seconds", "Runtime exited with error: ..."); the
answer of a failed function is HTTP 200 with X-Amz-Function-Error: Unhandled (facts 4.4).
"""

from __future__ import annotations

import signal

import msgspec
import orjson

PAYLOAD_LIMIT_BYTES = 6 * 1024 * 1024  # synchronous invocation, each way
ASYNCHRONOUS_LIMIT_BYTES = 1024 * 1024
RESPONSE_LIMIT_BYTES = 6291556  # the response limit that the platform names: 6 MB and 100 bytes
STREAM_LIMIT_BYTES = 200 * 1024 * 1024  # of a streamed response
TAIL_BYTES = 4096


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How an invocation ended."""

    payload: bytes
    failed: bool = False  # X-Amz-Function-Error: Unhandled
    status: str = ""  # of the REPORT line: "timeout", "error", or "" for success
    error_type: str = ""
    fatal: bool = False  # the environment is not used again
    tail: bytes = b""  # the last 4 KB of its log, if they were asked for


def timed_out(request_id: str, timeout_s: float) -> Outcome:
    message = f"RequestId: {request_id} Error: Task timed out after {timeout_s:.2f} seconds"
    return _platform_error("Sandbox.Timedout", message, status="timeout")


def exited(request_id: str, code: int) -> Outcome:
    """The runtime process ended by itself. `code` is its exit code, negative for a signal."""
    if code == 0:
        reason = "Runtime exited without providing a reason"
    elif code > 0:
        reason = f"Runtime exited with error: exit status {code}"
    else:
        reason = f"Runtime exited with error: signal: {_signal_text(-code)}"
    return _platform_error("Runtime.ExitError", f"RequestId: {request_id} Error: {reason}")


def extension_ended(kind: str, code: int) -> Outcome:
    """An external extension is no more: by itself (Extension.Crash), or after it had said so. The reason's words are
    from memory. `code` as `exited` has it; the request id is put in by `of_request`."""
    reason = f"exit status {code}" if code > 0 else f"signal: {_signal_text(-code)}" if code else "exit code 0"
    return Outcome(reason.encode(), failed=True, status="error", error_type=kind, fatal=True)


def extension_not_started(request_id: str, reason: str) -> Outcome:
    return _platform_error("Extension.LaunchError", f"RequestId: {request_id} Error: {reason}")


def of_request(outcome: Outcome, request_id: str) -> Outcome:
    """What `extension_ended` says, as the answer to one invocation."""
    message = f"RequestId: {request_id} Error: {outcome.payload.decode()}"
    return _platform_error(outcome.error_type, message, outcome.status)


def not_started(request_id: str, reason: str) -> Outcome:
    """There is no runtime for it on this machine, or its archive cannot be unpacked."""
    return _platform_error("Runtime.InvalidEntrypoint", f"RequestId: {request_id} Error: {reason}")


def truncated() -> Outcome:
    """A runtime broke its streamed answer off."""
    return _platform_error("Runtime.TruncatedResponse", "HTTP request detected as truncated")


def too_large(size_bytes: int, limit_bytes: int = RESPONSE_LIMIT_BYTES) -> Outcome:
    message = f"Response payload size ({size_bytes} bytes) exceeded maximum allowed payload size ({limit_bytes} bytes)."
    body = orjson.dumps({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message})
    return Outcome(body, failed=True, status="error", error_type="Function.ResponseSizeTooLarge")


def _platform_error(error_type: str, message: str, status: str = "error") -> Outcome:
    body = orjson.dumps({"errorType": error_type, "errorMessage": message})
    return Outcome(body, failed=True, status=status, error_type=error_type, fatal=True)


def _signal_text(number: int) -> str:
    try:
        name = signal.Signals(number)
    except ValueError:
        return str(number)
    return {
        signal.SIGKILL: "killed",
        signal.SIGTERM: "terminated",
        signal.SIGSEGV: "segmentation fault",
        signal.SIGABRT: "aborted",
    }.get(name, name.name)
