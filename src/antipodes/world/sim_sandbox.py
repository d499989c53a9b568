"""What a handler sees of the process while it runs in simulated time.

A handler is ordinary code: it reads os.environ, time.time(), uuid.uuid4(), it prints, logs, imports its own modules,
sleeps, and calls boto3. A Sandbox puts its environment's version of all that in place when the handler's code begins
to run, and takes it away whenever the code stops, be it that it waits or that it ends. So each environment has its own
variables, modules, loggers and boto3 session, all time is virtual, and all chance comes from the seed.

What would escape from simulated time is refused with a sentence that says so: threads, processes, sockets.
It does not bound processor time: code that spins without waiting stops the simulation.
"""

from __future__ import annotations

import datetime
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import io
import logging
import os
import random
import socket
import subprocess
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import boto3
import botocore.compat
import botocore.hooks
import botocore.httpsession
import botocore.session
import botocore.useragent
import greenlet

from antipodes.world import sim_boto
from antipodes.world.archive import entries_of
from antipodes.world.handler_loop import listen
from antipodes.world.sim_greenlets import await_only
from antipodes.world.sim_http import Asker
from antipodes.world.world import World

T = TypeVar("T")

TASK_ROOT = "/var/task"
# What AWS's runtime brings along; a copy inside a function's archive is passed over, because only the installed one is
# led into simulated time.
RUNTIME_PACKAGES = frozenset({"boto3", "botocore", "s3transfer", "urllib3", "jmespath", "awslambdaric"})
GREGORIAN_OFFSET = 0x01B21DD213814000  # 100 ns steps from 1582-10-15 to 1970-01-01 (RFC 9562)


class ProcessEnd(BaseException):
    """os._exit and its like inside a handler: ends the environment, not the simulation."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Escape(RuntimeError):
    """The handler tried something that simulated time cannot follow."""


# The sandbox whose code runs now. Module state, because the replacements below may be kept by modules for ever
# (`from time import time`); exactly one handler runs at a time.
_running: Sandbox | None = None


class Sandbox:
    """One environment. `run` and `wait` are the only ways in and out."""

    def __init__(
        self,
        world: World,
        asker: Asker,
        code: Code,
        environment: Mapping[str, str],
        output: Callable[[bytes], None],
    ) -> None:
        self.world = world
        self.asker = asker
        self.chance = random.Random(world.chance.getrandbits(64))
        self.request_id = ""
        self.killed = False
        self._finder = CodeFinder(code)
        self._variables = {key.encode(): value.encode() for key, value in environment.items()}
        self._root = logging.RootLogger(logging.WARNING)
        listen(self._root, environment, lambda: self.request_id)
        self._own: tuple[tuple[Any, str, Any], ...] = (
            (sys, "stdout", _Output(output)),
            (sys, "stderr", _Output(output)),
            (os.environ, "_data", self._variables),
            (logging, "root", self._root),
            (logging.Logger, "root", self._root),
            (logging.Logger, "manager", logging.Manager(self._root)),
        )
        self._default_session: Any = None
        self._outside: list[tuple[Any, str, Any]] = []
        self._outside_modules: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def run(self, work: Callable[[], T]) -> T:
        """Runs code of the function; called inside a greenlet of `run_sync`."""
        self._enter()
        try:
            return work()
        finally:
            if _running is self:
                self._leave()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """From the function's code: lets virtual time pass until the coroutine has ended."""
        if self.killed:
            work.close()
            raise greenlet.GreenletExit
        if _running is not self:  # frames of a crashed site, unwinding while another handler runs
            work.close()
            raise greenlet.GreenletExit
        self._leave()
        try:
            return await_only(work)
        finally:
            if nobody_runs():
                self._enter()

    def load(self, name: str) -> types.ModuleType:
        return importlib.import_module(name)

    def set_variable(self, name: str, value: str) -> None:
        self._variables[name.encode()] = value.encode()

    def variable(self, name: str, default: str = "") -> str:
        found = self._variables.get(name.encode())
        return default if found is None else found.decode()

    def variables(self) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self._variables.items()}

    def _enter(self) -> None:
        global _running  # noqa: PLW0603 - see its declaration
        assert _running is None, "one handler runs at a time"
        _running = self
        modules, others = _replacements()
        for names, values in modules:
            self._outside_modules.append((names, {name: names[name] for name in values}))
            names.update(values)
        outside = self._outside
        for place, name, value in (*others, *self._own):
            outside.append((place, name, getattr(place, name)))
            setattr(place, name, value)
        outside.append((boto3, "DEFAULT_SESSION", boto3.DEFAULT_SESSION))
        boto3.DEFAULT_SESSION = self._default_session
        self._finder.enter()

    def _leave(self) -> None:
        global _running  # noqa: PLW0603 - see its declaration
        self._finder.leave()
        self._default_session = boto3.DEFAULT_SESSION
        while self._outside:
            place, name, value = self._outside.pop()
            setattr(place, name, value)
        for names, values in self._outside_modules:
            names.update(values)
        self._outside_modules.clear()
        _running = None


