"""Verification: what differs is found and named, what is dirty is not called different, and nothing is changed.

Belongs here: published marts, the ledger and raw, tampered with. Does not belong here: raw against the source
(``test_extracts_in_runs``), and the command line (``test_cli``).
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import dagster as dg
import pytest
from psycopg import Rollback

from orchestration.definitions import build_defs
from tests.integration.test_incremental import (
    AS_OF,
    BARE,
    BEGINNING,
    RUNS,
    TASKS,
    USER,
    WORK,
    event,
    execution,
    goal,
    kpi_goal,
    metric,
    slot,
    task,
)
from tests.support import Lab, assert_verified, make_database
from warehouse import gate, status
from warehouse.catalog import APPLICATIONS, MARTS, mart
from warehouse.checks import Check
from warehouse.database import session
from warehouse.extract import extract
from warehouse.server import EmbeddedServer
from warehouse.verification import KEYS_SHOWN, Difference, MartProof

LATER = AS_OF + dt.timedelta(days=3)


def differences(proofs: dict[str, MartProof]) -> dict[tuple[str, str | None], Difference]:
    """Everything that was found, by mart and first day."""
    return {
        (each.mart, str(each.partition_start) if each.partition_start else None): each
        for proof in proofs.values()
        for each in proof.differences
    }


@contextmanager
def undone(lab: Lab, *statements: str) -> Iterator[None]:
    """Changes of the warehouse that are gone afterwards."""
    with lab.warehouse.transaction() as transaction:
        for statement in statements:
            assert lab.warehouse.execute(statement.encode()).rowcount > 0, statement
        yield
        raise Rollback(transaction)


def everything(lab: Lab) -> dict[str, object]:
    """Every table of the warehouse, row by row with its place."""
    tables = [
        str(name)
        for (name,) in lab.warehouse.execute(
            "select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where c.relkind = 'r'"
            " and n.nspname in ('raw', 'intermediate', 'candidate', 'marts', 'control', 'quality')"
        )
    ]
    assert len(tables) > 2 * len(MARTS)
    query = "select md5(string_agg(ctid::text || t::text, '|' order by ctid)) from {} as t"
    return {name: lab.warehouse.execute(query.format(name).encode()).fetchone() for name in tables}


@pytest.fixture(scope="module")
def published(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A warehouse that tests tamper with and undo it."""
    make_database(server, "source", "template_source")
    make_database(server, "warehouse", "template_warehouse")
    lab = Lab(server, tmp_path_factory.getbasetemp() / "lab")
    try:
        lab.write(*BEGINNING)
        lab.run(AS_OF, gate_open=True)
        yield lab
    finally:
        lab.close()


DAY = "2024-03-01"


def test_rows_that_are_not_those_that_were_published_are_named(published: Lab) -> None:
    rows = published.rows("analytics_daily_metrics")
    key = next(f"{row['user_id']}/{row['date']}" for row in rows if str(row["date"]) == DAY)
    edited = f"update marts.analytics_daily_metrics set focus_minutes = focus_minutes + 1 where date = '{DAY}'"
    with undone(published, edited):
        found = differences(published.verify(applications=("scheduling",)))
    assert set(found) == {("analytics_daily_metrics", DAY)}
    found_day = found["analytics_daily_metrics", DAY]
    assert found_day.what == "rows are not those that were published"
    assert found_day.changed is not None and found_day.changed.keys == (key,)
    assert (found_day.missing, found_day.extra) == (None, None)

    moved = "update marts.workflow_executions set enrolled_date = enrolled_date + 1 where enrolled_date = '2024-03-01'"
    added = "insert into marts.kpi_daily select * from (select service_name, metric_type, 'x' as segment, unit, date,"
    columns = "value_sum, value_count, value_avg, value_min, value_max, value_last from marts.kpi_daily) as t limit 1"
    deleted = "delete from marts.quick_stats where window_days = 7"
    unknown = "update marts.dim_user set user_id = '00000000-0000-4000-8000-0000000000ff' where timezone like 'Mars%'"
    with undone(published, moved, f"{added} {columns}", deleted, unknown):
        proofs = published.verify()
        found = differences(proofs)
    (first_day,) = {start for name, start in found if name == "kpi_daily"}
    assert set(found) == {
        ("workflow_executions", "2024-03-01"),
        ("workflow_executions", "2024-03-02"),
        ("kpi_daily", first_day),
        ("quick_stats", None),
        ("dim_user", None),
    }
    left, came = found["workflow_executions", "2024-03-01"], found["workflow_executions", "2024-03-02"]
    assert left.missing is not None and left.missing == came.extra and RUNS[0] in left.missing.keys
    assert (left.rows_in_ledger, left.rows_in_mart, left.rows_recomputed) == (left.missing.count, 0, left.missing.count)
    kpi, stats = found["kpi_daily", first_day], found["quick_stats", None]
    assert kpi.extra is not None and kpi.extra.count == 1 and "/x/" in kpi.extra.keys[0]
    assert stats.missing is not None and stats.missing.count == proofs["quick_stats"].rows / 2 <= KEYS_SHOWN


