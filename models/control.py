"""Tables of schema ``control``: what the warehouse remembers about its own work.

Belongs here: runs, extracts and their watermarks, which partitions are dirty, what was published, and the
history of what sources do not keep.

Does not belong here: results of checks (``models.quality``), and anything else that a mart's meaning depends on
other than the parameters of the current run.
"""

import datetime as dt
import uuid
from typing import Annotated, Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from models.base import BigInt, IdentityKey, WarehouseBase, WrittenAt

SCHEMA = "control"

Name = Annotated[str, mapped_column(primary_key=True)]
"""A name that is (part of) a primary key."""
IsHeldBack = Annotated[
    bool,
    mapped_column(Boolean, server_default=text("false"), comment="Failed a blocking check: keeps its last good rows."),
]


class Application(WarehouseBase):
    """What is known of one application: how far its rows have come, and as of when its marts stand."""

    __tablename__ = "applications"
    __table_args__ = ({"schema": SCHEMA},)

    application: Mapped[Name]
    facts_batch_id: Mapped[int | None] = mapped_column(
        BigInteger, comment="Facts are built from batches up to this one; null: they must be built anew."
    )
    facts_fingerprint: Mapped[str | None] = mapped_column(
        comment="What facts depend on besides rows: the code, earliest_date, the time-zone data."
    )
    as_of: Mapped[dt.datetime | None] = mapped_column(comment="As-of instant of the last run that settled it.")
    first_date: Mapped[dt.date | None] = mapped_column(comment="First day with data that was ever seen.")
    facts_as_of_from: Mapped[dt.datetime | None] = mapped_column(
        comment="Facts are as of this instant, or, while they are computed, of one from here through facts_as_of_to."
    )
    facts_as_of_to: Mapped[dt.datetime | None] = mapped_column(
        comment="As facts_as_of_from, or the latest that they may be as of; infinity after an interruption."
    )
    planned_as_of: Mapped[dt.datetime | None] = mapped_column(
        comment="As-of instant of the last plan: changes of facts are set against what counted as of then."
    )
    oldest_as_of: Mapped[dt.datetime | None] = mapped_column(
        comment="No published partition stands as of an earlier instant, but where that makes no difference."
    )
    newest_as_of: Mapped[dt.datetime | None] = mapped_column(
        comment="No published partition stands as of a later instant, but where that makes no difference."
    )
    failing_since: Mapped[dt.datetime | None] = mapped_column(
        comment="When the first of the last unbroken row of failed or blocked runs ended; null: the last one succeeded."
    )
    last_error: Mapped[str | None] = mapped_column(comment="What the last run failed with.")


class Run(WarehouseBase):
    """One row per run, written when it begins and when it ends."""

    __tablename__ = "runs"
    __table_args__ = ({"schema": SCHEMA},)

    run_id: Mapped[Name]
    as_of: Mapped[dt.datetime]
    applications: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    requested_from: Mapped[dt.date | None]
    requested_to: Mapped[dt.date | None]
    status: Mapped[str] = mapped_column(comment="started, published, nothing_to_do, blocked, failed")
    message: Mapped[str | None]
    started_at: Mapped[WrittenAt]
    finished_at: Mapped[dt.datetime | None]
    seconds: Mapped[Any] = mapped_column(
        JSONB, server_default=text("'{}'"), nullable=False, comment="Seconds per stage, in order."
    )


class Batch(WarehouseBase):
    """One extract of one application: all its tables as of one snapshot of the source."""

    __tablename__ = "batches"
    __table_args__ = ({"schema": SCHEMA},)

    batch_id: Mapped[IdentityKey]
    run_id: Mapped[str]
    application: Mapped[str]
    system_identifier: Mapped[BigInt] = mapped_column(comment="Of the database cluster that was read.")
    snapshot: Mapped[str] = mapped_column(comment="pg_current_snapshot() of the source.")
    extracted_at: Mapped[WrittenAt]
    timeline: Mapped[int | None] = mapped_column(comment="Of the source; another one: it was restored or failed over.")


class BatchTable(WarehouseBase):
    """What one extract did to one table."""

    __tablename__ = "batch_tables"
    __table_args__ = ({"schema": SCHEMA},)

    batch_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(f"{SCHEMA}.batches.batch_id"), primary_key=True)
    source_table: Mapped[Name]
    mode: Mapped[str] = mapped_column(
        comment="full (first load), or how changes were found: xmin, xid8, cursor, compare."
    )
    rows_read: Mapped[BigInt]
    rows_inserted: Mapped[BigInt]
    rows_updated: Mapped[BigInt]
    rows_deleted: Mapped[BigInt]
    seconds: Mapped[float]
    reason: Mapped[str | None] = mapped_column(
        comment="Why all rows were compared although the table has another mode."
    )


