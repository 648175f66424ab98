"""Four statements of what a source table looks like, held against each other column by column.

They are the contract (``../shared/contract/sources.sql``, outside the repository and therefore skipped where
absent), the SQLAlchemy models, the dbt sources and the staging views. DDL is parsed by sqlglot and the
models are compared through the DDL that they compile to, so one reader reads both sides.

Belongs here: agreement of columns. Does not belong here: what the values mean.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml
from sqlalchemy import Column as ModelColumn
from sqlalchemy import DateTime, MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable
from sqlglot import exp

from models.source import APPLICATIONS, metadata

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACT = REPOSITORY.parent / "shared" / "contract" / "sources.sql"
DBT_MODELS = REPOSITORY / "dbt_project" / "models"

STAGING_OF = {
    "scheduling.users": "stg_scheduling__users",
    "scheduling.categories": "stg_scheduling__categories",
    "scheduling.tasks": "stg_scheduling__tasks",
    "scheduling.user_calendar_days": "stg_scheduling__calendar_days",
    "scheduling.goals": "stg_scheduling__goals",
    "workflows.workflows": "stg_workflows__workflows",
    "workflows.workflow_steps": "stg_workflows__steps",
    "workflows.workflow_executions": "stg_workflows__executions",
    "workflows.workflow_events": "stg_workflows__events",
    "services.metrics": "stg_services__metrics",
    "services.kpi_goals": "stg_services__kpi_goals",
    "services.report_requests": "stg_services__report_requests",
}

# E-mail addresses go no further than raw.
LEFT_OUT_OF_STAGING = {
    "scheduling.users": {"email"},
    "services.report_requests": {"email_recipients"},
}

BATCH_COLUMN = "_batch_id"


@dataclasses.dataclass(frozen=True)
class Column:
    """What is said about one column; SQL in sqlglot's normal form, so that spelling does not matter."""

    type: str
    nullable: bool
    default: str | None = None


@dataclasses.dataclass(frozen=True)
class Table:
    """What is said about one table; keys and checks as sets, because their order means nothing."""

    columns: dict[str, Column]
    primary_key: tuple[str, ...]
    unique: frozenset[tuple[str, ...]] = frozenset()
    checks: frozenset[str] = frozenset()
    foreign_keys: frozenset[tuple[tuple[str, ...], str, tuple[str, ...], str]] = frozenset()


Tables = dict[str, Table]


# ── readers: one per form, all returning the same ───────────────────────────────────────────────────


def tables_of_ddl(ddl: str) -> Tables:
    """Read every ``create table`` of a script; a reference without columns means the target's primary key."""
    creates = [
        statement
        for statement in sqlglot.parse(ddl, read="postgres")
        if isinstance(statement, exp.Create) and statement.kind == "TABLE"
    ]
    tables = dict(_table_of(create) for create in creates)
    return {
        name: dataclasses.replace(
            table,
            foreign_keys=frozenset(
                (columns, target, to or tables[target].primary_key, options)
                for columns, target, to, options in table.foreign_keys
            ),
        )
        for name, table in tables.items()
    }


def tables_of_models(models: MetaData = metadata) -> Tables:
    """Read the SQLAlchemy models through the DDL that they compile to."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return tables_of_ddl(";\n".join(str(CreateTable(table).compile(dialect=dialect)) for table in models.sorted_tables))


def tables_of_dbt_sources(documents: Iterable[Mapping[str, Any]]) -> Tables:
    """Read the dbt sources, by writing them out as DDL; the warehouse's own columns are left out."""
    statements = []
    for document in documents:
        for source in document["sources"]:
            for table in source["tables"]:
                lines = [_column_ddl(column) for column in table["columns"] if not column["name"].startswith("_")]
                lines += table.get("config", {}).get("meta", {}).get("table_constraints", [])
                statements.append(f"create table {source['name']}.{table['name']} ({', '.join(lines)})")
    return tables_of_ddl(";\n".join(statements))


