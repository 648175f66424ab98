"""Rows from one server to another: binary COPY to binary COPY, in constant memory.

Belongs here: moving bytes. Does not belong here: which rows, and what happens to them.
"""

from collections.abc import Callable, Iterator

import psycopg
from psycopg import errors, sql

from warehouse.database import Connection

BLOCK = 16 * 1024
"""Bytes per write. Rows arrive one by one, and a write for each would cost more than the row; those of larger blocks no
longer fit the processor's cache together."""

TRAILER = b"\xff\xff"
"""What ends a binary COPY of rows, a message of its own: -1 where a row has its number of fields."""

EMPTY = b"PGCOPY\n\xff\r\n\x00" + bytes(8) + TRAILER
"""A binary COPY without rows: the header and the end."""


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
        first = next(blocks)
        if first == EMPTY:
            return 0
        with writer.copy(prepare()) as into:
            into.write(first)
            for block in blocks:
                into.write(block)
        return writer.rowcount


def _blocks(rows: psycopg.Copy, source: Connection, report: Callable[[int], None]) -> Iterator[bytes]:
    """What a COPY gives, in blocks of whole rows.

    psycopg is asked to wait, and for the end; rows that have arrived are taken from libpq, at a third of the cost.
    """
    take = source.pgconn.get_copy_data
    buffer: list[memoryview] = []
    size = count = 0
    for row in rows:
        data, length = memoryview(row), len(row)
        while length > 0:
            buffer.append(data)
            size += length
            count += 1
            if size >= BLOCK:
                yield b"".join(buffer)
                buffer.clear()
                size = 0
                report(count)
            if length in (len(TRAILER), len(EMPTY)) and data in (TRAILER, EMPTY):
                break
            length, data = take(1)
        if length < 0:  # an error in place of the end
            rows._finished = True  # psycopg would ask for more of what has ended, and complain
            results = list(iter(source.pgconn.get_result, None))
            raise errors.error_from_result(results[0]) if results else psycopg.OperationalError("COPY broke off")
    if buffer:
        yield b"".join(buffer)
