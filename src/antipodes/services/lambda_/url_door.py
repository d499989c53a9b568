"""Requests to function URLs: who may, the event (payload 2.0), the answer.

AuthType NONE needs a statement of the function's policy that lets everybody do lambda:InvokeFunctionUrl. AWS_IAM needs
a signature for Lambda in this Region; all known keys are of the account itself, whose callers need no statement (their
IAM policies are not enforced here). Of URLs made since October 2025 AWS wants lambda:InvokeFunction as well; that is
not asked for here.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from antipodes.services.lambda_ import invoke, url_stream
from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.permissions import allows_url
from antipodes.services.lambda_.records import Function, FunctionUrl
from antipodes.services.lambda_.url_stream import FAILED
from antipodes.wire import cors, payload2
from antipodes.wire.errors import AccessDenied, AwsError
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.operation import Payload, Request
from antipodes.wire.sigv4 import Identity

log = logging.getLogger("antipodes.lambda")

DEFAULT = "$default"
ANONYMOUS = "anonymous"  # the account of a caller who need not say who he is
JSON = "application/json"
FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)

Verify = Callable[[HttpRequest], Identity]  # raises AccessDenied


def owns_host(host: str) -> bool:
    """Whether requests for this Host (lower case, no port) are for a function URL, there or not."""
    return ".lambda-url." in host


class UrlDoor:
    """`respond` answers requests for hosts that `owns_host` says are ours."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._world = catalogue.surroundings.world
        self._region = catalogue.surroundings.region
        self._account = catalogue.surroundings.settings.account

    async def respond(self, request: HttpRequest, verify: Verify) -> HttpResponse:
        """Never raises for what a client or a function can do."""
        chance = self._world.chance
        request_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        trace_id = request.header("x-amzn-trace-id")
        trace_id = trace_id or f"Root=1-{int(self._world.now()):08x}-{chance.getrandbits(96):024x}"
        response = await self._answer(request, verify, request_id, trace_id)
        headers = (*response.headers, ("x-amzn-RequestId", request_id), ("X-Amzn-Trace-Id", trace_id))
        return msgspec.structs.replace(response, headers=headers)

    async def _answer(self, request: HttpRequest, verify: Verify, request_id: str, trace_id: str) -> HttpResponse:
        url_id, _, rest = request.host.partition(".lambda-url.")
        named = self._catalogue.urls.get(url_id)
        amazon = rest.endswith(".on.aws")
        if named is None or (amazon and rest != f"{self._region}.on.aws"):
            return _refused(403, FORBIDDEN)  # what AWS says at an address without a function is not known: a guess
        function, qualifier = self._catalogue.functions[named[0]], named[1]
        url = function.urls[qualifier]
        if url.cors is not None:
            preflight = cors.preflight(url.cors, request)
            if preflight is not None:
                return HttpResponse(200, preflight)  # not 204 (from memory, unverified)
        try:
            caller = self._caller(function, qualifier, url, request, verify)
        except AwsError as error:
            return cors.over(url.cors, request, _refused(403, error.message))
        response = await self._invoke(request, function, qualifier, url, caller, request_id, trace_id)
        return cors.over(url.cors, request, response)

    def _caller(
        self, function: Function, qualifier: str, url: FunctionUrl, request: HttpRequest, verify: Verify
    ) -> Identity | None:
        """Who asks; None: anybody. Raises AccessDenied."""
        if url.auth == "NONE":
            if not allows_url(function.policy, qualifier=qualifier, auth=url.auth):
                raise AccessDenied("AccessDeniedException", FORBIDDEN)
            return None
        if request.header("authorization") is None and "X-Amz-Algorithm=" not in request.query:
            raise AccessDenied("AccessDeniedException", FORBIDDEN)
        identity = verify(request)
        if (identity.service, identity.region) != ("lambda", self._region):
            raise AccessDenied(
                "InvalidSignatureException",
                f"Credential should be scoped to a valid Region and to the service lambda; here {self._region}/lambda.",
            )
        return identity

    async def _invoke(
        self,
        request: HttpRequest,
        function: Function,
        qualifier: str,
        url: FunctionUrl,
        caller: Identity | None,
        request_id: str,
        trace_id: str,
    ) -> HttpResponse:
        path = request.path
        if "://" in path:  # absolute form
            path = "/" + path.split("://", 1)[1].partition("/")[2]
        call = payload2.Call(
            account=ANONYMOUS if caller is None else self._account,
            api_id=url.id,
            route_key=DEFAULT,
            stage=DEFAULT,
            path=path,
            request_id=request_id,
            trace_id=trace_id,
            now=self._world.now(),
            authorizer=None if caller is None else {"iam": self._iam(caller)},
        )
        params: dict[str, Any] = {
            "FunctionName": function.name,
            "Qualifier": qualifier or None,
            "Payload": payload2.event_of(request, call),
            "TraceId": trace_id,
        }
        asked = Request(service="lambda", operation="Invoke", params=params, region=self._region, request_id=request_id)
        try:
            if url.mode != "BUFFERED":
                return await url_stream.answered(self._catalogue, asked)
            result = await invoke.invoke(self._catalogue, asked)
        except AwsError as error:
            return _refused(error.status, error.message)
        assert not isinstance(result, Payload)
        if result.get("FunctionError"):
            return FAILED
        try:
            return payload2.response_of(result["Payload"], JSON)
        except payload2.Malformed as reason:
            log.warning("%s: %s at its URL: malformed answer: %s", self._region, function.name, reason)
            return FAILED

    def _iam(self, caller: Identity) -> dict[str, Any]:
        """Known keys are the account's own (as STS here says of them)."""
        return {
            "accessKey": caller.access_key,
            "accountId": self._account,
            "callerId": self._account,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": f"arn:aws:iam::{self._account}:root",
            "userId": self._account,
        }


def _refused(status: int, message: str) -> HttpResponse:
    headers = [("Content-Type", JSON)]
    if status == 403:
        headers.append(("x-amzn-ErrorType", "AccessDeniedException"))
    return HttpResponse(status, tuple(headers), orjson.dumps({"Message": message}))
