"""One run: extract, facts, plan, candidate, gate, publication, for each application on its own.

Belongs here: the order of the steps and what is remembered of them. Does not belong here: the steps
themselves, and what calls them (``assets``, ``orchestration``).
"""

import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.types.json import Jsonb

from warehouse import (
    computed,
    data_docs,
    expectations,
    gate,
    lock,
    plan,
    publish,
    quarantine,
    silence,
    volume,
    warm_up,
)
from warehouse.catalog import APPLICATIONS, CALENDAR, MARTS, mart
from warehouse.checks import Check
from warehouse.database import Connection, connect, fetch_row, hang_up, session
from warehouse.errors import BlockedError, WeirError
from warehouse.extract import Batch, Reading, extract
from warehouse.plan import Parameters, Plan
from warehouse.standing import standing_days
from warehouse.transform import Transformer


@dataclass(frozen=True)
class Places:
    """Where things are: libpq URLs and the state directory. Nothing here is ever printed."""

    home: Path
    warehouse_url: str
    source_urls: Mapping[str, str]
    """Per application."""


@dataclass
class Outcome:
    """What a run did for one application."""

    application: str
    status: str = "started"
    """started, published, nothing_to_do, blocked or failed."""
    batch: Batch | None = None
    plan: Plan | None = None
    rows: dict[str, int] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    error: BaseException | None = None
    held_back: dict[str, set[dt.date | None]] = field(default_factory=dict)

    @property
    def blocked(self) -> list[Check]:
        """The failed checks that hold something back."""
        return [check for check in self.checks if not check.success and check.severity == "block"]


STOP_SECONDS = 30
"""How long an interrupted run waits for its threads, whose statements it cancels."""

CANCEL_SECONDS = 5
"""How long a source has to answer that; then its connection is cut."""


