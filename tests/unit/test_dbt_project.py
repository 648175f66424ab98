"""The dbt project as text: what stands beside what, who reads whom, and marts that agree with their tables.

Each rule is a function from a project to the list of its violations; it holds when the list is empty. The
second half doctors a copy of the project and shows that each rule notices.

Belongs here: what can be told without dbt and without a database. Does not belong here: whether models are
right (dbt's unit tests, beside them) and whether sources agree with the applications (``test_models_agree``).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml
from sqlglot import exp

from tests.dbt_text import text_of
from warehouse.catalog import APPLICATIONS, CALENDAR, MARTS

REPOSITORY = Path(__file__).resolve().parents[2]
DBT_PROJECT = REPOSITORY / "dbt_project"
MIGRATIONS = REPOSITORY / "models" / "migrations" / "versions"

LEDGER_COLUMN = ("_source_row_count", "BIGINT")

LAYERS_READ = {
    "staging": set(),
    "intermediate": {"staging", "intermediate"},
    "standing": {"staging", "intermediate", "standing"},
    "candidate": {"staging", "intermediate", "standing"},
    "tests": {"intermediate", "candidate"},
}
"""Layer, and the layers that its models may refer to."""

LITERAL_RELATIONS = {
    ("int_scheduling__dirty_partitions", "marts.category_daily_metrics"): (
        "published rows say on which days a category's name shows; a ref would build the mart first"
    ),
}
"""Relations named without ref or source, each with its reason."""

LONGEST_IDENTIFIER = 63
"""dbt names a relation after a unit test; PostgreSQL's names are no longer than this."""


@dataclass(frozen=True)
class Model:
    """A model or a singular test."""

    path: Path
    layer: str
    area: str
    project: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def yml(self) -> Path:
        return self.path.with_suffix(".yml")

    @cached_property
    def sql(self) -> str:
        """Its text without comments; where it is the call of a macro, that of the macro."""
        return re.sub(r"--.*", "", text_of(self.path, self.project / "macros"))

    @cached_property
    def document(self) -> dict[str, Any]:
        return _yaml(self.yml.read_text(encoding="utf-8")) if self.yml.exists() else {}

    @property
    def properties(self) -> dict[str, Any]:
        """What the yml says of the model; empty where it says nothing."""
        return next((model for model in self.document.get("models", []) if model.get("name") == self.name), {})

    @property
    def columns(self) -> dict[str, str]:
        """Documented columns and their types, in sqlglot's spelling."""
        return {
            column["name"]: _type(column["data_type"])
            for column in self.properties.get("columns", [])
            if "data_type" in column
        }

    @property
    def refs(self) -> set[str]:
        """Models that it reads, also by the macros and the setting that call ref."""
        found = re.findall(r"\b(?:ref|fact_changes)\(\s*'(\w+)'\s*\)|\baffected\s*=\s*'(\w+)'", self.sql)
        return {name for pair in found for name in pair if name}

    @property
    def sources(self) -> set[tuple[str, str]]:
        return set(re.findall(r"\bsource\(\s*'(\w+)'\s*,\s*'(\w+)'\s*\)", self.sql))

    @property
    def logs(self) -> set[tuple[str, str]]:
        """Logs of changes of raw tables."""
        return set(re.findall(r"\bchanges\(\s*'(\w+)'\s*,\s*'(\w+)'\s*\)", self.sql))

    @property
    def literal_relations(self) -> set[str]:
        schemas = "raw|staging|intermediate|candidate|marts|control|quality"
        return set(re.findall(rf"\b(?:from|join)\s+((?:{schemas})\.\w+)", self.sql))

    @property
    def selected_columns(self) -> list[str] | None:
        """What its last CTE selects, or the model where it is one select; None where that is a star."""
        if re.match(r"\s*select\s", self.sql):
            body = re.match(r"\s*select\s(.*?)\nfrom ", self.sql + "\n", flags=re.DOTALL)
            return self._selected(body)
        last = re.search(r"\nselect \* from (\w+)\s*$", self.sql)
        assert last is not None, f"{self.name} does not end in select * from its last CTE"
        cte = self.sql.rpartition(f"{last[1]} as ")[2]
        return self._selected(
            re.search(r"select\s(.*?)\n    from ", cte, flags=re.DOTALL) or re.search(r"select (.*?) from ", cte)
        )

    def _selected(self, body: re.Match[str] | None) -> list[str] | None:
        assert body is not None, f"{self.name}: last CTE not read"
        named = re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"\1", body[1])
        select = sqlglot.parse_one("select " + re.sub(r"\{\{.*?\}\}", "0", named, flags=re.DOTALL), read="postgres")
        assert isinstance(select, exp.Select)
        return None if select.is_star else [projection.alias_or_name for projection in select.selects]


