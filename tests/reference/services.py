"""The marts of the application `services` that are sums, and what it puts into quarantine.

Everything is counted from the source rows with the sentences of section 4; dates are UTC. Sums are exact:
whole numbers of 10**-12. Forecasts, anomalies and correlations do not belong here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Final

from . import days
from .values import (
    DAY,
    EARLIEST_DATE,
    PLUS_INFINITY,
    Entry,
    Row,
    SourceRow,
    Tables,
    day_ordinal,
    instant,
    round_units,
    rounded,
    rows_of,
    scaled,
    shortest_text,
    uid,
    utc_day,
)

PLACES: Final = 12
UNIT: Final = 10**PLACES
OUT_OF_RANGE: Final = 1e20
NAMES: Final = ("service_name", "metric_type", "segment", "unit")
LONGEST_NAMES: Final = 1200  # bytes of the four together
LAST_ORDINAL: Final = date.max.toordinal()

Series = tuple[str, str, str, str]
"""service_name, metric_type, segment, unit."""


@dataclass(frozen=True)
class Metric:
    """A metric that counts; `units` is its value in whole 10**-12."""

    series: Series
    recorded_at: int
    metric_id: int
    value: float
    units: int


class Services:
    """What is usable of the services tables at an as-of instant, and the marts that follow from it."""

    def __init__(self, tables: Tables, as_of: datetime, earliest_date: date = EARLIEST_DATE) -> None:
        self.tables = tables
        self.as_of = instant(as_of)
        self.earliest = days.earliest_instant(earliest_date)
        self.first_day = days.first_day(earliest_date)
        self.last_complete_day = days.last_day(as_of) - timedelta(days=2)
        self.quarantine: list[Entry] = []
        self.metrics = list(self._usable_metrics())
        self.goals = list(self._usable_goals())

    # ── what counts ─────────────────────────────────────────────────────────────────────────────────────

    def _usable_metrics(self) -> Iterator[Metric]:
        for row in rows_of(self.tables, "services.metrics"):
            value, recorded_at = row["value"], instant(row["recorded_at"])
            reason = None
            if not math.isfinite(value):
                reason = "value_not_finite"
            elif abs(value) >= OUT_OF_RANGE:
                reason = "value_out_of_range"
            elif recorded_at < self.earliest:
                # Reading: of a metric's instants recorded_at alone is used, so created_at is not examined.
                reason = "before_earliest_date"
            elif recorded_at > self.as_of + DAY:
                reason = "in_the_future"
            elif sum(len((row[name] or "").encode()) for name in NAMES) > LONGEST_NAMES:
                # Reading: names that no key can hold cannot be used either.
                reason = "name_too_long"
            if reason is not None:
                self.quarantine.append(("services.metrics", str(row["metric_id"]), None, reason))
                continue
            series = (row["service_name"], row["metric_type"], row["segment"] or "", row["unit"] or "")
            # Reading: minus zero is zero, or min, max and last would hang on the order of loading.
            value += 0.0
            units = round_units(shortest_text(value), PLACES)
            yield Metric(series, recorded_at, row["metric_id"], value, units)

    def _usable_goals(self) -> Iterator[SourceRow]:
        for row in rows_of(self.tables, "services.kpi_goals"):
            if math.isfinite(row["target_value"]):
                yield row
            else:
                self.quarantine.append(("services.kpi_goals", uid(row["goal_id"]), None, "value_not_finite"))

    # ── series ──────────────────────────────────────────────────────────────────────────────────────────

    def kpi_daily(self) -> list[Row]:
        """One row per series and day with a value."""
        return self._series_rows("date", lambda day: day)

    def kpi_monthly(self) -> list[Row]:
        """One row per series and month with a value."""
        # Reading: value_avg is the sum of the month by its count, not an average of the days' averages.
        return self._series_rows("month", lambda day: day.replace(day=1))

    def _series_rows(self, column: str, period: Callable[[date], date]) -> list[Row]:
        groups: dict[tuple[Series, date], list[Metric]] = defaultdict(list)
        for metric in self.metrics:
            groups[metric.series, period(date.fromordinal(utc_day(metric.recorded_at)))].append(metric)
        rows = []
        for (series, start), metrics in sorted(groups.items(), key=lambda item: item[0]):
            total = sum(metric.units for metric in metrics)
            values = [metric.value for metric in metrics]
            rows.append(
                {
                    **_named(series),
                    column: start,
                    "value_sum": scaled(total, PLACES),
                    "value_count": len(metrics),
                    "value_avg": rounded(Fraction(total, len(metrics) * UNIT), 6),
                    "value_min": min(values),
                    "value_max": max(values),
                    "value_last": max(metrics, key=lambda metric: (metric.recorded_at, metric.metric_id)).value,
                }
            )
        return rows

    # ── goals ───────────────────────────────────────────────────────────────────────────────────────────

    def kpi_goal_snapshots(self) -> list[Row]:
        """One row per goal and date from start_date to the earlier of end_date and the last complete day."""
        by_day: dict[tuple[str, str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for metric in self.metrics:
            service_name, metric_type, _, unit = metric.series
            by_day[service_name, metric_type, unit][utc_day(metric.recorded_at)] += metric.units
        rows: list[Row] = []
        for goal in self.goals:
            of_goal: dict[int, int] = defaultdict(int)
            for (service_name, metric_type, unit), sums in by_day.items():
                if (
                    metric_type == goal["metric_type"]
                    and goal["service_name"] in (None, service_name)
                    and goal["unit"] in (None, "", unit)
                ):
                    for day, units in sums.items():
                        of_goal[day] += units
            rows.extend(self._goal_rows(goal, of_goal))
        return sorted(rows, key=lambda row: (row["goal_id"], row["date"]))

    def _goal_rows(self, goal: SourceRow, sums: dict[int, int]) -> Iterator[Row]:
        """Rows of one goal, given the sum of each day (by ordinal, in units of 10**-12)."""
        start, end = day_ordinal(goal["start_date"]), day_ordinal(goal["end_date"])
        # Reading: infinite dates leave no length of the goal to measure by, so such a goal has no rows.
        if abs(start) >= PLUS_INFINITY or abs(end) >= PLUS_INFINITY:
            return
        target = shortest_text(goal["target_value"])
        length = end - start + 1
        threshold = goal["alert_threshold"]
        trend = Trend()
        cumulative = 0
        achieved_on: int | None = None
        has_alerted = False
        for ordinal in range(start, min(end, self.last_complete_day.toordinal()) + 1):
            cumulative += sums.get(ordinal, 0)
            trend.add(cumulative)
            current = Fraction(cumulative, UNIT)
            if achieved_on is None and current >= target:
                achieved_on = ordinal
            # Reading: "days exist never before earliest_date - 1" holds here too, though days of the goal are
            # numbered from its start_date.
            if ordinal < self.first_day.toordinal():
                continue
            progress = 100 * current / target
            expected = Fraction(100 * (ordinal - start + 1), length)
            # Reading: the alert compares the published column (2 decimals); on_track says "unrounded" itself.
            published = rounded(progress, 2)
            alert = threshold is not None and not has_alerted and _reaches(published, threshold)
            has_alerted = has_alerted or alert
            forecast, lower, upper = trend.prediction(length)
            yield {
                "goal_id": uid(goal["goal_id"]),
                "date": date.fromordinal(ordinal),
                "current_value": scaled(cumulative, PLACES),
                "target_value": goal["target_value"],
                "progress_percentage": published,
                "expected_percentage": rounded(expected, 2),
                "on_track": progress >= expected,
                # Reading: no type is given; it is an amount like current_value, so numeric with 12 decimals.
                "daily_required": (
                    None if ordinal == end else rounded(max(Fraction(0), target - current) / (end - ordinal), PLACES)
                ),
                "forecast_value": forecast,
                "forecast_lower": lower,
                "forecast_upper": upper,
                "projected_completion_date": _projected(trend, target, start, ordinal, achieved_on),
                "status": _status(goal["status"], achieved_on is not None, ordinal == end),
                "alert": alert,
            }

    # ── comparisons ─────────────────────────────────────────────────────────────────────────────────────

    def kpi_comparisons(self) -> list[Row]:
        """Services, segments and periods beside each other, from sums of complete days."""
        today = self.last_complete_day + timedelta(days=1)
        sums: dict[tuple[str, str, str, str, date, str], int] = defaultdict(int)
        for metric in self.metrics:
            service_name, metric_type, segment, unit = metric.series
            day = date.fromordinal(utc_day(metric.recorded_at))
            if day >= today:
                continue
            for granularity, start in _periods(day).items():
                # Reading: days are many and of interest for a while only.
                if granularity == "day" and day < today - timedelta(days=93):
                    continue
                for comparison, key in (("service", service_name), ("segment", segment), ("period", str(start))):
                    sums[comparison, metric_type, unit, granularity, start, key] += metric.units
        groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for (comparison, metric_type, unit, granularity, start, _), units in sums.items():
            groups[comparison, metric_type, unit, granularity, None if comparison == "period" else start].append(units)
        rows: list[Row] = []
        for (comparison, metric_type, unit, granularity, start, key), units in sums.items():
            group = groups[comparison, metric_type, unit, granularity, None if comparison == "period" else start]
            before = _periods(start - timedelta(days=1))[granularity]
            previous = sums.get(
                (comparison, metric_type, unit, granularity, before, str(before) if comparison == "period" else key)
            )
            mean = Fraction(sum(group), len(group))
            rows.append(
                {
                    "comparison": comparison,
                    "metric_type": metric_type,
                    "unit": unit,
                    "granularity": granularity,
                    "period": start,
                    "key": key,
                    "value": scaled(units, PLACES),
                    "previous_value": None if previous is None else scaled(previous, PLACES),
                    "change": None if previous is None else scaled(units - previous, PLACES),
                    "change_pct": (
                        None if not previous else rounded(Fraction(100 * (units - previous), abs(previous)), 2)
                    ),
                    "share": None if sum(group) == 0 else rounded(Fraction(units, sum(group)), 4),
                    "rank": 1 + sum(other > units for other in group),
                    "is_best": units == max(group),
                    "is_worst": units == min(group) < max(group),
                    "variance": (
                        None
                        if len(group) < 2
                        else float(sum((other - mean) ** 2 for other in group) / (len(group) - 1) / UNIT**2)
                    ),
                }
            )
        columns = ("comparison", "metric_type", "unit", "granularity", "period", "key")
        return sorted(rows, key=lambda row: [str(row[column]) for column in columns])

    def marts(self) -> dict[str, list[Row]]:
        """Every mart covered here but the dimensions."""
        return {
            "kpi_daily": self.kpi_daily(),
            "kpi_monthly": self.kpi_monthly(),
            "kpi_goal_snapshots": self.kpi_goal_snapshots(),
            "kpi_comparisons": self.kpi_comparisons(),
        }


class Trend:
    """Ordinary least squares of a cumulative value on the day number 1 ... n, in exact arithmetic.

    Values are whole numbers of 10**-12, so all sums are whole numbers too.
    """

    def __init__(self) -> None:
        self.n = 0
        self.sum_y = self.sum_xy = self.sum_yy = 0

    def add(self, units: int) -> None:
        """The cumulative value of the next day."""
        self.n += 1
        self.sum_y += units
        self.sum_xy += self.n * units
        self.sum_yy += units * units

    @property
    def sxx(self) -> Fraction:
        """Sum of squares of the day numbers about their mean."""
        return Fraction(self.n * (self.n * self.n - 1), 12)

    @property
    def slope(self) -> Fraction:
        """b, per day. Raises ZeroDivisionError below 2 points."""
        return (self.sum_xy - Fraction((self.n + 1) * self.sum_y, 2)) / self.sxx / UNIT

    @property
    def intercept(self) -> Fraction:
        """a, the line's value at day number 0."""
        return Fraction(self.sum_y, self.n * UNIT) - self.slope * Fraction(self.n + 1, 2)

    def prediction(self, x: int) -> tuple[float | None, float | None, float | None]:
        """The value at day number x, and the bounds of its 95 % prediction interval."""
        if self.n < 2:
            return None, None, None
        slope = self.slope
        value = self.intercept + slope * x
        if self.n < 3:
            return float(value), None, None
        syy = (self.sum_yy - Fraction(self.sum_y * self.sum_y, self.n)) / UNIT**2
        residual_variance = (syy - slope * slope * self.sxx) / (self.n - 2)
        leverage = 1 + Fraction(1, self.n) + (x - Fraction(self.n + 1, 2)) ** 2 / self.sxx
        margin = t_quantile_975(self.n - 2) * math.sqrt(residual_variance * leverage)
        return float(value), float(value) - margin, float(value) + margin