class Refresh:
    """A run in progress, holding the warehouse's lock from ``__enter__`` to ``__exit__``.

    Args:
        places: servers and state directory.
        parameters: what to do.
        applications: which ones.
        maximum_quarantine_share: of a table's live rows, above which an application is blocked (0–1).
        wait: whether to wait for another run.
        say: takes a line of progress.
        reading: takes numbers while an extract goes on.
        force_deletes: source tables that may lose any number of rows, or ``all``.
    """

    def __init__(
        self,
        places: Places,
        parameters: Parameters,
        applications: tuple[str, ...] = APPLICATIONS,
        maximum_quarantine_share: float = 0.05,
        *,
        wait: bool = True,
        say: Callable[[str], None] = lambda line: None,
        reading: Callable[[Reading], None] = lambda reading: None,
        force_deletes: Collection[str] = (),
    ) -> None:
        self.places = places
        self.parameters = parameters
        self.applications = applications
        self.maximum_quarantine_share = maximum_quarantine_share
        self.wait = wait
        self.say = say
        self.reading = reading
        self.force_deletes = force_deletes
        self.seconds: dict[str, float] = {}
        self.outcomes = {name: Outcome(name) for name in (*applications, CALENDAR)}
        self.transformer = Transformer(places.warehouse_url, places.home / "dbt")
        self.found_dead: list[str] = []
        """Runs that had not ended though nobody held their lock any more."""
        self._stack = ExitStack()
        self._deployed: set[str] = set()
        self._clock = _Clock(self.seconds)
        self._ahead: dict[tuple[str, str], Future[Any]] = {}
        self._threads: list[threading.Thread] = []
        self._own = threading.local()
        self._sessions: list[Connection] = []
        """What threads work on, for whoever has to stop them."""
        self._sources: list[Connection] = []
        """Those of them that lead to sources, which may not answer."""
        self._stopping = False
        self._deploying, self._validating, self._publishing = (threading.Lock() for _ in range(3))
        self._taken_in: set[str] = set()
        """Applications whose facts this run has brought up to date."""
        self._check_lock: Callable[[], None] = lambda: None
        self._warehouse: Connection | None = None

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        error = exception[1]
        try:
            self._stop_threads()
            self._finish(error if isinstance(error, BaseException) else None)
        finally:
            self._stack.close()

    @property
    def warehouse(self) -> Connection:
        """The run's connection to the warehouse, or its thread's; no transaction is open between steps."""
        own: Connection | None = getattr(self._own, "warehouse", None) or self._warehouse
        assert own is not None
        return own

    def run_ahead(self) -> None:
        """Begin all steps of all applications, each application in a thread; whoever calls a step waits for it.

        None waits for another's source. Candidates are validated, and marts published, one application at a time: the
        numbers of publications are then those of their commits, too.
        """
        for area in (*self.applications, CALENDAR):
            names = ("build",) if area == CALENDAR else ("extract", "refresh_facts", "build")
            steps: dict[str, Future[Any]] = {name: Future() for name in names}
            self._ahead |= {(name, area): future for name, future in steps.items()}
            thread = threading.Thread(target=self._work_ahead, args=(area, steps), name=area, daemon=True)
            self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    def _work_ahead(self, application: str, steps: Mapping[str, Future[Any]]) -> None:
        try:
            with (
                self._noting(application),
                session(self.places.warehouse_url, name="weir run", setting="WEIR_WAREHOUSE_URL") as warehouse,
            ):
                self._own.warehouse = warehouse
                self._sessions.append(warehouse)
                if application != CALENDAR:
                    steps["extract"].set_result(self._extract(application))
                    steps["refresh_facts"].set_result(self._take_in(application))
                steps["build"].set_result(self._plan_and_build(application))
        except BaseException as error:  # told to whoever asks for the steps
            for step in steps.values():
                if not step.done():
                    step.set_exception(error)

    def _stop_threads(self) -> None:
        """Wait for threads that nobody waits for any more, having cancelled what they do."""
        self._stopping = True
        started = time.monotonic()
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < started + STOP_SECONDS:
                for connection in [*self._sessions]:
                    with suppress(psycopg.Error):
                        connection.cancel_safe(timeout=1)
                if time.monotonic() > started + CANCEL_SECONDS:
                    for connection in [*self._sources]:
                        hang_up(connection)
                thread.join(0.2)

    def extract(self, application: str, *, prove: bool = False) -> Batch:
        """Bring ``raw`` up to date; ``prove``: and compare every row of it with the source."""
        ahead = self._ahead.get(("extract", application))
        batch: Batch = ahead.result() if ahead else self._extract(application, prove=prove)
        return batch

    def _extract(self, application: str, *, prove: bool = False) -> Batch:
        with (
            self._noting(application),
            self.stage("extract"),
            session(
                self.places.source_urls[application],
                name="weir extract",
                read_only=True,
                setting=f"WEIR_SOURCE_URL_{application.upper()}",
            ) as source,
        ):
            self._sessions.append(source)
            self._sources.append(source)
            if plan.is_new(self.warehouse, application):
                warm_up.begin()
            with silence.watched(source, self.places.source_urls[application], application):
                batch = extract(
                    application,
                    source,
                    self.warehouse,
                    self.parameters.run_id,
                    self.say,
                    reading=self.reading,
                    force_deletes=self.force_deletes,
                    prove=prove,
                )
        self.outcomes[application].batch = batch
        gate.record(self.warehouse, self.parameters.run_id, application, gate.source_proofs(batch))
        if batch.changed:
            warm_up.begin()
        return batch

    def limit_to(self, first: dt.date, last: dt.date) -> None:
        """Rebuild the days from ``first`` through ``last``, whatever is dirty."""
        self.parameters = replace(self.parameters, from_date=first, to_date=last)
        self.warehouse.execute(
            "update control.runs set requested_from = %s, requested_to = %s where run_id = %s",
            (first, last, self.parameters.run_id),
        )

    def refresh_facts(self, application: str) -> bool:
        """Recompute facts of changed rows, the quarantine, and from both what is dirty."""
        ahead = self._ahead.get(("refresh_facts", application))
        return bool(ahead.result() if ahead else self._take_in(application))

    def _take_in(self, application: str) -> bool:
        with self._noting(application):
            return self._refresh_facts(application)

    def build(self, application: str) -> Outcome:
        """Plan, build the candidate, check it, and publish what passes.

        Raises:
            BlockedError: checks held something back; what passed is published.
        """
        ahead = self._ahead.get(("build", application))
        outcome: Outcome = ahead.result() if ahead else self._plan_and_build(application)
        return outcome

    def _plan_and_build(self, application: str) -> Outcome:
        with self._noting(application):
            return self._build(application)

    @contextmanager
    def _noting(self, application: str) -> Iterator[None]:
        """Remember what an application's step failed with."""
        try:
            yield
        except BaseException as error:
            if self._stopping:  # which says nothing of the application
                raise
            outcome = self.outcomes[application]
            outcome.error = error
            outcome.status = "blocked" if isinstance(error, BlockedError) else "failed"
            raise

    def _refresh_facts(self, application: str) -> bool:
        self._deploy_once(application)
        with self.stage("facts"):
            changed = plan.refresh_facts(self.warehouse, self.transformer, application)
            quarantine.refresh(self.warehouse, application)
        with self.stage("plan"):
            plan.record_dirty(self.warehouse, self.parameters, application)
        self._taken_in.add(application)
        return changed

    def _deploy_once(self, area: str) -> None:
        with self._deploying:  # one after the other: time zones are everybody's
            if area in self._deployed:
                return
            with self.stage("facts"):
                if plan.deploy(self.warehouse, self.transformer, self.parameters, area):
                    self.say(f"{area}: views made anew: models, settings or time-zone data have changed")
            self._deployed.add(area)

    def _build(self, application: str) -> Outcome:
        outcome = self.outcomes[application]
        self._deploy_once(application)
        if application != CALENDAR and application not in self._taken_in:
            # A backfill extracts nothing; but what an earlier run has extracted may still have to be taken in, and
            # the as-of instant has moved on.
            self._refresh_facts(application)
        with self.stage("plan"):
            outcome.plan = plan.choose(self.warehouse, self.parameters, application)
        if not outcome.plan.count:
            self._publish(outcome.plan)
            outcome.status = "nothing_to_do"
            return outcome
        self.say(f"{application}: {outcome.plan.count:,} partitions of {len(outcome.plan.partitions)} marts to build")
        for names in _waves(outcome.plan, self.parameters.dated):
            part = outcome.plan.only(names)
            if part.count:
                self._make(outcome, part)
        outcome.checks = gate.record(self.warehouse, self.parameters.run_id, application, outcome.checks)
        nothing_may = bool(outcome.held_back or outcome.blocked) and not self.parameters.dated
        if any(check.mart is None for check in outcome.blocked):
            nothing_may = True
        if not nothing_may:
            outcome.rows = self._publish(outcome.plan, outcome.held_back)
        if outcome.blocked:
            first = outcome.blocked[0]
            raise BlockedError(
                f"{application}: {len(outcome.blocked)} checks failed, {'nothing' if nothing_may else 'the good days'} "
                f"published; first {first.mart or application} {first.name}: {first.observed}, "
                f"expected {first.expected}; see weir status"
            )
        outcome.status = "published"
        self.say(f"{application}: {sum(outcome.rows.values()):,} rows published")
        return outcome

    def _publish(self, plan: Plan, held_back: dict[str, set[dt.date | None]] | None = None) -> dict[str, int]:
        with self._publishing, self.stage("publish"):
            self._check_lock()
            return publish.publish(self.warehouse, self.parameters, plan, held_back)

    def _make(self, outcome: Outcome, part: Plan) -> None:
        """Build a part of the plan, check it, and note what fails."""
        application = outcome.application
        later = computed.names(part)
        with self.stage("build"):
            computed.prepare(self.warehouse, application)
            first = [name for name in part.partitions if name not in later]
            needed = self.transformer.for_candidates(self.warehouse, application, first, needed_by=later)
            self.transformer.run(self.warehouse, needed)
        if later:
            with self.stage("compute"):
                computed.fill(self.warehouse, self.parameters, part, self.say)
            with self.stage("build"):
                self.transformer.run(self.warehouse, later)
        with self.stage("check"):
            checks = gate.reconcile(self.warehouse, part)
            reconciled = list(checks)
            if application in APPLICATIONS and not outcome.checks:
                checks += gate.quarantine_share(self.warehouse, application, self.maximum_quarantine_share)
                checks += gate.orphans(self.warehouse, application)
            checks += standing_days(self.warehouse, self.parameters, part)
            checks += gate.dbt_tests(self.transformer, self.warehouse, part)
            checks += volume.volume(self.warehouse, self.parameters, part)
        with self._validating, self.stage("check"):
            checks += expectations.validate(
                self.warehouse,
                self.places.warehouse_url,
                self.parameters,
                part,
                reconciled,
                data_docs.keeper(self.places.home, self.parameters),
            )
        outcome.checks += checks
        bad = gate.bad_partitions(checks, part)
        if self.parameters.dated:  # else nothing is published, and queries for failing rows find things as they were
            plan.hold_back(self.warehouse, bad)
        outcome.held_back |= bad

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the run's seconds of a stage.

        Raises:
            WeirError: the run has been interrupted.
        """
        if self._stopping:
            raise WeirError("interrupted")
        with self._clock.running(name):
            yield

    def _open(self) -> None:
        with self.stage("wait"):
            self._check_lock = self._stack.enter_context(
                lock.exclusive(
                    self.places.warehouse_url,
                    self.parameters.run_id,
                    wait=self.wait,
                    waiting=lambda holder: self.say(f"waiting for {holder} to end"),
                )
            )
        with self.stage("plan"):
            self._warehouse = connect(self.places.warehouse_url, name="weir run", setting="WEIR_WAREHOUSE_URL")
            self._stack.callback(self._warehouse.close)
            plan.begin(self.warehouse, self.parameters, (*self.applications, CALENDAR))
            with self.warehouse.transaction():
                self.found_dead = [
                    str(run_id)
                    for (run_id,) in self.warehouse.execute(
                        "update control.runs set status = 'failed', message = 'ended without a word',"
                        " finished_at = now() where status = 'started' returning run_id"
                    )
                ]
                self.warehouse.execute(
                    "insert into control.runs (run_id, as_of, applications, requested_from, requested_to, status)"
                    " values (%s, %s, %s, %s, %s, 'started')",
                    (
                        self.parameters.run_id,
                        self.parameters.as_of,
                        list(self.applications),
                        self.parameters.from_date,
                        self.parameters.to_date,
                    ),
                )

    def _keep_first_day(self) -> None:
        """Write the first day that was published to the state directory: the partition calendar begins with it."""
        days = [each.name for each in MARTS if each.dated and each.grain == "day"]
        (first,) = fetch_row(
            self.warehouse, "select min(partition_start)::text from control.publications where mart = any (%s)", (days,)
        )
        path = self.places.home / "first_day"
        if first and (not path.exists() or path.read_text(encoding="utf-8") != first):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(first), encoding="utf-8")

    def _finish(self, error: BaseException | None) -> None:
        states = [outcome.status for outcome in self.outcomes.values()]
        status = next(
            (state for state in ("failed", "blocked", "published") if state in states),
            "failed" if error else "nothing_to_do",
        )
        if error is not None or "started" in states:
            status = "blocked" if status == "blocked" else "failed"
        if self.warehouse.closed:
            return
        self._keep_first_day()
        with self.warehouse.transaction():
            for outcome in self.outcomes.values():
                self._note_end(outcome)
            self.warehouse.execute(
                "update control.runs set status = %s, message = %s, finished_at = now(), seconds = %s"
                " where run_id = %s",
                (
                    status,
                    str(error) if isinstance(error, WeirError) else None,
                    Jsonb({name: round(value, 3) for name, value in self.seconds.items()}),
                    self.parameters.run_id,
                ),
            )

    def _note_end(self, outcome: Outcome) -> None:
        """Since when an application fails, and with what; an interruption says nothing of it."""
        if outcome.status in {"published", "nothing_to_do"}:
            self.warehouse.execute(
                "update control.applications set failing_since = null, last_error = null where application = %s",
                (outcome.application,),
            )
        elif isinstance(outcome.error, Exception):
            words = " ".join(str(outcome.error).split()) or type(outcome.error).__name__
            self.warehouse.execute(
                "update control.applications set failing_since = coalesce(failing_since, now()), last_error = %s"
                " where application = %s",
                (words[:500], outcome.application),
            )


class _Clock:
    """Wall time by stage. Where several run at once, each has its share of it, so that they sum to wall time."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds
        self._running: list[str] = []
        self._since = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Note that a stage runs in this thread."""
        with self._lock:
            self._share_out()
            self._running.append(name)
        try:
            yield
        finally:
            with self._lock:
                self._share_out()
                self._running.remove(name)

    def _share_out(self) -> None:
        now = time.perf_counter()
        for name in self._running:
            self._seconds[name] = self._seconds.get(name, 0.0) + (now - self._since) / len(self._running)
        self._since = now


def _waves(chosen: Plan, dated: bool) -> Iterator[set[str]]:
    """The marts to build together: all, or first those that others are made from.

    Where bad days are held back one by one, what is made from them has to know which ones.
    """
    first = {name for name in chosen.partitions if not mart(name).made_from}
    yield from (first, set(chosen.partitions) - first) if dated else (set(chosen.partitions),)


def new_run_id() -> str:
    """An id for a run; Dagster's run of the same work bears it too."""
    return str(uuid.uuid4())


def partitions_of(outcome: Outcome) -> Iterator[tuple[str, int, int]]:
    """Mart, partitions built and rows published, of each planned mart."""
    if outcome.plan is not None:
        for name, days in outcome.plan.partitions.items():
            yield name, len(days), outcome.rows.get(name, 0)