@dataclass(frozen=True)
class Table:
    """A mart's table: columns with types, which of them may be null, and its primary key."""

    columns: dict[str, str]
    nullable: frozenset[str]
    key: frozenset[str]


@dataclass(frozen=True)
class Project:
    """All models and singular tests under a folder."""

    folder: Path

    @cached_property
    def models(self) -> dict[str, Model]:
        paths = sorted((self.folder / "models").rglob("*.sql"))
        found = [Model(path, *path.relative_to(self.folder / "models").parts[:2], self.folder) for path in paths]
        return {model.name: model for model in found}

    @cached_property
    def tests(self) -> list[Model]:
        return [Model(path, "tests", "", self.folder) for path in sorted((self.folder / "tests").rglob("*.sql"))]

    def layer(self, layer: str) -> list[Model]:
        return [model for model in self.models.values() if model.layer == layer]


@cache
def _yaml(text: str) -> dict[str, Any]:
    document = yaml.safe_load(text)
    assert isinstance(document, dict)
    return document


@cache
def _type(text: str) -> str:
    return exp.DataType.build(text, dialect="postgres").sql("postgres")


@cache
def tables_of(migrations: str) -> dict[str, Table]:
    """Marts that migrations create; a statement that changes one is not read yet, and refused."""
    assert "alter table marts." not in migrations.lower(), "teach this test to read changes of marts"
    tables = {}
    for statement in re.findall(r"^create table marts\..*?;", migrations, flags=re.DOTALL | re.MULTILINE):
        create = sqlglot.parse_one(statement, read="postgres")
        schema = create.this
        columns: dict[str, str] = {}
        not_null: set[str] = set()
        key: set[str] = set()
        for part in schema.expressions:
            if isinstance(part, exp.ColumnDef):
                assert part.kind is not None
                columns[part.name] = part.kind.sql("postgres")
                kinds = {type(constraint.kind) for constraint in part.constraints}
                if exp.PrimaryKeyColumnConstraint in kinds:
                    key.add(part.name)
                if exp.NotNullColumnConstraint in kinds:
                    not_null.add(part.name)
            else:
                assert isinstance(part, exp.PrimaryKey), f"not read: {part!r}"
                key.update(column.name for column in part.expressions)
        tables[schema.this.name] = Table(columns, frozenset(columns.keys() - not_null - key), frozenset(key))
    return tables


