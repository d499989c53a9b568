"""Gateway responses, as they are configured: how an API dresses the gateway's own answers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.apis import APIS
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.gateway_responses import DEFAULT_TEMPLATE, HEADER, JSON, KINDS
from antipodes.services.apigateway.v1.integrations import status_of
from antipodes.services.apigateway.v1.kinds import Nested
from antipodes.services.apigateway.v1.listing import answered, page
from antipodes.services.apigateway.v1.parameters import BadMapping, source_of
from antipodes.services.apigateway.v1.patching import Entries, One, Table, patched
from antipodes.services.apigateway.v1.records import Api, GatewayResponse, bad_request, missing
from antipodes.wire.operation import Request, Result

TABLE: Table = {
    "/statusCode": One("status", gone=""),
    "/responseParameters": Entries("parameters"),
    "/responseTemplates": Entries("templates"),
}


async def get_gateway_response(catalogue: Catalogue, request: Request) -> Result:
    api = APIS.find(catalogue, request.params)
    await catalogue.settled()
    return _found(api, request.params["responseType"])


async def get_gateway_responses(catalogue: Catalogue, request: Request) -> Result:
    api = APIS.find(catalogue, request.params)
    await catalogue.settled()
    return page([_found(api, kind) for kind in sorted(KINDS)], {"limit": 500, **request.params})


async def update_gateway_response(catalogue: Catalogue, request: Request) -> Result:
    """One that is not there yet begins as the default."""
    params, kind = request.params, request.params["responseType"]
    own = APIS.find(catalogue, params).gateway_responses
    _check_kind(kind)
    before = own.get(kind) or GatewayResponse(kind=kind, templates={JSON: DEFAULT_TEMPLATE})
    after = patched(before, params.get("patchOperations"), TABLE, request.operation)
    given = {
        "statusCode": after.status,
        "responseParameters": after.parameters,
        "responseTemplates": after.templates,
    }
    response = gateway_response_of(kind, given)
    await DRESSES.put(catalogue, params, response)
    return DRESSES.shown(response)


def gateway_response_of(kind: Any, params: Mapping[str, Any]) -> GatewayResponse:
    """From PutGatewayResponse's parameters. Raises BadRequestException."""
    _check_kind(kind)
    parameters = {str(k): str(v) for k, v in _object(params.get("responseParameters")).items()}
    for name, expression in parameters.items():
        if not name.startswith(HEADER) or not name.removeprefix(HEADER):
            raise bad_request(f"Invalid mapping expression parameter specified: {name}")
        try:
            source_of(expression, "method.request.")
        except BadMapping as error:
            raise bad_request(str(error)) from error
    templates = {str(k): str(v) for k, v in _object(params.get("responseTemplates")).items()}
    status = params.get("statusCode")
    return GatewayResponse(
        kind=str(kind),
        status=status_of(status) if status else "",
        parameters=parameters,
        templates=templates or {JSON: DEFAULT_TEMPLATE},
    )


def shown(response: GatewayResponse, *, default: bool) -> dict[str, Any]:
    return answered(
        {
            "responseType": response.kind,
            "responseParameters": dict(response.parameters),
            "responseTemplates": dict(response.templates),
            "defaultResponse": default,
        },
        statusCode=response.status or str(KINDS[response.kind].status or ""),
    )


def _found(api: Api, kind: str) -> dict[str, Any]:
    """The API's own; else what its DEFAULT_4XX or DEFAULT_5XX makes of this kind, else the default."""
    _check_kind(kind)
    own = api.gateway_responses.get(kind)
    if own is not None:
        return shown(own, default=False)
    status = KINDS[kind].status
    general = api.gateway_responses.get("DEFAULT_5XX" if status >= 500 else "DEFAULT_4XX") if status else None
    plain = GatewayResponse(kind=kind, templates={JSON: DEFAULT_TEMPLATE})
    return shown(plain if general is None else msgspec.structs.replace(general, kind=kind), default=True)


def _check_kind(kind: Any) -> None:
    if kind not in KINDS:
        raise bad_request(f"Invalid gateway response type specified: {kind}")


def _object(given: Any) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise bad_request("Invalid gateway response: responseParameters and responseTemplates are objects")
    return given


DRESSES = Nested(
    owner=APIS,
    attribute="gateway_responses",
    key="kind",
    asked=itemgetter("responseType"),
    absent=lambda _: missing("Gateway response type not defined on api"),
    shown=partial(shown, default=False),
    made=lambda catalogue, params: gateway_response_of(params["responseType"], params),
    patches=TABLE,
)
