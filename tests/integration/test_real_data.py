"""Real data of three applications: known totals, every mart equal to the reference, exact incremental runs.

The data is not part of the project (its publishers' terms differ); where it is absent, this is skipped.
"""

import datetime as dt
from pathlib import Path

import pytest

from tests.integration.test_incremental import DAILY, all_marts, dated, slot
from tests.support import Lab, assert_published
from warehouse.database import connect
from warehouse.loading import load

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
AS_OF = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)

TASK = "a61ca160-0301-5c5e-8828-e02c6c5a6d1e"
"""Of a user in New York, with slots on 2011-09-19 and 2011-09-20."""

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real data: {REAL} is absent")


def count(lab: Lab, query: str) -> tuple[object, ...]:
    (row,) = lab.warehouse.execute(query).fetchall()
    return row


def test_real_data_is_published_as_the_reference_counts_it(lab: Lab) -> None:
    load(lambda application: connect(lab.server.url("source"), name="test"), REAL)
    first = lab.run(AS_OF)
    assert {name: outcome.status for name, outcome in first.outcomes.items()} == dict.fromkeys(
        first.outcomes, "published"
    )

    assert count(lab, f"select count(*), sum(total_scheduled_minutes) from marts.{DAILY}") == (44_644, 8_371_859)
    assert count(lab, "select count(*) from marts.goal_progress_snapshots") == (644_748,)
    loans = "join marts.dim_workflow using (workflow_id) where name = 'Loan application'"
    assert count(lab, f"select sum(enrolled_count) from marts.workflow_analytics {loans}") == (13_087,)
    assert count(lab, f"select count(*) from marts.workflow_executions {loans}") == (13_087,)
    entered = lab.warehouse.execute(
        "select sum(entered_count) from marts.workflow_step_metrics"
        f" {loans} group by step_position order by step_position"
    ).fetchall()
    assert [number for (number,) in entered] == [13_087, 13_087, 7_367, 5_113, 5_015, 2_246]
    quarantined = lab.warehouse.execute(
        "select reason, count(distinct (source_table, row_key)) from quality.quarantine"
        " where source_table like 'scheduling.%' and released_at is null group by reason"
    ).fetchall()
    assert dict(quarantined) == {"slot_not_positive": 804, "before_earliest_date": 2, "slot_malformed": 1}
    assert_published(lab, AS_OF)

    # One task moves: the days where it was and the day where it is, and nothing else.
    elsewhere = slot("2012-02-29T22:00:00-05:00", "2012-02-29T23:30:00-05:00")
    lab.write(f"update scheduling.tasks set scheduled_slots = '[{elsewhere}]' where task_id = '{TASK}'")
    moved = lab.run(AS_OF, gate_open=True)
    days = {"2011-09-19", "2011-09-20", "2012-02-29"}
    assert dated(lab.published_since(moved)) == all_marts(days)
