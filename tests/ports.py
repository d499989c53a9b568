"""Ports for what is started in tests."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """Free for UDP and TCP on 127.0.0.1, and not among those that the kernel gives to outgoing sockets, of which
    another test may get it before it is bound."""
    for port in random.SystemRandom().sample(range(12_000, 30_000), 200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
