"""Scalars between text, JSON and Python: timestamps, booleans, numbers, blobs.

Inside antipodes a timestamp is float epoch seconds and a blob is bytes (see wire/operation.py). Text that does not
say what its shape wants raises ValueError; the protocol turns that into AWS's error.
"""

from __future__ import annotations

import base64
import binascii
import math
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from antipodes.wire.models import Shape

INTEGERS = frozenset({"integer", "long", "short", "byte", "bigInteger"})
FLOATS = frozenset({"float", "double", "bigDecimal"})


def epoch_of(text: str) -> float:
    """Epoch seconds of any of AWS's formats: a number, ISO 8601, RFC 822."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, IndexError):
            raise ValueError(f"not a timestamp: {text!r}") from None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def timestamp_text(value: float | datetime | str, form: str) -> str | int | float:
    """A timestamp in the form "iso8601", "rfc822" or "unixtimestamp" (this one a number); text passes as it is."""
    if isinstance(value, str):
        return value
    seconds = value.timestamp() if isinstance(value, datetime) else value
    if form.lower() == "unixtimestamp":
        thousandths = round(seconds * 1000)
        return thousandths // 1000 if thousandths % 1000 == 0 else thousandths / 1000
    if form.lower() == "rfc822":
        return formatdate(int(seconds), usegmt=True)
    thousandths = round(seconds * 1000)
    moment = datetime.fromtimestamp(thousandths // 1000, UTC)
    fraction = f".{thousandths % 1000:03d}" if thousandths % 1000 else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def bytes_of(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def base64_text(value: Any) -> str:
    return base64.b64encode(bytes_of(value)).decode("ascii")


def float_text(value: float) -> str | float:
    """JSON and XML have no word for these; AWS writes strings."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def scalar_of(shape: Shape, text: str) -> Any:
    """The value of a scalar shape from text (query strings, headers, labels, XML). Raises ValueError."""
    kind = shape.type_name
    if kind in {"string", "character"}:
        return text
    if kind in INTEGERS:
        return int(text)
    if kind == "boolean":
        lowered = text.lower()
        if lowered not in {"true", "false"}:
            raise ValueError(f"not a boolean: {text!r}")
        return lowered == "true"
    if kind == "timestamp":
        return epoch_of(text)
    if kind in FLOATS:
        return float(text)
    if kind == "blob":
        try:
            return base64.b64decode(text, validate=False)
        except binascii.Error:
            raise ValueError("not base64") from None
    raise ValueError(f"a {kind} cannot be read from text")


def text_of(shape: Shape, value: Any, timestamp_form: str) -> str:
    """The text of a scalar shape's value."""
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return str(timestamp_text(value, shape.serialization.get("timestampFormat", timestamp_form)))
    if kind == "blob":
        return base64_text(value)
    if kind in FLOATS:
        return str(float_text(float(value)))
    return str(value)
