"""The late-data ledger: from a late row to the partitions that it dirtied and what settled them, and back.

The queries are those of docs/verification.md.
"""

import contextlib
import datetime as dt
from pathlib import Path
from unittest import mock

from tests.integration.test_incremental import AS_OF, BEGINNING, TASKS, metric
from tests.support import Lab
from warehouse import plan, status
from warehouse.database import session
from warehouse.extract import extract

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "verification.md"


def documented(number: int) -> str:
    """A query of the page, as it stands there."""
    return DOCUMENT.read_text(encoding="utf-8").split("```sql\n")[number].split("```")[0]


def test_a_late_row_leads_to_its_partitions_and_their_publication_and_back(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    assert status.late_data(lab.warehouse) == []

    # Two extracts, of which the first was interrupted, and then a run that got as far as its plan.
    lab.write(metric("projects", "5", "2024-03-15T12:00:00Z"))
    with session(lab.server.url("source"), name="test", read_only=True) as source:
        extract("services", source, lab.warehouse, "interrupted")
    lab.write(
        metric("projects", "5", "2024-03-16T12:00:00Z"),
        f"update scheduling.tasks set deleted_at = now() where task_id = '{TASKS[2]}'",
    )
    with mock.patch.object(plan, "choose", side_effect=KeyboardInterrupt), contextlib.suppress(KeyboardInterrupt):
        lab.run(AS_OF, gate_open=True)
    (tasks, metrics) = sorted(status.late_data(lab.warehouse), key=lambda each: each.source_table)
    assert (tasks.source_table, tasks.application) == ("scheduling.tasks", "scheduling")
    assert (metrics.source_table, metrics.application) == ("services.metrics", "services")
    assert metrics.partitions > metrics.marts >= 3

    settled = lab.run(AS_OF, gate_open=True)
    assert status.late_data(lab.warehouse) == []
    run_id = settled.parameters.run_id
    day, later, month = dt.date(2024, 3, 15), dt.date(2024, 3, 16), dt.date(2024, 3, 1)

    # From a row: the metric that the interrupted extract brought.
    found = lab.warehouse.execute(documented(1).replace(":metric_id", "7")).fetchall()
    daily = {tuple(row[1:]) for row in found if row[0] == "kpi_daily"}
    assert daily == {(day, True, "settled", run_id), (later, True, "settled", run_id)}
    assert ("kpi_monthly", month, True, "settled", run_id) in found
    assert {row[4] for row in found} == {run_id}

    # From a row that is gone from where it was.
    batches = lab.warehouse.execute(
        "select mart, partition_start from control.late_partitions as l join raw.scheduling__tasks__changes as c"
        " on c._batch_id between l.first_batch_id and l.batch_id and l.source_table = 'scheduling.tasks'"
        " where c.task_id = %s and c._change <> 'insert'",
        (TASKS[2],),
    ).fetchall()
    assert ("analytics_daily_metrics", dt.date(2024, 3, 4)) in batches

    # And back: from a publication to the rows that made it necessary.
    (publication,) = lab.warehouse.execute(
        "select publication_id from control.publications where run_id = %s and mart = 'kpi_daily'"
        " and partition_start = %s",
        (run_id, day),
    ).fetchone() or (None,)
    rows = lab.warehouse.execute(documented(2).replace(":publication_id", str(publication))).fetchall()
    assert {(row[0], row[1]) for row in rows} == {("services.metrics", 7), ("services.metrics", 8)}


def test_what_is_new_is_not_late(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True, applications=("services",))
    query = "select count(*) > 0, bool_or(is_late), bool_and(state = 'settled') from control.late_partitions"
    assert lab.warehouse.execute(query).fetchone() == (True, False, True)
