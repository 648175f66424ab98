"""The gate: what a candidate must satisfy before anyone can read it.

Belongs here: the checks of every mart, run by three engines, and the record of their results. Does not belong
here: publication (``warehouse.publish``), which asks the gate's verdict first.

- great_expectations: row count, key, nulls, ranges; derived from the mart's entry in the catalog.
- reconciliation: equations against raw and the quarantine (``reconciliation/<application>.sql``, and for marts
  that take many lines ``reconciliation/<application>/<mart>.sql``, which runs where the mart is planned).
- dbt: conservation inside the candidate (``dbt_project/tests``).

Every suite begins with the row count, expected from raw: an empty candidate would pass all other checks.
Each check says whether it blocks or warns, and why. What depends on an opinion warns: how many rows a weekday
usually has, and what may mend itself.
"""

import datetime as dt
import logging
import os
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psycopg import sql

from warehouse.catalog import Mart, mart, source_tables
from warehouse.database import Connection, fetch_row
from warehouse.extract import Batch
from warehouse.plan import Parameters, Plan
from warehouse.transform import NodeResult, Transformer

ROWS = "expect_table_row_count_to_equal"
"""The type of the expectation about the number of rows."""

ROW_COUNT = "row_count"
"""The equation that says how many rows a mart should have."""

RECONCILIATION = Path(__file__).parent / "reconciliation"

EXEMPT_REASONS = ("unknown_timezone", "in_the_future", "orphan_event")
"""Reasons that do not count towards the share of quarantined rows that blocks."""

SMALLEST_TABLE = 100
"""Rows: below it, a share of quarantined rows means nothing and does not block."""

REASONS = {
    ROWS: "a row too few or too many is a fact that is lost or counted twice",
    "expect_column_values_to_be_unique": "readers join on the key: a key that occurs twice counts twice",
    "expect_compound_columns_to_be_unique": "readers join on the key: a key that occurs twice counts twice",
    "expect_column_values_to_not_be_null": "the contract says that it is never null",
    "expect_column_values_to_be_between": "no count is below zero, and no row lies outside of the run's partitions",
    "equation": "recomputed from raw without the models: where the two differ, a number is wrong",
    "conservation": "every row read is used or left out for a named reason, else rows vanish unseen",
    "dbt": "a row that contradicts itself is wrong, whatever the source says",
    "quarantine_share": "so many unusable rows speak of a fault at the source; numbers without them mislead",
    "orphans": "what they belong to may still come; until then they count nowhere",
    "equals_source": "what differed is healed with this batch, and built and published like any other change",
    "volume": "an unusual day may be true: a holiday, a campaign; somebody has to look",
}
"""Why checks block or warn: expectations by type, others by kind. A test of dbt may give its own in its meta."""

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


@dataclass(frozen=True)
class Check:
    """The result of one check; ``mart`` None: of the application. ``partitions`` are those that failed.

    ``failing_rows`` is a query for the rows that failed; ``result_id`` is known once the result is recorded.
    """

    mart: str | None
    name: str
    engine: str
    severity: str
    success: bool
    observed: str | None = None
    expected: str | None = None
    partitions: tuple[dt.date, ...] = ()
    reason: str = ""
    failing_rows: str | None = None
    result_id: int | None = None


