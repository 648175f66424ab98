"""Queries that dashboards of workflows ask: each finds its rows by an index, in the partitions that it needs.

Belongs here: plans on marts of the benchmark's shape, some thousand rows large. Does not belong here: times
(``benchmarks/workflows.py``, the same queries at a million rows).
"""

import pytest

from benchmarks.workflows import DASHBOARD, fill_dashboards
from tests.support import Lab

INDEXES = {
    "funnel of one workflow over a year": "workflow_id_date_idx",
    "trend of 1,000 workflows over 30 days": "date_idx",
    "active executions of one workflow": "workflow_id_enrolled_at_idx",
}
"""The end of the name that the index has in every partition."""


@pytest.fixture
def filled(lab: Lab) -> Lab:
    fill_dashboards(lab.warehouse, workflows=100, days=500)
    return lab


def test_a_dashboard_finds_its_rows_by_an_index(filled: Lab) -> None:
    assert INDEXES.keys() == DASHBOARD.keys()
    for name, query in DASHBOARD.items():
        plan = "\n".join(str(line) for (line,) in filled.warehouse.execute("explain " + query.format(schema="marts")))
        assert INDEXES[name] in plan, f"{name}\n{plan}"
        assert "Seq Scan" not in plan, f"{name}\n{plan}"
        bare = "\n".join(str(line) for (line,) in filled.warehouse.execute("explain " + query.format(schema="bare")))
        assert "Seq Scan" in bare
