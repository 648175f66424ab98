"""Days that a run leaves as they stand, and that weeks, months, goals and statistics are made from.

Belongs here: whether the rows of those days are the ones that were published. Does not belong here: proving days
from raw (``warehouse.verification``), and the days that a run builds (``warehouse.gate``).

A day that was edited by hand would otherwise go on into everything that is made from it, past equations that take
it for what it is. Dirty days are left out: they are known to be out of date, and the next run builds them.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence

from psycopg import sql
from psycopg.types.multirange import DateMultirange, Multirange
from psycopg.types.range import DateRange

from warehouse.catalog import Mart, mart, period_end
from warehouse.checks import REASONS, Check
from warehouse.database import Connection, fetch_row
from warehouse.plan import Parameters, Plan
from warehouse.publish import HASH_OF_NOTHING, columns_of, order_free_hash, row_text

DAYS_SHOWN = 3
"""Changed days that a check names."""


def standing_days(warehouse: Connection, parameters: Parameters, plan: Plan) -> list[Check]:
    """Compare the days that planned marts are made from, and that are not built, with the ledger.

    A check per mart that is made from others; days that differ condemn the partitions that they are in.
    """
    made: dict[str, list[Mart]] = defaultdict(list)
    for name in plan.partitions:
        for source in mart(name).made_from:
            made[source].append(mart(name))
    return [
        check
        for source, derived in made.items()
        for check in _checks(
            derived, plan, parameters, mart(source), _changed(warehouse, mart(source), derived, plan, parameters)
        )
    ]


def _checks(
    derived: Sequence[Mart], plan: Plan, parameters: Parameters, source: Mart, changed: list[dt.date]
) -> Iterator[Check]:
    for each in derived:
        concerned = {
            day: {start for start in plan.partitions[each.name] if day in _days_of(each, start, parameters)}
            for day in changed
        }
        days = [day for day, starts in concerned.items() if starts]
        shown = ", ".join(map(str, days[:DAYS_SHOWN])) + (", …" if len(days) > DAYS_SHOWN else "")
        yield Check(
            mart=each.name,
            name=f"days_stand_as_published({source.name})",
            engine="reconciliation",
            severity="block",
            success=not days,
            observed=f"{source.name} was changed since it was published: {shown}" if days else "as published",
            expected=f"as published; weir run --from {days[0]} --to {days[-1]} mends it" if days else "as published",
            partitions=tuple(sorted({start for starts in concerned.values() for start in starts if start is not None})),
            reason=REASONS["standing"],
        )


def _days_of(each: Mart, start: dt.date | None, parameters: Parameters) -> DateRange:
    """The days that a partition may be made from; of one without dates, those before the as-of instant."""
    first = parameters.last_date if start is None else start
    end = max(period_end(first, period) for period in each.periods or (each.grain,))
    return DateRange(None if each.looks_back is None else first - dt.timedelta(days=each.looks_back), end, "[]")


def _changed(
    warehouse: Connection, source: Mart, derived: Sequence[Mart], plan: Plan, parameters: Parameters
) -> list[dt.date]:
    """Days of a mart that stand, and are neither dirty nor what the ledger has of them."""
    read = DateMultirange(
        [_days_of(each, start, parameters) for each in derived for start in plan.partitions[each.name]]
    )
    (days,) = fetch_row(
        warehouse,
        """
        select %(read)s::datemultirange - coalesce(range_agg(daterange(partition_start, partition_start, '[]')), '{}')
        from (
            select partition_start from control.run_partitions where mart = %(mart)s and not is_held_back
            union all
            select partition_start from control.late_data where mart = %(mart)s and state = 'pending'
        ) as others
        where partition_start is not null
        """,
        {"read": read, "mart": source.name},
    )
    assert isinstance(days, Multirange)
    if not days:
        return []
    rows = warehouse.execute(
        sql.SQL(
            """
            select coalesce(stands.day, known.day)
            from (
                select day, count(*) as row_count, {hash} as content_hash
                from (
                    select {day} as day, md5({row_text}) as md5 from {mart}
                    where {column} >= coalesce(lower(%(days)s::datemultirange), '-infinity')
                        and {column} < upper(%(days)s::datemultirange)
                        and {day} <@ %(days)s::datemultirange
                ) as rows
                group by day
            ) as stands
            full join (
                select distinct on (partition_start) partition_start as day, row_count, content_hash
                from control.publications
                where mart = %(mart)s and partition_start <@ %(days)s::datemultirange
                order by partition_start, publication_id desc
            ) as known on known.day = stands.day
            where known.day is null
                or known.row_count <> coalesce(stands.row_count, 0)
                or known.content_hash <> coalesce(stands.content_hash, {nothing})
            order by 1
            """
        ).format(
            hash=order_free_hash(),
            nothing=sql.Literal(HASH_OF_NOTHING),
            day=source.day(),
            column=sql.Identifier(str(source.date_column)),
            mart=sql.Identifier("marts", source.name),
            row_text=row_text(source, columns_of(warehouse, source)),
        ),
        {"days": days, "mart": source.name},
    ).fetchall()
    return [day for (day,) in rows]  # type: ignore[misc]
