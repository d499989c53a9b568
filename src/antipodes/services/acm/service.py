"""ACM of one Region. DNS validation is real: a certificate stays PENDING_VALIDATION until the planet's DNS answers the
CNAME that proves control of each of its names. The Region's TLS listener asks this service for its certificates.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec

from antipodes.services.acm.certificates import Certificates, Signer
from antipodes.services.acm.records import Cabinet, Certificate, validation_record
from antipodes.services.contract import Carried, Surroundings
from antipodes.wire.dns import BadName
from antipodes.wire.dns_client import BadAnswer, build_query, parse_answer
from antipodes.wire.errors import AwsError, ClientFault, NotSupported, ValidationException
from antipodes.wire.operation import Operation, Request, Result
from antipodes.world.world import NetworkError

POLL_S = 1.0
PATIENCE_S = 72 * 3600.0  # "Pending validation for 72 hours": then ACM gives up
LIFE_S = 397 * 86400.0  # what edge.tls gives a certificate
RENEW_BEFORE_S = 60 * 86400.0  # ACM renews 60 days before the end
MAX_NAMES = 10
changed = msgspec.structs.replace


class ACM:
    """The service."""

    name = "acm"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings, authority: Signer | None = None) -> None:
        self._surroundings = surroundings
        self._world = surroundings.world
        self._store = surroundings.store
        self._account = surroundings.settings.account
        self._certificates = Certificates(surroundings.region, surroundings.world.address, authority)
        self._cabinet = Cabinet(surroundings.store)
        self._watch: asyncio.Task[None] | None = None
        self.operations: dict[str, Operation] = {
            "AddTagsToCertificate": self.add_tags_to_certificate,
            "DeleteCertificate": self.delete_certificate,
            "DescribeCertificate": self.describe_certificate,
            "GetCertificate": self.get_certificate,
            "ListCertificates": self.list_certificates,
            "ListTagsForCertificate": self.list_tags_for_certificate,
            "RemoveTagsFromCertificate": self.remove_tags_from_certificate,
            "RequestCertificate": self.request_certificate,
        }

    async def start(self) -> None:
        now = self._world.now()
        self._certificates.open(now)
        for one in self._cabinet.certificates():
            certificate = one
            if one.status == "ISSUED" and (one.expires or 0) - now < RENEW_BEFORE_S:
                certificate = self._issue(one)
            self._certificates.put(certificate)
        self._look_after_pending()

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    def certificate_for(self, name: str | None) -> tuple[bytes, bytes] | None:
        """What the Region's TLS listener asks; see `certificates.Certificates`."""
        return self._certificates.certificate_for(name)

    def _issue(self, certificate: Certificate) -> Certificate:
        """Signs a certificate whose names are proved, and stores it."""
        now = self._world.now()
        chain, key = self._certificates.sign(list(certificate.names), now)
        issued = changed(certificate, status="ISSUED", issued=now, expires=now + LIFE_S, chain=chain, key=key)
        self._cabinet.put(issued)
        self._certificates.put(issued)
        self._world.trace("acm.issued", names=",".join(issued.names))
        return issued

    # Validation

    def _look_after_pending(self) -> None:
        if (self._watch is None or self._watch.done()) and self._pending():
            self._watch = self._world.spawn(self._validate(), f"acm {self._surroundings.region}")

    def _pending(self) -> list[Certificate]:
        return [one for one in self._cabinet.certificates() if one.status == "PENDING_VALIDATION"]

    async def _validate(self) -> None:
        """Asks the planet's DNS for each proof until every certificate is settled one way or the other."""
        while pending := self._pending():
            for certificate in pending:
                for name in certificate.names:
                    if name not in certificate.validated and await self._proved(name):
                        self._note_proved(certificate.arn, name)
                self._settle(certificate.arn)
            await self._store.durable()
            await self._world.sleep(POLL_S)

    async def _proved(self, name: str) -> bool:
        record, value = validation_record(self._account, name)
        settings = self._surroundings.settings
        query = build_query(record, "CNAME", self._world.chance.getrandbits(16))
        try:
            answer = parse_answer(await self._world.ask(settings.dns_address, settings.dns_port, query))
        except (NetworkError, BadAnswer):
            return False
        return any(one.type == "CNAME" and one.value.lower() == value for one in answer.answers)

    def _note_proved(self, arn: str, name: str) -> None:
        certificate = self._cabinet.certificate(arn)  # it may have been deleted while DNS was asked
        if certificate is not None:
            self._cabinet.put(changed(certificate, validated=(*certificate.validated, name)))

    def _settle(self, arn: str) -> None:
        certificate = self._cabinet.certificate(arn)
        if certificate is None:
            return
        if all(name in certificate.validated for name in certificate.names):
            self._issue(certificate)
        elif self._world.now() - certificate.created > PATIENCE_S:
            self._cabinet.put(changed(certificate, status="VALIDATION_TIMED_OUT"))

    # Operations

    def _certificate(self, request: Request) -> Certificate:
        arn = request.params["CertificateArn"]
        found = self._cabinet.certificate(arn)
        if found is None:
            raise ClientFault(
                "ResourceNotFoundException", f"Could not find certificate {arn} in account {self._account}."
            )
        return found

    async def _settled(self) -> None:
        if not self._store.settled:
            await self._store.durable()

    async def request_certificate(self, request: Request) -> Result:
        params = request.params
        if params.get("ValidationMethod", "DNS") != "DNS":
            raise NotSupported(f"certificate validation by {params['ValidationMethod']}")
        if params.get("KeyAlgorithm", "EC_prime256v1") != "EC_prime256v1":
            raise NotSupported(f"the key algorithm {params['KeyAlgorithm']} (keys are EC_prime256v1)")
        for name in ("CertificateAuthorityArn", "ManagedBy"):
            if params.get(name):
                raise NotSupported(f"the parameter {name} of RequestCertificate")
        given = [params["DomainName"], *(params.get("SubjectAlternativeNames") or ())]
        names = tuple(dict.fromkeys(_checked(one) for one in given))
        if len(names) > MAX_NAMES:
            raise ClientFault(
                "LimitExceededException", f"Error: the request exceeds the limit of {MAX_NAMES} domain names."
            )
        token = params.get("IdempotencyToken")
        for one in self._cabinet.certificates():
            if token and one.token == token and one.names == names and self._world.now() - one.created < 3600:
                return {"CertificateArn": one.arn}
        ident = uuid.UUID(int=self._world.chance.getrandbits(128), version=4)
        certificate = Certificate(
            arn=f"arn:aws:acm:{self._surroundings.region}:{self._account}:certificate/{ident}",
            domain=names[0],
            names=names,
            status="PENDING_VALIDATION",
            created=self._world.now(),
            token=token,
            tags={str(tag["Key"]): str(tag.get("Value", "")) for tag in params.get("Tags") or ()},
        )
        self._cabinet.put(certificate)
        await self._store.durable()
        self._look_after_pending()
        return {"CertificateArn": certificate.arn}

    async def describe_certificate(self, request: Request) -> Result:
        await self._settled()
        one = self._certificate(request)
        found: dict[str, Any] = {
            "CertificateArn": one.arn,
            "DomainName": one.domain,
            "SubjectAlternativeNames": list(one.names),
            "DomainValidationOptions": [self._option(one, name) for name in one.names],
            "Subject": f"CN={one.domain}",
            "Issuer": "antipodes local CA",
            "CreatedAt": one.created,
            "Status": one.status,
            "KeyAlgorithm": "EC-prime256v1",
            "SignatureAlgorithm": "SHA256WITHECDSA",
            "InUseBy": await self._users(one.arn),
            "Type": "AMAZON_ISSUED",
            "KeyUsages": [{"Name": "DIGITAL_SIGNATURE"}],
            "ExtendedKeyUsages": [{"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"}],
            "RenewalEligibility": "ELIGIBLE" if one.status == "ISSUED" else "INELIGIBLE",
            "Options": {"CertificateTransparencyLoggingPreference": "DISABLED"},
        }
        if one.issued is not None and one.expires is not None:
            found |= {"IssuedAt": one.issued, "NotBefore": one.issued, "NotAfter": one.expires}
        return {"Certificate": found}

    def _option(self, certificate: Certificate, name: str) -> dict[str, Any]:
        record, value = validation_record(self._account, name)
        status = "SUCCESS" if name in certificate.validated else "PENDING_VALIDATION"
        return {
            "DomainName": name,
            "ValidationDomain": name,
            "ValidationStatus": "FAILED" if certificate.status == "VALIDATION_TIMED_OUT" else status,
            "ResourceRecord": {"Name": record, "Type": "CNAME", "Value": value},
            "ValidationMethod": "DNS",
        }

    async def _users(self, arn: str) -> list[str]:
        """ARNs of this Region's custom domains that use the certificate."""
        try:
            found = await self._surroundings.call("apigateway", "GetDomainNames", {})
        except AwsError:
            return []
        region = self._surroundings.region
        return [
            f"arn:aws:apigateway:{region}::/domainnames/{one['domainName']}"
            for one in found.get("items") or ()
            if arn in (one.get("regionalCertificateArn"), one.get("certificateArn"))
        ]

    async def get_certificate(self, request: Request) -> Result:
        await self._settled()
        one = self._certificate(request)
        if one.status != "ISSUED":
            raise ClientFault("RequestInProgressException", f"Certificate {one.arn} is not issued yet.")
        end = b"-----END CERTIFICATE-----\n"
        leaf, _, rest = one.chain.partition(end)
        return {"Certificate": (leaf + end).decode(), "CertificateChain": rest.decode()}

    async def list_certificates(self, request: Request) -> Result:
        await self._settled()
        wanted = request.params.get("CertificateStatuses") or ()
        return {
            "CertificateSummaryList": [
                {
                    "CertificateArn": one.arn,
                    "DomainName": one.domain,
                    "SubjectAlternativeNameSummaries": list(one.names),
                    "HasAdditionalSubjectAlternativeNames": False,
                    "Status": one.status,
                    "Type": "AMAZON_ISSUED",
                    "KeyAlgorithm": "EC-prime256v1",
                    "CreatedAt": one.created,
                }
                for one in self._cabinet.certificates()
                if not wanted or one.status in wanted
            ]
        }

    async def delete_certificate(self, request: Request) -> Result:
        one = self._certificate(request)
        if await self._users(one.arn):
            raise ClientFault("ResourceInUseException", f"Certificate {one.arn} in account {self._account} is in use.")
        self._cabinet.drop(one.arn)
        self._certificates.drop(one)
        for other in self._cabinet.certificates():  # another one of the same name takes its place
            self._certificates.put(other)
        await self._store.durable()
        return {}

    async def add_tags_to_certificate(self, request: Request) -> Result:
        one = self._certificate(request)
        tags = {str(tag["Key"]): str(tag.get("Value", "")) for tag in request.params["Tags"]}
        self._cabinet.put(changed(one, tags={**one.tags, **tags}))
        await self._store.durable()
        return {}

    async def remove_tags_from_certificate(self, request: Request) -> Result:
        one = self._certificate(request)
        gone = [tag["Key"] for tag in request.params["Tags"]]
        self._cabinet.put(changed(one, tags={key: value for key, value in one.tags.items() if key not in gone}))
        await self._store.durable()
        return {}

    async def list_tags_for_certificate(self, request: Request) -> Result:
        await self._settled()
        one = self._certificate(request)
        return {"Tags": [{"Key": key, "Value": value} for key, value in one.tags.items()]}


def _checked(name: str) -> str:
    """A DNS name, perhaps with a leading wildcard; lower case. Raises ValidationException."""
    wanted = name.rstrip(".").lower()
    try:
        build_query(wanted.removeprefix("*."), "CNAME", 0)
        good = "." in wanted and "*" not in wanted.removeprefix("*.")
    except (BadName, ValueError):
        good = False
    if not good:
        raise ValidationException(f"The domain name {name} is not valid.")
    return wanted
