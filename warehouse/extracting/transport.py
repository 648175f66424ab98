"""Rows from one server to another: binary COPY to binary COPY, in constant memory.

Belongs here: moving bytes. Does not belong here: which rows, and what happens to them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile

import psycopg
from psycopg import errors, sql
from psycopg.pq import ExecStatus

from warehouse.database import Connection

TRAILER = b"\xff\xff"
"""What ends a binary COPY of rows, a message of its own: -1 where a row has its number of fields."""

EMPTY = b"PGCOPY\n\xff\r\n\x00" + bytes(8) + TRAILER
"""A binary COPY without rows: the header and the end."""

NOTHING_YET, END = (0, b""), (len(TRAILER), TRAILER)
"""What libpq gives: a message with its length."""


def pipe(
    source: Connection,
    query: sql.Composed,
    warehouse: Connection,
    prepare: Callable[[], sql.Composed],
    report: Callable[[int], None] = lambda rows: None,
) -> int:
    """Copy the rows of a query.

    Args:
        source: where to ask.
        query: a select.
        warehouse: where the rows go.
        prepare: makes the target and returns the binary COPY into it; called only where there are rows.
        report: called now and then with the number of rows so far.

    Returns:
        Number of rows.
    """
    with (
        source.cursor() as reader,
        warehouse.cursor() as writer,
        reader.copy(sql.SQL("copy ({}) to stdout (format binary)").format(query)) as rows,
    ):
        blocks = _blocks(rows, source, report)
        first = next(blocks, None)
        if first is None:
            return 0
        with writer.copy(prepare()) as into:
            into.write(first)
            for block in blocks:
                into.write(block)
        return writer.rowcount


def _blocks(rows: psycopg.Copy, source: Connection, report: Callable[[int], None]) -> Iterator[bytes]:
    """What a COPY gives, in blocks of whole rows: as many as have arrived.

    psycopg is asked to wait, and for the end. What has arrived is taken from libpq directly: through psycopg each row
    costs two and a half times as much.
    """
    take = partial(source.pgconn.get_copy_data, 1)
    count = 0
    for number, row in enumerate(rows):
        if row in (TRAILER, EMPTY):
            continue
        try:
            more = [data for _, data in takewhile(END.__ne__, iter(take, NOTHING_YET))]
        except psycopg.OperationalError:
            rows._finished = True  # psycopg would ask for more of what has ended, and complain
            results = list(iter(source.pgconn.get_result, None))
            if results and results[0].status == ExecStatus.FATAL_ERROR:
                raise errors.error_from_result(results[0]) from None
            raise
        yield b"".join([row, *more])
        count += 1 + len(more)
        if number % 16 == 0:
            report(count)
    if count:
        yield TRAILER
