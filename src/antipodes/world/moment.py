"""Moment: a future that may be waited for without a task.

A task for a wait costs more than a short wait does. Who drives coroutines by hand (edge/eager.py) goes on by itself
when a Moment is over: a group commit's, a function's answer. Whoever makes one promises only to end it, come what may.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


class Moment(asyncio.Future[T]):
    """To everybody else a future like any other."""
