"""The assets: extract, stage and publish each application.

Belongs here: handing a run's steps to Dagster and its results back. The steps are ``warehouse.refresh``.

Publication is one op per application: a graph of ops could, re-executed from a failure, publish the candidate
of another run. The gate decides inside it, before anything is published or recorded as materialized.
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from assets import ledger, specs
from warehouse import status
from warehouse.catalog import APPLICATIONS, Mart, mart, marts, source_tables
from warehouse.checks import Check
from warehouse.errors import BlockedError
from warehouse.extract import Batch, Proof, TableResult
from warehouse.refresh import Outcome, Refresh
from warehouse.services import plots

RESOURCE = "refresh"
"""Key of the resource that is the run in progress (``warehouse.refresh.Refresh``)."""

RANGE_TAGS = ("dagster/partition", "dagster/asset_partition_range_start")


def extract_assets(application: str) -> dg.AssetsDefinition:
    """Bring the application's raw tables to one snapshot of its source."""

    @dg.multi_asset(
        name=f"extract_{application}",
        specs=list(specs.raw(application)),
        check_specs=list(specs.source_checks(application)),
        can_subset=True,  # its checks can be executed alone: then every row is compared
        required_resource_keys={RESOURCE},
    )
    def extract(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        checks_alone = not context.selected_asset_keys
        batch = _refresh(context).extract(application, prove=checks_alone)
        results = {result.source_table: result for result in batch.tables}
        for table in source_tables(application):
            key, result = specs.raw_key(table), results[table.qualified]
            if key in context.selected_asset_keys:
                yield dg.MaterializeResult(
                    asset_key=key, data_version=specs.IN_ORDER, metadata=_metadata(batch, result)
                )
            if dg.AssetCheckKey(key, specs.EQUALS_SOURCE) in context.selected_asset_check_keys:
                yield _proof(key, result.proof)

    return extract


def _proof(key: dg.AssetKey, proof: Proof | None) -> dg.AssetCheckResult:
    """What was compared, if anything: without a result Dagster would show the check as skipped until the next day."""
    found: dict[str, str | int | bool] = {"compared": proof is not None}
    if proof is not None:
        found |= {"rows": proof.rows, "differing_and_healed": proof.differing}
        found |= {"keys": ", ".join(proof.keys)} if proof.keys else {}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=specs.EQUALS_SOURCE,
        passed=proof is None or proof.success,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=found,
    )


def _metadata(batch: Batch, result: TableResult) -> dict[str, str | int | float]:
    return {
        "dagster/row_count": result.rows,
        "batch": batch.batch_id,
        "snapshot": batch.snapshot,
        "mode": result.mode,
        "reason": result.reason or "",
        "rows_read": result.rows_read,
        "rows_inserted": result.inserted,
        "rows_updated": result.updated,
        "rows_deleted": result.deleted,
        "seconds": result.seconds,
        "rows_per_second": round(result.rows_read / result.seconds) if result.seconds else 0,
    }


