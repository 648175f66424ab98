"""Rights of runs, reasons of checks, since when an application fails."""

from models.migrations import apply

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the SQL file of the same name."""
    apply(__file__, ".sql")


def downgrade() -> None:
    """Apply the SQL file that takes it back."""
    apply(__file__, ".down.sql")
