"""Regional custom domain names and their base path mappings.

The certificate comes from ACM of the same Region and must cover the name. The same name may exist in several Regions:
that is what makes one API answer from many places (facts 3.5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Members
from typing import Any

import msgspec

from antipodes.services.apigateway import mutual_tls
from antipodes.services.apigateway.mutual_tls import truststore_of
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.kinds import Nested, Params, Rooted
from antipodes.services.apigateway.v1.listing import answered, page
from antipodes.services.apigateway.v1.patching import Inner, One, Table, patched
from antipodes.services.apigateway.v1.records import (
    NO_BASE_PATH,
    Domain,
    Mapping,
    Truststore,
    bad_request,
    conflict,
    not_found,
)
from antipodes.services.apigateway.zones import hosted_zone_id
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

TABLE: Table = {
    "/regionalCertificateArn": One("certificate_arn"),
    "/securityPolicy": One("security_policy"),
    "/ownershipVerificationCertificateArn": One("ownership_arn", gone=""),
    "/mutualTlsAuthentication": Inner(
        "truststore",
        Truststore(uri="", pem=b""),
        {"/truststoreUri": One("uri", gone=""), "/truststoreVersion": One("version", gone="")},
    ),
}
NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
BASE_PATH = re.compile(r"[a-zA-Z0-9$\-_.+!*'()]{1,300}")
REFUSED = (
    "certificateArn",
    "certificateBody",
    "certificatePrivateKey",
    "certificateChain",
    "policy",
)


async def create_domain_name(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    name = str(params["domainName"]).lower()
    types = (params.get("endpointConfiguration") or {}).get("types") or ["REGIONAL"]
    if list(types) != ["REGIONAL"]:
        raise NotSupported(f"custom domain names of type {', '.join(types)}; only REGIONAL")
    for refused in REFUSED:
        if params.get(refused):
            raise NotSupported(f"{refused} of custom domain names")
    if params.get("routingMode") not in (None, "BASE_PATH_MAPPING_ONLY"):
        raise NotSupported(f"routingMode {params['routingMode']} of custom domain names")
    if not NAME.fullmatch(name):
        raise bad_request("The domain name is not valid.")
    if name.startswith("*."):
        raise NotSupported("wildcard custom domain names")
    if name in catalogue.domains:
        raise conflict("The domain name you provided already exists.")
    arn = params.get("regionalCertificateArn")
    if not arn:
        raise bad_request("Regional certificate ARN must be specified for a REGIONAL domain name.")
    await check_certificate(catalogue, arn, name)
    ownership = str(params.get("ownershipVerificationCertificateArn") or "")
    if ownership:
        await check_certificate(catalogue, ownership, name)
    mutual = params.get("mutualTlsAuthentication") or {}
    truststore = await truststore_of(
        catalogue.surroundings, mutual.get("truststoreUri") or "", mutual.get("truststoreVersion") or ""
    )
    policy = params.get("securityPolicy") or "TLS_1_2"
    check_policy(policy, truststore)
    if name in catalogue.domains:  # ACM and S3 took their time
        raise conflict("The domain name you provided already exists.")
    domain = Domain(
        name=name,
        regional_id=f"d-{catalogue.new_id(10)}",
        certificate_arn=arn,
        security_policy=policy,
        created=catalogue.surroundings.world.now(),
        tags=dict(params.get("tags") or {}),
        truststore=truststore,
        ownership_arn=ownership,
    )
    await catalogue.save_domain(domain)
    return _shown(catalogue, domain)


async def get_domain_name(catalogue: Catalogue, request: Request) -> Result:
    return _shown(catalogue, await DOMAINS.read(catalogue, request.params))


async def get_domain_names(catalogue: Catalogue, request: Request) -> Result:
    await catalogue.settled()
    every = DOMAINS.every(catalogue, request.params)
    return page([_shown(catalogue, domain) for domain in every], request.params)


async def update_domain_name(catalogue: Catalogue, request: Request) -> Result:
    """Another certificate, another policy of TLS, another truststore."""
    before = DOMAINS.find(catalogue, request.params)
    after = patched(before, request.params.get("patchOperations"), TABLE, request.operation)
    mutual: dict[str, str] | None = None
    if after.truststore is not before.truststore:
        mutual = {}
        if after.truststore is not None and after.truststore.uri:
            mutual = {"truststoreUri": after.truststore.uri, "truststoreVersion": after.truststore.version}
    await changed(catalogue, after, mutual)
    return _shown(catalogue, DOMAINS.find(catalogue, request.params))


async def changed(catalogue: Catalogue, after: Domain, mutual: Members[str, str] | None) -> None:
    """Saves a domain with another certificate, policy or truststore, when they were found to be good. mutual:
    truststoreUri and truststoreVersion, to be read (again); None: the truststore stays."""
    before = catalogue.domain(after.name)
    for arn in (after.certificate_arn, after.ownership_arn):
        if arn and arn not in {before.certificate_arn, before.ownership_arn}:
            await check_certificate(catalogue, arn, after.name)
    truststore = before.truststore
    if mutual is not None:
        uri, version = str(mutual.get("truststoreUri") or ""), str(mutual.get("truststoreVersion") or "")
        truststore = await truststore_of(catalogue.surroundings, uri, version)
    check_policy(after.security_policy, truststore)
    now = catalogue.domain(after.name)  # ACM and S3 took their time
    await catalogue.save_domain(
        msgspec.structs.replace(
            now,
            certificate_arn=after.certificate_arn,
            security_policy=after.security_policy,
            ownership_arn=after.ownership_arn,
            truststore=truststore,
        )
    )


def check_policy(policy: str, truststore: Truststore | None) -> None:
    """Raises BadRequestException."""
    if policy not in {"TLS_1_0", "TLS_1_2"}:
        raise bad_request(f"Invalid security policy: {policy}")
    if truststore is not None and policy != "TLS_1_2":
        raise bad_request("Mutual TLS requires the security policy TLS_1_2")  # the words are a guess


def covers(pattern: str, name: str) -> bool:
    """Whether a certificate's name covers a host name: equal, or a wildcard for exactly one label."""
    pattern = pattern.lower()
    return pattern == name or (pattern.startswith("*.") and name.partition(".")[2] == pattern[2:])