class Watermark(WarehouseBase):
    """How far one source table has been read. Commits with the rows, so that it can never run ahead."""

    __tablename__ = "watermarks"
    __table_args__ = ({"schema": SCHEMA},)

    source_table: Mapped[Name]
    system_identifier: Mapped[BigInt]
    relation_oid: Mapped[BigInt] = mapped_column(comment="A dropped and recreated table is read anew.")
    snapshot_xmin: Mapped[BigInt] = mapped_column(
        comment="64-bit id of the oldest transaction still open at the last extract; later ones are unseen."
    )
    columns: Mapped[Any] = mapped_column(
        JSONB, comment="Number, name, type, type in raw, enum labels and expression of each column, in order."
    )
    batch_id: Mapped[BigInt]
    timeline: Mapped[int | None] = mapped_column(comment="Of the source, at the last extract.")
    server_started_at: Mapped[dt.datetime | None] = mapped_column(
        comment="Of the source: after a restart it may be a copy of an earlier state."
    )
    horizon: Mapped[dt.datetime | None] = mapped_column(
        comment="Mode cursor: no unseen row is of a transaction that began before."
    )
    relations: Mapped[list[int] | None] = mapped_column(
        ARRAY(BigInteger()), comment="Oids of the tables and partitions whose rows were read."
    )
    definition: Mapped[str | None] = mapped_column(comment="Hash of a view's query.")
    mode: Mapped[str | None] = mapped_column(comment="How changes were found: xmin, xid8, cursor, compare.")
    proven_at: Mapped[dt.datetime | None] = mapped_column(
        comment="When all rows were last compared with the source; null: the next extract does."
    )
    row_count: Mapped[int | None] = mapped_column(
        BigInteger(), comment="Rows of the table in raw; null: the next extract counts them."
    )


class Publication(WarehouseBase):
    """The ledger: one row per publication of one partition of one mart."""

    __tablename__ = "publications"
    __table_args__ = (
        Index(None, "mart", "partition_start", "publication_id"),
        {"schema": SCHEMA},
    )

    publication_id: Mapped[IdentityKey]
    run_id: Mapped[str]
    application: Mapped[str]
    mart: Mapped[str]
    partition_start: Mapped[dt.date | None] = mapped_column(comment="Null: a mart without dates.")
    partition_end: Mapped[dt.date | None] = mapped_column(comment="Inclusive.")
    as_of: Mapped[dt.datetime]
    row_count: Mapped[BigInt]
    content_hash: Mapped[str] = mapped_column(comment="Order-free hash of all but volatile columns.")
    source_row_count: Mapped[BigInt | None] = mapped_column(comment="Source rows that the partition counts.")
    published_at: Mapped[WrittenAt]


class LateData(WarehouseBase):
    """Which batch dirtied which partition, and the publication that settled it (null: still dirty)."""

    __tablename__ = "late_data"
    __table_args__ = (
        UniqueConstraint("batch_id", "mart", "partition_start", "source_table", postgresql_nulls_not_distinct=True),
        Index("late_data_pending_idx", "application", postgresql_where=text("state = 'pending'")),
        Index(None, "publication_id"),
        {"schema": SCHEMA},
    )

    late_data_id: Mapped[IdentityKey]
    batch_id: Mapped[BigInt]
    first_batch_id: Mapped[BigInt] = mapped_column(
        comment="Of the batches that were planned for together; batch_id is the last of them."
    )
    application: Mapped[str]
    mart: Mapped[str]
    partition_start: Mapped[dt.date | None]
    source_table: Mapped[str]
    row_count: Mapped[BigInt] = mapped_column(comment="Changed source rows that touch the partition.")
    state: Mapped[str] = mapped_column(server_default="pending", comment="pending, settled, or closed (past retention)")
    publication_id: Mapped[int | None] = mapped_column(BigInteger)
    dirtied_at: Mapped[WrittenAt]


class RunPartition(WarehouseBase):
    """The partitions that the current run builds, and of applications that it leaves out, those of their last run.

    Models of candidates join it; there are no dbt variables.
    """

    __tablename__ = "run_partitions"
    __table_args__ = (
        UniqueConstraint("mart", "partition_start", postgresql_nulls_not_distinct=True),
        {"schema": SCHEMA},
    )

    run_partition_id: Mapped[IdentityKey]
    application: Mapped[str]
    mart: Mapped[str]
    partition_start: Mapped[dt.date | None]
    is_held_back: Mapped[IsHeldBack]


