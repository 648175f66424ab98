"""Generated rows of the automation product: workflows, steps, executions and their events."""

from collections.abc import Iterable, Iterator

import numpy as np

from warehouse.demo import journeys, workflow_names
from warehouse.demo.journeys import MOST_STEPS
from warehouse.demo.period import DAY_MS, FIRST_MS, Size
from warehouse.demo.randomness import Stream, uuid_of, uuids
from warehouse.demo.sequencing import END, Extra, Records, in_order, numbered
from warehouse.demo.text import Cell, Columns, Row, instants, lookup, nullable_instants

BLOCK = 4_096
_STATUSES = ("active", "completed", "failed", "exited")

WORKFLOW_IDS = tuple(uuid_of(Stream("workflow id"), n) for n in range(len(workflow_names.WORKFLOWS)))
STEP_IDS = tuple(
    uuid_of(Stream("step id"), n * MOST_STEPS + place) if place < len(workflow.steps) else None
    for n, workflow in enumerate(workflow_names.WORKFLOWS)
    for place in range(MOST_STEPS)
)
"""By workflow number × MOST_STEPS + place; None where the workflow has no such step."""

DELETED_WORKFLOWS = tuple(n for n, w in enumerate(workflow_names.WORKFLOWS) if w.name.endswith("!"))
DELETED_STEPS = tuple(
    n * MOST_STEPS + place
    for n, workflow in enumerate(workflow_names.WORKFLOWS)
    for place, step in enumerate(workflow.steps)
    if step.endswith("!")
)


def execution_id(i: int) -> str:
    """The key of generated execution number `i`."""
    return uuid_of(Stream("execution id"), i)


def workflow_rows() -> Iterator[Row]:
    """Rows of workflows.workflows."""
    for n, workflow in enumerate(workflow_names.WORKFLOWS):
        created, changed = _instant(n * 11 - 400), _instant(n * 5 - 30)
        deleted = _instant(95) if n in DELETED_WORKFLOWS else None
        window = None if workflow.window_seconds is None else str(workflow.window_seconds)
        name = workflow.name.rstrip("!")
        yield (WORKFLOW_IDS[n], name, workflow.status, window, created, deleted or changed, deleted)


def step_rows() -> Iterator[Row]:
    """Rows of workflows.workflow_steps."""
    for n, workflow in enumerate(workflow_names.WORKFLOWS):
        for place, step in enumerate(workflow.steps):
            kind, _, name = step.rstrip("!").partition(":")
            action = kind if kind in workflow_names.ACTION_TYPES else None
            deleted = _instant(80) if step.endswith("!") else None
            yield (
                STEP_IDS[n * MOST_STEPS + place],
                WORKFLOW_IDS[n],
                str(place + 1),
                name,
                "action" if action else kind,
                action,
                deleted or _instant(n * 11 - 400),
                deleted,
            )


def _instant(day: int) -> str:
    return instants(np.array([FIRST_MS + day * DAY_MS + 34_200_000], dtype=np.int64))[0]


def _blocks(size: Size) -> Iterator[journeys.Journeys]:
    for low in range(0, size.executions, BLOCK):
        yield journeys.simulate(low, min(low + BLOCK, size.executions), size)


def execution_rows(size: Size) -> Iterator[Row]:
    """Rows of workflows.workflow_executions; three contacts for four executions."""
    contacts = max(1, size.executions * 3 // 4)
    for block in _blocks(size):
        i = block.execution
        updated = np.maximum(np.maximum(block.ended, block.goal), block.enrolled)
        steps = np.where(block.step < 0, 0, block.workflow * MOST_STEPS + block.step)
        current = lookup(STEP_IDS, steps)
        yield from zip(
            uuids(Stream("execution id"), i),
            lookup(WORKFLOW_IDS, block.workflow),
            uuids(Stream("contact id"), Stream("contact").below(i, contacts)),
            lookup(_STATUSES, block.status),
            instants(block.enrolled),
            nullable_instants(block.ended, block.ended >= 0),
            nullable_instants(block.goal, block.goal >= 0),
            [None if place < 0 else cell for cell, place in zip(current, block.step.tolist(), strict=True)],
            instants(updated),
            strict=True,
        )


def _event_columns(events: Records) -> Columns:
    duration = events["duration"]
    durations = np.full(len(events), None, dtype=object)
    timed = duration >= 0
    durations[timed] = [str(value) for value in duration[timed].tolist()]
    ids: list[Cell] = [*uuids(Stream("execution id"), events["execution"])]
    return [
        ids,
        lookup(WORKFLOW_IDS, events["step"] // MOST_STEPS),
        lookup(STEP_IDS, events["step"]),
        lookup(workflow_names.EVENT_TYPES, events["type"]),
        [*instants(events["occurred"])],
        [*instants(events["recorded"])],
        durations.tolist(),
        lookup(workflow_names.PAYLOADS, events["payload"]),
    ]


def event_rows(size: Size, extras: Iterable[Extra]) -> Iterator[Row]:
    """Rows of workflows.workflow_events, in the order of their ids; extras: rows made by hand."""

    def blocks() -> Iterator[tuple[int, Records]]:
        for block in _blocks(size):
            following = int(block.execution[-1]) + 1
            if following < size.executions:
                next_one = journeys.enrolled_at(np.array([following], dtype=np.int64), size)
                yield int(next_one[0]) - 10_000, block.events()
            else:
                yield END, block.events()

    return numbered(in_order(blocks()), _event_columns, extras)
