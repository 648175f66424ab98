"""The demo through the whole pipeline: what is known of it by construction holds in what is published.

Its facts were worked out on paper, so they hold the pipeline and the reference to the same account.
"""

import datetime as dt
import os
import re
from pathlib import Path
from typing import Any

from tests.support import Lab, assert_published
from warehouse import demo
from warehouse.catalog import APPLICATIONS, MARTS

SCALE = 0.1
LATER = demo.AS_OF + dt.timedelta(days=2)

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / f"{application}.md" for application in APPLICATIONS]
"""With examples and their results."""
WITHOUT_FACTS = {
    "duration_histogram", "kpi_anomalies", "workflow_analytics_hourly", "workflow_analytics_weekly",
    "workflow_analytics_monthly", "workflow_step_metrics_weekly", "workflow_step_metrics_monthly",
}  # fmt: skip
"""Nothing is planted for these; the reference, or tests of their own, judge them."""

EXAMPLE = re.compile(r"```sql\n(.*?)```\n\n```text\n.*?```\n", re.DOTALL)


def test_every_known_fact_of_the_demo_holds_in_what_is_published(lab: Lab) -> None:
    demo.fill(lab.source, SCALE)
    first = lab.run(demo.AS_OF)
    assert {name: outcome.status for name, outcome in first.outcomes.items()} == dict.fromkeys(
        first.outcomes, "published"
    )

    truth = demo.generate(SCALE).truth
    published: dict[str, list[dict[str, Any]]] = {mart.name: lab.rows(mart.name) for mart in MARTS}
    facts = [fact for fact in truth.facts if fact.mart in published]
    assert {fact.mart for fact in facts} >= {mart.name for mart in MARTS if mart.dated} - WITHOUT_FACTS
    assert [fact for fact in facts if not fact.holds_in(published[fact.mart])] == []

    counts = lab.warehouse.execute(
        "select source_table, reason, count(*) from quality.quarantine where released_at is null group by 1, 2"
    ).fetchall()
    assert {(table, reason): number for table, reason, number in counts} == truth.quarantine
    entries = lab.warehouse.execute(
        "select source_table, row_key, position, reason from quality.quarantine where released_at is null"
    ).fetchall()
    assert {tuple(entry) for entry in truth.entries} <= set(entries)
    assert_published(lab, demo.AS_OF)

    second = lab.run(demo.AS_OF)
    assert lab.published_since(second) == {}
    assert {outcome.status for outcome in second.outcomes.values()} == {"nothing_to_do"}

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        answered = EXAMPLE.sub(lambda example: answer(lab, example[1]), text)
        if os.environ.get("WEIR_TEST_WRITE_SNAPSHOT"):
            page.write_text(answered, encoding="utf-8")
        assert len(EXAMPLE.findall(text)) >= 5
        assert answered == text


def answer(lab: Lab, query: str) -> str:
    """An example of the docs, with the result that the query has now."""
    cursor = lab.warehouse.execute(query)
    rows = [[column.name for column in cursor.description or ()], *cursor]
    lines = [" | ".join("" if value is None else str(value) for value in row) for row in rows]
    return "```sql\n" + query + "```\n\n```text\n" + "\n".join(lines) + "\n```\n"


def some(table: str, key: str, number: int, salt: str, where: str = "true") -> str:
    """Keys of that many rows, as good as random, the same every time."""
    return f"(select {key} from {table} where {where} order by md5({key}::text || '{salt}') limit {number})"


def shuffled(table: str, key: str, column: str, number: int, salt: str) -> str:
    """Each of that many rows takes another one's value."""
    return (
        f"with chosen as (select {key}, {column}, row_number() over (order by md5({key}::text || '{salt}')) as n"
        f" from {table}) update {table} as t set {column} = other.{column} from chosen"
        f" join chosen as other on other.n = 1 + chosen.n % {number}"
        f" where t.{key} = chosen.{key} and chosen.n <= {number}"
    )


TASKS, USERS, DAYS = "scheduling.tasks", "scheduling.users", "scheduling.user_calendar_days"
CATEGORIES, EXECUTIONS = "scheduling.categories", "workflows.workflow_executions"
WORKFLOWS, STEPS, METRICS = "workflows.workflows", "workflows.workflow_steps", "services.metrics"

MOVES = (
    shuffled(TASKS, "task_id", "scheduled_slots", 120, "moved"),
    shuffled(TASKS, "task_id", "category_id", 60, "category"),
    shuffled(DAYS, "calendar_day_id", "focus_slots", 60, "moved"),
    f"update {TASKS} set completed_at = completed_at - interval '36 hours', updated_at = now()"
    f" where task_id in {some(TASKS, 'task_id', 60, 'done', 'completed_at is not null')}",
    f"update {TASKS} set user_id = (select user_id from {USERS} where deleted_at is null order by user_id limit 1)"
    f" where task_id in {some(TASKS, 'task_id', 20, 'owner')}",
    f"update {EXECUTIONS} set enrolled_at = enrolled_at - interval '2 days'"
    f" where execution_id in {some(EXECUTIONS, 'execution_id', 40, 'moved')}",
    shuffled(METRICS, "metric_id", "value", 80, "value"),
    f"update {METRICS} set recorded_at = recorded_at - interval '3 days'"
    f" where metric_id in {some(METRICS, 'metric_id', 60, 'moved')}",
)

