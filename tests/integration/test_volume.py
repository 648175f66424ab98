"""The volume check: unusual days warn, and what is usual comes from the ledger alone."""

import datetime as dt
import random
import statistics
from types import SimpleNamespace
from typing import Any
from unittest import mock

import dagster as dg

from assets import specs
from assets.refresh import _checks
from orchestration.reports import failures_of
from tests.support import Lab
from warehouse import gate, status, volume
from warehouse.catalog import mart
from warehouse.checks import Check
from warehouse.plan import Parameters, Plan
from warehouse.refresh import Outcome, Refresh

MONDAY = dt.date(2024, 6, 3)
AS_OF = dt.datetime(2024, 6, 20, tzinfo=dt.UTC)


def history(lab: Lab, counts: dict[dt.date, int]) -> None:
    """The ledger of kpi_daily; each day was published twice, the first time with a number that is of no account."""
    lab.warehouse.execute("truncate control.publications")
    with lab.warehouse.cursor() as cursor:
        cursor.executemany(
            "insert into control.publications"
            " (run_id, application, mart, partition_start, partition_end, as_of, row_count, content_hash)"
            " values ('r', 'services', 'kpi_daily', %s, %s, now(), %s, '')",
            [(day, day, n) for day, count in counts.items() for n in (count + 10_000, count)],
        )


def judged(lab: Lab, built: dict[dt.date, int], as_of: dt.datetime = AS_OF) -> Check | None:
    lab.warehouse.execute("create table if not exists candidate.kpi_daily (date date)")
    lab.warehouse.execute("truncate candidate.kpi_daily")
    for day, rows in built.items():
        lab.warehouse.execute("insert into candidate.kpi_daily select %s from generate_series(1, %s)", (day, rows))
    parameters = Parameters("run", as_of, dt.date(2000, 1, 1))
    checks = volume.volume(lab.warehouse, parameters, Plan("services", {"kpi_daily": tuple(built)}))
    return checks[0] if checks else None


def weeks(counts: list[int], last: dt.date = MONDAY) -> dict[dt.date, int]:
    """The same weekday before a day, the latest count last; the days between have others."""
    mondays = {last - dt.timedelta(weeks=len(counts) - n): count for n, count in enumerate(counts)}
    return mondays | {day + dt.timedelta(days=1): 5_000 for day in mondays}


def unusual(before: list[int], count: int) -> bool:
    """The rule once more, in plain Python."""
    if len(before[-12:]) < 6:
        return False
    median = statistics.median(before[-12:])
    deviation = statistics.median(abs(each - median) for each in before[-12:])
    return abs(count - median) > max(5 * 1.4826 * deviation, 0.2 * median, 10)


def test_a_day_is_unusual_where_its_weekday_says_so(lab: Lab) -> None:
    dice = random.Random(7)
    verdicts = set()
    for _ in range(60):
        around, spread = dice.choice([0, 20, 100, 1000]), dice.choice([0, 5, 40])
        before = [max(0, around + dice.randint(-spread, spread)) for _ in range(dice.randint(3, 16))]
        count = max(0, around + dice.choice([0, 9, 10, 11, -11, 21, -around, spread * 4, spread * 9]))
        history(lab, weeks(before))
        check = judged(lab, {MONDAY: count})
        assert check is not None
        assert check.success is not unusual(before, count), (before, count)
        verdicts.add((check.success, len(before) < 6))
        if not check.success:
            assert (check.severity, check.partitions) == ("warn", (MONDAY,))
            assert check.observed == f"{count} rows on Monday, {MONDAY}"
            shown = lab.warehouse.execute(f"select count(*) from ({check.failing_rows}) as failing").fetchone()
            assert shown == (min(len(before), 12),)
    assert verdicts == {(True, True), (True, False), (False, False)}


