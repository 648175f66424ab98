"""Jobs: one, the refresh of everything. Belongs here: what is run together, and how."""

import dagster as dg

from assets import specs
from warehouse.catalog import MARTS

# A job's partitioned assets must share their partitions: weeks and months follow their days inside the op.
OF_OTHER_GRAIN = [specs.mart_key(mart) for mart in MARTS if mart.dated and mart.grain != "day"]

refresh_job = dg.define_asset_job(
    specs.REFRESH,
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.assets(*OF_OTHER_GRAIN)
    - dg.AssetSelection.checks(*(spec.key for spec in specs.freshness())),
    description="Extract, build, check and publish all applications, each gated on its own.",
)
