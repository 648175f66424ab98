"""Golden cases: what a mart holds after each of several successive runs, written down by hand.

A case is a folder ``<mart>/<case>`` with numbered steps. ``N.sql`` changes the source; its first line is the
instant that the run is as of, its second the partitions of the mart that the run publishes (`-` for a mart
without dates). ``N.csv`` is what the mart holds then: the columns of its header, in the order of its key.
After each step the run is repeated, and publishes nothing.

Belongs here: how cases are run. Does not belong here: anything computed; a golden file that a program has
written proves nothing.
"""

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import Lab
from warehouse.catalog import mart

FOLDER = Path(__file__).parent
CASES = sorted({path.parent for path in FOLDER.glob("*/*/1.sql")})


def first_lines(text: str) -> tuple[str, set[str | None]]:
    match = re.match(r"-- as of (\S+)\n-- publishes (.*)\n", text)
    assert match is not None, "a step begins with its as-of instant and the partitions that it publishes"
    return match[1], {None if day == "-" else day for day in match[2].split(", ")}


def published(lab: Lab, name: str, columns: list[str]) -> list[dict[str, str]]:
    def text(value: Any) -> str:
        return "" if value is None else str(value)

    return [{column: text(row[column]) for column in columns} for row in lab.rows(name)]


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_mart_holds_what_is_written_down(lab: Lab, case: Path) -> None:
    name = case.parent.name
    for step in range(1, len(list(case.glob("*.sql"))) + 1):
        statements = (case / f"{step}.sql").read_text(encoding="utf-8")
        as_of, partitions = first_lines(statements)
        lab.write(statements)
        run = lab.run(as_of, gate_open=True)
        with (case / f"{step}.csv").open(encoding="utf-8", newline="") as file:
            wanted = list(csv.DictReader(file))
        assert published(lab, name, list(wanted[0])) == wanted, f"step {step}"
        if step > 1 or mart(name).date_column is None:
            assert lab.published_since(run).get(name, set()) == partitions, f"step {step}"
        assert lab.published_since(lab.run(as_of, gate_open=True)) == {}, f"step {step}, repeated"


def test_there_are_cases() -> None:
    assert {path.parent.name for path in CASES} >= {"goal_progress_snapshots", "kpi_goal_snapshots", "quick_stats"}
