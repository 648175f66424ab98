"""Migrations of the warehouse's schemas marts, control, quality and raw.

Belongs here: how a migration's SQL file is applied; the migrations themselves are in ``versions``. Does not belong
here: when they are applied (``warehouse.schema``).
"""

from pathlib import Path

from alembic import op


def apply(migration: str, suffix: str) -> None:
    """Execute the SQL file beside a migration.

    Args:
        migration: the migration's ``__file__``.
        suffix: ``.sql``, or ``.down.sql`` for what takes it back.
    """
    # Past SQLAlchemy, which would take the % of format() for placeholders.
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(Path(migration).with_suffix(suffix).read_text(encoding="utf-8"))
