"""TLS of the real world: contexts for dialling, and the listener that chooses one by what a client calls it.

A client's first message names the server that it wants (SNI) in the clear. The listener looks at that before TLS
begins: OpenSSL can change the certificate in the middle of a handshake, but not whether the client must show one. Names
that want none share a context, whose SNI callback asks `Certificates` and puts the certificate's context in its place,
or refuses. Contexts are kept by certificate. OpenSSL wants certificates as files: they are written to a private one,
which is gone before this returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from antipodes.world.world import Certificates, Handshake

KEPT_CONTEXTS = 256
ALPN = ["h2", "http/1.1"]  # what our listeners speak, best first
HELLO_BYTES = 16 * 1024 + 5  # one record of TLS
HELLO_S = 10.0  # for the first message, and for the rest of the handshake
LOOK_S = 0.01  # until an incomplete first message is looked at again
FULL_S = 0.1  # when there are no file descriptors left


class AnyAuthorityContext(ssl.SSLContext):
    """Of dials whose server may have its certificate from anybody: `check_name_and_dates` comes after the handshake."""


def dialling_context(ca_pem: str | None, handshake: Handshake | None, *, verify: bool) -> ssl.SSLContext:
    """Checks certificates against `ca_pem`, or with verify=False not at all. Raises ValueError: neither was chosen."""
    handshake = handshake or Handshake()
    if not verify or handshake.any_authority:
        kind = AnyAuthorityContext if verify else ssl.SSLContext
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_pem is None:
        raise ValueError("TLS needs the planet's CA (ca_pem), or verify=False to go without checking")
    else:
        context = ssl.create_default_context(cadata=ca_pem)
    if handshake.identity is not None:
        _load(context, handshake.identity)
    return context


def check_name_and_dates(der: bytes, name: str, now: float) -> None:
    """Of a server's certificate. Raises SSLCertVerificationError."""
    from cryptography import x509  # noqa: PLC0415 - it takes 9 MB, and few Regions need it

    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = [one.lower() for one in names.get_values_for_type(x509.DNSName)]
        addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    except (ValueError, x509.ExtensionNotFound) as error:
        raise ssl.SSLCertVerificationError(f"the server's certificate names nobody: {error}") from error
    wildcard = f"*.{name.lower().partition('.')[2]}"
    if not ({name.lower(), wildcard} & set(dns) or name in addresses):
        raise ssl.SSLCertVerificationError(f"the server's certificate is not for {name}")
    if not certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp():
        raise ssl.SSLCertVerificationError("the server's certificate has expired, or is not valid yet")


class MutualContext(ssl.SSLContext):
    """Of a name whose clients must show a certificate."""

    trusted_for: str = ""  # the name


class Contexts:
    """The contexts of one listener."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._kept: dict[tuple[bytes, ...], ssl.SSLContext] = {}
        self._open = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._open.set_alpn_protocols(ALPN)
        self._open.sni_callback = self._choose

    def of(self, name: str | None) -> ssl.SSLContext:
        """For a client that calls us by this name."""
        trusted = self._certificates.trusted_for(name) if name else None
        pair = self._certificates.certificate_for(name) if trusted is not None else None
        if trusted is None or pair is None or name is None:
            return self._open
        return self._keep((*pair, trusted, name.encode()), lambda: _mutual_context(pair, trusted, name))

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        pair = self._certificates.certificate_for(name)
        if pair is None or (name and self._certificates.trusted_for(name) is not None):
            return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        connection.context = self._keep(pair, lambda: _context_of(pair))
        return None

    def _keep(self, key: tuple[bytes, ...], made: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= KEPT_CONTEXTS:
                self._kept.clear()
            found = self._kept[key] = made()
        return found


class TlsListener:
    """Accepts connections on a listening socket, and greets each with the context of the name that it asks for."""

    def __init__(
        self, listener: socket.socket, factory: Callable[[], asyncio.Protocol], certificates: Certificates
    ) -> None:
        self._listener = listener
        self._factory = factory
        self._contexts = Contexts(certificates)
        self._loop = asyncio.get_running_loop()
        self._greeting: dict[asyncio.Task[None], None] = {}
        self._accepting = self._loop.create_task(self._accept())

    def close(self) -> None:
        self._accepting.cancel()
        for task in tuple(self._greeting):
            task.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    async def _accept(self) -> None:
        while True:
            try:
                client, _ = await self._loop.sock_accept(self._listener)
            except ConnectionError:
                continue
            except OSError:
                await asyncio.sleep(FULL_S)
                continue
            task = self._loop.create_task(self._greet(client))
            self._greeting[task] = None
            task.add_done_callback(self._greeting.pop)

    async def _greet(self, client: socket.socket) -> None:
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        taken = False
        try:
            async with asyncio.timeout(HELLO_S):
                context = self._contexts.of(await self._name(client))
                taken = True
                await self._loop.connect_accepted_socket(self._factory, client, ssl=context)
        except (OSError, TimeoutError):  # gone, slow, or no TLS: nobody is there to be told
            pass
        finally:
            if not taken:
                client.close()

    async def _name(self, client: socket.socket) -> str | None:
        """What the client calls us; its first message stays where it is."""
        seen = -1
        while True:
            hello = await self._peeked(client)
            name = server_name(hello)
            if name is not None or not hello or len(hello) >= HELLO_BYTES:
                return name or None
            if len(hello) == seen:
                await asyncio.sleep(LOOK_S)
            seen = len(hello)

    async def _peeked(self, client: socket.socket) -> bytes:
        """What has come so far, at least one byte; b"": the client is gone."""
        with contextlib.suppress(BlockingIOError):
            return client.recv(HELLO_BYTES, socket.MSG_PEEK)
        ready: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(client, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            self._loop.remove_reader(client)
        with contextlib.suppress(BlockingIOError):
            return client.recv(HELLO_BYTES, socket.MSG_PEEK)
        return b""


def server_name(hello: bytes) -> str | None:
    """The server's name in a ClientHello (RFC 8446 4.1.2, RFC 6066 3), lower case; "": it has none, or this is no
    ClientHello; None: more has to come. Of a message in several records the first must have it."""
    if hello[:1] != b"\x16"[: len(hello)]:
        return ""
    if len(hello) < 5 or len(hello) < 5 + int.from_bytes(hello[3:5]):
        return None
    body = hello[5 : 5 + int.from_bytes(hello[3:5])]
    at = 4 + 2 + 32  # the message's head, the version, the random
    for size in (1, 2, 1):  # session id, cipher suites, compression
        at += size + int.from_bytes(body[at : at + size])
    at += 2
    while at + 4 <= len(body):
        kind, size = int.from_bytes(body[at : at + 2]), int.from_bytes(body[at + 2 : at + 4])
        if kind == 0:  # server_name: a list of one host name
            name = body[at + 9 : at + 4 + size]
            return name.decode("ascii", "replace").rstrip(".").lower()
        at += 4 + size
    return ""


def _mutual_context(pair: tuple[bytes, bytes], trusted: bytes, name: str) -> MutualContext:
    context = MutualContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, pair)
    context.set_alpn_protocols(ALPN)
    context.trusted_for = name
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=trusted.decode("ascii"))
    # A session that is taken up again shows no certificate: each connection is a new one.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def _context_of(pair: tuple[bytes, bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, pair)
    context.set_alpn_protocols(ALPN)
    return context


def _load(context: ssl.SSLContext, pair: tuple[bytes, bytes]) -> None:
    chain_pem, key_pem = pair
    handle, name = tempfile.mkstemp(prefix="antipodes-")  # created with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key_pem.rstrip() + b"\n" + chain_pem)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
