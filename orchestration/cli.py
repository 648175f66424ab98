"""The command line: ``weir``.

Belongs here: arguments, printing, exit codes. Does not belong here: work; commands call ``warehouse``.
Heavy libraries are imported by the commands that need them, so that ``weir url`` answers at once.
"""

import datetime as dt
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer

from orchestration import settings as settings_module
from orchestration.arguments import APPLICATIONS, applications_of, date, instant, source_tables
from orchestration.connections import (
    by_url,
    check_sources,
    owner_session,
    prepare,
    reader_url,
    set_up,
    warehouse_to_read,
    working,
)
from orchestration.printing import STARTED, complain, err, exit_code, exit_code_of, one_line, out, print_json, progress
from orchestration.reports import (
    ROWS_SHOWN,
    outcome_of,
    print_mart_proofs,
    print_proofs,
    print_rows,
    print_run,
    print_status,
    problems_of_marts,
    problems_of_tables,
)
from orchestration.settings import Settings
from orchestration.signals import Signals
from warehouse.database import Connection, connect, session
from warehouse.errors import ConfigurationError, VerificationError, WeirError

if TYPE_CHECKING:
    from warehouse.extract import SourceProof
    from warehouse.plan import Parameters
    from warehouse.refresh import Places
    from warehouse.verification import MartProof

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
    with owner_session(chosen, "weir init") as warehouse:
        set_up(chosen, warehouse)
    with open_instance(places.home, chosen.server if chosen.needs_server else None):
        pass
    err.print(f"warehouse ready; state is in {places.home}", soft_wrap=True)