def _periods(day: date) -> dict[str, date]:
    """First days of the periods that a day is in."""
    return {
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "quarter": date(day.year, day.month - (day.month - 1) % 3, 1),
        "year": date(day.year, 1, 1),
    }


def _projected(trend: Trend, target: Fraction, start: int, ordinal: int, achieved_on: int | None) -> date | None:
    if achieved_on is not None:
        # Reading: from the day it was achieved on, also with one point, and also if the sum falls again.
        return date.fromordinal(achieved_on)
    if trend.n < 2:
        return None
    slope = trend.slope
    if slope <= 0:
        return None
    projected = max(ordinal + 1, start + math.ceil((target - trend.intercept) / slope) - 1)
    return date.fromordinal(projected) if projected <= LAST_ORDINAL else None


def _status(source_status: str, is_achieved: bool, is_last_day: bool) -> str:
    if source_status == "cancelled":
        return "cancelled"
    if is_achieved:
        return "achieved"
    return "failed" if is_last_day else "active"


def _reaches(progress: Decimal, threshold: float) -> bool:
    if math.isnan(threshold):
        return False
    return progress >= Decimal(repr(threshold))


def _named(series: Series) -> Row:
    return dict(zip(("service_name", "metric_type", "segment", "unit"), series, strict=True))


# ── Student's t ─────────────────────────────────────────────────────────────────────────────────────────────


def t_tail(t: float, degrees: int) -> float:
    """P(T > t) for t > 0, by the finite series for whole degrees of freedom.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    theta = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(theta), math.cos(theta)
    if degrees % 2:
        term, total = cosine, 0.0
        for k in range(1, degrees - 1, 2):
            total += term
            term *= cosine * cosine * (k + 1) / (k + 2)
        within = 2 / math.pi * (theta + sine * total)
    else:
        term, total = 1.0, 0.0
        for k in range(0, degrees - 1, 2):
            total += term
            term *= cosine * cosine * (k + 1) / (k + 2)
        within = sine * total
    return (1 - within) / 2


@cache
def t_quantile_975(degrees: int) -> float:
    """The value that T with these degrees of freedom stays below with probability 0.975, by bisection."""
    below, above = 1.0, 20.0
    for _ in range(80):
        middle = (below + above) / 2
        if t_tail(middle, degrees) > 0.025:
            below = middle
        else:
            above = middle
    return (below + above) / 2