def reconcile(warehouse: Connection, plan: Plan) -> list[Check]:
    """Compare both sides of every equation of the application; one of them is ``row_count`` for each mart."""
    own = [RECONCILIATION / plan.application / f"{name}.sql" for name in plan.partitions]
    texts = [
        path.read_text(encoding="utf-8")
        for path in (RECONCILIATION / f"{plan.application}.sql", *filter(Path.exists, own))
    ]
    rows: list[tuple[Any, ...]] = [
        (text, *row)
        for text in texts
        for row in warehouse.execute(
            sql.SQL("""
            select mart, equation, sum(observed), sum(expected),
                count(*) filter (where observed is distinct from expected),
                array_agg(partition_start order by partition_start)
                    filter (where observed is distinct from expected and partition_start is not null)
            from ({}) as equations
            group by mart, equation
            """).format(sql.SQL(text))
        ).fetchall()
    ]
    checks = []
    for text, mart_name, equation, observed, expected, differing, partitions in rows:
        if mart_name is not None and mart_name not in plan.partitions:
            continue
        checks.append(
            Check(
                mart=None if mart_name is None else str(mart_name),
                name=str(equation),
                engine="reconciliation",
                severity="block",
                success=differing == 0,
                observed=str(observed),
                expected=str(expected),
                partitions=tuple(partitions or ()),
                reason=REASONS["conservation" if mart_name is None else "equation"],
                failing_rows=None
                if differing == 0
                else sql.SQL(
                    "select * from ({}) as equations where mart is not distinct from {} and equation = {}"
                    " and observed is distinct from expected"
                )
                .format(sql.SQL(text), sql.Literal(mart_name), sql.Literal(equation))
                .as_string(warehouse),
            )
        )
    return checks


def expectations(
    warehouse: Connection,
    url: str,
    parameters: Parameters,
    plan: Plan,
    reconciled: list[Check],
    keep: Callable[[str, Any], None] = lambda name, result: None,
) -> list[Check]:
    """Validate each planned mart's candidate with its suite of Great Expectations.

    How many rows a mart should have, and in which partitions it has not, is in ``reconciled``. ``keep`` takes
    each mart's name and validation result.
    """
    counts = {str(check.mart): check for check in reconciled if check.name == ROW_COUNT}
    expected_rows = {name: int(str(check.expected)) for name, check in counts.items()}
    bad_counts = {name: check.partitions for name, check in counts.items()}
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        for name in ("great_expectations", "great_expectations.data_context.types.base"):
            logging.getLogger(name).setLevel(logging.ERROR)
        context: Any = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        source = context.data_sources.add_postgres(
            "warehouse", connection_string=url.replace("postgresql://", "postgresql+psycopg://", 1)
        )
        checks: list[Check] = []
        try:
            for name in plan.partitions:
                rows = expected_rows.get(name, _without_equation(parameters, plan.partitions[name]))
                suite = list(_suite(warehouse, parameters, plan, mart(name), rows))
                asset = source.add_table_asset(name, table_name=name, schema_name="candidate")
                batch = asset.add_batch_definition_whole_table("candidate").get_batch()
                at_once = batch.validate(
                    gx.ExpectationSuite(f"{name} at once", _at_once(warehouse, suite)), result_format="BOOLEAN_ONLY"
                )
                if at_once.success:
                    keep(name, at_once)
                    checks += [_held(name, each.configuration) for each in suite]
                    continue
                result = batch.validate(gx.ExpectationSuite(name, suite), result_format="BASIC")
                keep(name, result)
                checks += [_check(warehouse, mart(name), item, bad_counts.get(name, ())) for item in result.results]
        finally:
            source.get_execution_engine().close()
    return checks


def _without_equation(parameters: Parameters, days: Collection[dt.date | None]) -> int:
    """Rows to expect where no equation gives a number: none in days that are still to come, else what never holds."""
    return 0 if all(day is not None and day > parameters.last_date for day in days) else -1


def _suite(warehouse: Connection, parameters: Parameters, plan: Plan, mart: Mart, expected_rows: int) -> Iterable[Any]:
    from great_expectations import expectations as gxe

    columns = [
        str(name)
        for (name,) in warehouse.execute(
            "select column_name from information_schema.columns where table_schema = 'marts' and table_name = %s"
            " order by ordinal_position",
            (mart.name,),
        )
    ]
    yield gxe.ExpectTableRowCountToEqual(value=expected_rows)
    if len(mart.key) == 1:
        yield gxe.ExpectColumnValuesToBeUnique(column=mart.key[0])
    else:
        yield gxe.ExpectCompoundColumnsToBeUnique(column_list=list(mart.key))
    for column in columns:
        if column not in mart.nullable:
            yield gxe.ExpectColumnValuesToNotBeNull(column=column)
    for column in mart.counts:
        yield gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0)
    if mart.date_column:
        days = [day for day in plan.partitions[mart.name] if day is not None]
        last = min(max(days), parameters.last_date) if min(days) <= parameters.last_date else max(days)
        if mart.is_instant:
            yield gxe.ExpectColumnValuesToBeBetween(
                column=mart.date_column,
                min_value=_utc_midnight(min(days)),
                max_value=_utc_midnight(last + dt.timedelta(days=1)),
                strict_max=True,
            )
        else:
            yield gxe.ExpectColumnValuesToBeBetween(column=mart.date_column, min_value=min(days), max_value=last)


