"""The ledger, told to Dagster: a materialization for each publication, whatever run it came from.

Belongs here: from ``control.publications`` to events. Does not belong here: publishing.

Events are read from the ledger after the commit, from the last publication that Dagster was told of. So a
crash between the commit and the events, or a run that Dagster never saw, is made up for by the next run.
"""

import datetime as dt
import functools
import itertools
import time
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg
from dagster._core.events import (  # public by no other way; a test walks through all that is used here
    AssetMaterializationPlannedData,
    DagsterEvent,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry

from assets import events, specs
from warehouse.catalog import MARTS, mart
from warehouse.database import Connection, fetch_row

MARKS: Mapping[str, object] = {
    "partition": "@partition@",
    "publication": 7_000_000_001,
    "run_id": "@run@",
    "as_of": 7_000_000_002.5,
    "row_count": 7_000_000_003,
    "content_hash": "@hash@",
    "source_rows": 7_000_000_004,
}
"""The columns of a publication, with values that stand nowhere else in its event."""

MOST_FAILURES = 1000
"""Partitions of a mart that one run shows as failed, one by one; where more are bad, the check tells."""


def tell(
    instance: dg.DagsterInstance,
    warehouse: Connection,
    pictures: Mapping[str, Mapping[str, dg.MetadataValue]] | None = None,
) -> int:
    """Record a materialization of every partition published since the last call.

    A partition published several times in between is recorded once, for its latest publication.

    Args:
        instance: Dagster's.
        warehouse: whose ledger to read.
        pictures: more metadata, per undated mart.

    Returns:
        Number of events.
    """
    cursor = _cursor_name(warehouse)
    known = int(instance.run_storage.get_cursor_values({cursor}).get(cursor, "0"))
    rows = [
        (str(name), dict(zip(MARKS, row, strict=True)))
        for name, *row in warehouse.execute(
            "select distinct on (mart, partition_start) mart, partition_start::text, publication_id, run_id,"
            " extract(epoch from as_of)::double precision, row_count, content_hash, coalesce(source_row_count, 0)"
            " from control.publications where publication_id > %s"
            " order by mart, partition_start, publication_id desc",
            (known,),
        )
    ]
    names = {each.name for each in MARTS}  # a later version may have dropped one
    told = 0
    for name, of_mart in itertools.groupby(rows, key=lambda row: row[0]):
        if name in names:
            publications = [publication for _, publication in of_mart]
            event_of = functools.partial(_materialization, name, (pictures or {}).get(name, {}))
            events.store(instance, event_of, MARKS, publications)
            told += len(publications)
    if rows:
        last = max(int(str(publication["publication"])) for _, publication in rows)
        instance.run_storage.set_cursor_values({cursor: str(last)})
    return told


def tell_failures(
    instance: dg.DagsterInstance, run_id: str, held_back: Mapping[str, Collection[dt.date | None]]
) -> None:
    """Have partitions that a failing run has held back shown as failed: they were planned and did not come.

    Args:
        instance: Dagster's.
        run_id: of a run that is going to end in failure.
        held_back: first days of partitions per mart.
    """
    for name, days in held_back.items():
        for day in sorted(day for day in days if day is not None)[-MOST_FAILURES:]:
            event = DagsterEvent.build_asset_materialization_planned_event(
                specs.REFRESH,
                specs.publish_op(mart(name).application),
                AssetMaterializationPlannedData(specs.mart_key(mart(name)), partition=day.isoformat()),
            )
            instance.report_dagster_event(event, run_id=run_id)


def _cursor_name(warehouse: Connection) -> str:
    system, database = fetch_row(
        warehouse,
        "select (select system_identifier from pg_control_system()),"
        " (select oid::bigint from pg_database where datname = current_database())",
    )
    return f"weir/publications/{system}/{database}"


def _materialization(
    name: str, pictures: Mapping[str, dg.MetadataValue], publication: Mapping[str, Any]
) -> EventLogEntry:
    published = mart(name)
    step = specs.publish_op(published.application)
    candidate = specs.model_key("candidate", published.application, name).to_user_string()
    materialization = dg.AssetMaterialization(
        specs.mart_key(published),
        partition=publication["partition"],
        metadata={
            "dagster/row_count": publication["row_count"],
            "publication": publication["publication"],
            "content_hash": publication["content_hash"],
            "source_rows": publication["source_rows"],
            "as_of": dg.TimestampMetadataValue(publication["as_of"]),
            **pictures,
        },
        tags={
            # As Dagster writes them itself: the version of the content, and of what it was made from.
            "dagster/data_version": publication["content_hash"],
            "dagster/data_version_is_user_provided": "true",
            "dagster/code_version": publication["run_id"],
            f"dagster/input_data_version/{candidate}": specs.IN_ORDER.value,
            f"dagster/input_event_pointer/{candidate}": "NULL",
        },
    )
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=20,
        user_message="",
        run_id=publication["run_id"],
        timestamp=time.time(),
        job_name=specs.REFRESH,
        step_key=step,
        dagster_event=DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
            job_name=specs.REFRESH,
            step_key=step,
            event_specific_data=StepMaterializationData(materialization, []),
        ),
    )
