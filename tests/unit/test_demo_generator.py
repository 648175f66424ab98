"""The demo-data generator without a database: rows that the source tables would take, the same every time.

Belongs here: what the generator promises of its rows and of its truth. Does not belong here: the warehouse's
marts over the demo (integration tests), and loading it into PostgreSQL.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib.resources
import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

from models.source import metadata
from tests import reference
from warehouse import demo
from warehouse.demo import scheduling, scheduling_tasks, workflows, zones

SMALL = demo.SMALLEST_SCALE
SMALL_HASH = "0ac9a20fc5e94bda80bab2ae00389e73ef69fa68128c99d8c3f9fd3a138c67f4"
"""Changes whenever a row of the demo does: then look at the rows, and pin the new one."""

Row = tuple[str | None, ...]

REASONS = {
    "slots_not_array", "slot_malformed", "slot_not_positive", "slot_too_long", "unknown_timezone",
    "unknown_event_type", "orphan_event", "execution_ends_before_start", "value_not_finite",
    "value_out_of_range", "before_earliest_date", "in_the_future",
}  # fmt: skip
"""Every reason of the contract."""

ALLOWED = {
    ("scheduling.tasks", "status"): {"pending", "scheduled", "in_progress", "completed", "cancelled"},
    ("scheduling.goals", "target_type"): {"minutes", "percentage", "task_count"},
    ("scheduling.goals", "time_period"): {"daily", "weekly", "monthly"},
    ("workflows.workflows", "status"): {"draft", "active", "paused", "archived"},
    ("workflows.workflow_steps", "step_type"): {"trigger", "action", "condition", "delay", "goal", "end"},
    ("workflows.workflow_executions", "status"): {"active", "completed", "failed", "exited"},
    ("services.kpi_goals", "status"): {"active", "achieved", "failed", "cancelled"},
    ("services.report_requests", "report_type"): {"daily", "weekly", "monthly", "annual", "custom"},
    ("services.report_requests", "format"): {"pdf", "excel", "csv", "json"},
}
"""The check constraints of sources.sql that list values."""

EVENT_TYPES = {f"step_{end}" for end in ("entered", "completed", "failed", "skipped")} | {
    *(f"action_{end}" for end in ("started", "succeeded", "failed")),
    *(f"message_{end}" for end in ("delivered", "opened", "clicked")),
}


@dataclass
class Tables:
    """All rows of one scale, by table, with access by column name."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def column(self, table: str, name: str) -> list[str | None]:
        """One column of a table."""
        at = self.columns[table].index(name)
        return [row[at] for row in self.rows[table]]

    def dicts(self, table: str) -> Iterator[dict[str, Any]]:
        """A table's rows as mappings."""
        return (dict(zip(self.columns[table], row, strict=True)) for row in self.rows[table])


def made(scale: float) -> Tables:
    """Everything of a scale."""
    tables = Tables()
    for table in demo.generate(scale).tables:
        tables.columns[table.qualified] = table.columns
        tables.rows[table.qualified] = list(table.rows())
    return tables


def digest(tables: Tables) -> str:
    """A hash of every byte of every row."""
    sha = hashlib.sha256()
    for name, rows in tables.rows.items():
        sha.update(repr((name, tables.columns[name])).encode())
        for row in rows:
            sha.update(repr(row).encode())
    return sha.hexdigest()


@pytest.fixture(scope="module")
def small() -> Tables:
    """The demo at its smallest scale."""
    return made(SMALL)


def instant(text: str) -> datetime:
    """A finite timestamp."""
    return datetime.fromisoformat(text)


def test_a_second_generation_has_the_same_bytes_and_the_pinned_ones(small: Tables) -> None:
    assert digest(made(SMALL)) == digest(small) == SMALL_HASH


