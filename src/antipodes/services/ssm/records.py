"""Parameters in the store.

Key: `ssm/parameter/<name>`; the value is a format digit and JSON. All versions of a parameter lie in its row: they are
at most 100 of 8 KB.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from antipodes.store.store import Store

FORMAT = b"1"
PREFIX = b"ssm/parameter/"


class Written(msgspec.Struct, frozen=True):
    """One version. `at` in epoch seconds."""

    number: int
    value: str
    at: float
    description: str = ""
    allowed_pattern: str = ""
    tier: str = "Standard"


class Parameter(msgspec.Struct, frozen=True):
    """A parameter, oldest version first."""

    name: str
    type: str  # String, StringList
    versions: tuple[Written, ...]
    data_type: str = "text"
    tags: dict[str, str] = {}

    @property
    def newest(self) -> Written:
        return self.versions[-1]


class Shelf:
    """Typed access to the rows. Writes are durable when the caller has awaited the store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, name: str) -> Parameter | None:
        found = self.store.get(PREFIX + name.encode())
        return None if found is None else msgspec.json.decode(found[1:], type=Parameter)

    def all(self, prefix: str = "", after: str = "") -> Iterator[Parameter]:
        """Those whose name begins so and is > after, in order of names."""
        start = PREFIX + prefix.encode()
        if after:
            start = max(start, PREFIX + after.encode() + b"\0")
        for _, value in self.store.range(start, PREFIX + prefix.encode() + b"\xff"):
            yield msgspec.json.decode(value[1:], type=Parameter)

    def put(self, parameter: Parameter) -> None:
        self.store.write([(PREFIX + parameter.name.encode(), FORMAT + msgspec.json.encode(parameter))])

    def drop(self, name: str) -> None:
        self.store.write([(PREFIX + name.encode(), None)])
