"""The roles of a warehouse: what each may do, what it may not, and who owns what a run has made."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.test_external_servers import debian
from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.support import Lab
from warehouse import access, lock, schema
from warehouse.database import connect, session
from warehouse.errors import ConfigurationError
from warehouse.server import EmbeddedServer

NOT_FOR_RUNS = (
    "alter table marts.kpi_daily add column mine integer",
    "alter table marts.kpi_daily owner to weir_runner",
    "alter table marts.kpi_daily rename to mine",
    "drop table marts.kpi_daily",
    "truncate marts.kpi_daily",
    "update marts.dim_user set timezone = 'UTC'",
    "create table marts.mine (n integer)",
    "create rule r as on insert to marts.dim_user do instead nothing",
    "update control.publications set row_count = 0",
    "delete from control.publications",
    "update control.goal_versions set target_value = 0",
    "update control.alembic_version set version_num = '1'",
    "alter table control.runs add column mine integer",
    "drop table quality.quarantine",
    "create or replace function control.update_statistics(relation text) returns void language sql as ''",
    "create schema mine",
    "create table public.mine (n integer)",
    "create role mine",
    "alter role weir_bi superuser",
    "set role weir_owner",
    "select rolpassword from pg_authid",
    "copy (select 1) to program 'true'",
)


def test_a_run_makes_what_is_its_own_and_cannot_change_what_marts_are_nor_the_ledgers_past(lab: Lab) -> None:
    lab.write(*BEGINNING)
    refresh = lab.run(AS_OF, gate_open=True)
    assert {outcome.status for outcome in refresh.outcomes.values()} == {"published"}
    strangers = lab.warehouse.execute(
        "select c.oid::regclass::text, c.relowner::regrole::text from pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace"
        " join unnest(%s::text[], %s::text[]) as o (schema, owner) on o.schema = n.nspname"
        " where c.relkind = any ('{r,p,v,m,S}') and c.relowner::regrole::text <> o.owner",
        (list(access.OWNED), list(access.OWNED.values())),
    ).fetchall()
    assert strangers == []
    with session(lab.places.warehouse_url, name="test") as runner:
        for statement in NOT_FOR_RUNS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                runner.execute(statement.encode())
        for mart in ("dim_user", "runs", "kpi_daily_2024_03", "no_such; drop table marts.dim_user"):
            with pytest.raises(psycopg.errors.RaiseException, match="there is no mart"):
                runner.execute("select control.make_partition(%s, '2031-01-01')", (mart,))


def test_the_reading_role_is_shown_nothing_but_marts(lab: Lab) -> None:
    """The catalogs of PostgreSQL name every table of a database to everybody; their contents stay closed."""
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    access.set_password(lab.warehouse, access.BI, "secret")
    with psycopg.connect(access.reader_url(lab.server.url("warehouse"), "secret"), autocommit=True) as reader:
        reader.execute("set default_transaction_read_only = off")
        listed = reader.execute(
            "select distinct table_schema from information_schema.tables"
            " where table_schema <> all ('{pg_catalog,information_schema}')"
        ).fetchall()
        assert listed == [("marts",)]
        readable = reader.execute(
            "select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where n.nspname = any (%s) and c.relkind = any ('{r,p,v,m}')"
            " and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')",
            ([name for name in access.OWNED if name != "marts"],),
        ).fetchall()
        assert readable == []
        writable = reader.execute(
            "select c.oid::regclass::text from pg_class as c where c.relnamespace = 'marts'::regnamespace"
            " and has_table_privilege(c.oid, 'insert, update, delete, truncate, references, trigger')"
        ).fetchall()
        assert writable == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select control.update_statistics('runs')")


def test_the_reading_role_leaves_no_large_object_and_no_lock_behind(lab: Lab) -> None:
    access.apply(lab.warehouse)  # rights to a database are not copied with it
    access.set_password(lab.warehouse, access.BI, "secret")
    with psycopg.connect(access.reader_url(lab.server.url("warehouse"), "secret"), autocommit=True) as reader:
        reader.execute("set default_transaction_read_only = off")
        for call in (
            "lo_creat(-1)",
            "lo_create(0)",
            "lo_from_bytea(0, 'x')",
            "lo_put(1, 0, 'x')",
            "lo_import('/dev/null')",
            "lo_export(1, '/dev/null')",
            "lo_open(1, 131072)",
            "lowrite(0, 'x')",
            "lo_truncate(0, 0)",
            "lo_unlink(1)",
            "pg_advisory_lock(hashtext('weir.alerts'))",
            "pg_try_advisory_xact_lock_shared(1, 1)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="for function"):
                reader.execute(f"select {call}".encode())


def test_what_the_reading_role_sets_for_itself_ends_with_the_next_set_up(lab: Lab) -> None:
    access.apply(lab.warehouse)  # rights to a database are not copied with it
    access.set_password(lab.warehouse, access.BI, "secret")
    readers = access.reader_url(lab.server.url("warehouse"), "secret")
    lab.warehouse.execute("alter role weir_bi set statement_timeout = '1min'")  # an administrator's, to be kept
    with psycopg.connect(readers, autocommit=True) as reader:
        reader.execute("set default_transaction_read_only = off")
        for place in ("", "in database warehouse", "in database postgres"):
            reader.execute(f"alter role weir_bi {place} set default_transaction_read_only = off".encode())
    try:
        for _ in range(2):
            schema.migrate(lab.warehouse, lab.server.url("warehouse"))
            assert lab.warehouse.execute(
                "select setdatabase, setconfig from pg_db_role_setting where setrole = 'weir_bi'::regrole"
            ).fetchall() == [(0, ["default_transaction_read_only=on", "statement_timeout=1min"])]
        with psycopg.connect(readers) as reader:
            assert reader.execute("show transaction_read_only").fetchone() == ("on",)
    finally:
        lab.warehouse.execute("alter role weir_bi reset statement_timeout")


@pytest.fixture(scope="module", params=["wheel", "debian"])
def another(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of which the roles are yet to be made."""
    binaries = debian() if request.param == "debian" else None
    if request.param == "debian" and binaries is None:
        pytest.skip("Debian's package postgresql is not installed")
    embedded = EmbeddedServer(tmp_path_factory.mktemp("another") / "weir", binaries)
    embedded.start()
    try:
        yield embedded
    finally:
        embedded.remove()


