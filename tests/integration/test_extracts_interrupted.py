"""Extracts that are killed, cut off, starved of disk or started twice: afterwards as if nothing had happened."""

import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.adversary import BOTH, CUSTOMERS, ORDERS, Adversary, make_adversary
from warehouse.database import connect
from warehouse.errors import WeirError
from warehouse.extracting import engine
from warehouse.extracting.declared import Declared, Xid8
from warehouse.extracting.engine import Options
from warehouse.server import EmbeddedServer

SOAK_SECONDS = float(os.environ.get("WEIR_TEST_SOAK_SECONDS", "4"))
"""How long the soak test goes on; an hour finds more than a moment."""


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


def state(adversary: Adversary) -> tuple[list[str], ...]:
    """Everything that an extract leaves behind, but for instants, seconds and the numbers of batches."""
    queries = (
        "select order_id, customer_id, agent_id, note, amount from raw.shop__orders",
        "select customer_id, name from raw.shop__customers",
        "select _change, order_id, note from raw.shop__orders__changes",
        "select _change, customer_id, name from raw.shop__customers__changes",
        "select source_table, columns, mode, relations from control.watermarks",
    )
    return tuple(sorted(str(row) for row in adversary.warehouse.execute(query)) for query in queries)


def change(adversary: Adversary) -> None:
    adversary.one.execute("update shop.orders set note = 'changed' where order_id < 30")
    adversary.one.execute("delete from shop.customers where customer_id = 7")
    adversary.one.execute("insert into shop.orders (order_id, customer_id) values (900, 1)")


