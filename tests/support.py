"""A laboratory for tests: a source and a warehouse on the shared server, and what they should contain.

Belongs here: changing sources, running the pipeline without Dagster, reading marts, asking the reference.
Does not belong here: expectations; tests state their own.
"""

import datetime as dt
import itertools
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import sqlalchemy as sa
from psycopg.rows import dict_row

from tests import reference
from warehouse import access, expectations, gate, schema
from warehouse.catalog import APPLICATIONS, CALENDAR, MARTS, SOURCE_TABLES, mart
from warehouse.database import connect, fetch_row
from warehouse.errors import BlockedError
from warehouse.plan import Parameters
from warehouse.refresh import Places, Refresh, new_run_id
from warehouse.server import EmbeddedServer
from warehouse.transform import Transformer
from warehouse.verification import MartProof, verify

EARLIEST = dt.date(2000, 1, 1)


class Lab:
    """One source and one warehouse, both empty at first.

    The databases are always called ``source`` and ``warehouse``: a database's name is part of what dbt
    parses, and parsing costs seconds.
    """

    def __init__(self, server: EmbeddedServer, home: Path) -> None:
        self.server = server
        self.home = home
        self.source = psycopg.connect(server.url("source"), autocommit=True)
        self.warehouse = connect(server.url("warehouse"), name="test")
        self.goal_versions: list[dict[str, Any]] = []
        """Every version of a goal that runs have seen, in that order, as the reference takes them."""

    @property
    def places(self) -> Places:
        """Where runs find things: the warehouse with no more rights than weir_runner has."""
        return Places(
            self.home,
            self.server.url("warehouse", access.RUNNER),
            {name: self.server.url("source") for name in APPLICATIONS},
        )

    def close(self) -> None:
        self.source.close()
        self.warehouse.close()

    def write(self, *statements: str) -> None:
        """Change the source, in one transaction."""
        with self.source.transaction():
            for statement in statements:
                self.source.execute(statement)

    def run(
        self, as_of: str | dt.datetime, *, gate_open: bool = False, earliest_date: dt.date = EARLIEST, **options: Any
    ) -> Refresh:
        """Run the pipeline as the command line does, without Dagster.

        ``gate_open`` leaves out the checks of Great Expectations and dbt, ``ajar`` those of Great Expectations, which
        random histories need not repeat a thousand times; reconciliation always runs. Blocked applications do not
        raise. ``killed_at`` is the number of the statement before which the run is killed, which raises ``KilledError``
        where the run gets that far.
        """
        ahead, ajar, killed_at = options.pop("ahead", False), options.pop("ajar", False), options.pop("killed_at", None)
        instant = dt.datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
        applications = options.pop("applications", APPLICATIONS)
        force_deletes = options.pop("force_deletes", ())
        parameters = Parameters(new_run_id(), instant, earliest_date, **options)
        with (
            gate_left_open() if gate_open else mock.MagicMock(),
            mock.patch.object(expectations, "validate", return_value=[]) if ajar else mock.MagicMock(),
            self._seeing_goals(parameters.run_id),
            kill_at(killed_at) if killed_at else mock.MagicMock(),
            Refresh(self.places, parameters, applications, force_deletes=force_deletes) as refresh,
        ):
            if ahead:
                refresh.run_ahead()
            for application in applications:
                refresh.extract(application)
            for application in applications:
                refresh.refresh_facts(application)
            for application in (*applications, CALENDAR):
                try:
                    refresh.build(application)
                except BlockedError:
                    continue
        return refresh

    def verify(self, **options: Any) -> dict[str, MartProof]:
        """What ``weir verify`` finds, per mart."""
        earliest_date = options.pop("earliest_date", EARLIEST)
        transformer = Transformer(self.places.warehouse_url, self.home / "dbt")
        return {proof.mart: proof for proof in verify(self.warehouse, transformer, earliest_date, **options)}

    @contextmanager
    def _seeing_goals(self, run_id: str) -> Iterator[None]:
        """Afterwards, runs have seen the goals as they are now, if this one got as far as to extract them."""
        try:
            yield
        finally:
            (extracted,) = fetch_row(
                self.warehouse,
                "select exists (select from control.batches where run_id = %s and application = 'scheduling')",
                (run_id,),
            )
            if extracted:
                self._see_goals()

    def _see_goals(self) -> None:
        """What the source has of goals now, whether or not it is new: a version seen twice counts once."""
        with self.source.cursor(row_factory=dict_row) as cursor:
            cursor.execute("select goal_id, target_value, is_active, updated_at::text from scheduling.goals")
            self.goal_versions += list(cursor)

    def published_since(self, refresh: Refresh) -> dict[str, set[str | None]]:
        """Partitions that a run published, per mart; undated marts have the partition None."""
        partitions: dict[str, set[str | None]] = {}
        for name, day in self.warehouse.execute(
            "select mart, partition_start::text from control.publications where run_id = %s",
            (refresh.parameters.run_id,),
        ):
            partitions.setdefault(str(name), set()).add(None if day is None else str(day))
        return partitions

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Rows of a mart as the reference writes them, without volatile columns, sorted by key."""
        with self.warehouse.cursor(row_factory=dict_row) as cursor:
            cursor.execute(f"select * from marts.{name}")
            rows = [
                {column: _plain(value) for column, value in row.items() if column not in mart(name).volatile}
                for row in cursor
            ]
        return by_key(name, rows)

    def dump(self) -> dict[str, list[str]]:
        """Every mart as text, byte for byte, without volatile columns."""
        dump = {}
        for item in MARTS:
            columns = [
                name
                for (name,) in self.warehouse.execute(
                    "select column_name from information_schema.columns"
                    " where table_schema = 'marts' and table_name = %s and column_name <> all (%s) order by 1",
                    (item.name, list(item.volatile)),
                )
            ]
            listed = ", ".join(f'"{name}"::text' for name in columns)
            dump[item.name] = sorted(
                "\t".join("\\N" if value is None else str(value) for value in row)
                for row in self.warehouse.execute(f"select {listed} from marts.{item.name}")
            )
        return dump

    def source_tables(self) -> reference.Tables:
        """The source as it stands, in the reference's form."""
        with tempfile.TemporaryDirectory() as folder:
            for table in SOURCE_TABLES:
                with (
                    (Path(folder) / f"{table.qualified}.csv").open("wb") as file,
                    self.source.cursor() as cursor,
                    cursor.copy(f"copy {table.qualified} to stdout (format csv, header)") as copy,
                ):
                    for block in copy:
                        file.write(block)
            tables = reference.read_folder(folder)
        self._restore_empty_texts(tables)
        return tables

    def _restore_empty_texts(self, tables: reference.Tables) -> None:
        """In a CSV file an empty text is null, as loading wants it; in the source the two differ."""
        for table in SOURCE_TABLES:
            (key,) = table.key
            for column in table.model.columns:
                if isinstance(column.type, sa.Text):
                    query = f"select {key}::text from {table.qualified} where {column.name} = ''"
                    empty = {row[0] for row in self.source.execute(query)}
                    for row in tables[table.qualified] if empty else ():
                        if str(row[key]) in empty:
                            row[column.name] = ""

    def start_over(self) -> None:
        """Drop the warehouse and make an empty one; the source and the recorded history of goals stay."""
        columns = "goal_id, version, target_value, is_active, updated_at"
        history = self.warehouse.execute(
            "select goal_id, version, target_value, is_active, updated_at::text from control.goal_versions"
        ).fetchall()
        self.warehouse.close()
        make_database(self.server, "warehouse", "template_warehouse")
        self.warehouse = connect(self.server.url("warehouse"), name="test")
        with self.warehouse.cursor() as cursor:
            cursor.executemany(
                f"insert into control.goal_versions ({columns}, batch_id) values (%s, %s, %s, %s, %s, 0)", history
            )


