"""The rules of the house, as tests: layers, bans, sizes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "antipodes"
FILES = sorted(SOURCE.rglob("*.py"))

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
MAX_CLASS_METHODS = 25
# path or path:name -> why it may be larger
SIZE_EXCEPTIONS: dict[str, str] = {}

ROOMS: dict[str, set[str]] = {
    "world": set(),
    "wire": set(),
    "store": {"world"},
    "edge": {"world", "wire"},
    "replica": {"store", "world", "wire", "services.contract"},
    "services.contract": {"store", "world", "wire"},
    "services.*": {"store", "world", "wire", "edge", "services.contract"},
    "region": {"store", "world", "wire", "edge", "replica", "services"},
    "nameserver": {"store", "world", "wire", "edge", "replica", "services"},
    "globe": {"store", "world", "wire", "edge", "replica", "services", "region", "nameserver"},
    "gameday": {"world", "wire", "edge", "globe", "store"},
    "cli": {"world", "wire", "edge", "globe", "gameday", "store", "region", "nameserver"},
}

# What only World may do -> the replacement.
BANNED_CALLS = {
    "time.time": "world.now()",
    "time.time_ns": "world.now()",
    "time.monotonic": "world.monotonic()",
    "time.perf_counter": "world.monotonic()",
    "time.sleep": "await world.sleep(...)",
    "datetime.now": "world.now()",
    "datetime.utcnow": "world.now()",
    "datetime.today": "world.now()",
    "datetime.datetime.now": "world.now()",
    "datetime.datetime.utcnow": "world.now()",
    "asyncio.sleep": "await world.sleep(...)",
    "asyncio.wait": "asyncio.gather (asyncio.wait orders tasks by memory address)",
    "asyncio.create_task": "world.spawn(...)",
    "asyncio.ensure_future": "world.spawn(...)",
    "asyncio.to_thread": "keep it on the loop",
    "uuid.uuid4": "world.chance",
    "uuid.uuid1": "world.chance",
    "os.urandom": "world.chance",
    "os.getpid": "nothing: no code depends on it",
    "asyncio.open_connection": "world.connect(...)",
    "asyncio.start_server": "world.serve(...)",
    "open": "the store",
}
BANNED_IMPORTS = {
    "random": "world.chance (import random only for the type)",
    "socket": "world.connect / world.serve",
    "threading": "world.spawn",
    "subprocess": "world.start_worker",
    "multiprocessing": "world.start_worker",
    "secrets": "world.chance",
    "sqlite3": "store",
    "requests": "edge.client",
    "urllib.request": "edge.client",
}
# The doors: modules that may touch the machine. module prefix -> why
DOORS = {
    "world/real.py": "the door",
    "world/real_": "the door, split by what it touches",
    "world/simulated": "the other door",
    "world/sim_": "the other door, split by what it stands for",
    "edge/": "the listeners",
    "cli/": "the terminal, files the user names and child processes live here",
    "globe/processes.py": "starts and ends the Region processes",
    "globe/region_process.py": "is one of them",
    "globe/supervisor.py": "is their parent; writes the planet's record",
    "world/handler_": "runs inside the Lambda worker process",
}
# module -> imports allowed there beyond the rule
ALLOWED_IMPORTS: dict[str, dict[str, str]] = {
    "world/world.py": {"random": "the type of World.chance"},
    "world/disk.py": {"random": "the type of the draw in crash"},
    "store/table.py": {"sqlite3": "the table of the engine on a real disk"},
    "store/heap.py": {"sqlite3": "the type of a cursor"},
}


def room_of(module: str) -> str:
    parts = module.split(".")
    if parts[0] == "services" and len(parts) > 1:
        return "services.contract" if parts[1] == "contract" else f"services.{parts[1]}"
    return parts[0]


def allowed(room: str) -> set[str]:
    if room.startswith("services.") and room != "services.contract":
        return ROOMS["services.*"] | {room}
    return ROOMS[room] | {room}


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(p for p in parts if p != "__init__")


def imports_of(tree: ast.Module) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"relative import in line {node.lineno}: write it out"
            found.append((node.lineno, node.module))
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def layer_breaks(module: str, tree: ast.Module) -> list[str]:
    room = room_of(module)
    breaks = []
    for line, name in imports_of(tree):
        if not name.startswith("antipodes."):
            continue
        target = room_of(name.removeprefix("antipodes."))
        if target == "services" and room.startswith("services"):
            continue  # `from antipodes.services import ...` names its room in the second entry
        if not any(target == one or target.startswith(one + ".") for one in allowed(room)):
            breaks.append(f"line {line}: {room} may not import {target} ({name})")
    return breaks


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def ban_breaks(relative: str, tree: ast.Module) -> list[str]:
    if any(relative.startswith(door) for door in DOORS):
        return []
    exempt = ALLOWED_IMPORTS.get(relative, {})
    breaks = [
        f"line {line}: import of {name}; use {BANNED_IMPORTS[name]}"
        for line, name in imports_of(tree)
        if name in BANNED_IMPORTS and name not in exempt
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in BANNED_CALLS:
            name = dotted(node.func)
            breaks.append(f"line {node.lineno}: {name}(); use {BANNED_CALLS[name]}")
        iterated = node.iter if isinstance(node, ast.For | ast.comprehension) else None
        if isinstance(iterated, ast.Set | ast.SetComp) or (
            isinstance(iterated, ast.Call) and dotted(iterated.func) in {"set", "frozenset"}
        ):
            breaks.append(f"line {iterated.lineno}: iterates a set; use sorted(...)")
    return breaks


def size_breaks(relative: str, text: str, tree: ast.Module) -> list[str]:
    breaks = []
    if text.count("\n") > MAX_FILE_LINES and relative not in SIZE_EXCEPTIONS:
        breaks.append(f"{text.count(chr(10))} lines, at most {MAX_FILE_LINES}")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES and f"{relative}:{node.name}" not in SIZE_EXCEPTIONS:
                breaks.append(f"{node.name} has {lines} lines, at most {MAX_FUNCTION_LINES}")
        elif isinstance(node, ast.ClassDef):
            methods = sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in node.body)
            if methods > MAX_CLASS_METHODS and f"{relative}:{node.name}" not in SIZE_EXCEPTIONS:
                breaks.append(f"class {node.name} has {methods} methods, at most {MAX_CLASS_METHODS}")
    return breaks


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_file_keeps_the_rules(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    relative = path.relative_to(SOURCE).as_posix()
    module = module_of(path)
    breaks = size_breaks(relative, text, tree) + ban_breaks(relative, tree)
    if module:
        breaks += layer_breaks(module, tree)
    assert not breaks, f"{relative}:\n  " + "\n  ".join(breaks)


def test_the_rules_bite() -> None:
    """A rule that cannot fail protects nothing: each is shown a file that breaks it."""
    bad = ast.parse("import time, random\nfrom antipodes.services.route53 import x\nfor a in set(b): time.time()")
    assert len(ban_breaks("services/dynamodb/x.py", bad)) == 3
    assert layer_breaks("services.dynamodb.x", bad)
    assert layer_breaks("world.real", ast.parse("from antipodes.wire import sigv4"))
    long = "def f():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES + 1)
    assert size_breaks("x.py", long, ast.parse(long))
