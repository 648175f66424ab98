"""How far a source has been read: snapshots, watermarks, horizons, and what makes them worthless.

Belongs here: which rows have to be read to lose none, and why. Does not belong here: reading them.

By transaction id: everything that transactions older than the previous snapshot's xmin wrote was finished then, and
has been read; what later ones wrote is read (perhaps again) now, whenever they commit, prepared ones and
subtransactions included. By cursor: see ``horizon``. Both hold only while the server goes on with one history, so
whatever could have replaced it (another cluster, another timeline, a restart, ids that went back) makes the table be
compared as a whole.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql
from psycopg.types.json import Jsonb

from warehouse.database import Connection, fetch_row
from warehouse.errors import ConfigurationError, WeirError
from warehouse.extracting.declared import Compare, Cursor, Declared, Mode, Xid8, Xmin
from warehouse.extracting.shapes import Column, Shape

HALF_OF_XIDS = 2**31
"""Transaction ids of rows compare modulo 2^32: beyond half of them, older and newer change places."""


@dataclass(frozen=True)
class Moment:
    """One snapshot of one source, and the history of the server that it belongs to."""

    snapshot: str
    xmin: int
    """64-bit id of the oldest transaction that was still open."""
    xmax: int
    system_identifier: int
    timeline: int
    server_started_at: dt.datetime
    is_replica: bool
    horizon: dt.datetime | None = None
    """Every row that becomes visible later is written by a transaction that started at or after it; None: no cursors,
    or unknown because a prepared transaction is open."""


@dataclass(frozen=True)
class Watermark:
    """How far one table had been read by the last extract."""

    system_identifier: int
    relation_oid: int
    snapshot_xmin: int
    columns: tuple[Column, ...]
    timeline: int | None
    server_started_at: dt.datetime | None
    horizon: dt.datetime | None
    relations: tuple[int, ...] | None
    definition: str | None
    mode: str | None
    proven_at: dt.datetime | None
    rows: int | None
    """Of the table in raw; None: nobody has counted."""


def moment(source: Connection, horizon: dt.datetime | None) -> Moment:
    """Take the snapshot of the transaction that is open on the source."""
    row = fetch_row(
        source,
        """
        select s::text, pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,
            (select system_identifier from pg_control_system()),
            case
                when pg_is_in_recovery() then (select timeline_id from pg_control_checkpoint())
                else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
            end,
            pg_postmaster_start_time(), pg_is_in_recovery()
        from pg_current_snapshot() as s
        """,
    )
    snapshot, xmin, xmax, system_identifier, timeline, started_at, is_replica = row
    assert isinstance(started_at, dt.datetime)
    return Moment(
        str(snapshot),
        int(str(xmin)),
        int(str(xmax)),
        int(str(system_identifier)),
        int(str(timeline)),
        started_at,
        bool(is_replica),
        horizon,
    )


def horizon(source: Connection, tables: Iterable[Declared]) -> dt.datetime | None:
    """The instant that no transaction still unseen began before; read before the snapshot, in a statement of its own.

    Transactions that the snapshot will not show are open now, and then in ``pg_stat_activity``, or begin later.
    It is not the snapshot's xmin: a transaction gets its id at its first write and its ``now()`` at its start.

    Returns:
        None where a prepared transaction is open, of which nobody knows when it began: the last horizon stands.

    Raises:
        ConfigurationError: this server or this role cannot see what a cursor needs; names the first table.
    """
    first = next((table for table in tables if isinstance(table.mode, Cursor)), None)
    if first is None:
        return None
    replica, may_see, replicates = fetch_row(
        source,
        "select pg_is_in_recovery(), pg_has_role('pg_read_all_stats', 'usage'), exists (select from pg_subscription"
        " where subenabled and subdbid = (select oid from pg_database where datname = current_database()))",
    )
    if replica:
        raise ConfigurationError(
            f"{first.qualified}: a replica does not know which transactions are open on its primary, so mode cursor "
            "would lose rows; read from the primary, or declare mode xmin"
        )
    if not may_see:
        raise ConfigurationError(
            f"{first.qualified}: the source's role cannot see the transactions of others, so mode cursor would lose "
            "rows; grant pg_read_all_stats to it, or declare mode xmin"
        )
    if replicates:
        raise ConfigurationError(
            f"{first.qualified}: rows arrive here by replication, long after their cursor, so mode cursor would lose "
            "rows; read from the publisher, or declare mode xmin"
        )
    began, oldest, hidden, prepared = fetch_row(
        source,
        """
        select statement_timestamp(), min(xact_start),
            count(*) filter (where state = 'disabled' or (state like 'idle in transaction%' and xact_start is null)),
            (select count(*) from pg_prepared_xacts where database = current_database())
        from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
        """,
    )
    if hidden:
        raise ConfigurationError(
            f"{first.qualified}: {hidden} sessions of the source do not show their transactions (track_activities is "
            "off), so mode cursor would lose rows; set it on, or declare mode xmin"
        )
    if prepared:
        return None
    assert isinstance(began, dt.datetime)
    return min(began, oldest) if isinstance(oldest, dt.datetime) else began


def check_order(table: Declared, known: Watermark | None, now: Moment) -> None:
    """Refuse a replica that has not come as far as what has been read.

    Raises:
        WeirError: naming the table.
    """
    if known and now.is_replica and known.system_identifier == now.system_identifier and now.xmin < known.snapshot_xmin:
        raise WeirError(
            f"{table.qualified}: this replica is behind what has been read already (transaction {now.xmin}, "
            f"read up to {known.snapshot_xmin}); wait for it, or read from the primary"
        )


def doubts(known: Watermark, shape: Shape, now: Moment, mode: Mode) -> str | None:
    """Why the watermark proves nothing about what is new; None where it does."""
    if known.system_identifier != now.system_identifier:
        return "another database cluster"
    if known.relation_oid != shape.oid:
        return "the relation was made anew"
    if known.mode is None or known.timeline is None or known.relations is None:
        return "read by an older version"
    if known.timeline != now.timeline:
        return "another timeline: the source was restored or failed over"
    if now.xmin < known.snapshot_xmin:
        return "transaction ids went back: the source was restored"
    if known.server_started_at != now.server_started_at:
        return "the source's server was restarted, perhaps from a copy"
    if now.xmax - known.snapshot_xmin >= HALF_OF_XIDS:
        return "too many transactions since the last extract"
    if known.definition != shape.definition:
        return "the view was redefined"
    if set(shape.relations) - set(known.relations):
        return "partitions were attached"
    if known.mode != describe(mode):
        return "the mode was changed"
    return None


def describe(mode: Mode) -> str:
    """Its name, as in ``control.batch_tables``."""
    match mode:
        case Xmin():
            return "xmin"
        case Xid8():
            return "xid8"
        case Cursor():
            return "cursor"
        case Compare():
            return "compare"


def condition(table: Declared, mode: Mode, shape: Shape, known: Watermark, now: Moment) -> sql.Composed | None:
    """SQL: which rows may have changed since the watermark; None: it cannot be told, compare."""
    match mode:
        case Xmin():
            return sql.SQL("age({}) <= age({}::text::xid)").format(
                shape.xmin, sql.Literal(str(known.snapshot_xmin % 2**32))
            )
        case Xid8(column=name):
            _check_type(table, shape, name, "xid8")
            column = sql.Identifier("t", name)
            return sql.SQL("({} >= {}::text::xid8 or {} is null)").format(
                column, sql.Literal(str(known.snapshot_xmin)), column
            )
        case Cursor(column=name, skew=skew):
            _check_type(table, shape, name, "timestamp with time zone")
            if known.horizon is None:
                return None
            column = sql.Identifier("t", name)
            return sql.SQL("({} >= {}::timestamptz or {} is null)").format(
                column, sql.Literal((known.horizon - skew).isoformat()), column
            )
        case Compare():
            return None


def _check_type(table: Declared, shape: Shape, name: str, wanted: str) -> None:
    column = next((column for column in shape.columns if column.name == name), None)
    if column is None or column.type != wanted:
        raise ConfigurationError(
            f"{table.qualified}: its mode needs a column {name} of type {wanted}, and "
            f"{'there is none' if column is None else f'it is {column.type}'}; change the mode in warehouse/catalog.py"
        )


def load(warehouse: Connection, tables: Iterable[Declared]) -> dict[str, Watermark]:
    """Watermarks of those tables that have been read before, by qualified name."""
    rows = warehouse.execute(
        "select source_table, system_identifier, relation_oid, snapshot_xmin, columns, timeline, server_started_at,"
        " horizon, relations, definition, mode, proven_at, row_count from control.watermarks"
        " where source_table = any (%s)",
        ([table.qualified for table in tables],),
    ).fetchall()
    found = {}
    for (
        name,
        system,
        oid,
        xmin,
        columns,
        timeline,
        started,
        horizon,
        relations,
        definition,
        mode,
        proven,
        count,
    ) in rows:
        found[str(name)] = Watermark(
            system_identifier=int(str(system)),
            relation_oid=int(str(oid)),
            snapshot_xmin=int(str(xmin)),
            columns=tuple(Column.from_json(column) for column in columns),  # type: ignore[attr-defined]
            timeline=None if timeline is None else int(str(timeline)),
            server_started_at=started if isinstance(started, dt.datetime) else None,
            horizon=horizon if isinstance(horizon, dt.datetime) else None,
            relations=None if relations is None else tuple(relations),  # type: ignore[arg-type]
            definition=None if definition is None else str(definition),
            mode=None if mode is None else str(mode),
            proven_at=proven if isinstance(proven, dt.datetime) else None,
            rows=None if count is None else int(str(count)),
        )
    return found


def save(
    warehouse: Connection,
    table: Declared,
    shape: Shape,
    now: Moment,
    known: Watermark | None,
    mode: Mode,
    batch_id: int,
    *,
    rows: int,
    proven: bool,
) -> None:
    """Move the watermark to this moment, in the transaction that holds the rows."""
    reached = now.horizon
    if isinstance(mode, Cursor) and reached is None and known is not None and known.mode == "cursor":
        reached = known.horizon  # a prepared transaction holds it where it is
    warehouse.execute(
        "insert into control.watermarks (source_table, system_identifier, relation_oid, snapshot_xmin, columns,"
        " batch_id, timeline, server_started_at, horizon, relations, definition, mode, row_count, proven_at)"
        " values (%(table)s, %(system)s, %(oid)s, %(xmin)s, %(columns)s, %(batch)s, %(timeline)s, %(started)s,"
        " %(horizon)s, %(relations)s, %(definition)s, %(mode)s, %(rows)s, case when %(proven)s then now() end)"
        " on conflict (source_table) do update set system_identifier = excluded.system_identifier,"
        " relation_oid = excluded.relation_oid, snapshot_xmin = excluded.snapshot_xmin, columns = excluded.columns,"
        " batch_id = excluded.batch_id, timeline = excluded.timeline, server_started_at = excluded.server_started_at,"
        " horizon = excluded.horizon, relations = excluded.relations, definition = excluded.definition,"
        " mode = excluded.mode, row_count = excluded.row_count,"
        " proven_at = coalesce(excluded.proven_at, watermarks.proven_at)",
        {
            "table": table.qualified,
            "system": now.system_identifier,
            "oid": shape.oid,
            "xmin": now.xmin,
            "columns": Jsonb([column.as_json() for column in shape.columns]),
            "batch": batch_id,
            "timeline": now.timeline,
            "started": now.server_started_at,
            "horizon": reached if isinstance(mode, Cursor) else None,
            "relations": list(shape.relations),
            "definition": shape.definition,
            "mode": describe(mode),
            "rows": rows,
            "proven": proven,
        },
    )
