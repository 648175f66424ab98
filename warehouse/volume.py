"""How many rows a mart usually has on a weekday, by the ledger; a day with far more or fewer is worth a look.

Belongs here: that rule. Does not belong here: how many rows a day must have (an equation of ``warehouse.gate``).
"""

import datetime as dt
from dataclasses import replace

from psycopg import sql

from warehouse.catalog import Mart, mart
from warehouse.checks import REASONS, Check
from warehouse.database import Connection, fetch_row
from warehouse.plan import Parameters, Plan

VOLUME_WEEKS = 12
"""Same weekdays before a day that say what is usual for it: a season, and yet soon used to a new level."""

VOLUME_LEAST_WEEKS = 6
"""Fewer say nothing: half of them may be the unusual ones."""

VOLUME_DEVIATIONS = 5.0
"""Robust standard deviations (1.4826 times the median absolute deviation) that a count may be away."""

VOLUME_LEAST_SHARE, VOLUME_LEAST_ROWS = 0.2, 10
"""Of the median, and rows: what is closer is never unusual, also where all weeks before were alike."""

FULL_AFTER = dt.timedelta(hours=36)
"""After a day has begun in UTC, it has ended in every time zone."""


def volume(warehouse: Connection, parameters: Parameters, plan: Plan) -> list[Check]:
    """Warn of days with far more or fewer rows than the same weekdays before them usually have.

    What is usual, the ledger says: median and median absolute deviation of the row counts last published. Days
    that had not ended everywhere at the as-of instant are not judged, nor those with too little history.
    """
    last = (parameters.as_of - FULL_AFTER).astimezone(dt.UTC).date()
    with_days = {
        name: [day for day in days if day is not None and day <= last]
        for name, days in plan.partitions.items()
        if mart(name).dated and mart(name).grain == "day"
    }
    return [
        _volume(warehouse, mart(name), days)
        for name, days in with_days.items()
        if days and fetch_row(warehouse, "select exists (select from control.publications where mart = %s)", (name,))[0]
    ]


def _volume(warehouse: Connection, mart: Mart, days: list[dt.date]) -> Check:
    rows = warehouse.execute(
        sql.SQL("""
        with published as (
            select distinct on (partition_start) partition_start as date, row_count
            from control.publications where mart = %(mart)s
            order by partition_start, publication_id desc
        ), built as (
            select {day} as date, count(*) as row_count from {candidate} group by 1
        ), days as (
            select coalesce(published.date, planned.date) as date, published.row_count, planned.date as planned
            from published full join unnest(%(days)s::date[]) as planned (date) using (date)
        ), with_history as (
            select date, planned, array_agg(row_count) over weeks_before as history
            from days
            window weeks_before as (
                partition by extract(isodow from date) order by date rows between %(weeks)s preceding and 1 preceding
            )
        ), usual as (
            select h.date, m.median, d.deviation
            from with_history as h
            cross join lateral (
                select percentile_cont(0.5) within group (order by n) as median, count(n) as weeks
                from unnest(h.history) as n
            ) as m
            cross join lateral (
                select percentile_cont(0.5) within group (order by abs(n - m.median)) as deviation
                from unnest(h.history) as n
            ) as d
            where h.planned is not null and m.weeks >= %(least_weeks)s
        )
        select usual.date, coalesce(built.row_count, 0), usual.median
        from usual left join built using (date)
        where abs(coalesce(built.row_count, 0) - usual.median)
            > greatest(%(deviations)s * 1.4826 * usual.deviation, %(share)s * usual.median, %(rows)s)
        order by abs(coalesce(built.row_count, 0) - usual.median) desc, usual.date
        """).format(day=mart.day(), candidate=sql.Identifier("candidate", mart.name)),
        {
            "mart": mart.name,
            "days": days,
            "weeks": VOLUME_WEEKS,
            "least_weeks": VOLUME_LEAST_WEEKS,
            "deviations": VOLUME_DEVIATIONS,
            "share": VOLUME_LEAST_SHARE,
            "rows": VOLUME_LEAST_ROWS,
        },
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
            "select partition_start, row_count, publication_id, published_at from control.publications"
            " where mart = {} and extract(isodow from partition_start) = extract(isodow from {}::date)"
            " and partition_start < {} order by partition_start desc, publication_id desc"
        )
        .format(sql.Literal(mart.name), sql.Literal(date), sql.Literal(date))
        .as_string(warehouse),
    )
