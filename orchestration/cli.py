"""The command line: ``weir``.

Belongs here: arguments, printing, exit codes. Does not belong here: work; commands call ``warehouse``.
Heavy libraries are imported by the commands that need them, so that ``weir url`` answers at once.
"""

import datetime as dt
import json
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from orchestration import settings as settings_module
from orchestration.settings import Settings
from warehouse import loading, schema
from warehouse.catalog import APPLICATIONS
from warehouse.database import connect, session
from warehouse.errors import ConfigurationError, WeirError
from warehouse.plan import Parameters
from warehouse.refresh import Outcome, Places, Refresh, new_run_id, partitions_of

STARTED = time.perf_counter()

app = typer.Typer(
    help="A warehouse that turns an application's own tables into numbers that people can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
source_app = typer.Typer(help="Make and fill source tables, for demos and tests.", no_args_is_help=True)
app.add_typer(source_app, name="source")

WIDE = 200  # columns, where nobody's terminal says how many there are
out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDE)

AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


@app.command()
def init() -> None:
    """Start the embedded server where no URL is set; create or migrate schemas and roles. Idempotent."""
    places = _prepare(settings_module.load(), always=True)
    err.print(f"warehouse ready; state is in {places.home}")


@source_app.command("create")
def source_create() -> None:
    """Create the source tables in an empty source."""
    chosen = settings_module.load()
    places = chosen.start()
    made: list[str] = []
    for url, applications in _by_url(places).items():
        with session(url, name="weir source create", setting="WEIR_SOURCE_URL") as connection:
            made += loading.create(connection, applications)
    err.print(f"created {len(made)} tables" if made else "the source tables are there already")


