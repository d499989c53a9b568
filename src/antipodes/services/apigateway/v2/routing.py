"""From a path and a verb to a route of an HTTP API. Pure.

A full match beats a greedy one ({proxy+}), which beats $default (facts 3.4); a route that has not the verb is no match,
so the search goes on (unlike REST APIs). Among full matches a fixed part beats a variable, from the left; among greedy
ones the longest wins; the verb itself beats ANY. A slash at the end is part of the path (unverified).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from antipodes.services.apigateway.v1.records import ANY
from antipodes.services.apigateway.v1.routing import STAGE_VARIABLE, function_of
from antipodes.services.apigateway.v2 import mapping
from antipodes.services.apigateway.v2.records import DEFAULT, HttpDeployment, Integration, Route
from antipodes.services.apigateway.v2.sockets.behind import Behind, Checks, behind_of, checks_of

FUNCTION_ARN = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:.+")
KEY = re.compile(r"(ANY|GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/\S*)")
VARIABLE = re.compile(r"\{[A-Za-z0-9_.-]+\+?\}")


@dataclass(frozen=True, slots=True)
class Target:
    """A route that can be called."""

    key: str
    path: str  # "/items/{id}", or "$default"
    integration: Integration
    function: str  # ARN or name; "" where the integration is no function
    authorizer_id: str = ""
    iam: bool = False
    scopes: tuple[str, ...] = ()
    changes: tuple[mapping.Change, ...] = ()  # of the request
    answers: bool = False  # of WebSocket APIs: what the function says goes back
    answer_changes: Mapping[int, tuple[mapping.Change, ...]] = field(default_factory=dict)  # by the answer's status
    behind: Behind | None = None  # of WebSocket APIs, but for functions by proxy
    checks: Checks | None = None  # of their messages


@dataclass(slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    targets: dict[str, tuple[Target, list[str]]] = field(default_factory=dict)  # verb -> the names of variables
    greedy: dict[str, tuple[Target, list[str]]] = field(default_factory=dict)


class Table:
    """The routes of one stage, prepared."""

    def __init__(self, deployment: HttpDeployment, variables: Mapping[str, str], *, sockets: bool = False) -> None:
        self._root = _Node()
        self._models = tuple(deployment.models.values())
        self._sockets = sockets
        self._default: Target | None = None
        self.by_key: dict[str, Target] = {}
        for route in deployment.routes:
            integration = deployment.integrations.get(route.integration_id)
            if integration is not None:
                self._add(route, integration, variables)

    def match(self, verb: str, path: str) -> tuple[Target, dict[str, str]] | None:
        """The route and its path parameters, decoded; None: not even $default."""
        parts = path[1:].split("/") if len(path) > 1 else []
        found = _full(self._root, parts, 0, verb) or _greedy(self._root, parts, 0, verb)
        if found is not None:
            (target, names), values = found
            return target, dict(zip(names, (unquote(value) for value in values), strict=True))
        return None if self._default is None else (self._default, {})

    def _add(self, route: Route, integration: Integration, variables: Mapping[str, str]) -> None:
        verb, _, path = route.key.partition(" ")
        target = Target(
            key=route.key,
            path=path or DEFAULT,
            integration=integration,
            function=lambda_of(integration.uri, variables) or "" if integration.kind == "AWS_PROXY" else "",
            authorizer_id=route.authorizer_id,
            iam=route.iam,
            scopes=route.scopes,
            answers=bool(route.response_id and route.response_selection),
            changes=() if self._sockets else mapping.changes_of(integration.request_parameters),
            behind=behind_of(route, integration, variables) if self._sockets else None,
            checks=checks_of(route, self._models) if self._sockets else None,
            answer_changes={
                int(status): mapping.changes_of(given, response=True)
                for status, given in integration.response_parameters.items()
            },
        )
        self.by_key[route.key] = target
        if route.key == DEFAULT:
            self._default = target
        if not path:  # and the routes of WebSocket APIs, which have none
            return
        node = self._root
        names: list[str] = []
        for part in path[1:].split("/") if len(path) > 1 else []:
            if part.endswith("+}"):
                node.greedy[verb] = (target, [*names, part[1:-2]])
                return
            if part.startswith("{"):
                names.append(part[1:-1])
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.fixed.setdefault(part, _Node())
        node.targets[verb] = (target, names)


Found = tuple[tuple[Target, list[str]], list[str]]


def _full(node: _Node, parts: list[str], at: int, verb: str) -> Found | None:
    if at == len(parts):
        target = node.targets.get(verb) or node.targets.get(ANY)
        return None if target is None else (target, [])
    fixed = node.fixed.get(parts[at])
    found = _full(fixed, parts, at + 1, verb) if fixed is not None else None
    if found is None and node.variable is not None and parts[at]:
        found = _full(node.variable, parts, at + 1, verb)
        if found is not None:
            found = (found[0], [parts[at], *found[1]])
    return found


def _greedy(node: _Node, parts: list[str], at: int, verb: str) -> Found | None:
    if at == len(parts):
        return None
    fixed = node.fixed.get(parts[at])
    found = _greedy(fixed, parts, at + 1, verb) if fixed is not None else None
    if found is None and node.variable is not None and parts[at]:
        found = _greedy(node.variable, parts, at + 1, verb)
        if found is not None:
            found = (found[0], [parts[at], *found[1]])
    if found is None:
        target = node.greedy.get(verb) or node.greedy.get(ANY)
        found = None if target is None else (target, ["/".join(parts[at:])])
    return found


def lambda_of(uri: str, variables: Mapping[str, str] | None = None) -> str | None:
    """The function that an integration names, by its ARN or as API Gateway writes it; None: no function."""
    if FUNCTION_ARN.fullmatch(uri):
        return STAGE_VARIABLE.sub(lambda found: (variables or {}).get(found[1], ""), uri)
    return function_of(uri, variables)


def is_route_key(key: str) -> bool:
    """Whether a route can have this key: $default, or a method and a path whose variables are whole parts, the greedy
    one last, no name twice."""
    if key == DEFAULT:
        return True
    match = KEY.fullmatch(key)
    if match is None:
        return False
    parts = match[2][1:].split("/")
    names = [part.strip("{}+") for part in parts if part.startswith("{")]
    return len(names) == len(set(names)) and all(
        (VARIABLE.fullmatch(part) is not None and (not part.endswith("+}") or at == len(parts) - 1))
        or not ({"{", "}"} & set(part))
        for at, part in enumerate(parts)
    )
