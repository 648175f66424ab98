"""Rights of runs, reasons of checks, since when an application fails."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the SQL file of the same name."""
    _apply(".sql")


def downgrade() -> None:
    """Apply the SQL file that takes it back."""
    _apply(".down.sql")


def _apply(suffix: str) -> None:
    # Past SQLAlchemy, which would take the % of format() for placeholders.
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(Path(__file__).with_suffix(suffix).read_text(encoding="utf-8"))