def _table_of(create: exp.Create) -> tuple[str, Table]:
    schema = create.this
    columns: dict[str, Column] = {}
    primary_key: tuple[str, ...] = ()
    unique, checks, foreign_keys = set(), set(), set()

    for part in schema.expressions:
        match part:
            case exp.ColumnDef():
                nullable, default = True, None
                for constraint in part.constraints:
                    match constraint.kind:
                        case exp.PrimaryKeyColumnConstraint():
                            primary_key = (part.name,)
                        case exp.NotNullColumnConstraint():
                            nullable = bool(constraint.kind.args.get("allow_null"))
                        case exp.DefaultColumnConstraint() | exp.GeneratedAsIdentityColumnConstraint():
                            assert default is None, f"two defaults: {part.sql('postgres')}"
                            default = _normal(constraint.kind)
                        case exp.UniqueColumnConstraint():
                            unique.add((part.name,))
                        case exp.CheckColumnConstraint():
                            checks.add(_normal(constraint.kind.this))
                        case exp.Reference():
                            foreign_keys.add(((part.name,), *_reference(constraint.kind)))
                        case other:
                            raise AssertionError(f"constraint not read: {other!r}")
                columns[part.name] = Column(_normal(part.kind), nullable, default)
            case exp.PrimaryKey():
                primary_key = tuple(column.name for column in part.expressions)
            case exp.UniqueColumnConstraint():
                unique.add(tuple(column.name for column in part.this.expressions))
            case exp.CheckColumnConstraint():
                checks.add(_normal(part.this))
            case exp.ForeignKey():
                names = tuple(column.name for column in part.expressions)
                foreign_keys.add((names, *_reference(part.args["reference"])))
            case other:
                raise AssertionError(f"table element not read: {other!r}")

    for name in primary_key:
        columns[name] = dataclasses.replace(columns[name], nullable=False)
    name = f"{schema.this.db}.{schema.this.name}"
    return name, Table(columns, primary_key, frozenset(unique), frozenset(checks), frozenset(foreign_keys))


def _reference(reference: exp.Reference) -> tuple[str, tuple[str, ...], str]:
    target = reference.this
    to: tuple[str, ...] = ()
    if isinstance(target, exp.Schema):
        to = tuple(column.name for column in target.expressions)
        target = target.this
    options = " ".join(sorted(str(option).lower() for option in reference.args.get("options") or []))
    return f"{target.db}.{target.name}", to, options


def _normal(expression: exp.Expr | None) -> str:
    assert expression is not None
    return expression.sql("postgres", comments=False)


def _column_ddl(column: Mapping[str, Any]) -> str:
    parts = [column["name"], column["data_type"]]
    default = column.get("config", {}).get("meta", {}).get("default")
    if default is not None:
        parts.append(default if default.startswith("generated ") else f"default {default}")
    for constraint in column.get("constraints", []):
        match constraint["type"]:
            case "primary_key":
                parts.append("primary key")
            case "not_null":
                parts.append("not null")
            case "check":
                parts.append(f"check ({constraint['expression']})")
            case "foreign_key":
                parts.append(f"references {constraint['expression']}")
            case other:
                raise AssertionError(f"constraint not read: {other}")
    return " ".join(parts)


def differences(left: Tables, right: Tables) -> list[str]:
    """Name every difference, down to the column, as ``table[.column]: left | right``."""
    found = [f"{name}: only on one side" for name in sorted(left.keys() ^ right.keys())]
    for name in sorted(left.keys() & right.keys()):
        ours, theirs = left[name], right[name]
        for column in sorted(ours.columns.keys() | theirs.columns.keys()):
            pair = ours.columns.get(column), theirs.columns.get(column)
            if pair[0] != pair[1]:
                found.append(f"{name}.{column}: {pair[0]} | {pair[1]}")
        if sorted(ours.columns) == sorted(theirs.columns) and list(ours.columns) != list(theirs.columns):
            found.append(f"{name}: column order {list(ours.columns)} | {list(theirs.columns)}")
        for what in ("primary_key", "unique", "checks", "foreign_keys"):
            if getattr(ours, what) != getattr(theirs, what):
                found.append(f"{name}: {what} {getattr(ours, what)} | {getattr(theirs, what)}")
    return found


# ── what is compared ────────────────────────────────────────────────────────────────────────────────


def _yaml(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict), path
    return document


def _dbt_source_documents() -> list[dict[str, Any]]:
    return [_yaml(DBT_MODELS / "sources" / f"{application}.yml") for application in APPLICATIONS]


def _staging_path(table: str, suffix: str) -> Path:
    return DBT_MODELS / "staging" / table.partition(".")[0] / f"{STAGING_OF[table]}{suffix}"


def _staging_model(table: str) -> dict[str, Any]:
    (model,) = _yaml(_staging_path(table, ".yml"))["models"]
    assert isinstance(model, dict)
    return model


def _staged_types(table: str) -> dict[str, str]:
    """What the staging view of a table should show: its columns in order, then the batch."""
    columns = {
        name: column.type
        for name, column in tables_of_models()[table].columns.items()
        if name not in LEFT_OUT_OF_STAGING.get(table, set())
    }
    return columns | {BATCH_COLUMN: "BIGINT"}