def test_volatile_columns_may_differ(published: Lab) -> None:
    with undone(published, "update marts.analytics_daily_metrics set created_at = now()"):
        assert differences(published.verify(applications=("scheduling",))) == {}


def test_raw_that_gives_other_rows_is_found_whatever_facts_say(published: Lab) -> None:
    tampered = f"update raw.scheduling__tasks set completed_at = null where task_id = '{TASKS[2]}'"
    with undone(published, tampered, "delete from intermediate.int_scheduling__completions"):
        found = differences(published.verify(applications=("scheduling",)))
    assert set(found) == {
        ("analytics_daily_metrics", "2024-03-04"),
        ("category_daily_metrics", "2024-03-04"),
        ("analytics_monthly_metrics", "2024-03-01"),
        ("goal_progress_snapshots", "2024-03-04"),  # the week
        ("quick_stats", None),
    }
    day = found["analytics_daily_metrics", "2024-03-04"]
    assert day.what == "raw gives other rows than those that were published"
    assert (day.rows_in_ledger, day.rows_in_mart, day.rows_recomputed) == (1, 1, 1)
    assert day.changed is not None and day.changed.count == 1

    # Facts are no proof of anything: they are made anew.
    with undone(published, "delete from intermediate.int_scheduling__completions", "delete from control.local_days"):
        assert differences(published.verify(applications=("scheduling",))) == {}


def test_a_ledger_that_was_tampered_with_is_found(published: Lab) -> None:
    with undone(published, "update control.publications set content_hash = 'x' where mart = 'dim_goal'"):
        found = differences(published.verify(applications=("scheduling",)))
    assert set(found) == {("dim_goal", None)}
    assert found["dim_goal", None].what == (
        "rows are not those that were published; raw gives other rows than those that were published"
    )
    assert (found["dim_goal", None].missing, found["dim_goal", None].changed) == (None, None)

    dropped = "delete from control.publications where mart = 'kpi_daily' and partition_start = '2024-03-02'"
    with undone(published, dropped):
        found = differences(published.verify(applications=("services",)))
    assert {key: each.what for key, each in found.items()} == {("kpi_daily", "2024-03-02"): "not in the ledger"}
    # Also where the rows went with it.
    with undone(published, dropped, "delete from marts.kpi_daily where date = '2024-03-02'"):
        assert set(differences(published.verify(applications=("services",)))) == {("kpi_daily", "2024-03-02")}


def test_rows_of_an_application_that_the_ledger_knows_nothing_of_are_found(published: Lab) -> None:
    with undone(published, "delete from control.publications where application = 'services'"):
        proofs = published.verify()
        found = differences(proofs)
    with_rows = {each.name for each in MARTS if each.application == "services" and published.rows(each.name)}
    assert {name for name, _ in found} == with_rows
    assert {each.what for each in found.values()} == {"not in the ledger"}
    assert {name for name, proof in proofs.items() if proof.not_recomputed} == {
        each.name for each in MARTS if each.application == "services"
    }


