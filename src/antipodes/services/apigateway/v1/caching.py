"""A stage's cache: answers of methods, kept for a while in the memory of the Region. Pure.

    what      the answer to the client as the integration's response made it ("API Gateway can cache the method's
              responses"), of any status; not the gateway's own answers. At most 1,048,576 bytes each
    where     a stage with cacheClusterEnabled has one cache, of cacheClusterSize; what was not asked for longest goes
              first (a guess). It is lost with the Region's process; another size makes another cache; deployments leave
              it as it is. A Region has it at once where AWS takes some minutes. Nothing of it is on disk, where
              cacheDataEncrypted would have to be heeded
    which     GET methods where `*/*` says cachingEnabled (of ANY methods the GET requests: a guess), other methods
              where their own settings do
    key       cacheNamespace, the verb (a guess), and the values of cacheKeyParameters: nothing else. Without any, all
              requests of a method have one answer, whatever their path and query
    how long  cacheTtlInSeconds: 300 unless told, at most 3600; 0 is no caching. It counts for what is kept from then on
              (a guess)

A client's `Cache-Control: max-age=0` has the answer made anew; where requireAuthorizationForCacheControl is set (as it
is unless told), of clients that may execute-api:InvalidateCache alone. unauthorizedCacheControlHeaderStrategy says what
others get.

Source: Developer Guide, "Cache settings for REST APIs in API Gateway".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.parameters import BadMapping, Source, source_of
from antipodes.services.apigateway.v1.records import ANY, Integration, Method, MethodSetting, Stage, bad_request
from antipodes.wire.http import HttpRequest, HttpResponse

SIZES = ("0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237")  # GB
LARGEST_ANSWER_BYTES = 1_048_576
OVERHEAD_BYTES = 512  # of an entry beside its texts, about
TTL_S, LONGEST_TTL_S = 300, 3600
FAIL, WARN, IGNORE = "FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"
# As clients of AWS saw it.
WARNING = ("Warning", "199 Cache-control headers were ignored because the caller was unauthorized.")
METHOD, INTEGRATION = "method.request.", "integration.request."
MAX_AGE = re.compile(r"(?:^|[\s,])max-age=0+(?:$|[\s,])")

Key = tuple[str | None, ...]


def size_of(given: object) -> str:
    if given not in SIZES:
        raise bad_request(f"Invalid cache cluster size '{given}'; one of {', '.join(SIZES)}.")  # the words are a guess
    return str(given)


def ttl_of(value: str) -> int:
    if not value.isdecimal() or int(value) > LONGEST_TTL_S:
        raise bad_request(f"Cache TTL must be between 0 and {LONGEST_TTL_S} seconds")  # the words are a guess
    return int(value)


def strategy_of(value: str) -> str:
    if value not in {FAIL, WARN, IGNORE}:
        raise bad_request(f"Invalid unauthorized cache control header strategy '{value}'")  # the words are a guess
    return value


def check_key(parameter: str, where: str) -> None:
    """Of cacheKeyParameters. Raises BadRequestException for what is no parameter of a request."""
    source = None
    try:
        source = source_of(METHOD + parameter.removeprefix(METHOD).removeprefix(INTEGRATION), METHOD)
    except BadMapping:
        pass
    if source is None or source.kind == "body" or not parameter.startswith((METHOD, INTEGRATION)):
        raise bad_request(f"Invalid cache key parameter specified: {parameter} ({where})")  # the words are a guess


@dataclass(frozen=True, slots=True)
class Caching:
    """How one method's answers are kept."""

    ttl_s: int
    verb: str  # the only one whose requests are; ANY: each
    namespace: str
    sources: tuple[Source | None, ...]  # of the key's parts; None: a parameter that the integration does not have
    authorized_only: bool  # clients that may have an answer made anew
    strategy: str

    def key(self, call: Call) -> Key:
        values = (None if source is None else source.text(call) for source in self.sources)
        return (self.namespace, call.request.method, *values)


def caching_of(method: Method, setting: MethodSetting, own: MethodSetting | None) -> Caching | None:
    """In a stage with a cache; None: nothing is kept. setting: what counts for the method; own: what the stage says of
    it alone."""
    integration, ttl_s = method.integration, TTL_S if setting.cache_ttl_s is None else setting.cache_ttl_s
    alone = own is not None and own.caching is not None
    if not (setting.caching and ttl_s) or integration is None:
        return None
    if not alone and method.verb not in {"GET", ANY}:
        return None
    return Caching(
        ttl_s,
        "GET" if not alone and method.verb == ANY else ANY,
        integration.cache_namespace,
        tuple(_source(integration, parameter) for parameter in integration.cache_keys),
        setting.cache_control_authorized is not False,
        setting.cache_control_strategy or WARN,
    )


def invalidates(request: HttpRequest) -> bool:
    """Whether the client wants its answer made anew."""
    given = request.header("cache-control")
    return given is not None and MAX_AGE.search(given.lower()) is not None


class StageCache:
    """One stage's. `now`: seconds of a clock that only goes forward."""

    def __init__(self, size: str) -> None:
        self.size = size
        self._limit_bytes = int(float(size) * 1_000_000_000)
        self._used_bytes = 0
        self._entries: dict[Key, tuple[float, int, HttpResponse]] = {}  # until when, bytes; last asked last

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Key, now: float) -> HttpResponse | None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        if entry[0] <= now:
            self._used_bytes -= entry[1]
            return None
        self._entries[key] = entry
        return entry[2]

    def keep(self, key: Key, answer: HttpResponse, now: float, ttl_s: int) -> None:
        before = self._entries.pop(key, None)
        if before is not None:
            self._used_bytes -= before[1]
        size_bytes = len(answer.body) + sum(len(name) + len(value) for name, value in answer.headers)
        if size_bytes > LARGEST_ANSWER_BYTES:
            return
        size_bytes += OVERHEAD_BYTES + sum(len(part) for part in key if part)
        self._entries[key] = (now + ttl_s, size_bytes, answer)
        self._used_bytes += size_bytes
        for oldest in list(self._entries) if self._used_bytes > self._limit_bytes else ():
            if self._used_bytes <= self._limit_bytes:
                break
            self._used_bytes -= self._entries.pop(oldest)[1]

    def flush(self) -> None:
        self._entries.clear()
        self._used_bytes = 0


class Caches:
    """Those of a Region's stages."""

    def __init__(self) -> None:
        self._caches: dict[tuple[str, str], StageCache] = {}

    def of(self, stage: Stage) -> StageCache | None:
        """The stage's cache as its settings are now; an empty one if it has none of that size."""
        key = (stage.api_id, stage.name)
        if not stage.cache_enabled:
            self._caches.pop(key, None)
            return None
        found = self._caches.get(key)
        if found is None or found.size != stage.cache_size:
            found = self._caches[key] = StageCache(stage.cache_size)
        return found

    def forget(self, api_id: str, name: str) -> None:
        self._caches.pop((api_id, name), None)


def _source(integration: Integration, parameter: str) -> Source | None:
    if parameter.startswith(INTEGRATION):
        parameter = integration.parameters.get(parameter, "")
    try:
        return source_of(parameter, METHOD)
    except BadMapping:  # of a document from before keys were checked
        return None
