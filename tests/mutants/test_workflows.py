"""Workflows: every rule of the contract, inverted in the SQL of its model, changes what is published of a small log.

The log is published once and held against the reference, which shares no code with the SQL. Each inversion is then
computed with all that reads it, inside a transaction that is rolled back, and must change a mart or the quarantine.
Does not belong here: which partitions a change dirties (``test_workflow_history``), and the checks of the gate
(``test_conservation``).

    make mutants
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.integration import test_funnel
from tests.integration.test_funnel import AS_OF
from tests.support import Lab, assert_published, make_database
from warehouse.catalog import marts
from warehouse.server import EmbeddedServer

APPLICATION = "workflows"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "workflows.md"

FLOWS = {
    # Window in seconds, and its steps: position, type, action type, whether deleted.
    "plain": (None, ((1, "trigger", None, False), (2, "action", "email", False), (3, "action", "sms", True),
                     (5, "end", None, False))),
    "window": (3600, ((1, "trigger", None, False), (2, "goal", None, False))),
    "window, no goal": (3600, ((1, "trigger", None, False),)),
    "deleted goal": (None, ((1, "trigger", None, False), (2, "goal", None, True))),
    "deleted": (None, ((1, "trigger", None, False),)),
    "many": (None, ((1, "trigger", None, False),)),
}  # fmt: skip

EXECUTIONS = (
    # Flow, contact, status, enrolled, ended, goal reached.
    ("plain", 1, "completed", "2024-03-01T23:30:00Z", "2024-03-02T00:30:00Z", "2024-03-02T23:59:00Z"),
    ("plain", 1, "completed", "2024-03-01T10:00:00Z", "2024-03-02T10:00:00.5Z", None),
    ("plain", 2, "completed", "2024-03-02T09:00:00Z", "2024-03-02T11:00:00Z", None),
    ("plain", 2, "failed", "2024-03-04T09:15:00Z", "2024-03-05T09:15:00Z", None),
    ("plain", 3, "exited", "2024-03-04T09:45:00Z", "2024-03-07T09:15:00Z", "2024-03-06T09:15:00Z"),
    ("plain", 1, "active", "2024-03-04T10:45:00Z", None, None),
    ("plain", 4, "active", "2024-03-04T11:45:00Z", "infinity", "infinity"),
    ("plain", 5, "active", "2024-03-25T11:45:00Z", "2024-03-29T11:45:00Z", None),
    ("plain", 6, "completed", "2024-04-01T11:45:00Z", None, None),
    ("window", 1, "active", "2024-03-01T10:00:00Z", None, "2024-03-01T11:00:00Z"),
    ("window", 2, "active", "2024-03-01T10:00:00Z", None, "2024-03-01T11:00:00.000001Z"),
    ("window", 3, "completed", "2024-03-01T10:00:00Z", "2024-03-01T10:30:00Z", None),
    ("window", 3, "completed", "2024-03-01T10:00:00Z", "2024-03-08T10:30:00Z", "2024-03-01T10:30:00Z"),
    ("window, no goal", 1, "completed", "2024-03-01T10:00:00Z", "2024-03-01T11:00:00Z", None),
    ("window, no goal", 2, "completed", "2024-03-01T10:00:00Z", "2024-03-01T11:00:00.000001Z", None),
    ("window, no goal", 3, "exited", "2024-03-01T10:00:00Z", "2024-03-01T10:30:00Z", "2024-03-01T10:30:00Z"),
    ("deleted goal", 1, "completed", "2024-03-01T10:00:00Z", "2024-03-05T11:00:00Z", None),
    ("deleted goal", 2, "active", "2024-03-01T10:00:00Z", None, "2024-03-01T10:30:00Z"),
    ("deleted", 2, "completed", "2024-03-01T10:00:00Z", "2024-03-01T10:30:00Z", "2024-03-01T10:30:00Z"),
    # A week whose days have something each: two of every outcome, open and mature cohorts, one begun on its Sunday.
    ("plain", 8, "completed", "2024-03-05T10:00:00Z", "2024-03-06T10:00:00Z", "2024-03-05T11:00:00Z"),
    ("plain", 9, "completed", "2024-03-06T10:00:00Z", "2024-03-08T10:00:00Z", None),
    ("plain", 9, "failed", "2024-03-06T10:00:00Z", "2024-03-08T10:00:00Z", None),
    ("plain", 9, "active", "2024-03-07T10:00:00Z", None, None),
    ("plain", 9, "active", "2024-03-10T10:00:00Z", None, None),
    # Quarantined: ends before it starts, before the earliest date, in the future; a day ahead is not in the future.
    ("plain", 7, "completed", "2024-03-01T10:00:00Z", "2024-03-01T09:00:00Z", None),
    ("plain", 7, "completed", "1999-12-31T23:59:59Z", "2024-03-01T09:00:00Z", None),
    ("plain", 7, "active", "2024-03-01T10:00:00Z", None, "1999-12-31T23:59:59Z"),
    ("plain", 7, "active", "2024-04-11T12:00:00.000001Z", None, None),
    ("plain", 7, "active", "2024-04-11T12:00:00Z", None, None),
)

MANY = [round(1e6 * 1.37**number) for number in range(40)]
"""Durations in microseconds, from a second to two days."""

EVENTS = (
    # Execution, flow, position (of another flow's step: with that flow), type, instant, duration in milliseconds.
    (0, "plain", 1, "step_entered", "2024-03-01T23:30:00Z", None),
    (0, "plain", 1, "step_completed", "2024-03-01T23:40:00Z", None),
    (0, "plain", 2, "step_entered", "2024-03-01T23:40:00Z", None),
    (0, "plain", 2, "action_started", "2024-03-01T23:41:00Z", 5),
    (0, "plain", 2, "action_succeeded", "2024-03-01T23:42:00Z", 100),
    (0, "plain", 2, "step_completed", "2024-03-02T00:10:00Z", None),
    (0, "plain", 3, "action_started", "2024-03-01T23:43:00Z", None),
    (0, "plain", 3, "step_entered", "2024-03-01T23:43:00Z", None),
    (0, "plain", 5, "step_entered", "2024-03-02T00:20:00Z", None),
    (1, "plain", 1, "step_entered", "2024-03-01T10:00:00Z", None),
    (1, "plain", 1, "step_completed", "2024-03-01T10:00:00Z", None),
    (1, "plain", 2, "step_skipped", "2024-03-01T10:01:00Z", None),
    (1, "plain", 5, "step_entered", "2024-03-01T10:02:00Z", None),
    (2, "plain", 1, "step_entered", "2024-03-02T09:00:00Z", None),
    (2, "plain", 1, "step_completed", "2024-03-02T09:00:07Z", None),
    (2, "plain", 2, "step_entered", "2024-03-02T09:01:00Z", None),
    (2, "plain", 2, "action_started", "2024-03-02T09:01:00Z", None),
    (2, "plain", 2, "action_succeeded", "2024-03-01T09:03:00Z", 300),
    (2, "plain", 2, "action_succeeded", "2024-03-01T09:04:00Z", None),
    (2, "plain", 2, "action_failed", "2024-03-01T09:05:00Z", 900),
    (2, "plain", 2, "message_delivered", "2024-03-01T09:05:00Z", 7),
    (2, "plain", 2, "message_opened", "2024-03-01T09:05:01Z", None),
    (2, "plain", 2, "message_clicked", "2024-03-01T09:05:02Z", None),
    (2, "plain", 1, "action_started", "2024-03-01T09:05:02Z", None),
    (3, "plain", 1, "step_entered", "2024-03-04T09:15:00Z", None),
    (4, "plain", 1, "step_entered", "2024-03-04T09:45:00Z", None),
    (5, "plain", 1, "step_entered", "2024-03-04T10:45:00Z", None),
    (5, "plain", 1, "step_failed", "2024-03-04T10:46:00Z", None),
    (10, "window", 1, "step_entered", "2024-03-01T10:00:00Z", None),
    (10, "window", 2, "step_entered", "2024-03-01T11:00:00Z", None),
    (11, "window", 1, "step_entered", "2024-03-01T10:00:00Z", None),
    (11, "window", 2, "step_entered", "2024-03-01T11:00:00.000001Z", None),
    (6, "plain", 1, "step_entered", "2024-03-04T11:45:00Z", None),
    (22, "plain", 1, "step_entered", "2024-03-07T11:45:00Z", None),
    # Left out.
    (0, "plain", ("window", 1), "action_started", "2024-03-01T23:43:00Z", None),
    (0, "plain", 3, "step_teleported", "2024-03-01T23:43:00Z", None),
    (0, "plain", 2, "step_teleported", "2024-03-01T23:43:00Z", None),
    (0, "window", 1, "action_started", "2024-03-01T23:43:00Z", None),
    (0, "plain", None, "action_started", "2024-03-01T23:43:00Z", None),
    (None, "plain", 2, "action_started", "2024-03-01T23:43:00Z", None),
    (0, "window", 1, "step_teleported", "2024-03-01T23:43:00Z", None),
    (0, "plain", 2, "action_started", "1999-12-31T23:59:59Z", None),
    (0, "plain", 2, "message_opened", "2024-04-11T12:00:00.000001Z", None),
    (0, "plain", 2, "message_opened", "2024-04-11T12:00:00Z", None),
    (18, "deleted", 1, "step_entered", "2024-03-01T10:00:00Z", None),
    (18, "deleted", 1, "step_teleported", "2024-03-01T10:00:00Z", None),
    (24, "plain", 2, "action_started", "2024-03-01T10:00:00Z", None),
    (24, "plain", 1, "step_entered", "2024-03-01T10:00:00Z", None),
    (27, "plain", 2, "action_started", "2024-03-01T10:00:00Z", None),
)


def uid(kind: str, *parts: object) -> str:
    return f"md5('{kind} {' '.join(map(str, parts))}')::uuid"


def quoted(value: object) -> str:
    return "null" if value is None else f"'{value}'"


def statements() -> Iterator[str]:
    for flow, (window, steps) in FLOWS.items():
        deleted = "now()" if flow == "deleted" else "null"
        yield (
            "insert into workflows.workflows (workflow_id, name, status, conversion_window_seconds, deleted_at)"
            f" values ({uid('flow', flow)}, '{flow}', 'active', {quoted(window)}, {deleted})"
        )
        for position, kind, action, is_deleted in steps:
            yield (
                "insert into workflows.workflow_steps (step_id, workflow_id, position, name, step_type, action_type,"
                f" deleted_at) values ({uid('step', flow, position)}, {uid('flow', flow)}, {position}, 'step',"
                f" '{kind}', {quoted(action)}, {'now()' if is_deleted else 'null'})"
            )
    for number, (flow, contact, status, *instants) in enumerate(EXECUTIONS):
        yield (
            "insert into workflows.workflow_executions (execution_id, workflow_id, contact_id, status, enrolled_at,"
            f" ended_at, goal_reached_at) values ({uid('execution', number)}, {uid('flow', flow)},"
            f" {uid('contact', contact)}, '{status}', {', '.join(map(quoted, instants))})"
        )
    for number, (execution, flow, position, kind, instant, duration) in enumerate(EVENTS):
        yield (
            "insert into workflows.workflow_events (event_id, execution_id, workflow_id, step_id, event_type,"
            f" occurred_at, duration_ms) values ({1000 + number}, {uid('execution', execution)}, {uid('flow', flow)},"
            f" {uid('step', *(position if isinstance(position, tuple) else (flow, position)))}, '{kind}', '{instant}',"
            f" {quoted(duration)})"
        )
    yield (
        "insert into workflows.workflow_executions (execution_id, workflow_id, contact_id, status, enrolled_at,"
        f" ended_at) select md5('many ' || number)::uuid, {uid('flow', 'many')}, md5('many ' || number)::uuid,"
        " 'completed',"
        " '2024-03-12T00:00:00Z', '2024-03-12T00:00:00Z'::timestamptz + microseconds * interval '1 microsecond'"
        f" from unnest(array{MANY}) with ordinality as many (microseconds, number)"
    )
    yield (
        "insert into workflows.workflow_events (event_id, execution_id, workflow_id, step_id, event_type, occurred_at)"
        f" select 2000 + 2 * number + is_end, md5('many ' || number)::uuid, {uid('flow', 'many')},"
        f" {uid('step', 'many', 1)}, case is_end when 0 then 'step_entered' else 'step_completed' end,"
        " '2024-03-12T00:00:00Z'::timestamptz + is_end * microseconds * interval '1 microsecond'"
        f" from unnest(array{MANY}) with ordinality as many (microseconds, number), (values (0), (1)) as ends (is_end)"
    )


@dataclass(frozen=True)
class Built:
    lab: Lab
    queries: dict[str, str]
    """Compiled SQL of every model that depends on the source, in the order in which they read each other."""
    published: dict[str, list[str]]


RESULTS = (*(mart.name for mart in marts(APPLICATION) if mart.dated), "int_workflows__quarantine")
ORDER = (
    "int_workflows__executions", "int_workflows__steps", "int_workflows__usable_executions",
    "int_workflows__usable_events", "int_workflows__action_events", "int_workflows__step_visits",
    "int_workflows__unusable_events", "int_workflows__quarantine",
    "workflow_executions", "workflow_analytics", "workflow_analytics_hourly", "workflow_step_metrics",
    "workflow_action_metrics", "duration_histogram", "workflow_analytics_weekly", "workflow_analytics_monthly",
    "workflow_step_metrics_weekly", "workflow_step_metrics_monthly",
)  # fmt: skip
VIEWS = ("int_workflows__usable_executions", "int_workflows__usable_events", "int_workflows__quarantine")


def relation(model: str) -> str:
    return f"{'intermediate' if model.startswith('int_') else 'candidate'}.{model}"


@pytest.fixture(scope="module")
def built(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    make_database(server, "source", "template_source")
    make_database(server, "warehouse", "template_warehouse")
    lab = Lab(server, tmp_path_factory.getbasetemp() / "lab")
    try:
        lab.write(*test_funnel.statements(), *statements())
        refresh = lab.run(AS_OF, gate_open=True, applications=(APPLICATION,))
        assert refresh.outcomes[APPLICATION].status == "published"
        assert_published(lab, AS_OF, applications=(APPLICATION,))
        queries = {model.name: model.sql for model in refresh.transformer.compiled().models}
        yield Built(lab, {name: queries[name] for name in ORDER}, {name: rows(lab, name) for name in RESULTS})
    finally:
        lab.close()


def rows(lab: Lab, name: str) -> list[str]:
    """Rows of a candidate or view, as text."""
    return sorted(str(row) for row in lab.warehouse.execute(f"select r::text from {relation(name)} as r"))


def changed_by(built: Built, model: str, old: str, new: str) -> str | None:
    """The first mart (or the quarantine) that a change of a model's SQL changes; None: none does."""
    query = built.queries[model]
    assert old in query, f"{model} does not say {old!r}"
    try:
        return _changed_by(built, model, query.replace(old, new))
    except (psycopg.DataError, psycopg.NotSupportedError) as error:
        return str(error)  # a run would stop at it


