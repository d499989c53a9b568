"""Bytes to typed operations and back. Pure: no clock, no chance, no socket."""
