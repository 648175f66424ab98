"""Extracts beside their floors and a peer: full loads, changed rows, nothing new; and memory.

All in one run, interleaved, medians; ratios say more than seconds. Floors are what PostgreSQL needs at the least:

- full load: COPY of a binary file on the server's own disk into a new table, and its primary key
- changed rows: COPY of just these rows into an unlogged table, and INSERT … ON CONFLICT DO UPDATE

Weir finds the changed rows by itself, sweeps for deletions and keeps before-images on top of that. dlt (given a virtual
environment of its own on demand) reads the same table from the same server into the same server: `replace` for the
full load, `merge` with an incremental `updated_at` for changes, with its fastest documented backend (pyarrow).

    python -m benchmarks.extract [--rows 1000000] [--rounds 5] [--dlt FOLDER]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from warehouse import schema
from warehouse.database import connect
from warehouse.extracting import engine
from warehouse.extracting.declared import Declared
from warehouse.server import EmbeddedServer

CHANGED = 100_000
TABLES = 14
ROWS_OF_SMALL_TABLES = 10_000
DLT = ("dlt[postgres]", "sqlalchemy", "pyarrow", "psycopg2-binary")
PEER = Path(__file__).with_name("peer_dlt.py")

EVENTS = Declared("bench", "events", ("id",))
SMALL = tuple(Declared("bench", f"small_{number}", ("id",)) for number in range(TABLES))
COLUMNS = "id bigint, service text, kind text, value double precision, payload jsonb, updated_at timestamptz"


def fill(source: psycopg.Connection, rows: int) -> None:
    """Make the source's tables."""
    source.execute("create schema bench")
    source.execute(f"create table bench.events ({COLUMNS})")
    source.execute(
        "insert into bench.events select n, 'service ' || n %% 7, 'kind ' || n %% 100, n / 7.0,"
        " jsonb_build_object('n', n, 'text', md5(n::text)), '2024-01-01Z'::timestamptz + n * interval '1 second'"
        " from generate_series(1, %s) as n",
        (rows,),
    )
    source.execute("alter table bench.events add primary key (id)")
    for table in SMALL:
        source.execute(
            f"create table {table.qualified} as select n as id, md5(n::text) as note"
            f" from generate_series(1, {ROWS_OF_SMALL_TABLES}) as n"
        )
        source.execute(f"alter table {table.qualified} add primary key (id)")
    source.execute("analyze")


