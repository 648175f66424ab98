"""Raw tables: the current image of a source relation, and the log of what each batch changed, with before-images.

Belongs here: making and changing them. Does not belong here: the source, and what has to be read.

A table ``incoming_<raw>`` holds rows as the source has them now, a table ``gone_<raw>`` keys that it no longer has;
both live as long as the extract's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from warehouse.database import Connection, fetch_row
from warehouse.errors import ConfigurationError
from warehouse.extracting.declared import Declared
from warehouse.extracting.shapes import Column, Shape

FILL = 90
"""Per cent of a page that a first load fills. An update that finds room beside the old row writes no index and no other
page."""

SAMPLE = 30
"""Statistics target after a first load, of 300 rows each: enough to plan by; autovacuum takes its own sample soon."""

FLUSH = "2MB"
"""Written by a first load before the kernel is told to bring it to the disk."""

UNTOLD = ("json", "jsonb")
"""Types whose statistics no plan asks for, and which take longest to gather."""

OLD_IN_RETURNING = 180000
"""Since this version of the server an upsert can return what was there before."""

MERGE = (
    "merge into {raw} as r using {incoming} as i on {same_key}"
    " when matched and row({r_columns})::record *<> row({i_columns})::record"
    " then update set {set}, _batch_id = {batch}"
    " when not matched then insert ({columns}, _batch_id) values ({i_columns}, {batch})"
)


@dataclass
class Image:
    """The raw table of one relation, in the transaction of one batch."""

    warehouse: Connection
    table: Declared
    shape: Shape
    batch_id: int

    def __post_init__(self) -> None:
        names, key = self.shape.names, list(self.table.key)
        self.raw = sql.Identifier("raw", self.table.raw)
        self.incoming = sql.Identifier(f"incoming_{self.table.raw}"[:63])
        self.gone = sql.Identifier(f"gone_{self.table.raw}"[:63])
        self.theirs = sql.Identifier(f"theirs_{self.table.raw}"[:63])
        self.columns = names_of(names)
        self.key = tuple(column for name in key for column in self.shape.columns if column.name == name)
        self._words = {
            "raw": self.raw,
            "changes": sql.Identifier("raw", f"{self.table.raw}__changes"),
            "incoming": self.incoming,
            "gone": self.gone,
            "batch": sql.Literal(self.batch_id),
            "columns": self.columns,
            "key": names_of(key),
            "r_key": names_of(key, "r"),
            "i_key": names_of(key, "i"),
            "r_columns": names_of(names, "r"),
            "i_columns": names_of(names, "i"),
            "same_key": same(key, "r", "i"),
            "first_key": sql.Identifier(key[0]),
            "set": sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("i", name)) for name in names
            ),
        }

    def create(self) -> sql.Composed:
        """Make raw table and log; returns the COPY that fills the table, which needs no WAL: it is new."""
        # The disk writes while rows still arrive, and the commit has less to wait for.
        self.warehouse.execute(sql.SQL("set local backend_flush_after = {}").format(sql.Literal(FLUSH)))
        self.warehouse.execute(
            self._sql(
                "create table {raw} ({definition}) with (fillfactor = {fill})",
                # Checked in passing; the key would scan for it once more.
                definition=self._definition(required=self.table.key),
                fill=sql.Literal(FILL),
            )
        )
        self.warehouse.execute(
            self._sql(
                "create table {changes} (_batch_id bigint not null, _change text not null, {definition})",
                definition=self._definition(),
            )
        )
        self.warehouse.execute(self._sql("create index on {changes} (_batch_id)"))
        return sql.SQL("copy {} ({}) from stdin (format binary, freeze)").format(self.raw, self.columns)

    def _definition(self, required: Sequence[str] = ()) -> sql.Composed:
        return sql.SQL(", ").join(
            sql.SQL("{} {}{}").format(
                sql.Identifier(column.name),
                sql.SQL(column.carried),
                sql.SQL(" not null" if column.name in required else ""),
            )
            for column in self.shape.columns
        )

    def finish(self) -> None:
        """After the first load: the batch, which needs no space in the rows if it comes after them; the key last."""
        self.warehouse.execute(self._sql("alter table {raw} add column _batch_id bigint not null default {batch}"))
        # On two cores, helpers of the sort take turns with the disk's own work: 0.26 s or 0.23 s of a million rows.
        self.warehouse.execute("set local max_parallel_maintenance_workers = 0")
        with ExplainedKeys(self.table):
            self.warehouse.execute(self._sql("alter table {raw} alter _batch_id drop default, add primary key ({key})"))
        self.warehouse.execute(sql.SQL("set local default_statistics_target = {}").format(sql.Literal(SAMPLE)))
        told = [column.name for column in self.shape.columns if column.carried not in UNTOLD]
        self.warehouse.execute(self._sql("analyze {raw} ({told})", told=names_of(told)))

    def prepare_incoming(self) -> sql.Composed:
        """Make the table of incoming rows; returns the COPY that fills it."""
        self.warehouse.execute(
            self._sql("create temp table {incoming} on commit drop as select {columns} from {raw} limit 0")
        )
        return sql.SQL("copy {} ({}) from stdin (format binary)").format(self.incoming, self.columns)

    def prepare_keys(self) -> sql.Composed:
        """Make the table of the source's keys; returns the COPY that fills it."""
        self.warehouse.execute(
            self._sql(
                "create temp table {theirs} on commit drop as select {key} from {raw} limit 0", theirs=self.theirs
            )
        )
        return sql.SQL("copy {} from stdin (format binary)").format(self.theirs)

    def rows(self) -> int:
        """Number of rows in raw."""
        return self._count("select count(*) from {raw}")

    def estimate(self) -> float:
        """The same, as of the last analyze."""
        (rows,) = fetch_row(
            self.warehouse, "select reltuples from pg_class where oid = to_regclass(format('raw.%%I', %s::text))",
            (self.table.raw,),
        )  # fmt: skip
        return float(str(rows))

    def new_keys(self) -> int:
        """Number of incoming rows that raw does not have."""
        query = "select count(*) from {incoming} as i where not exists (select from {raw} as r where {same_key})"
        row = self._probing(self._sql(query)).fetchone()
        assert row is not None
        return int(str(row[0]))

    def keys_to_be(self) -> sql.Composed:
        """SQL: the keys that raw will have once incoming rows are merged, in parentheses."""
        return self._sql(
            "(select {key} from {raw} union all select {i_key} from {incoming} as i"
            " where not exists (select from {raw} as r where {same_key}))"
        )

    def check_incoming(self) -> None:
        """Refuse incoming rows that share a key, or lack one; nobody enforces keys of a view.

        Raises:
            ConfigurationError: naming table and key.
        """
        row = self.warehouse.execute(
            self._sql("select {key}, count(*) from {incoming} group by {key} having count(*) > 1 limit 1")
        ).fetchone()
        if row is not None:
            raise ConfigurationError(_not_a_key(self.table, f"{row[-1]} rows are {_shown(row[:-1])}"))

    def find_gone(self, among: sql.Composed | None, there: sql.Identifier | None) -> int:
        """List the keys of raw that the source no longer has.

        Args:
            among: SQL condition on raw rows ``r``: those that were looked for; None: all.
            there: the table of keys that the source has; None: it has none.
        """
        condition = among or sql.SQL("true")
        if there is not None:
            condition = sql.SQL("{} and not exists (select from {} as i where {})").format(
                condition, there, self._words["same_key"]
            )
        return self.warehouse.execute(
            self._sql(
                "create temp table {gone} on commit drop as select {r_key} from {raw} as r where {condition}",
                condition=condition,
            )
        ).rowcount

    def differing_keys(self, limit: int, *, incoming: bool, gone: bool) -> tuple[int, list[str]]:
        """How many keys are not as the source has them, and the first of them."""
        parts = []
        if incoming:
            parts.append(
                self._sql(
                    "select {i_key} from {incoming} as i left join {raw} as r on {same_key}"
                    " where r.{first_key} is null or row({r_columns})::record *<> row({i_columns})::record"
                )
            )
        if gone:
            parts.append(self._sql("select {key} from {gone}"))
        if not parts:
            return 0, []
        keys = self.warehouse.execute(
            sql.SQL("select *, count(*) over () from ({}) as keys order by {} limit {}").format(
                sql.SQL(" union all ").join(parts), self._words["key"], sql.Literal(limit)
            )
        ).fetchall()
        return (int(str(keys[0][-1])) if keys else 0), [_shown(row[:-1]) for row in keys]

    def merge(self) -> tuple[int, int]:
        """Take in incoming rows that are new or different; returns how many were inserted and updated.

        Images are compared (``*<>``), not values: 1.0 and 1.00 differ, and so do equal jsonb numbers.
        """
        if self.warehouse.info.server_version >= OLD_IN_RETURNING:
            return self._merge_at_once()
        return self._merge_in_steps()

    def _merge_at_once(self) -> tuple[int, int]:
        before = {
            name: sql.Identifier(f"{'new' if name in self.table.key else 'old'}_{number}")
            for number, name in enumerate(self.shape.names)
        }
        returned = sql.SQL(", ").join(
            sql.SQL("{}.{} as {}").format(
                sql.SQL("new" if name in self.table.key else "old"), sql.Identifier(name), alias
            )
            for name, alias in before.items()
        )
        row = self._probing(
            self._sql(
                "with merged as ({merge}"
                " returning case when old.{first_key} is null then 'insert' else 'update' end as change, {returned}"
                "), logged as ("
                " insert into {changes} (_batch_id, _change, {columns}) select {batch}, change, {before} from merged"
                ") select count(*) filter (where change = 'insert'), count(*) filter (where change = 'update')"
                " from merged",
                merge=self._sql(MERGE),
                returned=returned,
                before=sql.SQL(", ").join(before.values()),
            )
        ).fetchone()
        inserted, updated = row or (0, 0)
        return int(str(inserted)), int(str(updated))

    def _merge_in_steps(self) -> tuple[int, int]:
        updated = self._probing(
            self._sql(
                "insert into {changes} (_batch_id, _change, {columns}) select {batch}, 'update', {r_columns}"
                " from {raw} as r inner join {incoming} as i on {same_key}"
                " where row({r_columns})::record *<> row({i_columns})::record"
            )
        ).rowcount
        inserted = self._probing(
            self._sql(
                "insert into {changes} (_batch_id, _change, {key}) select {batch}, 'insert', {i_key}"
                " from {incoming} as i where not exists (select from {raw} as r where {same_key})"
            )
        ).rowcount
        if updated or inserted:
            self._probing(self._sql(MERGE))
        return inserted, updated

    def _probing(self, statement: sql.Composed) -> "psycopg.Cursor[tuple[object, ...]]":
        """Execute a statement that looks each incoming row up in raw.

        Nobody has analyzed the incoming rows, and the planner would rather read and sort a whole table than look up a
        tenth of it, which takes half as long.
        """
        with ExplainedKeys(self.table):
            self.warehouse.execute("set local enable_hashjoin = off; set local enable_mergejoin = off")
            cursor = self.warehouse.execute(statement)
            self.warehouse.execute("set local enable_hashjoin = on; set local enable_mergejoin = on")
        return cursor

    def delete(self) -> int:
        """Delete the rows that are gone, keeping their before-images."""
        return self.warehouse.execute(
            self._sql(
                "with gone as (delete from {raw} as r using {gone} as i where {same_key} returning {r_columns})"
                " insert into {changes} (_batch_id, _change, {columns}) select {batch}, 'delete', {columns} from gone"
            )
        ).rowcount

    def drop(self, *names: sql.Identifier) -> None:
        """Drop tables of the transaction, so that the same names can be used again."""
        for name in names:
            self.warehouse.execute(sql.SQL("drop table if exists pg_temp.{}").format(name))

    def _count(self, query: str) -> int:
        (count,) = fetch_row(self.warehouse, self._sql(query))
        return int(str(count))

    def _sql(self, query: str, **more: sql.Composable) -> sql.Composed:
        return sql.SQL(query).format(**self._words, **more)