def staged_assets(application: str) -> dg.AssetsDefinition:
    """Recompute what changed rows mean, and which partitions they dirty."""

    @dg.multi_asset(
        name=f"stage_{application}", specs=list(specs.staged(application)), required_resource_keys={RESOURCE}
    )
    def stage(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        refresh = _refresh(context)
        changed = refresh.refresh_facts(application)
        rows = status.estimated_rows(refresh.warehouse, "intermediate")
        for spec in specs.staged(application):
            about = {"rows_estimated": rows[spec.key.path[-1]]} if spec.key.path[-1] in rows else {}
            yield dg.MaterializeResult(
                asset_key=spec.key, data_version=specs.IN_ORDER, metadata={"recomputed": changed, **about}
            )

    return stage


def published_assets(application: str, partitions: specs.Partitions) -> dg.AssetsDefinition:
    """Build the candidate, check it, publish what passes.

    Days of a backfill are rebuilt as one range, in all marts of the application; a month or a week asked for
    is its days.
    """

    @dg.multi_asset(
        name=specs.publish_op(application),
        specs=list(specs.published(application, partitions)),
        check_specs=list(specs.checks(application)),
        can_subset=True,  # what is not built this time yields neither results nor checks
        required_resource_keys={RESOURCE},
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def publish(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        refresh = _refresh(context)
        if asked_for := _days_asked_for(context, application):
            refresh.limit_to(*asked_for)
        blocked: BlockedError | None = None
        try:
            outcome = refresh.build(application)
        except BlockedError as error:
            blocked, outcome = error, refresh.outcomes[application]
        yield from _candidates(context, outcome)  # before the marts, which are made from them
        told = ledger.tell(context.instance, refresh.warehouse, _pictures(refresh, outcome))
        context.log.info(f"{told:,} partitions published")
        yield from _checks(context, outcome)
        if blocked is not None:
            ledger.tell_failures(context.instance, context.run_id, outcome.held_back)
            raise dg.Failure(str(blocked), allow_retries=False)

    return publish


def _days_asked_for(context: dg.AssetExecutionContext, application: str) -> tuple[dt.date, dt.date] | None:
    """First and last day of the partitions that the run is for; None where it is for what is dirty."""
    if not any(tag in context.run.tags for tag in RANGE_TAGS):
        return None
    days: list[dt.date] = []
    for each in marts(application):
        key = specs.mart_key(each)
        if each.dated and key in context.selected_asset_keys:
            found = context.asset_partition_key_range_for_output(key.to_python_identifier())
            days += [dt.date.fromisoformat(found.start), _last_day(each, dt.date.fromisoformat(found.end))]
    return (min(days), max(days)) if days else None


def _last_day(published: Mart, start: dt.date) -> dt.date:
    end = published.partition_end(start)
    assert end is not None
    return end


def _candidates(context: dg.AssetExecutionContext, outcome: Outcome) -> Iterator[dg.MaterializeResult[None]]:
    """What was built, published or not."""
    planned = outcome.plan.partitions if outcome.plan else {}
    for name in (name for name in specs.in_order(outcome.application) if name in planned):
        candidate = specs.model_key("candidate", outcome.application, name)
        if candidate in context.selected_asset_keys:
            metadata = {"partitions": len(planned[name])}
            if name in outcome.rows and not outcome.held_back.get(name):  # all of it was published
                metadata["dagster/row_count"] = outcome.rows[name]
            yield dg.MaterializeResult(asset_key=candidate, data_version=specs.IN_ORDER, metadata=metadata)


def _checks(context: dg.AssetExecutionContext, outcome: Outcome) -> Iterator[dg.AssetCheckResult]:
    """What each engine said of the candidates, and of days that stand. What was published is told from the ledger."""
    planned = outcome.plan.partitions if outcome.plan else {}
    for name in dict.fromkeys((*planned, *(check.mart for check in outcome.checks if check.mart))):
        for engine in specs.ENGINES:
            key = dg.AssetCheckKey(specs.mart_key(mart(name)), engine)
            checks = [check for check in outcome.checks if check.mart == name and check.engine == engine]
            if not checks or key not in context.selected_asset_check_keys:
                continue
            failed = [check for check in checks if not check.success]
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=engine,
                passed=not failed,
                severity=_severity(any(check.severity == "block" for check in failed)),
                metadata={"checks": len(checks), **_failures(failed)},
            )


def _failures(failed: list[Check]) -> dict[str, str]:
    """What the failed checks saw, as text that a page shows without a click; nothing where none failed."""
    found = {
        "failed": [f"{c.name}: {c.observed}, expected {c.expected} ({c.reason})" for c in failed],
        "failing_rows": [f"weir status --rows {c.result_id}" for c in failed if c.failing_rows],
        "failed_partitions": sorted({str(day) for c in failed for day in c.partitions}),
    }
    return {name: "; ".join(texts) for name, texts in found.items() if texts}


def _severity(blocks: bool) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN


def _pictures(refresh: Refresh, outcome: Outcome) -> dict[str, dict[str, dg.MarkdownMetadataValue]]:
    """What is worth a look on the asset's page, of the published marts that have it."""
    pictures = {}
    if "kpi_forecasts" in outcome.rows:
        pictures["kpi_forecasts"] = {"plots": dg.MetadataValue.md(plots.forecasts(refresh.warehouse))}
    if "kpi_forecast_accuracy" in outcome.rows:
        pictures["kpi_forecast_accuracy"] = {"accuracy": dg.MetadataValue.md(plots.accuracy(refresh.warehouse))}
    return pictures


def _refresh(context: dg.AssetExecutionContext) -> Refresh:
    refresh = getattr(context.resources, RESOURCE)
    assert isinstance(refresh, Refresh)
    return refresh


def all_assets(partitions: specs.Partitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Every asset of the graph, sources first."""
    return [
        *specs.sources(),
        *(extract_assets(application) for application in APPLICATIONS),
        *(staged_assets(application) for application in APPLICATIONS),
        *(published_assets(area, partitions) for area in specs.areas()),
    ]
