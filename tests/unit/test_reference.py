"""The reference implementation (tests/reference), held against small cases computed by hand.

Belongs here: what the reference itself says. Does not belong here: the warehouse's SQL, which is compared
with the reference elsewhere.
"""

from __future__ import annotations

import gzip
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid3
from zoneinfo import ZoneInfo

import pytest

from tests.reference import Scheduling, Services, Workflows, dimensions, quarantine, read_folder, windows
from tests.reference.days import day_of, is_skipped, known_zones, split
from tests.reference.services import t_quantile_975
from tests.reference.slots import Slot, intersection, parse_instant, union
from tests.reference.values import (
    EPOCH,
    NIL_UUID,
    average_seconds,
    instant,
    minutes,
    percentile_cont,
    ratio,
    rounded,
    surrogate_key,
    to_datetime,
)

AS_OF = datetime(2024, 3, 20, 12, 0, tzinfo=UTC)
USER = "00000000-0000-0000-0000-0000000000a1"
OTHER_USER = "00000000-0000-0000-0000-0000000000a2"
CODE = "00000000-0000-0000-0000-0000000000c1"
MAIL = "00000000-0000-0000-0000-0000000000c2"
FLOW = "00000000-0000-0000-0000-0000000000f1"
OTHER_FLOW = "00000000-0000-0000-0000-0000000000f2"

Rows = list[dict[str, Any]]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def utc_or_infinity(text: str) -> datetime | str:
    return text if "infinity" in text else utc(text)


def micros(text: str) -> int:
    return instant(datetime.fromisoformat(text))


def key(number: int) -> str:
    return str(UUID(int=number))


def slot(start: str, end: str) -> dict[str, str]:
    return {"start": start, "end": end}


def user(user_id: str = USER, timezone: str = "UTC", **values: Any) -> dict[str, Any]:
    return {"user_id": user_id, "timezone": timezone, "created_at": EPOCH, "deleted_at": None, **values}


def task(number: int, *slots: Any, **values: Any) -> dict[str, Any]:
    return {
        "task_id": key(number),
        "user_id": USER,
        "category_id": None,
        "status": "scheduled",
        "scheduled_slots": list(slots),
        "completed_at": None,
        "deleted_at": None,
        **values,
    }


def calendar_day(number: int, *slots: Any, user_id: str = USER) -> dict[str, Any]:
    return {"calendar_day_id": key(number), "user_id": user_id, "focus_slots": list(slots)}


def category(category_id: str, name: str, deleted_at: datetime | None = None) -> dict[str, Any]:
    return {
        "category_id": category_id,
        "user_id": USER,
        "name": name,
        "color": None,
        "deleted_at": deleted_at,
    }


def scheduling(
    tasks: Rows,
    focus: Rows | None = None,
    users: Rows | None = None,
    as_of: datetime = AS_OF,
    goals: Rows | None = None,
) -> Scheduling:
    tables = {
        "scheduling.users": users or [user()],
        "scheduling.categories": [category(CODE, "Code"), category(MAIL, "Mail", AS_OF)],
        "scheduling.tasks": tasks,
        "scheduling.user_calendar_days": focus or [],
        "scheduling.goals": goals or [],
    }
    return Scheduling(tables, as_of)


def by_date(rows: Rows, column: str) -> dict[date, Any]:
    return {row["date"]: row[column] for row in rows}


# ── local days ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("zone", "day", "starts_at", "ends_at"),
    [
        # Clocks go from 01:00 CDT back to 00:00 CST: of the two midnights the first, and 25 hours.
        ("America/Havana", date(2023, 11, 5), "2023-11-05T04:00", "2023-11-06T05:00"),
        ("Atlantic/Azores", date(2023, 10, 29), "2023-10-29T00:00", "2023-10-30T01:00"),
        ("Asia/Amman", date(2021, 10, 29), "2021-10-28T21:00", "2021-10-29T22:00"),
        # Midnight does not exist: the first instant is 01:00, and 23 hours.
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", "2018-11-05T02:00"),
        # Back from 00:00 to 23:00 of the day before: the day before has 25 hours.
        ("America/Sao_Paulo", date(2018, 2, 17), "2018-02-17T02:00", "2018-02-18T03:00"),
        # At 00:01 back to 23:01: the day has begun with its first minute, and 25 hours with it.
        ("America/St_Johns", date(2006, 10, 29), "2006-10-29T02:30", "2006-10-30T03:30"),
        ("Pacific/Apia", date(2011, 12, 29), "2011-12-29T10:00", "2011-12-30T10:00"),
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00", "2011-12-30T10:00"),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00", "2011-12-31T10:00"),
        # Half an hour of summer time: 23.5 and 24.5 hours.
        ("Australia/Lord_Howe", date(2023, 10, 1), "2023-09-30T13:30", "2023-10-01T13:00"),
        ("Australia/Lord_Howe", date(2023, 4, 2), "2023-04-01T13:00", "2023-04-02T13:30"),
        ("UTC", date(2024, 2, 29), "2024-02-29T00:00", "2024-03-01T00:00"),
    ],
)
def test_a_local_day_is_the_contracts(zone: str, day: date, starts_at: str, ends_at: str) -> None:
    assert windows(zone, day) == (utc(starts_at), utc(ends_at))


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Havana", date(2023, 11, 5)),
        ("America/St_Johns", date(2006, 10, 29)),
        ("America/St_Johns", date(2006, 10, 30)),
        ("America/Sao_Paulo", date(2018, 2, 18)),
        ("Pacific/Apia", date(2011, 12, 30)),
        ("Africa/Cairo", date(2014, 5, 16)),
        ("Asia/Gaza", date(2011, 8, 1)),
        ("America/Scoresbysund", date(2024, 3, 31)),
    ],
)
def test_a_local_day_starts_with_the_first_minute_that_a_plain_scan_finds(zone: str, day: date) -> None:
    clock = ZoneInfo(zone)
    scanned = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    while scanned.astimezone(clock).date() < day:
        scanned += timedelta(minutes=1)
    assert windows(zone, day)[0] == scanned


def test_the_window_decides_on_the_day_of_an_instant_not_the_clock() -> None:
    # 02:45Z is 23:15 of the 28th in St John's, for the second time: the 29th began at 02:30Z.
    assert day_of("America/St_Johns", micros("2006-10-29T02:45+00:00")) == date(2006, 10, 29)
    assert day_of("America/St_Johns", micros("2006-10-29T02:29:59.999999+00:00")) == date(2006, 10, 28)
    assert day_of("Pacific/Apia", micros("2011-12-30T10:00+00:00")) == date(2011, 12, 31)


def test_a_zone_is_known_letter_for_letter() -> None:
    assert "America/New_York" in known_zones()
    assert not known_zones() & {"america/new_york", "posixrules", "posix/UTC", "", "UTC ", "Mars/Olympus"}
    assert is_skipped("Pacific/Apia", date(2011, 12, 30))


