"""Hand-made series and KPI goals, with what the marts must say of them, and the services' planted defects.

Sums, progress and dates in `facts` were worked out on paper from the contract.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from warehouse.demo import scheduling
from warehouse.demo.facts import Entry, Fact, Planted, Value, witness_id
from warehouse.demo.period import Size, day_text
from warehouse.demo.randomness import uuid_of
from warehouse.demo.sequencing import Extra
from warehouse.demo.text import Cell, Row

_HOURS = ("partners_crm", "volunteer_hours")
_GRANT = ("partners_crm", "grant")
_DRIFT = ("projects", "clock_drift")

_SERIES: tuple[tuple[tuple[str, str], Cell, str, Cell, str, str], ...] = (
    (_HOURS, None, "0.1", "h", "2026-04-01T08:00:00Z", "2026-04-01T08:00:01Z"),
    (_HOURS, "", "0.2", "h", "2026-04-01T17:00:00Z", "2026-04-01T17:00:01Z"),
    (_HOURS, None, "4.7", "h", "2026-04-02T12:00:00Z", "2026-05-20T06:00:00Z"),  # seven weeks late
    (_HOURS, None, "5", "h", "2026-04-03T23:59:59.999999Z", "2026-04-04T00:00:01Z"),
    (_HOURS, None, "2.5", "h", "2026-04-04T00:00:00Z", "2026-04-04T00:00:02Z"),
    (_HOURS, None, "-0.5", "h", "2026-04-04T00:00:00Z", "2026-04-04T00:00:03Z"),  # same instant, later id
    (_HOURS, None, "-3", "h", "2026-04-05T10:00:00Z", "2026-04-05T10:00:01Z"),
    (_GRANT, "Riverside Trust", "1000.1", "EUR", "2026-05-05T09:00:00Z", "2026-05-05T09:00:01Z"),
    (_GRANT, "Riverside Trust", "2000.2", "EUR", "2026-05-05T11:00:00Z", "2026-05-05T11:00:01Z"),
    (_GRANT, "Riverside Trust", "500", "USD", "2026-05-05T12:00:00Z", "2026-05-05T12:00:01Z"),
    (_DRIFT, None, "5e-13", "s", "2026-04-06T00:00:00Z", "2026-04-06T00:00:01Z"),
    (_DRIFT, None, "4e-13", "s", "2026-04-06T01:00:00Z", "2026-04-06T01:00:01Z"),
    (_DRIFT, None, "-5e-13", "s", "2026-04-07T00:00:00Z", "2026-04-07T00:00:01Z"),
    (_DRIFT, "probe", "9.9e+19", "s", "2026-04-08T00:00:00Z", "2026-04-08T00:00:01Z"),  # large, in range
    (_DRIFT, None, "1.5", None, "2026-07-02T00:00:00Z", "2026-06-30T23:59:00Z"),  # a day ahead, not more
    (_DRIFT, None, "2.25", "", "2026-07-02T00:00:00Z", "2026-06-30T23:59:30Z"),
)
"""Service and type, segment, value, unit, recorded_at, created_at."""

NOT_FINITE, OUT_OF_RANGE = "value_not_finite", "value_out_of_range"

_DIRT: tuple[tuple[str, tuple[str, str], Cell, str, Cell, str], ...] = (
    (NOT_FINITE, _HOURS, None, "NaN", "h", "2026-04-02T13:00:00Z"),
    (NOT_FINITE, ("projects", "activity"), "Apollo", "Infinity", None, "@T11:00:00Z"),
    (NOT_FINITE, ("projects", "activity"), "Apollo", "-Infinity", None, "1970-01-01T00:00:00Z"),
    (OUT_OF_RANGE, ("partners_crm", "donation"), "Atlas", "1e+20", "EUR", "@T11:00:00Z"),
    (OUT_OF_RANGE, ("partners_crm", "donation"), "Atlas", "-1e+20", "EUR", "@T11:00:00Z"),
    (OUT_OF_RANGE, ("partners_crm", "revenue"), None, "1.7976931348623157e+308", "EUR", "infinity"),
    ("before_earliest_date", ("social_media", "reach"), None, "900", "people", "1970-01-01T00:00:00Z"),
    ("before_earliest_date", ("social_media", "reach"), None, "900", "people", "1999-12-31T23:59:59.999999Z"),
    ("before_earliest_date", ("notifications", "cost"), None, "12.5", "USD", "-infinity"),
    ("in_the_future", ("notifications", "cost"), None, "12.5", "USD", "2026-07-02T00:00:00.000001Z"),
    ("in_the_future", ("projects", "cost"), "Bridge", "99", "EUR", "2036-04-01T00:00:00Z"),
    ("in_the_future", ("projects", "cost"), "Bridge", "99", "EUR", "infinity"),
)
"""Reason, service and type, segment, value, unit, recorded_at; `@` is the date."""


class _Goal(NamedTuple):
    name: str
    service: Cell
    type: str
    target: str
    unit: Cell
    start: str
    end: str
    status: str
    alert: Cell


_GOALS = (
    _Goal("Volunteer hours", "partners_crm", "volunteer_hours", "10", "h", "2026-04-01", "2026-04-10",
          "failed", "50"),
    _Goal("Grants of all kinds", None, "grant", "3500.3", None, "2026-05-05", "2026-05-05", "active", None),
    _Goal("Grants in euros", "partners_crm", "grant", "6000.6", "EUR", "2026-05-05", "2026-05-06",
          "active", "50"),
    _Goal("Grants, given up", None, "grant", "100", "", "2026-05-04", "2026-05-06", "cancelled", None),
)  # fmt: skip

_WRITTEN = "2026-03-25T09:00:00Z"


def goal_id(name: str) -> str:
    """The key of a hand-made KPI goal."""
    return witness_id("kpi goal", name)


def _goal_row(key: str, goal: _Goal) -> Row:
    name, *columns = goal
    return (key, name, None, *columns, uuid_of(scheduling.USER, 0), _WRITTEN, _WRITTEN)


def goals() -> Iterator[Planted]:
    """Rows of services.kpi_goals, the last two with a target that is no number."""
    for goal in _GOALS:
        yield Planted(_goal_row(goal_id(goal.name), goal))
    for target in ("NaN", "Infinity"):
        goal = _Goal(
            "Spreadsheet import",
            "projects",
            "activity",
            target,
            None,
            "2026-04-01",
            "2026-06-30",
            "active",
            "80",
        )
        yield Planted(_goal_row(goal_id(target), goal), ((None, NOT_FINITE),))


def _milliseconds(instant: str) -> int:
    return int(np.datetime64(instant.removesuffix("Z"), "ms").astype(np.int64))


def metrics(size: Size) -> Iterator[tuple[Extra, str | None]]:
    """Rows of services.metrics without ids, each with the reason for which it is left out, if any."""
    for (service, kind), segment, value, unit, recorded, created in _SERIES:
        yield (_milliseconds(created), (service, kind, segment, value, unit, recorded, created)), None
    for copy in range(size.dirt):
        for variant, (reason, (service, kind), segment, value, unit, recorded) in enumerate(_DIRT):
            date = day_text(10 + (variant * 9 + copy * 7) % 105)
            created = f"{date}T11:00:02Z"
            row = (service, kind, segment, value, unit, recorded.replace("@", date), created)
            yield (_milliseconds(created), row), reason


ENTRIES = tuple(Entry("services.kpi_goals", goal_id(target), None, NOT_FINITE) for target in ("NaN", "Infinity"))


def _kpi(
    of: tuple[str, str], date: str, total: str, count: int, unit: str = "h", segment: str = "", **more: Value
) -> Fact:
    key = {"service_name": of[0], "metric_type": of[1], "segment": segment, "unit": unit, "date": date}
    values: dict[str, Value] = {"value_sum": Decimal(total), "value_count": count}
    return Fact("kpi_daily", key, values | more, "exact daily sums")


def _progress(name: str, date: str, **values: Value) -> Fact:
    return Fact("kpi_goal_snapshots", {"goal_id": goal_id(name), "date": date}, values, f"KPI goal: {name}")


def _sums() -> Iterator[Fact]:
    yield _kpi(
        _HOURS,
        "2026-04-01",
        "0.3",
        2,
        value_avg=Decimal("0.15"),
        value_min=0.1,
        value_max=0.2,
        value_last=0.2,
    )
    yield _kpi(_HOURS, "2026-04-02", "4.7", 1, value_last=4.7)
    yield _kpi(_HOURS, "2026-04-03", "5", 1)
    yield _kpi(_HOURS, "2026-04-04", "2", 2, value_min=-0.5, value_max=2.5, value_last=-0.5)
    yield _kpi(_HOURS, "2026-04-05", "-3", 1)
    riverside = "Riverside Trust"
    yield _kpi(_GRANT, "2026-05-05", "3000.3", 2, "EUR", riverside, value_avg=Decimal("1500.15"), value_last=2000.2)
    yield _kpi(_GRANT, "2026-05-05", "500", 1, "USD", riverside)
    yield _kpi(_DRIFT, "2026-04-06", "0.000000000001", 2, "s")
    yield _kpi(_DRIFT, "2026-04-07", "-0.000000000001", 1, "s")
    yield _kpi(_DRIFT, "2026-04-08", "99000000000000000000", 1, "s", "probe", value_last=9.9e19)
    yield _kpi(_DRIFT, "2026-07-02", "3.75", 2, "", value_last=2.25)
    key = {
        "service_name": _HOURS[0],
        "metric_type": _HOURS[1],
        "segment": "",
        "unit": "h",
        "month": "2026-04-01",
    }
    month: dict[str, Value] = {
        "value_sum": Decimal(9),
        "value_count": 7,
        "value_min": -3.0,
        "value_last": -3.0,
    }
    yield Fact("kpi_monthly", key, month, "sums of the days")


def facts() -> Iterator[Fact]:
    """What the marts say of the hand-made series and goals."""
    yield from _sums()
    name, hundred = "Volunteer hours", Decimal("100.00")
    yield _progress(
        name,
        "2026-04-01",
        current_value=Decimal("0.3"),
        progress_percentage=Decimal("3.00"),
        status="active",
        expected_percentage=Decimal("10.00"),
        on_track=False,
        alert=False,
        forecast_value=None,
        projected_completion_date=None,
    )
    yield _progress(
        name,
        "2026-04-02",
        current_value=Decimal(5),
        progress_percentage=Decimal("50.00"),
        status="active",
        expected_percentage=Decimal("20.00"),
        on_track=True,
        alert=True,
        forecast_lower=None,
    )
    yield _progress(
        name,
        "2026-04-03",
        current_value=Decimal(10),
        progress_percentage=hundred,
        status="achieved",
        alert=False,
        projected_completion_date="2026-04-03",
    )
    yield _progress(
        name,
        "2026-04-05",
        current_value=Decimal(9),
        progress_percentage=Decimal("90.00"),
        status="achieved",
        on_track=True,
    )
    yield _progress(
        name,
        "2026-04-10",
        current_value=Decimal(9),
        expected_percentage=hundred,
        daily_required=None,
        status="achieved",
        on_track=False,
    )
    yield _progress(name, "2026-04-11")._replace(values=None)
    yield _progress(
        "Grants of all kinds",
        "2026-05-05",
        current_value=Decimal("3500.3"),
        progress_percentage=hundred,
        status="achieved",
        on_track=True,
    )
    yield _progress(
        "Grants in euros",
        "2026-05-05",
        current_value=Decimal("3000.3"),
        status="active",
        on_track=True,
        progress_percentage=Decimal("50.00"),
        expected_percentage=Decimal("50.00"),
        alert=True,
    )
    yield _progress(
        "Grants in euros",
        "2026-05-06",
        current_value=Decimal("3000.3"),
        status="failed",
        on_track=False,
        alert=False,
    )
    yield _progress("Grants, given up", "2026-05-05", current_value=Decimal("3500.3"), status="cancelled")
    for target in ("NaN", "Infinity"):
        yield Fact("kpi_goal_snapshots", {"goal_id": goal_id(target)}, None, "a target that is no number")
