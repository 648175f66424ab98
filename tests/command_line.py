"""The command line for tests: in this process where that will do, in one of its own for runs and signals.

Belongs here: calling ``weir`` and looking at what it answers. Does not belong here: what it should answer.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from orchestration import cli
from warehouse.catalog import SOURCE_TABLES

REPOSITORY = Path(__file__).resolve().parents[1]

MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import orchestration.cli as c; c.main()"
)
"""A process started in the background may have inherited that Ctrl-C is to be ignored."""


@dataclass(frozen=True)
class Answer:
    """What a command ended with."""

    code: int
    out: str
    err: str


def weir(*arguments: object, **settings: object) -> Answer:
    """Call the command line in this process, with these settings (without ``WEIR_``) and no others."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment(**settings), clear=True),
        mock.patch.object(sys, "argv", ["weir", *map(str, arguments)]),
        _signals_restored(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as end:
            return Answer(int(end.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("main always exits")


def start(*arguments: object, **settings: object) -> subprocess.Popen[str]:
    """Start the command line in a process and a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        env=environment(**settings) | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str], *, seconds: float = 300) -> Answer:
    """Wait for a process to end."""
    out, err = process.communicate(timeout=seconds)
    return Answer(process.returncode, out, err)


def environment(**settings: object) -> dict[str, str]:
    """The environment with these settings (without ``WEIR_``) and no others."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("WEIR_", "PG"))}
    return others | {f"WEIR_{name}".upper(): str(value) for name, value in settings.items()}


def complaint(answer: Answer) -> str:
    """The one line that a command was refused with, without the program's name."""
    assert answer.code == 2, answer
    assert answer.out == "", answer
    assert answer.err.count("\n") == 1, answer
    assert answer.err.startswith("weir: "), answer
    return answer.err.removeprefix("weir: ").rstrip("\n")


def write_headers(folder: Path) -> Path:
    """A file with nothing but its header for each source table, as ``weir source load`` wants them."""
    folder.mkdir()
    for table in SOURCE_TABLES:
        header = ",".join(column.name for column in table.model.columns)
        (folder / f"{table.qualified}.csv").write_text(header + "\n", encoding="utf-8")
    return folder


@contextlib.contextmanager
def _signals_restored() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            signal.signal(number, handler)
