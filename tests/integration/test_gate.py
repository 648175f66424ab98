"""The gate: every blocking check of every mart fails for a candidate that breaks it, and holds it back."""

import datetime as dt
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from orchestration import reports
from tests.integration.test_incremental import (
    AS_OF,
    BARE,
    BEGINNING,
    CONTACT,
    RUNS,
    USER,
    WORK,
    execution,
    metric,
    slot,
    task,
)
from tests.support import EARLIEST, Lab
from warehouse import data_docs, expectations, gate, plan, status
from warehouse.catalog import APPLICATIONS, CALENDAR, MARTS, Mart, marts
from warehouse.catalog import mart as mart_of
from warehouse.checks import ROWS, Check
from warehouse.database import Connection
from warehouse.errors import ConfigurationError
from warehouse.plan import Parameters, Plan
from warehouse.refresh import Refresh
from warehouse.transform import DbtError, Transformer

GOALS = (
    "insert into services.kpi_goals (goal_id, name, metric_type, target_value, start_date, end_date, created_by) values"
    f" ('00000000-0000-4000-8000-000000000601', 'a', 'revenue', 60, '2024-03-01', '2024-04-01', '{CONTACT}'),"
    f" ('00000000-0000-4000-8000-000000000602', 'b', 'revenue', 60, '2024-03-01', '2024-04-01', '{CONTACT}')",
)

Mutation = Callable[[Lab, Mart], list[str]]


def one_row(mart: Mart, *, another: bool = False) -> str:
    """The last row; of a mart made from others the first, so that not both sides of an equation change alike."""
    first = bool(mart.made_from) is not another
    return f"ctid = (select {'min' if first else 'max'}(ctid) from candidate.{mart.name})"


def a_row_less(lab: Lab, mart: Mart) -> list[str]:
    if mart.made_from:  # all: of the few, one may be what the day that is missing too would have made
        return [f"delete from candidate.{mart.name}"]
    return [f"delete from candidate.{mart.name} where {one_row(mart)}"]


def a_row_twice(lab: Lab, mart: Mart) -> list[str]:
    """The same number of rows, two of them the same."""
    return [
        f"delete from candidate.{mart.name} where {one_row(mart, another=True)}",
        f"insert into candidate.{mart.name} select * from candidate.{mart.name} where {one_row(mart)}",
    ]


def columns(lab: Lab, mart: Mart) -> list[str]:
    return [
        str(name)
        for (name,) in lab.warehouse.execute(
            "select column_name from information_schema.columns where table_schema = 'marts' and table_name = %s",
            (mart.name,),
        )
    ]


def nulls(lab: Lab, mart: Mart) -> list[str]:
    names = [name for name in columns(lab, mart) if name not in mart.nullable]
    return [f"update candidate.{mart.name} set {', '.join(f'{name} = null' for name in names)} where {one_row(mart)}"]


def negative_counts(lab: Lab, mart: Mart) -> list[str]:
    changes = ", ".join(f"{name} = -1" for name in mart.counts)
    return [f"update candidate.{mart.name} set {changes} where {one_row(mart)}"] if changes else []


def a_day_of_no_run(lab: Lab, mart: Mart) -> list[str]:
    if mart.date_column is None:
        return []
    return [f"update candidate.{mart.name} set {mart.date_column} = '2031-01-01' where {one_row(mart)}"]


DUMMIES = {"uuid": "'00000000-0000-4000-8000-000000000999'", "text": "'x'", "date": "'2031-01-01'", "boolean": "false"}


