"""Jobs: the refresh of everything, and its verification. Belongs here: what is run together, and how."""

import dagster as dg

from assets import specs
from orchestration import settings
from orchestration.connections import owner_session, warehouse_to_read, working
from warehouse.catalog import MARTS

VERIFY = "verify"

# A job's partitioned assets must share their partitions: weeks and months follow their days inside the op.
OF_OTHER_GRAIN = [specs.mart_key(mart) for mart in MARTS if mart.dated and mart.grain != "day"]

refresh_job = dg.define_asset_job(
    specs.REFRESH,
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.assets(*OF_OTHER_GRAIN)
    - dg.AssetSelection.checks(*(spec.key for area in specs.areas() for spec in specs.freshness(area))),
    description="Extract, build, check and publish all applications, each gated on its own.",
)


@dg.op
def verify_ledger(context: dg.OpExecutionContext) -> None:
    """Fail where what is published is not what the ledger and raw say; changes nothing."""
    from warehouse.transform import Transformer
    from warehouse.verification import verify

    chosen = settings.load()
    with (
        warehouse_to_read(chosen, "weir verify") as (places, _),
        working(places, wait=True, say=context.log.info, name=f"verify {context.run_id}"),
        owner_session(chosen, "weir verify") as warehouse,
    ):
        found = verify(
            warehouse,
            Transformer(places.warehouse_url, places.home / "dbt"),
            chosen.earliest_date,
            additive=chosen.additive,
            say=context.log.info,
        )
    differing = [difference for proof in found for difference in proof.differences]
    context.add_output_metadata(
        {
            "partitions": sum(proof.partitions for proof in found),
            "rows": sum(proof.rows for proof in found),
            "pending": sum(proof.pending for proof in found),
        }
    )
    if differing:
        raise dg.Failure(
            f"{len(differing)} published partitions differ; weir verify shows them as a table",
            metadata={
                f"{each.mart} {each.partition_start or ''}".strip(): each.what for each in differing[:DIFFERENCES_TOLD]
            },
            allow_retries=False,
        )


DIFFERENCES_TOLD = 100
"""In the metadata of a failed run."""


@dg.job(name=VERIFY, description="Recompute everything published from raw and compare it with the ledger.")
def verify_job() -> None:
    """As ``weir verify``."""
    verify_ledger()
