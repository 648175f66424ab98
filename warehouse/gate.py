"""The gate: what a candidate must satisfy before anyone can read it.

Belongs here: the checks of every mart, run by three engines, and the record of their results. Does not belong
here: publication (``warehouse.publish``), which asks the gate's verdict first.

- great_expectations: row count, key, nulls, ranges; derived from the mart's entry in the catalog.
- reconciliation: equations against raw and the quarantine (``reconciliation/<application>.sql``, and for marts
  that take many lines ``reconciliation/<application>/<mart>.sql``, which runs where the mart is planned).
- dbt: conservation inside the candidate (``dbt_project/tests``).

Every suite begins with the row count, expected from raw: an empty candidate would pass all other checks.
"""

import datetime as dt
import logging
import os
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from warehouse.catalog import Mart, mart, source_tables
from warehouse.database import Connection, fetch_row
from warehouse.extract import Batch
from warehouse.plan import Parameters, Plan
from warehouse.transform import NodeResult, Transformer

ROW_COUNT = "row_count"
"""The equation that says how many rows a mart should have."""

RECONCILIATION = Path(__file__).parent / "reconciliation"

EXEMPT_REASONS = ("unknown_timezone", "in_the_future", "orphan_event")
"""Reasons that do not count towards the share of quarantined rows that blocks."""

SMALLEST_TABLE = 100
"""Rows: below it, a share of quarantined rows means nothing and does not block."""


@dataclass(frozen=True)
class Check:
    """The result of one check; ``mart`` None: of the application. ``partitions`` are those that failed."""

    mart: str | None
    name: str
    engine: str
    severity: str
    success: bool
    observed: str | None = None
    expected: str | None = None
    partitions: tuple[dt.date, ...] = ()


def reconcile(warehouse: Connection, plan: Plan) -> list[Check]:
    """Compare both sides of every equation of the application; one of them is ``row_count`` for each mart."""
    own = [RECONCILIATION / plan.application / f"{name}.sql" for name in plan.partitions]
    rows = [
        row
        for path in (RECONCILIATION / f"{plan.application}.sql", *filter(Path.exists, own))
        for row in warehouse.execute(
            sql.SQL("""
            select mart, equation, sum(observed), sum(expected),
                count(*) filter (where observed is distinct from expected),
                array_agg(partition_start order by partition_start)
                    filter (where observed is distinct from expected and partition_start is not null)
            from ({}) as equations
            group by mart, equation
            """).format(sql.SQL(path.read_text(encoding="utf-8")))
        ).fetchall()
    ]
    checks = []
    for mart_name, equation, observed, expected, differing, partitions in rows:
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
                partitions=tuple(partitions or ()),  # type: ignore[arg-type]
            )
        )
    return checks


def expectations(
    warehouse: Connection, url: str, parameters: Parameters, plan: Plan, reconciled: list[Check]
) -> list[Check]:
    """Validate each planned mart's candidate with its suite of Great Expectations.

    How many rows a mart should have, and in which partitions it has not, is in ``reconciled``.
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
                if batch.validate(
                    gx.ExpectationSuite(f"{name} at once", _at_once(warehouse, suite)), result_format="BOOLEAN_ONLY"
                ).success:
                    checks += [_held(name, each.configuration) for each in suite]
                    continue
                result = batch.validate(gx.ExpectationSuite(name, suite), result_format="BASIC")
                checks += [
                    _check(name, item, () if item.success else _failing_days(warehouse, mart(name), item, bad_counts))
                    for item in result.results
                ]
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
        gxe.UnexpectedRowsExpectation(unexpected_rows_query=query),
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


def _failing_days(
    warehouse: Connection, mart: Mart, item: Any, bad_counts: dict[str, tuple[dt.date, ...]]
) -> tuple[dt.date, ...]:
    """The partitions that have rows that an expectation does not hold for; none: it cannot tell."""
    if mart.date_column is None:
        return ()
    if item.expectation_config.type == "expect_table_row_count_to_equal":
        return bad_counts.get(mart.name, ())
    condition = _unexpected(item.expectation_config)
    if condition is None:
        key = sql.SQL(", ").join(map(sql.Identifier, mart.key))
        condition = sql.SQL("({}) in (select {} from {} group by {} having count(*) > 1)").format(
            key, key, sql.Identifier("candidate", mart.name), key
        )
    rows = warehouse.execute(
        sql.SQL("select distinct {} from {} where {} order by 1").format(
            mart.day(), sql.Identifier("candidate", mart.name), condition
        )
    ).fetchall()
    return tuple(row[0] for row in rows if isinstance(row[0], dt.date))


def _held(mart_name: str, configuration: Any) -> Check:
    """An expectation that holds, with what it says as what was observed."""
    name, expected = _named(configuration)
    return Check(mart_name, name, "great_expectations", "block", True, expected, expected)


def _check(mart_name: str, item: Any, partitions: tuple[dt.date, ...] = ()) -> Check:
    name, expected = _named(item.expectation_config)
    observed = item.result.get("observed_value")
    if observed is None:
        observed = f"{item.result.get('unexpected_count', '?')} unexpected"
    if item.exception_info and item.exception_info.get("raised_exception"):
        observed = str(item.exception_info.get("exception_message"))[:500]
    success = bool(item.success)
    return Check(mart_name, name, "great_expectations", "block", success, str(observed), expected, partitions)


def _named(configuration: Any) -> tuple[str, str]:
    """Name of an expectation with its column, and what it expects."""
    arguments = configuration.kwargs
    column = arguments.get("column") or "_".join(arguments.get("column_list", ()))
    limits = {key: arguments[key] for key in ("value", "min_value", "max_value") if arguments.get(key) is not None}
    expected = ", ".join(f"{key} {value}" for key, value in limits.items()) or "0 unexpected"
    return configuration.type + (f"({column})" if column else ""), expected


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
        )
        for table, count in warehouse.execute(
            "select source_table, count(*) from quality.quarantine where released_at is null"
            " and reason = 'orphan_event' and source_table = any (%s) group by source_table",
            ([table.qualified for table in source_tables(application)],),
        )
    ]


def record(warehouse: Connection, run_id: str, application: str, checks: Iterable[Check]) -> None:
    """Write results to ``quality.check_results``: a row per check, or one per failed day; one transaction."""
    with warehouse.transaction(), warehouse.cursor() as cursor:
        cursor.executemany(
            "insert into quality.check_results (run_id, application, mart, partition_start, partition_end,"
            " check_name, engine, severity, success, observed, expected)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    run_id, application, check.mart, day, _end(check.mart, day), check.name, check.engine,
                    check.severity, check.success, check.observed, check.expected,
                )
                for check in checks
                for day in (check.partitions or (None,))
            ],
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
