"""AWS::ApiGateway::DomainName and AWS::ApiGateway::BasePathMapping."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, gone, tags_of
from antipodes.services.cloudformation.resources.retagging import retag_api
from antipodes.wire.errors import AwsError

NO_PATH = "(none)"


def made(found: Any) -> Made:
    names = {
        "RegionalDomainName": "regionalDomainName",
        "RegionalHostedZoneId": "regionalHostedZoneId",
        "DistributionDomainName": "distributionDomainName",
        "DistributionHostedZoneId": "distributionHostedZoneId",
        "DomainNameArn": "domainNameArn",
    }
    return Made(found["domainName"], {name: found[member] for name, member in names.items() if found.get(member)})


async def create_domain(job: Job) -> Made:
    given = job.properties
    params: dict[str, Any] = {"domainName": given["DomainName"]}
    for name, member in (
        ("CertificateArn", "certificateArn"), ("RegionalCertificateArn", "regionalCertificateArn"),
        ("SecurityPolicy", "securityPolicy"),
        ("OwnershipVerificationCertificateArn", "ownershipVerificationCertificateArn"),
    ):  # fmt: skip
        if name in given:
            params[member] = given[name]
    kinds = (given.get("EndpointConfiguration") or {}).get("Types")
    if kinds:
        params["endpointConfiguration"] = {"types": kinds}
    mutual = given.get("MutualTlsAuthentication")
    if mutual:
        params["mutualTlsAuthentication"] = {name[:1].lower() + name[1:]: str(one) for name, one in mutual.items()}
    tags = tags_of(given, job.tags)
    if tags:
        params["tags"] = {one["Key"]: one["Value"] for one in tags}
    try:
        found = await job.call("apigateway", "CreateDomainName", params)
    except AwsError as error:
        # API Gateway says BadRequestException when the name is taken (seen on AWS: "The domain name you provided
        # already exists."), so on a second attempt ask whether it is there.
        if not (job.may_exist and error.code in (*EXISTS_CODES, "BadRequestException")):
            raise
        found = await job.call("apigateway", "GetDomainName", {"domainName": given["DomainName"]})
    return made(found)


async def update_domain(job: Job) -> Made:
    patches = [
        {"op": "replace", "path": path, "value": str(job.properties[name])}
        for name, path in (
            ("CertificateArn", "/certificateArn"),
            ("RegionalCertificateArn", "/regionalCertificateArn"),
            ("SecurityPolicy", "/securityPolicy"),
            ("OwnershipVerificationCertificateArn", "/ownershipVerificationCertificateArn"),
        )
        if job.changed(name) and name in job.properties
    ]
    if job.changed("MutualTlsAuthentication"):
        mutual = job.properties.get("MutualTlsAuthentication") or {}
        patches += [
            {"op": "replace", "path": f"/mutualTlsAuthentication/{name}", "value": str(mutual.get(member, ""))}
            for name, member in (("truststoreUri", "TruststoreUri"), ("truststoreVersion", "TruststoreVersion"))
        ]
    params = {"domainName": job.physical_id, "patchOperations": patches}
    found = await job.call("apigateway", "UpdateDomainName", params)
    await retag_api(job, f"domainnames/{job.physical_id}")
    return made(found)


async def delete_domain(job: Job) -> None:
    await gone(job.call("apigateway", "DeleteDomainName", {"domainName": job.physical_id}))


def path_of(properties: Any) -> str:
    return str(properties.get("BasePath") or NO_PATH)


async def create_mapping(job: Job) -> Made:
    params = {
        "domainName": job.properties["DomainName"],
        "basePath": path_of(job.properties),
        "restApiId": job.properties["RestApiId"],
    }
    if "Stage" in job.properties:
        params["stage"] = job.properties["Stage"]
    try:
        await job.call("apigateway", "CreateBasePathMapping", params)
    except AwsError as error:
        if not (job.may_exist and error.code in EXISTS_CODES):
            raise
    return Made(f"{params['domainName']}|{params['basePath']}")


async def update_mapping(job: Job) -> Made:
    patches = [{"op": "replace", "path": "/restapiId", "value": str(job.properties["RestApiId"])}]
    if "Stage" in job.properties:
        patches.append({"op": "replace", "path": "/stage", "value": str(job.properties["Stage"])})
    params = {
        "domainName": job.properties["DomainName"],
        "basePath": path_of(job.properties),
        "patchOperations": patches,
    }
    await job.call("apigateway", "UpdateBasePathMapping", params)
    return Made(job.physical_id)


async def delete_mapping(job: Job) -> None:
    params = {"domainName": job.properties["DomainName"], "basePath": path_of(job.properties)}
    await gone(job.call("apigateway", "DeleteBasePathMapping", params))


HANDLERS = (
    Handler(
        "AWS::ApiGateway::DomainName",
        frozenset(
            {
                "CertificateArn", "DomainName", "EndpointConfiguration", "MutualTlsAuthentication",
                "OwnershipVerificationCertificateArn", "RegionalCertificateArn", "SecurityPolicy", "Tags",
            }
        ),
        create_domain,
        delete_domain,
        update_domain,
        replaced_by=frozenset({"DomainName", "EndpointConfiguration"}),
        name_property="DomainName",
        required=("DomainName",),
    ),
    Handler(
        "AWS::ApiGateway::BasePathMapping",
        frozenset({"BasePath", "DomainName", "RestApiId", "Stage"}),
        create_mapping,
        delete_mapping,
        update_mapping,
        replaced_by=frozenset({"BasePath", "DomainName"}),
        required=("DomainName", "RestApiId"),
    ),
)  # fmt: skip
