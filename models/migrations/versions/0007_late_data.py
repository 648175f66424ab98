"""The late-data ledger, readable from rows to publications and back."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the SQL file of the same name."""
    _apply(".sql")


def downgrade() -> None:
    """Apply the SQL file that takes it back."""
    _apply(".down.sql")


def _apply(suffix: str) -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(suffix).read_text(encoding="utf-8"))
