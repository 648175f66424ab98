"""Runs after changes of the source: exactly the dirty partitions are published, and marts equal the reference."""

import datetime as dt
import random
from string import ascii_letters, digits

from tests.support import Lab, assert_published

AS_OF = dt.datetime(2024, 4, 10, 12, tzinfo=dt.UTC)

USER, OTHER, UNKNOWN = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
WORK, PLAY = (f"00000000-0000-4000-8000-0000000000c{n}" for n in (1, 2))
TASKS = [f"00000000-0000-4000-8000-0000000001{n:02}" for n in range(20)]
GOALS = [f"00000000-0000-4000-8000-0000000005{n:02}" for n in range(4)]
FLOW, BARE = (f"00000000-0000-4000-8000-0000000000f{n}" for n in (1, 2))
STEPS = [f"00000000-0000-4000-8000-0000000002{n:02}" for n in range(5)]
RUNS = [f"00000000-0000-4000-8000-0000000003{n:02}" for n in range(20)]
GOALS = [f"00000000-0000-4000-8000-0000000005{n:02}" for n in range(5)]
CONTACT = "00000000-0000-4000-8000-000000000999"


def slot(start: str, end: str) -> str:
    return f'{{"start": "{start}", "end": "{end}"}}'


def task(
    number: int, user: str, category: str | None, slots: str, completed: str | None = None, status: str = "scheduled"
) -> str:
    return (
        "insert into scheduling.tasks (task_id, user_id, category_id, title, status, scheduled_slots, completed_at)"
        f" values ('{TASKS[number]}', '{user}', {_quoted(category)}, 'task', '{status}', '{slots}',"
        f" {_quoted(completed)})"
    )


def execution(
    number: int, workflow: str, status: str, enrolled: str, ended: str | None = None, goal: str | None = None
) -> str:
    return (
        "insert into workflows.workflow_executions (execution_id, workflow_id, contact_id, status, enrolled_at,"
        f" ended_at, goal_reached_at) values ('{RUNS[number]}', '{workflow}', '{CONTACT}', '{status}', '{enrolled}',"
        f" {_quoted(ended)}, {_quoted(goal)})"
    )


def event(
    number: int, execution: int, workflow: str, step: int, event_type: str, occurred: str, duration: int | None = None
) -> str:
    return (
        "insert into workflows.workflow_events (event_id, execution_id, workflow_id, step_id, event_type, occurred_at,"
        f" duration_ms) values ({number}, '{RUNS[execution]}', '{workflow}', '{STEPS[step]}', '{event_type}',"
        f" '{occurred}', {'null' if duration is None else duration})"
    )


def goal(number: int, user: str, category: str | None, kind: str, target: int, period: str, start: str) -> str:
    return (
        "insert into scheduling.goals (goal_id, user_id, category_id, name, target_type, target_value, time_period,"
        f" start_date, updated_at) values ('{GOALS[number]}', '{user}', {_quoted(category)}, 'goal', '{kind}',"
        f" {target}, '{period}', '{start}', '2024-03-01T00:00:00Z')"
    )


def metric(service: str, value: str, recorded: str, unit: str | None = "EUR", segment: str | None = None) -> str:
    return (
        "insert into services.metrics (service_name, metric_type, segment, value, unit, recorded_at)"
        f" values ('{service}', 'revenue', {_quoted(segment)}, '{value}', {_quoted(unit)}, '{recorded}')"
    )


def kpi_goal(number: int, target: str, start: str, end: str, alert: str | None = None, unit: str | None = None) -> str:
    return (
        "insert into services.kpi_goals (goal_id, name, metric_type, target_value, unit, start_date, end_date,"
        f" alert_threshold, created_by) values ('{GOALS[number]}', 'goal', 'revenue', '{target}', {_quoted(unit)},"
        f" '{start}', '{end}', {_quoted(alert)}, '{CONTACT}')"
    )


def _quoted(value: str | None) -> str:
    return "null" if value is None else f"'{value}'"


