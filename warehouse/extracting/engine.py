"""One extract: all tables of an application as of one snapshot, in one warehouse transaction.

Belongs here: the order of things, the breaker of deletions, the proof. Does not belong here: how rows are moved,
compared and written (the package's other modules).

The source is read first and let go of; rows wait in temporary tables and are merged when nobody's ALTER has to wait
for us any more. Only few rows, and tables that are proven in this run, are merged while the source's snapshot is still
open.
"""

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import IsolationLevel, sql

from warehouse import lock
from warehouse.database import Connection, fetch_row
from warehouse.errors import ConfigurationError, WeirError
from warehouse.extracting import buckets, drift, positions, shapes, transport
from warehouse.extracting.declared import Declared
from warehouse.extracting.images import ExplainedKeys, Image, selected
from warehouse.extracting.positions import Moment, Watermark
from warehouse.extracting.shapes import Shape

BREAKER_SHARE, BREAKER_ROWS = 0.05, 1_000
"""A sweep that would delete more than both of a table's rows is stopped, as is one that finds the table empty."""

PROVE_EVERY = dt.timedelta(hours=24)
"""How old a table's last proof may become. A proof reads every row on both sides: 1–2 s for 5 M rows on one core."""

MERGED_AT_ONCE = 200_000
"""Rows that an extract merges while the source is still open, about two seconds of work: merging tells how many are
new. Of more it looks the keys up first, lets go of the source and merges then."""

LOCK_SECONDS = 60
"""How long to wait for a source table that somebody alters."""

KEYS_NAMED = 20
"""Differing keys that a proof names; it counts them all."""

ALL = "all"
"""In place of a table's name: every table may lose any number of rows."""


@dataclass(frozen=True)
class Reading:
    """Where an extract is: numbers for a progress bar. ``expected`` is an estimate, None where there is none."""

    source_table: str
    step: str
    """read, merge or prove."""
    number: int
    tables: int
    rows: int = 0
    expected: int | None = None


@dataclass(frozen=True)
class Proof:
    """A comparison of every row of a table with its image, in the extract's snapshot."""

    rows: int
    differing: int = 0
    keys: tuple[str, ...] = ()
    """The first of the differing keys, their columns joined by a slash. They have been healed."""

    @property
    def success(self) -> bool:
        """Whether raw was what the source is, before anything was healed."""
        return self.differing == 0


