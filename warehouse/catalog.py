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
from psycopg import sql
from sqlalchemy.dialects import postgresql

from models import source
from warehouse.extracting.declared import Declared, Mode, Xmin

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
    mode: Mode = field(default_factory=Xmin)
    """How the extract finds its changed rows; see ``MODES``."""

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

    @property
    def declared(self) -> Declared:
        """What the extract has to know of it."""
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        columns = {column.name: column.type.compile(dialect).lower() for column in self.model.columns}
        return Declared(self.application, self.name, self.key, self.mode, columns)


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
    looks_back: int | None = 0
    """For marts made from others: days before a partition, or before the as-of instant for marts without dates, that
    it is made from, too; None: all there are."""
    computed: bool = False
    """Whether Python computes the rows (``warehouse.computed``), which the candidate then selects."""
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

    def day(self) -> sql.Composed:
        """SQL of the first day of the partition of the ledger that a row belongs to."""
        assert self.date_column is not None
        text = "({} at time zone 'UTC')::date" if self.is_instant else "{}"
        return sql.SQL(text).format(sql.Identifier(self.date_column))

    def partition_end(self, start: dt.date | None) -> dt.date | None:
        """Last day of the partition that begins on ``start``."""
        return None if start is None else period_end(start, self.grain)


def period_end(start: dt.date, period: Grain) -> dt.date:
    """Last day of the day, week or month that begins on a day."""
    if period == "day":
        return start
    if period == "week":
        return start + dt.timedelta(days=6)
    return (start.replace(day=1) + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


MODES: dict[str, Mode] = {}
"""Per table, where it is not by ``xmin``, the default, which is exact for all of them as the contract describes them.

The event tables have an indexed-cursor look about them, but corrections change rows without changing their instant:
a cursor would lose those. Views and foreign tables in a table's place are compared without being named here.
"""

SOURCE_TABLES: tuple[SourceTable, ...] = tuple(
    SourceTable(
        table.schema or "",
        table.name,
        optional=table.name == "report_requests",
        mode=MODES.get(f"{table.schema}.{table.name}", Xmin()),
    )
    for table in source.metadata.sorted_tables
)
"""All source tables, parents before children."""

APPLICATIONS: tuple[str, ...] = source.APPLICATIONS

WEEK_AND_MONTH: tuple[Grain, ...] = ("week", "month")
HAPPENINGS = ("enrolled_count", "completed_count", "failed_count", "exited_count", "goal_count")
DURATIONS = ("avg_duration_seconds", "p50_duration_seconds", "p95_duration_seconds")
PASSAGES = (
    "enrolled_count",
    "entered_count",
    "skipped_count",
    "completed_count",
    "failed_count",
    "dropped_count",
    "open_count",
)
PASSAGE_RATIOS = (
    "conversion_from_start",
    "conversion_from_previous",
    "avg_seconds_in_step",
    "p50_seconds_in_step",
    "p95_seconds_in_step",
)

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
        looks_back=93,  # a window of 90 days that ended yesterday, wherever that was
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
        counts=(*HAPPENINGS, "active_count", "cohort_converted_count"),
        nullable=("conversion_rate", *DURATIONS),
    ),
    Mart(
        "workflow_analytics_hourly",
        "workflows",
        key=("workflow_id", "hour"),
        date_column="hour",
        is_instant=True,
        counts=HAPPENINGS,
    ),
    *(
        Mart(
            f"workflow_analytics_{grain}ly",
            "workflows",
            key=("workflow_id", grain),
            date_column=grain,
            grain=grain,
            made_from=("workflow_analytics",),
            counts=(*HAPPENINGS, "active_count", "cohort_converted_count", "unique_contacts"),
            nullable=("conversion_rate", *DURATIONS),
        )
        for grain in WEEK_AND_MONTH
    ),
    Mart(
        "workflow_step_metrics",
        "workflows",
        key=("workflow_id", "step_id", "date"),
        date_column="date",
        counts=PASSAGES,
        nullable=PASSAGE_RATIOS,
    ),
    *(
        Mart(
            f"workflow_step_metrics_{grain}ly",
            "workflows",
            key=("workflow_id", "step_id", grain),
            date_column=grain,
            grain=grain,
            made_from=("workflow_step_metrics",),
            counts=(*PASSAGES, "unique_contacts"),
            nullable=PASSAGE_RATIOS,
        )
        for grain in WEEK_AND_MONTH
    ),
    Mart(
        "workflow_action_metrics",
        "workflows",
        key=("workflow_id", "step_id", "action_type", "date"),
        date_column="date",
        counts=(
            "attempted_count",
            "succeeded_count",
            "failed_count",
            "delivered_count",
            "opened_count",
            "clicked_count",
        ),
        nullable=("success_rate", "avg_duration_ms", "p50_duration_ms", "p95_duration_ms"),
    ),
    Mart(
        "duration_histogram",
        "workflows",
        key=("workflow_id", "step_id", "date", "bucket"),
        date_column="date",
        counts=("bucket", "bucket_upper_seconds", "representative_seconds", "count", "total_microseconds"),
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
    Mart(
        "kpi_goal_snapshots",
        "services",
        key=("goal_id", "date"),
        date_column="date",
        made_from=("kpi_daily",),
        looks_back=None,
        nullable=(
            "daily_required",
            "forecast_value",
            "forecast_lower",
            "forecast_upper",
            "projected_completion_date",
        ),
    ),
    Mart(
        "kpi_comparisons",
        "services",
        key=("comparison", "metric_type", "unit", "granularity", "period", "key"),
        made_from=("kpi_daily",),
        looks_back=None,
        counts=("rank",),
        nullable=("previous_value", "change", "change_pct", "share", "variance"),
    ),
    Mart(
        "kpi_correlations",
        "services",
        key=(*(f"{part}_{axis}" for axis in "xy" for part in ("service_name", "metric_type", "segment", "unit")),),
        made_from=("kpi_daily",),
        looks_back=None,
        computed=True,
        counts=("n",),
        nullable=("pearson", "spearman", "slope", "intercept", "r_squared"),
    ),
    Mart(
        "kpi_anomalies",
        "services",
        key=("service_name", "metric_type", "segment", "unit", "date"),
        date_column="date",
        made_from=("kpi_daily",),
        looks_back=119,
        computed=True,
    ),
    Mart(
        "kpi_forecasts",
        "services",
        key=("service_name", "metric_type", "unit", "granularity", "horizon", "confidence_level"),
        made_from=("kpi_daily",),
        looks_back=None,
        computed=True,
        counts=("horizon",),
        nullable=(
            "forecast",
            "lower",
            "upper",
            "model",
            "trend",
            "trend_strength",
            "seasonal_period",
            "seasonality_strength",
        ),
    ),
    Mart(
        "kpi_forecast_accuracy",
        "services",
        key=("service_name", "metric_type", "unit", "granularity", "model"),
        made_from=("kpi_daily",),
        looks_back=None,
        computed=True,
        counts=("mase", "smape", "interval_coverage", "n"),
        nullable=("mase", "smape", "interval_coverage"),
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
