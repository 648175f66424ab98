"""How many rows a mart usually has on a weekday, by the ledger; a day with far more or fewer is worth a look.

Belongs here: that rule. Does not belong here: how many rows a day must have (an equation of ``warehouse.gate``).
"""

import datetime as dt
from dataclasses import replace

from psycopg import sql

from warehouse.catalog import Mart, marts
from warehouse.checks import REASONS, Check
from warehouse.database import Connection, fetch_row
from warehouse.plan import Parameters, Plan

VOLUME_WEEKS = 12
"""Same weekdays before a day that say what is usual for it: a season, and yet soon used to a new level."""

WEEKS_BEFORE = dt.timedelta(weeks=VOLUME_WEEKS)

VOLUME_LEAST_WEEKS = 6
"""Fewer say nothing: half of them may be the unusual ones."""

VOLUME_DEVIATIONS = 5.0
"""Robust standard deviations (1.4826 times the median absolute deviation) that a count may be away."""

VOLUME_LEAST_SHARE, VOLUME_LEAST_ROWS = 0.2, 10
"""Of the median, and rows: what is closer is never unusual, also where all weeks before were alike."""

FULL_AFTER = dt.timedelta(hours=36)
"""After a day has begun in UTC, it has ended in every time zone."""


def volume(warehouse: Connection, parameters: Parameters, plan: Plan) -> list[Check]:
    """Warn of full days with far more or fewer rows than the same weekdays before them usually have.

    Judged are the full days that the run builds, and those that have become full since the application's last run,
    whoever built them: their rows are in the ledger, and a day that nothing came for is there with none. So each day is
    judged once when it is full, and again when it is built again. What is usual, the ledger says, too: median and
    median absolute deviation of the row counts last published. Days with too little history are not judged.

    A rebuild of given days has extracted nothing, so it says nothing of other days. The partitions of a mart that has
    several periods overlap: how many begin on a day depends on the month, not on the weekday.
    """
    last = _last_full(parameters.as_of)
    since = None if parameters.dated else _judged_through(warehouse, plan.application)
    full = {name: [day for day in days if day is not None and day <= last] for name, days in plan.partitions.items()}
    checks = []
    for each in marts(plan.application):
        days = full.get(each.name, [])
        if not each.dated or each.grain != "day" or each.periods or not (days or (since is not None and since < last)):
            continue
        if fetch_row(warehouse, "select exists (select from control.publications where mart = %s)", (each.name,))[0]:
            checks.append(_volume(warehouse, each, days, since, last))
    return checks


def _judged_through(warehouse: Connection, application: str) -> dt.date | None:
    """The last day that was full as of the last publication of what was dirty, and so has been judged."""
    row = warehouse.execute(
        "select p.as_of from control.publications as p inner join control.runs as r using (run_id)"
        " where p.application = %s and r.requested_from is null and r.requested_to is null"
        " order by p.publication_id desc limit 1",
        (application,),
    ).fetchone()
    if row is None:
        return None
    as_of = row[0]
    assert isinstance(as_of, dt.datetime)
    return _last_full(as_of)


def _last_full(as_of: dt.datetime) -> dt.date:
    return (as_of - FULL_AFTER).astimezone(dt.UTC).date()


def _volume(warehouse: Connection, mart: Mart, built: list[dt.date], since: dt.date | None, last: dt.date) -> Check:
    words: dict[str, object] = {
        "mart": mart.name,
        "built": built,
        "since": since,
        "last": last,
        "first": min([*built, *([since] if since else [])]) - WEEKS_BEFORE,
        "weeks": WEEKS_BEFORE,
        "least_weeks": VOLUME_LEAST_WEEKS,
        "deviations": VOLUME_DEVIATIONS,
        "share": VOLUME_LEAST_SHARE,
        "rows": VOLUME_LEAST_ROWS,
    }
    # A mart of which nothing is built may have no candidate.
    counted = sql.SQL("select {} as date, count(*) as row_count from {} group by 1").format(
        mart.day(), sql.Identifier("candidate", mart.name)
    )
    nothing = sql.SQL("select null::date as date, null::bigint as row_count where false")
    rows = warehouse.execute(
        sql.SQL("""
        with published as (
            select distinct on (partition_start) partition_start as date, row_count
            from control.publications
            where mart = %(mart)s and partition_start >= %(first)s and partition_start <= %(last)s
            order by partition_start, publication_id desc
        ), built as ({built}), days as (
            select
                coalesce(published.date, planned.date) as date, published.row_count,
                case when planned.date is not null then coalesce(built.row_count, 0)
                    when published.date > %(since)s then published.row_count
                end as judged
            from published
            full join unnest(%(built)s::date[]) as planned (date) using (date)
            left join built on built.date = planned.date
        ), with_history as (
            select date, judged, array_agg(row_count) over weeks_before as history
            from days
            window weeks_before as (
                partition by extract(isodow from date) order by date
                range between %(weeks)s preceding and interval '1 day' preceding
            )
        ), usual as (
            select h.date, h.judged, m.median, d.deviation
            from with_history as h
            cross join lateral (
                select percentile_cont(0.5) within group (order by n) as median, count(n) as weeks
                from unnest(h.history) as n
            ) as m
            cross join lateral (
                select percentile_cont(0.5) within group (order by abs(n - m.median)) as deviation
                from unnest(h.history) as n
            ) as d
            where h.judged is not null and m.weeks >= %(least_weeks)s
        )
        select date, judged, median
        from usual
        where abs(judged - median) > greatest(%(deviations)s * 1.4826 * deviation, %(share)s * median, %(rows)s)
        order by abs(judged - median) desc, date
        """).format(built=counted if built else nothing),
        words,
    ).fetchall()
    check = Check(mart.name, "volume", "reconciliation", "warn", not rows, reason=REASONS["volume"])
    if not rows:
        return check
    date, observed, median = rows[0]
    return replace(
        check,
        observed=f"{observed} rows on {date:%A}, {date}",
        expected=f"about {median:g}, as on {date:%A}s before",
        partitions=tuple(sorted(row[0] for row in rows if isinstance(row[0], dt.date))),
        failing_rows=sql.SQL(
            "select distinct on (unusual.position, p.partition_start) unusual.date as unusual_day,"
            " p.partition_start, p.row_count, p.publication_id, p.published_at"
            " from unnest({}::date[]) with ordinality as unusual (date, position)"
            " inner join control.publications as p on p.mart = {} and p.partition_start <= unusual.date"
            " and p.partition_start >= unusual.date - {}"
            " and extract(isodow from p.partition_start) = extract(isodow from unusual.date)"
            " order by unusual.position, p.partition_start desc, p.publication_id desc"
        )
        .format(sql.Literal([row[0] for row in rows]), sql.Literal(mart.name), sql.Literal(WEEKS_BEFORE.days))
        .as_string(warehouse),
    )