def rows_where_there_are_none(lab: Lab, mart: Mart) -> list[str]:
    """In a candidate that these data leave empty: a row twice, with negative counts, one of no run, one of nulls."""
    rows = lab.warehouse.execute(f"select count(*) from candidate.{mart.name}").fetchone()
    if rows != (0,):
        return []
    types = dict(
        lab.warehouse.execute(
            "select column_name, data_type from information_schema.columns"
            " where table_schema = 'candidate' and table_name = %s",
            (mart.name,),
        ).fetchall()
    )
    row = f"insert into candidate.{mart.name} ({', '.join(map(str, types))}) values ("
    of_no_run = row + ", ".join(DUMMIES.get(str(type_), "-1") for type_ in types.values()) + ")"
    day = f"(select min(partition_start) from control.run_partitions where mart = '{mart.name}')"
    of_the_run = of_no_run.replace(DUMMIES["date"], day)
    return [of_the_run, of_the_run, of_no_run, f"insert into candidate.{mart.name} default values"]


HAPPENED = ", ".join(
    f"{name}_count = {name}_count + 1" for name in ("enrolled", "completed", "failed", "exited", "goal")
)
PASSED = "enrolled_count = enrolled_count + 1, entered_count = entered_count + 3, completed_count = completed_count + 1"


def a_little_more(lab: Lab, mart: Mart) -> list[str]:
    """Measures that no longer agree with each other nor with raw."""
    changes = {
        "analytics_daily_metrics": "total_scheduled_minutes = total_scheduled_minutes + 1,"
        " completed_tasks_count = completed_tasks_count + 1, focus_minutes = focus_capacity_minutes + 1",
        "category_daily_metrics": "scheduled_minutes = scheduled_minutes + 1,"
        " completed_tasks_count = completed_tasks_count + 1,"
        " completed_scheduled_tasks_count = scheduled_tasks_count + 1",
        "quick_stats": "total_scheduled_minutes = total_scheduled_minutes + 1,"
        " completed_tasks_count = completed_tasks_count + 1, focus_minutes = focus_capacity_minutes + 1,"
        " streak_days_completed = streak_days_completed + 200",
        "goal_progress_snapshots": "achieved_value = achieved_value + 1, target_value = target_value + 1",
        "workflow_executions": "duration_seconds = null, ended_at = enrolled_at + interval '1 hour'",
        "workflow_analytics": "enrolled_count = enrolled_count + 1, completed_count = completed_count + 1,"
        " failed_count = failed_count + 1, exited_count = exited_count + 1, goal_count = goal_count + 1,"
        " active_count = active_count + 1, cohort_converted_count = enrolled_count + 5",
        "workflow_analytics_hourly": f"{HAPPENED}",
        "workflow_analytics_weekly": f"{HAPPENED}, cohort_converted_count = enrolled_count + 5,"
        " unique_contacts = unique_contacts + 1",
        "workflow_analytics_monthly": f"{HAPPENED}, cohort_converted_count = enrolled_count + 5,"
        " unique_contacts = unique_contacts + 1",
        "workflow_step_metrics": PASSED,
        "workflow_step_metrics_weekly": f"{PASSED}, unique_contacts = unique_contacts + 1",
        "workflow_step_metrics_monthly": f"{PASSED}, unique_contacts = unique_contacts + 1",
        "workflow_action_metrics": "attempted_count = attempted_count + 1, succeeded_count = succeeded_count + 1,"
        " failed_count = failed_count + 1, delivered_count = delivered_count + 1, opened_count = opened_count + 1,"
        " clicked_count = clicked_count + 1",
        "duration_histogram": "count = count + 1, total_microseconds = total_microseconds * 3 + 1",
        "kpi_daily": "value_count = value_count + 1, value_sum = value_sum + 1, value_last = value_max + 1",
    }
    where = (
        "date = (select max(date) from candidate.workflow_analytics)"
        if mart.name == "workflow_analytics"
        else one_row(mart)
    )
    return [f"update candidate.{mart.name} set {changes[mart.name]} where {where}"] if mart.name in changes else []


MUTATIONS: tuple[Mutation, ...] = (
    a_row_less,
    a_row_twice,
    nulls,
    negative_counts,
    a_day_of_no_run,
    a_little_more,
    rows_where_there_are_none,
)


