"""A lock that readers cannot take."""

from models.migrations import apply

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the SQL file of the same name."""
    apply(__file__, ".sql")


def downgrade() -> None:
    """Apply the SQL file that takes it back."""
    apply(__file__, ".down.sql")
