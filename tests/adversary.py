"""A source that does its worst: sessions to interleave, extracts of one small schema, and a naive reader beside.

Belongs here: writing to the source, extracting, comparing both sides. Does not belong here: what is done to the
source, and when; tests state their own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.support import make_database
from warehouse.database import Connection, connect
from warehouse.extracting import engine
from warehouse.extracting.declared import Declared
from warehouse.extracting.engine import Batch, Options, Reading
from warehouse.server import EmbeddedServer

TABLES = """
create table shop.customers (
    customer_id bigint primary key,
    name text,
    updated_at timestamptz default now(),
    written_by xid8 default pg_current_xact_id()
);
create table shop.orders (
    order_id bigint primary key,
    customer_id bigint references shop.customers on delete cascade,
    agent_id bigint references shop.customers on delete set null,
    note text,
    amount numeric(10, 2),
    updated_at timestamptz default now(),
    written_by xid8 default pg_current_xact_id()
);
create function shop.stamp() returns trigger language plpgsql as
    'begin new.written_by := pg_current_xact_id(); return new; end';
create trigger stamp before insert or update on shop.customers for each row execute function shop.stamp();
create trigger stamp before insert or update on shop.orders for each row execute function shop.stamp();
insert into shop.customers (customer_id, name) select n, 'customer ' || n from generate_series(1, 20) as n;
insert into shop.orders (order_id, customer_id, agent_id, note, amount)
select n, 1 + n % 20, 1 + n % 3, 'order ' || n, n from generate_series(1, 200) as n;
"""

ORDERS = Declared("shop", "orders", ("order_id",))
CUSTOMERS = Declared("shop", "customers", ("customer_id",))
BOTH = (CUSTOMERS, ORDERS)


class Adversary:
    """A source with one schema ``shop``, and a warehouse; both survive a test and are emptied for the next."""

    def __init__(self, server: EmbeddedServer, source: str = "hostile_source", warehouse: str = "warehouse") -> None:
        self.server = server
        self.source_url, self.warehouse_url = server.url(source), server.url(warehouse)
        self.sessions: list[psycopg.Connection[Any]] = []
        self.one, self.two, self.three = (self.session() for _ in range(3))
        self.warehouse = connect(self.warehouse_url, name="test")
        self.lines: list[str] = []

    def session(self) -> psycopg.Connection[Any]:
        """Another session of the application; every statement of its own unless ``begin`` says otherwise."""
        session = psycopg.connect(self.source_url, autocommit=True)
        self.sessions.append(session)
        return session

    def begin_anew(self) -> None:
        self.one.execute("drop schema if exists shop cascade; drop schema if exists stock cascade")
        self.one.execute("create schema shop")
        self.one.execute(TABLES)

    def close(self) -> None:
        for session in [*self.sessions, self.warehouse]:
            session.close()

    def clear(self) -> None:
        """Begin anew on both sides."""
        for session in self.sessions:
            if session.info.transaction_status:
                session.execute("rollback")
            session.execute("reset all; reset role")
        for (gid,) in self.one.execute("select gid from pg_prepared_xacts where database = current_database()"):
            self.two.execute(f"rollback prepared '{gid}'")
        self.begin_anew()
        self.warehouse.execute("drop schema raw cascade; create schema raw; delete from control.watermarks")
        self.lines.clear()

    def extract(
        self, tables: tuple[Declared, ...] = BOTH, reading: Callable[[Reading], None] | None = None, **options: Any
    ) -> Batch:
        """Extract over connections of its own, as a run does."""
        with self.reader() as (source, warehouse):
            return engine.extract(
                "shop",
                tables,
                source,
                warehouse,
                "test",
                Options(progress=self.lines.append, reading=reading or (lambda reading: None), **options),
            )

    @contextmanager
    def reader(self, source_url: str | None = None) -> Iterator[tuple[Connection, Connection]]:
        source = connect(source_url or self.source_url, name="weir extract", read_only=True)
        warehouse = connect(self.warehouse_url, name="weir run")
        try:
            yield source, warehouse
        finally:
            source.close()
            warehouse.close()

    def there(self, table: str = "shop.orders") -> list[str]:
        """Rows of the source as text, in order, whatever their columns."""
        return _rows(self.one, table, "")

    def here(self, table: str = "shop.orders") -> list[str]:
        """Rows of raw in the same form."""
        return _rows(self.warehouse, f"raw.{table.replace('.', '__')}", "_batch_id")

    def assert_equal(self, *tables: str) -> None:
        for table in tables or ("shop.customers", "shop.orders"):
            assert self.here(table) == self.there(table), table

    def ask(self, query: str) -> Any:
        row = self.warehouse.execute(query).fetchone()
        return None if row is None else row[0]


class Naive:
    """What most tools do: rows of which ``updated_at`` is later than the latest seen. Keeps its copy in memory."""

    def __init__(self, adversary: Adversary) -> None:
        self._adversary = adversary
        self.rows: dict[str, dict[int, str]] = {"shop.customers": {}, "shop.orders": {}}
        self._latest: dict[str, Any] = {}

    def extract(self) -> None:
        with psycopg.connect(self._adversary.source_url) as source:
            for table, key in (("shop.customers", "customer_id"), ("shop.orders", "order_id")):
                latest = self._latest.get(table)
                condition = "" if latest is None else "where updated_at > %(latest)s"
                columns = _columns(source, table, "")
                for id_, updated_at, text in source.execute(
                    f"select {key}, updated_at, row({columns})::text from {table} {condition}", {"latest": latest}
                ):
                    self.rows[table][id_] = text
                    if updated_at is not None:
                        self._latest[table] = max(updated_at, self._latest.get(table, updated_at))

    def is_right(self) -> bool:
        return all(sorted(rows.values()) == self._adversary.there(table) for table, rows in self.rows.items())


def _rows(session: psycopg.Connection[Any], table: str, without: str) -> list[str]:
    columns = _columns(session, table, without)
    return sorted(text for (text,) in session.execute(f"select row({columns})::text from {table}"))


def _columns(session: psycopg.Connection[Any], table: str, without: str) -> str:
    session.execute("set extra_float_digits = 1; set timezone = 'UTC'; set intervalstyle = 'iso_8601'")
    return ", ".join(
        f'"{name}"::text'
        for (name,) in session.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
            " and attname not in (%s, '_xmin') order by attname",
            (table, without),
        )
    )


def make_adversary(server: EmbeddedServer) -> Adversary:
    server.ensure_database("hostile_source")
    make_database(server, "warehouse", "template_warehouse")
    for name in ("hostile_source", "warehouse"):  # a test that crashes a client needs no fsync
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"alter database {name} set synchronous_commit = off")
    adversary = Adversary(server)
    adversary.begin_anew()
    return adversary
