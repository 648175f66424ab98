"""The assets: extract, stage and publish each application.

Belongs here: handing a run's steps to Dagster and its results back. The steps are ``warehouse.refresh``.

Publication is one op per application: a graph of ops could, re-executed from a failure, publish the candidate
of another run. The gate decides inside it, before anything is published or recorded as materialized.
"""

from collections.abc import Iterator

import dagster as dg

from assets import specs
from warehouse.catalog import APPLICATIONS, CALENDAR, mart, source_tables
from warehouse.errors import BlockedError
from warehouse.refresh import Outcome, Refresh
from warehouse.services import plots

RESOURCE = "refresh"
"""Key of the resource that is the run in progress (``warehouse.refresh.Refresh``)."""


def extract_assets(application: str) -> dg.AssetsDefinition:
    """Bring the application's raw tables to one snapshot of its source."""

    @dg.multi_asset(
        name=f"extract_{application}", specs=list(specs.raw(application)), required_resource_keys={RESOURCE}
    )
    def extract(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        batch = _refresh(context).extract(application)
        results = {result.source_table: result for result in batch.tables}
        for table in source_tables(application):
            result = results[table.qualified]
            yield dg.MaterializeResult(
                asset_key=specs.raw_key(table),
                metadata={
                    "batch": batch.batch_id,
                    "mode": result.mode,
                    "rows_read": result.rows_read,
                    "rows_inserted": result.inserted,
                    "rows_updated": result.updated,
                    "rows_deleted": result.deleted,
                    "seconds": result.seconds,
                },
            )

    return extract


def staged_assets(application: str) -> dg.AssetsDefinition:
    """Recompute what changed rows mean, and which partitions they dirty."""

    @dg.multi_asset(
        name=f"stage_{application}", specs=list(specs.staged(application)), required_resource_keys={RESOURCE}
    )
    def stage(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        changed = _refresh(context).refresh_facts(application)
        for spec in specs.staged(application):
            yield dg.MaterializeResult(asset_key=spec.key, metadata={"recomputed": changed})

    return stage


def published_assets(application: str) -> dg.AssetsDefinition:
    """Build the candidate, check it, publish what passes."""

    @dg.multi_asset(
        name=f"publish_{application}",
        specs=list(specs.published(application)),
        check_specs=list(specs.checks(application)),
        can_subset=True,  # what is not built this time yields neither results nor checks
        required_resource_keys={RESOURCE},
    )
    def publish(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        refresh = _refresh(context)
        blocked: BlockedError | None = None
        try:
            outcome = refresh.build(application)
        except BlockedError as error:
            blocked, outcome = error, refresh.outcomes[application]
        yield from _results(refresh, outcome)
        if blocked is not None:
            raise dg.Failure(str(blocked), allow_retries=False)

    return publish


def _results(refresh: Refresh, outcome: Outcome) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    days = outcome.plan.partitions if outcome.plan else {}
    for name, planned in days.items():
        candidate = specs.model_key("candidate", outcome.application, name)
        yield dg.MaterializeResult(asset_key=candidate, metadata={"partitions": len(planned)})
        for engine in specs.ENGINES:
            checks = [check for check in outcome.checks if check.mart == name and check.engine == engine]
            failed = [check for check in checks if not check.success]
            yield dg.AssetCheckResult(
                asset_key=candidate,
                check_name=engine,
                passed=not failed,
                metadata={
                    "checks": len(checks),
                    "failed": [f"{c.name}: {c.observed}, expected {c.expected}" for c in failed],
                },
            )
        held_back = outcome.held_back.get(name, set())
        if name in outcome.rows and len(held_back) < len(planned):
            yield dg.MaterializeResult(
                asset_key=specs.mart_key(mart(name)),
                metadata={
                    "dagster/row_count": outcome.rows[name],
                    "partitions": len(planned) - len(held_back),
                    "held_back": len(held_back),
                    **_pictures(refresh, name),
                },
            )


def _pictures(refresh: Refresh, name: str) -> dict[str, dg.MarkdownMetadataValue]:
    """What is worth a look on the asset's page, of the marts that have it."""
    if name == "kpi_forecasts":
        return {"plots": dg.MetadataValue.md(plots.forecasts(refresh.warehouse))}
    if name == "kpi_forecast_accuracy":
        return {"accuracy": dg.MetadataValue.md(plots.accuracy(refresh.warehouse))}
    return {}


def _refresh(context: dg.AssetExecutionContext) -> Refresh:
    refresh = getattr(context.resources, RESOURCE)
    assert isinstance(refresh, Refresh)
    return refresh


def all_assets() -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Every asset of the graph, sources first."""
    return [
        *specs.sources(),
        *(extract_assets(application) for application in APPLICATIONS),
        *(staged_assets(application) for application in APPLICATIONS),
        *(published_assets(application) for application in (*APPLICATIONS, CALENDAR)),
    ]