def nobody_runs() -> bool:
    """Whether no handler's code is in place."""
    return _running is None


class _Output(io.TextIOBase):
    """sys.stdout of an environment."""

    encoding = "utf-8"

    def __init__(self, output: Callable[[bytes], None]) -> None:
        self._output_bytes = output

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._output_bytes(text.encode("utf-8", "replace"))
        return len(text)


# -- the function's code -------------------------------------------------------------------------------------------


class Code:
    """The files of a function: of an archive, in memory, or of a folder, read when they are needed."""

    def __init__(self, source: bytes | Path, layers: tuple[bytes, ...] = (), runtime: str = "") -> None:
        """Raises BadArchive."""
        self._folder = source if isinstance(source, Path) else None
        self._files: dict[str, bytes] = {}
        for layer in layers:  # Python modules alone: nothing else of a layer has a use in simulated time
            self._files |= _modules_of_layer(layer, runtime)
        self._files |= {} if isinstance(source, Path) else _unpacked(source)
        self.root = str(source) if isinstance(source, Path) else TASK_ROOT

    def read(self, path: str) -> bytes | None:
        file = self._folder / path if self._folder is not None else None
        return file.read_bytes() if file is not None and file.is_file() else self._files.get(path)

    def is_folder(self, path: str) -> bool:
        if self._folder is not None and (self._folder / path).is_dir():
            return True
        return any(name.startswith(path + "/") for name in self._files)

    def top_names(self) -> list[str]:
        """Modules and packages at the top, sorted."""
        names = [*self._files, *(p.name for p in (self._folder.iterdir() if self._folder is not None else ()))]
        return sorted({name.partition("/")[0].partition(".")[0] for name in names})


@functools.lru_cache(maxsize=64)
def _unpacked(archive: bytes) -> dict[str, bytes]:
    return {entry.path: entry.content for entry in entries_of(archive)}


@functools.lru_cache(maxsize=64)
def _modules_of_layer(archive: bytes, runtime: str) -> dict[str, bytes]:
    """By their paths under the folders that Python searches; what is nearer to the runtime's version wins."""
    files = _unpacked(archive)
    found: dict[str, bytes] = {}
    for place in ("python/", f"python/lib/{runtime}/site-packages/"):
        found |= {path.removeprefix(place): content for path, content in files.items() if path.startswith(place)}
    return found


@functools.lru_cache(maxsize=1024)
def _compiled(source: bytes, filename: str) -> types.CodeType:
    return compile(source, filename, "exec", dont_inherit=True)


class CodeFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the function's own modules, afresh for each environment; sys.modules holds them only while it runs."""

    def __init__(self, code: Code) -> None:
        self._code = code
        reserved = RUNTIME_PACKAGES | sys.stdlib_module_names
        self._tops = tuple(name for name in code.top_names() if name and name not in reserved)
        self._mine: dict[str, types.ModuleType] = {}
        self._hidden: dict[str, types.ModuleType] = {}

    def enter(self) -> None:
        for name in self._matching():
            self._hidden[name] = sys.modules.pop(name)
        sys.modules.update(self._mine)
        sys.meta_path.insert(0, self)

    def leave(self) -> None:
        sys.meta_path.remove(self)
        self._mine = {name: sys.modules.pop(name) for name in self._matching()}
        sys.modules.update(self._hidden)
        self._hidden.clear()

    def _matching(self) -> list[str]:
        """Loaded modules whose top name the function's code provides. Packages are told by their attributes' names."""
        found = []
        for top in self._tops:
            if top in sys.modules:
                found.append(top)
                if hasattr(sys.modules[top], "__path__"):
                    found += [name for name in sys.modules if name.startswith(top + ".")]
        return found

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in self._tops:
            return None
        base = fullname.replace(".", "/")
        for file, package in ((f"{base}/__init__.py", True), (f"{base}.py", False)):
            if self._code.read(file) is not None:
                origin = f"{self._code.root}/{file}"
                spec = importlib.util.spec_from_loader(fullname, self, origin=origin, is_package=package)
                if spec is not None:
                    spec.has_location = True
                    spec.loader_state = file
                    if package:
                        spec.submodule_search_locations = [f"{self._code.root}/{base}"]
                return spec
        if self._code.is_folder(base):
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [f"{self._code.root}/{base}"]
            return spec
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        assert module.__spec__ is not None
        source = self._code.read(module.__spec__.loader_state)
        assert source is not None
        exec(_compiled(source, module.__spec__.origin or ""), module.__dict__)  # noqa: S102 - the function's code

    def get_data(self, path: str) -> bytes:
        """For pkgutil.get_data: a file beside the code."""
        data = self._code.read(path.removeprefix(self._code.root + "/"))
        if data is None:
            raise FileNotFoundError(path)
        return data


