"""What the commands that report show: as tables, and what stands behind them for ``--json``."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from orchestration.printing import age, one_line, out, table_of

if TYPE_CHECKING:
    from warehouse.extract import SourceProof
    from warehouse.refresh import Outcome, Refresh
    from warehouse.status import (
        Failure,
        Freshness,
        MartStatus,
        OpenLateData,
        QuarantineStatus,
        UnsentAlert,
        WithoutForecast,
    )
    from warehouse.verification import Difference, MartProof


def print_status(
    freshness: "list[Freshness]",
    marts: "list[MartStatus]",
    quarantine: "list[QuarantineStatus]",
    failures: "list[Failure]",
    without: "list[WithoutForecast]",
    unsent: "list[UnsentAlert]",
    late: "list[OpenLateData]",
) -> None:
    """Print what stands in the marts; below it only the tables that have something to say."""
    now = dt.datetime.now(dt.UTC)
    table = table_of(
        "application", "mart", ">partitions", ">rows", "as of", "published", ">pending", ">late", ">failed"
    )
    for mart in marts:
        published = f"{age(now - mart.last_published_at)} ago" if mart.last_published_at else "never"
        table.add_row(
            mart.application, mart.mart, f"{mart.partitions:,}", f"{mart.rows:,}",
            f"{mart.as_of:%Y-%m-%d %H:%M}Z" if mart.as_of else "", published,
            f"{mart.pending:,}", f"{mart.late:,}", f"{mart.failed_checks:,}",
        )  # fmt: skip
    out.print(table)
    if failing := [each for each in freshness if each.failing_since]:
        table = table_of("stale", "as of", "age", "failing since", "because")
        for each in failing:
            table.add_row(
                each.application, f"{each.as_of:%Y-%m-%d %H:%M}Z" if each.as_of else "never published",
                age(now - each.as_of) if each.as_of else "",
                f"{each.failing_since:%Y-%m-%d %H:%M}Z", each.last_error or "",
            )  # fmt: skip
        out.print(table)
    if late:
        table = table_of("dirty because of", ">marts", ">partitions", "since")
        for item in late:
            # What has been redefined has no source table.
            because = (
                item.source_table
                if item.source_table.startswith(item.application)
                else (f"{item.application} {item.source_table}")
            )
            table.add_row(because, f"{item.marts:,}", f"{item.partitions:,}", f"{age(now - item.since)} ago")
        out.print(table)
    if quarantine:
        table = table_of("quarantined in", "reason", ">entries", ">rows")
        for entry in quarantine:
            table.add_row(entry.source_table, entry.reason, f"{entry.entries:,}", f"{entry.rows:,}")
        out.print(table)
    if failures:
        _print_failures(failures)
    if without:
        table = table_of("no forecast of", "metric type", "unit", "granularity", "because")
        for series in without:
            table.add_row(series.service_name, series.metric_type, series.unit, series.granularities, series.status)
        out.print(table)
    if unsent:
        table = table_of("alert of", "date", "channel", "state", ">attempts", "last error")
        for alert in unsent:
            table.add_row(
                alert.goal, str(alert.date), alert.channel, alert.state, f"{alert.attempts:,}", alert.last_error or ""
            )
        out.print(table)


def _print_failures(failures: "list[Failure]") -> None:
    """Failed checks, with the command that shows the rows."""
    table = table_of(
        "failed check of", "check", "engine", "severity", "observed", "expected", ">days", "first day", "why", "rows"
    )
    for failure in failures:
        table.add_row(
            failure.mart or failure.application, failure.check_name, failure.engine, failure.severity,
            failure.observed or "", failure.expected or "", f"{failure.days:,}", str(failure.first_day or ""),
            failure.reason or "", f"weir status --rows {failure.result_id}",
        )  # fmt: skip
    out.print(table)


ROWS_SHOWN = 50
"""Rows of a failed check."""


def print_rows(columns: list[str], rows: list[tuple[object, ...]]) -> None:
    """Print rows as they are in the database; none: what they are about has been mended since, or is being built."""
    if not rows:
        out.print("no row fails any more: what failed has been mended since, or is being built again")
        return
    table = table_of(*columns)
    for row in rows[:ROWS_SHOWN]:
        table.add_row(*("" if value is None else str(value) for value in row))
    out.print(table)
    if len(rows) > ROWS_SHOWN:
        out.print(f"and more than these {ROWS_SHOWN} rows")


def print_proofs(found: "list[SourceProof]") -> None:
    """Print per source table what its comparison with raw found."""
    table = table_of("source table", ">rows", ">differing", "keys", ">seconds")
    for item in found:
        proof = item.proof
        table.add_row(
            item.source_table, f"{proof.rows:,}" if proof else "", f"{proof.differing:,}" if proof else "",
            ", ".join(proof.keys) if proof else "never extracted", f"{item.seconds:.1f}",
        )  # fmt: skip
    out.print(table)


def problems_of_tables(found: "list[SourceProof]") -> list[str]:
    """One line on the tables of raw that differ from the source, if any do."""
    differing = [(item.source_table, item.proof) for item in found if item.proof and not item.proof.success]
    return [
        f"{len(differing)} tables of raw differ from the source, first {table}, key {proof.keys[0]}; "
        "the next weir run heals them"
        for table, proof in differing[:1]
    ]


DIFFERENCES_SHOWN = 40
"""Partitions named one by one; ``--json`` has all."""


def print_mart_proofs(found: "list[MartProof]") -> None:
    """Print per mart what was verified; below it the partitions that differ, and in what."""
    if not found:
        out.print("nothing is published yet")
        return
    table = table_of("application", "mart", ">partitions", ">rows", ">pending", ">differing")
    for proof in found:
        table.add_row(
            proof.application, proof.mart, f"{proof.partitions:,}", f"{proof.rows:,}", f"{proof.pending:,}",
            f"{len(proof.differences):,}",
        )  # fmt: skip
    out.print(table)
    for application, reason in dict.fromkeys((each.application, each.not_recomputed) for each in found):
        if reason:
            out.print(f"{application}: compared with the ledger only, not recomputed: {reason}", soft_wrap=True)
    differences = [difference for proof in found for difference in proof.differences]
    if differences:
        table = table_of("differs", "partition", "because", ">in ledger", ">in mart", ">from raw", "rows of the mart")
        for each in differences[:DIFFERENCES_SHOWN]:
            table.add_row(
                each.mart, _partition(each), each.what, _number(each.rows_in_ledger), f"{each.rows_in_mart:,}",
                _number(each.rows_recomputed), _rows(each),
            )  # fmt: skip
        out.print(table)
        if len(differences) > DIFFERENCES_SHOWN:
            out.print(f"and {len(differences) - DIFFERENCES_SHOWN:,} more partitions; --json names all")


def problems_of_marts(found: "list[MartProof]") -> list[str]:
    """One line on the partitions that differ, if any do."""
    differences = [difference for proof in found for difference in proof.differences]
    return [
        f"{len(differences)} published partitions differ, first {each.mart} {_partition(each)}: {each.what}"
        + ("; weir run --from --to rebuilds days from raw" if each.partition_start else "")
        for each in differences[:1]
    ]


def _partition(each: "Difference") -> str:
    if each.partition_start is None:
        return "all"
    end = each.partition_end
    return str(each.partition_start) if end == each.partition_start else f"{each.partition_start}..{end}"


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _rows(each: "Difference") -> str:
    kinds = (("missing", each.missing), ("extra", each.extra), ("changed", each.changed))
    return "; ".join(
        f"{rows.count:,} {kind}: {', '.join(rows.keys)}{', ...' if rows.count > len(rows.keys) else ''}"
        for kind, rows in kinds
        if rows
    )


def print_run(refresh: "Refresh", seconds: dict[str, float], total: float) -> None:
    """Print what a run published and held back, and the seconds that its stages took."""
    from warehouse.refresh import partitions_of

    table = table_of("application", "mart", ">partitions", ">rows", "result")
    for outcome in refresh.outcomes.values():
        for name, partitions, rows in partitions_of(outcome):
            held = len(outcome.held_back.get(name, ()))
            kept = "held back" if outcome.status == "blocked" else "not published"
            result = "published" if name in outcome.rows else kept
            table.add_row(
                outcome.application, name, f"{partitions:,}", f"{rows:,}",
                f"{result}, {held:,} days held back" if held and name in outcome.rows else result,
            )  # fmt: skip
    if table.row_count:
        out.print(table)
    elif not any(outcome.error for outcome in refresh.outcomes.values()):
        out.print("nothing to do: the marts are up to date")
    if failed := [failure for outcome in refresh.outcomes.values() for failure in failures_of(outcome)]:
        _print_failures(failed)
    out.print(f"{total:.1f} s: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()), soft_wrap=True)


def failures_of(outcome: "Outcome") -> "list[Failure]":
    """The checks of a run that failed, those that block first."""
    from warehouse.status import Failure

    return [
        Failure(
            outcome.application, check.mart, check.name, check.engine, check.severity, check.observed, check.expected,
            len(check.partitions), min(check.partitions, default=None), check.reason, check.result_id or 0,
        )
        for check in sorted(outcome.checks, key=lambda check: check.severity)
        if not check.success
    ]  # fmt: skip


def outcome_of(outcome: "Outcome") -> dict[str, Any]:
    """What became of one application in a run, for ``--json``."""
    from warehouse.refresh import partitions_of

    return {
        "status": outcome.status,
        "error": one_line(outcome.error) if outcome.error else None,
        "changed_rows": outcome.batch.changed if outcome.batch else None,
        "marts": {
            name: {
                "partitions": partitions,
                "rows": rows,
                "held_back": sorted(str(day) for day in outcome.held_back.get(name, ())),
            }
            for name, partitions, rows in partitions_of(outcome)
        },
        "failed_checks": [check for check in outcome.checks if not check.success],
    }
