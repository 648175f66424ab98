"""Workflow marts from a log with the shape of the real one: the pipeline, and hand-written SQL beside it.

The source is filled with copies of the real log, each 150 days after the last, as it stood when it had so many events.
Then rounds, each on an empty warehouse, with everything imported: a first run; the same marts by hand, compared row by
row; a run after the log's next 1,000 events; one after 1,000 late events of executions anywhere in the log. "transform"
is what compares with the hand-written SQL: the stages facts (with the index on raw that later runs look keys up by),
plan (which days are dirty) and build, dbt's own time included. Extract, gate ("check") and publication stand beside it.
Of each there is wall time, and processor time of this process and of the server with all its workers, which other
work on the machine disturbs less. Dashboard queries run on marts of 1 M rows each, with their indexes, with monthly
partitions alone, and on copies with neither. Nothing is asserted; ratios are printed.

    python -m benchmarks.workflows ../shared/data/real 100000 1000000
"""

import datetime as dt
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from warehouse import loading, schema, warm_up
from warehouse.catalog import marts
from warehouse.database import Connection, connect, fetch_row
from warehouse.plan import Parameters
from warehouse.refresh import Places, Refresh, new_run_id
from warehouse.server import EmbeddedServer
from warehouse.transform import Transformer

ROUNDS = 3
TRANSFORM = ("facts", "plan", "build")
"""Stages of a run that the hand-written SQL stands beside."""
QUERIES = 40
APPLICATION = "workflows"
HERE = Path(__file__).parent
BY_HAND = (HERE / "workflows.sql").read_text(encoding="utf-8") + "".join(
    (HERE / "workflow_periods.sql").read_text(encoding="utf-8").replace(":period", period)
    for period in ("week", "month")
)

COPY = """
create schema ahead;
create table ahead.executions as
select md5(e.execution_id::text || n)::uuid as execution_id, e.workflow_id,
    md5(e.contact_id::text || n)::uuid as contact_id, e.status, e.enrolled_at + n * interval '150 days' as enrolled_at,
    e.ended_at + n * interval '150 days' as ended_at, e.goal_reached_at + n * interval '150 days' as goal_reached_at,
    e.current_step_id
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
select (select greatest(max(event_id), {late}) from workflows.workflow_events) + row_number() over (),
    execution_id, workflow_id, step_id, event_type, occurred_at + interval '1 second'
from (
    select * from workflows.workflow_events where event_id <= {late}
    order by md5((event_id + {seed})::text) limit {count}
) as chosen
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
        "select step_position, step_name, sum(entered_count), sum(enrolled_count) from {schema}.workflow_step_metrics"
        " where workflow_id = md5('7')::uuid and date >= '2023-02-01' and date < '2024-02-01'"
        " group by step_position, step_name order by step_position"
    ),
    "trend of 1,000 workflows over 30 days": (
        "select date, sum(enrolled_count), sum(cohort_converted_count) from {schema}.workflow_analytics"
        " where date >= '2023-06-10' and date < '2023-07-10' group by date order by date"
    ),
    "active executions of one workflow": (
        "select count(*), min(enrolled_at) from {schema}.workflow_executions"
        " where workflow_id = md5('7')::uuid and ended_at is null"
    ),
}

DASHBOARD_ROWS = """
insert into {schema}.workflow_analytics (workflow_id, date, enrolled_count, completed_count, failed_count, exited_count,
    goal_count, active_count, cohort_converted_count, conversion_rate)
select md5(w::text)::uuid, date '2023-01-01' + d, 9, 5, 1, 1, 2, 7, 4, 0.4444
from generate_series(0, {days} - 1) as d cross join generate_series(1, {workflows}) as w
order by 2, 1;
insert into {schema}.workflow_step_metrics (workflow_id, step_id, date, step_position, step_name, enrolled_count,
    entered_count, skipped_count, completed_count, failed_count, dropped_count, open_count, is_mature)
select md5(w::text)::uuid, md5(w || '/' || s)::uuid, date '2023-01-01' + d, s, 'step ' || s, 9, 8, 1, 7, 1, 0, 0, true
from generate_series(0, {days} / 2 - 1) as d cross join generate_series(1, {workflows} * 2 / 5) as w
cross join generate_series(1, 5) as s
order by 3, 1, 2;
insert into {schema}.workflow_executions (execution_id, workflow_id, contact_id, status, enrolled_at, enrolled_date,
    ended_at, is_converted)
select md5(w || '/' || d)::uuid, md5(w::text)::uuid, md5(d::text)::uuid, 'active',
    timestamptz '2023-01-01Z' + d * interval '1 day', date '2023-01-01' + d,
    case when (w + d) % 100 > 0 then timestamptz '2023-01-02Z' + d * interval '1 day' end, false
