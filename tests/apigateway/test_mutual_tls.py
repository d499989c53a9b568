"""Mutual TLS of custom domain names: truststores, who passes, what backends are told. Handshakes: tests/world."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from antipodes.edge.tls import Authority
from antipodes.wire.errors import AwsError
from antipodes.wire.http import ClientCertificate, HttpRequest, HttpResponse
from tests.apigateway.conftest import CERTIFICATE, Play, Room

NAME = "api.example.com"
TELLS = (
    "import json\ndef handler(event, c):\n    return {'statusCode': 200, 'body': json.dumps(event['requestContext'])}\n"
)
NOW = 1_700_000_000.0


async def ask(room: Room, path: str, certificate: ClientCertificate | None) -> HttpResponse:
    request = HttpRequest("GET", path, (("Host", NAME),), b"", client="198.18.0.9", secure=True)
    return await room.gateway.respond(msgspec.structs.replace(request, certificate=certificate), room.verify)


def test_who_shows_a_good_certificate_passes_and_backends_are_told(play_once: Play) -> None:
    authority = Authority.create(NOW)
    good = authority.issue(["client"], NOW)[0].decode()
    shown = ClientCertificate(NAME, good[: good.index("-----END") + 26])
    own = ClientCertificate(NAME, authority.pem.decode())

    async def story(room: Room) -> None:
        room.objects["trust", "ca.pem"] = b"a comment\n" + authority.pem
        function = await room.function("f", TELLS)
        rest = await room.api("f", ("GET", "/a"))
        http = (await room.ask2("CreateApi", Name="h", ProtocolType="HTTP", Target=function))["ApiId"]
        made = await room.ask(
            "CreateDomainName",
            domainName=NAME,
            regionalCertificateArn=CERTIFICATE,
            mutualTlsAuthentication={"truststoreUri": "s3://trust/ca.pem"},
        )
        assert made["mutualTlsAuthentication"] == {"truststoreUri": "s3://trust/ca.pem"}
        assert room.gateway.trusted_for(NAME) == authority.pem
        assert room.gateway.trusted_for("other.example.com") is None
        await room.ask("CreateBasePathMapping", domainName=NAME, restApiId=rest, stage="v1")
        await room.ask2("CreateApiMapping", DomainName=NAME, ApiId=http, Stage="$default", ApiMappingKey="h")

        for path in ("/a", "/h/a"):
            other = ClientCertificate("open.example.com", shown.pem)  # good, but for another name
            for certificate in (None, other, own):
                refused = await ask(room, path, certificate)
                assert (refused.status, refused.body) == (403, b'{"message":"Forbidden"}')
        told = json.loads((await ask(room, "/a", shown)).body)["identity"]["clientCert"]
        assert (told["subjectDN"], told["issuerDN"]) == ("CN=client", "CN=antipodes local CA")
        assert told["clientCertPem"] == shown.pem
        assert told["validity"]["notBefore"] == "Nov 13 21:13:20 2023 GMT"
        second: dict[str, Any] = json.loads((await ask(room, "/h/a", shown)).body)
        assert second["authentication"]["clientCert"] == told

    play_once(story)


def test_truststores_are_read_when_a_domain_is_told_of_them(play_once: Play) -> None:
    authority = Authority.create(NOW)

    async def story(room: Room) -> None:
        room.objects["trust", "none.pem"] = b"nothing"
        room.objects["trust", "some.pem"] = (
            authority.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
        )
        configuration = [{"CertificateArn": CERTIFICATE}]
        await room.ask2("CreateDomainName", DomainName=NAME, DomainNameConfigurations=configuration)
        for bad in ("http://trust/ca.pem", "s3://trust/not-there", "s3://trust/none.pem"):
            with pytest.raises(AwsError):
                await room.ask2("UpdateDomainName", DomainName=NAME, MutualTlsAuthentication={"TruststoreUri": bad})
        assert room.gateway.trusted_for(NAME) is None
        place = {"TruststoreUri": "s3://trust/some.pem"}
        shown = await room.ask2("UpdateDomainName", DomainName=NAME, MutualTlsAuthentication=place)
        warning = "Certificate 2 of the truststore cannot be read"
        assert shown["MutualTlsAuthentication"] == {**place, "TruststoreWarnings": [warning]}
        old = [{"op": "replace", "path": "/securityPolicy", "value": "TLS_1_0"}]
        with pytest.raises(AwsError, match="TLS_1_2"):
            await room.ask("UpdateDomainName", domainName=NAME, patchOperations=old)
        off = [{"op": "replace", "path": "/mutualTlsAuthentication/truststoreUri", "value": ""}]
        assert "mutualTlsAuthentication" not in await room.ask("UpdateDomainName", domainName=NAME, patchOperations=off)
        assert room.gateway.trusted_for(NAME) is None

    play_once(story)
