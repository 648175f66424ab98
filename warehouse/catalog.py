"""What Weir reads and publishes: the applications, their tables and their marts, declared in one place.

Belongs here: names, keys, partition columns; what extract, gate, publication and assets share. A new mart is
an entry here, a dbt model under ``candidate/`` and a table in a migration.

Does not belong here: queries, and what a mart means (its dbt model).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa

from models import source

Grain = Literal["day", "week", "month"]
"""What a partition of the ledger is; weeks begin on Monday. As ``date_trunc`` names them."""

CALENDAR = "calendar"
"""The group of marts that depend on no application's rows."""


@dataclass(frozen=True)
class SourceTable:
    """A table of an application, e.g. ``scheduling.tasks``."""

    application: str
    name: str
    optional: bool = False
    """True: no mart reads it yet, so that data can be loaded without it."""

    @property
    def qualified(self) -> str:
        """Name in the source and in every report: ``scheduling.tasks``."""
        return f"{self.application}.{self.name}"

    @property
    def raw(self) -> str:
        """Name of its image in schema ``raw``: ``scheduling__tasks``."""
        return f"{self.application}__{self.name}"

    @property
    def model(self) -> sa.Table:
        """The typed table of ``models.source``."""
        return source.metadata.tables[self.qualified]

    @property
    def key(self) -> tuple[str, ...]:
        """Columns of the primary key."""
        return tuple(column.name for column in self.model.primary_key.columns)


