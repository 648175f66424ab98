"""The extract: rows of one application into ``raw``, all its tables as of one snapshot.

Belongs here: the extract as the rest of Weir calls it, by application. Does not belong here: how it is done
(``warehouse.extracting``), which partitions a change dirties (``warehouse.plan``) and anything about what rows mean.

Everything an extract writes commits in one warehouse transaction: rows, before-images, watermarks, batch.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from psycopg import Rollback

from warehouse.catalog import SOURCE_TABLES, source_tables
from warehouse.database import Connection
from warehouse.errors import ConfigurationError
from warehouse.extracting import engine, shapes
from warehouse.extracting.engine import ALL, Batch, Options, Proof, Reading, TableResult

__all__ = [
    "Batch",
    "Options",
    "Proof",
    "Reading",
    "SourceProof",
    "TableResult",
    "check_table_names",
    "extract",
    "missing_tables",
    "verify_source",
]


@dataclass(frozen=True)
class SourceProof:
    """What a table of raw has that its source has not, or the other way round. ``proof`` None: never extracted."""

    source_table: str
    proof: Proof | None
    seconds: float = 0.0


def missing_tables(source: Connection, application: str) -> list[str]:
    """Names of the application's tables and columns that the source lacks, as ``schema.table[.column]``."""
    tables = [table.declared for table in source_tables(application)]
    found = shapes.read(source, tables)
    missing = []
    for table in tables:
        shape = found.get(table.qualified)
        if shape is None:
            missing.append(table.qualified)
            continue
        missing += [f"{table.qualified}.{name}" for name in table.columns if name not in shape.names]
    return missing


def extract(
    application: str,
    source: Connection,
    warehouse: Connection,
    run_id: str,
    progress: Callable[[str], None] = lambda message: None,
    *,
    reading: Callable[[Reading], None] = lambda reading: None,
    force_deletes: Collection[str] = (),
    prove: bool = False,
) -> Batch:
    """Bring ``raw`` to the state of one snapshot of the source and commit.

    Args:
        application: whose tables to read.
        source: a connection with no transaction open; only read.
        warehouse: a connection with no transaction open; one transaction is committed on it.
        run_id: recorded with the batch.
        progress: called with a line for each table.
        reading: called often, with numbers.
        force_deletes: tables that may lose any number of rows, as ``scheduling.tasks``, or ``all``.
        prove: compare every row of every table with its image.

    Raises:
        ConfigurationError: tables or columns are missing, or changed in a way that needs a decision.
        WeirError: the source would delete suspiciously much, was locked or went away, or a disk is full.
    """
    tables = [table.declared for table in source_tables(application)]
    return engine.extract(
        application, tables, source, warehouse, run_id, Options(force_deletes, prove, progress, reading)
    )


def verify_source(
    application: str,
    source: Connection,
    warehouse: Connection,
    progress: Callable[[str], None] = lambda message: None,
) -> list[SourceProof]:
    """Compare every row of the application's raw tables with the source; changes nothing in raw.

    What the source has changed since the last extract is no difference: it is extracted first, as a run would, then all
    rows are compared, and everything is rolled back. The next run heals the tables that differ.

    Args:
        application: whose tables.
        source: a connection with no transaction open; only read.
        warehouse: a connection with no transaction open, of one who holds the warehouse's lock.
        progress: takes lines.

    Raises:
        ConfigurationError, WeirError: as ``extract`` does.
    """
    tables = source_tables(application)
    (known,) = warehouse.execute(
        "select count(*) from control.watermarks where source_table = any (%s)",
        ([table.qualified for table in tables],),
    ).fetchone() or (0,)
    if known != len(tables):
        return [SourceProof(table.qualified, None) for table in tables]
    with warehouse.transaction() as transaction:
        batch = extract(application, source, warehouse, "verify", progress, force_deletes=(ALL,), prove=True)
        raise Rollback(transaction)
    proofs = [SourceProof(table.source_table, table.proof, table.seconds) for table in batch.tables]
    warehouse.execute(
        "update control.watermarks set proven_at = null where source_table = any (%s)",
        ([item.source_table for item in proofs if item.proof and not item.proof.success],),
    )
    return proofs


def check_table_names(names: Collection[str]) -> None:
    """Refuse names that are no table's.

    Raises:
        ConfigurationError: with the names there are.
    """
    known = [table.qualified for table in SOURCE_TABLES]
    for name in names:
        if name not in known and name != ALL:
            raise ConfigurationError(f"--force-deletes: there is no table {name!r}; give all, or of {', '.join(known)}")
