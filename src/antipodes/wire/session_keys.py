"""Session credentials: of execution environments, and of roles that STS is asked for. Pure.

The secret is derived from the access key with the planet's key, so that any Region can check a signature without
having seen the credentials issued: nothing is stored, nothing is replicated. The planet's key guards a fake cloud on
the loopback interface and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

SESSION_PREFIX = "ASIA"  # AWS's prefix of temporary access keys


def issue(planet_key: str, role_arn: str, session: str) -> tuple[str, str, str]:
    """(access key, secret, session token) of a role's session (for functions: its Region). The same input gives the
    same credentials."""
    access_key = SESSION_PREFIX + _letters(planet_key, f"key/{session}/{role_arn}", 16)
    token = _digest(planet_key, f"token/{access_key}/{role_arn}")
    return access_key, _secret(planet_key, access_key), base64.b64encode(token * 4).decode()


def secret_for(planet_key: str, access_key: str) -> str | None:
    """The secret of a session's access key; None when it is not of our making (not ASIA and 16 letters or digits)."""
    if len(access_key) != 20 or not access_key.startswith(SESSION_PREFIX):
        return None
    return _secret(planet_key, access_key)


def _secret(planet_key: str, access_key: str) -> str:
    return base64.b64encode(_digest(planet_key, f"secret/{access_key}")[:30]).decode()


def _letters(planet_key: str, text: str, length: int) -> str:
    return base64.b32encode(_digest(planet_key, text)).decode()[:length]


def _digest(planet_key: str, text: str) -> bytes:
    return hmac.new(planet_key.encode(), text.encode(), hashlib.sha256).digest()
