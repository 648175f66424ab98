"""Tables of the planning application: users, categories, tasks, calendar days and goals.

Belongs here: the schema ``scheduling`` exactly as the application creates it (``sources.sql`` of the
contract), down to defaults, checks and foreign keys.

Does not belong here: the warehouse's image of these tables (schema ``raw``, made by the extract), and any
judgement on values, such as whether a slot is usable.
"""

import datetime as dt
import uuid
from typing import Annotated

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import JsonArray, SourceBase, UuidKey, WrittenAt

SCHEMA = "scheduling"

OwnerId = Annotated[uuid.UUID, mapped_column(ForeignKey("scheduling.users.user_id", ondelete="CASCADE"))]
"""The user that a row belongs to, and with whom it is hard-deleted."""

CategoryId = Annotated[uuid.UUID, mapped_column(ForeignKey("scheduling.categories.category_id", ondelete="SET NULL"))]
"""The category of a row; a hard delete of the category empties it without touching ``updated_at``."""


class User(SourceBase):
    """One row per user. ``timezone`` is meant to be an IANA name and may be wrong."""

    __tablename__ = "users"
    __table_args__ = ({"schema": SCHEMA},)

    user_id: Mapped[UuidKey]
    email: Mapped[str]
    timezone: Mapped[str] = mapped_column(server_default=text("'UTC'"))
    created_at: Mapped[WrittenAt]
    updated_at: Mapped[WrittenAt]
    deleted_at: Mapped[dt.datetime | None]


class Category(SourceBase):
    """One row per category of a user. A soft-deleted one keeps its tasks, its goals and its name."""

    __tablename__ = "categories"
    __table_args__ = ({"schema": SCHEMA},)

    category_id: Mapped[UuidKey]
    user_id: Mapped[OwnerId]
    name: Mapped[str]
    color: Mapped[str | None]
    updated_at: Mapped[WrittenAt]
    deleted_at: Mapped[dt.datetime | None]


class Task(SourceBase):
    """One row per task. ``scheduled_slots`` is a list of start and end, not validated by the application."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("status in ('pending', 'scheduled', 'in_progress', 'completed', 'cancelled')"),
        {"schema": SCHEMA},
    )

    task_id: Mapped[UuidKey]
    user_id: Mapped[OwnerId]
    category_id: Mapped[CategoryId | None]
    title: Mapped[str]
    status: Mapped[str]
    scheduled_slots: Mapped[JsonArray]
    completed_at: Mapped[dt.datetime | None]
    created_at: Mapped[WrittenAt]
    updated_at: Mapped[WrittenAt]
    deleted_at: Mapped[dt.datetime | None]


class UserCalendarDay(SourceBase):
    """One row per user and date with focus slots. It has no soft delete: a removed day is simply gone."""

    __tablename__ = "user_calendar_days"
    __table_args__ = (UniqueConstraint("user_id", "date"), {"schema": SCHEMA})

    calendar_day_id: Mapped[UuidKey]
    user_id: Mapped[OwnerId]
    date: Mapped[dt.date]
    focus_slots: Mapped[JsonArray]
    updated_at: Mapped[WrittenAt]


class Goal(SourceBase):
    """One row per goal of a user, as it is now; earlier targets are overwritten."""

    __tablename__ = "goals"
    __table_args__ = (
        CheckConstraint("target_type in ('minutes', 'percentage', 'task_count')"),
        CheckConstraint("target_value > 0"),
        CheckConstraint("time_period in ('daily', 'weekly', 'monthly')"),
        {"schema": SCHEMA},
    )

    goal_id: Mapped[UuidKey]
    user_id: Mapped[OwnerId]
    category_id: Mapped[CategoryId | None]
    name: Mapped[str]
    target_type: Mapped[str]
    target_value: Mapped[int]
    time_period: Mapped[str]
    start_date: Mapped[dt.date]
    end_date: Mapped[dt.date | None]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[WrittenAt]
    updated_at: Mapped[WrittenAt]
    deleted_at: Mapped[dt.datetime | None]
