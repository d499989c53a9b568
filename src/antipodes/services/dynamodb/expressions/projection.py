"""Projection: the parts of an item that were asked for. Pure.

Paths become a tree once; picking walks the tree and the item together. Elements picked from a list are answered close
together, in their order.
"""

from __future__ import annotations

from typing import Any

from antipodes.services.dynamodb.expressions.ast import Path
from antipodes.services.dynamodb.values import Item, Value

Tree = dict[str | int, Any]  # part -> Tree; an empty tree takes everything below


def tree_of(paths: list[Path] | tuple[Path, ...]) -> Tree:
    """The tree of paths that do not overlap."""
    tree: Tree = {}
    for path in paths:
        branch = tree
        for part in path.parts:
            branch = branch.setdefault(part, {})
    return tree


def pick(item: Item, tree: Tree) -> Item:
    """The item's attributes that the tree asks for. Shares values with the item."""
    picked = {}
    for name, branch in tree.items():
        value = item.get(name)  # type: ignore[arg-type]  # the first part of a path is always a name
        if value is None:
            continue
        part = _picked(value, branch) if branch else value
        if part is not None:
            picked[str(name)] = part
    return picked


def _picked(value: Value, tree: Tree) -> Value | None:
    if not tree:
        return value
    if "M" in value:
        inner = {name: _picked(value["M"][name], branch) for name, branch in tree.items() if name in value["M"]}
        found = {name: part for name, part in inner.items() if part is not None}
        return {"M": found} if found else None
    if "L" in value:
        elements = value["L"]
        indexes = sorted(part for part in tree if isinstance(part, int) and part < len(elements))
        parts = [_picked(elements[index], tree[index]) for index in indexes]
        kept = [part for part in parts if part is not None]
        return {"L": kept} if kept else None
    return None
