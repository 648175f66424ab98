"""Extracts among writers: whatever commits when, raw equals the source at the next quiet point, in every mode.

Each situation is played twice from the same state: against Weir, and against a naive reader of ``updated_at``, which
shows that the situation bites. Situations interleave real sessions at the moment that matters.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest

from tests.adversary import BOTH, CUSTOMERS, ORDERS, Adversary, Naive, make_adversary
from warehouse.extracting import engine, images, positions
from warehouse.extracting.declared import Compare, Cursor, Declared, Mode, Xid8, Xmin
from warehouse.server import EmbeddedServer

Extract = Callable[[], object]
Situation = Callable[[Adversary, Extract], None]


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


def insert(number: int, updated_at: str = "now()", note: str = "new") -> str:
    return (
        "insert into shop.orders (order_id, customer_id, note, updated_at)"
        f" values ({number}, 1, '{note}', {updated_at})"
    )


# Situations. Those that append rows only are exact in cursor mode too.


def a_commit_after_a_later_one(a: Adversary, extract: Extract) -> None:
    a.one.execute("begin")
    a.one.execute(insert(1001))
    a.two.execute(insert(1002))
    extract()
    a.one.execute("commit")


def an_idle_transaction_that_writes_later(a: Adversary, extract: Extract) -> None:
    """It has no transaction id when the snapshot is taken, and its now() is old."""
    a.one.execute("begin")
    a.one.execute("select now()")
    a.two.execute(insert(1001))
    extract()
    a.one.execute(insert(1002))
    a.two.execute(insert(1003))
    extract()
    a.one.execute("commit")


def savepoints_and_exception_blocks(a: Adversary, extract: Extract) -> None:
    a.one.execute("begin")
    a.one.execute("savepoint s")
    a.one.execute(insert(1001))
    a.one.execute("rollback to s")
    a.one.execute(insert(1002))
    a.one.execute("release s")
    a.one.execute(
        f"do $$ begin {insert(1003)}; begin {insert(1004)}; perform 1 / 0; exception when others then"
        f" {insert(1005)}; end; end $$"
    )
    a.two.execute(insert(1006))
    extract()
    a.one.execute("commit")


def more_subtransactions_than_a_snapshot_lists(a: Adversary, extract: Extract) -> None:
    a.one.execute("begin")
    for number in range(100):
        a.one.execute(f"savepoint s{number}")
        a.one.execute(insert(2000 + number))
    a.two.execute(insert(1001))
    extract()
    a.one.execute("commit")


def ties_of_ten_thousand_rows(a: Adversary, extract: Extract) -> None:
    many = "insert into shop.orders (order_id, customer_id, updated_at) select {} + n, 1, '2040-01-01Z'::timestamptz"
    a.one.execute("begin")
    a.one.execute(f"{many.format(10_000)} from generate_series(1, 5000) as n")
    a.two.execute(f"{many.format(20_000)} from generate_series(1, 5000) as n")
    extract()
    a.one.execute("commit")


def cursors_that_are_null(a: Adversary, extract: Extract) -> None:
    a.two.execute(insert(1001, "null"))
    extract()
    a.two.execute(insert(1002, "null"))


def clocks_an_hour_apart(a: Adversary, extract: Extract) -> None:
    a.one.execute(insert(1001, "now() + interval '1 hour'"))
    extract()
    a.two.execute(insert(1002, "now() - interval '1 hour'"))
    extract()
    a.three.execute(insert(1003))


def a_prepared_transaction(a: Adversary, extract: Extract) -> None:
    a.one.execute("begin")
    a.one.execute(insert(1001))
    a.one.execute("prepare transaction 'left open'")
    a.two.execute(insert(1002))
    extract()
    a.two.execute(insert(1003))
    extract()
    a.one.execute("commit prepared 'left open'")


def a_transaction_over_several_extracts(a: Adversary, extract: Extract) -> None:
    a.one.execute("begin")
    for number in range(1001, 1004):
        a.one.execute(insert(number))
        a.two.execute(insert(number + 100))
        extract()
    a.one.execute("commit")


def rows_between_the_horizon_and_the_snapshot(a: Adversary, extract: Extract) -> None:
    """Open when the horizon is read, committed when the snapshot is taken; and begun in between, committed later."""
    a.one.execute("begin")
    a.one.execute(insert(1001))
    original = positions.horizon

    def then_others_write(*arguments: object) -> object:
        found = original(*arguments)  # type: ignore[arg-type]
        a.one.execute("commit")
        a.two.execute("begin")
        a.two.execute(insert(1002))
        a.three.execute(insert(1003))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(positions, "horizon", then_others_write)
        extract()
    if a.one.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:  # a naive reader has no horizon
        a.one.execute("commit")
        a.two.execute("begin")
        a.two.execute(insert(1002, "now() - interval '1 second'"))
    a.three.execute(insert(1004))
    extract()
    a.two.execute("commit")


def backdated_rows(a: Adversary, extract: Extract) -> None:
    a.one.execute(insert(1001, "'2001-01-01'"))
    extract()
    a.one.execute(insert(1002, "'0044-03-15 BC'"))
    a.one.execute(insert(1003, "'-infinity'"))


def updates_that_do_not_touch_updated_at(a: Adversary, extract: Extract) -> None:
    a.one.execute("update shop.orders set note = 'corrected' where order_id between 50 and 60")


def deletes(a: Adversary, extract: Extract) -> None:
    a.one.execute("delete from shop.orders where order_id in (1, 100, 200)")


def as_many_deletes_as_inserts(a: Adversary, extract: Extract) -> None:
    """Counts say nothing then."""
    a.one.execute("delete from shop.orders where order_id in (1, 2)")
    a.one.execute(insert(1001))
    a.one.execute(insert(1002))


def cascades_and_nulls_set(a: Adversary, extract: Extract) -> None:
    a.one.execute("delete from shop.customers where customer_id = 2")


def rows_that_come_back(a: Adversary, extract: Extract) -> None:
    a.one.execute("create table shop.away as select * from shop.orders where order_id < 10")
    a.one.execute("delete from shop.orders where order_id < 10")
    extract()
    a.one.execute("insert into shop.orders select * from shop.away")
    a.one.execute("update shop.orders set updated_at = '2001-01-01' where order_id = 3")


def keys_that_change(a: Adversary, extract: Extract) -> None:
    a.one.execute("update shop.orders set order_id = order_id + 5000 where order_id in (7, 8)")


def truncated_and_filled_again(a: Adversary, extract: Extract) -> None:
    a.one.execute("begin")
    a.one.execute("create table shop.kept as select * from shop.orders where order_id <> 77")
    a.one.execute("truncate shop.orders")
    a.one.execute("insert into shop.orders select * from shop.kept")
    a.one.execute("commit")


def frozen_and_rewritten(a: Adversary, extract: Extract) -> None:
    a.one.execute("update shop.orders set note = 'before freezing' where order_id = 9")
    a.one.execute("vacuum (freeze) shop.orders")
    extract()
    a.one.execute("update shop.orders set note = 'after freezing' where order_id = 10")
    a.one.execute("vacuum (full, freeze) shop.orders")


def a_rewriting_alter(a: Adversary, extract: Extract) -> None:
    a.one.execute("alter table shop.orders alter amount type numeric(20, 4)")


def rollbacks(a: Adversary, extract: Extract) -> None:
    a.one.execute("begin")
    a.one.execute(insert(1001))
    a.one.execute("delete from shop.orders where order_id = 5")
    extract()
    a.one.execute("rollback")


APPENDS: tuple[Situation, ...] = (
    a_commit_after_a_later_one,
    an_idle_transaction_that_writes_later,
    savepoints_and_exception_blocks,
    more_subtransactions_than_a_snapshot_lists,
    ties_of_ten_thousand_rows,
    cursors_that_are_null,
    clocks_an_hour_apart,
    a_prepared_transaction,
    a_transaction_over_several_extracts,
    rows_between_the_horizon_and_the_snapshot,
    deletes,
    as_many_deletes_as_inserts,
)
OTHERS: tuple[Situation, ...] = (
    backdated_rows,
    updates_that_do_not_touch_updated_at,
    cascades_and_nulls_set,
    rows_that_come_back,
    keys_that_change,
    truncated_and_filled_again,
    frozen_and_rewritten,
    a_rewriting_alter,
)
HARMLESS: tuple[Situation, ...] = (rollbacks,)
"""Even a naive reader gets them right."""


def declared(mode: Mode) -> tuple[Declared, ...]:
    return tuple(replace(table, mode=mode) for table in BOTH)


def play(adversary: Adversary, situation: Situation, tables: tuple[Declared, ...]) -> None:
    def extract() -> None:
        # Proofs would mend what the mode itself has lost.
        adversary.warehouse.execute("update control.watermarks set proven_at = now()")
        adversary.extract(tables)

    extract()
    extract()
    situation(adversary, extract)
    extract()
    adversary.assert_equal()
    modes = {mode for (mode,) in adversary.warehouse.execute("select distinct mode from control.batch_tables")}
    assert positions.describe(tables[0].mode) in modes


@pytest.mark.parametrize("situation", APPENDS + OTHERS + HARMLESS, ids=lambda s: s.__name__)
@pytest.mark.parametrize("mode", [Xmin(), Xid8("written_by"), Compare()], ids=positions.describe)
def test_nothing_is_lost(adversary: Adversary, situation: Situation, mode: Mode) -> None:
    play(adversary, situation, declared(mode))


@pytest.mark.parametrize("situation", APPENDS + HARMLESS, ids=lambda s: s.__name__)
def test_nothing_that_is_appended_is_lost_by_cursor(adversary: Adversary, situation: Situation) -> None:
    play(adversary, situation, declared(Cursor("updated_at")))


@pytest.mark.parametrize("situation", APPENDS + OTHERS, ids=lambda s: s.__name__)
def test_a_naive_reader_gets_it_wrong(adversary: Adversary, situation: Situation) -> None:
    naive = Naive(adversary)
    naive.extract()
    assert naive.is_right()
    situation(adversary, naive.extract)
    naive.extract()
    assert not naive.is_right()


@pytest.mark.parametrize("situation", HARMLESS, ids=lambda s: s.__name__)
def test_a_naive_reader_is_not_simply_broken(adversary: Adversary, situation: Situation) -> None:
    naive = Naive(adversary)
    naive.extract()
    situation(adversary, naive.extract)
    adversary.one.execute(insert(1001))
    naive.extract()
    assert naive.is_right()


def test_what_a_cursor_cannot_see_the_proof_finds_and_heals(adversary: Adversary) -> None:
    tables = declared(Cursor("updated_at"))
    adversary.one.execute("update shop.orders set updated_at = '2001-01-01'")
    adversary.extract(tables)
    adversary.extract(tables)
    adversary.one.execute("update shop.orders set note = 'corrected' where order_id in (5, 6)")
    assert adversary.extract(tables).changed == 0
    batch = adversary.extract(tables, prove=True)
    proof = batch.tables[1].proof
    assert proof is not None
    assert (proof.success, proof.rows, proof.differing, proof.keys) == (False, 200, 2, ("5", "6"))
    assert batch.tables[1].updated == 2
    adversary.assert_equal()


def test_all_tables_are_read_as_of_one_snapshot(adversary: Adversary) -> None:
    def both_change(reading: object) -> None:
        if reading.source_table == "shop.orders" and reading.step == "read":  # type: ignore[attr-defined]
            adversary.one.execute("insert into shop.customers (customer_id) values (500) on conflict do nothing")
            adversary.one.execute(
                "insert into shop.orders (order_id, customer_id) values (500, 500) on conflict do nothing"
            )

    adversary.extract(reading=both_change)
    assert adversary.ask("select count(*) from raw.shop__orders where order_id = 500") == 0
    adversary.extract()
    adversary.assert_equal()


@pytest.mark.parametrize("change", ["alter table shop.orders alter order_id type numeric", "truncate shop.orders"])
def test_nobody_empties_a_table_between_snapshot_and_read(adversary: Adversary, change: str) -> None:
    """Without locks before the snapshot, a rewritten table would look empty, and a sweep would delete everything."""
    waits = []

    def somebody_tries(reading: object) -> None:
        if not waits:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                adversary.one.execute(f"set lock_timeout = '50ms'; {change}")
            waits.append(change)

    adversary.extract()
    adversary.extract(reading=somebody_tries)
    adversary.one.execute("set lock_timeout = 0")
    assert waits
    adversary.assert_equal()
    # That it does look empty where there is no lock:
    adversary.two.execute("begin isolation level repeatable read")
    adversary.two.execute("select 1")
    adversary.one.execute(change)
    assert adversary.two.execute("select count(*) from shop.orders").fetchone() == (0,)
    adversary.two.execute("rollback")


@pytest.mark.parametrize("situation", APPENDS + OTHERS, ids=lambda s: s.__name__)
def test_nothing_is_lost_where_rows_are_merged_later(
    adversary: Adversary, situation: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MERGED_AT_ONCE", 0)
    play(adversary, situation, declared(Xmin()))


@pytest.mark.parametrize("situation", APPENDS + OTHERS, ids=lambda s: s.__name__)
def test_nothing_is_lost_where_a_merge_cannot_return_what_was(
    adversary: Adversary, situation: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "OLD_IN_RETURNING", 990000)  # as before version 18
    play(adversary, situation, declared(Xmin()))


def test_the_source_is_let_go_before_much_is_merged(adversary: Adversary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MERGED_AT_ONCE", 199)  # of 200 rows
    adversary.extract()
    adversary.extract()
    adversary.one.execute("update shop.orders set note = 'x'")
    seen = []

    def somebody_alters(reading: object) -> None:
        if reading.step == "merge" and not seen:  # type: ignore[attr-defined]
            adversary.one.execute("set lock_timeout = '2s'; alter table shop.orders add column later int")
            seen.append(reading)

    adversary.extract(reading=somebody_alters)
    assert seen
    adversary.extract()
    adversary.assert_equal()


def test_transaction_ids_compare_across_a_wrap(adversary: Adversary) -> None:
    """The condition itself, at both sides of 2^32 and of half of it."""
    adversary.extract()
    known = positions.load(adversary.warehouse, [ORDERS])["shop.orders"]
    (now,) = adversary.one.execute("select pg_current_xact_id()::text::bigint").fetchone()  # type: ignore[misc]
    adversary.extract()
    (rows,) = adversary.one.execute(
        "select count(*) from shop.orders as t where age(t.xmin) <= age((%s::bigint %% 4294967296)::text::xid)",
        (now + 2**32 - 10_000,),
    ).fetchone()  # type: ignore[misc]
    assert rows == 200  # an older id is written "later" modulo 2^32: read again, not lost
    adversary.warehouse.execute("update control.watermarks set snapshot_xmin = snapshot_xmin - 2147483648")
    adversary.one.execute("update shop.orders set note = 'long ago' where order_id = 1")
    batch = adversary.extract()
    assert {table.reason for table in batch.tables} == {"too many transactions since the last extract"}
    adversary.assert_equal()
    assert known.mode == "xmin"


@pytest.mark.parametrize(
    ("memory", "reason"),
    [
        ("system_identifier = 1", "another database cluster"),
        ("timeline = 7", "another timeline: the source was restored or failed over"),
        ("snapshot_xmin = snapshot_xmin + 100000", "transaction ids went back: the source was restored"),
        ("server_started_at = '2001-01-01'", "the source's server was restarted, perhaps from a copy"),
        ("mode = null", "read by an older version"),
    ],
)
def test_another_or_restored_source_is_compared_as_a_whole(adversary: Adversary, memory: str, reason: str) -> None:
    adversary.extract()
    adversary.warehouse.execute(f"update control.watermarks set {memory}, proven_at = now()")
    # As a restored source has them: other rows under ids that have been read already.
    adversary.warehouse.execute("update raw.shop__orders set note = 'of the lost history' where order_id < 20")
    adversary.warehouse.execute("delete from raw.shop__orders where order_id = 30")
    batch = adversary.extract()
    assert [table.reason for table in batch.tables] == [reason, reason]
    assert (batch.tables[1].inserted, batch.tables[1].updated) == (1, 19)
    adversary.assert_equal()
    adversary.warehouse.execute("update control.watermarks set proven_at = now()")
    assert [table.reason for table in adversary.extract().tables] == [None, None]


def test_only_customers(adversary: Adversary) -> None:
    assert adversary.extract((CUSTOMERS,)).changed == 20
