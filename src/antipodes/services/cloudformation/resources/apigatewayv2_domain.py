"""AWS::ApiGatewayV2::DomainName and AWS::ApiGatewayV2::ApiMapping."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, chosen, gone, tags_of
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError

SERVICE = "apigatewayv2"
DOMAIN = ("DomainName", "DomainNameConfigurations", "MutualTlsAuthentication", "RoutingMode")
MAPPING = ("ApiId", "ApiMappingKey", "DomainName", "Stage")


def domain_made(found: Any) -> Made:
    configuration = found["DomainNameConfigurations"][0]
    return Made(
        found["DomainName"],
        {
            "RegionalDomainName": configuration["ApiGatewayDomainName"],
            "RegionalHostedZoneId": configuration["HostedZoneId"],
            "DomainNameArn": found["DomainNameArn"],
        },
    )


async def create_domain(job: Job) -> Made:
    tags = {one["Key"]: one["Value"] for one in tags_of(job.properties, job.tags)}
    params: dict[str, Any] = {**chosen(job.properties, *DOMAIN), "Tags": tags}
    try:
        found = await job.call(SERVICE, "CreateDomainName", shaped(SERVICE, "CreateDomainName", params))
    except AwsError as error:
        if not (job.may_exist and error.code in EXISTS_CODES):
            raise
        found = await job.call(SERVICE, "GetDomainName", chosen(job.properties, "DomainName"))
    return domain_made(found)


async def update_domain(job: Job) -> Made:
    params = shaped(SERVICE, "UpdateDomainName", chosen(job.properties, *DOMAIN))
    return domain_made(await job.call(SERVICE, "UpdateDomainName", params))


async def delete_domain(job: Job) -> None:
    await gone(job.call(SERVICE, "DeleteDomainName", {"DomainName": job.physical_id}))


async def create_mapping(job: Job) -> Made:
    mapping = job.physical_id
    if not mapping:
        params = shaped(SERVICE, "CreateApiMapping", chosen(job.properties, *MAPPING))
        try:
            mapping = str((await job.call(SERVICE, "CreateApiMapping", params))["ApiMappingId"])
        except AwsError as error:
            if not (job.may_exist and error.code in EXISTS_CODES):
                raise
            listed = await job.call(SERVICE, "GetApiMappings", chosen(job.properties, "DomainName"))
            key = job.properties.get("ApiMappingKey", "")
            mapping = next(one["ApiMappingId"] for one in listed["Items"] if one["ApiMappingKey"] == key)
        await job.claim(mapping)
    return Made(mapping, {"ApiMappingId": mapping})


async def update_mapping(job: Job) -> Made:
    params = {"ApiMappingId": job.physical_id, "ApiMappingKey": "", **chosen(job.properties, *MAPPING)}
    await job.call(SERVICE, "UpdateApiMapping", shaped(SERVICE, "UpdateApiMapping", params))
    return Made(job.physical_id, job.attributes)


async def delete_mapping(job: Job) -> None:
    params = {"DomainName": job.properties["DomainName"], "ApiMappingId": job.physical_id}
    await gone(job.call(SERVICE, "DeleteApiMapping", params))


HANDLERS = (
    Handler(
        "AWS::ApiGatewayV2::DomainName",
        frozenset({*DOMAIN, "Tags"}),
        create_domain,
        delete_domain,
        update_domain,
        replaced_by=frozenset({"DomainName", "Tags"}),
        name_property="DomainName",
        required=("DomainName",),
    ),
    Handler(
        "AWS::ApiGatewayV2::ApiMapping",
        frozenset(MAPPING),
        create_mapping,
        delete_mapping,
        update_mapping,
        replaced_by=frozenset({"DomainName"}),
        required=("ApiId", "DomainName", "Stage"),
    ),
)
