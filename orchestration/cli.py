"""The command line: ``weir``.

Belongs here: arguments, printing, exit codes. Does not belong here: work; commands call ``warehouse``.
Heavy libraries are imported by the commands that need them, so that ``weir url`` answers at once.
"""

import datetime as dt
import json
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.text import Text

from orchestration import settings as settings_module
from orchestration.settings import Settings
from warehouse.database import Connection, connect, session
from warehouse.errors import ConfigurationError, VerificationError, WeirError

if TYPE_CHECKING:
    from rich.status import Status
    from rich.table import Table

    from warehouse.extract import Reading, SourceProof
    from warehouse.plan import Parameters
    from warehouse.refresh import Outcome, Places, Refresh

STARTED = time.perf_counter()
APPLICATIONS = Settings.APPLICATIONS
LAST_YEAR = 2200  # of an as-of instant: a run makes a partition for every day until then

app = typer.Typer(
    help="A warehouse that turns an application's own tables into numbers that people can trust.",
    epilog="Settings are environment variables (WEIR_HOME, WEIR_SOURCE_URL, WEIR_WAREHOUSE_URL, ...) or stand in "
    "weir.toml; all have defaults. Exit codes: 0 done, 2 usage or configuration, 3 blocked by a check, 4 a "
    "verification found a difference, 1 other.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
source_app = typer.Typer(help="Make and fill source tables, for demos and tests.", no_args_is_help=True)
app.add_typer(source_app, name="source")


def _console(*, stderr: bool) -> Console:
    """Prints text as it is; where nobody's terminal says how wide it is, no line is cut."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else 1000)


out, err = _console(stderr=False), _console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"weir {version('weir')}")
        raise typer.Exit


@app.callback()
def weir(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Stands for ``weir`` without a command."""


@app.command()
def init() -> None:
    """Set up the warehouse: server, schemas, roles.

    Starts the embedded server where no URL is set, creates or migrates schemas and roles, and makes the tables
    that Dagster keeps its runs in. Run it as often as you like.
    """
    from orchestration.dagster_home import open_instance

    chosen = settings_module.load()
    places = chosen.start()
    with _warehouse(places, "weir init") as warehouse:
        _set_up(chosen, places, warehouse)
    with open_instance(places.home, chosen.server if chosen.needs_server else None):
        pass
    err.print(f"warehouse ready; state is in {places.home}", soft_wrap=True)


@source_app.command("create")
def source_create() -> None:
    """Create the source tables in an empty source."""
    from warehouse import loading

    chosen = settings_module.load()
    places = chosen.start()
    made: list[str] = []
    with ExitStack() as sessions:
        sources = [
            (session(url, name="weir source create", setting=chosen.source_setting(applications[0])), applications)
            for url, applications in _by_url(places).items()
        ]
        opened = [(sessions.enter_context(source), applications) for source, applications in sources]
        for connection, applications in opened:  # all answer
            made += loading.create(connection, applications)
    err.print(f"created {len(made)} tables" if made else "the source tables are there already")


@source_app.command("load")
def source_load(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of CSV files.")]) -> None:
    """Fill the source tables from DIR/<schema>.<table>.csv[.gz].

    Each file has a header row; an empty field is null. All is loaded, or nothing.
    """
    from warehouse import loading

    chosen = settings_module.load()
    started: list[Places] = []

    def connect_to(application: str) -> Connection:
        if not started:  # once the files have been looked at, and not before
            started.append(chosen.start())
        url = started[0].source_urls[application]
        return connect(url, name="weir source load", setting=chosen.source_setting(application))

    with _progress() as say:
        rows = loading.load(connect_to, folder, lambda table, count: say(f"{table}: {count:,} rows"))
    err.print(f"loaded {sum(rows.values()):,} rows into {len(rows)} tables")


@app.command()
def demo(
    scale: Annotated[
        float, typer.Option(metavar="S", min=0.05, max=1000, help="1 is 200 users and 50,000 events.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Generate source data and run the whole pipeline on them.

    Makes the source tables, fills them with generated data unless they have rows, extracts, builds, checks and
    publishes.
    """
    from warehouse import demo as generator
    from warehouse import loading, schema, status
    from warehouse.plan import Parameters
    from warehouse.refresh import new_run_id

    chosen = settings_module.load()
    places = chosen.start()
    urls = _by_url(places)
    if len(urls) > 1:
        raise ConfigurationError("the demo fills one source; unset WEIR_SOURCE_URL_<APPLICATION>")
    (url,) = urls
    with (
        session(url, name="weir demo", setting=chosen.source_setting(APPLICATIONS[0])) as source,
        _warehouse(places, "weir demo") as warehouse,
        _progress() as say,
    ):
        if not schema.is_current(warehouse):
            _set_up(chosen, places, warehouse)
        loading.create(source)
        if filled := loading.filled(source):
            say(f"the source has data already ({', '.join(filled[:2])}, ...); leaving it as it is")
        else:
            rows = generator.fill(source, scale)
            say(f"generated {sum(rows.values()):,} rows in {len(rows)} tables")
        # Later runs moved on from the demo's instant: then there is nothing that it could add.
        as_of = max([generator.AS_OF, *(mart.as_of for mart in status.marts(warehouse) if mart.as_of)])
    _run(Parameters(new_run_id(), as_of, chosen.earliest_date), as_json=as_json)
    if not as_json:
        out.print(
            "\nWhere to look next:\n"
            "  weir status          what stands in the marts, how fresh, what is quarantined\n"
            '  psql "$(weir url bi)"  the marts, as a BI tool reads them, e.g.\n'
            "      select date, sum(total_scheduled_minutes) from marts.analytics_daily_metrics group by 1 order by 1\n"
            "  weir down            stop the embedded server",
            soft_wrap=True,
        )


@app.command()
def run(
    from_date: Annotated[
        str | None, typer.Option("--from", metavar="D", help="Rebuild from this day, e.g. 2018-01-31.")
    ] = None,
    to_date: Annotated[
        str | None, typer.Option("--to", metavar="D", help="Rebuild through this day, inclusive.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="T", help="As of this instant, e.g. 2018-01-31T00:00:00Z; default: now.")
    ] = None,
    rewind: Annotated[bool, typer.Option("--rewind", help="Allow an as-of before the last publication.")] = False,
    only: Annotated[str | None, typer.Option(metavar="A,B", help=f"Only these of {', '.join(APPLICATIONS)}.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Give up at once while another run is going on.")] = False,
    force_deletes: Annotated[
        str | None,
        typer.Option(
            metavar="T,U", help="Source tables that may lose any number of rows, as scheduling.tasks; or all."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Extract, build, check and publish what is new or changed.

    Without dates: every partition that new, changed, deleted or late data dirtied, and those not built yet. With
    dates: rebuild those days. An application that fails keeps what it has published; the others go on.
    """
    from warehouse.plan import Parameters
    from warehouse.refresh import new_run_id

    applications = _applications(only)
    first, last = _date("--from", from_date), _date("--to", to_date)
    parameters = Parameters(
        run_id=new_run_id(),
        as_of=_instant(as_of) if as_of is not None else dt.datetime.now(dt.UTC),
        earliest_date=settings_module.load().earliest_date,
        from_date=first,
        to_date=last,
        rewind=rewind,
    )
    if first and last and last < first:
        raise ConfigurationError(f"--to {last} is before --from {first}; swap them")
    if parameters.last_date <= parameters.earliest_date:
        raise ConfigurationError(f"--as-of {as_of} is before WEIR_EARLIEST_DATE {parameters.earliest_date}; mend one")
    if first and first > parameters.last_date:
        raise ConfigurationError(
            f"--from {first} is after the run's last day {parameters.last_date}; give an earlier day or a later --as-of"
        )
    if last and last < parameters.first_possible_date:
        raise ConfigurationError(
            f"--to {last} is before WEIR_EARLIEST_DATE {parameters.earliest_date}; give a later day"
        )
    _run(parameters, applications, wait=not no_wait, as_json=as_json, force_deletes=_source_tables(force_deletes))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show what stands in the marts, how fresh, and what is wrong.

    Per mart: partitions, rows, as-of instant, last publication, dirty and late partitions, failed checks. Then
    open quarantine, failed checks, series that cannot be forecast, and alerts that have yet to be sent.
    """
    from warehouse import status as report

    chosen = settings_module.load()
    with _warehouse_to_read(chosen, "weir status") as (_, warehouse):
        marts, quarantine, failures = report.marts(warehouse), report.quarantine(warehouse), report.failures(warehouse)
        without, unsent = report.without_forecast(warehouse), report.unsent_alerts(warehouse)
    if as_json:
        _print_json(
            {
                "marts": marts, "quarantine": quarantine, "failed_checks": failures,
                "series_without_forecast": without, "unsent_alerts": unsent,
            }
        )  # fmt: skip
        return
    now = dt.datetime.now(dt.UTC)
    table = _table("application", "mart", ">partitions", ">rows", "as of", "published", ">pending", ">late", ">failed")
    for mart in marts:
        published = f"{_age(now - mart.last_published_at)} ago" if mart.last_published_at else "never"
        table.add_row(
            mart.application, mart.mart, f"{mart.partitions:,}", f"{mart.rows:,}",
            f"{mart.as_of:%Y-%m-%d %H:%M}Z" if mart.as_of else "", published,
            f"{mart.pending:,}", f"{mart.late:,}", f"{mart.failed_checks:,}",
        )  # fmt: skip
    out.print(table)
    if quarantine:
        table = _table("quarantined in", "reason", ">entries", ">rows")
        for entry in quarantine:
            table.add_row(entry.source_table, entry.reason, f"{entry.entries:,}", f"{entry.rows:,}")
        out.print(table)
    if failures:
        table = _table("failed check of", "check", "engine", "severity", "observed", "expected", ">days", "first day")
        for failure in failures:
            table.add_row(
                failure.mart or failure.application, failure.check_name, failure.engine, failure.severity,
                failure.observed or "", failure.expected or "", f"{failure.days:,}", str(failure.first_day or ""),
            )  # fmt: skip
        out.print(table)
    if without:
        table = _table("no forecast of", "metric type", "unit", "granularity", "because")
        for each in without:
            table.add_row(each.service_name, each.metric_type, each.unit, each.granularities, each.status)
        out.print(table)
    if unsent:
        table = _table("alert of", "date", "channel", "state", ">attempts", "last error")
        for alert in unsent:
            table.add_row(
                alert.goal, str(alert.date), alert.channel, alert.state, f"{alert.attempts:,}", alert.last_error or ""
            )
        out.print(table)


@app.command()
def verify(
    source: Annotated[bool, typer.Option("--source", help="Compare every row of raw with the source.")] = False,
    only: Annotated[str | None, typer.Option(metavar="A,B", help=f"Only these of {', '.join(APPLICATIONS)}.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that what was extracted is what the source has.

    What the source has changed since the last extract is no difference. Changes nothing; the next run heals the tables
    that differ. Exit code 4 where any row differs.
    """
    if not source:
        raise ConfigurationError("say what to verify: weir verify --source")
    applications = _applications(only)
    chosen = settings_module.load()
    with _warehouse_to_read(chosen, "weir verify") as (places, warehouse), _progress() as say:
        found = _verify_source(chosen, places, warehouse, applications, say)
    if as_json:
        _print_json({"tables": found})
    else:
        table = _table("source table", ">rows", ">differing", "keys", ">seconds")
        for item in found:
            proof = item.proof
            table.add_row(
                item.source_table, f"{proof.rows:,}" if proof else "", f"{proof.differing:,}" if proof else "",
                ", ".join(proof.keys) if proof else "never extracted", f"{item.seconds:.1f}",
            )  # fmt: skip
        out.print(table)
    if differing := [item for item in found if item.proof and not item.proof.success]:
        first = differing[0]
        raise VerificationError(
            f"{len(differing)} tables of raw differ from the source, first {first.source_table}, key "
            f"{first.proof.keys[0] if first.proof else ''}; the next weir run heals them"
        )


def _verify_source(
    chosen: Settings, places: "Places", warehouse: Connection, applications: tuple[str, ...], say: Callable[[str], None]
) -> "list[SourceProof]":
    from warehouse import lock
    from warehouse.extract import verify_source

    found: list[SourceProof] = []
    with lock.exclusive(places.warehouse_url, "verify", waiting=lambda holder: say(f"waiting for {holder} to end")):
        for application in applications:
            with session(
                places.source_urls[application],
                name="weir verify",
                read_only=True,
                setting=chosen.source_setting(application),
            ) as source:
                found += verify_source(application, source, warehouse, say)
    return found


@app.command()
def url(
    which: Annotated[str, typer.Argument(metavar="source|warehouse|bi", help="Whose URL.", show_default=False)],
) -> None:
    """Print a libpq URL of the source, the warehouse or its marts.

    bi is the role for BI tools: it can read schema marts and nothing else.
    """
    if which not in {"source", "warehouse", "bi"}:
        raise ConfigurationError(f"there is no URL of {which!r}; ask for source, warehouse or bi")
    chosen = settings_module.load()
    if which == "bi":
        print(_reader_url(chosen))
        return
    server = chosen.start_server()
    if which == "warehouse":
        print(chosen.warehouse_of(server))
        return
    urls = set(chosen.sources_of(server).values())
    if len(urls) > 1:
        raise ConfigurationError("the applications have sources of their own: see WEIR_SOURCE_URL_<APPLICATION>")
    print(*urls)


@app.command()
def up(
    host: Annotated[str, typer.Option(metavar="H", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="P", min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Serve Dagster's UI and daemon, and the embedded server, until Ctrl-C.

    The schedule and the sensor for dirty partitions are off unless WEIR_AUTOMATION is set; both can be switched
    in the UI.
    """
    from orchestration.up import serve

    chosen = settings_module.load()
    was_running = chosen.server.is_running()
    places = chosen.start()
    _prepare(chosen, places)

    def ready(address: str) -> None:
        err.print(f"Dagster UI       {address}")
        err.print('SQL, for reading  psql "$(weir url bi)"')
        err.print(f"state            {places.home}")
        err.print("Ctrl-C ends it")

    try:
        serve(places.home, chosen.server if chosen.needs_server else None, host, port, ready)
    finally:
        if not was_running:
            chosen.server.stop()


@app.command()
def down() -> None:
    """Stop the embedded server. The next command starts it again."""
    stopped = settings_module.load().server.stop()
    err.print("stopped the embedded server" if stopped else "nothing was running")


def _warehouse(places: "Places", name: str) -> AbstractContextManager[Connection]:
    return session(places.warehouse_url, name=name, setting="WEIR_WAREHOUSE_URL")


def _prepare(chosen: Settings, places: "Places") -> None:
    """Bring the warehouse to the current version, where it is not."""
    from warehouse import schema

    with _warehouse(places, "weir init") as warehouse:
        if not schema.is_current(warehouse):
            _set_up(chosen, places, warehouse)


def _set_up(chosen: Settings, places: "Places", warehouse: Connection) -> None:
    from warehouse import schema

    schema.migrate(warehouse, places.warehouse_url)
    schema.grant_readers(warehouse, chosen.reader_password(schema.BI_ROLE))


@contextmanager
def _warehouse_to_read(chosen: Settings, name: str) -> Iterator[tuple["Places", Connection]]:
    """The warehouse for a report: made where it is our own, left alone where somebody else runs it."""
    from warehouse import schema

    places = chosen.start()
    with _warehouse(places, name) as warehouse:
        if not schema.is_current(warehouse):
            if chosen.warehouse_url is not None:
                raise ConfigurationError(
                    "the database of WEIR_WAREHOUSE_URL is not set up for this version of weir; run: weir init"
                )
            _set_up(chosen, places, warehouse)
        yield places, warehouse


def _reader_url(chosen: Settings) -> str:
    from warehouse import schema

    with _warehouse_to_read(chosen, "weir url") as (places, _):
        readers = schema.reader_url(places.warehouse_url, chosen.reader_password(schema.BI_ROLE))
        try:
            connect(readers, name="weir url").close()
        except ConfigurationError as error:
            raise ConfigurationError(
                f"role {schema.BI_ROLE} cannot log in with the password kept in {places.home}: {error}; "
                "to give it that password, run: weir init"
            ) from None
        return readers


def _run(
    parameters: "Parameters",
    applications: tuple[str, ...] = APPLICATIONS,
    *,
    wait: bool = True,
    as_json: bool = False,
    force_deletes: tuple[str, ...] = (),
) -> None:
    from orchestration.run import run_in_process
    from warehouse.refresh import Refresh

    chosen = settings_module.load()
    with _progress() as say:
        places = chosen.start()
        _check_sources(chosen, places, applications)
        _prepare(chosen, places)
        refresh = Refresh(
            places,
            parameters,
            applications,
            chosen.max_quarantine_share,
            wait=wait,
            additive_metric_types=chosen.additive,
            say=say,
            reading=say.reading,
            force_deletes=force_deletes,
        )
        refresh.seconds["start"] = time.perf_counter() - STARTED
        with refresh:
            run_in_process(refresh, chosen.server if chosen.needs_server else None)
    errors = [outcome.error for outcome in refresh.outcomes.values() if outcome.error is not None]
    if not all(isinstance(error, Exception) for error in errors):
        raise KeyboardInterrupt
    total = time.perf_counter() - STARTED
    seconds = {name: round(value, 2) for name, value in refresh.seconds.items()}
    seconds["dagster"] = round(total - sum(refresh.seconds.values()), 2)
    if as_json:
        _print_json(
            {
                "run_id": parameters.run_id,
                "as_of": parameters.as_of,
                "applications": {name: _outcome(outcome) for name, outcome in refresh.outcomes.items()},
                "seconds": seconds,
                "total_seconds": round(total, 2),
            }
        )
    else:
        _print_run(refresh, seconds, total)
    for message in dict.fromkeys(_one_line(error) for error in errors):
        _complain(message)
    if errors:
        raise typer.Exit(_exit_code(errors))


def _check_sources(chosen: Settings, places: "Places", applications: tuple[str, ...]) -> None:
    """Refuse to run where no application's source can be read. Where some can, the others fail on their own."""
    from warehouse.database import without_password
    from warehouse.extract import missing_tables

    problems = []
    for url, names in _by_url(places, applications).items():
        setting = chosen.source_setting(names[0])
        try:
            with session(url, name="weir run", read_only=True, setting=setting) as source:
                missing = [missing_tables(source, name) for name in names]
        except ConfigurationError as error:
            problems.append(str(error))
            continue
        if not all(missing):
            return
        lacking = [name for of_application in missing for name in of_application]
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        problems.append(
            f"the source {without_password(url)} lacks {lacking[0]}{more}; create what is missing (weir source "
            f"create makes all tables), or point {setting} to the database that has them"
        )
    raise ConfigurationError("; ".join(problems))


def _print_run(refresh: "Refresh", seconds: dict[str, float], total: float) -> None:
    from warehouse.refresh import partitions_of

    table = _table("application", "mart", ">partitions", ">rows", "result")
    for outcome in refresh.outcomes.values():
        for name, partitions, rows in partitions_of(outcome):
            held = len(outcome.held_back.get(name, ()))
            kept = "held back" if outcome.status == "blocked" else "not published"
            result = "published" if name in outcome.rows else kept
            table.add_row(
                outcome.application, name, f"{partitions:,}", f"{rows:,}",
                f"{result}, {held:,} days held back" if held and name in outcome.rows else result,
            )  # fmt: skip
    if table.row_count:
        out.print(table)
    elif not any(outcome.error for outcome in refresh.outcomes.values()):
        out.print("nothing to do: the marts are up to date")
    out.print(f"{total:.1f} s: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()), soft_wrap=True)


def _outcome(outcome: "Outcome") -> dict[str, Any]:
    from warehouse.refresh import partitions_of

    return {
        "status": outcome.status,
        "error": _one_line(outcome.error) if outcome.error else None,
        "changed_rows": outcome.batch.changed if outcome.batch else None,
        "marts": {
            name: {
                "partitions": partitions,
                "rows": rows,
                "held_back": sorted(str(day) for day in outcome.held_back.get(name, ())),
            }
            for name, partitions, rows in partitions_of(outcome)
        },
        "failed_checks": [check for check in outcome.checks if not check.success],
    }


def _by_url(places: "Places", applications: tuple[str, ...] = APPLICATIONS) -> dict[str, tuple[str, ...]]:
    urls: dict[str, tuple[str, ...]] = {}
    for application in applications:
        urls[places.source_urls[application]] = (*urls.get(places.source_urls[application], ()), application)
    return urls


def _applications(only: str | None) -> tuple[str, ...]:
    if only is None:
        return APPLICATIONS
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in APPLICATIONS:
            raise ConfigurationError(f"--only: there is no application {name!r}; they are {', '.join(APPLICATIONS)}")
    if not names:
        raise ConfigurationError(f"--only names no application; they are {', '.join(APPLICATIONS)}")
    return tuple(name for name in APPLICATIONS if name in names)


def _source_tables(names: str | None) -> tuple[str, ...]:
    from warehouse.extract import check_table_names

    found = tuple(name.strip() for name in (names or "").split(",") if name.strip())
    check_table_names(found)
    return found


def _date(option: str, text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{option} {text!r} is not a date; give one such as 2018-01-31") from None


def _instant(text: str) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--as-of {text!r} is not an instant; give one such as 2018-01-31T00:00:00Z") from None
    if instant.tzinfo is None:
        raise ConfigurationError(f"--as-of {text!r} has no offset from UTC; give one such as 2018-01-31T00:00:00Z")
    if not settings_module.EARLIEST_DATE.year <= instant.year <= LAST_YEAR:
        raise ConfigurationError(f"--as-of {text!r} is far from any data; give one such as 2018-01-31T00:00:00Z")
    return instant.astimezone(dt.UTC)


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        number = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    return table


def _age(age: dt.timedelta) -> str:
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if age.total_seconds() >= 2 * seconds:
            return f"{age.total_seconds() / seconds:.0f} {unit}"
    return f"{max(age.total_seconds(), 0):.0f} s"


class _Say:
    """A line per message; on a terminal also a spinner that shows the last one, and bars while tables are read."""

    def __init__(self, shown: "Status | None" = None) -> None:
        self._shown = shown
        self._next = 0.0

    def __call__(self, line: str) -> None:
        if self._shown is None:
            err.print(line, soft_wrap=True)
            return
        err.print(Text.assemble((f"{time.perf_counter() - STARTED:6.1f} s ", "dim"), line))
        self._shown.update(Text(line))

    def reading(self, reading: "Reading") -> None:
        """Show how far an extract is: tables, and rows of the one that is being read."""
        now = time.perf_counter()
        if self._shown is None or now < self._next:
            return
        self._next = now + 0.1
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        share = min(reading.rows / reading.expected, 1.0) if reading.expected else 0.0
        line = Table.grid(padding=(0, 1))
        line.add_row(
            Text(f"{reading.step} {reading.source_table}"),
            ProgressBar(total=reading.tables, completed=reading.number + share, width=30),
            Text(f"{reading.rows:,} rows" + (f" of about {reading.expected:,}" if reading.expected else "")),
        )
        self._shown.update(line)


@contextmanager
def _progress() -> Iterator[_Say]:
    if not sys.stderr.isatty():
        yield _Say()
        return
    with err.status("") as shown:
        yield _Say(shown)


def _print_json(report: object) -> None:
    def plain(value: object) -> object:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        if isinstance(value, dt.datetime | dt.date):
            return value.isoformat()
        return str(value)

    print(json.dumps(report, default=plain, indent=2))


def _one_line(error: BaseException) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"{error.diag.message_primary}; grant it to the user of WEIR_SOURCE_URL or WEIR_WAREHOUSE_URL"
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, WeirError) else f"{type(error).__name__}: {text}"


def _exit_code(errors: list[BaseException]) -> int:
    codes = {_code(error) for error in errors}
    return next(code for code in (1, 2, 3, 4) if code in codes)


def _code(error: BaseException) -> int:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return ConfigurationError.exit_code
    return error.exit_code if isinstance(error, WeirError) else 1


def _complain(message: str) -> None:
    err.print(f"weir: {message}", style="red", soft_wrap=True)


class _Signals:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt and remembers which of them it was.

    Dagster replaces the handlers while it runs, with one that does not tell them apart; Python writes the number
    to the wake-up descriptor all the same.
    """

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)

    def first(self) -> int | None:
        """The first signal that came, if one did."""
        with suppress(BlockingIOError):
            self._numbers += self._reader.recv(100)
        return next((number for number in self._numbers if number in (signal.SIGINT, signal.SIGTERM)), None)


def _explain(error: BaseException) -> int:
    """Print what went wrong in one line; returns the exit code."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, BrokenPipeError):  # of `weir status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    if isinstance(error, WeirError | psycopg.Error | OSError):
        _complain(_one_line(error))
        return _code(error)
    if hasattr(error, "format_message"):  # click's usage errors, of which typer has a copy of its own
        if type(error).__name__ == "NoArgsIsHelpError":
            err.print(error.format_message())
        else:
            command = getattr(getattr(error, "ctx", None), "command_path", "weir")
            _complain(f"{' '.join(error.format_message().split()).rstrip('.?')}; see: {command} --help")
        return ConfigurationError.exit_code
    traceback.print_exception(error)
    _complain(f"{_one_line(error)}; this is a fault of weir, please report it")
    return 1


def main() -> None:
    """Entry point: every failure is one line and an exit code."""
    signals = _Signals()
    # A connection that is closed in the middle of a query is nothing to tell a user.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    error: BaseException | None = None
    try:
        command = typer.main.get_command(app)
        with command.make_context("weir", sys.argv[1:]) as context:
            command.invoke(context)
        sys.stdout.flush()
    except BaseException as raised:
        error = raised
    number = signals.first() or (signal.SIGINT if isinstance(error, KeyboardInterrupt) else None)
    if number is not None:
        _complain("interrupted; the marts are as the last publication left them, and the next run carries on")
        sys.exit(128 + number)
    sys.exit(0 if error is None else _explain(error))
