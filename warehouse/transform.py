"""dbt in this process: deploy views, bring facts up to date, build candidates, run dbt's tests.

Belongs here: how dbt is called and what it answers. Does not belong here: which partitions to build
(``warehouse.plan``) and what failing tests mean (``warehouse.gate``).

dbt parses the project once per version: the manifest is kept beside the project by the installation (for the
default name of the database, which is part of it) and otherwise in the state directory. Importing dbt takes
seconds, so it happens at the first call only, or in a thread while the server works (``warehouse.warm_up``).

    python -m warehouse.transform

is what the installation calls.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from psycopg import conninfo

from warehouse.catalog import mart, marts
from warehouse.database import ENVIRONMENT, Connection, fetch_row, options_of
from warehouse.errors import WeirError

PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
PREPARED = PROJECT / "target"
"""Where the installation keeps the manifest; read, if it is of this version, never needed."""

DEFAULT_DATABASE = "warehouse"


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


@dataclass(frozen=True)
class Compiled:
    """The SQL of one model that is a table: a fact, a scratch table or a candidate, as ``materialized`` says."""

    name: str
    schema: str
    area: str
    """Whose it is: an application, or the calendar."""
    materialized: str
    tags: frozenset[str]
    sql: str


_manifests: dict[str, Any] = {}


class Transformer:
    """dbt, pointed at one warehouse.

    Args:
        warehouse_url: libpq URL; the password goes to dbt in an environment variable of this process only.
        state: folder for dbt's target directory and logs (in WEIR_HOME).
    """

    def __init__(self, warehouse_url: str, state: Path) -> None:
        self._parts = conninfo.conninfo_to_dict(warehouse_url)
        self._options = options_of(warehouse_url)
        self._state = state
        # Of the place where relations live only the database's name is part of a manifest.
        self._manifest_name = manifest_name(str(self._parts.get("dbname", "")))

    def run(self, *selection: str) -> list[NodeResult]:
        """Build the selected models in order of their dependencies.

        Raises:
            DbtError: a model failed; the message is dbt's own.
        """
        return self._invoke("run", *selection)

    def test(self, *selection: str) -> list[NodeResult]:
        """Run the selected data tests; failing ones are results, not errors."""
        # They make nothing: what relations there are need not be looked up.
        return self._invoke("test", *selection, "--no-populate-cache", left_out="unit_test")

    def unit_test(self) -> list[NodeResult]:
        """Run the models' unit tests, for developers; they need relations that a run has made."""
        return self._invoke("test", left_out="test")

    def compile(self) -> list[Compiled]:
        """All models that are tables, in order of their dependencies; nothing is built."""
        selection = [f"config.materialized:{name}" for name in ("fact", "scratch", "candidate")]
        results = self._call(self.manifest(), "compile", [*self._flags(), "--select", *selection]).result or ()
        nodes = {result.node.unique_id: result.node for result in results}
        parents = {
            name: [parent for parent in node.depends_on.nodes if parent.startswith("model.")]
            for name, node in self.manifest().nodes.items()
            if node.resource_type == "model"
        }
        return [
            Compiled(
                node.name, node.schema, node.fqn[2], str(node.config.materialized), frozenset(node.tags),
                node.compiled_code,
            )
            for node in (nodes[name] for name in TopologicalSorter(parents).static_order() if name in nodes)
        ]  # fmt: skip

    def manifest(self) -> Any:
        """The parsed project (``dbt.contracts.graph.manifest.Manifest``)."""
        if self._manifest_name not in _manifests:
            _manifests[self._manifest_name] = self._kept_manifest() or self._parse()
        return _manifests[self._manifest_name]

    def _kept_manifest(self) -> Any:
        from dbt.contracts.graph.manifest import Manifest

        for folder in (PREPARED, self._state):
            # One that cannot be read is parsed anew: it is a convenience.
            with contextlib.suppress(OSError, ValueError):
                return Manifest.from_msgpack((folder / self._manifest_name).read_bytes())
        return None

    def _parse(self) -> Any:
        manifest = self._call(None, "parse", self._flags()).result
        keep_manifest(manifest, self._state / self._manifest_name)
        return manifest

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
        arguments = self._flags()
        if selection:
            arguments += ["--select", *selection]
        if left_out:
            arguments += ["--exclude-resource-type", left_out]
        results = [_node_result(result) for result in self._call(self.manifest(), command, arguments).result or ()]
        for result in results:
            if result.status == "error":
                raise DbtError(f"dbt could not build {result.name}: {_one_line(result.message)}")
        return results

    def _call(self, manifest: Any, command: str, arguments: list[str]) -> Any:
        from dbt.cli.main import dbtRunner

        _forget_flags_of_earlier_calls()
        with self._environment(), _interruptible():
            answer = dbtRunner(manifest=manifest).invoke([command, *arguments])
        if isinstance(answer.exception, Exception):
            raise DbtError(_one_line(str(answer.exception)))
        if answer.exception is not None:
            raise answer.exception  # dbt returns even KeyboardInterrupt as a result
        return answer

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
            "--no-partial-parse",  # whole manifests are kept instead
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
            "PGOPTIONS": self._options,
            **ENVIRONMENT,
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


def selection(
    warehouse: Connection, application: str, names: Iterable[str], needed_by: Iterable[str] = ()
) -> list[str]:
    """What dbt has to be told so that these candidates are built.

    With them, what they need of this run alone (and what others do, that are built after them: ``needed_by``), and
    candidates that have no table yet: others may read it.
    """
    missing = [
        each.name
        for each in marts(application)
        if fetch_row(warehouse, "select to_regclass(%s) is null", (f"candidate.{each.name}",))[0]
    ]
    chosen = dict.fromkeys((*names, *missing))
    return [
        *chosen,
        *(f"+{name},tag:run" for name in (*chosen, *needed_by) if mart(name).dated or mart(name).made_from),
    ]


def manifest_name(database: str) -> str:
    """File name of the manifest of this version of project, dbt and Python, for a database of this name."""
    parts = (project_hash(), importlib.metadata.version("dbt-core"), sys.version, database)
    return f"manifest-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.msgpack"


def keep_manifest(manifest: Any, path: Path) -> None:
    """Write a manifest whole or not at all, and drop those of other versions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as new:
        new.write(manifest.to_msgpack())
        os.fchmod(new.fileno(), 0o644)  # an installation may be another user's
    for old in path.parent.glob("manifest-*.msgpack"):
        old.unlink(missing_ok=True)
    Path(new.name).rename(path)


def _forget_flags_of_earlier_calls() -> None:
    """Undo what every call of dbt does to a list of its module: without this, each call is slower than the last.

    An adapter appends its own behaviour flags to the defaults that all adapters share, once per call, and looks
    through the whole stack to find out which module each flag is from, for a warning that nobody sees here.
    """
    from dbt.adapters.base import impl
    from dbt_common import behavior_flags

    defaults = impl.DEFAULT_BASE_BEHAVIOR_FLAGS
    names = [flag["name"] for flag in defaults]
    defaults[:] = [flag for position, flag in enumerate(defaults) if flag["name"] not in names[:position]]
    behavior_flags.BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt")  # type: ignore[method-assign]


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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        # Nothing connects while parsing.
        transformer = Transformer(f"postgresql://nobody@localhost/{DEFAULT_DATABASE}", Path(folder))
        keep_manifest(transformer.manifest(), PREPARED / manifest_name(DEFAULT_DATABASE))
