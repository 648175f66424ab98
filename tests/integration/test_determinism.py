"""The same rows give the same marts, byte for byte, whatever they were loaded with, in and by.

All that must not matter is changed at once: the order and the batches of rows, the number of threads, the
locale of the database, and time zone, DateStyle and formats of servers, sessions and process.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import psycopg
import pytest

from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.support import Lab, assert_verified
from warehouse import schema
from warehouse.catalog import SOURCE_TABLES
from warehouse.database import connect

ELSEWHERE = {
    "timezone": "Asia/Kathmandu",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "extra_float_digits": "-3",
    "bytea_output": "escape",
}


def another_locale(server: psycopg.Connection[tuple[object, ...]]) -> str:
    """The system's locale that is least like C; machines without any have C.utf8."""
    (name,) = server.execute(
        "select collcollate from pg_collation where collprovider = 'c' and collencoding in (-1, 6)"
        " order by collcollate in ('C', 'POSIX'), collcollate ilike 'C.%', collcollate desc limit 1"
    ).fetchone() or ("C",)
    return str(name)


@pytest.fixture
def elsewhere(lab: Lab) -> Iterator[Lab]:
    """The source and an empty warehouse whose sessions begin with other settings, and in a process of another zone."""
    with psycopg.connect(lab.server.url("postgres"), autocommit=True) as server:

        def make_warehouse() -> None:
            lab.warehouse.close()
            server.execute("drop database warehouse with (force)")
            server.execute(
                "create database warehouse template template0 encoding 'UTF8' locale_provider libc"
                f" locale '{another_locale(server)}'".encode()
            )
            for name in ("source", "warehouse"):
                for setting, value in ELSEWHERE.items():
                    server.execute(f"alter database {name} set {setting} = '{value}'".encode())
            lab.warehouse = connect(lab.server.url("warehouse"), name="test")
            schema.migrate(lab.warehouse, lab.server.url("warehouse"))

        lab.start_over = make_warehouse  # type: ignore[method-assign]
        yield lab


@contextmanager
def another_process() -> Iterator[None]:
    """A process of another zone and language."""
    environment = {
        "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8", "PGTZ": "Asia/Tokyo", "PGDATESTYLE": "German",
        "PGOPTIONS": "-c timezone=Africa/Cairo",
    }  # fmt: skip
    with mock.patch.dict(os.environ, environment):
        time.tzset()
        yield
    time.tzset()


def reversed_rows(lab: Lab, *, odd: bool) -> None:
    """Load every other row of what was there, last ones first; children before parents, so keys are not checked."""
    lab.source.execute("set session_replication_role = replica")
    for table in SOURCE_TABLES:
        lab.source.execute(
            f"insert into {table.qualified} overriding system value select (t.r).* from ("
            f" select r, row_number() over (order by r.{table.key[0]}) as n from public.{table.raw} as r"
            f") as t where n % 2 = {int(odd)} order by n desc".encode()
        )
    lab.source.execute("set session_replication_role = origin")


def test_nothing_but_rows_and_the_as_of_instant_decides_what_is_published(elsewhere: Lab) -> None:
    lab = elsewhere
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    here = lab.dump()
    assert all(here[name] for name in ("analytics_daily_metrics", "workflow_step_metrics", "kpi_daily"))

    for table in SOURCE_TABLES:
        lab.source.execute(f"create table public.{table.raw} as select * from {table.qualified}".encode())
    lab.source.execute(f"truncate {', '.join(table.qualified for table in SOURCE_TABLES)}".encode())
    lab.start_over()
    with another_process():
        for odd in (True, False):
            reversed_rows(lab, odd=odd)
            lab.run(AS_OF, gate_open=True, ahead=True)
        assert_verified(lab)
    with psycopg.connect(lab.server.url("warehouse")) as connection:
        for setting, value in ELSEWHERE.items():
            assert connection.execute(f"show {setting}".encode()).fetchone() == (value,)
    assert lab.dump() == here