def run_gate(lab: Lab, refresh: Refresh) -> list[Check]:
    checks = []
    for application in (*APPLICATIONS, CALENDAR):
        chosen = refresh.outcomes[application].plan
        assert chosen is not None
        reconciled = gate.reconcile(lab.warehouse, chosen)
        checks += [
            *reconciled,
            *gate.dbt_tests(refresh.transformer, lab.warehouse, chosen),
            *expectations.validate(lab.warehouse, refresh.places.warehouse_url, refresh.parameters, chosen, reconciled),
        ]
    return checks


def test_great_expectations_takes_no_part_of_a_password_for_a_variable(lab: Lab) -> None:
    lab.warehouse.execute("create role dollar login password 'a$b${c}'")
    try:
        url = lab.server.url("warehouse", "dollar").replace(lab.server.password("dollar"), "a$b$%7Bc%7D")
        parameters = Parameters("test", AS_OF, EARLIEST)
        assert expectations.validate(lab.warehouse, url, parameters, Plan("services"), []) == []
    finally:
        lab.warehouse.execute("drop role dollar")


def names(checks: list[Check], *, success: bool) -> set[tuple[str | None, str, str]]:
    return {(check.mart, check.engine, check.name) for check in checks if check.success is success}


def test_every_blocking_check_fails_for_a_candidate_that_breaks_it(lab: Lab) -> None:
    lab.write(*BEGINNING, *GOALS)
    refresh = lab.run(AS_OF)
    good = run_gate(lab, refresh)
    assert names(good, success=False) == set()
    assert {mart.name for mart in MARTS} <= {check.mart for check in good}
    for mart in MARTS:
        lab.warehouse.execute(f"create table public.{mart.name} as select * from candidate.{mart.name}")

    caught, shown = set(), set()
    for mutate in MUTATIONS:
        for mart in MARTS:
            for statement in mutate(lab, mart):
                lab.warehouse.execute(statement)
        failed = [check for check in run_gate(lab, refresh) if not check.success]
        caught |= names(failed, success=False)
        for check in failed:  # each shows the rows that it is about
            assert check.failing_rows, check
            if (check.engine, check.name) in shown:
                continue
            shown.add((check.engine, check.name))
            found = lab.warehouse.execute(f"select count(*) from ({check.failing_rows}) as failing").fetchone()
            assert found != (0,), check
        # What fails in a dated mart says for which days, unless it is none of the run.
        assert (
            mutate in {nulls, a_day_of_no_run, rows_where_there_are_none}
            or {check.name for check in failed if check.mart and mart_of(check.mart).dated and not check.partitions}
            == set()
        )
        for mart in MARTS:
            lab.warehouse.execute(f"truncate candidate.{mart.name}")
            lab.warehouse.execute(f"insert into candidate.{mart.name} select * from public.{mart.name}")

    assert all(check.reason for check in good)
    of_facts = {check for check in names(good, success=True) if check[0] is None}
    assert {name for _, _, name in of_facts} == {
        "slots_read_equal_used_and_left_out",
        "executions_read_equal_used_and_left_out",
        "events_read_equal_used_and_left_out",
    }
    # That each rule of each dbt test has a case is what test_conservation is for.
    missed = names(good, success=True) - of_facts - caught
    assert {check for check in missed if check[1] != "dbt"} == set()

    lab.warehouse.execute("delete from intermediate.int_scheduling__task_slots where position = 0")
    lab.warehouse.execute("delete from intermediate.int_workflows__executions")
    assert of_facts <= names(run_gate(lab, refresh), success=False)


@pytest.fixture
def spoilt(lab: Lab) -> mock.Mock:
    """Makes the candidate of workflow_analytics wrong on 2024-03-03, right after it was built."""
    build = Transformer.run

    def run(self: Transformer, warehouse: Connection, names: Collection[str]) -> None:
        build(self, warehouse, names)
        if "workflow_analytics" in names:
            lab.warehouse.execute(
                "update candidate.workflow_analytics set completed_count = completed_count + 1"
                " where date = '2024-03-03'"
            )

    return mock.patch.object(Transformer, "run", run)  # type: ignore[return-value]


