"""Our name server beside gdnsd and PowerDNS (shared Lua records), on the same names, in turn, one core each.

Each server answers 1,000 names, one half by weight, one half by the client's network; every answer of our own client is
checked. dnsperf measures the rate where it is installed (it is in C, and so not the limit); the 99th percentile is our
client's at 8 sockets. Nothing is installed by this: a peer or a tool that is missing is told. Configurations lie in a
folder of the benchmark's own. Rounds are interleaved; CPU time per answer is what a busy machine disturbs least.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from antipodes.wire import dns_client
from benchmarks.dns_server import EAST, WEST, record_name
from benchmarks.peers import free_port

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
NAMES = 1_000
ROUNDS, SECONDS = 3, 4.0
CITIES = ("198.18.21.0/24", "198.18.30.0/24")  # Tokyo and New York in our table; in the peers' maps too
SERVER_CPU, CLIENT_CPU = 1, 0
DRAWN = re.compile(r"Queries per second:\s+([0-9.]+)")


@dataclass
class Result:
    """What one server did, over the rounds."""

    rates: list[float] = field(default_factory=list)  # answers a second, by dnsperf
    checked_rates: list[float] = field(default_factory=list)  # by our own client, which is the limit of fast servers
    p99_us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)  # per answer


def pinned(cpu: int) -> list[str]:
    """The beginning of a command: one core, if there are two and a tool for it."""
    taskset = shutil.which("taskset")
    return [taskset, "-c", str(cpu)] if taskset and len(os.sched_getaffinity(0)) > 1 else []


def cpu_s(pid: int) -> float:
    """User and system time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- servers