@dataclass(frozen=True)
class Mart:
    """A published table.

    ``date_column`` is the column that its monthly partitions are ranges of (None: undated, published whole).
    ``volatile`` columns (marked † in the contract) are left out of content hashes.

    A partition of the ledger is a period of ``grain``, named by its first day. Marts that are ``made_from``
    others are built after them, from the days as they will stand (macro ``standing``), and need building for
    every period of ``periods`` that holds a day of theirs that changes.
    """

    name: str
    application: str
    key: tuple[str, ...]
    date_column: str | None = None
    grain: Grain = "day"
    is_instant: bool = False
    """Whether ``date_column`` is a timestamptz; its UTC date is what counts."""
    made_from: tuple[str, ...] = ()
    """Dated marts of the same application."""
    periods: tuple[Grain, ...] = ()
    """For marts made from others; where it is empty, the grain alone."""
    volatile: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    """Integer columns that can never be negative."""
    nullable: tuple[str, ...] = ()
    """Columns that may be null; all others must not be."""
    depends_on: tuple[str, ...] = field(default=())
    """Source tables, for undated marts: a change in one of them rebuilds the mart."""

    @property
    def dated(self) -> bool:
        """Whether its partitions are periods."""
        return self.date_column is not None

    def partition_end(self, start: dt.date | None) -> dt.date | None:
        """Last day of the partition that begins on ``start``."""
        if start is None or self.grain == "day":
            return start
        if self.grain == "week":
            return start + dt.timedelta(days=6)
        return (start.replace(day=1) + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


SOURCE_TABLES: tuple[SourceTable, ...] = tuple(
    SourceTable(table.schema or "", table.name, optional=table.name == "report_requests")
    for table in source.metadata.sorted_tables
)
"""All source tables, parents before children."""

APPLICATIONS: tuple[str, ...] = source.APPLICATIONS

MARTS: tuple[Mart, ...] = (
    Mart("dim_date", CALENDAR, key=("date",)),
    Mart("dim_local_day", "scheduling", key=("timezone", "date")),
    Mart("dim_user", "scheduling", key=("user_id",), depends_on=("scheduling.users",)),
    Mart(
        "dim_category",
        "scheduling",
        key=("category_id",),
        nullable=("color",),
        depends_on=("scheduling.categories",),
    ),
    Mart(
        "dim_goal",
        "scheduling",
        key=("goal_id",),
        nullable=("category_id", "end_date"),
        depends_on=("scheduling.goals",),
    ),
    Mart(
        "analytics_daily_metrics",
        "scheduling",
        key=("user_id", "date"),
        date_column="date",
        volatile=("created_at",),
        counts=(
            "total_scheduled_minutes",
            "completed_tasks_count",
            "scheduled_tasks_count",
            "completed_scheduled_tasks_count",
            "focus_minutes",
            "focus_capacity_minutes",
        ),
    ),
    Mart(
        "category_daily_metrics",
        "scheduling",
        key=("user_id", "date", "category_id"),
        date_column="date",
        counts=(
            "scheduled_minutes",
            "completed_tasks_count",
            "scheduled_tasks_count",
            "completed_scheduled_tasks_count",
        ),
    ),
    Mart(
        "analytics_monthly_metrics",
        "scheduling",
        key=("user_id", "month"),
        date_column="month",
        grain="month",
        made_from=("analytics_daily_metrics",),
        counts=(
            "total_scheduled_minutes",
            "completed_tasks_count",
            "scheduled_tasks_count",
            "completed_scheduled_tasks_count",
            "focus_minutes",
            "focus_capacity_minutes",
            "active_days",
        ),
    ),
    Mart(
        "quick_stats",
        "scheduling",
        key=("user_id", "window_days"),
        made_from=("analytics_daily_metrics",),
        depends_on=("scheduling.categories",),
        counts=(
            "total_scheduled_minutes",
            "completed_tasks_count",
            "scheduled_tasks_count",
            "completed_scheduled_tasks_count",
            "focus_minutes",
            "focus_capacity_minutes",
            "top_category_minutes",
            "streak_days_completed",
        ),
        nullable=("focus_time_utilization", "top_category_id", "top_category_name", "top_category_minutes"),
    ),
    Mart(
        "goal_progress_snapshots",
        "scheduling",
        key=("goal_id", "period_start"),
        date_column="period_start",
        # Of category_daily_metrics, too: but what changes counts there changes them here, and names do not matter.
        made_from=("analytics_daily_metrics",),
        periods=("day", "week", "month"),
        volatile=("taken_at",),
        counts=("achieved_value", "target_value"),
    ),
    Mart(
        "dim_workflow",
        "workflows",
        key=("workflow_id",),
        nullable=("conversion_window_seconds",),
        depends_on=("workflows.workflows",),
    ),
    Mart(
        "dim_workflow_step",
        "workflows",
        key=("step_id",),
        nullable=("action_type",),
        depends_on=("workflows.workflow_steps",),
    ),
    Mart(
        "workflow_executions",
        "workflows",
        key=("execution_id",),
        date_column="enrolled_date",
        counts=("duration_seconds",),
        nullable=("ended_at", "goal_reached_at", "current_step_id", "duration_seconds"),
    ),
    Mart(
        "workflow_analytics",
        "workflows",
        key=("workflow_id", "date"),
        date_column="date",
        counts=(
            "enrolled_count",
            "completed_count",
            "failed_count",
            "exited_count",
            "goal_count",
            "active_count",
            "cohort_converted_count",
        ),
        nullable=(
            "conversion_rate",
            "avg_duration_seconds",
            "p50_duration_seconds",
            "p95_duration_seconds",
        ),
    ),
    Mart(
        "dim_kpi_goal",
        "services",
        key=("goal_id",),
        nullable=("description", "service_name", "unit", "alert_threshold"),
        depends_on=("services.kpi_goals",),
    ),
    Mart(
        "kpi_daily",
        "services",
        key=("service_name", "metric_type", "segment", "unit", "date"),
        date_column="date",
        counts=("value_count",),
    ),
    Mart(
        "kpi_monthly",
        "services",
        key=("service_name", "metric_type", "segment", "unit", "month"),
        date_column="month",
        grain="month",
        made_from=("kpi_daily",),
        counts=("value_count",),
    ),
)


def source_tables(application: str) -> tuple[SourceTable, ...]:
    """Tables of one application, parents before children."""
    return tuple(table for table in SOURCE_TABLES if table.application == application)


def marts(application: str | None = None) -> Iterator[Mart]:
    """Marts of one application (or of all), in the order they are published in."""
    return (mart for mart in MARTS if application in (None, mart.application))


def mart(name: str) -> Mart:
    """The mart of this name; KeyError where there is none."""
    return {mart.name: mart for mart in MARTS}[name]
