"""The dimensions of section 4a: current state of what facts point to, soft-deleted rows flagged.

Rows that are gone from the source are absent here. Nothing of a dimension is examined or left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .values import Row, SourceRow, Tables, instant, optional_uid, rows_of, to_datetime


def _as_is(value: Any) -> Any:
    return value


def _in_utc(value: Any) -> Any:
    return None if value is None else to_datetime(instant(value))


_COLUMNS: Final[dict[str, tuple[str, dict[str, Callable[[Any], Any]]]]] = {
    "dim_user": (
        "scheduling.users",
        # Reading: the zone as the application has it; which one the days are cut in is a column of its own.
        {"user_id": optional_uid, "timezone": _as_is, "created_at": _in_utc},
    ),
    "dim_category": (
        "scheduling.categories",
        {"category_id": optional_uid, "user_id": optional_uid, "name": _as_is, "color": _as_is},
    ),
    "dim_goal": (
        "scheduling.goals",
        {
            "goal_id": optional_uid,
            "user_id": optional_uid,
            "name": _as_is,
            "category_id": optional_uid,
            "target_type": _as_is,
            "target_value": _as_is,
            "time_period": _as_is,
            "start_date": _as_is,
            "end_date": _as_is,
            "is_active": _as_is,
        },
    ),
    "dim_workflow": (
        "workflows.workflows",
        {"workflow_id": optional_uid, "name": _as_is, "status": _as_is, "conversion_window_seconds": _as_is},
    ),
    "dim_workflow_step": (
        "workflows.workflow_steps",
        {
            "step_id": optional_uid,
            "workflow_id": optional_uid,
            "position": _as_is,
            "name": _as_is,
            "step_type": _as_is,
            "action_type": _as_is,
        },
    ),
    # Reading: kpi_goals has no deleted_at, so is_deleted is always false; `cancelled` is a status.
    "dim_kpi_goal": (
        "services.kpi_goals",
        {
            "goal_id": optional_uid,
            "name": _as_is,
            "description": _as_is,
            "service_name": _as_is,
            "metric_type": _as_is,
            "target_value": _as_is,
            "unit": _as_is,
            "start_date": _as_is,
            "end_date": _as_is,
            "alert_threshold": _as_is,
            "created_by": optional_uid,
        },
    ),
}
"""Source table, and columns with what makes them of the source's values, per dimension."""


def _row(source: SourceRow, columns: dict[str, Callable[[Any], Any]]) -> Row:
    row = {name: convert(source[name]) for name, convert in columns.items()}
    # Reading: a row's own deleted_at decides; a category of a deleted user is not flagged itself.
    return {**row, "is_deleted": source.get("deleted_at") is not None}


def dimension(name: str, tables: Tables) -> list[Row]:
    """One dimension by name, in the order of its key."""
    table, columns = _COLUMNS[name]
    key = next(iter(columns))
    return sorted((_row(source, columns) for source in rows_of(tables, table)), key=lambda row: str(row[key]))


def dimensions(tables: Tables) -> dict[str, list[Row]]:
    """All of them, by name."""
    return {name: dimension(name, tables) for name in _COLUMNS}
