"""Reads source tables from a folder of CSV files, typed as sources.sql says.

Belongs here: files to Python values, as psycopg would give them. Nothing is examined or left out.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from .values import Row, day_ordinal, instant

Reader = Callable[[str], Any]

_DECODER: Final = json.JSONDecoder(parse_float=Decimal)


def _text(text: str) -> str:
    return text


def _uuid(text: str) -> str:
    return text.strip().lower()


def _timestamp(text: str) -> datetime | str:
    """An aware datetime; infinities, BC and years over 9999 stay text. Else ValueError."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        instant(text)
        return text
    if value.tzinfo is None:
        raise ValueError(f"timestamp without an offset: {text!r}")
    return value


def _date(text: str) -> date | str:
    try:
        return date.fromisoformat(text)
    except ValueError:
        day_ordinal(text)
        return text


def _json(text: str) -> Any:
    return _DECODER.decode(text)


def _boolean(text: str) -> bool:
    return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}[text.strip().lower()]


def _text_array(text: str) -> list[str]:
    inner = text.strip().removeprefix("{").removesuffix("}")
    return next(csv.reader([inner], escapechar="\\", doublequote=False), []) if inner else []


_TIMES: Final[dict[str, Reader]] = {
    "created_at": _timestamp,
    "updated_at": _timestamp,
    "deleted_at": _timestamp,
}

TABLES: Final[dict[str, dict[str, Reader]]] = {
    "scheduling.users": {"user_id": _uuid, "email": _text, "timezone": _text, **_TIMES},
    "scheduling.categories": {
        "category_id": _uuid,
        "user_id": _uuid,
        "name": _text,
        "color": _text,
        "updated_at": _timestamp,
        "deleted_at": _timestamp,
    },
    "scheduling.tasks": {
        "task_id": _uuid,
        "user_id": _uuid,
        "category_id": _uuid,
        "title": _text,
        "status": _text,
        "scheduled_slots": _json,
        "completed_at": _timestamp,
        **_TIMES,
    },
    "scheduling.user_calendar_days": {
        "calendar_day_id": _uuid,
        "user_id": _uuid,
        "date": _date,
        "focus_slots": _json,
        "updated_at": _timestamp,
    },
    "scheduling.goals": {
        "goal_id": _uuid,
        "user_id": _uuid,
        "category_id": _uuid,
        "name": _text,
        "target_type": _text,
        "target_value": int,
        "time_period": _text,
        "start_date": _date,
        "end_date": _date,
        "is_active": _boolean,
        **_TIMES,
    },
    "workflows.workflows": {
        "workflow_id": _uuid,
        "name": _text,
        "status": _text,
        "conversion_window_seconds": int,
        **_TIMES,
    },
    "workflows.workflow_steps": {
        "step_id": _uuid,
        "workflow_id": _uuid,
        "position": int,
        "name": _text,
        "step_type": _text,
        "action_type": _text,
        "updated_at": _timestamp,
        "deleted_at": _timestamp,
    },
    "workflows.workflow_executions": {
        "execution_id": _uuid,
        "workflow_id": _uuid,
        "contact_id": _uuid,
        "status": _text,
        "enrolled_at": _timestamp,
        "ended_at": _timestamp,
        "goal_reached_at": _timestamp,
        "current_step_id": _uuid,
        "updated_at": _timestamp,
    },
    "workflows.workflow_events": {
        "event_id": int,
        "execution_id": _uuid,
        "workflow_id": _uuid,
        "step_id": _uuid,
        "event_type": _text,
        "occurred_at": _timestamp,
        "recorded_at": _timestamp,
        "duration_ms": int,
        "payload": _json,
    },
    "services.metrics": {
        "metric_id": int,
        "service_name": _text,
        "metric_type": _text,
        "segment": _text,
        "value": float,
        "unit": _text,
        "recorded_at": _timestamp,
        "created_at": _timestamp,
    },
    "services.kpi_goals": {
        "goal_id": _uuid,
        "name": _text,
        "description": _text,
        "service_name": _text,
        "metric_type": _text,
        "target_value": float,
        "unit": _text,
        "start_date": _date,
        "end_date": _date,
        "status": _text,
        "alert_threshold": float,
        "created_by": _uuid,
        "created_at": _timestamp,
        "updated_at": _timestamp,
    },
    "services.report_requests": {
        "report_id": _uuid,
        "name": _text,
        "report_type": _text,
        "format": _text,
        "parameters": _json,
        "cron_schedule": _text,
        "email_recipients": _text_array,
        "created_by": _uuid,
        **_TIMES,
    },
}

_DEFAULTS: Final[dict[str, Callable[[], Any]]] = {
    "timezone": lambda: "UTC",
    "scheduled_slots": list,
    "focus_slots": list,
    "payload": dict,
    "parameters": dict,
    "email_recipients": list,
    "is_active": lambda: True,
}


def read_table(path: Path, columns: dict[str, Reader]) -> list[Row]:
    """The rows of one CSV file (gzipped or not); a column that it lacks has its default, or null.

    Raises ValueError naming file and line for a value that its column cannot hold, KeyError for a column that
    the table does not have.
    """
    csv.field_size_limit(2**31 - 1)
    open_text = gzip.open if path.suffix == ".gz" else open
    rows: list[Row] = []
    with open_text(path, "rt", encoding="utf-8", newline="") as stream:
        lines = csv.reader(stream)
        header = next(lines, [])
        absent = set(columns) - set(header)
        readers = [(name, columns[name]) for name in header]
        for line in lines:
            row: Row = {name: _DEFAULTS[name]() if name in _DEFAULTS else None for name in absent}
            for (name, read), text in zip(readers, line, strict=True):
                try:
                    row[name] = None if text == "" else read(text)
                except (ValueError, KeyError) as error:
                    raise ValueError(f"{path.name}, line {lines.line_num}, {name}: {error}") from error
            rows.append(row)
    return rows


def read_folder(folder: Path | str) -> dict[str, list[Row]]:
    """Every table that has a file `<schema>.<table>.csv` or `.csv.gz` in the folder."""
    tables = {}
    for name, columns in TABLES.items():
        for suffix in (".csv", ".csv.gz"):
            path = Path(folder) / f"{name}{suffix}"
            if path.exists():
                tables[name] = read_table(path, columns)
    return tables