def _selected_columns(sql: str) -> list[str]:
    """List the columns of a model's last CTE, or of its one select; the Jinja call becomes the name of a table."""
    sql = re.sub(r"^\{\{ config\(.*\) \}\}\n", "", sql)
    start, end = sql.index("{{"), sql.index("}}") + 2
    query = sqlglot.parse_one(sql[:start] + "raw.input" + sql[end:], read="postgres")
    assert isinstance(query, exp.Select)
    if not query.ctes:
        return [projection.alias_or_name for projection in query.selects]
    assert query.is_star, "a model ends in select * from its last CTE"
    last = query.ctes[-1]
    assert query.args["from_"].this.name == last.alias
    return [projection.alias_or_name for projection in last.this.selects]


def test_models_agree_with_the_contract() -> None:
    if not CONTRACT.exists():
        pytest.skip(f"the contract stands outside the repository and is not here: {CONTRACT}")
    contract = tables_of_ddl(CONTRACT.read_text(encoding="utf-8"))
    assert len(contract) == len(STAGING_OF)
    assert differences(contract, tables_of_models()) == []


def test_dbt_sources_agree_with_the_models() -> None:
    assert differences(tables_of_models(), tables_of_dbt_sources(_dbt_source_documents())) == []


def test_every_source_table_is_named_after_its_raw_table_and_carries_its_batch() -> None:
    for application, document in zip(APPLICATIONS, _dbt_source_documents(), strict=True):
        (source,) = document["sources"]
        assert (source["name"], source["schema"]) == (application, "raw")
        for table in source["tables"]:
            assert table["identifier"] == f"{application}__{table['name']}"
            own = [column for column in table["columns"] if column["name"].startswith("_")]
            assert [(column["name"], column["data_type"]) for column in own] == [(BATCH_COLUMN, "bigint")]


def test_every_source_table_has_one_staging_view_and_no_view_is_left_over() -> None:
    assert set(STAGING_OF) == set(tables_of_models())
    for application in APPLICATIONS:
        folder = DBT_MODELS / "staging" / application
        expected = {_staging_path(table, "").name for table in STAGING_OF if table.startswith(f"{application}.")}
        # Views over a view (exploded slots) may stand beside them, but not straight over raw.
        over_raw = {path.stem for path in folder.glob("*.sql") if "source(" in path.read_text(encoding="utf-8")}
        assert over_raw == expected


@pytest.mark.parametrize("table", sorted(STAGING_OF))
def test_staging_shows_the_columns_of_its_table(table: str) -> None:
    sql = _staging_path(table, ".sql").read_text(encoding="utf-8")
    application, _, name = table.partition(".")
    assert f"{{{{ source('{application}', '{name}') }}}}" in sql
    assert _selected_columns(sql) == list(_staged_types(table))


@pytest.mark.parametrize("table", sorted(STAGING_OF))
def test_staging_contract_has_the_types_of_its_table(table: str) -> None:
    model = _staging_model(table)
    assert model["name"] == STAGING_OF[table]
    assert model["config"]["contract"]["enforced"] is True
    stated = {
        column["name"]: _normal(exp.DataType.build(column["data_type"], dialect="postgres"))
        for column in model["columns"]
    }
    assert list(stated.items()) == list(_staged_types(table).items())


@pytest.mark.parametrize("table", sorted(STAGING_OF))
def test_staging_tests_the_key_and_the_checked_values_of_its_table(table: str) -> None:
    keys: list[str] = []
    accepted: set[str] = set()
    for column in _staging_model(table)["columns"]:
        tests = column.get("data_tests", [])
        if "unique" in tests and "not_null" in tests:
            keys.append(column["name"])
        for test in tests:
            if isinstance(test, dict) and "accepted_values" in test:
                values = ", ".join(f"'{value}'" for value in test["accepted_values"]["arguments"]["values"])
                accepted.add(_normal(sqlglot.parse_one(f"{column['name']} in ({values})", read="postgres")))
    model = tables_of_models()[table]
    assert tuple(keys) == model.primary_key
    assert accepted == {check for check in model.checks if " IN (" in check}


@pytest.mark.parametrize(
    "document",
    [
        *(pytest.param(DBT_MODELS / "sources" / f"{name}.yml", id=name) for name in APPLICATIONS),
        *(pytest.param(_staging_path(table, ".yml"), id=STAGING_OF[table]) for table in sorted(STAGING_OF)),
    ],
)
def test_everything_has_a_description(document: Path) -> None:
    content = _yaml(document)
    nodes = [*content.get("models", []), *content.get("sources", [])]
    while nodes:
        node = nodes.pop()
        assert node.get("description", "").strip().endswith("."), node["name"]
        nodes += [*node.get("tables", []), *node.get("columns", [])]


