"""Rows from one server to another: binary COPY to binary COPY, in constant memory.

Belongs here: moving bytes. Does not belong here: which rows, and what happens to them.
"""

from collections.abc import Callable, Iterable, Iterator

from psycopg import sql
from psycopg.abc import Buffer

from warehouse.database import Connection

BLOCK = 64 * 1024
"""Bytes per write: psycopg hands over one row at a time, and a call per row is most of the cost."""

EMPTY = b"PGCOPY\n\xff\r\n\x00" + bytes(8) + b"\xff\xff"
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
        blocks = _blocks(rows, report)
        first = next(blocks)
        if first == EMPTY:
            return 0
        with writer.copy(prepare()) as into:
            into.write(first)
            for block in blocks:
                into.write(block)
        return writer.rowcount


def _blocks(rows: Iterable[Buffer], report: Callable[[int], None]) -> Iterator[bytes]:
    buffer = bytearray()
    for count, data in enumerate(rows, start=1):  # one row each
        buffer += data
        if len(buffer) >= BLOCK:
            yield bytes(buffer)
            buffer.clear()
            report(count)
    if buffer:
        yield bytes(buffer)