@dataclass(frozen=True)
class TableResult:
    """What an extract did to one table; counts are rows, ``seconds`` is wall time."""

    source_table: str
    mode: str
    """full (first load), or how changes were found: xmin, xid8, cursor, compare."""
    rows_read: int
    rows: int = 0
    """Rows that the source has in the snapshot, and raw afterwards."""
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    seconds: float = 0.0
    reason: str | None = None
    """Why all rows were compared although the table's mode is another."""
    proof: Proof | None = None

    @property
    def changed(self) -> int:
        """Rows that are different in ``raw`` now."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True)
class Batch:
    """One extract of one application."""

    batch_id: int
    application: str
    tables: tuple[TableResult, ...] = field(default=())
    snapshot: str = ""
    """``pg_current_snapshot()`` of the source."""

    @property
    def changed(self) -> int:
        """Rows that are different in ``raw`` now, over all tables."""
        return sum(table.changed for table in self.tables)


@dataclass(frozen=True)
class Options:
    """How to extract.

    ``force_deletes`` names tables that may lose any number of rows, or ``all``. ``prove`` proves all tables now.
    """

    force_deletes: Collection[str] = ()
    prove: bool = False
    progress: Callable[[str], None] = lambda line: None
    reading: Callable[[Reading], None] = lambda reading: None


def extract(
    application: str,
    tables: Sequence[Declared],
    source: Connection,
    warehouse: Connection,
    run_id: str,
    options: Options | None = None,
) -> Batch:
    """Bring ``raw`` to the state of one snapshot of the source and commit.

    Args:
        application: the name that batches are recorded under; one extract of it at a time.
        tables: all its tables.
        source: a connection with no transaction open; only read.
        warehouse: a connection; with no transaction open on it, one is committed.
        run_id: recorded with the batch.
        options: how.

    Raises:
        ConfigurationError: something is missing, changed in a way that needs a decision, or cannot be read exactly.
        WeirError: the breaker stopped a sweep, the source was locked or went away, the warehouse's disk is full.
    """
    options = options or Options()
    with _explained(application, source), warehouse.transaction():
        # Before the snapshot: of two extracts, the one that commits later must not have read earlier.
        lock.until_commit(warehouse, application)
        with _source_snapshot(source, tables) as (now, found):
            batch_id, taken_at = fetch_row(
                warehouse,
                "insert into control.batches (run_id, application, system_identifier, snapshot, timeline)"
                " values (%s, %s, %s, %s, %s) returning batch_id, extracted_at",
                (run_id, application, now.system_identifier, now.snapshot, now.timeline),
            )
            assert isinstance(taken_at, dt.datetime)
            known = positions.load(warehouse, tables)
            works = [
                _Work(
                    table, found[table.qualified], known.get(table.qualified), now, Image(
                        warehouse, table, found[table.qualified], int(str(batch_id))
                    ), source, warehouse, options, number, len(tables),
                )
                for number, table in enumerate(tables)
            ]  # fmt: skip
            at_once = MERGED_AT_ONCE
            for work in works:
                work.read(at_once)
                at_once -= work.result.changed
                if work.is_known and (options.prove or work.suspect or _is_old(work.proven_at, taken_at)):
                    work.write()
                    work.prove()
        for work in works:
            work.write()
            work.remember()
        return Batch(int(str(batch_id)), application, tuple(work.result for work in works), now.snapshot)


def check(tables: Sequence[Declared], found: dict[str, Shape]) -> None:
    """Refuse a source of which something is missing or may not be read.

    Raises:
        ConfigurationError: naming the table and what to do.
    """
    for table in tables:
        drift.check_presence(table, found.get(table.qualified))
    if missing := [table.qualified for table in tables if table.qualified not in found]:
        raise ConfigurationError(
            f"the source of {tables[0].schema} lacks {', '.join(missing[:3])}"
            f"{' and more' if len(missing) > 3 else ''}: create what is missing (weir source create makes all "
            f"tables), or point WEIR_SOURCE_URL_{tables[0].schema.upper()} to the database that has them"
        )


def _is_old(proven_at: dt.datetime | None, now: dt.datetime) -> bool:
    return proven_at is None or now - proven_at >= PROVE_EVERY


@contextmanager
def _source_snapshot(source: Connection, tables: Sequence[Declared]) -> Iterator[tuple[Moment, dict[str, Shape]]]:
    """A read-only transaction on the source whose tables nobody can alter, and what they look like in it."""
    source.isolation_level = IsolationLevel.REPEATABLE_READ
    source.read_only = True
    # A policy that hides rows is an error and not a smaller table.
    source.execute("set row_security = off")
    source.execute(sql.SQL("set lock_timeout = {}").format(sql.Literal(f"{LOCK_SECONDS}s")))
    source.execute("set idle_in_transaction_session_timeout = 0")
    found = shapes.read(source, tables)
    check(tables, found)
    horizon = positions.horizon(source, tables)
    with source.transaction():
        # Locks before the snapshot: a rewriting ALTER that commits in between would show an empty table.
        lockable = [table for table in tables if found[table.qualified].kind in shapes.LOCKABLE]
        if lockable:
            source.execute(
                sql.SQL("lock table {} in access share mode").format(
                    sql.SQL(", ").join(sql.Identifier(table.schema, table.name) for table in lockable)
                )
            )
        now = positions.moment(source, horizon)
        found = shapes.read(source, tables)
        check(tables, found)
        yield now, {table.qualified: drift.fit(table, found[table.qualified]) for table in tables}


class _Work:
    """One table of one extract: read while the source's snapshot is open, written when it need not be."""

    def __init__(
        self,
        table: Declared,
        shape: Shape,
        known: Watermark | None,
        now: Moment,
        image: Image,
        source: Connection,
        warehouse: Connection,
        options: Options,
        number: int,
        tables: int,
    ) -> None:
        self.table, self.shape, self.known, self.now, self.image = table, shape, known, now, image
        self.source, self.warehouse, self.options = source, warehouse, options
        self._number, self._tables = number, tables
        self.mode = shape.mode(table.mode)
        self.result = TableResult(table.qualified, positions.describe(self.mode), 0)
        self.suspect = False
        """Whether raw lacks keys that it should have: then everything is compared."""
        self._relation = sql.Identifier(table.schema, table.name)
        self._incoming = self._gone = self._proven = self._written = False
        self._compared = 0

    @property
    def is_known(self) -> bool:
        """Whether it has been read before."""
        return self.known is not None

    @property
    def proven_at(self) -> dt.datetime | None:
        """When all rows were last compared."""
        return None if self.known is None else self.known.proven_at

    def read(self, at_once: int) -> None:
        """Copy what may have changed, and find what is gone; up to ``at_once`` rows are merged, too."""
        started = time.perf_counter()
        self._say("read")
        if self.known is None:
            drift.check_columns(self.table, self.shape)
            self._read_all()
        else:
            positions.check_order(self.table, self.known, self.now)
            same = (self.known.system_identifier, self.known.relation_oid) == (
                self.now.system_identifier,
                self.shape.oid,
            )
            drifted, self.shape = drift.follow(
                self.warehouse,
                self.table,
                self.known.columns,
                self.shape,
                same_relation=same,
                say=self.options.progress,
            )
            drift.check_columns(self.table, self.shape)
            self.image = replace(self.image, shape=self.shape)
            reason = positions.doubts(self.known, self.shape, self.now, self.mode) or drifted
            since = positions.condition(self.table, self.mode, self.shape, self.known, self.now)
            if reason is None and since is not None:
                self._read_since(since, at_once)
            else:
                self.result = replace(self.result, mode="compare", reason=reason)
                self._compare()
                self._proven = True
        self._took(started)

    def write(self) -> None:
        """Merge what was read into raw and delete what is gone; at most once."""
        if self._written:
            return
        started = time.perf_counter()
        self._say("merge", self.result.rows_read)
        if self.known is None:
            self.image.finish()
            self.result = replace(self.result, inserted=self.result.rows_read)
        self._apply()
        self._written = True
        self._took(started)

    def prove(self) -> None:
        """Compare all rows with their images in the snapshot; heal and name what differs."""
        if self._proven:  # all rows have been compared instead of read
            self.result = replace(self.result, proof=Proof(self._compared))
            return
        started = time.perf_counter()
        self._say("prove")
        self._compare()
        count, keys = self.image.differing_keys(KEYS_NAMED, incoming=self._incoming, gone=self._gone)
        self._apply()
        self.result = replace(self.result, proof=Proof(self._compared, count, tuple(keys)))
        if count:
            self.options.progress(
                f"{self.table.qualified}: {count:,} rows were not what the source has and have been healed, "
                f"first {keys[0]}"
            )
        self._proven = True
        self._took(started)

    def remember(self) -> None:
        """Move the watermark and log what was done, in the transaction that holds the rows."""
        result = self.result
        doubted = result.reason is not None
        positions.save(
            self.warehouse,
            self.table,
            self.shape,
            self.now,
            None if doubted else self.known,
            self.mode,
            self.image.batch_id,
            rows=self.result.rows,
            proven=self._proven,
        )
        self.warehouse.execute(
            "insert into control.batch_tables (batch_id, source_table, mode, reason, rows_read, rows_inserted,"
            " rows_updated, rows_deleted, seconds) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                self.image.batch_id,
                result.source_table,
                result.mode,
                result.reason,
                result.rows_read,
                result.inserted,
                result.updated,
                result.deleted,
                result.seconds,
            ),
        )
        why = f": {result.reason}" if result.reason else ""
        self.options.progress(
            f"{result.source_table}: {result.rows_read:,} rows read ({result.mode}{why}), "
            f"{result.changed:,} changed, {result.seconds:.1f} s"
        )

    def _read_all(self) -> None:
        made: list[bool] = []

        def create() -> sql.Composed:
            made.append(True)
            return self.image.create()

        with ExplainedKeys(self.table):
            rows = self._pipe(None, create)
        if not made:
            self.image.create()
        self.result = replace(self.result, mode="full", rows_read=rows, rows=rows)

    def _read_since(self, condition: sql.Composed, at_once: int) -> None:
        rows = self._pipe(condition, self.image.prepare_incoming)
        self._incoming = rows > 0
        self.result = replace(self.result, rows_read=rows)
        if rows and not self.shape.key_is_enforced:
            self.image.check_incoming()
        before = self.image.rows() if self.known is None or self.known.rows is None else self.known.rows
        with ThreadPoolExecutor(1) as beside:  # both servers at once
            counting = beside.submit(self._rows_there)
            if rows <= at_once:
                self._apply()
                new = self.result.inserted
            else:
                new = self.image.new_keys()
            there = counting.result()
        self.result = replace(self.result, rows=there)
        after = before + new
        # Raw holds every key of the source once incoming rows are merged: equal counts prove that none is gone.
        if there != after:
            self._sweep(there, before, after)

    def _sweep(self, there: int, before: int, after: int) -> None:
        """Find keys that the source no longer has, by bucket, so that not all keys need to move."""
        key = self.image.key
        number = buckets.how_many(max(there, after))
        ours = self.image.keys_to_be() if self._incoming else self.image.raw
        differing = buckets.differing(
            buckets.read(self.source, self._relation, key, key, number, raw=False),
            buckets.read(self.warehouse, ours, key, key, number, raw=True),
        )
        keys = transport.pipe(
            self.source,
            sql.SQL("select {} from {} as t where {}").format(
                selected(key), self._relation, _among(key, "t", number, differing)
            ),
            self.warehouse,
            self.image.prepare_keys,
        )
        gone = self.image.find_gone(_among(key, "r", number, differing), self.image.theirs if keys else None)
        self._gone = gone > 0
        self._check_breaker(gone, before, there)
        self.suspect = after - gone != there

    def _compare(self) -> None:
        """Read the buckets that differ in any column, and find what they no longer have."""
        self.image.drop(self.image.incoming, self.image.gone)
        key, columns = self.image.key, self.shape.columns
        number = buckets.how_many(max(self.image.estimate(), self.shape.estimate))
        theirs = buckets.read(self.source, self._relation, key, columns, number, raw=False)
        ours = buckets.read(self.warehouse, self.image.raw, key, columns, number, raw=True)
        there, here = (sum(rows for rows, _ in side.values()) for side in (theirs, ours))
        differing = buckets.differing(theirs, ours)
        self._compared = there
        self.result = replace(self.result, rows=there)
        self._incoming = self._gone = False
        if differing:
            read = self._pipe(_among(key, "t", number, differing), self.image.prepare_incoming)
            self._incoming = read > 0
            self.result = replace(self.result, rows_read=self.result.rows_read + read)
            if read and not self.shape.key_is_enforced:
                self.image.check_incoming()
            gone = self.image.find_gone(_among(key, "r", number, differing), self.image.incoming if read else None)
            self._gone = gone > 0
            self._check_breaker(gone, here, there)

    def _apply(self) -> None:
        inserted, updated = self.image.merge() if self._incoming else (0, 0)
        deleted = self.image.delete() if self._gone else 0
        self.image.drop(self.image.incoming, self.image.gone) if self._incoming or self._gone else None
        self._incoming = self._gone = False
        self.result = replace(
            self.result,
            inserted=self.result.inserted + inserted,
            updated=self.result.updated + updated,
            deleted=self.result.deleted + deleted,
        )

    def _check_breaker(self, gone: int, before: int, there: int) -> None:
        if not gone or {ALL, self.table.qualified} & set(self.options.force_deletes):
            return
        if there == 0:
            what = f"the source is empty, and {before:,} rows would be deleted"
        elif gone > BREAKER_ROWS and gone > BREAKER_SHARE * before:
            what = f"{gone:,} of {before:,} rows are gone from the source ({gone / before:.0%})"
        else:
            return
        raise WeirError(
            f"{self.table.qualified}: {what}; nothing was changed. See whether this is the right database and "
            f"whether they were meant to go, then: weir run --force-deletes {self.table.qualified}"
        )

    def _rows_there(self) -> int:
        query = sql.SQL("select count(*) from {}").format(self._relation)
        return int(str(fetch_row(self.source, query)[0]))

    def _pipe(self, condition: sql.Composed | None, prepare: Callable[[], sql.Composed]) -> int:
        query = sql.SQL("select {} from {} as t").format(selected(self.shape.columns), self._relation)
        if condition is not None:
            query += sql.SQL(" where {}").format(condition)
        return transport.pipe(self.source, query, self.warehouse, prepare, lambda rows: self._say("read", rows))

    def _say(self, step: str, rows: int = 0) -> None:
        expected = int(self.shape.estimate) if self.known is None and self.shape.estimate > 0 else None
        self.options.reading(Reading(self.table.qualified, step, self._number, self._tables, rows, expected))

    def _took(self, started: float) -> None:
        self.result = replace(self.result, seconds=self.result.seconds + time.perf_counter() - started)


