"""Asking a backend, unless the stage's cache knows its answer (caching.py says what is kept, and how)."""

from __future__ import annotations

import msgspec

from antipodes.services.apigateway.v1.backends import Backends
from antipodes.services.apigateway.v1.caching import FAIL, WARN, WARNING, StageCache, invalidates
from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.guards import Guards
from antipodes.services.apigateway.v1.records import ANY
from antipodes.services.apigateway.v1.routing import Route
from antipodes.wire.http import HttpResponse
from antipodes.world.world import World


class CachedBackends:
    """One a Region."""

    def __init__(self, world: World, backends: Backends, guards: Guards) -> None:
        self._world = world
        self._backends = backends
        self._guards = guards

    async def ask(self, call: Call, route: Route, cache: StageCache) -> HttpResponse:
        """The answer to the client. Raises Rejected."""
        caching = route.caching
        assert caching is not None
        if caching.verb not in {ANY, call.request.method}:
            return await self._backends.ask(call, route)
        anew, warned = invalidates(call.request), False
        if anew and caching.authorized_only and not self._guards.may_invalidate(route.guard, call):
            if caching.strategy == FAIL:
                raise Rejected("ACCESS_DENIED")  # "returns a 403 Unauthorized response"; that it is this one is a guess
            anew, warned = False, caching.strategy == WARN
        key = caching.key(call)
        answer = None if anew else cache.find(key, self._world.monotonic())
        call.cache_hit = answer is not None
        if answer is None:
            answer = await self._backends.ask(call, route)
            cache.keep(key, answer, self._world.monotonic(), caching.ttl_s)
        return msgspec.structs.replace(answer, headers=(*answer.headers, WARNING)) if warned else answer