class KilledError(Exception):
    """A run has been killed."""


@contextmanager
def kill_at(number: int) -> Iterator[None]:
    """Kill what runs before the call of ``Connection.execute`` of that number, counted from 1, and at each later one.

    What is open is rolled back, and connections close, as the server does when a client dies; no run ends itself.
    """
    execute, numbers = psycopg.Connection.execute, itertools.count(1)

    def count_and_execute(connection: psycopg.Connection, *arguments: Any, **options: Any) -> Any:
        if next(numbers) >= number:
            raise KilledError
        return execute(connection, *arguments, **options)

    with mock.patch.object(psycopg.Connection, "execute", count_and_execute):
        yield


@contextmanager
def gate_left_open() -> Iterator[None]:
    with (
        mock.patch.object(expectations, "validate", return_value=[]),
        mock.patch.object(gate, "dbt_tests", return_value=[]),
    ):
        yield


def make_database(server: EmbeddedServer, name: str, template: str) -> None:
    """Make a database anew from a template."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {name} template {template}")


def expected(
    tables: reference.Tables,
    as_of: dt.datetime,
    earliest: dt.date = EARLIEST,
    goal_versions: Sequence[dict[str, Any]] = (),
) -> dict[str, list[dict[str, Any]]]:
    """What the reference says of the marts that exist, but for those that it gives in another form."""
    scheduling = reference.Scheduling(tables, as_of, earliest)
    workflows = reference.Workflows(tables, as_of, earliest)
    services = reference.Services(tables, as_of, earliest)
    return {
        "analytics_daily_metrics": scheduling.analytics_daily_metrics(),
        "category_daily_metrics": scheduling.category_daily_metrics(),
        "analytics_monthly_metrics": scheduling.analytics_monthly_metrics(),
        "quick_stats": scheduling.quick_stats(),
        "goal_progress_snapshots": scheduling.goal_progress_snapshots(goal_versions),
        **workflows.marts(),
        "kpi_daily": services.kpi_daily(),
        "kpi_monthly": services.kpi_monthly(),
        "kpi_goal_snapshots": services.kpi_goal_snapshots(),
        "kpi_comparisons": services.kpi_comparisons(),
        **reference.dimensions(tables),
    }


def assert_published(
    lab: Lab, as_of: dt.datetime, earliest: dt.date = EARLIEST, applications: Iterable[str] = APPLICATIONS
) -> None:
    """Every mart and the quarantine are what the reference says, and dim_local_day serves every fact."""
    tables = lab.source_tables()
    for name, rows in expected(tables, as_of, earliest, lab.goal_versions).items():
        if mart(name).application not in applications:
            continue
        published = lab.rows(name)
        columns = set(rows[0]) if rows else set()
        rows = by_key(name, ({column: _plain(value) for column, value in row.items()} for row in rows))
        if name == "kpi_goal_snapshots":
            published, rows = ([_rounded(row) for row in each] for each in (published, rows))
        assert only(published, columns) == rows if rows else published == [], name
    if "scheduling" in applications:
        assert_local_days_serve_every_fact(lab, reference.Scheduling(tables, as_of, earliest))
    entries = [
        tuple(row)
        for row in lab.warehouse.execute(
            "select source_table, row_key, position, reason from quality.quarantine where released_at is null"
        )
    ]
    known = [e for e in reference.quarantine(tables, as_of, earliest) if e[0].partition(".")[0] in applications]
    assert sorted(entries, key=str) == sorted(map(tuple, known), key=str)


def assert_local_days_serve_every_fact(lab: Lab, scheduling: reference.Scheduling) -> None:
    wanted = {(row["timezone"], row["date"]): row for row in scheduling.dim_local_day()}
    found = {(row["timezone"], row["date"]): row for row in lab.rows("dim_local_day")}
    assert {key: found.get(key) for key in wanted} == wanted
    if wanted:  # there may be goals where there are no facts
        assert {zone for zone, _ in found} == {zone for zone, _ in wanted}


def assert_verified(lab: Lab, earliest: dt.date = EARLIEST) -> None:
    """Every published partition is in the ledger, and what a build from raw makes it."""
    proofs = lab.verify(earliest_date=earliest)
    found = [
        (each.mart, str(each.partition_start), each.what, each.missing, each.extra, each.changed)
        for proof in proofs.values()
        for each in proof.differences
    ]
    assert not found, found
    assert {proof.not_recomputed for proof in proofs.values()} <= {None}


def by_key(name: str, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [str(row[column]) for column in mart(name).key])


def only(rows: Iterable[dict[str, Any]], columns: set[str]) -> list[dict[str, Any]]:
    return [{column: value for column, value in row.items() if column in columns} for row in rows]


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Doubles to 11 significant digits: quantiles of t that differ in the last bit are both right."""
    return {name: float(f"{value:.11g}") if isinstance(value, float) else value for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return "NaN"  # which equals itself
    import uuid

    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return value


def make_templates(server: EmbeddedServer) -> None:
    """Databases that every test's own are copied from."""
    from warehouse import loading

    for name in ("template_source", "template_warehouse"):
        server.ensure_database(name)
    source = connect(server.url("template_source"), name="test")
    loading.create(source)
    source.close()
    warehouse = connect(server.url("template_warehouse"), name="test")
    schema.migrate(warehouse, server.url("template_warehouse"))
    access.set_password(warehouse, access.RUNNER, server.password(access.RUNNER))
    warehouse.close()
