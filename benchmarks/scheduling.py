"""Scheduling marts: from scratch, after one changed task, and what a widget waits for; hand-written SQL beside them.

Per size (copies of all users), rounds, interleaved: a new warehouse and a run from scratch, the same marts by hand
from raw (``scheduling.sql``; its rows are compared with the marts, and any difference ends the benchmark), and a run
after one changed task. All in this process with everything imported and the compiled project read: timed is from
opening the warehouse to the end of the run. Of a run, "marts" is facts, plan and build: from rows landed in raw to all
marts made, what compares with the hand-written SQL. "published" adds gate and publication, "all" the extract. Beside
wall seconds stand CPU seconds, of the server and of this process: on a machine that is not quiet they are the ones to
compare.

Then the widget: raw and marts are filled up to a million daily rows with more copies of the users, and the quick stats
of one user are read from the mart and, beside it, computed from raw (``scheduling_widget.sql``), which is given an
index on the user for that. Nothing is asserted of times; medians, ranges and ratios are printed.

    python -m benchmarks.scheduling ../shared/data/real [--rounds 5] [--copies 1 10] [--daily-rows 1000000]
"""

import argparse
import contextlib
import datetime as dt
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from warehouse import loading, schema, warm_up
from warehouse.catalog import mart
from warehouse.database import Connection, connect
from warehouse.plan import Parameters
from warehouse.refresh import Places, Refresh, new_run_id
from warehouse.server import EmbeddedServer

APPLICATION = "scheduling"
AS_OF = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
BY_HAND = Path(__file__).with_suffix(".sql")
MARTS = (
    "analytics_daily_metrics",
    "category_daily_metrics",
    "analytics_monthly_metrics",
    "quick_stats",
    "goal_progress_snapshots",
)
LOOKS = 400
"""Widgets read: enough for a 95th percentile."""

MOVE = """
update scheduling.tasks set scheduled_slots = jsonb_build_array(jsonb_build_object(
    'start', format('2012-02-%%sT09:00:00Z', %(day)s::text), 'end', format('2012-02-%%sT10:00:00Z', %(day)s::text)))
where task_id = (
    select task_id from scheduling.tasks where scheduled_slots::text like '%%2012-%%' order by task_id limit 1)
"""

COPIED = {
    "users": ("user_id",),
    "categories": ("category_id", "user_id"),
    "tasks": ("task_id", "user_id", "category_id"),
    "user_calendar_days": ("calendar_day_id", "user_id"),
    "goals": ("goal_id", "user_id", "category_id"),
}
"""Tables of the application, and the ids that each copy has of its own."""

WIDGET = "select * from marts.quick_stats where user_id = %s and window_days = 30"

WIDGET_FROM_RAW = Path(__file__).with_name("scheduling_widget.sql")


class Seconds(NamedTuple):
    """Of wall time, and of CPU time of the server and this process (0 where there is no /proc)."""

    wall: float
    cpu: float

    def __add__(self, other: tuple[object, ...]) -> "Seconds":
        wall, cpu = (float(str(part)) for part in other)
        return Seconds(self.wall + wall, self.cpu + cpu)


_postmaster: list[int] = []
"""Process id of the server measured; empty where there is no /proc."""


def watch(server: EmbeddedServer) -> None:
    """Count this server's CPU seconds from now on."""
    with connect(server.url("postgres"), name="benchmark") as connection, contextlib.suppress(OSError):
        _postmaster[:] = _stat(connection.info.backend_pid)[1:2]


