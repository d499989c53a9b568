"""How old the log is: sparse marks that say which end the log had at which time.

What it decides: how many marks are kept, and which log position an age means. Log entries carry the time of their
origin, which for changes from elsewhere is not the time they came here: hence marks, made by whoever keeps the log
short. They are rows, so they survive a restart and fall with the entries that a failed disk takes back.
"""

from __future__ import annotations

from antipodes.store.store import Store

PREFIX = b"store/age/"
_END = b"store/age0"
MARKS = 144  # of one retention time: an age is right to a 144th of it (ten minutes of a day)


def mark_age(store: Store, now: float, keep_s: float) -> bool:
    """Notes the log's end, unless that was done lately, and forgets marks that nobody can ask for. Whether the end is
    noted: then there is nothing to do until the log grows.

    now: epoch seconds. keep_s: the greatest age that will be asked for. Durable with the next sync.
    """
    newest = next(iter(store.range(PREFIX, _END, reverse=True)), None)
    if newest is not None and _position(newest) == store.end:
        return True
    if newest is not None and 0 <= now - _time(newest) < keep_s / MARKS:
        return False
    # A clock that stepped back makes marks anew: the older of two times for one end is the careful one.
    too_old = [key for key, _ in store.range(PREFIX, _key(now - 2 * keep_s))]
    store.write([(_key(now), str(store.end).encode()), *((key, None) for key in too_old[:-1])])
    return True


def position_at(store: Store, when: float) -> int:
    """A log position that was reached at `when` (epoch seconds) or before: all entries up to it are at least that
    old. 0 if nothing is known of that time."""
    found = next(iter(store.range(PREFIX, _key(when) + b"\x00", reverse=True)), None)
    return 0 if found is None else _position(found)


def _key(when: float) -> bytes:
    return PREFIX + max(0, int(when * 1000)).to_bytes(8, "big")


def _time(row: tuple[bytes, bytes]) -> float:
    return int.from_bytes(row[0][len(PREFIX) :], "big") / 1000


def _position(row: tuple[bytes, bytes]) -> int:
    return int(row[1])
