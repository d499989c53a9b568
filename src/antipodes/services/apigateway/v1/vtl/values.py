"""What a template's values are and can do. Pure.

A value is None, a bool, a number, a string, a list, a dict, or a Host: something of ours with named members. Methods
are looked up in the tables here, never on Python objects, so a template reaches nothing else. They are those of Java's
String, List and Map, for Velocity hands templates Java's objects.

Bounds: a string or list that a template builds has at most LIMIT parts, so that no template can eat a Region.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

LIMIT = 10 * 1024 * 1024  # characters, items


class TemplateError(Exception):
    """The template cannot be parsed, or not be rendered with what it was given."""


class Host:
    """An object of the gateway's own: `$input`, `$util`."""

    def member(self, name: str) -> Any:
        """The value of a member; None if there is none of that name."""
        return None

    def invoke(self, name: str, arguments: Sequence[Any]) -> Any:
        """Calls a method. Raises TemplateError if there is none of that name."""
        raise TemplateError(f"no method {name}")


class JsonList(list[Any]):
    """A list that came out of JSON: it prints as JSON, where a list that a template made prints as Java does."""


def from_json(value: Any) -> Any:
    """A parsed JSON value as templates see it."""
    if isinstance(value, list):
        return JsonList(from_json(one) for one in value)
    if isinstance(value, dict):
        return {key: from_json(one) for key, one in value.items()}
    return value


def as_text(value: Any) -> str:
    """As it is printed: null as nothing, lists and maps as Java's toString."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return _Printer().whole(value, in_json=False)


def as_json(value: Any) -> str:
    return _Printer().whole(value, in_json=True)


class _Printer:
    """Counts what it prints: a value may hold another many times over."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._size = 0

    def whole(self, value: Any, *, in_json: bool) -> str:
        try:
            self._print(value, in_json or isinstance(value, JsonList))
        except RecursionError as error:
            raise TemplateError("a value is nested too deeply") from error
        return "".join(self._out)

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > LIMIT:
            raise TemplateError("a value grew too large")
        self._out.append(text)

    def _print(self, value: Any, in_json: bool) -> None:
        if value is None:
            self._write("null")
        elif isinstance(value, bool):
            self._write("true" if value else "false")
        elif isinstance(value, str):
            self._write(json.dumps(value, ensure_ascii=False) if in_json else value)
        elif isinstance(value, list):
            self._write("[")
            for at, one in enumerate(value):
                if at:
                    self._write("," if in_json else ", ")
                self._print(one, in_json or isinstance(one, JsonList))
            self._write("]")
        elif isinstance(value, dict):
            self._write("{")
            for at, (key, one) in enumerate(value.items()):
                if at:
                    self._write("," if in_json else ", ")
                self._write(json.dumps(key, ensure_ascii=False) + ":" if in_json else f"{key}=")
                self._print(one, in_json or isinstance(one, JsonList))
            self._write("}")
        elif isinstance(value, Host):
            raise TemplateError("an object of the gateway's own cannot be printed")
        else:
            self._write(str(value))


def truth(value: Any) -> bool:
    """null, false, an empty string and an empty list or map are false (so in Velocity 2; of 1.7 only the first two)."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str | list | dict):
        return len(value) > 0
    return True


def bounded(value: Any) -> Any:
    if isinstance(value, str | list | dict) and len(value) > LIMIT:
        raise TemplateError("a value grew too large")
    return value


def member(value: Any, name: str) -> Any:
    """`$value.name`: of maps and of hosts; None elsewhere."""
    if isinstance(value, Host):
        return value.member(name)
    if isinstance(value, dict):
        return value.get(name)
    return None


def item(value: Any, key: Any) -> Any:
    """`$value[key]`."""
    if isinstance(value, dict):
        return value.get(as_text(key))
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return None


def assign(value: Any, key: Any, new: Any) -> None:
    """`#set($value.key = new)`, `#set($value[key] = new)`. Raises TemplateError where that cannot be."""
    if isinstance(value, dict):
        value[as_text(key)] = new
        bounded(value)
    elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        value[key] = new
    else:
        raise TemplateError(f"nothing can be set at {as_text(key)}")


def invoke(value: Any, name: str, arguments: Sequence[Any]) -> Any:
    """`$value.name(arguments)`. Raises TemplateError for a method that the value does not have."""
    if isinstance(value, Host):
        return value.invoke(name, arguments)
    for kind, methods in METHODS.items():
        found = methods.get(name) if isinstance(value, kind) else None
        if found is not None:
            try:
                return bounded(found(value, *arguments))
            except (TypeError, ValueError, LookupError, AttributeError, re.error, OverflowError) as error:
                raise TemplateError(f"{name}: {error}") from error
    if value is None:
        return None  # Velocity prints a call on null as null
    raise TemplateError(f"no method {name}")


def number(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise TemplateError(f"{as_text(value)!r} is no number")


def _java_replacement(text: str) -> str:
    """`$1` of Java's regular expressions as Python's."""
    return re.sub(r"\\?\$(\d)", r"\\g<\1>", text.replace("\\\\", "\\"))


def _replace(text: str, old: Any, new: Any) -> str:
    return text.replace(as_text(old), as_text(new))


def _replace_all(text: str, pattern: Any, new: Any) -> str:
    plain = as_text(new)
    if "$" not in plain and "\\" not in plain:
        return re.sub(as_text(pattern), lambda _: plain, text)
    return re.sub(as_text(pattern), _java_replacement(plain), text)


def _replace_first(text: str, pattern: Any, new: Any) -> str:
    return re.sub(as_text(pattern), _java_replacement(as_text(new)), text, count=1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if not 0 <= start <= stop <= len(text):
        raise ValueError("String index out of range")
    return text[start:stop]


def _split(text: str, pattern: Any, limit: int = 0) -> list[str]:
    parts = re.split(as_text(pattern), text, maxsplit=max(limit - 1, 0))
    while limit == 0 and len(parts) > 1 and not parts[-1]:
        parts.pop()  # Java drops empty strings at the end
    return parts


def _add(items: list[Any], *arguments: Any) -> bool:
    if len(arguments) == 2:
        items.insert(arguments[0], arguments[1])
    else:
        items.append(arguments[0])
    bounded(items)
    return True


def _add_all(items: list[Any], more: list[Any]) -> bool:
    if len(items) + len(more) > LIMIT:
        raise TemplateError("a value grew too large")
    items.extend(list(more))
    return bool(more)


def _remove(items: list[Any], which: Any) -> Any:
    if isinstance(which, int) and not isinstance(which, bool):
        return items.pop(which)
    if which in items:
        items.remove(which)
        return True
    return False


def _put(mapping: dict[str, Any], key: Any, new: Any) -> Any:
    before = mapping.get(as_text(key))
    mapping[as_text(key)] = new
    return before


def _put_all(mapping: dict[str, Any], more: dict[str, Any]) -> None:
    mapping.update(more)


def _entries(mapping: dict[str, Any]) -> list[Any]:
    return [Entry(key, value) for key, value in mapping.items()]


class Entry(Host):
    """One of a map's entries."""

    def __init__(self, key: str, value: Any) -> None:
        self._parts = {"key": key, "value": value}

    def member(self, name: str) -> Any:
        return self._parts.get(name)

    def invoke(self, name: str, arguments: Sequence[Any]) -> Any:
        if name in {"getKey", "getValue"} and not arguments:
            return self._parts[name[3:].lower()]
        raise TemplateError(f"no method {name} of a map's entry")


