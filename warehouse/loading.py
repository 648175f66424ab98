"""Making and filling source tables, for demos, tests and first looks. Weir itself only ever reads a source.

Belongs here: ``weir source create`` and ``weir source load``. Does not belong here: generated data
(``warehouse.demo``) and reading sources (``warehouse.extract``).
"""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from models import source
from warehouse.catalog import APPLICATIONS, SOURCE_TABLES, SourceTable, source_tables
from warehouse.database import Connection, fetch_row
from warehouse.errors import ConfigurationError

BLOCK = 1 << 20  # bytes per COPY message
UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file raises, one that is packed included."""


@dataclass(frozen=True)
class _File:
    table: SourceTable
    path: Path
    columns: tuple[str, ...]


def create(connection: Connection, applications: tuple[str, ...] = APPLICATIONS) -> list[str]:
    """Create the applications' tables in an empty database; one transaction.

    Returns:
        Names of the tables made; none where all exist already.

    Raises:
        ConfigurationError: some of the tables exist and some do not, or the role may not make them.
    """
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    with _permitted("create schemas and tables"), connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext('weir.source'))")
        tables = [table for table in SOURCE_TABLES if table.application in applications]
        existing = [table.qualified for table in tables if _exists(connection, table)]
        if len(existing) == len(tables):
            return []
        if existing:
            lacking = next(table.qualified for table in tables if table.qualified not in existing)
            raise ConfigurationError(
                f"the source has {existing[0]} already but not {lacking}; "
                "create the tables in an empty database, or drop those that are there"
            )
        for application in applications:
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(application)))
        for table in source.metadata.sorted_tables:
            if table.schema in applications:
                connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        return [table.qualified for table in tables]


def filled(connection: Connection) -> list[str]:
    """Names of the source tables that have rows; all of them must exist."""
    return [table.qualified for table in SOURCE_TABLES if _has_rows(connection, table)]


def load(
    connect: Callable[[str], Connection],
    folder: Path,
    progress: Callable[[str, int], None] = lambda table, rows: None,
) -> dict[str, int]:
    r"""Fill source tables from ``<schema>.<table>.csv[.gz]`` files with a header row.

    An empty field, quoted or not, is null; ``\N`` is text. An application none of whose files are there is
    left alone; of the others every table needs its file, but those that no mart reads. Everything that can be
    known beforehand is checked before anything is connected to, and nothing is committed before all is loaded.

    Args:
        connect: gives a connection to an application's source, by the application's name; it is closed here.
        folder: where the files are.
        progress: called with a table's name and its number of rows.

    Returns:
        Rows per table.

    Raises:
        ConfigurationError: the folder or a file in it cannot be used; nothing is loaded.
    """
    files = _find_files(folder)
    rows: dict[str, int] = {}
    with ExitStack() as connections:
        loading = [
            (connections.enter_context(connect(application)), files[application])
            for application in APPLICATIONS
            if application in files
        ]
        for connection, of_application in loading:
            _check_tables(connection, of_application)
        with _permitted("write to them"), ExitStack() as transactions:
            for connection, of_application in loading:
                transactions.enter_context(connection.transaction())
                for file in of_application:
                    rows[file.table.qualified] = _load_file(connection, file)
                    progress(file.table.qualified, rows[file.table.qualified])
                for file in of_application:
                    _set_identity(connection, file.table)
    return rows


@contextmanager
def _permitted(what: str) -> Iterator[None]:
    """Explain what the role of the source may not do."""
    try:
        yield
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise ConfigurationError(
            f"the source tables cannot be made or filled ({error.diag.message_primary}); "
            f"give WEIR_SOURCE_URL a role that may {what}"
        ) from None


def _find_files(folder: Path) -> dict[str, list[_File]]:
    try:
        is_folder, paths = folder.is_dir(), sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be read ({error.strerror}); give yourself access to it") from None
    if not is_folder:
        raise ConfigurationError(f"{folder} is not a folder; give one with files such as scheduling.users.csv.gz")
    known = {table.qualified: table for table in SOURCE_TABLES}
    found: dict[str, Path] = {}
    for path in paths:
        stem = path.name.removesuffix(".gz")
        if not stem.endswith(".csv") or path.name.startswith("."):
            continue
        name = stem.removesuffix(".csv")
        if name not in known:
            close = _closest(name, known)
            hint = f"did you mean {close}.csv?" if close else f"tables are {', '.join(known)}"
            raise ConfigurationError(f"{path} is named after no source table; {hint}")
        if name in found:
            raise ConfigurationError(f"{found[name]} and {path} are the same table; remove one of them")
        found[name] = path
    if not found:
        raise ConfigurationError(f"{folder} has no files such as scheduling.users.csv.gz; nothing to load")
    files: dict[str, list[_File]] = {}
    for application in APPLICATIONS:
        tables = source_tables(application)
        if not any(table.qualified in found for table in tables):
            continue
        for table in tables:
            if table.qualified in found:
                files.setdefault(application, []).append(_read_header(table, found[table.qualified]))
            elif not table.optional:
                raise ConfigurationError(
                    f"{folder} lacks {table.qualified}.csv[.gz]; add it (a header row alone will do)"
                )
    return files


def _closest(name: str, known: dict[str, SourceTable]) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _read_header(table: SourceTable, path: Path) -> _File:
    try:
        with _open(path) as stream:
            first_line = stream.readline(BLOCK).decode("utf-8-sig")  # the rest is the server's to decode
        header = next(csv.reader([first_line], strict=True), [])
    except (*UNREADABLE, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path} cannot be read ({_why(error)}); give UTF-8 CSV, plain or gzipped") from None
    columns = {column.name: column for column in table.model.columns}
    if not header:
        raise ConfigurationError(f"{path} is empty; its first row must name columns of {table.qualified}")
    for name in header:
        if name not in columns:
            raise ConfigurationError(f"{path}: {table.qualified} has no column {name!r}; it has {', '.join(columns)}")
        if header.count(name) > 1:
            raise ConfigurationError(f"{path}: column {name!r} stands there twice; remove one")
    for name, column in columns.items():
        if name not in header and not _has_default(column):
            raise ConfigurationError(f"{path} lacks column {name!r} of {table.qualified}; add it")
    return _File(table, path, tuple(header))


def _has_default(column: sa.Column[object]) -> bool:
    return bool(column.nullable) or column.server_default is not None or column.identity is not None


def _exists(connection: Connection, table: SourceTable) -> bool:
    (exists,) = fetch_row(connection, "select to_regclass(%s) is not null", (table.qualified,))
    return bool(exists)


def _has_rows(connection: Connection, table: SourceTable) -> bool:
    name = sql.Identifier(table.application, table.name)
    with _permitted("read and write them"):
        row = connection.execute(sql.SQL("select exists (select from {})").format(name)).fetchone()
    return bool(row and row[0])


def _check_tables(connection: Connection, files: list[_File]) -> None:
    for file in files:
        if not _exists(connection, file.table):
            raise ConfigurationError(f"the source has no table {file.table.qualified}; run: weir source create")
        if _has_rows(connection, file.table):
            raise ConfigurationError(
                f"{file.table.qualified} has rows already; load into empty tables (drop or truncate them first)"
            )


def _load_file(connection: Connection, file: _File) -> int:
    names = sql.SQL(", ").join(map(sql.Identifier, file.columns))
    statement = sql.SQL("copy {} ({}) from stdin (format csv, header, force_null ({}), encoding 'UTF8')").format(
        sql.Identifier(file.table.application, file.table.name), names, names
    )
    try:
        with connection.cursor() as cursor:
            with _open(file.path) as stream, cursor.copy(statement) as copy:
                while block := stream.read(BLOCK):
                    copy.write(block)
            return cursor.rowcount
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.UndefinedColumn) as error:
        raise ConfigurationError(f"{file.path}{_where(error)}; mend it and load again: nothing was loaded") from None
    except UNREADABLE as error:
        raise ConfigurationError(
            f"{file.path} cannot be read ({_why(error)}); make it anew and load again: nothing was loaded"
        ) from None


def _where(error: psycopg.Error) -> str:
    """The line and column that PostgreSQL objects to, as far as it says, and the objection."""
    context = re.match(r"COPY \S+, (line \d+(?:, column [^:]+)?)", error.diag.context or "")
    detail = "" if context or not error.diag.message_detail else f" ({error.diag.message_detail})"
    return f"{', ' + context[1] if context else ''}: {error.diag.message_primary}{detail}"


def _why(error: Exception) -> str:
    """What the operating system or a decoder says, in few words and without the path."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _set_identity(connection: Connection, table: SourceTable) -> None:
    """Let the application go on counting after the highest loaded id."""
    for column in table.model.columns:
        if column.identity is not None:
            words = {
                "table": sql.Identifier(table.application, table.name),
                "column": sql.Identifier(column.name),
                "table_name": sql.Literal(table.qualified),
                "column_name": sql.Literal(column.name),
            }
            connection.execute(
                sql.SQL(
                    "select setval(pg_get_serial_sequence({table_name}, {column_name}), max({column}))"
                    " from {table} having max({column}) is not null"
                ).format(**words)
            )