@contextlib.contextmanager
def ours(kind: str = "policies", count: int = NAMES) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Port and process; its first line of figures is read by the caller."""
    port = free_port()
    command = [*pinned(SERVER_CPU), sys.executable, "-m", "benchmarks.dns_server", str(port), kind, str(count)]
    root = Path(__file__).parent.parent
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
    try:
        yield port, process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _running(command: list[str], folder: Path) -> Iterator[int]:
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [*pinned(SERVER_CPU), *command], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


@contextlib.contextmanager
def powerdns(folder: Path) -> Iterator[tuple[int, int]]:
    """PowerDNS with the bind backend, Lua records in one shared state."""
    port = free_port()
    lines = [
        "$ORIGIN example.com.",
        "@ 900 IN SOA ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400",
        "@ 900 IN NS ns-1.awsdns-00.com.",
    ]
    for number in range(NAMES):
        weighted = f"pickwrandom({{{{10,'{EAST}'}},{{20,'{WEST}'}}}})"
        placed = f";if(netmask({{'{CITIES[0]}'}})) then return '{WEST}' else return '{EAST}' end"
        lines.append(f'n{number} 60 IN LUA A "{weighted if number % 2 else placed}"')
    (folder / "zone").write_text("\n".join(lines) + "\n")
    (folder / "named.conf").write_text(f'zone "example.com" {{ type master; file "{folder}/zone"; }};\n')
    (folder / "pdns.conf").write_text(
        f"launch=bind\nbind-config={folder}/named.conf\nlocal-address=127.0.0.1\nlocal-port={port}\n"
        f"socket-dir={folder}\nenable-lua-records=shared\nedns-subnet-processing=yes\nreceiver-threads=1\n"
        "distributor-threads=1\ndaemon=no\nguardian=no\nsecurity-poll-suffix=\nloglevel=3\n"
    )
    command = [shutil.which("pdns_server", path=PATH) or "", f"--config-dir={folder}"]
    with _running(command, folder) as pid:
        yield port, pid


@contextlib.contextmanager
def gdnsd(folder: Path) -> Iterator[tuple[int, int]]:
    """gdnsd with its weighted and geoip plugins, one thread for UDP."""
    port = free_port()
    names = [f"n{number} 60 DYNA {'weighted!w' if number % 2 else 'geoip!g'}" for number in range(NAMES)]
    (folder / "zones").mkdir()
    (folder / "zones" / "example.com").write_text(
        "@ SOA ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 900\n@ NS ns-1.awsdns-00.com.\n"
        + "\n".join(names)
        + "\n"
    )
    (folder / "config").write_text(
        f"""options => {{
  listen => 127.0.0.1, dns_port => {port}, udp_threads => 1, tcp_threads => 1,
  run_dir => {folder}/run, state_dir => {folder}/state, edns_client_subnet => true
}}
plugins => {{
  weighted => {{ w => {{ service_types => up, a = [ {EAST}, 10 ], b = [ {WEST}, 20 ] }} }}
  geoip => {{
    maps => {{ m => {{ datacenters => [e, w], nets => {{ {CITIES[0]} => [ w ], 0.0.0.0/0 => [ e ] }} }} }}
    resources => {{ g => {{ map => m, service_types => up, dcmap => {{ e => {EAST}, w => {WEST} }} }} }}
  }}
}}
"""
    )
    command = [shutil.which("gdnsd", path=PATH) or "", "-c", str(folder), "-l", "start"]
    with _running(command, folder) as pid:
        yield port, pid


# ---------------------------------------------------------------- clients


def questions() -> list[tuple[bytes, tuple[str, ...]]]:
    """Packets, and the addresses that may come back."""
    found: list[tuple[bytes, tuple[str, ...]]] = []
    for number in range(NAMES):
        city = CITIES[number // 2 % 2]
        allowed = (EAST, WEST) if number % 2 else ((WEST,) if city == CITIES[0] else (EAST,))
        found.append((dns_client.build_query(record_name("policies", number), "A", number, city), allowed))
    return found


def closed_loop(
    port: int, asked: Sequence[tuple[bytes, tuple[str, ...]]], sockets: int, seconds: float, at_least: int = 0
) -> tuple[int, float, list[float]]:
    """Answers, seconds, and times in microseconds, with one question under way on each socket. Every answer is
    checked; a bad one ends the benchmark."""
    packed = [(packet, tuple(socket.inet_aton(one) for one in allowed)) for packet, allowed in asked]
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(sockets)]
    poll = select.epoll()
    sent: dict[int, tuple[socket.socket, float, int]] = {}
    times: list[float] = []
    number = bad = 0
    for end in ends:
        end.setblocking(False)
        end.connect(("127.0.0.1", port))
        poll.register(end, select.EPOLLIN)
        end.send(packed[number % len(packed)][0])
        sent[end.fileno()] = (end, time.perf_counter(), number)
        number += 1
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds or number < at_least:
        for descriptor, _ in poll.poll(1):
            end, when, which = sent[descriptor]
            answer = end.recv(4096)
            now = time.perf_counter()
            times.append((now - when) * 1e6)
            packet, allowed = packed[which % len(packed)]
            flags, _, answers = struct.unpack_from("!HHH", answer, 2)
            at = packet.index(b"\0", 12) + 5
            if (
                answer[:2] != packet[:2]
                or flags & 0x800F != 0x8000
                or answers != 1
                or answer[at + 12 : at + 16] not in allowed
            ):
                bad += 1
            end.send(packed[number % len(packed)][0])
            sent[descriptor] = (end, now, number)
            number += 1
    took = time.perf_counter() - begin
    poll.close()
    for end in ends:
        end.close()
    if bad:
        raise SystemExit(f"{bad} bad answers of {len(times)}")
    return len(times), took, times


def dnsperf(port: int, folder: Path, names: list[str]) -> float:
    """Queries a second, all of them answered NOERROR."""
    queries = folder / "queries"
    if not queries.exists():
        queries.write_text("".join(f"{name.removesuffix('.')} A\n" for name in names))
    subnet = "8:00011800" + bytes(int(part) for part in CITIES[0].split(".")[:3]).hex()
    command = [*pinned(CLIENT_CPU), "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries)]
    command += ["-l", str(int(SECONDS)), "-c", "16", "-T", "1", "-q", "200", "-E", subnet]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = DRAWN.search(said)
    codes = re.search(r"Response codes:\s+(.*)", said)
    if rate is None or codes is None or "NOERROR" not in codes[1] or "," in codes[1]:
        raise SystemExit(f"dnsperf: {said}")
    return float(rate[1])


def wait_until_answers(port: int) -> None:
    packet, _ = questions()[1]
    for _ in range(200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.settimeout(0.2)
            end.connect(("127.0.0.1", port))
            with contextlib.suppress(OSError):
                end.send(packet)
                if end.recv(4096)[3] & 0xF == 0:
                    return
        time.sleep(0.1)
    raise TimeoutError(f"no answer from port {port}")


def run_round(port: int, pid: int, folder: Path, result: Result) -> None:
    names = [record_name("policies", number) for number in range(NAMES)]
    before_s = cpu_s(pid)
    if shutil.which("dnsperf"):
        rate = dnsperf(port, folder, names)
        result.rates.append(rate)
        result.cpu_us.append((cpu_s(pid) - before_s) / (rate * SECONDS) * 1e6)
    count, took, times = closed_loop(port, questions(), 8, SECONDS / 2)
    result.checked_rates.append(count / took)
    result.p99_us.append(sorted(times)[int(len(times) * 0.99)])


def measure() -> None:
    """Prints the comparison, and what sizes do to us."""
    results = {"antipodes": Result()}
    with tempfile.TemporaryDirectory(prefix="dns-bench-") as made, contextlib.ExitStack() as stack:
        folder = Path(made)
        if len(os.sched_getaffinity(0)) > 1:
            os.sched_setaffinity(0, {CLIENT_CPU})
        port, process = stack.enter_context(ours())
        assert process.stdout is not None
        process.stdout.readline()
        running = {"antipodes": (port, process.pid)}
        for name, command, start in (("gdnsd", "gdnsd", gdnsd), ("PowerDNS Lua", "pdns_server", powerdns)):
            if shutil.which(command, path=PATH) is None:
                print(f"dns          {name}: {command} is not installed here (Debian: {command.replace('_', '-')})")
                continue
            (folder / command).mkdir()
            running[name] = stack.enter_context(start(folder / command))
            results[name] = Result()
        if not shutil.which("dnsperf"):
            print("dns          dnsperf is not installed here: rates are those of our own client, which is their limit")
        for port, _ in running.values():
            wait_until_answers(port)
        for _ in range(ROUNDS):
            for name, (port, pid) in running.items():
                run_round(port, pid, folder, results[name])
    _show(results)
    sizes()


def _show(results: dict[str, Result]) -> None:
    best = {name: statistics.median(one.rates or one.checked_rates) for name, one in results.items()}
    for name, one in results.items():
        ratio = f"we: {best['antipodes'] / best[name]:.2f} of it" if name != "antipodes" else ""
        if ratio and one.cpu_us:
            ours_us = statistics.median(results["antipodes"].cpu_us)
            ratio += f", by CPU time {statistics.median(one.cpu_us) / ours_us:.2f}"
        cpu = f"{statistics.median(one.cpu_us):5.1f} us CPU an answer" if one.cpu_us else ""
        print(
            f"dns          {name:13} {best[name]:9,.0f} answers/s   {cpu}   8 sockets, checked: "
            f"{statistics.median(one.checked_rates):8,.0f}/s, p99 {statistics.median(one.p99_us):5.0f} us   {ratio}"
        )


def sizes() -> None:
    """10,000 policy records; 100,000 records in 500 zones beside ten records."""
    with ours("policies", 5_000) as (_, process):
        assert process.stdout is not None and process.stdin is not None
        loaded = json.loads(process.stdout.readline())
        process.stdin.write("flip\n")
        process.stdin.flush()
        flipped = json.loads(process.stdout.readline())
        print(
            f"dns          10,000 policy records: load {loaded['load_s']:.2f} s, {loaded['data_mb']:.0f} MB; a flip of "
            f"health that touches {flipped['touched']} names: dropped in {flipped['dropped_ms']:.2f} ms, prepared anew "
            f"in {flipped['rebuilt_ms']:.1f} ms"
        )
    for count in (10, 100_000):
        with ours("records", count) as (port, process):
            assert process.stdout is not None
            loaded = json.loads(process.stdout.readline())
            step = max(1, count // 20_000)
            asked = [
                (dns_client.build_query(record_name("records", number), "A", number % 65_536), (EAST,))
                for number in range(0, count, step)
            ]
            closed_loop(port, asked, 8, 0.5, at_least=len(asked))  # prepares them
            before_s = cpu_s(process.pid)
            answers, took, times = closed_loop(port, asked, 8, SECONDS / 2)
            used_us = (cpu_s(process.pid) - before_s) / answers * 1e6
            print(
                f"dns          {count:7,} records in 500 zones: load {loaded['load_s']:.2f} s, "
                f"{loaded['data_mb']:.0f} MB; {answers / took:,.0f} answers/s (our client is the limit), "
                f"{used_us:.1f} us CPU an answer, p99 {sorted(times)[int(len(times) * 0.99)]:.0f} us"
            )


if __name__ == "__main__":
    measure()
