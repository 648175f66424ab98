"""What is declared about a table before anything is read: its name, its key and how its changes are found.

Belongs here: the four modes and when each of them is exact. Does not belong here: which table has which
(``warehouse.catalog``), and how a mode is carried out.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

PASSED_ON = "_xmin"
"""Column of a view over one table that passes on the table's ``xmin``: ``select …, t.xmin as _xmin from t``."""


@dataclass(frozen=True)
class Xmin:
    """By the id of the transaction that wrote the row, which PostgreSQL keeps with every row. The default.

    Exact for every table, whatever the application does, and asks nothing of it; reads the table once per run. A view
    over one table does as well where it has a column ``_xmin``; any other view is compared instead.
    """


@dataclass(frozen=True)
class Xid8:
    """By a column of type ``xid8`` that holds ``pg_current_xact_id()`` of the last write; can be indexed.

    Exact where a trigger sets it with every insert and update. Rows in which it is null are always read.
    """

    column: str


@dataclass(frozen=True)
class Cursor:
    """By a ``timestamptz`` that the application sets when it writes; can be indexed.

    Exact for rows that are written once (or never without a new value), with a value at most ``skew`` older than the
    start of the transaction that writes them. Not for tables with silent corrections, nor for rows that
    arrive by replication. Rows in which it is null are always read.
    """

    column: str
    skew: dt.timedelta = dt.timedelta(hours=2)


@dataclass(frozen=True)
class Compare:
    """By comparing all rows with their images, bucket by bucket; only buckets that differ are transferred.

    Exact for everything that can be selected from; what views and foreign tables get unless they can do better.
    """


Mode = Xmin | Xid8 | Cursor | Compare


@dataclass(frozen=True)
class Declared:
    """A relation to extract: ``schema.name`` of the source becomes ``raw.schema__name``."""

    schema: str
    name: str
    key: tuple[str, ...]
    """Columns that tell rows apart; never null."""
    mode: Mode = Xmin()
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Columns that there must be, and their types, as PostgreSQL writes them; others are carried along."""

    @property
    def qualified(self) -> str:
        """Name in the source and in every report."""
        return f"{self.schema}.{self.name}"

    @property
    def raw(self) -> str:
        """Name of its image in schema ``raw``; the log of changes is ``<raw>__changes``."""
        return f"{self.schema}__{self.name}"