BEGINNING = (
    f"insert into scheduling.users (user_id, email, timezone) values ('{USER}', 'a@example.org', 'America/Havana'),"
    f" ('{OTHER}', 'b@example.org', 'Pacific/Auckland'), ('{UNKNOWN}', 'c@example.org', 'Mars/Olympus')",
    f"insert into scheduling.categories (category_id, user_id, name) values ('{WORK}', '{USER}', 'Work'),"
    f" ('{PLAY}', '{USER}', 'Play')",
    # Over local midnight, overlapping, unusable, cancelled, and without a category.
    task(
        0,
        USER,
        WORK,
        f"[{slot('2024-03-01T22:00:00-05:00', '2024-03-02T02:00:30-05:00')}]",
        "2024-03-02T03:00:00-05:00",
        "completed",
    ),
    task(
        1,
        USER,
        PLAY,
        f"[{slot('2024-03-01T23:00:00-05:00', '2024-03-02T01:00:00-05:00')},"
        f" {slot('2024-03-05T10:00:00Z', '2024-03-05T10:00:00Z')}]",
    ),
    task(
        2,
        USER,
        None,
        f"[{slot('2024-03-04T09:00:00-05:00', '2024-03-04T10:30:00-05:00')}]",
        "2024-03-04T11:00:00-05:00",
    ),
    task(3, OTHER, None, f"[{slot('2024-03-08T09:00:00+13:00', '2024-03-08T12:00:00+13:00')}]", status="cancelled"),
    task(4, OTHER, None, '{"start": "2024-03-08"}', "2024-03-09T09:00:00+13:00"),
    task(
        5,
        UNKNOWN,
        None,
        f"[{slot('2024-03-10T23:30:00Z', '2024-03-11T00:30:00Z')}, {slot('now', '2024-03-11T00:30:00Z')}]",
    ),
    task(6, OTHER, None, f"[{slot('2024-06-01T09:00:00+12:00', '2024-06-01T10:00:00+12:00')}]"),
    # Havana falls from 01:00 to 00:00 on 2023-11-05 and springs from 00:00 to 01:00 on 2024-03-10.
    task(7, USER, WORK, f"[{slot('2024-03-09T22:00:00-05:00', '2024-03-10T03:00:00-04:00')}]"),
    "insert into scheduling.user_calendar_days (calendar_day_id, user_id, date, focus_slots) values"
    f" ('00000000-0000-4000-8000-000000000401', '{USER}', '1999-09-09',"
    f" '[{slot('2024-03-01T23:30:00-05:00', '2024-03-02T00:45:00-05:00')}]')",
    goal(0, USER, WORK, "minutes", 60, "daily", "2024-02-28"),
    goal(1, USER, None, "task_count", 2, "weekly", "2024-02-28"),
    goal(2, OTHER, None, "percentage", 50, "monthly", "2024-03-15"),
    "insert into workflows.workflows (workflow_id, name, status, conversion_window_seconds) values"
    f" ('{FLOW}', 'with a goal', 'active', 86400), ('{BARE}', 'without', 'active', null)",
    "insert into workflows.workflow_steps (step_id, workflow_id, position, name, step_type) values"
    f" ('{STEPS[0]}', '{FLOW}', 1, 'start', 'trigger'),"
    f" ('{STEPS[1]}', '{FLOW}', 2, 'goal', 'goal'), ('{STEPS[2]}', '{BARE}', 1, 'start', 'trigger')",
    execution(0, FLOW, "completed", "2024-03-01T10:00:00Z", "2024-03-03T10:00:00Z", "2024-03-02T10:00:00Z"),
    execution(1, FLOW, "completed", "2024-03-01T11:00:00Z", "2024-03-03T12:00:00Z", "2024-03-02T11:00:01Z"),
    execution(2, FLOW, "active", "2024-03-02T11:00:00Z"),
    execution(3, BARE, "completed", "2024-03-04T11:00:00Z", "2024-03-04T12:00:00Z"),
    execution(4, BARE, "failed", "2024-03-04T11:00:00Z", "2024-03-04T10:00:00Z"),
    execution(5, BARE, "active", "2024-04-12T11:00:00Z"),
    event(1, 0, FLOW, 0, "step_entered", "2024-03-01T10:00:00Z"),
    event(2, 0, FLOW, 0, "step_completed", "2024-03-01T10:01:00Z"),
    event(3, 0, FLOW, 1, "step_entered", "2024-03-01T10:02:00Z"),
    event(4, 0, FLOW, 0, "action_started", "2024-03-01T10:00:01Z"),
    event(5, 0, FLOW, 0, "action_succeeded", "2024-03-01T10:00:02Z", 1000),
    event(6, 0, FLOW, 0, "message_delivered", "2024-03-02T10:00:02Z"),
    event(7, 1, FLOW, 0, "step_entered", "2024-03-01T11:00:00Z"),
    event(8, 1, FLOW, 0, "step_failed", "2024-03-01T11:00:01Z"),
    event(9, 2, FLOW, 0, "step_entered", "2024-03-02T11:00:00Z"),
    event(10, 3, BARE, 2, "step_skipped", "2024-03-04T11:00:00Z"),
    event(11, 3, BARE, 0, "step_entered", "2024-03-04T11:00:00Z"),
    event(12, 19, BARE, 2, "step_entered", "2024-03-04T11:00:00Z"),
    event(13, 3, BARE, 2, "step_etnered", "2024-03-04T11:00:00Z"),
    event(14, 3, BARE, 2, "step_entered", "2024-04-11T12:00:00.000001Z"),
    event(15, 4, BARE, 2, "step_entered", "2024-03-04T11:00:00Z"),
    metric("projects", "0.1", "2024-03-01T00:00:00Z"),
    metric("projects", "0.2", "2024-03-01T23:59:59.999999Z"),
    metric("projects", "NaN", "2024-03-01T12:00:00Z"),
    metric("projects", "-0", "2024-03-02T00:00:00Z", None, ""),
    metric("projects", "3", "2024-04-11T12:00:00.000001Z"),
    metric("projects", "1e20", "2024-03-03T12:00:00Z"),
    kpi_goal(0, "5", "2024-02-20", "2024-03-20", "50", "EUR"),
    kpi_goal(1, "0.7", "2024-04-01", "2024-05-01", "1"),
    kpi_goal(2, "NaN", "2024-04-01", "2024-05-01", "1"),
)  # fmt: skip

