"""Function URLs, as they are configured: one for the function ($LATEST), one for each alias.

The address is `https://<url-id>.lambda-url.<region>.on.aws/`; url_door.py answers there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.records import LATEST, Function, FunctionUrl, conflict, invalid, timestamp
from antipodes.wire import cors
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result

ID_LENGTH = 32
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
PAGE = 50


async def create_function_url_config(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    function, qualifier = _named(catalogue, params)
    if qualifier in function.urls:
        arn = catalogue.arn(function.name, qualifier or None)
        raise conflict(
            f"Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists "
            "for this Lambda function"
        )
    chance, now = catalogue.surroundings.world.chance, catalogue.surroundings.world.now()
    url = FunctionUrl(
        id="".join(chance.choice(LETTERS) for _ in range(ID_LENGTH)),
        auth=params["AuthType"],
        cors=_cors(params.get("Cors")),
        created=now,
        updated=now,
        mode=params.get("InvokeMode") or "BUFFERED",
    )
    await _save(catalogue, function, qualifier, url)
    shown = _shown(catalogue, function, qualifier, url)
    del shown["LastModifiedTime"]
    return shown


async def update_function_url_config(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    function, qualifier, url = _found(catalogue, params)
    if params.get("AuthType") is not None:
        url = msgspec.structs.replace(url, auth=params["AuthType"])
    if params.get("Cors") is not None:
        url = msgspec.structs.replace(url, cors=_cors(params["Cors"]))
    if params.get("InvokeMode") is not None:
        url = msgspec.structs.replace(url, mode=params["InvokeMode"])
    url = msgspec.structs.replace(url, updated=catalogue.surroundings.world.now())
    await _save(catalogue, function, qualifier, url)
    return _shown(catalogue, function, qualifier, url)


async def get_function_url_config(catalogue: Catalogue, request: Request) -> Result:
    found = _found(catalogue, request.params)
    await catalogue.settled()
    return _shown(catalogue, *found)


async def list_function_url_configs(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    function = catalogue.function(catalogue.reference(params["FunctionName"]))
    await catalogue.settled()
    marker, most = params.get("Marker") or "", params.get("MaxItems") or PAGE
    after = [one for one in sorted(function.urls) if not marker or one > marker]
    found = [_shown(catalogue, function, one, function.urls[one]) for one in after[:most]]
    more = {"NextMarker": after[most - 1] or LATEST} if len(after) > most else {}
    return {"FunctionUrlConfigs": found, **more}


async def delete_function_url_config(catalogue: Catalogue, request: Request) -> Result:
    function, qualifier, _ = _found(catalogue, request.params)
    kept = {name: one for name, one in function.urls.items() if name != qualifier}
    await catalogue.save(msgspec.structs.replace(function, urls=kept))
    return {}


def _named(catalogue: Catalogue, params: Mapping[str, Any]) -> tuple[Function, str]:
    """The function, and the alias that is meant ("": none)."""
    reference = catalogue.reference(params["FunctionName"], params.get("Qualifier"))
    function = catalogue.function(reference)
    qualifier = reference.qualifier or ""
    if qualifier == LATEST or qualifier.isdecimal():
        raise invalid("Function URLs are for a function or an alias of it, not for a version.")  # words are a guess
    catalogue.configuration(function, qualifier or None)
    return function, qualifier


def _found(catalogue: Catalogue, params: Mapping[str, Any]) -> tuple[Function, str, FunctionUrl]:
    function, qualifier = _named(catalogue, params)
    url = function.urls.get(qualifier)
    if url is None:
        raise ClientFault(
            "ResourceNotFoundException", "The resource you requested does not exist.", status=404, Type="User"
        )
    return function, qualifier, url


async def _save(catalogue: Catalogue, function: Function, qualifier: str, url: FunctionUrl) -> None:
    await catalogue.save(msgspec.structs.replace(function, urls={**function.urls, qualifier: url}))


def _cors(given: Mapping[str, Any] | None) -> cors.Cors | None:
    """None for what says nothing: an empty Cors takes the configuration away."""
    found = cors.cors_of(given or {})
    if found.credentials and "*" in found.origins:  # the words are a guess
        raise invalid("AllowCredentials is not supported with the origin *")
    return None if found == cors.Cors() else found


def _shown(catalogue: Catalogue, function: Function, qualifier: str, url: FunctionUrl) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "FunctionUrl": f"https://{url.id}.lambda-url.{catalogue.surroundings.region}.on.aws/",
        "FunctionArn": catalogue.arn(function.name, qualifier or None),
        "AuthType": url.auth,
        "CreationTime": timestamp(url.created),
        "LastModifiedTime": timestamp(url.updated),
        "InvokeMode": url.mode,
    }
    if url.cors is not None:
        answer["Cors"] = cors.shown(url.cors)
    return answer