def _at_once(warehouse: Connection, suite: Collection[Any]) -> list[Any]:
    """The same suite with all expectations of single rows as one: each costs tens of milliseconds by itself."""
    from great_expectations import expectations as gxe

    conditions = [(each, _unexpected(each.configuration)) for each in suite]
    of_rows = sql.SQL(" or ").join(condition for _, condition in conditions if condition is not None)
    query = sql.SQL("select 1 from {{batch}} where {}").format(of_rows).as_string(warehouse)
    return [
        *(each for each, condition in conditions if condition is None),
        gxe.UnexpectedRowsExpectation(
            unexpected_rows_query=query,
            description="; ".join(
                f"{name}: {expected}"
                for name, expected in (_named(each.configuration) for each, condition in conditions if condition)
            ),
        ),
    ]


def _unexpected(configuration: Any) -> sql.Composable | None:
    """Condition of the rows that an expectation does not hold for; None: it is not about single rows."""
    arguments = configuration.kwargs
    if configuration.type == "expect_column_values_to_not_be_null":
        return sql.SQL("{} is null").format(sql.Identifier(arguments["column"]))
    if configuration.type == "expect_column_values_to_be_between":
        return sql.SQL(" or ").join(
            sql.SQL("{} {} {}").format(
                sql.Identifier(arguments["column"]), sql.SQL(sign), sql.Literal(arguments[limit])
            )
            for limit, sign in (("min_value", "<"), ("max_value", ">=" if arguments.get("strict_max") else ">"))
            if arguments.get(limit) is not None
        )
    return None


def _utc_midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _failing(mart: Mart, configuration: Any) -> sql.Composable:
    """The condition that rows meet for which an expectation does not hold; of a row count: all of them."""
    if configuration.type == ROWS:
        return sql.SQL("true")
    condition = _unexpected(configuration)
    if condition is None:
        key = sql.SQL(", ").join(map(sql.Identifier, mart.key))
        condition = sql.SQL("({}) in (select {} from {} group by {} having count(*) > 1)").format(
            key, key, sql.Identifier("candidate", mart.name), key
        )
    return condition


def _held(mart_name: str, configuration: Any) -> Check:
    """An expectation that holds, with what it says as what was observed."""
    name, expected = _named(configuration)
    return Check(
        mart_name, name, "great_expectations", "block", True, expected, expected, reason=REASONS[configuration.type]
    )


def _named(configuration: Any) -> tuple[str, str]:
    """Name of an expectation with its column, and what it expects."""
    arguments = configuration.kwargs
    column = arguments.get("column") or "_".join(arguments.get("column_list", ()))
    limits = {key: arguments[key] for key in ("value", "min_value", "max_value") if arguments.get(key) is not None}
    expected = ", ".join(f"{key} {value}" for key, value in limits.items()) or "0 unexpected"
    return configuration.type + (f"({column})" if column else ""), expected


