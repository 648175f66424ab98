"""What stands in the marts, how old it is, and what is wrong: the report behind ``weir status``.

Belongs here: questions to control and quality. Does not belong here: printing.
"""

import datetime as dt
from dataclasses import dataclass

from psycopg import sql

from warehouse.catalog import APPLICATIONS, CALENDAR, MARTS
from warehouse.database import Connection
from warehouse.errors import ConfigurationError


@dataclass(frozen=True)
class MartStatus:
    """One mart. Counts are of partitions but ``rows``; instants are aware."""

    application: str
    mart: str
    partitions: int
    rows: int
    last_published_at: dt.datetime | None
    as_of: dt.datetime | None
    pending: int
    late: int
    failed_checks: int


@dataclass(frozen=True)
class Freshness:
    """How old an application's marts are: as of when they stand, and since when and why runs of it fail."""

    application: str
    as_of: dt.datetime | None
    failing_since: dt.datetime | None
    last_error: str | None


@dataclass(frozen=True)
class OpenLateData:
    """Partitions that rows of a source table have dirtied and no publication has settled yet."""

    application: str
    source_table: str
    marts: int
    partitions: int
    since: dt.datetime


@dataclass(frozen=True)
class QuarantineStatus:
    """Open quarantine entries of one source table and reason."""

    source_table: str
    reason: str
    entries: int
    rows: int


@dataclass(frozen=True)
class Failure:
    """A check that failed in a run of its application; ``result_id`` leads to its rows."""

    application: str
    mart: str | None
    check_name: str
    engine: str
    severity: str
    observed: str | None
    expected: str | None
    days: int
    first_day: dt.date | None
    reason: str | None
    result_id: int


@dataclass(frozen=True)
class WithoutForecast:
    """A series without segment that cannot be forecast, why, and at which granularities."""

    service_name: str
    metric_type: str
    unit: str
    status: str
    granularities: str


@dataclass(frozen=True)
class UnsentAlert:
    """An alert that a channel has yet to take, or of which it is not known whether it has."""

    goal: str
    date: dt.date
    channel: str
    state: str
    attempts: int
    last_error: str | None


_FAILURES = sql.SQL("""
    select c.* from quality.check_results as c
    inner join (
        select distinct on (application) application, run_id from quality.check_results
        order by application, check_result_id desc
    ) as last_runs using (application, run_id)
    where not c.success
    union
    select c.* from control.runs as r
    inner join quality.check_results as c using (run_id)
    where r.started_at > now() - interval '7 days' and c.check_name = 'volume' and not c.success
        and not exists (
            select from control.publications as p
            where p.mart = c.mart and p.partition_start = c.partition_start and p.run_id <> c.run_id
                and p.published_at > c.checked_at
        )
        and not exists (
            select from quality.check_results as later
            where later.application = c.application and later.check_result_id > c.check_result_id
                and later.check_name = c.check_name and later.mart = c.mart
                and later.partition_start = c.partition_start
        )
""")
"""Results that failed in the last checked run of their application, and warnings of unusual days.

A day is judged once: were its warning gone with the next run, nobody would see it. It stands for a week, or until
the day is built or judged again.
"""


def without_forecast(warehouse: Connection) -> list[WithoutForecast]:
    """Series of kpi_forecasts whose status is not ok."""
    rows = warehouse.execute(
        "select service_name, metric_type, unit, status, string_agg(granularity, ', ' order by"
        " array_position(array['day', 'week', 'month', 'quarter', 'year'], granularity))"
        " from marts.kpi_forecasts where status <> 'ok' and horizon = 1 and confidence_level = 0.95"
        " group by service_name, metric_type, unit, status order by service_name, metric_type, unit, status"
    ).fetchall()
    return [WithoutForecast(*map(str, row)) for row in rows]


def unsent_alerts(warehouse: Connection) -> list[UnsentAlert]:
    """Alerts on their way, oldest first."""
    rows = warehouse.execute(
        "select coalesce(g.name, a.goal_id::text), a.date, a.channel, a.state, a.attempts, a.last_error"
        " from control.sent_alerts as a left join marts.dim_kpi_goal as g using (goal_id)"
        " where a.state <> 'sent' order by a.date, 1, a.channel"
    ).fetchall()
    return [UnsentAlert(*row) for row in rows]  # type: ignore[arg-type]