def test_another_process_zone_and_hash_seed_have_the_same_bytes() -> None:
    program = "from tests.unit.test_demo_generator import *; print(digest(made(SMALL)))"
    environment = os.environ | {"PYTHONHASHSEED": "12345", "TZ": "Pacific/Apia", "LC_ALL": "C"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == SMALL_HASH


PEAK = """
import re
from pathlib import Path
from warehouse import demo
peak = lambda: int(re.search("VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
before = peak()
size = sum(len(cell or "") for table in demo.generate({scale}).tables for row in table.rows() for cell in row)
print(peak() - before, size // 1024)
"""
"""Prints kilobytes: the peak of memory above that of the imports, and the text of all rows."""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_memory_does_not_grow_with_the_scale() -> None:
    peaks, sizes = {}, {}
    for scale in (2.5, 10.0):
        program = [sys.executable, "-c", PEAK.format(scale=scale)]
        done = subprocess.run(program, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
        peaks[scale], sizes[scale] = map(int, done.stdout.split())
    assert sizes[10.0] > 3.5 * sizes[2.5]
    assert 0 < peaks[10.0] < 1.3 * peaks[2.5]


def test_rows_do_not_depend_on_the_size_of_blocks(small: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "BLOCK", 5)
    monkeypatch.setattr(workflows, "BLOCK", 37)
    other = made(SMALL)
    events = "workflows.workflow_events"
    # Two executions' events written in one millisecond may change places, and ids with them.
    assert Counter(row[1:] for row in other.rows.pop(events)) == Counter(row[1:] for row in small.rows[events])
    assert other.rows == {name: rows for name, rows in small.rows.items() if name != events}


def test_the_first_users_are_the_same_at_every_scale(small: Tables) -> None:
    larger = next(table for table in demo.generate(0.5).tables if table.name == "users")
    assert [*larger.rows()][: len(small.rows["scheduling.users"])] == small.rows["scheduling.users"]


def test_tables_and_columns_are_those_of_the_source(small: Tables) -> None:
    assert {name: set(columns) for name, columns in small.columns.items()} == {
        name: {column.name for column in table.columns} for name, table in metadata.tables.items()
    }
    for name, rows in small.rows.items():
        assert {len(row) for row in rows} == {len(small.columns[name])}


def test_parents_come_first_and_are_there(small: Tables) -> None:
    seen: dict[tuple[str, str], set[str | None]] = {}
    for name in small.rows:
        for key in metadata.tables[name].foreign_keys:
            parent = (key.column.table.fullname, key.column.name)
            assert parent in seen, f"{name} comes before {parent[0]}"
            assert set(small.column(name, key.parent.name)) - {None} <= seen[parent]
        for column in small.columns[name]:
            seen[name, column] = set(small.column(name, column))


def test_keys_are_unique_and_nothing_required_is_missing(small: Tables) -> None:
    for name, rows in small.rows.items():
        table = metadata.tables[name]
        for constraint in table.constraints:
            if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
                at = [small.columns[name].index(column.name) for column in constraint.columns]
                keys = [tuple(row[place] for place in at) for row in rows]
                assert len(keys) == len(set(keys)), (name, constraint)
        for column in table.columns:
            if not column.nullable:
                values = small.column(name, column.name)
                assert None not in values, (name, column.name)
                assert "" not in values, f"{name}.{column.name}: an empty field of a CSV file is null"


@pytest.mark.parametrize(("table", "column"), ALLOWED)
def test_listed_values_are_allowed_and_all_occur(small: Tables, table: str, column: str) -> None:
    assert set(small.column(table, column)) == ALLOWED[table, column]


def test_checks_on_numbers_and_dates_hold(small: Tables) -> None:
    assert all(int(value or 0) > 0 for value in small.column("scheduling.goals", "target_value"))
    for goal in small.dicts("services.kpi_goals"):
        target = float(goal["target_value"])
        assert target > 0 or math.isnan(target)  # PostgreSQL: NaN is greater than any number
        assert date.fromisoformat(goal["end_date"]) >= date.fromisoformat(goal["start_date"])


def test_json_is_json_and_mail_goes_nowhere(small: Tables) -> None:
    for table, column in (
        ("scheduling.tasks", "scheduled_slots"),
        ("scheduling.user_calendar_days", "focus_slots"),
        ("workflows.workflow_events", "payload"),
        ("services.report_requests", "parameters"),
    ):
        for value in small.column(table, column):
            json.loads(value or "")
    addresses = [str(value) for value in small.column("scheduling.users", "email")]
    for recipients in small.column("services.report_requests", "email_recipients"):
        addresses += [one for one in (recipients or "").strip("{}").split(",") if one]
    assert all(address.endswith("@example.org") for address in addresses)
    assert len(set(addresses)) > 30


@pytest.mark.parametrize(
    ("table", "key", "written"),
    [
        ("workflows.workflow_events", "event_id", "recorded_at"),
        ("services.metrics", "metric_id", "created_at"),
    ],
)
def test_ids_rise_with_gaps_nearly_as_written(small: Tables, table: str, key: str, written: str) -> None:
    ids = [int(value or 0) for value in small.column(table, key)]
    assert ids[0] == 1
    assert {later - earlier for earlier, later in pairwise(ids)} == {1, 2}
    times = [instant(str(value)) for value in small.column(table, written)]
    assert all(later > earlier - timedelta(seconds=5) for earlier, later in pairwise(times))


def test_nothing_is_written_after_the_as_of_instant(small: Tables) -> None:
    written = ("updated_at", "created_at", "deleted_at")
    for name, columns in small.columns.items():
        for column in columns:
            if column in written or (name, column) == ("workflows.workflow_events", "recorded_at"):
                texts = {value for value in small.column(name, column) if value is not None}
                assert max((instant(text) for text in texts), default=demo.AS_OF) <= demo.AS_OF, (
                    name,
                    column,
                )


def generated_slots(small: Tables) -> Iterator[tuple[str, datetime, datetime]]:
    """Slots of generated tasks that count, with their task's user."""
    columns = small.columns["scheduling.tasks"]
    for row in scheduling_tasks.task_rows(demo.Size(SMALL)):
        task = dict(zip(columns, row, strict=True))
        if task["status"] != "cancelled" and task["deleted_at"] is None:
            for slot in json.loads(task["scheduled_slots"] or ""):
                yield str(task["user_id"]), instant(slot["start"]), instant(slot["end"])


def test_users_work_at_night_overlap_and_plan_ahead(small: Tables) -> None:
    known = {zone.name for zone in zones.ZONES}
    zone_of = {row[0]: str(row[2]) for row in small.rows["scheduling.users"] if row[2] in known}
    by_user: dict[str, list[tuple[datetime, datetime]]] = {}
    crossing = 0
    for user, start, end in generated_slots(small):
        by_user.setdefault(user, []).append((start, end))
        if user in zone_of:
            local = [at.astimezone(ZoneInfo(zone_of[user])).date() for at in (start, end)]
            crossing += local[0] != local[1]
    overlapping = sum(later[0] < earlier[1] for slots in by_user.values() for earlier, later in pairwise(sorted(slots)))
    ahead = sum(start > demo.AS_OF for slots in by_user.values() for start, _ in slots)
    assert min(crossing, overlapping, ahead) > 50
    lengths = [end - start for slots in by_user.values() for start, end in slots]
    assert all(timedelta(0) < length <= timedelta(days=31) for length in lengths)


def test_everyone_whose_clocks_change_has_a_task_across_the_change(small: Tables) -> None:
    changes = {zone.name: zone.change for zone in zones.ZONES if zone.change is not None}
    slots = [*generated_slots(small)]
    generated = small.rows["scheduling.users"][-demo.Size(SMALL).users :]
    concerned = [row for row in generated if row[2] in changes]
    assert len(concerned) > 8
    for row in concerned:
        change = instant(f"{changes[str(row[2])]}+00:00")
        assert any(user == row[0] and start < change < end for user, start, end in slots), row[2]


def test_journeys_have_ties_repeats_late_events_and_every_type(small: Tables) -> None:
    instants: Counter[tuple[str, str]] = Counter()
    entries: Counter[tuple[str, str]] = Counter()
    late = 0
    types = set()
    for event in small.dicts("workflows.workflow_events"):
        types.add(event["event_type"])
        instants[event["execution_id"], event["occurred_at"]] += 1
        entries[event["execution_id"], event["step_id"]] += event["event_type"] == "step_entered"
        if "infinity" not in event["occurred_at"] and event["occurred_at"] > "2026":
            late += instant(event["recorded_at"]) - instant(event["occurred_at"]) > timedelta(days=2)
    assert types >= EVENT_TYPES
    assert sum(count > 1 for count in instants.values()) > 100
    assert sum(count > 1 for count in entries.values()) > 5
    assert late > 5


def test_four_services_report_in_several_units_with_and_without_segments(small: Tables) -> None:
    metrics = [*small.dicts("services.metrics")]
    services = {"partners_crm", "projects", "social_media", "notifications"}
    assert {metric["service_name"] for metric in metrics} == services
    assert {metric["unit"] for metric in metrics} >= {"EUR", "USD", "messages", None, ""}
    empty = Counter(metric["segment"] for metric in metrics if not metric["segment"])
    assert min(empty[None], empty[""]) > 100


@pytest.mark.parametrize("zone", zones.ZONES, ids=lambda zone: zone.name)
def test_the_zone_table_agrees_with_the_pinned_tzdata(zone: zones.Zone) -> None:
    with importlib.resources.files("tzdata").joinpath("zoneinfo", *zone.name.split("/")).open("rb") as file:
        real = ZoneInfo.from_file(file, zone.name)
    at = datetime(2026, 2, 27, tzinfo=UTC)
    while at < datetime(2026, 8, 10, tzinfo=UTC):
        changed = zone.change is not None and at >= instant(f"{zone.change}+00:00")
        expected = timedelta(minutes=zone.after if changed else zone.before)
        assert at.astimezone(real).utcoffset() == expected, at
        at += timedelta(minutes=30)


def test_every_reason_of_the_contract_is_planted() -> None:
    assert {reason for _, reason in demo.truth(SMALL).quarantine} == REASONS


def test_dirt_grows_with_the_scale_and_witnesses_do_not() -> None:
    small, one, ten = (demo.truth(scale) for scale in (SMALL, 1.0, 10.0))
    assert small.facts == one.facts == ten.facts
    key = ("workflows.workflow_events", "orphan_event")
    assert (small.quarantine[key], one.quarantine[key], ten.quarantine[key]) == (5, 5, 50)


def test_the_dirt_stands_in_the_rows(small: Tables) -> None:
    values = Counter(str(float(value or 0)) for value in small.column("services.metrics", "value"))
    assert (values["nan"], values["inf"], values["-inf"], values["1e+20"], values["9.9e+19"]) == (
        1,
        1,
        1,
        1,
        1,
    )
    zone_names = Counter(small.column("scheduling.users", "timezone"))
    assert zone_names["Mars/Olympus"] == 3  # a witness, a generated user and a deleted one
    assert zone_names["america/new_york"] == 1
    ends = small.column("workflows.workflow_executions", "ended_at")
    assert ("infinity" in ends, "-infinity" in ends) == (True, True)
    assert '"now"' in "".join(str(value) for value in small.column("scheduling.tasks", "scheduled_slots"))


def test_no_application_would_be_blocked(small: Tables) -> None:
    bad: Counter[str] = Counter()
    for (table, reason), count in demo.truth(SMALL).quarantine.items():
        if reason not in {"unknown_timezone", "in_the_future", "orphan_event"}:
            bad[table] += count
    for name, rows in small.rows.items():
        if len(rows) >= 100:
            assert bad[name] < 0.04 * len(rows), name


def test_countable_rows_are_counted(small: Tables) -> None:
    truth = demo.truth(SMALL)
    assert {name: len(small.rows[name]) for name in truth.rows} == truth.rows
    assert small.column("scheduling.users", "deleted_at").count(None) == truth.live_users


@pytest.mark.parametrize(
    ("values", "rows", "holds"),
    [
        ({"n": 1}, [{"date": date(2026, 4, 1), "n": 1}], True),
        ({"n": 1}, [{"date": date(2026, 4, 1), "n": 2}], False),
        ({"n": 1}, [{"date": date(2026, 4, 1), "n": 1}] * 2, False),
        ({"n": 1}, [{"date": date(2026, 4, 2), "n": 1}], False),
        ({"n": None}, [{"date": date(2026, 4, 1), "n": 0}], False),
        (None, [{"date": date(2026, 4, 1), "n": 1}], False),
        (None, [], True),
    ],
)
def test_a_fact_can_fail(values: dict[str, int] | None, rows: list[dict[str, object]], holds: bool) -> None:
    assert demo.Fact("mart", {"date": "2026-04-01"}, values, "").holds_in(rows) is holds


def test_facts_are_many_and_each_is_about_another_row() -> None:
    facts = demo.truth(SMALL).facts
    known = [(fact.mart, tuple(sorted(fact.key.items())), tuple(fact.values or ())) for fact in facts]
    assert len(known) == len(set(known)) > 100
    assert len({fact.mart for fact in facts}) > 12


def test_the_independent_reference_finds_the_planted_truth(tmp_path: Path) -> None:
    demo.write_csv(tmp_path, SMALL)
    tables = reference.read_folder(tmp_path)
    truth = demo.truth(SMALL)

    found = {tuple(entry) for entry in reference.quarantine(tables, demo.AS_OF)}
    assert Counter((entry[0], entry[3]) for entry in found) == truth.quarantine
    assert found >= {tuple(entry) for entry in truth.entries}

    marts = reference.marts(tables, demo.AS_OF)
    wrong = [fact for fact in truth.facts if not fact.holds_in(marts[fact.mart])]
    assert wrong == []


def test_files_hold_the_rows_and_have_the_same_bytes_again(small: Tables, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    counts = demo.write_csv(tmp_path / "a", SMALL, progress=lambda table, count: told.append((table, count)))
    demo.write_csv(tmp_path / "b", SMALL)
    assert told == [*counts.items()]
    assert counts == {name: len(rows) for name, rows in small.rows.items()}
    for name, rows in small.rows.items():
        path = tmp_path / "a" / f"{name}.csv.gz"
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            header, *read = csv.reader(file)
        assert tuple(header) == small.columns[name]
        assert [tuple(row) for row in read] == [tuple(cell or "" for cell in row) for row in rows]


@pytest.mark.parametrize("scale", [0.0, -1.0, 0.04, 1001.0, math.nan, math.inf])
def test_a_scale_that_there_is_no_demo_of_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=r"scale must be between 0\.05 and 1000"):
        demo.generate(scale)


def test_tasks_per_user_are_as_many_as_promised(small: Tables) -> None:
    generated = {row[0] for row in scheduling.user_rows(demo.Size(SMALL))}
    per_user = Counter(row[1] for row in scheduling_tasks.task_rows(demo.Size(SMALL)))
    assert set(per_user) == generated
    assert all(100 <= count <= 200 for count in per_user.values())
    categories = Counter(owner for owner in small.column("scheduling.categories", "user_id") if owner in generated)
    assert all(4 <= count <= 8 for count in categories.values())
