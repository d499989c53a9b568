"""Functions that invoke each other in a circle: counted, and stopped.

SDKs in a function send its trace header on (X-Amzn-Trace-Id). Its Lineage tells which functions the chain has been
through, and how often: one that is invoked for the 17th time in one chain is not run, unless its RecursiveLoop is
Allow. A synchronous caller gets RecursiveInvocationException; an asynchronous event goes to where failures go
(Developer Guide, "Use Lambda recursive loop detection"). Only Lambda's own invocations make chains here; S3, SNS and
SQS send no events to functions on a planet. The Lineage's form, Lineage=1:<hash>:<n> for each function, joined by |, is
seen on AWS and not documented.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import msgspec

from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result
from antipodes.world.world import World

MOST = 16
TERMINATE = "Terminate"


class Trace(NamedTuple):
    """The trace header of one invocation, and whether it closes a circle once too often."""

    header: str
    looped: bool


def trace_of(world: World, given: str, arn: str) -> Trace:
    """given: the caller's header, or "". arn: of the function that is invoked."""
    own, draw = _hash(arn), world.chance.getrandbits
    root = f"1-{int(world.now()):08x}-{draw(96):024x}"
    if not given:
        return Trace(f"Root={root};Parent={draw(64):016x};Sampled=0;Lineage=1:{own}:1", False)
    parts = dict(part.strip().partition("=")[::2] for part in given.split(";") if "=" in part)
    counts = _lineage(parts.get("Lineage", ""))
    looped = counts.get(own, 0) >= MOST
    counts[own] = counts.get(own, 0) + 1
    lineage = "|".join(f"1:{one}:{count}" for one, count in counts.items())
    kept = f"Root={parts.get('Root') or root};Parent={draw(64):016x};Sampled={parts.get('Sampled') or '0'}"
    return Trace(f"{kept};Lineage={lineage}", looped)


@lru_cache(maxsize=1024)
def _hash(arn: str) -> str:
    return f"{crc32(arn.encode()):08x}"


def _lineage(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in text.split("|"):
        fields = one.split(":")
        if len(fields) >= 2 and fields[-1].isdecimal():
            counts[fields[-2]] = int(fields[-1])
    return counts


def refusal() -> ClientFault:
    return ClientFault(
        "RecursiveInvocationException",
        "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your "
        "function's invocation.",
        Type="User",
    )


async def get_function_recursion_config(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    await catalogue.settled()
    return {"RecursiveLoop": function.recursion}


async def put_function_recursion_config(catalogue: Catalogue, request: Request) -> Result:
    function = catalogue.function(catalogue.reference(request.params["FunctionName"]))
    await catalogue.save(msgspec.structs.replace(function, recursion=request.params["RecursiveLoop"]))
    return {"RecursiveLoop": request.params["RecursiveLoop"]}
