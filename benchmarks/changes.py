"""From a change in the source to published, in this process with everything warm: wall time, its parts, and processor.

On the real data, published once. Rounds, interleaved: one task moved, 1,000 tasks moved, 1,000 events arrived, and
nothing changed; all applications run each time, with the whole gate, threads and all, as ``weir run`` does inside its
Dagster job. Timed is from opening the warehouse to the end of the run. Beside wall time stand the seconds of processor
that this process and the server took, which a busy machine does not change much.

    python -m benchmarks.changes ../shared/data/real [--rounds 5]
"""

import argparse
import datetime as dt
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.scheduling import AS_OF, new_source, new_warehouse
from warehouse import warm_up
from warehouse.catalog import APPLICATIONS, CALENDAR
from warehouse.database import connect
from warehouse.plan import Parameters
from warehouse.refresh import Places, Refresh, new_run_id
from warehouse.server import EmbeddedServer

MOVE = """
update scheduling.tasks set scheduled_slots = jsonb_build_array(jsonb_build_object(
    'start', format('2012-02-%%sT09:00:00Z', %(day)s::text), 'end', format('2012-02-%%sT10:00:00Z', %(day)s::text)))
where task_id in (
    select task_id from scheduling.tasks where scheduled_slots::text like '%%2012-%%' order by task_id limit %(rows)s)
"""

ARRIVE = """
insert into workflows.workflow_events (event_id, execution_id, workflow_id, step_id, event_type, occurred_at)
select
    (select max(event_id) from workflows.workflow_events) + row_number() over (), execution_id, workflow_id, step_id,
    event_type, occurred_at + interval '1 second'
from (select * from workflows.workflow_events order by event_id desc limit %(rows)s) as latest
"""

CHANGES = {
    "nothing": ("select %(day)s, %(rows)s", 0),
    "one task": (MOVE, 1),
    "1,000 tasks": (MOVE, 1000),
    "1,000 events": (ARRIVE, 1000),
}


def server_seconds(server: EmbeddedServer) -> float:
    """Seconds of processor that the server and its sessions have taken; ended ones count with their parent."""
    with psycopg.connect(server.url("postgres")) as connection:
        ((directory,),) = connection.execute("select current_setting('data_directory')").fetchall()
    parent = (Path(directory) / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0]
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except OSError:
            continue
        if path.parent.name == parent:
            ticks += sum(int(field) for field in fields[11:15])
        elif fields[1] == parent:
            ticks += sum(int(field) for field in fields[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def run(places: Places, server: EmbeddedServer) -> dict[str, float]:
    """Extract, build, check and publish everything; seconds per part."""
    started, own, servers = time.perf_counter(), time.process_time(), server_seconds(server)
    with Refresh(places, Parameters(new_run_id(), AS_OF, dt.date(2000, 1, 1))) as refresh:
        refresh.run_ahead()
        for application in APPLICATIONS:
            refresh.extract(application)
        for application in APPLICATIONS:
            refresh.refresh_facts(application)
        for area in (*APPLICATIONS, CALENDAR):
            refresh.build(area)
    return {
        **refresh.seconds,
        "wall": time.perf_counter() - started,
        "partitions built": float(sum(outcome.plan.count for outcome in refresh.outcomes.values() if outcome.plan)),
        "processor, this process": time.process_time() - own,
        "processor, server": server_seconds(server) - servers,
    }


def main(data: Path, rounds: int) -> None:
    """Measure and print a table of medians and ranges."""
    if not data.is_dir():
        sys.exit(f"{data} is not there; give the folder of source tables to measure on")
    for name in warm_up.LIBRARIES:
        __import__(name)
    found: dict[str, dict[str, list[float]]] = {"first run": {}, **{name: {} for name in CHANGES}}

    def note(what: str) -> None:
        for part, seconds in run(places, server).items():
            found[what].setdefault(part, []).append(seconds)

    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = EmbeddedServer(Path(folder) / "home")
        server.start()
        try:
            with new_source(server, data, 1) as source:
                new_warehouse(server)
                source_url = server.url("source")
                places = Places(Path(folder) / "lab", server.url("warehouse"), dict.fromkeys(APPLICATIONS, source_url))
                note("first run")
                with connect(server.url("warehouse"), name="benchmark") as warehouse:
                    warehouse.execute("vacuum analyze")  # as the server's own would within minutes
                note("nothing")  # takes Great Expectations' and the server's caches out of the first round
                found["nothing"].clear()
                for number in range(rounds):
                    for what, (change, rows) in CHANGES.items():
                        source.execute(change.encode(), {"day": f"{1 + number % 28:02}", "rows": rows})
                        note(what)
        finally:
            server.remove()
    table = Table("seconds, median", *found, box=None)
    for part in dict.fromkeys(part for parts in found.values() for part in parts):
        table.add_row(part, *(_shown(parts.get(part, [])) for parts in found.values()))
    Console(width=150).print(f"{rounds} interleaved rounds; the first run once", table)


def _shown(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})" if seconds else ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data/real"))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    main(given.data, given.rounds)
