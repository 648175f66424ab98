"""The anomaly detector on labelled real series (Numenta Anomaly Benchmark) beside a rolling z-score, in one run.

Counted are labelled windows with at least one alarm, and alarms outside of any window. The rolling z-score is that
of a value against mean and standard deviation of the 288 values before it, above 3. The series are no part of this
project: the folder holds `<name>.csv.gz` (timestamp, value) and `windows.json`.

Threshold and outer quantile of the spread are chosen on one half of the series, by the MD5 of their names, and scored
on the other, then the other way round: most windows found with at most a quarter of the z-score's alarms outside
of any, and of those that find as many, the fewest alarms. Beside it all series with what the detector ships.

    python -m benchmarks.nab ../shared/data/nab
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.special import ndtri

from warehouse.services import anomalies

FOLDER = Path(os.environ.get("WEIR_NAB_DATA", Path(__file__).resolve().parents[2] / "shared" / "data" / "nab"))
POINTS, LIMIT = 288, 3.0


THRESHOLDS, QUANTILES = (2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0), (0.6, 0.7, 0.8, 0.9, 0.95)


class Choice(NamedTuple):
    """Score from which a point is an anomaly; quantile of absolute errors that the spread is at least."""

    threshold: float
    quantile: float


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


def rolling_alarms(frame: pd.DataFrame) -> np.ndarray:
    """Points that the rolling z-score names."""
    before = frame["value"].shift(1).rolling(POINTS)
    flags: np.ndarray = (((frame["value"] - before.mean()) / before.std()).abs() > LIMIT).to_numpy()
    return flags


def season_of(frame: pd.DataFrame) -> int:
    """Points of a day."""
    points: float = pd.Timedelta(days=1) / frame["timestamp"].diff().median()
    return round(points)


def alarms(frame: pd.DataFrame) -> np.ndarray:
    """Points that the detector names."""
    season = season_of(frame)
    return anomalies.incidents(anomalies.score(frame["value"].to_numpy(dtype=float), season).z[0], season)


def count(frame: pd.DataFrame, windows: list[tuple[pd.Timestamp, pd.Timestamp]], flags: np.ndarray) -> Found:
    """How many windows a set of alarms finds."""
    masks = [frame["timestamp"].between(start, end).to_numpy() for start, end in windows]
    inside = np.any(masks, axis=0) if masks else np.zeros(len(frame), dtype=bool)
    return Found(sum(bool((flags & mask).any()) for mask in masks), int((flags & ~inside).sum()), len(windows))


def results(folder: Path) -> Iterator[tuple[str, Found, Found]]:
    """Per series: the rolling z-score's and the detector's."""
    for name, frame, windows in series(folder):
        yield name, count(frame, windows, rolling_alarms(frame)), count(frame, windows, alarms(frame))


def totals(folder: Path = FOLDER) -> tuple[Found, Found]:
    """Over all series: the rolling z-score's and the detector's."""
    rows = list(results(folder))
    return total(row[1] for row in rows), total(row[2] for row in rows)


def total(found: Iterable[Found]) -> Found:
    """The sum over series."""
    return Found(*(sum(numbers) for numbers in zip(*found, strict=True)))


def held_back(folder: Path = FOLDER) -> Iterator[tuple[str, Choice, Found, Found]]:
    """Per half: what is chosen on the other one, the rolling z-score's and the detector's on this one."""
    halves: tuple[list[dict[Choice | None, Found]], ...] = ([], [])
    ranked = sorted(series(folder), key=lambda each: hashlib.md5(each[0].encode()).digest())
    for number, (_, frame, windows) in enumerate(ranked):
        season, values = season_of(frame), frame["value"].to_numpy(dtype=float)
        found: dict[Choice | None, Found] = {None: count(frame, windows, rolling_alarms(frame))}
        for quantile in QUANTILES:
            spread = {0.5: anomalies.NORMAL[0.5], quantile: float(1 / ndtri((1 + quantile) / 2))}
            with mock.patch.object(anomalies, "NORMAL", spread):
                z = anomalies.score(values, season).z[0]
            for threshold in THRESHOLDS:
                flags = anomalies.incidents(z, season, threshold)
                found[Choice(threshold, quantile)] = count(frame, windows, flags)
        halves[number % 2].append(found)

    def of(half: list[dict[Choice | None, Found]], choice: Choice | None) -> Found:
        return total(found[choice] for found in half)

    choices = [Choice(threshold, quantile) for threshold in THRESHOLDS for quantile in QUANTILES]
    for name, mine, others in (("first", halves[0], halves[1]), ("second", halves[1], halves[0])):
        quarter = of(others, None).outside / 4
        allowed = [choice for choice in choices if of(others, choice).outside <= quarter]
        chosen = min(allowed, key=lambda choice: (-of(others, choice).found, of(others, choice).outside))
        yield name, chosen, of(mine, None), of(mine, chosen)


def main(folder: Path) -> None:
    """Print both, per series and in total."""
    table = Table("series", "windows", "rolling: found", "outside", "detector: found", "outside")
    rows = list(results(folder))
    for name, rolling, ours in rows:
        table.add_row(name, *map(str, (rolling.windows, *rolling[:2], *ours[:2])))
    rolling, ours = total(row[1] for row in rows), total(row[2] for row in rows)
    table.add_row("all", *map(str, (rolling.windows, *rolling[:2], *ours[:2])), style="bold")
    console = Console()
    console.print(table)
    console.print(f"alarms outside of any window: {ours.outside / rolling.outside:.2f} of the rolling z-score's")
    table = Table("half held back", "threshold", "quantile", "windows", "rolling: found", "outside", "ours", "outside")
    halves = list(held_back(folder))
    for name, chosen, rolling, ours in halves:
        table.add_row(name, *map(str, (*chosen, rolling.windows, *rolling[:2], *ours[:2])))
    rolling, ours = total(half[2] for half in halves), total(half[3] for half in halves)
    table.add_row("both", "", "", *map(str, (rolling.windows, *rolling[:2], *ours[:2])), style="bold")
    console.print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
