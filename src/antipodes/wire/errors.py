"""The error tree: what a service raises, and what the client then sees.

AwsError                       anything a client is told; carries AWS's code, message and HTTP status
├── ClientFault                4xx: the request is at fault; it did not happen
│   ├── ValidationException    ...the commonest, so it has a name here; other codes use ClientFault(code, message)
│   ├── NotSupported           antipodes does not do this (yet); the message names what
│   └── AccessDenied           signature, key or token refused
└── ServerFault                5xx: the service is at fault; `happened` says whether it may have taken effect

A client's fault is raised; a broken invariant of ours is an assertion and becomes InternalFailure (500) at the door.
Codes and messages are AWS's. Services define subclasses or raise ClientFault with the code of the service model.
"""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An error that a client sees.

    code: the wire code ("ResourceNotFoundException"); message: AWS's sentence; status: HTTP status;
    extra: further members of the error's shape ("Item", "CancellationReasons").
    """

    status = 400

    def __init__(self, code: str, message: str, *, status: int | None = None, **extra: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        if status is not None:
            self.status = status
        self.extra = extra


class ClientFault(AwsError):
    """The request is at fault; nothing was changed."""


class ValidationException(ClientFault):
    """Input that breaks a rule of the operation."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


class NotSupported(ClientFault):
    """An operation, parameter or resource type that antipodes does not carry out.

    Wire code ValidationException would read as if AWS refused; UnsupportedOperation says who does.
    """

    def __init__(self, what: str) -> None:
        super().__init__("UnsupportedOperation", f"antipodes does not support {what} yet.")


class AccessDenied(ClientFault):
    """Unknown key, bad signature, expired token."""

    status = 403


class ServerFault(AwsError):
    """The service failed. `happened` is None when it is unknown whether the request took effect."""

    status = 500

    def __init__(
        self, code: str, message: str, *, status: int | None = None, happened: bool | None = None, **extra: Any
    ) -> None:
        super().__init__(code, message, status=status, **extra)
        self.happened = happened
