"""How an error is told in each protocol: its code, its status, the members of its shape.

A service raises one code, the JSON protocol's; the others have old names of their own for the errors that no service
models (signatures, malformed input). Codes and statuses from "Common error types" of each service's API reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from antipodes.wire import models
from antipodes.wire.errors import AwsError
from antipodes.wire.models import Shape


@dataclass(frozen=True, slots=True)
class Common:
    """The names and statuses of an error that all services share."""

    xml: str  # query and rest-xml
    s3: str
    json_status: int
    status: int  # rest-json, query, rest-xml
    s3_message: str | None = None


COMMON = MappingProxyType(
    {
        "UnrecognizedClientException": Common(
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            400,
            403,
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        "InvalidSignatureException": Common(
            "SignatureDoesNotMatch",
            "SignatureDoesNotMatch",
            400,
            403,
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        ),
        "MissingAuthenticationTokenException": Common(
            "MissingAuthenticationToken", "AccessDenied", 400, 403, "Access Denied"
        ),
        "IncompleteSignatureException": Common("IncompleteSignature", "AuthorizationHeaderMalformed", 400, 400),
        "ExpiredTokenException": Common("ExpiredToken", "ExpiredToken", 400, 403),
        "AccessDeniedException": Common("AccessDenied", "AccessDenied", 400, 403),
        "UnknownOperationException": Common("InvalidAction", "MethodNotAllowed", 400, 404),
        "SerializationException": Common("MalformedInput", "MalformedXML", 400, 400),
        "ValidationException": Common("ValidationError", "InvalidRequest", 400, 400),
        "ThrottlingException": Common("Throttling", "SlowDown", 400, 400),
        "InternalFailure": Common("InternalFailure", "InternalError", 500, 500),
    }
)
# Codes that Route 53 has names of its own for.
ROUTE53 = MappingProxyType({"ValidationException": "InvalidInput", "SerializationException": "MalformedInput"})


def told(service: str, protocol: str, error: AwsError) -> tuple[str, int, str]:
    """(code, HTTP status, message) as the protocol tells the error."""
    shape = models.error_shape(service, error.code)
    explicit = "status" in vars(error)  # the one who raised it said so
    if shape is not None:
        code = shape.name if protocol in {"json", "rest-json"} else shape.error_code or shape.name
        modelled = shape.metadata.get("error", {}).get("httpStatusCode")
        return code, error.status if explicit or not modelled else int(modelled), error.message
    common = COMMON.get(error.code)
    if common is None:
        return error.code, error.status, error.message
    if protocol == "json":
        return error.code, common.json_status, error.message
    if protocol == "rest-json":
        return error.code, error.status if explicit else common.status, error.message
    if service == "s3":
        status = 405 if error.code == "UnknownOperationException" else common.status
        return common.s3, status, common.s3_message or error.message
    code = ROUTE53.get(error.code, common.xml) if service == "route53" else common.xml
    status = 400 if protocol == "query" and error.code == "UnknownOperationException" else common.status
    return code, status, error.message


def members_of_error(service: str, error: AwsError, writable: Callable[[Shape, Any], Any]) -> dict[str, Any]:
    """The members of a JSON error: the message under the name that its shape gives it, and what else it carries."""
    shape = models.error_shape(service, error.code)
    if shape is None:
        return {"message": error.message, **error.extra}
    message_name = next((name for name in shape.members if name.lower() == "message"), "message")
    values = {message_name: error.message, **error.extra}
    if "Type" in shape.members and "Type" not in values:
        values["Type"] = "User" if error.status < 500 else "Service"  # Lambda says whose fault it is
    known: dict[str, Any] = {
        name: member
        for name, member in shape.members.items()
        if values.get(name) is not None and member.serialization.get("location") is None
    }
    members = {member.serialization.get("name", name): writable(member, values[name]) for name, member in known.items()}
    return members if message_name in shape.members else {"message": error.message, **members}
