"""Scheduling marts: from scratch, one changed task, and what a widget waits for; each beside hand-written SQL.

Rounds are interleaved; imports are done before the first. "hand-written" is the shortest SQL that gives
the same rows of the largest mart (goals) from the published days: the floor for that part, without history,
checks or publication. The widget's figures are read from the mart and, beside it, computed from raw.

    python -m benchmarks.scheduling ../shared/data/real [rounds] [copies of the users]
"""

import datetime as dt
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from warehouse import loading, schema
from warehouse.database import Connection, connect
from warehouse.plan import Parameters
from warehouse.refresh import Places, Refresh
from warehouse.server import EmbeddedServer

AS_OF = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
APPLICATION = "scheduling"
MOVED = '[{{"start": "2012-02-{day}T09:00:00Z", "end": "2012-02-{day}T10:00:00Z"}}]'
LOOKS = 200
"""Widgets read per round: enough for a 95th percentile."""

COPY = """
insert into scheduling.users select weir_copy(user_id, {n}), email, timezone, created_at, updated_at, deleted_at
    from scheduling.users where user_id in (select user_id from original);
insert into scheduling.categories select weir_copy(category_id, {n}), weir_copy(user_id, {n}), name, color, updated_at,
    deleted_at from scheduling.categories where user_id in (select user_id from original);
insert into scheduling.tasks select weir_copy(task_id, {n}), weir_copy(user_id, {n}), weir_copy(category_id, {n}),
    title, status, scheduled_slots, completed_at, created_at, updated_at, deleted_at
    from scheduling.tasks where user_id in (select user_id from original);
insert into scheduling.user_calendar_days select weir_copy(calendar_day_id, {n}), weir_copy(user_id, {n}), date,
    focus_slots, updated_at from scheduling.user_calendar_days where user_id in (select user_id from original);
insert into scheduling.goals select weir_copy(goal_id, {n}), weir_copy(user_id, {n}), weir_copy(category_id, {n}), name,
    target_type, target_value, time_period, start_date, end_date, is_active, created_at, updated_at, deleted_at
    from scheduling.goals where user_id in (select user_id from original)
"""

HAND_WRITTEN = """
create temp table goals_by_hand on commit drop as
with periods as (
    select g.*, p::date as period_start, least((p + case g.time_period when 'weekly' then interval '6 days'
        when 'monthly' then interval '1 month -1 day' else interval '0' end)::date, '2017-12-31') as period_end
    from raw.scheduling__goals as g
    cross join generate_series(
        date_trunc(case g.time_period when 'weekly' then 'week' when 'monthly' then 'month' else 'day' end,
            g.start_date::timestamp),
        least(g.end_date, '2017-12-31')::timestamp,
        case g.time_period when 'weekly' then interval '7 days' when 'monthly' then interval '1 month'
            else interval '1 day' end) as p
), sums as (
    select p.goal_id, p.period_start, sum(d.total_scheduled_minutes) as minutes, sum(d.completed_tasks_count) as done
    from periods as p
    inner join marts.analytics_daily_metrics as d
        on d.user_id = p.user_id and d.date between p.period_start and p.period_end
    group by 1, 2
)
select p.goal_id, p.user_id, p.period_start, p.period_end, p.target_value, s.minutes, s.done
from periods as p left join sums as s using (goal_id, period_start)
"""

WIDGET = "select * from marts.quick_stats where user_id = %s and window_days = 30"
WIDGET_FROM_RAW = """
select sum(extract(epoch from (s ->> 'end')::timestamptz - (s ->> 'start')::timestamptz)) / 60
from raw.scheduling__tasks as t cross join lateral jsonb_array_elements(t.scheduled_slots) as s
where t.user_id = %s and t.deleted_at is null and s ->> 'start' between '2017-12-01' and '2018-01-01'
"""