def killed_at(adversary: Adversary, step: int) -> None:
    """Fork, extract there, and die by SIGKILL at the moment given."""
    child = os.fork()
    if child == 0:
        count = [0]

        def die(*_: object) -> None:
            count[0] += 1
            if count[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            source = connect(adversary.source_url, name="weir extract", read_only=True)
            warehouse = connect(adversary.warehouse_url, name="weir run")
            engine.extract("shop", BOTH, source, warehouse, "test", Options(prove=True, progress=die, reading=die))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("first", [True, False], ids=["first load", "later"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_killed_at_every_step(adversary: Adversary, first: bool) -> None:
    if not first:
        adversary.extract()
        change(adversary)
    before = state(adversary) if not first else None
    clean = "drop schema raw cascade; create schema raw; delete from control.watermarks"
    step = 1
    while True:
        try:
            killed_at(adversary, step)
        except AssertionError:
            break  # it has come to its end
        if before is not None:
            assert state(adversary) == before
        else:
            assert adversary.ask("select to_regclass('raw.shop__orders')") is None
        step += 1
    assert step > len(BOTH) * 3
    adversary.extract()
    adversary.assert_equal()
    after = state(adversary)
    # What an extract leaves that nobody interrupted:
    if first:
        adversary.warehouse.execute(clean)
        adversary.extract()
        assert state(adversary) == after


@pytest.mark.parametrize("whose", ["source", "warehouse"])
@pytest.mark.parametrize("step", ["read", "merge", "prove"])
def test_a_connection_cut_in_the_middle(adversary: Adversary, whose: str, step: str) -> None:
    adversary.extract()
    change(adversary)
    before = state(adversary)
    name = "weir extract" if whose == "source" else "weir run"

    def cut(reading: Any) -> None:
        if reading.step == step and reading.source_table == "shop.orders":
            adversary.two.execute(
                "select pg_terminate_backend(pid, 1000) from pg_stat_activity where application_name = %s", (name,)
            )

    with pytest.raises((WeirError, psycopg.OperationalError)) as error:
        adversary.extract(reading=cut, prove=True)
        pytest.skip("nothing was left to do on that connection")
    if whose == "source":
        assert str(error.value).startswith("shop: the source's connection broke off")
    assert state(adversary) == before
    adversary.extract()
    adversary.assert_equal()


def limit_files(pid: int, size: int) -> None:
    """Let a process write no further than this into any file. It may be another user's, whom only that user limits."""
    owner = Path(f"/proc/{pid}").stat()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(owner.st_gid)
                os.setuid(owner.st_uid)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are Linux's")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_full_disk(adversary: Adversary) -> None:
    """The warehouse's session may write files of 24 MB and no more: log segments fit, the table does not."""
    many = Declared("shop", "many", ("id",))
    adversary.one.execute("create table shop.many (id int primary key, text text)")
    adversary.one.execute("alter table shop.many alter text set storage plain")
    adversary.one.execute("insert into shop.many select n, repeat('x', 1500) from generate_series(1, 30000) as n")
    adversary.extract()
    change(adversary)
    before = state(adversary)
    with adversary.reader() as (source, warehouse):
        limit_files(warehouse.info.backend_pid, 24 << 20)
        with pytest.raises(WeirError, match=r"^shop: the disk of the warehouse.* is full .*make room and run again"):
            engine.extract("shop", (*BOTH, many), source, warehouse, "test")
    assert state(adversary) == before
    adversary.extract((*BOTH, many))
    adversary.assert_equal("shop.customers", "shop.orders", "shop.many")


def test_of_two_extracts_at_once_the_second_waits_and_reads_later(adversary: Adversary) -> None:
    adversary.extract()
    second: list[BaseException | engine.Batch] = []
    started = threading.Event()

    def go() -> None:
        started.set()
        try:
            second.append(adversary.extract())
        except BaseException as error:
            second.append(error)

    thread = threading.Thread(target=go)

    def start_another(reading: Any) -> None:
        if reading.step == "merge" and not started.is_set():
            adversary.one.execute("update shop.orders set note = 'in between'")
            thread.start()
            started.wait()
            deadline = time.monotonic() + 10
            while not adversary.ask("select exists (select from pg_locks where not granted)"):
                assert time.monotonic() < deadline
                time.sleep(0.01)

    first = adversary.extract(reading=start_another)
    thread.join(timeout=30)
    assert first.changed == 0
    (batch,) = second
    assert isinstance(batch, engine.Batch), batch
    assert batch.tables[1].updated == 200
    adversary.assert_equal()


def test_an_extract_that_fails_leaves_no_watermark(adversary: Adversary) -> None:
    adversary.extract()
    change(adversary)
    before = state(adversary)

    def fail(reading: Any) -> None:
        if reading.step == "merge" and reading.source_table == "shop.orders":
            raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError):
        adversary.extract(reading=fail)
    assert state(adversary) == before
    adversary.extract()
    adversary.assert_equal()


def write_at_random(adversary: Adversary, seed: int, stop: threading.Event, go: threading.Lock) -> None:
    """Transactions of random statements, long and short, that end in a commit or not."""
    chance = random.Random(seed)
    with psycopg.connect(adversary.source_url, autocommit=True) as session:
        session.execute("set synchronous_commit = off")
        while not stop.is_set():
            with go:
                pass  # at a quiet point somebody else holds it
            session.execute("begin")
            try:
                for _ in range(chance.randint(1, 8)):
                    session.execute("savepoint s")
                    try:
                        session.execute(_statement(chance, seed))
                        if chance.random() < 0.2:
                            session.execute("rollback to s")
                    except psycopg.errors.IntegrityError:
                        session.execute("rollback to s")
                    if chance.random() < 0.2:
                        time.sleep(chance.random() / 20)
                end = chance.random()
                if end < 0.15:
                    session.execute("rollback")
                elif end < 0.3:
                    session.execute(f"prepare transaction 'writer {seed}'")
                    time.sleep(chance.random() / 20)
                    session.execute(f"{chance.choice(('commit', 'rollback'))} prepared 'writer {seed}'")
                else:
                    session.execute("commit")
            except psycopg.errors.DeadlockDetected:
                session.execute("rollback")


def _statement(chance: random.Random, seed: int) -> str:
    order, customer = chance.randint(1, 400), chance.randint(1, 30)
    return chance.choice(
        (
            f"insert into shop.orders (order_id, customer_id, note) values ({order}, {customer}, '{seed}')",
            f"insert into shop.customers (customer_id, name) values ({customer}, '{seed}')",
            f"update shop.orders set note = '{chance.random()}' where order_id = {order}",
            f"update shop.orders set amount = {order}, updated_at = '2001-01-01' where order_id % 50 = {order % 50}",
            f"delete from shop.orders where order_id = {order}",
            f"delete from shop.customers where customer_id = {customer} and customer_id > 5",
            f"update shop.orders set order_id = order_id + 400 where order_id = {order}",
        )
    )


@pytest.mark.timeout(SOAK_SECONDS + 120)
def test_soak(adversary: Adversary) -> None:
    """Writers and extracts at random; whenever it is quiet, raw equals the source."""
    tables = (
        replace(CUSTOMERS, mode=Xid8("written_by")),
        ORDERS,
        Declared("stock", "orders", ("order_id",)),  # passes on xmin
        Declared("stock", "names", ("customer_id",)),  # is compared
    )
    adversary.one.execute(
        "create schema stock; create view stock.orders as select order_id, note, xmin as _xmin from shop.orders;"
        " create view stock.names as select customer_id, name, count(o) as orders from shop.customers"
        " left join shop.orders as o using (customer_id) group by customer_id"
    )
    stop, go = threading.Event(), threading.Lock()
    writers = [
        threading.Thread(target=write_at_random, args=(adversary, seed, stop, go), daemon=True) for seed in range(4)
    ]
    for writer in writers:
        writer.start()
    quiet = 0
    end = time.monotonic() + SOAK_SECONDS
    chance = random.Random(0)
    healed = []
    try:
        while time.monotonic() < end:
            for _ in range(chance.randint(1, 6)):
                batch = adversary.extract(tables, force_deletes=("all",))
                healed += [table.source_table for table in batch.tables if table.proof and not table.proof.success]
                # Otherwise proofs would mend what has been lost.
                adversary.warehouse.execute("update control.watermarks set proven_at = now()")
            with go:
                while adversary.two.execute(
                    "select 1 from pg_stat_activity where datname = current_database() and xact_start is not null"
                    " and pid <> pg_backend_pid() union all select 1 from pg_prepared_xacts"
                ).fetchone():
                    time.sleep(0.005)
                adversary.extract(tables, force_deletes=("all",))
                adversary.warehouse.execute("update control.watermarks set proven_at = now()")
                adversary.assert_equal("shop.customers", "shop.orders", "stock.orders", "stock.names")
                quiet += 1
    finally:
        stop.set()
        for writer in writers:
            writer.join(timeout=30)
    assert quiet > 1
    assert healed == []
    changes = adversary.ask("select count(distinct _change) from raw.shop__orders__changes")
    assert changes == 3  # inserts, updates and deletes have been seen
