"""Queries that dashboards of workflows ask: each finds its rows by an index, or in the months that it needs.

Belongs here: plans on marts of the benchmark's shape, some thousand rows large. Does not belong here: times
(``benchmarks/workflows.py``, the same queries at a million rows).
"""

import re

from benchmarks.workflows import DASHBOARD, fill_dashboards
from tests.support import Lab

FUNNEL, TREND, ACTIVE = DASHBOARD
INDEXES = {FUNNEL: "workflow_id_date_idx", ACTIVE: "workflow_id_enrolled_at_idx"}
"""The end of the name that the index has in every partition."""


def test_a_dashboard_finds_its_rows_by_an_index(lab: Lab) -> None:
    fill_dashboards(lab.warehouse, workflows=50, days=800)
    for name, index in INDEXES.items():
        assert index in plan(lab, name), plan(lab, name)
        assert "Seq Scan" not in plan(lab, name), plan(lab, name)
        assert "Seq Scan" in plan(lab, name, "bare")
    assert set(re.findall(r"workflow_analytics_(\d{4}_\d\d)", plan(lab, TREND))) == {"2023_06", "2023_07"}


def plan(lab: Lab, name: str, schema: str = "marts") -> str:
    return "\n".join(str(line) for (line,) in lab.warehouse.execute("explain " + DASHBOARD[name].format(schema=schema)))