def _check(warehouse: Connection, mart: Mart, item: Any, bad_counts: tuple[dt.date, ...]) -> Check:
    """What an expectation says; ``bad_counts`` are the days on which the mart has not the rows that it should."""
    configuration = item.expectation_config
    name, expected = _named(configuration)
    observed = item.result.get("observed_value")
    if observed is None:
        observed = f"{item.result.get('unexpected_count', '?')} unexpected"
    if item.exception_info and item.exception_info.get("raised_exception"):
        observed = str(item.exception_info.get("exception_message"))[:500]
    check = Check(
        mart=mart.name,
        name=name,
        engine="great_expectations",
        severity="block",
        success=bool(item.success),
        observed=str(observed),
        expected=expected,
        reason=REASONS[configuration.type],
    )
    if check.success:
        return check
    of_count = configuration.type == ROWS
    words = {
        "day": mart.day() if mart.date_column else sql.SQL("null::date"),
        "candidate": sql.Identifier("candidate", mart.name),
        "condition": _failing(mart, configuration),
    }
    partitions = bad_counts if of_count else ()
    if mart.date_column and not of_count:
        rows = warehouse.execute(
            sql.SQL("select distinct {day} from {candidate} where {condition} order by 1").format(**words)
        ).fetchall()
        partitions = tuple(row[0] for row in rows if isinstance(row[0], dt.date))
    query = sql.SQL(
        "select {day} as partition_start, count(*) from {candidate} group by 1 order by 1"
        if of_count
        else "select * from {candidate} where {condition}"
    ).format(**words)
    return replace(check, partitions=partitions, failing_rows=query.as_string(warehouse))


def dbt_tests(transformer: Transformer, warehouse: Connection, plan: Plan) -> list[Check]:
    """Run the conservation tests of the planned marts; failing rows name their day in column ``partition_start``."""
    names = [name for name in plan.partitions if mart(name).dated or mart(name).made_from]
    if not names:
        return []
    return [_dbt_check(warehouse, result, plan) for result in transformer.test(*names)]


def _dbt_check(warehouse: Connection, result: NodeResult, plan: Plan) -> Check:
    partitions: tuple[dt.date, ...] = ()
    if result.status in {"fail", "warn"} and "partition_start" in result.compiled:
        rows = warehouse.execute(
            sql.SQL("select distinct partition_start from ({}) as failing order by 1").format(sql.SQL(result.compiled))
        ).fetchall()
        partitions = tuple(row[0] for row in rows if row[0] is not None)  # type: ignore[misc]
    return Check(
        mart=str(result.meta.get("mart") or "") or None,
        name=result.name,
        engine="dbt",
        severity="warn" if result.status == "warn" else "block",
        success=result.status == "pass",
        observed=f"{result.failures} failing rows",
        expected="0 failing rows",
        partitions=partitions,
        reason=str(result.meta.get("reason") or REASONS["dbt"]),
        failing_rows=None if result.status == "pass" else result.compiled,
    )


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


def quarantine_share(warehouse: Connection, application: str, maximum: float) -> list[Check]:
    """Block an application of which too large a share of a table's live rows is quarantined."""
    checks = []
    for table in source_tables(application):
        live = sql.SQL("deleted_at is null" if "deleted_at" in table.model.columns else "true")
        rows, bad = fetch_row(
            warehouse,
            sql.SQL(
                "select count(*), (select count(distinct row_key) from quality.quarantine where source_table = %s"
                " and released_at is null and reason <> all (%s)) from {} where {}"
            ).format(sql.Identifier("raw", table.raw), live),
            (table.qualified, list(EXEMPT_REASONS)),
        )
        rows, bad = int(str(rows)), int(str(bad))
        if rows >= SMALLEST_TABLE:
            checks.append(
                Check(
                    mart=None,
                    name=f"quarantine_share({table.qualified})",
                    engine="reconciliation",
                    severity="block",
                    success=bad <= maximum * rows,
                    observed=f"{bad} of {rows} rows quarantined",
                    expected=f"at most {maximum:.1%}",
                    reason=REASONS["quarantine_share"],
                    failing_rows=_open_entries(warehouse, table.qualified, but=EXEMPT_REASONS),
                )
            )
    return checks


def source_proofs(batch: Batch) -> list[Check]:
    """What the comparison of raw with the source said, of each table that it was made for.

    A warning: what differed has been healed with the batch, and is built and published like any other change.
    """
    return [
        Check(
            mart=None,
            name=f"equals_source({table.source_table})",
            engine="reconciliation",
            severity="warn",
            success=table.proof.success,
            observed=f"{table.proof.differing} of {table.proof.rows} rows differed"
            + (f": {', '.join(table.proof.keys)}" if table.proof.keys else ""),
            expected="0 rows differ",
            reason=REASONS["equals_source"],
        )
        for table in batch.tables
        if table.proof is not None
    ]


