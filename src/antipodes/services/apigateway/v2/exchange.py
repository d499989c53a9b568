"""One request of an HTTP API on its way, with what is found out about it; and what $context.<name> means then.

The data plane fills it; access logs and parameter mappings ask it. (Developer Guide, "Customize HTTP API access logs".)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from antipodes.services.apigateway.mutual_tls import told
from antipodes.services.apigateway.v2 import mapping
from antipodes.services.apigateway.v2.catalogue import Prepared
from antipodes.services.apigateway.v2.routing import Target
from antipodes.wire import payload2
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.payload2 import request_time

NOTHING: Mapping[str, Any] = {}


class Exchange:
    """Mutable; its one owner is the data plane."""

    __slots__ = (
        "account", "authorizer", "authorizer_error", "base_path", "begun", "call", "error", "error_type", "identity",
        "integration_error", "integration_s", "integration_status", "parameters", "path", "prepared", "request",
        "request_id", "response", "target", "took_s",
    )  # fmt: skip

    def __init__(self, request: HttpRequest, request_id: str, account: str, begun: float) -> None:
        self.request = request
        self.request_id = request_id
        self.account = account
        self.begun = begun  # monotonic
        self.took_s = 0.0
        self.prepared: Prepared | None = None
        self.target: Target | None = None
        self.path = ""  # in the stage
        self.base_path: str | None = None  # of a custom domain's mapping
        self.parameters: Mapping[str, str] = NOTHING  # in the path
        self.call: payload2.Call | None = None
        self.authorizer: Mapping[str, Any] = NOTHING  # what it told: context, or claims
        self.authorizer_error = ""
        self.identity: Mapping[str, Any] = NOTHING  # who signed
        self.error = ""  # the message of an answer of the gateway's own
        self.error_type = ""
        self.integration_error = ""
        self.integration_s = -1.0
        self.integration_status: int | None = None
        self.response: HttpResponse | None = None

    def context(self, name: str) -> Any:
        """The value of $context.<name>; None: it has none."""
        found = NAMED.get(name)
        if found is not None:
            return found(self)
        first, _, rest = name.partition(".")
        if first == "authorizer":
            value: Any = self.authorizer
            for part in rest.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            return value
        if first == "identity":
            value = {"clientCert": told(self.request) or {}, **self.identity}
            for part in rest.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            return value
        return None

    def variable(self, name: str) -> str | None:
        """The value of a variable of a parameter mapping ("request.header.x"); None: it has none."""
        first, _, rest = name.partition(".")
        if first == "context":
            value = self.context(rest)
            return None if value is None else str(value)
        if first == "stageVariables":
            return self.prepared.stage.variables.get(rest) if self.prepared is not None else None
        kind, _, key = rest.partition(".")
        message = self.request if first == "request" else self.response
        if message is None:
            return None
        if kind == "header":
            return mapping.joined(message.headers, key)
        if kind == "body":
            return mapping.in_body(message.body, key)
        if first == "request" and kind == "querystring":
            return payload2.query_of(self.request).get(key)
        if first == "request" and kind == "path":
            return self.parameters.get(key) if key else self.path
        return None


def _ms(seconds: float) -> int | None:
    return None if seconds < 0 else round(seconds * 1000)


def _size(exchange: Exchange) -> int:
    return len(exchange.response.body) if exchange.response is not None else 0


NAMED: Mapping[str, Callable[[Exchange], Any]] = {
    "accountId": lambda e: e.account,
    "apiId": lambda e: e.prepared.stage.api_id if e.prepared else None,
    "authorizer.error": lambda e: e.authorizer_error,
    "customDomain.basePathMatched": lambda e: e.base_path,
    "dataProcessed": lambda e: len(e.request.body) + _size(e),
    "domainName": lambda e: e.request.host,
    "domainPrefix": lambda e: e.request.host.partition(".")[0],
    "error.message": lambda e: e.error,
    "error.messageString": lambda e: f'"{e.error}"' if e.error else None,
    "error.responseType": lambda e: e.error_type,
    "extendedRequestId": lambda e: e.request_id,
    "httpMethod": lambda e: e.request.method,
    "identity.sourceIp": lambda e: e.request.client,
    "identity.userAgent": lambda e: e.request.header("user-agent"),
    "integration.error": lambda e: e.integration_error,
    "integration.integrationStatus": lambda e: e.integration_status,
    "integration.latency": lambda e: _ms(e.integration_s),
    "integration.status": lambda e: e.integration_status,
    "integrationErrorMessage": lambda e: e.integration_error,
    "integrationLatency": lambda e: _ms(e.integration_s),
    "integrationStatus": lambda e: e.integration_status,
    "path": lambda e: e.request.path,
    "protocol": lambda _: "HTTP/1.1",
    "requestId": lambda e: e.request_id,
    "requestTime": lambda e: request_time(e.call.now) if e.call is not None else None,
    "requestTimeEpoch": lambda e: int(e.call.now * 1000) if e.call is not None else None,
    "responseLatency": lambda e: _ms(e.took_s),
    "responseLength": _size,
    "routeKey": lambda e: e.target.key if e.target else None,
    "stage": lambda e: e.prepared.stage.name if e.prepared else None,
    "status": lambda e: e.response.status if e.response is not None else None,
}
