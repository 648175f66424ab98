"""How the command line prints: tables, JSON, progress, and failures in one line with their exit codes.

Does not belong here: what is in a report (``reports``, and the commands).
"""

import datetime as dt
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console
from rich.text import Text

from warehouse.errors import ConfigurationError, WeirError

if TYPE_CHECKING:
    from rich.status import Status
    from rich.table import Table

    from warehouse.extract import Reading

STARTED = time.perf_counter()
"""When the process began to import us."""


def _console(*, stderr: bool) -> Console:
    """Prints text as it is; where nobody's terminal says how wide it is, no line is cut."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else 1000)


out, err = _console(stderr=False), _console(stderr=True)


def table_of(*columns: str) -> "Table":
    """An empty table; numbers, in columns whose title begins with >, stand right and are never broken."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        number = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    return table


def age(age: dt.timedelta) -> str:
    """How long ago, in the largest unit that there are two of."""
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if age.total_seconds() >= 2 * seconds:
            return f"{age.total_seconds() / seconds:.0f} {unit}"
    return f"{max(age.total_seconds(), 0):.0f} s"


class Say:
    """A line per message; on a terminal also a spinner that shows the last one, and bars while tables are read."""

    def __init__(self, shown: "Status | None" = None) -> None:
        self._shown = shown
        self._next = 0.0

    def __call__(self, line: str) -> None:
        """Tell a step that was begun or done."""
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
def progress() -> Iterator[Say]:
    """What long work tells its progress to."""
    if not sys.stderr.isatty():
        yield Say()
        return
    with err.status("") as shown:
        yield Say(shown)


def print_json(report: object) -> None:
    """Print a report for programs: dataclasses as objects, instants and dates in ISO 8601."""

    def plain(value: object) -> object:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        if isinstance(value, dt.datetime | dt.date):
            return value.isoformat()
        return str(value)

    print(json.dumps(report, default=plain, indent=2))


def one_line(error: BaseException) -> str:
    """What went wrong, in one line that says what to do where we know it."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"{error.diag.message_primary}; grant it to the user of WEIR_SOURCE_URL or WEIR_WAREHOUSE_URL"
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, WeirError) else f"{type(error).__name__}: {text}"


def exit_code(errors: list[BaseException]) -> int:
    """The exit code of a command that met these failures: the one of the worst."""
    codes = {exit_code_of(error) for error in errors}
    return next(code for code in (1, 2, 3, 4) if code in codes)


def exit_code_of(error: BaseException) -> int:
    """The exit code of one failure."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return ConfigurationError.exit_code
    return error.exit_code if isinstance(error, WeirError) else 1


def complain(message: str) -> None:
    """Print a failure to stderr, in the name of the command."""
    err.print(f"weir: {message}", style="red", soft_wrap=True)