def test_pieces_of_an_interval_are_cut_at_local_midnights() -> None:
    start, end = micros("2011-12-29T23:00-10:00"), micros("2011-12-31T01:00+14:00")
    midnight = micros("2011-12-30T10:00+00:00")
    assert split("Pacific/Apia", start, end) == [
        (date(2011, 12, 29), start, midnight),
        (date(2011, 12, 31), midnight, end),
    ]


# ── minutes, numbers, instants ──────────────────────────────────────────────────────────────────────────────


def test_minutes_are_counted_on_the_grid_and_add_up() -> None:
    first, second, third = (micros(f"2024-01-01T10:{rest}+00:00") for rest in ("00:30", "00:59.999999", "02:00"))
    assert (minutes(first, second), minutes(second, third), minutes(first, third)) == (0, 2, 2)
    assert minutes(-1, 0) == 1


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (1, 8, "0.1250"),
        (1, 3, "0.3333"),
        (2, 3, "0.6667"),
        (1, 20_000, "0.0001"),
        (3, 20_000, "0.0002"),
        (-1, 20_000, "-0.0001"),
        (-1, 30_000, "0.0000"),
    ],
)
def test_rounding_is_half_away_from_zero(numerator: int, denominator: int, expected: str) -> None:
    assert str(ratio(numerator, denominator)) == expected


def test_rounding_keeps_more_digits_than_a_decimal_context() -> None:
    assert str(rounded(10**40 + 1, 2)) == f"{10**40 + 1}.00"
    assert ratio(1, 0) is None


def test_percentiles_interpolate_linearly() -> None:
    assert percentile_cont([40.0, 10.0, 20.0, 30.0], 0.5) == 25.0
    assert percentile_cont([1.0, 2.0, 3.0], 0.5) == 2.0
    assert percentile_cont([0.0, 100.0], 0.95) == 95.0
    assert percentile_cont([7.0], 0.95) == 7.0
    assert percentile_cont([], 0.5) is None


def test_averages_come_from_exact_sums() -> None:
    assert average_seconds(10, 4) == 2.5e-06
    assert average_seconds(0, 0) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01 00:00:00+00", micros("2024-01-01T00:00+00:00")),
        ("2024-01-01 05:30:00.5+05:30", micros("2024-01-01T00:00:00.5+00:00")),
        ("0001-01-01 00:00:00+00", micros("0001-01-01T00:00+00:00")),
        ("0001-12-31 00:00:00+00 BC", micros("0001-01-01T00:00+00:00") - 86_400_000_000),
        ("10000-01-01 00:00:00+00", micros("9999-12-31T00:00+00:00") + 86_400_000_000),
    ],
)
def test_instants_are_read_beyond_pythons_years(text: str, expected: int) -> None:
    assert instant(text) == expected


def test_instants_beyond_pythons_years_are_written_as_postgresql_writes_them() -> None:
    for text in ("0044-03-15 12:00:00.25+00 BC", "20000-01-01 00:00:00+00", "infinity", "-infinity"):
        assert to_datetime(instant(text)) == text


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        instant(datetime(2024, 1, 1))


def test_surrogate_keys_are_name_based() -> None:
    namespace = uuid3(NAMESPACE_URL, "weir:analytics_daily_metrics")
    expected = str(uuid3(namespace, f"{USER}/2024-01-02"))
    assert surrogate_key("analytics_daily_metrics", USER, date(2024, 1, 2)) == expected


# ── slots ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("2024-01-01T10:00Z", "2024-01-01T10:00+00:00"),
        ("2024-01-01T10:00:30Z", "2024-01-01T10:00:30+00:00"),
        ("2024-01-01T10:00:30.5Z", "2024-01-01T10:00:30.500000+00:00"),
        ("2024-01-01T10:00:30.1234569Z", "2024-01-01T10:00:30.123456+00:00"),
        ("2024-01-01T10:00+02", "2024-01-01T08:00+00:00"),
        ("2024-01-01T10:00-0230", "2024-01-01T12:30+00:00"),
        ("2024-01-01T10:00+11:39:04", "2023-12-31T22:20:56+00:00"),
        ("2024-01-01T10:00+113904", "2023-12-31T22:20:56+00:00"),
        ("2024-01-01T10:00+15:59:59", "2023-12-31T18:00:01+00:00"),
        ("2024-02-29T00:00-00:00", "2024-02-29T00:00+00:00"),
    ],
)
def test_an_instant_of_the_form_is_read(text: str, same_as: str) -> None:
    assert parse_instant(text) == micros(same_as)


def test_an_instant_before_year_one_in_utc_is_read() -> None:
    assert parse_instant("0001-01-01T00:00+01:00") == micros("0001-01-01T00:00+00:00") - 3_600_000_000


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T10:00",
        "2024-01-01 10:00Z",
        "2024-01-01t10:00Z",
        "2024-01-01T10:00z",
        "2024-01-01T24:00Z",
        "2024-01-01T10:60Z",
        "2024-01-01T10:00:60Z",
        "2024-01-01T10:00:00.Z",
        "2024-01-01T10:00:00,5Z",
        "2024-01-01T10:00.5Z",
        "2024-01-01T10Z",
        "2024-01-01T10:00+16",
        "2024-01-01T10:00+15:60",
        "2024-01-01T10:00+2",
        "2024-01-01T10:00+02:",
        "2024-01-01T10:00+02:0",
        "2024-01-01T10:00+02:00:00.5",
        "2024-01-01T10:00\N{MINUS SIGN}02:00",
        "2024-01-01T10:00 +02:00",
        "2024-01-01T10:00Z ",
        " 2024-01-01T10:00Z",
        "2024-01-01T10:00Z\n",
        "2024-01-01T10:00Europe/Berlin",
        "2023-02-29T10:00Z",
        "2024-13-01T10:00Z",
        "0000-01-01T10:00Z",
        "10000-01-01T10:00Z",
        "24-01-01T10:00Z",
        "20240101T1000Z",
        "2024-01-01",
        "\N{ARABIC-INDIC DIGIT TWO}024-01-01T10:00Z",
        "now",
        "infinity",
        "\\N",
        "",
        None,
        20240101,
    ],
)
def test_anything_else_is_malformed(text: object) -> None:
    assert parse_instant(text) is None


def test_unions_merge_what_overlaps_or_touches() -> None:
    assert union([Slot(5, 7), Slot(0, 3), Slot(3, 4), Slot(6, 9)]) == [Slot(0, 4), Slot(5, 9)]
    assert intersection([Slot(0, 4), Slot(5, 9)], [Slot(2, 6), Slot(8, 20)]) == [
        Slot(2, 4),
        Slot(5, 6),
        Slot(8, 9),
    ]