from generate_series(0, {days} - 1) as d cross join generate_series(1, {workflows}) as w
order by 6, 1;
"""
"""In the order in which they are published: by date, then by key."""


def fill_dashboards(warehouse: Connection, workflows: int, days: int) -> None:
    """Rows of three marts, their product each; and without indexes in ``partitioned``, without partitions in ``bare``.

    Args:
        warehouse: migrated, and empty but for this.
        workflows: how many, two of five of them with five steps.
        days: from 2023-01-01 on; half of them have funnels.
    """
    months = {(dt.date(2023, 1, 1) + dt.timedelta(days=day)).replace(day=1) for day in range(days)}
    for schema_name in ("bare", "partitioned"):
        warehouse.execute(f"create schema {schema_name}")  # type: ignore[arg-type]
    for mart, column in (
        ("workflow_analytics", "date"),
        ("workflow_step_metrics", "date"),
        ("workflow_executions", "enrolled_date"),
    ):
        warehouse.execute(f"create table bare.{mart} (like marts.{mart})")  # type: ignore[arg-type]
        warehouse.execute(f"create table partitioned.{mart} (like marts.{mart}) partition by range ({column})")  # type: ignore[arg-type]
        for schema_name in ("marts", "partitioned"):
            for month in sorted(months):
                after = (month + dt.timedelta(days=31)).replace(day=1)
                warehouse.execute(
                    f"create table {schema_name}.{mart}_{month:%Y_%m} partition of {schema_name}.{mart}"  # type: ignore[arg-type]
                    f" for values from ('{month}') to ('{after}')"
                )
    for schema_name in ("marts", "bare", "partitioned"):
        warehouse.execute(DASHBOARD_ROWS.format(schema=schema_name, workflows=workflows, days=days))  # type: ignore[arg-type]
    warehouse.execute("vacuum analyze")


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def postmaster_of(server: EmbeddedServer) -> int:
    """Process id of a server's first process."""
    with psycopg.connect(server.url("postgres")) as connection:
        row = connection.execute("select (string_to_array(pg_read_file('postmaster.pid'), chr(10)))[1]").fetchone()
    assert row is not None
    return int(row[0])


def processor_seconds(postmaster: int) -> float:
    """Processor time so far of this process and of a server with its sessions and workers, ended ones included."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile: its parent has its time
            continue
        if int(path.parent.name) == postmaster:
            ticks += sum(map(int, fields[11:15]))  # own, and that of children that have ended
        elif int(fields[1]) == postmaster:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK") + time.process_time()


class MeasuredRefresh(Refresh):
    """A run that also notes the processor time of its stages."""

    postmaster = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add processor time beside the wall time."""
        before = processor_seconds(self.postmaster)
        with super().stage(name):
            yield
        key = f"{name}, processor"
        self.seconds[key] = self.seconds.get(key, 0.0) + processor_seconds(self.postmaster) - before


def run(places: Places, as_of: dt.datetime) -> dict[str, float]:
    """Run the application's part of the pipeline; seconds per stage and in all."""
    started = time.perf_counter()
    parameters = Parameters(new_run_id(), as_of, dt.date(2000, 1, 1))
    with MeasuredRefresh(places, parameters, (APPLICATION,)) as refresh:
        refresh.extract(APPLICATION)
        refresh.refresh_facts(APPLICATION)
        outcome = refresh.build(APPLICATION)
    assert outcome.status == "published", outcome.status
    stages = refresh.seconds
    total = time.perf_counter() - started
    whole = {
        f"{name}{kind}": sum(stages.get(f"{stage}{kind}", 0) for stage in parts)
        for name, parts in (("transform", TRANSFORM), ("landed to published", (*TRANSFORM, "check", "publish")))
        for kind in ("", ", processor")
    }
    # Whatever is in no stage counts too.
    return {**stages, **whole, "landed to published": total - stages["extract"], "total": total}


def by_hand(warehouse: Connection) -> None:
    """Make the marts with plain SQL."""
    for statement in BY_HAND.split(";\n"):
        if statement.strip():
            warehouse.execute(statement)  # type: ignore[arg-type]


def differing(warehouse: Connection) -> int:
    """Rows that are in a mart but not among those made by hand, or the other way round."""
    count = 0
    for mart in marts(APPLICATION):
        if mart.dated:
            query = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
            columns = ", ".join(str(name) for (name,) in warehouse.execute(query, (f"marts.{mart.name}",)))
            here, there = (f"select {columns} from {place}.{mart.name}" for place in ("marts", "by_hand"))
            (rows,) = fetch_row(
                warehouse,
                f"select count(*) from (({here} except all {there}) union all ({there} except all {here})) as rows",
            )
            count += int(str(rows))
    return count


