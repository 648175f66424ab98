"""Sources that change shape, hide things, are views or foreign, or lose much at once: exact, or refused in a line."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from tests.adversary import BOTH, CUSTOMERS, ORDERS, Adversary, make_adversary
from warehouse.errors import ConfigurationError, WeirError
from warehouse.extracting import drift, engine
from warehouse.extracting.declared import Cursor, Declared, Mode, Xid8
from warehouse.server import EmbeddedServer


@pytest.fixture(scope="module")
def shared(server: EmbeddedServer) -> Iterator[Adversary]:
    adversary = make_adversary(server)
    try:
        yield adversary
    finally:
        adversary.close()


@pytest.fixture
def adversary(shared: Adversary) -> Adversary:
    shared.clear()
    return shared


def proven(adversary: Adversary) -> None:
    """Proofs would mend what a mode has lost: leave them out."""
    adversary.warehouse.execute("update control.watermarks set proven_at = now()")


def refused(adversary: Adversary, tables: tuple[Declared, ...] = BOTH, **options: Any) -> str:
    before = adversary.ask("select coalesce(max(batch_id), 0) from control.batch_tables")
    with pytest.raises(WeirError) as error:
        adversary.extract(tables, **options)
    assert adversary.ask("select coalesce(max(batch_id), 0) from control.batch_tables") == before
    assert "\n" not in str(error.value)
    return str(error.value)


# Values


ODD_VALUES = """
create type shop.mood as enum ('sad', 'happy');
create domain shop.short as varchar(5);
create type shop.pair as (a int, b text);
create table shop.odd (
    id int primary key, at timestamptz, day date, local timestamp, amount numeric, ratio double precision, small real,
    document jsonb, plain json, words text[], grid int[], mood shop.mood, moods shop.mood[], short shop.short,
    pair shop.pair, took interval, bytes bytea, big text, "Sel ect" text, range tstzrange, place point, twice int
    generated always as (id * 2) stored
);
insert into shop.odd (id, at, day, local, amount, ratio, small, document, plain, words, grid, mood, moods, short, pair,
    took, bytes, big, "Sel ect", range, place)
values
    (1, 'infinity', '-infinity', '0044-03-15 12:00 BC', 'NaN', 'NaN', '-0', '{"b": 1.0, "a": [1.00, null]}',
     '{"b":1,  "b":2}', array['a', null, '', 'null'], '[2:3]={1,2}', 'sad', array['happy', 'sad']::shop.mood[], 'abc',
     row(1, 'x, y'), '1 mon -1 day 00:00:00.000001', '\\x00ff', repeat('ä', 5000000), 'quoted "words"',
     '[2020-01-01, infinity)', '(1,2)'),
    (2, '0001-01-01 00:00:00.000001 BC', '9999-12-31', null, 1.0, '-0', 'Infinity', '1.00', 'null', '{}', '{{1},{2}}',
     'happy', '{}', '', null, '24:00:00', '', '', null, 'empty', null),
    (3, '2018-11-04 00:30:00.123456-03', '0001-01-01 BC', '2018-11-04 00:30', 1.00, 0, 1e-45, 'null', '""', null, null,
     null, null, null, row(null, null), '1 day', null, E'tab\\tnew\\nline\\\\', '', null, null);
