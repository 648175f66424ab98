"""Sources that say nothing: those that are at work, told apart from those that have been lost.

Belongs here: how long a silent source is waited for. Does not belong here: peers that are gone, which the system
notices by itself (``KEEPALIVES`` of ``warehouse.database``), and reading sources.

A query may be silent for an hour, and rightly so. So the server is asked on a second connection what became of the
first one. It is cut where the server has been trying to send and nothing came, or does not know it any more; or where
nobody answers the second connection either. Whatever else is said, or refused, is a reason to go on waiting.
"""

import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.pq import TransactionStatus

from warehouse.database import Connection, fetch_row, hang_up, line_of, patience
from warehouse.errors import WeirError

SILENT_SECONDS = 60.0
"""How long a source that has a statement may say nothing before anybody asks."""

ASK_SECONDS = 30.0
"""From one question to the next."""

QUESTIONS = 3
"""After so many bad answers in a row the connection is cut."""

ANSWER_SECONDS = 30
"""How long the second connection has to come about, and then to answer: much, for servers that are very busy."""

LAST_DATA_SENT, LAST_DATA_RECEIVED = 44, 52
"""Where Linux has them in ``struct tcp_info``: milliseconds ago."""

WHAT_OF_IT = """
select pg_postmaster_start_time()::text, a.pid is null or coalesce(a.wait_event = 'ClientWrite', false)
from (values (%s::integer)) as asked (pid)
left join pg_stat_activity as a on a.pid = asked.pid
"""


@contextmanager
def watched(source: Connection, url: str, application: str) -> Iterator[None]:
    """Cut the connection where the server is silent and not at work; on Linux, and over TCP.

    Raises:
        WeirError: it was cut.
    """
    with line_of(source) as line:
        over_tcp = line.family in (socket.AF_INET, socket.AF_INET6)
    if sys.platform != "linux" or not over_tcp:
        yield
        return
    ended, cut = threading.Event(), threading.Event()
    known: tuple[object, ...] = (None, None)

    def watch() -> None:
        bad_answers = 0
        while not ended.wait(ASK_SECONDS):
            lost = _silent_seconds(source) >= SILENT_SECONDS and _is_lost(url, *known)
            bad_answers = bad_answers + 1 if lost else 0
            if bad_answers == QUESTIONS and not ended.is_set():
                cut.set()
                hang_up(source)
                return

    threading.Thread(target=watch, name=f"silence of {application}", daemon=True).start()
    try:
        # Not what libpq knows: behind a pooler that is a number of its own.
        known = fetch_row(source, "select pg_backend_pid(), pg_postmaster_start_time()::text")
        yield
    except (psycopg.Error, WeirError):
        if not cut.is_set():
            raise
        raise WeirError(
            f"{application}: the source fell silent in the middle of the extract; see whether the network to it passes "
            "everything on, and run again: nothing of this extract was kept"
        ) from None
    finally:
        ended.set()


def _silent_seconds(source: Connection) -> float:
    """Since anything was said either way, where an answer is waited for and none lies there unread."""
    try:
        with line_of(source) as line:
            waiting = select.poll()
            waiting.register(line, select.POLLIN)
            if source.pgconn.transaction_status != TransactionStatus.ACTIVE or waiting.poll(0):
                return 0.0
            state = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    except (OSError, psycopg.Error):  # it has been closed
        return 0.0
    return float(min(struct.unpack_from("I", state, at)[0] for at in (LAST_DATA_SENT, LAST_DATA_RECEIVED))) / 1000


def _is_lost(url: str, pid: object, started_at: object) -> bool:
    """Whether the server says that nothing more will come of this session, or says nothing at all."""
    try:
        with (
            psycopg.connect(
                url, connect_timeout=ANSWER_SECONDS, application_name="weir asks", autocommit=True
            ) as second,
            patience(second, ANSWER_SECONDS),
        ):
            server, lost = fetch_row(second, WHAT_OF_IT, (pid,))
    except psycopg.errors.ConnectionTimeout:
        return True
    except psycopg.Error:
        return False
    return bool(lost) and server == started_at  # behind one name there may be several servers