def test_days_that_have_not_ended_and_marts_that_are_new_are_not_judged(lab: Lab) -> None:
    assert judged(lab, {MONDAY: 0}) is None  # nothing was ever published
    history(lab, weeks([100] * 12))
    midnight = dt.datetime.combine(MONDAY, dt.time(), dt.UTC)
    assert judged(lab, {MONDAY: 0}, midnight + dt.timedelta(hours=35)) is None
    check = judged(lab, {MONDAY: 0}, midnight + dt.timedelta(hours=36))
    assert check is not None and not check.success
    # A Tuesday has Tuesdays before it.
    check = judged(lab, {MONDAY + dt.timedelta(days=1): 5_000})
    assert check is not None and check.success


def test_of_many_days_the_unusual_are_named_and_the_most_unusual_is_shown(lab: Lab) -> None:
    days = [MONDAY + dt.timedelta(weeks=n) for n in range(-3, 1)]
    history(lab, weeks([100] * 20))
    check = judged(lab, dict(zip(days, (100, 170, 400, 100), strict=True)))
    assert check is not None
    assert check.partitions == (days[1], days[2])
    assert check.observed == f"400 rows on Monday, {days[2]}"
    assert check.expected == "about 100, as on Mondays before"


FIRST = dt.date(2024, 1, 1)
LAST_GOOD = dt.date(2024, 3, 31)


def reports(first: dt.date, last: dt.date, services: int) -> str:
    """Values of so many services on each day, at 01:00."""
    return (
        "insert into services.metrics (service_name, metric_type, value, recorded_at)"
        f" select 'service ' || n, 'revenue', 1, day + interval '1 hour' from generate_series(1, {services}) as n,"
        f" generate_series('{first}'::timestamptz, '{last}'::timestamptz, interval '1 day') as day"
    )


def day_run(lab: Lab, date: dt.date, hour: int = 6, **options: Any) -> Refresh:
    instant = dt.datetime.combine(date, dt.time(hour), dt.UTC)
    return lab.run(instant, gate_open=True, applications=("services",), **options)


def warned(lab: Lab, refresh: Refresh, name: str = "kpi_daily") -> list[dt.date]:
    """Days that a run recorded as unusual."""
    rows = lab.warehouse.execute(
        "select partition_start from quality.check_results where run_id = %s and check_name = 'volume' and mart = %s"
        " and not success and severity = 'warn' order by 1",
        (refresh.parameters.run_id, name),
    )
    return [row[0] for row in rows]


def listed(lab: Lab) -> list[dt.date | None]:
    """First days of the warnings that ``weir status`` shows."""
    return sorted(each.first_day for each in status.failures(lab.warehouse) if each.check_name == "volume")  # type: ignore[type-var]