@source_app.command("load")
def source_load(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of CSV files.")]) -> None:
    """Fill the source tables from DIR/<schema>.<table>.csv[.gz]."""
    places = settings_module.load().start()
    with _progress() as say:
        rows = loading.load(
            lambda application: connect(
                places.source_urls[application],
                name="weir source load",
                setting=f"WEIR_SOURCE_URL_{application.upper()}",
            ),
            folder,
            lambda table, count: say(f"{table}: {count:,} rows"),
        )
    err.print(f"loaded {sum(rows.values()):,} rows into {len(rows)} tables")


@app.command()
def demo(
    scale: Annotated[float, typer.Option(min=0.05, max=1000, help="1: 200 users, 50,000 events.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Create and fill the source tables with generated data, and run the whole pipeline."""
    from warehouse import demo as generator

    places = _prepare(settings_module.load())
    urls = _by_url(places)
    if len(urls) > 1:
        raise ConfigurationError("the demo fills one source; unset WEIR_SOURCE_URL_<APPLICATION>")
    (url,) = urls
    with session(url, name="weir demo", setting="WEIR_SOURCE_URL") as connection, _progress() as say:
        loading.create(connection)
        filled = connection.execute("select exists (select from scheduling.users)").fetchone()
        if filled and filled[0]:
            say("the source has data already; leaving it as it is")
        else:
            rows = generator.fill(connection, scale)
            say(f"generated {sum(rows.values()):,} rows in {len(rows)} tables")
    _run(Parameters(new_run_id(), generator.AS_OF, settings_module.load().earliest_date), as_json=as_json)
    if not as_json:
        out.print(
            "\nWhere to look next:\n"
            "  weir status          what stands in the marts, how fresh, what is quarantined\n"
            '  psql "$(weir url bi)"  the marts, as a BI tool reads them, e.g.\n'
            "      select date, sum(total_scheduled_minutes) from marts.analytics_daily_metrics group by 1 order by 1\n"
            "  weir down            stop the embedded server"
        )


@app.command()
def run(
    from_date: Annotated[str | None, typer.Option("--from", metavar="D", help="Rebuild from this day.")] = None,
    to_date: Annotated[str | None, typer.Option("--to", metavar="D", help="Rebuild through this day.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="T", help="ISO 8601 instant; default: now.")] = None,
    rewind: Annotated[bool, typer.Option(help="Allow an as-of before the last publication.")] = False,
    only: Annotated[str | None, typer.Option(metavar="A,B", help="Only these applications.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for another run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Extract, build, check and publish what is dirty or not built yet; or rebuild given days."""
    first, last = _date("--from", from_date), _date("--to", to_date)
    if first and last and last < first:
        raise ConfigurationError(f"--to {last} is before --from {first}; swap them")
    parameters = Parameters(
        run_id=new_run_id(),
        as_of=_instant(as_of) if as_of else dt.datetime.now(dt.UTC),
        earliest_date=settings_module.load().earliest_date,
        from_date=first,
        to_date=last,
        rewind=rewind,
    )
    _run(parameters, _applications(only), wait=not no_wait, as_json=as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Per mart: partitions, last publication, freshness, quarantine, late data, failed checks."""
    from warehouse import status as report

    places = _prepare(settings_module.load())
    with session(places.warehouse_url, name="weir status", setting="WEIR_WAREHOUSE_URL") as warehouse:
        marts, quarantine, failures = report.marts(warehouse), report.quarantine(warehouse), report.failures(warehouse)
    if as_json:
        _print_json({"marts": marts, "quarantine": quarantine, "failed_checks": failures})
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


@app.command()
def url(which: Annotated[str, typer.Argument(metavar="source|warehouse|bi", help="Whose URL.")]) -> None:
    """Print a libpq URL; bi is the read-only role that sees schema marts only."""
    if which not in {"source", "warehouse", "bi"}:
        raise ConfigurationError(f"there is no URL of {which!r}; ask for source, warehouse or bi")
    chosen = settings_module.load()
    places = _prepare(chosen) if which == "bi" else chosen.start()
    if which == "source":
        urls = _by_url(places)
        if len(urls) > 1:
            raise ConfigurationError("the applications have sources of their own: see WEIR_SOURCE_URL_<APPLICATION>")
        print(next(iter(urls)))
    elif which == "warehouse":
        print(places.warehouse_url)
    else:
        print(schema.reader_url(places.warehouse_url, _reader_password(chosen)))


@app.command()
def down() -> None:
    """Stop what runs in the background: the embedded server."""
    stopped = settings_module.load().server.stop()
    err.print("stopped the embedded server" if stopped else "nothing was running")


def _prepare(chosen: Settings, *, always: bool = False) -> Places:
    """Start the server and bring the warehouse to the current version."""
    places = chosen.start()
    with session(places.warehouse_url, name="weir init", setting="WEIR_WAREHOUSE_URL") as warehouse:
        if always or not schema.is_current(warehouse):
            schema.migrate(warehouse, places.warehouse_url)
            schema.grant_readers(warehouse, _reader_password(chosen))
    return places


def _reader_password(chosen: Settings) -> str:
    if chosen.warehouse_url is None:
        return chosen.server.password(schema.BI_ROLE)
    settings_module.make_home(chosen.state)
    path = chosen.state / "weir_bi.password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _run(
    parameters: Parameters,
    applications: tuple[str, ...] = APPLICATIONS,
    *,
    wait: bool = True,
    as_json: bool = False,
) -> None:
    from orchestration.run import run_in_process

    chosen = settings_module.load()
    with _progress() as say:
        places = _prepare(chosen)
        refresh = Refresh(places, parameters, applications, chosen.max_quarantine_share, wait=wait, say=say)
        refresh.seconds["start"] = time.perf_counter() - STARTED
        with refresh:
            run_in_process(refresh, chosen.server if chosen.needs_server else None)
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
    errors = [outcome.error for outcome in refresh.outcomes.values() if outcome.error is not None]
    for message in dict.fromkeys(_one_line(error) for error in errors):
        err.print(f"weir: {message}", style="red", markup=False, soft_wrap=True)
    if errors:
        raise typer.Exit(_exit_code(errors))


def _print_run(refresh: Refresh, seconds: dict[str, float], total: float) -> None:
    table = _table("application", "mart", ">partitions", ">rows", "result")
    for outcome in refresh.outcomes.values():
        for name, partitions, rows in partitions_of(outcome):
            held = len(outcome.held_back.get(name, ()))
            result = "published" if name in outcome.rows else "held back"
            table.add_row(
                outcome.application, name, f"{partitions:,}", f"{rows:,}",
                f"{result}, {held:,} days held back" if held and name in outcome.rows else result,
            )  # fmt: skip
    if table.row_count:
        out.print(table)
    elif not any(outcome.error for outcome in refresh.outcomes.values()):
        out.print("nothing to do: the marts are up to date")
    out.print(f"{total:.1f} s: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()))


def _outcome(outcome: Outcome) -> dict[str, Any]:
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


def _by_url(places: Places) -> dict[str, tuple[str, ...]]:
    urls: dict[str, tuple[str, ...]] = {}
    for application in APPLICATIONS:
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
    return instant.astimezone(dt.UTC)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left", no_wrap=True)
    return table


def _age(age: dt.timedelta) -> str:
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if age.total_seconds() >= 2 * seconds:
            return f"{age.total_seconds() / seconds:.0f} {unit}"
    return f"{max(age.total_seconds(), 0):.0f} s"


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A line per message; on a terminal also a spinner that shows the last one."""
    if not err.is_terminal:
        yield lambda line: err.print(line, markup=False, soft_wrap=True)
        return
    with err.status("…") as shown:

        def say(line: str) -> None:
            err.print(f"[dim]{time.perf_counter() - STARTED:6.1f} s[/] {line}")
            shown.update(line)

        yield say


def _print_json(report: object) -> None:
    def plain(value: object) -> object:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        if isinstance(value, dt.datetime | dt.date):
            return value.isoformat()
        return str(value)

    print(json.dumps(report, default=plain, indent=2))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, WeirError) else f"{type(error).__name__}: {text}"


def _exit_code(errors: list[BaseException]) -> int:
    codes = {error.exit_code if isinstance(error, WeirError) else 1 for error in errors}
    return next(code for code in (1, 2, 3, 4) if code in codes)


def main() -> None:
    """Entry point: every failure is one line and an exit code."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        err.print("weir: interrupted; the marts are as the last publication left them")
        sys.exit(130)
    except WeirError as error:
        err.print(f"weir: {_one_line(error)}", style="red", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except psycopg.Error as error:
        err.print(f"weir: {_one_line(error)}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
    except Exception as error:
        usage = getattr(error, "exit_code", None)  # click's usage errors
        if usage is not None and hasattr(error, "format_message"):
            err.print(f"weir: {error.format_message()}", style="red", markup=False, soft_wrap=True)
            sys.exit(2)
        raise
