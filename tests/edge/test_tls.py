"""Certificates that OpenSSL believes."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from antipodes.edge.tls import Authority, CertificateShelf

NOW = datetime(2026, 11, 23, tzinfo=UTC).timestamp()


def shake(tmp_path: Path, authority: Authority, chain: bytes, key: bytes, name: str) -> ssl.SSLObject:
    """A TLS handshake in memory; the client's end of it. Raises SSLCertVerificationError."""
    file = tmp_path / "server.pem"
    file.write_bytes(key + chain)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(file)
    client_context = ssl.create_default_context(cadata=authority.pem.decode())
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(back, there, server_hostname=name)
    server = server_context.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return client


def now() -> float:
    return datetime.now(UTC).timestamp()


@pytest.mark.parametrize("name", ["api.globaldb.example", "a.apps.example", "127.44.1.1"])
def test_a_certificate_is_believed_for_its_names(tmp_path: Path, name: str) -> None:
    authority = Authority.create(now())
    chain, key = authority.issue(["api.globaldb.example", "*.apps.example", "127.44.1.1"], now())
    assert shake(tmp_path, authority, chain, key, name).version() == "TLSv1.3"


@pytest.mark.parametrize("name", ["other.example", "a.b.apps.example", "apps.example"])
def test_and_for_no_others(tmp_path: Path, name: str) -> None:
    authority = Authority.create(now())
    chain, key = authority.issue(["api.globaldb.example", "*.apps.example"], now())
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(tmp_path, authority, chain, key, name)


def test_another_authority_is_not_believed(tmp_path: Path) -> None:
    chain, key = Authority.create(now()).issue(["a.example"], now())
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(tmp_path, Authority.create(now()), chain, key, "a.example")


def test_an_authority_that_was_kept_goes_on_issuing(tmp_path: Path) -> None:
    authority = Authority.create(now())
    again = Authority.load(authority.pem, authority.key_pem)
    chain, key = again.issue(["a.example"], now())
    shake(tmp_path, authority, chain, key, "a.example")
    with pytest.raises(ValueError, match="not its certificate's"):
        Authority.load(authority.pem, Authority.create(now()).key_pem)


def test_a_certificate_lives_397_days() -> None:
    chain, _ = Authority.create(NOW).issue(["a.example"], NOW)
    certificate = x509.load_pem_x509_certificate(chain)
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 397
    assert certificate.not_valid_before_utc.timestamp() < NOW < certificate.not_valid_after_utc.timestamp()
    with pytest.raises(ValueError, match="needs a name"):
        Authority.create(NOW).issue([], NOW)


def test_the_shelf_prefers_the_exact_name() -> None:
    shelf = CertificateShelf()
    exact, wild, default = (b"e", b""), (b"w", b""), (b"d", b"")
    shelf.put(["api.example"], exact)
    shelf.put(["*.example"], wild)
    assert shelf.certificate_for("API.example.") == exact
    assert shelf.certificate_for("other.example") == wild
    assert shelf.certificate_for("a.b.example") is None
    assert shelf.certificate_for(None) is None
    shelf.set_default(default)
    assert shelf.certificate_for(None) == shelf.certificate_for("x.test") == default
    shelf.remove(["api.example"])
    assert shelf.certificate_for("api.example") == wild
