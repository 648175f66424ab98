"""What Dagster loads. Only assembles."""

import datetime as dt
from collections.abc import Mapping

import dagster as dg

from assets import specs
from assets.freshness import WAREHOUSE, freshness_checks
from assets.refresh import RESOURCE, all_assets
from orchestration import settings
from orchestration.jobs import refresh_job, verify_job
from orchestration.partitions import calendar
from orchestration.resources import refresh, warehouse
from orchestration.schedules import refresh_schedule
from orchestration.sensors import dirty_partitions_sensor, send_kpi_alerts, tell_freshness


def build_defs(
    first_day: dt.date = settings.DEFAULT_FIRST_DAY,
    *,
    automation: bool = False,
    resources: Mapping[str, object] | None = None,
) -> dg.Definitions:
    """All definitions, with partitions from a first day on, schedules and sensors on or off, and other resources."""
    return dg.Definitions(
        assets=all_assets(calendar(first_day)),
        jobs=[refresh_job, verify_job],
        schedules=[refresh_schedule(on=automation)],
        asset_checks=[freshness_checks(area) for area in specs.areas()],
        sensors=[dirty_partitions_sensor(on=automation), send_kpi_alerts, tell_freshness],
        resources={RESOURCE: refresh, WAREHOUSE: warehouse, **(resources or {})},
        executor=dg.in_process_executor,  # of backfills too: one lock, one connection, one dbt for the whole run
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Read settings and assemble; called when the code location loads, not when this module is imported."""
    chosen = settings.load()
    return build_defs(chosen.calendar_start(), automation=chosen.automation)
