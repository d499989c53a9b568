"""Fixtures of all rooms."""

from tests.worlds import both_worlds

__all__ = ["both_worlds"]