def change(source: psycopg.Connection, rows: int, round_: int) -> None:
    """Update rows all over the table."""
    step = max(rows // CHANGED, 1)
    source.execute(
        f"update bench.events set value = value + 1, updated_at = '2030-01-01Z'::timestamptz + {round_ + 1} *"
        f" interval '1 day' where id % {step} = {round_ % step} "
    )
    source.execute("vacuum analyze bench.events")


@contextmanager
def stopwatch(into: list[float]):  # type: ignore[no-untyped-def]
    """Append the seconds spent inside."""
    started = time.perf_counter()
    yield
    into.append(time.perf_counter() - started)


class Bench:
    """Source and warehouse on one server."""

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.source_url, self.warehouse_url = server.url("source"), server.url("warehouse")
        self.source = psycopg.connect(self.source_url, autocommit=True)
        self.warehouse = connect(self.warehouse_url, name="bench")
        schema.migrate(self.warehouse, self.warehouse_url)

    def extract(self, *tables: Declared) -> engine.Batch:
        """As a run does, over connections of its own."""
        source, warehouse = (connect(url, name="bench") for url in (self.source_url, self.warehouse_url))
        try:
            return engine.extract("bench", tables, source, warehouse, "bench")
        finally:
            source.close()
            warehouse.close()

    def forget(self) -> None:
        """Drop what has been extracted."""
        self.warehouse.execute("drop schema raw cascade; create schema raw; delete from control.watermarks")
        self.warehouse.execute("drop schema if exists floor cascade; create schema floor")
        self.warehouse.execute("checkpoint")

    def floor_of_full(self) -> None:
        """COPY from the server's disk and a key, in one transaction."""
        with self.warehouse.transaction():
            self.warehouse.execute(f"create table floor.events ({COLUMNS})")
            self.warehouse.execute(f"copy floor.events from '{self.folder}/events' (format binary)")
            self.warehouse.execute("alter table floor.events add primary key (id)")

    def floor_of_changes(self) -> None:
        """COPY of exactly the changed rows and an upsert, in one transaction."""
        with self.warehouse.transaction():
            self.warehouse.execute(f"create unlogged table floor.incoming ({COLUMNS})")
            self.warehouse.execute(f"copy floor.incoming from '{self.folder}/changes' (format binary)")
            self.warehouse.execute(
                "insert into floor.events select * from floor.incoming on conflict (id) do update set"
                " service = excluded.service, kind = excluded.kind, value = excluded.value,"
                " payload = excluded.payload, updated_at = excluded.updated_at"
            )
            self.warehouse.execute("drop table floor.incoming")

    def to_file(self, name: str, query: str) -> None:
        """Write a query's rows where the server can read them."""
        self.source.execute(f"copy ({query}) to '{self.folder}/{name}' (format binary)")


def peer(folder: Path) -> Callable[[Bench, str], float]:
    """A function that runs dlt once; makes its virtual environment where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *DLT], check=True)

    def run(bench: Bench, full: str) -> float:
        answer = subprocess.run(
            [python, PEER, bench.source_url, bench.warehouse_url, folder / "state", full],
            check=False,
            capture_output=True,
            text=True,
        )
        if answer.returncode:
            sys.exit(answer.stderr[-2000:])
        return float(answer.stdout.strip().splitlines()[-1])

    return run


def memory_of_full(bench: Bench) -> float:
    """Peak megabytes of a process that loads everything; the imports are a part of it."""
    child = os.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.extract", "--child", str(bench.server.home)])
    os.waitpid(child, 0)
    return float((bench.folder / "memory").read_text())


def child(home: Path) -> None:
    """Load everything and write down the peak of memory."""
    bench = Bench(EmbeddedServer(home), home.parent / "files")
    bench.extract(EVENTS)
    (bench.folder / "memory").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main() -> None:
    """Measure and print a table of medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dlt", type=Path, help="folder of a virtual environment to make and use for dlt")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    run_peer = peer(options.dlt) if options.dlt else None
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        files = folder / "files"
        files.mkdir()
        files.chmod(0o777)
        server = EmbeddedServer(folder / "home")
        try:
            server.start()
            server.ensure_database("source")
            server.ensure_database("warehouse")
            bench = Bench(server, files)
            fill(bench.source, options.rows)
            for round_ in range(options.rounds):
                measure(bench, options.rows, round_, seconds, run_peer)
            bench.forget()
            memory = memory_of_full(bench)
        finally:
            server.remove()
    report(options.rows, options.rounds, seconds, memory)


def measure(
    bench: Bench,
    rows: int,
    round_: int,
    seconds: dict[str, list[float]],
    run_peer: Callable[[Bench, str], float] | None,
) -> None:
    """One round of everything, floors and Weir taking turns at going first."""
    bench.forget()
    bench.to_file("events", "select * from bench.events")

    def timed(name: str, work: Callable[[], object]) -> None:
        with stopwatch(seconds.setdefault(name, [])):
            work()

    full = [("full, floor", bench.floor_of_full), ("full, weir", lambda: bench.extract(EVENTS))]
    changes = [("changes, floor", bench.floor_of_changes), ("changes, weir", lambda: bench.extract(EVENTS))]
    order = 1 if round_ % 2 else -1
    for name, work in full[::order]:
        timed(name, work)
    if run_peer:
        seconds.setdefault("full, dlt", []).append(run_peer(bench, "full"))
    bench.warehouse.execute("vacuum analyze")
    bench.warehouse.execute("checkpoint")
    bench.warehouse.execute("update control.watermarks set proven_at = now()")
    change(bench.source, rows, round_)
    bench.to_file(
        "changes",
        f"select * from bench.events where updated_at = '2030-01-01Z'::timestamptz + {round_ + 1} * interval '1 day'",
    )
    for name, work in changes[::order]:
        timed(name, work)
    if run_peer:
        seconds.setdefault("changes, dlt", []).append(run_peer(bench, "changes"))
    bench.extract(*SMALL)
    bench.extract(*SMALL)  # proves them all
    timed("nothing new", lambda: bench.extract(*SMALL))


def report(rows: int, rounds: int, seconds: dict[str, list[float]], memory: float) -> None:
    """Medians, ranges and ratios to the floor."""
    median = {name: statistics.median(values) for name, values in seconds.items()}
    table = Table("what", "seconds, median", "range", "rows/s", "ratio to the floor", box=None)
    for name, values in seconds.items():
        what = name.split(",")[0]
        count = {"full": rows, "changes": min(CHANGED, rows)}.get(what, 0)
        floor = median.get(f"{what}, floor")
        ratio = f"{median[name] / floor:.2f} × its time, {floor / median[name]:.2f} × its rows/s" if floor else ""
        speed = f"{count / median[name]:,.0f}" if count else ""
        table.add_row(name, f"{median[name]:.2f}", f"{min(values):.2f}–{max(values):.2f}", speed, ratio)
    Console(width=120).print(
        f"{rows:,} rows, {CHANGED:,} changed, {TABLES} tables of {ROWS_OF_SMALL_TABLES:,} with nothing new; "
        f"{rounds} interleaved rounds; peak memory of a full load {memory:.0f} MB",
        table,
    )


if __name__ == "__main__":
    main()
