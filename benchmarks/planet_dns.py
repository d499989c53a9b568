"""DNS answers a second of the planet's name server, policy-routed, over UDP on loopback; every answer is checked."""

from __future__ import annotations

import select
import socket
import struct
import time

from antipodes.wire import dns_client
from benchmarks.planets import Running


def queries(name: str, cities: tuple[str, ...], count: int = 64) -> list[bytes]:
    """Queries with the client subnets of several cities."""
    from antipodes.world import geography

    return [
        dns_client.build_query(name, "A", number, f"{geography.city(cities[number % len(cities)]).prefix}.0/24")
        for number in range(count)
    ]


def measure(planet: Running, name: str, *, sockets: int = 8, seconds: float = 3.0) -> tuple[float, float]:
    """(answers a second, 99th percentile in microseconds) with that many questions under way."""
    work = queries(name, ("New York", "San Francisco", "Frankfurt", "Tokyo"))
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(sockets)]
    poll = select.epoll()
    sent: dict[int, tuple[socket.socket, float, int]] = {}
    number = bad = 0
    times: list[float] = []
    for end in ends:
        end.setblocking(False)
        end.connect(("127.0.0.1", planet.planet.dns_port))
        poll.register(end, select.EPOLLIN)
        end.send(work[number % len(work)])
        sent[end.fileno()] = (end, time.perf_counter(), number % len(work))
        number += 1
    begin = time.perf_counter()
    while (now := time.perf_counter()) - begin < seconds:
        for descriptor, _ in poll.poll(1):
            end, when, which = sent[descriptor]
            answer = end.recv(4096)
            now = time.perf_counter()
            times.append(now - when)
            ident, flags, _, answers = struct.unpack_from("!HHHH", answer)
            if ident != which or flags & 0x800F != 0x8000 or not answers:
                bad += 1
            number += 1
            end.send(work[number % len(work)])
            sent[descriptor] = (end, now, number % len(work))
    took = time.perf_counter() - begin
    poll.close()
    for end in ends:
        end.close()
    if bad:
        raise SystemExit(f"{bad} bad answers")
    times.sort()
    return len(times) / took, times[int(len(times) * 0.99)] * 1e6
