"""Items as they come: measured and made canonical without being decoded, where that can be. Pure.

`read_item` says yes to an item that is well, and what it must know of it; None says nothing about it. The compiled
reader (_items.c, where there is a compiler) does it in one pass over the bytes and is choosier: it leaves alone what
is seldom, such as numbers that are not canonical, sets out of order, or escapes that canonical JSON has none of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from antipodes.services.dynamodb.values import measure_item
from antipodes.wire.errors import ClientFault

KeyNames = tuple[str, str, str | None, str | None]  # name and kind of the hash key, of the range key
# The item's canonical JSON, its size in bytes by DynamoDB's arithmetic, how many attributes it has, the content of its
# hash key and of its range key.
Read = tuple[bytes, int, int, str, str | None]
Raw = msgspec.Raw | bytes
Reader = Callable[["Raw", KeyNames], "Read | None"]


def read_item_by_decoding(raw: Raw, names: KeyNames) -> Read | None:
    """The reader in Python."""
    try:
        item: Any = orjson.loads(memoryview(raw))
        size = measure_item(item)
    except (orjson.JSONDecodeError, ClientFault):
        return None
    first = item.get(names[0], {}).get(names[1])
    second = item.get(names[2], {}).get(names[3]) if names[2] is not None else None
    if first is None or (names[2] is not None and second is None):
        return None
    return orjson.dumps(item), size, len(item), first, second


try:
    from antipodes.services.dynamodb import _items
except ImportError:
    COMPILED = False
    read_item_in_one_pass: Reader = read_item_by_decoding
else:
    COMPILED = True
    read_item_in_one_pass = _items.read_item


def read_item(raw: Raw, names: KeyNames) -> Read | None:
    """The quicker way first; None: the item has a fault, or lacks a key."""
    return read_item_in_one_pass(raw, names) or (read_item_by_decoding(raw, names) if COMPILED else None)
