"""dlt doing what ``benchmarks.extract`` measures, in an interpreter of its own that has dlt and nothing of ours.

Best documented settings for speed: Arrow tables from the source, CSV files, COPY into the destination, upsert merges.

    python peer_dlt.py SOURCE_URL WAREHOUSE_URL STATE_FOLDER full|changes
"""

import os
import sys
import time

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["DATA_WRITER__DISABLE_COMPRESSION"] = "true"
os.environ["NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION"] = "true"

import dlt
from dlt.common import pendulum
from dlt.sources.sql_database import sql_table


def main() -> None:
    """Run once and print the seconds of the pipeline's run."""
    source, warehouse, folder, what = sys.argv[1:]
    full = what == "full"
    pipeline = dlt.pipeline(
        "peer", pipelines_dir=folder, destination=dlt.destinations.postgres(warehouse), dataset_name="peer"
    )
    table = sql_table(
        source.replace("postgresql://", "postgresql+psycopg2://"),
        table="events",
        schema="bench",
        backend="pyarrow",
        chunk_size=100_000,
        reflection_level="full_with_precision",
        incremental=None
        if full
        else dlt.sources.incremental("updated_at", initial_value=pendulum.datetime(2030, 1, 1)),
    )
    started = time.perf_counter()
    pipeline.run(
        table,
        write_disposition="replace" if full else {"disposition": "merge", "strategy": "upsert"},
        primary_key="id",
        loader_file_format="csv",
    )
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
