"""Runs inside a Lambda worker process: leads to the planet what botocore sends to an API's own name.

`<api>.execute-api.<region>.amazonaws.com`, which `@connections` of WebSocket APIs is asked at, names AWS outside the
planet. Such a request goes to AWS_ENDPOINT_URL, with the Host that was signed. handler_loop.mjs does the same for
Node.js.

Standard library only, and nothing of antipodes: it is imported by its name where programs are started by their path.
botocore may be the function's own, and is there when the function imports it: a finder waits for it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

SENDER = "botocore.httpsession"
API_NAME = re.compile(r"[a-z0-9]+\.execute-api\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")


def lead_home() -> None:
    """To be called before botocore is imported. A function may have a module of this one's name: it is forgotten."""
    del sys.modules[__name__]
    sys.meta_path.insert(0, _Waiting())


class _Waiting:
    """A finder that finds nothing itself; it changes one module while it is loaded, once."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != SENDER:
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                load = spec.loader.exec_module
                spec.loader.exec_module = partial(_load, load)  # type: ignore[method-assign]
                return spec
        return None


def _load(load: Callable[[ModuleType], None], module: ModuleType) -> None:
    load(module)
    _lead(module)


def _lead(module: Any) -> None:
    session = module.URLLib3Session
    send = session.send

    def led(self: Any, request: Any) -> Any:
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        scheme, _, rest = request.url.partition("://")
        host, slash, path = rest.partition("/")
        if endpoint and scheme == "https" and API_NAME.fullmatch(host):
            request.headers["Host"] = host
            request.url = endpoint.rstrip("/") + slash + path
        return send(self, request)

    session.send = led
