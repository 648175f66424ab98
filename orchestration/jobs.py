"""Jobs: one, the refresh of everything. Belongs here: what is run together, and how."""

import dagster as dg

REFRESH = "refresh"

refresh_job = dg.define_asset_job(
    REFRESH,
    selection=dg.AssetSelection.all(),
    description="Extract, build, check and publish all applications, each gated on its own.",
    executor_def=dg.in_process_executor,  # one lock, one connection, one dbt for the whole run
)