def test_a_partition_that_the_ledger_lacks_may_be_an_empty_period_and_no_more(published: Lab) -> None:
    """Of a mart made from others, and without a row on either side: a goal may have touched it and left it."""

    def without(name: str, start: str, *rows: str) -> set[tuple[str, str | None]]:
        dropped = f"delete from control.publications where mart = '{name}' and partition_start = '{start}'"
        with undone(published, dropped, *rows):
            return set(differences(published.verify(applications=(mart(name).application,))))

    assert without("goal_progress_snapshots", "2024-04-11") == set()
    assert without("analytics_monthly_metrics", "2024-04-01") == set()
    # Days are made from no other mart: an empty one was published, or was not.
    day = ("analytics_daily_metrics", "2024-03-03")
    assert without(*day) == {day}
    # Periods that raw has rows of, standing or deleted.
    month = ("analytics_monthly_metrics", "2024-03-01")
    assert without(*month) == {month}
    assert without(*month, "delete from marts.analytics_monthly_metrics where month = '2024-03-01'") == {month}
    # And one with a row that raw does not have.
    moved = "update marts.goal_progress_snapshots set period_start = '2024-04-11' where period_start = '2024-04-10'"
    assert without("goal_progress_snapshots", "2024-04-11", moved) == {
        ("goal_progress_snapshots", "2024-04-10"),
        ("goal_progress_snapshots", "2024-04-11"),
    }


def test_a_range_has_what_shares_a_day_with_it(published: Lab) -> None:
    edited = [
        f"update marts.{name} set {column} = {column} + 1"
        for name, column in (
            ("workflow_analytics", "enrolled_count"),
            ("workflow_analytics_weekly", "enrolled_count"),
            ("workflow_analytics_monthly", "enrolled_count"),
        )
    ]
    with undone(published, *edited, "update marts.dim_workflow set name = 'x'"):
        found = differences(
            published.verify(applications=("workflows",), first=dt.date(2024, 3, 5), last=dt.date(2024, 3, 6))
        )
    assert set(found) == {
        ("workflow_analytics", "2024-03-05"),
        ("workflow_analytics", "2024-03-06"),
        ("workflow_analytics_weekly", "2024-03-04"),
        ("workflow_analytics_monthly", "2024-03-01"),
    }


def test_what_another_version_of_the_models_has_published_is_compared_with_the_ledger_only(published: Lab) -> None:
    edited = "update marts.kpi_daily set value_count = value_count + 1 where date = '2024-03-01'"
    with undone(published, "update control.applications set facts_fingerprint = 'another'", edited):
        proofs = published.verify()
    assert all(proof.not_recomputed for proof in proofs.values())
    assert set(differences(proofs)) == {("kpi_daily", "2024-03-01")}


