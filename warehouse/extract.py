"""The extract: rows of one application into ``raw``, all its tables as of one snapshot.

Belongs here: reading sources, merging into ``raw.<application>__<table>``, the log of changes with
before-images (``raw.<application>__<table>__changes``), watermarks. Does not belong here: which partitions a
change dirties (``warehouse.plan``) and anything about what rows mean.

Everything an extract writes commits in one warehouse transaction: rows, before-images, watermarks, batch.

How changed rows are found: a row's ``xmin`` is the transaction that wrote it. All transactions older than the
previous snapshot's ``xmin`` were finished then, so what they wrote has been read; what later ones wrote is
read (perhaps again) now, whenever they commit and whatever their clocks say. Merging is idempotent.
Deletions are found by key, in the same snapshot.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from psycopg import IsolationLevel, sql
from psycopg.abc import Buffer

from warehouse.catalog import SourceTable, source_tables
from warehouse.database import Connection, fetch_row
from warehouse.errors import ConfigurationError

HALF_OF_XIDS = 2**31
"""Transaction ids compare modulo 2^32: beyond half of them, older and newer change places."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class TableResult:
    """What an extract did to one table; counts are rows, ``seconds`` is wall time."""

    source_table: str
    mode: str
    rows_read: int
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    seconds: float = 0.0

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

    @property
    def changed(self) -> int:
        """Rows that are different in ``raw`` now, over all tables."""
        return sum(table.changed for table in self.tables)


@dataclass(frozen=True)
class _Shape:
    """A source table as its catalog describes it now."""

    oid: int
    columns: tuple[tuple[str, str], ...]
    """Name and type of each column, in order."""

    @property
    def names(self) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(name) for name, _ in self.columns)


def missing_tables(source: Connection, application: str) -> list[str]:
    """Names of the application's tables and columns that the source lacks, as ``schema.table[.column]``."""
    missing = []
    for table in source_tables(application):
        shape = _shape(source, table)
        if shape is None:
            missing.append(table.qualified)
            continue
        names = {name for name, _ in shape.columns}
        missing += [f"{table.qualified}.{c.name}" for c in table.model.columns if c.name not in names]
    return missing


def extract(
    application: str,
    source: Connection,
    warehouse: Connection,
    run_id: str,
    progress: Progress = lambda message: None,
) -> Batch:
    """Bring ``raw`` to the state of one snapshot of the source and commit.

    Args:
        application: whose tables to read.
        source: a connection with no transaction open; only read.
        warehouse: a connection with no transaction open; one transaction is committed on it.
        run_id: recorded with the batch.
        progress: called with a line for each table.

    Raises:
        ConfigurationError: tables or columns are missing, or changed in a way that needs a decision.
    """
    if missing := missing_tables(source, application):
        raise ConfigurationError(
            f"the source of {application} lacks {', '.join(missing[:3])}"
            f"{' and more' if len(missing) > 3 else ''}: create what is missing (weir source create makes all "
            f"tables), or point WEIR_SOURCE_URL_{application.upper()} to the database that has them"
        )
    source.isolation_level = IsolationLevel.REPEATABLE_READ
    source.read_only = True
    tables = source_tables(application)
    with source.transaction(), warehouse.transaction():
        # Locks before the snapshot: a rewriting ALTER that commits in between would show an empty table.
        source.execute(
            sql.SQL("lock table {} in access share mode").format(
                sql.SQL(", ").join(sql.Identifier(t.application, t.name) for t in tables)
            )
        )
        snapshot, xmin, xmax, system_identifier = fetch_row(
            source,
            "select s::text, pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,"
            " (select system_identifier from pg_control_system()) from pg_current_snapshot() as s",
        )
        (batch_id,) = fetch_row(
            warehouse,
            "insert into control.batches (run_id, application, system_identifier, snapshot)"
            " values (%s, %s, %s, %s) returning batch_id",
            (run_id, application, system_identifier, snapshot),
        )
        moment = _Moment(
            source, warehouse, int(str(batch_id)), int(str(system_identifier)), int(str(xmin)), int(str(xmax))
        )
        results = []
        for table in tables:
            result = moment.read(table)
            progress(
                f"{table.qualified}: {result.rows_read:,} rows read ({result.mode}), "
                f"{result.changed:,} changed, {result.seconds:.1f} s"
            )
            results.append(result)
    return Batch(int(str(batch_id)), application, tuple(results))


def _shape(source: Connection, table: SourceTable) -> _Shape | None:
    rows = source.execute(
        "select c.oid::bigint, a.attname, format_type(a.atttypid, a.atttypmod)"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where n.nspname = %s and c.relname = %s and c.relkind in ('r', 'p') order by a.attnum",
        (table.application, table.name),
    ).fetchall()
    if not rows:
        return None
    return _Shape(int(str(rows[0][0])), tuple((str(name), str(type_)) for _, name, type_ in rows))


