"""Answers of the gateway's own: their kinds, and how an API dresses them. Pure.

a kind       what went wrong (ACCESS_DENIED); its status and words by default (Developer Guide, "Gateway response
             types"; facts 3.2)
dressed by   the API's response of that kind, else its DEFAULT_4XX or DEFAULT_5XX, else `{"message": ...}`
templates    "$context.…", "$stageVariables.…", "$method.request.…" are put in; the template's language is not spoken
             here ("gateway responses support only simple variable substitution")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.parameters import Source, source_of
from antipodes.services.apigateway.v1.records import GatewayResponse
from antipodes.wire.http import HttpResponse

VARIABLE = re.compile(
    r"\$!?\{?(context(?:\.[\w-]+)+|stageVariables\.\w+|method\.request\.(?:header|querystring|path)\.[\w-]+)\}?"
)
HEADER = "gatewayresponse.header."
DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of answer. status 0: it has none of its own."""

    status: int
    message: str | None
    error_type: str  # x-amzn-ErrorType


SERVER = "InternalServerErrorException"
# Messages and types, which the Developer Guide does not tell, are from answers of AWS that others wrote down; those of
# AUTHORIZER_FAILURE, EXPIRED_TOKEN and UNSUPPORTED_MEDIA_TYPE are guesses.
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "ACCESS_DENIED": Kind(403, "User is not authorized to access this resource", "AccessDeniedException"),
        "API_CONFIGURATION_ERROR": Kind(500, "Internal server error", SERVER),
        "AUTHORIZER_CONFIGURATION_ERROR": Kind(500, None, "AuthorizerConfigurationException"),
        "AUTHORIZER_FAILURE": Kind(500, None, "AuthorizerFailureException"),
        "BAD_REQUEST_BODY": Kind(400, "Invalid request body", "BadRequestException"),
        "BAD_REQUEST_PARAMETERS": Kind(400, "Missing required request parameters", "BadRequestException"),
        "DEFAULT_4XX": Kind(0, None, "BadRequestException"),
        "DEFAULT_5XX": Kind(0, "Internal server error", SERVER),
        "EXPIRED_TOKEN": Kind(403, "The security token included in the request is expired", "ExpiredTokenException"),
        "INTEGRATION_FAILURE": Kind(504, "Internal server error", SERVER),
        "INTEGRATION_TIMEOUT": Kind(504, "Endpoint request timed out", SERVER),
        "INVALID_API_KEY": Kind(403, "Forbidden", "ForbiddenException"),
        "INVALID_SIGNATURE": Kind(
            403,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
            "InvalidSignatureException",
        ),
        "MISSING_AUTHENTICATION_TOKEN": Kind(
            403, "Missing Authentication Token", "MissingAuthenticationTokenException"
        ),
        "QUOTA_EXCEEDED": Kind(429, "Limit Exceeded", "LimitExceededException"),
        "REQUEST_TOO_LARGE": Kind(413, "HTTP content length exceeded 10485760 bytes.", "RequestTooLargeException"),
        "RESOURCE_NOT_FOUND": Kind(404, "Not Found", "NotFoundException"),
        "THROTTLED": Kind(429, "Too Many Requests", "TooManyRequestsException"),
        "UNAUTHORIZED": Kind(401, "Unauthorized", "UnauthorizedException"),
        "UNSUPPORTED_MEDIA_TYPE": Kind(415, "Unsupported Media Type", "UnsupportedMediaTypeException"),
        "WAF_FILTERED": Kind(403, "Forbidden", "ForbiddenException"),
    }
)


class Rejected(Exception):
    """The gateway answers this request itself."""

    def __init__(
        self, kind: str, message: str | None = None, *, status: int = 0, error_type: str = "", details: str = ""
    ) -> None:
        super().__init__(kind)
        known = KINDS[kind]
        self.kind = kind
        self.message = known.message if message is None else message
        self.status = status or known.status or (400 if kind == "DEFAULT_4XX" else 500)
        self.error_type = error_type or known.error_type
        self.details = details  # $context.error.validationErrorString


@dataclass(frozen=True, slots=True)
class _Dress:
    status: int  # 0: of the kind
    headers: tuple[tuple[str, Source], ...]
    templates: Mapping[str, str]


class Wardrobe:
    """The gateway responses of one deployment, prepared."""

    def __init__(self, given: Mapping[str, GatewayResponse], binary: bool = False) -> None:
        self._dresses = {kind: _dress(response) for kind, response in given.items()}

    def answer(self, rejected: Rejected, call: Call) -> HttpResponse:
        """The answer, without the ids that every answer has."""
        dress = self._dresses.get(rejected.kind)
        if dress is None and self._dresses:
            dress = self._dresses.get("DEFAULT_5XX" if rejected.status >= 500 else "DEFAULT_4XX")
        message = orjson.dumps(rejected.message).decode()
        call.error = {
            "message": rejected.message,
            "messageString": message,
            "responseType": rejected.kind,
            "validationErrorString": rejected.details,
        }
        if dress is None:
            return plain(rejected)
        kind, template = _template(dress.templates, call)
        headers = [("x-amzn-ErrorType", rejected.error_type)]
        for name, source in dress.headers:
            value = source.text(call)
            if value:
                headers.append((name, value))
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", kind))
        if template == DEFAULT_TEMPLATE:
            return HttpResponse(dress.status or rejected.status, tuple(headers), plain(rejected).body)
        body = VARIABLE.sub(lambda found: _written(found[1], call), template)
        return HttpResponse(dress.status or rejected.status, tuple(headers), body.encode())


def plain(rejected: Rejected) -> HttpResponse:
    """As it is by default. Who may not pass is told by "Message", who fails with a blank behind the colon (seen so)."""
    name = "Message" if rejected.kind == "ACCESS_DENIED" else "message"
    between = " " if rejected.status >= 500 and rejected.message is not None else ""
    body = b'{"%b":%b%b}' % (name.encode(), between.encode(), orjson.dumps(rejected.message))
    return HttpResponse(rejected.status, (("x-amzn-ErrorType", rejected.error_type), ("Content-Type", JSON)), body)


def _dress(given: GatewayResponse) -> _Dress:
    headers = tuple(
        (name.removeprefix(HEADER), source_of(expression, "method.request."))
        for name, expression in given.parameters.items()
    )
    return _Dress(int(given.status or 0), headers, given.templates)


def _template(templates: Mapping[str, str], call: Call) -> tuple[str, str]:
    """The template for what the client accepts, else JSON's, else the first."""
    accepted = (call.request.header("accept") or "").partition(",")[0].partition(";")[0].strip()
    for kind in (accepted, JSON):
        if kind in templates:
            return kind, templates[kind]
    return next(iter(templates.items()), (JSON, DEFAULT_TEMPLATE))


def _written(name: str, call: Call) -> str:
    value: Any = source_of(name, "method.request.").value(call)
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
