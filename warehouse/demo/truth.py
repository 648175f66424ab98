"""Everything that is known of the demo's marts by construction, gathered from where it was planted."""

from collections import Counter
from collections.abc import Iterator

from warehouse.demo import (
    scheduling,
    scheduling_dirt,
    scheduling_witness_ada,
    scheduling_witnesses,
    service_names,
    service_witnesses,
    workflow_dirt,
    workflow_names,
    workflow_witnesses,
)
from warehouse.demo.facts import Entry, Fact, Planted, Truth
from warehouse.demo.period import Size

_TRAVELLERS_AND_ADA = len(scheduling_witnesses.TRAVELLERS) + 1


def _planted(table: str, rows: Iterator[Planted]) -> Iterator[Entry]:
    for one in rows:
        for position, reason in one.defects:
            yield Entry(table, str(one.row[0]), position, reason)


def _entries(size: Size) -> Iterator[Entry]:
    yield from scheduling_witness_ada.ENTRIES
    yield from scheduling_witnesses.ENTRIES
    yield from service_witnesses.ENTRIES
    yield from _planted("scheduling.tasks", scheduling_dirt.tasks(size))
    yield from _planted("scheduling.user_calendar_days", scheduling_dirt.calendar_days(size))
    yield from _planted("workflows.workflow_executions", workflow_dirt.executions(size))


def _facts() -> Iterator[Fact]:
    yield from scheduling_witness_ada.facts()
    yield from scheduling_witnesses.facts()
    yield from workflow_witnesses.facts()
    yield from service_witnesses.facts()


def truth(scale: float = 1.0) -> Truth:
    """What a run over the demo of this scale, as of AS_OF, must show. Raises ValueError as Size does."""
    size = Size(scale)
    entries = tuple(_entries(size))
    counts = Counter((entry.source_table, entry.reason) for entry in entries)
    counts["scheduling.users", "unknown_timezone"] += scheduling.unknown_zone_users(size)
    for _, reason in workflow_dirt.events(size):
        if reason is not None:
            counts["workflows.workflow_events", reason] += 1
    for _, reason in service_witnesses.metrics(size):
        if reason is not None:
            counts["services.metrics", reason] += 1
    witnesses = sum(1 for _ in workflow_witnesses.execution_rows())
    rows = {
        "scheduling.users": size.users + _TRAVELLERS_AND_ADA + 1,
        "workflows.workflows": len(workflow_names.WORKFLOWS) + 2,
        "workflows.workflow_executions": size.executions + witnesses + (len(workflow_dirt.EXECUTIONS) + 1) * size.dirt,
        "services.kpi_goals": len(service_names.GOALS) + sum(1 for _ in service_witnesses.goals()),
        "services.report_requests": len(service_names.REPORTS),
    }
    live = scheduling.live_users(size) + _TRAVELLERS_AND_ADA
    return Truth(tuple(_facts()), dict(counts), entries, rows, live)