@cache
def migrations() -> str:
    """All migrations, oldest first."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.sql")))


# ── the rules ───────────────────────────────────────────────────────────────────────────────────────


def undescribed(project: Project) -> Iterator[str]:
    """Every model has a yml of its stem that describes it and its columns, for a reader; no yml is left over."""
    for model in project.models.values():
        if not model.yml.exists():
            yield f"{model.name}: no yml beside it"
            continue
        if [entry.get("name") for entry in model.document.get("models", [])] != [model.name]:
            yield f"{model.name}: its yml is to describe it, and no other model"
            continue
        if not _is_sentence(model.properties):
            yield f"{model.name}: no description"
        names = [column["name"] for column in model.properties.get("columns", [])]
        if not names or len(names) != len(set(names)):
            yield f"{model.name}: columns missing or listed twice"
        for column in model.properties.get("columns", []):
            if not _is_sentence(column) or "data_type" not in column:
                yield f"{model.name}.{column['name']}: no description or no type"
    stems = {model.path.with_suffix("") for model in project.models.values()}
    for path in sorted((project.folder / "models").rglob("*.yml")):
        if path.parent.name != "sources" and path.with_suffix("") not in stems:
            yield f"{path.name}: no model beside it"


def _is_sentence(node: dict[str, Any]) -> bool:
    return str(node.get("description", "")).strip().endswith(".")


def columns_not_selected(project: Project) -> Iterator[str]:
    """A yml lists the columns that its model selects, in that order."""
    for model in project.models.values():
        selected = model.selected_columns
        if selected is not None and selected != list(model.columns):
            yield f"{model.name}: selects {selected}, documents {list(model.columns)}"


def misplaced_reads(project: Project) -> Iterator[str]:
    """References go one way, within one application, and nothing but tests reads candidates."""
    for model in [*project.models.values(), *project.tests]:
        for name in sorted(model.refs):
            if name not in project.models:
                yield f"{model.name}: refers to {name}, which is not there"
                continue
            other = project.models[name]
            if other.layer not in LAYERS_READ[model.layer]:
                yield f"{model.name}: {model.layer} reads {other.layer} ({name})"
            if model.layer != "tests" and other.area != model.area:
                yield f"{model.name}: {model.area} reads {other.area} ({name})"
        allowed = {"staging": {model.area}, "candidate": {"control", "computed"}}.get(model.layer, {"control"})
        for source, table in sorted(model.sources):
            if source not in allowed:
                yield f"{model.name}: {model.layer} reads source {source}.{table}"
        for source, table in sorted(model.logs):
            if model.layer != "intermediate" or source != model.area:
                yield f"{model.name}: {model.layer} reads changes of {source}.{table}"
        for relation in sorted(model.literal_relations):
            if (model.name, relation) not in LITERAL_RELATIONS:
                yield f"{model.name}: names {relation} without ref or source"


def marts_that_differ(project: Project, tables: dict[str, Table]) -> Iterator[str]:
    """The catalog, the candidates and the tables are about the same marts, with the same columns."""
    catalog = {mart.name: mart for mart in MARTS}
    candidates = {model.name: model for model in project.layer("candidate")}
    for name in sorted(catalog.keys() | candidates.keys() | tables.keys()):
        missing = [
            what
            for what, names in (("catalog", catalog), ("candidate", candidates), ("table", tables))
            if name not in names
        ]
        if missing:
            yield f"{name}: not in {', '.join(missing)}"
            continue
        mart, model, table = catalog[name], candidates[name], tables[name]
        if model.area != mart.application:
            yield f"{name}: model of {model.area}, mart of {mart.application}"
        if model.properties.get("config", {}).get("contract", {}).get("enforced") is not True:
            yield f"{name}: contract not enforced"
        if model.columns != dict([*table.columns.items(), LEDGER_COLUMN]):
            differing = sorted({*model.columns.items()} ^ {*table.columns.items(), LEDGER_COLUMN})
            yield f"{name}: columns differ: {differing}"
        if table.key != {*mart.key} | ({mart.date_column} if mart.date_column else set()):
            yield f"{name}: primary key {sorted(table.key)}, catalog {mart.key}"
        if table.nullable != {*mart.nullable}:
            yield f"{name}: nullable {sorted(table.nullable)}, catalog {sorted(mart.nullable)}"
        for other in sorted(set(re.findall(r"\brun_days\(\s*'(\w+)'\s*\)", model.sql)) - {name}):
            yield f"{name}: builds the days of {other}"


def weak_conservation_tests(project: Project) -> Iterator[str]:
    """Every dated mart has a conservation test that names it, its severity and the day of a failing row.

    One that only warns says why; why the others block is the same for all (``warehouse.gate``).
    """
    tested = set()
    for test in project.tests:
        config = re.search(
            r"config\((?:severity='error', meta=\{'mart': '(?P<mart>\w+)'\}"
            r"|severity='warn', meta=\{'mart': '(?P<warns>\w+)', 'reason': '[^']+'\})\)",
            test.sql,
        )
        if not test.name.startswith("assert_") or config is None:
            yield f"{test.name}: not named assert_…, or without severity and mart"
            continue
        name = config["mart"] or config["warns"]
        if name not in test.refs or "partition_start" not in test.sql:
            yield f"{test.name}: does not read {name}, or names no day"
        tested.add(name)
    for mart in MARTS:
        if mart.dated and mart.name not in tested:
            yield f"{mart.name}: no conservation test"


def misplaced_unit_tests(project: Project) -> Iterator[str]:
    """A unit test stands beside its model and has a name that PostgreSQL can hold."""
    for model in project.models.values():
        for test in model.document.get("unit_tests", []):
            if test["model"] != model.name:
                yield f"{model.name}: a unit test of {test['model']} beside it"
            if len(test["name"]) > LONGEST_IDENTIFIER:
                yield f"{model.name}: {test['name']} is longer than {LONGEST_IDENTIFIER} characters"


def violations(project: Project, tables: dict[str, Table]) -> list[str]:
    return [
        *undescribed(project),
        *columns_not_selected(project),
        *misplaced_reads(project),
        *marts_that_differ(project, tables),
        *weak_conservation_tests(project),
        *misplaced_unit_tests(project),
    ]


# ── they hold ───────────────────────────────────────────────────────────────────────────────────────

PROJECT = Project(DBT_PROJECT)


def test_every_model_is_described_beside_it() -> None:
    assert list(undescribed(PROJECT)) == []


def test_documented_columns_are_those_selected() -> None:
    assert list(columns_not_selected(PROJECT)) == []


def test_references_go_one_way() -> None:
    assert list(misplaced_reads(PROJECT)) == []


def test_marts_agree_with_their_tables_and_the_catalog() -> None:
    assert list(marts_that_differ(PROJECT, tables_of(migrations()))) == []


def test_every_dated_mart_has_a_conservation_test() -> None:
    assert list(weak_conservation_tests(PROJECT)) == []


def test_unit_tests_stand_beside_their_models() -> None:
    assert list(misplaced_unit_tests(PROJECT)) == []


def test_models_are_found_in_every_layer_and_area() -> None:
    assert {model.layer for model in PROJECT.models.values()} == LAYERS_READ.keys() - {"tests"}
    assert {model.area for model in PROJECT.layer("candidate")} == {*APPLICATIONS, CALENDAR}
    assert len(PROJECT.models) == len(list((DBT_PROJECT / "models").rglob("*.sql")))


def test_exceptions_are_still_needed() -> None:
    used = {(model.name, relation) for model in PROJECT.models.values() for relation in model.literal_relations}
    assert used == LITERAL_RELATIONS.keys()


# ── they can fail ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def doctored(tmp_path: Path) -> Path:
    """A copy of the project to spoil."""
    for folder in ("models", "tests", "macros"):
        shutil.copytree(DBT_PROJECT / folder, tmp_path / folder)
    return tmp_path


PERIODS = "macros/workflow_periods"
USERS = "models/intermediate/scheduling/int_scheduling__users"
DIM_USER = "models/candidate/scheduling/dim_user"
DIM_WORKFLOW = "models/candidate/workflows/dim_workflow"
KPI_DAILY = "models/candidate/services/kpi_daily"
STAGED_USERS = "models/staging/scheduling/stg_scheduling__users"
KPI_TEST = "tests/assert_kpi_daily_adds_up"

REF_USERS = "ref('stg_scheduling__users')"
REF_WORKFLOWS = "ref('stg_workflows__workflows')"
SOURCE_USERS = "source('scheduling', 'users')"


@pytest.mark.parametrize(
    ("file", "old", "new", "violation"),
    [
        (f"{USERS}.yml", "    description: ", "    docs: ", "int_scheduling__users: no description"),
        (f"{USERS}.yml", "- name: int_scheduling__users", "- name: users", "int_scheduling__users: its yml"),
        (f"{USERS}.yml", "        data_type: boolean\n", "", "int_scheduling__users.has_known_timezone: no"),
        (f"{USERS}.yml", "- name: given_timezone", "- name: timezone", "int_scheduling__users: columns"),
        (f"{USERS}.yml", "- name: given_timezone", "- name: zone_given", "int_scheduling__users: selects"),
        (f"{USERS}.sql", "as given_timezone", "as zone_given", "int_scheduling__users: selects"),
        (f"{USERS}.sql", REF_USERS, "ref('dim_user')", "intermediate reads candidate"),
        (f"{USERS}.sql", REF_USERS, "ref('nobody')", "int_scheduling__users: refers to nobody"),
        (f"{USERS}.sql", REF_USERS, SOURCE_USERS, "reads source scheduling."),
        (f"{USERS}.sql", REF_USERS, "ref('stg_workflows__steps')", "scheduling reads workflows"),
        (f"{USERS}.sql", REF_USERS, "changes('services', 'metrics')", "reads changes of services."),
        (f"{USERS}.sql", "{{ ref('stg_scheduling__users') }}", "raw.scheduling__users", "names raw.scheduling__users"),
        (f"{DIM_WORKFLOW}.sql", REF_WORKFLOWS, "changes('workflows', 'workflows')", "candidate reads changes"),
        (f"{DIM_WORKFLOW}.sql", REF_WORKFLOWS, "ref('dim_workflow_step')", "candidate reads candidate"),
        (f"{STAGED_USERS}.sql", SOURCE_USERS, "ref('stg_scheduling__tasks')", "staging reads staging"),
        (f"{STAGED_USERS}.sql", SOURCE_USERS, "source('control', 'runs')", "staging reads source control."),
        (f"{STAGED_USERS}.sql", SOURCE_USERS, "source('services', 'metrics')", "reads source services."),
        (f"{DIM_USER}.yml", "        enforced: true", "        enforced: false", "dim_user: contract not enforced"),
        (f"{DIM_USER}.yml", "data_type: timestamptz", "data_type: timestamp", "dim_user: columns differ"),
        (f"{DIM_USER}.yml", "- name: local_timezone", "- name: zone", "dim_user: columns differ"),
        (f"{DIM_USER}.yml", "- name: _source_row_count", "- name: row_count", "dim_user: columns differ"),
        (f"{KPI_DAILY}.yml", "numeric(38, 12)", "numeric(38, 6)", "kpi_daily: columns differ"),
        (
            f"{KPI_DAILY}.sql",
            "run_days('kpi_daily')",
            "run_days('kpi_monthly')",
            "kpi_daily: builds the days of kpi_monthly",
        ),
        (f"{PERIODS}.sql", "as p50_duration_seconds", "as p50_seconds", "workflow_analytics_weekly: selects"),
        (f"{PERIODS}.sql", "as p50_duration_seconds", "as p50_seconds", "workflow_analytics_monthly: selects"),
        (
            "models/candidate/workflows/workflow_step_metrics_monthly.sql",
            "ref('int_workflows__step_visits')",
            "ref('dim_workflow')",
            "monthly: candidate reads candidate",
        ),
        (
            f"{PERIODS}.sql",
            "ref(mart)",
            "ref('dim_workflow')",
            "assert_workflow_analytics_weekly_adds_up: does not read",
        ),
        (f"{KPI_TEST}.sql", "severity='error', ", "", "assert_kpi_daily_adds_up: not named"),
        (f"{KPI_TEST}.sql", "severity='error', ", "severity='warn', ", "assert_kpi_daily_adds_up: not named"),
        (f"{KPI_TEST}.sql", "'mart': 'kpi_daily'", "'mart': 'kpi_monthly'", "kpi_daily: no conservation test"),
        (f"{KPI_TEST}.sql", "partition_start", "day", "assert_kpi_daily_adds_up: does not read"),
        (f"{KPI_DAILY}.yml", "    model: kpi_daily", "    model: kpi_monthly", "kpi_daily: a unit test of kpi_monthly"),
        (f"{KPI_DAILY}.yml", "  - name: sums_are", f"  - name: {'very_' * 13}sums_are", "is longer than 63"),
    ],
)
def test_a_spoilt_file_is_noticed(doctored: Path, file: str, old: str, new: str, violation: str) -> None:
    text = (doctored / file).read_text(encoding="utf-8")
    assert old in text
    (doctored / file).write_text(text.replace(old, new), encoding="utf-8")
    found = violations(Project(doctored), tables_of(migrations()))
    assert any(violation in line for line in found), found


@pytest.mark.parametrize(
    ("file", "violation"),
    [
        (f"{USERS}.yml", "int_scheduling__users: no yml beside it"),
        (f"{USERS}.sql", "int_scheduling__users.yml: no model beside it"),
        (f"{DIM_USER}.sql", "dim_user: not in candidate"),
        (f"{KPI_TEST}.sql", "kpi_daily: no conservation test"),
    ],
)
def test_a_missing_file_is_noticed(doctored: Path, file: str, violation: str) -> None:
    (doctored / file).unlink()
    assert violation in violations(Project(doctored), tables_of(migrations()))


def test_a_model_that_is_no_mart_is_noticed(doctored: Path) -> None:
    for suffix in (".sql", ".yml"):
        text = (doctored / f"{DIM_USER}{suffix}").read_text(encoding="utf-8")
        text = text.replace("dim_user", "dim_person")
        (doctored / f"models/candidate/scheduling/dim_person{suffix}").write_text(text, encoding="utf-8")
    assert "dim_person: not in catalog, table" in violations(Project(doctored), tables_of(migrations()))


@pytest.mark.parametrize(
    ("old", "new", "violation"),
    [
        ("create table marts.dim_user (", "create table marts.dim_person (", "dim_user: not in table"),
        ("    local_timezone text not null,\n", "", "dim_user: columns differ"),
        ("    color text,", "    color text not null,", "dim_category: nullable []"),
        ("    value_count integer not null", "    value_count bigint not null", "kpi_daily: columns differ"),
        ("    value_last double precision not null", "    value_last double precision", "kpi_daily: nullable"),
        ("primary key (workflow_id, date)", "primary key (date)", "workflow_analytics: primary key ['date']"),
    ],
)
def test_a_spoilt_table_is_noticed(old: str, new: str, violation: str) -> None:
    text = migrations()
    assert old in text
    found = marts_that_differ(PROJECT, tables_of(text.replace(old, new)))
    assert any(line.startswith(violation) for line in found)


def test_a_migration_that_changes_a_mart_is_not_overlooked() -> None:
    with pytest.raises(AssertionError, match="teach this test"):
        tables_of(migrations() + "alter table marts.dim_user add column name text;")