def test_what_is_blocked_keeps_its_last_good_rows_and_holds_no_other_application_back(
    lab: Lab, spoilt: mock.Mock, tmp_path: Path
) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF)
    before = lab.dump()
    lab.write(
        f"update workflows.workflow_executions set ended_at = '2024-03-03T13:00:00Z' where execution_id = '{RUNS[0]}'",
        execution(9, BARE, "active", "2024-03-07T11:00:00Z"),
        metric("projects", "7", "2024-03-06T00:00:00Z"),
        task(9, USER, WORK, f"[{slot('2024-03-06T10:00:00-05:00', '2024-03-06T11:00:00-05:00')}]"),
    )
    with spoilt:
        blocked = lab.run(AS_OF)
    assert blocked.outcomes["workflows"].status == "blocked"
    assert blocked.outcomes["workflows"].rows == {}
    failed = lab.warehouse.execute(
        "select mart, engine, partition_start from quality.check_results where run_id = %s and not success"
        " and engine = 'reconciliation'",
        (blocked.parameters.run_id,),
    ).fetchall()
    assert ("workflow_analytics", "reconciliation", dt.date(2024, 3, 3)) in failed
    assert_rows_are_shown(lab, blocked)
    (stale,) = [each for each in status.freshness(lab.warehouse) if each.failing_since]
    assert (stale.application, stale.as_of) == ("workflows", AS_OF)
    assert "checks failed, nothing published" in str(stale.last_error)
    after = lab.dump()
    for mart in MARTS:
        if mart.application == "workflows":
            assert after[mart.name] == before[mart.name], mart.name
    assert after["kpi_daily"] != before["kpi_daily"]
    assert after["analytics_daily_metrics"] != before["analytics_daily_metrics"]

    assert_data_docs_show(lab, blocked, tmp_path)

    # A rebuild of given days publishes the good ones and holds back the bad one.
    with spoilt:
        dated = lab.run(AS_OF, from_date=dt.date(2024, 3, 1), to_date=dt.date(2024, 3, 7))
    # Bad in one mart, a day is held back in all that share it.
    bad = {dt.date(2024, 3, 3)}
    daily = {mart.name for mart in marts("workflows") if mart.dated and not mart.made_from}
    assert dated.outcomes["workflows"].held_back == dict.fromkeys(daily, bad)
    published = lab.published_since(dated)["workflow_analytics"]
    assert published == {f"2024-03-0{n}" for n in (1, 2, 4, 5, 6, 7)}
    assert_rows_are_shown(lab, dated)
    with pytest.raises(ConfigurationError, match="has been built again since"):
        status.failing_rows(lab.warehouse, reports.failures_of(blocked.outcomes["workflows"])[0].result_id)

    # Once the candidate is right again, what is still dirty follows by itself.
    mended = lab.run(AS_OF)
    assert mended.outcomes["workflows"].status == "published"
    assert "2024-03-03" in lab.published_since(mended)["workflow_analytics"]
    assert [each for each in status.freshness(lab.warehouse) if each.failing_since] == []


def assert_rows_are_shown(lab: Lab, blocked: Refresh) -> None:
    """Of each check that failed for workflows, those of periods too: they failed before any day was held back."""
    failures = reports.failures_of(blocked.outcomes["workflows"])
    assert failures
    for failure in failures:
        assert status.failing_rows(lab.warehouse, failure.result_id)[1], failure


