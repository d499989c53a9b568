"""Trace: what a run noted, as a digest and, if wanted, as lines.

Two runs of the same seed must note the same: the digest is what determinism tests compare. A fact is a plain value
(text, number, bytes, bool, None, tuple of these); an object whose repr holds a memory address would differ each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

Sink = Callable[[str], None]


class Trace:
    """The notes of one run."""

    def __init__(self, sink: Sink | None = None) -> None:
        self._digest = hashlib.sha256()
        self._sink = sink

    def note(self, at_s: float, site: str, kind: str, facts: Mapping[str, object]) -> None:
        line = trace_line(at_s, site, kind, facts)
        self._digest.update(line.encode())
        self._digest.update(b"\n")
        if self._sink:
            self._sink(line)

    def digest(self, *last: object) -> str:
        """SHA-256 over all notes, and over `last`, what the caller knows of the run's end."""
        copy = self._digest.copy()
        copy.update(repr(last).encode())
        return copy.hexdigest()


def trace_line(at_s: float, site: str, kind: str, facts: Mapping[str, object]) -> str:
    """One note as text: "12.345678 eu-west-1 commit position=7"."""
    return f"{at_s:.6f} {site} {kind}" + "".join(f" {name}={value!r}" for name, value in facts.items())
