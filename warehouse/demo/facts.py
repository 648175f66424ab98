"""What is known of the demo's marts without computing them: facts, quarantine entries, the words for both.

Belongs here: the shapes. The facts themselves stand beside the rows that they are about, as literals
worked out by hand from the contract, so that a test of the pipeline has something to be wrong against.
"""

import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from warehouse.demo.text import Row

Value = str | int | bool | float | Decimal | datetime | Mapping[str, int] | None

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "weir:demo")


def witness_id(*parts: str) -> str:
    """The key of a hand-made row, the same at every scale."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


class Fact(NamedTuple):
    """One row of a mart: where `key` matches, the other columns have these values.

    `values` None: the mart has no row with that key. Keys and dates are ISO text, numerics Decimal, double
    precision float, jsonb a mapping.
    """

    mart: str
    key: Mapping[str, str]
    values: Mapping[str, Value] | None
    why: str

    def holds_in(self, rows: Iterable[Mapping[str, object]]) -> bool:
        """Whether the mart's rows, as psycopg or a reference gives them, say so."""
        found = [row for row in rows if all(_text(row[name]) == value for name, value in self.key.items())]
        if self.values is None:
            return not found
        return len(found) == 1 and all(_same(found[0][name], value) for name, value in self.values.items())


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _same(found: object, expected: Value) -> bool:
    if isinstance(expected, float) and isinstance(found, float):
        return math.isclose(found, expected, rel_tol=1e-12)
    return (_text(found) if isinstance(expected, str) else found) == expected


class Entry(NamedTuple):
    """One open entry of quality.quarantine."""

    source_table: str
    row_key: str
    position: int | None
    reason: str


class Planted(NamedTuple):
    """An odd row, and its quarantine entries by the contract, (position, reason) each; none if it is fine."""

    row: Row
    defects: tuple[tuple[int | None, str], ...] = ()


@dataclass(frozen=True)
class Truth:
    """Everything known of the demo at one scale, with the demo's AS_OF as the as-of instant.

    quarantine: number of open entries by (source_table, reason), complete: there are no others.
    entries: those of them whose row keys are uuids, one by one. rows: source rows by table, where
    they are countable without making them. live_users: users without deleted_at.
    """

    facts: tuple[Fact, ...]
    quarantine: Mapping[tuple[str, str], int]
    entries: tuple[Entry, ...]
    rows: Mapping[str, int]
    live_users: int
