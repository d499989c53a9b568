"""`antipodes up`: starts a planet, in the foreground or detached."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer

from antipodes.cli import pidfile
from antipodes.cli.down import END_TIMEOUT_S
from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, fail, option
from antipodes.globe import planet as planets

START_TIMEOUT_S = 60.0
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEAST_FREE_BYTES = 1 << 20  # with less, its log could not take its last words

Regions = Annotated[str, typer.Option("--regions", help="Comma-separated Region codes.")]
Port = Annotated[
    int,
    typer.Option(
        "--port", min=1, max=65535, help="HTTP: the front door and every Region. Regions talk at this + 10000."
    ),
]
HttpsPort = Annotated[int, typer.Option("--https-port", min=1, max=65535, help="HTTPS on every Region.")]
DnsPort = Annotated[int, typer.Option("--dns-port", min=1, max=65535, help="DNS, UDP and TCP.")]
ReplicationDelay = Annotated[
    float,
    typer.Option(
        "--replication-delay",
        min=0,
        metavar="SECONDS",
        help="How long global tables hold a change back before they send it (AWS: typically within a second).",
    ),
]
Throttling = Annotated[
    bool,
    typer.Option("--throttling", help="Enforce the provisioned throughput of DynamoDB tables, as AWS does."),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse what AWS refuses today: global tables of version 2017.11.29, and replicas of tables whose "
        "provisioned writes are not auto-scaled.",
    ),
]
Credentials = Annotated[
    list[str] | None,
    typer.Option(
        "--credentials",
        metavar="KEY:SECRET",
        help="A further access key whose signatures are good, besides test:test, for suites with keys of their own. "
        "May be given several times.",
    ),
]
DEFAULT_REGIONS = ",".join(planets.DEFAULT_REGIONS)


def up(
    regions: Regions = DEFAULT_REGIONS,
    port: Port = 4566,
    https_port: HttpsPort = 8443,
    dns_port: DnsPort = 5300,
    in_memory: Annotated[bool, typer.Option("--in-memory", help="Keep nothing on disk.")] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when it is up; end it with `down`.")] = False,
    replication_delay: ReplicationDelay = 0.0,
    throttling: Throttling = False,
    strict: Strict = False,
    credentials: Credentials = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Starts a planet. In the foreground Ctrl-C ends everything; with --detach, `antipodes down` does."""
    from antipodes.globe import supervisor

    try:
        wanted = planets.check_regions(tuple(name.strip() for name in regions.split(",") if name.strip()))
        supervisor.check_ports(port, https_port, dns_port)
        keys = planets.check_credentials(credentials or [])
    except planets.PlanetError as error:
        raise fail(str(error), 2) from None
    with claim(data_dir):
        try:
            supervisor.check_doors(wanted, port=port, https_port=https_port, dns_port=dns_port)
            planet = supervisor.prepare(
                data_dir,
                regions=wanted,
                port=port,
                https_port=https_port,
                dns_port=dns_port,
                in_memory=in_memory,
                replication_delay_s=replication_delay,
                throttling=throttling,
                strict=strict,
                credentials=keys,
            )
            if not detach:
                raise typer.Exit(supervisor.run(data_dir, planet, announce=lambda line: print(line, flush=True)))
        except planets.PlanetError as error:
            raise fail(str(error)) from None
    start_detached(data_dir)
    which = option(data_dir)
    print(f"The planet is up: {', '.join(planet.regions)} at http://127.0.0.1:{planet.port}.")
    print(f'For your shell: eval "$(antipodes env{which})"   To end it: antipodes down{which}')


def claim(data_dir: Path) -> IO[str]:
    """The folder's lock: before anything is written there, so that a planet that runs in it is left alone."""
    try:
        lock = pidfile.take(data_dir)
    except OSError as error:
        raise fail(f"The planet's folder {data_dir} cannot be used: {error.strerror}.", 2) from None
    if lock is None:
        raise fail(f"A planet already runs in {data_dir} (pid {pidfile.read(data_dir)}).")
    return lock


def start_detached(data_dir: Path) -> None:
    """Starts the supervisor of a prepared planet as a process of its own; returns when it serves."""
    log = data_dir / "globe.log"
    command = [sys.executable, "-m", "antipodes.cli.supervise", str(data_dir)]
    process: subprocess.Popen[bytes] | None = None
    try:
        with log.open("ab") as output, held_back():
            begin = output.tell()
            process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=Path.cwd()
            )
        await_ready(process, data_dir, log, begin)
    except BaseException:  # Ctrl-C as well: what was begun is ended
        if process is not None:
            process.terminate()
            try:
                process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
        raise


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Signals that end the command come when this is over: a process that has been started is known by then."""
    came: list[int] = []
    before = {one: signal.signal(one, lambda number, frame: came.append(number)) for one in ENDINGS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        for number in came[:1]:
            signal.raise_signal(number)


def await_ready(process: subprocess.Popen[bytes], data_dir: Path, log: Path, begin: int) -> None:
    """Returns when the supervisor serves; ends the command with its last words (the log from `begin` on) if it ends."""
    ready = data_dir / "ready"
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (ready.exists() and ready.read_text() == str(process.pid)):
        if process.poll() is not None:
            with log.open("rb") as said:
                said.seek(begin)
                words = said.read().decode(errors="replace").strip()
            raise fail(words.splitlines()[-1].removeprefix("antipodes: ") if words else speechless(data_dir))
        if time.monotonic() > deadline:
            raise fail(f"The planet did not start within {START_TIMEOUT_S:.0f} s; see {log}.")
        time.sleep(0.02)


def speechless(data_dir: Path) -> str:
    """Why a planet may have ended without a last word."""
    full = shutil.disk_usage(data_dir).free < LEAST_FREE_BYTES
    return f"The planet did not start: {'no space is left' if full else 'no reason was written'} in {data_dir}."
