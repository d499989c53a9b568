"""What stands behind the methods, asked: Lambda functions, AWS services, HTTP servers, nobody (MOCK)."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlencode

import orjson

from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.execution_logs import cut, pairs
from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.plan import Misconfigured, Outgoing, passed_back
from antipodes.services.apigateway.v1.proxy import Malformed, event_of, reply_of
from antipodes.services.apigateway.v1.routing import Action, Route, ServicePath
from antipodes.services.apigateway.v2.http_proxy import HttpProxy, target_of
from antipodes.services.contract import Surroundings
from antipodes.wire import protocols
from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.protocols import json as json_protocol
from antipodes.world.world import NetworkError

log = logging.getLogger("antipodes.apigateway")

LAMBDA_PRINCIPAL = "apigateway.amazonaws.com"
TOO_LARGE = "RequestTooLargeException"  # of Lambda, for events of more than 6 MB
INVOCATION_TYPE = "x-amz-invocation-type"
LARGEST_ANSWER_BYTES = 10 * 1024 * 1024
BARE_NAMES = re.compile(r"([{,]\s*)([A-Za-z_]\w*)(\s*:)")


class Backends:
    """One a Region. `ask` answers a call by its route's integration."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._region = surroundings.region
        self._account = surroundings.settings.account
        self._call = surroundings.call
        self._world = surroundings.world
        self._http = HttpProxy(surroundings.world, surroundings.settings)

    async def ask(self, call: Call, route: Route) -> HttpResponse:
        """The answer to the client. Raises Rejected."""
        begun = self._world.monotonic()
        try:
            # On timeout only our waiting ends; a function runs on to its own timeout, as on AWS.
            async with asyncio.timeout(route.timeout_s):
                if route.integration.kind == "AWS_PROXY":
                    return await self._lambda_proxy(call, route)
                return await self._mapped(call, route)
        except TimeoutError:
            call.reason = "a timeout error"
            raise Rejected("INTEGRATION_TIMEOUT") from None
        except (Misconfigured, AwsError) as error:
            # No permission, no such function, throttled: all are 500 to the client (facts 3.2; throttling by AWS's
            # own troubleshooting page, unverified).
            log.warning("%s: %s %s: %s", self._region, call.request.method, call.full_path, error)
            call.reason = f"configuration error: {error}"
            if isinstance(error, AwsError) and error.code == TOO_LARGE:
                raise Rejected("REQUEST_TOO_LARGE", "Request Too Long") from error  # the words are from memory
            raise Rejected("API_CONFIGURATION_ERROR") from error
        except NetworkError as error:
            log.warning("%s: %s %s: %s", self._region, call.request.method, call.full_path, error)
            call.reason = "a network error communicating with endpoint"
            raise Rejected("INTEGRATION_FAILURE", "Network error communicating with endpoint") from error
        finally:
            call.integration_s = self._world.monotonic() - begun

    async def _mapped(self, call: Call, route: Route) -> HttpResponse:
        plan = route.plan
        assert plan is not None
        outgoing = plan.outgoing(call)
        kind = route.integration.kind
        if kind == "HTTP_PROXY":
            return await self._forwarded(call, route, outgoing)
        if kind == "MOCK":
            answer = HttpResponse(_mock_status(outgoing.body))
        elif kind == "HTTP":
            answer = await self._fetched(call, route, outgoing)
        elif route.action is not None:
            answer = await self._acted(call, route, route.action, outgoing)
        else:
            answer, failure = await self._invoked(call, route, outgoing)
            call.integration_status = answer.status
            return plan.incoming(call, answer, failure or str(answer.status))
        call.integration_status = answer.status
        return plan.incoming(call, answer, str(answer.status))

    async def _lambda_proxy(self, call: Call, route: Route) -> HttpResponse:
        result = await self._invoke(call, route, event_of(call), "")
        call.integration_status = 200
        if result.get("FunctionError"):
            call.reason = f"configuration error: Lambda function failed: {cut(bytes(result['Payload']))}"
            raise Rejected("DEFAULT_5XX", status=502)
        try:
            reply = reply_of(result["Payload"], call.request.header("accept") or "", call.binary_types)
        except Malformed as reason:
            log.warning(
                "%s: %s %s: malformed Lambda proxy response: %s", self._region, call.request.method, call.path, reason
            )
            call.reason = f"configuration error: Malformed Lambda proxy response: {reason}"
            raise Rejected("DEFAULT_5XX", status=502) from reason
        return HttpResponse(reply.status, reply.headers, reply.body)

    async def _invoke(self, call: Call, route: Route, payload: bytes, kind: str) -> Mapping[str, Any]:
        if route.integration.http_method not in {"", "POST"}:  # taken when it is put, and then every call fails
            raise Misconfigured("Lambda's Invoke is a POST: the integration's HTTP method is another")
        params: dict[str, Any] = {"FunctionName": route.function, "Payload": payload, "TraceId": call.trace_id}
        if not route.integration.credentials:  # with a role's credentials the role decides, not the function's policy
            base = f"arn:aws:execute-api:{self._region}:{self._account}:{call.api_id}/{call.stage}"
            params["SourceArn"] = f"{base}/{call.source or call.request.method + route.resource_path}"
            params["SourceService"] = LAMBDA_PRINCIPAL
        if kind:
            params["InvocationType"] = kind
        if call.steps is None:
            return await self._call("lambda", "Invoke", params)
        uri = f"https://lambda.{self._region}.amazonaws.com/2015-03-31/functions/{route.function}/invocations"
        begun = self._sending(call, uri, (("X-Amzn-Trace-Id", call.trace_id),), payload)
        result = await self._call("lambda", "Invoke", params)
        status, told = int(result.get("StatusCode") or 200), bytes(result.get("Payload") or b"")
        self._received(call, begun, HttpResponse(status, (), told))
        return result

    async def _invoked(self, call: Call, route: Route, outgoing: Outgoing) -> tuple[HttpResponse, str]:
        """A function's answer, and its errorMessage if it failed."""
        kind = next((value for name, value in outgoing.headers.items() if name.lower() == INVOCATION_TYPE), "")
        body = outgoing.body or b"{}"
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError as error:
            # Lambda would say 400 (InvalidRequestContentException); its error is the integration's answer then.
            return HttpResponse(400, (), orjson.dumps({"Type": "User", "message": str(error)})), ""
        result = await self._invoke(call, route, body, kind if kind in {"Event", "DryRun"} else "")
        payload = bytes(result.get("Payload") or b"")
        headers = (("Content-Type", "application/json"),)
        failure = ""
        if result.get("FunctionError"):
            try:
                told = orjson.loads(payload)
                failure = str(told.get("errorMessage") or "") if isinstance(told, dict) else ""
            except orjson.JSONDecodeError:
                pass
        return HttpResponse(int(result.get("StatusCode") or 200), headers, payload), failure

    async def _acted(self, call: Call, route: Route, action: Action | ServicePath, outgoing: Outgoing) -> HttpResponse:
        """An AWS service's answer, as its protocol has it."""
        request_id, service = f"{self._world.chance.getrandbits(128):032x}", action.service
        operation = None
        host = f"{service}.{action.region}.amazonaws.com"
        if isinstance(action, Action):
            uri = f"https://{host}/?Action={action.operation}"
        else:
            parameters = {name: unquote(value) for name, value in outgoing.path.items()}
            target = target_of(action.path, urlencode(outgoing.query, doseq=True), parameters)
            uri = f"https://{host}{target}"
        begun = self._sending(call, uri, outgoing.headers.items(), outgoing.body)
        try:
            if isinstance(action, Action):
                operation = action.operation
                params = json_protocol.parse_body(service, operation, outgoing.body)
            else:
                headers = (("Host", host), *_with_type(outgoing.headers).items())
                asked = HttpRequest(route.integration.http_method, target, headers, outgoing.body)
                operation, params = protocols.parse_request(service, asked)
            region = None if action.region == self._region else action.region
            result = await self._call(service, operation, params, region=region)
            answer = protocols.serialize_response(service, operation, result, request_id)
        except AwsError as error:
            answer = protocols.serialize_error(service, operation, error, request_id)
        return self._received(call, begun, answer)

    async def _fetched(self, call: Call, route: Route, outgoing: Outgoing) -> HttpResponse:
        headers = _with_type(outgoing.headers, {"User-Agent": f"AmazonAPIGateway_{call.api_id}"})
        headers.setdefault("X-Amzn-Trace-Id", call.trace_id)
        query = urlencode(outgoing.query, doseq=True)
        return await self._sent(call, route, tuple(headers.items()), query, outgoing)

    async def _forwarded(self, call: Call, route: Route, outgoing: Outgoing) -> HttpResponse:
        request = call.request
        changed = {name.lower() for name in outgoing.headers}
        headers = tuple(one for one in request.headers if one[0].lower() not in changed)
        query = "&".join(part for part in (request.query, urlencode(outgoing.query, doseq=True)) if part)
        answer = await self._sent(call, route, (*headers, *outgoing.headers.items()), query, outgoing)
        call.integration_status = answer.status
        kept: list[tuple[str, str]] = []
        for name, value in answer.headers:
            kept += passed_back({name: value})
        return HttpResponse(answer.status, tuple(kept), answer.body)

    async def _sent(
        self, call: Call, route: Route, headers: tuple[tuple[str, str], ...], query: str, outgoing: Outgoing
    ) -> HttpResponse:
        method = route.integration.http_method
        method = call.request.method if method in {"", "ANY"} else method
        empty = route.integration.kind == "HTTP" and method in {"GET", "HEAD"}
        request = HttpRequest(
            method,
            f"/?{query}" if query else "/",
            (("Host", call.request.host), *(one for one in headers if one[0].lower() != "host")),
            b"" if empty else outgoing.body,
            client=call.request.client,
            secure=call.request.secure,
        )
        # The client's path parameters are still encoded as they came.
        parameters = {name: unquote(value) for name, value in outgoing.path.items()}
        begun = self._sending(call, route.uri, request.headers, request.body)
        answer = await self._http.send(
            request, route.uri, method, parameters, timeout_s=route.timeout_s, handshake=route.handshake
        )
        if len(answer.body) > LARGEST_ANSWER_BYTES:  # "Payload size: 10 MB"; the words are from memory
            raise Misconfigured(
                f"Integration response of reported length {len(answer.body)} is larger than allowed maximum of "
                f"{LARGEST_ANSWER_BYTES} bytes."
            )
        return self._received(call, begun, answer)

    def _sending(self, call: Call, uri: str, headers: Iterable[tuple[str, str]], body: bytes) -> float:
        """Tells of a request to a backend; when it began."""
        if call.steps is not None:
            call.tell(f"Endpoint request URI: {uri}")
            call.tell(f"Endpoint request headers: {pairs(headers)}")
            call.tell(f"Endpoint request body after transformations: {cut(body)}")
            call.tell(f"Sending request to {uri}")
        return self._world.monotonic()

    def _received(self, call: Call, begun: float, answer: HttpResponse) -> HttpResponse:
        if call.steps is not None:
            took_ms = int((self._world.monotonic() - begun) * 1000)
            call.tell(f"Received response. Status: {answer.status}, Integration latency: {took_ms} ms")
            call.tell(f"Endpoint response headers: {pairs(answer.headers)}")
            call.tell(f"Endpoint response body before transformations: {cut(answer.body)}")
        return answer


def _with_type(given: Mapping[str, str], own: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Headers to a backend: what is mapped, and the gateway's own for what is not."""
    headers = {"Content-Type": "application/json", **own}
    for name, value in given.items():
        headers = {key: one for key, one in headers.items() if key.lower() != name.lower()}
        headers[name] = value
    return headers


def _mock_status(body: bytes) -> int:
    """The statusCode that a MOCK's request template prints. `{statusCode: 200}` is read too: the form that the
    Serverless Framework and CDK write. Raises Misconfigured."""
    text = body.decode("utf-8", "replace")
    for form in (text, BARE_NAMES.sub(r'\1"\2"\3', text.replace("'", '"'))):
        try:
            told = orjson.loads(form)
        except orjson.JSONDecodeError:
            continue
        status = told.get("statusCode") if isinstance(told, dict) else None
        if isinstance(status, int) and not isinstance(status, bool):
            return status
    raise Misconfigured("Unable to parse statusCode. It should be an integer that is defined in the request template.")
