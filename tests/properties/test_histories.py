"""After any history of source changes, in any batches, marts equal the reference and a build from scratch.

Every run is followed by a verification, which is that build, and compares all marts with it by declaration. Runs
without dates are compared with the reference, too; a rebuild of given days leaves others dirty.

Random histories over a small world, so that changes meet: the same tasks move, are deleted and come back, users
change zones under them, executions end late, events come late and out of order, steps move and vanish under them,
categories are renamed, time moves on and sometimes back. Runs are killed in the middle; what stands then is proven
like after any other, and the next run goes on.
"""

import datetime as dt
import itertools
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from psycopg.errors import ForeignKeyViolation

from tests.support import KilledError, Lab, assert_published, assert_verified, make_database
from warehouse.refresh import Refresh
from warehouse.server import EmbeddedServer

EMPTIED = ("all",)
"""So small a world loses a table's last row at times, which an extract asks about."""

IN_SOAK = "WEIR_TEST_HISTORIES" in os.environ
HISTORIES = int(os.environ.get("WEIR_TEST_HISTORIES", "20"))
"""How many histories; each has up to four runs of a second or two, and as many verifications of a second."""

STATEMENTS = 600
"""Nearly as many as the longest of these runs sends."""

START = dt.datetime(2024, 3, 30, 6, tzinfo=dt.UTC)  # Europe springs forward on the 31st, Lord Howe back on April 7

USERS, CATEGORIES, TASKS, CALENDAR_DAYS, FLOWS, EXECUTIONS, GOALS = (
    [f"00000000-0000-4000-8000-{kind:04}0000{n:04}" for n in range(count)]
    for kind, count in enumerate((3, 3, 5, 3, 2, 5, 4), start=1)
)
STEPS = [f"00000000-0000-4000-8000-00070000000{n}" for n in range(6)]
"""Three of each flow, at first."""

EVENT_TYPES = [
    *["step_entered"] * 6, *["step_completed"] * 4, *["step_skipped"] * 3, *["step_failed"] * 2,
    "action_started", "action_succeeded", "action_failed", "message_opened", "message_seen",
]  # fmt: skip
ZONES = st.sampled_from(
    ["UTC", "Europe/Paris", "Australia/Lord_Howe", "America/Havana", "Pacific/Kiritimati", "No/Zone"]
)
STATUSES = st.sampled_from(["pending", "scheduled", "in_progress", "completed", "cancelled"])


def quoted(value: object) -> str:
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


instants = st.integers(-20 * 1440, 8 * 1440).map(
    lambda minute: (START + dt.timedelta(minutes=minute, seconds=37)).isoformat()
)
event_instants = st.one_of(
    # Few instants, so that events of an execution share one; late ones; and those about to leave the future.
    st.integers(0, 12).map(lambda hour: (START - dt.timedelta(hours=2 * hour)).isoformat()),
    instants,
    st.sampled_from(["1980-01-01T00:00:00Z", "infinity"]),
)
maybe_instants = st.one_of(st.none(), instants, st.sampled_from(["infinity", "1980-01-01T00:00:00Z"]))


