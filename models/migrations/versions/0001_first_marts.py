"""Schemas, control and quality tables, and the first marts."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything; the statements stand in the SQL file of the same name."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Drop everything but schema control itself, in which alembic keeps its version."""
    op.execute("drop schema if exists raw, staging, intermediate, candidate, marts, quality cascade")
    for table in (
        "batch_tables", "batches", "applications", "runs", "watermarks", "publications", "late_data",
        "run_partitions", "current_run", "known_timezones", "local_days",
    ):  # fmt: skip
        op.execute(f"drop table if exists control.{table} cascade")