def _among(key: Sequence[shapes.Column], alias: str, number: int, differing: Sequence[int]) -> sql.Composed:
    if len(differing) == number:
        return sql.SQL("true") + sql.SQL("")
    return sql.SQL("{} = any ({}::bigint[])").format(
        buckets.bucket_of(key, alias, number), sql.Literal(list(differing))
    )


@contextmanager
def _explained(application: str, source: Connection) -> Iterator[None]:
    """Say in one line what a server stopped an extract for. Whatever it was, nothing of the extract was kept."""
    try:
        yield
    except psycopg.errors.NumericValueOutOfRange as error:
        raise WeirError(
            f"{application}: a value of the source does not fit the type that marts are made for "
            f"({error.diag.message_primary}); correct it, or leave its row out by a view in the table's place"
        ) from None
    except psycopg.errors.LockNotAvailable as error:
        raise WeirError(
            f"{application}: a source table has been locked by somebody else for {LOCK_SECONDS} seconds "
            f"({error.diag.message_primary}); end what alters it, or run again later"
        ) from None
    except psycopg.errors.InsufficientPrivilege as error:
        if "row-level security" not in (error.diag.message_primary or ""):
            raise
        raise ConfigurationError(
            f"{application}: a policy hides rows from the source's role ({error.diag.message_primary}); "
            "alter role <role> bypassrls, or they would count as deleted"
        ) from None
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        if isinstance(error, psycopg.errors.DiskFull) or _DISK_FULL in text:
            raise WeirError(
                f"{application}: the disk of the warehouse, or of the source's temporary files, is full ({text}); make "
                "room and run again: nothing of this extract was kept"
            ) from None
        if "conflict with recovery" in text:
            raise WeirError(
                f"{application}: the replica cancelled the extract to go on replaying ({text}); raise "
                "max_standby_streaming_delay there, or set hot_standby_feedback = on"
            ) from None
        if isinstance(error, psycopg.OperationalError) and source.closed:
            raise WeirError(
                f"{application}: the source's connection broke off ({text}); run again, nothing of this was kept"
            ) from None
        raise


_DISK_FULL = "could not extend file"