DELETES = (
    f"update {TASKS} set deleted_at = now(), updated_at = now()"
    f" where task_id in {some(TASKS, 'task_id', 60, 'soft', 'deleted_at is null')}",
    f"delete from {TASKS} where task_id in {some(TASKS, 'task_id', 40, 'hard')}",
    f"update {USERS} set deleted_at = now() where user_id in {some(USERS, 'user_id', 4, 'soft', 'deleted_at is null')}",
    f"delete from {USERS} where user_id in {some(USERS, 'user_id', 2, 'hard')}",
    f"update {CATEGORIES} set deleted_at = now() where category_id in {some(CATEGORIES, 'category_id', 6, 'soft')}",
    f"delete from {CATEGORIES} where category_id in {some(CATEGORIES, 'category_id', 6, 'hard')}",
    f"delete from {DAYS} where calendar_day_id in {some(DAYS, 'calendar_day_id', 30, 'hard')}",
    f"delete from {EXECUTIONS} where execution_id in {some(EXECUTIONS, 'execution_id', 30, 'hard')}",
    f"update {WORKFLOWS} set deleted_at = now()"
    f" where workflow_id in {some(WORKFLOWS, 'workflow_id', 3, 'soft', 'deleted_at is null')}",
    f"delete from {WORKFLOWS} where workflow_id in {some(WORKFLOWS, 'workflow_id', 1, 'hard')}",
    f"update {STEPS} set deleted_at = now() where step_type = 'goal' and workflow_id in"
    f" {some(WORKFLOWS, 'workflow_id', 6, 'goal')}",
    f"delete from {METRICS} where metric_id in {some(METRICS, 'metric_id', 60, 'hard')}",
)

UNDELETES = (
    f"update {TASKS} set deleted_at = null where deleted_at is not null",
    f"update {USERS} set deleted_at = null, updated_at = now() where deleted_at is not null",
    f"update {CATEGORIES} set deleted_at = null where deleted_at is not null",
    f"update {WORKFLOWS} set deleted_at = null where deleted_at is not null",
    f"update {STEPS} set deleted_at = null where deleted_at is not null",
    # Late: copies of rows of long ago, under new keys.
    f"insert into {TASKS} select md5(task_id::text || 'late')::uuid, user_id, category_id, title, status,"
    " scheduled_slots, completed_at, created_at, updated_at, deleted_at"
    f" from {TASKS} where task_id in {some(TASKS, 'task_id', 40, 'late')}",
    f"insert into {METRICS} (service_name, metric_type, segment, value, unit, recorded_at)"
    " select service_name, metric_type, segment, value, unit, recorded_at - interval '1 hour'"
    f" from {METRICS} where metric_id in {some(METRICS, 'metric_id', 40, 'late')}",
)

ZONES = ("America/Havana", "Pacific/Apia", "Asia/Kathmandu", "Mars/Olympus", "Australia/Lord_Howe")

STATUSES = (
    *(f"update {USERS} set timezone = '{zone}' where user_id in {some(USERS, 'user_id', 2, zone)}" for zone in ZONES),
    f"update {USERS} set timezone = 'Europe/Berlin'"
    f" where user_id in {some(USERS, 'user_id', 1, 'mended', 'timezone not in (select name from pg_timezone_names)')}",
    f"update {TASKS} set status = case status when 'cancelled' then 'scheduled' else 'cancelled' end"
    f" where task_id in {some(TASKS, 'task_id', 80, 'status')}"
    f" or task_id in {some(TASKS, 'task_id', 20, 'status', '''status = 'cancelled' ''')}",
    f"update {TASKS} set status = 'completed', completed_at = '2026-06-15T12:00:00Z'"
    f" where task_id in {some(TASKS, 'task_id', 40, 'completed', 'completed_at is null')}",
    f"update {CATEGORIES} set name = name || '!' where category_id in {some(CATEGORIES, 'category_id', 8, 'name')}",
    f"update {EXECUTIONS} set status = 'completed', ended_at = enrolled_at + interval '5 days'"
    f" where execution_id in {some(EXECUTIONS, 'execution_id', 30, 'ended', 'ended_at is null')}",
    f"update {EXECUTIONS} set status = 'active', ended_at = null"
    f" where execution_id in {some(EXECUTIONS, 'execution_id', 30, 'again', 'ended_at is not null')}",
    f"update {EXECUTIONS} set goal_reached_at = enrolled_at + interval '1 hour'"
    f" where execution_id in {some(EXECUTIONS, 'execution_id', 20, 'goal', 'goal_reached_at is null')}",
    f"update {WORKFLOWS} set conversion_window_seconds = 86400"
    f" where workflow_id in {some(WORKFLOWS, 'workflow_id', 4, 'window')}",
)

HISTORY = ((MOVES, demo.AS_OF), (DELETES, demo.AS_OF), (UNDELETES, demo.AS_OF), (STATUSES, LATER))


def test_a_history_of_the_demo_ends_where_a_new_warehouse_begins(lab: Lab) -> None:
    demo.fill(lab.source, demo.SMALLEST_SCALE)
    lab.run(demo.AS_OF, gate_open=True)
    dumps = [lab.dump()]
    for changes, as_of in HISTORY:
        lab.write(*changes)
        run = lab.run(as_of, gate_open=True)
        assert {outcome.error for outcome in run.outcomes.values()} == {None}
        assert lab.published_since(run)
        dumps.append(lab.dump())
        assert dumps[-1] != dumps[-2]
    assert_published(lab, LATER)

    lab.start_over()
    lab.run(LATER, gate_open=True)
    from_scratch = lab.dump()
    assert {name for name, rows in dumps[-1].items() if rows != from_scratch[name]} == set()