def _stat(pid: int) -> list[int]:
    """Fields of /proc/PID/stat after the command, the state as 0: then parent, ..., CPU ticks, those of waited-for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    return [0, *map(int, fields[1:15])]


def cpu_seconds() -> float:
    """So far: of this process, and of the server's processes, those that have ended included."""
    ticks = _server_ticks(_postmaster[0]) if _postmaster else 0
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _server_ticks(postmaster: int) -> int:
    """Of the postmaster, its children, and those it has waited for; again where one has ended while they were read."""
    while True:
        before = _stat(postmaster)
        ticks = sum(before[11:15])
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = _stat(int(folder.name))
                ticks += sum(fields[11:13]) if fields[1] == postmaster else 0
        if _stat(postmaster)[13:15] == before[13:15]:
            return ticks


class Watched(Refresh):
    """A run that notes CPU seconds of each stage too."""

    cpu: dict[str, float]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the run's seconds of a stage."""
        started = cpu_seconds()
        with super().stage(name):
            yield
        self.cpu = getattr(self, "cpu", {})
        self.cpu[name] = self.cpu.get(name, 0.0) + cpu_seconds() - started


def timed(do: Callable[[], object]) -> Seconds:
    """What it takes."""
    started, cpu = time.perf_counter(), cpu_seconds()
    do()
    return Seconds(time.perf_counter() - started, cpu_seconds() - cpu)


def run(places: Places) -> dict[str, Seconds]:
    """Extract, build, check and publish scheduling, as ``weir run --only scheduling`` does inside; per part."""
    parts: dict[str, Seconds] = {}

    def extract_build_publish() -> None:
        parameters = Parameters(new_run_id(), AS_OF, dt.date(2000, 1, 1))
        with Watched(places, parameters, (APPLICATION,)) as refresh:
            refresh.extract(APPLICATION)
            refresh.refresh_facts(APPLICATION)
            refresh.build(APPLICATION)
        parts.update({name: Seconds(seconds, refresh.cpu[name]) for name, seconds in refresh.seconds.items()})

    total = timed(extract_build_publish)
    parts["marts"] = parts["facts"] + parts["plan"] + parts["build"]
    parts["published"] = parts["marts"] + parts["check"] + parts["publish"]
    return {**parts, "all": total}


def by_hand(warehouse: Connection) -> None:
    """The same marts with plain SQL, into schema by_hand."""
    warehouse.execute("drop schema if exists by_hand cascade")
    warehouse.execute("create schema by_hand")
    for statement in BY_HAND.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            warehouse.execute(statement.encode())


def compare(warehouse: Connection) -> None:
    """End the benchmark where the hand-written rows are not those of the marts: it would compare two things."""
    for name in MARTS:
        columns = warehouse.execute(
            "select string_agg(quote_ident(column_name) || '::text', ', ' order by column_name)"
            " from information_schema.columns where table_schema = 'by_hand' and table_name = %s",
            (name,),
        ).fetchall()[0][0]
        hand, published = (f"select {columns} from {place}.{name}" for place in ("by_hand", "marts"))
        ((differing,),) = warehouse.execute(
            f"select count(*) from (({hand} except all {published}) union all"
            f" ({published} except all {hand})) as differing".encode()
        ).fetchall()
        if differing:
            sys.exit(f"{name}: {differing} rows differ between the mart and the hand-written SQL")


def copy_users(connection: psycopg.Connection, place: str, separator: str, numbers: range) -> None:
    """Copies of all users and of what is theirs, with ids of their own, in the source or in raw."""
    connection.execute(
        "create or replace function pg_temp.copy_of(id uuid, n integer) returns uuid language sql immutable"
        " return md5(id::text || '/' || n)::uuid"
    )
    for table, ids in COPIED.items():
        relation = sql.Identifier(place, f"scheduling{separator}{table}" if separator else table)
        columns = [
            str(name)
            for (name,) in connection.execute(
                "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
                (relation.as_string(connection),),
            )
        ]
        connection.execute(sql.SQL("create temp table originals as select * from {}").format(relation))
        connection.execute(
            sql.SQL("insert into {} ({}) select {} from originals cross join generate_series({}, {}) as n").format(
                relation,
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(
                    sql.SQL("pg_temp.copy_of({}, n)" if name in ids else "{}").format(sql.Identifier(name))
                    for name in columns
                ),
                numbers.start,
                numbers.stop - 1,
            )
        )
        connection.execute("drop table originals")