# ── the comparison can fail ─────────────────────────────────────────────────────────────────────────

SMALL_DDL = """
create table a.parents (parent_id uuid primary key);
create table a.children (
    child_id  bigint generated by default as identity primary key,
    parent_id uuid not null references a.parents on delete cascade,
    name      text not null default 'none' check (name in ('none', 'some')),
    size      integer,
    unique (parent_id, name)
);
"""


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("size      integer", "size bigint", "a.children.size"),
        ("size      integer", "size integer not null", "a.children.size"),
        ("size      integer", "extent integer", "a.children.extent"),
        ("text not null default", "text default", "a.children.name"),
        ("default 'none'", "default 'some'", "a.children.name"),
        (" default 'none'", "", "a.children.name"),
        ("by default as identity", "always as identity", "a.children.child_id"),
        ("'none', 'some'", "'none'", "a.children: checks"),
        (" on delete cascade", "", "a.children: foreign_keys"),
        ("delete cascade", "delete set null", "a.children: foreign_keys"),
        ("unique (parent_id, name)", "unique (name)", "a.children: unique"),
        ("identity primary key", "identity not null", "a.children: primary_key"),
        ("create table a.parents", "create table b.parents", "a.parents: only on one side"),
    ],
)
def test_a_changed_definition_is_noticed(old: str, new: str, where: str) -> None:
    assert old in SMALL_DDL
    if new.startswith("create table b"):
        changed = SMALL_DDL.replace(old, new).replace("references a.", "references b.")
    else:
        changed = SMALL_DDL.replace(old, new)
    assert any(found.startswith(where) for found in differences(tables_of_ddl(SMALL_DDL), tables_of_ddl(changed)))


def test_spelling_alone_is_no_difference() -> None:
    spelled_out = """
    CREATE TABLE a.parents (parent_id UUID NOT NULL, PRIMARY KEY (parent_id));
    CREATE TABLE a.children (
        child_id BIGINT GENERATED BY DEFAULT AS IDENTITY,
        parent_id UUID NOT NULL,
        name TEXT DEFAULT 'none' NOT NULL,
        size INTEGER, -- a comment
        PRIMARY KEY (child_id),
        CHECK (name IN ('none', 'some')),
        UNIQUE (parent_id, name),
        FOREIGN KEY(parent_id) REFERENCES a.parents (parent_id) ON DELETE CASCADE
    );
    """
    assert differences(tables_of_ddl(SMALL_DDL), tables_of_ddl(spelled_out)) == []


def _without_time_zone(column: ModelColumn[Any]) -> None:
    column.type = DateTime(timezone=False)


def _made_nullable(column: ModelColumn[Any]) -> None:
    column.nullable = True


def _without_server_default(column: ModelColumn[Any]) -> None:
    column.server_default = None


@pytest.mark.parametrize("mutate", [_without_time_zone, _made_nullable, _without_server_default])
def test_a_changed_model_is_noticed(mutate: Callable[[ModelColumn[Any]], None]) -> None:
    copy = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(copy)
    assert differences(tables_of_models(), tables_of_models(copy)) == []
    mutate(copy.tables["scheduling.users"].columns["updated_at"])
    (found,) = differences(tables_of_models(), tables_of_models(copy))
    assert found.startswith("scheduling.users.updated_at: ")


def _with_type(column: dict[str, Any]) -> None:
    column["data_type"] = "timestamp"


def _nullable(column: dict[str, Any]) -> None:
    column["constraints"] = []


def _without_default(column: dict[str, Any]) -> None:
    del column["config"]


def _renamed(column: dict[str, Any]) -> None:
    column["name"] = "changed_at"


@pytest.mark.parametrize("mutate", [_with_type, _nullable, _without_default, _renamed])
def test_a_changed_dbt_source_is_noticed(mutate: Callable[[dict[str, Any]], None]) -> None:
    documents = _dbt_source_documents()
    tables = documents[0]["sources"][0]["tables"]
    (users,) = [table for table in tables if table["name"] == "users"]
    (column,) = [column for column in users["columns"] if column["name"] == "updated_at"]
    mutate(column)
    found = differences(tables_of_models(), tables_of_dbt_sources(documents))
    assert any(line.startswith("scheduling.users.updated_at: ") for line in found)


def test_a_column_missing_from_a_staging_view_is_noticed() -> None:
    sql = _staging_path("scheduling.tasks", ".sql").read_text(encoding="utf-8")
    shortened = re.sub(r"^ *title,\n", "", sql, flags=re.MULTILINE)
    assert shortened != sql
    assert _selected_columns(shortened) != list(_staged_types("scheduling.tasks"))