def test_an_ordinary_user_that_may_create_roles_sets_up_and_runs_act_as_the_runner(
    another: EmbeddedServer, tmp_path: Path
) -> None:
    another.ensure_database("warehouse")
    with psycopg.connect(another.url("warehouse"), autocommit=True) as superuser:
        superuser.execute("create role plain login createrole password 'plain'")
        superuser.execute("grant create on database warehouse to plain")
        superuser.execute("create role other login password 'other'")
        superuser.execute("grant create on database warehouse to other")
    url = another.url("warehouse").replace(f"weir:{another.password()}@", "plain:plain@")
    others = url.replace("plain:plain", "other:other")
    with session(others, name="test") as other, pytest.raises(ConfigurationError, match="alter role other createrole"):
        schema.migrate(other, others)
    for _ in range(2):
        with session(url, name="test") as plain:
            schema.migrate(plain, url)
            access.set_password(plain, access.BI, "secret")
    acting = access.acting_as_runner(url)
    for runners in (f"postgresql://{access.RUNNER}@h/d", f"postgresql://h/d?user={access.RUNNER}"):
        assert access.acting_as_runner(runners) == runners
    assert access.acting_as_runner("postgresql://u@h/d?options=-c%20jit%3Doff").endswith(
        "?options=-c%20jit%3Doff%20-c%20role%3Dweir_runner"
    )
    with lock.exclusive(acting, "the first"):
        for another_url in (acting, another.url("warehouse")):
            with (
                pytest.raises(ConfigurationError, match="the first is working on this warehouse"),
                lock.exclusive(another_url, "the second", wait=False),
            ):
                pass
    with connect(acting, name="test") as runner:
        assert runner.execute("select current_user, session_user").fetchone() == (access.RUNNER, "plain")
        runner.execute("create table raw.made (n integer)")
        runner.execute("select control.make_partition('kpi_daily', '2024-03-05')")
        runner.execute("select control.update_statistics('runs')")
        for statement in NOT_FOR_RUNS:
            if statement not in {"set role weir_owner"}:  # whoever logged in may; see docs/decisions
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    runner.execute(statement.encode())
    with psycopg.connect(access.reader_url(url, "secret"), autocommit=True) as reader:
        reader.execute("set default_transaction_read_only = off")
        reader.execute("alter role weir_bi in database warehouse set default_transaction_read_only = off")
    with session(url, name="test") as plain:
        access.make_roles(plain)
    with psycopg.connect(access.reader_url(url, "secret")) as reader:
        assert reader.execute("show transaction_read_only").fetchone() == ("on",)
        assert reader.execute("select count(*) from marts.kpi_daily_2024_03").fetchone() == (0,)

    # Somebody else on that server, with a database of its own, cannot take the roles over, and is told so.
    with session(others, name="test") as other, pytest.raises(ConfigurationError, match="with admin option"):
        access.make_roles(other)