def new_warehouse(server: EmbeddedServer) -> None:
    """An empty, migrated warehouse."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists warehouse with (force)")
    server.ensure_database("warehouse")
    with connect(server.url("warehouse"), name="benchmark") as warehouse:
        schema.migrate(warehouse, server.url("warehouse"))


def new_source(server: EmbeddedServer, data: Path, copies: int) -> psycopg.Connection:
    """A source with the data, and copies of its users."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists source with (force)")
    server.ensure_database("source")
    with connect(server.url("source"), name="benchmark") as empty:
        loading.create(empty)
    loading.load(lambda application: connect(server.url("source"), name="benchmark"), data)
    source = psycopg.connect(server.url("source"), autocommit=True)
    if copies > 1:
        copy_users(source, "scheduling", "", range(1, copies))
    source.execute("analyze")
    return source


def measure(
    places: Places, server: EmbeddedServer, source: psycopg.Connection, rounds: int
) -> dict[str, list[Seconds]]:
    """What each round took; the last round's warehouse is left."""
    found: dict[str, list[Seconds]] = {}

    def note(name: str, seconds: Seconds) -> None:
        found.setdefault(name, []).append(seconds)

    for number in range(rounds):
        new_warehouse(server)
        for part, seconds in run(places).items():
            note(f"from scratch: {part}", seconds)
        with connect(server.url("warehouse"), name="benchmark") as warehouse:
            note("hand-written SQL", timed(lambda: by_hand(warehouse)))
            compare(warehouse)
            warehouse.execute("drop schema by_hand cascade")
        source.execute(MOVE, {"day": f"{1 + number % 28:02}"})
        for part, seconds in run(places).items():
            note(f"one changed task: {part}", seconds)
    return found


