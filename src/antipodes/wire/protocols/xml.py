"""XML of the query and REST XML protocols: shapes to elements, elements to shapes.

Writing makes text directly (a tree would be built only to be thrown away). Reading drops namespaces and ignores
elements that the model does not know, as AWS does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from antipodes.wire.models import Shape
from antipodes.wire.protocols.values import scalar_of, text_of

Element = ElementTree.Element


class MalformedXml(Exception):
    """The text is not XML, or a value in it is not what its shape wants."""


# --- writing ---


def write(parts: list[str], shape: Shape, value: Any, name: str) -> None:
    """Appends the element (or, for flattened lists and maps, the elements) of a value."""
    kind = shape.type_name
    if kind == "structure":
        members: list[str] = []
        attributes = _namespace(shape) + write_members(members, shape, value)
        parts.append(f"<{name}{attributes}>")
        parts += members
        parts.append(f"</{name}>")
    elif kind == "list":
        _write_list(parts, shape, value, name)
    elif kind == "map":
        _write_map(parts, shape, value, name)
    else:
        text = escape(text_of(shape, value, "iso8601"))
        parts.append(f"<{name}>{text}</{name}>" if text else f"<{name}/>")


def write_members(parts: list[str], shape: Shape, value: Any, skip: Iterable[str] = ()) -> str:
    """Appends the members of a structure; gives the attributes that belong on its own tag."""
    attributes = ""
    for member_name, member in shape.members.items():
        one = value.get(member_name)
        if one is None or member_name in skip:
            continue
        wire_name = member.serialization.get("name", member_name)
        if member.serialization.get("xmlAttribute"):
            attributes += f" {wire_name}={quoteattr(str(one))}"
        else:
            write(parts, member, one, wire_name)
    return attributes


def _namespace(shape: Shape) -> str:
    namespace = shape.serialization.get("xmlNamespace")
    if not namespace:
        return ""
    if isinstance(namespace, str):
        return f" xmlns={quoteattr(namespace)}"
    prefix = namespace.get("prefix")
    return f" xmlns{':' + prefix if prefix else ''}={quoteattr(namespace['uri'])}"


def _write_list(parts: list[str], shape: Shape, value: Any, name: str) -> None:
    member = shape.member
    if shape.serialization.get("flattened"):
        for one in value:
            write(parts, member, one, member.serialization.get("name", name))
        return
    parts.append(f"<{name}>")
    for one in value:
        write(parts, member, one, member.serialization.get("name", "member"))
    parts.append(f"</{name}>")


def _write_map(parts: list[str], shape: Shape, value: Any, name: str) -> None:
    flattened = shape.serialization.get("flattened")
    entry = name if flattened else "entry"
    if not flattened:
        parts.append(f"<{name}>")
    for key, one in value.items():
        parts.append(f"<{entry}>")
        write(parts, shape.key, key, shape.key.serialization.get("name", "key"))
        write(parts, shape.value, one, shape.value.serialization.get("name", "value"))
        parts.append(f"</{entry}>")
    if not flattened:
        parts.append(f"</{name}>")


# --- reading ---


def parse(body: bytes) -> Element:
    """The root element. Raises MalformedXml."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise MalformedXml("a document type definition is not allowed")
    try:
        return ElementTree.fromstring(body)  # noqa: S314  see the import
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise MalformedXml(str(error)) from None


def tag_of(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def read(shape: Shape, element: Element) -> Any:
    """The value of a shape from its element. Raises MalformedXml."""
    kind = shape.type_name
    if kind == "structure":
        return read_members(shape, element)
    if kind == "list":
        return [read(shape.member, child) for child in element]
    if kind == "map":
        return _read_entries(shape, list(element))
    return _scalar(shape, element.text or "")


def _scalar(shape: Shape, text: str) -> Any:
    try:
        return scalar_of(shape, text if shape.type_name == "string" else text.strip())
    except ValueError as error:
        raise MalformedXml(str(error)) from None


def read_members(shape: Shape, element: Element) -> dict[str, Any]:
    """A structure's members from the children (and attributes) of its element."""
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(tag_of(child), []).append(child)
    values: dict[str, Any] = {}
    for name, member in shape.members.items():
        if member.serialization.get("location") is not None:
            continue
        wire_name = member.serialization.get("name", name)
        if member.serialization.get("xmlAttribute"):
            text = _attribute(element, wire_name)
            if text is not None:
                values[name] = _scalar(member, text)
            continue
        found = children.get(wire_name)
        flattened = member.serialization.get("flattened") and member.type_name in {"list", "map"}
        if found is None and flattened and member.type_name == "list":
            found = children.get(member.member.serialization.get("name", wire_name))
        if found is None:
            continue
        if not flattened:
            values[name] = read(member, found[0])
        elif member.type_name == "list":
            values[name] = [read(member.member, one) for one in found]
        else:
            values[name] = _read_entries(member, found)
    return values


def _attribute(element: Element, wire_name: str) -> str | None:
    """By local name: the prefix in the model ("xsi:type") stands for a namespace in the document."""
    local = wire_name.rpartition(":")[2]
    for name, value in element.attrib.items():
        if name.rpartition("}")[2] == local:
            return value
    return None


def _read_entries(shape: Shape, entries: list[Element]) -> dict[str, Any]:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    values: dict[str, Any] = {}
    for entry in entries:
        by_tag = {tag_of(child): child for child in entry}
        if key_name not in by_tag or value_name not in by_tag:
            raise MalformedXml(f"an entry needs {key_name} and {value_name}")
        values[read(shape.key, by_tag[key_name])] = read(shape.value, by_tag[value_name])
    return values
