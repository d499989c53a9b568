"""EDNS(0) options (RFC 6891): client subnet (RFC 7871), cookies (RFC 7873), TCP keepalive (RFC 7828), NSID (RFC 5001).

Rules. Pure. What breaks an option's own format raises ValueError, which makes the question FORMERR; options that are
not known are passed over, as RFC 6891 6.1.2 wants.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

NSID, SUBNET, COOKIE, KEEPALIVE = 3, 8, 10, 11
CLIENT_COOKIE_BYTES = 8

_OPTION = struct.Struct("!HH")
_SUBNET = struct.Struct("!HBB")
_ADDRESS_BITS = {0: 0, 1: 32, 2: 128}  # by family; 0 says nothing but "no subnet, please" (dig +subnet=0)


class Subnet(NamedTuple):
    """Client subnet option. `address` is as many bytes as the prefix needs, as on the wire."""

    family: int  # 1 IPv4, 2 IPv6; 0 with a prefix of 0
    prefix_bits: int
    address: bytes

    @property
    def ip(self) -> str:
        """The prefix's first address as text."""
        if self.family == 2:
            return str(ipaddress.IPv6Address(self.address.ljust(16, b"\0")))
        return ".".join(map(str, self.address.ljust(4, b"\0")))


class Options(NamedTuple):
    """What a question's OPT record asks for."""

    subnet: Subnet | None = None
    cookie: bytes = b""  # client cookie, with the server cookie behind it if the client has one
    keepalive: bool = False
    nsid: bool = False


NO_OPTIONS = Options()


def read(data: bytes) -> Options:
    """Reads OPT's RDATA. Raises ValueError."""
    if not data:
        return NO_OPTIONS
    subnet, cookie, keepalive, nsid, at = None, b"", False, False, 0
    while at + 4 <= len(data):
        code, length = _OPTION.unpack_from(data, at)
        body = data[at + 4 : at + 4 + length]
        if len(body) < length:
            raise ValueError("option runs over the end")
        if code == SUBNET:
            if subnet is not None:
                raise ValueError("two subnets")
            subnet = _read_subnet(body)
        elif code == COOKIE:
            if length != CLIENT_COOKIE_BYTES and not 16 <= length <= 40:
                raise ValueError("a cookie of a wrong length")  # RFC 7873 5.2.2: FORMERR
            cookie = cookie or body  # of several, the first counts (RFC 7873 5.2)
        elif code == KEEPALIVE:
            if length not in (0, 2):
                raise ValueError("a keepalive of a wrong length")
            keepalive = True
        elif code == NSID:
            nsid = True
        at += 4 + length
    if at != len(data):
        raise ValueError("garbage in OPT")
    return Options(subnet, cookie, keepalive, nsid)


def _read_subnet(body: bytes) -> Subnet:
    if len(body) < 4:
        raise ValueError("short subnet")
    family, prefix_bits, scope_bits = _SUBNET.unpack_from(body)
    # RFC 7871 7.1.2: a scope that is not 0, a wrong length or bits behind the prefix are FORMERR.
    if scope_bits or prefix_bits > _ADDRESS_BITS.get(family, -1):
        raise ValueError("bad subnet")
    address = body[4:]
    if len(address) != (prefix_bits + 7) // 8 or (prefix_bits % 8 and address[-1] & (0xFF >> prefix_bits % 8)):
        raise ValueError("bad subnet address")
    return Subnet(family, prefix_bits, address)


def option(code: int, body: bytes) -> bytes:
    """One option, for an answer."""
    return _OPTION.pack(code, len(body)) + body


def subnet_option(subnet: Subnet, scope_bits: int) -> bytes:
    """The subnet as it came, with the scope for which the answer holds."""
    return option(SUBNET, _SUBNET.pack(subnet.family, subnet.prefix_bits, scope_bits) + subnet.address)
