"""The dbt project: prepared once per version, then sent model by model.

Belongs here: having dbt compile the project, and building models and running data tests from what it compiled.
Does not belong here: which partitions to build (``warehouse.plan``) and what failing tests mean
(``warehouse.gate``).

dbt parses and compiles the project when it is installed; a project that has changed since then is compiled by the
first run, into the state directory. What it compiled depends on nothing of the place: no run needs dbt itself, whose
import takes seconds and each call of which takes a tenth (docs/decisions/0018).

    python -m warehouse.transform

is what the installation calls.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import signal
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.sql import SQL, Identifier

from warehouse.catalog import mart, marts
from warehouse.database import ENVIRONMENT, Connection, fetch_row, options_of
from warehouse.errors import WeirError

PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
PREPARED = PROJECT / "target"
"""Where the installation keeps what dbt compiled; read, if it is of this version, never needed."""

ANY_DATABASE = "any_database"
"""The database's name while compiling; relations are then known by schema and name alone."""

QUERY = "@query@"
"""Stands for a model's query in its scripts (``dbt_project/analyses/scripts.sql``)."""


@dataclass(frozen=True)
class NodeResult:
    """What became of a test; ``failures`` are its failing rows."""

    name: str
    status: str
    failures: int = 0
    message: str = ""
    compiled: str = ""
    meta: dict[str, Any] = field(default_factory=dict)


class DbtError(WeirError):
    """A project that dbt refuses, or a model that could not be built (not a test that failed)."""


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
class Model:
    """A compiled model: ``sql`` is its query, ``new`` and ``again`` make and refill its relation."""

    name: str
    layer: str
    """staging, intermediate, standing or candidate."""
    area: str
    """Whose it is: an application, or the calendar."""
    schema: str
    materialized: str
    """view, fact, scratch or candidate."""
    tags: tuple[str, ...]
    parents: tuple[str, ...]
    affected: str | None
    """Of a fact: the model with the keys to recompute."""
    sql: str
    before: str
    """What has to be there before the relation is made."""
    new: str
    again: str
    description: str
    columns: Mapping[str, tuple[str | None, str]]
    """Type, where the project gives one, and description of each column."""
    enforced: bool
    """Whether these are the columns that the relation must have."""

    @property
    def relation(self) -> Identifier:
        """Where its rows are."""
        return Identifier(self.schema, self.name)


@dataclass(frozen=True)
class DataTest:
    """A compiled data test: its query gives the rows that fail."""

    name: str
    of: tuple[str, ...]
    """Models that it reads."""
    severity: str
    meta: Mapping[str, str]
    sql: str


@dataclass(frozen=True)
class Compiled:
    """The project as dbt compiled it; models in order of their dependencies."""

    models: tuple[Model, ...]
    tests: tuple[DataTest, ...]


_compiled: dict[str, Compiled] = {}
_compiling = threading.Lock()
_manifests: dict[str, Any] = {}