def judgements(lab: Lab, refresh: Refresh) -> int:
    """Results of the check that a run recorded for the mart of days."""
    row = lab.warehouse.execute(
        "select count(*) from quality.check_results where run_id = %s and check_name = 'volume' and mart = 'kpi_daily'",
        (refresh.parameters.run_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_daily_runs_judge_each_day_once_it_is_full_also_those_that_nothing_came_for(lab: Lab) -> None:
    day = [LAST_GOOD + dt.timedelta(days=n) for n in range(9)]
    lab.write(reports(FIRST, LAST_GOOD, 16))
    assert warned(lab, day_run(lab, day[1])) == []
    lab.write(reports(day[1], day[1], 3))
    assert warned(lab, day_run(lab, day[2])) == []  # the last good day; the one with three rows goes on elsewhere
    lab.write(reports(day[2], day[2], 1))
    refresh = day_run(lab, day[3])
    plan = refresh.outcomes["services"].plan
    assert plan is not None and day[1] not in plan.partitions["kpi_daily"]
    assert warned(lab, refresh) == [day[1]]
    (failure,) = [each for each in status.failures(lab.warehouse) if each.check_name == "volume"]
    assert (failure.mart, failure.days, failure.first_day) == ("kpi_daily", 1, day[1])
    assert failure.observed == f"3 rows on Monday, {day[1]}"
    columns, rows = status.failing_rows(lab.warehouse, failure.result_id)
    assert [dict(zip(columns, row, strict=True))["row_count"] for row in rows[:2]] == [3, 16]
    assert [each.result_id for each in failures_of(refresh.outcomes["services"])] == [failure.result_id]

    assert warned(lab, day_run(lab, day[4])) == [day[2]]
    assert day_run(lab, day[4], hour=7).outcomes["services"].status == "nothing_to_do"
    # A run after noon that has no day to build, but another reason to open the gate.
    lab.write("update services.metrics set value = 2 where metric_id = (select min(metric_id) from services.metrics)")
    assert warned(lab, day_run(lab, day[4], hour=13)) == [day[3]]
    lab.write("update services.metrics set value = 3 where metric_id = (select min(metric_id) from services.metrics)")
    again = day_run(lab, day[4], hour=14)
    assert (again.outcomes["services"].status, warned(lab, again), judgements(lab, again)) == ("published", [], 1)
    assert listed(lab) == day[1:4]  # later runs do not hide them
    assert {each.mart: each.failed_checks for each in status.marts(lab.warehouse)}["kpi_daily"] == 1
    # A run that finds nothing to do opens no gate: what has become full is judged by the next one that does. Nor does
    # a rebuild of given days extract anything: it judges these, and leaves the others to the next run.
    assert day_run(lab, day[5], hour=5).outcomes["services"].status == "published"
    assert day_run(lab, day[5], hour=13).outcomes["services"].status == "nothing_to_do"
    assert warned(lab, day_run(lab, day[5], hour=14, from_date=day[1], to_date=day[2])) == [day[1], day[2]]
    assert warned(lab, day_run(lab, day[6])) == [day[4]]
    assert listed(lab) == [day[1], day[3], day[4]]  # the rebuilt days are two of one result

    # Late rows have a day built again, and judged again.
    lab.write(reports(day[2], day[2], 1))
    lab.write(
        "update services.metrics set service_name = 'another' where metric_id = (select max(metric_id)"
        " from services.metrics)"
    )
    late = day_run(lab, day[6], hour=7)
    assert (late.outcomes["services"].status, warned(lab, late)) == ("published", [day[2]])
    lab.write(reports(day[2], day[2], 16))
    assert warned(lab, day_run(lab, day[6], hour=8)) == []
    assert listed(lab) == [day[1], day[3], day[4]]
    lab.warehouse.execute("update control.runs set started_at = started_at - interval '8 days'")
    assert listed(lab) == []


def test_days_of_a_run_that_was_blocked_are_judged_by_the_next(lab: Lab) -> None:
    lab.write(reports(FIRST, LAST_GOOD, 16))
    day_run(lab, LAST_GOOD + dt.timedelta(days=1))
    day_run(lab, LAST_GOOD + dt.timedelta(days=2))
    unusual = LAST_GOOD + dt.timedelta(days=1)
    failed = Check("kpi_daily", "x", "dbt", "block", False)
    with mock.patch.object(gate, "orphans", return_value=[failed]):
        blocked = day_run(lab, LAST_GOOD + dt.timedelta(days=3))
    assert blocked.outcomes["services"].status == "blocked"
    assert warned(lab, blocked) == [unusual]
    mended = day_run(lab, LAST_GOOD + dt.timedelta(days=3), hour=7)
    assert (mended.outcomes["services"].status, warned(lab, mended)) == ("published", [unusual])
    assert warned(lab, day_run(lab, LAST_GOOD + dt.timedelta(days=4))) == [LAST_GOOD + dt.timedelta(days=2)]


def test_dagster_shows_a_warning_of_a_mart_that_the_run_has_not_built() -> None:
    outcome = Outcome("services", plan=Plan("services", {}))
    outcome.checks = [
        Check("kpi_daily", "volume", "reconciliation", "warn", False, "0 rows", "16", (MONDAY,), "why", "select 1", 7)
    ]
    key = dg.AssetCheckKey(specs.mart_key(mart("kpi_daily")), "reconciliation")
    context: Any = SimpleNamespace(selected_asset_check_keys={key})
    (result,) = _checks(context, outcome)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.metadata["failed_partitions"].value == str(MONDAY)
