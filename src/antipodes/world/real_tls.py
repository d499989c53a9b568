"""TLS of the real world: contexts for dialling and for listening.

A listener's context has no certificate of its own: the SNI callback asks `Certificates` for the name and puts the
context of that certificate in its place, or refuses the handshake. Contexts are kept by certificate. OpenSSL wants
certificates as files: they are written to a private one, which is gone before this returns.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from antipodes.world.world import Certificates

KEPT_CONTEXTS = 256
ALPN = ["h2", "http/1.1"]  # what our listeners speak, best first


def dialling_context(ca_pem: str | None, *, verify: bool) -> ssl.SSLContext:
    """Checks certificates against `ca_pem`, or with verify=False not at all. Raises ValueError: neither was chosen."""
    if not verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if ca_pem is None:
        raise ValueError("TLS needs the planet's CA (ca_pem), or verify=False to go without checking")
    return ssl.create_default_context(cadata=ca_pem)


def listening_context(certificates: Certificates) -> ssl.SSLContext:
    """A context that finds its certificate by SNI name at each handshake."""
    kept: dict[tuple[bytes, bytes], ssl.SSLContext] = {}

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        pair = certificates.certificate_for(name)
        if pair is None:
            return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        if pair not in kept:
            if len(kept) >= KEPT_CONTEXTS:
                kept.clear()
            kept[pair] = _context_of(*pair)
        connection.context = kept[pair]
        return None

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(ALPN)
    context.sni_callback = choose
    return context


def _context_of(chain_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    handle, name = tempfile.mkstemp(prefix="antipodes-")  # created with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key_pem.rstrip() + b"\n" + chain_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(name)
        context.set_alpn_protocols(ALPN)
    finally:
        Path(name).unlink()
    return context
