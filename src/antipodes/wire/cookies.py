"""DNS cookies (RFC 7873): the server's half, in the format that servers share (RFC 9018: version 1, SipHash-2-4).

Rules. Pure; the time is an argument. A cookie costs its asker nothing: a wrong or old one gets a new one beside the
answer, and nothing is refused for the lack of one.
"""

from __future__ import annotations

import ipaddress
import struct

from antipodes.wire.edns import CLIENT_COOKIE_BYTES

FRESH_S, AHEAD_S = 1800, 300  # RFC 9018 4.3: a cookie is renewed from half an hour on; clocks may differ a little

_MASK = 0xFFFFFFFFFFFFFFFF


def server_cookie(secret: bytes, cookie: bytes, client_ip: str, now_s: int) -> bytes:
    """The cookie option's body to send back: the client's half, and a server's half that is good for an hour.

    `cookie`: what came. A server cookie that is good and fresh comes back as it is. `secret`: 16 bytes.
    """
    client, server = cookie[:CLIENT_COOKIE_BYTES], cookie[CLIENT_COOKIE_BYTES:]
    if len(server) == 16 and server[:4] == b"\1\0\0\0":
        made_s = int.from_bytes(server[4:8], "big")
        age_s = (now_s - made_s + 0x80000000) % 0x100000000 - 0x80000000  # serial number arithmetic (RFC 1982)
        if -AHEAD_S <= age_s <= FRESH_S and server == _made(secret, client, client_ip, made_s):
            return cookie
    return client + _made(secret, client, client_ip, now_s)


def _made(secret: bytes, client: bytes, client_ip: str, made_s: int) -> bytes:
    head = b"\1\0\0\0" + struct.pack("!I", made_s & 0xFFFFFFFF)
    try:
        address = ipaddress.ip_address(client_ip).packed
    except ValueError:
        address = client_ip.encode()
    return head + struct.pack("<Q", siphash(secret, client + head + address))


def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4 (Aumasson, Bernstein 2012) of a message under a key of 16 bytes."""
    k0, k1 = struct.unpack("<QQ", key)
    state: list[int] = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]
    whole = len(message) // 8 * 8
    words: list[int] = list(struct.unpack(f"<{whole // 8}Q", message[:whole]))
    words.append(int.from_bytes(message[whole:], "little") | (len(message) & 0xFF) << 56)
    for word in words:
        state[3] ^= word
        _rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _rounds(state: list[int], count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        a = (a + b) & _MASK
        b = (b << 13 | b >> 51) & _MASK ^ a
        a = (a << 32 | a >> 32) & _MASK
        c = (c + d) & _MASK
        d = (d << 16 | d >> 48) & _MASK ^ c
        a = (a + d) & _MASK
        d = (d << 21 | d >> 43) & _MASK ^ a
        c = (c + b) & _MASK
        b = (b << 17 | b >> 47) & _MASK ^ c
        c = (c << 32 | c >> 32) & _MASK
    state[:] = [a, b, c, d]
