"""Demo data: four months of three applications' lives, deterministic, with the dirt of real life.

    from warehouse import demo
    demo.fill(connection, scale=1.0)   # the source tables; then run the pipeline as of demo.AS_OF
    demo.truth(scale=1.0).facts        # what the marts must then say

`generate(scale)` gives the tables in foreign-key order, each with its columns and an iterator of rows (text
form, None for null) that is made block by block, so memory does not grow with the scale. Nothing reads a
clock, a random state or a time zone database: one scale gives the same rows everywhere, always.

At scale 1 there are some 200 users with 30,000 tasks, twenty workflows with 50,000 events, and 27,000 values
of metrics of four services, from 2026-03-01 to AS_OF, with plans for three weeks after it. The scale
multiplies users, executions and values of metrics (its root segments, and how often each reports); workflows, services
and their goals stay.

Three kinds of rows:
- **generated** ones look like life (personas, working hours, journeys, seasons); nothing is known of their
  sums, and all of them are usable but for a few unknown time zones;
- **dirt** is hand-written variants of each defect that the contract names, once per unit of scale, with the
  reason beside it, and look-alikes that are no defect or that nobody examines (cancelled, deleted);
- **witnesses** appear once, whatever the scale: users in tricky zones, Ada (one rule a day), two workflows
  and three metrics, whose numbers in the marts were worked out on paper.

`truth(scale)` gathers what is known by construction, not by computing the contract a second time: facts
(mart, key, values; or that there is no such row), the number of quarantine entries by table and reason,
those entries one by one where the key is a uuid, and row counts. Generated rows add nothing to quarantine
but unknown zones, so its counts are complete.

Belongs here: rows of the source tables, and what is known of them. Does not belong here: creating the source
tables, running the pipeline, comparing marts with the truth.
"""

from dataclasses import dataclass

from warehouse.demo.facts import Entry, Fact, Truth
from warehouse.demo.loading import fill, write_csv
from warehouse.demo.period import AS_OF, FIRST_DAY, SMALLEST_SCALE, Size
from warehouse.demo.tables import DemoTable, tables
from warehouse.demo.truth import truth

__all__ = [
    "AS_OF",
    "FIRST_DAY",
    "SMALLEST_SCALE",
    "Demo",
    "DemoTable",
    "Entry",
    "Fact",
    "Size",
    "Truth",
    "fill",
    "generate",
    "truth",
    "write_csv",
]


@dataclass(frozen=True)
class Demo:
    """The demo at one scale."""

    scale: float
    tables: tuple[DemoTable, ...]
    truth: Truth


def generate(scale: float = 1.0) -> Demo:
    """The demo at this scale, rows not made yet; raises ValueError outside 0.05 … 1000."""
    return Demo(scale, tables(Size(scale)), truth(scale))
