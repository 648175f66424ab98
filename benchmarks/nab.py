"""The anomaly detector on labelled real series (Numenta Anomaly Benchmark) beside a rolling z-score, in one run.

Counted are labelled windows with at least one point named, and points named outside of any window; of both methods
every point whose score is beyond the limit. The rolling z-score is that of a value against mean and standard deviation
of the 288 values before it, above 3. Beside it, of both, incidents: points with none named in the hour before (the
24th part of a day). The series are no part of this project: the folder holds `<name>.csv.gz` (timestamp, value) and
`windows.json`.

The detector's limit and the number of exceptions that it grants are chosen on one half of the series, by the MD5 of
their names, and scored on the other, then the other way round: most windows found with at most a quarter of the
z-score's points outside of any, and of those that find as many, the fewest points. Beside it all series with what
the detector ships, and with fewer and more exceptions.

    python -m benchmarks.nab ../shared/data/nab
"""

import hashlib
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from warehouse.services import anomalies

Flags = NDArray[np.bool_]
Windows = list[tuple[pd.Timestamp, pd.Timestamp]]

FOLDER = Path(os.environ.get("WEIR_NAB_DATA", Path(__file__).resolve().parents[2] / "shared" / "data" / "nab"))
POINTS, LIMIT = 288, 3.0

CHOICES = tuple(itertools.product((2.5, 3.0, 3.5, 4.0, 4.5, 5.0), (4, 6, 8, 10, 12, 16, 24)))
"""Limits of the score, and exceptions granted."""

HEADINGS = ("windows", "z-score: found", "points outside", "incidents", "ours: found", "points outside", "incidents")


class Found(NamedTuple):
    """Windows found, points outside of any, incidents outside of any, windows."""

    found: int
    outside: int
    incidents: int
    windows: int


def series(folder: Path) -> Iterator[tuple[str, pd.DataFrame, Windows]]:
    """Name, points and labelled windows."""
    for name, windows in json.loads((folder / "windows.json").read_text()).items():
        frame = pd.read_csv(folder / f"{name.replace('/', '__')}.gz", parse_dates=["timestamp"])
        yield name, frame, [(pd.Timestamp(start), pd.Timestamp(end)) for start, end in windows]


def rolling(frame: pd.DataFrame) -> Flags:
    """Points that the rolling z-score names."""
    before = frame["value"].shift(1).rolling(POINTS)
    flags: Flags = (((frame["value"] - before.mean()) / before.std()).abs() > LIMIT).to_numpy()
    return flags


def season_of(frame: pd.DataFrame) -> int:
    """Points of a day."""
    points: float = pd.Timedelta(days=1) / frame["timestamp"].diff().median()
    return round(points)


def detector(frame: pd.DataFrame) -> Flags:
    """Points that the detector names."""
    z = anomalies.score(frame["value"].to_numpy(dtype=float), season_of(frame)).z[0]
    flags: Flags = np.abs(np.nan_to_num(z)) >= anomalies.WARNING
    return flags


def count(frame: pd.DataFrame, windows: Windows, flags: Flags) -> Found:
    """How many windows a set of points finds, and how many of them are in none."""
    masks = [frame["timestamp"].between(start, end).to_numpy() for start, end in windows]
    outside = flags & ~np.any([np.zeros_like(flags), *masks], axis=0)
    named = np.flatnonzero(flags)
    begins = np.zeros_like(flags)
    begins[named[np.diff(named, prepend=-len(flags)) > season_of(frame) // 24]] = True
    return Found(
        sum(bool((flags & mask).any()) for mask in masks),
        int(outside.sum()),
        int((outside & begins).sum()),
        len(windows),
    )


def results(folder: Path) -> Iterator[tuple[str, Found, Found]]:
    """Per series: the rolling z-score's and the detector's."""
    for name, frame, windows in series(folder):
        yield name, count(frame, windows, rolling(frame)), count(frame, windows, detector(frame))


def totals(folder: Path = FOLDER) -> tuple[Found, Found]:
    """Over all series: the rolling z-score's and the detector's."""
    rows = list(results(folder))
    return total(row[1] for row in rows), total(row[2] for row in rows)


def total(found: Iterable[Found]) -> Found:
    """The sum over series."""
    return Found(*(sum(numbers) for numbers in zip(*found, strict=True)))


def held_back(folder: Path = FOLDER) -> Iterator[tuple[str, tuple[float, int], Found, Found]]:
    """Per half: what is chosen on the other one, the rolling z-score's and the detector's on this one."""
    ranked = sorted(series(folder), key=lambda each: hashlib.md5(each[0].encode()).digest())
    halves = ranked[::2], ranked[1::2]
    z_scores = [total(count(frame, windows, rolling(frame)) for _, frame, windows in half) for half in halves]
    ours: list[dict[tuple[float, int], Found]] = [{}, {}]
    for limit, exceptions in CHOICES:
        with mock.patch.multiple(anomalies, WARNING=limit, EXCEPTIONS=exceptions):
            for half, found in zip(halves, ours, strict=True):
                found[limit, exceptions] = total(count(frame, windows, detector(frame)) for _, frame, windows in half)
    for name, mine, other in (("first", 0, 1), ("second", 1, 0)):
        most = z_scores[other].outside / 4
        allowed = {choice: found for choice, found in ours[other].items() if found.outside <= most}
        chosen = min(allowed, key=lambda choice: (-allowed[choice].found, allowed[choice].outside))
        yield name, chosen, z_scores[mine], ours[mine][chosen]


def main(folder: Path) -> None:
    """Print both, per series and in total."""
    table = Table("series", *HEADINGS)
    rows = list(results(folder))
    for name, z_score, ours in rows:
        table.add_row(name, *map(str, (z_score.windows, *z_score[:3], *ours[:3])))
    z_score, ours = total(row[1] for row in rows), total(row[2] for row in rows)
    table.add_row("all", *map(str, (z_score.windows, *z_score[:3], *ours[:3])), style="bold")
    console = Console(width=140)
    console.print(table)
    console.print(f"points outside of any window: {ours.outside / z_score.outside:.3f} of the rolling z-score's")
    table = Table("exceptions granted", *HEADINGS[4:])
    for exceptions in (6, 8, 10, 12, 16):
        with mock.patch.object(anomalies, "EXCEPTIONS", exceptions):
            ours = total(count(frame, windows, detector(frame)) for _, frame, windows in series(folder))
        table.add_row(*map(str, (exceptions, *ours[:3])))
    console.print(table)
    table = Table("half held back", "limit", "exceptions", *HEADINGS)
    halves = list(held_back(folder))
    for name, chosen, z_score, ours in halves:
        table.add_row(name, *map(str, (*chosen, z_score.windows, *z_score[:3], *ours[:3])))
    z_score, ours = total(half[2] for half in halves), total(half[3] for half in halves)
    table.add_row("both", "", "", *map(str, (z_score.windows, *z_score[:3], *ours[:3])), style="bold")
    console.print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
