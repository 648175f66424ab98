"""The funnel, sentence by sentence: each has a case worked out on paper, and each rule inverted fails one.

All cases are workflows of one run. Does not belong here: what changes dirty (``test_workflow_history``), and random
logs (``tests/properties``).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support import Lab, make_database
from warehouse.database import Connection
from warehouse.server import EmbeddedServer

AS_OF = dt.datetime(2024, 4, 10, 12, tzinfo=dt.UTC)
ENROLLED = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)
TYPES = {"E": "step_entered", "C": "step_completed", "F": "step_failed", "S": "step_skipped"}


@dataclass(frozen=True)
class Case:
    """One workflow with one execution.

    ``events`` reads ``seconds position type``, in order of event_id; ``outcomes`` is what became of it at each step,
    by position: an outcome with the seconds to completion where there was one, nothing where it did not come so far.
    """

    name: str
    events: str
    outcomes: dict[int, str]
    window: int | None = None
    ended: float | None = None
    status: str = "active"
    positions: tuple[int, ...] = (1, 2, 3)
    deleted: tuple[int, ...] = field(default=())


CASES = (
    Case("steps entered in order", "0 1 E; 10 2 E; 20 3 E", {1: "open", 2: "open", 3: "open"}),
    Case("an entry before that of the step before", "0 2 E; 10 1 E; 20 3 E", {1: "open"}),
    Case("a later entry is as good", "0 2 E; 10 1 E; 20 2 E", {1: "open", 2: "open"}),
    Case("an instant shared, ids in order", "0 1 E; 0 2 E", {1: "open", 2: "open"}),
    Case("an instant shared, ids against the order", "0 2 E; 0 1 E", {1: "open"}),
    Case("ids against the instants", "10 2 E; 0 1 E", {1: "open", 2: "open"}),
    Case("repeats are ignored", "0 1 E; 10 2 E; 20 3 E; 30 2 E; 40 2 C", {1: "open", 2: "completed 30", 3: "open"}),
    Case("the first entry may be before enrolment", "-100 1 E; 0 2 E", {1: "open", 2: "open"}),
    Case("a skipped step lets through", "0 1 E; 5 2 S; 10 3 E", {1: "open", 2: "skipped", 3: "open"}),
    Case("a skip does not move the entry", "0 1 E; 5 3 E; 9 2 S", {1: "open", 2: "skipped", 3: "open"}),
    Case("an entry before that of the step before a skipped one", "0 3 E; 5 1 E; 9 2 S", {1: "open", 2: "skipped"}),
    Case("the first step skipped", "0 1 S; 5 2 E", {1: "skipped", 2: "open"}),
    Case("a skip before the entry", "0 2 S; 5 1 E; 9 3 E", {1: "open"}),
    Case("an entry wins over a skip", "0 1 E; 5 2 S; 9 2 E; 10 2 C", {1: "open", 2: "completed 1"}),
    Case("neither entered nor skipped ends it", "0 1 E; 10 3 E", {1: "open"}),
    Case("not even begun", "0 2 E; 10 3 E", {}),
    Case("an entry at the end of the window", "0 1 E; 60 2 E", {1: "open", 2: "open"}, window=60),
    Case("an entry after the window", "0 1 E; 60.000001 2 E; 59 3 E", {1: "open"}, window=60),
    Case("the window bounds entries only", "0 1 E; 99 1 C", {1: "completed 99"}, window=60),
    Case("skipped after the window", "0 1 E; 70 2 E; 70 2 S; 50 3 E", {1: "open", 2: "skipped", 3: "open"}, window=60),
    Case("completed before the entry", "0 1 C; 5 1 E", {1: "open"}),
    Case("completed at once", "0 1 E; 0 1 C", {1: "completed 0"}),
    Case("the first completion", "0 1 E; 4 1 C; 9 1 C", {1: "completed 4"}),
    Case("completed although it failed first", "0 1 E; 4 1 F; 9 1 C", {1: "completed 9"}),
    Case("failed", "0 1 E; 4 1 F", {1: "failed"}),
    Case("failed before the entry", "0 1 F; 4 1 E", {1: "open"}),
    Case("failed and ended", "0 1 E; 4 1 F", {1: "failed"}, ended=9, status="failed"),
    Case("dropped", "0 1 E; 4 1 C; 5 2 E", {1: "completed 4", 2: "dropped"}, ended=9, status="exited"),
    Case("ended says ended_at, not the status", "0 1 E", {1: "dropped"}, ended=9),
    Case("open although its status says completed", "0 1 E", {1: "open"}, status="completed"),
    Case("a deleted step counts nowhere", "0 1 E; 10 3 E", {1: "open", 3: "open"}, deleted=(2,)),
    Case("positions with gaps", "0 2 E; 10 7 E", {2: "open", 7: "open"}, positions=(2, 7)),
)


def key(kind: str, number: int) -> str:
    return f"00000000-0000-4000-8000-{ {'flow': 1, 'execution': 2, 'step': 3}[kind]:04}{number:08}"


def at(seconds: float) -> str:
    return (ENROLLED + dt.timedelta(microseconds=round(seconds * 1e6))).isoformat()


def statements() -> Iterator[str]:
    event_id = 0
    for number, case in enumerate(CASES):
        flow, execution = key("flow", number), key("execution", number)
        window = "null" if case.window is None else str(case.window)
        yield (
            "insert into workflows.workflows (workflow_id, name, status, conversion_window_seconds)"
            f" values ('{flow}', '{case.name}', 'active', {window})"
        )
        ended = "null" if case.ended is None else f"'{at(case.ended)}'"
        yield (
            "insert into workflows.workflow_executions (execution_id, workflow_id, contact_id, status, enrolled_at,"
            f" ended_at) values ('{execution}', '{flow}', '{flow}', '{case.status}', '{at(0)}', {ended})"
        )
        for position in case.positions:
            deleted = "now()" if position in case.deleted else "null"
            yield (
                "insert into workflows.workflow_steps (step_id, workflow_id, position, name, step_type, deleted_at)"
                f" values ('{key('step', number * 10 + position)}', '{flow}', {position}, 'step', 'action', {deleted})"
            )
        for text in case.events.split(";"):
            seconds, position, kind = text.split()
            event_id += 1
            yield (
                "insert into workflows.workflow_events (event_id, execution_id, workflow_id, step_id, event_type,"
                f" occurred_at) values ({event_id}, '{execution}', '{flow}',"
                f" '{key('step', number * 10 + int(position))}', '{TYPES[kind]}', '{at(float(seconds))}')"
            )


def outcomes(
    warehouse: Connection, visits: str = "select * from intermediate.int_workflows__step_visits"
) -> dict[str, object]:
    """What became of each case's execution, by the case's name, from a query of rows like those of the fact."""
    found: dict[str, object] = {case.name: {} for case in CASES}
    for name, position, outcome, seconds in warehouse.execute(
        "select w.name, s.position, v.outcome, v.microseconds_in_step / 1e6"
        f" from ({visits}) as v"
        " inner join raw.workflows__workflow_steps as s on s.step_id = v.step_id"
        " inner join raw.workflows__workflows as w on w.workflow_id = v.workflow_id"
    ):
        case = found[str(name)]
        assert isinstance(case, dict)
        case[position] = outcome if seconds is None else f"{outcome} {float(str(seconds)):g}"
    return found


@dataclass(frozen=True)
class Built:
    lab: Lab
    compiled: str
    """The query of the fact, over the tables of the run."""


@pytest.fixture(scope="module")
def built(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    make_database(server, "source", "template_source")
    make_database(server, "warehouse", "template_warehouse")
    lab = Lab(server, Path(tmp_path_factory.getbasetemp()) / "lab")
    try:
        lab.write(*statements())
        refresh = lab.run(AS_OF, gate_open=True, applications=("workflows",))
        assert refresh.outcomes["workflows"].status == "published"
        models = {model.name: model for model in refresh.transformer.compiled().models}
        yield Built(lab, models["int_workflows__step_visits"].sql)
    finally:
        lab.close()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_case_passes_through_the_funnel_as_worked_out_on_paper(built: Built, case: Case) -> None:
    assert outcomes(built.lab.warehouse)[case.name] == case.outcomes
    rows = built.lab.warehouse.execute(
        "select step_position, enrolled_count, entered_count, skipped_count, completed_count, failed_count,"
        " dropped_count, open_count, p50_seconds_in_step, is_mature from marts.workflow_step_metrics"
        " where workflow_id = %s and date = %s",
        (key("flow", CASES.index(case)), ENROLLED.date()),
    ).fetchall()
    published = {}
    for position, enrolled, entered, skipped, completed, failed, dropped, still_open, seconds, is_mature in rows:
        assert (enrolled, is_mature) == (1, case.ended is not None)
        counts = {"completed": completed, "failed": failed, "dropped": dropped, "open": still_open, "skipped": skipped}
        assert entered == sum(int(str(count)) for name, count in counts.items() if name != "skipped")
        for name, count in counts.items():
            if count:
                published[position] = name if seconds is None else f"{name} {seconds:g}"
    assert published == case.outcomes
    assert {row[0] for row in rows} == set(case.positions) - set(case.deleted)


INVERSIONS = (
    ("no order of steps", "last_entry + 1)", "1)", "an entry before that of the step"),
    ("later first", "by occurred_at, event_id", "by occurred_at desc, event_id", "steps entered"),
    ("by id alone", "by occurred_at, event_id", "by event_id", "ids against the inst"),
    ("ties reversed", "by occurred_at, event_id", "by occurred_at, event_id desc", "an instant"),
    ("the last entry", "array_position(marks, (4 * (step_number + 1) + 0), last_entry + 1)",
     "(select max(p) from unnest(array_positions(marks, 4 * (step_number + 1))) as p where p > last_entry)",
     "repeats are ignored"),
    ("the window without its end", "<= workflows.conversion_window", "< workflows.conversion_window", "an entry at"),
    ("no window", "workflows.conversion_window_seconds is null", "true", "an entry after the window"),
    ("no skips", "(step_number + 1) + 3)", "(step_number + 1) - 1000)", "a skipped step lets through"),
    ("a step left out does not end it", ") is not null\n", ") is not null or step_number < 9\n", "neither entered nor"),
    ("begins later", "0 as step_number", "1 as step_number", "not even begun"),
    ("completed before it entered", "(step_number) + 1), entry + 1)", "(step_number) + 1), 1)",
     "completed before the entry"),
    ("failed before it entered", "(step_number) + 2), entry + 1)", "(step_number) + 2), 1)",
     "failed before the entry"),
    ("failed first", "when visits.completed_at is not null then 'completed'", "when visits.completed_at is not null"
     " and visits.failure is null then 'completed'", "completed although it failed"),
    ("lost while open", "when executions.ended_at is not null then", "when true then", "steps entered in order"),
    ("ended by status", "executions.ended_at is not null", "executions.status <> 'active'", "ended says ended_at"),
    ("from the first completion", "array_position(marks, (4 * (step_number) + 1), entry + 1)",
     "(select max(p) from unnest(array_positions(marks, 4 * (step_number) + 1)) as p where p > entry)",
     "the first completion"),
)  # fmt: skip
"""What, its words in the model, their inversion, and the beginning of the name of a case that fails by it."""


@pytest.mark.parametrize(
    ("old", "new", "case"), [each[1:] for each in INVERSIONS], ids=[each[0] for each in INVERSIONS]
)
def test_a_rule_inverted_fails_its_case(built: Built, old: str, new: str, case: str) -> None:
    assert old in built.compiled
    expected = {each.name: each.outcomes for each in CASES}
    assert outcomes(built.lab.warehouse, built.compiled) == expected
    found = outcomes(built.lab.warehouse, built.compiled.replace(old, new))
    assert any(name.startswith(case) for name in expected if found[name] != expected[name])


def test_buckets_are_a_fixed_table_within_one_percent(built: Built) -> None:
    rows = built.lab.warehouse.execute(
        "select bucket, lower_microseconds, upper_microseconds from control.duration_buckets order by bucket"
    ).fetchall()
    bounds = [(int(str(low)), int(str(high))) for _, low, high in rows]
    assert [bucket for bucket, _, _ in rows] == list(range(len(rows)))
    assert bounds[0] == (0, 0)
    assert bounds[-1][1] == 2**63 - 1
    for (_, before), (low, high) in pairwise(bounds):
        assert low == before + 1
        # The middle is within 1 % of either end: |low + high - 2 value| <= value / 50.
        assert 50 * (high - low) <= low
