"""Ada, a hand-made user in UTC: each of her days holds one rule of the contract, its numbers are literals."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from warehouse.demo.facts import Entry, Fact, Value, witness_id
from warehouse.demo.scheduling_witnesses import TOUCHED, WRITTEN, Slots, slots_json
from warehouse.demo.text import Row

ADA = witness_id("user", "ada")
DEEP, TALKS, OLD = (witness_id("category", name) for name in ("deep work", "meetings", "old plans"))
NIL = "00000000-0000-0000-0000-000000000000"


class _Task(NamedTuple):
    title: str
    category: str | None
    slots: Slots = ()
    status: str = "scheduled"
    completed: str | None = None
    deleted: bool = False


def _hours(date: str, start: str, end: str) -> Slots:
    return ((f"{date}T{start}:00Z", f"{date}T{end}:00Z"),)


_TASKS = (
    _Task("One minute on the grid", DEEP, (("2026-04-10T10:00:30Z", "2026-04-10T10:01:29Z"),)),
    _Task("No minute on the grid", DEEP, (("2026-04-10T10:00:00Z", "2026-04-10T10:00:59Z"),)),
    _Task("Overlaps the next", DEEP, _hours("2026-04-13", "09:00", "11:00"), "completed",
          "2026-04-13T12:30:00Z"),
    _Task("Overlapped", TALKS, _hours("2026-04-13", "10:00", "12:00")),
    _Task("Bad slot between good ones", DEEP, (
        ("2026-04-14T09:00:00Z", "2026-04-14T09:30:00Z"), ("now", "2026-04-14T09:45:00Z"),
        ("2026-04-14T10:00:00Z", "2026-04-14T10:20:00Z"))),
    _Task("Cancelled", DEEP, _hours("2026-04-15", "09:00", "10:00"), "cancelled"),
    _Task("Deleted", DEEP, _hours("2026-04-15", "09:00", "10:00"), deleted=True),
    _Task("Without category", None, _hours("2026-04-15", "11:00", "11:30")),
    _Task("Of a deleted category", OLD, _hours("2026-04-15", "12:00", "12:45")),
    _Task("Done without a slot", TALKS, (), "completed", "2026-04-16T08:00:00Z"),
    _Task("Reopened after it was done", TALKS, (), "pending", "2026-04-16T23:59:59.999999Z"),
    _Task("Done for ever", DEEP, _hours("2026-04-17", "09:00", "09:30"), "completed", "infinity"),
    _Task("Done at the dawn of time", DEEP, _hours("2026-04-17", "10:00", "10:30"), "completed", "-infinity"),
    _Task("Rare but valid offsets", DEEP, (
        ("2026-04-20T10:19:32+00:19:32", "2026-04-20T14:30+0200"),
        ("2026-04-21T15:59:00+15:59", "2026-04-20T08:31:00.9999999-15:59"))),
    _Task("Ends at midnight", TALKS, (
        ("2026-04-22T23:00:00Z", "2026-04-22T23:59:00Z"),
        ("2026-04-22T23:59:00+00", "2026-04-23T00:00:00.000000Z"))),
    _Task("In a far future", None, (("9999-12-31T22:00:00Z", "9999-12-31T23:00:00Z"),)),
    _Task("Before the streak", DEEP, (), "completed", "2026-06-24T10:00:00Z"),
    _Task("Streak 1", DEEP, (), "completed", "2026-06-26T00:00:00Z"),
    _Task("Streak 2", DEEP, (), "completed", "2026-06-27T10:00:00Z"),
    _Task("Streak 3", DEEP, (), "completed", "2026-06-28T10:00:00Z"),
    _Task("Streak 4", DEEP, _hours("2026-06-29", "08:00", "10:00"), "completed", "2026-06-29T10:00:00Z"),
    _Task("Streak 5", DEEP, _hours("2026-06-30", "08:00", "10:00"), "completed", "2026-06-30T23:59:59Z"),
)  # fmt: skip

_FOCUS: tuple[tuple[str, Slots], ...] = (
    ("2026-04-12", _hours("2026-04-13", "08:30", "10:30") + _hours("2026-04-13", "10:00", "11:30")),
    ("2026-04-24", _hours("2026-04-24", "09:00", "10:00") * 2),
)
"""The first row's date is wrong on purpose: the slots' instants decide."""

_GOALS = (
    ("daily minutes", None, "minutes", 100, "daily", "2026-06-28", None),
    ("weekly deep work", DEEP, "minutes", 840, "weekly", "2026-06-29", None),
    ("seven tasks in June", None, "task_count", 7, "monthly", "2026-06-01", "2026-06-30"),
    ("all deep work", DEEP, "percentage", 50, "weekly", "2026-06-29", None),
    ("focus in April", None, "percentage", 23, "monthly", "2026-04-01", "2026-04-30"),
    ("ends before it starts", None, "minutes", 10, "daily", "2026-06-10", "2026-06-09"),
)


def user_row() -> Row:
    """Ada herself."""
    return (ADA, "ada@example.org", "UTC", WRITTEN, WRITTEN, None)


def category_rows() -> Iterator[Row]:
    """Her three categories, one of them deleted."""
    yield (DEEP, ADA, "Deep work", "#1f6feb", WRITTEN, None)
    yield (TALKS, ADA, "Meetings", None, WRITTEN, None)
    yield (OLD, ADA, "Old plans", "#6e7781", TOUCHED, TOUCHED)


def task_id(title: str) -> str:
    """The key of one of her tasks."""
    return witness_id("task", "ada", title)


def task_rows() -> Iterator[Row]:
    """Her tasks."""
    for task in _TASKS:
        yield (
            task_id(task.title),
            ADA,
            task.category,
            task.title,
            task.status,
            slots_json(task.slots),
            task.completed,
            WRITTEN,
            TOUCHED,
            TOUCHED if task.deleted else None,
        )


def calendar_day_rows() -> Iterator[Row]:
    """Her focus time."""
    for date, slots in _FOCUS:
        yield (witness_id("day", "ada", date), ADA, date, slots_json(slots), WRITTEN)


def goal_id(name: str) -> str:
    """The key of one of her goals."""
    return witness_id("goal", "ada", name)


def goal_rows() -> Iterator[Row]:
    """Her goals."""
    for name, category, kind, target, period, start, end in _GOALS:
        yield (
            goal_id(name),
            ADA,
            category,
            name.capitalize(),
            kind,
            str(target),
            period,
            start,
            end,
            "true",
            WRITTEN,
            WRITTEN,
            None,
        )


ENTRIES = (
    Entry("scheduling.tasks", task_id("Bad slot between good ones"), 1, "slot_malformed"),
    Entry("scheduling.tasks", task_id("Done at the dawn of time"), None, "before_earliest_date"),
)


def _day(
    date: str,
    why: str,
    minutes: int,
    tasks: int = 0,
    completed: int = 0,
    completed_scheduled: int = 0,
    focus: int = 0,
    capacity: int = 0,
    categories: dict[str, int] | None = None,
) -> Fact:
    values: dict[str, Value] = {
        "total_scheduled_minutes": minutes,
        "scheduled_tasks_count": tasks,
        "completed_tasks_count": completed,
        "completed_scheduled_tasks_count": completed_scheduled,
        "focus_minutes": focus,
        "focus_capacity_minutes": capacity,
        "category_minutes": categories or {},
    }
    return Fact("analytics_daily_metrics", {"user_id": ADA, "date": date}, values, why)


def _days() -> Iterator[Fact]:
    yield _day("2026-04-10", "minutes are counted on the grid", 1, 1, categories={DEEP: 1})
    yield _day(
        "2026-04-13",
        "overlaps count each, focus counts unions",
        240,
        2,
        1,
        1,
        150,
        180,
        {DEEP: 120, TALKS: 120},
    )
    yield _day("2026-04-14", "a bad slot leaves its neighbours", 50, 1, categories={DEEP: 50})
    yield _day(
        "2026-04-15",
        "cancelled and deleted tasks out, deleted categories in",
        75,
        2,
        categories={NIL: 30, OLD: 45},
    )
    yield _day("2026-04-16", "completions count whatever the status", 0, completed=2)
    yield _day("2026-04-17", "an infinite completion counts nowhere", 60, 2, categories={DEEP: 60})
    yield _day("2026-04-20", "offsets with seconds, offsets without a colon", 150, 1, categories={DEEP: 150})
    yield _day("2026-04-21", "offsets up to 15:59, fractions cut", 30, 1, categories={DEEP: 30})
    yield _day("2026-04-22", "half-open: nothing reaches the next day", 60, 1, categories={TALKS: 60})
    yield _day("2026-04-24", "focus time alone makes a day", 0, capacity=60)
    yield _day("2026-06-26", "the first instant of a day is in it", 0, completed=1)
    yield _day("2026-06-30", "the last day before the as-of instant", 120, 1, 1, 1, categories={DEEP: 120})
    for date in ("2026-04-11", "2026-04-12", "2026-04-23", "2026-06-25", "2026-07-01"):
        yield Fact("analytics_daily_metrics", {"user_id": ADA, "date": date}, None, "a day without anything")


def _quick(
    window: int,
    minutes: int,
    completed: int,
    scheduled: int,
    both: int,
    focus: int,
    capacity: int,
    utilization: Decimal | None,
    top: int,
) -> Fact:
    values: dict[str, Value] = {
        "as_of_date": "2026-06-30",
        "total_scheduled_minutes": minutes,
        "completed_tasks_count": completed,
        "scheduled_tasks_count": scheduled,
        "completed_scheduled_tasks_count": both,
        "focus_minutes": focus,
        "focus_capacity_minutes": capacity,
        "focus_time_utilization": utilization,
        "top_category_id": DEEP,
        "top_category_name": "Deep work",
        "top_category_minutes": top,
        "streak_days_completed": 5,
    }
    return Fact("quick_stats", {"user_id": ADA, "window_days": str(window)}, values, "quick stats")


def _goal(name: str, start: str, end: str, achieved: int, target: int, percent: str, status: str) -> Fact:
    key = {"goal_id": goal_id(name), "period_start": start}
    values: dict[str, Value] = {
        "period_end": end,
        "achieved_value": achieved,
        "target_value": target,
        "percent_complete": Decimal(percent),
        "status": status,
        "user_id": ADA,
    }
    return Fact("goal_progress_snapshots", key, values, f"goal: {name}")


def facts() -> Iterator[Fact]:
    """What the marts say of Ada."""
    yield from _days()
    category = "category_daily_metrics"
    yield Fact(
        category,
        {"user_id": ADA, "date": "2026-04-15", "category_id": NIL},
        {"category_name": "Uncategorized", "scheduled_minutes": 30},
        "tasks without category",
    )
    yield Fact(
        category,
        {"user_id": ADA, "date": "2026-04-15", "category_id": OLD},
        {"category_name": "Old plans", "scheduled_minutes": 45},
        "a deleted category keeps its name",
    )
    yield Fact(
        category,
        {"user_id": ADA, "date": "2026-04-16", "category_id": TALKS},
        {"scheduled_minutes": 0, "completed_tasks_count": 2},
        "completions by category",
    )
    yield Fact(category, {"user_id": ADA, "date": "2026-04-15", "category_id": DEEP}, None, "cancelled, deleted")
    april: dict[str, Value] = {
        "total_scheduled_minutes": 666,
        "completed_tasks_count": 3,
        "scheduled_tasks_count": 11,
        "completed_scheduled_tasks_count": 1,
        "focus_minutes": 150,
        "focus_capacity_minutes": 240,
        "active_days": 10,
        "category_minutes": {DEEP: 411, TALKS: 180, OLD: 45, NIL: 30},
    }
    yield Fact("analytics_monthly_metrics", {"user_id": ADA, "month": "2026-04-01"}, april, "sums of the days")
    yield _quick(7, 240, 6, 2, 2, 0, 0, None, 240)
    yield _quick(30, 240, 6, 2, 2, 0, 0, None, 240)
    yield _quick(90, 906, 9, 13, 3, 150, 240, Decimal("0.6250"), 651)
    yield _goal("daily minutes", "2026-06-28", "2026-06-28", 0, 100, "0.00", "missed")
    yield _goal("daily minutes", "2026-06-29", "2026-06-29", 120, 100, "120.00", "achieved")
    yield _goal("daily minutes", "2026-07-01", "2026-07-01", 0, 100, "0.00", "on_track")
    yield _goal("weekly deep work", "2026-06-29", "2026-07-05", 240, 840, "28.57", "on_track")
    yield _goal("seven tasks in June", "2026-06-01", "2026-06-30", 6, 7, "85.71", "missed")
    yield _goal("all deep work", "2026-06-29", "2026-07-05", 100, 50, "200.00", "achieved")
    yield _goal("focus in April", "2026-04-01", "2026-04-30", 23, 23, "100.00", "achieved")
    nothing = {"goal_id": goal_id("ends before it starts")}
    yield Fact("goal_progress_snapshots", nothing, None, "a goal that ends before it starts has no rows")