def test_the_job_fails_where_the_command_does(published: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_HOME", str(published.home))
    monkeypatch.setenv("WEIR_WAREHOUSE_URL", published.server.url("warehouse"))
    monkeypatch.setenv("WEIR_SOURCE_URL", published.server.url("source"))
    job = build_defs().resolve_job_def("verify")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
        day = f"where date = '{DAY}'"
        published.warehouse.execute(f"update marts.kpi_daily set value_count = value_count + 1 {day}".encode())
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        published.warehouse.execute(f"update marts.kpi_daily set value_count = value_count - 1 {day}".encode())
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data is not None
    assert set(failure.step_failure_data.user_failure_data.metadata) == {f"kpi_daily {DAY}"}


def test_every_mart_is_verified(published: Lab) -> None:
    """By declaration: one row more or less in any mart that has rows, in one go."""
    some = [each.name for each in MARTS if published.rows(each.name)]
    gone = [f"delete from marts.{name} where ctid = (select min(ctid) from marts.{name})" for name in some]
    with undone(published, *gone):
        proofs = published.verify()
    assert {name for name in some if not proofs[name].differences} == set()
    assert {
        name
        for name in some
        if mart(name).dated and any(each.partition_start is None for each in proofs[name].differences)
    } == set()


def test_whatever_runs_have_published_is_verified_and_left_as_it_is(lab: Lab) -> None:
    assert lab.verify() == {}
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    before = everything(lab)
    proofs = lab.verify()
    assert everything(lab) == before
    assert set(proofs) == {each.name for each in MARTS}
    for name, rows, partitions in lab.warehouse.execute(
        "select mart, sum(row_count)::bigint, count(*) from control.publications group by mart"
    ).fetchall():
        proof = proofs[str(name)]
        assert (proof.rows, proof.partitions, proof.pending, proof.differences) == (rows, partitions, 0, ())
    assert {outcome.status for outcome in lab.run(AS_OF, gate_open=True).outcomes.values()} == {"nothing_to_do"}

    # Time passes over what was in the future, with late rows of months ago; what no row has changed stands as of then.
    lab.write(
        event(20, 2, "", 0, "step_entered", "2024-03-02T12:00:00Z").replace("''", f"'{BARE}'", 1),
        metric("projects", "5", "2024-01-15T12:00:00Z"),
        f"update scheduling.users set timezone = 'Asia/Kathmandu' where user_id = '{USER}'",
    )
    lab.run(LATER, gate_open=True)
    assert_verified(lab)
    # Rebuilt days stand as of their own instants, on both sides of the last run's.
    two_days = dt.timedelta(days=2)
    lab.run(LATER + two_days, gate_open=True, from_date=dt.date(2024, 4, 8), to_date=dt.date(2024, 4, 15))
    lab.run(AS_OF, gate_open=True, from_date=dt.date(2024, 4, 1), to_date=dt.date(2024, 4, 12), rewind=True)
    assert_verified(lab)


def test_what_lies_beyond_every_calendar_is_dirty_in_no_partition(lab: Lab) -> None:
    """Instants that PostgreSQL has and Python has not: quarantined or to come for ever, and pending nowhere."""
    earliest = dt.date(2023, 12, 1)
    lab.write(
        *BEGINNING,
        goal(4, USER, WORK, "minutes", 5, "monthly", "-infinity"),
        kpi_goal(4, "9", "2024-03-01", "5874897-12-31"),
    )
    for number, far in enumerate(("9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "294276-12-31T23:59:59Z")):
        executions = 10 + 3 * number
        lab.write(
            execution(executions, BARE, "active", far),
            execution(executions + 1, BARE, "completed", "2024-03-07T11:00:00Z", far),
            execution(executions + 2, BARE, "completed", "2024-03-07T11:00:00Z", far, far),
            event(50 + number, executions + 1, BARE, 0, "step_entered", far),
            metric("projects", "5", far),
            task(9 + number, USER, WORK, "[]", far),
        )
    changes = (
        "update workflows.workflow_executions set contact_id = gen_random_uuid(), ended_at = ended_at - interval '1 h'",
        "update scheduling.tasks set completed_at = completed_at - interval '1 day'",
        "update services.metrics set value = value + 1",
    )
    for as_of, statements in ((AS_OF, ()), (LATER, changes)):
        lab.write(*statements)
        run = lab.run(as_of, gate_open=True, earliest_date=earliest)
        assert {run.outcomes[name].status for name in APPLICATIONS} == {"published"}
        assert_verified(lab, earliest)
        assert status.late_data(lab.warehouse) == []


def test_a_rebuild_of_a_day_mends_it_and_whatever_has_no_dates(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    undated = [each.name for each in MARTS if not each.dated and lab.rows(each.name)]
    for name in (*undated, "analytics_daily_metrics"):
        lab.warehouse.execute(f"delete from marts.{name} where ctid = (select min(ctid) from marts.{name})".encode())
    damaged = differences(lab.verify())
    (day,) = {dt.date.fromisoformat(start) for _, start in damaged if start}
    assert set(damaged) == {(name, None) for name in undated} | {("analytics_daily_metrics", str(day))}
    lab.run(AS_OF, gate_open=True, from_date=day, to_date=day)
    assert_verified(lab)


def test_a_day_that_was_edited_goes_into_nothing_that_is_made_from_it(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    for statement in (
        "update marts.analytics_daily_metrics set focus_minutes = focus_minutes + 1 where date = '2024-03-04'",
        "delete from marts.kpi_daily where date = '2024-03-02'",
        "update marts.workflow_analytics set exited_count = exited_count + 1 where date = '2024-03-03'",
    ):
        assert lab.warehouse.execute(statement.encode()).rowcount > 0
    before = lab.dump()
    # Other days of the same week and months.
    lab.write(
        task(9, USER, WORK, f"[{slot('2024-03-06T10:00:00-05:00', '2024-03-06T11:00:00-05:00')}]"),
        metric("projects", "7", "2024-03-06T00:00:00Z"),
        execution(9, BARE, "active", "2024-03-05T11:00:00Z"),
    )
    outcomes = lab.run(AS_OF, gate_open=True).outcomes
    assert lab.dump() == before
    failed = {
        (check.mart, check.partitions, check.observed, check.expected)
        for name in APPLICATIONS
        for check in outcomes[name].checks
        if not check.success and check.name.startswith("days_stand_as_published")
    }
    edited = "was changed since it was published"
    march = (dt.date(2024, 3, 1),)
    mends = "as published; weir run --from 2024-03-{0} --to 2024-03-{0} mends it"
    of_days = (f"analytics_daily_metrics {edited}: 2024-03-04", mends.format("04"))
    of_values = (f"kpi_daily {edited}: 2024-03-02", mends.format("02"))
    of_executions = (f"workflow_analytics {edited}: 2024-03-03", mends.format("03"))
    assert failed >= {
        ("analytics_monthly_metrics", march, *of_days),
        ("quick_stats", (), *of_days),
        ("kpi_monthly", march, *of_values),
        ("kpi_comparisons", (), *of_values),
        ("kpi_forecasts", (), *of_values),
        ("workflow_analytics_monthly", march, *of_executions),
    }

    # Rebuilt days are not what stands, and what is made from them may be published again.
    run = lab.run(AS_OF, gate_open=True, from_date=dt.date(2024, 3, 2), to_date=dt.date(2024, 3, 4))
    assert {run.outcomes[name].status for name in APPLICATIONS} == {"published"}
    run = lab.run(AS_OF, gate_open=True)
    assert {run.outcomes[name].status for name in APPLICATIONS} == {"published"}
    assert_verified(lab)


def test_what_is_dirty_is_pending_but_its_rows_must_be_those_that_were_published(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    lab.write(
        metric("projects", "7", "2024-03-06T00:00:00Z"),
        metric("projects", "7", "2024-02-01T00:00:00Z"),
        execution(9, BARE, "active", "2024-03-07T11:00:00Z"),
        task(9, USER, WORK, f"[{slot('2024-03-06T10:00:00-05:00', '2024-03-06T11:00:00-05:00')}]"),
    )
    # Interrupted after the extract: nobody knows yet what is dirty.
    for application in ("scheduling", "workflows", "services"):
        with session(lab.server.url("source"), name="test", read_only=True) as source:
            extract(application, source, lab.warehouse, "interrupted")
    assert differences(lab.verify()) == {}

    bad = Check(None, "for a test", "reconciliation", "block", success=False)
    with mock.patch.object(gate, "reconcile", return_value=[bad]):
        lab.run(LATER, gate_open=True)
    proofs = lab.verify()
    assert differences(proofs) == {}
    for name in ("kpi_daily", "workflow_executions", "analytics_daily_metrics", "workflow_analytics_monthly"):
        assert proofs[name].pending > 0, name
    edited = "update marts.kpi_daily set value_count = value_count + 1"
    with undone(lab, edited):
        days = {start for name, start in differences(lab.verify()) if name == "kpi_daily"}
    assert days == {str(row["date"]) for row in lab.rows("kpi_daily")}

    # Days that are published around one that is held back: the month is made of both.
    bad = Check("kpi_daily", "for a test", "reconciliation", "block", success=False, partitions=(dt.date(2024, 3, 6),))
    with mock.patch.object(gate, "reconcile", return_value=[bad]):
        lab.run(LATER, gate_open=True, from_date=dt.date(2024, 3, 1), to_date=dt.date(2024, 3, 31))
    proofs = lab.verify()
    assert differences(proofs) == {}
    assert 0 < proofs["kpi_daily"].pending < proofs["kpi_daily"].partitions
    lab.run(LATER, gate_open=True)
    assert_verified(lab)
    assert {proof.pending for proof in lab.verify().values()} == {0}
