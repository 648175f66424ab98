"""Append-only tables: rows in the order in which they are written, with ids from a sequence.

Rows are generated in blocks (executions, days) and written when their time comes, some much later. What
is under way between two blocks waits in memory: a few per cent of a table at most.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from warehouse.demo.text import Cell, Columns, Row

Records = npt.NDArray[np.void]
"""Structured array with at least the field `key`: when the row is written, milliseconds since 1970."""

Extra = tuple[int, Row]
"""A row made by hand, without its id, and its key."""

END = np.iinfo(np.int64).max


def in_order(blocks: Iterable[tuple[int, Records]]) -> Iterator[Records]:
    """The blocks' rows by key; each block comes with its frontier: later blocks have no smaller key.

    Rows with equal keys stay in the order in which they came. The last frontier must be END.
    """
    waiting: Records | None = None
    for frontier, block in blocks:
        rows = block if waiting is None else np.concatenate([waiting, block])
        ready = rows["key"] < frontier
        waiting = rows[~ready]
        due = rows[ready]
        yield due[np.argsort(due["key"], kind="stable")]
    if waiting is not None and len(waiting):
        raise ValueError("the last block's frontier must be END")


def sequence_value(position: int) -> int:
    """The id of the n-th row, from 1: the sequence has gaps, as rolled-back inserts leave them."""
    return position + position // 997


def numbered(
    chunks: Iterable[Records], to_columns: Callable[[Records], Columns], extras: Iterable[Extra]
) -> Iterator[Row]:
    """Rows in order, the extras among them by key (after generated rows of the same key), ids in front."""
    pending = sorted(extras, key=lambda extra: extra[0])
    position = 0
    for chunk in chunks:
        columns = to_columns(chunk)
        keys = chunk["key"]
        if len(keys):
            due = sum(1 for key, _ in pending if key < int(keys[-1]))
            columns = _with_extras(columns, keys, pending[:due])
            pending = pending[due:]
        yield from _with_ids(columns, position)
        position += len(columns[0])
    if pending:
        yield from _with_ids([list(column) for column in zip(*(row for _, row in pending), strict=True)], position)


def _with_extras(columns: Columns, keys: npt.NDArray[Any], extras: list[Extra]) -> Columns:
    if not extras:
        return columns
    places = np.searchsorted(keys, [key for key, _ in extras], side="right").tolist()
    merged: Columns = []
    for number, column in enumerate(columns):
        cells: list[Cell] = []
        done = 0
        for place, (_, row) in zip(places, extras, strict=True):
            cells += column[done:place]
            cells.append(row[number])
            done = place
        merged.append(cells + column[done:])
    return merged


def _with_ids(columns: Columns, position: int) -> Iterator[Row]:
    count = len(columns[0])
    ids = [str(sequence_value(n)) for n in range(position + 1, position + count + 1)]
    return zip(ids, *columns, strict=True)
