"""The documents say what is so: commands exist, files exist, the rooms are the rooms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer.main

from antipodes.cli.main import app
from antipodes.globe import operations

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


def commands() -> dict[str, set[str]]:
    """Command name -> its option names."""
    group: Any = typer.main.get_command(app)
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in group.commands.items()
    }


def test_every_command_and_option_in_the_readme_exists() -> None:
    known = commands()
    lines = re.findall(r"`?antipodes ([a-z]+)([^`\n|#]*)", re.sub(r"(?m)^#.*$", "", README))
    used = [(name, options) for name, options in lines if name in known or "--" in options]
    assert len(used) > 10
    for name, rest in used:
        assert name in known, f"README uses `antipodes {name}`"
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in known[name], f"README uses `antipodes {name} {option}`"


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    used = set(re.findall(r"make ([a-z]+)", README))
    assert used
    assert used <= targets


def test_every_link_in_the_documents_leads_somewhere() -> None:
    for name, text in (("README.md", README), ("ARCHITECTURE.md", ARCHITECTURE)):
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in link:
                assert (ROOT / link).exists(), f"{name} links to {link}"


def test_architecture_names_every_room() -> None:
    rooms = {path.name for path in (ROOT / "src" / "antipodes").iterdir() if path.is_dir() and path.name[0] != "_"}
    for room in sorted(rooms):
        assert f"{room}/" in ARCHITECTURE, f"ARCHITECTURE.md does not mention {room}/"


def test_every_service_is_listed() -> None:
    services = ROOT / "src" / "antipodes" / "services"
    assembly = (ROOT / "src" / "antipodes" / "region" / "region.py").read_text()
    for folder in sorted(path.name for path in services.iterdir() if path.is_dir() and path.name[0] != "_"):
        assert f"antipodes.services.{folder}" in assembly, f"{folder} is no service of region.py"


def test_the_page_of_operations_is_what_the_services_have() -> None:
    """After a change: antipodes operations > docs/operations.md"""
    assert (ROOT / "docs" / "operations.md").read_text() == operations.page()
