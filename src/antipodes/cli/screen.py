"""How the story looks in a terminal: calm, 80 columns, colours only where there is a terminal.

Implements `gameday.teller.Teller` with rich. Decides looks only. Texts are printed as they are: nothing in them is
taken for markup.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

from antipodes.gameday.teller import Tone

WIDTH = 80
STYLES: dict[Tone, str] = {"plain": "", "good": "green", "bad": "red", "quiet": "dim"}
# Endings of titles over columns of numbers.
NUMERIC = (" ms", " s", " %", "Calls", "Failed", "Strand", "Over", "Lost", "Items", "Envs", "Busy", "Errors")
MARGIN = "   "


class Screen:
    """Tells a story on a terminal, or as plain text into a file or pipe (then without what is being waited for)."""

    def __init__(self, file: TextIO | None = None) -> None:
        self.console = Console(file=file or sys.stdout, highlight=False, soft_wrap=False)
        if self.console.width > WIDTH or not self.console.is_terminal:
            self.console.width = WIDTH
        self._status: Status | None = None

    def act(self, number: int, title: str, text: str) -> None:
        self.progress("")
        self.console.print()
        self.console.print(Text(f"{number}. {title}", style="bold"))
        self.console.print(Text(MARGIN + text, style="dim"))

    def line(self, text: str, tone: Tone = "plain", *, at_s: float | None = None) -> None:
        margin = MARGIN if at_s is None else f"{MARGIN}{at_s:+6.1f} s  "
        rest = textwrap.wrap(text, self.console.width - len(margin), break_on_hyphens=False) or [""]
        for number, part in enumerate(rest):
            before = " " * len(margin) if number else margin
            self.console.print(Text.assemble((before, "dim"), (part, STYLES[tone])), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], note: str = "") -> None:
        """What does not fit its column goes on in the next line: nothing is cut off."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0), show_edge=False)
        for title in columns:
            numeric = title.endswith(NUMERIC)
            table.add_column(title, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        self.console.print()
        self.console.print(Padding(table, (0, 0, 0, len(MARGIN)), expand=False))
        for part in textwrap.wrap(note, self.console.width - len(MARGIN)):
            self.console.print(Text(MARGIN + part, style="dim"))
        self.console.print()

    def progress(self, text: str) -> None:
        if not self.console.is_terminal:
            return
        if not text:
            if self._status is not None:
                self._status.stop()
                self._status = None
        elif self._status is None:
            self._status = self.console.status(Text(text, style="dim"), spinner="dots")
            self._status.start()
        else:
            self._status.update(Text(text, style="dim"))
