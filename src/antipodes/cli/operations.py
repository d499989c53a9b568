"""`antipodes operations`: which operations of AWS's services there are."""

from __future__ import annotations


def operations() -> None:
    """Prints which operations each service has, as Markdown (docs/operations.md is this)."""
    from antipodes.globe import operations as of_services

    print(of_services.page(), end="")
