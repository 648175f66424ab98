"""Migrations: they lead to what the models say, up and down, and readers' rights are least."""

import alembic.autogenerate
import alembic.migration
import psycopg
import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.pool import NullPool

import models.control
import models.quality  # noqa: F401  (registers its tables)
from models.base import WarehouseBase
from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.support import Lab, assert_published
from warehouse import access, schema
from warehouse.catalog import MARTS


def engine_of(lab: Lab) -> sa.Engine:
    return sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(lab.server.url("warehouse")), poolclass=NullPool
    )


def test_the_newest_migration_is_the_one_that_runs_ask_for() -> None:
    assert ScriptDirectory(str(schema.MIGRATIONS)).get_current_head() == schema.HEAD


def test_migrations_make_what_the_models_say(lab: Lab) -> None:
    def of_ours(name: str | None, kind: str, parents: object) -> bool:
        return kind != "schema" or name in {"control", "quality"}

    with engine_of(lab).connect() as connection:
        context = alembic.migration.MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": of_ours,
                "version_table_schema": "control",
                "compare_type": True,
                "compare_server_default": False,
            },
        )
        differences = alembic.autogenerate.compare_metadata(context, WarehouseBase.metadata)
    assert differences == []


def test_a_model_that_no_migration_makes_is_noticed(lab: Lab) -> None:
    lab.warehouse.execute("alter table control.runs drop column message")
    with pytest.raises(AssertionError):
        test_migrations_make_what_the_models_say(lab)


def test_migrations_go_down_and_up_again(lab: Lab) -> None:
    url = lab.server.url("warehouse")
    schema.migrate(lab.warehouse, url, "base", down=True)
    assert not schema.is_current(lab.warehouse)
    schema.migrate(lab.warehouse, url)
    assert schema.is_current(lab.warehouse)
    for mart in MARTS:
        assert lab.warehouse.execute("select to_regclass(%s)", (f"marts.{mart.name}",)).fetchone() != (None,)


