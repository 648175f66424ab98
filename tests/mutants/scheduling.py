"""Rules of the scheduling marts, each inverted in the SQL, and the test that has to notice.

    make mutants                               # all of them
    python -m tests.mutants.scheduling WORD... # those whose sentence has the words

A mutant is a sentence of the contract, a change of the SQL that breaks it, and the test named beside that sentence in
docs/scheduling.md: a dbt unit test, or a test of pytest (with a slash in its name). Each runs on a copy of the project
with this one change. A mutant whose test passes survives, which is an error of the tests; a change that finds nothing
to replace, or makes SQL that does not run, is an error of this list. It takes minutes, so the suite leaves it out.

Belongs here: the list, and how it is run. Does not belong here: tests.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.table import Table

from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.support import Lab, make_database, make_templates
from warehouse import transform
from warehouse.server import EmbeddedServer
from warehouse.transform import DbtError, Transformer

REPOSITORY = Path(__file__).resolve().parents[2]
MACROS = "dbt_project/macros"
MODELS = "dbt_project/models/intermediate/scheduling/int_scheduling__"
STANDING = "dbt_project/models/standing/scheduling/int_scheduling__"
CANDIDATES = "dbt_project/models/candidate/scheduling/"
GOLDEN = "tests/golden/test_golden_cases.py::test_a_mart_holds_what_is_written_down"

REASONS = "each_slot_has_the_first_reason_that_holds"
INSTANTS = "instants_are_read_in_every_form_that_the_contract_allows"
COUNTING = "slots_count_of_tasks_and_users_that_are_there"
CUT = "slots_are_cut_where_local_days_end"
WINDOWS = "windows_of_the_run_are_cut_at_utc_midnights"
COMPLETIONS = "a_completion_counts_from_the_start_of_a_day_to_before_its_end"
UNIONS = "minutes_of_a_union_count_once"
DAILY = "a_day_with_any_measure_has_a_row_and_a_key_of_its_own"
BY_CATEGORY = "only_rows_with_a_measure_are_there"
TODAY = "today_is_the_day_whose_window_holds_the_as_of_instant"
STATS = "windows_end_with_the_last_complete_day_of_each_user"
STREAKS = "a_skipped_date_neither_breaks_nor_extends_a_streak"
MEASURES = "an_open_period_counts_the_days_through_the_local_date"
VERSIONS = "versions_are_valid_in_the_order_seen"
PERIODS = "a_period_has_the_target_that_was_in_effect_at_its_end"
STATUSES = "open_periods_are_judged_by_the_days_that_have_ended"


@dataclass(frozen=True)
class Mutant:
    """A rule, where it stands, what it is turned into, and the test that must fail then."""

    sentence: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = (
    Mutant(
        "minutes: the start is cut to the day",
        f"{MACROS}/slots.sql",
        "epoch_minute('greatest(' ~ slots ~ '.starts_at, '",
        "epoch_minute('least(' ~ slots ~ '.starts_at, '",
        CUT,
    ),
    Mutant(
        "minutes are on the epoch grid, not rounded",
        f"{MACROS}/engine.sql",
        "(extract(epoch from date_trunc('minute', {{ instant }} at time zone 'UTC'))::bigint / 60)",
        "round(extract(epoch from {{ instant }}) / 60)::bigint",
        CUT,
    ),
    Mutant(
        "a slot that goes on over a UTC midnight is one slot",
        f"{MACROS}/slots.sql",
        "when {{ windows }}.opens_day or",
        "when true or",
        CUT,
    ),
    Mutant(
        "a slot is in the days of its user's zone",
        f"{MACROS}/slots.sql",
        "{{ slots }}.timezone = {{ windows }}.timezone\n            and",
        "",
        CUT,
    ),
    Mutant(
        "a skipped date has no window", f"{MODELS}run_windows.sql", "where starts_at < ends_at", "where true", WINDOWS
    ),
    Mutant(
        "a day of two marts has its windows once",
        f"{MODELS}run_windows.sql",
        "    union\n",
        "    union all\n",
        WINDOWS,
    ),
    Mutant(
        "windows touch no UTC date before their start",
        f"{MODELS}run_windows.sql",
        "greatest(local_days.starts_at, {{ utc_midnight('days.date') }}) as starts_at",
        "{{ utc_midnight('days.date') }} as starts_at",
        WINDOWS,
    ),
    Mutant(
        "a malformed slot",
        f"{MACROS}/slots.sql",
        "starts_at }} is null or {{ ends_at }} is null then 'slot_malformed'",
        "starts_at }} is null then 'slot_malformed'",
        REASONS,
    ),
    Mutant("24:00 is malformed", f"{MACROS}/slots.sql", "T(?:[01][0-9]|2[0-3])", "T(?:[01][0-9]|2[0-4])", REASONS),
    Mutant("a blank for the T is malformed", f"{MACROS}/slots.sql", "3[01])T(?:", "3[01])[T ](?:", REASONS),
    Mutant("offsets are under 16 hours", f"{MACROS}/slots.sql", "0[0-9]|1[0-5]", "0[0-9]|1[0-4]", INSTANTS),
    Mutant("fractions are cut, not rounded", f"{MACROS}/slots.sql", r"(\.[0-9]{1,6})?", r"(\.[0-9]{1,7})?", INSTANTS),
    Mutant(
        "an offset is subtracted",
        f"{MACROS}/slots.sql",
        "= '-' then -1 else 1 end",
        "= '-' then 1 else -1 end",
        INSTANTS,
    ),
    Mutant(
        "end ≤ start",
        f"{MACROS}/slots.sql",
        "when {{ ends_at }} <= {{ starts_at }}",
        "when {{ ends_at }} < {{ starts_at }}",
        REASONS,
    ),
    Mutant(
        "31 days are not too long",
        f"{MACROS}/slots.sql",
        "{{ ends_at }} > {{ starts_at }} + interval '31 days'",
        "{{ ends_at }} >= {{ starts_at }} + interval '31 days'",
        REASONS,
    ),
    Mutant(
        "earliest_date itself is not before it",
        f"{MACROS}/slots.sql",
        "{{ starts_at }} < {{ utc_midnight(earliest_date) }}",
        "{{ starts_at }} <= {{ utc_midnight(earliest_date) }}",
        REASONS,
    ),
    Mutant(
        "slots that are no array",
        f"{MACROS}/slots.sql",
        "where jsonb_typeof({{ column }}) <> 'array'",
        "where false",
        REASONS,
    ),
    Mutant(
        "slots of deleted tasks count nowhere",
        f"{MODELS}task_slots.sql",
        "tasks.deleted_at is null\n        and",
        "",
        COUNTING,
    ),
    Mutant(
        "slots of cancelled tasks count nowhere",
        f"{MODELS}task_slots.sql",
        "and tasks.status <> 'cancelled'",
        "",
        COUNTING,
    ),
    Mutant(
        "a usable completion, whenever",
        f"{MODELS}task_slots.sql",
        "{{ is_finite('tasks.completed_at') }}\n            and",
        "",
        COUNTING,
    ),
    Mutant(
        "a zone is known letter for letter",
        f"{MODELS}users.sql",
        "on users.timezone = known_timezones.timezone",
        "on lower(users.timezone) = lower(known_timezones.timezone)",
        "a_zone_that_is_not_listed_letter_for_letter_is_utc",
    ),
    Mutant(
        "the end of a window is not in it",
        f"{MODELS}completion_days.sql",
        "completions.completed_at < windows.ends_at\n    where",
        "completions.completed_at <= windows.ends_at\n    where",
        COMPLETIONS,
    ),
    Mutant(
        "a completion before earliest_date",
        f"{MODELS}completion_days.sql",
        "where reason is null",
        "where true",
        COMPLETIONS,
    ),
    Mutant(
        "focus minutes are of the union",
        f"{MODELS}focus_minutes.sql",
        "open_focus > 0 and open_scheduled > 0 then minutes",
        "open_focus > 0 and open_scheduled > 0 then minutes * open_scheduled",
        UNIONS,
    ),
    Mutant(
        "focus capacity is of the union",
        f"{MODELS}focus_minutes.sql",
        "when open_focus > 0 then minutes end",
        "when open_focus > 0 then minutes * open_focus end",
        UNIONS,
    ),
    Mutant(
        "focus minutes need a scheduled slot",
        f"{MODELS}focus_minutes.sql",
        "open_focus > 0 and open_scheduled > 0",
        "open_focus > 0 or open_scheduled > 0",
        UNIONS,
    ),
    Mutant(
        "a scheduled task covers a minute of the day",
        f"{CANDIDATES}analytics_daily_metrics.sql",
        "count(case when minutes > 0 then 1 end) as scheduled",
        "count(*) as scheduled",
        DAILY,
    ),
    Mutant(
        "completed of those that are scheduled",
        f"{CANDIDATES}analytics_daily_metrics.sql",
        "count(case when minutes > 0 and is_completed then 1 end)",
        "count(case when minutes > 0 then 1 end)",
        DAILY,
    ),
    Mutant(
        "category_minutes are not zero",
        f"{CANDIDATES}analytics_daily_metrics.sql",
        "'parts.minutes > 0') }} as category_minutes",
        "'parts.category_id is not null') }} as category_minutes",
        DAILY,
    ),
    Mutant(
        "a row where a measure is not zero",
        f"{CANDIDATES}analytics_daily_metrics.sql",
        "or measures.focus_capacity_minutes > 0",
        "",
        DAILY,
    ),
    Mutant(
        "no row where all measures are zero",
        f"{CANDIDATES}analytics_daily_metrics.sql",
        "measures.total_scheduled_minutes > 0\n",
        "measures.total_scheduled_minutes >= 0\n",
        DAILY,
    ),
    Mutant("keys are uuids of version 3", f"{MACROS}/engine.sql", "(53, 1), (52, 1)", "(53, 0), (52, 1)", DAILY),
    Mutant("keys have the mart in their namespace", f"{MACROS}/engine.sql", "'weir:\" ~ mart ~ \"'", "'weir:'", DAILY),
    Mutant("none is Uncategorized", f"{CANDIDATES}category_daily_metrics.sql", "'Uncategorized'", "''", BY_CATEGORY),
    Mutant(
        "a completion alone makes a row",
        f"{CANDIDATES}category_daily_metrics.sql",
        "or summed.completed_tasks_count > 0",
        "",
        BY_CATEGORY,
    ),
    Mutant(
        "months are sums of all days",
        f"{CANDIDATES}analytics_monthly_metrics.sql",
        "sum(completed_tasks_count)",
        "max(completed_tasks_count)",
        "sums_of_the_days_of_a_month",
    ),
    Mutant(
        "active days are days with a row",
        f"{CANDIDATES}analytics_monthly_metrics.sql",
        "count(*) as active_days",
        "count(distinct total_scheduled_minutes) as active_days",
        "sums_of_the_days_of_a_month",
    ),
    Mutant(
        "categories of a month are summed",
        f"{CANDIDATES}analytics_monthly_metrics.sql",
        "sum(pairs.value::bigint)",
        "max(pairs.value::bigint)",
        "sums_of_the_days_of_a_month",
    ),
    Mutant(
        "today is the window that holds the instant",
        f"{MODELS}zones_now.sql",
        "parameters.as_of < local_days.ends_at",
        "parameters.as_of <= local_days.ends_at",
        TODAY,
    ),
    Mutant(
        "the last complete day is yesterday",
        f"{CANDIDATES}quick_stats.sql",
        "zones_now.today - 1 as as_of_date",
        "zones_now.today as as_of_date",
        STATS,
    ),
    Mutant(
        "windows have 7, 30 and 90 days",
        f"{CANDIDATES}quick_stats.sql",
        "zones_now.today - lengths.window_days as first_date",
        "zones_now.today - lengths.window_days + 1 as first_date",
        STATS,
    ),
    Mutant(
        "ties go to the smaller id",
        f"{CANDIDATES}quick_stats.sql",
        "by_category.category_id asc",
        "by_category.category_id desc",
        STATS,
    ),
    Mutant(
        "most minutes are top",
        f"{CANDIDATES}quick_stats.sql",
        "order by by_category.minutes desc",
        "order by by_category.minutes asc",
        STATS,
    ),
    Mutant(
        "ratios are null where the denominator is 0",
        f"{MACROS}/engine.sql",
        "nullif({{ denominator }}, 0), 4)::numeric(10, 4)",
        "greatest({{ denominator }}, 1), 4)::numeric(10, 4)",
        STATS,
    ),
    Mutant(
        "days as they will stand: rebuilt ones", f"{MACROS}/run.sql", "and not exists (", "and true or exists (", STATS
    ),
    Mutant(
        "a skipped date does not break a streak",
        f"{STANDING}streaks.sql",
        "where days_back - dates_count = place",
        "where days_back = place",
        STREAKS,
    ),
    Mutant(
        "a day without a completion breaks a streak",
        f"{STANDING}streaks.sql",
        "where days.completed_tasks_count > 0",
        "where days.completed_tasks_count >= 0",
        STREAKS,
    ),
    Mutant(
        "today is not in a streak",
        f"{STANDING}streaks.sql",
        "and days.date < zones_now.today",
        "and days.date <= zones_now.today",
        STREAKS,
    ),
    Mutant(
        "an open period counts through today",
        f"{STANDING}goal_measures.sql",
        "and days.date <= counted_in_all.today",
        "and days.date < counted_in_all.today",
        MEASURES,
    ),
    Mutant(
        "of a category, through today",
        f"{STANDING}goal_measures.sql",
        "and category_days.date <= counted.today",
        "",
        MEASURES,
    ),
    Mutant(
        "shares are of all minutes",
        f"{CANDIDATES}goal_progress_snapshots.sql",
        "nullif(measures.scheduled_minutes_of_all, 0)",
        "nullif(measures.scheduled_minutes, 0)",
        STATUSES,
    ),
    Mutant(
        "a version is not valid before the one before it",
        f"{MODELS}goal_versions.sql",
        "max(history.updated_at) over by_version",
        "history.updated_at",
        VERSIONS,
    ),
    Mutant(
        "end_date before start_date: none",
        f"{MODELS}goal_versions.sql",
        "or goals.end_date >= goals.start_date",
        "or true",
        VERSIONS,
    ),
    Mutant(
        "deleted goals have no rows",
        f"{MODELS}goal_versions.sql",
        "goals.deleted_at is null\n        and",
        "",
        VERSIONS,
    ),
    Mutant(
        "the first period holds earliest_date",
        f"{MODELS}goal_versions.sql",
        "greatest(goals.start_date, parameters.earliest_date)",
        "goals.start_date",
        VERSIONS,
    ),
    Mutant(
        "inactive since the first of an unbroken run",
        f"{MODELS}goal_versions.sql",
        "then min(case when not is_active",
        "then max(case when not is_active",
        VERSIONS,
    ),
    Mutant(
        "the target before the end of the period",
        f"{MODELS}goal_periods.sql",
        "known.valid_from < zone_periods.ends_at",
        "known.valid_from <= zone_periods.ends_at",
        PERIODS,
    ),
    Mutant(
        "versions valid by the as-of instant",
        f"{MODELS}goal_periods.sql",
        "or versions.valid_from <= parameters.as_of",
        "or true",
        PERIODS,
    ),
    Mutant(
        "an inactive goal has no open period",
        f"{MODELS}goal_periods.sql",
        "zone_periods.has_ended and zone_periods.starts_at",
        "zone_periods.starts_at",
        PERIODS,
    ),
    Mutant(
        "its last row is the period in which it became inactive",
        f"{MODELS}goal_periods.sql",
        "zone_periods.starts_at <= known.inactive_now_since",
        "zone_periods.ends_at <= known.inactive_now_since",
        PERIODS,
    ),
    Mutant(
        "periods that have begun",
        f"{MODELS}goal_periods.sql",
        "and parameters.as_of >= first_days.starts_at",
        "",
        PERIODS,
    ),
    Mutant(
        "periods through end_date",
        f"{MODELS}goal_periods.sql",
        "known.last_date >= zone_periods.period_start",
        "true",
        PERIODS,
    ),
    Mutant(
        "an ended period has ended by its last window",
        f"{MODELS}goal_periods.sql",
        "last_days.ends_at <= parameters.as_of",
        "last_days.starts_at <= parameters.as_of",
        PERIODS,
    ),
    Mutant(
        "elapsed are complete days",
        f"{MODELS}goal_periods.sql",
        "greatest(zones_now.today - periods.period_start, 0)",
        "greatest(zones_now.today - periods.period_start + 1, 0)",
        PERIODS,
    ),
    Mutant(
        "weeks begin on Monday",
        f"{MACROS}/engine.sql",
        "date_trunc('week', {{ date }}::timestamp)::date",
        "(date_trunc('week', {{ date }}::timestamp)::date - 1)",
        VERSIONS,
    ),
    Mutant("the cap of 999.99", f"{CANDIDATES}goal_progress_snapshots.sql", "least(999.99,", "least(999.98,", STATUSES),
    Mutant(
        "on_track",
        f"{CANDIDATES}goal_progress_snapshots.sql",
        "when achieved_value * length_days >= elapsed_days",
        "when achieved_value * length_days > elapsed_days",
        STATUSES,
    ),
    Mutant(
        "at_risk",
        f"{CANDIDATES}goal_progress_snapshots.sql",
        "when 2 * achieved_value * length_days >=",
        "when 2 * achieved_value * length_days >",
        STATUSES,
    ),
    Mutant(
        "ended: missed",
        f"{CANDIDATES}goal_progress_snapshots.sql",
        "when has_ended then 'missed'",
        "when false then 'missed'",
        STATUSES,
    ),
    Mutant(
        "a percentage without a category is of focus",
        f"{CANDIDATES}goal_progress_snapshots.sql",
        "then measures.focus_minutes\n",
        "then measures.scheduled_minutes\n",
        STATUSES,
    ),
    Mutant(
        "earlier pauses leave no gap",
        f"{MODELS}goal_versions.sql",
        "coalesce(inactive_since_before, valid_from)",
        "valid_from",
        f"{GOLDEN}[goal_progress_snapshots/a_pause_and_its_end]",
    ),
    Mutant(
        "a midnight ends a period",
        f"{MODELS}due_partitions.sql",
        "passed.through_at >= local_days.starts_at",
        "passed.through_at > local_days.starts_at",
        f"{GOLDEN}[goal_progress_snapshots/targets_over_time]",
    ),
    Mutant(
        "quick stats move on at each zone's midnight",
        f"{MODELS}due_partitions.sql",
        "    from midnights_passed\n\n)",
        "    from midnights_passed\n    where timezone = 'UTC'\n\n)",
        f"{GOLDEN}[quick_stats/midnights_of_two_zones]",
    ),
    Mutant(
        "a renamed category shows in its rows",
        f"{MODELS}dirty_partitions.sql",
        "    select 'category_daily_metrics' as mart, * from renamed_category_days\n    union all\n",
        "",
        "tests/integration/test_incremental.py::test_a_history_of_changes_publishes_exactly_what_it_dirties",
    ),
)


class Workshop:
    """A copy of the project to spoil, and a laboratory with the relations that dbt's unit tests need."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        left_out = shutil.ignore_patterns(".git", ".venv", ".weir", "target", "__pycache__", ".*_cache")
        shutil.copytree(REPOSITORY, self.project, ignore=left_out)
        self.folder = folder
        self.server = EmbeddedServer(folder / "home")
        self.server.start()
        make_templates(self.server)
        for name in ("source", "warehouse"):
            make_database(self.server, name, f"template_{name}")
        lab = Lab(self.server, folder / "lab")
        lab.write(*BEGINNING)
        lab.run(AS_OF, gate_open=True, applications=("scheduling",))
        lab.close()

    @contextmanager
    def spoilt(self, mutant: Mutant) -> Iterator[None]:
        """Have the project with one change."""
        path = self.project / mutant.file
        text = path.read_text(encoding="utf-8")
        if mutant.old not in text:
            raise SystemExit(f"{mutant.sentence}: {mutant.file} does not have\n{mutant.old}")
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")

    def fails(self, test: str) -> bool:
        """Whether a test fails on the project as it is now."""
        return self._pytest_fails(test) if "/" in test else self._unit_test_fails(test)

    def _pytest_fails(self, test: str) -> bool:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test],
            cwd=self.project,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in {0, 1}:
            raise SystemExit(f"{test} did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.returncode == 1

    def _unit_test_fails(self, test: str) -> bool:
        with mock.patch.object(transform, "PROJECT", self.project / "dbt_project"):
            transformer = Transformer(self.server.url("warehouse"), self.folder / "dbt")
            # One file has changed since the last call: dbt then parses that one and what depends on it.
            arguments = [flag for flag in transformer._flags() if flag != "--no-partial-parse"]
            arguments += ["--select", test, "--exclude-resource-type", "test"]
            results = transformer._call(None, "test", arguments).result
        if not results:
            raise SystemExit(f"there is no unit test {test}")
        for result in results:
            if result.status == "error":
                raise DbtError(str(result.message))
        return any(result.status == "fail" for result in results)


def main(words: list[str]) -> int:
    """Run the mutants whose sentence has all the words; exit code 1 where one is not noticed."""
    chosen = [mutant for mutant in MUTANTS if all(re.search(word, mutant.sentence) for word in words)]
    table = Table("rule inverted", "test", "", box=None)
    errors = 0
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        workshop = Workshop(Path(name))
        try:
            for test in dict.fromkeys(mutant.test for mutant in chosen):
                if workshop.fails(test):
                    raise SystemExit(f"{test} fails on the project as it is")
            for mutant in chosen:
                try:
                    with workshop.spoilt(mutant):
                        verdict = "noticed" if workshop.fails(mutant.test) else "SURVIVES"
                except DbtError as error:
                    verdict = f"DOES NOT RUN: {error}"
                errors += verdict != "noticed"
                table.add_row(mutant.sentence, mutant.test.rpartition("::")[2], verdict)
                sys.stdout.write(f"{verdict:8} {mutant.sentence}\n")
                sys.stdout.flush()
        finally:
            workshop.server.remove()
    Console(width=150).print(table, f"{len(chosen)} rules inverted, {errors} not noticed")
    return min(errors, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
