"""Lines of execution logs."""

from __future__ import annotations

from antipodes.services.apigateway.v1.execution_logs import pairs


def test_what_is_secret_is_not_told() -> None:
    headers = (("Authorization", "Bearer x"), ("X-API-Key", "k"), ("Accept", "a/b"))
    assert pairs(headers) == "{Authorization=***, X-API-Key=***, Accept=a/b}"
