"""Readers that never stop, while every mart is published again and again: do they see whole states, and never wait?

Belongs here: publishing marked versions, readers of three kinds that check what they see, the sizes of tables.
The suite calls it with little; ``make hammer`` with a thousand publications and a cursor of ten minutes.

Every publication of an application gives one column of each of its marts one value, the version. A reader who
sees two versions at once, or another number of rows than there are, has seen a state that never was published.
A reader who waits for any lock at all gets an error from ``lock_timeout``.
"""

import datetime as dt
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.support import Lab, make_database, make_templates
from warehouse import access, publish
from warehouse.catalog import APPLICATIONS, CALENDAR, mart, marts
from warehouse.database import Connection, connect
from warehouse.plan import Parameters, Plan
from warehouse.refresh import Refresh
from warehouse.server import EmbeddedServer

MARKABLE = ("integer", "bigint", "double precision", "text")
"""Types of columns that can hold a version, the best first."""

PARTS = 5
"""Of the publications: dead rows that are not reused would make each part larger than the one before."""

NO_WAITING = "-c lock_timeout=1ms"

Session = psycopg.Connection[tuple[object, ...]]


@dataclass
class Seen:
    """What readers saw: how often each kind looked, the versions, and what was wrong."""

    looks: dict[str, int] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Area:
    """The marts of one application that have rows: the column that shows the version, and the number of rows."""

    name: str
    plan: Plan
    marks: dict[str, str]
    rows: dict[str, int]

    def statement(self) -> str:
        """A row per mart: its name, number of rows, number of versions, and a version."""
        return " union all ".join(
            f"select '{mart}', count(*), count(distinct {column}::text), min({column}::text) from marts.{mart}"
            for mart, column in self.marks.items()
        )


def areas_of(lab: Lab, refresh: Refresh) -> list[Area]:
    """The marts that a run has built rows of, and a column of each that can show a version."""
    areas = []
    for application in (*APPLICATIONS, CALENDAR):
        built = refresh.outcomes[application].plan
        assert built is not None
        marks, rows = {}, {}
        for each in marts(application):
            found = lab.warehouse.execute(
                "select column_name from information_schema.columns where table_schema = 'marts' and table_name = %s"
                " and data_type = any (%s) and column_name <> all (%s)"
                " order by array_position(%s, data_type::text), ordinal_position",
                (each.name, list(MARKABLE), [*each.key, each.date_column or ""], list(MARKABLE)),
            ).fetchone()
            (count,) = lab.warehouse.execute(f"select count(*) from candidate.{each.name}").fetchone() or (0,)
            if found and count:
                marks[each.name], rows[each.name] = str(found[0]), int(str(count))
        areas.append(Area(application, built.only(marks), marks, rows))
    return areas


def publish_whole(runner: Connection, parameters: Parameters, area: Area) -> None:
    """As runs do."""
    publish.publish(runner, parameters, area.plan)


