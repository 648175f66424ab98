"""How pairs of series move together: correlations of values and of ranks, and the regression of one on the other.

Belongs here: the arithmetic, on arrays. Does not belong here: rows and marts (``warehouse.services.rows``).

No product of matrices: what a linear-algebra library returns depends on its number of threads.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SMALLEST_COMMON = 14
"""Common points below which nothing is said of a pair."""


class Pair(NamedTuple):
    """Of rows x and y (their numbers): NaN where a series does not move on the common points."""

    x: int
    y: int
    n: int
    pearson: float
    spearman: float
    slope: float
    intercept: float
    r_squared: float


def correlate(values: Floats) -> Iterator[Pair]:
    """Every pair of rows with enough common points, each once, x before y.

    Args:
        values: one series per row, NaN where there is no value.
    """
    from scipy.stats import rankdata

    known = ~np.isnan(values)
    # Around the median and in units of the largest move: huge and tiny series keep their digits.
    middle = np.array([np.median(row[mask]) if mask.any() else 0.0 for row, mask in zip(values, known, strict=True)])
    largest = np.array([np.max(np.abs(r[m] - c), initial=0.0) for r, m, c in zip(values, known, middle, strict=True)])
    unit = np.where(largest > 0, largest, 1.0)
    scaled = (values - middle[:, None]) / unit[:, None]
    ranks = [rankdata(row[mask]) if mask.any() else row[mask] for row, mask in zip(scaled, known, strict=True)]
    for x in range(len(values)):
        for y in range(x + 1, len(values)):
            common = known[x] & known[y]
            n = int(np.count_nonzero(common))
            if n < SMALLEST_COMMON:
                continue
            a, b = scaled[x, common], scaled[y, common]
            pearson, slope, intercept = _line(a, b)
            of_x = ranks[x] if n == len(ranks[x]) else rankdata(a)
            of_y = ranks[y] if n == len(ranks[y]) else rankdata(b)
            slope *= unit[y] / unit[x]
            yield Pair(
                x, y, n, pearson, _line(of_x, of_y)[0], slope,
                intercept * unit[y] + middle[y] - slope * middle[x], pearson * pearson,
            )  # fmt: skip


def _line(a: Floats, b: Floats) -> tuple[float, float, float]:
    """Correlation, slope of b on a, and value at a = 0."""
    mean_a, mean_b = a.mean(), b.mean()
    da, db = a - mean_a, b - mean_b
    saa, sbb, sab = float((da * da).sum()), float((db * db).sum()), float((da * db).sum())
    # A constant's distance from its own mean is rounding.
    moves_a, moves_b = bool(np.ptp(a) > 0), bool(np.ptp(b) > 0)
    slope = sab / saa if moves_a else np.nan
    pearson = float(np.clip(sab / np.sqrt(saa * sbb), -1.0, 1.0)) if moves_a and moves_b else np.nan
    return pearson, slope, float(mean_b - slope * mean_a)
