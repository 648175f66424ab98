"""The applications' tables, one module per application, all in one ``metadata``.

Belongs here: what the three applications own and the warehouse only reads. ``metadata.create_all`` makes
them in an empty database (the demo, the tests) whose schemas the caller has created.

Does not belong here: anything that the warehouse owns. Nothing here may be used to alter a source.
"""

from models.base import SourceBase
from models.source.scheduling import Category, Goal, Task, User, UserCalendarDay
from models.source.services import KpiGoal, Metric, ReportRequest
from models.source.workflows import Workflow, WorkflowEvent, WorkflowExecution, WorkflowStep

APPLICATIONS = ("scheduling", "workflows", "services")
"""The applications; each is also the name of its schema and of its dbt source."""

metadata = SourceBase.metadata

__all__ = [
    "APPLICATIONS",
    "Category",
    "Goal",
    "KpiGoal",
    "Metric",
    "ReportRequest",
    "Task",
    "User",
    "UserCalendarDay",
    "Workflow",
    "WorkflowEvent",
    "WorkflowExecution",
    "WorkflowStep",
    "metadata",
]
