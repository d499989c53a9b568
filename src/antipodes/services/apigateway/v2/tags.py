"""Tags, by ARN: of HTTP APIs, their stages, and domain names."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.records import bad_request
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.records import missing
from antipodes.wire.operation import Request, Result

ARN = re.compile(
    r"arn:aws[a-z-]*:apigateway:(?P<region>[a-z0-9-]+)::/"
    r"(?:apis/(?P<api>[a-z0-9]+)(?:/stages/(?P<stage>[A-Za-z0-9_$-]+))?|domainnames/(?P<domain>[^/]+))"
)
MOST = 50  # tags of one resource


async def get_tags(catalogue: HttpCatalogue, request: Request) -> Result:
    tags = _found(catalogue, request.params["ResourceArn"]).tags
    await catalogue.shared.settled()
    return {"Tags": dict(tags)}


async def tag_resource(catalogue: HttpCatalogue, request: Request) -> Result:
    arn = request.params["ResourceArn"]
    merged = {**_found(catalogue, arn).tags, **(request.params.get("Tags") or {})}
    if len(merged) > MOST:
        raise bad_request(f"The maximum number of tags for a resource is {MOST}")
    await _save(catalogue, arn, merged)
    return {}


async def untag_resource(catalogue: HttpCatalogue, request: Request) -> Result:
    arn, gone = request.params["ResourceArn"], request.params["TagKeys"]
    await _save(catalogue, arn, {k: v for k, v in _found(catalogue, arn).tags.items() if k not in gone})
    return {}


def _match(catalogue: HttpCatalogue, arn: str) -> re.Match[str]:
    match = ARN.fullmatch(arn)
    if match is None or match["region"] != catalogue.surroundings.region:
        raise bad_request(f"Invalid resource ARN specified in the request: {arn}")
    return match


def _found(catalogue: HttpCatalogue, arn: str) -> Any:
    match = _match(catalogue, arn)
    if match["stage"]:
        return catalogue.stage(match["api"], match["stage"])
    if match["api"]:
        return catalogue.api(match["api"])
    domain = catalogue.shared.domains.get(match["domain"].lower())
    if domain is None:
        raise missing("domain name", match["domain"])
    return domain


async def _save(catalogue: HttpCatalogue, arn: str, tags: dict[str, str]) -> None:
    match = _match(catalogue, arn)
    changed = msgspec.structs.replace(_found(catalogue, arn), tags=tags)
    if match["stage"]:
        await catalogue.put_stage(changed)
    elif match["api"]:
        await catalogue.save_api(changed, deploy=False)
    else:
        await catalogue.shared.save_domain(changed)
