"""AWS_IAM authorization of a request to an API: its signature, and what the backend is told of the caller.

A route or method with AuthorizationType AWS_IAM takes requests signed for the service `execute-api` in this Region. All
known keys are of the account itself, whose callers may invoke its APIs; their own IAM policies are not enforced here.

    REST APIs tell what is wrong, as AWS's services do     403 {"message": "..."} and x-amzn-ErrorType
    HTTP and WebSocket APIs do not                         403 {"message":"Forbidden"}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from antipodes.wire.errors import AccessDenied
from antipodes.wire.http import HttpRequest
from antipodes.wire.sigv4 import Identity

SERVICE = "execute-api"

Verify = Callable[[HttpRequest], Identity]  # raises AccessDenied


def caller_of(request: HttpRequest, verify: Verify, region: str, service: str = SERVICE) -> Identity:
    """Who signed the request. Raises AccessDenied; its code is the x-amzn-ErrorType, its message the body's."""
    if request.header("authorization") is None and "X-Amz-Algorithm=" not in request.query:
        raise AccessDenied("MissingAuthenticationTokenException", "Missing Authentication Token")
    identity = verify(request)
    if (identity.region, identity.service) != (region, service):
        wanted = "a valid region" if identity.region != region else f"correct service: '{service}'"
        raise AccessDenied("InvalidSignatureException", f"Credential should be scoped to {wanted}.")
    return identity


def told_by_http(caller: Identity, account: str) -> dict[str, Any]:
    """`requestContext.authorizer.iam` of payload 2.0. Known keys are the account's own (as STS here says of them)."""
    return {
        "accessKey": caller.access_key,
        "accountId": account,
        "callerId": account,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": f"arn:aws:iam::{account}:root",
        "userId": account,
    }


def told_by_rest(caller: Identity, account: str) -> dict[str, Any]:
    """What payload 1.0 has in `requestContext.identity` beside the address and the user agent."""
    return {
        "accessKey": caller.access_key,
        "accountId": account,
        "caller": account,
        "user": account,
        "userArn": f"arn:aws:iam::{account}:root",
    }