def marts(warehouse: Connection) -> list[MartStatus]:
    """One row per mart, in the catalog's order."""
    rows = warehouse.execute(
        sql.SQL("""
        with latest as (
            select distinct on (mart, partition_start) mart, partition_start, row_count, published_at, as_of
            from control.publications order by mart, partition_start, publication_id desc
        ), published as (
            select mart, count(*) as partitions, sum(row_count)::bigint as rows, max(published_at) as published_at,
                max(as_of) as as_of
            from latest group by mart
        ), late as (
            select mart, count(*) filter (where state = 'pending') as pending,
                count(*) filter (where batch_id > 0) as late
            from (
                select mart, state, l.batch_id from control.late_data as l
                where exists (
                    select from control.publications as p
                    where p.mart = l.mart and p.partition_start is not distinct from l.partition_start
                        and p.published_at < l.dirtied_at
                ) or l.state = 'pending'
            ) as touched group by mart
        ), failures as ({failures}), failed as (
            select mart, count(distinct check_name) as failed from failures group by mart
        )
        select m.mart, p.partitions, p.rows, p.published_at, p.as_of, l.pending, l.late, f.failed
        from unnest(%s::text[]) as m (mart)
        left join published as p using (mart) left join late as l using (mart) left join failed as f using (mart)
        """).format(failures=_FAILURES),
        ([mart.name for mart in MARTS],),
    ).fetchall()
    found = {str(row[0]): row[1:] for row in rows}
    return [
        MartStatus(
            mart.application,
            mart.name,
            int(str(row[0] or 0)),
            int(str(row[1] or 0)),
            row[2],  # type: ignore[arg-type]
            row[3],  # type: ignore[arg-type]
            int(str(row[4] or 0)),
            int(str(row[5] or 0)),
            int(str(row[6] or 0)),
        )
        for mart in MARTS
        for row in [found[mart.name]]
    ]


def freshness(warehouse: Connection) -> list[Freshness]:
    """One row per application, and one for the calendar, in the order that they run in."""
    rows = warehouse.execute(
        "select a.application, a.as_of, a.failing_since, a.last_error from control.applications as a"
        " inner join unnest(%s::text[]) with ordinality as o (application, position) using (application)"
        " order by o.position",
        ([*APPLICATIONS, CALENDAR],),
    ).fetchall()
    return [Freshness(*row) for row in rows]  # type: ignore[arg-type]


def estimated_rows(warehouse: Connection, schema: str) -> dict[str, int]:
    """Rows of each table of a schema as of its last analyze; those that were never analyzed are left out."""
    return {
        str(name): int(str(rows))
        for name, rows in warehouse.execute(
            "select relname, reltuples::bigint from pg_class where relnamespace = to_regnamespace(%s)"
            " and relkind = 'r' and reltuples >= 0",
            (schema,),
        )
    }


def late_data(warehouse: Connection) -> list[OpenLateData]:
    """What is dirty, by application and source table, oldest first."""
    rows = warehouse.execute(
        "select application, source_table, count(distinct mart), count(*), min(dirtied_at) from control.late_data"
        " where state = 'pending' group by application, source_table order by min(dirtied_at), 1, 2"
    ).fetchall()
    return [OpenLateData(*row) for row in rows]  # type: ignore[arg-type]


def quarantine(warehouse: Connection) -> list[QuarantineStatus]:
    """Open entries by table and reason, most first."""
    rows = warehouse.execute(
        "select source_table, reason, count(*), count(distinct row_key) from quality.quarantine"
        " where released_at is null group by source_table, reason order by count(*) desc, source_table, reason"
    ).fetchall()
    return [QuarantineStatus(str(t), str(r), int(str(n)), int(str(k))) for t, r, n, k in rows]


def failures(warehouse: Connection) -> list[Failure]:
    """Checks that failed in the last checked run of each application, and the unusual days of the last week."""
    rows = warehouse.execute(
        sql.SQL("""
        select application, mart, check_name, engine, severity, min(observed), min(expected),
            count(partition_start), min(partition_start), min(reason), min(check_result_id) as result_id
        from ({}) as failures
        group by application, mart, check_name, engine, severity, run_id
        order by application, mart, check_name, result_id desc
        """).format(_FAILURES)
    ).fetchall()
    return [Failure(*row) for row in rows]  # type: ignore[arg-type]


def failing_rows(warehouse: Connection, result_id: int, limit: int = 50) -> tuple[list[str], list[tuple[object, ...]]]:
    """Columns and rows that a check failed for, at the most ``limit``, in a transaction that leaves nothing behind.

    Raises:
        ConfigurationError: there is no such result, it has no rows to show, or its candidate was built again since.
    """
    found = warehouse.execute(
        """
        select c.run_id, c.failing_rows, c.mart is not null and c.check_name <> 'volume' and exists (
            select from quality.check_results as later
            where later.application = c.application and later.check_result_id > c.check_result_id
                and later.run_id <> c.run_id and later.mart is not null
        )
        from quality.check_results as c where c.check_result_id = %s
        """,
        (result_id,),
    ).fetchone()
    if found is None or found[1] is None:
        raise ConfigurationError(f"there are no failing rows of a result {result_id}; weir status lists failed checks")
    run_id, query, is_built_again = found
    if is_built_again:
        raise ConfigurationError(
            f"what result {result_id} is about has been built again since; weir status lists what failed then"
        )
    with warehouse.transaction(force_rollback=True):
        # As of that run's instant, also where other applications have been run since.
        warehouse.execute(
            "update control.current_run as c set as_of = r.as_of, future_limit = r.as_of + interval '24 hours',"
            " last_date = (r.as_of at time zone 'UTC')::date + 1"
            " from control.runs as r where r.run_id = %s and r.run_id <> c.run_id",
            (run_id,),
        )
        warehouse.execute("set transaction read only")
        answer = warehouse.execute(
            sql.SQL("select * from ({}) as failing limit {}").format(sql.SQL(str(query)), sql.Literal(limit))
        )
        return [column.name for column in answer.description or ()], answer.fetchall()