# ── quarantine ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_slot_has_the_first_reason_that_holds_and_spares_its_neighbours() -> None:
    found = scheduling(
        [
            task(
                1,
                slot("2024-03-01T10:00Z", "2024-03-01T11:00Z"),
                slot("1999-12-31T23:59Z", "now"),
                slot("1999-12-31T10:00Z", "1999-12-31T10:00Z"),
                slot("1999-01-01T10:00Z", "1999-12-31T10:00Z"),
                slot("1999-12-31T23:59:59Z", "2000-01-01T00:30Z"),
                slot("2024-01-01T00:00Z", "2024-02-01T00:00Z"),
                slot("2024-01-01T00:00Z", "2024-02-01T00:00:00.000001Z"),
                "2024-03-01T10:00Z",
                {"start": "2024-03-01T10:00Z"},
            )
        ]
    )
    assert [(position, reason) for _, _, position, reason in found.quarantine] == [
        (1, "slot_malformed"),
        (2, "slot_not_positive"),
        (3, "slot_too_long"),
        (4, "before_earliest_date"),
        (6, "slot_too_long"),
        (7, "slot_malformed"),
        (8, "slot_malformed"),
    ]
    totals = by_date(found.analytics_daily_metrics(), "total_scheduled_minutes")
    assert totals[date(2024, 3, 1)] == 60
    assert sum(totals.values()) == 60 + 31 * 1440


def test_a_row_has_one_entry_and_deleted_or_cancelled_rows_have_none() -> None:
    early = "0016-07-12 00:00:00+00"
    not_array = {"scheduled_slots": {"start": 1}}
    found = scheduling(
        [
            task(1, **not_array, completed_at=early),
            task(2, completed_at="-infinity"),
            task(3, slot("now", "now"), status="cancelled", completed_at=early),
            task(4, **not_array, status="cancelled"),
            task(5, **not_array, deleted_at=AS_OF),
            task(6, **not_array, user_id=OTHER_USER),
            task(7, slot("2024-03-01T10:00Z", "2024-03-01T11:00Z"), completed_at="infinity"),
            task(8, scheduled_slots=None),
        ],
        focus=[calendar_day(9, slot("x", "y")), calendar_day(10, slot("x", "y"), user_id=OTHER_USER)],
        users=[user(timezone="Mars/Olympus"), user(OTHER_USER, "nowhere", deleted_at=AS_OF)],
    )
    assert found.quarantine == [
        ("scheduling.users", USER, None, "unknown_timezone"),
        ("scheduling.tasks", key(1), None, "slots_not_array"),
        ("scheduling.tasks", key(2), None, "before_earliest_date"),
        ("scheduling.tasks", key(3), None, "before_earliest_date"),
        ("scheduling.tasks", key(8), None, "slots_not_array"),
        ("scheduling.user_calendar_days", key(9), 0, "slot_malformed"),
    ]
    (row,) = found.analytics_daily_metrics()
    assert (row["scheduled_tasks_count"], row["completed_scheduled_tasks_count"]) == (1, 0)


# ── scheduling ──────────────────────────────────────────────────────────────────────────────────────────────


def test_daily_metrics_count_by_local_day() -> None:
    # New York: the slot runs from 23:00 on 4 March to 01:30 on 5 March; the other overlaps it by an hour.
    night = slot("2024-03-04T23:00-05:00", "2024-03-05T01:30-05:00")
    overlap = slot("2024-03-05T00:30-05:00", "2024-03-05T02:00-05:00")
    found = scheduling(
        [
            task(1, night, category_id=CODE.upper(), completed_at=utc("2024-03-05T04:59:59")),
            task(2, overlap, category_id=MAIL),
            task(3, night, status="cancelled", completed_at=utc("2024-03-05T05:00:00")),
            task(4, slot("2024-03-06T10:00:10Z", "2024-03-06T10:00:50Z")),
        ],
        focus=[calendar_day(1, slot("2024-03-05T00:00-05:00", "2024-03-05T00:45-05:00"), overlap)],
        users=[user(timezone="America/New_York")],
    )
    fourth, fifth = found.analytics_daily_metrics()
    assert fourth == {
        "metrics_id": surrogate_key("analytics_daily_metrics", USER, date(2024, 3, 4)),
        "user_id": USER,
        "date": date(2024, 3, 4),
        "total_scheduled_minutes": 60,
        "completed_tasks_count": 1,
        "scheduled_tasks_count": 1,
        "completed_scheduled_tasks_count": 1,
        "focus_minutes": 0,
        "focus_capacity_minutes": 0,
        "category_minutes": {CODE: 60},
    }
    assert fifth["total_scheduled_minutes"] == 90 + 90
    assert fifth["completed_tasks_count"] == 1
    assert (fifth["scheduled_tasks_count"], fifth["completed_scheduled_tasks_count"]) == (2, 1)
    assert (fifth["focus_minutes"], fifth["focus_capacity_minutes"]) == (120, 120)
    assert fifth["category_minutes"] == {CODE: 90, MAIL: 90}
    assert [
        (row["date"].day, row["category_name"], row["scheduled_minutes"], row["completed_tasks_count"])
        for row in found.category_daily_metrics()
    ] == [(4, "Code", 60, 1), (5, "Uncategorized", 0, 1), (5, "Code", 90, 0), (5, "Mail", 90, 0)]
    (month,) = found.analytics_monthly_metrics()
    assert (month["month"], month["active_days"]) == (date(2024, 3, 1), 2)
    assert (month["total_scheduled_minutes"], month["category_minutes"]) == (240, {CODE: 150, MAIL: 90})


def test_minutes_of_havanas_long_day_and_apias_missing_one() -> None:
    havana = slot("2023-11-04T23:00-04:00", "2023-11-06T00:30-05:00")
    found = scheduling([task(1, havana)], users=[user(timezone="America/Havana")])
    assert list(by_date(found.analytics_daily_metrics(), "total_scheduled_minutes").values()) == [
        60,
        1500,
        30,
    ]
    apia = slot("2011-12-29T23:00-10:00", "2011-12-31T01:00+14:00")
    found = scheduling([task(1, apia)], users=[user(timezone="Pacific/Apia")])
    assert by_date(found.analytics_daily_metrics(), "total_scheduled_minutes") == {
        date(2011, 12, 29): 60,
        date(2011, 12, 31): 60,
    }


def test_focus_minutes_are_those_of_unions_on_the_grid() -> None:
    # Scheduled union 10:00:30-10:10:30; focus union 10:02:59-10:03:01 and 10:05-10:20. Common: 1 + 5 minutes.
    found = scheduling(
        [
            task(1, slot("2024-03-01T10:00:30Z", "2024-03-01T10:06Z")),
            task(2, slot("2024-03-01T10:04Z", "2024-03-01T10:10:30Z")),
        ],
        focus=[
            calendar_day(1, slot("2024-03-01T10:02:59Z", "2024-03-01T10:03:01Z")),
            calendar_day(
                2,
                slot("2024-03-01T10:05Z", "2024-03-01T10:15Z"),
                slot("2024-03-01T10:05Z", "2024-03-01T10:20Z"),
            ),
        ],
    )
    (row,) = found.analytics_daily_metrics()
    assert (row["total_scheduled_minutes"], row["focus_minutes"], row["focus_capacity_minutes"]) == (
        12,
        6,
        16,
    )


