"""Fixtures that all tests share: one embedded server, and databases made from templates."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Lab, make_database, make_templates
from warehouse.server import EmbeddedServer

LONGEST = (
    "test_gate.py",
    "test_histories.py",
    "test_dagster.py",
    "test_demo_truth.py",
    "test_cli.py",
    "test_workflow_history.py",
    "test_external_servers.py",
    "test_services.py",
    "test_real_data.py",
    "test_incremental.py",
)
"""Files that take minutes. They begin first, so that no worker is left with one of them when all else is done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """An embedded server of the session's own."""
    embedded = EmbeddedServer(tmp_path_factory.mktemp("home") / "weir")
    embedded.start()
    try:
        make_templates(embedded)
        yield embedded
    finally:
        embedded.remove()


@pytest.fixture
def lab(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A source with empty tables and an empty, migrated warehouse."""
    make_database(server, "source", "template_source")
    make_database(server, "warehouse", "template_warehouse")
    laboratory = Lab(server, _dbt_home(tmp_path_factory))
    try:
        yield laboratory
    finally:
        laboratory.close()


def _dbt_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for dbt's state in the whole session, so that it parses once."""
    return tmp_path_factory.getbasetemp() / "lab"