def hammer(
    lab: Lab,
    refresh: Refresh,
    publications: int,
    cursor_seconds: float,
    publish_area: Callable[[Connection, Parameters, Area], None] = publish_whole,
    say: Callable[[str], None] = print,
) -> Seen:
    """Publish all marts so many times, in turns by application, while three kinds of readers look at them.

    Args:
        lab: a laboratory.
        refresh: a run in it that has built every mart.
        publications: of one application each.
        cursor_seconds: how long each cursor takes to read everything; publishing lasts until one has.
        publish_area: publishes the candidates of one application.
        say: takes lines about sizes.
    """
    areas, parameters = areas_of(lab, refresh), refresh.parameters
    access.set_password(lab.warehouse, access.BI, "read")
    url = access.reader_url(lab.server.url("warehouse"), "read")
    with connect(lab.places.warehouse_url, name="hammer") as runner:
        _publish(runner, parameters, areas, 0, publish_whole)
        first = size(lab, areas)
        seen, ended, cursors = Seen(), threading.Event(), threading.Event()
        readers = [
            threading.Thread(target=_read, args=(look, url, areas, seen, ended), daemon=True)
            for look in (_in_one_statement, _in_one_transaction)
        ]
        slow = threading.Thread(target=_by_cursor, args=(url, areas, seen, ended, cursors, cursor_seconds), daemon=True)
        for reader in (*readers, slow):
            reader.start()
        done, version = 0, 0
        largest = dict.fromkeys(range(PARTS), 0)
        while not seen.wrong and (done < publications or not cursors.is_set()):
            version += 1
            _publish(runner, parameters, areas, version, publish_area)
            done += len(areas)
            month = _month(version // 5)
            # What a publication does for a month that it is the first to have rows for.
            for name in (name for area in areas for name in area.marks if _is_dated(name)):
                runner.execute(
                    "select control.make_partition(%s, %s)"
                    " where to_regclass('marts.' || %s || to_char(%s::timestamp, '_YYYY_MM')) is null",
                    (name, month, name, month),
                )
            part = min(PARTS * done // publications, PARTS - 1)
            largest[part] = max(largest[part], size(lab, areas))
        ended.set()
        for reader in (*readers, slow):
            reader.join()
    say(f"{done} publications of {sum(len(area.marks) for area in areas)} marts; reads: {seen.looks}")
    times = ", ".join(f"{found / first:.1f}" for found in largest.values() if found)
    say(f"size of the marts: {first:,} bytes after the first; times that, at most, in each fifth: {times}")
    return seen


def size(lab: Lab, areas: list[Area]) -> int:
    """Bytes of the marts and their indexes, partitions made for the hammer left out."""
    (found,) = lab.warehouse.execute(
        "select sum(pg_total_relation_size(c.oid)) from pg_class as c"
        " where c.relnamespace = 'marts'::regnamespace and c.relkind = 'r' and c.relname !~ '_20[3-9][0-9]_[0-9]{2}$'"
    ).fetchone() or (0,)
    return int(str(found))


def _publish(
    runner: Connection,
    parameters: Parameters,
    areas: list[Area],
    version: int,
    publish_area: Callable[[Connection, Parameters, Area], None],
) -> None:
    for area in areas:
        for name, column in area.marks.items():
            runner.execute(
                sql.SQL("update candidate.{} set {} = {}").format(
                    sql.Identifier(name), sql.Identifier(column), sql.Literal(str(version))
                )
            )
        publish_area(runner, parameters, area)


def _is_dated(name: str) -> bool:
    return mart(name).dated


def _month(number: int) -> dt.date:
    return dt.date(2031 + number // 12, number % 12 + 1, 1)


def _check(kind: str, area: Area, rows: Iterable[tuple[object, ...]], seen: Seen) -> None:
    found = {str(row[0]): row[1:] for row in rows}
    versions = {str(version) for _, _, version in found.values()}
    counts = {name: count for name, (count, _, _) in found.items()}
    if len(versions) != 1 or any(number != 1 for _, number, _ in found.values()) or counts != area.rows:
        seen.wrong.append(f"{kind}, {area.name}: {found}")
    seen.looks[kind] = seen.looks.get(kind, 0) + 1
    seen.versions |= versions


def _read(
    look: Callable[[Session, list[Area], Seen], None], url: str, areas: list[Area], seen: Seen, ended: threading.Event
) -> None:
    try:
        with psycopg.connect(url, autocommit=True, options=NO_WAITING) as session:
            while not ended.is_set() and not seen.wrong:
                look(session, areas, seen)
    except psycopg.Error as error:
        seen.wrong.append(f"{look.__name__}: {error}")


def _in_one_statement(session: Session, areas: list[Area], seen: Seen) -> None:
    for area in areas:
        _check("statement", area, session.execute(area.statement().encode()).fetchall(), seen)


def _in_one_transaction(session: Session, areas: list[Area], seen: Seen) -> None:
    """All marts of all applications, one after the other, in one snapshot."""
    with session.transaction():
        session.execute("set transaction isolation level repeatable read")
        for area in areas:
            rows = []
            for query in area.statement().split(" union all "):
                rows += session.execute(query.encode()).fetchall()
                time.sleep(0.005)
            _check("transaction", area, rows, seen)


def _by_cursor(
    url: str, areas: list[Area], seen: Seen, ended: threading.Event, finished: threading.Event, seconds: float
) -> None:
    """Read every row of every mart through one cursor, slowly; again and again."""
    columns = [
        f"select '{area.name}' as area, '{name}' as mart, {column}::text as version from marts.{name}"
        for area in areas
        for name, column in area.marks.items()
    ]
    total = sum(sum(area.rows.values()) for area in areas)
    try:
        with psycopg.connect(url, options=NO_WAITING) as session:
            while not ended.is_set() and not seen.wrong:
                found: dict[str, dict[str, list[str]]] = {}
                with session.transaction(), session.cursor("slow") as cursor:
                    cursor.execute(" union all ".join(columns).encode())
                    while rows := cursor.fetchmany(max(total // 20, 1)):
                        for area, name, version in rows:
                            found.setdefault(area, {}).setdefault(name, []).append(version)
                        time.sleep(seconds / 20)
                for area in areas:
                    read = found.get(area.name, {})
                    _check("cursor", area, [(n, len(v), len({*v}), v[0]) for n, v in read.items()], seen)
                finished.set()
    except psycopg.Error as error:
        seen.wrong.append(f"cursor: {error}")


def main() -> None:
    """A thousand publications and a cursor of ten minutes, on a server of its own; exit code 1 if anything is wrong."""
    publications, cursor_seconds = int(sys.argv[1]), float(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="weir-hammer-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder, "home"))
        server.start()
        try:
            make_templates(server)
            for name in ("source", "warehouse"):
                make_database(server, name, f"template_{name}")
            lab = Lab(server, Path(folder, "lab"))
            try:
                lab.write(*BEGINNING)
                seen = hammer(lab, lab.run(AS_OF, gate_open=True), publications, cursor_seconds)
            finally:
                lab.close()
        finally:
            server.remove()
    print(f"{len(seen.versions)} versions seen")
    sys.exit("\n".join(seen.wrong) if seen.wrong else 0)


if __name__ == "__main__":
    main()
