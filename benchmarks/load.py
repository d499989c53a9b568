"""A closed-loop HTTP load: N connections, each sends the next prepared request when the last answer has come.

Requests are signed beforehand, so that the client's cost is small and equal for every server measured. Every answer is
checked: status 200 and, where given, a part of the body.

One thread, one epoll, plain sockets: about 15 us a request, 50,000 to 70,000 requests a second against a server that
does nothing (`python -m benchmarks.load` measures it). The machine is shared with the client, and other programs may
run: `CpuMeter` says what a request cost the server itself, which is the steadier figure.
"""

from __future__ import annotations

import math
import os
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from antipodes.wire import sigv4
from antipodes.wire.http import HttpRequest

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CREDENTIALS = sigv4.Credentials("test", "test")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load measured."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int
    bad: int
    cpu_us: float = 0.0  # of the server, per answer; 0: not asked for


class CpuMeter:
    """The processor time of a process and what it started, as /proc tells it (in hundredths of a second)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began_s = self._used_s()

    def _used_s(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def used_s(self) -> float:
        """Since the meter was made."""
        return self._used_s() - self._began_s


def dynamodb_request(operation: str, body: bytes, host: str, port: int, region: str = "us-east-1") -> bytes:
    """A signed DynamoDB request as bytes, with the headers that an SDK sends."""
    headers = (
        ("Host", f"{host}:{port}"),
        ("X-Amz-Target", f"DynamoDB_20120810.{operation}"),
        ("Content-Type", "application/x-amz-json-1.0"),
    )
    request = sigv4.sign(
        HttpRequest("POST", "/", headers, body), CREDENTIALS, region=region, service="dynamodb", now=time.time()
    )
    head = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in request.headers)
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """One connection of the load. Its socket blocks: sends are small, and reads follow a poll."""

    __slots__ = ("buffer", "sent_s", "socket")

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), 10)
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent_s = 0.0


def is_whole(answer: bytes) -> bool:
    """Whether an answer has come with all of its body."""
    head_end = answer.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    at = answer.find(b"Content-Length: ", 0, head_end)
    if at < 0:
        at = answer[:head_end].lower().find(b"content-length: ")
    length = int(answer[at + 16 : answer.find(b"\r", at)]) if at >= 0 else 0
    return len(answer) >= head_end + 4 + length


def run(
    host: str,
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    at_most: float = math.inf,
    expect: bytes = b"",
    pid: int | None = None,
) -> Figures:
    """Runs the load for that long, or until so many requests are answered. pid: the server's, to measure its cost."""
    ends = {one.socket.fileno(): one for one in (Connection(host, port) for _ in range(connections))}
    clock, count, times, bad, number, under_way = time.perf_counter, len(requests), [0.0], 0, 0, 0
    times.clear()
    meter = CpuMeter(pid) if pid is not None else None
    begin = clock()
    deadline = begin + seconds
    with select.epoll() as poll:
        for descriptor, end in ends.items():
            poll.register(descriptor, select.EPOLLIN)
            if number < at_most:
                end.sent_s = clock()
                end.socket.sendall(requests[number % count])
                number += 1
                under_way += 1
        while under_way:
            for descriptor, _ in poll.poll(10) or _silence():
                end = ends[descriptor]
                data = end.socket.recv(1 << 20)
                answer = end.buffer + data if end.buffer else data
                if data and not is_whole(answer):
                    end.buffer = answer
                    continue
                now = clock()
                times.append(now - end.sent_s)
                if not answer.startswith(b"HTTP/1.1 200") or expect not in answer:
                    bad += 1
                end.buffer = b""
                if now < deadline and number < at_most and data:
                    end.sent_s = now
                    end.socket.sendall(requests[number % count])
                    number += 1
                else:
                    under_way -= 1
                    poll.unregister(descriptor)
    took_s = clock() - begin
    used_s = meter.used_s() if meter is not None else 0.0
    for end in ends.values():
        end.socket.close()
    times.sort()
    return Figures(
        per_second=len(times) / took_s,
        p50_ms=times[len(times) // 2] * 1000,
        p99_ms=times[int(len(times) * 0.99)] * 1000,
        answers=len(times),
        bad=bad,
        cpu_us=used_s / len(times) * 1e6,
    )


def paced(ends: Sequence[tuple[str, int, Sequence[bytes]]], per_second: float, seconds: float) -> tuple[int, float]:
    """So many requests a second, whether or not the last ones are answered: evenly spaced, each to the next of `ends`
    (host, port, its requests), on a connection that is free (a new one, if none is). (Answers, seconds it took).

    Sleeps between them, by the millisecond. Raises ValueError: an answer that is not 200.
    """
    clock, sent, answered = time.perf_counter, 0, 0
    free: list[list[Connection]] = [[] for _ in ends]
    busy: dict[int, tuple[Connection, int]] = {}
    with select.epoll() as poll:
        begin = clock()
        while True:
            due = int(min(clock() - begin, seconds) * per_second)
            while sent < due:
                number = sent % len(ends)
                host, port, requests = ends[number]
                if not free[number]:
                    free[number].append(Connection(host, port))
                    poll.register(free[number][0].socket, select.EPOLLIN)
                connection = free[number].pop()
                busy[connection.socket.fileno()] = connection, number
                connection.socket.sendall(requests[sent // len(ends) % len(requests)])
                sent += 1
            if due >= int(seconds * per_second) and not busy:
                break
            wait_s = (sent + 1) / per_second - (clock() - begin)
            for descriptor, _ in poll.poll(max(0.001, wait_s)):
                connection, number = busy[descriptor]
                connection.buffer += connection.socket.recv(1 << 16)
                if is_whole(connection.buffer):
                    if not connection.buffer.startswith(b"HTTP/1.1 200"):
                        raise ValueError(connection.buffer[:1000])
                    connection.buffer = b""
                    free[number].append(busy.pop(descriptor)[0])
                    answered += 1
    took_s = clock() - begin
    for connection in (one for many in free for one in many):
        connection.socket.close()
    return answered, took_s


def _silence() -> list[tuple[int, int]]:
    raise TimeoutError("no answer for ten seconds")


def ceiling(seconds: float = 3.0, connections: int = 32) -> Figures:
    """The client against a server that reads a request of 1 KiB and answers with ready bytes."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    listener = socket.create_server(("127.0.0.1", 0), backlog=connections)
    child = os.fork()
    if not child:
        with select.epoll() as poll:
            ends = {}
            for _ in range(connections):
                end, _address = listener.accept()
                ends[end.fileno()] = end
                poll.register(end.fileno(), select.EPOLLIN)
            while ends:
                for descriptor, _ in poll.poll():
                    if ends[descriptor].recv(65536):
                        ends[descriptor].send(answer)
                    else:
                        poll.unregister(descriptor)
                        ends.pop(descriptor).close()
        os._exit(0)
    request = dynamodb_request("PutItem", b"x" * 1024, "127.0.0.1", 1)
    figures = run("127.0.0.1", listener.getsockname()[1], [request], connections=connections, seconds=seconds)
    os.waitpid(child, 0)
    return figures


if __name__ == "__main__":
    print(f"the client's ceiling: {ceiling().per_second:,.0f} requests/s")
