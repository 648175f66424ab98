"""One run at a time per warehouse: an advisory lock that dies with its holder.

Belongs here: taking, waiting for and naming the holder of the lock. Does not belong here: locks on tables.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from warehouse.database import fetch_row, session
from warehouse.errors import ConfigurationError, WeirError

KEY = 0x77656972  # "weir"
POLL = 0.2  # seconds


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
        # Only whoever logged in is shown the names of its other sessions; this one touches no table.
        connection.execute("set role none")
        connection.execute("set idle_session_timeout = 0")  # it is idle for as long as the run takes

        def check() -> None:
            try:
                connection.execute("select 1")
            except psycopg.OperationalError as error:
                reason = " ".join(str(error).split())
                raise WeirError(f"the run lost its hold of the warehouse ({reason}); run again") from None

        told = False
        while not fetch_row(connection, "select pg_try_advisory_lock(%s)", (KEY,))[0]:
            row = connection.execute(
                "select a.application_name from pg_locks as l join pg_stat_activity as a using (pid)"
                " where l.locktype = 'advisory' and l.granted and l.classid = 0 and l.objid = %s"
                " and l.database = (select oid from pg_database where datname = current_database())",
                (KEY,),
            ).fetchone()
            holder = str(row[0]).removeprefix("weir ") if row and row[0] else "another run"
            if not wait:
                raise ConfigurationError(
                    f"{holder} is working on this warehouse; wait for it, or run again without --no-wait"
                )
            if not told:
                waiting(holder)
                told = True
            time.sleep(POLL)
        yield check
