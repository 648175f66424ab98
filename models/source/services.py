"""Tables of the business services: reported metrics, KPI goals over them, and report requests.

Belongs here: the schema ``services`` exactly as the application creates it (``sources.sql`` of the
contract), down to defaults and checks.

Does not belong here: the warehouse's image of these tables (schema ``raw``, made by the extract), and any
judgement on values, such as whether a metric is finite.
"""

import datetime as dt
import uuid

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import IdentityKey, JsonObject, SourceBase, TextArray, UuidKey, WrittenAt

SCHEMA = "services"


class Metric(SourceBase):
    """One row per reported value. ``value`` may be NaN or infinite by mistake.

    Append-only by intent, not by rule. Late rows are normal: ``recorded_at``, the instant that the value is
    about, can lie far before ``created_at``.
    """

    __tablename__ = "metrics"
    __table_args__ = ({"schema": SCHEMA},)

    metric_id: Mapped[IdentityKey]
    service_name: Mapped[str]
    metric_type: Mapped[str]
    segment: Mapped[str | None]
    value: Mapped[float]
    unit: Mapped[str | None]
    recorded_at: Mapped[dt.datetime]
    created_at: Mapped[WrittenAt]


class KpiGoal(SourceBase):
    """One row per target over a metric between two UTC dates, both inclusive."""

    __tablename__ = "kpi_goals"
    __table_args__ = (
        CheckConstraint("target_value > 0"),
        CheckConstraint("status in ('active', 'achieved', 'failed', 'cancelled')"),
        CheckConstraint("end_date >= start_date"),
        {"schema": SCHEMA},
    )

    goal_id: Mapped[UuidKey]
    name: Mapped[str]
    description: Mapped[str | None]
    service_name: Mapped[str | None]
    metric_type: Mapped[str]
    target_value: Mapped[float]
    unit: Mapped[str | None]
    start_date: Mapped[dt.date]
    end_date: Mapped[dt.date]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    alert_threshold: Mapped[float | None]
    created_by: Mapped[uuid.UUID]
    created_at: Mapped[WrittenAt]
    updated_at: Mapped[WrittenAt]


class ReportRequest(SourceBase):
    """One row per report that somebody asked for, once or on a cron schedule."""

    __tablename__ = "report_requests"
    __table_args__ = (
        CheckConstraint("report_type in ('daily', 'weekly', 'monthly', 'annual', 'custom')"),
        CheckConstraint("format in ('pdf', 'excel', 'csv', 'json')"),
        {"schema": SCHEMA},
    )

    report_id: Mapped[UuidKey]
    name: Mapped[str]
    report_type: Mapped[str]
    format: Mapped[str]
    parameters: Mapped[JsonObject]
    cron_schedule: Mapped[str | None]
    email_recipients: Mapped[TextArray]
    created_by: Mapped[uuid.UUID]
    created_at: Mapped[WrittenAt]
    updated_at: Mapped[WrittenAt]
    deleted_at: Mapped[dt.datetime | None]