def test_rows_of_a_block_are_shown_while_other_applications_run_and_this_one_cannot(
    lab: Lab, spoilt: mock.Mock
) -> None:
    lab.write(*BEGINNING)
    with spoilt:
        blocked = lab.run(AS_OF)
    failures = reports.failures_of(blocked.outcomes["workflows"])
    shown = [status.failing_rows(lab.warehouse, failure.result_id) for failure in failures]
    assert {str(failure.mart) for failure in failures} > {"workflow_analytics", "workflow_analytics_monthly"}
    assert all(rows for _, rows in shown)

    lab.run(AS_OF + dt.timedelta(days=40), applications=("scheduling",))
    with (
        mock.patch.object(Refresh, "_extract", side_effect=ConfigurationError("the source does not answer")),
        pytest.raises(ConfigurationError),
    ):
        lab.run(AS_OF + dt.timedelta(days=40), applications=("workflows",))
    listed = [each.result_id for each in status.failures(lab.warehouse) if each.application == "workflows"]
    assert {failure.result_id for failure in failures} == {*listed}
    assert [status.failing_rows(lab.warehouse, failure.result_id) for failure in failures] == shown
    assert lab.warehouse.execute("select as_of from control.current_run").fetchone() == (AS_OF + dt.timedelta(days=40),)


def test_any_number_of_partitions_is_held_back_at_once(lab: Lab) -> None:
    days = [dt.date(2000, 1, 1) + dt.timedelta(days=n) for n in range(10_000)]
    lab.warehouse.execute(
        "insert into control.run_partitions (application, mart, partition_start)"
        " select 'workflows', mart, day from unnest(%s::text[]) as mart, unnest(%s::date[]) as day",
        (["workflow_analytics", "workflow_step_metrics", "workflow_executions"], [*days, None]),
    )
    held_back = {"workflow_analytics": {*days, None}, "workflow_step_metrics": {*days[1:]}, "dim_workflow": {None}}
    began = time.perf_counter()
    plan.hold_back(lab.warehouse, held_back)
    assert time.perf_counter() - began < 5  # one by one, or each compared with each: 20
    found = lab.warehouse.execute(
        "select mart, count(*), count(*) filter (where partition_start is null) from control.run_partitions"
        " where is_held_back group by mart order by mart"
    ).fetchall()
    assert found == [("workflow_analytics", 10_001, 1), ("workflow_step_metrics", 9_999, 0)]


def test_a_partition_without_any_row_is_named_as_one_that_lacks_them(lab: Lab) -> None:
    lab.write(*BEGINNING)
    build = Transformer.run

    def run(self: Transformer, warehouse: Connection, names: Collection[str]) -> None:
        build(self, warehouse, names)
        if "workflow_analytics" in names:
            lab.warehouse.execute("delete from candidate.workflow_analytics where date = '2024-03-03'")
        if "workflow_analytics_monthly" in names:
            lab.warehouse.execute("delete from candidate.workflow_analytics_monthly where month = '2024-03-01'")

    with mock.patch.object(Transformer, "run", run):
        blocked = lab.run(AS_OF)
    for name, start in (("workflow_analytics", "2024-03-03"), ("workflow_analytics_monthly", "2024-03-01")):
        (failure,) = [
            each
            for each in reports.failures_of(blocked.outcomes["workflows"])
            if (each.mart, each.check_name) == (name, ROWS)
        ]
        columns, rows = status.failing_rows(lab.warehouse, failure.result_id)
        (row,) = [dict(zip(columns, row, strict=True)) for row in rows]
        assert (row["partition_start"], row["observed"]) == (dt.date.fromisoformat(start), 0)
        assert row["expected"] != 0


def test_rows_of_no_run_and_partitions_without_rows_are_listed_where_no_equation_is_at_fault(lab: Lab) -> None:
    lab.write(*BEGINNING)
    refresh = lab.run(AS_OF)
    lab.warehouse.execute("insert into candidate.kpi_daily select * from candidate.kpi_daily limit 1")
    lab.warehouse.execute("update candidate.kpi_daily set date = '2031-01-01'")
    chosen = refresh.outcomes["services"].plan
    assert chosen is not None
    chosen = chosen.only({"kpi_daily"})
    (check,) = [
        each
        for each in expectations.validate(lab.warehouse, refresh.places.warehouse_url, refresh.parameters, chosen, [])
        if each.name == ROWS
    ]
    rows = lab.warehouse.execute(str(check.failing_rows)).fetchall()
    assert [str(row[0]) for row in rows] == ["2031-01-01", *map(str, chosen.partitions["kpi_daily"])]
    assert [row[1] for row in rows] == [False, *([True] * (len(rows) - 1))]
    assert all(count == 0 for _, _, count in rows[1:])