@st.composite
def slots(draw: st.DrawFn) -> str:
    """Usable slots mostly; sometimes nothing that can be used."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(['{"start": 1}', '[{"start": "now", "end": "tomorrow"}]', '"[]"', "[null]"]))
    chosen = []
    for _ in range(draw(st.integers(0, 3))):
        start = dt.datetime.fromisoformat(draw(instants))
        end = start + dt.timedelta(minutes=draw(st.integers(-5, 3000)), seconds=draw(st.integers(0, 59)))
        chosen.append(f'{{"start": "{start.isoformat()}", "end": "{end.isoformat()}"}}')
    return f"[{', '.join(chosen)}]"


def upsert(table: str, key: str, values: dict[str, object]) -> str:
    columns = ", ".join(values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name != key)
    return (
        f"insert into {table} ({columns}) values ({', '.join(map(quoted, values.values()))})"
        f" on conflict ({key}) do update set {changes}"
    )


def remove(table: str, key: str, value: str) -> str:
    return f"delete from {table} where {key} = '{value}'"


deleted = st.sampled_from([None, None, None, START.isoformat()])


@st.composite
def events(draw: st.DrawFn) -> str:
    """One event; mostly of an execution and a step of one flow, whatever the execution's flow is by then."""
    step = draw(st.integers(0, 5))
    flow = FLOWS[step // 3] if draw(st.integers(0, 9)) else draw(st.sampled_from([*FLOWS, USERS[0]]))
    return upsert(
        "workflows.workflow_events", "event_id",
        {
            "event_id": draw(st.integers(1, 60)),
            # Executions of even number belong to the first flow, at first.
            "execution_id": draw(st.sampled_from([EXECUTIONS[n] for n in range(5) if n % 2 == step // 3])),
            "workflow_id": flow, "step_id": STEPS[step], "event_type": draw(st.sampled_from(EVENT_TYPES)),
            "occurred_at": draw(event_instants), "duration_ms": draw(st.sampled_from([None, 0, 7, 1000])),
        },
    )  # fmt: skip


@st.composite
def step_changes(draw: st.DrawFn) -> str:
    """A step comes, moves within its flow or to another, changes its name or kind, is deleted or comes back."""
    step, flow = draw(st.sampled_from(STEPS)), draw(st.sampled_from(FLOWS))
    statement = upsert(
        "workflows.workflow_steps", "step_id",
        {
            "step_id": step, "workflow_id": flow, "position": draw(st.integers(1, 9)),
            "name": draw(st.sampled_from(["a", "b"])),
            "step_type": draw(st.sampled_from(["action", "goal", "end"])),
            "action_type": draw(st.sampled_from([None, "", "email"])), "deleted_at": draw(deleted),
        },
    )  # fmt: skip
    # The flow may be gone, or the position taken.
    return f"do $$ begin {statement}; exception when foreign_key_violation or unique_violation then null; end $$"


@st.composite
def changes(draw: st.DrawFn) -> str:
    """One statement that an application might execute; ids are few, so that statements meet."""
    kinds = [
        "task", "calendar", "user", "category", "goal", "execution", "flow", "step", "metric", "kpi goal", "remove"
    ]  # fmt: skip
    kind = draw(st.sampled_from([*kinds, "task", "task", "goal", "execution", *["event"] * 4]))
    user, flow = draw(st.sampled_from(USERS)), draw(st.sampled_from(FLOWS))
    if kind == "task":
        task = {
            "task_id": draw(st.sampled_from(TASKS)), "user_id": user, "title": draw(st.text("ab", max_size=1)),
            "category_id": draw(st.sampled_from([None, *CATEGORIES])), "status": draw(STATUSES),
            "scheduled_slots": draw(slots()), "completed_at": draw(maybe_instants), "deleted_at": draw(deleted),
        }  # fmt: skip
        statement = upsert("scheduling.tasks", "task_id", task)
        if task["category_id"] is None:
            return statement
        # The category may be gone by then.
        return f"do $$ begin {statement}; exception when foreign_key_violation then null; end $$"
    if kind == "calendar":
        day = draw(st.integers(0, len(CALENDAR_DAYS) - 1))
        return upsert(
            "scheduling.user_calendar_days", "calendar_day_id",
            {
                "calendar_day_id": CALENDAR_DAYS[day], "user_id": USERS[day], "date": "2024-01-01",
                "focus_slots": draw(slots()),
            },
        )  # fmt: skip
    if kind == "user":
        return (
            f"update scheduling.users set timezone = {quoted(draw(ZONES))}, deleted_at = {quoted(draw(deleted))}"
            f" where user_id = '{user}'"
        )
    if kind == "category":
        name = draw(st.sampled_from(["Work", "Play", "Uncategorized"]))
        category = {
            "category_id": draw(st.sampled_from(CATEGORIES)), "user_id": user, "name": name, "deleted_at": draw(deleted)
        }  # fmt: skip
        return upsert("scheduling.categories", "category_id", category)
    if kind == "goal":
        goal = {
            "goal_id": draw(st.sampled_from(GOALS)), "user_id": user, "name": "goal",
            "category_id": draw(st.sampled_from([None, *CATEGORIES])),
            "target_type": draw(st.sampled_from(["minutes", "percentage", "task_count"])),
            "target_value": draw(st.integers(1, 3) | st.integers(1, 3000)),
            "time_period": draw(st.sampled_from(["daily", "weekly", "monthly"])),
            "start_date": START.date() + dt.timedelta(days=draw(st.integers(-40, 9))),
            "end_date": draw(st.none() | st.integers(-30, 12).map(lambda days: START.date() + dt.timedelta(days=days))),
            "is_active": draw(st.booleans()), "updated_at": draw(instants), "deleted_at": draw(deleted),
        }  # fmt: skip
        statement = upsert("scheduling.goals", "goal_id", goal)
        return f"do $$ begin {statement}; exception when foreign_key_violation then null; end $$"
    if kind == "execution":
        statement = upsert(
            "workflows.workflow_executions", "execution_id",
            {
                "execution_id": draw(st.sampled_from(EXECUTIONS)), "workflow_id": flow,
                "contact_id": draw(st.sampled_from(USERS)),
                "status": draw(st.sampled_from(["active", "completed", "failed", "exited"])),
                "enrolled_at": draw(instants), "ended_at": draw(maybe_instants),
                "goal_reached_at": draw(maybe_instants),
            },
        )  # fmt: skip
        return f"do $$ begin {statement}; exception when foreign_key_violation then null; end $$"
    if kind == "event":
        return draw(events())
    if kind == "step":
        return draw(step_changes())
    if kind == "flow":
        window, gone = draw(st.sampled_from(["null", "0", "86400"])), quoted(draw(deleted))
        return draw(
            st.sampled_from(
                [
                    f"update workflows.workflows set conversion_window_seconds = {window} where workflow_id = '{flow}'",
                    f"update workflows.workflows set deleted_at = {gone} where workflow_id = '{flow}'",
                    f"update workflows.workflow_steps set deleted_at = {gone} where workflow_id = '{flow}'",
                    f"update workflows.workflows set name = 'renamed' where workflow_id = '{flow}'",
                ]
            )
        )
    if kind == "metric":
        return upsert(
            "services.metrics", "metric_id",
            {
                "metric_id": draw(st.integers(1, 5)), "service_name": "projects", "metric_type": "revenue",
                "segment": draw(st.sampled_from([None, "", "a"])), "unit": draw(st.sampled_from([None, "EUR"])),
                "value": draw(st.sampled_from(["0.1", "-0", "0", "NaN", "1e20", "123456789.123456789", "2.5e-13"])),
                "recorded_at": draw(instants),
            },
        )  # fmt: skip
    if kind == "kpi goal":
        first = START.date() + dt.timedelta(days=draw(st.integers(-25, 5)))
        return upsert(
            "services.kpi_goals", "goal_id",
            {
                "goal_id": draw(st.sampled_from(USERS)), "name": "goal", "metric_type": "revenue",
                "service_name": draw(st.sampled_from([None, "projects", "others"])),
                "unit": draw(st.sampled_from([None, "", "EUR"])), "created_by": USERS[0],
                "target_value": draw(st.sampled_from(["0.1", "0.3", "200000000", "NaN", "1e-9"])),
                "start_date": first, "end_date": first + dt.timedelta(days=draw(st.integers(0, 20))),
                "alert_threshold": draw(st.sampled_from([None, "0", "50", "100", "NaN"])),
                "status": draw(st.sampled_from(["active", "active", "achieved", "cancelled"])),
            },
        )  # fmt: skip
    return draw(
        st.sampled_from(
            [
                remove("services.kpi_goals", "goal_id", draw(st.sampled_from(USERS))),
                remove("scheduling.tasks", "task_id", draw(st.sampled_from(TASKS))),
                remove("scheduling.categories", "category_id", draw(st.sampled_from(CATEGORIES))),
                remove("scheduling.goals", "goal_id", draw(st.sampled_from(GOALS))),
                remove("scheduling.user_calendar_days", "calendar_day_id", draw(st.sampled_from(CALENDAR_DAYS))),
                remove("workflows.workflow_executions", "execution_id", draw(st.sampled_from(EXECUTIONS))),
                remove("workflows.workflow_events", "event_id", str(draw(st.integers(1, 60)))),
                remove("workflows.workflow_steps", "step_id", draw(st.sampled_from(STEPS))),
                remove("workflows.workflows", "workflow_id", flow),
                remove("services.metrics", "metric_id", str(draw(st.integers(1, 5)))),
                f"delete from scheduling.users where user_id = '{USERS[2]}'",
            ]
        )
    )


@dataclass(frozen=True)
class Step:
    """Changes of the source, and a run hours after the last one, or before it: of given days, or of what is dirty."""

    statements: list[str]
    passed: dt.timedelta
    days: tuple[dt.date, dt.date] | None
    killed_at: int | None = None
    """The run is killed before this statement of it, if it sends as many."""

    @property
    def kind(self) -> str:
        return ("back" if self.passed < dt.timedelta() else "on") + (" days" if self.days else "")

    def __str__(self) -> str:
        return self.kind + (f" until statement {self.killed_at}" if self.killed_at else "")


dates = st.integers(-24, 8).map(lambda days: START.date() + dt.timedelta(days=days))
steps = st.builds(
    Step,
    statements=st.lists(changes(), min_size=1, max_size=20),
    # Back in time is rare in life, and has been where most faults were found.
    passed=st.sampled_from([0, 1, 5, 13, 24, 40, *range(2, 40, 3), -3, -13, -30, -30, -50]).map(
        lambda hours: dt.timedelta(hours=hours)
    ),
    days=st.one_of(st.none(), st.none(), st.tuples(dates, dates).map(lambda both: (min(both), max(both)))),
    killed_at=st.one_of(*[st.none()] * 4, st.integers(1, STATEMENTS)),
)
histories = st.lists(steps, min_size=2, max_size=4)

WORLD = (
    *(upsert("scheduling.users", "user_id", {"user_id": user, "email": "a@example.org"}) for user in USERS),
    *(
        upsert("scheduling.categories", "category_id", {"category_id": category, "user_id": USERS[0], "name": "Work"})
        for category in CATEGORIES
    ),
    *(
        upsert("workflows.workflows", "workflow_id", {"workflow_id": flow, "name": "flow", "status": "active"})
        for flow in FLOWS
    ),
    *(
        upsert(
            "workflows.workflow_steps", "step_id",
            {
                "step_id": step, "workflow_id": FLOWS[n // 3], "position": n % 3 + 1, "name": f"step {n}",
                "step_type": "goal" if n == 2 else "action",
            },
        )
        for n, step in enumerate(STEPS)
    ),
    *(
        upsert(
            "workflows.workflow_executions", "execution_id",
            {
                "execution_id": execution, "workflow_id": FLOWS[n % 2], "contact_id": USERS[n % 3],
                "status": "active", "enrolled_at": (START - dt.timedelta(days=1, hours=n)).isoformat(),
            },
        )
        for n, execution in enumerate(EXECUTIONS)
    ),
)  # fmt: skip


METRIC = upsert(
    "services.metrics", "metric_id",
    {
        "metric_id": 1, "service_name": "projects", "metric_type": "revenue", "value": "1",
        "recorded_at": START.isoformat(),
    },
)  # fmt: skip

LATE_METRIC = upsert(
    "services.metrics", "metric_id",
    {
        "metric_id": 2, "service_name": "projects", "metric_type": "revenue", "value": "1",
        "recorded_at": (START - dt.timedelta(days=3)).isoformat(),
    },
)  # fmt: skip

LATE_EVENT = upsert(
    "workflows.workflow_events", "event_id",
    {
        "event_id": 1, "execution_id": EXECUTIONS[0], "workflow_id": FLOWS[0], "step_id": STEPS[0],
        "event_type": "step_entered", "occurred_at": START.isoformat(), "duration_ms": None,
    },
)  # fmt: skip

KPI_GOAL = upsert(
    "services.kpi_goals", "goal_id",
    {
        "goal_id": USERS[0], "name": "goal", "metric_type": "revenue", "created_by": USERS[0], "target_value": "2",
        "start_date": START.date() - dt.timedelta(days=9), "end_date": START.date() + dt.timedelta(days=9),
    },
)  # fmt: skip

TASK = upsert(
    "scheduling.tasks", "task_id",
    {
        "task_id": TASKS[0], "user_id": USERS[0], "title": "a", "status": "scheduled",
        "scheduled_slots": f'[{{"start": "{START.isoformat()}", "end": "2024-03-30T07:00:00Z"}}]',
    },
)  # fmt: skip

EXECUTION_TO_COME = upsert(
    "workflows.workflow_executions", "execution_id",
    {
        "execution_id": EXECUTIONS[0], "workflow_id": FLOWS[0], "contact_id": USERS[0], "status": "active",
        "enrolled_at": START.isoformat(), "goal_reached_at": (START - dt.timedelta(days=5)).isoformat(),
    },
)  # fmt: skip

EARLY_TASK = upsert(
    "scheduling.tasks", "task_id",
    {
        "task_id": TASKS[1], "user_id": USERS[1], "title": "a", "status": "scheduled",
        "scheduled_slots": '[{"start": "2024-03-15T06:00:00Z", "end": "2024-03-15T07:00:00Z"}]',
    },
)  # fmt: skip

TASK_TO_COME = upsert(
    "scheduling.tasks", "task_id",
    {
        "task_id": TASKS[0], "user_id": USERS[0], "title": "a", "status": "scheduled",
        "scheduled_slots": '[{"start": "2024-04-02T06:00:00Z", "end": "2024-04-02T07:00:00Z"}]',
    },
)  # fmt: skip

TASK_DONE = upsert(
    "scheduling.tasks", "task_id",
    {
        "task_id": TASKS[0], "user_id": USERS[0], "title": "a", "status": "completed", "scheduled_slots": "[]",
        "completed_at": (START + dt.timedelta(hours=12)).isoformat(),
    },
)  # fmt: skip

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def world(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Templates of a source with the small world in it, and of a warehouse that has published it."""
    home = tmp_path_factory.getbasetemp() / "lab"
    make_database(server, "source", "template_source")
    make_database(server, "warehouse", "template_warehouse")
    lab = Lab(server, home)
    try:
        lab.write(*WORLD)
        lab.run(START, gate_open=True)
        assert_published(lab, START)
    finally:
        lab.close()
    for name in ("source", "warehouse"):
        make_database(server, f"template_world_{name}", name)
    return home


def assert_nothing_was_held_back(lab: Lab, run: Refresh) -> None:
    """Whatever the source says, checks pass: it is the build that they judge."""
    failed = lab.warehouse.execute(
        "select mart, check_name, engine, partition_start, observed, expected from quality.check_results"
        " where run_id = %s and severity = 'block' and not success",
        (run.parameters.run_id,),
    ).fetchall()
    assert not failed, failed


@pytest.mark.timeout(600 + 60 * HISTORIES)
@settings(
    max_examples=HISTORIES,
    derandomize=not IN_SOAK,  # the same histories every time; make soak looks for new ones
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
@given(history=histories)
@example(  # back over a UTC midnight, with nothing changed: what is made of complete days has one day less
    history=[
        Step([METRIC], dt.timedelta(hours=40), None),
        Step([], dt.timedelta(hours=-30), None),
    ]
)
@example(  # a goal seen by a rebuild as of an earlier instant: days that have ended since are dirty, too
    history=[
        Step([METRIC], dt.timedelta(hours=40), None),
        Step([KPI_GOAL], dt.timedelta(hours=-47), (START.date(), START.date())),
        Step([], dt.timedelta(hours=48), None),
    ]
)
@example(  # the first data of an application is of a day to come, and nothing changes when it has come
    history=[Step([TASK_TO_COME], dt.timedelta(hours=1), None), Step([], dt.timedelta(hours=72), None)]
)
@example(  # the first data of an application, seen by a rebuild as of an earlier instant
    history=[Step([TASK], dt.timedelta(hours=-25), (START.date(), START.date()))]
)
@example(  # days are rebuilt while one that goals, weeks and months are made of, too, is dirty
    history=[
        Step([METRIC, KPI_GOAL], dt.timedelta(hours=40), None),
        Step([LATE_METRIC, LATE_EVENT], dt.timedelta(hours=1), (START.date(), START.date())),
    ]
)
@example(  # an event that is in the future for a rebuild as of an earlier instant, and not for a day that stands
    history=[Step([LATE_EVENT], dt.timedelta(hours=-30), (START.date(), START.date()))]
)
@example(  # the first data of an application, of a day that does not exist yet as of that earlier instant
    history=[
        Step([], dt.timedelta(hours=-30), None),
        Step([TASK_DONE], dt.timedelta(hours=-30), (START.date() - dt.timedelta(days=20), START.date())),
    ]
)
@example(  # an enrolment that is in the future as of an earlier instant, and of whose goal an earlier day tells
    history=[Step([EXECUTION_TO_COME], dt.timedelta(hours=-30), None), Step([], dt.timedelta(hours=0), None)]
)
@example(  # the same, seen first by a rebuild of given days, and next as of when everything else stands
    history=[
        Step([EXECUTION_TO_COME], dt.timedelta(hours=-30), (START.date(), START.date())),
        Step([], dt.timedelta(hours=30), None),
    ]
)
@example(  # all days of a user stand as of a later instant than a rebuild of given days
    history=[
        Step([TASK, EARLY_TASK], dt.timedelta(hours=1), None),
        Step([], dt.timedelta(hours=-50), (START.date(), START.date())),
    ]
)
def test_any_history_ends_where_a_build_from_scratch_does(
    server: EmbeddedServer, world: Path, history: list[Step]
) -> None:
    make_database(server, "source", "template_world_source")
    make_database(server, "warehouse", "template_world_warehouse")
    lab = Lab(server, world)
    if history[-1].days is not None or history[-1].killed_at is not None:
        history = [*history, Step([], dt.timedelta(), None)]
    for step in history:
        event(step.kind)
    print(f"history {next(numbers)}: {', '.join(map(str, history))}", flush=True)  # which make soak shows
    try:
        as_of = newest = START
        for step in history:
            for statement in step.statements:
                with suppress(ForeignKeyViolation):  # of somebody deleted: the source refuses it, nothing happens
                    lab.write(statement)
            as_of += step.passed
            # Where not all has been built as of an earlier instant, other days still stand as of a later one.
            rewind, newest = as_of < newest, max(newest, as_of)
            first, last = step.days or (None, None)
            try:
                run = lab.run(
                    as_of, ajar=True, rewind=rewind, from_date=first, to_date=last, force_deletes=EMPTIED,
                    killed_at=step.killed_at,
                )  # fmt: skip
            except KilledError:
                event("killed")
                assert_verified(lab)
                continue
            assert_nothing_was_held_back(lab, run)
            assert_verified(lab)
            if step.days is None:
                newest = as_of
                assert_published(lab, as_of)
    finally:
        lab.close()