def _changed_by(built: Built, model: str, query: str) -> str | None:
    with built.lab.warehouse.transaction(force_rollback=True):
        for name in ORDER[ORDER.index(model) :]:
            text = query if name == model else built.queries[name]
            if name not in VIEWS:
                built.lab.warehouse.execute(f"delete from {relation(name)}")
                built.lab.warehouse.execute(f"insert into {relation(name)} {text}")
            elif name == model:
                built.lab.warehouse.execute(f"create or replace view {relation(name)} as {text}")
            if name in RESULTS and rows(built.lab, name) != built.published[name]:
                return name
    return None


def test_what_is_not_changed_changes_nothing(built: Built) -> None:
    assert changed_by(built, ORDER[0], "select", "select") is None


EXECUTION, VISITS = "int_workflows__executions", "int_workflows__step_visits"
ACTION_EVENTS, QUARANTINE = "int_workflows__action_events", "int_workflows__quarantine"
USED, UNUSABLE = "int_workflows__usable_events", "int_workflows__unusable_events"
USED_EXECUTIONS = "int_workflows__usable_executions"
DAYS, HOURS, FUNNEL = "workflow_analytics", "workflow_analytics_hourly", "workflow_step_metrics"
ACTIONS, HISTOGRAM = "workflow_action_metrics", "duration_histogram"
WEEKS, FUNNEL_WEEKS = "workflow_analytics_weekly", "workflow_step_metrics_weekly"
PLACE = "0.5::double precision * (duration_count - 1)"