def assert_data_docs_show(lab: Lab, refresh: Refresh, home: Path) -> None:
    """Two of the pages, which take a third of a second each."""
    results = home / data_docs.FOLDER / "results"
    results.mkdir(parents=True)
    for name in ("workflow_analytics", "kpi_daily"):
        shutil.copy(lab.home / data_docs.FOLDER / "results" / f"{name}.json", results)
    assert data_docs.build(home) == 2
    page = (home / data_docs.FOLDER / "workflow_analytics.html").read_text(encoding="utf-8")
    assert "cohort_converted_count" in page
    listed = data_docs.index(home).read_text(encoding="utf-8")
    assert listed.count(refresh.parameters.run_id) == 2
    assert 'href="kpi_daily.html"' in listed
    assert (data_docs.is_stale(home), data_docs.build(home)) == (False, 0)
    (results / "kpi_daily.json").touch()
    assert data_docs.build(home) == 1


def test_too_large_a_share_of_quarantined_rows_blocks_their_application(lab: Lab) -> None:
    lab.write(*BEGINNING)
    insert = (
        "insert into services.metrics (service_name, metric_type, value, recorded_at)"
        " select 'projects', 'reach', case when n <= {bad} then double precision 'NaN' else 1 end, '2024-03-02Z'"
        " from generate_series(1, {all}) as n"
    )
    lab.write(insert.format(bad=11, all=200))
    blocked = lab.run(AS_OF)
    assert [check.name for check in blocked.outcomes["services"].blocked] == ["quarantine_share(services.metrics)"]
    assert lab.rows("kpi_daily") == []
    assert blocked.outcomes["scheduling"].status == "published"
    lab.write(insert.format(bad=0, all=100))
    assert lab.run(AS_OF).outcomes["services"].status == "published"


def test_the_catalog_lists_every_mart_of_an_application_once() -> None:
    assert sorted(m.name for a in (*APPLICATIONS, CALENDAR) for m in marts(a)) == sorted({m.name for m in MARTS})


def test_the_unit_tests_of_the_models_pass(lab: Lab) -> None:
    lab.write(*BEGINNING)
    refresh = lab.run(AS_OF, gate_open=True)
    results = refresh.transformer.unit_test()
    assert len(results) >= 15
    assert {result.name: result.status for result in results if result.status != "pass"} == {}


def test_dbt_itself_builds_what_runs_build(lab: Lab) -> None:
    lab.write(*BEGINNING)
    transformer = lab.run(AS_OF, gate_open=True).transformer
    names = [mart.name for mart in MARTS if not mart.computed]
    built = {name: _rows_as_text(lab, name) for name in names}
    assert any(built.values())
    results = transformer._call(transformer.manifest(), "run", transformer._flags()).result
    assert {str(result.status) for result in results} == {"success"}
    assert {name: _rows_as_text(lab, name) for name in names} == built


def _rows_as_text(lab: Lab, name: str) -> list[tuple[object, ...]]:
    volatile = "".join(f" - '{column}'" for column in mart_of(name).volatile)
    return lab.warehouse.execute(
        f"select to_jsonb(c){volatile} as row from candidate.{name} as c order by 1"
    ).fetchall()


def test_a_model_with_other_columns_than_it_declares_is_not_built(lab: Lab) -> None:
    lab.write(*BEGINNING)
    compiled = Transformer(lab.places.warehouse_url, lab.home / "dbt").compiled()
    models = tuple(
        replace(model, columns={**model.columns, "timezone": ("integer", ""), "email": ("text", "")})
        if model.name == "dim_user"
        else model
        for model in compiled.models
    )
    with (
        mock.patch.object(Transformer, "compiled", return_value=replace(compiled, models=models)),
        pytest.raises(DbtError, match="dim_user has not the columns that its yml declares: email, timezone"),
    ):
        lab.run(AS_OF, gate_open=True)
