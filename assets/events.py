"""Many materializations of one asset, written at once.

Belongs here: what Dagster's storage takes a millisecond for, done in a twentieth of it. Does not belong here: what
is told (``assets.ledger``).

Of events that differ in a few values only, one is serialized and the others are its text with their own values. The
text is whatever the installed version of Dagster writes; a test compares both ways, event by event.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import dagster as dg
from dagster._core.events.log import EventLogEntry  # public by no other way
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster_postgres.event_log import PostgresEventLogStorage

BATCH = 1000
"""Events in one statement."""


class Template:
    """The text of an event with blanks where values stood that no other text of it holds.

    Args:
        text: JSON.
        marks: name and value of each blank: a text, integer or float that stands nowhere else.
    """

    def __init__(self, text: str, marks: Mapping[str, object]) -> None:
        names = {json.dumps(value): name for name, value in marks.items()}
        parts = re.split("(" + "|".join(map(re.escape, names)) + ")", text)
        self._parts = parts[0::2]
        self._names = [names[part] for part in parts[1::2]]
        assert set(self._names) == set(marks), "an event does not show what it is of"

    def of(self, values: Mapping[str, object]) -> str:
        """The text with these values."""
        written = {name: json.dumps(value) for name, value in values.items()}
        blanks = (written[name] for name in self._names)
        return self._parts[0] + "".join(blank + part for blank, part in zip(blanks, self._parts[1:], strict=True))


def store(
    instance: dg.DagsterInstance,
    event_of: Callable[[Mapping[str, object]], EventLogEntry],
    marks: Mapping[str, object],
    rows: Sequence[Mapping[str, object]],
) -> None:
    """Store an event per row, all of one asset; the last is the one that the asset's own record is of.

    Args:
        instance: Dagster's.
        event_of: makes the event of a row.
        marks: a row of values that stand nowhere else in an event; it has ``run_id`` and ``partition``.
        rows: of the same columns.
    """
    storage = instance.event_log_storage
    others, last = rows[:-1], rows[-1]
    if others and isinstance(storage, PostgresEventLogStorage):
        model = storage._event_to_row(event_of(marks))
        template = Template(model["event"], marks)
        with storage._connect() as connection:
            for batch in _batches(others):
                connection.execute(
                    SqlEventLogStorageTable.insert(),
                    [
                        {**model, "event": template.of(row), "run_id": row["run_id"], "partition": row["partition"]}
                        for row in batch
                    ],
                )
        others = []
    for batch in _batches([*others, last]):
        storage.store_event_batch([event_of(row) for row in batch])


def _batches(rows: Sequence[Mapping[str, object]]) -> Iterable[Sequence[Mapping[str, object]]]:
    return (rows[first : first + BATCH] for first in range(0, len(rows), BATCH))