def test_days_exist_through_the_as_of_date_plus_one() -> None:
    found = scheduling(
        [task(1, slot("2024-03-20T23:00Z", "2024-03-22T05:00Z"), completed_at="20000-01-01 00:00:00+00")],
        focus=[calendar_day(1, slot("2024-03-21T23:00Z", "2024-03-22T05:00Z"))],
    )
    rows = found.analytics_daily_metrics()
    assert by_date(rows, "total_scheduled_minutes") == {date(2024, 3, 20): 60, date(2024, 3, 21): 1440}
    assert by_date(rows, "completed_scheduled_tasks_count") == {date(2024, 3, 20): 1, date(2024, 3, 21): 1}
    assert rows[1]["focus_minutes"] == 60


def test_a_day_before_earliest_date_exists_where_it_is_still_that_day() -> None:
    found = scheduling(
        [task(1, slot("2000-01-01T00:00Z", "2000-01-01T06:00Z"))], users=[user(timezone="America/New_York")]
    )
    assert by_date(found.analytics_daily_metrics(), "total_scheduled_minutes") == {
        date(1999, 12, 31): 300,
        date(2000, 1, 1): 60,
    }


def test_quick_stats_of_windows_top_category_and_streak() -> None:
    def done(number: int, day: str, **values: Any) -> dict[str, Any]:
        return task(number, completed_at=utc(f"{day}T12:00"), **values)

    found = scheduling(
        [
            done(1, "2024-03-19"),
            done(2, "2024-03-18", category_id=MAIL),
            done(3, "2024-03-16"),
            task(4, slot("2024-03-15T10:00Z", "2024-03-15T11:00Z"), category_id=MAIL),
            task(5, slot("2024-03-14T10:00Z", "2024-03-14T11:00Z"), category_id=CODE),
            task(6, slot("2024-03-12T10:00Z", "2024-03-12T12:00Z")),
            task(7, slot("2024-03-20T10:00Z", "2024-03-20T11:00Z"), category_id=MAIL),
        ],
        focus=[calendar_day(1, slot("2024-03-15T10:30Z", "2024-03-15T12:00Z"))],
    )
    week, month, _ = found.quick_stats()
    assert week == {
        "user_id": USER,
        "as_of_date": date(2024, 3, 19),
        "window_days": 7,
        "total_scheduled_minutes": 120,
        "completed_tasks_count": 3,
        "scheduled_tasks_count": 2,
        "completed_scheduled_tasks_count": 0,
        "focus_minutes": 30,
        "focus_capacity_minutes": 90,
        "focus_time_utilization": Decimal("0.3333"),
        "top_category_id": CODE,
        "top_category_name": "Code",
        "top_category_minutes": 60,
        "streak_days_completed": 2,
    }
    assert (month["top_category_id"], month["top_category_name"]) == (NIL_UUID, "Uncategorized")


def test_a_skipped_date_neither_breaks_nor_extends_a_streak() -> None:
    found = scheduling(
        [
            task(1, completed_at=datetime.fromisoformat("2011-12-29T12:00-10:00")),
            task(2, completed_at=datetime.fromisoformat("2011-12-31T12:00+14:00")),
        ],
        users=[user(timezone="Pacific/Apia")],
        as_of=utc("2011-12-31T10:00"),
    )
    assert {(row["as_of_date"], row["streak_days_completed"]) for row in found.quick_stats()} == {
        (date(2011, 12, 31), 2)
    }


# ── goals ───────────────────────────────────────────────────────────────────────────────────────────────────


def goal(**values: Any) -> dict[str, Any]:
    return {
        "goal_id": key(99),
        "user_id": USER,
        "category_id": None,
        "name": "goal",
        "target_type": "minutes",
        "target_value": 100,
        "time_period": "weekly",
        "start_date": date(2024, 3, 6),
        "end_date": None,
        "is_active": True,
        "updated_at": utc("2024-03-01T00:00"),
        "deleted_at": None,
        **values,
    }


def goal_rows(goal_row: dict[str, Any], versions: Rows | None = None, tasks: Rows | None = None) -> Rows:
    hours = [
        task(1, slot("2024-03-04T10:00Z", "2024-03-04T12:00Z"), category_id=CODE),
        task(2, slot("2024-03-12T10:00Z", "2024-03-12T11:00Z"), category_id=MAIL),
        task(3, slot("2024-03-18T10:00Z", "2024-03-18T10:25Z"), category_id=CODE),
    ]
    return scheduling(tasks or hours, goals=[goal_row]).goal_progress_snapshots(versions)


