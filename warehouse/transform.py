"""dbt in this process: deploy views, bring facts up to date, build candidates, run dbt's tests.

Belongs here: how dbt is called and what it answers. Does not belong here: which partitions to build
(``warehouse.plan``) and what failing tests mean (``warehouse.gate``).

dbt parses once per process (and partially, where an earlier process left its state); every later call reuses
the manifest. Importing dbt takes seconds, so it happens at the first call only.
"""

import hashlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import conninfo

from warehouse.database import OPTIONS
from warehouse.errors import WeirError

PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"


@dataclass(frozen=True)
class NodeResult:
    """What became of one model or test; ``failures`` are a test's failing rows, ``seconds`` wall time."""

    name: str
    resource_type: str
    status: str
    seconds: float
    failures: int = 0
    message: str = ""
    compiled: str = ""
    meta: dict[str, Any] = field(default_factory=dict)


class DbtError(WeirError):
    """A model that could not be built (not a test that failed)."""


@cache
def project_hash() -> str:
    """Hash of everything that decides what models build."""
    digest = hashlib.sha256()
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in {".sql", ".yml"} and "target" not in path.parts and path.is_file():
            digest.update(str(path.relative_to(PROJECT)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


_manifests: dict[tuple[str, str, str], Any] = {}


class Transformer:
    """dbt, pointed at one warehouse.

    Args:
        warehouse_url: libpq URL; the password goes to dbt in an environment variable of this process only.
        state: folder for dbt's target directory and logs (in WEIR_HOME).
    """

    def __init__(self, warehouse_url: str, state: Path) -> None:
        self._parts = conninfo.conninfo_to_dict(warehouse_url)
        self._state = state
        # Where relations live is part of a manifest; between runs on one warehouse nothing in it changes.
        self._place = (project_hash(), warehouse_url, str(state))
        self._manifest: Any = _manifests.get(self._place)

    def run(self, *selection: str) -> list[NodeResult]:
        """Build the selected models in order of their dependencies.

        Raises:
            DbtError: a model failed; the message is dbt's own.
        """
        return self._invoke("run", *selection)

    def test(self, *selection: str) -> list[NodeResult]:
        """Run the selected data tests; failing ones are results, not errors."""
        return self._invoke("test", *selection, left_out="unit_test")

    def unit_test(self) -> list[NodeResult]:
        """Run the models' unit tests, for developers; they need relations that a run has made."""
        return self._invoke("test", left_out="test")

    def manifest(self) -> Any:
        """The parsed project (``dbt.contracts.graph.manifest.Manifest``)."""
        if self._manifest is None:
            self._invoke("parse")
        return self._manifest

    def descriptions(self, models: Iterable[str]) -> dict[str, tuple[str, dict[str, str]]]:
        """Descriptions of models and of their columns, as the project's yml files give them."""
        nodes = {node.name: node for node in self.manifest().nodes.values() if node.resource_type == "model"}
        return {
            name: (
                " ".join(nodes[name].description.split()),
                {column.name: " ".join(column.description.split()) for column in nodes[name].columns.values()},
            )
            for name in models
        }

    def _invoke(self, command: str, *selection: str, left_out: str | None = None) -> list[NodeResult]:
        with self._environment():
            from dbt.cli.main import dbtRunner

            if self._manifest is None and command != "parse":
                self._invoke("parse")
            arguments = [command, *self._flags()]
            if selection:
                arguments += ["--select", *selection]
            if left_out:
                arguments += ["--exclude-resource-type", left_out]
            with _interruptible():
                answer = dbtRunner(manifest=self._manifest).invoke(arguments)
        if answer.exception is not None:
            if isinstance(answer.exception, Exception):
                raise DbtError(_one_line(str(answer.exception)))
            raise answer.exception  # dbt returns even KeyboardInterrupt as a result
        if command == "parse":
            self._manifest = _manifests[self._place] = answer.result
            return []
        results = [_node_result(result) for result in answer.result or ()]
        for result in results:
            if result.status == "error":
                raise DbtError(f"dbt could not build {result.name}: {_one_line(result.message)}")
        return results

    def _flags(self) -> list[str]:
        self._state.mkdir(parents=True, exist_ok=True)
        return [
            "--project-dir", str(PROJECT),
            "--profiles-dir", str(PROJECT),
            "--target-path", str(self._state / "target"),
            "--log-path", str(self._state / "logs"),
            "--log-level", "none",
            "--log-level-file", "info",
            "--no-send-anonymous-usage-stats",
            "--no-version-check",
            "--no-use-colors",
            "--no-print",
            "--no-write-json",  # half a second per call, and nobody reads the files
        ]  # fmt: skip

    @contextmanager
    def _environment(self) -> Iterator[None]:
        parts = self._parts
        values = {
            "DBT_WEIR_HOST": str(parts.get("host", "localhost")),
            "DBT_WEIR_PORT": str(parts.get("port", 5432)),
            "DBT_WEIR_USER": str(parts.get("user", "")),
            "DBT_WEIR_DATABASE": str(parts.get("dbname", "")),
            "DBT_WEIR_SSLMODE": str(parts.get("sslmode", "prefer")),
            "DBT_ENV_SECRET_WEIR_PASSWORD": str(parts.get("password", "")),
            "PGOPTIONS": OPTIONS,
            "DO_NOT_TRACK": "1",
        }
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM cancel dbt's queries: it knows KeyboardInterrupt, but not what Dagster raises."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _node_result(result: Any) -> NodeResult:
    node = result.node
    return NodeResult(
        name=node.name,
        resource_type=str(node.resource_type),
        status=str(result.status),
        seconds=float(result.execution_time),
        failures=int(result.failures or 0),
        message=str(result.message or ""),
        compiled=str(getattr(node, "compiled_code", "") or ""),
        meta=dict(getattr(node.config, "meta", None) or {}),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
