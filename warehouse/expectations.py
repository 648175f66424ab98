"""What Great Expectations asks of a candidate: row count, key, nulls and ranges, from the mart's entry in the catalog.

Belongs here: suites and what their results mean. Does not belong here: what failed checks hold back
(``warehouse.gate``).

Every suite begins with the row count, expected from raw: an empty candidate would pass all other expectations.
"""

import datetime as dt
import logging
import os
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from psycopg import sql

from warehouse.catalog import Mart, mart
from warehouse.checks import REASONS, ROWS, Check
from warehouse.database import Connection
from warehouse.plan import Parameters, Plan

ROW_COUNT = "row_count"
"""The equation that says how many rows a mart should have."""


def validate(
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
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        for name in ("great_expectations", "great_expectations.data_context.types.base"):
            logging.getLogger(name).setLevel(logging.ERROR)
        context: Any = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        # A raw $ would begin the name of a variable of Great Expectations.
        encoded = url.replace("postgresql://", "postgresql+psycopg://", 1).replace("$", "%24")
        source = context.data_sources.add_postgres("warehouse", connection_string=encoded)
        checks: list[Check] = []
        try:
            for name in plan.partitions:
                rows = expected_rows.get(name, _without_equation(parameters, plan.partitions[name]))
                suite = list(_suite(warehouse, parameters, plan, mart(name), rows))
                asset = source.add_table_asset(name, table_name=name, schema_name="candidate")
                batch = asset.add_batch_definition_whole_table("candidate").get_batch()
                at_once = batch.validate(
                    gx.ExpectationSuite(f"{name} at once", _at_once(warehouse, mart(name), suite)),
                    result_format="BOOLEAN_ONLY",
                )
                if at_once.success:
                    keep(name, at_once)
                    checks += [_held(name, each.configuration) for each in suite]
                    continue
                result = batch.validate(gx.ExpectationSuite(name, suite), result_format="BASIC")
                keep(name, result)
                checks += [_check(warehouse, mart(name), item, counts.get(name)) for item in result.results]
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


def _at_once(warehouse: Connection, mart: Mart, suite: Collection[Any]) -> list[Any]:
    """The same suite with all expectations but the number of rows as one query.

    Each costs tens of milliseconds by itself, and keys are counted in a hash table here, where Great Expectations
    sorts all rows.
    """
    from great_expectations import expectations as gxe

    (of_count,) = (each for each in suite if each.configuration.type == ROWS)
    others = [each.configuration for each in suite if each is not of_count]
    conditions = [condition for each in others if (condition := _unexpected(each)) is not None]
    query = sql.SQL(
        "select 1 from {{batch}} where {} union all select 1 from {{batch}} group by {} having count(*) > 1"
    ).format(sql.SQL(" or ").join(conditions), sql.SQL(", ").join(map(sql.Identifier, mart.key)))
    return [
        of_count,
        gxe.UnexpectedRowsExpectation(
            unexpected_rows_query=query.as_string(warehouse),
            description="; ".join(f"{name}: {expected}" for name, expected in map(_named, others)),
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
    """The condition that rows meet for which an expectation does not hold."""
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


def _check(warehouse: Connection, mart: Mart, item: Any, of_count: Check | None) -> Check:
    """What an expectation says; ``of_count`` is the equation on the number of rows, which knows the days at fault."""
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
    if configuration.type == ROWS:
        return replace(
            check,
            partitions=of_count.partitions if of_count else (),
            failing_rows=(of_count.failing_rows if of_count else None) or _rows_per_partition(warehouse, mart),
        )
    words = {
        "day": mart.day() if mart.date_column else sql.SQL("null::date"),
        "candidate": sql.Identifier("candidate", mart.name),
        "condition": _failing(mart, configuration),
    }
    partitions: tuple[dt.date, ...] = ()
    if mart.date_column:
        rows = warehouse.execute(
            sql.SQL("select distinct {day} from {candidate} where {condition} order by 1").format(**words)
        ).fetchall()
        partitions = tuple(row[0] for row in rows if isinstance(row[0], dt.date))
    query = sql.SQL("select * from {candidate} where {condition}").format(**words)
    return replace(check, partitions=partitions, failing_rows=query.as_string(warehouse))


def _rows_per_partition(warehouse: Connection, mart: Mart) -> str:
    """A query for the candidate's rows in each partition: those of no run first, then all of the run, also empty ones.

    For where the equation finds no partition at fault: what is too much lies outside of the run's.
    """
    return (
        sql.SQL(
            "select coalesce(p.partition_start, c.partition_start) as partition_start, p.mart is not null as is_of_run,"
            " coalesce(c.row_count, 0) as row_count"
            " from (select mart, partition_start from control.run_partitions where mart = {name}) as p"
            " full join (select {day} as partition_start, count(*) as row_count from {candidate} group by 1) as c"
            " on coalesce(p.partition_start, 'infinity') = coalesce(c.partition_start, 'infinity')"
            " order by is_of_run, partition_start"
        )
        .format(
            name=sql.Literal(mart.name),
            day=mart.day() if mart.date_column else sql.SQL("null::date"),
            candidate=sql.Identifier("candidate", mart.name),
        )
        .as_string(warehouse)
    )