# -- what is replaced while a handler runs ---------------------------------------------------------------------------

_real_datetime = datetime.datetime
_real_date = datetime.date
_real_time = types.SimpleNamespace(
    time=time.time, monotonic=time.monotonic, gmtime=time.gmtime, strftime=time.strftime, sleep=time.sleep
)
_real_urandom = os.urandom
_real_alias_event_name = botocore.hooks.EventAliaser._alias_event_name
_real_accepts_kwargs = botocore.compat.accepts_kwargs
_real_user_agent_part = botocore.useragent.UserAgentComponent.to_string
_real_create_loader = botocore.session.create_loader
_real_random = random.Random()  # for a module that kept a replacement and uses it outside of any handler


def _now() -> float:
    return _running.world.now() if _running is not None else _real_time.time()


def _monotonic() -> float:
    return _running.world.monotonic() if _running is not None else _real_time.monotonic()


def _sleep(seconds: float) -> None:
    if _running is None:
        _real_time.sleep(seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    _running.wait(_running.world.sleep(seconds))


def _gmtime(seconds: float | None = None) -> time.struct_time:
    moment: time.struct_time = _real_time.gmtime(_now() if seconds is None else seconds)
    return moment


def _strftime(form: str, moment: Any = None) -> str:
    return str(_real_time.strftime(form, _gmtime() if moment is None else moment))


def _urandom(size: int) -> bytes:
    return _running.chance.randbytes(size) if _running is not None else _real_urandom(size)


def _uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    steps = int(_now() * 10_000_000) + GREGORIAN_OFFSET
    drawn = int.from_bytes(_urandom(8))
    sequence = (drawn & 0x3FFF) if clock_seq is None else clock_seq
    place = (drawn >> 16 | 1 << 40) if node is None else node
    fields = (steps & 0xFFFFFFFF, steps >> 32 & 0xFFFF, steps >> 48 & 0x0FFF)
    return uuid.UUID(fields=(*fields, sequence >> 8 & 0x3F, sequence & 0xFF, place), version=1)


def _drawing(name: str) -> Callable[..., Any]:
    def draw(*args: Any, **options: Any) -> Any:
        return getattr(_running.chance if _running is not None else _real_random, name)(*args, **options)

    draw.__name__ = name
    return draw


class _RealInstances(type):
    """isinstance(x, datetime) holds for what was made before the replacement; subclasses mean themselves."""

    def __instancecheck__(cls, instance: object) -> bool:
        real = cls.__dict__.get("_stands_for")
        return type.__instancecheck__(cls, instance) if real is None else isinstance(instance, real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = cls.__dict__.get("_stands_for")
        return type.__subclasscheck__(cls, subclass) if real is None else issubclass(subclass, real)


class VirtualDatetime(datetime.datetime, metaclass=_RealInstances):
    """datetime.datetime whose present is virtual; the local time zone is UTC, as in Lambda."""

    _stands_for = _real_datetime

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        moment = _real_datetime.fromtimestamp(_now(), tz or datetime.UTC)
        return moment if tz is not None else moment.replace(tzinfo=None)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now()

    @classmethod
    def today(cls) -> Any:
        return cls.now()


class VirtualDate(datetime.date, metaclass=_RealInstances):
    """datetime.date whose today is virtual."""

    _stands_for = _real_date

    @classmethod
    def today(cls) -> Any:
        return _real_datetime.fromtimestamp(_now(), datetime.UTC).date()


def _refusing(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise Escape(f"a handler cannot use {what} in simulated time; run it on a real planet (antipodes up)")

    return refuse


def _exit_process(code: int = 0) -> NoReturn:
    raise ProcessEnd(code)


def _abort() -> NoReturn:
    raise ProcessEnd(-6)


@functools.cache
def _loader() -> Any:
    """One loader of service models for all sessions: reading them is most of what a client costs."""
    return _real_create_loader()


def _create_loader(search_path: str | None = None) -> Any:
    return _loader()


@functools.lru_cache(maxsize=8192)
def _alias(name: str) -> Any:
    return _real_alias_event_name(botocore.hooks.EventAliaser(botocore.hooks.HierarchicalEmitter()), name)


def _alias_event_name(aliaser: Any, name: str) -> Any:
    return _alias(name)


@functools.lru_cache(maxsize=1024)
def _takes_kwargs(function: Any) -> Any:
    return _real_accepts_kwargs(function)


def _accepts_kwargs(function: Any) -> Any:
    """Of a method its function is remembered: whose method it is does not matter, and would be kept alive."""
    plain = getattr(function, "__func__", function)
    return _takes_kwargs(plain) if isinstance(plain, types.FunctionType) else _real_accepts_kwargs(function)


@functools.lru_cache(maxsize=8192)
def _user_agent_text(prefix: str, name: str, value: str | None) -> Any:
    return _real_user_agent_part(botocore.useragent.UserAgentComponent(prefix, name, value))


def _user_agent_part(part: Any) -> Any:
    if part.size_config is not None:
        return _real_user_agent_part(part)
    return _user_agent_text(part.prefix, part.name, part.value)


def _send(session: Any, request: Any) -> Any:
    assert _running is not None, "only in place while a handler runs"
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    return _running.wait(sim_boto.send(_running.asker, session, request, endpoint))


@functools.cache
def _replacements() -> tuple[Sequence[tuple[dict[str, Any], dict[str, Any]]], Sequence[tuple[Any, str, Any]]]:
    """What is put in place for every environment alike: modules' names with their replacements, which are exchanged
    at one stroke (it happens twice in each call that a handler makes), and (where, name, replacement) elsewhere."""
    modules: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    others = []
    for place, name, value in _every_replacement():
        if isinstance(place, types.ModuleType):
            modules.setdefault(place.__name__, (vars(place), {}))[1][name] = value
        else:
            others.append((place, name, value))
    return tuple(modules.values()), tuple(others)


def _every_replacement() -> tuple[tuple[Any, str, Any], ...]:
    """(where, name, replacement)."""
    drawn = (
        "random", "uniform", "triangular", "randint", "choice", "randrange", "sample", "shuffle", "choices",
        "normalvariate", "lognormvariate", "expovariate", "vonmisesvariate", "gammavariate", "gauss", "betavariate",
        "paretovariate", "weibullvariate", "getrandbits", "randbytes", "seed", "getstate", "setstate",
    )  # fmt: skip
    return (
        (time, "time", _now),
        (time, "time_ns", lambda: int(_now() * 1e9)),
        (time, "monotonic", _monotonic),
        (time, "monotonic_ns", lambda: int(_monotonic() * 1e9)),
        (time, "perf_counter", _monotonic),
        (time, "perf_counter_ns", lambda: int(_monotonic() * 1e9)),
        (time, "process_time", _monotonic),
        (time, "sleep", _sleep),
        (time, "gmtime", _gmtime),
        (time, "localtime", _gmtime),
        (time, "strftime", _strftime),
        (datetime, "datetime", VirtualDatetime),
        (datetime, "date", VirtualDate),
        (os, "urandom", _urandom),
        (random, "_urandom", _urandom),
        (uuid, "uuid1", _uuid1),
        *((random, name, _drawing(name)) for name in drawn),
        (os, "_exit", _exit_process),
        (os, "abort", _abort),
        (os, "fork", _refusing("os.fork")),
        (os, "system", _refusing("os.system")),
        (subprocess, "Popen", _refusing("processes")),
        (threading.Thread, "start", _refusing("threads")),
        (socket.socket, "connect", _refusing("sockets")),
        (socket, "create_connection", _refusing("sockets")),
        (socket, "getaddrinfo", _refusing("sockets")),
        (botocore.session, "create_loader", _create_loader),
        # Pure functions of botocore that take much of a client's and a call's time, remembered.
        (botocore.hooks.EventAliaser, "_alias_event_name", _alias_event_name),
        (botocore.hooks, "accepts_kwargs", _accepts_kwargs),
        (
            botocore.useragent,
            "sanitize_user_agent_string_component",
            functools.lru_cache(maxsize=8192)(botocore.useragent.sanitize_user_agent_string_component),
        ),
        (botocore.useragent.UserAgentComponent, "to_string", _user_agent_part),
        (botocore.httpsession.URLLib3Session, "send", _send),
    )