RULES: dict[str, tuple[tuple[str, str, str], ...]] = {
    # Sentence of the contract, as the table in docs/workflows.md has it: model, words of its SQL, their inversion.
    "dates and hours are UTC": (
        (EXECUTION, "(enrolled_at at time zone 'UTC')", "(enrolled_at at time zone 'Asia/Tokyo')"),
        (ACTION_EVENTS, "at time zone 'UTC'", "at time zone 'Asia/Tokyo'"),
        (HOURS, "'hour', executions.enrolled_at, 'UTC'", "'day', executions.enrolled_at, 'UTC'"),
    ),
    "events are ordered by (occurred_at, event_id)": (
        (VISITS, "by occurred_at, event_id", "by occurred_at, event_id desc"),
        (VISITS, "by occurred_at, event_id", "by event_id"),
    ),
    "deleted steps and workflows count nowhere": (
        ("int_workflows__steps", "where deleted_at is null", "where true"),
        (EXECUTION, "where deleted_at is null", "where true"),
    ),
    "it converts when goal_reached_at is set": (
        (EXECUTION, "when has_goal_step then goal_reached_at", "when has_goal_step then ended_at"),
    ),
    "at most conversion_window_seconds have elapsed": (
        (EXECUTION, "<= conversion_window_seconds", "< conversion_window_seconds"),
        (EXECUTION, "<= conversion_window_seconds::numeric * 1000000", "<= 1e30"),
    ),
    "without a (not deleted) goal step: completed, ended within the window": (
        (EXECUTION, "        step_type = 'goal'\n        and deleted_at is null", "        step_type = 'goal'"),
        (EXECUTION, "when status = 'completed' then ended_at", "when true then ended_at"),
        (EXECUTION, "is null then status = 'completed'", "is null then ended_at is not null"),
        (EXECUTION, "is null then status = 'completed'", "is null then goal_reached_at is not null"),
    ),
    "ended when ended_at is not null; infinity counts as null": (
        (EXECUTION, "nullif(executions.ended_at, 'infinity'::timestamptz)", "executions.ended_at"),
        (VISITS, "when executions.ended_at is not null", "when executions.status <> 'active'"),
    ),
    "enrolled_count: enrolled_at in the day": ((DAYS, "executions.enrolled_date", "executions.ended_date"),),
    "completed, failed, exited: that status and ended_at in the day": (
        *((DAYS, f"executions.status = '{each}' then 1", "true then 1") for each in ("failed", "exited", "completed")),
        (DAYS, "executions.ended_date", "executions.enrolled_date"),
        (HOURS, "executions.ended_at", "executions.enrolled_at"),
    ),
    "goal_count: goal_reached_at in the day, whatever steps and window": (
        (DAYS, "executions.goal_date", "executions.ended_date"),
        (HOURS, "'hour', executions.goal_reached_at", "'hour', executions.enrolled_at"),
        (HOURS, "        on executions.goal_date = run_days.date", "        on executions.goal_date = run_days.date"
         " and executions.is_converted"),
    ),
    "active_count: enrolled before the end of the day, not ended before it": (
        (DAYS, "enrolled_date as date, 1 as step", "enrolled_date + 1 as date, 1 as step"),
        (DAYS, "ended_date as date, -1 as step", "ended_date + 1 as date, -1 as step"),
        (DAYS, "-1 as step from executions\n    where ended_at is not null",
         "-1 as step from executions\n    where status <> 'active'"),
    ),
    "cohort_converted_count and conversion_rate: of those enrolled this day": (
        (DAYS, "executions.is_converted then 1", "executions.status = 'completed' then 1"),
        (DAYS, "nullif(coalesce(enrolled.enrolled_count, 0), 0)", "nullif(coalesce(ended.completed_count, 0), 0)"),
    ),
    "durations: of executions completed this day; percentile_cont": (
        (DAYS, "then executions.duration_microseconds end", "then executions.duration_microseconds / 2 end"),
        (DAYS, "executions.status = 'completed' then (", "true then ("),
        (DAYS, "percentile_cont(0.5)", "percentile_disc(0.5)"),
        (DAYS, "percentile_cont(0.95)", "percentile_cont(0.9)"),
    ),
    "a day with only active_count above 0 has a row too": (
        (DAYS, "goal_count + active_count > 0", "goal_count > 0"),
        (DAYS, "goal_count + active_count > 0", "goal_count + active_count >= 0"),
    ),
    "entries count after that of the nearest earlier step not skipped": (
        (VISITS, "last_entry + 1)", "1)"),
        (VISITS, ", last_entry\n        ) as last_entry", ", 0\n        ) as last_entry"),
    ),
    "the first such event counts, repeats are ignored": (
        (VISITS, "array_position(marks, (4 * (step_number + 1) + 0), last_entry + 1)",
         "(select max(p) from unnest(array_positions(marks, 4 * (step_number + 1))) as p where p > last_entry)"),
    ),
    "skipped: no such entry but a step_skipped after that same event": (
        (VISITS, "(step_number + 1) + 3)", "(step_number + 1) + 2)"),
        (VISITS, "when visits.entry is null then 'skipped'", "when visits.entry is null then 'open'"),
    ),
    "a step neither entered nor skipped ends its funnel": (
        (VISITS, "        ) is not null\n", "        ) is not null or step_number < 3\n"),
        (VISITS, "0 as step_number", "1 as step_number"),
    ),
    "earlier steps are those of smaller position": (
        (VISITS, "partition by workflow_id order by position", "partition by workflow_id order by position desc"),
    ),
    "an entry more than the window after enrolled_at does not count; entries only": (
        (VISITS, "<= workflows.conversion_window", "< workflows.conversion_window"),
        (VISITS, "workflows.conversion_window_seconds is null", "true"),
        (VISITS, "events.event_type <> 'step_entered'\n                or ", ""),
    ),
    "step_position and step_name": ((FUNNEL, "steps.position as step_position", "1 as step_position"),),
    "every step has a row for every day with any enrolment": (
        (FUNNEL, "left join passed", "inner join passed"),
        (FUNNEL, "count(*) as enrolled_count", "count(distinct executions.contact_id) as enrolled_count"),
    ),
    "completed_count: a step_completed after the entry": (
        (VISITS, "(step_number) + 1), entry + 1)", "(step_number) + 1), 1)"),
    ),
    "failed_count: else with a step_failed after the entry": (
        (VISITS, "(step_number) + 2), entry + 1)", "(step_number) + 2), 1)"),
        (VISITS, "when visits.completed_at is not null then 'completed'",
         "when visits.completed_at is not null and visits.failure is null then 'completed'"),
    ),
    "dropped_count: else ended; open_count: else": (
        (VISITS, "when executions.ended_at is not null then", "when true then"),
        (FUNNEL, "visits.outcome = 'open' then 1", "visits.outcome in ('open', 'dropped') then 1"),
    ),
    "conversion_from_start and conversion_from_previous": (
        (FUNNEL, "nullif(enrolled_count, 0)", "nullif(came_to_previous, 0)"),
        (FUNNEL, " + coalesce(passed.skipped_count, 0), 1,", ", 1,"),
        (FUNNEL, "1, cohorts.enrolled_count)", "1, 0)"),
    ),
    "is_mature: every execution of this cohort has ended": (
        (FUNNEL, "count(executions.ended_at) = count(*)", "count(executions.ended_at) > 0"),
        (FUNNEL_WEEKS, "min(case when is_mature", "max(case when is_mature"),
    ),
    "seconds in step: from entry to the first completion after it": (
        (VISITS, "array_position(marks, (4 * (step_number) + 1), entry + 1)",
         "(select max(p) from unnest(array_positions(marks, 4 * (step_number) + 1)) as p where p > entry)"),
        (FUNNEL, "count(visits.microseconds_in_step) * 1000000", "count(*) * 1000000"),
        (FUNNEL, "percentile_cont(0.5)", "percentile_disc(0.5)"),
        (FUNNEL, "percentile_cont(0.95)", "percentile_disc(0.95)"),
    ),
    "actions: events of each type, by day of occurred_at": tuple(
        (ACTIONS, f"events.event_type = '{each}'", f"events.event_type = '{each}' and false")
        for each in ("action_started", "action_succeeded", "action_failed", "message_delivered", "message_opened",
                     "message_clicked")
    ),
    "action_type '' where the step has none": (
        ("int_workflows__steps", "coalesce(steps.action_type, '')", "coalesce(steps.action_type, 'none')"),
    ),
    "success_rate: succeeded / (succeeded + failed)": (
        (ACTIONS, "nullif(succeeded_count + failed_count, 0)", "nullif(attempted_count, 0)"),
    ),
    "durations of actions: of succeeded and failed with a duration": (
        (ACTION_EVENTS, "in ('action_succeeded', 'action_failed') then events.duration_ms",
         "in ('action_succeeded', 'action_failed', 'message_delivered') then events.duration_ms"),
        (ACTION_EVENTS, "in ('action_succeeded', 'action_failed') then events", "= 'action_succeeded' then events"),
        (ACTIONS, "count(events.duration_ms), 0", "count(*), 0"),
    ),
    "weeks and months: every count the exact sum of the days": (
        *((WEEKS, f"sum(days.{each}_count)", f"max(days.{each}_count)")
          for each in ("enrolled", "completed", "failed", "goal", "cohort_converted")),
        *((FUNNEL_WEEKS, f"sum({each}_count)", f"max({each}_count)")
          for each in ("enrolled", "entered", "completed", "open")),
        ("workflow_analytics_monthly", "sum(days.enrolled_count)", "max(days.enrolled_count)"),
        (WEEKS, "date_trunc('week', days.date::timestamp)::date", "date_trunc('week', days.date::timestamp + interval"
         " '1 day')::date"),
    ),
    "active_count of the period's last day, or the as-of date + 1": (
        (WEEKS, "- 1, parameters.last_date)", "- 2, parameters.last_date)"),
        (WEEKS, "least((days.period::timestamp + interval '1 week')::date - 1, parameters.last_date)",
         "((days.period::timestamp + interval '1 week')::date - 1)"),
    ),
    "ratios of periods recomputed from the sums": (
        (WEEKS, "nullif(summed.enrolled_count, 0)", "nullif(summed.completed_count, 0)"),
        (FUNNEL_WEEKS, "1, enrolled_count)", "1, entered_count)"),
    ),
    "unique_contacts exact": (
        (WEEKS, "count(distinct contact_id)", "count(contact_id)"),
        (FUNNEL_WEEKS, "count(distinct visits.contact_id)", "count(visits.contact_id)"),
        (FUNNEL_WEEKS, "where visits.outcome <> 'skipped'", "where true"),
    ),
    "percentiles of periods: percentile_cont over representatives repeated by count": (
        (WEEKS, f"floor(({PLACE}", f"ceil(({PLACE}"),
        (WEEKS, f"ceil(({PLACE}", f"floor(({PLACE}"),
        (WEEKS, "sum(count) as bucket_count", "count(*) as bucket_count"),
        (WEEKS, "(p50_place - floor(p50_place)) *", "0.25 *"),
        (WEEKS, "0.95::double", "0.9::double"),
    ),
    "averages of periods weighted": ((WEEKS, "nullif(duration_count * 1000000", "nullif(1 * 1000000"),),
    "histogram: the whole execution by day of ended_at, completed ones": (
        (HISTOGRAM, "where executions.status = 'completed'", "where executions.ended_at is not null"),
        (HISTOGRAM, "executions.ended_date", "executions.enrolled_date"),
    ),
    "histogram: steps by day of enrolment": (
        (HISTOGRAM, "visits.enrolled_date as date", "visits.enrolled_date + 1 as date"),
    ),
    "histogram: the bucket that holds the value, 0 one of its own": (
        (HISTOGRAM, "width_bucket(\n            microseconds", "width_bucket(\n            microseconds + 1"),
        (HISTOGRAM, "counted.duration_count::bigint as count", "1::bigint as count"),
    ),
    "unknown_event_type comes before orphan_event": (
        (UNUSABLE, "not in ('step_entered'", "not in ('step_teleported', 'step_entered'"),
    ),
    "orphan_event: no such execution or step, or different workflows": (
        (UNUSABLE, "executions.workflow_id is null", "false"),
        (UNUSABLE, "steps.workflow_id is null", "false"),
        (UNUSABLE, "or executions.workflow_id <> events.workflow_id", ""),
        (UNUSABLE, "or steps.workflow_id <> events.workflow_id", ""),
        (USED, "and events.workflow_id = executions.workflow_id", ""),
        (USED, "and events.workflow_id = steps.workflow_id", ""),
    ),
    "before_earliest_date and in_the_future of events": (
        (UNUSABLE, "events.occurred_at < (", "false and events.occurred_at < ("),
        (UNUSABLE, "events.occurred_at > (", "events.occurred_at >= ("),
        (USED, "events.occurred_at <= (", "events.occurred_at < ("),
        (USED, "events.occurred_at >= (", "true or events.occurred_at >= ("),
    ),
    "execution_ends_before_start, before_earliest_date, in_the_future": (
        (EXECUTION, "when ended_at < enrolled_at then", "when false then"),
        (EXECUTION, "enrolled_at < earliest_at or ended_at", "ended_at"),
        (EXECUTION, "or goal_reached_at < earliest_at", ""),
        (QUARANTINE, "enrolled_at > parameters.future_limit", "enrolled_at >= parameters.future_limit"),
        (USED_EXECUTIONS, "executions.enrolled_at <= (", "executions.enrolled_at < ("),
    ),
    "events of a quarantined execution are left out with it": (
        (USED_EXECUTIONS, "executions.reason is null\n", "coalesce(executions.reason, '') <> 'before_earliest_date'\n"),
    ),
    "what is deleted is not examined": (
        (UNUSABLE, "workflows.deleted_at is null\n        and ", ""),
        (UNUSABLE, "and steps.deleted_at is null", ""),
    ),
}  # fmt: skip

