"""Service marts: daily KPIs of many values beside hand-written SQL, and forecasts of many series.

Daily KPIs: from landed values to published days, checks included, of this mart alone; rounds interleaved with the
same rows by hand. Forecasts: from published days of series with three years of them to published forecasts and their
accuracy, checks included, of which the seconds that went into fitting are told apart; then a day later, with one new
value of one series, landed to published. All in this process. Nothing is asserted.

    python -m benchmarks.services [values] [series] [rounds]
"""

import datetime as dt
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import numpy as np
import psycopg
from rich.console import Console
from rich.table import Table

from warehouse import loading, plan, schema
from warehouse.database import Connection, connect, fetch_row
from warehouse.plan import Parameters
from warehouse.refresh import Places, Refresh, new_run_id
from warehouse.server import EmbeddedServer
from warehouse.services import rows
from warehouse.services.forecasting import Floats, Forecast

AS_OF = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAYS = 1096
"""Three years of each series."""

FORECASTS = ("kpi_forecasts", "kpi_forecast_accuracy")

FLOOR = Path(__file__).with_suffix(".sql")

VALUES = """
insert into services.metrics (metric_id, service_name, metric_type, segment, value, unit, recorded_at)
select n, 'service ' || n %% 10, 'revenue', 'segment ' || n %% 97 %% 10, (n::bigint * 7919 %% 1000003) / 100.0, 'EUR',
    timestamptz '2025-01-01' + n * (interval '365 days' / %(values)s::double precision)
from generate_series(0, %(values)s - 1) as n
"""


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cpu_seconds(server: EmbeddedServer) -> float:
    """Of this process, its children and the server: what other work on the machine hardly changes."""
    with connect(server.url("postgres"), name="benchmark") as connection:
        (folder,) = fetch_row(connection, "show data_directory")
    postmaster = Path(str(folder), "postmaster.pid").read_text().split()[0]
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            _, parent, *fields = stat.read_text().rpartition(")")[2].split()
            if postmaster in (parent, stat.parent.name):
                ticks += sum(map(int, fields[9:13]))  # its own and those of children that have ended
    return ticks / os.sysconf("SC_CLK_TCK") + sum(os.times()[:4])


