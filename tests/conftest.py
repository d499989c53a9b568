"""Fixtures of all rooms."""

from tests.worlds import both_worlds as both_worlds
