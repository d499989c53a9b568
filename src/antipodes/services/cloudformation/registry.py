"""The resource types that antipodes carries out: those of the files in `resources/`, each of which has HANDLERS. A new
type is a file there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from antipodes.services.cloudformation import resources
from antipodes.services.cloudformation.handler import Handler


def _handlers() -> Iterator[Handler]:
    """Of all files, by name. Some have shapes for the others, and none of these."""
    for module in sorted(iter_modules(resources.__path__), key=lambda found: found.name):
        yield from getattr(import_module(f"{resources.__name__}.{module.name}"), "HANDLERS", ())


HANDLERS: Mapping[str, Handler] = {handler.type: handler for handler in _handlers()}