def timed(do: Callable[[], object]) -> float:
    """Wall seconds."""
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def run(places: Places) -> None:
    """Extract, build, check and publish scheduling, as ``weir run --only scheduling`` does inside."""
    parameters = Parameters(str(uuid.uuid4()), AS_OF, dt.date(2000, 1, 1))
    with Refresh(places, parameters, (APPLICATION,)) as refresh:
        refresh.extract(APPLICATION)
        refresh.refresh_facts(APPLICATION)
        refresh.build(APPLICATION)


def by_hand(warehouse: Connection) -> None:
    """The goals' rows with plain SQL."""
    with warehouse.transaction():
        warehouse.execute(HAND_WRITTEN)


def looks(warehouse: Connection, query: str, users: list[uuid.UUID]) -> float:
    """95th percentile of the seconds that one user's figures take."""
    seconds = [timed(lambda user=user: warehouse.execute(query, (user,)).fetchall()) for user in users]  # type: ignore[misc]
    return statistics.quantiles(seconds, n=20)[-1]


def new_warehouse(server: EmbeddedServer) -> None:
    """An empty, migrated warehouse."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists warehouse with (force)")
    server.ensure_database("warehouse")
    with connect(server.url("warehouse"), name="benchmark") as warehouse:
        schema.migrate(warehouse, server.url("warehouse"))


def multiply(source: psycopg.Connection, copies: int) -> None:
    """Copies of all users and of what is theirs, with ids of their own."""
    source.execute(
        "create function weir_copy(id uuid, n integer) returns uuid language sql immutable"
        " return md5(id::text || '/' || n)::uuid"
    )
    source.execute("create temp table original as select user_id from scheduling.users")
    for number in range(1, copies):
        source.execute(COPY.format(n=number))  # type: ignore[arg-type]
    source.execute("drop function weir_copy")


def main(data: Path, rounds: int, copies: int) -> None:
    """Measure and print a table of medians."""
    if not data.is_dir():
        sys.exit(f"{data} is not there; give the folder of source tables to measure on")
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = EmbeddedServer(Path(folder) / "home")
        server.start()
        try:
            server.ensure_database("source")
            source = psycopg.connect(server.url("source"), autocommit=True)
            with connect(server.url("source"), name="benchmark") as empty:
                loading.create(empty)
            loading.load(lambda application: connect(server.url("source"), name="benchmark"), data)
            multiply(source, copies)
            places = Places(Path(folder) / "lab", server.url("warehouse"), {APPLICATION: server.url("source")})
            new_warehouse(server)
            run(places)  # imports, manifest, caches
            for number in range(rounds):
                new_warehouse(server)
                seconds.setdefault("all marts from scratch", []).append(timed(lambda: run(places)))
                with connect(server.url("warehouse"), name="benchmark") as warehouse:
                    seconds.setdefault("goals alone, hand-written", []).append(timed(lambda: by_hand(warehouse)))
                    source.execute(
                        "update scheduling.tasks set scheduled_slots = %s where task_id ="
                        " (select task_id from scheduling.tasks order by task_id limit 1)",
                        (MOVED.format(day=10 + number),),
                    )
                    seconds.setdefault("one changed task to published", []).append(timed(lambda: run(places)))
                    users = [
                        row[0]
                        for row in warehouse.execute(
                            "select user_id from marts.quick_stats where window_days = 30 order by md5(user_id::text)"
                            " limit %s",
                            (LOOKS,),
                        )
                    ]
                    for name, query in (("a widget, from the mart", WIDGET), ("the same, from raw", WIDGET_FROM_RAW)):
                        seconds.setdefault(f"{name} (p95)", []).append(looks(warehouse, query, users))  # type: ignore[arg-type]
            source.close()
        finally:
            server.remove()
    table = Table("", "median", "range", box=None)
    for name, found in seconds.items():
        table.add_row(name, f"{statistics.median(found):.4f} s", f"{min(found):.4f}–{max(found):.4f}")
    Console(width=100).print(f"medians of {rounds} interleaved rounds, users × {copies}", table)


if __name__ == "__main__":
    given = sys.argv[1:] + ["../shared/data/real", "5", "1"][len(sys.argv) - 1 :]
    main(Path(given[0]), int(given[1]), int(given[2]))
