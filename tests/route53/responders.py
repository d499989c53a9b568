"""A responder over the policy tests' planes, asked in packets."""

from __future__ import annotations

import random
import struct

from antipodes.nameserver.places import Places
from antipodes.nameserver.responder import Responder
from antipodes.nameserver.signer import Signer
from antipodes.services.route53.zone import DataPlane
from antipodes.wire import dns_client, edns
from antipodes.world import geography

NOW_S = 1_700_000_000.0


def responder(plane: DataPlane, seed: int = 1, signer: Signer | None = None) -> Responder:
    places = Places()
    return Responder(
        plane,
        signer or Signer(plane, lambda: NOW_S),
        client_of=places.of_ip,
        client_of_subnet=places.of_subnet,
        random=random.Random(seed).random,
        now=lambda: NOW_S,
        secret=bytes(range(16)),
        logs=lambda zone_id: False,
        log=lambda *_: None,
    )


def ask(asked: Responder, message: bytes, client_ip: str = "127.0.0.1", *, over_tcp: bool = False) -> dns_client.Answer:
    answered = asked.answer(message, client_ip, over_tcp)
    assert answered is not None
    return dns_client.parse_answer(answered)


def question(
    name: bytes, kind: int, *, ident: int = 1, flags: int = 0x0100, opt: bytes = b"", qclass: int = 1
) -> bytes:
    """A message from its parts. `name`: wire name, any case; `opt`: an OPT record."""
    head = struct.pack("!HHHHHH", ident, flags, 1, 0, 0, 1 if opt else 0)
    return head + name + struct.pack("!HH", kind, qclass) + opt


def opt(*options: bytes, udp_bytes: int = 1232, flags: int = 0, version: int = 0) -> bytes:
    body = b"".join(options)
    return b"\0" + struct.pack("!HHBBHH", 41, udp_bytes, 0, version, flags, len(body)) + body


def subnet(city: str, bits: int = 24) -> bytes:
    address = bytes(int(part) for part in geography.city(city).prefix.split("."))[: (bits + 7) // 8]
    return edns.subnet_option(edns.Subnet(1, bits, address), 0)
