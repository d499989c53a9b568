"""All workloads by name: one file each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from antipodes.gameday.proof.bench import Workload
from antipodes.gameday.proof.workloads.counter import Counter
from antipodes.gameday.proof.workloads.expiry import Expiry
from antipodes.gameday.proof.workloads.membership import Membership
from antipodes.gameday.proof.workloads.rebirth import Rebirth
from antipodes.gameday.proof.workloads.register import Register
from antipodes.gameday.proof.workloads.transfer import Transfer
from antipodes.gameday.proof.workloads.unique import Unique

_ALL: tuple[type[Workload], ...] = (Register, Counter, Unique, Transfer, Rebirth, Expiry, Membership)
WORKLOADS: Mapping[str, Callable[[], Workload]] = {made.name: made for made in _ALL}