DAILY = "analytics_daily_metrics"
CATEGORY = "category_daily_metrics"
MONTHLY = "analytics_monthly_metrics"
GOALS_MART = "goal_progress_snapshots"
MARCH = {"2024-03-01"}


def dated(partitions: dict[str, set[str | None]]) -> dict[str, set[str | None]]:
    return {name: days for name, days in partitions.items() if days != {None}}


def periods(days: set[str]) -> set[str]:
    """First days of the days, weeks and months that hold these days."""
    found = {dt.date.fromisoformat(day) for day in days}
    mondays = {day - dt.timedelta(days=day.weekday()) for day in found}
    return {str(day) for day in found | mondays | {day.replace(day=1) for day in found}}


def all_marts(days: set[str]) -> dict[str, set[str]]:
    """What these days of tasks show in."""
    months = {f"{day[:7]}-01" for day in days}
    return {DAILY: days, CATEGORY: days, MONTHLY: months, GOALS_MART: periods(days)}


def test_a_history_of_changes_publishes_exactly_what_it_dirties(lab: Lab) -> None:
    lab.write(*BEGINNING)
    first = lab.run(AS_OF)
    assert {name: outcome.status for name, outcome in first.outcomes.items()} == dict.fromkeys(
        first.outcomes, "published"
    )
    assert_published(lab, AS_OF)

    nothing = lab.run(AS_OF, gate_open=True)
    assert lab.published_since(nothing) == {}
    assert {outcome.status for outcome in nothing.outcomes.values()} == {"nothing_to_do"}

    # A task moves to another day: the day where it was and the day where it is. An update without effect: none.
    lab.write(
        "update scheduling.tasks set scheduled_slots ="
        f" '[{slot('2024-03-20T09:00:00-04:00', '2024-03-20T10:30:00-04:00')}]'"
        f" where task_id = '{TASKS[2]}'",
        f"update scheduling.tasks set title = 'another' where task_id = '{TASKS[0]}'",
    )
    moved = lab.run(AS_OF, gate_open=True)
    assert lab.published_since(moved) == all_marts({"2024-03-04", "2024-03-20"}) | {"quick_stats": {None}}
    assert_published(lab, AS_OF)

    # Deleted softly, and hard; a row that comes in late.
    lab.write(
        f"update scheduling.tasks set deleted_at = now() where task_id = '{TASKS[1]}'",
        f"delete from scheduling.tasks where task_id = '{TASKS[5]}'",
        metric("projects", "5", "2024-03-15T12:00:00Z"),
        task(8, USER, PLAY, f"[{slot('2024-02-10T10:00:00-05:00', '2024-02-10T11:00:00-05:00')}]"),
    )
    late = lab.run(AS_OF, gate_open=True)
    published = lab.published_since(late)
    touched = {"2024-03-01", "2024-03-02", "2024-03-10", "2024-03-11"}
    # The late task is on a day before the first one so far: the days in between exist now, too.
    between = {str(dt.date(2024, 2, 10) + dt.timedelta(days=n)) for n in range(20)}
    assert published[DAILY] == touched | between
    assert published[MONTHLY] == MARCH | {"2024-02-01"}
    assert published["kpi_daily"] == {"2024-03-15"}
    assert published["kpi_monthly"] == MARCH
    # What a goal has reached changes from the late value's day on, through its last.
    assert published["kpi_goal_snapshots"] == {f"2024-03-{day}" for day in range(15, 21)}
    assert {day for day in published["kpi_anomalies"] if day} >= {"2024-03-15", "2024-04-09"}
    assert_published(lab, AS_OF)

    # Undeleted.
    lab.write(f"update scheduling.tasks set deleted_at = null where task_id = '{TASKS[1]}'")
    undeleted = lab.run(AS_OF, gate_open=True)
    assert dated(lab.published_since(undeleted)) == all_marts({"2024-03-01", "2024-03-02"})
    assert_published(lab, AS_OF)

    # A user moves to another zone: days where their minutes were and where they are.
    lab.write(f"update scheduling.users set timezone = 'Asia/Kathmandu' where user_id = '{USER}'")
    zone = lab.run(AS_OF, gate_open=True)
    assert "2024-03-09" in lab.published_since(zone)[DAILY]
    assert "2024-03-07" not in lab.published_since(zone)[DAILY]
    assert lab.published_since(zone)["dim_user"] == {None}
    assert_published(lab, AS_OF)

    # A category's name shows in one mart only; deleted, it keeps its tasks and its name.
    lab.write(f"update scheduling.categories set name = 'Deep work' where category_id = '{WORK}'")
    renamed = lab.run(AS_OF, gate_open=True)
    assert set(lab.published_since(renamed)) == {CATEGORY, "dim_category", "quick_stats"}
    lab.write(f"update scheduling.categories set deleted_at = now() where category_id = '{PLAY}'")
    lab.run(AS_OF, gate_open=True)
    assert_published(lab, AS_OF)

    # An execution that turns out to have ended three days ago changes exactly the last days.
    lab.write(
        f"update workflows.workflow_executions set status = 'exited', ended_at = '2024-04-08T12:00:00Z'"
        f" where execution_id = '{RUNS[2]}'"
    )
    ended = lab.run(AS_OF, gate_open=True)
    assert lab.published_since(ended) == {
        "workflow_analytics": {"2024-04-08", "2024-04-09", "2024-04-10", "2024-04-11"},
        "workflow_analytics_hourly": {"2024-04-08"},
        "workflow_analytics_weekly": {"2024-04-08"},
        "workflow_analytics_monthly": {"2024-04-01"},
        "workflow_executions": {"2024-03-02"},
        # What was open at its first step is lost there, and its cohort is mature.
        "workflow_step_metrics": {"2024-03-02"},
        "workflow_step_metrics_weekly": {"2024-02-26"},
        "workflow_step_metrics_monthly": {"2024-03-01"},
    }
    assert_published(lab, AS_OF)

    # A goal step goes, so other executions convert; a window changes.
    lab.write(f"update workflows.workflow_steps set deleted_at = now() where step_id = '{STEPS[1]}'")
    lab.run(AS_OF, gate_open=True)
    assert_published(lab, AS_OF)
    lab.write(
        f"update workflows.workflows set conversion_window_seconds = 9000000000000000000 where workflow_id = '{FLOW}'"
    )
    lab.run(AS_OF, gate_open=True)
    assert_published(lab, AS_OF)

    # A goal is moved, and one is cancelled: their days as they were and as they are.
    lab.write(f"update services.kpi_goals set start_date = '2024-03-10' where goal_id = '{GOALS[0]}'")
    goal_moved = lab.run(AS_OF, gate_open=True)
    assert len(lab.published_since(goal_moved)["kpi_goal_snapshots"]) == 30
    assert "kpi_daily" not in lab.published_since(goal_moved)
    assert_published(lab, AS_OF)
    lab.write(f"update services.kpi_goals set status = 'cancelled' where goal_id = '{GOALS[1]}'")
    lab.run(AS_OF, gate_open=True)
    assert_published(lab, AS_OF)

    # Time passes: what was in the future is released, new days are built, nothing else is rewritten.
    later = dt.datetime(2024, 4, 12, 12, tzinfo=dt.UTC)
    passed = lab.run(later, gate_open=True)
    assert lab.published_since(passed)["kpi_daily"] == {"2024-04-11", "2024-04-12", "2024-04-13"}
    assert lab.published_since(passed)[DAILY] == {"2024-04-12", "2024-04-13"}
    assert lab.published_since(passed)[MONTHLY] == lab.published_since(passed)["kpi_monthly"] == {"2024-04-01"}
    new = {"2024-04-10", "2024-04-11", "2024-04-12", "2024-04-13"}
    assert lab.published_since(passed)[GOALS_MART] == {*new, "2024-04-08", "2024-04-01"}
    assert_published(lab, later)

    # A user is deleted, with all that is theirs by cascade; a workflow too.
    lab.write(
        f"delete from scheduling.users where user_id = '{OTHER}'",
        f"update workflows.workflows set deleted_at = now() where workflow_id = '{BARE}'",
    )
    lab.run(later, gate_open=True)
    assert_published(lab, later)

    # Windows move back only when asked to.
    lab.run(AS_OF, rewind=True)
    assert_published(lab, AS_OF)
    lab.run(later, gate_open=True)
    assert_published(lab, later)

    incremental = lab.dump()
    lab.start_over()
    lab.run(later, gate_open=True)
    assert lab.dump() == incremental


