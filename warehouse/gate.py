"""The gate: what a candidate must satisfy before anyone can read it.

Belongs here: equations, dbt's tests and shares of unusable rows; the record of all results; what failed checks
hold back. Does not belong here: publication (``warehouse.publish``), which asks the verdict first.

- great_expectations: row count, key, nulls, ranges (``warehouse.expectations``).
- reconciliation: equations against raw and the quarantine (``reconciliation/<application>.sql``, and for marts
  that take many lines ``reconciliation/<application>/<mart>.sql``, which runs where the mart is planned).
- dbt: conservation inside the candidate (``dbt_project/tests``).
- days that are not built, but that others are made from: as published (``warehouse.standing``).
- what the ledger says is usual for a weekday (``warehouse.volume``).

Each check says whether it blocks or warns, and why. What depends on an opinion warns: how many rows a weekday
usually has, and what may mend itself.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from psycopg import sql

from warehouse.catalog import mart, source_tables
from warehouse.checks import REASONS, Check
from warehouse.database import Connection, fetch_row
from warehouse.extract import Batch
from warehouse.plan import Plan
from warehouse.transform import NodeResult, Transformer

RECONCILIATION = Path(__file__).parent / "reconciliation"

EXEMPT_REASONS = ("unknown_timezone", "in_the_future", "orphan_event")
"""Reasons that do not count towards the share of quarantined rows that blocks."""

SMALLEST_TABLE = 100
"""Rows: below it, a share of quarantined rows means nothing and does not block."""


def reconcile(warehouse: Connection, plan: Plan) -> list[Check]:
    """Compare both sides of every equation of the application; one of them is ``row_count`` for each mart."""
    own = [RECONCILIATION / plan.application / f"{name}.sql" for name in plan.partitions]
    texts = [
        path.read_text(encoding="utf-8")
        for path in (RECONCILIATION / f"{plan.application}.sql", *filter(Path.exists, own))
    ]
    rows: list[tuple[Any, ...]] = []
    with warehouse.transaction():
        # Few rows of large tables are then looked up by key, and all of them still read in one go.
        warehouse.execute("set local random_page_cost = 1.5")
        for text in texts:
            rows += (
                (text, *row)
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
            )
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


def dbt_tests(transformer: Transformer, warehouse: Connection, plan: Plan) -> list[Check]:
    """Run the conservation tests of the planned marts; failing rows name their day in column ``partition_start``."""
    names = [name for name in plan.partitions if mart(name).dated or mart(name).made_from]
    if not names:
        return []
    return [_dbt_check(warehouse, result, plan) for result in transformer.test(warehouse, names)]


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
    recorded = list(checks)
    with warehouse.transaction(), warehouse.cursor() as cursor:
        cursor.executemany(
            "with written as (insert into quality.check_results (run_id, application, mart, partition_start,"
            " partition_end, check_name, engine, severity, success, observed, expected, reason, failing_rows)"
            " select %(run)s, %(application)s, %(mart)s, d.first, d.last, %(name)s, %(engine)s, %(severity)s,"
            " %(success)s, %(observed)s, %(expected)s, %(reason)s, %(failing_rows)s"
            " from unnest(%(days)s::date[], %(ends)s::date[]) as d (first, last)"
            " returning check_result_id) select min(check_result_id) from written",
            [
                {
                    "run": run_id,
                    "application": application,
                    **{name: getattr(check, name) for name in _RECORDED},
                    "days": list(days),
                    "ends": [_end(check.mart, day) for day in days],
                }
                for check in recorded
                for days in (check.partitions or (None,),)
            ],
            returning=True,
        )
        ids = [result.fetchone() for result in cursor.results()] if recorded else []
    return [replace(check, result_id=int(str(row[0]))) for check, row in zip(recorded, ids, strict=True) if row]


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
