"""The anomaly detector on labelled real series (Numenta Anomaly Benchmark) beside a rolling z-score, in one run.

Counted are labelled windows with at least one alarm, and alarms outside of any window. The rolling z-score is that
of a value against mean and standard deviation of the 288 values before it, above 3. The series are no part of this
project: the folder holds `<name>.csv.gz` (timestamp, value) and `windows.json`.

    python -m benchmarks.nab ../shared/data/nab
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from warehouse.services import anomalies

FOLDER = Path(os.environ.get("WEIR_NAB_DATA", Path(__file__).resolve().parents[2] / "shared" / "data" / "nab"))
POINTS, LIMIT = 288, 3.0


class Found(NamedTuple):
    """Windows found, alarms outside of any, windows."""

    found: int
    outside: int
    windows: int


def series(folder: Path) -> Iterator[tuple[str, pd.DataFrame, list[tuple[pd.Timestamp, pd.Timestamp]]]]:
    """Name, points and labelled windows."""
    for name, windows in json.loads((folder / "windows.json").read_text()).items():
        frame = pd.read_csv(folder / f"{name.replace('/', '__')}.gz", parse_dates=["timestamp"])
        yield name, frame, [(pd.Timestamp(start), pd.Timestamp(end)) for start, end in windows]


def alarms(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Points that the rolling z-score and the detector name."""
    before = frame["value"].shift(1).rolling(POINTS)
    rolling = ((frame["value"] - before.mean()) / before.std()).abs() > LIMIT
    season = round(pd.Timedelta(days=1) / frame["timestamp"].diff().median())
    scores = anomalies.score(frame["value"].to_numpy(dtype=float), season)
    return rolling.to_numpy(), anomalies.incidents(scores.z[0], season)


def count(frame: pd.DataFrame, windows: list[tuple[pd.Timestamp, pd.Timestamp]], flags: np.ndarray) -> Found:
    """How many windows a set of alarms finds."""
    masks = [frame["timestamp"].between(start, end).to_numpy() for start, end in windows]
    inside = np.any(masks, axis=0) if masks else np.zeros(len(frame), dtype=bool)
    return Found(sum(bool((flags & mask).any()) for mask in masks), int((flags & ~inside).sum()), len(windows))


def results(folder: Path) -> Iterator[tuple[str, Found, Found]]:
    """Per series: the rolling z-score's and the detector's."""
    for name, frame, windows in series(folder):
        rolling, ours = alarms(frame)
        yield name, count(frame, windows, rolling), count(frame, windows, ours)


def totals(folder: Path = FOLDER) -> tuple[Found, Found]:
    """Over all series: the rolling z-score's and the detector's."""
    rows = list(results(folder))
    rolling, ours = (
        Found(*(sum(numbers) for numbers in zip(*of, strict=True)))
        for of in zip(*(row[1:] for row in rows), strict=True)
    )
    return rolling, ours


def main(folder: Path) -> None:
    """Print both, per series and in total."""
    table = Table("series", "windows", "rolling: found", "outside", "detector: found", "outside")
    rows = list(results(folder))
    for name, rolling, ours in rows:
        table.add_row(name, *map(str, (rolling.windows, *rolling[:2], *ours[:2])))
    sums = [[sum(row[which][n] for row in rows) for n in range(3)] for which in (1, 2)]
    table.add_row("all", *map(str, (sums[0][2], *sums[0][:2], *sums[1][:2])), style="bold")
    console = Console()
    console.print(table)
    console.print(f"alarms outside of any window: {sums[1][1] / sums[0][1]:.2f} of the rolling z-score's")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
