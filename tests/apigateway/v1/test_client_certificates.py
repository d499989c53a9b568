"""HTTP servers behind an API, over TLS: what they are shown, and which certificates of theirs are taken."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from antipodes.edge.tls import Authority
from antipodes.wire.errors import AwsError
from tests.apigateway.conftest import Play, Room, host_of, play_real


@asynccontextmanager
async def server(folder: Path, name: str, issued_s: float, trusts: str = "") -> AsyncIterator[int]:
    """An HTTPS server with a certificate of nobody's authority, which tells what its client has shown; its port.
    trusts: PEM of clients' certificates, which it then asks for."""
    chain, key = Authority.create(issued_s).issue([name], issued_s)
    (folder / "server.pem").write_bytes(key + chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    if trusts:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=trusts)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            shown = writer.get_extra_info("peercert") or {}
            body = json.dumps(shown.get("subject")).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            writer.close()

    listening = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def proxy(room: Room, port: int, **integration: Any) -> str:
    """An API whose stage `v1` leads there."""
    given = {"type": "http_proxy", "httpMethod": "GET", "uri": f"https://127.0.0.1:{port}/", **integration}
    method = {"x-amazon-apigateway-integration": given}
    document = {"swagger": "2.0", "info": {"title": "t"}, "paths": {"/": {"get": method}}}
    api = (await room.ask("ImportRestApi", body=json.dumps(document).encode()))["id"]
    await room.ask("CreateDeployment", restApiId=api, stageName="v1")
    return str(api)


INSECURE = {"tlsConfig": {"insecureSkipVerification": True}}


def test_a_server_is_shown_the_certificate_of_the_stage(tmp_path: Path) -> None:
    async def story(room: Room) -> None:
        made = await room.ask("GenerateClientCertificate", description="d", tags={"k": "v"})
        assert made["expirationDate"] > made["createdDate"] + 360 * 86_400
        assert "PRIVATE" not in made["pemEncodedCertificate"]
        async with server(tmp_path, "127.0.0.1", room.world.now(), made["pemEncodedCertificate"]) as port:
            api = await proxy(room, port, **INSECURE)
            assert (await room.get(host_of(api), "/v1/")).status == 504  # it has nothing to show
            patch = {"op": "replace", "path": "/clientCertificateId", "value": made["clientCertificateId"]}
            await room.ask("UpdateStage", restApiId=api, stageName="v1", patchOperations=[patch])
            answer = await room.get(host_of(api), "/v1/")
            assert (answer.status, json.loads(answer.body)) == (200, [[["commonName", "ApiGateway"]]])

    play_real(story)


@pytest.mark.parametrize(
    ("name", "age_s", "status"),
    [
        ("127.0.0.1", 0, 200),
        ("127.0.0.2", 0, 504),  # "still performs basic certificate validation": the name
        ("127.0.0.1", 500 * 86_400, 504),  # and its dates
    ],
)
def test_any_authority_will_do_where_the_integration_says_so(
    tmp_path: Path, name: str, age_s: int, status: int
) -> None:
    async def story(room: Room) -> None:
        async with server(tmp_path, name, room.world.now() - age_s) as port:
            api = await proxy(room, port, **INSECURE)
            assert (await room.get(host_of(api), "/v1/")).status == status

    play_real(story)


def test_certificates_are_found_described_anew_and_deleted(play_once: Play) -> None:
    async def story(room: Room) -> None:
        made = await room.ask("GenerateClientCertificate")
        where = {"clientCertificateId": made["clientCertificateId"]}
        patch = {"op": "replace", "path": "/description", "value": "new"}
        assert (await room.ask("UpdateClientCertificate", **where, patchOperations=[patch]))["description"] == "new"
        items = (await room.ask("GetClientCertificates"))["items"]
        assert [one["description"] for one in items] == ["new"]
        assert items[0]["pemEncodedCertificate"] == made["pemEncodedCertificate"]
        api = await proxy(room, 443)
        with pytest.raises(AwsError, match="Invalid Client Certificate"):
            patch = {"op": "replace", "path": "/clientCertificateId", "value": "none"}
            await room.ask("UpdateStage", restApiId=api, stageName="v1", patchOperations=[patch])
        patch = {"op": "replace", "path": "/clientCertificateId", "value": made["clientCertificateId"]}
        shown = await room.ask("UpdateStage", restApiId=api, stageName="v1", patchOperations=[patch])
        assert shown["clientCertificateId"] == made["clientCertificateId"]
        with pytest.raises(AwsError, match="is used by stages"):
            await room.ask("DeleteClientCertificate", **where)
        await room.ask("DeleteStage", restApiId=api, stageName="v1")
        await room.ask("DeleteClientCertificate", **where)
        with pytest.raises(AwsError, match="Invalid Client Certificate"):
            await room.ask("GetClientCertificate", **where)

    play_once(story)