def columns(rows: Rows, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_periods_count_whole_and_the_open_one_is_measured_by_its_pace() -> None:
    rows = goal_rows(goal())
    assert columns(rows, "period_start", "period_end", "achieved_value", "percent_complete", "status") == [
        (date(2024, 3, 4), date(2024, 3, 10), 120, Decimal("120.00"), "achieved"),
        (date(2024, 3, 11), date(2024, 3, 17), 60, Decimal("60.00"), "missed"),
        # Wednesday noon, two complete days: 25 * 7 < 2 * 100 <= 2 * 25 * 7.
        (date(2024, 3, 18), date(2024, 3, 24), 25, Decimal("25.00"), "at_risk"),
    ]
    key_of_first = f"{key(99)}/2024-03-04/2024-03-10"
    assert rows[0]["snapshot_id"] == surrogate_key("goal_progress_snapshots", key_of_first)


@pytest.mark.parametrize(
    ("target", "status"),
    [(25, "achieved"), (87, "on_track"), (88, "at_risk"), (175, "at_risk"), (176, "behind")],
)
def test_the_status_of_an_open_period(target: int, status: str) -> None:
    assert goal_rows(goal(target_value=target))[-1]["status"] == status


def test_goals_of_a_category_of_percentages_and_of_tasks() -> None:
    assert [row["achieved_value"] for row in goal_rows(goal(category_id=CODE))] == [120, 0, 25]
    share = goal(category_id=CODE, target_type="percentage", time_period="monthly", target_value=40)
    # 145 of 205 minutes are 70.7 %.
    assert columns(goal_rows(share), "achieved_value", "percent_complete") == [(71, Decimal("177.50"))]
    assert goal_rows({**share, "start_date": date(2024, 2, 29), "end_date": date(2024, 2, 29)}) == [
        {
            "snapshot_id": surrogate_key("goal_progress_snapshots", f"{key(99)}/2024-02-01/2024-02-29"),
            "user_id": USER,
            "goal_id": key(99),
            "period_start": date(2024, 2, 1),
            "period_end": date(2024, 2, 29),
            "achieved_value": 0,
            "target_value": 40,
            "percent_complete": Decimal("0.00"),
            "status": "missed",
        }
    ]
    done = [task(1, completed_at=utc("2024-03-19T10:00")), task(2, completed_at=utc("2024-03-19T11:00"))]
    counted = goal_rows(goal(target_type="task_count", time_period="daily", start_date=date(2024, 3, 18)), tasks=done)
    assert [row["achieved_value"] for row in counted] == [0, 2, 0]


def test_percent_complete_ends_at_999_99() -> None:
    assert goal_rows(goal(target_value=1))[0]["percent_complete"] == Decimal("999.99")


def test_ended_periods_keep_the_target_of_their_end() -> None:
    versions = [
        {"goal_id": key(99), "target_value": 120, "is_active": True, "updated_at": utc("2024-03-01T00:00")},
        # Seen later with an earlier clock: valid from the start of the version before it.
        {"goal_id": key(99), "target_value": 121, "is_active": True, "updated_at": utc("2024-02-01T00:00")},
        {"goal_id": key(99), "target_value": 50, "is_active": True, "updated_at": utc("2024-03-11T00:00")},
        {"goal_id": key(99), "target_value": 10, "is_active": True, "updated_at": AS_OF},
        {"goal_id": key(99), "target_value": 5, "is_active": True, "updated_at": utc("2024-03-21T00:00")},
    ]
    assert columns(goal_rows(goal(target_value=5), versions), "target_value", "status") == [
        (121, "missed"),
        (50, "achieved"),
        (10, "achieved"),
    ]


def test_an_inactive_goal_ends_with_the_period_in_which_it_became_inactive() -> None:
    def version(text: str, *, is_active: bool) -> dict[str, Any]:
        return {"goal_id": key(99), "target_value": 100, "is_active": is_active, "updated_at": utc(text)}

    paused = [
        version("2024-03-01T00:00", is_active=True),
        version("2024-03-05T00:00", is_active=False),
        version("2024-03-06T00:00", is_active=True),
        version("2024-03-12T00:00", is_active=False),
        version("2024-03-19T00:00", is_active=False),
    ]
    first, second, third = date(2024, 3, 4), date(2024, 3, 11), date(2024, 3, 18)
    inactive = goal(is_active=False)
    assert [row["period_start"] for row in goal_rows(inactive, paused)] == [first, second]
    assert [row["period_start"] for row in goal_rows(inactive, paused[:2])] == [first]
    assert [row["period_start"] for row in goal_rows(goal(), paused[:3])] == [first, second, third]
    # Known from its first sight on as inactive since 1 March, before its first period.
    assert goal_rows(inactive) == []
    # It became inactive in the open period, which has no row until it has ended.
    late = [paused[0], version("2024-03-18T00:00", is_active=False)]
    assert [row["period_start"] for row in goal_rows(inactive, late)] == [first, second]


def test_goals_with_awkward_dates() -> None:
    assert goal_rows(goal(end_date=date(2024, 3, 5))) == []
    assert goal_rows(goal(start_date=date(2024, 3, 25))) == []
    assert len(goal_rows(goal(end_date="infinity"))) == 3
    ancient = goal_rows(goal(start_date="-infinity", time_period="monthly"))
    assert (ancient[0]["period_start"], len(ancient)) == (date(2000, 1, 1), 24 * 12 + 3)


# ── workflows ───────────────────────────────────────────────────────────────────────────────────────────────


def workflow(workflow_id: str = FLOW, window: int | None = None, **values: Any) -> dict[str, Any]:
    return {
        "workflow_id": workflow_id,
        "name": "flow",
        "status": "active",
        "conversion_window_seconds": window,
        "deleted_at": None,
        **values,
    }


def step(position: int, step_type: str = "action", **values: Any) -> dict[str, Any]:
    return {
        "step_id": key(1000 + position),
        "workflow_id": FLOW,
        "position": position,
        "name": f"step {position}",
        "step_type": step_type,
        "action_type": None,
        "deleted_at": None,
        **values,
    }


def execution(number: int, enrolled_at: str, ended_at: str | None = None, **values: Any) -> dict[str, Any]:
    return {
        "execution_id": key(number),
        "workflow_id": FLOW,
        "contact_id": key(5000 + number),
        "status": "active" if ended_at is None else "completed",
        "enrolled_at": utc(enrolled_at),
        "ended_at": None if ended_at is None else utc_or_infinity(ended_at),
        "goal_reached_at": None,
        "current_step_id": None,
        **values,
    }


def event(number: int, event_type: str, position: int, occurred_at: str, of: int = 1, **values: Any) -> dict[str, Any]:
    return {
        "event_id": number,
        "execution_id": key(of),
        "workflow_id": FLOW,
        "step_id": key(1000 + position),
        "event_type": event_type,
        "occurred_at": utc(occurred_at),
        "duration_ms": None,
        **values,
    }


def workflows(
    executions: Rows, events: Rows | None = None, steps: Rows | None = None, flows: Rows | None = None
) -> Workflows:
    tables = {
        "workflows.workflows": flows or [workflow()],
        "workflows.workflow_steps": steps or [],
        "workflows.workflow_executions": executions,
        "workflows.workflow_events": events or [],
    }
    return Workflows(tables, AS_OF)


def test_an_execution_is_active_until_the_day_before_it_ends() -> None:
    found = workflows(
        [
            execution(1, "2024-03-01T10:00", "2024-03-03T00:00"),
            # Ends after the last day that there is: active through it.
            execution(2, "2024-03-20T10:00", "2024-04-01T00:00"),
            # Ends in the day in which it began: never active.
            execution(3, "2024-03-10T10:00", "2024-03-10T11:00"),
        ]
    )
    assert columns(found.workflow_analytics(), "date", "enrolled_count", "completed_count", "active_count") == [
        (date(2024, 3, 1), 1, 0, 1),
        (date(2024, 3, 2), 0, 0, 1),
        (date(2024, 3, 3), 0, 1, 0),
        (date(2024, 3, 10), 1, 1, 0),
        (date(2024, 3, 20), 1, 0, 1),
        (date(2024, 3, 21), 0, 0, 1),
    ]
    # The week of the 18th ends with the last day that there is, and so does March.
    assert columns(found.workflow_analytics_weekly(), "week", "enrolled_count", "active_count") == [
        (date(2024, 2, 26), 1, 0),
        (date(2024, 3, 4), 1, 0),
        (date(2024, 3, 18), 1, 1),
    ]
    (month,) = found.workflow_analytics_monthly()
    assert (month["enrolled_count"], month["unique_contacts"], month["active_count"]) == (3, 3, 1)
    assert columns(found.workflow_analytics_hourly(), "hour", "enrolled_count", "completed_count")[:2] == [
        (utc("2024-03-01T10:00"), 1, 0),
        (utc("2024-03-03T00:00"), 0, 1),
    ]


def test_durations_of_a_day_are_those_of_executions_completed_in_it() -> None:
    found = workflows(
        [
            execution(1, "2024-03-01T10:00:00", "2024-03-02T10:00:00"),
            execution(2, "2024-03-02T09:00:00", "2024-03-02T09:00:00.000001"),
            execution(3, "2024-03-02T09:00:00", "2024-03-02T09:30:00", status="exited"),
        ]
    )
    _, row = found.workflow_analytics()
    assert row["avg_duration_seconds"] == 43_200.0000005
    assert row["p50_duration_seconds"] == 1e-6 + 0.5 * (86_400.0 - 1e-6)
    assert row["p95_duration_seconds"] == pytest.approx(82_080.00000005, rel=1e-15)
    assert [row["duration_seconds"] for row in found.workflow_executions()] == [86_400.0, 1e-6, 1800.0]


def test_an_execution_converts_by_its_goal_within_the_window() -> None:
    reached = [
        execution(1, "2024-03-01T10:00", goal_reached_at=utc("2024-03-01T11:00")),
        execution(2, "2024-03-01T10:00", goal_reached_at=utc("2024-03-01T11:00:00.000001")),
        execution(3, "2024-03-01T10:00", "2024-03-01T10:30"),
        execution(4, "2024-03-01T10:00", goal_reached_at="infinity"),
    ]

    def converted(flow: dict[str, Any], steps: Rows) -> list[bool]:
        rows = workflows(reached, steps=steps, flows=[flow]).workflow_executions()
        return [row["is_converted"] for row in rows]

    assert converted(workflow(window=3600), [step(1, "goal")]) == [True, False, False, False]
    assert converted(workflow(), [step(1, "goal")]) == [True, True, False, False]
    assert converted(workflow(window=1800), [step(1, "goal", deleted_at=AS_OF)]) == [
        False,
        False,
        True,
        False,
    ]
    assert converted(workflow(window=1799), []) == [False, False, False, False]
    analytics = workflows(reached, steps=[step(1, "goal")], flows=[workflow(window=3600)]).workflow_analytics()
    first = analytics[0]
    assert (first["goal_count"], first["cohort_converted_count"]) == (2, 1)
    assert first["conversion_rate"] == Decimal("0.2500")


def test_quarantine_of_executions_and_events() -> None:
    enrolled = "2024-03-01T10:00"
    found = workflows(
        [
            execution(1, enrolled),
            execution(2, enrolled, "2024-03-01T09:59:59"),
            execution(3, "2024-03-21T12:00:00"),
            execution(4, "2024-03-21T12:00:00.000001"),
            execution(5, enrolled, goal_reached_at="0016-01-01 00:00:00+00"),
            execution(6, enrolled, "-infinity", workflow_id=OTHER_FLOW),
            execution(7, enrolled, "-infinity"),
            execution(8, enrolled, "infinity"),
        ],
        [
            event(1, "step_entered", 1, enrolled),
            event(2, "step_entered", 1, enrolled, of=2),
            event(3, "step_jumped", 1, enrolled, of=77),
            event(4, "step_entered", 1, enrolled, of=77),
            event(5, "step_entered", 9, enrolled),
            event(6, "step_entered", 3, enrolled),
            event(7, "step_entered", 1, "1999-12-31T23:59:59.999999"),
            event(8, "step_entered", 1, "2024-03-21T12:00:00.000001"),
            event(9, "step_entered", 1, "1999-12-31T00:00", of=2),
            event(10, "step_jumped", 2, enrolled),
            event(11, "step_jumped", 1, enrolled, workflow_id=OTHER_FLOW),
            event(12, "step_entered", 1, enrolled, workflow_id=key(3)),
            event(13, "step_entered", 1, enrolled, of=6),
        ],
        [step(1), step(2, deleted_at=AS_OF), step(3, workflow_id=key(44))],
        [workflow(), workflow(OTHER_FLOW, deleted_at=AS_OF), workflow(key(44))],
    )
    assert [(entry[0].split("_")[-1], entry[1][-2:].lstrip("0"), entry[3]) for entry in found.quarantine] == [
        ("executions", "2", "execution_ends_before_start"),
        ("executions", "4", "in_the_future"),
        ("executions", "5", "before_earliest_date"),
        ("executions", "7", "execution_ends_before_start"),
        ("events", "3", "unknown_event_type"),
        ("events", "4", "orphan_event"),
        ("events", "5", "orphan_event"),
        ("events", "6", "orphan_event"),
        ("events", "7", "before_earliest_date"),
        ("events", "8", "in_the_future"),
        ("events", "9", "before_earliest_date"),
        ("events", "12", "orphan_event"),
        ("events", "13", "orphan_event"),
    ]
    assert [row["execution_id"] for row in found.workflow_executions()] == [key(1), key(3), key(8)]
    assert [found_event.event_id for found_event in found.events] == [1]


def funnel_row(events: Rows, *, ended: bool = False, window: int | None = None, steps: int = 3) -> list[str]:
    """One word per step: what the one execution did there."""
    found = workflows(
        [execution(1, "2024-03-01T10:00", "2024-03-02T10:00" if ended else None)],
        events,
        [step(position) for position in range(1, steps + 1)],
        [workflow(window=window)],
    )
    words = []
    for row in found.workflow_step_metrics():
        names = ("skipped", "completed", "failed", "dropped", "open")
        words.append(next((name for name in names if row[f"{name}_count"]), "-"))
        assert row["entered_count"] == sum(row[f"{name}_count"] for name in names[1:])
    return words


def test_a_step_is_entered_after_the_entry_of_the_nearest_earlier_step_not_skipped() -> None:
    at = "2024-03-01T10:00"
    assert funnel_row(
        [
            event(1, "step_entered", 2, at),  # before the entry of step 1 by its id: ignored
            event(2, "step_entered", 1, at),
            event(3, "step_entered", 2, at),
            event(4, "step_completed", 2, at),
        ]
    ) == ["open", "completed", "-"]
    # Entered before enrolment counts where no earlier step was entered.
    assert funnel_row([event(1, "step_entered", 1, "2024-02-01T10:00")], ended=True) == ["dropped", "-", "-"]
    # A step neither entered nor skipped ends the funnel, also if later ones have events.
    assert funnel_row([event(1, "step_entered", 2, at)]) == ["-", "-", "-"]
    # The first entry counts; a completion before it does not; a failure does where there is no completion.
    assert funnel_row(
        [
            event(1, "step_completed", 1, at),
            event(2, "step_entered", 1, at),
            event(3, "step_failed", 1, at),
            event(4, "step_entered", 1, at),
        ]
    ) == ["failed", "-", "-"]
    assert funnel_row(
        [
            event(1, "step_entered", 1, at),
            event(2, "step_failed", 1, at),
            event(3, "step_completed", 1, at),
        ]
    ) == ["completed", "-", "-"]


def test_a_skipped_step_is_passed_over() -> None:
    at = "2024-03-01T10:00"
    skips = [
        event(1, "step_skipped", 2, at),
        event(2, "step_entered", 1, at),
        event(3, "step_skipped", 2, at),
    ]
    assert funnel_row([*skips, event(4, "step_entered", 3, at)]) == ["open", "skipped", "open"]
    # The skip must come after the entry of step 1, the entry of step 3 too.
    assert funnel_row([*skips[:2], event(4, "step_entered", 3, at)]) == ["open", "-", "-"]
    assert funnel_row(
        [
            event(1, "step_entered", 3, at),
            *(row | {"event_id": 10} for row in skips[1:2]),
            event(20, "step_skipped", 2, at),
        ]
    ) == ["open", "skipped", "-"]
    assert funnel_row([event(1, "step_skipped", 1, at), event(2, "step_entered", 2, at)]) == [
        "skipped",
        "open",
        "-",
    ]
    # Entered and skipped: entered.
    assert funnel_row([event(1, "step_entered", 1, at), event(2, "step_skipped", 1, at)]) == [
        "open",
        "-",
        "-",
    ]


def test_the_window_bounds_entries_only() -> None:
    late, later = "2024-03-01T11:00:00", "2024-03-01T11:00:00.000001"
    events = [
        event(1, "step_entered", 1, late),
        event(2, "step_entered", 2, later),
        event(3, "step_completed", 1, later),
    ]
    assert funnel_row(events, window=3600) == ["completed", "-", "-"]
    assert funnel_row([*events, event(4, "step_skipped", 2, later)], window=3600) == [
        "completed",
        "skipped",
        "-",
    ]


def test_funnel_ratios_maturity_and_times() -> None:
    at = "2024-03-01T10:00"
    found = workflows(
        [
            execution(1, at, "2024-03-02T10:00"),
            execution(2, at, contact_id=key(5001)),
            execution(3, "2024-03-03T10:00", "2024-03-04T10:00", contact_id=key(5001)),
        ],
        [
            event(1, "step_entered", 1, at),
            event(2, "step_completed", 1, "2024-03-01T10:00:10"),
            event(3, "step_entered", 3, "2024-03-01T10:00:10"),
            event(4, "step_entered", 1, at, of=2),
            event(5, "step_completed", 1, "2024-03-01T10:00:20", of=2),
            event(6, "step_skipped", 3, "2024-03-01T10:00:20", of=2),
        ],
        [step(1), step(2, deleted_at=AS_OF), step(3)],
    )
    rows = found.workflow_step_metrics()
    assert columns(rows, "date", "step_position", "enrolled_count", "entered_count", "skipped_count") == [
        (date(2024, 3, 1), 1, 2, 2, 0),
        (date(2024, 3, 1), 3, 2, 1, 1),
        (date(2024, 3, 3), 1, 1, 0, 0),
        (date(2024, 3, 3), 3, 1, 0, 0),
    ]
    ratios = columns(rows, "conversion_from_start", "conversion_from_previous", "is_mature")
    assert ratios[:2] == [
        (Decimal("1.0000"), Decimal("1.0000"), False),
        (Decimal("0.5000"), Decimal("0.5000"), False),
    ]
    assert ratios[2:] == [(Decimal("0.0000"), Decimal("0.0000"), True), (Decimal("0.0000"), None, True)]
    assert columns(rows, "avg_seconds_in_step", "p50_seconds_in_step", "p95_seconds_in_step")[0] == (
        15.0,
        15.0,
        19.5,
    )
    month = found.workflow_step_metrics_monthly()
    assert columns(month, "month", "enrolled_count", "entered_count", "unique_contacts", "is_mature") == [
        (date(2024, 3, 1), 3, 2, 1, False),
        (date(2024, 3, 1), 3, 1, 1, False),
    ]
    assert month[0]["conversion_from_start"] == Decimal("0.6667")
    assert len(found.workflow_step_metrics_weekly()) == 2


def test_action_metrics_count_events_by_their_own_day() -> None:
    found = workflows(
        [execution(1, "2024-03-01T10:00")],
        [
            event(1, "action_started", 1, "2024-03-01T10:00"),
            event(2, "action_succeeded", 1, "2024-03-01T10:00", duration_ms=100),
            event(3, "action_failed", 1, "2024-03-01T10:00", duration_ms=201),
            event(4, "action_succeeded", 1, "2024-03-01T10:00"),
            event(5, "message_opened", 1, "2024-03-02T10:00", duration_ms=7),
            event(6, "step_entered", 1, "2024-03-03T10:00"),
        ],
        [step(1, action_type="email")],
    )
    first, second = found.workflow_action_metrics()
    assert first == {
        "workflow_id": FLOW,
        "step_id": key(1001),
        "action_type": "email",
        "date": date(2024, 3, 1),
        "attempted_count": 1,
        "succeeded_count": 2,
        "failed_count": 1,
        "delivered_count": 0,
        "opened_count": 0,
        "clicked_count": 0,
        "success_rate": Decimal("0.6667"),
        "avg_duration_ms": 150.5,
        "p50_duration_ms": 150.5,
        "p95_duration_ms": 100.0 + 0.95 * 101.0,
    }
    assert (second["opened_count"], second["success_rate"], second["avg_duration_ms"]) == (1, None, None)


# ── services ────────────────────────────────────────────────────────────────────────────────────────────────


def metric(number: int, value: float, recorded_at: str, **values: Any) -> dict[str, Any]:
    return {
        "metric_id": number,
        "service_name": "crm",
        "metric_type": "donation",
        "segment": None,
        "value": value,
        "unit": "EUR",
        "recorded_at": utc_or_infinity(recorded_at),
        **values,
    }


def kpi_goal(**values: Any) -> dict[str, Any]:
    return {
        "goal_id": key(7),
        "name": "goal",
        "description": None,
        "service_name": None,
        "metric_type": "donation",
        "target_value": 100.0,
        "unit": "",
        "start_date": date(2024, 3, 1),
        "end_date": date(2024, 3, 4),
        "status": "achieved",
        "alert_threshold": 50.0,
        "created_by": key(8),
        **values,
    }


def services(metrics: Rows, goals: Rows | None = None) -> Services:
    return Services({"services.metrics": metrics, "services.kpi_goals": goals or []}, AS_OF)


def test_daily_values_are_summed_exactly_by_series() -> None:
    found = services(
        [
            metric(1, 0.1, "2024-03-01T00:00"),
            metric(2, 0.2, "2024-03-01T23:59:59.999999", segment=""),
            metric(3, -0.0, "2024-03-01T10:00"),
            metric(5, 7.0, "2024-03-01T23:59:59.999999"),
            metric(4, 8.0, "2024-03-01T23:59:59.999999"),
            metric(6, 1.0, "2024-03-01T10:00", unit="USD"),
            metric(7, 1.5e-12, "2024-03-02T00:00", unit=None),
            metric(8, -1.5e-12, "2024-03-03T00:00", unit=""),
            metric(9, 1.2345678901234567e19, "2024-03-04T00:00"),
        ]
    )
    rows = {(row["unit"], row["date"].day): row for row in found.kpi_daily()}
    first = rows["EUR", 1]
    assert (str(first["value_sum"]), first["value_count"]) == ("15.300000000000", 5)
    assert str(first["value_avg"]) == "3.060000"
    assert (math.copysign(1.0, first["value_min"]), first["value_max"], first["value_last"]) == (
        1.0,
        8.0,
        7.0,
    )
    assert rows["USD", 1]["value_count"] == 1
    assert f"{rows['', 2]['value_sum']:f}" == "0.000000000002"
    assert rows["", 3]["value_sum"] == Decimal("-0.000000000002")
    assert str(rows["EUR", 4]["value_sum"]) == "12345678901234567000.000000000000"
    months = {row["unit"]: row for row in found.kpi_monthly()}
    assert (months[""]["value_sum"], months[""]["value_count"]) == (Decimal("0.000000000000"), 2)
    assert (months["EUR"]["month"], months["EUR"]["value_count"]) == (date(2024, 3, 1), 6)


def test_quarantine_of_metrics_and_goals() -> None:
    found = services(
        [
            metric(1, math.nan, "1999-01-01T00:00"),
            metric(2, -math.inf, "2024-03-01T00:00"),
            metric(3, 1e20, "1999-01-01T00:00"),
            metric(4, 9.9e19, "1999-12-31T23:59:59"),
            metric(5, 1.0, "2024-03-21T12:00:00.000001"),
            metric(6, 1.0, "2024-03-21T12:00"),
            metric(7, 1.0, "infinity"),
        ],
        [kpi_goal(target_value=math.inf)],
    )
    assert [entry[3] for entry in found.quarantine] == [
        "value_not_finite",
        "value_not_finite",
        "value_out_of_range",
        "before_earliest_date",
        "in_the_future",
        "in_the_future",
        "value_not_finite",
    ]
    assert found.quarantine[-1] == ("services.kpi_goals", key(7), None, "value_not_finite")
    assert found.kpi_goal_snapshots() == []
    assert [row["date"] for row in found.kpi_daily()] == [date(2024, 3, 21)]


def test_a_goal_is_followed_day_by_day() -> None:
    # Cumulative 10, 30, 50, 110: the line through 10, 30, 50 is 20 x - 10, exactly.
    found = services(
        [
            metric(1, 10.0, "2024-03-01T10:00"),
            metric(2, 15.0, "2024-03-02T10:00", service_name="web", unit="USD", segment="a"),
            metric(3, 5.0, "2024-03-02T11:00"),
            metric(4, 20.0, "2024-03-03T10:00"),
            metric(5, 60.0, "2024-03-04T10:00"),
            metric(6, 99.0, "2024-03-03T10:00", metric_type="reach"),
        ],
        [kpi_goal()],
    )
    rows = found.kpi_goal_snapshots()
    assert columns(rows, "current_value", "progress_percentage", "expected_percentage", "on_track") == [
        (10, 10, 25, False),
        (30, 30, 50, False),
        (50, 50, 75, False),
        (110, 110, 100, True),
    ]
    assert columns(rows, "daily_required", "forecast_value", "projected_completion_date", "status", "alert") == [
        (30, None, None, "active", False),
        (35, 70.0, date(2024, 3, 6), "active", False),
        (50, 70.0, date(2024, 3, 6), "active", True),
        (None, pytest.approx(98.0), date(2024, 3, 4), "achieved", False),
    ]
    assert rows[2]["forecast_lower"] == rows[2]["forecast_upper"] == 70.0
    assert rows[1]["forecast_lower"] is None
    # n = 4: line 32 x - 30, residuals 8, -4, -16, 12, their squares 480, s = sqrt(240), t(0.975, 2) = 4.30...
    margin = 4.302652729749464 * math.sqrt(240 * (1 + 1 / 4 + 1.5**2 / 5))
    assert rows[3]["forecast_upper"] == pytest.approx(98.0 + margin, rel=1e-12)


def test_a_goals_status_and_narrower_sums() -> None:
    metrics = [metric(1, 10.0, "2024-03-01T10:00"), metric(2, -9.0, "2024-03-02T10:00", unit="USD")]
    achieved = services(metrics, [kpi_goal(target_value=10.0)]).kpi_goal_snapshots()
    assert [row["status"] for row in achieved] == ["achieved"] * 4
    assert [row["current_value"] for row in achieved] == [10, 1, 1, 1]
    failed = services(metrics, [kpi_goal(unit="USD", service_name="crm", status="active")]).kpi_goal_snapshots()
    assert [row["status"] for row in failed] == ["active"] * 3 + ["failed"]
    assert [row["current_value"] for row in failed] == [0, -9, -9, -9]
    cancelled = services(metrics, [kpi_goal(status="cancelled")]).kpi_goal_snapshots()
    assert {row["status"] for row in cancelled} == {"cancelled"}
    running = services(metrics, [kpi_goal(end_date=date(2024, 12, 31))]).kpi_goal_snapshots()
    assert running[-1]["date"] == date(2024, 3, 19)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(1, 12.706204736174698), (2, 4.302652729749464), (9, 2.262157162798205), (100, 1.983971518523552)],
)
def test_quantiles_of_students_t(degrees: int, expected: float) -> None:
    assert t_quantile_975(degrees) == pytest.approx(expected, rel=1e-12)