def orphans(warehouse: Connection, application: str) -> list[Check]:
    """Warn of rows that lack what they belong to: it may still come, so they hold nothing back."""
    return [
        Check(
            mart=None,
            name=f"orphans({table})",
            engine="reconciliation",
            severity="warn",
            success=False,
            observed=f"{count} rows",
            expected="0 rows",
            reason=REASONS["orphans"],
            failing_rows=_open_entries(warehouse, str(table), only="orphan_event"),
        )
        for table, count in warehouse.execute(
            "select source_table, count(*) from quality.quarantine where released_at is null"
            " and reason = 'orphan_event' and source_table = any (%s) group by source_table",
            ([table.qualified for table in source_tables(application)],),
        )
    ]


def _open_entries(warehouse: Connection, table: str, *, only: str | None = None, but: Collection[str] = ()) -> str:
    """A query for what is in quarantine of a source table: of one reason, or of all but some."""
    return (
        sql.SQL(
            "select row_key, position, reason, value, first_seen from quality.quarantine"
            " where source_table = {} and released_at is null and ({only} is null or reason = {only})"
            " and reason <> all ({})"
        )
        .format(sql.Literal(table), sql.Literal([*but]), only=sql.Literal(only))
        .as_string(warehouse)
    )


def record(warehouse: Connection, run_id: str, application: str, checks: Iterable[Check]) -> list[Check]:
    """Write results to ``quality.check_results``: a row per check, or one per failed day; one transaction.

    Returns:
        The checks, with the ids of their (first) rows.
    """
    recorded = []
    with warehouse.transaction():
        for check in checks:
            days = check.partitions or (None,)
            (first,) = fetch_row(
                warehouse,
                "with written as (insert into quality.check_results (run_id, application, mart, partition_start,"
                " partition_end, check_name, engine, severity, success, observed, expected, reason, failing_rows)"
                " select %(run)s, %(application)s, %(mart)s, d.first, d.last, %(name)s, %(engine)s, %(severity)s,"
                " %(success)s, %(observed)s, %(expected)s, %(reason)s, %(failing_rows)s"
                " from unnest(%(days)s::date[], %(ends)s::date[]) as d (first, last)"
                " returning check_result_id) select min(check_result_id) from written",
                {
                    "run": run_id,
                    "application": application,
                    **{name: getattr(check, name) for name in _RECORDED},
                    "days": list(days),
                    "ends": [_end(check.mart, day) for day in days],
                },
            )
            recorded.append(replace(check, result_id=int(str(first))))
    return recorded


_RECORDED = (
    "mart", "name", "engine", "severity", "success", "observed", "expected", "reason", "failing_rows",
)  # fmt: skip


def _end(name: str | None, start: dt.date | None) -> dt.date | None:
    return start if name is None else mart(name).partition_end(start)


def bad_partitions(checks: Iterable[Check], plan: Plan) -> dict[str, set[dt.date | None]]:
    """The partitions that failed blocking checks hold back, per mart.

    A check that names no partition condemns all planned ones of its mart, one that names no mart all marts. A
    day that is bad in one mart is bad in all that share its days: a reader who joins them must not see it half.
    """
    bad: dict[str, set[dt.date | None]] = {}
    for check in checks:
        if check.success or check.severity != "block":
            continue
        for name in [check.mart] if check.mart else list(plan.partitions):
            if name in plan.partitions:
                planned = set(plan.partitions[name])
                bad.setdefault(name, set()).update(planned.intersection(check.partitions) or planned)
    days = {day for name, found in bad.items() if _has_days(name) for day in found}
    for name in filter(_has_days, plan.partitions):
        if shared := days.intersection(plan.partitions[name]):
            bad[name] = bad.get(name, set()) | shared
    return bad


def _has_days(name: str) -> bool:
    return mart(name).dated and not mart(name).made_from
