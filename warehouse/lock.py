"""One run at a time per warehouse: a lock that dies with its holder.

Belongs here: taking, waiting for and naming the holder of the lock; the lock on an application within a run. Does
not belong here: locks on marts and on tables of sources.

Whoever may connect can take any advisory lock, and keep runs out with it. Relations and rows can only be locked by who
may write to them: ``control.run_lock`` is there for that alone.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from warehouse.database import Connection, session
from warehouse.errors import ConfigurationError, WeirError

POLL = 0.2  # seconds

_LOCK = "lock table control.run_lock in share update exclusive mode nowait"
"""The weakest mode that only one can hold; one that takes no transaction id either."""

_TIMEOUTS = ("idle_session_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
"""The session is idle for as long as the run takes; the last is known to PostgreSQL 17 and later."""


@contextmanager
def exclusive(
    url: str, run_id: str, *, wait: bool = True, waiting: Callable[[str], None] = lambda holder: None
) -> Iterator[Callable[[], None]]:
    """Hold the warehouse for a run.

    The lock belongs to a session of its own: it is free as soon as that ends, also after kill -9. What is yielded
    raises WeirError where it has ended though the run has not; to be asked before anything is published.

    Args:
        url: of the warehouse.
        run_id: named to others that want the lock.
        wait: whether to wait for another run to end.
        waiting: called once with the holder's run, when there is something to wait for.

    Raises:
        ConfigurationError: another run holds the lock and ``wait`` is False.
    """
    with session(url, name=f"weir run {run_id}", setting="WEIR_WAREHOUSE_URL") as connection:
        connection.execute(
            "select set_config(name, '0', false) from pg_settings where name = any (%s)", (list(_TIMEOUTS),)
        )

        def check() -> None:
            try:
                connection.execute("select 1")
            except psycopg.OperationalError as error:
                reason = " ".join(str(error).split())
                raise WeirError(f"the run lost its hold of the warehouse ({reason}); run again") from None

        told = False
        # Looked at first: each attempt that fails is an error in the server's log.
        while (holder := _holder(connection)) or not _take(connection):
            holder = holder or _holder(connection) or "another run"
            if not wait:
                raise ConfigurationError(
                    f"{holder} is working on this warehouse; wait for it, or run again without --no-wait"
                )
            if not told:
                waiting(holder)
                told = True
            time.sleep(POLL)
        yield check


def until_commit(warehouse: Connection, application: str) -> None:
    """Be the only one at work on an application until the caller's transaction ends; waits for another's end."""
    warehouse.execute(
        "insert into control.applications as a (application) values (%s)"
        " on conflict (application) do update set application = a.application",
        (application,),
    )


def _take(connection: Connection) -> bool:
    """Lock it, unless another has; in a transaction that stays open, has no snapshot and so holds no vacuum back."""
    connection.execute("begin isolation level read committed")
    try:
        connection.execute(_LOCK)
    except psycopg.errors.LockNotAvailable:
        connection.execute("rollback")
        return False
    return True


def _holder(connection: Connection) -> str | None:
    """The run that holds the lock, if any does; every role is shown the names of all sessions."""
    row = connection.execute(
        "select a.application_name from pg_locks as l left join pg_stat_activity as a using (pid)"
        " where l.relation = 'control.run_lock'::regclass and l.granted and l.mode <> 'AccessShareLock'"
        " and l.database = (select oid from pg_database where datname = current_database())"
    ).fetchone()
    if row is None:
        return None
    return str(row[0]).removeprefix("weir ") if row[0] else "another run"
