"""Tags of what has an ARN: APIs, stages, domain names, API keys, usage plans, client certificates."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import msgspec

from antipodes.services.apigateway.v1.apis import APIS
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.client_certificates import CERTIFICATES
from antipodes.services.apigateway.v1.domains import DOMAINS
from antipodes.services.apigateway.v1.keys import KEYS
from antipodes.services.apigateway.v1.kinds import Kind
from antipodes.services.apigateway.v1.records import bad_request
from antipodes.services.apigateway.v1.stages import STAGES
from antipodes.services.apigateway.v1.usage_plans import PLANS
from antipodes.wire.operation import Request, Result

ARN = re.compile(
    r"arn:aws[a-z-]*:apigateway:([a-z0-9-]+)::/(restapis|domainnames|apikeys|usageplans|clientcertificates)/([^/]+)(?:/stages/([^/]+))?"
)
LIMIT = 50
OWNERS: Mapping[str, tuple[Kind[Any], str]] = MappingProxyType(
    {
        "restapis": (APIS, "restApiId"),
        "domainnames": (DOMAINS, "domainName"),
        "apikeys": (KEYS, "apiKey"),
        "usageplans": (PLANS, "usagePlanId"),
        "clientcertificates": (CERTIFICATES, "clientCertificateId"),
    }
)

Save = Callable[[Any], Awaitable[None]]


async def tag_resource(catalogue: Catalogue, request: Request) -> Result:
    record, save = _tagged(catalogue, request.params["resourceArn"])
    tags = {**record.tags, **request.params["tags"]}
    if len(tags) > LIMIT:
        raise bad_request("The number of tags exceeds the limit of 50")  # the words are a guess
    await save(msgspec.structs.replace(record, tags=tags))
    return {}


async def untag_resource(catalogue: Catalogue, request: Request) -> Result:
    record, save = _tagged(catalogue, request.params["resourceArn"])
    gone = request.params["tagKeys"]
    await save(msgspec.structs.replace(record, tags={k: v for k, v in record.tags.items() if k not in gone}))
    return {}


async def get_tags(catalogue: Catalogue, request: Request) -> Result:
    record, _ = _tagged(catalogue, request.params["resourceArn"])
    await catalogue.settled()
    tags: Mapping[str, str] = record.tags
    return {"tags": dict(tags)}


def _tagged(catalogue: Catalogue, arn: str) -> tuple[Any, Save]:
    match = ARN.fullmatch(unquote(arn))
    if match is None or match[1] != catalogue.surroundings.region:
        raise bad_request(f"Invalid ARN: {arn}")
    kind, name, stage = match[2], match[3], match[4]
    owner, parameter = OWNERS[kind] if stage is None else (STAGES, "restApiId")
    params = {parameter: name, "stageName": stage}
    record: Any = owner.find(catalogue, params)
    return record, lambda record: owner.put(catalogue, params, record)
