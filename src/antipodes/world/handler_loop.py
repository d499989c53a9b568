"""Runs inside a Lambda worker process: a small Runtime API loop, for machines where awslambdaric cannot be had.

    python handler_loop.py module.function        (else the name in _HANDLER)
    python handler_loop.py module.function FOLDER (which lends boto3)

Standard library only, and nothing of antipodes but handler_names: it is started by its path, in the folder of the
function's code. Its parts (finding the handler, the context object, running one event, error bodies) serve simulated
time as well, where `sim_workers` drives them. What it must do is what AWS's own Python runtime client does: the same
error types for a module that cannot be imported, a handler that is missing, a result that is no JSON.
"""

from __future__ import annotations

import decimal
import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

BASE = "/2018-06-01/runtime"
Handler = Callable[[Any, "Context"], Any]


class FunctionFault(Exception):
    """The function's code cannot be loaded or answered with something that is not JSON; `kind` is AWS's error type."""

    def __init__(self, kind: str, message: str, stack: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.stack = stack or []


class Context:
    """The handler's second argument, with the names that AWS's has."""

    def __init__(self, headers: Mapping[str, str], environment: Mapping[str, str]) -> None:
        """`headers` of the answer to /next, names in lower case."""
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn", "")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION", "")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self.identity = None
        self.tenant_id = None
        self.client_context = json.loads(headers.get("lambda-runtime-client-context") or "null")
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))


@dataclass(frozen=True, slots=True)
class Answer:
    """What to post: to `.../invocation/<id>/<path>`."""

    path: str  # "response" or "error"
    body: bytes
    headers: Mapping[str, str]


def load_handler(name: str, load: Callable[[str], Any] = importlib.import_module) -> Handler:
    """The function that `module.function` (or `folder/module.function`) names. Raises FunctionFault."""
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise FunctionFault("Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack")
    module_name = module_name.replace("/", ".")
    try:
        module = load(module_name)
    except ImportError as error:
        raise FunctionFault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise FunctionFault(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [where]
        ) from error
    try:
        found: Handler = getattr(module, function_name)
    except AttributeError as error:
        raise FunctionFault(
            "Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'"
        ) from error
    return found


def run_event(handler: Handler, body: bytes, context: Context) -> Answer:
    """Runs the handler on one event. Whatever it raises (short of ending the process) becomes an error answer."""
    try:
        try:
            event = json.loads(body)
        except ValueError as error:
            raise FunctionFault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
        result = handler(event, context)
        if isinstance(result, bytes):
            return Answer("response", result, {"Content-Type": "application/unknown"})
        try:
            encoded = json.dumps(result, default=_plain).encode()
        except (TypeError, ValueError) as error:
            raise FunctionFault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
        return Answer("response", encoded, {"Content-Type": "application/json"})
    except Exception as error:
        return error_answer(error, context.aws_request_id)


def error_answer(error: Exception, request_id: str = "") -> Answer:
    """The error as AWS's runtime client reports it; also written to the log."""
    if isinstance(error, FunctionFault):
        kind, message, stack = error.kind, str(error), error.stack
    else:
        kind, message = type(error).__name__, str(error)
        frames = traceback.extract_tb(error.__traceback__)
        stack = traceback.format_list(
            [f for f in frames if not f.filename.endswith(("handler_loop.py", "sim_workers.py"))]
        )
    text = "".join(
        ["[ERROR] ", kind, ": ", message] + (["\nTraceback (most recent call last):\n", *stack] if stack else [])
    )
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        entry = {"level": "ERROR", "errorType": kind, "errorMessage": message, "requestId": request_id}
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        print(json.dumps({"timestamp": at, **entry, "stackTrace": stack}))
    else:
        print(text.rstrip("\n").replace("\n", "\r"))
    body = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack}
    category = "Unhandled" if not isinstance(error, FunctionFault) else kind
    return Answer(
        "error",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": category},
    )


def _plain(value: object) -> object:
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


class LogFormatter(logging.Formatter):
    """`[LEVEL]<TAB>time<TAB>request id<TAB>message`, the format of AWS's Python runtime."""

    converter = staticmethod(time.gmtime)

    def __init__(self, request_id: Callable[[], str]) -> None:
        super().__init__(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
        )
        self._request_id = request_id

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = self._request_id()
        return super().format(record)


class JsonLogFormatter(logging.Formatter):
    """An object a line, with the members that AWS's Python runtime writes."""

    converter = staticmethod(time.gmtime)

    def __init__(self, request_id: Callable[[], str]) -> None:
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%SZ")
        self._request_id = request_id

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": self._request_id() or None,
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["errorType"], entry["errorMessage"] = record.exc_info[0].__name__, str(record.exc_info[1])
            entry["stackTrace"] = traceback.format_tb(record.exc_info[2])
        return json.dumps({name: value for name, value in entry.items() if value is not None}, default=str) + "\n"


def listen(root: logging.Logger, environment: Mapping[str, str], request_id: Callable[[], str]) -> None:
    """Has what is logged written as the function's LoggingConfig says (AWS_LAMBDA_LOG_FORMAT, AWS_LAMBDA_LOG_LEVEL)."""
    log = LogToStdout()
    if environment.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        log.setFormatter(JsonLogFormatter(request_id))
        level = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
        given = environment.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        root.setLevel(level.get(given, given))
    else:
        log.setFormatter(LogFormatter(request_id))
    root.addHandler(log)


class LogToStdout(logging.Handler):
    """Writes to whatever sys.stdout is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(self.format(record))


# boto3 and all that it imports: pure Python, so that another version's interpreter can use it.
LENT = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")


class Lender:
    """Finds boto3, and only that, in a folder: after everything that the function brings."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [self._folder]) if name in LENT else None


def main() -> None:
    """The loop of a worker process; ends with exit code 1 when the function cannot be loaded."""
    importlib.import_module("handler_names").lead_home()
    request_id = ""
    listen(logging.getLogger(), os.environ, lambda: request_id)
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def ask(method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
        connection.request(method, BASE + path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()

    sys.path.insert(0, os.environ.get("LAMBDA_TASK_ROOT", os.getcwd()))  # noqa: PTH109 - no pathlib: it costs start time
    if len(sys.argv) > 2:
        sys.meta_path.append(Lender(sys.argv[2]))
    try:
        handler = load_handler(sys.argv[1] if len(sys.argv) > 1 else os.environ["_HANDLER"])
    except Exception as error:
        answer = error_answer(error)
        ask("POST", "/init/error", answer.body, answer.headers)
        sys.exit(1)
    while True:
        status, headers, body = ask("GET", "/invocation/next")
        if status != 200:
            sys.exit(1)
        request_id = headers["lambda-runtime-aws-request-id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id", "")
        answer = run_event(handler, body, Context(headers, os.environ))
        sys.stdout.flush()
        ask("POST", f"/invocation/{request_id}/{answer.path}", answer.body, answer.headers)


if __name__ == "__main__":
    main()