class CurrentRun(WarehouseBase):
    """One row: the parameters of the current run that models depend on."""

    __tablename__ = "current_run"
    __table_args__ = ({"schema": SCHEMA},)

    run_id: Mapped[Name]
    as_of: Mapped[dt.datetime]
    future_limit: Mapped[dt.datetime] = mapped_column(comment="as_of + 24 hours: later instants are in the future.")
    last_date: Mapped[dt.date] = mapped_column(comment="The UTC date of as_of + 1: the last day that exists.")
    earliest_date: Mapped[dt.date] = mapped_column(comment="Setting: earlier instants are quarantined.")
    built_at: Mapped[WrittenAt]


class KnownTimezone(WarehouseBase):
    """The zones listed in the pinned time-zone data, letter for letter."""

    __tablename__ = "known_timezones"
    __table_args__ = ({"schema": SCHEMA},)

    timezone: Mapped[Name]


class LocalDay(WarehouseBase):
    """Windows of local days, of every zone ever in use: what ``marts.dim_local_day`` is a slice of."""

    __tablename__ = "local_days"
    __table_args__ = (
        Index(None, "timezone", "starts_at", "ends_at", "date"),
        Index("local_days_skipped_idx", "timezone", "date", postgresql_where=text("starts_at = ends_at")),
        {"schema": SCHEMA},
    )

    timezone: Mapped[Name]
    date: Mapped[dt.date] = mapped_column(primary_key=True)
    starts_at: Mapped[dt.datetime]
    ends_at: Mapped[dt.datetime]


class DurationBucket(WarehouseBase):
    """Bounds of the buckets of ``marts.duration_histogram``; never changed."""

    __tablename__ = "duration_buckets"
    __table_args__ = ({"schema": SCHEMA},)

    bucket: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    lower_microseconds: Mapped[BigInt] = mapped_column(comment="Inclusive.")
    upper_microseconds: Mapped[BigInt] = mapped_column(comment="Inclusive.")


class SeriesFit(WarehouseBase):
    """Forecasts by content of the series: what has been fitted is not fitted again."""

    __tablename__ = "series_fits"
    __table_args__ = ({"schema": SCHEMA},)

    fingerprint: Mapped[Name] = mapped_column(
        comment="Hash of the values, the granularity and the version of the method."
    )
    result: Mapped[Any] = mapped_column(JSONB, nullable=False, comment="What the fit gave: model, values, scores.")
    last_used_at: Mapped[WrittenAt] = mapped_column(comment="Fits that no run has asked for in a while are dropped.")


class SentAlert(WarehouseBase):
    """Alerts of KPI goals that have left Weir, or are on their way: one per goal and channel, for good."""

    __tablename__ = "sent_alerts"
    __table_args__ = ({"schema": SCHEMA},)

    goal_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    channel: Mapped[Name] = mapped_column(comment="Name of the channel: log, webhook.")
    date: Mapped[dt.date] = mapped_column(comment="Day of the goal on which it fired.")
    state: Mapped[str] = mapped_column(
        server_default="pending", comment="pending, sending, sent, or unknown (may have arrived; never sent again)."
    )
    attempts: Mapped[int] = mapped_column(server_default=text("0"), comment="How often it was tried.")
    last_error: Mapped[str | None] = mapped_column(comment="Why the last attempt failed.")
    sent_at: Mapped[dt.datetime | None] = mapped_column(comment="When the channel took it.")


class GoalVersion(WarehouseBase):
    """Every version of a goal that the warehouse has seen, kept for good: sources keep the current one only.

    Of what a goal has, only target and activity have history; the rest is as the source has it now.
    """

    __tablename__ = "goal_versions"
    __table_args__ = ({"schema": SCHEMA},)

    goal_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(
        primary_key=True,
        autoincrement=False,
        comment="1, 2, … in the order in which the warehouse saw them.",
    )
    target_value: Mapped[int]
    is_active: Mapped[bool]
    updated_at: Mapped[dt.datetime] = mapped_column(
        comment="As the application set it; a version is valid from it, but not before the one before it."
    )
    batch_id: Mapped[BigInt] = mapped_column(
        comment="The extract that brought it; 0: before the first one that is known."
    )
    recorded_at: Mapped[WrittenAt]