def measure(server: EmbeddedServer, home: Path, data: Path, size: int, rounds: int) -> dict[str, float]:
    """Medians of one size, in seconds."""
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds)

    for number in range(rounds):
        _fresh(server, "source")
        _fresh(server, "warehouse")
        with (
            psycopg.connect(server.url("source"), autocommit=True) as source,
            connect(server.url("warehouse"), name="benchmark") as warehouse,
        ):
            loading.create(connect(server.url("source"), name="benchmark"))
            loading.load(lambda application: connect(server.url("source"), name="benchmark"), data)
            fill(source, size)
            schema.migrate(warehouse, server.url("warehouse"))
            places = Places(home, server.url("warehouse"), {APPLICATION: server.url("source")})
            Transformer(server.url("warehouse"), home / "dbt").compiled()
            first = run(places, now(source))
            for stage, seconds in first.items():
                note(f"first run: {stage}", seconds)
            warehouse.execute("create schema by_hand")
            before = processor_seconds(MeasuredRefresh.postmaster)
            hand = {"": timed(lambda: by_hand(warehouse))}
            hand[", processor"] = processor_seconds(MeasuredRefresh.postmaster) - before
            for kind, seconds in hand.items():
                note(f"the same marts by hand{kind}", seconds)
                note(f"transform / by hand{kind}", first[f"transform{kind}"] / seconds)
            note("rows by hand that differ", differing(warehouse))
            warehouse.execute("drop schema by_hand cascade")
            for what, change in (("the next 1,000 events", advance), ("1,000 late events", add_late)):
                change(source, 1000)
                for stage, seconds in run(places, now(source)).items():
                    note(f"{what}: {stage}", seconds)
        print(f"{size:,} events, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def now(source: psycopg.Connection) -> dt.datetime:
    """A minute after the last event, late ones left out."""
    query = "select max(occurred_at) + interval '1 minute' from workflows.workflow_events where event_id <= %s"
    (instant,) = source.execute(query, (LATE_IDS,)).fetchone() or (None,)
    assert isinstance(instant, dt.datetime)
    return instant


def dashboards(server: EmbeddedServer) -> Table:
    """95th percentiles of the dashboard queries, in milliseconds."""
    table = Table("dashboard query, p95 in ms", "marts", "no indexes", "neither", "marts / neither", box=None)
    _fresh(server, "warehouse")
    with connect(server.url("warehouse"), name="benchmark") as warehouse:
        schema.migrate(warehouse, server.url("warehouse"))
        fill_dashboards(warehouse, workflows=1000, days=1000)
        for name, query in DASHBOARD.items():
            seconds: dict[str, list[float]] = {place: [] for place in ("marts", "partitioned", "bare")}
            for _ in range(QUERIES):
                for place, times in seconds.items():
                    statement = query.format(schema=place)
                    times.append(timed(lambda: warehouse.execute(statement).fetchall()))  # type: ignore[arg-type]  # noqa: B023
            p95 = [statistics.quantiles(times, n=20)[-1] for times in seconds.values()]
            table.add_row(name, *(f"{1000 * value:.1f}" for value in p95), f"{p95[0] / p95[2]:.3f}")
    return table


def _fresh(server: EmbeddedServer, name: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {name}")


def main(data: Path, sizes: list[int], rounds: int = ROUNDS) -> None:
    """Measure and print tables of medians."""
    if not data.is_dir():
        sys.exit(f"{data} is not there; give the folder of source tables to measure on")
    for library in warm_up.LIBRARIES:
        importlib.import_module(library)
    columns = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = EmbeddedServer(Path(folder) / "home")
        server.start()
        try:
            MeasuredRefresh.postmaster = postmaster_of(server)
            for size in sizes:
                columns[size] = measure(server, Path(folder) / "state", data, size, rounds)
            looks = dashboards(server)
        finally:
            server.remove()
    table = Table("seconds", *(f"{size:,} events" for size in sizes), box=None)
    for name in dict.fromkeys(name for found in columns.values() for name in found):
        table.add_row(name, *(f"{columns[size].get(name, 0):.3f}" for size in sizes))
    console = Console(width=120)
    console.print(f"medians of {rounds} rounds", table)
    console.print(f"{QUERIES} interleaved rounds at 1 M rows", looks)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(text) for text in sys.argv[2:]] or [100_000], int(os.environ.get("ROUNDS", ROUNDS)))
