"""Fixtures of all rooms, and how hypothesis draws.

CI draws the same examples each time: a run that fails repeats itself, a run that passes passes again. `pytest
--hypothesis-profile=search` draws new ones, on demand. No test has a deadline: times are for benchmarks.
"""

from hypothesis import settings

from tests.worlds import both_worlds

__all__ = ["both_worlds"]

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("search", derandomize=False, deadline=None, print_blob=True, max_examples=1000)
settings.load_profile("repeatable")
