"""Connections: to the warehouse (read and write) and to sources (read only).

Belongs here: how Weir connects and what every session has in common. Does not belong here: statements of any
one subject, and the embedded server.
"""

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import conninfo, sql

from warehouse.errors import ConfigurationError

SESSION_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "temp_buffers": "32MB",  # rows of an extract wait there; nothing is allocated before
    "jit": "off",  # compiling costs more than it saves on every query here
}
"""Of every session: text forms must not depend on the server's configuration.

Only what an ordinary role may set: ``lc_messages`` here once kept everybody but superusers out.
"""

OPTIONS = " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in SESSION_SETTINGS.items())
"""The same as libpq start-up options."""

ENVIRONMENT = {"PGTZ": SESSION_SETTINGS["timezone"], "PGDATESTYLE": SESSION_SETTINGS["datestyle"]}
"""Of a process that connects by itself: libpq lets these have the last word."""

MINIMUM_VERSION = 150000
MINIMUM_LOCKS = 6400
"""What PostgreSQL's defaults give: 64 locks for each of 100 connections."""

CONNECT_SECONDS = 10
"""For each address that the host's name has."""

KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""A peer that is gone without a word is noticed within a minute, and not after the two hours that systems wait. What a
URL sets stays as it is."""

Connection = psycopg.Connection[tuple[object, ...]]


def without_password(url: str) -> str:
    """The URL as it may be shown: host, port and database only."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "(malformed URL)"
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _given(url: str) -> dict[str, str | int | None]:
    try:
        return conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return {}  # connecting says what is wrong with it


def options_of(url: str) -> str:
    """Start-up options of a session: everybody's, and those that the URL gives."""
    own = _given(url).get("options")
    return f"{own} {OPTIONS}" if own else OPTIONS


def connect(url: str, *, name: str, read_only: bool = False, setting: str = "the URL") -> Connection:
    """Open a connection in UTC with ISO dates.

    Args:
        url: libpq URL.
        name: what the connection is for, shown in ``pg_stat_activity``.
        read_only: refuse to write, whatever the role may.
        setting: the environment variable that the URL came from, for the error message.

    Raises:
        ConfigurationError: the server does not answer, refuses, or is older than PostgreSQL 15.
    """
    options = options_of(url) + (" -c default_transaction_read_only=on" if read_only else "")
    try:
        # UTF-8 whatever the server's own encoding: rows go from one server to another as they come.
        # Autocommit: a block of connection.transaction() is then a transaction and never a mere savepoint.
        connection = psycopg.connect(
            conninfo.make_conninfo(url, **{**KEEPALIVES, **_given(url)}),
            application_name=name,
            options=options,
            client_encoding="utf8",
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
        )
    except psycopg.Error as error:
        reason = _reason(str(error))
        # Secrets stay out of the message: psycopg quotes host, user and database only.
        if "FATAL" in reason:
            problem = f"refuses the connection ({reason}); mend that, or {setting}"
        else:
            problem = f"does not answer ({reason}); start the server or mend {setting}"
        raise ConfigurationError(f"{without_password(url)} {problem}") from None
    version = connection.info.server_version
    if version < MINIMUM_VERSION:
        connection.close()
        raise ConfigurationError(
            f"{without_password(url)} is PostgreSQL {version // 10000}; 15 or later is needed: "
            f"upgrade it or point {setting} elsewhere"
        )
    try:
        with patience(connection, CONNECT_SECONDS):
            _set_up(connection)
    except psycopg.OperationalError as error:
        raise ConfigurationError(
            f"{without_password(url)} does not answer ({_reason(str(error))}); start the server or mend {setting}"
        ) from None
    return connection


def _set_up(connection: Connection) -> None:
    # Once more: where PGTZ or PGDATESTYLE is set, libpq sends it after the options.
    connection.execute(
        "select set_config(name, value, false) from unnest(%s::text[], %s::text[]) as settings (name, value)",
        (list(SESSION_SETTINGS), list(SESSION_SETTINGS.values())),
    )
    # Else a query whose client was killed runs on, and holds its locks, until it has a row to send.
    connection.execute(
        "select set_config('client_connection_check_interval', '1s', false) where version() !~* 'windows|mingw|visual'"
    )


def _reason(text: str) -> str:
    """The telling part of libpq's answer; of several addresses of one host, of the last."""
    first = text.split("Multiple connection attempts failed")[0]
    line = " ".join(first.split("Is the server running")[0].split()).removeprefix("connection failed: ")
    return re.sub(r"^connection to server (at|on) .*? failed: ", "", line) or "it closed the connection"


def check_locks(connection: Connection, needed: int = MINIMUM_LOCKS) -> None:
    """Refuse a server whose lock table is too small for a publication.

    Raises:
        ConfigurationError: with the value of ``max_locks_per_transaction`` that would do.
    """
    locks, sessions, prepared = (
        int(str(value))
        for value in fetch_row(
            connection,
            "select current_setting('max_locks_per_transaction'), current_setting('max_connections'),"
            " current_setting('max_prepared_transactions')",
        )
    )
    slots = sessions + prepared
    if locks * slots < needed:
        raise ConfigurationError(
            f"the warehouse server has room for {locks * slots} locks and needs {needed}: "
            f"set max_locks_per_transaction to {-(-needed // slots)} or more and restart it"
        )


def fetch_row(connection: Connection, query: str | sql.Composable, parameters: object = None) -> tuple[object, ...]:
    """The only row of a query that always has one."""
    row = connection.execute(query, parameters).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return tuple(row)


SMALL_TABLE = 65536
"""Bytes; as ``emptied`` of ``macros/materializations.sql`` has it."""


def empty(connection: Connection, table: sql.Identifier) -> None:
    """Delete all rows of a table; of a small one row by row, because to truncate makes new files."""
    size = "select pg_relation_size(%s::regclass) > %s"
    is_large = fetch_row(connection, size, (table.as_string(connection), SMALL_TABLE))[0]
    connection.execute(sql.SQL("truncate {}" if is_large else "delete from {}").format(table))


def line_of(connection: Connection) -> socket.socket:
    """The connection's socket, which another thread may be waiting on; to be closed."""
    return socket.socket(fileno=os.dup(connection.fileno()))


def hang_up(connection: Connection) -> None:
    """Cut a connection whose server does not answer: whoever waits on it, in any thread, gets an error at once."""
    with suppress(OSError, psycopg.Error), line_of(connection) as line:
        line.shutdown(socket.SHUT_RDWR)


@contextmanager
def patience(connection: Connection, seconds: float) -> Iterator[None]:
    """Hang up unless what is asked inside, which is a matter of milliseconds, is answered in time."""
    timer = threading.Timer(seconds, hang_up, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def session(url: str, *, name: str, read_only: bool = False, setting: str = "the URL") -> Iterator[Connection]:
    """A connection that is closed at the end."""
    connection = connect(url, name=name, read_only=read_only, setting=setting)
    try:
        yield connection
    finally:
        connection.close()
