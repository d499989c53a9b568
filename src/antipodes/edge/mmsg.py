"""Datagrams in batches: Linux's recvmmsg(2) and sendmmsg(2), which Python does not offer.

Rules. One call takes up to SIZE datagrams, and one sends the answers: a third of the time that a call for each
datagram costs. Buffers are laid out once. What has no answer is left out; an answer that cannot be sent is dropped, as
the network may drop it. Where the C library has no such calls, `Batch.possible` is False.
"""

from __future__ import annotations

import ctypes
import errno
import socket
from collections.abc import Callable
from typing import Literal

SIZE = 64
IN_BYTES, OUT_BYTES = 4096, 2048  # of a question (longer ones are cut off), of an answer over UDP
NAME_BYTES = 32  # room for a sockaddr_in6
MAX_REMEMBERED = 65_536  # textual addresses

_MSG_DONTWAIT = 0x40
_POINTER: Literal["Q", "I"] = "Q" if ctypes.sizeof(ctypes.c_void_p) == 8 else "I"  # pointers and size_t as numbers


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]  # ctypes wants a list


class _Msghdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Mmsghdr(ctypes.Structure):
    _fields_ = [("header", _Msghdr), ("length", ctypes.c_uint)]


class Batch:
    """The buffers of one socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._descriptor = sock.fileno()
        self._is_ipv6 = sock.family == socket.AF_INET6
        name_bytes = 28 if self._is_ipv6 else 16
        self._in = (ctypes.c_char * (IN_BYTES * SIZE))()
        self._out = (ctypes.c_char * (OUT_BYTES * SIZE))()
        self._names = (ctypes.c_char * (NAME_BYTES * SIZE))()
        self._in_iov, self._out_iov = (_Iovec * SIZE)(), (_Iovec * SIZE)()
        self._in_heads, self._out_heads = (_Mmsghdr * SIZE)(), (_Mmsghdr * SIZE)()
        for at in range(SIZE):
            name = ctypes.addressof(self._names) + at * NAME_BYTES
            for iov, data, size, heads in (
                (self._in_iov, self._in, IN_BYTES, self._in_heads),
                (self._out_iov, self._out, OUT_BYTES, self._out_heads),
            ):
                iov[at].base, iov[at].length = ctypes.addressof(data) + at * size, size
                header = heads[at].header
                header.name, header.name_length = name, name_bytes
                header.iov, header.iov_length = ctypes.addressof(iov[at]), 1
        self._first_name = ctypes.addressof(self._names)
        # The same memory as numbers: the fields that change are at fixed strides.
        self._in_view, self._out_view = memoryview(self._in).cast("B"), memoryview(self._out).cast("B")
        self._name_view = memoryview(self._names).cast("B")
        self._in_lengths = memoryview(self._in_heads).cast("B").cast("I")
        self._out_names = memoryview(self._out_heads).cast("B").cast(_POINTER)
        self._out_lengths = memoryview(self._out_iov).cast("B").cast(_POINTER)
        self._stride = ctypes.sizeof(_Mmsghdr) // 4
        self._length_at = _Mmsghdr.length.offset // 4
        self._name_stride = ctypes.sizeof(_Mmsghdr) // ctypes.sizeof(ctypes.c_size_t)
        self._ips: dict[bytes, str] = {}

    @staticmethod
    def possible() -> bool:
        return hasattr(_LIBC, "recvmmsg") and hasattr(_LIBC, "sendmmsg")

    def exchange(self, answer: Callable[[bytes, str], bytes | None]) -> int:
        """Takes what waits, answers it; how many datagrams were taken, at most SIZE. `answer` must not raise."""
        count: int = _LIBC.recvmmsg(self._descriptor, self._in_heads, SIZE, _MSG_DONTWAIT, None)
        if count <= 0:
            return 0  # nothing waits, or an ICMP error of an earlier answer
        in_view, out_view, names = self._in_view, self._out_view, self._name_view
        stride, length_at, lengths, ips = self._stride, self._length_at, self._in_lengths, self._ips
        first, last = (8, 24) if self._is_ipv6 else (4, 8)
        filled = 0
        for at in range(count):
            start, name = at * IN_BYTES, at * NAME_BYTES
            address = bytes(names[name + first : name + last])
            answered = answer(
                bytes(in_view[start : start + lengths[at * stride + length_at]]), ips.get(address) or self._ip(address)
            )
            if answered is not None and len(answered) <= OUT_BYTES:
                start = filled * OUT_BYTES
                out_view[start : start + len(answered)] = answered
                self._out_lengths[filled * 2 + 1] = len(answered)
                self._out_names[filled * self._name_stride] = self._first_name + name
                filled += 1
        self._send(filled)
        return count

    def _send(self, filled: int) -> None:
        sent = 0
        while sent < filled:
            heads = ctypes.byref(self._out_heads, sent * ctypes.sizeof(_Mmsghdr))
            done = _LIBC.sendmmsg(self._descriptor, heads, filled - sent, _MSG_DONTWAIT)
            if done < 0 and ctypes.get_errno() == errno.EINTR:
                continue
            sent += max(done, 0)
            if sent < filled and done <= 0:
                sent += 1  # this one cannot be sent: the client has gone, or the buffer is full

    def _ip(self, address: bytes) -> str:
        if len(self._ips) >= MAX_REMEMBERED:
            self._ips.clear()
        text = socket.inet_ntop(socket.AF_INET6 if self._is_ipv6 else socket.AF_INET, address)
        self._ips[address] = text
        return text


_LIBC = ctypes.CDLL(None, use_errno=True)
