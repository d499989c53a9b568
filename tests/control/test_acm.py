"""Certificates: validated by a DNS that really answers, or not at all."""

from __future__ import annotations

from cryptography import x509

from antipodes.edge.tls import Authority
from antipodes.services.acm.records import validation_record
from antipodes.services.acm.service import ACM
from antipodes.wire.dns import CNAME, Record, build_answer, decode_name, parse_query
from antipodes.wire.rdata import encode
from tests.control.conftest import REGION, ask, refused, surroundings
from tests.worlds import Worlds

NAME = "api.globaldb.example"
ACCOUNT = "000000000000"


class Zone:
    """A name server that answers the CNAMEs it was given."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}

    def answer(self, datagram: bytes, client: tuple[str, int]) -> bytes | None:
        query = parse_query(datagram)
        value = self.records.get(decode_name(query.name).lower())
        return build_answer(
            query,
            3 if value is None else 0,
            [] if value is None else [Record(query.name, CNAME, 60, encode(CNAME, value))],
        )


def test_a_certificate_is_issued_when_its_record_is_answered_and_not_before(both_worlds: Worlds) -> None:
    async def story() -> None:
        world, zone, port = both_worlds.world(REGION), Zone(), both_worlds.free_port()
        server = await world.serve_datagrams(port, zone.answer)
        authority = Authority.create(world.now())
        acm = ACM(surroundings(world, dns_address=world.address, dns_port=port), authority)
        await acm.start()
        arn = (await ask(acm, "RequestCertificate", DomainName=NAME, SubjectAlternativeNames=["*." + NAME]))[
            "CertificateArn"
        ]
        await world.sleep(0.2)
        found = (await ask(acm, "DescribeCertificate", CertificateArn=arn))["Certificate"]
        assert found["Status"] == "PENDING_VALIDATION"
        assert acm.certificate_for(NAME) is None
        options = found["DomainValidationOptions"]
        assert options[0]["ResourceRecord"] == options[1]["ResourceRecord"]  # a wildcard shares its parent's
        record = options[0]["ResourceRecord"]
        zone.records[record["Name"]] = record["Value"]
        while found["Status"] == "PENDING_VALIDATION":
            await world.sleep(0.1)
            found = (await ask(acm, "DescribeCertificate", CertificateArn=arn))["Certificate"]
        assert found["Status"] == "ISSUED"
        served = acm.certificate_for(NAME)
        assert served is not None and served == acm.certificate_for("x." + NAME)
        leaf = x509.load_pem_x509_certificate(served[0])
        leaf.verify_directly_issued_by(authority.certificate)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [NAME, "*." + NAME]
        await ask(acm, "DeleteCertificate", CertificateArn=arn)
        assert acm.certificate_for(NAME) is None
        assert (await refused(acm, "DescribeCertificate", CertificateArn=arn)).code == "ResourceNotFoundException"
        await acm.stop()
        server.close()

    both_worlds.run(story)


def test_a_wrong_proof_proves_nothing(both_worlds: Worlds) -> None:
    async def story() -> None:
        world, zone, port = both_worlds.world(REGION), Zone(), both_worlds.free_port()
        server = await world.serve_datagrams(port, zone.answer)
        zone.records[validation_record(ACCOUNT, NAME)[0]] = validation_record("111111111111", NAME)[1]
        acm = ACM(surroundings(world, dns_address=world.address, dns_port=port))
        await acm.start()
        arn = (await ask(acm, "RequestCertificate", DomainName=NAME))["CertificateArn"]
        await world.sleep(1.5 if both_worlds.name == "real" else 30)
        found = (await ask(acm, "DescribeCertificate", CertificateArn=arn))["Certificate"]
        assert found["Status"] == "PENDING_VALIDATION"
        await acm.stop()
        server.close()

    both_worlds.run(story)


def test_the_regions_own_names_are_served_and_strangers_refused(both_worlds: Worlds) -> None:
    async def story() -> None:
        world = both_worlds.world(REGION)
        acm = ACM(surroundings(world), Authority.create(world.now()))
        await acm.start()
        own = acm.certificate_for(None)
        assert own is not None
        assert acm.certificate_for(f"abc.execute-api.{REGION}.amazonaws.com") == own
        assert acm.certificate_for(f"d-abc.execute-api.{REGION}.amazonaws.com") == own
        assert acm.certificate_for("abc.execute-api.us-east-1.amazonaws.com") is None
        assert acm.certificate_for("stranger.example") is None

    both_worlds.run(story)


def test_requests_are_idempotent_by_token_and_checked(both_worlds: Worlds) -> None:
    async def story() -> None:
        acm = ACM(surroundings(both_worlds.world(REGION)))
        one = await ask(acm, "RequestCertificate", DomainName=NAME, IdempotencyToken="t")
        assert await ask(acm, "RequestCertificate", DomainName=NAME, IdempotencyToken="t") == one
        assert await ask(acm, "RequestCertificate", DomainName=NAME) != one
        for name in ("nodots", "a.*.example", "a..example", "x" * 64 + ".example"):
            assert (await refused(acm, "RequestCertificate", DomainName=name)).code == "ValidationException"
        error = await refused(acm, "RequestCertificate", DomainName=NAME, ValidationMethod="EMAIL")
        assert "validation by EMAIL" in error.message
        await acm.stop()

    both_worlds.run(story)
