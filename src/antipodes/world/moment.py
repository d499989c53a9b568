"""Moment: a future that its owner ends within a turn or two of the loop, come what may.

A group commit is one: who waits for it waits for a sync that is scheduled already. A task for so short a wait costs
more than the wait; who drives coroutines by hand (edge/eager.py) may wait for a Moment without one.
"""

from __future__ import annotations

import asyncio


class Moment(asyncio.Future[None]):
    """To everybody else a future like any other."""