"""

ODD = Declared("shop", "odd", ("id",))


@pytest.mark.parametrize("zone", ["UTC", "America/Sao_Paulo"])
def test_values_pass_unchanged(adversary: Adversary, zone: str) -> None:
    adversary.one.execute(ODD_VALUES)
    adversary.one.execute(f"alter role current_user set timezone = '{zone}'")
    try:
        adversary.extract((ODD,))
        assert len(adversary.here("shop.odd")) == 3
        adversary.assert_equal("shop.odd")
        # Equal as values, other bytes: still a change.
        adversary.one.execute("update shop.odd set amount = 1.000, ratio = 0, document = '1.0' where id = 2")
        proven(adversary)
        assert adversary.extract((ODD,)).tables[0].updated == 1
        adversary.assert_equal("shop.odd")
        adversary.warehouse.execute("update raw.shop__odd set ratio = '-0', document = '1.00' where id = 2")
        batch = adversary.extract((ODD,), prove=True)
        assert batch.tables[0].proof == engine.Proof(3, 1, ("2",))
        adversary.assert_equal("shop.odd")
    finally:
        adversary.one.execute("alter role current_user reset timezone")


def test_memory_does_not_grow_with_rows(adversary: Adversary) -> None:
    import tracemalloc

    adversary.one.execute("create table shop.many (id int primary key, text text)")
    adversary.one.execute("insert into shop.many select n, repeat('x', 500) from generate_series(1, 60000) as n")
    tracemalloc.start()
    try:
        adversary.extract((Declared("shop", "many", ("id",)),))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000  # of 30 MB


# Shapes


def test_a_new_column_is_added_and_old_rows_are_filled(adversary: Adversary) -> None:
    adversary.extract()
    proven(adversary)
    adversary.one.execute("alter table shop.orders add column colour text default 'red'")  # rewrites nothing
    batch = adversary.extract()
    assert (batch.tables[1].updated, batch.tables[1].reason) == (200, "column colour was added")
    adversary.assert_equal()
    assert "shop.orders: new column colour text; raw has it now" in adversary.lines
    assert adversary.ask("select count(*) from raw.shop__orders__changes where colour is null") == 200


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("smallint", "integer"), ("integer", "bigint"), ("integer", "numeric"), ("real", "double precision"),
        ("varchar(5)", "varchar(9)"), ("varchar(5)", "text"), ("numeric(8,2)", "numeric(10,3)"),
    ],
)  # fmt: skip
def test_a_safe_widening_is_followed(adversary: Adversary, before: str, after: str) -> None:
    adversary.one.execute(f"alter table shop.orders add column size {before} default '3'")
    adversary.extract()
    proven(adversary)
    adversary.one.execute(f"alter table shop.orders alter column size type {after}")
    adversary.one.execute("update shop.orders set size = '7' where order_id = 5")
    batch = adversary.extract()
    assert "column size was widened" in str(batch.tables[1].reason)
    adversary.assert_equal()


@pytest.mark.parametrize(
    ("old", "new", "wider"),
    [
        ("numeric(10,2)", "numeric(11,4)", False), ("numeric(10,2)", "numeric", True), ("text", "integer", False),
        ("bigint", "integer", False), ("character varying", "character varying(5)", False),
        ("character(3)", "character(5)", False), ("date", "timestamp without time zone", False),
        ("timestamp(0) with time zone", "timestamp with time zone", True), ("numeric", "numeric(5,0)", False),
        ("timestamp without time zone", "timestamp with time zone", False), ("integer", "numeric(3,0)", False),
        ("double precision", "real", False), ("bigint", "double precision", False),
    ],
)  # fmt: skip
def test_what_widening_is(old: str, new: str, wider: bool) -> None:
    assert drift.is_wider(old, new) is wider


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "alter table shop.orders rename note to remark",
            "shop.orders: column note is called remark now; rename it back, or, to follow, in the warehouse: "
            "alter table raw.shop__orders rename column note to remark; "
            "alter table raw.shop__orders__changes rename column note to remark",
        ),
        (
            "alter table shop.orders drop note",
            "shop.orders: column note is gone from the source; restore it, or, to lose it here too, in the warehouse: "
            "alter table raw.shop__orders drop column note; alter table raw.shop__orders__changes drop column note",
        ),
        (
            "alter table shop.orders alter amount type numeric(6,2)",
            "shop.orders: column amount is numeric(6,2) now, was numeric(10,2), which may hold less or mean something "
            "else; change it back, or put a view in the table's place, or, to follow, in the warehouse: "
            "alter table raw.shop__orders alter column amount type numeric(6,2) using amount::text::numeric(6,2); "
            "alter table raw.shop__orders__changes alter column amount type numeric(6,2) "
            "using amount::text::numeric(6,2)",
        ),
    ],
)  # fmt: skip
def test_what_needs_a_decision_stops_and_the_remedy_works(adversary: Adversary, change: str, message: str) -> None:
    adversary.extract()
    proven(adversary)
    adversary.one.execute(change)
    adversary.one.execute("update shop.orders set agent_id = 9 where order_id = 9")
    said = refused(adversary)
    assert said == message
    remedy = said.rsplit(": ", 1)[1]
    adversary.warehouse.execute(remedy)
    assert adversary.extract().tables[1].reason is not None
    adversary.assert_equal()


def test_a_view_that_reads_a_widened_column_is_named(adversary: Adversary) -> None:
    adversary.one.execute("alter table shop.orders add column size int default 3")
    adversary.extract()
    adversary.warehouse.execute("drop view if exists marts.theirs")
    adversary.warehouse.execute("create view marts.theirs as select size from raw.shop__orders")
    adversary.one.execute("alter table shop.orders alter column size type bigint")
    assert "view marts.theirs depends on column" in refused(adversary)
    adversary.warehouse.execute("drop view marts.theirs")
    adversary.extract()
    adversary.assert_equal()


def test_a_needed_column_keeps_the_type_that_is_needed(adversary: Adversary) -> None:
    needed = replace(ORDERS, columns={"size": "integer", "note": "text"})
    adversary.one.execute("alter table shop.orders add column size int default 3")
    adversary.extract((needed,))
    adversary.one.execute("alter table shop.orders alter column size type bigint")
    adversary.extract((needed,))
    adversary.assert_equal("shop.orders")
    assert adversary.ask("select pg_typeof(size)::text from raw.shop__orders limit 1") == "integer"
    adversary.one.execute("update shop.orders set size = 3000000000 where order_id = 1")
    assert "does not fit the type that marts are made for (integer out of range)" in refused(adversary, (needed,))
    adversary.one.execute("update shop.orders set size = 4")
    adversary.one.execute("alter table shop.orders alter note type varchar(5) using left(note, 5)")
    assert refused(adversary, (needed,)) == (
        "shop.orders: column note is character varying(5) now, was text, which may hold less or mean something else; "
        "change it back, or put a view in the table's place"
    )
    adversary.one.execute("alter table shop.orders rename to all_orders")
    adversary.one.execute("create view shop.orders as select *, xmin as _xmin from shop.all_orders")
    assert adversary.extract((needed,)).tables[0].updated == 200
    assert adversary.extract((needed,)).tables[0].mode == "xmin"
    adversary.assert_equal("shop.orders")


def test_a_needed_column_cannot_be_let_go(adversary: Adversary) -> None:
    needed = replace(ORDERS, columns={"note": "text"})
    adversary.extract((needed,))
    adversary.one.execute("alter table shop.orders rename note to remark")
    assert refused(adversary, (needed,)) == (
        "shop.orders: column note is called remark now; "
        "rename it back, or put a view in the table's place that calls it note"
    )


def test_a_column_of_the_wrong_type_is_refused(adversary: Adversary) -> None:
    adversary.one.execute("alter table shop.orders alter updated_at type timestamp")
    assert refused(adversary, (replace(ORDERS, columns={"updated_at": "timestamp with time zone"}),)) == (
        "shop.orders: column updated_at is timestamp without time zone and has to be timestamp with time zone; "
        "change it, or put a view in the table's place that casts it"
    )


def test_a_column_dropped_and_added_again_is_read_again(adversary: Adversary) -> None:
    adversary.extract()
    proven(adversary)
    adversary.one.execute("alter table shop.orders drop note, add note text default 'again'")
    assert adversary.extract().tables[1].reason == "column note was made anew"
    adversary.assert_equal()


def test_labels_of_an_enum_are_followed(adversary: Adversary) -> None:
    adversary.one.execute("create type shop.mood as enum ('sad', 'happy')")
    adversary.one.execute("alter table shop.orders add column mood shop.mood default 'sad'")
    adversary.extract()
    proven(adversary)
    adversary.one.execute("alter type shop.mood add value 'calm'")
    assert adversary.extract().tables[1].reason is None
    assert any("labels of mood's type shop.mood are sad, happy, calm now" in line for line in adversary.lines)
    adversary.one.execute("alter type shop.mood rename value 'sad' to 'blue'")  # changes rows, not their xmin
    batch = adversary.extract()
    assert (batch.tables[1].reason, batch.tables[1].updated) == ("labels of mood were renamed", 200)
    adversary.assert_equal()


def test_a_table_made_anew_is_compared(adversary: Adversary) -> None:
    adversary.extract()
    proven(adversary)
    adversary.one.execute("create table shop.other (like shop.orders including all)")
    adversary.one.execute("insert into shop.other select * from shop.orders where order_id <> 9")
    adversary.one.execute("drop table shop.orders; alter table shop.other rename to orders")
    batch = adversary.extract()
    assert (batch.tables[1].reason, batch.tables[1].changed) == ("the relation was made anew", 1)
    adversary.assert_equal()


def test_an_attached_partition_is_read_however_old_its_rows(adversary: Adversary) -> None:
    events = Declared("shop", "events", ("id",))
    adversary.one.execute("create table shop.events (id int primary key, note text) partition by range (id)")
    adversary.one.execute("create table shop.first partition of shop.events for values from (0) to (100)")
    adversary.one.execute("create table shop.second (id int primary key, note text)")
    adversary.one.execute("insert into shop.events select n, 'a' from generate_series(1, 50) as n")
    adversary.one.execute("insert into shop.second select n, 'b' from generate_series(100, 150) as n")
    adversary.extract((events,))
    proven(adversary)
    adversary.one.execute("alter table shop.events attach partition shop.second for values from (100) to (200)")
    batch = adversary.extract((events,))
    assert (batch.tables[0].reason, batch.tables[0].inserted) == ("partitions were attached", 51)
    adversary.one.execute("update shop.events set note = 'c' where id in (5, 105)")
    assert adversary.extract((events,)).tables[0].mode == "xmin"
    adversary.one.execute("alter table shop.events detach partition shop.first")
    adversary.extract((events,))
    adversary.assert_equal("shop.events")


def test_names_of_our_own_are_refused(adversary: Adversary) -> None:
    adversary.one.execute("alter table shop.orders add column _batch_id int")
    assert "column _batch_id has a name that Weir keeps for itself" in refused(adversary)


# Views and foreign tables


VIEW = Declared("stock", "orders", ("order_id",))


def test_a_view_is_compared(adversary: Adversary) -> None:
    adversary.one.execute("create schema stock")
    adversary.one.execute(
        "create view stock.orders as select o.order_id, c.name, o.note from shop.orders o"
        " join shop.customers c using (customer_id)"
    )
    adversary.extract((VIEW,))
    proven(adversary)
    adversary.one.execute("update shop.customers set name = 'other' where customer_id = 3")
    adversary.one.execute("delete from shop.orders where order_id in (2, 3)")
    batch = adversary.extract((VIEW,))
    assert (batch.tables[0].mode, batch.tables[0].updated, batch.tables[0].deleted) == (
        "compare",
        9,
        2,
    )  # one of ten is deleted
    adversary.assert_equal("stock.orders")
    adversary.one.execute("update shop.orders set note = 'x' where order_id = 100")
    assert 0 < adversary.extract((VIEW,)).tables[0].rows_read < 50  # of its bucket, not all


def test_a_source_that_fails_amid_its_rows_says_so_itself(
    adversary: Adversary, caplog: pytest.LogCaptureFixture
) -> None:
    adversary.one.execute("create schema stock")
    adversary.one.execute(
        "create view stock.orders as select n as order_id, 1 / (190000 - n) as share, repeat('x', 100) as note"
        " from generate_series(1, 200000) as n"
    )
    with pytest.raises(psycopg.errors.DivisionByZero, match="division by zero"):
        adversary.extract((VIEW,))
    assert not caplog.records
    adversary.one.execute(
        "create or replace view stock.orders as select n as order_id, n as share, 'x' as note"
        " from generate_series(1, 9) as n"
    )
    assert adversary.extract((VIEW,)).tables[0].rows == 9


def test_a_view_can_pass_on_its_tables_xmin(adversary: Adversary) -> None:
    passing = "select order_id, upper(note) as note, xmin as _xmin from shop.orders where amount > 10"
    adversary.one.execute(f"create schema stock; create view stock.orders as {passing}")
    adversary.extract((VIEW,))
    proven(adversary)
    adversary.one.execute("begin")
    adversary.one.execute("update shop.orders set note = 'late' where order_id = 50")
    adversary.two.execute("update shop.orders set amount = 5 where order_id = 60")  # leaves the view
    adversary.two.execute("update shop.orders set amount = 50 where order_id = 5")  # enters it
    batch = adversary.extract((VIEW,))
    assert (batch.tables[0].mode, batch.tables[0].inserted, batch.tables[0].deleted) == ("xmin", 1, 1)
    adversary.one.execute("commit")
    adversary.extract((VIEW,))
    adversary.assert_equal("stock.orders")
    assert adversary.ask("select count(*) from information_schema.columns where column_name = '_xmin'") == 0
    adversary.one.execute(f"create or replace view stock.orders as {passing.replace('upper', 'lower')}")
    assert adversary.extract((VIEW,)).tables[0].reason == "the view was redefined"
    adversary.assert_equal("stock.orders")
    adversary.one.execute(
        "create or replace view stock.orders as select order_id, name as note, o.xmin as _xmin from shop.orders as o"
        " join shop.customers using (customer_id)"
    )
    assert adversary.extract((VIEW,)).tables[0].mode == "compare"  # one xid cannot speak for two tables
    adversary.assert_equal("stock.orders")


def test_a_view_whose_key_is_none_is_refused(adversary: Adversary) -> None:
    adversary.one.execute(
        "create schema stock; create view stock.orders as select customer_id as order_id from shop.orders"
    )
    assert "(order_id) does not tell its rows apart" in refused(adversary, (VIEW,))
    adversary.one.execute("create or replace view stock.orders as select order_id from shop.orders")
    adversary.extract((VIEW,))
    adversary.one.execute("create or replace view stock.orders as select order_id from shop.orders union all select 5")
    assert "(order_id) does not tell its rows apart: 2 rows are 5" in refused(adversary, (VIEW,))
    adversary.one.execute(
        "create or replace view stock.orders as select nullif(order_id, 5) as order_id from shop.orders"
    )
    assert "(order_id) does not tell its rows apart: a row has no key" in refused(adversary, (VIEW,))


def test_a_foreign_table_is_compared(adversary: Adversary) -> None:
    port, password = adversary.one.info.port, adversary.server.password()
    adversary.one.execute("create schema stock; create extension if not exists postgres_fdw")
    adversary.one.execute("drop server if exists loop cascade")
    adversary.one.execute(
        "create server loop foreign data wrapper postgres_fdw"
        f" options (host '127.0.0.1', port '{port}', dbname 'hostile_source')"
    )
    adversary.one.execute(
        f"create user mapping for current_user server loop options (user 'weir', password '{password}')"
    )
    adversary.one.execute("import foreign schema shop limit to (orders) from server loop into stock")
    adversary.extract((VIEW,))
    proven(adversary)
    adversary.one.execute(
        "update shop.orders set note = 'x' where order_id = 10; delete from shop.orders where order_id = 11"
    )
    batch = adversary.extract((VIEW,))
    assert (batch.tables[0].mode, batch.tables[0].updated, batch.tables[0].deleted) == ("compare", 1, 1)
    adversary.assert_equal("stock.orders")


def test_a_materialized_view_is_compared(adversary: Adversary) -> None:
    adversary.one.execute("create schema stock; create materialized view stock.orders as select * from shop.orders")
    adversary.extract((VIEW,))
    adversary.one.execute("update shop.orders set note = 'x'; refresh materialized view stock.orders")
    assert adversary.extract((VIEW,)).tables[0].updated == 200
    adversary.assert_equal("stock.orders")


# The breaker


def test_the_breaker_stops_a_sweep_that_would_delete_much(adversary: Adversary) -> None:
    adversary.one.execute(
        "insert into shop.orders (order_id, customer_id) select n, 1 from generate_series(1001, 21800) as n"
    )
    adversary.extract()
    proven(adversary)
    adversary.one.execute("delete from shop.orders where order_id between 1001 and 2050")  # 5 %
    assert adversary.extract().tables[1].deleted == 1050
    adversary.one.execute("delete from shop.orders where order_id between 2051 and 4000")
    assert refused(adversary) == (
        "shop.orders: 1,950 of 19,950 rows are gone from the source (10%); nothing was changed. See whether this is "
        "the right database and whether they were meant to go, then: weir run --force-deletes shop.orders"
    )
    assert "1,950 of 19,950 rows" in refused(adversary, force_deletes=("shop.customers",))
    assert "1,950 of 19,950 rows" in refused(adversary, prove=True)
    assert adversary.extract(force_deletes=("shop.orders",)).tables[1].deleted == 1950
    adversary.assert_equal()


@pytest.mark.parametrize("replaced", [False, True])
def test_the_breaker_stops_at_an_empty_table(adversary: Adversary, replaced: bool) -> None:
    adversary.extract()
    if replaced:
        adversary.warehouse.execute("update control.watermarks set system_identifier = 1")
    adversary.one.execute("truncate shop.orders")
    assert "shop.orders: the source is empty, and 200 rows would be deleted" in refused(adversary)
    assert len(adversary.here()) == 200
    assert adversary.extract(force_deletes=("all",)).tables[1].deleted == 200
    adversary.assert_equal()


def test_few_rows_may_go_whatever_their_share(adversary: Adversary) -> None:
    adversary.extract()
    adversary.one.execute("delete from shop.orders where order_id > 1")
    assert adversary.extract().tables[1].deleted == 199
    adversary.assert_equal()


# Roles


@pytest.fixture
def role(adversary: Adversary) -> Iterator[str]:
    adversary.one.execute("drop role if exists reader")
    adversary.one.execute("create role reader login password 'secret'")
    try:
        yield adversary.source_url.replace(adversary.source_url.split("@")[0], "postgresql://reader:secret")
    finally:
        adversary.one.execute("drop owned by reader; drop role reader")


def extract_as(adversary: Adversary, url: str, *tables: Declared) -> engine.Batch:
    with adversary.reader(url) as (source, warehouse):
        return engine.extract("shop", tables or BOTH, source, warehouse, "test")


def test_missing_rights_are_named_one_after_the_other(adversary: Adversary, role: str) -> None:
    for grant in ("usage on schema shop", "select on shop.customers", "select on shop.orders"):
        with pytest.raises(ConfigurationError, match=r"the source's role may not read this table; as its owner: grant"):
            extract_as(adversary, role)
        adversary.one.execute(f"grant {grant} to reader")
    assert extract_as(adversary, role).changed == 220
    adversary.assert_equal()


def test_a_policy_that_hides_rows_is_refused(adversary: Adversary, role: str) -> None:
    adversary.one.execute("grant usage on schema shop to reader; grant select on all tables in schema shop to reader")
    extract_as(adversary, role)
    adversary.one.execute("alter table shop.orders enable row level security")
    with pytest.raises(ConfigurationError, match="a policy hides rows from the source's role"):
        extract_as(adversary, role)
    adversary.one.execute("alter role reader bypassrls")
    assert extract_as(adversary, role).changed == 0


def test_a_cursor_needs_to_see_the_transactions_of_others(adversary: Adversary, role: str) -> None:
    by_cursor = replace(ORDERS, mode=Cursor("updated_at"))
    adversary.one.execute("grant usage on schema shop to reader; grant select on all tables in schema shop to reader")
    with pytest.raises(ConfigurationError, match=r"cannot see the transactions of others.*grant pg_read_all_stats"):
        extract_as(adversary, role, by_cursor)
    adversary.one.execute("grant pg_read_all_stats to reader")
    assert extract_as(adversary, role, by_cursor).changed == 200
    adversary.two.execute("set track_activities = off")
    adversary.two.execute("begin")
    with pytest.raises(ConfigurationError, match=r"1 sessions of the source do not show their transactions"):
        extract_as(adversary, role, by_cursor)


@pytest.mark.parametrize("mode", [Cursor("note"), Xid8("updated_at"), Xid8("nothing")])
def test_a_mode_needs_its_column(adversary: Adversary, mode: Mode) -> None:
    adversary.extract((ORDERS,))
    adversary.warehouse.execute("update control.watermarks set mode = %s", (type(mode).__name__.lower(),))
    assert "its mode needs a column" in refused(adversary, (replace(ORDERS, mode=mode),))


def test_a_replica_behind_is_refused_and_so_is_a_cursor_there(adversary: Adversary) -> None:
    import datetime as dt

    from warehouse.extracting import positions

    adversary.extract()
    known = positions.load(adversary.warehouse, BOTH)["shop.orders"]
    there = positions.Moment("", known.snapshot_xmin - 5, 0, known.system_identifier, 1, dt.datetime.now(dt.UTC), True)
    with pytest.raises(WeirError, match="this replica is behind what has been read already"):
        positions.check_order(ORDERS, known, there)
    positions.check_order(ORDERS, known, replace(there, is_replica=False))  # restored: to be compared
    positions.check_order(ORDERS, known, replace(there, xmin=known.snapshot_xmin))


def test_a_locked_table_is_waited_for_only_so_long(adversary: Adversary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOCK_SECONDS", 0.1)
    adversary.one.execute("begin")
    adversary.one.execute("alter table shop.orders add column later int")
    assert "a source table has been locked by somebody else" in refused(adversary)


def test_the_source_is_only_read(adversary: Adversary) -> None:
    adversary.extract((CUSTOMERS,))
    adversary.extract((CUSTOMERS,), prove=True)
    with adversary.reader() as (source, _), pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        source.execute("delete from shop.orders")
