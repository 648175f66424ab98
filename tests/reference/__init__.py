"""An independent reference for the published marts, in plain Python, written from the contract alone.

Tests compare what the warehouse publishes with what this package counts from the same source rows, so it
shares nothing with the warehouse: no SQL, no dbt, no import of its modules. It reads like the sentences of
sources.sql and marts.md; where those leave room, the choice is a comment that begins with `Reading:`.

Input of everything: `tables`, rows by 'scheduling.tasks' and so on, values as psycopg gives them; strings
stand where Python has no value (timestamps and dates that are infinite, BC or after 9999). `as_of` is aware.

Output: marts as lists of dicts with the contract's columns but those marked †, sorted by key: int, str (uuids
too, in lower case), bool, date, aware datetime in UTC, Decimal with exactly the contract's decimals, float
for double precision, dict for jsonb.

Belongs here: the sentences of the contract, as slow and plain as they are. Does not belong here: comparing with
the warehouse (integration tests), and anything that the warehouse could be wrong about in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from .days import windows
from .dimensions import dimension, dimensions
from .load import read_folder
from .scheduling import Scheduling
from .services import Services
from .values import EARLIEST_DATE, Entry, Row, SourceRow, Tables
from .workflows import Workflows

__all__ = [
    "EARLIEST_DATE",
    "Entry",
    "Row",
    "Scheduling",
    "Services",
    "SourceRow",
    "Tables",
    "Workflows",
    "dimension",
    "dimensions",
    "marts",
    "quarantine",
    "read_folder",
    "windows",
]


def quarantine(tables: Tables, as_of: datetime, earliest_date: date = EARLIEST_DATE) -> list[Entry]:
    """Open quarantine entries of all applications: (source_table, row_key, position, reason), sorted."""
    entries = [
        *Scheduling(tables, as_of, earliest_date).quarantine,
        *Workflows(tables, as_of, earliest_date).quarantine,
        *Services(tables, as_of, earliest_date).quarantine,
    ]
    return sorted(entries, key=lambda entry: (entry[:2], -1 if entry[2] is None else entry[2], entry[3]))


def marts(
    tables: Tables,
    as_of: datetime,
    earliest_date: date = EARLIEST_DATE,
    goal_versions: Sequence[SourceRow] | None = None,
) -> dict[str, list[Row]]:
    """Every mart covered, by name. `goal_versions`: see `Scheduling.goal_progress_snapshots`."""
    return {
        **Scheduling(tables, as_of, earliest_date).marts(goal_versions),
        **Workflows(tables, as_of, earliest_date).marts(),
        **Services(tables, as_of, earliest_date).marts(),
        **dimensions(tables),
    }