# ── dimensions, quarantine of all, files ────────────────────────────────────────────────────────────────────


def test_dimensions_flag_deleted_rows_and_hide_e_mail() -> None:
    tables = {
        "scheduling.users": [user(email="x@example.org"), user(OTHER_USER, "Mars/Olympus", deleted_at=AS_OF)],
        "workflows.workflow_steps": [step(1, deleted_at=AS_OF)],
        "services.kpi_goals": [kpi_goal()],
    }
    found = dimensions(tables)
    assert found["dim_user"] == [
        {"user_id": USER, "timezone": "UTC", "created_at": EPOCH, "is_deleted": False},
        {"user_id": OTHER_USER, "timezone": "Mars/Olympus", "created_at": EPOCH, "is_deleted": True},
    ]
    assert columns(found["dim_workflow_step"], "position", "is_deleted") == [(1, True)]
    assert found["dim_kpi_goal"][0]["is_deleted"] is False
    assert found["dim_goal"] == []


def test_files_are_read_with_the_types_of_the_source(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "scheduling.tasks.csv.gz", "wt", encoding="utf-8") as stream:
        stream.write(
            "task_id,user_id,category_id,title,status,scheduled_slots,completed_at,created_at,deleted_at\n"
            f'{key(1).upper()},{USER},,\\N,completed,"[{{""start"": 1.50}}]",infinity,2024-01-01T00:00Z,""\n'
        )
    (tmp_path / "services.metrics.csv").write_text(
        "metric_id,value,recorded_at\n7,NaN,0044-03-15 00:00:00+00 BC\n", encoding="utf-8"
    )
    tables = read_folder(tmp_path)
    (row,) = tables["scheduling.tasks"]
    assert (row["task_id"], row["category_id"], row["title"], row["deleted_at"]) == (
        key(1),
        None,
        "\\N",
        None,
    )
    assert row["scheduled_slots"] == [{"start": Decimal("1.50")}]
    assert row["completed_at"] == "infinity"
    assert row["created_at"] == utc("2024-01-01T00:00")
    (row,) = tables["services.metrics"]
    assert math.isnan(row["value"])
    assert (row["metric_id"], row["segment"], row["recorded_at"]) == (7, None, "0044-03-15 00:00:00+00 BC")
    assert quarantine({"services.metrics": tables["services.metrics"]}, AS_OF) == [
        ("services.metrics", "7", None, "value_not_finite")
    ]