def _java_hash(text: str) -> int:
    code = 0
    for character in text:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return code - (1 << 32) if code >= 1 << 31 else code


Methods = Mapping[str, Callable[..., Any]]

ANY_METHODS: Methods = MappingProxyType({"toString": as_text, "equals": lambda a, b: a == b})
STRING_METHODS: Methods = MappingProxyType(
    {
        "length": len,
        "isEmpty": lambda s: not s,
        "isBlank": lambda s: not s.strip(),
        "charAt": lambda s, at: s[at],
        "concat": lambda s, other: s + as_text(other),
        "contains": lambda s, other: as_text(other) in s,
        "startsWith": lambda s, other: s.startswith(as_text(other)),
        "endsWith": lambda s, other: s.endswith(as_text(other)),
        "equalsIgnoreCase": lambda s, other: s.lower() == as_text(other).lower(),
        "indexOf": lambda s, other, start=0: s.find(as_text(other), start),
        "lastIndexOf": lambda s, other: s.rfind(as_text(other)),
        "matches": lambda s, pattern: re.fullmatch(as_text(pattern), s) is not None,
        "replace": _replace,
        "replaceAll": _replace_all,
        "replaceFirst": _replace_first,
        "split": _split,
        "substring": _substring,
        "toLowerCase": str.lower,
        "toUpperCase": str.upper,
        "trim": str.strip,
        "compareTo": lambda s, other: (s > as_text(other)) - (s < as_text(other)),
        "hashCode": _java_hash,
    }
)
LIST_METHODS: Methods = MappingProxyType(
    {
        "size": len,
        "length": len,
        "isEmpty": lambda items: not items,
        "get": lambda items, at: items[at],
        "set": assign,
        "add": _add,
        "addAll": _add_all,
        "remove": _remove,
        "clear": lambda items: items.clear(),
        "contains": lambda items, one: one in items,
        "indexOf": lambda items, one: items.index(one) if one in items else -1,
        "subList": lambda items, start, end: items[start:end],
    }
)
MAP_METHODS: Methods = MappingProxyType(
    {
        "size": len,
        "isEmpty": lambda mapping: not mapping,
        "get": lambda mapping, key: mapping.get(as_text(key)),
        "getOrDefault": lambda mapping, key, other: mapping.get(as_text(key), other),
        "put": _put,
        "putAll": _put_all,
        "remove": lambda mapping, key: mapping.pop(as_text(key), None),
        "clear": lambda mapping: mapping.clear(),
        "containsKey": lambda mapping, key: as_text(key) in mapping,
        "containsValue": lambda mapping, one: one in mapping.values(),
        "keySet": list,
        "values": lambda mapping: list(mapping.values()),
        "entrySet": _entries,
    }
)
NUMBER_METHODS: Methods = MappingProxyType(
    {"intValue": int, "longValue": int, "doubleValue": float, "compareTo": lambda a, b: (a > b) - (a < b)}
)
METHODS: Mapping[Any, Methods] = MappingProxyType(
    {
        str: STRING_METHODS,
        list: LIST_METHODS,
        dict: MAP_METHODS,
        (int, float): NUMBER_METHODS,
        (str, int, float, list, dict): ANY_METHODS,
    }
)