def test_the_reading_role_reads_marts_and_nothing_else(lab: Lab) -> None:
    access.apply(lab.warehouse)  # rights to a database are not copied with it
    access.set_password(lab.warehouse, access.BI, "secret")
    lab.warehouse.execute("create table marts.made_later (a int)")
    with psycopg.connect(access.reader_url(lab.server.url("warehouse"), "secret"), autocommit=True) as reader:
        for mart in MARTS:
            reader.execute(f"select * from marts.{mart.name}")
        reader.execute("select * from marts.made_later")
        for table in ("control.publications", "quality.quarantine", "control.runs"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"select * from {table}")
        reader.execute("set default_transaction_read_only = off")
        for statement in (
            "delete from marts.dim_user",
            "create table marts.mine (a int)",
            "create temp table mine (a int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)


def test_an_upgrade_from_the_first_migration_keeps_every_row(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    before = lab.dump()
    url = lab.server.url("warehouse")
    schema.migrate(lab.warehouse, url, "0001", down=True)
    first = {name for (name,) in lab.warehouse.execute("select tablename from pg_tables where schemaname = 'marts'")}
    queries = [
        contents_of(lab, table)
        for table in ("control.batches", "control.runs", "quality.check_results", "quality.quarantine")
    ]
    kept = [lab.warehouse.execute(query).fetchone() for query in queries]
    schema.migrate(lab.warehouse, url)
    after = lab.dump()
    assert {name: rows for name, rows in after.items() if name in first} == {
        name: rows for name, rows in before.items() if name in first
    }
    assert [lab.warehouse.execute(query).fetchone() for query in queries] == kept
    lab.run(AS_OF, gate_open=True)
    assert lab.dump() == before
    assert_published(lab, AS_OF)


def contents_of(lab: Lab, table: str) -> str:
    """A query for a hash of a table's rows, in the columns that it has now."""
    (columns,) = lab.warehouse.execute(
        "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        (table,),
    ).fetchone() or ("",)
    return f"select count(*), md5(string_agg(row({columns})::text, ',' order by row({columns})::text)) from {table}"


def test_vacuum_has_no_reader_wait(lab: Lab) -> None:
    """It would, while it gives the end of a table back: every table of the marts keeps its space instead."""
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    schema.migrate(lab.warehouse, lab.server.url("warehouse"), "0008", down=True)
    truncated = (
        "select c.relname from pg_class as c left join pg_class as t on t.oid = c.reltoastrelid"
        " where c.relnamespace = 'marts'::regnamespace and c.relkind = 'r' and"
        " not ('vacuum_truncate=false' = any (coalesce(c.reloptions, '{}'))"
        "  and (t.oid is null or 'vacuum_truncate=false' = any (coalesce(t.reloptions, '{}'))))"
    )
    tables = lab.warehouse.execute(truncated).fetchall()
    assert ("dim_user",) in tables and ("kpi_daily_2024_03",) in tables
    schema.migrate(lab.warehouse, lab.server.url("warehouse"))
    assert lab.warehouse.execute(truncated).fetchall() == []
    lab.warehouse.execute("select control.make_partition('kpi_daily', '2031-01-01')")
    assert lab.warehouse.execute(truncated).fetchall() == []


DASHBOARDS = {
    "analytics_daily_metrics": "date",
    "category_daily_metrics": "date",
    "goal_progress_snapshots": "period_start",
}
"""Marts with rows of users over days, and the column of the day. A month of all users is a whole partition."""

DUMMIES = {"uuid": "md5('x')::uuid", "date": "date '2024-03-01'", "jsonb": "'{}'", "text": "''"}
"""Values for the columns that a dashboard does not ask by; those of other types are 0 or now."""


@pytest.mark.parametrize("name", DASHBOARDS)
def test_one_user_over_time_and_one_day_of_all_users_are_found_by_index(lab: Lab, name: str) -> None:
    """In one of two months, of 300 users; what PostgreSQL chooses, with nothing switched off."""
    column = DASHBOARDS[name]
    keys = {"user_id": "md5('user' || n)::uuid", "goal_id": "md5('goal' || n)::uuid", column: "day::date"}
    for month, after in (("2024-03-01", "2024-04-01"), ("2024-04-01", "2024-05-01")):
        partition = f"marts.{name}_{month[:7].replace('-', '_')}"
        lab.warehouse.execute(f"create table {partition} (like marts.{name} including all)")
        lab.warehouse.execute(
            f"alter table marts.{name} attach partition {partition} for values from ('{month}') to ('{after}')"
        )
        columns = lab.warehouse.execute(
            "select column_name, data_type from information_schema.columns where table_schema = 'marts'"
            " and table_name = %s order by ordinal_position",
            (name,),
        ).fetchall()
        values = [
            keys.get(str(each), DUMMIES.get(str(type_), "now()" if "time" in str(type_) else "0"))
            for each, type_ in columns
        ]
        lab.warehouse.execute(
            f"insert into marts.{name} select {', '.join(values)} from generate_series(1, 300) as n"
            f" cross join generate_series('{month}', timestamp '{after}' - interval '1 day', '1 day') as day"
        )
    lab.warehouse.execute(f"analyze marts.{name}")

    def plan(condition: str) -> str:
        rows = lab.warehouse.execute(f"explain select * from marts.{name} where {condition}").fetchall()
        return "\n".join(str(row) for (row,) in rows)

    user = plan(f"user_id = md5('user7')::uuid and {column} >= '2024-03-01' and {column} < '2024-03-08'")
    day = plan(f"{column} = '2024-03-02'")
    for text, index in ((user, "user_id"), (day, column)):
        assert "Seq Scan" not in text, text
        assert f"Index Cond: (({index} = " in text or f"Index Cond: ({index} = " in text, text
        assert "_2024_04" not in text, text
