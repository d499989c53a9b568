"""Kept: answers that were prepared, and what each of them leans on.

Rules. Pure; does not know what an answer looks like. An answer is kept under the owner it answers for, which exists in
a zone: so what is kept is bounded by what the zones hold, whatever strangers ask. It leans on other names too (the
targets of its aliases and CNAMEs, the SOA's owner): when one of those changes, what leans on it is dropped, and
prepared anew when it is next asked for. Nothing else is touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Answers by owner and a key of the caller's (type, class, DNSSEC or not)."""

    def __init__(self) -> None:
        self.answers: dict[bytes, T] = {}  # by owner and key, joined: read by the hot path
        self.keys: dict[bytes, list[bytes]] = {}  # by owner
        self._leaning: dict[bytes, dict[bytes, None]] = {}  # a name: the owners of answers that lean on it

    def keep(self, name: bytes, key: bytes, answer: T, leans_on: Iterable[bytes]) -> None:
        if name + key not in self.answers:
            self.keys.setdefault(name, []).append(key)
        self.answers[name + key] = answer
        for other in leans_on:
            if other != name:
                self._leaning.setdefault(other, {})[name] = None

    def drop(self, name: bytes) -> None:
        """A name's records or their health changed, or the name began or ceased to exist."""
        self._drop(name)
        for other in self._leaning.pop(name, ()):
            self._drop(other)

    def _drop(self, name: bytes) -> None:
        for key in self.keys.pop(name, ()):
            del self.answers[name + key]

    def drop_below(self, suffix: bytes) -> None:
        """Which zone answers for these names changed, or whether it does."""
        for name in [name for name in (*self.keys, *self._leaning) if name.endswith(suffix)]:
            self.drop(name)
