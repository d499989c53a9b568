"""Teller: how a story is told. The story says what happened; a Teller says how it looks, or says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

Tone = Literal["plain", "good", "bad", "quiet"]


class Teller(Protocol):
    """What a story calls. Texts are plain; no call blocks."""

    def act(self, number: int, title: str, text: str) -> None:
        """A new act begins."""
        ...

    def line(self, text: str, tone: Tone = "plain", *, at_s: float | None = None) -> None:
        """One thing that happened; `at_s`: seconds since the disaster."""
        ...

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
        """Rows of short texts; columns whose title ends in a unit hold numbers."""
        ...

    def progress(self, text: str) -> None:
        """What is being waited for; replaces the last such text, "" ends it."""
        ...


class Silent:
    """Tells nothing."""

    def act(self, number: int, title: str, text: str) -> None: ...

    def line(self, text: str, tone: Tone = "plain", *, at_s: float | None = None) -> None: ...

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None: ...

    def progress(self, text: str) -> None: ...
