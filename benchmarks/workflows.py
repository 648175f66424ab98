"""Workflow marts from a log with the shape of the real one: the pipeline, and hand-written SQL beside it.

Per size: the source is filled with copies of the real executions, each copy 150 days later; then rounds, interleaved,
of a first run and of a run after 1,000 new events, all in this process with everything imported. "transform" is what
compares with the hand-written SQL: facts, plan and build. Dashboard queries are timed with the marts' indexes and on
copies of the same tables without any. Nothing is asserted; ratios are printed.

    python -m benchmarks.workflows ../shared/data/real 100000 1000000
"""

import datetime as dt
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from warehouse import loading, schema
from warehouse.database import Connection, connect, fetch_row
from warehouse.plan import Parameters
from warehouse.refresh import Places, Refresh, new_run_id
from warehouse.server import EmbeddedServer

ROUNDS = 3
QUERIES = 40
AS_OF = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
FLOORS = Path(__file__).with_suffix(".sql")
"""The same marts by hand, from raw, without facts, history or checks."""

COPY = """
create schema ahead;
create table ahead.executions as
select md5(e.execution_id::text || n)::uuid as execution_id, e.workflow_id, md5(e.contact_id::text || n)::uuid as contact_id,
    e.status, e.enrolled_at + n * interval '150 days' as enrolled_at, e.ended_at + n * interval '150 days' as ended_at,
    e.goal_reached_at + n * interval '150 days' as goal_reached_at, e.current_step_id
from workflows.workflow_executions as e cross join generate_series(0, {copies}) as n;
create table ahead.events as
select row_number() over (order by occurred_at, event_id) as event_id, execution_id, workflow_id, step_id, event_type,
    occurred_at, duration_ms, payload
from (
    select v.event_id, md5(v.execution_id::text || n)::uuid as execution_id, v.workflow_id, v.step_id, v.event_type,
        v.occurred_at + n * interval '150 days' as occurred_at, v.duration_ms, v.payload
    from workflows.workflow_events as v cross join generate_series(0, {copies}) as n
) as copies;
create index on ahead.events (event_id);
create index on ahead.executions (enrolled_at);
truncate workflows.workflow_events, workflows.workflow_executions;
analyze
"""

ADVANCE = """
insert into workflows.workflow_events (event_id, execution_id, workflow_id, step_id, event_type, occurred_at,
    recorded_at, duration_ms, payload)
select event_id, execution_id, workflow_id, step_id, event_type, occurred_at, occurred_at, duration_ms, payload
from ahead.events where event_id > {last} and event_id <= {last} + {count};
insert into workflows.workflow_executions as known (execution_id, workflow_id, contact_id, status, enrolled_at,
    ended_at, goal_reached_at, current_step_id)
select execution_id, workflow_id, contact_id, case when ended_at <= now.instant then status else 'active' end,
    enrolled_at, case when ended_at <= now.instant then ended_at end,
    case when goal_reached_at <= now.instant then goal_reached_at end, current_step_id
from ahead.executions
cross join (select occurred_at as instant from ahead.events where event_id = {last} + {count}) as now
where enrolled_at <= now.instant
on conflict (execution_id) do update set status = excluded.status, ended_at = excluded.ended_at,
    goal_reached_at = excluded.goal_reached_at, updated_at = now()
where (known.status, known.ended_at, known.goal_reached_at)
    is distinct from (excluded.status, excluded.ended_at, excluded.goal_reached_at)
"""

LATE = """
insert into workflows.workflow_events (event_id, execution_id, workflow_id, step_id, event_type, occurred_at)
select (select greatest(max(event_id), {late}) from workflows.workflow_events) + row_number() over (), execution_id, workflow_id, step_id, event_type,
    occurred_at + interval '1 second'
from (select * from workflows.workflow_events where event_id <= {late} order by md5((event_id + {seed})::text) limit {count}) as v
"""
LATE_IDS = 1_000_000_000
"""Ids of late events begin behind it."""


