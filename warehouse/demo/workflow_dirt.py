"""Defects of the automation product: executions and events that the contract sends to quarantine.

Beside each stands the reason that the contract gives; None marks what looks odd but is no defect, or what
nobody examines because its workflow or step is deleted.
"""

from collections.abc import Container, Iterator

import numpy as np

from warehouse.demo import journeys, workflows
from warehouse.demo.facts import Planted, witness_id
from warehouse.demo.journeys import MOST_STEPS
from warehouse.demo.period import DAY_MS, FIRST_MS, Size, day_text
from warehouse.demo.randomness import Ints
from warehouse.demo.sequencing import Extra
from warehouse.demo.text import Cell

UNKNOWN_TYPE, ORPHAN, BACKWARDS = "unknown_event_type", "orphan_event", "execution_ends_before_start"
TOO_EARLY, FUTURE = "before_earliest_date", "in_the_future"

EXECUTIONS: tuple[tuple[str | None, str, str, str | None, str | None], ...] = (
    (BACKWARDS, "completed", "@T10:00:00Z", "@T09:59:59.999Z", None),
    (BACKWARDS, "exited", "@T10:00:00Z", "-infinity", None),
    (BACKWARDS, "failed", "@T10:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    (TOO_EARLY, "active", "1970-01-01T00:00:00Z", None, None),
    (TOO_EARLY, "completed", "-infinity", "@T11:00:00Z", None),
    (TOO_EARLY, "active", "@T10:00:00Z", None, "-infinity"),
    (TOO_EARLY, "completed", "@T10:00:00Z", "@T11:00:00Z", "1999-12-31T23:59:59.999Z"),
    (FUTURE, "active", "2026-07-02T00:00:00.001Z", None, None),
    (FUTURE, "active", "infinity", None, None),
    (None, "completed", "@T10:00:00Z", "@T10:00:00Z", None),
    (None, "completed", "@T10:00:00Z", "infinity", None),
    (None, "active", "@T10:00:00Z", None, "infinity"),
)
"""Reason, status, enrolled_at, ended_at, goal_reached_at; `@` is the date."""

_LIVE = tuple(n for n in range(len(workflows.WORKFLOW_IDS)) if n not in workflows.DELETED_WORKFLOWS)
_UNKNOWN = "f0000000-0000-4000-8000-000000000000"

EVENTS: tuple[tuple[str, str, str, str], ...] = (
    (UNKNOWN_TYPE, "", "step_teleported", "@T10:00:00Z"),
    (UNKNOWN_TYPE, "", "STEP_ENTERED", "@T10:00:00Z"),
    (UNKNOWN_TYPE, "", "step_entered ", "@T10:00:00Z"),
    (UNKNOWN_TYPE, "", "message_bounced", "1970-01-01T00:00:00Z"),
    (UNKNOWN_TYPE, "no execution", "step_paused", "@T10:00:00Z"),
    (ORPHAN, "no execution", "message_opened", "@T10:00:00Z"),
    (ORPHAN, "no step", "message_opened", "@T10:00:00Z"),
    (ORPHAN, "other workflow", "message_opened", "@T10:00:00Z"),
    (ORPHAN, "step of another workflow", "message_opened", "@T10:00:00Z"),
    (ORPHAN, "execution of another workflow", "message_opened", "-infinity"),
    (TOO_EARLY, "", "message_opened", "1970-01-01T00:00:00Z"),
    (TOO_EARLY, "", "message_opened", "1999-12-31T23:59:59.999Z"),
    (TOO_EARLY, "", "step_completed", "-infinity"),
    (FUTURE, "", "message_opened", "2026-07-02T00:00:00.001Z"),
    (FUTURE, "", "message_clicked", "infinity"),
)
"""Reason, what is wrong with the keys, event_type, occurred_at."""


def _one(number: int) -> Ints:
    return np.array([number], dtype=np.int64)


def _host(size: Size, nth: int, wanted: Container[int] = _LIVE) -> tuple[str, int]:
    """An ordinary execution of one of the wanted workflows: its key, and the workflow's number."""
    number = nth * 37 % size.executions
    while True:
        workflow = int(journeys.workflow_of(_one(number), journeys.enrolled_at(_one(number), size))[0])
        if workflow in wanted:
            return workflows.execution_id(number), workflow
        number = (number + 1) % size.executions


def _first_step(workflow: int) -> Cell:
    return workflows.STEP_IDS[workflow * MOST_STEPS]


def executions(size: Size) -> Iterator[Planted]:
    """Odd rows of workflows.workflow_executions, all of the first workflow; one of a deleted workflow."""
    for copy in range(size.dirt):
        for variant, (reason, status, enrolled, ended, goal) in enumerate(EXECUTIONS):
            date = day_text(_day(variant, copy))
            instants = [cell and cell.replace("@", date) for cell in (enrolled, ended, goal)]
            row = (
                _execution_id(variant, copy),
                workflows.WORKFLOW_IDS[0],
                witness_id("dirty contact", str(variant)),
                status,
                *instants,
                _first_step(0),
                f"{date}T12:00:00Z",
            )
            yield Planted(row, () if reason is None else ((None, reason),))
        date = day_text(_day(0, copy))
        gone = workflows.DELETED_WORKFLOWS[0]
        yield Planted(
            (
                _execution_id(len(EXECUTIONS), copy),
                workflows.WORKFLOW_IDS[gone],
                witness_id("dirty contact", "gone"),
                "completed",
                f"{date}T10:00:00Z",
                f"{date}T08:00:00Z",
                None,
                _first_step(gone),
                f"{date}T12:00:00Z",
            )
        )


def _day(variant: int, copy: int) -> int:
    return 5 + (variant * 8 + copy * 3) % 110


def _execution_id(variant: int, copy: int) -> str:
    return witness_id("dirty execution", str(variant), str(copy))


def _event(day: int, execution: str, workflow: Cell, step: Cell, kind: str, occurred: str) -> Extra:
    date = day_text(day)
    recorded = f"{date}T10:00:01Z"
    row = (execution, workflow, step, kind, occurred.replace("@", date), recorded, None, "{}")
    return FIRST_MS + day * DAY_MS + 36_001_000, row


def events(size: Size) -> Iterator[tuple[Extra, str | None]]:
    """Odd rows of workflows.workflow_events without ids, each with its reason.

    Also the ordinary events of the odd executions, which go where their execution goes, and events that
    are not examined because their workflow or step is deleted.
    """
    for copy in range(size.dirt):
        for variant, (reason, wrong, kind, occurred) in enumerate(EVENTS):
            execution, number = _host(size, variant + copy * len(EVENTS))
            other = 0 if number else 1
            workflow, step = workflows.WORKFLOW_IDS[number], _first_step(number)
            if wrong == "no execution":
                execution = _UNKNOWN
            elif wrong == "no step":
                step = _UNKNOWN
            elif wrong == "other workflow":
                workflow = workflows.WORKFLOW_IDS[other]
            elif wrong == "step of another workflow":
                step = _first_step(other)
            elif wrong == "execution of another workflow":
                workflow, step = workflows.WORKFLOW_IDS[other], _first_step(other)
            yield _event(_day(variant, copy) + 1, execution, workflow, step, kind, occurred), reason
        for variant in range(len(EXECUTIONS)):
            of = (_execution_id(variant, copy), workflows.WORKFLOW_IDS[0], _first_step(0))
            yield _event(_day(variant, copy), *of, "step_entered", "@T10:00:00Z"), None
            yield _event(_day(variant, copy), *of, "step_completed", "@T10:00:00Z"), None
        gone = workflows.DELETED_WORKFLOWS[0]
        of = (_execution_id(len(EXECUTIONS), copy), workflows.WORKFLOW_IDS[gone], _first_step(gone))
        yield _event(_day(0, copy), *of, "step_teleported", "1970-01-01T00:00:00Z"), None
        place = workflows.DELETED_STEPS[0]
        execution, number = _host(size, copy, (place // MOST_STEPS,))
        yield (
            _event(
                _day(1, copy),
                execution,
                workflows.WORKFLOW_IDS[number],
                workflows.STEP_IDS[place],
                "step_teleported",
                "1970-01-01T00:00:00Z",
            ),
            None,
        )
