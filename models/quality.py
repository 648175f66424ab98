"""Tables of schema ``quality``: results of checks, and source values that cannot be used.

Belongs here: what the gate and the quarantine record. Does not belong here: the checks themselves.
"""

import datetime as dt
from typing import Annotated

from sqlalchemy import Boolean, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import IdentityKey, WarehouseBase, WrittenAt

SCHEMA = "quality"

Verdict = Annotated[bool, mapped_column(Boolean)]


class CheckResult(WarehouseBase):
    """One row per check and run; a check that failed for days has one row per failed day."""

    __tablename__ = "check_results"
    __table_args__ = (
        Index(None, "run_id"),
        Index("check_results_application_check_result_id_idx", "application", "check_result_id"),
        {"schema": SCHEMA},
    )

    check_result_id: Mapped[IdentityKey]
    run_id: Mapped[str]
    application: Mapped[str]
    mart: Mapped[str | None] = mapped_column(comment="Null: the check is of the application as a whole.")
    partition_start: Mapped[dt.date | None]
    partition_end: Mapped[dt.date | None]
    check_name: Mapped[str]
    engine: Mapped[str] = mapped_column(comment="great_expectations, dbt or reconciliation")
    severity: Mapped[str] = mapped_column(comment="block or warn")
    success: Mapped[Verdict]
    observed: Mapped[str | None]
    expected: Mapped[str | None]
    checked_at: Mapped[WrittenAt]
    reason: Mapped[str | None] = mapped_column(comment="Why it blocks, or only warns.")
    failing_rows: Mapped[str | None] = mapped_column(
        comment="Query for the rows that failed, in the candidate, until it is built again; null: passed, or there "
        "are none to show."
    )


class Quarantine(WarehouseBase):
    """Source values that are left out of every mart, and why; kept after they are released."""

    __tablename__ = "quarantine"
    __table_args__ = (
        UniqueConstraint("source_table", "row_key", "position", "reason", postgresql_nulls_not_distinct=True),
        {"schema": SCHEMA},
    )

    quarantine_id: Mapped[IdentityKey]
    source_table: Mapped[str] = mapped_column(comment="For example scheduling.tasks.")
    row_key: Mapped[str] = mapped_column(comment="The primary key, as text.")
    position: Mapped[int | None] = mapped_column(comment="0-based array element; null: the whole row.")
    reason: Mapped[str]
    value: Mapped[str | None]
    first_seen: Mapped[WrittenAt]
    released_at: Mapped[dt.datetime | None] = mapped_column(comment="Null while open.")
