"""What every CloudFormation operation needs: the records, the drafting room, the engine, and how to find a stack."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from antipodes.services.cloudformation.drafting import Drafting
from antipodes.services.cloudformation.engine import Engine
from antipodes.services.cloudformation.journal import Journal
from antipodes.services.cloudformation.records import Asked, Records, Stack
from antipodes.services.cloudformation.text import validation_error
from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AwsError, NotSupported

STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")


@dataclass(frozen=True, slots=True)
class Control:
    """One Region's CloudFormation."""

    surroundings: Surroundings
    records: Records
    drafting: Drafting
    journal: Journal
    engine: Engine

    def now(self) -> float:
        return self.surroundings.world.now()

    async def durable(self) -> None:
        await self.surroundings.store.durable()

    async def settled(self) -> None:
        """Before answering a read."""
        if not self.surroundings.store.settled:
            await self.surroundings.store.durable()

    def arn(self, kind: str, name: str) -> str:
        """A new id: arn:aws:cloudformation:region:account:kind/name/uuid."""
        ident = uuid.UUID(int=self.surroundings.world.chance.getrandbits(128), version=4)
        account = self.surroundings.settings.account
        return f"arn:aws:cloudformation:{self.surroundings.region}:{account}:{kind}/{name}/{ident}"

    def stack(self, name: str) -> Stack:
        """By name or id. Raises ValidationError."""
        found = self.records.stack(name)
        if found is None:
            raise validation_error(f"Stack with id {name} does not exist")
        return found

    async def body(self, params: Mapping[str, Any], *, previous: Stack | None = None) -> str:
        """The template's text: TemplateBody, TemplateURL (an object in this planet's S3), or the stack's own."""
        if params.get("UsePreviousTemplate"):
            if previous is None:
                raise validation_error("UsePreviousTemplate needs a stack that exists")
            return previous.wanted.template
        given = [name for name in ("TemplateBody", "TemplateURL") if name in params]
        if len(given) != 1:
            raise validation_error("Either Template URL or Template Body must be specified.")
        if "TemplateBody" in params:
            return str(params["TemplateBody"])
        return await self.text_at(str(params["TemplateURL"]))

    async def text_at(self, url: str) -> str:
        """Of an object in this Region's S3."""
        bucket, key = place_of(url)
        try:
            answer = await self.surroundings.call("s3", "GetObject", {"Bucket": bucket, "Key": key})
        except AwsError as error:
            raise validation_error(f"S3 error: {error.message}") from None
        try:
            return bytes(answer["Body"]).decode()
        except UnicodeDecodeError:
            raise validation_error("Template format error: the template is not UTF-8 text") from None

    async def filled(self, asked: Asked) -> Asked:
        """With what Parameter Store has now under the names that parameters of SSM types give."""
        stored: dict[str, str] = {}
        for name, parameter in self.drafting.template(asked).parameters.items():
            if parameter.is_stored:
                try:
                    answer = await self.surroundings.call("ssm", "GetParameter", {"Name": asked.parameters[name]})
                except AwsError as error:
                    if error.code != "ParameterNotFound":
                        raise
                    raise validation_error(
                        f"Unable to fetch parameters [{asked.parameters[name]}] from parameter store for this account."
                    ) from None
                stored[name] = answer["Parameter"]["Value"]
        return msgspec.structs.replace(asked, stored=stored) if stored else asked


def place_of(url: str) -> tuple[str, str]:
    """(bucket, key) of an S3 URL: path or virtual-hosted style, or s3://bucket/key."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc and len(parts.path) > 1:
        return parts.netloc, parts.path[1:]
    host, path = parts.netloc.partition(":")[0], unquote(parts.path.lstrip("/"))
    virtual = re.fullmatch(r"(.+)\.s3[.-].*", host)
    if virtual:
        return virtual.group(1), path
    bucket, _, key = path.partition("/")
    if parts.scheme not in ("http", "https") or not bucket or not key:
        raise validation_error("TemplateURL must be a supported URL.")
    return bucket, key


def given_parameters(params: Mapping[str, Any]) -> dict[str, str | None]:
    """Parameters as name -> text, None where the previous value is to be used."""
    found: dict[str, str | None] = {}
    for one in params.get("Parameters") or ():
        name = one.get("ParameterKey")
        if not name:
            raise validation_error("ParameterKey is required")
        if name in found:
            raise validation_error(f"Parameter {name} is given twice")
        if one.get("UsePreviousValue"):
            found[name] = None
        else:
            found[name] = str(one.get("ParameterValue", ""))
    return found


def given_tags(params: Mapping[str, Any]) -> dict[str, str] | None:
    if "Tags" not in params:
        return None
    return {str(one["Key"]): str(one["Value"]) for one in params["Tags"]}


def refuse(params: Mapping[str, Any], *names: str) -> None:
    """Parameters that antipodes does not carry out are refused by name, not swallowed."""
    for name in names:
        if params.get(name):
            raise NotSupported(f"the parameter {name}")


def check_stack_name(name: str) -> str:
    if not STACK_NAME.fullmatch(name):
        raise validation_error(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )
    return name
