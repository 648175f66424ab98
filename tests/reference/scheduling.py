"""The marts of the application `scheduling`, and what it puts into quarantine.

Everything is counted from the source rows with the sentences of section 2; one `Scheduling` object holds what
is usable of one set of tables, each mart is a method.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from . import days
from .slots import Slot, intersection, total_minutes, union, usable_slots
from .values import (
    EARLIEST_DATE,
    MINUS_INFINITY,
    NIL_UUID,
    PLUS_INFINITY,
    Entry,
    Row,
    SourceRow,
    Tables,
    day_ordinal,
    instant,
    minutes,
    optional_instant,
    optional_uid,
    ratio,
    round_quotient,
    rows_of,
    scaled,
    surrogate_key,
    uid,
)

WINDOWS: Final = (7, 30, 90)
MEASURES: Final = (
    "total_scheduled_minutes",
    "completed_tasks_count",
    "scheduled_tasks_count",
    "completed_scheduled_tasks_count",
    "focus_minutes",
    "focus_capacity_minutes",
)


@dataclass
class Task:
    """A task that counts: not deleted, nor its user; `category_id` is the nil uuid where it has none."""

    user_id: str
    category_id: str
    completed_at: int | None
    slots: list[Slot]


@dataclass
class Cell:
    """The measures of one user, local day and category."""

    scheduled_minutes: int = 0
    completed_tasks_count: int = 0
    scheduled_tasks_count: int = 0
    completed_scheduled_tasks_count: int = 0


@dataclass
class Day:
    """The measures of one user and local day."""

    cells: dict[str, Cell] = field(default_factory=lambda: defaultdict(Cell))
    focus_minutes: int = 0
    focus_capacity_minutes: int = 0


@dataclass
class Version:
    """One version of a goal that the warehouse has seen, valid from an instant."""

    valid_from: int
    target_value: int
    is_active: bool


class Scheduling:
    """What is usable of the scheduling tables at an as-of instant, and the marts that follow from it."""

    def __init__(self, tables: Tables, as_of: datetime, earliest_date: date = EARLIEST_DATE) -> None:
        self.tables = tables
        self.as_of = instant(as_of)
        self.earliest_date = earliest_date
        self.earliest = days.earliest_instant(earliest_date)
        self.first_day = days.first_day(earliest_date)
        self.last_day = days.last_day(as_of)
        self.quarantine: list[Entry] = []
        self.zones = self._live_users()
        self.category_names = {uid(row["category_id"]): row["name"] for row in rows_of(tables, "scheduling.categories")}
        self.tasks = list(self._live_tasks())
        self.focus = self._focus_slots()
        self._by_user: dict[str, dict[date, Day]] | None = None

    # ── what counts ─────────────────────────────────────────────────────────────────────────────────────

    def _live_users(self) -> dict[str, str]:
        """Time zone of each user that is not deleted; UTC where the zone is unknown."""
        zones = {}
        for row in rows_of(self.tables, "scheduling.users"):
            if row["deleted_at"] is not None:
                continue
            user_id, zone = uid(row["user_id"]), row["timezone"]
            if zone not in days.known_zones():
                self.quarantine.append(("scheduling.users", user_id, None, "unknown_timezone"))
                zone = "UTC"
            zones[user_id] = zone
        return zones

    def _category(self, value: Any) -> str:
        # Reading: a category that the source does not have (any more) is none: `on delete set null` counts.
        category_id = optional_uid(value)
        return category_id if category_id in self.category_names else NIL_UUID

    def _live_tasks(self) -> Iterator[Task]:
        for row in rows_of(self.tables, "scheduling.tasks"):
            user_id, task_id = uid(row["user_id"]), uid(row["task_id"])
            if row["deleted_at"] is not None or user_id not in self.zones:
                continue
            slots: list[Slot] = []
            row_reason = None
            if row["status"] != "cancelled":
                slots, left_out = usable_slots(row["scheduled_slots"], self.earliest)
                for position, reason in left_out:
                    if position is None:
                        row_reason = reason
                    else:
                        self.quarantine.append(("scheduling.tasks", task_id, position, reason))
            completed_at = optional_instant(row["completed_at"])
            if completed_at is not None and completed_at < self.earliest:
                completed_at = None
                # Reading: with slots that are no array as well the row has one entry, the first reason;
                # the completion is left out all the same, and the completion alone: the slots count.
                row_reason = row_reason or "before_earliest_date"
            if completed_at is not None and completed_at >= PLUS_INFINITY:
                completed_at = None  # "a completion at +infinity counts nowhere", so it is not usable either
            if row_reason is not None:
                self.quarantine.append(("scheduling.tasks", task_id, None, row_reason))
            yield Task(user_id, self._category(row["category_id"]), completed_at, slots)

    def _focus_slots(self) -> dict[str, list[Slot]]:
        focus: dict[str, list[Slot]] = defaultdict(list)
        for row in rows_of(self.tables, "scheduling.user_calendar_days"):
            user_id = uid(row["user_id"])
            if user_id not in self.zones:
                continue
            slots, left_out = usable_slots(row["focus_slots"], self.earliest)
            focus[user_id].extend(slots)
            key = uid(row["calendar_day_id"])
            self.quarantine.extend(
                ("scheduling.user_calendar_days", key, position, reason) for position, reason in left_out
            )
        return focus

    # ── days ────────────────────────────────────────────────────────────────────────────────────────────

    def _pieces(self, zone: str, slot: Slot) -> Iterator[tuple[date, int, int]]:
        """A slot cut at local midnights, days that do not exist (yet) left out."""
        start = max(slot.start, days.window(zone, self.first_day)[0])
        end = min(slot.end, days.window(zone, self.last_day)[1])
        yield from days.split(zone, start, end)

    def _day_exists(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day

    def by_user(self) -> dict[str, dict[date, Day]]:
        """Measures of every user and local day; days without any are absent."""
        if self._by_user is None:
            self._by_user = self._count_days()
        return self._by_user

    def _count_days(self) -> dict[str, dict[date, Day]]:
        by_user: dict[str, dict[date, Day]] = {user_id: defaultdict(Day) for user_id in self.zones}
        scheduled: dict[str, list[Slot]] = defaultdict(list)
        for task in self.tasks:
            zone, user_days = self.zones[task.user_id], by_user[task.user_id]
            scheduled[task.user_id].extend(task.slots)
            covered: dict[date, int] = defaultdict(int)
            for slot in task.slots:
                for day, start, end in self._pieces(zone, slot):
                    covered[day] += minutes(start, end)
            for day, count in covered.items():
                if count > 0:
                    cell = user_days[day].cells[task.category_id]
                    cell.scheduled_minutes += count
                    cell.scheduled_tasks_count += 1
                    cell.completed_scheduled_tasks_count += task.completed_at is not None
            # Completions far in the future may lie outside of the calendar that Python knows.
            if task.completed_at is not None and task.completed_at < days.window(zone, self.last_day)[1]:
                day = days.day_of(zone, task.completed_at)
                if self._day_exists(day):
                    user_days[day].cells[task.category_id].completed_tasks_count += 1
        for user_id, zone in self.zones.items():
            focus = union(self.focus.get(user_id, []))
            self._add_focus(by_user[user_id], zone, focus, "focus_capacity_minutes")
            both = intersection(union(scheduled[user_id]), focus)
            self._add_focus(by_user[user_id], zone, both, "focus_minutes")
        return {user_id: dict(user_days) for user_id, user_days in by_user.items() if user_days}

    def _add_focus(self, user_days: dict[date, Day], zone: str, intervals: list[Slot], measure: str) -> None:
        for interval in intervals:
            for day, start, end in self._pieces(zone, interval):
                count = total_minutes([Slot(start, end)])
                if count > 0:
                    setattr(user_days[day], measure, getattr(user_days[day], measure) + count)

    # ── marts ───────────────────────────────────────────────────────────────────────────────────────────

    def analytics_daily_metrics(self) -> list[Row]:
        """One row per user and local day with any measure that is not zero."""
        return [
            {
                "metrics_id": surrogate_key("analytics_daily_metrics", user_id, day),
                "user_id": user_id,
                "date": day,
                **_totals(measures),
            }
            for user_id, user_days in sorted(self.by_user().items())
            for day, measures in sorted(user_days.items())
        ]

    def category_daily_metrics(self) -> list[Row]:
        """One row per user, local day and category with any measure that is not zero."""
        return [
            {
                "user_id": user_id,
                "date": day,
                "category_id": category_id,
                "category_name": self._category_name(category_id),
                "scheduled_minutes": cell.scheduled_minutes,
                "completed_tasks_count": cell.completed_tasks_count,
                "scheduled_tasks_count": cell.scheduled_tasks_count,
                "completed_scheduled_tasks_count": cell.completed_scheduled_tasks_count,
            }
            for user_id, user_days in sorted(self.by_user().items())
            for day, measures in sorted(user_days.items())
            for category_id, cell in sorted(measures.cells.items())
        ]

    def _category_name(self, category_id: str) -> str:
        return "Uncategorized" if category_id == NIL_UUID else self.category_names[category_id]

    def analytics_monthly_metrics(self) -> list[Row]:
        """One row per user and month: the sums of the daily rows."""
        months: dict[tuple[str, date], list[Row]] = defaultdict(list)
        for row in self.analytics_daily_metrics():
            months[row["user_id"], row["date"].replace(day=1)].append(row)
        return [
            {"user_id": user_id, "month": month, **_sums(rows), "active_days": len(rows)}
            for (user_id, month), rows in sorted(months.items())
        ]

    def quick_stats(self) -> list[Row]:
        """One row per user with a daily row, and window of 7, 30 and 90 days."""
        daily: dict[str, dict[date, Row]] = defaultdict(dict)
        for row in self.analytics_daily_metrics():
            daily[row["user_id"]][row["date"]] = row
        stats = []
        for user_id, user_days in sorted(daily.items()):
            # Reading: literally the latest date whose window ends by the as-of instant, be it a skipped one.
            as_of_date = days.last_complete_day(self.zones[user_id], self.as_of)
            streak = self._streak(self.zones[user_id], user_days, as_of_date)
            for window_days in WINDOWS:
                dates = (as_of_date - timedelta(days=n) for n in range(window_days))
                sums = _sums([user_days[day] for day in dates if day in user_days])
                top_id, top_minutes = _top(sums.pop("category_minutes"))
                stats.append(
                    {
                        "user_id": user_id,
                        "as_of_date": as_of_date,
                        "window_days": window_days,
                        **sums,
                        "focus_time_utilization": ratio(sums["focus_minutes"], sums["focus_capacity_minutes"]),
                        "top_category_id": top_id,
                        "top_category_name": None if top_id is None else self._category_name(top_id),
                        "top_category_minutes": top_minutes,
                        "streak_days_completed": streak,
                    }
                )
        return stats

    def _streak(self, zone: str, user_days: dict[date, Row], as_of_date: date) -> int:
        streak, day = 0, as_of_date
        while day >= self.first_day:
            if not days.is_skipped(zone, day):
                if day not in user_days or user_days[day]["completed_tasks_count"] == 0:
                    break
                streak += 1
            day -= timedelta(days=1)
        return streak

    # ── goals ───────────────────────────────────────────────────────────────────────────────────────────

    def goal_progress_snapshots(self, goal_versions: Sequence[SourceRow] | None = None) -> list[Row]:
        """One row per goal and period.

        `goal_versions` are the versions that the warehouse has seen, in that order, each with goal_id,
        target_value, is_active and updated_at. A goal of which none is given has its current row alone.
        """
        histories: dict[str, list[Version]] = defaultdict(list)
        for row in goal_versions or ():
            _append_version(histories[uid(row["goal_id"])], row)
        snapshots: list[Row] = []
        for goal in rows_of(self.tables, "scheduling.goals"):
            goal_id, user_id = uid(goal["goal_id"]), uid(goal["user_id"])
            if goal["deleted_at"] is not None or user_id not in self.zones:
                continue
            if goal_id not in histories:
                _append_version(histories[goal_id], goal)
            snapshots.extend(self._goal_rows(goal, goal_id, user_id, histories[goal_id]))
        return sorted(snapshots, key=lambda row: (row["goal_id"], row["period_start"]))

    def _goal_rows(self, goal: SourceRow, goal_id: str, user_id: str, versions: list[Version]) -> Iterator[Row]:
        zone = self.zones[user_id]
        known = [version for version in versions if version.valid_from <= self.as_of] or versions[:1]
        became_inactive = _became_inactive(known)
        today = days.day_of(zone, self.as_of)
        for period_start, period_end in self._periods(goal, zone):
            starts_at, ends_at = days.window(zone, period_start)[0], days.window(zone, period_end)[1]
            ended = ends_at <= self.as_of
            # The last row of an inactive goal is the period in which it became inactive.
            if became_inactive is not None and (not ended or starts_at > became_inactive):
                continue
            # Reading: "before its end" is strictly before; "at or before the as-of instant" includes it.
            valid = [v for v in known if v.valid_from < ends_at] if ended else known
            target = (valid or versions)[-1 if valid else 0].target_value
            last = period_end if ended else min(period_end, today)
            achieved = self._achieved(goal, user_id, period_start, last)
            yield {
                "snapshot_id": surrogate_key("goal_progress_snapshots", goal_id, period_start, period_end),
                "user_id": user_id,
                "goal_id": goal_id,
                "period_start": period_start,
                "period_end": period_end,
                "achieved_value": achieved,
                "target_value": target,
                "percent_complete": scaled(min(99_999, round_quotient(100 * achieved, target, 2)), 2),
                "status": self._goal_status(zone, period_start, period_end, ended, achieved, target),
            }

    def _periods(self, goal: SourceRow, zone: str) -> Iterator[tuple[date, date]]:
        """Periods that overlap [start_date, end_date] and have begun, from that of earliest_date on."""
        # Reading: a day that the zone skipped is a period of a daily goal like any other ("all"):
        # it begins and ends at the same instant, with nothing achieved.
        start = day_ordinal(goal["start_date"])
        end = PLUS_INFINITY if goal["end_date"] is None else day_ordinal(goal["end_date"])
        if end < start or start >= PLUS_INFINITY or end <= MINUS_INFINITY:
            return
        first = max(start, self.earliest_date.toordinal())
        if first > date.max.toordinal():
            return
        period = goal["time_period"]
        period_start, period_end = _period_of(date.fromordinal(first), period)
        while period_start.toordinal() <= end and days.window(zone, period_start)[0] <= self.as_of:
            if period_end.toordinal() >= start:
                yield period_start, period_end
            period_start, period_end = _period_of(period_end + timedelta(days=1), period)

    def _achieved(self, goal: SourceRow, user_id: str, first: date, last: date) -> int:
        user_days = self.by_user().get(user_id, {})
        found = [
            user_days[day]
            for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
            if day in user_days
        ]
        category_id = self._category(goal["category_id"])
        of_category = [cell for day in found for key, cell in day.cells.items() if category_id in (NIL_UUID, key)]
        if goal["target_type"] == "task_count":
            return sum(cell.completed_tasks_count for cell in of_category)
        part = sum(cell.scheduled_minutes for cell in of_category)
        if goal["target_type"] == "minutes":
            return part
        scheduled = sum(cell.scheduled_minutes for day in found for cell in day.cells.values())
        if category_id == NIL_UUID:
            part = sum(day.focus_minutes for day in found)
        return 0 if scheduled == 0 else round_quotient(100 * part, scheduled, 0)

    def _goal_status(
        self, zone: str, period_start: date, period_end: date, ended: bool, achieved: int, target: int
    ) -> str:
        if ended:
            return "achieved" if achieved >= target else "missed"
        length = (period_end - period_start).days + 1
        complete = (days.last_complete_day(zone, self.as_of) - period_start).days + 1
        elapsed = max(0, complete)
        if achieved >= target:
            return "achieved"
        if achieved * length >= elapsed * target:
            return "on_track"
        return "at_risk" if 2 * achieved * length >= elapsed * target else "behind"

    # ── local days ──────────────────────────────────────────────────────────────────────────────────────

    def dim_local_day(self) -> list[Row]:
        """Local days of the zones in use, from the first day of any daily row through the last day.

        Reading: the contract asks for "every day of every fact", so this is the least that must be there;
        more days (periods of goals before the first daily row, a margin) are no defect.
        """
        dates = [day for user_days in self.by_user().values() for day in user_days]
        if not dates:
            return []
        return days.dim_local_day(set(self.zones.values()), min(dates), self.last_day)

    def marts(self, goal_versions: Sequence[SourceRow] | None = None) -> dict[str, list[Row]]:
        """Every mart of the application but the dimensions."""
        return {
            "dim_local_day": self.dim_local_day(),
            "analytics_daily_metrics": self.analytics_daily_metrics(),
            "category_daily_metrics": self.category_daily_metrics(),
            "analytics_monthly_metrics": self.analytics_monthly_metrics(),
            "quick_stats": self.quick_stats(),
            "goal_progress_snapshots": self.goal_progress_snapshots(goal_versions),
        }


def _totals(measures: Day) -> Row:
    cells = measures.cells.values()
    by_category = sorted(measures.cells.items())
    return {
        "total_scheduled_minutes": sum(cell.scheduled_minutes for cell in cells),
        "completed_tasks_count": sum(cell.completed_tasks_count for cell in cells),
        "scheduled_tasks_count": sum(cell.scheduled_tasks_count for cell in cells),
        "completed_scheduled_tasks_count": sum(cell.completed_scheduled_tasks_count for cell in cells),
        "focus_minutes": measures.focus_minutes,
        "focus_capacity_minutes": measures.focus_capacity_minutes,
        "category_minutes": {key: cell.scheduled_minutes for key, cell in by_category if cell.scheduled_minutes},
    }


def _sums(rows: list[Row]) -> Row:
    category_minutes: dict[str, int] = defaultdict(int)
    for row in rows:
        for category_id, count in row["category_minutes"].items():
            category_minutes[category_id] += count
    return {
        **{measure: sum(row[measure] for row in rows) for measure in MEASURES},
        "category_minutes": dict(sorted(category_minutes.items())),
    }


def _top(category_minutes: dict[str, int]) -> tuple[str | None, int | None]:
    """The category with most minutes, ties to the smaller id; null where there are none."""
    if not category_minutes:
        return None, None
    top_id = min(category_minutes, key=lambda category_id: (-category_minutes[category_id], category_id))
    return top_id, category_minutes[top_id]


def _append_version(versions: list[Version], row: SourceRow) -> None:
    """Valid from the later of its updated_at and the start of the version before it, in the order seen."""
    valid_from = instant(row["updated_at"])
    if versions:
        valid_from = max(valid_from, versions[-1].valid_from)
    versions.append(Version(valid_from, row["target_value"], row["is_active"]))


def _became_inactive(known: list[Version]) -> int | None:
    """When the version in effect (the last) became inactive: the first of its unbroken run; None: active."""
    since = None
    for version in reversed(known):
        if version.is_active:
            break
        since = version.valid_from
    return since


def _period_of(day: date, time_period: str) -> tuple[date, date]:
    """The day, Monday-Sunday week or calendar month that holds a date; both ends inclusive."""
    if time_period == "daily":
        return day, day
    if time_period == "weekly":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
