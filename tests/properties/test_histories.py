"""After any history of source changes, in any batches, marts equal the reference and a build from scratch.

Random histories over a small world, so that changes meet: the same tasks move, are deleted and come back,
users change zones under them, executions end late, categories are renamed, time moves on.
"""

import datetime as dt
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import Lab, assert_published, make_database
from warehouse.server import EmbeddedServer

HISTORIES = int(os.environ.get("WEIR_TEST_HISTORIES", "3"))
"""How many histories; each has up to four runs of a second or two, and a build from scratch."""

START = dt.datetime(2024, 3, 30, 6, tzinfo=dt.UTC)  # Europe springs forward on the 31st, Lord Howe back on April 7

USERS, CATEGORIES, TASKS, CALENDAR_DAYS, FLOWS, EXECUTIONS, GOALS = (
    [f"00000000-0000-4000-8000-{kind:04}0000{n:04}" for n in range(count)]
    for kind, count in enumerate((3, 3, 5, 3, 2, 5, 4), start=1)
)
ZONES = st.sampled_from(
    ["UTC", "Europe/Paris", "Australia/Lord_Howe", "America/Havana", "Pacific/Kiritimati", "No/Zone"]
)
STATUSES = st.sampled_from(["pending", "scheduled", "in_progress", "completed", "cancelled"])


def quoted(value: object) -> str:
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


instants = st.integers(-20 * 1440, 8 * 1440).map(
    lambda minute: (START + dt.timedelta(minutes=minute, seconds=37)).isoformat()
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
def changes(draw: st.DrawFn) -> str:
    """One statement that an application might execute; ids are few, so that statements meet."""
    kinds = ["task", "calendar", "user", "category", "goal", "execution", "flow", "metric", "remove"]
    kind = draw(st.sampled_from([*kinds, "task", "task", "goal", "execution"]))
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
        return upsert(
            "workflows.workflow_executions", "execution_id",
            {
                "execution_id": draw(st.sampled_from(EXECUTIONS)), "workflow_id": flow, "contact_id": USERS[0],
                "status": draw(st.sampled_from(["active", "completed", "failed", "exited"])),
                "enrolled_at": draw(instants), "ended_at": draw(maybe_instants),
                "goal_reached_at": draw(maybe_instants),
            },
        )  # fmt: skip
    if kind == "flow":
        window, gone = draw(st.sampled_from(["null", "0", "86400"])), quoted(draw(deleted))
        return draw(
            st.sampled_from(
                [
                    f"update workflows.workflows set conversion_window_seconds = {window} where workflow_id = '{flow}'",
                    f"update workflows.workflows set deleted_at = {gone} where workflow_id = '{flow}'",
                    f"update workflows.workflow_steps set deleted_at = {gone} where workflow_id = '{flow}'",
                    f"update workflows.workflow_steps set workflow_id = '{flow}', position = position + 1",
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
    return draw(
        st.sampled_from(
            [
                remove("scheduling.tasks", "task_id", draw(st.sampled_from(TASKS))),
                remove("scheduling.categories", "category_id", draw(st.sampled_from(CATEGORIES))),
                remove("scheduling.goals", "goal_id", draw(st.sampled_from(GOALS))),
                remove("scheduling.user_calendar_days", "calendar_day_id", draw(st.sampled_from(CALENDAR_DAYS))),
                remove("workflows.workflow_executions", "execution_id", draw(st.sampled_from(EXECUTIONS))),
                remove("services.metrics", "metric_id", str(draw(st.integers(1, 5)))),
                f"delete from scheduling.users where user_id = '{USERS[2]}'",
            ]
        )
    )


batches = st.lists(
    st.tuples(
        st.lists(changes(), min_size=1, max_size=12), st.integers(0, 40).map(lambda hours: dt.timedelta(hours=hours))
    ),
    min_size=2,
    max_size=4,
)

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
    upsert(
        "workflows.workflow_steps", "step_id",
        {"step_id": USERS[0], "workflow_id": FLOWS[0], "position": 1, "name": "goal", "step_type": "goal"},
    ),
)  # fmt: skip


@pytest.mark.timeout(3600)
@settings(
    max_examples=HISTORIES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
@given(history=batches)
def test_any_history_ends_where_a_build_from_scratch_does(
    server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory, history: list[tuple[list[str], Any]]
) -> None:
    make_database(server, "source", "template_source")
    make_database(server, "warehouse", "template_warehouse")
    lab = Lab(server, tmp_path_factory.getbasetemp() / "lab")
    try:
        lab.write(*WORLD)
        as_of = START
        for statements, passed in history:
            for statement in statements:
                lab.write(statement)
            as_of += passed
            lab.run(as_of, gate_open=True)
            assert_published(lab, as_of)
        incremental = lab.dump()
        lab.start_over()
        lab.run(as_of, gate_open=True)
        assert lab.dump() == incremental
    finally:
        lab.close()