@source_app.command("create")
def source_create() -> None:
    """Create the source tables in an empty source."""
    from warehouse import loading

    chosen = settings_module.load()
    sources_of = chosen.sources_of(chosen.start_server())
    made: list[str] = []
    with ExitStack() as sessions:
        sources = [
            (session(url, name="weir source create", setting=chosen.source_setting(applications[0])), applications)
            for url, applications in by_url(sources_of).items()
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
    urls: dict[str, str] = {}

    def connect_to(application: str) -> Connection:
        if not urls:  # once the files have been looked at, and not before
            urls.update(chosen.sources_of(chosen.start_server()))
        url = urls[application]
        return connect(url, name="weir source load", setting=chosen.source_setting(application))

    with progress() as say:
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
    urls = by_url(chosen.sources_of(chosen.start_server()))
    if len(urls) > 1:
        raise ConfigurationError("the demo fills one source; unset WEIR_SOURCE_URL_<APPLICATION>")
    (url,) = urls
    with (
        session(url, name="weir demo", setting=chosen.source_setting(APPLICATIONS[0])) as source,
        owner_session(chosen, "weir demo") as warehouse,
        progress() as say,
    ):
        if not schema.is_current(warehouse):
            set_up(chosen, warehouse)
        loading.create(source)
        if filled := loading.filled(source):
            say(f"the source has data already ({', '.join(filled[:2])}, ...); leaving it as it is")
        else:
            rows = generator.fill(source, scale)
            say(f"generated {sum(rows.values()):,} rows in {len(rows)} tables")
        # Later runs moved on from the demo's instant: then there is nothing that it could add.
        as_of = max([generator.AS_OF, *(mart.as_of for mart in status.marts(warehouse) if mart.as_of)])
    _run(Parameters(new_run_id(), as_of, chosen.earliest_date, additive=chosen.additive), as_json=as_json)
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

    applications = applications_of(only)
    first, last = date("--from", from_date), date("--to", to_date)
    chosen = settings_module.load()
    parameters = Parameters(
        run_id=new_run_id(),
        as_of=instant(as_of) if as_of is not None else dt.datetime.now(dt.UTC),
        earliest_date=chosen.earliest_date,
        additive=chosen.additive,
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
    _run(parameters, applications, wait=not no_wait, as_json=as_json, force_deletes=source_tables(force_deletes))


@app.command()
def status(
    rows: Annotated[
        int | None, typer.Option("--rows", metavar="ID", help="Show the rows that a failed check is about instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what stands in the marts, how fresh, and what is wrong.

    Per mart: partitions, rows, as-of instant, last publication, dirty and late partitions, failed checks. Then
    applications whose runs fail, how old their marts are and why; what is dirty and since when, open quarantine,
    failed checks, series that cannot be forecast, and alerts that have yet to be sent.
    """
    from warehouse import status as report

    chosen = settings_module.load()
    with warehouse_to_read(chosen, "weir status") as (_, warehouse):
        if rows is not None:
            columns, found = report.failing_rows(warehouse, rows, ROWS_SHOWN + 1)
            if as_json:
                print_json([dict(zip(columns, row, strict=True)) for row in found[:ROWS_SHOWN]])
            else:
                print_rows(columns, found)
            return
        freshness = report.freshness(warehouse)
        marts, quarantine, failures = report.marts(warehouse), report.quarantine(warehouse), report.failures(warehouse)
        without, unsent = report.without_forecast(warehouse), report.unsent_alerts(warehouse)
        late = report.late_data(warehouse)
    if as_json:
        print_json(
            {
                "marts": marts, "freshness": freshness, "quarantine": quarantine, "failed_checks": failures,
                "series_without_forecast": without, "unsent_alerts": unsent, "open_late_data": late,
            }
        )  # fmt: skip
        return
    print_status(freshness, marts, quarantine, failures, without, unsent, late)


@app.command()
def verify(
    from_date: Annotated[
        str | None, typer.Option("--from", metavar="D", help="Compare from this day, e.g. 2018-01-31.")
    ] = None,
    to_date: Annotated[
        str | None, typer.Option("--to", metavar="D", help="Compare through this day, inclusive.")
    ] = None,
    source: Annotated[bool, typer.Option("--source", help="Compare every row of raw with the source instead.")] = False,
    ledger: Annotated[bool, typer.Option("--ledger", help="With --source: compare the marts, too.")] = False,
    only: Annotated[str | None, typer.Option(metavar="A,B", help=f"Only these of {', '.join(APPLICATIONS)}.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Give up at once while a run is going on.")] = False,
    as_json: AsJson = False,
) -> None:
    """Prove what is published: recompute it from raw, compare with the ledger.

    Finds rows of marts that are not those that were published, partitions that raw gives other rows for, and those
    that the ledger does not know. Dirty partitions are pending, not different. With dates: partitions that share a day
    with them; marts without dates are left out. With --source: every row of raw against its source; what the source
    has changed since the last extract is no difference, and the next run heals the tables that differ.

    Changes nothing. Exit code 4 where anything differs.
    """
    applications = applications_of(only)
    first, last = date("--from", from_date), date("--to", to_date)
    if first and last and last < first:
        raise ConfigurationError(f"--to {last} is before --from {first}; swap them")
    ledger = ledger or not source or first is not None or last is not None
    chosen = settings_module.load()
    tables: list[SourceProof] | None = None
    marts: list[MartProof] | None = None
    with (
        warehouse_to_read(chosen, "weir verify") as (places, warehouse),
        progress() as say,
        working(places, wait=not no_wait, say=say),
    ):
        if source:
            tables = _verify_source(chosen, places, warehouse, applications, say)
        if ledger:
            marts = _verify_marts(chosen, places, applications, first, last, say)
    if as_json:
        print_json({name: found for name, found in (("tables", tables), ("marts", marts)) if found is not None})
    if tables is not None and not as_json:
        print_proofs(tables)
    if marts is not None and not as_json:
        print_mart_proofs(marts)
    problems = [*problems_of_tables(tables or []), *problems_of_marts(marts or [])]
    if problems:
        raise VerificationError("; ".join(problems))


def _verify_source(
    chosen: Settings, places: "Places", warehouse: Connection, applications: tuple[str, ...], say: Callable[[str], None]
) -> "list[SourceProof]":
    from warehouse.extract import verify_source

    found: list[SourceProof] = []
    for application in applications:
        with session(
            places.source_urls[application],
            name="weir verify",
            read_only=True,
            setting=chosen.source_setting(application),
        ) as source:
            found += verify_source(application, source, warehouse, say)
    return found


def _verify_marts(
    chosen: Settings,
    places: "Places",
    applications: tuple[str, ...],
    first: dt.date | None,
    last: dt.date | None,
    say: Callable[[str], None],
) -> "list[MartProof]":
    from warehouse.transform import Transformer
    from warehouse.verification import verify

    with owner_session(chosen, "weir verify") as warehouse:
        return verify(
            warehouse,
            Transformer(places.warehouse_url, places.home / "dbt"),
            chosen.earliest_date,
            applications,
            first=first,
            last=last,
            additive=chosen.additive,
            say=say,
        )


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
        print(reader_url(chosen))
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
    from warehouse import data_docs

    chosen = settings_module.load()
    was_running = chosen.server.is_running()
    places = chosen.start()
    prepare(chosen)

    def ready(address: str) -> None:
        err.print(f"Dagster UI       {address}")
        err.print('SQL, for reading  psql "$(weir url bi)"')
        err.print(f"Data Docs        {data_docs.index(places.home).as_uri()}", soft_wrap=True)
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
    with progress() as say:
        places = chosen.start()
        check_sources(chosen, places, applications)
        prepare(chosen)
        refresh = Refresh(
            places,
            parameters,
            applications,
            chosen.max_quarantine_share,
            wait=wait,
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
        print_json(
            {
                "run_id": parameters.run_id,
                "as_of": parameters.as_of,
                "applications": {name: outcome_of(outcome) for name, outcome in refresh.outcomes.items()},
                "seconds": seconds,
                "total_seconds": round(total, 2),
            }
        )
    else:
        print_run(refresh, seconds, total)
    for message in dict.fromkeys(one_line(error) for error in errors):
        complain(message)
    if errors:
        raise typer.Exit(exit_code(errors))


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
        complain(one_line(error))
        return exit_code_of(error)
    if hasattr(error, "format_message"):  # click's usage errors, of which typer has a copy of its own
        if type(error).__name__ == "NoArgsIsHelpError":
            err.print(error.format_message())
        else:
            command = getattr(getattr(error, "ctx", None), "command_path", "weir")
            complain(f"{' '.join(error.format_message().split()).rstrip('.?')}; see: {command} --help")
        return ConfigurationError.exit_code
    traceback.print_exception(error)
    complain(f"{one_line(error)}; this is a fault of weir, please report it")
    return 1


def main() -> None:
    """Entry point: every failure is one line and an exit code."""
    signals = Signals()
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
        complain("interrupted; the marts are as the last publication left them, and the next run carries on")
        sys.exit(128 + number)
    sys.exit(0 if error is None else _explain(error))