def widget(warehouse: Connection, daily_rows: int) -> dict[str, list[float]]:
    """Seconds of each look, after filling raw and marts up to the number of daily rows; both sides must agree."""
    ((present,),) = warehouse.execute("select count(*) from marts.analytics_daily_metrics").fetchall()
    copies = -(-daily_rows // max(int(str(present)), 1))
    if copies > 1:
        copy_users(warehouse, "raw", "__", range(1000, 1000 + copies - 1))
        for name in ("analytics_daily_metrics", "quick_stats"):
            columns = [
                str(column)
                for (column,) in warehouse.execute(
                    "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0",
                    (f"marts.{name}",),
                )
            ]
            ids = {"user_id", "metrics_id", "top_category_id"}
            warehouse.execute(
                sql.SQL("insert into {0} ({1}) select {2} from {0} cross join generate_series(1000, {3}) as n").format(
                    sql.Identifier("marts", mart(name).name),
                    sql.SQL(", ").join(map(sql.Identifier, columns)),
                    sql.SQL(", ").join(
                        sql.SQL("case when {0} = {1} then {0} else pg_temp.copy_of({0}, n) end").format(
                            sql.Identifier(column), sql.Literal(str(uuid.UUID(int=0)))
                        )
                        if column in ids
                        else sql.Identifier(column)
                        for column in columns
                    ),
                    1000 + copies - 2,
                )
            )
    warehouse.execute("create index on raw.scheduling__tasks (user_id)")
    warehouse.execute("create index on raw.scheduling__user_calendar_days (user_id)")
    warehouse.execute("vacuum analyze")
    from_raw = WIDGET_FROM_RAW.read_text(encoding="utf-8").encode()
    users = warehouse.execute(
        "select user_id from marts.quick_stats where window_days = 30 order by md5(user_id::text) limit %s", (LOOKS,)
    ).fetchall()
    found: dict[str, list[float]] = {"a widget, from the mart": [], "a widget, from raw": []}
    for (user,) in users:
        started = time.perf_counter()
        with warehouse.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            (published,) = cursor.execute(WIDGET, (user,)).fetchall()
            found["a widget, from the mart"].append(time.perf_counter() - started)
            started = time.perf_counter()
            (computed,) = cursor.execute(from_raw, {"user": user}).fetchall()
            found["a widget, from raw"].append(time.perf_counter() - started)
        same = {**published, "top_category_id": _none_for_nil(published["top_category_id"])}
        if any(same[name] != value for name, value in computed.items()):
            sys.exit(f"quick stats of {user}: {computed} from raw, {published} from the mart")
    return found


def _none_for_nil(category: object) -> object:
    return None if category == uuid.UUID(int=0) else category


def main(data: Path, rounds: int, sizes: list[int], daily_rows: int) -> None:
    """Measure and print tables of medians, ranges and ratios."""
    if not data.is_dir():
        sys.exit(f"{data} is not there; give the folder of source tables to measure on")
    console = Console(width=110)
    for name in warm_up.LIBRARIES:
        __import__(name)
    medians: dict[int, dict[str, Seconds]] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = EmbeddedServer(Path(folder) / "home")
        server.start()
        watch(server)
        try:
            places = Places(Path(folder) / "lab", server.url("warehouse"), {APPLICATION: server.url("source")})
            for size in sizes:
                with new_source(server, data, size) as source:
                    if size == sizes[0]:
                        new_warehouse(server)
                        run(places)  # reads the compiled project, fills caches
                    found = measure(places, server, source, rounds)
                medians[size] = {
                    name: Seconds(
                        statistics.median(each.wall for each in seconds),
                        statistics.median(each.cpu for each in seconds),
                    )
                    for name, seconds in found.items()
                }
                table = Table("seconds", "median", "range", "CPU", box=None)
                for name, seconds in found.items():
                    least, most = min(each.wall for each in seconds), max(each.wall for each in seconds)
                    wall, cpu = medians[size][name]
                    table.add_row(name, f"{wall:.2f}", f"{least:.2f}–{most:.2f}", f"{cpu:.2f}")
                console.print(f"users × {size}, {rounds} interleaved rounds", table)
                hand = medians[size]["hand-written SQL"]
                for part in ("marts", "published", "all"):
                    taken = medians[size][f"from scratch: {part}"]
                    console.print(
                        f"from scratch, {part} / hand-written: {taken.wall / hand.wall:.1f},"
                        f" by CPU {taken.cpu / max(hand.cpu, 0.01):.1f}"
                    )
                if size == sizes[0] and daily_rows:
                    with connect(server.url("warehouse"), name="benchmark") as warehouse:
                        looks = widget(warehouse, daily_rows)
                    p95 = {name: statistics.quantiles(seconds, n=20)[-1] for name, seconds in looks.items()}
                    for name, seconds_p95 in p95.items():
                        console.print(
                            f"{name}, p95 of {LOOKS} at {daily_rows:,} daily rows: {1000 * seconds_p95:.2f} ms"
                        )
                    console.print(
                        f"from raw / from the mart: {p95['a widget, from raw'] / p95['a widget, from the mart']:.0f}"
                    )
            for name in (
                "from scratch: marts", "from scratch: published", "from scratch: all", "hand-written SQL",
                "one changed task: all",
            ):  # fmt: skip
                for size in sizes[1:]:
                    grown, before = medians[size][name], medians[sizes[0]][name]
                    console.print(
                        f"{name}: × {size / sizes[0]:.0f} users take {grown.wall / before.wall:.1f} times as long,"
                        f" by CPU {grown.cpu / max(before.cpu, 0.01):.1f}"
                    )
        finally:
            server.remove()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data/real"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--daily-rows", type=int, default=1_000_000)
    given = parser.parse_args()
    main(given.data, given.rounds, given.copies, given.daily_rows)
