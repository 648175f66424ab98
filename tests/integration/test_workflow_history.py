"""Events and steps over successive runs: exactly the partitions that a change shows in, and nothing else.

Does not belong here: what the funnel says of a log (``test_funnel``) and random histories (``tests/properties``).
"""

import datetime as dt

from tests.integration.test_incremental import AS_OF, BARE, BEGINNING, FLOW, RUNS, STEPS, event, execution
from tests.support import Lab, assert_published

ONLY = ("workflows",)
FUNNEL = ("workflow_step_metrics", "workflow_step_metrics_weekly", "workflow_step_metrics_monthly")
MARCH_2 = dict(zip(FUNNEL, ({"2024-03-02"}, {"2024-02-26"}, {"2024-03-01"}), strict=True))
"""A change of the cohort of 2 March."""
FLOW_DAYS = dict(zip(FUNNEL, ({"2024-03-01", "2024-03-02"}, {"2024-02-26"}, {"2024-03-01"}), strict=True))
"""A change of a step of FLOW: every day with an enrolment."""
LATER = AS_OF + dt.timedelta(seconds=1)


def test_a_change_of_events_and_steps_publishes_exactly_what_it_shows_in(lab: Lab) -> None:
    lab.write(*(statement for statement in BEGINNING if "workflows." in statement))

    def publishes(*statements: str, as_of: dt.datetime = AS_OF) -> dict[str, set[str | None]]:
        if statements:
            lab.write(*statements)
        run = lab.run(as_of, gate_open=True, applications=ONLY)
        assert {outcome.error for outcome in run.outcomes.values()} == {None}
        return {name: days for name, days in lab.published_since(run).items() if name != "dim_workflow_step"}

    assert publishes()
    assert publishes() == {}

    # Late and out of order: it entered the second step before the first was recorded as completed.
    late = event(30, 2, FLOW, 1, "step_entered", "2024-03-02T11:00:05Z")
    assert publishes(late) == MARCH_2
    # A completion brings a duration, by day of enrolment.
    completed = event(31, 2, FLOW, 0, "step_completed", "2024-03-09T11:00:00Z")
    assert publishes(completed) == {**MARCH_2, "duration_histogram": {"2024-03-02"}}
    # A repeat counts nothing, and so changes nothing.
    assert publishes(event(32, 2, FLOW, 0, "step_entered", "2024-03-03T11:00:00Z")) == {}
    # Corrected: moved to before the enrolment; then deleted.
    moved = "update workflows.workflow_events set occurred_at = '2024-03-02T10:59:00Z' where event_id = 30"
    assert publishes(moved) == MARCH_2
    assert publishes("delete from workflows.workflow_events where event_id in (30, 32)") == {}
    # Actions count on their own day, and move from one to another.
    opened = event(33, 2, FLOW, 0, "message_opened", "2024-03-20T00:00:00Z")
    assert publishes(opened) == {"workflow_action_metrics": {"2024-03-20"}}
    assert publishes("update workflows.workflow_events set occurred_at = '2024-03-19Z' where event_id = 33") == {
        "workflow_action_metrics": {"2024-03-19", "2024-03-20"}
    }

    # Steps: renamed, one inserted in between, moved behind the others, deleted.
    assert publishes(f"update workflows.workflow_steps set name = 'begin' where step_id = '{STEPS[0]}'") == FLOW_DAYS
    assert publishes(f"update workflows.workflow_steps set updated_at = now() where step_id = '{STEPS[0]}'") == {}
    inserted = (
        "insert into workflows.workflow_steps (step_id, workflow_id, position, name, step_type)"
        f" values ('{STEPS[3]}', '{FLOW}', 5, 'between', 'delay')"
    )
    assert publishes(inserted) == FLOW_DAYS
    moved = f"update workflows.workflow_steps set position = 0 where step_id = '{STEPS[3]}'"
    # Nobody entered the new first step, so nobody has a time in any.
    histogram = {"duration_histogram": {"2024-03-01", "2024-03-02"}}
    assert publishes(moved) == {**FLOW_DAYS, **histogram}
    assert_published_workflows(lab, AS_OF)
    gone = f"update workflows.workflow_steps set deleted_at = now() where step_id = '{STEPS[3]}'"
    assert publishes(gone) == {**FLOW_DAYS, **histogram}

    # An orphan finds its execution.
    parent = execution(19, BARE, "active", "2024-03-04T10:00:00Z")
    found = publishes(parent)
    assert found["workflow_step_metrics"] == {"2024-03-04"}
    assert ("12", "orphan_event") not in quarantined(lab)
    # Another contact: only where contacts are told apart.
    other = f"update workflows.workflow_executions set contact_id = '{FLOW}' where execution_id = '{RUNS[19]}'"
    assert publishes(other) == {
        "workflow_executions": {"2024-03-04"},
        "workflow_analytics_weekly": {"2024-03-04"},
        "workflow_analytics_monthly": {"2024-03-01"},
        "workflow_step_metrics_weekly": {"2024-03-04"},
        "workflow_step_metrics_monthly": {"2024-03-01"},
    }

    # Time alone: an event leaves the future, and goes back into it when asked to.
    assert ("14", "in_the_future") in quarantined(lab)
    cohort = dict(zip(FUNNEL, ({"2024-03-04"}, {"2024-03-04"}, {"2024-03-01"}), strict=True))
    assert publishes(as_of=LATER) == cohort
    assert ("14", "in_the_future") not in quarantined(lab)
    lab.run(AS_OF, gate_open=True, applications=ONLY, rewind=True)
    assert ("14", "in_the_future") in quarantined(lab)
    assert_published_workflows(lab, AS_OF)

    # A day that passes without data still says what is active.
    tomorrow = AS_OF + dt.timedelta(days=1)
    assert publishes(as_of=tomorrow)["workflow_analytics"] >= {"2024-04-12"}
    publishes(f"delete from workflows.workflow_executions where execution_id = '{RUNS[0]}'", as_of=tomorrow)
    assert_published_workflows(lab, tomorrow)
    assert ("1", "orphan_event") in quarantined(lab)
    publishes(f"update workflows.workflows set deleted_at = now() where workflow_id = '{FLOW}'", as_of=tomorrow)
    assert ("1", "orphan_event") not in quarantined(lab)
    assert_published_workflows(lab, tomorrow)

    incremental = lab.dump()
    lab.start_over()
    lab.run(tomorrow, gate_open=True, applications=ONLY)
    assert lab.dump() == incremental


def quarantined(lab: Lab) -> set[tuple[object, ...]]:
    return set(
        lab.warehouse.execute(
            "select row_key, reason from quality.quarantine where released_at is null"
            " and source_table = 'workflows.workflow_events'"
        ).fetchall()
    )


def assert_published_workflows(lab: Lab, as_of: dt.datetime) -> None:
    assert_published(lab, as_of, applications=ONLY)
