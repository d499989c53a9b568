"""Overlays: what lies over a table is read in its place, in both directions, frozen or not."""

from __future__ import annotations

import random

import pytest

from antipodes.store.overlay import Overlay, over


@pytest.mark.parametrize("seed", range(20))
def test_upper_rows_stand_before_lower_ones_in_order_and_backwards(seed: int) -> None:
    chance = random.Random(seed)
    upper, lower = Overlay(), Overlay()
    for overlay in (upper, lower):
        for _ in range(chance.choice((0, 3, 100))):
            overlay.put(b"%03d" % chance.randrange(200), chance.choice((None, b"%d" % chance.randrange(9))))
    for frozen in (False, True):
        for _ in range(10):
            start, end = b"%03d" % chance.randrange(200), b"%03d" % chance.randrange(200)
            rows = {key: row for key, row in (lower.rows | upper.rows).items() if start <= key < end}
            for overlay in (upper, lower):
                assert overlay.covers(start, end) == any(start <= key < end for key in overlay.rows)
            for reverse in (False, True):
                found = over(upper.between(start, end, reverse), lower.between(start, end, reverse), reverse)
                assert list(found) == sorted(rows.items(), reverse=reverse)
        if not frozen:
            upper.freeze()
            lower.freeze()
        else:
            poured = upper.first(7)
            left = len(upper.rows) - len(poured)
            assert poured == sorted(upper.rows.items())[:7]
            upper.forget(poured, 0)
            assert (len(upper.rows), upper.first(1000)) == (left, sorted(upper.rows.items()))
            assert list(upper.between(b"", b"9", False)) == sorted(upper.rows.items())