MUTANTS = [(rule, *each) for rule, inversions in RULES.items() for each in inversions]


@pytest.mark.parametrize(
    ("rule", "model", "old", "new"),
    MUTANTS,
    ids=[f"{rule} {number}" for rule, inversions in RULES.items() for number in range(1, len(inversions) + 1)],
)
def test_a_rule_inverted_is_noticed(built: Built, rule: str, model: str, old: str, new: str) -> None:
    assert changed_by(built, model, old, new) is not None, rule


def test_the_table_of_sentences_is_that_of_the_rules() -> None:
    table = DOCS.read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"\n| {rule} |" not in table] == []


@pytest.mark.parametrize("grain", ["week", "month"])
def test_percentiles_of_periods_are_within_one_percent_of_exact_ones(built: Built, grain: str) -> None:
    flow = built.lab.warehouse.execute(f"select {uid('flow', 'many')}").fetchone()
    ((*executions,),) = built.lab.warehouse.execute(
        "select avg_duration_seconds, p50_duration_seconds, p95_duration_seconds"
        f" from marts.workflow_analytics_{grain}ly where workflow_id = %s and completed_count = {len(MANY)}",
        flow,
    )
    ((*steps,),) = built.lab.warehouse.execute(
        "select avg_seconds_in_step, p50_seconds_in_step, p95_seconds_in_step"
        f" from marts.workflow_step_metrics_{grain}ly where workflow_id = %s",
        flow,
    )
    exact = [sum(MANY) / len(MANY) / 1e6, *(percentile_cont(MANY, fraction) / 1e6 for fraction in (0.5, 0.95))]
    assert executions == steps
    assert executions[0] == pytest.approx(exact[0], rel=1e-12)
    assert executions[1:] == pytest.approx(exact[1:], rel=0.01)
    # From the histogram, not from the durations.
    assert executions[1:] != pytest.approx(exact[1:], rel=1e-9)


def percentile_cont(values: list[int], fraction: float) -> float:
    """By linear interpolation between the two nearest ranks."""
    ranked = sorted(values)
    below, rest = divmod(fraction * (len(ranked) - 1), 1)
    low, high = ranked[int(below)], ranked[min(int(below) + 1, len(ranked) - 1)]
    return low + rest * (high - low)
