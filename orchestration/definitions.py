"""What Dagster loads. Only assembles."""

import dagster as dg

from assets.refresh import RESOURCE, all_assets
from orchestration.jobs import refresh_job
from orchestration.resources import refresh
from orchestration.sensors import send_kpi_alerts


def build_defs(**resources: object) -> dg.Definitions:
    """All definitions, with some resources replaced."""
    return dg.Definitions(
        assets=all_assets(),
        jobs=[refresh_job],
        sensors=[send_kpi_alerts],
        resources={RESOURCE: refresh, **resources},
    )


defs = build_defs()
