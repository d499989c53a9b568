"""Parameter Store: what each operation does. Names are paths; a name with a version behind a colon means that version.

Kinds String and StringList. SecureString is refused by name: there is no KMS to keep the keys. So are labels,
policies of the advanced tier, and parameters shared with other accounts. Sources: SSM API reference, "Parameter Store"
in the Systems Manager User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from antipodes.services.contract import Surroundings
from antipodes.services.ssm.records import Parameter, Shelf, Written
from antipodes.wire.errors import ClientFault, NotSupported, ValidationException
from antipodes.wire.operation import Request, Result

changed = msgspec.structs.replace
NAME = re.compile(r"[a-zA-Z0-9_.\-/]+")
MAX_VERSIONS = 100
MAX_LEVELS = 15
MAX_BYTES = {"Standard": 4096, "Advanced": 8192}


@dataclass(frozen=True, slots=True)
class Desk:
    """One Region's parameters."""

    around: Surroundings
    shelf: Shelf

    async def durable(self) -> None:
        await self.around.store.durable()

    async def settled(self) -> None:
        if not self.around.store.settled:
            await self.around.store.durable()

    def arn(self, name: str) -> str:
        return f"arn:aws:ssm:{self.around.region}:{self.around.settings.account}:parameter/{name.removeprefix('/')}"

    def parameter(self, name: str) -> Parameter:
        found = self.shelf.get(name)
        if found is None:
            raise ClientFault("ParameterNotFound", "")
        return found

    def selected(self, text: str) -> tuple[Parameter, Written, str]:
        """What a name, an ARN or either with ":version" means, and the selector. Raises ParameterNotFound,
        ParameterVersionNotFound."""
        if text.startswith("arn:"):
            start = f"arn:aws:ssm:{self.around.region}:{self.around.settings.account}:parameter/"
            if not text.startswith(start):
                raise NotSupported("parameters of other Regions and accounts")
            rest = text.removeprefix(start)
            text = rest if self.shelf.get(rest.partition(":")[0]) is not None else "/" + rest
        name, _, wanted = text.partition(":")
        parameter = self.parameter(name)
        if not wanted:
            return parameter, parameter.newest, ""
        for one in parameter.versions:
            if str(one.number) == wanted:
                return parameter, one, f":{wanted}"
        raise ClientFault(
            "ParameterVersionNotFound",
            f"Systems Manager could not find version {wanted} of {name}. Verify the version and try again.",
        )

    def told(self, parameter: Parameter, written: Written, selector: str = "") -> dict[str, Any]:
        """As GetParameter tells it."""
        return {
            "Name": parameter.name,
            "Type": parameter.type,
            "Value": written.value,
            "Version": written.number,
            **({"Selector": selector} if selector else {}),
            "LastModifiedDate": written.at,
            "ARN": self.arn(parameter.name),
            "DataType": parameter.data_type,
        }

    def described(self, parameter: Parameter, written: Written) -> dict[str, Any]:
        """As DescribeParameters and GetParameterHistory tell it."""
        return {
            "Name": parameter.name,
            "Type": parameter.type,
            "Version": written.number,
            "LastModifiedDate": written.at,
            "LastModifiedUser": f"arn:aws:iam::{self.around.settings.account}:root",
            "DataType": parameter.data_type,
            "Tier": written.tier,
            "Policies": [],
            **({"Description": written.description} if written.description else {}),
            **({"AllowedPattern": written.allowed_pattern} if written.allowed_pattern else {}),
        }


def check_name(name: str) -> None:
    if not NAME.fullmatch(name) or "//" in name or name.endswith("/"):
        raise ValidationException(
            'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of '
            "sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the "
            "following 3 symbols .-_"
        )
    if re.match(r"/?(aws|ssm)", name, re.IGNORECASE):
        raise ValidationException(
            'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive), which are reserved.'
        )
    if "/" in name and not name.startswith("/"):
        raise ValidationException("Parameter name must be a fully qualified name.")
    if name.count("/") > MAX_LEVELS:
        raise ClientFault(
            "HierarchyLevelLimitExceededException",
            f"The hierarchy may not have more than {MAX_LEVELS} levels: {name}",
        )