async def check_certificate(catalogue: Catalogue, arn: str, name: str) -> None:
    region = arn.split(":")[3] if arn.count(":") >= 5 else ""
    if region != catalogue.surroundings.region:
        raise bad_request(
            f"The certificate must be in the same Region as the custom domain name: {catalogue.surroundings.region}"
        )
    try:
        described = await catalogue.surroundings.call("acm", "DescribeCertificate", {"CertificateArn": arn})
    except ClientFault as error:
        raise bad_request(f"Invalid certificate ARN: {arn}. Certificate must be in the Region's ACM.") from error
    certificate: Members[str, Any] = described["Certificate"]
    names = [certificate.get("DomainName") or "", *(certificate.get("SubjectAlternativeNames") or ())]
    if not any(covers(pattern, name) for pattern in names):
        raise bad_request("The domain name to be created is not covered by the provided certificate.")
    if certificate.get("Status", "ISSUED") != "ISSUED":
        raise bad_request(f"The certificate is not issued yet: its status is {certificate.get('Status')}.")


def _base_path(given: str | None) -> str:
    if not given or given == NO_BASE_PATH:
        return ""
    if not BASE_PATH.fullmatch(given):
        raise bad_request("API Gateway V1 doesn't support multi-level base paths or these characters.")
    return given


def _shown(catalogue: Catalogue, domain: Domain) -> dict[str, Any]:
    region = catalogue.surroundings.region
    return answered(
        {
            "domainName": domain.name,
            "domainNameArn": f"arn:aws:apigateway:{region}::/domainnames/{domain.name}",
            "regionalDomainName": f"{domain.regional_id}.execute-api.{region}.amazonaws.com",
            "regionalHostedZoneId": hosted_zone_id(region),
            "regionalCertificateArn": domain.certificate_arn,
            "certificateUploadDate": domain.created,
            "endpointConfiguration": {"types": ["REGIONAL"], "ipAddressType": "ipv4"},
            "domainNameStatus": "AVAILABLE",
            "securityPolicy": domain.security_policy,
            "routingMode": "BASE_PATH_MAPPING_ONLY",
        },
        mutualTlsAuthentication=None if domain.truststore is None else mutual_tls.shown(domain.truststore),
        ownershipVerificationCertificateArn=domain.ownership_arn,
        tags=domain.tags,
    )


def _shown_mapping(mapping: Mapping) -> dict[str, Any]:
    return answered({"basePath": mapping.base_path or NO_BASE_PATH, "restApiId": mapping.api_id}, stage=mapping.stage)


# Their answers name the Region: those of them that show one are functions above.
DOMAINS = Rooted(
    shown=lambda domain: {"domainName": domain.name},
    found=lambda catalogue, params: catalogue.domain(params["domainName"]),
    listed=lambda catalogue, params: [catalogue.domains[name] for name in sorted(catalogue.domains)],
    save=Catalogue.save_domain,
    remove=Catalogue.delete_domain,
)


def _made_mapping(catalogue: Catalogue, params: Params) -> Mapping:
    base = _base_path(params.get("basePath"))
    if base in DOMAINS.find(catalogue, params).mappings:
        raise conflict("Base path already exists for this domain name")
    mapping = Mapping(
        base_path=base, api_id=params["restApiId"], stage=params.get("stage") or "", id=catalogue.new_id(6)
    )
    return _checked_mapping(catalogue, mapping)


def _checked_mapping(catalogue: Catalogue, mapping: Mapping) -> Mapping:
    if mapping.api_id not in catalogue.apis:
        raise bad_request("Invalid REST API identifier specified")
    if mapping.stage and (mapping.api_id, mapping.stage) not in catalogue.stages:
        raise bad_request("Invalid stage identifier specified")
    return mapping


MAPPINGS = Nested(
    owner=DOMAINS,
    attribute="mappings",
    key="base_path",
    asked=lambda params: _base_path(params.get("basePath")),
    absent=lambda _: not_found("base path mapping"),
    shown=_shown_mapping,
    made=_made_mapping,
    patches={"/stage": One("stage"), "/restapiId": One("api_id"), "/restApiId": One("api_id")},
    changed=lambda catalogue, params, _, after: _checked_mapping(catalogue, after),
)
