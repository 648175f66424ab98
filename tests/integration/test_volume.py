"""The volume check: unusual days warn, and what is usual comes from the ledger alone."""

import datetime as dt
import random
import statistics

from tests.support import Lab
from warehouse import volume
from warehouse.checks import Check
from warehouse.plan import Parameters, Plan

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
            assert shown == (2 * len(before),)
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
