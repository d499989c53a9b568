"""From a path and a verb to a method. Pure.

A fixed part beats a variable, a variable beats a greedy variable ({proxy+}), at each level from the left; where the
better way leads nowhere the next one is tried. The verb decides only after the path: a resource without the verb and
without ANY is a miss. A slash at the end is ignored, as AWS does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from antipodes.services.apigateway.metrics import Tally
from antipodes.services.apigateway.v1.caching import Caching
from antipodes.services.apigateway.v1.guard import Guard
from antipodes.services.apigateway.v1.plan import Plan, plan_of
from antipodes.services.apigateway.v1.records import ANY, DEFAULT_TIMEOUT_MS, Integration, Method, Resource
from antipodes.wire import models
from antipodes.world.world import Handshake

LAMBDA_URI = re.compile(r"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(.+)/invocations")
ACTION = re.compile(r"arn:aws[a-z-]*:apigateway:([a-z0-9-]+):([a-z0-9-]+):action/([A-Za-z0-9]+)")
# A bucket may stand before the service: "my-bucket.s3:path/{key}".
SERVICE_PATH = re.compile(r"arn:aws[a-z-]*:apigateway:([a-z0-9-]+):(?:([a-z0-9.-]+)\.)?(s3):path/(.*)")
STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class Action:
    """An operation of an AWS service."""

    region: str
    service: str
    operation: str


def action_of(uri: str) -> Action | None:
    """The operation that an AWS integration's URI names; None: it names none that can be called here."""
    match = ACTION.fullmatch(uri)
    if match is None:
        return None
    if match[2] not in models.known_services() or models.protocol_of(match[2]) != "json":
        return None
    if match[3] not in models.service_model(match[2]).operation_names:
        return None
    return Action(match[1], match[2], match[3])


@dataclass(frozen=True, slots=True)
class ServicePath:
    """A place in an AWS service's own HTTP interface."""

    region: str
    service: str
    path: str  # "/bucket/{key}"


def path_of(uri: str) -> ServicePath | None:
    """Where an AWS integration's URI leads by path; None: nowhere that can be called here."""
    match = SERVICE_PATH.fullmatch(uri)
    if match is None:
        return None
    return ServicePath(match[1], match[3], "/" + "/".join(part for part in (match[2], match[4]) if part))


class Extras(NamedTuple):
    """What the stage adds to a method."""

    guard: Guard | None = None
    tally: Tally | None = None
    log_level: str = ""  # of execution logs: ERROR, INFO, or none
    data_trace: bool = False
    caching: Caching | None = None
    identity: tuple[bytes, bytes] | None = None  # certificate and key that HTTP integrations show


@dataclass(frozen=True, slots=True)
class Route:
    """A method that can be called."""

    resource_id: str
    resource_path: str
    verb: str  # of the method; may be ANY
    integration: Integration
    function: str  # ARN or name; "" if it leads to none
    timeout_s: float
    method: Method
    uri: str  # with the stage's variables
    plan: Plan | None  # of integrations by mapping
    action: Action | ServicePath | None  # of an AWS service
    guard: Guard | None
    tally: Tally | None  # of this method's own metrics
    log_level: str
    data_trace: bool
    caching: Caching | None  # None: its answers are not kept
    handshake: Handshake | None  # with HTTP servers; None: as usual


@dataclass(slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    variable: tuple[str, _Node] | None = None
    greedy: tuple[str, dict[str, Route]] | None = None
    routes: dict[str, Route] | None = None  # None: nothing ends here


class Table:
    """The routes of one stage, prepared."""

    def __init__(
        self,
        resources: Iterable[Resource],
        variables: Mapping[str, str],
        extras: Callable[[Resource, Method], Extras] = lambda resource, method: Extras(),
    ) -> None:
        self._root = _Node()
        for resource in resources:
            routes = {
                verb: route_of(resource, method, method.integration, variables, extras(resource, method))
                for verb, method in resource.methods.items()
                if method.integration is not None
            }
            if routes:
                self._add([part for part in resource.path.split("/") if part], routes)

    def match(self, verb: str, path: str) -> tuple[Route, dict[str, str] | None] | None:
        """The route and its path parameters (None: none), still percent-encoded as they came; None: a miss."""
        parts = path[1:].split("/") if len(path) > 1 else []
        if parts and not parts[-1]:
            parts.pop()
        found = _find(self._root, parts, 0)
        if found is None:
            return None
        routes, parameters = found
        route = routes.get(verb) or routes.get(ANY)
        return None if route is None else (route, dict(reversed(parameters)) or None)

    def _add(self, parts: list[str], routes: dict[str, Route]) -> None:
        node = self._root
        for part in parts:
            if part.endswith("+}"):
                node.greedy = (part[1:-2], routes)
                return
            if part.startswith("{"):
                if node.variable is None:
                    node.variable = (part[1:-1], _Node())
                node = node.variable[1]
            else:
                node = node.fixed.setdefault(part, _Node())
        node.routes = routes


Found = tuple[dict[str, Route], list[tuple[str, str]]]


def _find(node: _Node, parts: list[str], at: int) -> Found | None:
    if at == len(parts):
        return None if node.routes is None else (node.routes, [])
    part = parts[at]
    fixed = node.fixed.get(part)
    if fixed is not None:
        found = _find(fixed, parts, at + 1)
        if found is not None:
            return found
    if node.variable is not None and part:
        name, below = node.variable
        found = _find(below, parts, at + 1)
        if found is not None:
            found[1].append((name, part))
            return found
    if node.greedy is not None:
        name, routes = node.greedy
        return routes, [(name, "/".join(parts[at:]))]
    return None


def function_of(uri: str, variables: Mapping[str, str] | None = None) -> str | None:
    """The function that a Lambda integration's URI names; None for any other URI."""
    match = LAMBDA_URI.fullmatch(uri)
    if match is None:
        return None
    return STAGE_VARIABLE.sub(lambda found: (variables or {}).get(found[1], ""), match[1])


def filled(text: str, variables: Mapping[str, str]) -> str:
    """With the stage's variables."""
    return STAGE_VARIABLE.sub(lambda found: variables.get(found[1], ""), text)


def route_of(
    resource: Resource,
    method: Method,
    integration: Integration,
    variables: Mapping[str, str],
    extras: Extras = Extras(),  # noqa: B008 (it is frozen)
) -> Route:
    uri = filled(integration.uri, variables)
    handshake = None
    if integration.any_authority or extras.identity is not None:
        handshake = Handshake(extras.identity, integration.any_authority)
    return Route(
        resource_id=resource.id,
        resource_path=resource.path,
        verb=method.verb,
        integration=integration,
        function=function_of(uri) or "",
        timeout_s=(integration.timeout_ms or DEFAULT_TIMEOUT_MS) / 1000,
        method=method,
        uri=uri,
        plan=None if integration.kind == "AWS_PROXY" else plan_of(integration),
        action=(action_of(uri) or path_of(uri)) if integration.kind == "AWS" else None,
        guard=extras.guard,
        tally=extras.tally,
        log_level=extras.log_level,
        data_trace=extras.data_trace,
        caching=extras.caching,
        handshake=handshake,
    )


def longest_mapping(base_paths: Iterable[str], path: str) -> str | None:
    """Which base path of a custom domain takes the path: the longest that it begins with, by whole parts; "" is the
    mapping without a base path (facts 3.5). None: no mapping matches."""
    best: str | None = None
    for base in base_paths:
        matches = base == "" or path == f"/{base}" or path.startswith(f"/{base}/")
        if matches and (best is None or len(base) > len(best)):
            best = base
    return best