def _kind(params: Mapping[str, Any], there: Parameter | None) -> str:
    kind = params.get("Type") or (there.type if there else "")
    if kind == "SecureString":
        raise NotSupported("parameters of type SecureString (there is no KMS)")
    if not kind:
        raise ValidationException("A parameter type is required when you create a parameter.")
    if kind not in ("String", "StringList"):
        raise ClientFault("UnsupportedParameterType", f"The parameter type {kind} isn't supported.")
    if there is not None and kind != there.type:
        raise ClientFault(
            "HierarchyTypeMismatchException",
            "Parameter Store doesn't support changing a parameter type in a hierarchy.",
        )
    return str(kind)


def _check_value(value: str, pattern: str, tier: str) -> None:
    if not value:
        raise ValidationException("Parameter value can't be empty.")
    if len(value.encode()) > MAX_BYTES[tier]:
        raise ValidationException(
            f"{tier} tier parameters support a maximum parameter value of {MAX_BYTES[tier]} characters."
        )
    if not pattern:
        return
    try:
        fits = re.search(pattern, value) is not None
    except re.error:
        raise ClientFault("InvalidAllowedPatternException", f"Invalid allowed pattern: {pattern}") from None
    if not fits:
        raise ClientFault(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        )


def _tags(given: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    return {one["Key"]: one.get("Value", "") for one in given or ()}


async def put_parameter(desk: Desk, request: Request) -> Result:
    params = request.params
    name = params["Name"]
    check_name(name)
    for refused in ("Policies", "KeyId"):
        if params.get(refused):
            raise NotSupported(f"the parameter {refused} of PutParameter")
    if params.get("DataType", "text") != "text":
        raise NotSupported(f"the data type {params['DataType']} of parameters")
    there = desk.shelf.get(name)
    if there is not None and not params.get("Overwrite"):
        raise ClientFault(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        )
    if there is not None and params.get("Tags"):
        raise ValidationException(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please "
            "remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
            "RemoveTagsFromResource."
        )
    kind = _kind(params, there)
    tier = params.get("Tier") or (there.newest.tier if there else "Standard")
    if tier == "Intelligent-Tiering":
        tier = "Standard" if len(params["Value"].encode()) <= MAX_BYTES["Standard"] else "Advanced"
    pattern = params.get("AllowedPattern") or ""
    _check_value(params["Value"], pattern, tier)
    written = Written(
        number=there.newest.number + 1 if there else 1,
        value=params["Value"],
        at=desk.around.world.now(),
        description=params.get("Description", there.newest.description if there else ""),
        allowed_pattern=pattern,
        tier=tier,
    )
    if there is None:
        desk.shelf.put(Parameter(name, kind, (written,), tags=_tags(params.get("Tags"))))
    else:
        desk.shelf.put(changed(there, versions=(*there.versions[-(MAX_VERSIONS - 1) :], written)))
    await desk.durable()
    return {"Version": written.number, "Tier": tier}


async def get_parameter(desk: Desk, request: Request) -> Result:
    await desk.settled()
    return {"Parameter": desk.told(*desk.selected(request.params["Name"]))}


async def get_parameters(desk: Desk, request: Request) -> Result:
    await desk.settled()
    found, missing = [], []
    for name in request.params["Names"]:
        try:
            found.append(desk.told(*desk.selected(name)))
        except ClientFault as error:
            if error.code not in ("ParameterNotFound", "ParameterVersionNotFound"):
                raise
            missing.append(name)
    return {"Parameters": found, "InvalidParameters": missing}


def _page(found: Iterable[Any], params: Mapping[str, Any], usual: int) -> tuple[list[Any], dict[str, str]]:
    """The page from NextToken (a place) on, and where the next begins."""
    limit = int(params.get("MaxResults") or usual)
    token = str(params.get("NextToken") or "0")
    if not token.isdigit():
        raise ClientFault("InvalidNextToken", "The specified token isn't valid.")
    rest = list(found)[int(token) :]
    return rest[:limit], ({"NextToken": str(int(token) + limit)} if len(rest) > limit else {})


async def get_parameters_by_path(desk: Desk, request: Request) -> Result:
    await desk.settled()
    params = request.params
    path = params["Path"]
    if not path.startswith("/"):
        raise ValidationException(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward "
            'slash "/".'
        )
    below = path if path.endswith("/") else path + "/"
    found = [
        one
        for one in desk.shelf.all(below)
        if (params.get("Recursive") or "/" not in one.name[len(below) :])
        and fits(one, params.get("ParameterFilters") or ())
    ]
    page, more = _page(found, params, 10)
    return {"Parameters": [desk.told(one, one.newest) for one in page], **more}


def fits(parameter: Parameter, filters: Iterable[Mapping[str, Any]]) -> bool:
    """Whether all filters hold. Raises NotSupported, InvalidFilterKey."""
    for one in filters:
        key, values = one["Key"], list(one.get("Values") or ())
        option = one.get("Option") or ("OneLevel" if key == "Path" else "Equals")
        if key == "Name":
            name = parameter.name
            holds = {
                "Equals": name in values,
                "BeginsWith": any(name.startswith(value) for value in values),
                "Contains": any(value in name for value in values),
            }
        elif key == "Path":
            belows = [value if value.endswith("/") else value + "/" for value in values]
            under = [parameter.name[len(one) :] for one in belows if parameter.name.startswith(one)]
            holds = {"Recursive": bool(under), "OneLevel": any("/" not in rest for rest in under)}
        elif key in ("Type", "Tier", "DataType"):
            has = {"Type": parameter.type, "Tier": parameter.newest.tier, "DataType": parameter.data_type}[key]
            holds = {"Equals": has in values, "BeginsWith": any(has.startswith(value) for value in values)}
        elif key.startswith("tag:"):
            tag = parameter.tags.get(key.removeprefix("tag:"))
            holds = {"Equals": tag is not None and (not values or tag in values)}
        else:
            raise NotSupported(f"the filter {key} of parameters")
        if option not in holds:
            raise ClientFault("InvalidFilterOption", f"The filter option {option} isn't valid for {key}.")
        if not holds[option]:
            return False
    return True


async def describe_parameters(desk: Desk, request: Request) -> Result:
    await desk.settled()
    params = request.params
    if params.get("Filters") or params.get("Shared"):
        raise NotSupported("the parameters Filters and Shared of DescribeParameters (ParameterFilters is)")
    found = [one for one in desk.shelf.all() if fits(one, params.get("ParameterFilters") or ())]
    page, more = _page(found, params, 50)
    return {
        "Parameters": [{**desk.described(one, one.newest), "ARN": desk.arn(one.name)} for one in page],
        **more,
    }


async def get_parameter_history(desk: Desk, request: Request) -> Result:
    await desk.settled()
    parameter = desk.parameter(request.params["Name"])
    page, more = _page(parameter.versions, request.params, 50)
    return {
        "Parameters": [{**desk.described(parameter, one), "Value": one.value, "Labels": []} for one in page],
        **more,
    }


async def delete_parameter(desk: Desk, request: Request) -> Result:
    desk.shelf.drop(desk.parameter(request.params["Name"]).name)
    await desk.durable()
    return {}


async def delete_parameters(desk: Desk, request: Request) -> Result:
    names = request.params["Names"]
    there = [name for name in names if desk.shelf.get(name) is not None]
    for name in there:
        desk.shelf.drop(name)
    await desk.durable()
    return {"DeletedParameters": there, "InvalidParameters": [name for name in names if name not in there]}


# Tags


def _tagged(desk: Desk, params: Mapping[str, Any]) -> Parameter:
    if params["ResourceType"] != "Parameter":
        raise NotSupported(f"tags of resource type {params['ResourceType']} in SSM")
    found = desk.shelf.get(params["ResourceId"])
    if found is None:
        raise ClientFault("InvalidResourceId", "The resource ID isn't valid. Verify that you entered the correct ID.")
    return found


async def add_tags_to_resource(desk: Desk, request: Request) -> Result:
    found = _tagged(desk, request.params)
    desk.shelf.put(changed(found, tags={**found.tags, **_tags(request.params["Tags"])}))
    await desk.durable()
    return {}


async def remove_tags_from_resource(desk: Desk, request: Request) -> Result:
    found, keys = _tagged(desk, request.params), request.params["TagKeys"]
    desk.shelf.put(changed(found, tags={key: value for key, value in found.tags.items() if key not in keys}))
    await desk.durable()
    return {}


async def list_tags_for_resource(desk: Desk, request: Request) -> Result:
    await desk.settled()
    return {"TagList": [{"Key": key, "Value": value} for key, value in _tagged(desk, request.params).tags.items()]}
