"""Methods and authorizers tried out as they are edited, without a stage: TestInvokeMethod, TestInvokeAuthorizer.

A method is carried out as a stage would do it, but for who may call it and how often: authorization, keys, the policy
and throttling are not asked; what a validator says counts. Metrics and access logs do not hear of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from antipodes.services.apigateway.v1.apis import APIS
from antipodes.services.apigateway.v1.authorizers import AUTHORIZERS
from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.dataplane import DataPlane, Place
from antipodes.services.apigateway.v1.execution_logs import test_log, timed
from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.methods import METHODS
from antipodes.services.apigateway.v1.prepared import Prepared, prepare
from antipodes.services.apigateway.v1.records import Api, Resource, Stage, bad_request
from antipodes.services.apigateway.v1.resources import RESOURCES
from antipodes.services.apigateway.v1.routing import Route
from antipodes.services.apigateway.v1.stages import snapshot
from antipodes.wire.http import HttpRequest
from antipodes.wire.operation import Request, Result

# What backends are told, as functions on AWS were told.
STAGE = "test-invoke-stage"
HOST = "testPrefix.testDomainName"
CLIENT = "test-invoke-source-ip"


class Trials:
    """One a Region."""

    def __init__(self, catalogue: Catalogue, plane: DataPlane) -> None:
        self._catalogue = catalogue
        self._plane = plane
        self._world = catalogue.surroundings.world

    async def test_invoke_method(self, request: Request) -> Result:
        params = request.params
        method = METHODS.find(self._catalogue, params)
        api, resource = APIS.find(self._catalogue, params), RESOURCES.find(self._catalogue, params)
        if method.integration is None:
            raise bad_request("No integration defined for method")  # the words are those of CreateDeployment
        bare = msgspec.structs.replace(method, authorization="NONE", authorizer_id="", key_required=False)
        prepared = self._prepared(api, params, msgspec.structs.replace(resource, methods={bare.verb: bare}))
        sent = _sent(params, "GET" if method.verb == "ANY" else method.verb, resource.path)
        route, parameters = _matched(prepared, sent, resource)
        call = self._call(sent, prepared, route, parameters)
        begun = self._world.monotonic()
        try:
            if route.guard is not None and route.guard.check is not None:
                route.guard.check.check(call)
            answer = await self._plane.backends.ask(call, route)
            traced = () if route.integration.kind == "MOCK" else (("X-Amzn-Trace-Id", call.trace_id),)
            headers = (*traced, *answer.headers)
        except Rejected as rejected:
            answer = prepared.wardrobe.answer(rejected, call)
            # The gateway's own answers come without their type here (recorded on AWS).
            headers = tuple(one for one in answer.headers if one[0] != "Content-Type")
        latency_ms = int((self._world.monotonic() - begun) * 1000)
        answer = msgspec.structs.replace(answer, headers=headers)
        multi: dict[str, list[str]] = {}
        for name, value in headers:
            multi.setdefault(name, []).append(value)
        return {
            "status": answer.status,
            "body": answer.body.decode("utf-8", "replace"),
            "headers": {name: values[-1] for name, values in multi.items()},
            "multiValueHeaders": multi,
            "log": test_log(call, answer),
            "latency": latency_ms,
        }

    async def test_invoke_authorizer(self, request: Request) -> Result:
        """clientStatus: of the answer that a client would get. That it is 200 for any policy that can be read is from
        memory."""
        params = request.params
        api, authorizer = APIS.find(self._catalogue, params), AUTHORIZERS.find(self._catalogue, params)
        prepared = self._prepared(api, params)
        call = self._call(_sent(params, "GET", "/"), prepared, None, None)
        call.authorizer = dict(params.get("additionalContext") or {}) or None
        begun = self._world.monotonic()
        shown: dict[str, Any] = {"clientStatus": 200}
        told = [f"Starting authorizer: {authorizer.id}"]
        try:
            payload, answer = await self._plane.guards.asked(authorizer, call)
            policy = orjson.loads(payload).get("policyDocument")
            told.append(f"Successfully completed authorizer execution: {payload.decode('utf-8', 'replace')}")
            shown |= {"principalId": answer.context["principalId"], "policy": orjson.dumps(policy).decode()}
        except Rejected as rejected:
            shown["clientStatus"] = rejected.status
            told.append(f"Execution failed due to {call.reason or rejected.message or rejected.kind}")
        latency_ms = int((self._world.monotonic() - begun) * 1000)
        return {**shown, "latency": latency_ms, "log": timed(call, told)}

    def _prepared(self, api: Api, params: Mapping[str, Any], *resources: Resource) -> Prepared:
        """The API as it is edited, with these resources alone."""
        around, now = self._catalogue.surroundings, self._world.now()
        deployment = msgspec.structs.replace(snapshot(api, "", now), resources=resources, policy="")
        variables = dict(params.get("stageVariables") or {})
        stage = Stage(api_id=api.id, name=STAGE, deployment_id="", created=now, updated=now, variables=variables)
        wanted = params.get("clientCertificateId")
        certificate = self._catalogue.chest.certificate(wanted) if wanted else None
        prepared = prepare(api, stage, deployment, around, self._catalogue.meter, certificate=certificate)
        self._catalogue.meter.forget(prepared.tally)
        return prepared

    def _call(
        self, sent: HttpRequest, prepared: Prepared, route: Route | None, parameters: dict[str, str] | None
    ) -> Call:
        place = Place(prepared, sent.path, sent.path)
        call = self._plane.described(sent, place, route, parameters, self._plane.drawn_ids())
        call.steps, call.is_test = [], True
        return call


def _sent(params: Mapping[str, Any], verb: str, path: str) -> HttpRequest:
    """The request as the parameters describe it."""
    target = str(params.get("pathWithQueryString") or path)
    if not target.startswith("/"):
        target = f"/{target}"
    headers = [("Host", HOST), *(params.get("headers") or {}).items()]
    for name, values in (params.get("multiValueHeaders") or {}).items():
        headers = [one for one in headers if one[0] != name] + [(name, value) for value in values]
    body = str(params.get("body") or "").encode("utf-8", "surrogatepass")
    return HttpRequest(verb, target, tuple(headers), body, client=CLIENT, secure=True)


def _matched(prepared: Prepared, sent: HttpRequest, resource: Resource) -> tuple[Route, dict[str, str] | None]:
    """The method's route; without path parameters where the path is not the resource's (seen on AWS)."""
    found = prepared.table.match(sent.method, sent.path)
    if found is not None:
        return found
    own = prepared.table.match(sent.method, resource.path)
    assert own is not None
    return own[0], None
