"""The first run on real data, and a run with nothing to do: wall time and its stages.

Five rounds, interleaved: each makes a new warehouse, runs everything, and runs again. Loading the source is
left out. Wall time is the whole process's, from outside; stages are what ``weir run --json`` reports, and
"outside" is what it cannot see (starting and ending Python). Stages of applications that run at once share wall time.

    python -m benchmarks.first_run ../shared/data/real
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from warehouse.server import EmbeddedServer

ROUNDS = 5
AS_OF = "2018-01-01T00:00:00Z"
WEIR = Path(sys.executable).with_name("weir")


def weir(home: Path, *arguments: str) -> tuple[float, str]:
    """Wall seconds and standard output of one command."""
    started = time.perf_counter()
    done = subprocess.run(
        [WEIR, *arguments],
        env={**os.environ, "WEIR_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return time.perf_counter() - started, done.stdout


def forget(home: Path, server: EmbeddedServer) -> None:
    """Drop the warehouse and everything that a run has left behind, but not the source."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        for database in ("warehouse", "dagster"):
            connection.execute(f"drop database if exists {database} with (force)")
        connection.execute("drop role if exists weir_bi")
    for folder in ("dbt", "dagster"):
        shutil.rmtree(home / folder, ignore_errors=True)


def main(data: Path) -> None:
    """Measure and print a table of medians."""
    if not data.is_dir():
        sys.exit(f"{data} is not there; give the folder of source tables to measure on")
    walls: dict[str, list[float]] = {"first run": [], "nothing to do": []}
    stages: dict[str, dict[str, list[float]]] = {name: {} for name in walls}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        home = Path(folder) / "home"
        server = EmbeddedServer(home)
        try:
            weir(home, "source", "create")
            weir(home, "source", "load", str(data))
            for _ in range(ROUNDS):
                forget(home, server)
                weir(home, "init")
                for name, seconds in walls.items():
                    wall, report = weir(home, "run", "--as-of", AS_OF, "--json")
                    parts = json.loads(report)
                    seconds.append(wall)
                    inside = parts["seconds"]
                    for stage, value in {**inside, "outside": wall - parts["total_seconds"]}.items():
                        stages[name].setdefault(stage, []).append(value)
        finally:
            server.remove()
    table = Table("seconds", *walls, box=None)
    for stage in dict.fromkeys(stage for found in stages.values() for stage in found):
        table.add_row(stage, *(f"{statistics.median(stages[name].get(stage, [0.0])):.2f}" for name in walls))
    table.add_section()
    table.add_row("sum of stages", *(f"{sum(statistics.median(v) for v in stages[n].values()):.2f}" for n in walls))
    table.add_row("wall, median", *(f"{statistics.median(seconds):.2f}" for seconds in walls.values()))
    table.add_row("wall, range", *(f"{min(seconds):.2f}–{max(seconds):.2f}" for seconds in walls.values()))
    Console(width=100).print(
        f"medians of {ROUNDS} interleaved runs; no process of dbt: models as it compiled them", table
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/real"))
