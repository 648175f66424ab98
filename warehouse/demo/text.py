"""PostgreSQL's text form of columns of values, made many at a time.

A row is a tuple of text or None: what COPY and CSV both write. Columns are lists; rows are their zip.
"""

import functools
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from warehouse.demo.period import DAY_MS, DAY_SECONDS, EPOCH_DAY
from warehouse.demo.randomness import Bools, Ints

Cell = str | None
Row = tuple[Cell, ...]
Columns = list[list[Cell]]

_FIRST = date(2024, 1, 1)
_LAST = date(2028, 1, 1)
_OFFSET = (_FIRST - EPOCH_DAY).days


@functools.cache
def _day_texts() -> npt.NDArray[np.bytes_]:
    days = [(_FIRST + timedelta(days=n)).isoformat() for n in range((_LAST - _FIRST).days)]
    return np.array([f"{day}T" for day in days], dtype="S11")


@functools.cache
def _second_texts() -> npt.NDArray[np.bytes_]:
    two_digits = np.array([f"{n:02d}" for n in range(60)], dtype="S2")
    second = np.arange(DAY_SECONDS, dtype=np.int64)
    cells = np.empty(DAY_SECONDS, dtype=[("h", "S2"), ("c", "S1"), ("m", "S2"), ("d", "S1"), ("s", "S2")])
    cells["h"], cells["m"], cells["s"] = (two_digits[second // size % 60] for size in (3600, 60, 1))
    cells["c"] = cells["d"] = b":"
    return cells.view("S8")


@functools.cache
def _fraction_texts() -> npt.NDArray[np.bytes_]:
    return np.array([f".{n:03d}Z" for n in range(1000)], dtype="S5")


def _cut(whole: bytes, width: int) -> list[str]:
    text = whole.decode("ascii")
    return [text[at : at + width] for at in range(0, len(text), width)]


def instants(milliseconds: Ints) -> list[str]:
    """`2026-03-05T10:00:00.123Z` for each instant, given in milliseconds since 1970; 2024 … 2027."""
    day, rest = np.divmod(milliseconds, DAY_MS)
    second, fraction = np.divmod(rest, 1000)
    cells = np.empty(len(milliseconds), dtype=[("day", "S11"), ("second", "S8"), ("fraction", "S5")])
    cells["day"] = _day_texts()[day - _OFFSET]
    cells["second"] = _second_texts()[second]
    cells["fraction"] = _fraction_texts()[fraction]
    return _cut(cells.tobytes(), 24)


def stamps(seconds: Ints) -> list[str]:
    """`2026-03-05T10:00:00`, without offset, for each count of seconds since 1970 on any clock."""
    day, second = np.divmod(seconds, DAY_SECONDS)
    cells = np.empty(len(seconds), dtype=[("day", "S11"), ("second", "S8")])
    cells["day"] = _day_texts()[day - _OFFSET]
    cells["second"] = _second_texts()[second]
    return _cut(cells.tobytes(), 19)


def dates(days: Ints) -> list[str]:
    """`2026-03-05` for each count of days since 1970."""
    texts = _day_texts()
    return [text[:10].decode("ascii") for text in texts[days - _OFFSET].tolist()]


def where(mask: Bools, texts: Sequence[str]) -> list[Cell]:
    """The texts, but None where the mask is false."""
    return [text if keep else None for text, keep in zip(texts, mask.tolist(), strict=True)]


def nullable_instants(milliseconds: Ints, mask: Bools) -> list[Cell]:
    """As `instants`, but None (and nothing computed) where the mask is false."""
    cells = np.full(len(milliseconds), None, dtype=object)
    cells[mask] = instants(milliseconds[mask])
    return list(cells.tolist())


def lookup(table: Sequence[Cell], index: Ints) -> list[Cell]:
    """The table's entry for each index."""
    return list(np.array(table, dtype=object)[index].tolist())