@dataclass
class _Moment:
    """One snapshot of one source, and the warehouse transaction that takes it in."""

    source: Connection
    warehouse: Connection
    batch_id: int
    system_identifier: int
    xmin: int
    xmax: int

    def read(self, table: SourceTable) -> TableResult:
        started = time.perf_counter()
        shape = _shape(self.source, table)
        if shape is None:
            raise ConfigurationError(f"{table.qualified} was dropped from the source while it was being read")
        known = self.warehouse.execute(
            "select system_identifier, relation_oid, snapshot_xmin, columns from control.watermarks"
            " where source_table = %s",
            (table.qualified,),
        ).fetchone()
        if known is None:
            mode, counts = "full", self._load(table, shape)
        else:
            same_table = (known[0], known[1]) == (self.system_identifier, shape.oid)
            same_columns = self._follow_columns(table, shape, known[3])
            near = 0 <= self.xmax - int(str(known[2])) < HALF_OF_XIDS
            since = int(str(known[2])) if same_table and same_columns and near else None
            mode, counts = "full" if since is None else "xmin", self._merge(table, shape, since)
        self.warehouse.execute(
            "insert into control.watermarks values (%s, %s, %s, %s, %s, %s) on conflict (source_table) do update"
            " set system_identifier = excluded.system_identifier, relation_oid = excluded.relation_oid,"
            " snapshot_xmin = excluded.snapshot_xmin, columns = excluded.columns, batch_id = excluded.batch_id",
            (
                table.qualified,
                self.system_identifier,
                shape.oid,
                self.xmin,
                _json([list(column) for column in shape.columns]),
                self.batch_id,
            ),
        )
        result = TableResult(table.qualified, mode, *counts, seconds=time.perf_counter() - started)
        self.warehouse.execute(
            "insert into control.batch_tables values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                self.batch_id,
                table.qualified,
                mode,
                result.rows_read,
                result.inserted,
                result.updated,
                result.deleted,
                result.seconds,
            ),
        )
        return result

    def _load(self, table: SourceTable, shape: _Shape) -> tuple[int, int, int, int]:
        """First load: COPY into a table made in this transaction (which needs no WAL), key built last."""
        raw = sql.Identifier("raw", table.raw)
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_)) for name, type_ in shape.columns
        )
        self.warehouse.execute(
            sql.SQL("create table {} ({}, _batch_id bigint not null default {})").format(
                raw, columns, sql.Literal(self.batch_id)
            )
        )
        rows = self._copy(table, shape, raw, None)
        self.warehouse.execute(
            sql.SQL("alter table {} alter _batch_id drop default, add primary key ({})").format(raw, _names(table.key))
        )
        self.warehouse.execute(
            sql.SQL("create table {} (_batch_id bigint not null, _change text not null, {})").format(
                sql.Identifier("raw", f"{table.raw}__changes"), columns
            )
        )
        self.warehouse.execute(
            sql.SQL("create index on {} (_batch_id)").format(sql.Identifier("raw", f"{table.raw}__changes"))
        )
        self.warehouse.execute(sql.SQL("analyze {}").format(raw))
        return rows, rows, 0, 0

    def _merge(self, table: SourceTable, shape: _Shape, since: int | None) -> tuple[int, int, int, int]:
        """Take in rows written since a transaction id (None: all rows), and drop those that are gone."""
        raw, changes = sql.Identifier("raw", table.raw), sql.Identifier("raw", f"{table.raw}__changes")
        incoming = sql.Identifier(f"incoming_{table.raw}")
        words = {
            "raw": raw,
            "changes": changes,
            "incoming": incoming,
            "batch": sql.Literal(self.batch_id),
            "key": _names(table.key),
            "columns": shape.names,
            "same_key": _same(table.key, "r", "i"),
            "i_columns": _names([name for name, _ in shape.columns], "i"),
            "r_columns": _names([name for name, _ in shape.columns], "r"),
            "i_key": _names(table.key, "i"),
            "set": sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name, _ in shape.columns
            ),
        }
        self.warehouse.execute(
            sql.SQL("create temp table {incoming} on commit drop as select {columns} from {raw} limit 0").format(
                **words
            )
        )
        rows = self._copy(table, shape, incoming, since)
        inserted = updated = 0
        if rows:
            self.warehouse.execute(sql.SQL("analyze {}").format(incoming))
            # *<> compares images, not values: 1.0 and 1.00 differ, and so do equal jsonb numbers.
            updated = self.warehouse.execute(
                sql.SQL(
                    "insert into {changes} (_batch_id, _change, {columns}) select {batch}, 'update', {r_columns}"
                    " from {raw} as r inner join {incoming} as i on {same_key}"
                    " where row({r_columns})::record *<> row({i_columns})::record"
                ).format(**words)
            ).rowcount
            inserted = self.warehouse.execute(
                sql.SQL(
                    "insert into {changes} (_batch_id, _change, {key}) select {batch}, 'insert', {i_key}"
                    " from {incoming} as i where not exists (select from {raw} as r where {same_key})"
                ).format(**words)
            ).rowcount
            if updated or inserted:
                self.warehouse.execute(
                    sql.SQL(
                        "insert into {raw} as r ({columns}, _batch_id) select {i_columns}, {batch} from {incoming} as i"
                        " on conflict ({key}) do update set {set}, _batch_id = excluded._batch_id"
                        " where row({r_columns})::record *<> row({e_columns})::record"
                    ).format(e_columns=_names([name for name, _ in shape.columns], "excluded"), **words)
                )
        deleted = self._sweep(table, words)
        self.warehouse.execute(sql.SQL("drop table {}").format(incoming))
        return rows, inserted, updated, deleted

    def _sweep(self, table: SourceTable, words: dict[str, sql.Composable]) -> int:
        """Delete from raw what the source no longer has.

        After the merge raw holds every key of the source, so equal counts prove that none is gone.
        """
        source_name = sql.Identifier(table.application, table.name)
        (there,) = fetch_row(self.source, sql.SQL("select count(*) from {}").format(source_name))  # type: ignore[arg-type]
        (here,) = fetch_row(self.warehouse, sql.SQL("select count(*) from {raw}").format(**words))  # type: ignore[arg-type]
        if there == here:
            return 0
        keys = sql.Identifier(f"keys_{table.raw}")
        self.warehouse.execute(
            sql.SQL("create temp table {keys} on commit drop as select {key} from {raw} limit 0").format(
                keys=keys, **words
            )
        )
        self._pipe(
            sql.SQL("copy (select {} from {}) to stdout (format binary)").format(_names(table.key), source_name),
            sql.SQL("copy {} from stdin (format binary)").format(keys),
        )
        self.warehouse.execute(sql.SQL("analyze {}").format(keys))
        return self.warehouse.execute(
            sql.SQL(
                "with gone as (delete from {raw} as r where not exists"
                " (select from {keys} as i where {same_key}) returning {r_columns})"
                " insert into {changes} (_batch_id, _change, {columns}) select {batch}, 'delete', {columns} from gone"
            ).format(keys=keys, **words)
        ).rowcount

    def _copy(self, table: SourceTable, shape: _Shape, target: sql.Identifier, since: int | None) -> int:
        """Binary COPY from the source into ``target``; returns rows."""
        query = sql.SQL("select {} from {} as t").format(shape.names, sql.Identifier(table.application, table.name))
        if since is not None:
            query += sql.SQL(" where age(t.xmin) <= age({}::text::xid)").format(sql.Literal(str(since % 2**32)))
        return self._pipe(
            sql.SQL("copy ({}) to stdout (format binary)").format(query),
            sql.SQL("copy {} ({}) from stdin (format binary)").format(target, shape.names),
        )

    def _pipe(self, read: sql.Composed, write: sql.Composed) -> int:
        with self.source.cursor() as reader, self.warehouse.cursor() as writer:
            with reader.copy(read) as rows, writer.copy(write) as into:
                for block in _blocks(rows):
                    into.write(block)
            return writer.rowcount

    def _follow_columns(self, table: SourceTable, shape: _Shape, known: object) -> bool:
        """Add new columns to raw; True where nothing changed, so that changed rows suffice."""
        before = {str(name): str(type_) for name, type_ in known}  # type: ignore[attr-defined]
        now = dict(shape.columns)
        if before == now:
            return True
        gone = [name for name in before if name not in now]
        changed = [name for name in before if name in now and now[name] != before[name]]
        if gone or changed:
            what = (
                f"lost column {gone[0]}"
                if gone
                else f"column {changed[0]} is {now[changed[0]]}, was {before[changed[0]]}"
            )
            raise ConfigurationError(
                f"{table.qualified}: {what}; restore it in the source, or drop raw.{table.raw} and its row in "
                f"control.watermarks to load the table anew"
            )
        for name in now:
            if name not in before:
                for relation in (table.raw, f"{table.raw}__changes"):
                    self.warehouse.execute(
                        sql.SQL("alter table {} add column if not exists {} {}").format(
                            sql.Identifier("raw", relation),
                            sql.Identifier(name),
                            sql.SQL(now[name]),
                        )
                    )
        return False


BLOCK = 64 * 1024
"""Bytes per write: psycopg hands over one row at a time, and a call per row is most of the cost."""


def _blocks(rows: Iterable[Buffer]) -> Iterator[bytes]:
    buffer = bytearray()
    for data in rows:
        buffer += data
        if len(buffer) >= BLOCK:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _names(columns: tuple[str, ...] | list[str], alias: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, column) if alias else sql.Identifier(column) for column in columns)


def _same(key: tuple[str, ...], left: str, right: str) -> sql.Composed:
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, column), sql.Identifier(right, column)) for column in key
    )


def _json(value: object) -> object:
    from psycopg.types.json import Jsonb

    return Jsonb(value)
