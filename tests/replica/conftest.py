"""Both worlds for what talks over the network."""

from tests.worlds import both_worlds

__all__ = ["both_worlds"]
