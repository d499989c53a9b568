"""Both worlds for this folder's tests."""

from tests.worlds import both_worlds

__all__ = ["both_worlds"]
