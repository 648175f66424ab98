"""The result of a check, and why checks block or warn.

Belongs here: what all engines of the gate have in common. Does not belong here: the checks themselves
(``warehouse.gate``, ``warehouse.expectations``, ``warehouse.volume``).
"""

import datetime as dt
from dataclasses import dataclass

ROWS = "expect_table_row_count_to_equal"
"""The type of the expectation about the number of rows."""

REASONS = {
    ROWS: "a row too few or too many is a fact that is lost or counted twice",
    "expect_column_values_to_be_unique": "readers join on the key: a key that occurs twice counts twice",
    "expect_compound_columns_to_be_unique": "readers join on the key: a key that occurs twice counts twice",
    "expect_column_values_to_not_be_null": "the contract says that it is never null",
    "expect_column_values_to_be_between": "no count is below zero, and no row lies outside of the run's partitions",
    "equation": "recomputed from raw without the models: where the two differ, a number is wrong",
    "conservation": "every row read is used or left out for a named reason, else rows vanish unseen",
    "dbt": "a row that contradicts itself is wrong, whatever the source says",
    "standing": "what is made from a day that was edited by hand can be proven as little as the day",
    "quarantine_share": "so many unusable rows speak of a fault at the source; numbers without them mislead",
    "orphans": "what they belong to may still come; until then they count nowhere",
    "equals_source": "what differed is healed with this batch, and built and published like any other change",
    "volume": "an unusual day may be true: a holiday, a campaign; somebody has to look",
}
"""Why checks block or warn: expectations by type, others by kind. A test of dbt may give its own in its meta."""


@dataclass(frozen=True)
class Check:
    """The result of one check; ``mart`` None: of the application. ``partitions`` are those that failed.

    ``failing_rows`` is a query for the rows that failed; ``result_id`` is known once the result is recorded.
    """

    mart: str | None
    name: str
    engine: str
    severity: str
    success: bool
    observed: str | None = None
    expected: str | None = None
    partitions: tuple[dt.date, ...] = ()
    reason: str = ""
    failing_rows: str | None = None
    result_id: int | None = None