def test_an_application_without_data_has_no_days(lab: Lab) -> None:
    empty = lab.run(AS_OF, gate_open=True)
    assert dated(lab.published_since(empty)) == {}
    assert_published(lab, AS_OF)
    lab.write(metric("projects", "1", "2024-04-01T00:00:00Z"))
    first = lab.run(AS_OF)
    days = {str(dt.date(2024, 4, 1) + dt.timedelta(days=n)) for n in range(11)}
    assert dated(lab.published_since(first)) == {
        "kpi_daily": days,
        "kpi_monthly": {"2024-04-01"},
        "kpi_goal_snapshots": days,
        "kpi_anomalies": days,
    }


def test_days_before_a_later_earliest_date_hold_no_rebuild_of_given_days_back(lab: Lab) -> None:
    """They stand until a run without dates removes them; statistics do not know them, nor the users of no other day."""
    lab.write(
        *BEGINNING,
        f"insert into scheduling.users (user_id, email, timezone) values ('{CONTACT}', 'd@example.org', 'UTC')",
        task(9, CONTACT, None, f"[{slot('2024-01-05T09:00:00Z', '2024-01-05T10:00:00Z')}]"),
    )
    lab.run(AS_OF, gate_open=True)
    users = {row["user_id"] for row in lab.rows("quick_stats")}
    earliest, day = dt.date(2024, 2, 1), dt.date(2024, 3, 4)
    run = lab.run(AS_OF, gate_open=True, earliest_date=earliest, from_date=day, to_date=day)
    assert run.outcomes["scheduling"].blocked == []
    assert {row["user_id"] for row in lab.rows("quick_stats")} == users - {CONTACT} < users
    lab.run(AS_OF, gate_open=True, earliest_date=earliest)
    assert_published(lab, AS_OF, earliest)