class ExplainedKeys:
    """Explains rows that the key does not tell apart, inside ``with``."""

    def __init__(self, table: Declared) -> None:
        self._table = table

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, psycopg.errors.UniqueViolation | psycopg.errors.CardinalityViolation):
            raise ConfigurationError(_not_a_key(self._table, error.diag.message_detail or "rows share a key")) from None
        if isinstance(error, psycopg.errors.NotNullViolation):
            raise ConfigurationError(_not_a_key(self._table, "a row has no key")) from None


def _not_a_key(table: Declared, what: str) -> str:
    return (
        f"{table.qualified}: ({', '.join(table.key)}) does not tell its rows apart: {' '.join(what.split())}; "
        "make it the primary key, or mend the view"
    )


def _shown(values: Sequence[object]) -> str:
    return "/".join(str(value) for value in values)


def names_of(columns: Sequence[str], alias: str | None = None) -> sql.Composed:
    """Columns as a list, of an alias or bare."""
    return sql.SQL(", ").join(sql.Identifier(alias, column) if alias else sql.Identifier(column) for column in columns)


def same(key: Sequence[str], left: str, right: str) -> sql.Composed:
    """SQL: the keys of two aliases are equal."""
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, column), sql.Identifier(right, column)) for column in key
    )


def selected(columns: Sequence[Column]) -> sql.Composed:
    """Columns as they are read from the source, alias ``t``."""
    return sql.SQL(", ").join(column.selected for column in columns)
