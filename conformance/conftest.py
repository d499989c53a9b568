"""Tables that tests share or make, and the rule that each test names the sentence it checks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from global_table import REGIONS, GlobalTable, table_name


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sentence(quote, page): the sentence of AWS's documentation that a test checks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test without its sentence is a mistake in this suite."""
    nameless = [item.nodeid for item in items if item.get_closest_marker("sentence") is None]
    if nameless:
        raise pytest.UsageError(f"tests that name no sentence of AWS's: {', '.join(nameless)}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure shows the sentence that does not hold."""
    outcome: Any = yield
    report = outcome.get_result()
    marker = item.get_closest_marker("sentence")
    if report.failed and marker is not None:
        report.sections.append(("AWS says", f"{marker.args[0]}\n{marker.args[1]}"))


@pytest.fixture(scope="session")
def shared() -> Iterator[GlobalTable]:
    """One table in all three Regions, for tests that only write items: each with keys of its own."""
    table = GlobalTable(table_name())
    try:
        table.create(REGIONS[0])
        table.add(*REGIONS[1:])
        yield table
    finally:
        table.destroy()


@pytest.fixture
def table() -> Iterator[GlobalTable]:
    """A name for a table that a test makes and changes itself; taken away after it."""
    made = GlobalTable(table_name())
    try:
        yield made
    finally:
        made.destroy()


@pytest.fixture
def key() -> str:
    """A key that no other test uses."""
    return uuid.uuid4().hex
