"""The twelve source tables of the demo, in foreign-key order, and where each one's rows come from."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from warehouse.demo import (
    scheduling,
    scheduling_dirt,
    scheduling_tasks,
    scheduling_witness_ada,
    scheduling_witnesses,
    service_witnesses,
    services,
    workflow_dirt,
    workflow_witnesses,
    workflows,
)
from warehouse.demo.facts import Planted
from warehouse.demo.period import Size
from warehouse.demo.text import Row


@dataclass(frozen=True)
class DemoTable:
    """A source table: its rows are made anew each time that `rows` is called, one block at a time.

    Cells are PostgreSQL's text form of the value, or None. `sequence`: the column that the application
    fills from a sequence, which must be moved on after loading.
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    sequence: str | None = None

    @property
    def qualified(self) -> str:
        """E.g. `scheduling.tasks`."""
        return f"{self.schema}.{self.name}"


def _rows(planted: Iterable[Planted]) -> Iterator[Row]:
    return (one.row for one in planted)


def _scheduling(size: Size) -> Iterator[DemoTable]:
    def users() -> Iterator[Row]:
        yield scheduling_witness_ada.user_row()
        yield from scheduling_witnesses.user_rows()
        yield from scheduling.user_rows(size)

    def categories() -> Iterator[Row]:
        yield from scheduling_witness_ada.category_rows()
        yield from scheduling.category_rows(size)

    def tasks() -> Iterator[Row]:
        yield from scheduling_witness_ada.task_rows()
        yield from scheduling_witnesses.task_rows()
        yield from scheduling_tasks.task_rows(size)
        yield from _rows(scheduling_dirt.tasks(size))

    def days() -> Iterator[Row]:
        yield from scheduling_witness_ada.calendar_day_rows()
        yield from scheduling.calendar_day_rows(size)
        yield from _rows(scheduling_dirt.calendar_days(size))

    def goals() -> Iterator[Row]:
        yield from scheduling_witness_ada.goal_rows()
        yield from scheduling.goal_rows(size)

    schema = "scheduling"
    yield DemoTable(schema, "users", ("user_id", "email", "timezone", "created_at", "updated_at", "deleted_at"), users)
    yield DemoTable(
        schema,
        "categories",
        ("category_id", "user_id", "name", "color", "updated_at", "deleted_at"),
        categories,
    )
    yield DemoTable(
        schema,
        "tasks",
        (
            "task_id",
            "user_id",
            "category_id",
            "title",
            "status",
            "scheduled_slots",
            "completed_at",
            "created_at",
            "updated_at",
            "deleted_at",
        ),
        tasks,
    )
    yield DemoTable(
        schema,
        "user_calendar_days",
        ("calendar_day_id", "user_id", "date", "focus_slots", "updated_at"),
        days,
    )
    yield DemoTable(
        schema,
        "goals",
        (
            "goal_id",
            "user_id",
            "category_id",
            "name",
            "target_type",
            "target_value",
            "time_period",
            "start_date",
            "end_date",
            "is_active",
            "created_at",
            "updated_at",
            "deleted_at",
        ),
        goals,
    )


def _workflows(size: Size) -> Iterator[DemoTable]:
    def definitions() -> Iterator[Row]:
        yield from workflow_witnesses.workflow_rows()
        yield from workflows.workflow_rows()

    def steps() -> Iterator[Row]:
        yield from workflow_witnesses.step_rows()
        yield from workflows.step_rows()

    def executions() -> Iterator[Row]:
        yield from workflow_witnesses.execution_rows()
        yield from workflows.execution_rows(size)
        yield from _rows(workflow_dirt.executions(size))

    def events() -> Iterator[Row]:
        dirt = (extra for extra, _ in workflow_dirt.events(size))
        return workflows.event_rows(size, [*workflow_witnesses.events(), *dirt])

    schema = "workflows"
    yield DemoTable(
        schema,
        "workflows",
        (
            "workflow_id",
            "name",
            "status",
            "conversion_window_seconds",
            "created_at",
            "updated_at",
            "deleted_at",
        ),
        definitions,
    )
    yield DemoTable(
        schema,
        "workflow_steps",
        (
            "step_id",
            "workflow_id",
            "position",
            "name",
            "step_type",
            "action_type",
            "updated_at",
            "deleted_at",
        ),
        steps,
    )
    yield DemoTable(
        schema,
        "workflow_executions",
        (
            "execution_id",
            "workflow_id",
            "contact_id",
            "status",
            "enrolled_at",
            "ended_at",
            "goal_reached_at",
            "current_step_id",
            "updated_at",
        ),
        executions,
    )
    yield DemoTable(
        schema,
        "workflow_events",
        (
            "event_id",
            "execution_id",
            "workflow_id",
            "step_id",
            "event_type",
            "occurred_at",
            "recorded_at",
            "duration_ms",
            "payload",
        ),
        events,
        sequence="event_id",
    )


def _services(size: Size) -> Iterator[DemoTable]:
    def metrics() -> Iterator[Row]:
        return services.metric_rows(size, [extra for extra, _ in service_witnesses.metrics(size)])

    def goals() -> Iterator[Row]:
        yield from _rows(service_witnesses.goals())
        yield from services.goal_rows()

    schema = "services"
    yield DemoTable(
        schema,
        "metrics",
        ("metric_id", "service_name", "metric_type", "segment", "value", "unit", "recorded_at", "created_at"),
        metrics,
        sequence="metric_id",
    )
    yield DemoTable(
        schema,
        "kpi_goals",
        (
            "goal_id",
            "name",
            "description",
            "service_name",
            "metric_type",
            "target_value",
            "unit",
            "start_date",
            "end_date",
            "status",
            "alert_threshold",
            "created_by",
            "created_at",
            "updated_at",
        ),
        goals,
    )
    yield DemoTable(
        schema,
        "report_requests",
        (
            "report_id",
            "name",
            "report_type",
            "format",
            "parameters",
            "cron_schedule",
            "email_recipients",
            "created_by",
            "created_at",
            "updated_at",
            "deleted_at",
        ),
        services.report_rows,
    )


def tables(size: Size) -> tuple[DemoTable, ...]:
    """All source tables, parents before children."""
    return (*_scheduling(size), *_workflows(size), *_services(size))