def test_names_that_no_key_can_hold_are_quarantined_and_the_longest_that_one_can_are_not(lab: Lab) -> None:
    """1,200 bytes that do not compress, in two series that move together; a third has one byte more."""
    numbers = random.Random(1)
    names = ["".join(numbers.choices(ascii_letters + digits, k=length)) for length in (1194, 1194, 1195)]
    lab.write(
        *BEGINNING,
        *(
            "insert into services.metrics (service_name, metric_type, segment, value, unit, recorded_at)"
            f" select 'é', 'e', '{name}', day % 11, 'EUR', timestamptz '2024-02-01T12:00:00Z' + day * interval '1 day'"
            f" from generate_series(0, {days}) as day"
            for name, days in zip(names, (60, 60, 0), strict=True)
        ),
    )
    run = lab.run(AS_OF, applications=("services",))
    assert run.outcomes["services"].status == "published"
    assert_published(lab, AS_OF, applications=("services",))
    reasons = lab.warehouse.execute(
        "select reason, count(*) from quality.quarantine where source_table = 'services.metrics' group by reason"
    ).fetchall()
    assert ("name_too_long", 1) in reasons
    (pair,) = lab.rows("kpi_correlations")
    assert {pair["segment_x"], pair["segment_y"]} == set(names[:2])