def fill(source: psycopg.Connection, size: int) -> None:
    """Make the log as it stood when it had this many events: copies of the real one, each 150 days after the last."""
    (whole,) = source.execute("select count(*) from workflows.workflow_events").fetchone() or (0,)
    source.execute(COPY.format(copies=size // whole + 1))
    advance(source, size)
    source.execute("analyze")


def advance(source: psycopg.Connection, count: int) -> None:
    """The next events of the log, with what became of the executions by then."""
    query = "select coalesce(max(event_id), 0) from workflows.workflow_events where event_id <= %s"
    (last,) = source.execute(query, (LATE_IDS,)).fetchone() or (0,)
    source.execute(ADVANCE.format(last=last, count=count))


def add_late(source: psycopg.Connection, count: int) -> None:
    """Late events: of executions anywhere in the log, a second after one of theirs."""
    (seed,) = source.execute("select count(*) from workflows.workflow_events").fetchone() or (0,)
    source.execute(LATE.format(late=LATE_IDS, count=count, seed=seed))


DASHBOARD = {
    "funnel of one workflow over a year": (
        "select step_position, sum(entered_count), sum(enrolled_count) from {schema}.workflow_step_metrics"
        " where workflow_id = (select min(workflow_id::text)::uuid from marts.dim_workflow)"
        " and date >= '2012-01-01' and date < '2013-01-01' group by step_position"
    ),
    "trend of all workflows over 30 days": (
        "select workflow_id, date, enrolled_count, conversion_rate from {schema}.workflow_analytics"
        " where date >= '2012-06-01' and date < '2012-07-01'"
    ),
}


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def run(places: Places) -> dict[str, float]:
    """Run the application's part of the pipeline; seconds per stage and in all."""
    started = time.perf_counter()
    parameters = Parameters(new_run_id(), AS_OF, dt.date(2000, 1, 1))
    with Refresh(places, parameters, ("workflows",)) as refresh:
        refresh.extract("workflows")
        refresh.refresh_facts("workflows")
        refresh.build("workflows")
    stages = refresh.seconds
    transform = stages.get("facts", 0) + stages.get("plan", 0) + stages.get("build", 0)
    return {**stages, "transform": transform, "total": time.perf_counter() - started}


def measure(server: EmbeddedServer, home: Path, data: Path, size: int) -> dict[str, float]:
    """Medians of one size."""
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds)

    _fresh(server, "source")
    with psycopg.connect(server.url("source"), autocommit=True) as source:
        loading.create(source)
        loading.load(lambda application: connect(server.url("source"), name="benchmark"), data)
        fill(source, size)
        for number in range(ROUNDS):
            _fresh(server, "warehouse")
            warehouse = connect(server.url("warehouse"), name="benchmark")
            schema.migrate(warehouse, server.url("warehouse"))
            places = Places(home, server.url("warehouse"), {"workflows": server.url("source")})
            for stage, seconds in run(places).items():
                note(f"first run: {stage}", seconds)
            warehouse.execute("create schema by_hand")
            note("hand-written SQL", timed(lambda: warehouse.execute(FLOORS.read_text(encoding="utf-8"))))  # noqa: B023
            source.execute(
                "insert into workflows.workflow_events (execution_id, workflow_id, step_id, event_type, occurred_at,"
                " event_id) select execution_id, workflow_id, step_id, event_type, occurred_at + interval '1 second',"
                " 900000000 + %(n)s * 1000 + row_number() over () from (select * from workflows.workflow_events"
                " where event_id < 900000000 order by md5(event_id::text || %(n)s) limit 1000) as chosen",
                {"n": number},
            )
            for stage, seconds in run(places).items():
                note(f"1,000 new events: {stage}", seconds)
            _dashboard(warehouse, note)
            warehouse.close()
    return {
        name: statistics.quantiles(seconds, n=20)[-1] if name.startswith("p95") else statistics.median(seconds)
        for name, seconds in found.items()
    }


def _dashboard(warehouse: Connection, note: Callable[[str, float], None]) -> None:
    warehouse.execute("create schema bare")
    for mart in ("workflow_step_metrics", "workflow_analytics"):
        warehouse.execute(f"create table bare.{mart} as select * from marts.{mart}")
    warehouse.execute("analyze")
    for name, query in DASHBOARD.items():
        for _ in range(QUERIES):
            for place in ("marts", "bare"):
                statement = query.format(schema=place)
                note(f"p95, {name}: {place}", timed(lambda: warehouse.execute(statement).fetchall()))  # noqa: B023


def _fresh(server: EmbeddedServer, name: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {name}")


def main(data: Path, sizes: list[int]) -> None:
    """Measure and print a table of medians."""
    if not data.is_dir():
        sys.exit(f"{data} is not there; give the folder of source tables to measure on")
    columns = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = EmbeddedServer(Path(folder) / "home")
        server.start()
        try:
            for size in sizes:
                columns[size] = measure(server, Path(folder) / "state", data, size)
                hand = columns[size]["hand-written SQL"]
                columns[size]["transform / hand-written"] = columns[size]["first run: transform"] / hand
        finally:
            server.remove()
    table = Table("seconds", *(f"{size:,} events" for size in sizes), box=None)
    for name in dict.fromkeys(name for found in columns.values() for name in found):
        table.add_row(name, *(f"{columns[size].get(name, 0):.3f}" for size in sizes))
    Console(width=120).print(f"medians of {ROUNDS} interleaved rounds", table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(text) for text in sys.argv[2:]] or [100_000])
