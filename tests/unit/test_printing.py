"""What the command line shows of long work: bars on a terminal, plain lines elsewhere."""

import io
import re

import pytest
from rich.console import Console

from orchestration import printing
from warehouse.extract import Reading

ANSI = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


def shown(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is printed while a table is read whose number of rows is known about, and one of which it is not."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, _environ={"TERM": "xterm"})
    monkeypatch.setattr(printing, "err", console)
    monkeypatch.setattr(printing.sys.stderr, "isatty", lambda: terminal, raising=False)
    with printing.progress() as say:
        say("extracting")
        for reading in (
            Reading("scheduling.tasks", "read", 2, 4, 50_000, 100_000),
            Reading("scheduling.goals", "merge", 3, 4, 7),
        ):
            say._next = 0.0  # at most ten times a second otherwise
            say.reading(reading)
            if say._shown is not None:
                console.print(say._shown.status)
    return ANSI.sub("", file.getvalue())


def test_a_terminal_shows_how_far_an_extract_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(True, monkeypatch)
    # Anywhere: the bar draws itself anew in a thread of its own.
    assert re.search(r"read scheduling\.tasks [━╸╺ ]+ 50,000 rows of about 100,000", text)
    assert re.search(r"merge scheduling\.goals [━╸╺ ]+ 7 rows", text)


def test_elsewhere_there_are_lines_and_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(False, monkeypatch) == "extracting\n"