class Transformer:
    """The dbt project, for one warehouse.

    Args:
        warehouse_url: libpq URL; for dbt the password goes into an environment variable of this process only.
        state: folder for what is compiled, for dbt's target directory and its logs (in WEIR_HOME).
    """

    def __init__(self, warehouse_url: str, state: Path) -> None:
        self._parts = conninfo.conninfo_to_dict(warehouse_url)
        self._options = options_of(warehouse_url)
        self._state = state

    def run(self, warehouse: Connection, names: Collection[str]) -> None:
        """Build models in order of their dependencies, each in a transaction of its own.

        Raises:
            DbtError: a model could not be built, or has not the columns that its yml declares.
        """
        present = {
            str(name)
            for (name,) in warehouse.execute(
                "select relname from pg_class join pg_namespace as n on n.oid = relnamespace where nspname = any (%s)",
                (["staging", "intermediate", "candidate"],),
            )
        }
        for model in self.compiled().models:
            if model.name in names:
                try:
                    with warehouse.transaction():
                        _make(warehouse, model, is_new=model.name not in present)
                except psycopg.Error as error:
                    raise DbtError(f"{model.name} could not be built: {_one_line(str(error))}") from error

    def test(self, warehouse: Connection, names: Collection[str]) -> list[NodeResult]:
        """Run the data tests of models; failing ones are results, not errors."""
        results = []
        for test in self.compiled().tests:
            if set(test.of).isdisjoint(names):
                continue
            query = SQL("select count(*) from ({}) as failing").format(SQL(test.sql))
            failures = int(str(fetch_row(warehouse, query)[0]))
            status = "pass" if not failures else "warn" if test.severity == "warn" else "fail"
            results.append(NodeResult(test.name, status, failures, compiled=test.sql, meta=dict(test.meta)))
        return results

    def unit_test(self) -> list[NodeResult]:
        """Run the models' unit tests, for developers; they need relations that a run has made."""
        arguments = [*self._flags(), "--exclude-resource-type", "test"]
        results = [_node_result(result) for result in self._call(self.manifest(), "test", arguments).result or ()]
        for result in results:
            if result.status == "error":
                raise DbtError(f"dbt could not test {result.name}: {_one_line(result.message)}")
        return results

    def compiled(self) -> Compiled:
        """The project as dbt compiled it: kept, or compiled now."""
        name = compiled_name()
        with _compiling:
            if name not in _compiled:
                _compiled[name] = _kept(PREPARED / name) or _kept(self._state / name) or self._compile_and_keep()
        return _compiled[name]

    def _compile_and_keep(self) -> Compiled:
        compiled = self.compile()
        keep(compiled, self._state)
        return compiled

    def compile(self) -> Compiled:
        """Have dbt parse and compile the whole project; nothing connects.

        Raises:
            DbtError: dbt refuses it.
        """
        manifest = self._call(None, "parse", self._flags(), ANY_DATABASE).result
        arguments = [*self._flags(), "--no-populate-cache", "--no-introspect"]
        results = self._call(manifest, "compile", arguments, ANY_DATABASE).result or ()
        nodes = {result.node.unique_id: result.node for result in results}
        (scripts,) = (json.loads(node.compiled_code) for node in nodes.values() if node.resource_type == "analysis")
        parents = {
            name: [parent for parent in node.depends_on.nodes if parent.startswith("model.")]
            for name, node in nodes.items()
        }
        order = [nodes[name] for name in TopologicalSorter(parents).static_order() if name in nodes]
        return Compiled(
            tuple(_model(node, scripts[node.name]) for node in order if node.resource_type == "model"),
            tuple(_data_test(node) for node in order if node.resource_type == "test"),
        )

    def manifest(self) -> Any:
        """The parsed project (``dbt.contracts.graph.manifest.Manifest``), for calls of dbt itself."""
        database = str(self._parts.get("dbname", ""))
        if database not in _manifests:
            _manifests[database] = self._call(None, "parse", self._flags()).result
        return _manifests[database]

    def models_of(self, layer: str, area: str) -> list[Model]:
        """Models of a layer and an application, in order of their dependencies."""
        return [model for model in self.compiled().models if (model.layer, model.area) == (layer, area)]

    def for_candidates(
        self, warehouse: Connection, application: str, names: Iterable[str], needed_by: Iterable[str] = ()
    ) -> set[str]:
        """What has to be built so that these candidates are.

        With them, what they need of this run alone (and what others do, that are built after them: ``needed_by``), and
        candidates that have no table yet: others may read it.
        """
        missing = warehouse.execute(
            "select name from unnest(%s::text[]) as name where to_regclass('candidate.' || name) is null",
            ([each.name for each in marts(application)],),
        )
        chosen = {*names, *(str(name) for (name,) in missing)}
        models = {model.name: model for model in self.compiled().models}
        wanted = [name for name in (*chosen, *needed_by) if mart(name).dated or mart(name).made_from]
        seen: set[str] = set()
        while wanted:
            name = wanted.pop()
            if name not in seen:
                seen.add(name)
                wanted += models[name].parents
        return chosen | {name for name in seen if "run" in models[name].tags}

    def descriptions(self, models: Iterable[str]) -> dict[str, tuple[str, dict[str, str]]]:
        """Descriptions of models and of their columns, as the project's yml files give them."""
        known = {model.name: model for model in self.compiled().models}
        return {
            name: (known[name].description, {column: text for column, (_, text) in known[name].columns.items()})
            for name in models
        }

    def _call(self, manifest: Any, command: str, arguments: list[str], database: str | None = None) -> Any:
        from dbt.cli.main import dbtRunner

        _forget_flags_of_earlier_calls()
        with self._environment(database), _interruptible():
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
            "--no-partial-parse",  # what is compiled is kept instead
        ]  # fmt: skip

    @contextmanager
    def _environment(self, database: str | None) -> Iterator[None]:
        parts = self._parts
        values = {
            "DBT_WEIR_HOST": str(parts.get("host", "localhost")),
            "DBT_WEIR_PORT": str(parts.get("port", 5432)),
            "DBT_WEIR_USER": str(parts.get("user", "")),
            "DBT_WEIR_DATABASE": database or str(parts.get("dbname", "")),
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


def _make(warehouse: Connection, model: Model, *, is_new: bool) -> None:
    if is_new:
        if model.before:
            warehouse.execute(model.before.encode(), prepare=False)
        warehouse.execute(model.new.encode(), prepare=False)
        if model.enforced:
            _check_columns(warehouse, model)
        return
    if model.affected:
        keys = SQL("select exists (select from {})").format(Identifier(model.schema, model.affected))
        if not fetch_row(warehouse, keys)[0]:
            return
    warehouse.execute(model.again.encode(), prepare=False)


def _check_columns(warehouse: Connection, model: Model) -> None:
    """Refuse a relation whose columns are not those that the model's yml declares."""
    declared = [*model.columns]
    wrong = warehouse.execute(
        """
        select coalesce(made.name, declared.name)
        from unnest(%s::text[], %s::text[]) as declared (name, type)
        full join (
            select attname as name, atttypid from pg_attribute
            where attrelid = %s::regclass and attnum > 0 and not attisdropped
        ) as made on made.name = declared.name
        where made.atttypid is distinct from to_regtype(declared.type)::oid order by 1
        """,
        (declared, [model.columns[name][0] for name in declared], f"{model.schema}.{model.name}"),
    ).fetchall()
    if wrong:
        raise DbtError(f"{model.name} has not the columns that its yml declares: {', '.join(str(w) for (w,) in wrong)}")


@cache
def compiled_name() -> str:
    """File name of what dbt made of this version of the project with this version of dbt."""
    parts = (project_hash(), importlib.metadata.version("dbt-core"), Path(__file__).read_text(encoding="utf-8"))
    return f"compiled-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.json"


def keep(compiled: Compiled, folder: Path) -> None:
    """Write what was compiled whole or not at all, and drop that of other versions."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as new:
        json.dump(asdict(compiled), new)
        os.fchmod(new.fileno(), 0o644)  # an installation may be another user's
    for old in folder.glob("compiled-*.json"):
        old.unlink(missing_ok=True)
    Path(new.name).rename(folder / compiled_name())


def _kept(path: Path) -> Compiled | None:
    # What cannot be read is compiled anew: it is a convenience.
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return Compiled(
            tuple(Model(**model) for model in found["models"]), tuple(DataTest(**test) for test in found["tests"])
        )
    return None


def _model(node: Any, scripts: Mapping[str, str]) -> Model:
    query = _anywhere(node.compiled_code)
    # A query may end with a comment.
    filled = {part: _anywhere(text).replace(QUERY, query + "\n") for part, text in scripts.items()}
    return Model(
        name=node.name,
        layer=node.fqn[1],
        area=node.fqn[2],
        schema=node.schema,
        materialized=str(node.config.materialized),
        tags=tuple(node.tags),
        parents=tuple(name.split(".")[-1] for name in node.depends_on.nodes if name.startswith("model.")),
        affected=node.config.get("affected"),
        sql=query,
        **filled,
        description=" ".join(node.description.split()),
        columns={
            column.name: (column.data_type, " ".join(column.description.split())) for column in node.columns.values()
        },
        enforced=bool(node.config.contract.enforced),
    )


def _data_test(node: Any) -> DataTest:
    return DataTest(
        name=node.name,
        of=tuple(name.split(".")[-1] for name in node.depends_on.nodes if name.startswith("model.")),
        severity=str(node.config.severity).lower(),
        meta={key: str(value) for key, value in (node.config.meta or {}).items()},
        sql=_anywhere(node.compiled_code),
    )


def _anywhere(text: str) -> str:
    """SQL without the name of the database, which dbt writes before every relation."""
    return text.replace(f'"{ANY_DATABASE}".', "")


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
        status=str(result.status),
        failures=int(result.failures or 0),
        message=str(result.message or ""),
        compiled=str(getattr(node, "compiled_code", "") or ""),
        meta=dict(getattr(node.config, "meta", None) or {}),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        keep(Transformer("postgresql://nobody@localhost", Path(folder)).compile(), PREPARED)