def make_database(server: EmbeddedServer, name: str, template: str = "template1") -> None:
    """Make a database anew."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {name} template {template} strategy file_copy")


def new_source(server: EmbeddedServer) -> psycopg.Connection:
    """An empty source with its tables."""
    make_database(server, "source")
    with connect(server.url("source"), name="benchmark") as source:
        loading.create(source)
    return psycopg.connect(server.url("source"), autocommit=True)


def new_warehouse(server: EmbeddedServer) -> None:
    """An empty, migrated warehouse."""
    make_database(server, "warehouse")
    with connect(server.url("warehouse"), name="benchmark") as warehouse:
        schema.migrate(warehouse, server.url("warehouse"))


@contextmanager
def refreshing(places: Places, as_of: dt.datetime = AS_OF) -> Iterator[Refresh]:
    """A run of the services."""
    parameters = Parameters(new_run_id(), as_of, dt.date(2000, 1, 1))
    with Refresh(places, parameters, ("services",)) as refresh:
        yield refresh


@contextmanager
def only(*names: str) -> Iterator[None]:
    """Runs of these marts alone."""
    choose = plan.choose

    def chosen(warehouse: Connection, parameters: Parameters, application: str) -> plan.Plan:
        return choose(warehouse, parameters, application).only({*names})

    with mock.patch.object(plan, "choose", chosen):
        yield


def daily(server: EmbeddedServer, places: Places, values: int, rounds: int) -> dict[str, list[float]]:
    """Seconds from landed values to published daily KPIs, and of the same rows by hand."""
    found: dict[str, list[float]] = {}
    new_warehouse(server)
    with new_source(server) as source:
        source.execute(VALUES, {"values": values})
        source.execute("analyze")
    with refreshing(places) as refresh:
        refresh.extract("services")
    make_database(server, "landed", "warehouse")
    for _ in range(rounds):
        make_database(server, "warehouse", "landed")
        before = cpu_seconds(server)
        with only("kpi_daily"), refreshing(places) as refresh:
            seconds = timed(lambda: refresh.build("services"))
            found.setdefault("daily KPIs, landed to published", []).append(seconds)
        found.setdefault("  CPU", []).append(cpu_seconds(server) - before)
        for stage in ("facts", "plan", "build", "check", "publish"):
            found.setdefault(f"  {stage}", []).append(refresh.seconds.get(stage, 0.0))
        with connect(server.url("warehouse"), name="benchmark") as warehouse:
            warehouse.execute("create schema by_hand")
            floor = FLOOR.read_text(encoding="utf-8")
            before = cpu_seconds(server)
            found.setdefault("the same rows, hand-written", []).append(timed(lambda: warehouse.execute(floor)))  # noqa: B023
            found.setdefault("  CPU of these", []).append(cpu_seconds(server) - before)
            same = (
                "select count(*) from (select {0} from marts.kpi_daily except select {0} from by_hand.kpi_daily) as d"
            )
            columns = "service_name, metric_type, segment, unit, date, value_sum, value_count, value_avg, value_last"
            (different,) = warehouse.execute(same.format(columns)).fetchone() or (None,)
            if different:
                sys.exit(f"{different} rows differ from the hand-written ones")
    return found


def series_of(count: int) -> Floats:
    """Trend, weekdays, noise, and in every other one a random walk; whole cents."""
    random = np.random.default_rng(1)
    at = np.arange(DAYS)
    week = np.array([0, 10, 12, 12, 11, 6, -20.0])[at % 7]
    level = random.uniform(100, 1000, (count, 1)) + random.normal(0, 0.05, (count, 1)) * at
    walk = random.normal(0, 1, (count, DAYS)).cumsum(axis=1) * (np.arange(count)[:, None] % 2)
    values: Floats = np.maximum(level + week + walk + random.normal(0, 5, (count, DAYS)), 0).round(2)
    return values


def forecasts(server: EmbeddedServer, places: Places, count: int) -> dict[str, list[float]]:
    """Seconds of forecasts from published days, and of a run with a new value of one series."""
    found: dict[str, list[float]] = {}
    new_warehouse(server)
    source = new_source(server)
    first = (AS_OF - dt.timedelta(days=DAYS)).date()
    with source.cursor() as cursor, cursor.copy(
        "copy services.metrics (service_name, metric_type, value, unit, recorded_at) from stdin"
    ) as copy:  # fmt: skip
        for number, values in enumerate(series_of(count).tolist()):
            for day, value in enumerate(values):
                copy.write_row((f"service {number:04}", "revenue", value, "EUR", first + dt.timedelta(days=day)))
    source.execute("analyze")
    fit = rows._fit
    fitted: list[float] = []

    def counted(tasks: Sequence[tuple[str, Floats]]) -> list[Forecast]:
        fitted.append(len(tasks))
        started = time.perf_counter()
        try:
            return fit(tasks)
        finally:
            fitted.append(time.perf_counter() - started)

    def run(name: str, as_of: dt.datetime, *marts: str) -> None:
        fitted.clear()
        before = cpu_seconds(server)
        with only(*marts), mock.patch.object(rows, "_fit", counted), refreshing(places, as_of) as refresh:
            found[name] = [
                timed(lambda: [step("services") for step in (refresh.extract, refresh.refresh_facts, refresh.build)])
            ]
        found[f"  {name}: CPU"] = [cpu_seconds(server) - before]
        for stage, seconds in refresh.seconds.items():
            found[f"  {name}: {stage}"] = [seconds]
        if fitted:
            found[f"  {name}: of compute, {int(fitted[0]):,} fits"] = [fitted[1]]

    run("their days", AS_OF, "kpi_daily")
    run(f"forecasts of {count:,} series", AS_OF, *FORECASTS)
    source.execute(
        "insert into services.metrics (service_name, metric_type, value, unit, recorded_at)"
        " values ('service 0000', 'revenue', 100, 'EUR', %s)",
        (AS_OF,),
    )
    run("one new value", AS_OF + dt.timedelta(days=1), "kpi_daily", *FORECASTS)
    source.close()
    return found


def main(values: int, count: int, rounds: int) -> None:
    """Measure and print medians."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder) / "home")
        server.start()
        try:
            places = Places(Path(folder) / "state", server.url("warehouse"), {"services": server.url("source")})
            daily(server, places, 1000, 1)  # imports, manifest, caches
            if values:
                found |= daily(server, places, values, rounds)
            if count:
                found |= forecasts(server, places, count)
        finally:
            server.remove()
    table = Table("", "median", "range", box=None)
    for name, seconds in found.items():
        table.add_row(name, f"{statistics.median(seconds):.2f} s", f"{min(seconds):.2f} to {max(seconds):.2f}")
    console = Console(width=100)
    console.print(f"{values:,} values in {rounds} rounds, {count:,} series of {DAYS:,} days", table)
    if values:
        ours, by_hand = (
            statistics.median(found[name])
            for name in ("daily KPIs, landed to published", "the same rows, hand-written")
        )
        console.print(f"daily KPIs, landed to published: {ours / by_hand:.2f} × the hand-written SQL")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*(given + [10_000_000, 1000, 3][len(given) :]))
