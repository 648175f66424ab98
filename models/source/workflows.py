"""Tables of the automation product: workflows, their steps, executions of contacts, and events.

Belongs here: the schema ``workflows`` exactly as the application creates it (``sources.sql`` of the
contract), including the foreign keys that it does *not* have: events point nowhere that is enforced.

Does not belong here: the warehouse's image of these tables (schema ``raw``, made by the extract), and the
list of known event types, which is a rule of the marts.
"""

import datetime as dt
import uuid
from typing import Annotated

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import BigInt, IdentityKey, JsonObject, SourceBase, UuidKey, WrittenAt

SCHEMA = "workflows"

WorkflowId = Annotated[uuid.UUID, mapped_column(ForeignKey("workflows.workflows.workflow_id", ondelete="CASCADE"))]
"""The workflow that a row belongs to, and with which it is hard-deleted."""


class Workflow(SourceBase):
    """One row per workflow. ``conversion_window_seconds`` is null where there is no window."""

    __tablename__ = "workflows"
    __table_args__ = (
        CheckConstraint("status in ('draft', 'active', 'paused', 'archived')"),
        {"schema": SCHEMA},
    )

    workflow_id: Mapped[UuidKey]
    name: Mapped[str]
    status: Mapped[str]
    conversion_window_seconds: Mapped[BigInt | None]
    created_at: Mapped[WrittenAt]
    updated_at: Mapped[WrittenAt]
    deleted_at: Mapped[dt.datetime | None]


class WorkflowStep(SourceBase):
    """One row per step of a workflow. Soft-deleted steps keep their position, so positions have gaps."""

    __tablename__ = "workflow_steps"
    __table_args__ = (
        CheckConstraint("step_type in ('trigger', 'action', 'condition', 'delay', 'goal', 'end')"),
        UniqueConstraint("workflow_id", "position"),
        {"schema": SCHEMA},
    )

    step_id: Mapped[UuidKey]
    workflow_id: Mapped[WorkflowId]
    position: Mapped[int]
    name: Mapped[str]
    step_type: Mapped[str]
    action_type: Mapped[str | None]
    updated_at: Mapped[WrittenAt]
    deleted_at: Mapped[dt.datetime | None]


class WorkflowExecution(SourceBase):
    """One row per enrolment of a contact in a workflow, in its latest state."""

    __tablename__ = "workflow_executions"
    __table_args__ = (
        CheckConstraint("status in ('active', 'completed', 'failed', 'exited')"),
        {"schema": SCHEMA},
    )

    execution_id: Mapped[UuidKey]
    workflow_id: Mapped[WorkflowId]
    contact_id: Mapped[uuid.UUID]
    status: Mapped[str]
    enrolled_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]
    goal_reached_at: Mapped[dt.datetime | None]
    current_step_id: Mapped[uuid.UUID | None]
    updated_at: Mapped[WrittenAt]


class WorkflowEvent(SourceBase):
    """One row per thing that happened to an execution at a step.

    Append-only by intent, not by rule. Late rows are normal: ``occurred_at`` can lie far before
    ``recorded_at``.
    """

    __tablename__ = "workflow_events"
    __table_args__ = ({"schema": SCHEMA},)

    event_id: Mapped[IdentityKey]
    execution_id: Mapped[uuid.UUID]
    workflow_id: Mapped[uuid.UUID]
    step_id: Mapped[uuid.UUID]
    event_type: Mapped[str]
    occurred_at: Mapped[dt.datetime]
    recorded_at: Mapped[WrittenAt]
    duration_ms: Mapped[BigInt | None]
    payload: Mapped[JsonObject]
