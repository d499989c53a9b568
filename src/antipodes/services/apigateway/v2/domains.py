"""Custom domain names and API mappings as the second API shows them: the same domains that REST APIs have.

A mapping may have several levels ("orders/v1") and may lead to an HTTP API or to a REST API.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from antipodes.services.apigateway import mutual_tls
from antipodes.services.apigateway.v1 import domains
from antipodes.services.apigateway.v1.records import Domain, Mapping, bad_request, conflict
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.listing import page
from antipodes.services.apigateway.v2.records import missing
from antipodes.services.apigateway.zones import hosted_zone_id
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

KEY = re.compile(r"[a-zA-Z0-9$\-_.+!*'()/]{1,300}")  # facts 3.5
REFUSED = ("CertificateName",)


async def create_domain_name(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    _check_routing(params.get("RoutingMode"))
    configuration = _configuration(params.get("DomainNameConfigurations"))
    given: dict[str, Any] = {
        "domainName": params["DomainName"],
        "regionalCertificateArn": configuration.get("CertificateArn"),
        "securityPolicy": configuration.get("SecurityPolicy"),
        "endpointConfiguration": {"types": [configuration.get("EndpointType") or "REGIONAL"]},
        "mutualTlsAuthentication": _mutual(params.get("MutualTlsAuthentication")),
        "ownershipVerificationCertificateArn": configuration.get("OwnershipVerificationCertificateArn"),
        "tags": params.get("Tags"),
    }
    await domains.create_domain_name(catalogue.shared, msgspec.structs.replace(request, params=given))
    return shown(catalogue, _domain(catalogue, params["DomainName"]))


async def update_domain_name(catalogue: HttpCatalogue, request: Request) -> Result:
    """Another certificate, another security policy, another truststore."""
    params = request.params
    domain = _domain(catalogue, params["DomainName"])
    _check_routing(params.get("RoutingMode"))
    if params.get("DomainNameConfigurations"):
        configuration = _configuration(params["DomainNameConfigurations"])
        if configuration.get("EndpointType") not in (None, "REGIONAL"):
            raise NotSupported(f"custom domain names of type {configuration['EndpointType']}; only REGIONAL")
        domain = msgspec.structs.replace(
            domain,
            certificate_arn=configuration.get("CertificateArn") or domain.certificate_arn,
            security_policy=configuration.get("SecurityPolicy") or domain.security_policy,
            ownership_arn=configuration.get("OwnershipVerificationCertificateArn") or domain.ownership_arn,
        )
    await domains.changed(catalogue.shared, domain, _mutual(params.get("MutualTlsAuthentication")))
    return shown(catalogue, _domain(catalogue, params["DomainName"]))


async def get_domain_name(catalogue: HttpCatalogue, request: Request) -> Result:
    domain = _domain(catalogue, request.params["DomainName"])
    await catalogue.shared.settled()
    return shown(catalogue, domain)


async def get_domain_names(catalogue: HttpCatalogue, request: Request) -> Result:
    await catalogue.shared.settled()
    every = catalogue.shared.domains
    return page([shown(catalogue, every[name]) for name in sorted(every)], request.params)


async def delete_domain_name(catalogue: HttpCatalogue, request: Request) -> Result:
    """Its mappings go with it, as on AWS."""
    await catalogue.shared.delete_domain(_domain(catalogue, request.params["DomainName"]))
    return {}


async def create_api_mapping(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    domain = _domain(catalogue, params["DomainName"])
    key = _key(params.get("ApiMappingKey"))
    if key in domain.mappings:
        raise conflict(f"ApiMapping key {key or '(none)'} already exists for this domain name")
    mapping = Mapping(base_path=key, api_id=params["ApiId"], stage=params["Stage"], id=catalogue.shared.new_id(6))
    _check(catalogue, mapping)
    await _save(catalogue, domain, mapping)
    return shown_mapping(mapping)


async def update_api_mapping(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    domain, before = _mapping(catalogue, params)
    mapping = msgspec.structs.replace(
        before,
        api_id=params["ApiId"],
        stage=params.get("Stage") or before.stage,
        base_path=before.base_path if params.get("ApiMappingKey") is None else _key(params["ApiMappingKey"]),
        id=_id(before),
    )
    _check(catalogue, mapping)
    if mapping.base_path != before.base_path:
        if mapping.base_path in domain.mappings:
            raise conflict(f"ApiMapping key {mapping.base_path or '(none)'} already exists for this domain name")
        domain = _without(domain, before)
    await _save(catalogue, domain, mapping)
    return shown_mapping(mapping)


async def get_api_mapping(catalogue: HttpCatalogue, request: Request) -> Result:
    _, mapping = _mapping(catalogue, request.params)
    await catalogue.shared.settled()
    return shown_mapping(mapping)


async def get_api_mappings(catalogue: HttpCatalogue, request: Request) -> Result:
    domain = _domain(catalogue, request.params["DomainName"])
    await catalogue.shared.settled()
    return page([shown_mapping(domain.mappings[key]) for key in sorted(domain.mappings)], request.params)


async def delete_api_mapping(catalogue: HttpCatalogue, request: Request) -> Result:
    domain, mapping = _mapping(catalogue, request.params)
    await catalogue.shared.save_domain(_without(domain, mapping))
    return {}


def shown(catalogue: HttpCatalogue, domain: Domain) -> dict[str, Any]:
    region = catalogue.surroundings.region
    mutual = {} if domain.truststore is None else mutual_tls.shown(domain.truststore)
    ownership = {"OwnershipVerificationCertificateArn": domain.ownership_arn} if domain.ownership_arn else {}
    return {
        "ApiMappingSelectionExpression": "$request.basepath",
        "DomainName": domain.name,
        "DomainNameArn": f"arn:aws:apigateway:{region}::/domainnames/{domain.name}",
        "DomainNameConfigurations": [
            {
                "ApiGatewayDomainName": f"{domain.regional_id}.execute-api.{region}.amazonaws.com",
                "CertificateArn": domain.certificate_arn,
                "CertificateUploadDate": domain.created,
                "DomainNameStatus": "AVAILABLE",
                "EndpointType": "REGIONAL",
                "HostedZoneId": hosted_zone_id(region),
                "IpAddressType": "ipv4",
                "SecurityPolicy": domain.security_policy,
                **ownership,
            }
        ],
        **(
            {"MutualTlsAuthentication": {name[:1].upper() + name[1:]: one for name, one in mutual.items()}}
            if mutual
            else {}
        ),
        "RoutingMode": "API_MAPPING_ONLY",
        "Tags": dict(domain.tags),
    }


def _mutual(given: Any) -> dict[str, str] | None:
    """As the first API calls it."""
    if given is None:
        return None
    return {name[:1].lower() + name[1:]: str(given.get(name) or "") for name in ("TruststoreUri", "TruststoreVersion")}


def shown_mapping(mapping: Mapping) -> dict[str, Any]:
    return {
        "ApiId": mapping.api_id,
        "ApiMappingId": _id(mapping),
        "ApiMappingKey": mapping.base_path,
        "Stage": mapping.stage,
    }


def _id(mapping: Mapping) -> str:
    """Mappings of the first API were once kept without one: theirs is made of the path."""
    return mapping.id or hashlib.sha256(mapping.base_path.encode()).hexdigest()[:6]


def _domain(catalogue: HttpCatalogue, name: str) -> Domain:
    domain = catalogue.shared.domains.get(name.lower())
    if domain is None:
        raise ClientFault("NotFoundException", "Invalid domain name identifier specified", status=404)
    return domain


def _mapping(catalogue: HttpCatalogue, params: Any) -> tuple[Domain, Mapping]:
    domain = _domain(catalogue, params["DomainName"])
    for mapping in domain.mappings.values():
        if _id(mapping) == params["ApiMappingId"]:
            return domain, mapping
    raise missing("ApiMapping", params["ApiMappingId"])


def _without(domain: Domain, mapping: Mapping) -> Domain:
    kept = {key: one for key, one in domain.mappings.items() if key != mapping.base_path}
    return msgspec.structs.replace(domain, mappings=kept)


async def _save(catalogue: HttpCatalogue, domain: Domain, mapping: Mapping) -> None:
    mappings = {**domain.mappings, mapping.base_path: mapping}
    await catalogue.shared.save_domain(msgspec.structs.replace(domain, mappings=mappings))


def _check(catalogue: HttpCatalogue, mapping: Mapping) -> None:
    if mapping.api_id not in catalogue.apis and mapping.api_id not in catalogue.shared.apis:
        raise bad_request(f"Invalid API identifier specified {mapping.api_id}")
    place = (mapping.api_id, mapping.stage)
    if place not in catalogue.stages and place not in catalogue.shared.stages:
        raise bad_request(f"Invalid stage identifier specified {mapping.stage}")


def _key(given: str | None) -> str:
    if given in (None, "", "(none)"):
        return ""
    if not KEY.fullmatch(given) or given.startswith("/") or given.endswith("/") or "//" in given:
        raise bad_request(f"Invalid API mapping key {given}")
    return given


def _configuration(given: Any) -> dict[str, Any]:
    if not given or len(given) != 1:
        raise bad_request("Exactly one domain name configuration must be specified")
    configuration = {key: value for key, value in given[0].items() if value is not None}
    for name in REFUSED:
        if name in configuration:
            raise NotSupported(f"{name} of custom domain names")
    if configuration.get("IpAddressType") not in (None, "ipv4"):
        raise NotSupported(f"IpAddressType {configuration['IpAddressType']} of custom domain names")
    return configuration


def _check_routing(given: str | None) -> None:
    if given not in (None, "API_MAPPING_ONLY"):
        raise NotSupported(f"RoutingMode {given} of custom domain names")
