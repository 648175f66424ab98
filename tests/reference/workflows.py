"""The marts of the application `workflows`, and what it puts into quarantine.

Everything is counted from the source rows with the sentences of section 3. Dates and hours are UTC.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final

from . import days
from .values import (
    DAY,
    EARLIEST_DATE,
    HOUR,
    NIL_UUID,
    PLUS_INFINITY,
    SECOND,
    Entry,
    Row,
    Tables,
    average_seconds,
    instant,
    optional_instant,
    optional_uid,
    percentile_cont,
    ratio,
    rows_of,
    seconds,
    to_datetime,
    uid,
    utc_day,
)

EVENT_TYPES: Final = frozenset(
    {
        "step_entered",
        "step_completed",
        "step_failed",
        "step_skipped",
        "action_started",
        "action_succeeded",
        "action_failed",
        "message_delivered",
        "message_opened",
        "message_clicked",
    }
)
ACTION_COUNTS: Final = {
    "action_started": "attempted_count",
    "action_succeeded": "succeeded_count",
    "action_failed": "failed_count",
    "message_delivered": "delivered_count",
    "message_opened": "opened_count",
    "message_clicked": "clicked_count",
}
ENDED_COUNTS: Final = {
    "completed": "completed_count",
    "failed": "failed_count",
    "exited": "exited_count",
}

Period = Callable[[date], date]


@dataclass(frozen=True)
class Workflow:
    """A workflow that is not deleted."""

    window: int | None
    """conversion_window_seconds, in microseconds."""
    has_goal_step: bool


@dataclass(frozen=True)
class Step:
    """A step that is not deleted, of a workflow that is not deleted."""

    step_id: str
    workflow_id: str
    position: int
    name: str
    action_type: str


@dataclass(frozen=True)
class Execution:
    """An execution that counts, its latest state."""

    execution_id: str
    workflow_id: str
    contact_id: str
    status: str
    enrolled_at: int
    ended_at: int | None
    goal_reached_at: int | None
    current_step_id: str | None
    is_converted: bool

    @property
    def duration(self) -> int | None:
        """ended_at - enrolled_at in microseconds."""
        return None if self.ended_at is None else self.ended_at - self.enrolled_at

    @property
    def enrolled_date(self) -> date:
        """UTC date of enrolled_at."""
        return date.fromordinal(utc_day(self.enrolled_at))


@dataclass(frozen=True)
class Event:
    """An event that counts."""

    execution_id: str
    step_id: str
    event_type: str
    occurred_at: int
    event_id: int
    duration_ms: int | None

    @property
    def order(self) -> tuple[int, int]:
        """Events of one execution are ordered by (occurred_at, event_id)."""
        return self.occurred_at, self.event_id


@dataclass(frozen=True)
class Passage:
    """What one execution did at one step; neither entered nor skipped: it did not come so far."""

    execution: Execution
    step: Step
    is_skipped: bool
    outcome: str | None
    """`completed`, `failed`, `dropped` or `open` where entered."""
    time_in_step: int | None
    """From entry to the first completion after it, in microseconds."""


class Workflows:
    """What is usable of the workflow tables at an as-of instant, and the marts that follow from it."""

    def __init__(self, tables: Tables, as_of: datetime, earliest_date: date = EARLIEST_DATE) -> None:
        self.tables = tables
        self.as_of = instant(as_of)
        self.earliest = days.earliest_instant(earliest_date)
        self.latest = self.as_of + DAY
        self.last_day = days.last_day(as_of)
        self.quarantine: list[Entry] = []
        self.steps = self._live_steps()
        self.workflows = self._live_workflows()
        self.executions = self._usable_executions()
        self.events = self._usable_events()
        self._passages: list[Passage] | None = None

    # ── what counts ─────────────────────────────────────────────────────────────────────────────────────

    def _deleted(self, table: str, key: str) -> set[str]:
        return {uid(row[key]) for row in rows_of(self.tables, table) if row["deleted_at"] is not None}

    def _live_steps(self) -> dict[str, Step]:
        deleted_workflows = self._deleted("workflows.workflows", "workflow_id")
        steps = (
            Step(
                uid(row["step_id"]),
                uid(row["workflow_id"]),
                row["position"],
                row["name"],
                row["action_type"] or "",
            )
            for row in rows_of(self.tables, "workflows.workflow_steps")
            if row["deleted_at"] is None
        )
        return {step.step_id: step for step in steps if step.workflow_id not in deleted_workflows}

    def _live_workflows(self) -> dict[str, Workflow]:
        with_goal_step = {
            uid(row["workflow_id"])
            for row in rows_of(self.tables, "workflows.workflow_steps")
            if row["step_type"] == "goal" and row["deleted_at"] is None
        }
        workflows = {}
        for row in rows_of(self.tables, "workflows.workflows"):
            if row["deleted_at"] is None:
                workflow_id, window = uid(row["workflow_id"]), row["conversion_window_seconds"]
                workflows[workflow_id] = Workflow(
                    None if window is None else window * SECOND, workflow_id in with_goal_step
                )
        return workflows

    def _too_early_or_late(self, own: int, others: Iterable[int | None] = ()) -> str | None:
        """The reason if a row's own instant, or another of its instants, is out of time."""
        # Reading: "any instant" means those that a mart uses; recorded_at and updated_at are not examined.
        if any(moment is not None and moment < self.earliest for moment in (own, *others)):
            return "before_earliest_date"
        return "in_the_future" if own > self.latest else None

    def _usable_executions(self) -> dict[str, Execution]:
        executions = {}
        for row in rows_of(self.tables, "workflows.workflow_executions"):
            execution_id, workflow_id = uid(row["execution_id"]), uid(row["workflow_id"])
            if workflow_id not in self.workflows:
                continue  # its workflow is deleted: not examined
            enrolled_at = instant(row["enrolled_at"])
            ended_at, goal_reached_at = (
                None if moment == PLUS_INFINITY else moment
                for moment in (optional_instant(row["ended_at"]), optional_instant(row["goal_reached_at"]))
            )
            if ended_at is not None and ended_at < enrolled_at:
                reason: str | None = "execution_ends_before_start"
            else:
                reason = self._too_early_or_late(enrolled_at, (ended_at, goal_reached_at))
            if reason is not None:
                self.quarantine.append(("workflows.workflow_executions", execution_id, None, reason))
                continue
            workflow = self.workflows[workflow_id]
            executions[execution_id] = Execution(
                execution_id,
                workflow_id,
                uid(row["contact_id"]),
                row["status"],
                enrolled_at,
                ended_at,
                goal_reached_at,
                optional_uid(row["current_step_id"]),
                _converts(workflow, row["status"], enrolled_at, ended_at, goal_reached_at),
            )
        return executions

    def _usable_events(self) -> list[Event]:
        deleted_workflows = self._deleted("workflows.workflows", "workflow_id")
        deleted_steps = self._deleted("workflows.workflow_steps", "step_id")
        workflow_of_step = {
            uid(row["step_id"]): uid(row["workflow_id"]) for row in rows_of(self.tables, "workflows.workflow_steps")
        }
        workflow_of_execution = {
            uid(row["execution_id"]): uid(row["workflow_id"])
            for row in rows_of(self.tables, "workflows.workflow_executions")
        }
        events = []
        for row in rows_of(self.tables, "workflows.workflow_events"):
            workflow_id, step_id = uid(row["workflow_id"]), uid(row["step_id"])
            execution_id, occurred_at = uid(row["execution_id"]), instant(row["occurred_at"])
            # Reading: "their workflow or their step" are those that the event itself names. Where these are
            # hard-deleted nothing tells them from ones that never were, so such an event is an orphan.
            if workflow_id in deleted_workflows or step_id in deleted_steps:
                continue
            if row["event_type"] not in EVENT_TYPES:
                reason: str | None = "unknown_event_type"
            elif not (workflow_of_execution.get(execution_id) == workflow_id == workflow_of_step.get(step_id)):
                reason = "orphan_event"
            else:
                reason = self._too_early_or_late(occurred_at)
            if reason is not None:
                self.quarantine.append(("workflows.workflow_events", str(row["event_id"]), None, reason))
            elif execution_id in self.executions:
                duration_ms = row["duration_ms"]
                events.append(
                    Event(execution_id, step_id, row["event_type"], occurred_at, row["event_id"], duration_ms)
                )
        return events

    # ── executions ──────────────────────────────────────────────────────────────────────────────────────

    def workflow_executions(self) -> list[Row]:
        """One row per execution, its latest state."""
        return [
            {
                "execution_id": execution.execution_id,
                "workflow_id": execution.workflow_id,
                "contact_id": execution.contact_id,
                "status": execution.status,
                "enrolled_at": to_datetime(execution.enrolled_at),
                "enrolled_date": execution.enrolled_date,
                "ended_at": None if execution.ended_at is None else to_datetime(execution.ended_at),
                "goal_reached_at": (
                    None if execution.goal_reached_at is None else to_datetime(execution.goal_reached_at)
                ),
                "is_converted": execution.is_converted,
                "current_step_id": execution.current_step_id,
                "duration_seconds": None if execution.duration is None else seconds(execution.duration),
            }
            for _, execution in sorted(self.executions.items())
        ]

    def workflow_analytics(self) -> list[Row]:
        """One row per workflow and day with any count above 0."""
        enrolled, completed, counts = self._by_period(lambda day: day)
        active = self._active_counts()
        return [
            {
                "workflow_id": workflow_id,
                "date": day,
                **_event_counts(counts[workflow_id, day]),
                "active_count": active.get((workflow_id, day), 0),
                **_cohort(enrolled[workflow_id, day]),
                **_durations(completed[workflow_id, day]),
            }
            for workflow_id, day in sorted({*counts, *active})
        ]

    def workflow_analytics_hourly(self) -> list[Row]:
        """One row per workflow and hour with any count above 0."""
        counts: dict[tuple[str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for execution, measure, moment in self._happenings():
            counts[execution.workflow_id, moment // HOUR * HOUR][measure] += 1
        return [
            {
                "workflow_id": workflow_id,
                "hour": to_datetime(hour),
                **_event_counts(counts[workflow_id, hour]),
            }
            for workflow_id, hour in sorted(counts)
        ]

    def workflow_analytics_weekly(self) -> list[Row]:
        """One row per workflow and week; percentiles from the histogram."""
        return self._analytics_of_periods("week", week_of)

    def workflow_analytics_monthly(self) -> list[Row]:
        """One row per workflow and month; percentiles from the histogram."""
        return self._analytics_of_periods("month", month_of)

    def _analytics_of_periods(self, column: str, period: Period) -> list[Row]:
        enrolled, completed, counts = self._by_period(period)
        active = self._active_counts()
        keys = {*counts, *((workflow_id, period(day)) for workflow_id, day in active)}
        rows = []
        for workflow_id, start in sorted(keys):
            last_day = min(end_of_period(start, period), self.last_day)
            durations = [
                execution.duration for execution in completed[workflow_id, start] if execution.duration is not None
            ]
            cohort = enrolled[workflow_id, start]
            rows.append(
                {
                    "workflow_id": workflow_id,
                    column: start,
                    **_event_counts(counts[workflow_id, start]),
                    "active_count": active.get((workflow_id, last_day), 0),
                    **_cohort(cohort),
                    "unique_contacts": len({execution.contact_id for execution in cohort}),
                    "avg_duration_seconds": average_seconds(sum(durations), len(durations)),
                    "p50_duration_seconds": percentile_of_buckets(durations, 0.5),
                    "p95_duration_seconds": percentile_of_buckets(durations, 0.95),
                }
            )
        return rows

    def _happenings(self) -> Iterator[tuple[Execution, str, int]]:
        """(execution, count, instant) of everything that is counted where it happened, on days that exist."""
        for execution in self.executions.values():
            found = [("enrolled_count", execution.enrolled_at)]
            if execution.ended_at is not None and execution.status in ENDED_COUNTS:
                found.append((ENDED_COUNTS[execution.status], execution.ended_at))
            if execution.goal_reached_at is not None:
                found.append(("goal_count", execution.goal_reached_at))
            for measure, moment in found:
                if utc_day(moment) <= self.last_day.toordinal():
                    yield execution, measure, moment

    def _by_period(
        self, period: Period
    ) -> tuple[
        dict[tuple[str, date], list[Execution]],
        dict[tuple[str, date], list[Execution]],
        dict[tuple[str, date], dict[str, int]],
    ]:
        """Executions enrolled and completed, and counts, by workflow and period."""
        enrolled: dict[tuple[str, date], list[Execution]] = defaultdict(list)
        completed: dict[tuple[str, date], list[Execution]] = defaultdict(list)
        counts: dict[tuple[str, date], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for execution, measure, moment in self._happenings():
            key = execution.workflow_id, period(date.fromordinal(utc_day(moment)))
            counts[key][measure] += 1
            if measure == "enrolled_count":
                enrolled[key].append(execution)
            elif measure == "completed_count":
                completed[key].append(execution)
        return enrolled, completed, counts

    def _active_counts(self) -> dict[tuple[str, date], int]:
        """Executions enrolled before the end of the day and not ended before it, where there are any.

        An execution is active from the day of enrolled_at to the day before the one of ended_at.
        """
        changes: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for execution in self.executions.values():
            changes[execution.workflow_id][utc_day(execution.enrolled_at)] += 1
            if execution.ended_at is not None:
                changes[execution.workflow_id][utc_day(execution.ended_at)] -= 1
        active: dict[tuple[str, date], int] = {}
        stop = self.last_day.toordinal() + 1
        for workflow_id, by_day in changes.items():
            count = 0
            for day, next_day in pairwise([*sorted(by_day), stop + PLUS_INFINITY]):
                count += by_day[day]
                if count > 0:
                    for ordinal in range(day, min(next_day, stop)):
                        active[workflow_id, date.fromordinal(ordinal)] = count
        return active

    # ── the funnel ──────────────────────────────────────────────────────────────────────────────────────

    def passages(self) -> list[Passage]:
        """One per execution and step of its workflow, steps by position."""
        if self._passages is None:
            steps: dict[str, list[Step]] = defaultdict(list)
            for step in sorted(self.steps.values(), key=lambda step: step.position):
                steps[step.workflow_id].append(step)
            events: dict[str, list[Event]] = defaultdict(list)
            for event in self.events:
                events[event.execution_id].append(event)
            self._passages = [
                passage
                for execution in self.executions.values()
                for passage in funnel(
                    execution,
                    self.workflows[execution.workflow_id],
                    steps[execution.workflow_id],
                    events[execution.execution_id],
                )
            ]
        return self._passages

    def workflow_step_metrics(self) -> list[Row]:
        """One row per workflow, step and day of enrolment."""
        rows = []
        for row, times in self._step_rows("date", lambda day: day):
            del row["unique_contacts"]
            row["p50_seconds_in_step"] = percentile_cont([seconds(time) for time in times], 0.5)
            row["p95_seconds_in_step"] = percentile_cont([seconds(time) for time in times], 0.95)
            rows.append(row)
        return rows

    def workflow_step_metrics_weekly(self) -> list[Row]:
        """One row per workflow, step and week of enrolment; percentiles from the histogram."""
        return self._steps_of_periods("week", week_of)

    def workflow_step_metrics_monthly(self) -> list[Row]:
        """One row per workflow, step and month of enrolment; percentiles from the histogram."""
        return self._steps_of_periods("month", month_of)

    def _steps_of_periods(self, column: str, period: Period) -> list[Row]:
        rows = []
        for row, times in self._step_rows(column, period):
            row["p50_seconds_in_step"] = percentile_of_buckets(times, 0.5)
            row["p95_seconds_in_step"] = percentile_of_buckets(times, 0.95)
            rows.append(row)
        return rows

    def _step_rows(self, column: str, period: Period) -> Iterator[tuple[Row, list[int]]]:
        cohorts: dict[tuple[str, date], list[Passage]] = defaultdict(list)
        for passage in self.passages():
            cohorts[passage.execution.workflow_id, period(passage.execution.enrolled_date)].append(passage)
        for (workflow_id, start), cohort in sorted(cohorts.items(), key=lambda item: item[0]):
            by_step: dict[int, list[Passage]] = defaultdict(list)
            for passage in cohort:
                by_step[passage.step.position].append(passage)
            come_to_previous: int | None = None
            for position in sorted(by_step):
                passages = by_step[position]
                step = passages[0].step
                entered = [passage for passage in passages if passage.outcome is not None]
                times = [passage.time_in_step for passage in entered if passage.time_in_step is not None]
                skipped_count = sum(passage.is_skipped for passage in passages)
                yield (
                    {
                        "workflow_id": workflow_id,
                        "step_id": step.step_id,
                        column: start,
                        "step_position": step.position,
                        "step_name": step.name,
                        "enrolled_count": len(passages),
                        "entered_count": len(entered),
                        "skipped_count": skipped_count,
                        **{
                            f"{outcome}_count": sum(passage.outcome == outcome for passage in entered)
                            for outcome in ("completed", "failed", "dropped", "open")
                        },
                        "conversion_from_start": ratio(len(entered), len(passages)),
                        "conversion_from_previous": ratio(
                            len(entered), len(passages) if come_to_previous is None else come_to_previous
                        ),
                        "is_mature": all(passage.execution.ended_at is not None for passage in passages),
                        "unique_contacts": len({passage.execution.contact_id for passage in entered}),
                        "avg_seconds_in_step": average_seconds(sum(times), len(times)),
                    },
                    times,
                )
                come_to_previous = len(entered) + skipped_count

    def duration_histogram(self) -> list[Row]:
        """One row per workflow, step (nil uuid: the whole execution), day and bucket with any duration."""
        durations: dict[tuple[str, str, date, int], list[int]] = defaultdict(list)
        for execution, measure, moment in self._happenings():
            if measure == "completed_count" and execution.duration is not None:
                day = date.fromordinal(utc_day(moment))
                key = execution.workflow_id, NIL_UUID, day, bucket_of(execution.duration)
                durations[key].append(execution.duration)
        for passage in self.passages():
            time = passage.time_in_step
            if time is not None:
                execution = passage.execution
                key = execution.workflow_id, passage.step.step_id, execution.enrolled_date, bucket_of(time)
                durations[key].append(time)
        return [
            {
                "workflow_id": workflow_id,
                "step_id": step_id,
                "date": day,
                "bucket": bucket,
                "bucket_upper_seconds": seconds(BUCKETS[bucket][1]),
                "representative_seconds": representative_seconds(bucket),
                "count": len(values),
                "total_microseconds": Decimal(sum(values)),
            }
            for (workflow_id, step_id, day, bucket), values in sorted(durations.items(), key=lambda item: item[0])
        ]

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────────

    def workflow_action_metrics(self) -> list[Row]:
        """One row per workflow, step, action type and day of occurred_at with any of the counted events."""
        groups: dict[tuple[str, str, date], list[Event]] = defaultdict(list)
        for event in self.events:
            if event.event_type in ACTION_COUNTS:
                day = date.fromordinal(utc_day(event.occurred_at))
                groups[self.steps[event.step_id].workflow_id, event.step_id, day].append(event)
        rows = []
        for (workflow_id, step_id, day), events in sorted(groups.items(), key=lambda item: item[0]):
            counts = dict.fromkeys(ACTION_COUNTS.values(), 0)
            for event in events:
                counts[ACTION_COUNTS[event.event_type]] += 1
            durations = [
                event.duration_ms
                for event in events
                if event.event_type in ("action_succeeded", "action_failed") and event.duration_ms is not None
            ]
            finished = counts["succeeded_count"] + counts["failed_count"]
            rows.append(
                {
                    "workflow_id": workflow_id,
                    "step_id": step_id,
                    "action_type": self.steps[step_id].action_type,
                    "date": day,
                    **counts,
                    "success_rate": ratio(counts["succeeded_count"], finished),
                    "avg_duration_ms": sum(durations) / len(durations) if durations else None,
                    "p50_duration_ms": percentile_cont([float(duration) for duration in durations], 0.5),
                    "p95_duration_ms": percentile_cont([float(duration) for duration in durations], 0.95),
                }
            )
        return rows

    def marts(self) -> dict[str, list[Row]]:
        """Every mart of the application but the dimensions."""
        return {
            "workflow_executions": self.workflow_executions(),
            "workflow_analytics": self.workflow_analytics(),
            "workflow_analytics_hourly": self.workflow_analytics_hourly(),
            "workflow_analytics_weekly": self.workflow_analytics_weekly(),
            "workflow_analytics_monthly": self.workflow_analytics_monthly(),
            "workflow_step_metrics": self.workflow_step_metrics(),
            "workflow_step_metrics_weekly": self.workflow_step_metrics_weekly(),
            "workflow_step_metrics_monthly": self.workflow_step_metrics_monthly(),
            "workflow_action_metrics": self.workflow_action_metrics(),
            "duration_histogram": self.duration_histogram(),
        }


def _buckets() -> list[tuple[int, int]]:
    """First and last microsecond of each bucket: 0 alone, then as wide as 1/51 of the first one."""
    # Reading: "any value is within 1 % of its bucket's representative" leaves the bounds open. With the middle as
    # representative, the first value is off by at most 1/102 of itself.
    buckets, first = [(0, 0)], 1
    while first < 2**63:
        last = min(first + first // 51, 2**63 - 1)
        buckets.append((first, last))
        first = last + 1
    return buckets


BUCKETS: Final = _buckets()
_LAST_OF_BUCKETS: Final = [last for _, last in BUCKETS]


def bucket_of(microseconds: int) -> int:
    """Number of the bucket that a duration lies in."""
    return bisect_left(_LAST_OF_BUCKETS, microseconds)


def representative_seconds(bucket: int) -> float:
    """The middle of a bucket, in seconds."""
    first, last = BUCKETS[bucket]
    return float(Fraction(first + last, 2)) / SECOND


def percentile_of_buckets(microseconds: Iterable[int], fraction: float) -> float | None:
    """percentile_cont over the representatives of buckets, each repeated by its count."""
    return percentile_cont([representative_seconds(bucket_of(value)) for value in microseconds], fraction)


def week_of(day: date) -> date:
    """The Monday of a date's week."""
    return day - timedelta(days=day.weekday())


def month_of(day: date) -> date:
    """The first day of a date's month."""
    return day.replace(day=1)


def end_of_period(start: date, period: Period) -> date:
    """The last day of the period that starts on a date."""
    day = start
    while period(day + timedelta(days=1)) == start:
        day += timedelta(days=1)
    return day


def _converts(
    workflow: Workflow, status: str, enrolled_at: int, ended_at: int | None, goal_reached_at: int | None
) -> bool:
    """Whether an execution converts: by its goal, or by completion in a workflow without a goal step."""
    if workflow.has_goal_step:
        reached = goal_reached_at
    else:
        if status == "completed" and workflow.window is None:
            # Reading: without a window, `completed` is enough, also where ended_at is missing.
            return True
        reached = ended_at if status == "completed" else None
    return reached is not None and (workflow.window is None or reached - enrolled_at <= workflow.window)


def funnel(execution: Execution, workflow: Workflow, steps: list[Step], events: list[Event]) -> Iterator[Passage]:
    """What one execution did at every step of its workflow, steps in order of position."""
    in_order = sorted(events, key=lambda event: event.order)
    entered_by: Event | None = None  # the event by which it entered the nearest earlier step not skipped
    has_stopped = False

    def first(event_type: str, step: Step, after: Event | None) -> Event | None:
        return next(
            (
                event
                for event in in_order
                if event.event_type == event_type
                and event.step_id == step.step_id
                and (after is None or event.order > after.order)
            ),
            None,
        )

    for step in steps:
        entry = skip = None
        if not has_stopped:
            entry = first("step_entered", step, entered_by)
            if (
                entry is not None
                and workflow.window is not None
                and entry.occurred_at - execution.enrolled_at > workflow.window
            ):
                entry = None
            if entry is None:
                # Reading: an entry outside of the window is no entry, so a step_skipped counts beside it.
                skip = first("step_skipped", step, entered_by)
                has_stopped = skip is None
        if entry is None:
            yield Passage(execution, step, skip is not None, None, None)
            continue
        completion = first("step_completed", step, entry)
        if completion is not None:
            outcome = "completed"
        elif first("step_failed", step, entry) is not None:
            outcome = "failed"
        else:
            outcome = "dropped" if execution.ended_at is not None else "open"
        time_in_step = None if completion is None else completion.occurred_at - entry.occurred_at
        yield Passage(execution, step, False, outcome, time_in_step)
        entered_by = entry


def _event_counts(counts: dict[str, int]) -> Row:
    return {measure: counts.get(measure, 0) for measure in ("enrolled_count", *ENDED_COUNTS.values(), "goal_count")}


def _cohort(enrolled: list[Execution]) -> Row:
    converted = sum(execution.is_converted for execution in enrolled)
    return {
        "cohort_converted_count": converted,
        "conversion_rate": ratio(converted, len(enrolled)),
    }


def _durations(completed: list[Execution]) -> Row:
    durations = [execution.duration for execution in completed if execution.duration is not None]
    in_seconds = [seconds(duration) for duration in durations]
    return {
        "avg_duration_seconds": average_seconds(sum(durations), len(durations)),
        "p50_duration_seconds": percentile_cont(in_seconds, 0.5),
        "p95_duration_seconds": percentile_cont(in_seconds, 0.95),
    }
