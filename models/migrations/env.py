"""Runs migrations on the connection that the caller passes in ``config.attributes``.

Belongs here: nothing but the hand-over to alembic. There is no offline mode and no URL of its own.
"""

from alembic import context

import models.control
import models.quality  # registers its tables
from models.base import WarehouseBase

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=WarehouseBase.metadata,
    version_table_schema=models.control.SCHEMA,
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
